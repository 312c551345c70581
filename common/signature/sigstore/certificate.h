// Signing certificates as Fulcio makes them (fulcio docs/certificate-specification.md, docs/oid-info.md), or another
// CA.
#pragma once

#include <vector>

#include "common/claims/signer.h"
#include "common/signature/sigstore/trust.h"

namespace gatehouse::signature::sigstore {

// Whom a certificate names; to be asked only once the certificate is known to be good. With an issuer (a certificate by
// Fulcio) there is exactly one subject alternative name, without one (a private CA) at least one.
// Errors: kCertificateMalformed, kCertificateUntrusted (nobody, or several, are named).
[[nodiscard]] Result<claims::CertificateSigner> ReadSigner(const crypto::Certificate& leaf);

// A certificate chain, and what may vouch for it. Nothing here asks for the time: the times at which the certificate
// must have been valid are given.
class SigningCertificate {
 public:
  // `chain`: leaf first; its other members serve to build the path, and only below an authority that names no
  // intermediates itself. Both must outlive this object.
  SigningCertificate(const std::vector<crypto::Certificate>& chain, const TrustMaterial& material)
      : chain_(chain), material_(material) {}

  // Whether there is a path to a certificate authority that is in its time, every certificate valid, with code signing
  // allowed, all at `time`. Several times: each must hold. Errors: kCertificateUntrusted, kCertificateExpired,
  // kLimitExceeded.
  [[nodiscard]] Status CheckAt(WallTime time);

  // At least `operators` different operators of certificate transparency logs must vouch for the leaf by an SCT, each
  // log in its time at the SCT's. An SCT of a log that the material does not name (for that time) does not count; one
  // of a named log must verify. To be asked after a CheckAt that was ok. Errors: kSctInvalid, kSctMissing,
  // kLimitExceeded.
  [[nodiscard]] Status CheckTransparency(std::size_t operators) const;

 private:
  [[nodiscard]] bool HoldsAt(WallTime time) const;

  const std::vector<crypto::Certificate>& chain_;
  const TrustMaterial& material_;
  // The path that was found: another time needs no signature to be checked again if the path holds then too.
  const CertificateAuthority* authority_ = nullptr;
  std::vector<crypto::Certificate> path_;
};

}  // namespace gatehouse::signature::sigstore
