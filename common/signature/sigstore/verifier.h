// A bundle, what it should be about and whom to believe in; a verified claim out, or the reason why not. Pure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/claims/image.h"
#include "common/signature/keyed/simple_signing.h"
#include "common/signature/sigstore/bundle.h"
#include "common/signature/sigstore/trust.h"

namespace gatehouse::signature::sigstore {

// What must vouch for a signature. Counts are of different operators; never of entries.
struct Requirements {
  // Null only with a key, and with all three counts 0.
  const TrustMaterial* material = nullptr;
  // A key that the trust document names. Nothing: a certificate under one of material->authorities.
  std::optional<keyed::Verifier> key = {};
  // At least so many transparency logs. 0 is the policy's `unsafeIgnoreTransparencyLog`, or a key without trust
  // material.
  std::size_t logs = 1;
  // At least so many certificate transparency logs. 0 is the policy's `unsafeIgnoreSCT`. Not looked at with a key.
  std::size_t scts = 1;
  // At least so many trusted times (integrated times under a promise, and timestamps). With a certificate at least 1 is
  // always needed: it says at which time the certificate must have been valid. With a key: 0 unless asked for.
  std::size_t times = 1;
  // Of those, at least so many by timestamp authorities.
  std::size_t timestamps = 0;
};

// The content that was signed, and by whom. Nothing is said here of which signers are welcome.
struct VerifiedContent {
  claims::Signer signer;
  std::vector<claims::TrustedTime> times;
};

// What the signature should be over: bytes, or their digest alone (which algorithm signs then follows from the key).
// For a DSSE envelope: what must be among the subjects of its statement.
struct Artifact {
  std::optional<BytesView> bytes = {};
  std::optional<Digest> digest = {};  // at least one of the two
};

// Steps: the key or the chain → the signature over the content → timestamps over the signature's bytes → log entries,
// each bound to this signature → the certificate at every trusted time: path to an authority that is in its time, code
// signing, SCTs by logs in their time, whom it names → the artefact: of a message it is what was signed; of an envelope
// the payload must be an in-toto statement with the artefact's digest among its subjects.
// An entry or timestamp that is there and does not verify refuses the bundle, however many others do; except one of
// a log or authority that the material does not name (for that time), which does not count. If too few remain, the
// reason is the missing one's (kLogEntryMissing, kTimestampMissing), or, where some do not count, kLogUntrusted or
// kTimestampInvalid.
// With a key the bundle's hint at one is not looked at; a bundle by a certificate is refused (kSignatureInvalid), and
// so is without a key one that names no certificate (kCertificateUntrusted). The algorithm follows from the key: with
// a certificate of a P-384 or P-521 key a signature may be over the curve's own hash or SHA-256.
// Errors: kSignatureInvalid, kSignatureMalformed, kEnvelopeMalformed, kKeyMalformed, kCertificateMalformed,
// kCertificateUntrusted, kCertificateExpired, those of transparency.h, kLogEntryMissing, kTimestampMalformed,
// kTimestampInvalid, kTimestampMissing, kSctInvalid, kSctMissing, kStatementMalformed, kPayloadDigestMismatch,
// kLimitExceeded.
[[nodiscard]] Result<VerifiedContent> VerifyBundle(const Bundle& bundle, const Artifact& artifact,
                                                   const Requirements& requirements);

// The claims about images. Bundles as cosign 2 and 3, GitHub's attest action and npm make them.
class ImageClaims {
 public:
  // A signature: a simple-signing payload (legacy; `payload` is the layer's blob), a statement with predicate type
  // https://sigstore.dev/cosign/sign/v1, whose subject's annotations are the claim's, or a bundle's message signature
  // over the manifest itself (`payload` is empty).
  // Errors: as VerifyBundle; kPayloadMalformed, kPayloadTypeMismatch (an attestation is no signature).
  [[nodiscard]] static Result<claims::VerifiedImageSignature> Signature(const Bundle& bundle, std::string_view payload,
                                                                        const Digest& image,
                                                                        const Requirements& requirements);
  // An attestation: any other predicate type; whether it is the one wanted is the policy's.
  // Errors: as VerifyBundle; kPayloadTypeMismatch for what is no attestation.
  [[nodiscard]] static Result<claims::VerifiedAttestation> Attestation(const Bundle& bundle, const Digest& image,
                                                                       const Requirements& requirements);
};

inline constexpr std::string_view kCosignSignPredicate = "https://sigstore.dev/cosign/sign/v1";
// What an unverified bundle says it is: the predicate type of its statement; nothing for a message signature or what
// cannot be read. To tell signatures from attestations before work is spent on them, for nothing else.
[[nodiscard]] std::optional<std::string> ClaimedPredicateType(const Bundle& bundle);

}  // namespace gatehouse::signature::sigstore
