#include "common/crypto/x509.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {

void X509Free::operator()(X509* certificate) const {
  X509_free(certificate);
}

namespace {

constexpr std::size_t kShownBytes = 512;  // of a name in a message

Error Malformed(std::string_view detail) {
  return {Reason::kCertificateMalformed, "", std::string(detail)};
}

// RFC 5280 section 4.1.2.5: UTCTime is YYMMDDHHMMSSZ and GeneralizedTime YYYYMMDDHHMMSSZ, nothing else.
Result<WallTime> ToWallTime(const ASN1_TIME* time) {
  const int length = ASN1_STRING_length(time);
  const int expected = ASN1_STRING_type(time) == V_ASN1_UTCTIME ? 13 : 15;
  std::tm parts{};
  if (length != expected || ASN1_STRING_get0_data(time)[length - 1] != 'Z' || ASN1_TIME_to_tm(time, &parts) != 1) {
    return Malformed("a validity that is not a date of RFC 5280");
  }
  const std::chrono::year_month_day date(std::chrono::year(parts.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
  if (!date.ok()) return Malformed("a validity with a day that does not exist");
  return WallTime(std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
                  std::chrono::seconds(parts.tm_sec));
}

// RFC 5280 section 4.2: "A certificate MUST NOT include more than one instance of a particular extension." OpenSSL
// notices that only for the extensions that it reads itself.
bool HasDuplicateExtension(const X509* x509) {
  std::vector<std::string_view> seen;
  for (int i = 0; i < X509_get_ext_count(x509); ++i) {
    const ASN1_OBJECT* oid = X509_EXTENSION_get_object(X509_get_ext(x509, i));
    seen.push_back(AsText(BytesView(OBJ_get0_data(oid), OBJ_length(oid))));
  }
  std::ranges::sort(seen);
  return std::ranges::adjacent_find(seen) != seen.end();
}

Result<std::vector<std::string>> NameAttributes(const X509* x509, int nid) {
  std::vector<std::string> values;
  const X509_NAME* name = X509_get_subject_name(x509);
  for (int at = X509_NAME_get_index_by_NID(name, nid, -1); at >= 0; at = X509_NAME_get_index_by_NID(name, nid, at)) {
    unsigned char* utf8 = nullptr;
    const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) return Malformed("a name that is not text");
    values.emplace_back(AsText(BytesView(utf8, static_cast<std::size_t>(size))));
    OPENSSL_free(utf8);
    if (!IsUtf8(values.back())) return Malformed("a name that is not text");
  }
  return values;
}

std::string NameText(const X509_NAME* name) {
  const std::unique_ptr<BIO, FreeWith<BIO_free_all>> out(BIO_new(BIO_s_mem()));
  Require(out && X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253) >= 0, "memory");
  const char* text = nullptr;
  const long size = BIO_ctrl(out.get(), BIO_CTRL_INFO, 0, &text);
  // RFC 2253 escapes whatever is not printable ASCII; a name may still be as long as its certificate.
  std::string shown(text, static_cast<std::size_t>(size));
  if (shown.size() > kShownBytes) shown.replace(kShownBytes, std::string::npos, "...");
  return shown;
}

// RFC 5280 section 4.2: "the extension value field ... contains the DER encoding of an ASN.1 value". OpenSSL does not
// look at what follows that value. Only the extensions of RFC 5280 itself (2.5.29, id-ce): others do not always keep to
// it, Fulcio's first ones (1.3.6.1.4.1.57264.1.1 to 6) being bare text.
bool HasTrailingBytes(const X509* x509) {
  constexpr std::array<std::uint8_t, 2> kIdCe{0x55, 0x1D};
  for (int i = 0; i < X509_get_ext_count(x509); ++i) {
    X509_EXTENSION* extension = X509_get_ext(x509, i);
    const ASN1_OBJECT* oid = X509_EXTENSION_get_object(extension);
    const BytesView arcs(OBJ_get0_data(oid), OBJ_length(oid));
    if (arcs.size() < kIdCe.size() || !std::ranges::equal(arcs.first(kIdCe.size()), kIdCe)) continue;
    const ASN1_OCTET_STRING* value = X509_EXTENSION_get_data(extension);
    DerReader reader(BytesView(ASN1_STRING_get0_data(value), static_cast<std::size_t>(ASN1_STRING_length(value))),
                     Reason::kCertificateMalformed, "");
    if (!reader.Take().ok() || !reader.AtEnd()) return true;
  }
  return false;
}

}  // namespace

Status CheckDerLengths(BytesView der, int depth) {
  return CheckDer(der, Reason::kCertificateMalformed, depth);
}

Result<Certificate> Certificate::FromDer(BytesView der) {
  ErrorQueueGuard guard;
  if (der.size() > limits::kCertificateBytes) {
    return Error{Reason::kLimitExceeded, "",
                 "a certificate of more than " + std::to_string(limits::kCertificateBytes) + " bytes"};
  }
  RETURN_IF_ERROR(CheckDerLengths(der, 0));
  const unsigned char* at = der.data();
  X509Ptr x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  if (!x509) return Malformed("not an X.509 certificate: " + guard.Text());
  if (at != der.data() + der.size()) return Malformed("bytes after the certificate");
  // Reads the extensions that OpenSSL knows, and keeps them; false when one of them is malformed.
  if (X509_check_purpose(x509.get(), -1, 0) != 1) return Malformed("an extension is malformed: " + guard.Text());
  if (HasDuplicateExtension(x509.get())) return Malformed("an extension occurs twice");
  if (HasTrailingBytes(x509.get())) return Malformed("bytes after the value of an extension");
  ASSIGN_OR_RETURN(const WallTime not_before, ToWallTime(X509_get0_notBefore(x509.get())));
  ASSIGN_OR_RETURN(const WallTime not_after, ToWallTime(X509_get0_notAfter(x509.get())));
  for (const int nid : {NID_commonName, NID_organizationName}) RETURN_IF_ERROR(NameAttributes(x509.get(), nid));
  return Certificate(std::make_shared<const Impl>(Impl{std::move(x509), ToBytes(der), not_before, not_after}));
}

Result<std::vector<Certificate>> Certificate::ListFromPem(std::string_view pem) {
  ASSIGN_OR_RETURN(const std::vector<codec::PemBlock> blocks, codec::ParsePem(pem, Reason::kCertificateMalformed));
  std::vector<Certificate> certificates;
  for (const codec::PemBlock& block : blocks) {
    const std::string where = "certificate " + std::to_string(certificates.size() + 1);
    if (block.label != "CERTIFICATE") {
      return Error{Reason::kCertificateMalformed, where,
                   "a PEM block with the label '" + Printable(block.label, 64) + "'"};
    }
    Result<Certificate> certificate = FromDer(block.der);
    if (!certificate.ok()) return certificate.error().In(where);
    certificates.push_back(*std::move(certificate));
  }
  return certificates;
}

Bytes Certificate::Der() const {
  return impl_->der;
}

Digest Certificate::Fingerprint() const {
  return Sha256Digest(impl_->der);
}

Result<PublicKey> Certificate::Key() const {
  ErrorQueueGuard guard;
  const EVP_PKEY* key = X509_get0_pubkey(impl_->x509.get());
  if (key == nullptr) return Error{Reason::kKeyMalformed, "", "the certificate holds no key of a supported kind"};
  ASSIGN_OR_RETURN(std::shared_ptr<const PublicKey::Impl> impl, NormalisedPublic(key));
  return PublicKey(std::move(impl));
}

std::string Certificate::Subject() const {
  ErrorQueueGuard guard;
  return NameText(X509_get_subject_name(impl_->x509.get()));
}

std::string Certificate::Issuer() const {
  ErrorQueueGuard guard;
  return NameText(X509_get_issuer_name(impl_->x509.get()));
}

// FromDer has read both kinds of attribute once, so they are known to be text.
std::vector<std::string> Certificate::CommonNames() const {
  ErrorQueueGuard guard;
  return NameAttributes(impl_->x509.get(), NID_commonName).value();
}

std::vector<std::string> Certificate::Organizations() const {
  ErrorQueueGuard guard;
  return NameAttributes(impl_->x509.get(), NID_organizationName).value();
}

WallTime Certificate::NotBefore() const {
  return impl_->not_before;
}

WallTime Certificate::NotAfter() const {
  return impl_->not_after;
}

bool Certificate::IsCa() const {
  return (X509_get_extension_flags(impl_->x509.get()) & EXFLAG_CA) != 0;
}

}  // namespace gatehouse::crypto
