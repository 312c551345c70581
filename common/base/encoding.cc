#include "common/base/encoding.h"

#include <algorithm>
#include <array>

namespace gatehouse {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64UrlDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kNotADigit = 0xFF;

using DigitTable = std::array<std::uint8_t, 256>;

constexpr DigitTable MakeTable(std::string_view digits) {
  DigitTable table{};
  table.fill(kNotADigit);
  for (std::size_t i = 0; i < digits.size(); ++i)
    table[static_cast<std::uint8_t>(digits[i])] = static_cast<std::uint8_t>(i);
  return table;
}

constexpr DigitTable kHexTable = MakeTable(kHexDigits);
constexpr DigitTable kBase64Table = MakeTable(kBase64Digits);
constexpr DigitTable kBase64UrlTable = MakeTable(kBase64UrlDigits);

std::uint8_t Lookup(const DigitTable& table, char c) {
  return table[static_cast<std::uint8_t>(c)];
}

Error Malformed(std::string_view what) {
  return {Reason::kEncodingMalformed, "", std::string(what)};
}

std::string Encode64(BytesView bytes, std::string_view digits, bool pad) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t buffer = 0;
  int bits = 0;
  for (std::uint8_t byte : bytes) {
    buffer = (buffer << 8) | byte;
    for (bits += 8; bits >= 6; bits -= 6) text.push_back(digits[(buffer >> (bits - 6)) & 0x3F]);
  }
  if (bits > 0) text.push_back(digits[(buffer << (6 - bits)) & 0x3F]);
  while (pad && text.size() % 4 != 0) text.push_back('=');
  return text;
}

// `text` holds digits only, no padding.
Result<Bytes> Decode64(std::string_view text, const DigitTable& table) {
  if (text.size() % 4 == 1) return Malformed("base64 has an impossible length");
  Bytes bytes;
  bytes.reserve(text.size() * 3 / 4);
  std::uint32_t buffer = 0;
  int bits = 0;
  for (char c : text) {
    std::uint8_t value = Lookup(table, c);
    if (value == kNotADigit) return Malformed("base64 has a character outside of its alphabet");
    buffer = (buffer << 6) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes.push_back(static_cast<std::uint8_t>(buffer >> bits));
    }
  }
  // RFC 4648 section 3.5: "Decoders MAY chose to reject an encoding if the pad bits have not been set to zero."
  if ((buffer & ((1U << bits) - 1)) != 0) return Malformed("base64 has non-zero bits after its end");
  return bytes;
}

// The length of the UTF-8 sequence at the front of `text`, 0 if it is not one.
std::size_t Utf8Length(std::string_view text) {
  auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  auto continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;  // not the shortest form
    if (first == 0xED && byte(1) > 0x9F) return 0;  // a surrogate
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string EncodeHex(BytesView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (std::uint8_t byte : bytes) {
    text.push_back(kHexDigits[byte >> 4]);
    text.push_back(kHexDigits[byte & 0xF]);
  }
  return text;
}

Result<Bytes> DecodeHex(std::string_view text) {
  if (text.size() % 2 != 0) return Malformed("hex has an odd number of digits");
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    std::uint8_t high = Lookup(kHexTable, text[i]);
    std::uint8_t low = Lookup(kHexTable, text[i + 1]);
    if (high == kNotADigit || low == kNotADigit) return Malformed("hex has a character other than 0-9 and a-f");
    bytes.push_back(static_cast<std::uint8_t>((high << 4) | low));
  }
  return bytes;
}

std::string EncodeBase64(BytesView bytes) {
  return Encode64(bytes, kBase64Digits, true);
}

Result<Bytes> DecodeBase64(std::string_view text) {
  if (text.size() % 4 != 0) return Malformed("base64 is not padded to a multiple of four");
  if (text.ends_with("==")) {
    text.remove_suffix(2);
  } else if (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  return Decode64(text, kBase64Table);
}

std::string EncodeBase64Url(BytesView bytes) {
  return Encode64(bytes, kBase64UrlDigits, false);
}

Result<Bytes> DecodeBase64Url(std::string_view text) {
  return Decode64(text, kBase64UrlTable);
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    std::size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string Printable(std::string_view text, std::size_t max) {
  std::string shown;
  while (!text.empty()) {
    // Most of what is shown is plain ASCII: as much of it at once as there is.
    const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7F && c != '\\'; };
    const auto end = std::find_if_not(text.begin(), text.end(), is_plain);
    if (const auto run = static_cast<std::size_t>(end - text.begin()); run > 0) {
      const std::size_t room = max - std::min(max, shown.size());
      shown += text.substr(0, std::min(run, room));
      if (run > room) return shown + "...";
      text.remove_prefix(run);
      continue;
    }
    std::size_t length = Utf8Length(text);
    auto first = static_cast<std::uint8_t>(text[0]);
    bool plain = length > 0 && first >= 0x20 && first != 0x7F && first != '\\';
    // U+0080 to U+009F are control characters too.
    if (length == 2 && first == 0xC2 && static_cast<std::uint8_t>(text[1]) < 0xA0) plain = false;
    std::string piece;
    if (plain) {
      piece = text.substr(0, length);
    } else {
      length = 1;
      piece = {'\\', 'x', kHexDigits[first >> 4], kHexDigits[first & 0xF]};
    }
    if (shown.size() + piece.size() > max) return shown + "...";
    shown += piece;
    text.remove_prefix(length);
  }
  return shown;
}

}  // namespace gatehouse
