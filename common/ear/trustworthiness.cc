#include "common/ear/trustworthiness.h"

#include <algorithm>
#include <array>

namespace gatehouse::ear {
namespace {

// Values of section 2.3.3.
constexpr std::int64_t kNoClaim = 0;
constexpr std::int64_t kTrustworthyInstance = 2;
constexpr std::int64_t kUnrecognisedInstance = 97;
constexpr std::int64_t kApprovedConfiguration = 2;
constexpr std::int64_t kUnsupportableConfiguration = 96;  // "unacceptable security vulnerabilities" of a configuration
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

// What a finding speaks of. Of the configuration: how the machine is set up, whatever runs on it. Of the executables:
// what booted or ran; a PCR value alone does not tell code from configuration, so it is held to be code. Of the
// instance: which machine it is, and whether its evidence is genuine; then nothing can be said about its hardware
// either.
enum class About : std::uint8_t { kInstance, kConfiguration, kExecutables };

// The reasons that their class does not tell: of the policy class all others are of executables, of any other class of
// the instance.
struct Exception {
  Reason reason;
  About about;
};
constexpr std::array kExceptions = {
    Exception{Reason::kSecureBootOff, About::kConfiguration},
    Exception{Reason::kSecureBootKeysMismatch, About::kConfiguration},
    Exception{Reason::kDebugModeOn, About::kConfiguration},
    Exception{Reason::kCommandLineRefused, About::kConfiguration},
    Exception{Reason::kEkUnlisted, About::kInstance},
    Exception{Reason::kBootAggregateMismatch, About::kExecutables},
    Exception{Reason::kEventDataMismatch, About::kExecutables},
    Exception{Reason::kEventLogMalformed, About::kExecutables},
    Exception{Reason::kEventLogMismatch, About::kExecutables},
    Exception{Reason::kImaLogGap, About::kExecutables},
    Exception{Reason::kImaLogMalformed, About::kExecutables},
    Exception{Reason::kImaLogMismatch, About::kExecutables},
    Exception{Reason::kImaLogRewritten, About::kExecutables},
    Exception{Reason::kImaLogTruncated, About::kExecutables},
    Exception{Reason::kImaTemplateMismatch, About::kExecutables},
};

About AboutOf(Reason reason) {
  const auto found = std::ranges::find(kExceptions, reason, &Exception::reason);
  if (found != kExceptions.end()) return found->about;
  return ClassOf(reason) == ReasonClass::kPolicy ? About::kExecutables : About::kInstance;
}

TrustworthinessVector VectorOf(const PolicyAppraisal& appraisal) {
  if (appraisal.tier == Tier::kNone) return {kNoClaim, kNoClaim, kNoClaim, kNoClaim};
  if (appraisal.tier == Tier::kAffirming)
    return {kTrustworthyInstance, kApprovedConfiguration, kApprovedBoot, kGenuineHardware};
  const bool warning = appraisal.tier == Tier::kWarning;
  const auto speaks_of = [&](About about) {
    return std::ranges::any_of(appraisal.findings,
                               [&](const appraisal::Finding& finding) { return AboutOf(finding.reason) == about; });
  };
  TrustworthinessVector vector{kTrustworthyInstance, kNoClaim, kNoClaim, kGenuineHardware};
  if (speaks_of(About::kConfiguration)) vector.configuration = warning ? kSomeWarning : kUnsupportableConfiguration;
  if (speaks_of(About::kExecutables))
    vector.executables = warning ? kUnrecognisedExecutables : kContraindicatedExecutables;
  if (speaks_of(About::kInstance)) {
    vector.instance_identity = warning ? kSomeWarning : kUnrecognisedInstance;
    vector.hardware = kNoClaim;
  }
  return vector;
}

}  // namespace gatehouse::ear
