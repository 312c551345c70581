// Trustworthiness claims of AR4SI (draft-ietf-rats-ar4si section 2.3). Private to this room.
#pragma once

#include <cstdint>

#include "common/ear/ear.h"

namespace gatehouse::ear {

// The claims that a TPM's evidence speaks to; each is an integer from -128 to 127.
struct TrustworthinessVector {
  std::int64_t instance_identity;
  std::int64_t configuration;
  std::int64_t executables;
  std::int64_t hardware;
};

// Section 2.3.2: none is -1 to 1, affirming 2 to 31 and -2 to -32, warning 32 to 95 and -33 to -96, contraindicated the
// rest.
[[nodiscard]] Tier TierOf(std::int64_t claim);
// The worst of its claims: the ear.status that goes with it.
[[nodiscard]] Tier StatusOf(const TrustworthinessVector& vector);
[[nodiscard]] TrustworthinessVector VectorOf(const PolicyAppraisal& appraisal);

}  // namespace gatehouse::ear
