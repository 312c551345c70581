// Verification of a TPM quote: signature, type, nonce, selection, PCR digest, clock. Knows no policy.
#pragma once

#include <optional>

#include "common/claims/tpm.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::verify::tpm {

struct QuoteEvidence {
  BytesView attest;                   // TPMS_ATTEST
  BytesView signature;                // TPMT_SIGNATURE
  const evidence::tpm::PcrValues& pcrs;
};

struct QuoteExpectation {
  const evidence::tpm::PublicArea& ak;          // already checked by CheckAttestationKey and bound by a credential
  BytesView nonce;
  evidence::tpm::PcrSelections selection;       // what was asked for: one entry per bank, never PCR 16 or 23
  std::optional<claims::TpmClock> last_clock;   // of the last accepted quote of the same AK
};

class QuoteVerifier {
 public:
  // The steps, in this order: signature over the attest bytes with the AK (scheme and hash from the AK's public area; the signature must name
  // the same) → parse → type → nonce → selection equals the expectation exactly → values complete and hashing to pcrDigest (hash = that of
  // the AK's scheme) → clock.
  // Clock: safe must be set; with last_clock, resetCount and restartCount never decrease, and while both are equal the clock must grow.
  // Errors: kSignatureInvalid, kSignatureMalformed, kEvidenceMalformed, kQuoteTypeMismatch, kNonceMismatch, kPcrSelectionMismatch,
  // kPcrMissing, kPcrDigestMismatch, kClockRewound.
  [[nodiscard]] static Result<claims::VerifiedTpmClaims> Verify(const QuoteEvidence& evidence, const QuoteExpectation& expectation);
};

}  // namespace gatehouse::verify::tpm
