// Appraisal of TPM claims against reference values. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/claims/tpm.h"

namespace gatehouse::appraisal {

// PCR reference values: a PCR passes if its value is one of the list. An empty policy is never a pass: the loader
// refuses it, and Appraise() of it finds kPcrMissing.
struct TpmReference {
  HashAlgorithm bank = HashAlgorithm::kSha256;
  std::map<unsigned, std::vector<Bytes>> pcrs;
};

struct Finding {
  Reason reason;
  std::string where;   // "pcr 7 (sha256)"
  std::string detail;  // what was found and what was expected
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Every deviation; empty = the claims meet the reference.
[[nodiscard]] std::vector<Finding> Appraise(const TpmReference& reference, const claims::VerifiedTpmClaims& claims);

// Named reference values with a time: a machine that booted one of several sets is good while that set is.
struct ReferenceSet {
  std::string document;                // that it is from
  std::string name;                    // unique in its document
  std::optional<WallTime> not_before;  // from then on
  std::optional<WallTime> not_after;   // until then, and at that moment no more
  TpmReference tpm;
  [[nodiscard]] bool InTime(WallTime now) const {
    return (!not_before || *not_before <= now) && (!not_after || now < *not_after);
  }
};

struct SetsAppraisal {
  std::vector<Finding> findings;  // empty = the claims meet base and sets
  std::string matched;            // "DOCUMENT/NAME" of the set that is met; empty if none is, or none is asked for
  std::optional<WallTime> holds_until;  // when that set ends: nothing that rests on it may hold longer
};

// `base` must hold; without PCRs it asks for nothing, unless no set is asked for either (kPcrMissing). If `documents`
// is not empty, one of `sets` (all those of the documents) that is in its time at `now` must hold as a whole; several
// may, then the one that holds longest counts. If none holds: the findings of the nearest (fewest findings, then first
// in order), each naming it; if none is in its time, or the documents have none (because they do not exist, say):
// kReferenceExpired.
[[nodiscard]] SetsAppraisal AppraiseSets(const TpmReference& base, const std::vector<std::string>& documents,
                                         const std::vector<ReferenceSet>& sets, const claims::VerifiedTpmClaims& claims,
                                         WallTime now);

// What a quote must be over, so that all of it can be appraised, also what is not in its time yet: bit i of a bank is
// PCR i.
[[nodiscard]] std::map<HashAlgorithm, std::uint32_t> PcrsAskedFor(const TpmReference& base,
                                                                  const std::vector<ReferenceSet>& sets);

}  // namespace gatehouse::appraisal
