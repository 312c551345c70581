#include "common/verify/tpm/quote.h"

#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::Attest;
using evidence::tpm::PcrSelection;
using evidence::tpm::PcrSelections;
using evidence::tpm::PcrValues;
using evidence::tpm::QuoteInfo;
using evidence::tpm::Signature;

constexpr std::uint32_t kAllPcrs = (1U << limits::kPcrCount) - 1;
// Any process resets these two (PC Client Platform TPM Profile, "PCR Attributes": Debug and Application Support), so
// they prove nothing.
constexpr std::uint32_t kResettablePcrs = 1U << 16 | 1U << 23;

Error Refuse(Reason reason, std::string detail) {
  return {reason, "quote", std::move(detail)};
}

std::string PcrName(HashAlgorithm bank, unsigned pcr) {
  return "pcr " + std::to_string(pcr) + " (" + std::string(Name(bank)) + ")";
}

Status CheckExpectedSelection(const PcrSelections& expected, bool tolerate_resettable) {
  const auto refuse = [](std::string detail) {
    return Refuse(Reason::kPcrSelectionMismatch, "the expectation " + std::move(detail));
  };
  if (expected.empty()) return refuse("asks for no bank");
  std::map<HashAlgorithm, std::uint32_t> banks;
  for (const PcrSelection& selection : expected) {
    if (!banks.emplace(selection.bank, selection.pcrs).second) return refuse("names a bank twice");
    if (selection.pcrs == 0 || (selection.pcrs & ~kAllPcrs) != 0)
      return refuse("asks for no PCR of a bank, or for one that does not exist");
    if (!tolerate_resettable && (selection.pcrs & kResettablePcrs) != 0)
      return refuse("asks for PCR 16 or 23, which any process can reset");
  }
  return Ok();
}

// The bytes that the key's own scheme verifies. What the message says about its algorithm must agree, and decides
// nothing.
Status CheckSignature(BytesView attest, BytesView bytes, const AttestationKey& ak) {
  ASSIGN_OR_RETURN(Signature signature, evidence::tpm::ParseSignature(bytes));
  if (signature.scheme != ak.scheme() || signature.hash != ak.hash()) {
    return Refuse(Reason::kSignatureInvalid, "the signature names another scheme or hash than the attestation key has");
  }
  crypto::Scheme scheme = crypto::Scheme::kRsaPkcs1v15;
  Bytes encoded;
  switch (ak.scheme()) {
    case Signature::Scheme::kRsaSsa:
      encoded = std::move(signature.rsa);
      break;
    case Signature::Scheme::kRsaPss:
      scheme = crypto::Scheme::kRsaPss;
      encoded = std::move(signature.rsa);
      break;
    case Signature::Scheme::kEcdsa: {
      scheme = crypto::Scheme::kEcdsaDer;
      ASSIGN_OR_RETURN(encoded, crypto::EcdsaDer(signature.r, signature.s, (ak.key().bits() + 7) / 8));
      break;
    }
  }
  if (!ak.key().Verify(scheme, ak.hash(), attest, encoded)) {
    return Refuse(Reason::kSignatureInvalid, "the attestation key did not sign this");
  }
  return Ok();
}

// "sha256:0-9,14+sha384:0", for whoever has to ask for the same.
std::string TextOf(const PcrSelections& selections) {
  std::string text;
  for (const PcrSelection& selection : selections) {
    text += (text.empty() ? "" : "+") + std::string(Name(selection.bank)) + ":";
    std::string pcrs;
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      const unsigned first = pcr;
      while (pcr < limits::kPcrCount && ((selection.pcrs >> pcr) & 1U) != 0) ++pcr;
      if (pcr == first) continue;
      pcrs += (pcrs.empty() ? "" : ",") + std::to_string(first);
      if (pcr - first > 1) pcrs += "-" + std::to_string(pcr - 1);
    }
    text += pcrs;
  }
  return text;
}

// A TPM takes a selection that names one bank several times, and signs the values in that order: 24 values that hash to
// the digest prove nothing about which PCRs they are. So each bank is there once, with the bitmap that was asked for.
Status CheckSelection(const PcrSelections& signed_selection, const PcrSelections& expected) {
  std::map<HashAlgorithm, std::uint32_t> banks;
  for (const PcrSelection& selection : signed_selection) {
    if (!banks.emplace(selection.bank, selection.pcrs).second) {
      return Refuse(Reason::kPcrSelectionMismatch, "bank " + std::string(Name(selection.bank)) + " is signed twice");
    }
  }
  if (banks.size() != expected.size()) {
    return Refuse(Reason::kPcrSelectionMismatch,
                  "another number of banks is signed than was asked for: " + TextOf(signed_selection));
  }
  for (const PcrSelection& selection : expected) {
    auto found = banks.find(selection.bank);
    if (found == banks.end() || found->second != selection.pcrs) {
      return Refuse(Reason::kPcrSelectionMismatch,
                    "bank " + std::string(Name(selection.bank)) +
                        " is not signed as it was asked for: " + TextOf(signed_selection));
    }
  }
  return Ok();
}

// Part 3 section 18.4 (TPM2_Quote): the digest is over the values of the PCRs one after the other, bank after bank as
// they were signed, the lowest PCR first, with the hash of the signing scheme.
Status CheckValues(const QuoteInfo& quote, const PcrValues& values, HashAlgorithm hash) {
  crypto::Hasher hasher(hash);
  std::size_t used = 0;
  for (const PcrSelection& selection : quote.selections) {
    auto bank = values.find(selection.bank);
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if ((selection.pcrs >> pcr & 1U) == 0) continue;
      if (bank == values.end() || !bank->second.contains(pcr)) {
        return Refuse(Reason::kPcrMissing, "no value was sent for " + PcrName(selection.bank, pcr));
      }
      const Bytes& value = bank->second.at(pcr);
      // Without this, bytes could be moved from one PCR to its neighbour under the same digest.
      if (value.size() != DigestSize(selection.bank)) {
        return Refuse(Reason::kEvidenceMalformed,
                      PcrName(selection.bank, pcr) + " has " + std::to_string(value.size()) + " bytes");
      }
      hasher.Update(value);
      ++used;
    }
  }
  std::size_t sent = 0;
  for (const auto& [bank, pcrs] : values) {
    if (pcrs.empty()) return Refuse(Reason::kPcrSelectionMismatch, "a bank without values was sent");
    sent += pcrs.size();
  }
  if (sent != used) return Refuse(Reason::kPcrSelectionMismatch, "values were sent that the TPM did not sign");
  if (std::move(hasher).Finish() != quote.pcr_digest) {
    return Refuse(Reason::kPcrDigestMismatch, "the values sent do not hash to the signed digest");
  }
  return Ok();
}

bool IsBehind(const evidence::tpm::ClockInfo& clock, const claims::TpmClock& last) {
  if (clock.reset_count != last.reset_count) return clock.reset_count < last.reset_count;
  return clock.restart_count < last.restart_count;
}

// TPMS_CLOCK_INFO (Part 2 section 10.11.1): safe is "no value of Clock greater than the current value of Clock has been
// previously reported by the TPM". So the clock of a TPM that is not rewound only grows, across restarts as well.
Status CheckClock(const Attest& attest, const PreparedQuoteExpectation& expectation) {
  const evidence::tpm::ClockInfo& clock = attest.clock;
  const auto refuse = [](std::string detail) { return Refuse(Reason::kClockRewound, std::move(detail)); };
  if (!clock.safe)
    return refuse(
        "the clock is not safe: the TPM lost power without a shutdown and has not reached its next saved time yet");
  const std::optional<claims::TpmClock>& last = expectation.last_clock;
  if (!last) return Ok();
  // Part 3 section 24.6 (TPM2_Clear): clock, resetCount and restartCount are set to zero, and the keys of the
  // endorsement hierarchy are no more. A clone has the key that it was cloned with.
  if (expectation.last_clock_of_other_key && clock.reset_count < last->reset_count && clock.clock_ms < last->clock_ms) {
    return Refuse(Reason::kTpmCleared, "the clock and resetCount began anew under a new attestation key");
  }
  if (clock.reset_count < last->reset_count) return refuse("resetCount decreased");
  if (IsBehind(clock, *last)) return refuse("restartCount decreased");
  if (clock.clock_ms <= last->clock_ms) return refuse("the clock did not advance since the last quote");
  const bool same_boot = clock.reset_count == last->reset_count && clock.restart_count == last->restart_count;
  // New firmware of a TPM starts with a reset or restart of it (Part 1 section 13, "Field Upgrade").
  if (same_boot && last->firmware_version != 0 && last->firmware_version != attest.firmware_version)
    return Refuse(Reason::kFirmwareChanged, "firmwareVersion changed, and the TPM was not restarted");
  return Ok();
}

// No claim comes of what anybody resets.
PcrValues WithoutResettable(const PcrValues& values) {
  PcrValues kept = values;
  for (auto& [bank, pcrs] : kept)
    std::erase_if(pcrs, [](const auto& pcr) { return (kResettablePcrs >> pcr.first & 1U) != 0; });
  std::erase_if(kept, [](const auto& bank) { return bank.second.empty(); });
  return kept;
}

}  // namespace

Result<claims::VerifiedTpmClaims> QuoteVerifier::Verify(const QuoteEvidence& evidence,
                                                        const QuoteExpectation& expectation) {
  ASSIGN_OR_RETURN(AttestationKey ak, AttestationKey::Make(expectation.ak));
  return Verify(evidence,
                PreparedQuoteExpectation{ak, expectation.nonce, expectation.selection, expectation.last_clock});
}

Result<claims::VerifiedTpmClaims> QuoteVerifier::Verify(const QuoteEvidence& evidence,
                                                        const PreparedQuoteExpectation& expectation) {
  return Check(evidence.attest, evidence.signature, &evidence.pcrs, expectation);
}

Result<claims::VerifiedTpmClaims> QuoteVerifier::VerifyWithoutValues(BytesView attest, BytesView signature,
                                                                     const PreparedQuoteExpectation& expectation) {
  return Check(attest, signature, nullptr, expectation);
}

Result<claims::VerifiedTpmClaims> QuoteVerifier::Check(BytesView bytes, BytesView signature, const PcrValues* values,
                                                       const PreparedQuoteExpectation& expectation) {
  RETURN_IF_ERROR(CheckExpectedSelection(expectation.selection, expectation.tolerate_resettable));
  RETURN_IF_ERROR(CheckSignature(bytes, signature, expectation.ak));
  ASSIGN_OR_RETURN(Attest attest, evidence::tpm::ParseAttest(bytes));
  if (!attest.quote) return Refuse(Reason::kQuoteTypeMismatch, "the TPM signed something else than a quote");
  if (expectation.nonce.empty() || !ConstantTimeEqual(attest.extra_data, expectation.nonce)) {
    return Refuse(Reason::kNonceMismatch, "the quote answers another challenge");
  }
  RETURN_IF_ERROR(CheckSelection(attest.quote->selections, expectation.selection));
  if (values != nullptr) RETURN_IF_ERROR(CheckValues(*attest.quote, *values, expectation.ak.hash()));
  RETURN_IF_ERROR(CheckClock(attest, expectation));

  claims::VerifiedTpmClaims claims;
  if (values != nullptr) {
    // Exactly the signed ones: CheckValues.
    claims.pcrs_ = expectation.tolerate_resettable ? WithoutResettable(*values) : *values;
  }
  claims.clock_ = {attest.clock.clock_ms, attest.clock.reset_count, attest.clock.restart_count, attest.clock.safe,
                   attest.firmware_version};
  claims.firmware_version_ = attest.firmware_version;
  claims.ak_name_ = expectation.ak.name();
  return claims;
}

}  // namespace gatehouse::verify::tpm
