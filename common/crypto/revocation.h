// CRLs (RFC 5280 section 5) and OCSP (RFC 6960), from bytes. Fetching and remembering is common/revocation.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/x509.h"

namespace gatehouse::crypto {

// Where a certificate says that its revocation can be asked for: http URLs only, in order, each once.
struct RevocationPointers {
  std::vector<std::string> ocsp;  // authorityInfoAccess
  std::vector<std::string> crl;   // cRLDistributionPoints, fullName
  // Whether there are further ones, of other schemes or in forms that cannot be read: a certificate that has only those
  // is not one whose revocation nobody publishes.
  bool others = false;
};
[[nodiscard]] RevocationPointers RevocationPointersOf(const Certificate& certificate);
// Where a certificate says that its issuer's can be had (authorityInfoAccess, caIssuers; RFC 5280 section 4.2.2.1):
// http URLs only, in order, each once.
[[nodiscard]] std::vector<std::string> IssuerUrlsOf(const Certificate& certificate);

struct RevocationStatus {
  enum class State : std::uint8_t { kGood, kRevoked, kUnknown };
  State state;
  WallTime revoked_at{};                       // of kRevoked
  std::optional<WallTime> invalid_since = {};  // invalidityDate, if it is given
  std::string reason = {};                     // "keyCompromise"; empty: none given
  WallTime next_update{};                      // until when the answer may be remembered
};

// A CRL whose signature was checked, with an index by serial number.
class RevocationList {
 public:
  // DER. `issuer` must have signed it, have cRLSign, and be its issuer. In its time at `now` (nextUpdate is mandatory).
  // An indirect CRL, one for other certificates than `issuer`'s, or an unknown critical extension is refused. A delta
  // CRL is taken together with its base: see With(). With `even_if_over`, nextUpdate may have passed: what such a list
  // revokes stays revoked, and that it does not revoke something means nothing; the caller compares next_update().
  // Errors: kRevocationMalformed, kCertificateUntrusted, kRevocationUnavailable (out of date), kLimitExceeded.
  [[nodiscard]] static Result<RevocationList> FromDer(BytesView der, const Certificate& issuer, WallTime now,
                                                      bool even_if_over = false);
  // The freshestCRL URL, if there is one.
  [[nodiscard]] std::optional<std::string> DeltaUrl() const;
  [[nodiscard]] bool is_delta() const;
  // This base with a delta on top of it. Errors: kRevocationMalformed if they do not belong together.
  [[nodiscard]] Result<RevocationList> With(const RevocationList& delta) const;
  [[nodiscard]] RevocationStatus Find(const Certificate& certificate) const;
  [[nodiscard]] WallTime next_update() const;
  [[nodiscard]] std::size_t bytes() const;  // about what it costs to keep

 private:
  struct Impl;
  explicit RevocationList(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// The request for one certificate, DER (CertID by SHA-256 if `sha256`, else by SHA-1, which many responders alone
// know; it is a name here, not a signature). No nonce: responders' answers are cached for good reasons.
[[nodiscard]] Bytes OcspRequest(const Certificate& certificate, const Certificate& issuer, bool sha256 = false);
// Verified: successful, basic response, signed by `issuer` or by a responder that `issuer` has certified for OCSP
// signing, this very certificate, thisUpdate ≤ now (5 minutes of skew) ≤ nextUpdate.
// Errors: kRevocationMalformed, kCertificateUntrusted, kRevocationUnavailable (not successful, out of date).
[[nodiscard]] Result<RevocationStatus> ReadOcspResponse(BytesView der, const Certificate& certificate,
                                                        const Certificate& issuer, WallTime now);

}  // namespace gatehouse::crypto
