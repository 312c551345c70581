#include "common/net/http_head.h"

#include <charconv>

#include "common/base/encoding.h"
#include "common/net/ascii.h"

namespace gatehouse::net {
namespace {

Error NotHttp(const std::string& where, std::string_view why) {
  return {Reason::kNetworkUnavailable, where, "the answer is not valid HTTP/1.1: " + std::string(why)};
}

bool IsFieldValue(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    auto byte = static_cast<unsigned char>(c);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

// The values of every header of that name.
std::vector<std::string_view> All(const Headers& headers, std::string_view name) {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) values.push_back(value);
  }
  return values;
}

bool Lists(const Headers& headers, std::string_view name, std::string_view item) {
  for (std::string_view value : All(headers, name)) {
    while (!value.empty()) {
      std::size_t comma = value.find(',');
      if (EqualsIgnoreCase(Trim(value.substr(0, comma)), item)) return true;
      value.remove_prefix(comma == std::string_view::npos ? value.size() : comma + 1);
    }
  }
  return false;
}

// The next line without its CRLF.
Result<std::string_view> TakeLine(std::string_view& raw, const std::string& where) {
  std::size_t end = raw.find('\n');
  if (end == std::string_view::npos || end == 0 || raw[end - 1] != '\r')
    return NotHttp(where, "a line does not end in CRLF");
  std::string_view line = raw.substr(0, end - 1);
  raw.remove_prefix(end + 1);
  return line;
}

}  // namespace

Result<ResponseHead> ParseResponseHead(std::string_view raw, const std::string& where) {
  ResponseHead head;
  // status-line = HTTP-version SP status-code SP [ reason-phrase ]; the last SP is often missing.
  ASSIGN_OR_RETURN(std::string_view line, TakeLine(raw, where));
  bool v11 = line.starts_with("HTTP/1.1 ");
  if (!v11 && !line.starts_with("HTTP/1.0 ")) return NotHttp(where, "it begins '" + Printable(line, 40) + "'");
  std::string_view code = line.substr(9, 3);
  auto [end, error] = std::from_chars(code.data(), code.data() + code.size(), head.status);
  bool separated = line.size() == 12 || (line.size() > 12 && line[12] == ' ');
  if (!separated || error != std::errc() || end != code.data() + 3 || head.status < 200 || head.status > 599) {
    return NotHttp(where, "it begins '" + Printable(line, 40) + "'");
  }
  while (true) {
    ASSIGN_OR_RETURN(line, TakeLine(raw, where));
    if (line.empty()) break;
    std::size_t colon = line.find(':');
    // RFC 9112 section 5.1: "No whitespace is allowed between the field name and colon"; a folded line has no name at
    // all.
    if (colon == std::string_view::npos || !IsToken(line.substr(0, colon)))
      return NotHttp(where, "a header has no valid name");
    std::string_view value = Trim(line.substr(colon + 1));
    if (!IsFieldValue(value)) return NotHttp(where, "a header holds a control character");
    head.headers.emplace_back(line.substr(0, colon), value);
  }
  if (!raw.empty()) return NotHttp(where, "there is more after the empty line");
  head.persistent = v11 && !Lists(head.headers, "Connection", "close");
  return head;
}

Result<BodyFraming> CheckBody(const ResponseHead& head, std::size_t max_bytes, const std::string& where) {
  // RFC 9110 section 8.4: identity "SHOULD NOT be included"; anything else would have to be decoded, which has no
  // bound.
  for (std::string_view coding : All(head.headers, "Content-Encoding")) {
    if (!EqualsIgnoreCase(coding, "identity")) {
      return Error{Reason::kContentUnsupported, where,
                   "the body is encoded as '" + Printable(coding, 40) + "', which was not asked for"};
    }
  }
  auto codings = All(head.headers, "Transfer-Encoding");
  auto lengths = All(head.headers, "Content-Length");
  if (!codings.empty()) {
    if (codings.size() > 1 || !EqualsIgnoreCase(codings[0], "chunked"))
      return NotHttp(where, "unknown Transfer-Encoding");
    if (!lengths.empty()) return NotHttp(where, "both Transfer-Encoding and Content-Length");
    return BodyFraming::kChunked;
  }
  if (lengths.empty()) return BodyFraming::kUntilClose;
  std::uint64_t length = 0;
  std::string_view digits = lengths[0];
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (lengths.size() > 1 || digits.empty() || !IsDigit(digits[0]) || error != std::errc() ||
      end != digits.data() + digits.size()) {
    return NotHttp(where, "Content-Length is repeated or no number");
  }
  if (length > max_bytes) {
    return Error{Reason::kLimitExceeded, where,
                 "the answer has " + std::to_string(length) + " bytes, more than " + std::to_string(max_bytes)};
  }
  return BodyFraming::kLength;
}

}  // namespace gatehouse::net
