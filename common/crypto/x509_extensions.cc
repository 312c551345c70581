// What a certificate's extensions and names say.
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/der.h"
#include "common/crypto/openssl_handles.h"
#include "common/crypto/x509.h"

namespace gatehouse::crypto {
namespace {

using KeyUsages = std::unique_ptr<EXTENDED_KEY_USAGE, FreeWith<EXTENDED_KEY_USAGE_free>>;
using Oid = std::unique_ptr<ASN1_OBJECT, FreeWith<ASN1_OBJECT_free>>;
using BasicConstraintsPtr = std::unique_ptr<BASIC_CONSTRAINTS, FreeWith<BASIC_CONSTRAINTS_free>>;
using BitString = std::unique_ptr<ASN1_BIT_STRING, FreeWith<ASN1_BIT_STRING_free>>;

constexpr int kMinSecurityBits = 112;
constexpr const char* kSubjectAlternativeName = "2.5.29.17";
// Fulcio's certificate specification: "1.3.6.1.4.1.57264.1.7 | OtherName SAN", a name that is no email and no URI.
constexpr std::string_view kFulcioOtherName = "1.3.6.1.4.1.57264.1.7";

KeyUsages FindKeyUsages(const X509* x509) {
  return KeyUsages(static_cast<EXTENDED_KEY_USAGE*>(X509_get_ext_d2i(x509, NID_ext_key_usage, nullptr, nullptr)));
}

std::string DottedOid(const ASN1_OBJECT* oid) {
  std::array<char, 256> text{};
  const int size = OBJ_obj2txt(text.data(), static_cast<int>(text.size()), oid, 1);
  // An identifier too long to show is still counted, under a name that nobody tolerates.
  if (size <= 0 || static_cast<std::size_t>(size) >= text.size()) return "(overlong)";
  return std::string(text.data());
}

Oid ParseOid(std::string_view dotted) {
  return Oid(OBJ_txt2obj(std::string(dotted).c_str(), 1));
}

Error BadName(std::string_view detail) {
  return {Reason::kCertificateMalformed, "subjectAltName", std::string(detail)};
}

// RFC 5280 section 4.2.1.6: these are IA5Strings. A NUL would let one reader see another name than the next.
Result<std::string> Ia5Text(BytesView content) {
  const bool fits = std::ranges::all_of(content, [](std::uint8_t c) { return c != 0 && c < 0x80; });
  if (content.empty() || !fits) return BadName("a name that is empty, or holds a NUL or what is not ASCII");
  return std::string(AsText(content));
}

// OtherName ::= SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY DEFINED BY type-id }, implicitly tagged.
Result<std::string> OtherName(BytesView content) {
  DerReader other(content, Reason::kCertificateMalformed, "subjectAltName");
  ASSIGN_OR_RETURN(const std::string type, other.TakeOid());
  if (type != kFulcioOtherName) return BadName("an OtherName of type " + type + ", which is not known");
  ASSIGN_OR_RETURN(DerReader value, other.Enter(der::ContextConstructed(0)));
  ASSIGN_OR_RETURN(const DerElement text, value.Take(der::kUtf8String));
  RETURN_IF_ERROR(value.ExpectEnd());
  RETURN_IF_ERROR(other.ExpectEnd());
  std::string name(AsText(text.content));
  if (name.empty() || name.find('\0') != std::string::npos || !IsUtf8(name)) {
    return BadName("an OtherName that is empty, or holds a NUL or what is not UTF-8");
  }
  return name;
}

Result<Certificate::AlternativeName> ReadName(const DerElement& element) {
  using Kind = Certificate::AlternativeName::Kind;
  Kind kind = Kind::kOther;
  switch (element.tag) {
    case der::ContextConstructed(0): {
      ASSIGN_OR_RETURN(std::string name, OtherName(element.content));
      return Certificate::AlternativeName{Kind::kOther, std::move(name)};
    }
    case der::Context(1):
      kind = Kind::kEmail;
      break;
    case der::Context(2):
      kind = Kind::kDns;
      break;
    case der::Context(6):
      kind = Kind::kUri;
      break;
    default:
      return BadName("a name that is no email, URI, DNS name or OtherName");
  }
  ASSIGN_OR_RETURN(std::string name, Ia5Text(element.content));
  return Certificate::AlternativeName{kind, std::move(name)};
}

// An attribute that is no text (a BIT STRING, say) is shown as RFC 4514 section 2.4 does: "#" and the DER in hex.
std::string AttributeText(const ASN1_STRING* value) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, value);
  if (size >= 0) {
    std::string text(AsText(BytesView(utf8, static_cast<std::size_t>(size))));
    OPENSSL_free(utf8);
    if (IsUtf8(text)) return text;
  }
  unsigned char* der = nullptr;
  const int length = i2d_ASN1_PRINTABLE(value, &der);
  Require(length > 0, "the encoding of a name");
  std::string shown = "#" + EncodeHex(BytesView(der, static_cast<std::size_t>(length)));
  OPENSSL_free(der);
  return shown;
}

}  // namespace

bool HasBoundedKey(const Certificate& certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(certificate.impl().x509.get());
  if (key == nullptr) return false;
  std::size_t size = 0;
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
    case EVP_PKEY_RSA_PSS:
      return EVP_PKEY_get_bits(key) <= limits::kRsaBits;
    case EVP_PKEY_EC:
      return EVP_PKEY_get_group_name(key, nullptr, 0, &size) == 1;
    case EVP_PKEY_ED25519:
      return true;
    default:
      return false;
  }
}

bool Certificate::HasExtendedKeyUsage(std::string_view oid) const {
  ErrorQueueGuard guard;
  const Oid wanted = ParseOid(oid);
  const KeyUsages usages = FindKeyUsages(impl_->x509.get());
  if (!wanted || !usages) return false;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    if (OBJ_cmp(sk_ASN1_OBJECT_value(usages.get(), i), wanted.get()) == 0) return true;
  }
  return false;
}

bool Certificate::HasAnyExtendedKeyUsageExtension() const {
  return (X509_get_extension_flags(impl_->x509.get()) & EXFLAG_XKUSAGE) != 0;
}

std::vector<std::string> Certificate::ExtendedKeyUsages() const {
  ErrorQueueGuard guard;
  std::vector<std::string> oids;
  const KeyUsages usages = FindKeyUsages(impl_->x509.get());
  if (!usages) return oids;
  for (int i = 0; i < sk_ASN1_OBJECT_num(usages.get()); ++i) {
    oids.push_back(DottedOid(sk_ASN1_OBJECT_value(usages.get(), i)));
  }
  return oids;
}

bool Certificate::HasCriticalExtendedKeyUsage() const {
  const X509* x509 = impl_->x509.get();
  const int at = X509_get_ext_by_NID(x509, NID_ext_key_usage, -1);
  return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x509, at)) == 1;
}

std::optional<Certificate::KeyUsage> Certificate::Usage() const {
  ErrorQueueGuard guard;
  int critical = -1;
  const BitString bits(
      static_cast<ASN1_BIT_STRING*>(X509_get_ext_d2i(impl_->x509.get(), NID_key_usage, &critical, nullptr)));
  if (!bits) return std::nullopt;
  // RFC 5280 section 4.2.1.3: digitalSignature (0), keyEncipherment (2), keyAgreement (4), keyCertSign (5), cRLSign
  // (6); bit 0 is the first octet's highest.
  constexpr std::uint8_t kDigitalSignature = 0x80;
  constexpr std::uint8_t kKeyEncipherment = 0x20;
  constexpr std::uint8_t kKeyAgreement = 0x08;
  constexpr std::uint8_t kKeyCertSign = 0x04;
  constexpr std::uint8_t kCrlSign = 0x02;
  KeyUsage usage{.critical = critical == 1};
  const BytesView octets(ASN1_STRING_get0_data(bits.get()), static_cast<std::size_t>(ASN1_STRING_length(bits.get())));
  if (octets.empty()) return usage;
  const std::uint8_t first = octets.front();
  usage.digital_signature = (first & kDigitalSignature) != 0;
  usage.key_encipherment = (first & kKeyEncipherment) != 0;
  usage.key_agreement = (first & kKeyAgreement) != 0;
  usage.key_cert_sign = (first & kKeyCertSign) != 0;
  usage.crl_sign = (first & kCrlSign) != 0;
  constexpr unsigned kNamed = kDigitalSignature | kKeyCertSign | kCrlSign;
  usage.other = (first & ~kNamed) != 0 || std::ranges::any_of(octets.subspan(1), [](auto octet) { return octet != 0; });
  return usage;
}

std::optional<Certificate::BasicConstraints> Certificate::Constraints() const {
  ErrorQueueGuard guard;
  int critical = -1;
  const BasicConstraintsPtr read(
      static_cast<BASIC_CONSTRAINTS*>(X509_get_ext_d2i(impl_->x509.get(), NID_basic_constraints, &critical, nullptr)));
  if (!read) return std::nullopt;
  BasicConstraints constraints{.critical = critical == 1, .ca = read->ca != 0};
  if (read->pathlen == nullptr) return constraints;
  // RFC 5280 section 4.2.1.9: INTEGER (0..MAX). What is outside of it is held to be the narrowest.
  std::uint64_t length = 0;
  if (ASN1_INTEGER_get_uint64(&length, read->pathlen) != 1) length = 0;
  constraints.path_length = length;
  return constraints;
}

std::optional<Bytes> Certificate::Extension(std::string_view oid) const {
  ErrorQueueGuard guard;
  const Oid wanted = ParseOid(oid);
  if (!wanted) return std::nullopt;
  const int at = X509_get_ext_by_OBJ(impl_->x509.get(), wanted.get(), -1);
  if (at < 0) return std::nullopt;
  const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(X509_get_ext(impl_->x509.get(), at));
  return ToBytes(BytesView(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))));
}

bool Certificate::HasCriticalExtension(std::string_view oid) const {
  ErrorQueueGuard guard;
  const Oid wanted = ParseOid(oid);
  if (!wanted) return false;
  const X509* x509 = impl_->x509.get();
  const int at = X509_get_ext_by_OBJ(x509, wanted.get(), -1);
  return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(x509, at)) == 1;
}

Result<std::vector<Certificate::AlternativeName>> Certificate::AlternativeNames() const {
  std::vector<AlternativeName> names;
  const std::optional<Bytes> value = Extension(kSubjectAlternativeName);
  if (!value) return names;
  DerReader reader(*value, Reason::kCertificateMalformed, "subjectAltName");
  ASSIGN_OR_RETURN(DerReader list, reader.Enter(der::kSequence));
  RETURN_IF_ERROR(reader.ExpectEnd());
  // RFC 5280 section 4.2.1.6: GeneralNames ::= SEQUENCE SIZE (1..MAX) OF GeneralName.
  if (list.AtEnd()) return BadName("a list without a name");
  while (!list.AtEnd()) {
    ASSIGN_OR_RETURN(const DerElement element, list.Take());
    ASSIGN_OR_RETURN(AlternativeName name, ReadName(element));
    names.push_back(std::move(name));
  }
  return names;
}

bool Certificate::IsSelfIssued() const {
  ErrorQueueGuard guard;
  const X509* x509 = impl_->x509.get();
  return X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)) == 0;
}

bool Certificate::IsSignedBy(const Certificate& issuer) const {
  ErrorQueueGuard guard;
  X509* const x509 = impl_->x509.get();
  if (X509_NAME_cmp(X509_get_issuer_name(x509), X509_get_subject_name(issuer.impl_->x509.get())) != 0) return false;
  int security_bits = 0;
  if (X509_get_signature_info(x509, nullptr, nullptr, &security_bits, nullptr) != 1) return false;
  EVP_PKEY* const key = X509_get0_pubkey(issuer.impl_->x509.get());
  if (security_bits < kMinSecurityBits || key == nullptr || !HasBoundedKey(issuer)) return false;
  return EVP_PKEY_get_security_bits(key) >= kMinSecurityBits && X509_verify(x509, key) == 1;
}

std::vector<std::pair<std::string, std::string>> Certificate::SubjectAttributes() const {
  ErrorQueueGuard guard;
  std::vector<std::pair<std::string, std::string>> attributes;
  const X509_NAME* name = X509_get_subject_name(impl_->x509.get());
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const ASN1_OBJECT* type = X509_NAME_ENTRY_get_object(entry);
    const int nid = OBJ_obj2nid(type);
    attributes.emplace_back(nid == NID_undef ? DottedOid(type) : std::string(OBJ_nid2sn(nid)),
                            AttributeText(X509_NAME_ENTRY_get_data(entry)));
  }
  return attributes;
}

std::vector<std::string> Certificate::UnknownCriticalExtensions() const {
  ErrorQueueGuard guard;
  std::vector<std::string> oids;
  for (int i = 0; i < X509_get_ext_count(impl_->x509.get()); ++i) {
    X509_EXTENSION* extension = X509_get_ext(impl_->x509.get(), i);
    if (X509_EXTENSION_get_critical(extension) == 0 || X509_supported_extension(extension) != 0) continue;
    oids.push_back(DottedOid(X509_EXTENSION_get_object(extension)));
  }
  return oids;
}

}  // namespace gatehouse::crypto
