#include "agent/tpm/der_list.h"

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::agent {
namespace {

bool IsPadding(BytesView bytes) {
  auto all = [bytes](std::uint8_t value) {
    return std::all_of(bytes.begin(), bytes.end(), [value](std::uint8_t byte) { return byte == value; });
  };
  return all(0x00) || all(0xFF);
}

// The bytes of one SEQUENCE with its header. X.690 section 10.1: "The definite form of length encoding shall be used,
// encoded in the minimum number of octets."
Result<BytesView> TakeSequence(ByteReader& reader, BytesView rest) {
  std::size_t begin = reader.offset();
  ASSIGN_OR_RETURN(std::uint8_t tag, reader.TakeU8());
  if (tag != 0x30) return reader.Fail("not the SEQUENCE of a DER certificate");
  ASSIGN_OR_RETURN(std::uint8_t first, reader.TakeU8());
  std::size_t length = first;
  if (first >= 0x80) {
    std::size_t octets = first & 0x7FU;
    if (octets == 0 || octets > 3) return reader.Fail("a length that no certificate has");
    length = 0;
    for (std::size_t i = 0; i < octets; ++i) {
      ASSIGN_OR_RETURN(std::uint8_t octet, reader.TakeU8());
      length = length << 8 | octet;
    }
    if (length < 0x80 || length >> (8 * (octets - 1)) == 0)
      return reader.Fail("a length that is not in its shortest form");
  }
  if (length > limits::kCertificateBytes) return reader.Fail("a certificate that is too long");
  RETURN_IF_ERROR(reader.Take(length));
  return rest.first(reader.offset() - begin);
}

}  // namespace

Result<std::vector<Bytes>> SplitDer(BytesView bytes, std::string_view where) {
  std::vector<Bytes> certificates;
  ByteReader reader(bytes, Reason::kCertificateMalformed, where);
  while (!IsPadding(bytes.subspan(reader.offset()))) {
    if (certificates.size() >= limits::kChainCertificates) {
      return Error{Reason::kLimitExceeded, std::string(where),
                   "more than " + std::to_string(limits::kChainCertificates) + " certificates"};
    }
    ASSIGN_OR_RETURN(BytesView certificate, TakeSequence(reader, bytes.subspan(reader.offset())));
    certificates.push_back(ToBytes(certificate));
  }
  return certificates;
}

}  // namespace gatehouse::agent
