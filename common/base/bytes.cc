#include "common/base/bytes.h"

#include <cassert>

namespace gatehouse {
namespace {

template <typename T>
T BigEndian(BytesView bytes) {
  std::uint64_t value = 0;
  for (std::uint8_t byte : bytes) value = (value << 8) | byte;
  return static_cast<T>(value);
}

template <typename T>
T LittleEndian(BytesView bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) value = (value << 8) | bytes[i - 1];
  return static_cast<T>(value);
}

}  // namespace

BytesView AsBytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string_view AsText(BytesView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes ToBytes(BytesView bytes) {
  return {bytes.begin(), bytes.end()};
}

Bytes ToBytes(std::string_view text) {
  return ToBytes(AsBytes(text));
}

void Append(Bytes& to, BytesView more) {
  to.insert(to.end(), more.begin(), more.end());
}

bool ConstantTimeEqual(BytesView a, BytesView b) {
  if (a.size() != b.size()) return false;
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference = static_cast<std::uint8_t>(difference | (a[i] ^ b[i]));
  return difference == 0;
}

Error ByteReader::Fail(std::string_view detail) const {
  return {reason_, where_, std::string(detail) + " at byte " + std::to_string(offset_)};
}

Result<BytesView> ByteReader::Take(std::size_t count) {
  if (count > remaining()) {
    return Fail("needs " + std::to_string(count) + " bytes, " + std::to_string(remaining()) + " left");
  }
  BytesView taken = bytes_.subspan(offset_, count);
  offset_ += count;
  return taken;
}

Result<std::uint8_t> ByteReader::TakeU8() {
  ASSIGN_OR_RETURN(BytesView b, Take(1));
  return b[0];
}

Result<std::uint16_t> ByteReader::TakeU16Be() {
  ASSIGN_OR_RETURN(BytesView b, Take(2));
  return BigEndian<std::uint16_t>(b);
}

Result<std::uint32_t> ByteReader::TakeU32Be() {
  ASSIGN_OR_RETURN(BytesView b, Take(4));
  return BigEndian<std::uint32_t>(b);
}

Result<std::uint64_t> ByteReader::TakeU64Be() {
  ASSIGN_OR_RETURN(BytesView b, Take(8));
  return BigEndian<std::uint64_t>(b);
}

Result<std::uint16_t> ByteReader::TakeU16Le() {
  ASSIGN_OR_RETURN(BytesView b, Take(2));
  return LittleEndian<std::uint16_t>(b);
}

Result<std::uint32_t> ByteReader::TakeU32Le() {
  ASSIGN_OR_RETURN(BytesView b, Take(4));
  return LittleEndian<std::uint32_t>(b);
}

Result<std::uint64_t> ByteReader::TakeU64Le() {
  ASSIGN_OR_RETURN(BytesView b, Take(8));
  return LittleEndian<std::uint64_t>(b);
}

Result<BytesView> ByteReader::TakeSized16Be(std::size_t max) {
  ASSIGN_OR_RETURN(std::uint16_t size, TakeU16Be());
  if (size > max) return Fail("a length of " + std::to_string(size) + " is more than " + std::to_string(max));
  return Take(size);
}

Status ByteReader::ExpectEnd() const {
  if (remaining() != 0) return Fail(std::to_string(remaining()) + " bytes too many");
  return Ok();
}

void ByteWriter::PutU8(std::uint8_t value) {
  bytes_.push_back(value);
}

void ByteWriter::PutU16Be(std::uint16_t value) {
  PutU8(static_cast<std::uint8_t>(value >> 8));
  PutU8(static_cast<std::uint8_t>(value));
}

void ByteWriter::PutU32Be(std::uint32_t value) {
  PutU16Be(static_cast<std::uint16_t>(value >> 16));
  PutU16Be(static_cast<std::uint16_t>(value));
}

void ByteWriter::PutU64Be(std::uint64_t value) {
  PutU32Be(static_cast<std::uint32_t>(value >> 32));
  PutU32Be(static_cast<std::uint32_t>(value));
}

void ByteWriter::Put(BytesView bytes) {
  Append(bytes_, bytes);
}

void ByteWriter::PutSized16Be(BytesView bytes) {
  assert(bytes.size() <= 0xFFFF);
  PutU16Be(static_cast<std::uint16_t>(bytes.size()));
  Put(bytes);
}

}  // namespace gatehouse
