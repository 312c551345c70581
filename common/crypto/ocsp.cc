// OCSP requests and responses. OpenSSL's own verification needs a store and trusts more than is meant here, so the
// responder is chosen and checked by hand.
#include <openssl/evp.h>
#include <openssl/ocsp.h>
#include <openssl/x509v3.h>

#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/crypto/revocation_parts.h"

namespace gatehouse::crypto {
namespace {

using Response = std::unique_ptr<OCSP_RESPONSE, FreeWith<OCSP_RESPONSE_free>>;
using Basic = std::unique_ptr<OCSP_BASICRESP, FreeWith<OCSP_BASICRESP_free>>;
using Request = std::unique_ptr<OCSP_REQUEST, FreeWith<OCSP_REQUEST_free>>;
using CertificateId = std::unique_ptr<OCSP_CERTID, FreeWith<OCSP_CERTID_free>>;
using GeneralTime = std::unique_ptr<ASN1_GENERALIZEDTIME, FreeWith<ASN1_GENERALIZEDTIME_free>>;

constexpr const char* kWhere = "OCSP response";
constexpr std::string_view kOcspSigning = "1.3.6.1.5.5.7.3.9";
constexpr int kMaxEntries = 100;  // responders may answer for more than was asked

Error Malformed(std::string_view detail) {
  return RevocationMalformed(kWhere, detail);
}

// RFC 6960 section 4.2.2.2: the issuer itself, or whom it has certified directly for this.
bool IsResponder(const Certificate& candidate, const Certificate& issuer, WallTime now) {
  if (candidate.Fingerprint() == issuer.Fingerprint()) return true;
  const auto usage = candidate.Usage();
  return candidate.IsSignedBy(issuer) && candidate.HasExtendedKeyUsage(kOcspSigning) &&
         (!usage.has_value() || usage->digital_signature) && candidate.NotBefore() <= now &&
         now <= candidate.NotAfter() && candidate.UnknownCriticalExtensions().empty();
}

bool IsNamed(const OCSP_BASICRESP* basic, const Certificate& candidate) {
  const ASN1_OCTET_STRING* by_key = nullptr;
  const X509_NAME* by_name = nullptr;
  if (OCSP_resp_get0_id(basic, &by_key, &by_name) != 1) return false;
  X509* x509 = candidate.impl().x509.get();
  if (by_name != nullptr) return X509_NAME_cmp(by_name, X509_get_subject_name(x509)) == 0;
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  // A name, not a signature: section 4.2.1 has SHA-1 there.
  if (X509_pubkey_digest(x509, EVP_sha1(), hash, &size) != 1) return false;
  const BytesView wanted(ASN1_STRING_get0_data(by_key), static_cast<std::size_t>(ASN1_STRING_length(by_key)));
  return ConstantTimeEqual(wanted, BytesView(hash, size));
}

bool IsSignedBy(const OCSP_BASICRESP* basic, const Certificate& signer) {
  EVP_PKEY* key = UsableKey(signer);
  const X509_ALGOR* algorithm = OCSP_resp_get0_tbs_sigalg(basic);
  if (key == nullptr || algorithm == nullptr || !IsStrongSignature(algorithm)) return false;
  return ASN1_item_verify(ASN1_ITEM_rptr(OCSP_RESPDATA), algorithm, OCSP_resp_get0_signature(basic),
                          OCSP_resp_get0_respdata(basic), key) == 1;
}

// Who may have signed: the issuer, and the certificates that came along.
Status CheckSigner(const OCSP_BASICRESP* basic, const Certificate& issuer, WallTime now) {
  std::vector<Certificate> candidates = {issuer};
  const STACK_OF(X509)* embedded = OCSP_resp_get0_certs(basic);
  if (sk_X509_num(embedded) > static_cast<int>(limits::kChainCertificates)) {
    return Error{Reason::kLimitExceeded, kWhere, "too many certificates"};
  }
  for (int i = 0; i < sk_X509_num(embedded); ++i) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(embedded, i), &der);
    Require(size > 0, "certificate");
    auto certificate = Certificate::FromDer(BytesView(der, static_cast<std::size_t>(size)));
    OPENSSL_free(der);
    if (certificate.ok()) candidates.push_back(*std::move(certificate));
  }
  for (const Certificate& candidate : candidates) {
    if (IsNamed(basic, candidate) && IsResponder(candidate, issuer, now) && IsSignedBy(basic, candidate)) return Ok();
  }
  return Error{Reason::kCertificateUntrusted, kWhere, "is not signed by the issuer or by whom it certified for that"};
}

// The answer about this certificate: its identity computed anew with the answer's own hash.
Result<OCSP_SINGLERESP*> FindAnswer(OCSP_BASICRESP* basic, const Certificate& certificate, const Certificate& issuer) {
  if (OCSP_resp_count(basic) > kMaxEntries) return Error{Reason::kLimitExceeded, kWhere, "too many answers"};
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic, i);
    const OCSP_CERTID* id = OCSP_SINGLERESP_get0_id(single);
    ASN1_OBJECT* algorithm = nullptr;
    OCSP_id_get0_info(nullptr, &algorithm, nullptr, nullptr, const_cast<OCSP_CERTID*>(id));
    const int nid = OBJ_obj2nid(algorithm);
    if (nid != NID_sha1 && nid != NID_sha256) continue;
    const CertificateId wanted(OCSP_cert_to_id(nid == NID_sha1 ? EVP_sha1() : EVP_sha256(),
                                               certificate.impl().x509.get(), issuer.impl().x509.get()));
    Require(wanted != nullptr, "memory");
    if (OCSP_id_cmp(wanted.get(), const_cast<OCSP_CERTID*>(id)) == 0) return single;
  }
  return Error{Reason::kRevocationUnavailable, kWhere, "says nothing about this certificate"};
}

// Nothing critical that we do not know (RFC 6960 section 4.4).
Status CheckExtensions(OCSP_BASICRESP* basic, OCSP_SINGLERESP* single) {
  for (int i = 0; i < OCSP_BASICRESP_get_ext_count(basic); ++i) {
    if (X509_EXTENSION_get_critical(OCSP_BASICRESP_get_ext(basic, i)) == 1) return Malformed("a critical extension");
  }
  for (int i = 0; i < OCSP_SINGLERESP_get_ext_count(single); ++i) {
    if (X509_EXTENSION_get_critical(OCSP_SINGLERESP_get_ext(single, i)) == 1) return Malformed("a critical extension");
  }
  return Ok();
}

Result<RevocationStatus> StatusOf(OCSP_SINGLERESP* single, WallTime now) {
  int reason = -1;
  ASN1_GENERALIZEDTIME* revoked = nullptr;
  ASN1_GENERALIZEDTIME* this_update = nullptr;
  ASN1_GENERALIZEDTIME* next_update = nullptr;
  const int state = OCSP_single_get0_status(single, &reason, &revoked, &this_update, &next_update);
  auto from = RevocationTime(this_update);
  if (!from) return Malformed("a time that is none");
  // Section 4.2.2.1: without nextUpdate "newer revocation information is available all the time": this one is worth
  // nothing then.
  auto until = RevocationTime(next_update);
  if (!until || *from > now + kRevocationSkew || *until < now) {
    return Error{Reason::kRevocationUnavailable, kWhere, "is of " + codec::FormatTime(*from) + ", which is not now"};
  }
  RevocationStatus status{.state = RevocationStatus::State::kUnknown, .next_update = *until};
  if (state == V_OCSP_CERTSTATUS_GOOD) status.state = RevocationStatus::State::kGood;
  if (state != V_OCSP_CERTSTATUS_REVOKED) return status;
  status.state = RevocationStatus::State::kRevoked;
  status.revoked_at = RevocationTime(revoked).value_or(WallTime::min());
  status.reason = ReasonName(reason);
  const GeneralTime invalid(
      static_cast<ASN1_GENERALIZEDTIME*>(OCSP_SINGLERESP_get1_ext_d2i(single, NID_invalidity_date, nullptr, nullptr)));
  if (invalid != nullptr) status.invalid_since = RevocationTime(invalid.get()).value_or(WallTime::min());
  return status;
}

}  // namespace

Bytes OcspRequest(const Certificate& certificate, const Certificate& issuer, bool sha256) {
  ErrorQueueGuard guard;
  const Request request(OCSP_REQUEST_new());
  Require(request != nullptr, "memory");
  CertificateId id(
      OCSP_cert_to_id(sha256 ? EVP_sha256() : EVP_sha1(), certificate.impl().x509.get(), issuer.impl().x509.get()));
  Require(id != nullptr && OCSP_request_add0_id(request.get(), id.get()) != nullptr, "OCSP request");
  static_cast<void>(id.release());  // the request's now
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_REQUEST(request.get(), &der);
  Require(size > 0, "OCSP request");
  Bytes bytes(der, der + size);
  OPENSSL_free(der);
  return bytes;
}

Result<RevocationStatus> ReadOcspResponse(BytesView der, const Certificate& certificate, const Certificate& issuer,
                                          WallTime now) {
  ErrorQueueGuard guard;
  if (der.size() > limits::kOcspBytes) return Error{Reason::kLimitExceeded, kWhere, "is too large"};
  if (Status lengths = CheckDerLengths(der, 0); !lengths.ok()) return Malformed(lengths.error().detail);
  const unsigned char* at = der.data();
  const Response response(d2i_OCSP_RESPONSE(nullptr, &at, static_cast<long>(der.size())));
  if (response == nullptr || at != der.data() + der.size()) return Malformed("is none in DER");
  if (const int status = OCSP_response_status(response.get()); status != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return Error{Reason::kRevocationUnavailable, kWhere,
                 std::string("the responder says: ") + OCSP_response_status_str(status)};
  }
  const Basic basic(OCSP_response_get1_basic(response.get()));
  if (basic == nullptr) return Malformed("is of another type than the basic one");
  RETURN_IF_ERROR(CheckSigner(basic.get(), issuer, now));
  ASSIGN_OR_RETURN(OCSP_SINGLERESP * single, FindAnswer(basic.get(), certificate, issuer));
  RETURN_IF_ERROR(CheckExtensions(basic.get(), single));
  return StatusOf(single, now);
}

}  // namespace gatehouse::crypto
