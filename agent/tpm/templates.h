// Public templates of the keys that the agent makes. Internal to this room: includes tss2.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/tpm/device.h"

namespace gatehouse::agent {

// TCG EK Credential Profile for TPM Family 2.0: "Template L-1: RSA 2048" and "Template L-2: ECC NIST P-256".
[[nodiscard]] TPM2B_PUBLIC EndorsementTemplate(KeyKind kind);
// A restricted signing key that never leaves its TPM: RSASSA or ECDSA with SHA-256.
[[nodiscard]] TPM2B_PUBLIC AttestationTemplate(KeyKind kind);
// Whether `area` is a key made from `wanted`: everything but the key itself is equal.
[[nodiscard]] bool IsMadeFrom(const TPM2B_PUBLIC& area, const TPM2B_PUBLIC& wanted);

// As the TPM would write it. Errors: kTpmUnavailable (what the TPM gave cannot be written).
[[nodiscard]] Result<Bytes> Marshal(const TPMT_PUBLIC& area);
[[nodiscard]] Result<Bytes> Marshal(const TPM2B_PUBLIC& area);
[[nodiscard]] Result<Bytes> Marshal(const TPM2B_PRIVATE& key);
[[nodiscard]] Result<Bytes> Marshal(const TPMT_SIGNATURE& signature);
// Everything or kFileUnreadable at `where`.
[[nodiscard]] Result<TPM2B_PUBLIC> UnmarshalPublic(BytesView bytes, std::string_view where);
[[nodiscard]] Result<TPM2B_PRIVATE> UnmarshalPrivate(BytesView bytes, std::string_view where);

}  // namespace gatehouse::agent
