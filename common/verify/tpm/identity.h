// A TPM's identity: endorsement key certificate, attestation key, and the credential that binds one to the other
// (TCG EK Credential Profile 2.x; TPM 2.0 Part 1 section 24 "Credential Protection").
#pragma once

#include <vector>

#include "common/base/clock.h"
#include "common/crypto/x509.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::verify::tpm {

// nameAlg ‖ H(TPMT_PUBLIC) (Part 1 section 16).
[[nodiscard]] Bytes ComputeName(const evidence::tpm::PublicArea& area);
// Errors: kKeyMalformed.
[[nodiscard]] Result<crypto::PublicKey> ToPublicKey(const evidence::tpm::PublicArea& area);

// An endorsement key whose certificate chains to a trust root. Made by VerifyEndorsement only.
class VerifiedEndorsement {
 public:
  [[nodiscard]] const crypto::PublicKey& key() const { return key_; }
  [[nodiscard]] const Digest& fingerprint() const {
    return fingerprint_;
  }  // SHA-256 of the EK's SPKI: the TPM's identity
  [[nodiscard]] const evidence::tpm::PublicArea& area() const { return area_; }

 private:
  friend Result<VerifiedEndorsement> VerifyEndorsement(const evidence::tpm::PublicArea&, const crypto::Certificate&,
                                                       const std::vector<crypto::Certificate>&,
                                                       const std::vector<crypto::Certificate>&, WallTime);
  VerifiedEndorsement(crypto::PublicKey key, Digest fingerprint, evidence::tpm::PublicArea area)
      : key_(std::move(key)), fingerprint_(std::move(fingerprint)), area_(std::move(area)) {}
  crypto::PublicKey key_;
  Digest fingerprint_;
  evidence::tpm::PublicArea area_;
};

// Checks: the certificate's key is the area's key; EKU tcg-kp-EKCertificate (2.23.133.8.1); not a CA; chain to `roots`
// valid at `now`; the area has the attributes of an EK template (fixedTPM, fixedParent, sensitiveDataOrigin,
// adminWithPolicy, restricted, decrypt, not sign, not stClear), AES-128 or AES-256, and the template's policy: PolicyA
// with SHA-256 or PolicyB with the name algorithm (appendix B.6). Errors: kEkMismatch, kCertificateUntrusted,
// kCertificateExpired, kKeyMalformed.
[[nodiscard]] Result<VerifiedEndorsement> VerifyEndorsement(const evidence::tpm::PublicArea& area,
                                                            const crypto::Certificate& certificate,
                                                            const std::vector<crypto::Certificate>& intermediates,
                                                            const std::vector<crypto::Certificate>& roots,
                                                            WallTime now);

// An attestation key may be used if it is restricted, signing, not decrypting, fixedTPM, fixedParent,
// sensitiveDataOrigin, not stClear, its scheme is set with a hash other than SHA-1, its name algorithm is not SHA-1,
// and its key is RSA 2048+ or NIST P-256+. Errors: kAkUnsuitable.
[[nodiscard]] Status CheckAttestationKey(const evidence::tpm::PublicArea& area);

// An attestation key made ready once for many quotes: checked, named, and turned into a key that verifies. That it is
// bound to an endorsement key is for the caller to know.
class AttestationKey {
 public:
  // Errors: those of CheckAttestationKey and ToPublicKey.
  [[nodiscard]] static Result<AttestationKey> Make(const evidence::tpm::PublicArea& area);

  [[nodiscard]] const crypto::PublicKey& key() const { return key_; }
  [[nodiscard]] const Bytes& name() const { return name_; }
  [[nodiscard]] evidence::tpm::Signature::Scheme scheme() const { return scheme_; }
  [[nodiscard]] HashAlgorithm hash() const { return hash_; }  // of the scheme

 private:
  AttestationKey(crypto::PublicKey key, Bytes name, evidence::tpm::Signature::Scheme scheme, HashAlgorithm hash)
      : key_(std::move(key)), name_(std::move(name)), scheme_(scheme), hash_(hash) {}
  crypto::PublicKey key_;
  Bytes name_;
  evidence::tpm::Signature::Scheme scheme_;
  HashAlgorithm hash_;
};

// TPM2_MakeCredential in software: only the TPM that holds the EK *and* the object named `ak_name` can recover
// `secret`. `ak_name` is a name as ComputeName gives it; `secret` has at most as many bytes as the EK's name algorithm
// has (Part 3 section 12.6). `random` gives the seed of an RSA EK; the ephemeral key and the padding come from the
// cryptographic library. Errors: kKeyMalformed, kInternal.
struct CredentialChallenge {
  Bytes id_object;         // TPM2B_ID_OBJECT's content
  Bytes encrypted_secret;  // TPM2B_ENCRYPTED_SECRET's content
};
[[nodiscard]] Result<CredentialChallenge> MakeCredential(const VerifiedEndorsement& ek, BytesView ak_name,
                                                         BytesView secret, const Random& random);

}  // namespace gatehouse::verify::tpm
