// A TPM's identity: endorsement key certificate, attestation key, and the credential that binds one to the other
// (TCG EK Credential Profile 2.x; TPM 2.0 Part 1 section 24 "Credential Protection").
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/x509.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::verify::tpm {

// nameAlg ‖ H(TPMT_PUBLIC) (Part 1 section 16).
[[nodiscard]] Bytes ComputeName(const evidence::tpm::PublicArea& area);
// Errors: kKeyMalformed.
[[nodiscard]] Result<crypto::PublicKey> ToPublicKey(const evidence::tpm::PublicArea& area);

// What a TPM presents of itself.
struct PresentedEndorsement {
  evidence::tpm::PublicArea ek;
  evidence::tpm::PublicArea ak;
  std::optional<crypto::Certificate> ek_certificate;
  std::optional<crypto::Certificate> ak_certificate;
  std::vector<crypto::Certificate> intermediates;  // that it brings for either
};

// What is believed.
struct EndorsementRules {
  std::vector<crypto::Certificate> roots;          // anchors
  std::vector<Digest> pinned;                      // SHA-256 of further anchors, which the TPM or `intermediates` bring
  std::vector<crypto::Certificate> intermediates;  // complete chains; trusted for nothing by themselves
  const std::set<Digest>* ek_hashes = nullptr;     // inventory of endorsement keys, if there is one
  bool ak_certificates = false;
  // Asked about each verified chain, leaf first: whether something in it was revoked. Null: nobody asks.
  std::function<Status(const std::vector<crypto::Certificate>&)> check_revocation;
  WallTime now{};
};

// An endorsement key that is vouched for. Made by VerifyEndorsement only.
class VerifiedEndorsement {
 public:
  enum class By : std::uint8_t { kEkCertificate, kInventory, kAkCertificate };
  [[nodiscard]] const crypto::PublicKey& key() const { return key_; }
  // SHA-256 of the EK's SPKI: the TPM's identity, whatever vouches for it
  [[nodiscard]] const Digest& fingerprint() const { return fingerprint_; }
  [[nodiscard]] const evidence::tpm::PublicArea& area() const { return area_; }
  [[nodiscard]] By by() const { return by_; }

 private:
  friend Result<VerifiedEndorsement> VerifyEndorsement(const PresentedEndorsement&, const EndorsementRules&);
  VerifiedEndorsement(crypto::PublicKey key, Digest fingerprint, evidence::tpm::PublicArea area, By by)
      : key_(std::move(key)), fingerprint_(std::move(fingerprint)), area_(std::move(area)), by_(by) {}
  crypto::PublicKey key_;
  Digest fingerprint_;
  evidence::tpm::PublicArea area_;
  By by_;
};

// The area has the attributes of an EK template (fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy,
// restricted, decrypt, not sign, not stClear), AES-128 or AES-256, and a template's policy, of the low or the high
// range (EK Credential Profile appendix B); RSA 2048 to 4096, P-256 to P-521. Then, in this order:
// 1. With an inventory: the fingerprint must be in it (kEkUnlisted). Being in it is enough where no certificate is
//    presented, and where there is no anchor (neither roots nor pinned): then of a certificate it is only looked at
//    that it is for the presented key.
// 2. A certificate of the EK: it is for the area's key (kEkMismatch); EKU tcg-kp-EKCertificate (2.23.133.8.1); not a
// CA;
//    key usage keyEncipherment (RSA) or keyAgreement (ECC) if it has any; its critical extensions are understood (a
//    critical subjectAltName with a directoryName of TCG's attributes is: finding 17), TPM specification attributes
//    (2.23.133.2.16 in subjectDirectoryAttributes), if there, say family "2.0"; chain to a root or a pinned anchor (a
//    CA certificate among the intermediates that hashes to it), valid at `now` (an end in the year 9999 included); not
//    revoked.
// 3. Else, with ak_certificates, a certificate of the AK: for the AK's key; not a CA; EKU, if it has any,
//    tcg-kp-AIKCertificate (2.23.133.8.3) or that of an IAK; digitalSignature if it has key usages; chain and
//    revocation as above. The EK is then believed because it came with that AK; nothing proves that they are in one
//    TPM, so who binds such a TPM to a node must tell TPMs apart by the AK's key as well.
// A certificate that is presented and wrong is refused, also where the inventory or the other certificate would do.
// Errors: kEkMismatch, kEkUnlisted, kAkUnsuitable, kCertificateUntrusted (also: nothing vouches for it),
// kCertificateExpired, kCertificateRevoked, kRevocationUnavailable, kKeyMalformed.
[[nodiscard]] Result<VerifiedEndorsement> VerifyEndorsement(const PresentedEndorsement& presented,
                                                            const EndorsementRules& rules);

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
  // Of a key of which nothing but the key is known (a PEM file): whether it is restricted and in a TPM, the caller
  // vouches for. Has no name. Errors: kAkUnsuitable (a scheme that the key does not have, SHA-1).
  [[nodiscard]] static Result<AttestationKey> UnsafeFromKey(crypto::PublicKey key,
                                                            evidence::tpm::Signature::Scheme scheme,
                                                            HashAlgorithm hash);

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
