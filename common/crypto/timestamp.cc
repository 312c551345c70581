#include "common/crypto/timestamp.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/crypto/cms.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

constexpr Reason kMalformed = Reason::kTimestampMalformed;
constexpr std::string_view kTstInfo = "1.2.840.113549.1.9.16.1.4";
constexpr std::string_view kContentType = "1.2.840.113549.1.9.3";
constexpr std::string_view kMessageDigest = "1.2.840.113549.1.9.4";
constexpr std::string_view kSigningCertificate = "1.2.840.113549.1.9.16.2.12";
constexpr std::string_view kSigningCertificateV2 = "1.2.840.113549.1.9.16.2.47";
constexpr const char* kTimeStamping = "1.3.6.1.5.5.7.3.8";
constexpr std::uint64_t kMaxAccuracySeconds = 86'400 * 366;  // beyond a year it is no time
constexpr std::size_t kMaxFractionDigits = 18;

Error Invalid(std::string_view detail) {
  return {Reason::kTimestampInvalid, "", std::string(detail)};
}

// By nobody whom the trust document names: a caller that has other authorities may go on with them.
Error Unknown(std::string_view detail) {
  return {Reason::kCertificateUntrusted, "", std::string(detail)};
}

struct TstInfo {
  std::string imprint_algorithm;
  BytesView imprint;
  WallTime at;
  Duration accuracy{};
};

// Two digits that must both be there.
Result<int> TakeTwo(ByteReader& reader) {
  int number = 0;
  for (int i = 0; i < 2; ++i) {
    ASSIGN_OR_RETURN(const std::uint8_t digit, reader.TakeU8());
    if (digit < '0' || digit > '9') return reader.Fail("a time with what is no digit");
    number = number * 10 + (digit - '0');
  }
  return number;
}

// What follows the seconds, "Z" included. RFC 3161 section 2.4.2: "The encoding MUST terminate with a "Z"", "trailing
// 0's ... MUST be omitted", and if the fraction is 0, "the decimal point element MUST be omitted".
Result<Duration> TakeFraction(ByteReader& reader) {
  ASSIGN_OR_RETURN(std::uint8_t next, reader.TakeU8());
  if (next == 'Z') return Duration::zero();
  if (next != '.') return reader.Fail("a time that does not end in Z");
  std::int64_t milliseconds = 0;
  std::int64_t weight = 100;
  std::uint8_t last = '0';
  for (std::size_t digits = 0;; ++digits) {
    ASSIGN_OR_RETURN(next, reader.TakeU8());
    if (next == 'Z') break;
    if (next < '0' || next > '9' || digits == kMaxFractionDigits) return reader.Fail("a time with a bad fraction");
    milliseconds += weight * (next - '0');
    weight /= 10;
    last = next;
  }
  if (last == '0') return reader.Fail("a time whose fraction is empty or ends in 0");
  return Duration(milliseconds);
}

// RFC 3161 section 2.4.2: "The syntax is: YYYYMMDDhhmmss[.s...]Z".
Result<WallTime> ReadTime(BytesView content) {
  ByteReader reader(content, kMalformed, "genTime");
  ASSIGN_OR_RETURN(const int century, TakeTwo(reader));
  ASSIGN_OR_RETURN(const int year, TakeTwo(reader));
  ASSIGN_OR_RETURN(const int month, TakeTwo(reader));
  ASSIGN_OR_RETURN(const int day, TakeTwo(reader));
  ASSIGN_OR_RETURN(const int hour, TakeTwo(reader));
  ASSIGN_OR_RETURN(const int minute, TakeTwo(reader));
  ASSIGN_OR_RETURN(const int second, TakeTwo(reader));
  ASSIGN_OR_RETURN(const Duration fraction, TakeFraction(reader));
  RETURN_IF_ERROR(reader.ExpectEnd());
  const std::chrono::year_month_day date(std::chrono::year(century * 100 + year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day)));
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return reader.Fail("a time that does not exist");
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second) + fraction;
}

// Accuracy ::= SEQUENCE { seconds INTEGER OPTIONAL, millis [0] INTEGER (1..999) OPTIONAL, micros [1] INTEGER (1..999)
// OPTIONAL }. Microseconds round up: the time is not known better than it says.
Result<Duration> TakeAccuracy(DerReader& fields) {
  ASSIGN_OR_RETURN(DerReader parts, fields.Enter(der::kSequence));
  Duration accuracy{};
  if (parts.NextIs(der::kInteger)) {
    ASSIGN_OR_RETURN(const std::uint64_t seconds, parts.TakeUnsigned());
    if (seconds > kMaxAccuracySeconds) return parts.Fail("an accuracy of more than a year");
    accuracy += std::chrono::seconds(seconds);
  }
  for (const unsigned part : {0U, 1U}) {
    if (!parts.NextIs(der::Context(part))) continue;
    ASSIGN_OR_RETURN(const std::uint64_t number, parts.TakeUnsigned(der::Context(part)));
    if (number == 0 || number > 999) return parts.Fail("an accuracy with a part beyond 1 to 999");
    accuracy += part == 0 ? Duration(number) : Duration(1);
  }
  RETURN_IF_ERROR(parts.ExpectEnd());
  return accuracy;
}

// We know no extension of TSTInfo. RFC 5280 section 4.2, whose type it is: "reject ... if it encounters a critical
// extension it does not recognize".
Status TakeExtensions(DerReader& fields) {
  ASSIGN_OR_RETURN(DerReader extensions, fields.Enter(der::ContextConstructed(1)));
  while (!extensions.AtEnd()) {
    ASSIGN_OR_RETURN(DerReader extension, extensions.Enter(der::kSequence));
    ASSIGN_OR_RETURN(const std::string oid, extension.TakeOid());
    if (extension.NextIs(der::kBoolean)) return Invalid("the critical extension " + oid + ", which is not known");
    RETURN_IF_ERROR(extension.Take(der::kOctetString));
    RETURN_IF_ERROR(extension.ExpectEnd());
  }
  return Ok();
}

// What may follow genTime, each optional. The nonce is for the requester. The name of the authority is not compared
// with the certificate's: the signing certificate attribute says which it is (RFC 3161 section 2.4.2: "the actual
// identification of the entity that signed the response will always occur through the use of the certificate
// identifier").
Status TakeOptional(DerReader& fields, TstInfo& info) {
  if (fields.NextIs(der::kSequence)) {
    ASSIGN_OR_RETURN(info.accuracy, TakeAccuracy(fields));
  }
  if (fields.NextIs(der::kBoolean)) {
    ASSIGN_OR_RETURN(const DerElement ordering, fields.Take());
    if (ordering.content.size() != 1) return fields.Fail("an ordering that is neither true nor false");
  }
  if (fields.NextIs(der::kInteger)) RETURN_IF_ERROR(fields.Take());
  if (fields.NextIs(der::ContextConstructed(0))) RETURN_IF_ERROR(fields.Take());
  if (fields.NextIs(der::ContextConstructed(1))) RETURN_IF_ERROR(TakeExtensions(fields));
  return Ok();
}

Result<TstInfo> ReadTstInfo(BytesView content) {
  TstInfo info;
  DerReader reader(content, kMalformed, "TSTInfo");
  ASSIGN_OR_RETURN(DerReader fields, reader.Enter(der::kSequence));
  RETURN_IF_ERROR(reader.ExpectEnd());
  ASSIGN_OR_RETURN(const std::uint64_t version, fields.TakeUnsigned());
  if (version != 1) return fields.Fail("a version other than 1");
  RETURN_IF_ERROR(fields.TakeOid());  // the authority's policy; a trust document names authorities, not policies
  ASSIGN_OR_RETURN(DerReader imprint, fields.Enter(der::kSequence));
  ASSIGN_OR_RETURN(info.imprint_algorithm, imprint.TakePlainAlgorithm());
  ASSIGN_OR_RETURN(const DerElement hashed, imprint.Take(der::kOctetString));
  RETURN_IF_ERROR(imprint.ExpectEnd());
  info.imprint = hashed.content;
  RETURN_IF_ERROR(fields.Take(der::kInteger));  // serialNumber, up to 160 bits
  ASSIGN_OR_RETURN(const DerElement time, fields.Take(der::kGeneralizedTime));
  ASSIGN_OR_RETURN(info.at, ReadTime(time.content));
  RETURN_IF_ERROR(TakeOptional(fields, info));
  RETURN_IF_ERROR(fields.ExpectEnd());
  return info;
}

// TimeStampResp ::= SEQUENCE { status PKIStatusInfo, timeStampToken ContentInfo OPTIONAL }, or the token alone.
Result<CmsSignedData> ReadToken(BytesView token) {
  DerReader file(token, kMalformed, "timestamp");
  DerReader ahead = file;
  ASSIGN_OR_RETURN(DerReader inside, ahead.Enter(der::kSequence));
  if (inside.NextIs(der::kOid)) {
    ASSIGN_OR_RETURN(CmsSignedData data, TakeSignedData(file, kMalformed));
    RETURN_IF_ERROR(file.ExpectEnd());
    return data;
  }
  RETURN_IF_ERROR(ahead.ExpectEnd());
  ASSIGN_OR_RETURN(DerReader status, inside.Enter(der::kSequence));
  ASSIGN_OR_RETURN(const std::uint64_t code, status.TakeUnsigned());
  // RFC 3161 section 2.4.2: "When the status contains the value zero or one, a TimeStampToken MUST be present."
  if (code > 1) return Invalid("the authority has refused: status " + std::to_string(code));
  if (status.NextIs(der::kSequence)) RETURN_IF_ERROR(status.Take());   // statusString
  if (status.NextIs(der::kBitString)) RETURN_IF_ERROR(status.Take());  // failInfo
  RETURN_IF_ERROR(status.ExpectEnd());
  ASSIGN_OR_RETURN(CmsSignedData data, TakeSignedData(inside, kMalformed));
  RETURN_IF_ERROR(inside.ExpectEnd());
  return data;
}

// The certificate that the token's signer is identified as. With a pinned leaf it can be no other.
Result<Certificate> FindSigner(const CmsSignedData& data, const TimestampAuthority& authority) {
  if (authority.leaf) {
    if (Identifies(data.signer, *authority.leaf)) return *authority.leaf;
    return Unknown("signed with another certificate than that of the authority");
  }
  for (const auto* candidates : {&authority.intermediates, &authority.roots, &data.certificates}) {
    for (const Certificate& candidate : *candidates) {
      if (Identifies(data.signer, candidate)) return candidate;
    }
  }
  return Unknown("neither the token nor the trust document holds the signer's certificate");
}

const CmsAttribute* FindAttribute(const CmsSignedData::Signer& signer, std::string_view type) {
  const auto found = std::ranges::find(signer.attributes, type, &CmsAttribute::type);
  return found == signer.attributes.end() ? nullptr : &*found;
}

// IssuerSerial ::= SEQUENCE { issuer GeneralNames, serialNumber }: one directoryName, the issuer of the certificate.
Result<bool> IssuerSerialNames(DerReader& id, const Certificate& certificate) {
  ASSIGN_OR_RETURN(DerReader fields, id.Enter(der::kSequence));
  ASSIGN_OR_RETURN(DerReader names, fields.Enter(der::kSequence));
  ASSIGN_OR_RETURN(DerReader name, names.Enter(der::ContextConstructed(4)));
  RETURN_IF_ERROR(names.ExpectEnd());
  ASSIGN_OR_RETURN(const DerElement issuer, name.Take(der::kSequence));
  RETURN_IF_ERROR(name.ExpectEnd());
  ASSIGN_OR_RETURN(const DerElement serial, fields.Take(der::kInteger));
  RETURN_IF_ERROR(fields.ExpectEnd());
  return HasIssuerAndSerial(certificate, issuer.whole, serial.whole);
}

// RFC 2634 section 5.4 and RFC 5035 section 3: "The first certificate identified in the sequence of certificate
// identifiers MUST be the certificate used to verify the signature." What follows the first is a hint at its chain.
Status CheckSigningCertificate(const CmsAttribute& attribute, bool v2, const Certificate& certificate) {
  DerReader reader(attribute.value, kMalformed, "signing certificate attribute");
  ASSIGN_OR_RETURN(DerReader fields, reader.Enter(der::kSequence));
  ASSIGN_OR_RETURN(DerReader ids, fields.Enter(der::kSequence));
  ASSIGN_OR_RETURN(DerReader id, ids.Enter(der::kSequence));
  std::optional<HashAlgorithm> hash = v2 ? HashAlgorithm::kSha256 : HashAlgorithm::kSha1;  // SHA-256 is v2's default
  if (v2 && id.NextIs(der::kSequence)) {
    ASSIGN_OR_RETURN(const std::string algorithm, id.TakePlainAlgorithm());
    hash = HashOfOid(algorithm);
    if (!hash) return Invalid("a signing certificate attribute by the hash " + algorithm);
  }
  ASSIGN_OR_RETURN(const DerElement named, id.Take(der::kOctetString));
  bool matches = std::ranges::equal(named.content, Hash(*hash, certificate.impl().der));
  if (!id.AtEnd()) {
    ASSIGN_OR_RETURN(const bool names, IssuerSerialNames(id, certificate));
    matches = matches && names;
  }
  RETURN_IF_ERROR(id.ExpectEnd());
  if (fields.NextIs(der::kSequence)) RETURN_IF_ERROR(fields.Take());  // policies
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (!matches) return Invalid("the signing certificate attribute names another certificate");
  return Ok();
}

// RFC 5652 section 5.6, and the attributes that RFC 3161 section 2.4.2 and RFC 5816 ask for.
Status CheckAttributes(const CmsSignedData& data, const Certificate& certificate) {
  const CmsAttribute* type = FindAttribute(data.signer, kContentType);
  if (type == nullptr) return Invalid("no content type among the signed attributes");
  DerReader type_reader(type->value, kMalformed, "content type attribute");
  ASSIGN_OR_RETURN(const std::string signed_type, type_reader.TakeOid());
  if (signed_type != kTstInfo) return Invalid("the signed content type is not TSTInfo");

  const CmsAttribute* digest = FindAttribute(data.signer, kMessageDigest);
  if (digest == nullptr) return Invalid("no message digest among the signed attributes");
  const std::optional<HashAlgorithm> hash = HashOfOid(data.signer.digest_algorithm);
  if (!hash) return Invalid("the message digest is not by SHA-256, SHA-384 or SHA-512");
  if (!std::ranges::equal(digest->value, der::Encode(der::kOctetString, Hash(*hash, data.content)))) {
    return Invalid("the message digest is not that of the content");
  }

  const CmsAttribute* v1 = FindAttribute(data.signer, kSigningCertificate);
  const CmsAttribute* v2 = FindAttribute(data.signer, kSigningCertificateV2);
  if (v1 == nullptr && v2 == nullptr) return Invalid("no signing certificate among the signed attributes");
  if (v1 != nullptr) RETURN_IF_ERROR(CheckSigningCertificate(*v1, false, certificate));
  if (v2 != nullptr) RETURN_IF_ERROR(CheckSigningCertificate(*v2, true, certificate));
  return Ok();
}

// RFC 3161 section 2.3: "The corresponding certificate MUST contain only one instance of the extended key usage field
// extension ... with KeyPurposeID having value: id-kp-timeStamping. This extension MUST be critical." and "The TSA MUST
// reserve [its key] specifically for that purpose".
Status CheckSignerUsage(const Certificate& signer) {
  if (signer.ExtendedKeyUsages() != std::vector<std::string>{kTimeStamping}) {
    return Invalid("the signer's certificate is not for timestamps alone");
  }
  if (!signer.HasCriticalExtendedKeyUsage()) {
    return Invalid("the signer's extended key usage is not critical");
  }
  // RFC 5280 section 4.2.1.12, of timeStamping: "Key usage bits that may be consistent: digitalSignature and/or
  // nonRepudiation". UINT32_MAX, and so both, if there is no such extension.
  if ((X509_get_key_usage(signer.impl().x509.get()) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0) {
    return Invalid("the signer's key usage does not allow signatures");
  }
  return Ok();
}

// At the time that the token states, so that it outlives the authority's certificates.
Result<std::vector<Certificate>> BuildPath(const CmsSignedData& data, const Certificate& signer, WallTime at,
                                           const TimestampAuthority& authority) {
  std::vector<Certificate> intermediates = authority.intermediates;
  // Those of the token only where the authority names its root alone: beside its own they would bring back one that it
  // does not name any more.
  for (const Certificate& certificate : data.certificates) {
    if (!authority.intermediates.empty()) break;
    if (certificate.impl().der != signer.impl().der) intermediates.push_back(certificate);
  }
  Result<std::vector<Certificate>> path = VerifyChain(
      signer, intermediates, authority.roots, {.at = at, .required_eku = kTimeStamping, .tolerated_critical_oids = {}});
  if (path.ok() || path.error().reason == Reason::kLimitExceeded) return path;
  const std::string detail = "its signer does not chain to the authority at the time that it states: ";
  return path.error().reason == Reason::kCertificateUntrusted ? Unknown(detail + path.error().detail)
                                                              : Invalid(detail + path.error().detail);
}

}  // namespace

Result<VerifiedTimestamp> VerifyTimestamp(BytesView token, BytesView signed_bytes,
                                          const TimestampAuthority& authority) {
  ErrorQueueGuard guard;
  if (token.size() > limits::kTimestampTokenBytes) {
    return Error{Reason::kLimitExceeded, "timestamp",
                 "more than " + std::to_string(limits::kTimestampTokenBytes) + " bytes"};
  }
  ASSIGN_OR_RETURN(const CmsSignedData data, ReadToken(token));
  if (data.content_type != kTstInfo) return Error{kMalformed, "timestamp", "the content is not a TSTInfo"};
  ASSIGN_OR_RETURN(Certificate signer, FindSigner(data, authority));
  RETURN_IF_ERROR(CheckAttributes(data, signer));
  const Result<PublicKey> key = signer.Key();
  if (!key.ok()) return Invalid("the signer's key: " + key.error().detail);
  if (!IsSignedBy(data.signer, *key)) return Invalid("the signature is not by the signer's key");

  ASSIGN_OR_RETURN(const TstInfo info, ReadTstInfo(data.content));
  RETURN_IF_ERROR(CheckSignerUsage(signer));
  ASSIGN_OR_RETURN(std::vector<Certificate> path, BuildPath(data, signer, info.at, authority));
  const std::optional<HashAlgorithm> hash = HashOfOid(info.imprint_algorithm);
  if (!hash) return Invalid("the imprint is not by SHA-256, SHA-384 or SHA-512");
  if (!std::ranges::equal(info.imprint, Hash(*hash, signed_bytes))) return Invalid("it is for other bytes than these");
  return VerifiedTimestamp{
      .at = info.at, .accuracy = info.accuracy, .signer = std::move(signer), .path = std::move(path)};
}

}  // namespace gatehouse::crypto
