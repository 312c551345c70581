// Public templates of the keys that the agent makes. Internal to this room: includes tss2.
#pragma once

#include <tss2/tss2_tpm2_types.h>

#include "agent/tpm/device.h"

namespace gatehouse::agent {

// TCG EK Credential Profile for TPM Family 2.0, appendix B: templates L-1, L-2, H-1 to H-4, H-6 and H-7.
[[nodiscard]] TPM2B_PUBLIC EndorsementTemplate(EkKind kind);
// Of the high range: such a key may be used with its (empty) password; one of the low range only by its policy.
[[nodiscard]] bool IsHighRange(EkKind kind);
// The NV index that holds the certificate of such a key (section 2.2.1.4 and 2.2.1.5).
[[nodiscard]] TPM2_HANDLE CertificateIndex(EkKind kind);
// A restricted signing key that never leaves its TPM: RSASSA or ECDSA with SHA-256.
[[nodiscard]] TPM2B_PUBLIC AttestationTemplate(KeyKind kind);
// Whether `area` is a key made from `wanted`: everything but the key itself is equal.
[[nodiscard]] bool IsMadeFrom(const TPM2B_PUBLIC& area, const TPM2B_PUBLIC& wanted);

// As the TPM would write it. Errors: kTpmUnavailable (what the TPM gave cannot be written).
[[nodiscard]] Result<Bytes> Marshal(const TPMT_PUBLIC& area);
[[nodiscard]] Result<Bytes> Marshal(const TPM2B_PUBLIC& area);
[[nodiscard]] Result<Bytes> Marshal(const TPM2B_PRIVATE& key);
[[nodiscard]] Result<Bytes> Marshal(const TPMT_SIGNATURE& signature);
// A TPMT_PUBLIC; what follows it is padding of its NV index. kFileUnreadable at `where`.
[[nodiscard]] Result<TPM2B_PUBLIC> UnmarshalTemplate(BytesView bytes, std::string_view where);
// Everything or kFileUnreadable at `where`.
[[nodiscard]] Result<TPM2B_PUBLIC> UnmarshalPublic(BytesView bytes, std::string_view where);
[[nodiscard]] Result<TPM2B_PRIVATE> UnmarshalPrivate(BytesView bytes, std::string_view where);

}  // namespace gatehouse::agent
