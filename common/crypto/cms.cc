#include "common/crypto/cms.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

constexpr std::string_view kSignedData = "1.2.840.113549.1.7.2";
constexpr const char* kSubjectKeyIdentifier = "2.5.29.14";

struct SignatureAlgorithm {
  std::string_view oid;
  KeyType type;  // kEcP256 stands for every curve
  Scheme scheme;
  std::optional<HashAlgorithm> hash;  // nothing: that of the message digest (RFC 5652 section 5.4)
};

// RFC 3370 section 3.2, RFC 5754 section 3, RFC 8419 section 2.
constexpr SignatureAlgorithm kAlgorithms[] = {
    {"1.2.840.113549.1.1.1", KeyType::kRsa, Scheme::kRsaPkcs1v15, std::nullopt},
    {"1.2.840.113549.1.1.11", KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha256},
    {"1.2.840.113549.1.1.12", KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha384},
    {"1.2.840.113549.1.1.13", KeyType::kRsa, Scheme::kRsaPkcs1v15, HashAlgorithm::kSha512},
    {"1.2.840.10045.4.3.2", KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha256},
    {"1.2.840.10045.4.3.3", KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha384},
    {"1.2.840.10045.4.3.4", KeyType::kEcP256, Scheme::kEcdsaDer, HashAlgorithm::kSha512},
    {"1.3.101.112", KeyType::kEd25519, Scheme::kEd25519, HashAlgorithm::kSha512},
};

KeyType Family(KeyType type) {
  return type == KeyType::kEcP384 || type == KeyType::kEcP521 ? KeyType::kEcP256 : type;
}

template <typename Encode>
bool EncodesTo(BytesView wanted, const Encode& encode) {
  unsigned char* der = nullptr;
  const int size = encode(&der);
  if (size <= 0) return false;
  const bool same = std::ranges::equal(wanted, BytesView(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  return same;
}

// RFC 5652 section 10.2.3: CertificateSet. The other kinds of certificates (attribute certificates, PKCS#6) have no use
// here.
Result<std::vector<Certificate>> TakeCertificates(DerReader& fields, Reason reason) {
  std::vector<Certificate> certificates;
  if (!fields.NextIs(der::ContextConstructed(0))) return certificates;
  ASSIGN_OR_RETURN(DerReader set, fields.Enter(der::ContextConstructed(0)));
  while (!set.AtEnd()) {
    if (certificates.size() == limits::kChainCertificates) {
      return Error{Reason::kLimitExceeded, "",
                   "more than " + std::to_string(limits::kChainCertificates) + " certificates"};
    }
    ASSIGN_OR_RETURN(const DerElement element, set.Take(der::kSequence));
    Result<Certificate> certificate = Certificate::FromDer(element.whole);
    if (!certificate.ok()) {
      return Error{reason, "certificate " + std::to_string(certificates.size() + 1), certificate.error().detail};
    }
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

// RFC 5652 section 5.3: Attribute ::= SEQUENCE { attrType, attrValues SET OF }. Each of those that are looked for "MUST
// have a single attribute value" and occurs once (sections 11.1, 11.2; RFC 5035 section 3); so has every other in
// practice.
Status TakeAttributes(DerReader attributes, CmsSignedData::Signer& signer) {
  while (!attributes.AtEnd()) {
    ASSIGN_OR_RETURN(DerReader attribute, attributes.Enter(der::kSequence));
    ASSIGN_OR_RETURN(std::string type, attribute.TakeOid());
    ASSIGN_OR_RETURN(DerReader values, attribute.Enter(der::kSet));
    RETURN_IF_ERROR(attribute.ExpectEnd());
    ASSIGN_OR_RETURN(const DerElement value, values.Take());
    RETURN_IF_ERROR(values.ExpectEnd());
    const auto same = [&](const CmsAttribute& other) { return other.type == type; };
    if (std::ranges::any_of(signer.attributes, same)) return attributes.Fail("a signed attribute that occurs twice");
    signer.attributes.push_back({std::move(type), value.whole});
  }
  return Ok();
}

Result<CmsSignedData::Signer> TakeSigner(DerReader& set, Reason reason) {
  CmsSignedData::Signer signer;
  ASSIGN_OR_RETURN(DerReader fields, set.Enter(der::kSequence));
  ASSIGN_OR_RETURN(const std::uint64_t version, fields.TakeUnsigned());
  if (version != 1 && version != 3) return fields.Fail("a SignerInfo of a version other than 1 and 3");
  if (fields.NextIs(der::Context(0))) {
    ASSIGN_OR_RETURN(const DerElement identifier, fields.Take(der::Context(0)));
    signer.key_identifier = identifier.content;
  } else {
    ASSIGN_OR_RETURN(DerReader identifier, fields.Enter(der::kSequence));
    ASSIGN_OR_RETURN(const DerElement issuer, identifier.Take(der::kSequence));
    ASSIGN_OR_RETURN(const DerElement serial, identifier.Take(der::kInteger));
    RETURN_IF_ERROR(identifier.ExpectEnd());
    signer.issuer = issuer.whole;
    signer.serial = serial.whole;
  }
  ASSIGN_OR_RETURN(signer.digest_algorithm, fields.TakePlainAlgorithm());
  // RFC 5652 section 5.3: the signed attributes "MUST be present if the content type of the EncapsulatedContentInfo
  // value being signed is not id-data".
  ASSIGN_OR_RETURN(const DerElement attributes, fields.Take(der::ContextConstructed(0)));
  DerReader inner(attributes.content, reason, "signed attributes");
  RETURN_IF_ERROR(TakeAttributes(inner, signer));
  // Section 5.4: "the IMPLICIT [0] tag in the signedAttrs is not used for the DER encoding, rather an EXPLICIT SET OF
  // tag is used".
  signer.signed_bytes = der::Encode(der::kSet, attributes.content);
  ASSIGN_OR_RETURN(signer.signature_algorithm, fields.TakePlainAlgorithm());
  ASSIGN_OR_RETURN(const DerElement signature, fields.Take(der::kOctetString));
  signer.signature = signature.content;
  // Unsigned attributes: nobody vouches for what they say.
  if (fields.NextIs(der::ContextConstructed(1))) RETURN_IF_ERROR(fields.Take());
  RETURN_IF_ERROR(fields.ExpectEnd());
  return signer;
}

}  // namespace

Result<CmsSignedData> TakeSignedData(DerReader& reader, Reason reason) {
  CmsSignedData data;
  ASSIGN_OR_RETURN(DerReader info, reader.Enter(der::kSequence));
  ASSIGN_OR_RETURN(const std::string type, info.TakeOid());
  if (type != kSignedData) return info.Fail("a content type other than SignedData");
  ASSIGN_OR_RETURN(DerReader wrapped, info.Enter(der::ContextConstructed(0)));
  RETURN_IF_ERROR(info.ExpectEnd());
  ASSIGN_OR_RETURN(DerReader fields, wrapped.Enter(der::kSequence));
  RETURN_IF_ERROR(wrapped.ExpectEnd());
  // RFC 5652 section 5.1 has versions 1 and 3 to 5; which of them says nothing that the content does not.
  ASSIGN_OR_RETURN(const std::uint64_t version, fields.TakeUnsigned());
  if (version == 0 || version == 2 || version > 5) return fields.Fail("a SignedData of an unknown version");
  RETURN_IF_ERROR(fields.Take(der::kSet));  // digestAlgorithms, a hint for readers in one pass

  ASSIGN_OR_RETURN(DerReader encapsulated, fields.Enter(der::kSequence));
  ASSIGN_OR_RETURN(data.content_type, encapsulated.TakeOid());
  ASSIGN_OR_RETURN(DerReader explicit_content, encapsulated.Enter(der::ContextConstructed(0)));
  RETURN_IF_ERROR(encapsulated.ExpectEnd());
  ASSIGN_OR_RETURN(const DerElement content, explicit_content.Take(der::kOctetString));
  RETURN_IF_ERROR(explicit_content.ExpectEnd());
  data.content = content.content;

  ASSIGN_OR_RETURN(data.certificates, TakeCertificates(fields, reason));
  if (fields.NextIs(der::ContextConstructed(1))) RETURN_IF_ERROR(fields.Take());  // CRLs
  ASSIGN_OR_RETURN(DerReader signers, fields.Enter(der::kSet));
  RETURN_IF_ERROR(fields.ExpectEnd());
  if (signers.AtEnd()) return signers.Fail("no signer");
  ASSIGN_OR_RETURN(data.signer, TakeSigner(signers, reason));
  if (!signers.AtEnd()) return signers.Fail("more than one signer");
  return data;
}

bool HasIssuerAndSerial(const Certificate& certificate, BytesView issuer, BytesView serial) {
  ErrorQueueGuard guard;
  X509* const x509 = certificate.impl().x509.get();
  const X509_NAME* name = X509_get_issuer_name(x509);
  const ASN1_INTEGER* number = X509_get0_serialNumber(x509);
  return EncodesTo(issuer, [&](unsigned char** out) { return i2d_X509_NAME(name, out); }) &&
         EncodesTo(serial, [&](unsigned char** out) { return i2d_ASN1_INTEGER(number, out); });
}

bool Identifies(const CmsSignedData::Signer& signer, const Certificate& certificate) {
  if (!signer.key_identifier) return HasIssuerAndSerial(certificate, signer.issuer, signer.serial);
  const std::optional<Bytes> own = certificate.Extension(kSubjectKeyIdentifier);
  return own && *own == der::Encode(der::kOctetString, *signer.key_identifier);
}

std::optional<HashAlgorithm> HashOfOid(std::string_view oid) {
  if (oid == "2.16.840.1.101.3.4.2.1") return HashAlgorithm::kSha256;
  if (oid == "2.16.840.1.101.3.4.2.2") return HashAlgorithm::kSha384;
  if (oid == "2.16.840.1.101.3.4.2.3") return HashAlgorithm::kSha512;
  return std::nullopt;
}

bool IsSignedBy(const CmsSignedData::Signer& signer, const PublicKey& key) {
  for (const SignatureAlgorithm& algorithm : kAlgorithms) {
    if (algorithm.type != Family(key.type()) || algorithm.oid != signer.signature_algorithm) continue;
    const std::optional<HashAlgorithm> hash = algorithm.hash ? algorithm.hash : HashOfOid(signer.digest_algorithm);
    return hash && key.Verify(algorithm.scheme, *hash, signer.signed_bytes, signer.signature);
  }
  return false;
}

}  // namespace gatehouse::crypto
