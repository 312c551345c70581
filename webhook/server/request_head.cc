#include "webhook/server/request_head.h"

#include <algorithm>
#include <charconv>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kCrLf = "\r\n";

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
bool IsControl(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}
bool IsVisible(char c) {
  return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
}

// RFC 9110 section 5.6.2: tchar.
bool IsTokenChar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

// OWS = *( SP / HTAB )
std::string_view Trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// request-line = method SP request-target SP HTTP-version: one space each, and only the origin-form of the target,
// which is what a client sends to a server that is no proxy.
Refusal ParseRequestLine(std::string_view line, RequestHead& head) {
  if (line.size() > limits::kRequestLineBytes) return {414, "the request line is too long"};
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == last || line.find(' ', first + 1) != last) return {400, "the request line is malformed"};
  head.request_line = line;
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!IsToken(head.method)) return {400, "the method is malformed"};
  if (!head.target.starts_with('/') || !std::all_of(head.target.begin(), head.target.end(), IsVisible) ||
      head.target.find('#') != std::string_view::npos) {
    return {400, "the request target is malformed"};
  }
  head.path = head.target.substr(0, head.target.find('?'));
  head.keep_alive = version == "HTTP/1.1";
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return {};
  return version.starts_with("HTTP/") ? Refusal{505, "HTTP/1.1 is spoken here"}
                                      : Refusal{400, "the request line is malformed"};
}

// The fields that this server acts on; each may occur once, but for Connection.
class Fields {
 public:
  explicit Fields(RequestHead& head) : head_(head) {}

  Refusal Take(std::string_view name, std::string_view value) {
    if (EqualIgnoringCase(name, "content-length")) return ContentLength(value);
    if (EqualIgnoringCase(name, "transfer-encoding")) return TransferEncoding(value);
    if (EqualIgnoringCase(name, "content-type")) return Once(seen_type_, head_.content_type, value);
    if (EqualIgnoringCase(name, "content-encoding")) return Once(seen_encoding_, head_.content_encoding, value);
    if (EqualIgnoringCase(name, "authorization")) return Once(seen_authorization_, head_.authorization, value);
    if (EqualIgnoringCase(name, "host")) return Once(seen_host_, host_, value);
    if (EqualIgnoringCase(name, "connection")) return Connection(value);
    if (EqualIgnoringCase(name, "expect")) return Expect(value);
    return {};
  }

  // `http11`: the request is of HTTP/1.1.
  Refusal Finish(bool http11) const {
    // RFC 9112 section 6.3: "A server MAY reject a request that contains both Content-Length and Transfer-Encoding", as
    // it "ought to be handled as an error"; section 6.1: a server that gets Transfer-Encoding in HTTP/1.0 must treat
    // the framing as faulty.
    if (head_.chunked && head_.content_length) return {400, "Content-Length beside Transfer-Encoding"};
    if (head_.chunked && !http11) return {400, "Transfer-Encoding in HTTP/1.0"};
    // RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message
    // that lacks a Host header field".
    if (http11 && !seen_host_) return {400, "the Host field is missing"};
    return {};
  }

 private:
  static Refusal Once(bool& seen, std::string_view& to, std::string_view value) {
    if (seen) return {400, "a field is repeated"};
    seen = true;
    to = value;
    return {};
  }

  // RFC 9110 section 8.6: Content-Length = 1*DIGIT.
  Refusal ContentLength(std::string_view value) {
    if (head_.content_length) return {400, "a field is repeated"};
    std::uint64_t length = 0;
    const char* end = value.data() + value.size();
    const auto [stop, failure] = std::from_chars(value.data(), end, length);
    if (failure != std::errc{} || stop != end) return {400, "Content-Length is malformed"};
    head_.content_length = length;
    return {};
  }

  Refusal TransferEncoding(std::string_view value) {
    if (head_.chunked) return {400, "a field is repeated"};
    // RFC 9112 section 6.1: a transfer coding that is not understood is answered by 501.
    if (!EqualIgnoringCase(value, "chunked")) return {501, "no transfer coding but chunked is understood"};
    head_.chunked = true;
    return {};
  }

  Refusal Connection(std::string_view value) {
    while (!value.empty()) {
      const std::size_t comma = std::min(value.find(','), value.size());
      if (EqualIgnoringCase(Trim(value.substr(0, comma)), "close")) head_.keep_alive = false;
      value.remove_prefix(std::min(comma + 1, value.size()));
    }
    return {};
  }

  Refusal Expect(std::string_view value) {
    if (!EqualIgnoringCase(value, "100-continue")) return {417, "no expectation but 100-continue is met"};
    head_.expect_continue = true;
    return {};
  }

  RequestHead& head_;
  std::string_view host_;
  bool seen_type_ = false;
  bool seen_encoding_ = false;
  bool seen_authorization_ = false;
  bool seen_host_ = false;
};

}  // namespace

HeadScanner::State HeadScanner::Scan(std::string_view buffer) {
  while (offset_ < buffer.size()) {
    if (offset_ >= limits::kHttpHeaderBytes) return State::kTooLong;
    const char c = buffer[offset_];
    if (c == '\n') {
      // RFC 9112 section 2.2 lets a recipient take a bare LF for a line's end; one that does and one that does not read
      // two different requests, so it is refused, and so is a bare CR, "invalid" there.
      if (offset_ == line_begin_ || buffer[offset_ - 1] != '\r') return State::kMalformed;
      const bool blank = offset_ - line_begin_ == 1;
      ++offset_;
      if (blank) return line_begin_ == 0 ? State::kMalformed : State::kComplete;
      line_begin_ = offset_;
      continue;
    }
    if (offset_ > line_begin_ && buffer[offset_ - 1] == '\r') return State::kMalformed;
    if (IsControl(c) && c != '\r' && c != '\t') return State::kMalformed;
    ++offset_;
  }
  return State::kIncomplete;
}

std::variant<RequestHead, Refusal> ParseRequestHead(std::string_view text) {
  RequestHead head;
  std::size_t end = text.find(kCrLf);
  if (end == std::string_view::npos) return Refusal{400, "the request line is malformed"};
  if (const Refusal refusal = ParseRequestLine(text.substr(0, end), head); refusal.status != 0) return refusal;
  const bool http11 = head.keep_alive;
  text.remove_prefix(end + kCrLf.size());
  Fields fields(head);
  while (true) {
    end = text.find(kCrLf);
    if (end == std::string_view::npos) return Refusal{400, "the head has no end"};
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + kCrLf.size());
    if (line.empty()) break;
    const std::size_t colon = line.find(':');
    // RFC 9112 section 5.1: white space between name and colon "MUST" be refused with 400; a line that begins with
    // white space is obsolete folding (section 5.2), refused as well. Neither is a token.
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon))) return Refusal{400, "a field is malformed"};
    const std::string_view value = Trim(line.substr(colon + 1));
    if (std::any_of(value.begin(), value.end(), [](char c) { return IsControl(c) && c != '\t'; })) {
      return Refusal{400, "a field's value is malformed"};
    }
    if (const Refusal refusal = fields.Take(line.substr(0, colon), value); refusal.status != 0) return refusal;
  }
  if (!text.empty()) return Refusal{400, "the head is malformed"};
  if (const Refusal refusal = fields.Finish(http11); refusal.status != 0) return refusal;
  return head;
}

bool MediaTypeIs(std::string_view content_type, std::string_view expected) {
  return EqualIgnoringCase(Trim(content_type.substr(0, content_type.find(';'))), expected);
}

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return Lower(x) == Lower(y); });
}

}  // namespace gatehouse::webhook
