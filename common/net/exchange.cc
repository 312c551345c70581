#include "common/net/exchange.h"

#include <httplib.h>

#include <array>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/net/ascii.h"
#include "common/net/http_head.h"

namespace gatehouse::net {
namespace {

// What cpp-httplib reads and writes. It bounds what the library does not: the time of the whole exchange, the number of
// header bytes, and the length of every line, of which the status line is matched with std::regex, whose recursion a
// long line would drive through the stack. It also keeps the head as it came: the library percent-decodes header
// values, so that Link: <...%2B...> or a realm with an escaped quote would arrive changed.
class BoundedStream final : public httplib::Stream {
 public:
  BoundedStream(Channel& channel, const Deadline& deadline)
      : channel_(channel), deadline_(deadline), next_tick_(deadline) {}

  ssize_t read(char* to, std::size_t size) override {
    if (failure_.has_value()) return -1;
    if (begin_ == end_) {
      auto count = Receive();
      if (!count.ok()) return Fail(count.error());
      if (*count == 0) return 0;
      begin_ = 0;
      end_ = *count;
    }
    std::size_t count = std::min(size, end_ - begin_);
    std::string_view bytes(buffer_.data() + begin_, count);
    std::copy(bytes.begin(), bytes.end(), to);
    begin_ += count;
    answered_ = true;
    Status counted = in_body_ ? CountBody(bytes, size) : CountHead(bytes);
    if (!counted.ok()) return Fail(counted.error());
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    if (failure_.has_value()) return -1;
    Status written = channel_.Write(std::string_view(from, size), deadline_);
    if (!written.ok()) return Fail(written.error());
    return static_cast<ssize_t>(size);
  }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  void get_remote_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  void get_local_ip_and_port(std::string& /*ip*/, int& /*port*/) const override {}
  socket_t socket() const override { return channel_.descriptor(); }

  void BeginBody() { in_body_ = true; }
  // The same for a body that is handed over while it arrives.
  void BeginStream(const BodyStream& body) {
    in_body_ = true;
    body_ = &body;
    deadline_ = body.until;
    next_tick_ = deadline_.Sooner(limits::kStreamTick);
  }
  // To the receiver of a streamed body; empty while nothing arrives. Returns false when that wants no more.
  bool HandOver(std::string_view piece) {
    stopped_ = stopped_ || !body_->on_body(piece);
    next_tick_ = deadline_.Sooner(limits::kStreamTick);
    return !stopped_;
  }
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] const std::string& head() const { return head_; }
  [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }
  [[nodiscard]] bool answered() const { return answered_; }
  // Whether everything that arrived was read.
  [[nodiscard]] bool drained() const { return begin_ == end_; }
  // Whether the last bytes were those of a chunked body's end: an empty line after the line of the last chunk. The
  // library takes a chunk that is not followed by CRLF for the end of the body.
  [[nodiscard]] bool ended_with_empty_line() const { return tail_ == "\r\n\r\n"; }

 private:
  // The next bytes of the channel. Ticks by the clock, not only when a wait was in vain, so that a peer that trickles
  // what is no body (TLS records, the lines of chunk sizes) cannot keep the receiver from ending it.
  Result<std::size_t> Receive() {
    if (body_ == nullptr) return channel_.Read(buffer_.data(), buffer_.size(), deadline_);
    while (true) {
      bool last = deadline_.Remaining() <= limits::kStreamTick;
      auto count = channel_.Read(buffer_.data(), buffer_.size(), last ? deadline_ : next_tick_);
      if (count.ok() || last || count.error().reason != Reason::kDeadlineExceeded) return count;
      if (!HandOver({})) return Error{Reason::kNetworkUnavailable, channel_.name(), "ended by the receiver"};
    }
  }

  ssize_t Fail(const Error& error) {
    failure_ = error;
    return -1;
  }

  Status CountHead(std::string_view bytes) {
    for (char c : bytes) {
      if (head_.ends_with("\r\n\r\n")) head_.clear(), line_ = 0;  // that was an interim response: 100 Continue
      head_ += c;
      ++line_;
      ++head_bytes_;
      bool first = head_.size() == line_;
      if (line_ > (first ? limits::kHttpStatusLineBytes : limits::kHttpHeaderLineBytes) ||
          head_bytes_ > limits::kHttpHeaderBytes) {
        return Error{Reason::kLimitExceeded, channel_.name(), "the answer's status line or headers are too long"};
      }
      if (c == '\n') line_ = 0;
    }
    return Ok();
  }

  // Lines (of chunk sizes) are the only thing that is read byte by byte without an end in sight.
  Status CountBody(std::string_view bytes, std::size_t asked) {
    tail_.append(bytes.substr(bytes.size() - std::min<std::size_t>(bytes.size(), 4)));
    if (tail_.size() > 4) tail_.erase(0, tail_.size() - 4);
    line_ = asked == 1 && bytes[0] != '\n' ? line_ + 1 : 0;
    if (line_ <= limits::kHttpHeaderLineBytes) return Ok();
    return Error{Reason::kLimitExceeded, channel_.name(), "the line of a chunk's size is too long"};
  }

  Channel& channel_;
  Deadline deadline_;
  Deadline next_tick_;
  const BodyStream* body_ = nullptr;
  bool stopped_ = false;
  std::array<char, 16 * limits::kKiB> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::string head_;
  std::size_t head_bytes_ = 0;
  std::size_t line_ = 0;
  std::string tail_;
  bool in_body_ = false;
  bool answered_ = false;
  std::optional<Error> failure_;
};

// The library's client with its sockets taken out: it writes the request, and finds the response's end. It has no
// descriptor and so cannot reconnect, verify or close behind our back.
class Exchange final : public httplib::ClientImpl {
 public:
  Exchange(const Url& url, BoundedStream& stream) : ClientImpl(url.host, url.port), stream_(stream) {
    set_keep_alive(true);
    set_follow_location(false);
    set_decompress(false);
    set_url_encode(false);
  }

 private:
  bool create_and_connect_socket(Socket& /*socket*/, httplib::Error& /*error*/) override { return true; }
  bool process_socket(const Socket& /*socket*/, std::function<bool(httplib::Stream&)> callback) override {
    return callback(stream_);
  }

  BoundedStream& stream_;
};

bool IsSafeHeader(const std::pair<std::string, std::string>& header) {
  constexpr std::array<std::string_view, 6> kOurs = {"Host",       "Content-Length",  "Transfer-Encoding",
                                                     "Connection", "Accept-Encoding", "Content-Type"};
  const std::string& name = header.first;
  const std::string& value = header.second;
  bool ours =
      std::any_of(kOurs.begin(), kOurs.end(), [&](std::string_view own) { return EqualsIgnoreCase(own, name); });
  return !ours && IsToken(name) &&
         std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

httplib::Request MakeRequest(const HttpRequest& from, const std::string& target, const Headers& extra) {
  httplib::Request request;
  request.method = from.method;
  request.path = target;
  request.body = from.body;
  request.headers = {{"Host", from.url.Authority()}, {"Accept-Encoding", "identity"}};
  if (!from.content_type.empty()) request.headers.emplace("Content-Type", from.content_type);
  for (const Headers* headers : {&from.headers, &extra}) {
    for (const auto& [name, value] : *headers) request.headers.emplace(name, value);
  }
  if (!request.has_header("User-Agent")) request.headers.emplace("User-Agent", "gatehouse");
  return request;
}

// Whether nothing more of this response can arrive. One that has no body by definition (204) may announce one all the
// same, and what follows would be taken for the next response.
bool EndIsCertain(const ResponseHead& head, std::optional<BodyFraming> framing, std::string_view method) {
  if (framing.has_value()) return *framing != BodyFraming::kUntilClose;
  if (method == "HEAD") return true;
  auto announced = CheckBody(head, 0, "");
  return announced.ok() && *announced != BodyFraming::kChunked;
}

}  // namespace

Status CheckRequest(const HttpRequest& request) {
  if (!IsToken(request.method) || !request.url.target.starts_with('/') || !IsVisible(request.url.target)) {
    return Error{Reason::kInternal, request.url.Authority(),
                 "the request line would hold a space or a control character"};
  }
  Headers headers = request.headers;
  headers.emplace_back("X", request.content_type);
  for (const auto& header : headers) {
    if (!IsSafeHeader(header)) {
      return Error{Reason::kInternal, request.url.Authority(),
                   "the header " + Printable(header.first, 40) + " cannot be sent"};
    }
  }
  return Ok();
}

Result<HttpResponse> RunExchange(Channel& channel, const HttpRequest& from, const std::string& target,
                                 const Headers& extra, const Deadline& deadline, ExchangeOutcome& outcome,
                                 const BodyStream* body_stream) {
  httplib::Request request = MakeRequest(from, target, extra);
  BoundedStream stream(channel, deadline);
  std::optional<Error> refused;
  std::optional<BodyFraming> framing;
  bool streamed = false;
  std::string body;
  request.response_handler = [&](const httplib::Response&) {
    auto head = ParseResponseHead(stream.head(), channel.name());
    streamed = body_stream != nullptr && head.ok() && head->status < 300;
    std::size_t max_bytes = streamed ? std::numeric_limits<std::size_t>::max() : from.max_response_bytes;
    auto checked = head.ok() ? CheckBody(*head, max_bytes, channel.name()) : head.error();
    if (!checked.ok()) {
      refused = checked.error();
      return false;
    }
    framing = *checked;
    if (streamed) {
      stream.BeginStream(*body_stream);
    } else {
      stream.BeginBody();
    }
    return true;
  };
  request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
    if (streamed) return stream.HandOver(std::string_view(data, size));
    if (size > from.max_response_bytes - body.size()) {
      refused = Error{Reason::kLimitExceeded, channel.name(),
                      "the answer has more than " + std::to_string(from.max_response_bytes) + " bytes"};
      return false;
    }
    body.append(data, size);
    return true;
  };

  httplib::Response ignored;
  httplib::Error error = httplib::Error::Success;
  bool sent = Exchange(from.url, stream).send(request, ignored, error);
  outcome.answered = stream.answered();
  if (refused.has_value()) return *refused;
  if (stream.failure().has_value() && !stream.stopped()) return *stream.failure();
  if (!sent && !stream.stopped()) {
    return Error{Reason::kNetworkUnavailable, channel.name(),
                 outcome.answered ? "the answer is not valid HTTP/1.1 or broke off"
                                  : "the connection was closed without an answer"};
  }
  ASSIGN_OR_RETURN(ResponseHead head, ParseResponseHead(stream.head(), channel.name()));
  if (stream.stopped()) return HttpResponse{head.status, std::move(head.headers), std::move(body)};
  if (framing == BodyFraming::kChunked && !stream.ended_with_empty_line()) {
    return Error{Reason::kNetworkUnavailable, channel.name(),
                 "the answer is not valid HTTP/1.1: a chunk has the wrong size"};
  }
  outcome.reusable = head.persistent && stream.drained() && EndIsCertain(head, framing, from.method);
  return HttpResponse{head.status, std::move(head.headers), std::move(body)};
}

}  // namespace gatehouse::net
