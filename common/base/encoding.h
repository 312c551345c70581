// Hex, base64 and UTF-8, strict: one spelling each. No white space, no missing or surplus padding, no stray bits.
#pragma once

#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace gatehouse {

// Lower case.
[[nodiscard]] std::string EncodeHex(BytesView bytes);
// Accepts lower case only; an even number of digits. Errors: kEncodingMalformed.
[[nodiscard]] Result<Bytes> DecodeHex(std::string_view text);

// RFC 4648 section 4, with padding.
[[nodiscard]] std::string EncodeBase64(BytesView bytes);
// RFC 4648 section 4, with padding, canonical (unused bits are zero). Errors: kEncodingMalformed.
[[nodiscard]] Result<Bytes> DecodeBase64(std::string_view text);

// RFC 4648 section 5 without padding, as JOSE uses it (RFC 7515 section 2).
[[nodiscard]] std::string EncodeBase64Url(BytesView bytes);
[[nodiscard]] Result<Bytes> DecodeBase64Url(std::string_view text);

// RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF.
[[nodiscard]] bool IsUtf8(std::string_view text);

// For logs and messages: control characters, quotes' escapes and bytes that are not UTF-8 are shown as \xNN, and the
// text is cut to `max` bytes, ending in "...". What an attacker chose never reaches a terminal or a log line raw.
[[nodiscard]] std::string Printable(std::string_view text, std::size_t max = 256);

}  // namespace gatehouse
