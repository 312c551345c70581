// What the .cc files of this room read DER with where OpenSSL reads BER, ignores what follows, or has no parser.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"

namespace gatehouse::crypto {

// Identifier octets (X.690 section 8.1.2).
namespace der {
inline constexpr std::uint8_t kBoolean = 0x01;
inline constexpr std::uint8_t kInteger = 0x02;
inline constexpr std::uint8_t kBitString = 0x03;
inline constexpr std::uint8_t kOctetString = 0x04;
inline constexpr std::uint8_t kNull = 0x05;
inline constexpr std::uint8_t kOid = 0x06;
inline constexpr std::uint8_t kUtf8String = 0x0C;
inline constexpr std::uint8_t kGeneralizedTime = 0x18;
inline constexpr std::uint8_t kSequence = 0x30;
inline constexpr std::uint8_t kSet = 0x31;
// [number] of a primitive type, and of a constructed one or an explicit tag. `number` is at most 30.
[[nodiscard]] constexpr std::uint8_t Context(unsigned number) {
  return static_cast<std::uint8_t>(0x80U | number);
}
[[nodiscard]] constexpr std::uint8_t ContextConstructed(unsigned number) {
  return static_cast<std::uint8_t>(0xA0U | number);
}

[[nodiscard]] Bytes Encode(std::uint8_t tag, BytesView content);
}  // namespace der

struct DerElement {
  std::uint8_t tag;
  BytesView content;
  BytesView whole;  // with tag and length
};

// The elements of one constructed value, one after the other. Lengths are definite and in their shortest form, tag
// numbers at most 30 (X.690 section 10.1). Borrows the bytes, as ByteReader does.
class DerReader {
 public:
  DerReader(BytesView bytes, Reason reason, std::string_view where)
      : bytes_(bytes), reason_(reason), where_(where), reader_(bytes, reason, where) {}

  [[nodiscard]] bool AtEnd() const { return reader_.remaining() == 0; }
  // Whether an element with this tag comes next.
  [[nodiscard]] bool NextIs(std::uint8_t tag) const;
  [[nodiscard]] Result<DerElement> Take();
  // The next element, which must have this tag.
  [[nodiscard]] Result<DerElement> Take(std::uint8_t tag);
  // A reader of what is in the next element.
  [[nodiscard]] Result<DerReader> Enter(std::uint8_t tag);
  // The identifier in dotted form. Each arc has at most 32 bits, which all that we look for have; another one is shown
  // as "(overlong)".
  [[nodiscard]] Result<std::string> TakeOid();
  // In the fewest octets (X.690 section 8.3.2), not negative, below 2^63.
  [[nodiscard]] Result<std::uint64_t> TakeUnsigned(std::uint8_t tag = der::kInteger);
  // AlgorithmIdentifier (RFC 5280 section 4.1.1.2) without parameters, or with NULL.
  [[nodiscard]] Result<std::string> TakePlainAlgorithm();
  [[nodiscard]] Status ExpectEnd() const { return reader_.ExpectEnd(); }
  [[nodiscard]] Error Fail(std::string_view detail) const { return reader_.Fail(detail); }

 private:
  BytesView bytes_;
  Reason reason_;
  std::string where_;
  ByteReader reader_;
};

// Definite lengths in their shortest form all the way down, low tag numbers; `depth` is 0 at first. Errors: `reason`.
[[nodiscard]] Status CheckDer(BytesView der, Reason reason, int depth);

}  // namespace gatehouse::crypto
