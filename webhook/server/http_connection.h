// One HTTP connection: handshake, then requests one after the other, each received whole before a thread is spent on
// it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "webhook/server/channel.h"
#include "webhook/server/chunked_body.h"
#include "webhook/server/http_library.h"
#include "webhook/server/http_server.h"
#include "webhook/server/reactor.h"
#include "webhook/server/request_head.h"

namespace gatehouse::webhook {

struct RouteEntry {
  RouteOptions options;
  HttpServer::Handler handler;
};

// What all connections of a listener share. Constant once the listener has started, but for the atomics.
struct ListenerState {
  ListenerOptions options;
  const Clock& clock;
  telemetry::Logger& log;
  HttpLibrary library;
  std::map<std::string, std::vector<RouteEntry>, std::less<>> routes;  // by path
  std::atomic<bool> draining{false};
  std::atomic<std::size_t> buffered{0};  // bytes of requests beyond what each may have unasked
  std::atomic<MonoTime> last_handshake_log{};
};

class HttpConnection final : public Session {
 public:
  // Takes the descriptor. `tls` null: plain.
  HttpConnection(ListenerState& listener, int descriptor, SslPtr tls, std::string peer);
  ~HttpConnection() override;

  [[nodiscard]] Wait Begin() override;
  [[nodiscard]] Wait Advance() override;
  void Expire() override;
  [[nodiscard]] int descriptor() const override { return channel_.descriptor(); }

 private:
  enum class Phase : std::uint8_t { kHandshake, kReceive, kSend, kLeave, kOver };
  using MaybeWait = std::optional<Wait>;  // nothing: go on with the phase that is set now

  [[nodiscard]] MaybeWait Handshake();
  [[nodiscard]] MaybeWait Receive();
  [[nodiscard]] MaybeWait Send();
  [[nodiscard]] MaybeWait Leave();
  [[nodiscard]] MaybeWait After(Channel::Io io, const Wait& wait);

  // Each looks at what has arrived. False: more is needed.
  [[nodiscard]] bool TakeRequest();
  [[nodiscard]] bool TakeHead();
  [[nodiscard]] bool TakeBody();
  // Status 0 when the request may go on; finds `route_`.
  [[nodiscard]] Refusal Admit(std::string& allow);
  // Whether the route's own admit() answered in place of the handler.
  [[nodiscard]] bool TurnedAway();
  [[nodiscard]] bool WithinBudget();
  void Respond(std::string_view body);
  void Refuse(const Refusal& refusal, std::string_view allow = {});
  // Sends what is in out_, after which the connection ends.
  void SendLast();
  void StartSending(Phase after);
  void StartLeaving();
  void EndRequest();
  [[nodiscard]] Wait WaitFor(Wait::For what, MonoTime since, Duration limit) const;
  [[nodiscard]] Wait WaitToReceive() const;
  [[nodiscard]] bool Arriving() const { return head_.has_value() || !in_.empty(); }

  ListenerState& listener_;
  Channel channel_;
  Phase phase_;
  Phase after_send_ = Phase::kReceive;
  MonoTime since_;  // of the phase: of its handshake, of its first byte, of nothing having arrived, of sending
  std::size_t served_ = 0;
  HttpCall call_;  // of every request; peer and client stay

  std::string in_;  // received and not taken
  HeadScanner scanner_;
  std::string head_text_;  // what head_ views
  std::optional<RequestHead> head_;
  const RouteEntry* route_ = nullptr;
  std::optional<ChunkedBody> chunked_;
  std::size_t charged_ = 0;  // in listener_.buffered

  std::string out_;
  std::string_view unsent_;  // of out_
  bool closing_ = false;     // the response says Connection: close
};

}  // namespace gatehouse::webhook
