#include "common/ear/trustworthiness.h"

#include <algorithm>

namespace gatehouse::ear {
namespace {

// Values of section 2.3.3.
constexpr std::int64_t kNoClaim = 0;
constexpr std::int64_t kTrustworthyInstance = 2;
constexpr std::int64_t kUnrecognisedInstance = 97;
constexpr std::int64_t kApprovedConfiguration = 2;
constexpr std::int64_t kApprovedBoot =
    3;  // "Only a recognized genuine set of approved executables ... during the boot process"
constexpr std::int64_t kUnrecognisedExecutables = 33;
constexpr std::int64_t kContraindicatedExecutables = 96;
constexpr std::int64_t kGenuineHardware = 2;
constexpr std::int64_t kSomeWarning = 32;  // the first of the tier, where the draft names none

}  // namespace

Tier TierOf(std::int64_t claim) {
  if (claim >= -1 && claim <= 1) return Tier::kNone;
  if (claim >= -32 && claim <= 31) return Tier::kAffirming;
  if (claim >= -96 && claim <= 95) return Tier::kWarning;
  return Tier::kContraindicated;
}

Tier StatusOf(const TrustworthinessVector& vector) {
  return std::max({TierOf(vector.instance_identity), TierOf(vector.configuration), TierOf(vector.executables),
                   TierOf(vector.hardware)});
}

// A finding of the policy class is about what booted. PCR values alone do not tell code from configuration, so
// executables carries the verdict and nothing is claimed about configuration. Any other finding (an endorsement that
// this policy does not trust) is about which machine it is, and then nothing can be said about its hardware either.
TrustworthinessVector VectorOf(const PolicyAppraisal& appraisal) {
  if (appraisal.tier == Tier::kNone) return {kNoClaim, kNoClaim, kNoClaim, kNoClaim};
  if (appraisal.tier == Tier::kAffirming)
    return {kTrustworthyInstance, kApprovedConfiguration, kApprovedBoot, kGenuineHardware};
  const bool warning = appraisal.tier == Tier::kWarning;
  const auto is_policy = [](const appraisal::Finding& finding) {
    return ClassOf(finding.reason) == ReasonClass::kPolicy;
  };
  const bool about_boot = std::any_of(appraisal.findings.begin(), appraisal.findings.end(), is_policy);
  const bool about_instance = !std::all_of(appraisal.findings.begin(), appraisal.findings.end(), is_policy);
  TrustworthinessVector vector{kTrustworthyInstance, kNoClaim, kNoClaim, kGenuineHardware};
  if (about_boot) vector.executables = warning ? kUnrecognisedExecutables : kContraindicatedExecutables;
  if (about_instance) {
    vector.instance_identity = warning ? kSomeWarning : kUnrecognisedInstance;
    vector.hardware = kNoClaim;
  }
  return vector;
}

}  // namespace gatehouse::ear
