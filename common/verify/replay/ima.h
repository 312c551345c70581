// Replays an IMA log to what a TPM quoted, from any entry on and in pieces. Knows no policy.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/claims/ima.h"
#include "common/claims/tpm.h"
#include "common/evidence/ima/log.h"

namespace gatehouse::verify::replay {

// The running state after some entries of one boot: what must be kept to go on (about 400 bytes).
class ImaReplay {
 public:
  struct Options {
    evidence::ima::Encoding encoding = evidence::ima::Encoding::kLittleEndian;  // not kAscii: see AsciiToBinary
    std::vector<HashAlgorithm> banks = {HashAlgorithm::kSha256};                // to replay; what quotes will be over
  };
  explicit ImaReplay(const Options& options);
  ImaReplay(const ImaReplay&);
  ImaReplay& operator=(const ImaReplay&);
  ImaReplay(ImaReplay&&) noexcept;
  ImaReplay& operator=(ImaReplay&&) noexcept;
  ~ImaReplay();

  using Visit = std::function<void(const claims::ImaEntry&)>;
  // Takes whole entries from the front of `bytes`, checks each one's template hash and PCR (10 only), extends, and
  // gives it to `visit`, which finds count() and Pcr() as they are with that entry. Returns how many bytes were taken:
  // less than all if the last entry is not whole. With `quote`, stops right after the entry (or before the first) at
  // which every bank of this replay that is quoted has its quoted value of PCR 10; see Settled(). What `visit` is told
  // is not vouched for until then; and of a violation nothing ever is but that there was one: the TPM is extended by
  // ff..ff whatever file the entry names (Violations of the kernel's documentation, M2). After an error the state is as
  // it was before the entry that is wrong; throw it away. Errors: kImaLogMalformed, kImaTemplateMismatch,
  // kLimitExceeded, all with "entry N". Entries: SHA-1 of the template data must be the template digest; a violation
  // (all zeros) is extended as ff..ff in every bank; for a bank other than SHA-1, what is extended is H(data), or
  // SHA-1(data) padded with zeros: both are kept running from the beginning to the end, never mixed (finding 1, M10).
  // An entry with fields that we do not know, or with a buffer that the kernel cannot have logged (it does not hash to
  // the digest, or is called like a file: an entry of a file under another template's name), is replayed, and given to
  // `visit` with unknown_fields and without a digest.
  [[nodiscard]] Result<std::size_t> Advance(BytesView bytes, const Visit& visit,
                                            const claims::VerifiedTpmClaims* quote = nullptr);

  [[nodiscard]] std::uint64_t count() const;
  // The running PCR 10 of a bank: as the kernel extends it; `padded`: as one that lacks that hash does. Empty: not a
  // bank of this replay.
  [[nodiscard]] Bytes Pcr(HashAlgorithm bank, bool padded = false) const;

  // The log so far is what `quote` says: PCR 10 is compared in every bank that is quoted and of this replay, and
  // VerifiedIma::pcr() lists these. Errors: kImaLogMismatch; kPcrMissing (PCR 10 is quoted in no bank of this replay).
  [[nodiscard]] Result<claims::VerifiedIma> Settled(const claims::VerifiedTpmClaims& quote) const;

  // The first entry must be boot_aggregate: H(PCR 0 to 9), or H(PCR 0 to 7) (older kernels, and always SHA-1), of the
  // quote's values in the bank of that hash. SHA-1 alone is accepted only if `allow_sha1`. A violation, another name
  // (the log was trimmed: kImaLogTrimmed), or another value: kBootAggregateMismatch. kPcrMissing: the quote has not the
  // PCRs that it takes. Nothing was replayed yet: kImaLogTrimmed.
  [[nodiscard]] Status CheckBootAggregate(const claims::VerifiedTpmClaims& quote, bool allow_sha1) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// A digest as people read it in findings: "sha256:…".
[[nodiscard]] std::string DigestText(const claims::ImaEntry& entry);

}  // namespace gatehouse::verify::replay
