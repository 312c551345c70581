#include "common/crypto/revocation.h"

#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <tuple>

#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/crypto/revocation_parts.h"

namespace gatehouse::crypto {
namespace {

using Crl = std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>>;
using Integer = std::unique_ptr<ASN1_INTEGER, FreeWith<ASN1_INTEGER_free>>;
using PointNames = std::unique_ptr<ISSUING_DIST_POINT, FreeWith<ISSUING_DIST_POINT_free>>;
using Points = std::unique_ptr<CRL_DIST_POINTS, FreeWith<CRL_DIST_POINTS_free>>;
using Access = std::unique_ptr<AUTHORITY_INFO_ACCESS, FreeWith<AUTHORITY_INFO_ACCESS_free>>;
using PssParameters = std::unique_ptr<RSA_PSS_PARAMS, FreeWith<RSA_PSS_PARAMS_free>>;
using GeneralTime = std::unique_ptr<ASN1_GENERALIZEDTIME, FreeWith<ASN1_GENERALIZEDTIME_free>>;

constexpr const char* kWhere = "CRL";

// http URLs among general names, each once. Whether it is one.
bool AddUrl(const GENERAL_NAME* name, std::vector<std::string>& urls) {
  if (name->type != GEN_URI) return false;
  const ASN1_STRING* text = name->d.uniformResourceIdentifier;
  std::string url(AsText(BytesView(ASN1_STRING_get0_data(text), static_cast<std::size_t>(ASN1_STRING_length(text)))));
  if (!url.starts_with("http://") || url.size() > limits::kUrlBytes) return false;
  if (std::find(urls.begin(), urls.end(), url) == urls.end()) urls.push_back(std::move(url));
  return true;
}

// Whether all of them are.
bool AddUrls(const DIST_POINT_NAME* point, std::vector<std::string>& urls) {
  if (point == nullptr || point->type != 0) return false;
  bool all = true;
  for (int i = 0; i < sk_GENERAL_NAME_num(point->name.fullname); ++i) {
    all = AddUrl(sk_GENERAL_NAME_value(point->name.fullname, i), urls) && all;
  }
  return all;
}

// A number of a CRL (RFC 5280 section 5.2.3: up to 20 octets; those in use are small).
Result<std::optional<std::uint64_t>> NumberOf(X509_CRL* crl, int nid) {
  int critical = 0;
  const Integer number(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, nid, &critical, nullptr)));
  if (number == nullptr) {
    if (critical == -1) return std::optional<std::uint64_t>();
    return RevocationMalformed(kWhere, "a number that cannot be read, or that is given twice");
  }
  std::uint64_t value = 0;
  if (ASN1_INTEGER_get_uint64(&value, number.get()) != 1)
    return RevocationMalformed(kWhere, "a number that is too large");
  return std::optional(value);
}

// RFC 5280 section 5.2: "If a CRL contains a critical extension that the application cannot process, then the
// application MUST NOT use that CRL".
Status CheckExtensions(const X509_CRL* crl) {
  for (int i = 0; i < X509_CRL_get_ext_count(crl); ++i) {
    X509_EXTENSION* extension = X509_CRL_get_ext(crl, i);
    const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    const bool known = nid == NID_crl_number || nid == NID_delta_crl || nid == NID_issuing_distribution_point ||
                       nid == NID_authority_key_identifier || nid == NID_freshest_crl;
    if (X509_EXTENSION_get_critical(extension) == 1 && !known) {
      return RevocationMalformed(kWhere, "a critical extension that is not known");
    }
  }
  return Ok();
}

}  // namespace

std::optional<WallTime> RevocationTime(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
  const std::chrono::year_month_day date(std::chrono::year(parts.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                         std::chrono::day(static_cast<unsigned>(parts.tm_mday)));
  if (!date.ok()) return std::nullopt;
  return WallTime(std::chrono::sys_days(date) + std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
                  std::chrono::seconds(parts.tm_sec));
}

std::string ReasonName(long code) {
  constexpr const char* kNames[] = {"unspecified",   "keyCompromise",        "cACompromise",    "affiliationChanged",
                                    "superseded",    "cessationOfOperation", "certificateHold", "",
                                    "removeFromCRL", "privilegeWithdrawn",   "aACompromise"};
  return code >= 0 && code < static_cast<long>(std::size(kNames)) ? kNames[code] : "";
}

bool IsStrongSignature(const X509_ALGOR* algorithm) {
  const ASN1_OBJECT* object = nullptr;
  const void* value = nullptr;
  int type = 0;
  X509_ALGOR_get0(&object, &type, &value, algorithm);
  const int nid = OBJ_obj2nid(object);
  auto strong = [](int digest) { return digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512; };
  if (nid == NID_ED25519) return true;
  if (nid == NID_rsassaPss) {
    if (type != V_ASN1_SEQUENCE) return false;
    const PssParameters pss(static_cast<RSA_PSS_PARAMS*>(
        ASN1_item_unpack(static_cast<const ASN1_STRING*>(value), ASN1_ITEM_rptr(RSA_PSS_PARAMS))));
    // Absent means SHA-1 (RFC 4055 section 3.1).
    return pss != nullptr && pss->hashAlgorithm != nullptr && strong(OBJ_obj2nid(pss->hashAlgorithm->algorithm));
  }
  int digest = NID_undef;
  int key = NID_undef;
  return OBJ_find_sigid_algs(nid, &digest, &key) == 1 && strong(digest);
}

EVP_PKEY* UsableKey(const Certificate& issuer) {
  if (!issuer.Key().ok()) return nullptr;
  return X509_get0_pubkey(issuer.impl().x509.get());
}

Error RevocationMalformed(std::string_view where, std::string_view detail) {
  return Error{Reason::kRevocationMalformed, std::string(where), std::string(detail)};
}

RevocationPointers RevocationPointersOf(const Certificate& certificate) {
  ErrorQueueGuard guard;
  const X509* x509 = certificate.impl().x509.get();
  RevocationPointers pointers;
  int critical = -1;  // stays so where there is no such extension; one that cannot be read gives nothing and sets it
  const Access access(static_cast<AUTHORITY_INFO_ACCESS*>(X509_get_ext_d2i(x509, NID_info_access, &critical, nullptr)));
  pointers.others = access == nullptr && critical != -1;
  for (int i = 0; access != nullptr && i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
    const ACCESS_DESCRIPTION* description = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(description->method) != NID_ad_OCSP) continue;
    if (!AddUrl(description->location, pointers.ocsp)) pointers.others = true;
  }
  critical = -1;
  const Points points(
      static_cast<CRL_DIST_POINTS*>(X509_get_ext_d2i(x509, NID_crl_distribution_points, &critical, nullptr)));
  if (points == nullptr && critical != -1) pointers.others = true;
  for (int i = 0; points != nullptr && i < sk_DIST_POINT_num(points.get()); ++i) {
    if (!AddUrls(sk_DIST_POINT_value(points.get(), i)->distpoint, pointers.crl)) pointers.others = true;
  }
  return pointers;
}

std::vector<std::string> IssuerUrlsOf(const Certificate& certificate) {
  ErrorQueueGuard guard;
  const Access access(static_cast<AUTHORITY_INFO_ACCESS*>(
      X509_get_ext_d2i(certificate.impl().x509.get(), NID_info_access, nullptr, nullptr)));
  std::vector<std::string> urls;
  for (int i = 0; access != nullptr && i < sk_ACCESS_DESCRIPTION_num(access.get()); ++i) {
    const ACCESS_DESCRIPTION* description = sk_ACCESS_DESCRIPTION_value(access.get(), i);
    if (OBJ_obj2nid(description->method) == NID_ad_ca_issuers) std::ignore = AddUrl(description->location, urls);
  }
  return urls;
}

struct RevocationList::Impl {
  std::shared_ptr<X509_CRL> crl;
  WallTime next_update{};
  std::size_t bytes = 0;
  std::uint64_t number = 0;
  std::optional<std::uint64_t> base_number;  // of a delta
  std::optional<std::string> delta_url;
  std::vector<std::string> points;  // what the issuing distribution point names; empty: everything of the issuer
  bool only_user = false;
  bool only_ca = false;
  std::shared_ptr<const Impl> delta;

  [[nodiscard]] Status ReadScope();
  // Whether the list speaks of this certificate at all.
  [[nodiscard]] bool Covers(const Certificate& certificate) const;
  // The entry of the certificate, if there is one.
  [[nodiscard]] std::optional<RevocationStatus> Entry(const Certificate& certificate) const;
};

Status RevocationList::Impl::ReadScope() {
  int critical = 0;
  const PointNames point(static_cast<ISSUING_DIST_POINT*>(
      X509_CRL_get_ext_d2i(crl.get(), NID_issuing_distribution_point, &critical, nullptr)));
  if (point == nullptr) {
    if (critical != -1) return RevocationMalformed(kWhere, "its scope cannot be read");
    return Ok();
  }
  // RFC 5280 section 5.2.5. Lists of other issuers' certificates, or of some reasons only, say too little.
  if (point->indirectCRL > 0 || point->onlyattr > 0 || point->onlysomereasons != nullptr) {
    return RevocationMalformed(kWhere, "is for other certificates, or for some reasons only");
  }
  if (point->distpoint != nullptr && point->distpoint->type != 0) {
    return RevocationMalformed(kWhere, "names its scope relative to its issuer");
  }
  only_user = point->onlyuser > 0;
  only_ca = point->onlyCA > 0;
  AddUrls(point->distpoint, points);
  if (point->distpoint != nullptr && points.empty()) return RevocationMalformed(kWhere, "its scope has no http URL");
  return Ok();
}

bool RevocationList::Impl::Covers(const Certificate& certificate) const {
  if ((only_user && certificate.IsCa()) || (only_ca && !certificate.IsCa())) return false;
  if (points.empty()) return true;
  // Section 6.3.3 (b)(2)(i): one of the names must be one of the certificate's: another part of the issuer's lists says
  // nothing about it.
  const std::vector<std::string> wanted = RevocationPointersOf(certificate).crl;
  return std::any_of(wanted.begin(), wanted.end(), [&](const std::string& url) {
    return std::find(points.begin(), points.end(), url) != points.end();
  });
}

std::optional<RevocationStatus> RevocationList::Impl::Entry(const Certificate& certificate) const {
  X509_REVOKED* entry = nullptr;
  const int found = X509_CRL_get0_by_serial(crl.get(), &entry, X509_get0_serialNumber(certificate.impl().x509.get()));
  if (found == 0 || entry == nullptr) return std::nullopt;
  RevocationStatus status{.state = RevocationStatus::State::kRevoked, .next_update = next_update};
  // What cannot be read of the time is the beginning of time: nothing was signed before it.
  status.revoked_at = RevocationTime(X509_REVOKED_get0_revocationDate(entry)).value_or(WallTime::min());
  const std::unique_ptr<ASN1_ENUMERATED, FreeWith<ASN1_ENUMERATED_free>> reason(
      static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
  if (reason != nullptr) status.reason = ReasonName(ASN1_ENUMERATED_get(reason.get()));
  const GeneralTime invalid(
      static_cast<ASN1_GENERALIZEDTIME*>(X509_REVOKED_get_ext_d2i(entry, NID_invalidity_date, nullptr, nullptr)));
  if (invalid != nullptr) status.invalid_since = RevocationTime(invalid.get()).value_or(WallTime::min());
  if (status.reason == "removeFromCRL") status.state = RevocationStatus::State::kGood;
  return status;
}

Result<RevocationList> RevocationList::FromDer(BytesView der, const Certificate& issuer, WallTime now,
                                               bool even_if_over) {
  ErrorQueueGuard guard;
  if (der.size() > limits::kCrlBytes) return Error{Reason::kLimitExceeded, kWhere, "a CRL that is too large"};
  const unsigned char* at = der.data();
  Crl parsed(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  if (parsed == nullptr || at != der.data() + der.size()) return RevocationMalformed(kWhere, "is no CRL in DER");
  if (X509_CRL_get_version(parsed.get()) != X509_CRL_VERSION_2)
    return RevocationMalformed(kWhere, "is not of version 2");
  RETURN_IF_ERROR(CheckExtensions(parsed.get()));
  const auto usage = issuer.Usage();
  if (usage.has_value() && !usage->crl_sign) {
    return Error{Reason::kCertificateUntrusted, kWhere, "its issuer's certificate may not sign CRLs"};
  }
  if (X509_NAME_cmp(X509_CRL_get_issuer(parsed.get()), X509_get_subject_name(issuer.impl().x509.get())) != 0) {
    return Error{Reason::kCertificateUntrusted, kWhere, "is of another issuer"};
  }
  const X509_ALGOR* algorithm = nullptr;
  X509_CRL_get0_signature(parsed.get(), nullptr, &algorithm);
  EVP_PKEY* key = UsableKey(issuer);
  if (key == nullptr || !IsStrongSignature(algorithm) || X509_CRL_verify(parsed.get(), key) != 1) {
    return Error{Reason::kCertificateUntrusted, kWhere, "is not signed by its issuer"};
  }
  auto this_update = RevocationTime(X509_CRL_get0_lastUpdate(parsed.get()));
  auto next_update = RevocationTime(X509_CRL_get0_nextUpdate(parsed.get()));
  if (!this_update || !next_update) return RevocationMalformed(kWhere, "does not say until when it holds");
  if (*this_update > now + kRevocationSkew || (*next_update < now && !even_if_over)) {
    return Error{Reason::kRevocationUnavailable, kWhere,
                 "is of " + codec::FormatTime(*this_update) + " until " + codec::FormatTime(*next_update)};
  }
  auto impl = std::make_shared<Impl>();
  impl->crl = std::move(parsed);
  impl->next_update = *next_update;
  impl->bytes = der.size() * 3;  // what OpenSSL keeps beside the encoding
  ASSIGN_OR_RETURN(auto number, NumberOf(impl->crl.get(), NID_crl_number));
  impl->number = number.value_or(0);
  ASSIGN_OR_RETURN(impl->base_number, NumberOf(impl->crl.get(), NID_delta_crl));
  RETURN_IF_ERROR(impl->ReadScope());
  const Points freshest(
      static_cast<CRL_DIST_POINTS*>(X509_CRL_get_ext_d2i(impl->crl.get(), NID_freshest_crl, nullptr, nullptr)));
  std::vector<std::string> urls;
  for (int i = 0; freshest != nullptr && i < sk_DIST_POINT_num(freshest.get()); ++i) {
    AddUrls(sk_DIST_POINT_value(freshest.get(), i)->distpoint, urls);
  }
  if (!urls.empty()) impl->delta_url = urls.front();
  return RevocationList(std::move(impl));
}

std::optional<std::string> RevocationList::DeltaUrl() const {
  return impl_->delta_url;
}

bool RevocationList::is_delta() const {
  return impl_->base_number.has_value();
}

// RFC 5280 section 5.2.4: the delta's base number is at most this list's number, and its own is not smaller.
Result<RevocationList> RevocationList::With(const RevocationList& delta) const {
  if (is_delta() || !delta.is_delta()) return RevocationMalformed(kWhere, "a base and a delta were expected");
  if (X509_NAME_cmp(X509_CRL_get_issuer(impl_->crl.get()), X509_CRL_get_issuer(delta.impl_->crl.get())) != 0 ||
      impl_->points != delta.impl_->points || impl_->only_user != delta.impl_->only_user ||
      impl_->only_ca != delta.impl_->only_ca) {
    return RevocationMalformed(kWhere, "the delta has another issuer or scope than its base");
  }
  if (*delta.impl_->base_number > impl_->number || delta.impl_->number < impl_->number) {
    return RevocationMalformed(kWhere, "the delta is not on top of this base");
  }
  auto both = std::make_shared<Impl>(*impl_);
  both->delta = delta.impl_;
  both->next_update = std::min(impl_->next_update, delta.impl_->next_update);
  both->bytes += delta.impl_->bytes;
  return RevocationList(std::move(both));
}

RevocationStatus RevocationList::Find(const Certificate& certificate) const {
  ErrorQueueGuard guard;
  const bool by_issuer =
      X509_NAME_cmp(X509_CRL_get_issuer(impl_->crl.get()), X509_get_issuer_name(certificate.impl().x509.get())) == 0;
  // A delta alone says nothing of what it does not list.
  if (!by_issuer || is_delta() || !impl_->Covers(certificate)) {
    return {.state = RevocationStatus::State::kUnknown, .next_update = impl_->next_update};
  }
  std::optional<RevocationStatus> entry;
  if (impl_->delta != nullptr) entry = impl_->delta->Entry(certificate);
  if (!entry.has_value()) entry = impl_->Entry(certificate);
  if (!entry.has_value()) entry = RevocationStatus{.state = RevocationStatus::State::kGood};
  entry->next_update = impl_->next_update;
  return *entry;
}

WallTime RevocationList::next_update() const {
  return impl_->next_update;
}

std::size_t RevocationList::bytes() const {
  return impl_->bytes;
}

}  // namespace gatehouse::crypto
