// When a TPM is busy it says so, and the same command may be sent again. Out of memory for objects or sessions is busy,
// too: other clients of a TPM without a resource manager have them loaded for a moment.
#pragma once

#include <cstdint>
#include <functional>

#include "common/base/clock.h"

namespace gatehouse::agent {

// TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_NV_RATE, or one of the warnings about memory and handles; of the
// TPM or passed on by a resource manager.
[[nodiscard]] bool IsBusy(std::uint32_t response_code);

// Calls until the answer is another than busy, with longer and longer pauses, about two seconds in all; then gives the
// last answer.
[[nodiscard]] std::uint32_t CallWhileBusy(const std::function<std::uint32_t()>& call,
                                          const std::function<void(Duration)>& sleep);

}  // namespace gatehouse::agent
