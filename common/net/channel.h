// One TCP connection, with TLS on it where asked for. Every call ends by its deadline.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/net/address.h"
#include "common/net/tls.h"

namespace gatehouse::net {

class Channel {
 public:
  // Connects to the first of `addresses` that answers; each is given limits::kConnectTimeout. `name` ("host:port") is
  // for messages. A peer whose machine is gone without a word is noticed after about limits::kPeerGoneAfter, also while
  // nothing is sent. Errors: kNetworkUnavailable, kDeadlineExceeded.
  [[nodiscard]] static Result<std::unique_ptr<Channel>> Dial(const std::vector<IpAddress>& addresses, int port,
                                                             const std::string& name, const Deadline& deadline);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Errors: kNetworkUnavailable with what OpenSSL found wrong with the server's certificate, kDeadlineExceeded.
  // `resume`: an earlier session with this peer is resumed where the context keeps one, and this one is kept for later.
  [[nodiscard]] Status StartTls(TlsContext& context, const std::string& host, const Deadline& deadline,
                                bool resume = true);
  // Whether an earlier session was offered to the server, accepted or not.
  [[nodiscard]] bool offered_session() const { return offered_session_; }
  // At least one byte, or 0 at the orderly end. Errors: kNetworkUnavailable, kDeadlineExceeded.
  [[nodiscard]] Result<std::size_t> Read(char* to, std::size_t max, const Deadline& deadline);
  // All of it.
  [[nodiscard]] Status Write(std::string_view bytes, const Deadline& deadline);
  // Whether the peer has neither closed nor sent anything: only then may a kept-alive connection be used again.
  [[nodiscard]] bool IsQuiet();
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  Channel(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}
  [[nodiscard]] Status Await(short events, const Deadline& deadline) const;
  [[nodiscard]] Status AwaitTls(int outcome, std::string_view doing, const Deadline& deadline);

  int descriptor_;
  SSL* session_ = nullptr;
  bool offered_session_ = false;
  std::string name_;
};

}  // namespace gatehouse::net
