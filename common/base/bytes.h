// Byte strings and the one reader of untrusted bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace gatehouse {

using Bytes = std::vector<std::uint8_t>;
using BytesView = std::span<const std::uint8_t>;

[[nodiscard]] BytesView AsBytes(std::string_view text);
[[nodiscard]] std::string_view AsText(BytesView bytes);
[[nodiscard]] Bytes ToBytes(BytesView bytes);
[[nodiscard]] Bytes ToBytes(std::string_view text);
void Append(Bytes& to, BytesView more);

// Time does not depend on where the bytes differ. Different lengths are different.
[[nodiscard]] bool ConstantTimeEqual(BytesView a, BytesView b);

// Takes N bytes or fails; nothing else indexes untrusted bytes. The reader borrows the bytes: they must outlive it and
// every view that it hands out. Every failure has the Reason and the `where` given at construction, with the offset.
class ByteReader {
 public:
  ByteReader(BytesView bytes, Reason reason, std::string_view where) : bytes_(bytes), reason_(reason), where_(where) {}

  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - offset_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }

  [[nodiscard]] Result<BytesView> Take(std::size_t count);
  [[nodiscard]] Result<std::uint8_t> TakeU8();
  [[nodiscard]] Result<std::uint16_t> TakeU16Be();
  [[nodiscard]] Result<std::uint32_t> TakeU32Be();
  [[nodiscard]] Result<std::uint64_t> TakeU64Be();
  [[nodiscard]] Result<std::uint16_t> TakeU16Le();
  [[nodiscard]] Result<std::uint32_t> TakeU32Le();
  [[nodiscard]] Result<std::uint64_t> TakeU64Le();
  // A u16 length, big-endian, of at most `max`, and as many bytes: TPM2B_*.
  [[nodiscard]] Result<BytesView> TakeSized16Be(std::size_t max);
  // The last line of every parser.
  [[nodiscard]] Status ExpectEnd() const;
  // An error of this reader at its present offset.
  [[nodiscard]] Error Fail(std::string_view detail) const;

 private:
  BytesView bytes_;
  std::size_t offset_ = 0;
  Reason reason_;
  std::string where_;
};

// Appends fixed-width integers; the inverse of ByteReader for structures that we make.
class ByteWriter {
 public:
  void PutU8(std::uint8_t value);
  void PutU16Be(std::uint16_t value);
  void PutU32Be(std::uint32_t value);
  void PutU64Be(std::uint64_t value);
  void Put(BytesView bytes);
  // Precondition: bytes.size() <= 65535.
  void PutSized16Be(BytesView bytes);
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] Bytes Finish() && { return std::move(bytes_); }

 private:
  Bytes bytes_;
};

}  // namespace gatehouse
