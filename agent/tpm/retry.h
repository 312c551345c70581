// When a TPM is busy it says so, and the same command may be sent again.
#pragma once

#include <cstdint>
#include <functional>

#include "common/base/clock.h"

namespace gatehouse::agent {

// TPM_RC_RETRY, TPM_RC_YIELDED, TPM_RC_TESTING or TPM_RC_NV_RATE, of the TPM or passed on by a resource manager.
[[nodiscard]] bool IsBusy(std::uint32_t response_code);

// Calls until the answer is another than busy, with longer and longer pauses, about two seconds in all; then gives the
// last answer.
[[nodiscard]] std::uint32_t CallWhileBusy(const std::function<std::uint32_t()>& call,
                                          const std::function<void(Duration)>& sleep);

}  // namespace gatehouse::agent
