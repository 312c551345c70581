// Sets of reference values that have ended, told to people: a machine that was good yesterday and was not touched shows
// as many unlisted events and files, and what changed is the time. Nothing here accepts anything.
#pragma once

#include <optional>
#include <vector>

#include "common/appraisal/boot.h"
#include "common/appraisal/finding.h"
#include "common/appraisal/tpm.h"

namespace gatehouse::appraisal {

// kReferenceExpired, naming those of `sets` that have ended at `now` (of the 16 that ended last) and with which the
// boot would have fewer findings than `found`, which are those by the sets in their time. Nothing if there is none.
[[nodiscard]] std::optional<Finding> EndedForBoot(const BootPolicy& policy, const std::vector<ReferenceSet>& sets,
                                                  const claims::VerifiedBootLog& log, WallTime now,
                                                  const std::vector<Finding>& found);

// kReferenceExpired, naming the sets with files that have ended at `now`, if any of `found` is a file that no set
// lists. Whether they listed it is not known: the log is not at hand any more.
[[nodiscard]] std::optional<Finding> EndedForIma(const std::vector<ReferenceSet>& sets, WallTime now,
                                                 const std::vector<Finding>& found);

}  // namespace gatehouse::appraisal
