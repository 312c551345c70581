// What one attestation proved of a node: kept, so that other policies can judge it again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/finding.h"
#include "common/base/clock.h"
#include "common/claims/boot.h"
#include "common/claims/tpm.h"

namespace gatehouse::webhook {

// What one policy, by the rules that were in force then, has to say of a node's IMA log up to a quote.
struct ImaVerdict {
  std::string policy;
  std::string rules;  // ImaRules::identity
  std::vector<appraisal::Finding> findings;
  std::optional<WallTime> holds_until;
  friend bool operator==(const ImaVerdict&, const ImaVerdict&) = default;
};

struct VerifiedEvidence {
  claims::VerifiedTpmClaims tpm;
  // Null if there is none: `no_boot_log` says why.
  std::shared_ptr<const claims::VerifiedBootLog> boot;
  std::optional<Error> no_boot_log;
  // If the log did not settle, `no_ima_log` says why, and there are no verdicts.
  std::vector<ImaVerdict> ima;
  std::optional<Error> no_ima_log;
  std::uint64_t ima_entries = 0;
};

}  // namespace gatehouse::webhook
