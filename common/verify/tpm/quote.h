// Verification of a TPM quote: signature, type, nonce, selection, PCR digest, clock. Knows no policy.
#pragma once

#include <optional>

#include "common/claims/tpm.h"
#include "common/evidence/tpm/structures.h"
#include "common/verify/tpm/identity.h"

namespace gatehouse::verify::tpm {

struct QuoteEvidence {
  BytesView attest;     // TPMS_ATTEST
  BytesView signature;  // TPMT_SIGNATURE
  const evidence::tpm::PcrValues& pcrs;
};

struct QuoteExpectation {
  const evidence::tpm::PublicArea& ak;  // already checked by CheckAttestationKey and bound by a credential
  BytesView nonce;
  evidence::tpm::PcrSelections selection;      // what was asked for: one entry per bank, never PCR 16 or 23
  std::optional<claims::TpmClock> last_clock;  // of the last accepted quote of the same AK
};

// The same for a caller that keeps the key of a node from quote to quote: no key is parsed and no name is computed.
struct PreparedQuoteExpectation {
  const AttestationKey& ak;
  BytesView nonce;
  evidence::tpm::PcrSelections selection;
  std::optional<claims::TpmClock> last_clock;
  // For who looks at somebody else's quote: PCR 16 and 23 may be in the selection. No claim comes of them all the same.
  bool tolerate_resettable = false;
  // last_clock is of another attestation key of the same TPM, which this one replaced.
  bool last_clock_of_other_key = false;
};

class QuoteVerifier {
 public:
  // The steps, in this order: signature over the attest bytes with the AK (scheme and hash from the AK's public area;
  // the signature must name the same) → parse → type → nonce (never empty) → selection → values → clock. Selection:
  // what was signed has the same banks as the expectation, each exactly once with the same bitmap. The order of banks
  // is free: the digest is computed in the signed order. An expectation that is empty, names a bank twice, or asks for
  // PCR 16 or 23 (unless they are tolerated) or for none of a bank, is refused with the same reason, so that no claim
  // can ever come of it. Values: one for each signed PCR, as long as its bank's digest, none besides, hashing to
  // pcrDigest with the hash of the AK's scheme. Clock: safe must be set. With last_clock: resetCount never decreases;
  // within one resetCount, restartCount never does (a TPM Reset sets it to zero); the clock always grows. (A key
  // outside of the endorsement and platform hierarchies has a constant added to both counters, and they may wrap: that
  // is refused, and the node enrols again.) Errors: kSignatureInvalid, kSignatureMalformed, kEvidenceMalformed,
  // kQuoteTypeMismatch, kNonceMismatch, kPcrSelectionMismatch, kPcrMissing, kPcrDigestMismatch, kClockRewound; of the
  // first form also those of AttestationKey::Make.
  [[nodiscard]] static Result<claims::VerifiedTpmClaims> Verify(const QuoteEvidence& evidence,
                                                                const QuoteExpectation& expectation);
  [[nodiscard]] static Result<claims::VerifiedTpmClaims> Verify(const QuoteEvidence& evidence,
                                                                const PreparedQuoteExpectation& expectation);
  // The same for who has no PCR values: everything but them is checked, and the claims have no PCR.
  [[nodiscard]] static Result<claims::VerifiedTpmClaims> VerifyWithoutValues(
      BytesView attest, BytesView signature, const PreparedQuoteExpectation& expectation);

 private:
  [[nodiscard]] static Result<claims::VerifiedTpmClaims> Check(BytesView attest, BytesView signature,
                                                               const evidence::tpm::PcrValues* values,
                                                               const PreparedQuoteExpectation& expectation);
};

}  // namespace gatehouse::verify::tpm
