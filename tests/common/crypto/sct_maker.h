// Lists of signed certificate timestamps (RFC 6962), and certificates that carry one.
#pragma once

#include <utility>
#include <vector>

#include "common/crypto/der.h"
#include "common/crypto/hash.h"

namespace gatehouse::crypto {

struct SctSpec {
  std::uint8_t version = 0;
  Bytes log_id = Bytes(32, 0x11);
  std::uint64_t at = 1'800'000'000'123;
  Bytes extensions = {};
  std::uint8_t hash = 4;       // SHA-256
  std::uint8_t signature = 3;  // ECDSA
};

// RFC 6962 section 3.2, written out a second time.
inline Bytes SctToBeSigned(const SctSpec& spec, BytesView issuer_spki, BytesView tbs) {
  ByteWriter writer;
  writer.PutU8(spec.version);
  writer.PutU8(0);
  writer.PutU64Be(spec.at);
  writer.PutU16Be(1);
  writer.Put(Hash(HashAlgorithm::kSha256, issuer_spki));
  writer.PutU8(0);
  writer.PutU16Be(static_cast<std::uint16_t>(tbs.size()));
  writer.Put(tbs);
  writer.PutSized16Be(spec.extensions);
  return std::move(writer).Finish();
}

inline Bytes SerialiseSct(const SctSpec& spec, BytesView signature) {
  ByteWriter writer;
  writer.PutU8(spec.version);
  writer.Put(spec.log_id);
  writer.PutU64Be(spec.at);
  writer.PutSized16Be(spec.extensions);
  writer.PutU8(spec.hash);
  writer.PutU8(spec.signature);
  writer.PutSized16Be(signature);
  return std::move(writer).Finish();
}

// The inner OCTET STRING: a list of serialised timestamps.
inline Bytes SctList(const std::vector<Bytes>& scts) {
  ByteWriter inner;
  for (const Bytes& sct : scts) inner.PutSized16Be(sct);
  ByteWriter list;
  list.PutSized16Be(inner.bytes());
  return der::Encode(der::kOctetString, list.bytes());
}

// The extension with this value.
inline Bytes SctExtension(BytesView list) {
  Bytes extension{0x06, 0x0A, 0x2B, 0x06, 0x01, 0x04, 0x01, 0xD6, 0x79, 0x02, 0x04, 0x02};
  Append(extension, der::Encode(der::kOctetString, list));
  return der::Encode(der::kSequence, extension);
}

// The TBSCertificate of a certificate and the AlgorithmIdentifier after it.
inline std::pair<BytesView, BytesView> CertificateParts(BytesView der) {
  DerReader file(der, Reason::kInternal, "");
  DerReader parts = file.Enter(der::kSequence).value();
  const BytesView tbs = parts.Take().value().whole;
  return {tbs, parts.Take().value().whole};
}

enum class SctPlace : std::uint8_t { kLast, kFirst, kAlone };

// An extension put into a TBSCertificate.
inline Bytes InsertExtension(BytesView tbs, const Bytes& extension, SctPlace place) {
  DerReader outer(tbs, Reason::kInternal, "");
  DerReader fields = outer.Enter(der::kSequence).value();
  const auto wrapped = [](BytesView list) {
    return der::Encode(der::ContextConstructed(3), der::Encode(der::kSequence, list));
  };
  Bytes made;
  while (!fields.AtEnd()) {
    const DerElement field = fields.Take().value();
    if (field.tag != der::ContextConstructed(3)) {
      Append(made, field.whole);
      continue;
    }
    DerReader explicit_tag(field.content, Reason::kInternal, "");
    Bytes list = ToBytes(explicit_tag.Take().value().content);
    if (place == SctPlace::kFirst) list.insert(list.begin(), extension.begin(), extension.end());
    if (place == SctPlace::kLast) Append(list, extension);
    Append(made, wrapped(list));
  }
  if (place == SctPlace::kAlone) Append(made, wrapped(extension));
  return der::Encode(der::kSequence, made);
}

// A certificate of these parts; without a signature it has one that says nothing.
inline Bytes AssembleCertificate(const Bytes& tbs, BytesView algorithm, BytesView signature = {}) {
  Bytes bits{0};
  Append(bits, signature);
  Bytes whole = tbs;
  Append(whole, algorithm);
  Append(whole, der::Encode(der::kBitString, bits));
  return der::Encode(der::kSequence, whole);
}

}  // namespace gatehouse::crypto
