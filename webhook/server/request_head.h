// The head of an HTTP/1.1 request (RFC 9112 section 2.1), checked strictly before anything acts on it. cpp-httplib
// skips lines that it does not understand, decodes %xx in field values, reads a body without a length until the
// connection ends, and runs std::regex over Range; two programs that read one head differently are how requests are
// smuggled. So this decides where a request ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace gatehouse::webhook {

// Why a request is not answered by a handler: the status and one phrase for the client. Status 0: not refused.
struct Refusal {
  int status = 0;
  std::string_view why;
};

// Finds the end of a head in bytes that arrive in pieces; each byte is looked at once.
class HeadScanner {
 public:
  enum class State : std::uint8_t { kIncomplete, kComplete, kMalformed, kTooLong };
  // `buffer` is everything received so far, from the same beginning at every call.
  [[nodiscard]] State Scan(std::string_view buffer);
  // Of the head with its blank line; after kComplete.
  [[nodiscard]] std::size_t size() const { return offset_; }

 private:
  std::size_t offset_ = 0;  // everything before it was scanned
  std::size_t line_begin_ = 0;
};

// Views into the head that was parsed. Names are matched without regard to case; values are as sent, without the white
// space around.
struct RequestHead {
  std::string_view request_line;  // without CRLF
  std::string_view method;
  std::string_view target;  // origin-form: path, and query if any
  std::string_view path;    // as sent: nothing is decoded or normalised
  bool keep_alive = false;  // HTTP/1.1 without "Connection: close"
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool expect_continue = false;
  std::string_view content_type;
  std::string_view content_encoding;
  std::string_view authorization;
};

// `head` is what HeadScanner found. Refused: anything outside of the grammar, obsolete line folding, white space before
// a colon, a repeated or ill-formed field that this server acts on, Content-Length beside Transfer-Encoding, a missing
// Host: 400. Another transfer coding than chunked: 501, another HTTP version: 505, another expectation: 417, a request
// line beyond limits::kRequestLineBytes: 414.
[[nodiscard]] std::variant<RequestHead, Refusal> ParseRequestHead(std::string_view head);

// RFC 9110 section 8.3.1: "type/subtype", compared without regard to case and parameters.
[[nodiscard]] bool MediaTypeIs(std::string_view content_type, std::string_view expected);
// ASCII only, as HTTP compares its tokens.
[[nodiscard]] bool EqualIgnoringCase(std::string_view a, std::string_view b);

}  // namespace gatehouse::webhook
