// The head of an HTTP/1.1 response (RFC 9112), read strictly.
#pragma once

#include <string>
#include <string_view>

#include "common/net/http.h"

namespace gatehouse::net {

struct ResponseHead {
  int status = 0;
  bool persistent = false;  // HTTP/1.1, and no "Connection: close"
  Headers headers;          // values as they came, without surrounding white space
};

// `raw` ends with the empty line. Refused: bare LF, folded lines, names that are no token, control characters in
// values. Errors: kNetworkUnavailable with `where`: a peer that speaks no HTTP is no peer.
[[nodiscard]] Result<ResponseHead> ParseResponseHead(std::string_view raw, const std::string& where);

enum class BodyFraming { kLength, kChunked, kUntilClose };

// How the body's end is found (RFC 9112 section 6.3), refusing what two readers might understand differently:
// Content-Length repeated, not a plain number, or beside Transfer-Encoding; any transfer coding but chunked. Errors:
// kNetworkUnavailable; kLimitExceeded for a length above `max_bytes`; kContentUnsupported for an encoded body.
[[nodiscard]] Result<BodyFraming> CheckBody(const ResponseHead& head, std::size_t max_bytes, const std::string& where);

}  // namespace gatehouse::net
