#include "common/crypto/der.h"

#include "common/base/limits.h"

namespace gatehouse::crypto {
namespace {

constexpr std::uint64_t kMaxArc = 0xFFFFFFFFU;

// X.690 section 10.1: "The definite form of length encoding shall be used, encoded in the minimum number of octets."
Result<std::size_t> TakeLength(ByteReader& reader) {
  ASSIGN_OR_RETURN(const std::uint8_t first, reader.TakeU8());
  if (first < 0x80) return std::size_t{first};
  const std::size_t count = first & 0x7FU;
  if (count == 0 || count > 4) return reader.Fail("a length that is indefinite or absurd");
  ASSIGN_OR_RETURN(const BytesView octets, reader.Take(count));
  std::size_t length = 0;
  for (const std::uint8_t octet : octets) length = (length << 8) | octet;
  if (octets.front() == 0 || length < 0x80) return reader.Fail("a length that is not in its shortest form");
  return length;
}

Result<std::uint8_t> TakeTag(ByteReader& reader) {
  ASSIGN_OR_RETURN(const std::uint8_t tag, reader.TakeU8());
  if ((tag & 0x1F) == 0x1F) return reader.Fail("a tag number above 30, which nothing here has");
  return tag;
}

}  // namespace

Bytes der::Encode(std::uint8_t tag, BytesView content) {
  Bytes encoded{tag};
  if (content.size() < 0x80) {
    encoded.push_back(static_cast<std::uint8_t>(content.size()));
  } else {
    Bytes length;
    for (std::size_t rest = content.size(); rest != 0; rest >>= 8) {
      length.insert(length.begin(), static_cast<std::uint8_t>(rest));
    }
    encoded.push_back(static_cast<std::uint8_t>(0x80U | length.size()));
    Append(encoded, length);
  }
  Append(encoded, content);
  return encoded;
}

bool DerReader::NextIs(std::uint8_t tag) const {
  ByteReader ahead = reader_;
  const Result<std::uint8_t> next = ahead.TakeU8();
  return next.ok() && *next == tag;
}

Result<DerElement> DerReader::Take() {
  const std::size_t start = reader_.offset();
  ASSIGN_OR_RETURN(const std::uint8_t tag, TakeTag(reader_));
  ASSIGN_OR_RETURN(const std::size_t length, TakeLength(reader_));
  ASSIGN_OR_RETURN(const BytesView content, reader_.Take(length));
  return DerElement{tag, content, bytes_.subspan(start, reader_.offset() - start)};
}

Result<DerElement> DerReader::Take(std::uint8_t tag) {
  ASSIGN_OR_RETURN(const DerElement element, Take());
  if (element.tag != tag) return Fail("an element of another type than the format has there");
  return element;
}

Result<DerReader> DerReader::Enter(std::uint8_t tag) {
  ASSIGN_OR_RETURN(const DerElement element, Take(tag));
  return DerReader(element.content, reason_, where_);
}

Result<std::string> DerReader::TakeOid() {
  ASSIGN_OR_RETURN(const DerElement element, Take(der::kOid));
  // X.690 section 8.19.2: the last octet of an arc has bit 8 clear, and its first is not 0x80.
  if (element.content.empty() || (element.content.back() & 0x80) != 0) return Fail("an identifier that is cut off");
  std::string text;
  std::uint64_t arc = 0;
  bool starts = true;
  for (const std::uint8_t octet : element.content) {
    if (starts && octet == 0x80) return Fail("an identifier that is not in its shortest form");
    starts = (octet & 0x80) == 0;
    arc = (arc << 7) | (octet & 0x7FU);
    if (arc > kMaxArc) return std::string("(overlong)");
    if (!starts) continue;
    if (text.empty()) {
      // X.690 section 8.19.4: the first two arcs share one number, X * 40 + Y.
      const std::uint64_t first = arc < 80 ? arc / 40 : 2;
      text = std::to_string(first) + "." + std::to_string(arc - first * 40);
    } else {
      text += "." + std::to_string(arc);
    }
    arc = 0;
  }
  return text;
}

Result<std::uint64_t> DerReader::TakeUnsigned(std::uint8_t tag) {
  ASSIGN_OR_RETURN(const DerElement element, Take(tag));
  const BytesView octets = element.content;
  if (octets.empty() || octets.size() > 8 || (octets.front() & 0x80) != 0) {
    return Fail("a number that is empty, negative or too large");
  }
  if (octets.size() > 1 && octets.front() == 0 && (octets[1] & 0x80) == 0) {
    return Fail("a number that is not in its shortest form");
  }
  std::uint64_t number = 0;
  for (const std::uint8_t octet : octets) number = (number << 8) | octet;
  return number;
}

Result<std::string> DerReader::TakePlainAlgorithm() {
  ASSIGN_OR_RETURN(DerReader identifier, Enter(der::kSequence));
  ASSIGN_OR_RETURN(std::string oid, identifier.TakeOid());
  if (!identifier.AtEnd()) {
    ASSIGN_OR_RETURN(const DerElement null, identifier.Take(der::kNull));
    if (!null.content.empty()) return Fail("a NULL that is not empty");
  }
  RETURN_IF_ERROR(identifier.ExpectEnd());
  return oid;
}

Status CheckDer(BytesView der, Reason reason, int depth) {
  if (depth > limits::kDerDepth) return Error{reason, "", "nested too deeply"};
  DerReader reader(der, reason, "");
  while (!reader.AtEnd()) {
    ASSIGN_OR_RETURN(const DerElement element, reader.Take());
    if ((element.tag & 0x20) != 0) RETURN_IF_ERROR(CheckDer(element.content, reason, depth + 1));
  }
  return Ok();
}

}  // namespace gatehouse::crypto
