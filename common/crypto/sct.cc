#include "common/crypto/sct.h"

#include "common/base/limits.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

// RFC 6962 section 3.3.
constexpr const char* kListOid = "1.3.6.1.4.1.11129.2.4.2";
constexpr std::size_t kLogIdBytes = 32;
constexpr std::size_t kMaxU16 = 0xFFFF;
constexpr std::size_t kMaxU24 = 0xFFFFFF;
// The last millisecond of the year 9999: a later time is none that a caller could compute with.
constexpr std::uint64_t kLastMillisecond = 253'402'300'799'999U;

// RFC 5246 section 7.4.1.4.1.
constexpr std::uint8_t kTlsSha256 = 4;
constexpr std::uint8_t kTlsSha384 = 5;
constexpr std::uint8_t kTlsSha512 = 6;
constexpr std::uint8_t kTlsRsa = 1;
constexpr std::uint8_t kTlsEcdsa = 3;

// RFC 6962 sections 3.2 and 3.4.
constexpr std::uint8_t kVersion1 = 0;
constexpr std::uint8_t kCertificateTimestamp = 0;
constexpr std::uint16_t kPrecertificateEntry = 1;

Error Invalid(std::string_view detail) {
  return {Reason::kSctInvalid, "", std::string(detail)};
}

Result<HashAlgorithm> ReadHash(ByteReader& reader) {
  ASSIGN_OR_RETURN(const std::uint8_t number, reader.TakeU8());
  switch (number) {
    case kTlsSha256:
      return HashAlgorithm::kSha256;
    case kTlsSha384:
      return HashAlgorithm::kSha384;
    case kTlsSha512:
      return HashAlgorithm::kSha512;
    default:
      return reader.Fail("a hash algorithm that is not of the SHA-2 family");
  }
}

Result<bool> ReadIsEcdsa(ByteReader& reader) {
  ASSIGN_OR_RETURN(const std::uint8_t number, reader.TakeU8());
  if (number != kTlsEcdsa && number != kTlsRsa)
    return reader.Fail("a signature algorithm that is neither ECDSA nor RSA");
  return number == kTlsEcdsa;
}

// SignedCertificateTimestamp of RFC 6962 section 3.2.
Result<SignedCertificateTimestamp> ReadSct(BytesView bytes, const std::string& where) {
  ByteReader reader(bytes, Reason::kSctInvalid, where);
  ASSIGN_OR_RETURN(const std::uint8_t version, reader.TakeU8());
  if (version != kVersion1) return reader.Fail("a version other than 1");
  ASSIGN_OR_RETURN(const BytesView log_id, reader.Take(kLogIdBytes));
  ASSIGN_OR_RETURN(const std::uint64_t milliseconds, reader.TakeU64Be());
  if (milliseconds > kLastMillisecond) return reader.Fail("a time after the year 9999");
  ASSIGN_OR_RETURN(const BytesView extensions, reader.TakeSized16Be(kMaxU16));
  ASSIGN_OR_RETURN(const HashAlgorithm hash, ReadHash(reader));
  ASSIGN_OR_RETURN(const bool ecdsa, ReadIsEcdsa(reader));
  ASSIGN_OR_RETURN(const BytesView signature, reader.TakeSized16Be(limits::kSignatureBytes));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return SignedCertificateTimestamp{.log_id = ToBytes(log_id),
                                    .at = WallTime(Duration(static_cast<std::int64_t>(milliseconds))),
                                    .extensions = ToBytes(extensions),
                                    .hash = hash,
                                    .ecdsa = ecdsa,
                                    .signature = ToBytes(signature)};
}

// What of a certificate's TBSCertificate (RFC 5280 section 4.1) a log signs.
struct Tbs {
  BytesView spki;      // in the certificate's bytes
  Bytes without_list;  // the TBSCertificate as it was before the list was put in
  bool had_list = false;
};

// Extensions without the list; the lengths around it change, nothing else. Nothing if no extension is left: RFC 5280
// has no empty list of them.
Result<std::optional<Bytes>> WithoutList(BytesView explicit_content, bool& had_list) {
  DerReader outer(explicit_content, Reason::kSctInvalid, "certificate");
  ASSIGN_OR_RETURN(DerReader extensions, outer.Enter(der::kSequence));
  RETURN_IF_ERROR(outer.ExpectEnd());
  Bytes kept;
  while (!extensions.AtEnd()) {
    ASSIGN_OR_RETURN(const DerElement extension, extensions.Take(der::kSequence));
    DerReader fields(extension.content, Reason::kSctInvalid, "certificate");
    ASSIGN_OR_RETURN(const std::string oid, fields.TakeOid());
    if (oid == kListOid) {
      had_list = true;
    } else {
      Append(kept, extension.whole);
    }
  }
  if (kept.empty()) return std::optional<Bytes>();
  return std::optional(der::Encode(der::ContextConstructed(3), der::Encode(der::kSequence, kept)));
}

Result<Tbs> ReadTbs(const Certificate& certificate) {
  DerReader file(certificate.impl().der, Reason::kSctInvalid, "certificate");
  ASSIGN_OR_RETURN(DerReader parts, file.Enter(der::kSequence));
  ASSIGN_OR_RETURN(DerReader fields, parts.Enter(der::kSequence));
  Tbs tbs;
  Bytes kept;
  // version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo; issuerUniqueID,
  // subjectUniqueID and extensions may be there.
  if (!fields.NextIs(der::ContextConstructed(0))) return Invalid("a certificate of version 1");
  constexpr int kSpkiIndex = 6;
  for (int index = 0; !fields.AtEnd(); ++index) {
    ASSIGN_OR_RETURN(const DerElement field, fields.Take());
    if (index == kSpkiIndex) tbs.spki = field.whole;
    if (index > kSpkiIndex && field.tag == der::ContextConstructed(3)) {
      ASSIGN_OR_RETURN(const std::optional<Bytes> rest, WithoutList(field.content, tbs.had_list));
      if (rest) Append(kept, *rest);
    } else {
      Append(kept, field.whole);
    }
  }
  tbs.without_list = der::Encode(der::kSequence, kept);
  return tbs;
}

}  // namespace

Result<std::vector<SignedCertificateTimestamp>> EmbeddedScts(const Certificate& certificate) {
  std::vector<SignedCertificateTimestamp> scts;
  const std::optional<Bytes> value = certificate.Extension(kListOid);
  if (!value) return scts;
  DerReader extension(*value, Reason::kSctInvalid, "SCT list");
  ASSIGN_OR_RETURN(const DerElement list, extension.Take(der::kOctetString));
  RETURN_IF_ERROR(extension.ExpectEnd());
  // RFC 6962 section 3.3: SerializedSCT sct_list <1..2^16-1>, each opaque <1..2^16-1>.
  ByteReader outer(list.content, Reason::kSctInvalid, "SCT list");
  ASSIGN_OR_RETURN(const BytesView all, outer.TakeSized16Be(kMaxU16));
  RETURN_IF_ERROR(outer.ExpectEnd());
  ByteReader reader(all, Reason::kSctInvalid, "SCT list");
  if (reader.remaining() == 0) return reader.Fail("a list without an entry");
  while (reader.remaining() != 0) {
    if (scts.size() == limits::kScts) {
      return Error{Reason::kLimitExceeded, "SCT list", "more than " + std::to_string(limits::kScts) + " entries"};
    }
    ASSIGN_OR_RETURN(const BytesView one, reader.TakeSized16Be(kMaxU16));
    ASSIGN_OR_RETURN(SignedCertificateTimestamp sct, ReadSct(one, "SCT " + std::to_string(scts.size() + 1)));
    scts.push_back(std::move(sct));
  }
  return scts;
}

Status VerifyEmbeddedSct(const SignedCertificateTimestamp& sct, const Certificate& certificate,
                         const Certificate& issuer, const PublicKey& log_key) {
  // RFC 6962 section 2.1.4: a log uses "either elliptic curve signatures using the NIST P-256 curve ... or RSA
  // signatures with the SHA-256 hash algorithm". The key decides; what the SCT says must agree with it. Logs with
  // another curve exist in private installations, and hash with SHA-256 as well.
  if (log_key.type() == KeyType::kEd25519) return Invalid("a log's key is neither ECDSA nor RSA");
  const bool rsa = log_key.type() == KeyType::kRsa;
  if (sct.ecdsa == rsa) return Invalid("the signature is of another kind than the log's key");
  if (sct.hash != HashAlgorithm::kSha256) return Invalid("the signature is not by SHA-256");
  if (sct.extensions.size() > kMaxU16) return Invalid("extensions of more than 65535 bytes");

  ASSIGN_OR_RETURN(const Tbs tbs, ReadTbs(certificate));
  if (!tbs.had_list) return Invalid("the certificate holds no list of timestamps");
  if (tbs.without_list.size() > kMaxU24) return Invalid("a certificate of 16 MiB");
  ASSIGN_OR_RETURN(const Tbs issuer_tbs, ReadTbs(issuer));

  // The digitally-signed struct of RFC 6962 section 3.2, with PreCert { issuer_key_hash, tbs_certificate }.
  ByteWriter message;
  message.PutU8(kVersion1);
  message.PutU8(kCertificateTimestamp);
  message.PutU64Be(static_cast<std::uint64_t>(sct.at.time_since_epoch().count()));
  message.PutU16Be(kPrecertificateEntry);
  message.Put(Hash(HashAlgorithm::kSha256, issuer_tbs.spki));
  message.PutU8(static_cast<std::uint8_t>(tbs.without_list.size() >> 16));
  message.PutU16Be(static_cast<std::uint16_t>(tbs.without_list.size() & kMaxU16));
  message.Put(tbs.without_list);
  message.PutSized16Be(sct.extensions);
  const Scheme scheme = rsa ? Scheme::kRsaPkcs1v15 : Scheme::kEcdsaDer;
  if (!log_key.Verify(scheme, HashAlgorithm::kSha256, message.bytes(), sct.signature)) {
    return Invalid("the log has not signed this certificate as this issuer's");
  }
  return Ok();
}

}  // namespace gatehouse::crypto
