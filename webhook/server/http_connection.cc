#include "webhook/server/http_connection.h"

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

constexpr Duration kLeaveTimeout{1'000};  // for the peer to take our last response before the connection is cut
constexpr Duration kHandshakeLogEvery{1'000};
constexpr std::size_t kKeptBuffer = 16 * limits::kKiB;

}  // namespace

HttpConnection::HttpConnection(ListenerState& listener, int descriptor, SslPtr tls, std::string peer)
    : listener_(listener),
      channel_(descriptor, std::move(tls)),
      phase_(listener.options.tls ? Phase::kHandshake : Phase::kReceive),
      since_(listener.clock.Mono()) {
  call_.peer = std::move(peer);
}

HttpConnection::~HttpConnection() {
  listener_.buffered -= charged_;
}

Wait HttpConnection::WaitFor(Wait::For what, MonoTime since, Duration limit) const {
  return Wait{what, since + limit, /*idle=*/false, served_ > 0, phase_ == Phase::kLeave};
}

Wait HttpConnection::WaitToReceive() const {
  const bool arriving = Arriving();
  Wait wait =
      WaitFor(Wait::For::kReadable, since_, arriving ? listener_.options.read_timeout : listener_.options.idle_timeout);
  wait.idle = !arriving;
  return wait;
}

Wait HttpConnection::Begin() {
  Wait wait = phase_ == Phase::kHandshake ? WaitFor(Wait::For::kReadable, since_, listener_.options.read_timeout)
                                          : WaitToReceive();
  wait.idle = true;
  return wait;
}

Wait HttpConnection::Advance() {
  MaybeWait wait;
  while (!wait) {
    switch (phase_) {
      case Phase::kHandshake:
        wait = Handshake();
        break;
      case Phase::kReceive:
        wait = Receive();
        break;
      case Phase::kSend:
        wait = Send();
        break;
      case Phase::kLeave:
        wait = Leave();
        break;
      case Phase::kOver:
        wait = Wait{};
        break;
    }
  }
  return *wait;
}

void HttpConnection::Expire() {
  // Best effort: whatever does not fit into the socket's buffer now is lost.
  if (phase_ == Phase::kReceive && Arriving()) {
    out_.clear();
    listener_.library.Refuse(408, "the request did not arrive in time", {}, out_);
    std::string_view rest = out_;
    (void)channel_.Write(rest);
  }
  if (phase_ == Phase::kReceive) channel_.SendEnd();
}

HttpConnection::MaybeWait HttpConnection::After(Channel::Io io, const Wait& wait) {
  switch (io) {
    case Channel::Io::kDone:
      return std::nullopt;
    case Channel::Io::kWantRead:
    case Channel::Io::kWantWrite: {
      Wait what = wait;
      what.what = io == Channel::Io::kWantRead ? Wait::For::kReadable : Wait::For::kWritable;
      return what;
    }
    case Channel::Io::kEnd:
    case Channel::Io::kFailed:
      break;
  }
  phase_ = Phase::kOver;
  return std::nullopt;
}

HttpConnection::MaybeWait HttpConnection::Handshake() {
  std::string failure;
  const Channel::Io io = channel_.Handshake(failure);
  if (io == Channel::Io::kDone) {
    call_.client = channel_.Client();
    phase_ = Phase::kReceive;
    since_ = listener_.clock.Mono();
    return std::nullopt;
  }
  if (io == Channel::Io::kFailed) {
    // At most one a second: whoever reaches the port can cause these.
    const MonoTime now = listener_.clock.Mono();
    if (now - listener_.last_handshake_log.load() >= kHandshakeLogEvery) {
      listener_.last_handshake_log = now;
      listener_.log.Info("TLS handshake failed",
                         {{"listener", listener_.options.name}, {"peer", call_.peer}, {"detail", failure}});
    }
    StartLeaving();  // so that the alert, which says why, reaches the peer
    return std::nullopt;
  }
  return After(io, WaitFor(Wait::For::kReadable, since_, listener_.options.read_timeout));
}

HttpConnection::MaybeWait HttpConnection::Receive() {
  if (TakeRequest()) return std::nullopt;
  const bool first = !Arriving();
  const Channel::Io io = channel_.Read(in_);
  if (io == Channel::Io::kDone) {
    if (first) since_ = listener_.clock.Mono();
    return std::nullopt;
  }
  return After(io, WaitToReceive());
}

bool HttpConnection::TakeRequest() {
  if (!WithinBudget()) {
    Refuse({503, "too many requests are arriving at once"});
    return true;
  }
  return head_ ? TakeBody() : TakeHead();
}

bool HttpConnection::TakeHead() {
  switch (scanner_.Scan(in_)) {
    case HeadScanner::State::kIncomplete:
      return false;
    case HeadScanner::State::kTooLong:
      Refuse({431, "the head of the request is too long"});
      return true;
    case HeadScanner::State::kMalformed:
      Refuse({400, "the head of the request is malformed"});
      return true;
    case HeadScanner::State::kComplete:
      break;
  }
  head_text_.assign(in_, 0, scanner_.size());
  in_.erase(0, scanner_.size());
  auto parsed = ParseRequestHead(head_text_);
  if (const auto* refusal = std::get_if<Refusal>(&parsed)) {
    Refuse(*refusal);
    return true;
  }
  head_ = std::get<RequestHead>(parsed);
  std::string allow;
  if (const Refusal refusal = Admit(allow); refusal.status != 0) {
    Refuse(refusal, allow);
    return true;
  }
  if (TurnedAway()) return true;
  if (head_->chunked) chunked_.emplace(route_->options.max_body_bytes);
  if (TakeBody()) return true;
  if (head_->expect_continue) {
    out_.append("HTTP/1.1 100 Continue\r\n\r\n");
    StartSending(Phase::kReceive);
    return true;
  }
  return false;
}

Refusal HttpConnection::Admit(std::string& allow) {
  const auto entries = listener_.routes.find(head_->path);
  if (entries == listener_.routes.end()) return {404, "there is nothing at this path"};
  route_ = nullptr;
  for (const RouteEntry& entry : entries->second) {
    if (entry.options.method == head_->method) route_ = &entry;
    allow += (allow.empty() ? "" : ", ") + entry.options.method;
  }
  if (route_ == nullptr) return {405, "this method is not for this path"};
  allow.clear();
  if (!head_->content_encoding.empty() && !EqualIgnoringCase(head_->content_encoding, "identity")) {
    return {415, "no content coding is accepted"};
  }
  const RouteOptions& route = route_->options;
  if (!route.content_type.empty() && !MediaTypeIs(head_->content_type, route.content_type)) {
    return {415, "this content type is not accepted here"};
  }
  // RFC 9112 section 6.3: without either field a request has no body; a POST that means that is to say so (RFC 9110
  // section 15.5.12).
  if (head_->method == "POST" && !head_->content_length && !head_->chunked) return {411, "Content-Length is missing"};
  if (head_->content_length.value_or(0) > route.max_body_bytes) return {413, "the body is too large"};
  return {};
}

bool HttpConnection::TurnedAway() {
  if (!route_->options.admit) return false;
  call_.path = head_->path;
  call_.authorization = head_->authorization;
  call_.received = since_;
  std::optional<HttpReply> reply = route_->options.admit(call_);
  if (!reply) return false;
  const HttpLibrary::Exchange exchange{
      head_->request_line, [&](const std::optional<std::string>&) { return std::move(*reply); }, [] { return true; }};
  listener_.library.Respond(exchange, out_);
  EndRequest();
  SendLast();
  return true;
}

bool HttpConnection::TakeBody() {
  if (!chunked_) {
    const std::size_t length = head_->content_length.value_or(0);  // <= max_body_bytes
    if (in_.size() < length) return false;
    Respond(std::string_view(in_).substr(0, length));
    in_.erase(0, length);
    return true;
  }
  in_.erase(0, chunked_->Feed(in_));
  switch (chunked_->state()) {
    case ChunkedBody::State::kIncomplete:
      return false;
    case ChunkedBody::State::kMalformed:
      Refuse({400, "the chunked body is malformed"});
      return true;
    case ChunkedBody::State::kTooLarge:
      Refuse({413, "the body is too large"});
      return true;
    case ChunkedBody::State::kComplete:
      break;
  }
  Respond(chunked_->body());
  return true;
}

bool HttpConnection::WithinBudget() {
  const std::size_t held = in_.size() + (chunked_ ? chunked_->body().size() : 0);
  const std::size_t charge = std::max(held, limits::kServerSmallRequestBytes) - limits::kServerSmallRequestBytes;
  if (charge == charged_) return true;
  const std::size_t total =
      (listener_.buffered += charge - charged_);  // unsigned: a smaller charge wraps around to its difference
  const bool grew = charge > charged_;
  charged_ = charge;
  return !grew || total <= listener_.options.max_buffered_bytes;
}

void HttpConnection::Respond(std::string_view body) {
  call_.path = head_->path;
  call_.body = body;
  call_.authorization = head_->authorization;
  call_.received = since_;
  ++served_;
  closing_ = true;  // unless the response says otherwise
  const HttpLibrary::Exchange exchange{
      head_->request_line,
      [this](std::optional<std::string> timeout) {
        call_.query_timeout = std::move(timeout);
        return route_->handler(call_);
      },
      [this] {
        closing_ = !head_->keep_alive || served_ >= listener_.options.max_requests_per_connection || listener_.draining;
        return closing_;
      }};
  listener_.library.Respond(exchange, out_);
  StartSending(closing_ ? Phase::kLeave : Phase::kReceive);
  EndRequest();
}

void HttpConnection::Refuse(const Refusal& refusal, std::string_view allow) {
  listener_.library.Refuse(refusal.status, refusal.why, allow, out_);
  SendLast();
}

void HttpConnection::SendLast() {
  closing_ = true;
  in_ = {};  // nothing more is read; what was received does not wait for the peer to leave
  chunked_.reset();
  (void)WithinBudget();
  StartSending(Phase::kLeave);
}

void HttpConnection::StartSending(Phase after) {
  phase_ = Phase::kSend;
  after_send_ = after;
  unsent_ = out_;
}

void HttpConnection::StartLeaving() {
  channel_.SendEnd();
  phase_ = Phase::kLeave;
  since_ = listener_.clock.Mono();
}

void HttpConnection::EndRequest() {
  head_.reset();
  chunked_.reset();
  scanner_ = HeadScanner();
  call_.path = call_.body = call_.authorization = {};
}

HttpConnection::MaybeWait HttpConnection::Send() {
  const Channel::Io io = channel_.Write(unsent_);
  if (io != Channel::Io::kDone) {
    return After(io, WaitFor(Wait::For::kWritable, listener_.clock.Mono(), listener_.options.read_timeout));
  }
  out_.clear();
  unsent_ = {};
  phase_ = after_send_;
  if (phase_ == Phase::kLeave) {
    StartLeaving();
    return std::nullopt;
  }
  if (head_) return std::nullopt;  // that was "100 Continue"
  if (in_.empty() && in_.capacity() > kKeptBuffer) in_.shrink_to_fit();
  if (out_.capacity() > kKeptBuffer) out_.shrink_to_fit();
  (void)WithinBudget();  // gives back what the request held
  since_ = listener_.clock.Mono();
  // What the kernel holds of the next request wakes us; a read to find that it holds nothing is spared.
  if (in_.empty() && !channel_.Buffered()) return WaitToReceive();
  return std::nullopt;
}

HttpConnection::MaybeWait HttpConnection::Leave() {
  // Closing a socket with unread bytes makes the kernel reset the connection, and the peer may lose our response.
  return After(channel_.Discard(), WaitFor(Wait::For::kReadable, since_, kLeaveTimeout));
}

}  // namespace gatehouse::webhook
