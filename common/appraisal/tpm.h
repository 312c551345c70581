// Appraisal of TPM claims against reference values. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/finding.h"
#include "common/appraisal/ima.h"
#include "common/appraisal/rules.h"
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

// Every deviation; empty = the claims meet the reference.
[[nodiscard]] std::vector<Finding> Appraise(const TpmReference& reference, const claims::VerifiedTpmClaims& claims);

// Named reference values with a time: a machine that booted one of several sets is good while that set is. PCR values
// of a set hold as a whole; what its `boot` and `ima` list is accepted from every set in its time.
struct ReferenceSet {
  std::string document;                // that it is from
  std::string name;                    // unique in its document
  std::optional<WallTime> not_before;  // from then on
  std::optional<WallTime> not_after;   // until then, and at that moment no more
  TpmReference tpm;                    // without PCRs: the set says nothing of them
  AcceptedParts boot = {};             // what a boot may hold beside what the policy accepts
  ImaReference ima = {};               // files that may run
  [[nodiscard]] bool InTime(WallTime now) const {
    return (!not_before || *not_before <= now) && (!not_after || now < *not_after);
  }
};

struct SetsAppraisal {
  std::vector<Finding> findings;  // empty = the claims meet base and sets
  std::string matched;            // "DOCUMENT/NAME" of the set that is met; empty if none is, or none is asked for
  std::optional<WallTime> holds_until;  // when that set ends: nothing that rests on it may hold longer
};

// `base` must hold; without PCRs it asks for nothing, unless nothing else is asked for (kPcrMissing: neither documents
// nor `judged_otherwise`, a boot or IMA policy). If any of `sets` (all those of `documents`) has PCR values, one that
// has, and is in its time at `now`, must hold as a whole; several may, then the one that holds longest counts. If none
// holds: the findings of the nearest (fewest findings, then first in order), each naming it; if none is in its time, or
// the documents have none (because they do not exist, say): kReferenceExpired. (Of documents without any PCR values,
// with `judged_otherwise`: nothing is asked here.)
[[nodiscard]] SetsAppraisal AppraiseSets(const TpmReference& base, const std::vector<std::string>& documents,
                                         const std::vector<ReferenceSet>& sets, const claims::VerifiedTpmClaims& claims,
                                         WallTime now, bool judged_otherwise = false);

// What a quote must be over, so that all of it can be appraised, also what is not in its time yet: bit i of a bank is
// PCR i. A boot policy asks for its PCRs in its bank; an IMA policy for PCR 10, and 0 to 9 for boot_aggregate, in its.
[[nodiscard]] std::map<HashAlgorithm, std::uint32_t> PcrsAskedFor(const TpmReference& base,
                                                                  const std::vector<ReferenceSet>& sets,
                                                                  const BootPolicy* boot = nullptr,
                                                                  const ImaPolicy* ima = nullptr);

}  // namespace gatehouse::appraisal
