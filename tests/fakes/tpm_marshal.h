// The inverse of evidence/tpm's parsers, for tests and for the software TPM: structures to bytes, also bytes that no
// TPM would sign.
#pragma once

#include "common/evidence/tpm/structures.h"

namespace gatehouse::fakes {

// TPMS_ATTEST. A quote is written when there is one, whatever `type` says; nothing comes after the firmware version
// without one.
[[nodiscard]] Bytes Marshal(const evidence::tpm::Attest& attest);
// TPMT_SIGNATURE
[[nodiscard]] Bytes Marshal(const evidence::tpm::Signature& signature);
// TPMT_PUBLIC from the members; `area.bytes` is not looked at.
[[nodiscard]] Bytes Marshal(const evidence::tpm::PublicArea& area);
// `bytes` behind a 16-bit length: TPM2B_*.
[[nodiscard]] Bytes Sized(BytesView bytes);

}  // namespace gatehouse::fakes
