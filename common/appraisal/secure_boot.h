// What PCR 7 says of Secure Boot, and whether that is what a policy asks for.
#pragma once

#include <string_view>
#include <vector>

#include "common/appraisal/finding.h"
#include "common/appraisal/rules.h"
#include "common/claims/boot.h"

namespace gatehouse::appraisal {

inline constexpr unsigned kSecureBootPcr = 7;

struct SecureBoot {
  bool on = false;  // proven to be, and shim verified as well
  // Beside that: each image that ran was let in by a certificate that the policy lists as a signer, and there is one.
  bool signed_by_listed = false;
  std::vector<Finding> findings;
};

// `log` proves PCR 7. Judges the variables by the three rules of the policy (secure_boot, keys, signers); without any
// of them there are no findings.
[[nodiscard]] SecureBoot JudgeSecureBoot(const BootPolicy& policy, const claims::VerifiedBootLog& log);

// Whether the policy has such a rule.
[[nodiscard]] bool AsksForSecureBoot(const BootPolicy& policy);

// A variable that firmware measures about Secure Boot, by GUID and name.
[[nodiscard]] bool IsSecureBootVariable(const claims::BootVariable& variable);
// Says that images are run without being verified (AuditMode).
[[nodiscard]] bool SaysUnverified(const claims::BootVariable& variable);
// State of shim that it measures as firmware measures authorities.
[[nodiscard]] bool IsRecordOfShim(const claims::BootVariable& variable);
[[nodiscard]] bool IsListedSigner(const BootPolicy& policy, const claims::BootVariable& authority);

}  // namespace gatehouse::appraisal
