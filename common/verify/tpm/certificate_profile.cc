// TCG EK Credential Profile for TPM Family 2.0, sections 3.2.x ("EK Certificate Fields and Extensions"), and TPM 2.0
// Keys for Device Identity and Attestation section 8 for certificates of attestation keys.
#include "common/verify/tpm/certificate_profile.h"

#include "common/crypto/der.h"

namespace gatehouse::verify::tpm {
namespace {

using crypto::DerElement;
using crypto::DerReader;
namespace der = crypto::der;

constexpr std::string_view kEkCertificateUsage = "2.23.133.8.1";   // tcg-kp-EKCertificate
constexpr std::string_view kAikCertificateUsage = "2.23.133.8.3";  // tcg-kp-AIKCertificate, of IAKs as well
constexpr std::string_view kSubjectAlternativeName = "2.5.29.17";
constexpr std::string_view kSubjectDirectoryAttributes = "2.5.29.9";
constexpr std::string_view kTpmManufacturer = "2.23.133.2.1";
constexpr std::string_view kTpmSpecification = "2.23.133.2.16";
// Names of a device beside the TPM's: hardwareModuleName (RFC 4108) and permanentIdentifier (RFC 4043).
constexpr std::string_view kHardwareModuleName = "1.3.6.1.5.5.7.8.4";
constexpr std::string_view kPermanentIdentifier = "1.3.6.1.5.5.7.8.3";

Error Untrusted(std::string_view detail) {
  return {Reason::kCertificateUntrusted, "", std::string(detail)};
}

// Name ::= SEQUENCE OF SET OF SEQUENCE { type, value }: whether tpmManufacturer is among the types.
Result<bool> NamesAManufacturer(DerReader& names) {
  ASSIGN_OR_RETURN(DerReader sequence, names.Enter(der::kSequence));
  bool named = false;
  while (!sequence.AtEnd()) {
    ASSIGN_OR_RETURN(DerReader set, sequence.Enter(der::kSet));
    while (!set.AtEnd()) {
      ASSIGN_OR_RETURN(DerReader attribute, set.Enter(der::kSequence));
      ASSIGN_OR_RETURN(const std::string type, attribute.TakeOid());
      ASSIGN_OR_RETURN(const DerElement value, attribute.Take());
      RETURN_IF_ERROR(attribute.ExpectEnd());
      named |= type == kTpmManufacturer && !value.content.empty();
    }
  }
  return named;
}

// Section 3.2.9: "subjectAltName ... MUST include the TPM manufacturer, TPM model and TPM version attributes" as a
// directoryName; it is critical where the subject is empty. A critical one of which a name is not understood is refused
// (RFC 5280 section 4.2).
Status CheckCriticalNames(const crypto::Certificate& certificate, CertifiedKey kind) {
  if (!certificate.HasCriticalExtension(kSubjectAlternativeName)) return Ok();
  const Bytes value = certificate.Extension(kSubjectAlternativeName).value_or(Bytes{});
  DerReader reader(value, Reason::kCertificateUntrusted, "subjectAltName");
  ASSIGN_OR_RETURN(DerReader names, reader.Enter(der::kSequence));
  RETURN_IF_ERROR(reader.ExpectEnd());
  bool manufacturer = false;
  bool device = false;
  while (!names.AtEnd()) {
    if (names.NextIs(der::ContextConstructed(4))) {  // directoryName, explicitly tagged
      ASSIGN_OR_RETURN(DerReader directory, names.Enter(der::ContextConstructed(4)));
      ASSIGN_OR_RETURN(const bool named, NamesAManufacturer(directory));
      RETURN_IF_ERROR(directory.ExpectEnd());
      manufacturer |= named;
      continue;
    }
    ASSIGN_OR_RETURN(DerReader other, names.Enter(der::ContextConstructed(0)));  // otherName
    ASSIGN_OR_RETURN(const std::string type, other.TakeOid());
    if (type != kHardwareModuleName && type != kPermanentIdentifier)
      return Untrusted("a critical subjectAltName with a name of type " + type + ", which is not known");
    device = true;
  }
  const bool understood = manufacturer || (kind == CertifiedKey::kAttestation && device);
  return understood ? Ok() : Status(Untrusted("a critical subjectAltName that names no TPM"));
}

// TPMSpecification ::= SEQUENCE { family UTF8String, level INTEGER, revision INTEGER }
Status CheckSpecification(DerReader& values) {
  ASSIGN_OR_RETURN(DerReader specification, values.Enter(der::kSequence));
  RETURN_IF_ERROR(values.ExpectEnd());
  ASSIGN_OR_RETURN(const DerElement family, specification.Take(der::kUtf8String));
  ASSIGN_OR_RETURN([[maybe_unused]] const std::uint64_t level, specification.TakeUnsigned());
  ASSIGN_OR_RETURN([[maybe_unused]] const std::uint64_t revision, specification.TakeUnsigned());
  RETURN_IF_ERROR(specification.ExpectEnd());
  if (AsText(family.content) != "2.0") return Untrusted("a TPM of another family than 2.0");
  return Ok();
}

// Section 3.2.10: subjectDirectoryAttributes holds the attribute tpmSpecification. It may be missing: clouds leave it
// out.
Status CheckDirectoryAttributes(const crypto::Certificate& certificate) {
  const std::optional<Bytes> value = certificate.Extension(kSubjectDirectoryAttributes);
  if (!value) return Ok();
  DerReader reader(*value, Reason::kCertificateUntrusted, "subjectDirectoryAttributes");
  ASSIGN_OR_RETURN(DerReader attributes, reader.Enter(der::kSequence));
  RETURN_IF_ERROR(reader.ExpectEnd());
  while (!attributes.AtEnd()) {
    ASSIGN_OR_RETURN(DerReader attribute, attributes.Enter(der::kSequence));
    ASSIGN_OR_RETURN(const std::string type, attribute.TakeOid());
    ASSIGN_OR_RETURN(DerReader values, attribute.Enter(der::kSet));
    RETURN_IF_ERROR(attribute.ExpectEnd());
    if (type == kTpmSpecification) RETURN_IF_ERROR(CheckSpecification(values));
  }
  return Ok();
}

// Section 3.2.7: "If the key usage extension is present, then keyEncipherment (RSA) or keyAgreement (ECC) MUST be set".
Status CheckUsage(const crypto::Certificate& certificate, CertifiedKey kind) {
  const auto usage = certificate.Usage();
  if (!usage) return Ok();
  if (kind == CertifiedKey::kAttestation)
    return usage->digital_signature ? Ok() : Status(Untrusted("its key usages exclude signatures"));
  ASSIGN_OR_RETURN(const crypto::PublicKey key, certificate.Key());
  const bool may = key.type() == crypto::KeyType::kRsa ? usage->key_encipherment : usage->key_agreement;
  return may ? Ok() : Status(Untrusted("its key usages exclude what an endorsement key is for"));
}

}  // namespace

Status CheckProfile(const crypto::Certificate& certificate, CertifiedKey kind) {
  RETURN_IF_ERROR(CheckUsage(certificate, kind));
  RETURN_IF_ERROR(CheckCriticalNames(certificate, kind));
  return CheckDirectoryAttributes(certificate);
}

std::string RequiredUsage(const crypto::Certificate& certificate, CertifiedKey kind) {
  if (kind == CertifiedKey::kEndorsement) return std::string(kEkCertificateUsage);
  return certificate.HasAnyExtendedKeyUsageExtension() ? std::string(kAikCertificateUsage) : "";
}

std::vector<std::string> ToleratedExtensions() {
  return {std::string(kSubjectDirectoryAttributes)};
}

}  // namespace gatehouse::verify::tpm
