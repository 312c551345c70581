// A quote and the PCR values that it vouches for. Internal to this room: includes tss2.
#pragma once

#include "agent/tpm/connection.h"

namespace gatehouse::agent {

// The values are read after the quote and must hash to its digest; a PCR that was extended between the two (IMA does so
// at any time) makes another quote necessary. Errors: kTpmUnavailable (also when the PCRs never hold still),
// kPcrMissing, kMessageMalformed (a nonce or selection that no TPM accepts).
[[nodiscard]] Result<TpmQuote> QuoteWithValues(const Connection& connection, ESYS_TR ak, BytesView nonce,
                                               const evidence::tpm::PcrSelections& selections);

// Those with a PCR in them. Errors: kTpmUnavailable, kPcrMissing (none that we know).
[[nodiscard]] Result<std::vector<HashAlgorithm>> ReadPcrBanks(const Connection& connection);

}  // namespace gatehouse::agent
