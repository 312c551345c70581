// What a TPM keeps for others. Internal to this room: includes tss2.
#pragma once

#include "agent/tpm/connection.h"

namespace gatehouse::agent {

// The content of an NV index, read with the index's own empty password where that is allowed, else with the owner's:
// the TCG has the indices of certificates readable by everybody in one of the two ways. Empty if it was never written.
// Errors: kTpmUnavailable (also: there is no such index).
[[nodiscard]] Result<Bytes> ReadNv(const Connection& connection, TPM2_HANDLE index);

}  // namespace gatehouse::agent
