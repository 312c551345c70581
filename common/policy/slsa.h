// SLSA provenance (slsa.dev/provenance/v0.2 and /v1), as much of it as policies ask about. Internal to this room.
#pragma once

#include "common/codec/json.h"
#include "common/policy/signer.h"

namespace gatehouse::policy {

inline constexpr std::string_view kSlsaProvenance02 = "https://slsa.dev/provenance/v0.2";
inline constexpr std::string_view kSlsaProvenance1 = "https://slsa.dev/provenance/v1";

struct SlsaSource {
  std::string repository;  // "https://github.com/org/app"; empty: not said
  std::string ref;         // "refs/heads/main"; empty: not said
};
// "git+https://github.com/org/app@refs/heads/main" (SPDX 2.3 section 7.7, "Version control system").
[[nodiscard]] SlsaSource SplitSource(std::string_view uri);

// Where an answer is not in the provenance, or is ambiguous, the requirement is not met. Errors: kPredicateMismatch,
// also for any other predicate type.
[[nodiscard]] Status CheckSlsa(const SlsaRequirement& requirement, std::string_view predicate_type,
                               codec::JsonView predicate);

}  // namespace gatehouse::policy
