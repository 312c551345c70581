// TpmDevice over the TCG's Enhanced System API (tpm2-tss).
//
// Endorsement key: the TCG's default template for its kind (EK Credential Profile for TPM 2.0, templates
// L-1 RSA 2048, L-2 ECC P-256). A persistent key of that template in 0x81010000-0x810100FF is used; otherwise
// TPM2_CreatePrimary makes the same key again. Certificates come from NV 0x01C00002 (RSA) or 0x01C0000A (ECC) and
// 0x01C00100-0x01C001FF. Templates that a manufacturer keeps in NV (0x01C00004, 0x01C0000C) are not used.
//
// Attestation key: a restricted signing key *under the endorsement key*. Only there are resetCount, restartCount and
// firmwareVersion of a quote the true ones: for a key of another hierarchy TPM2_Quote obfuscates them. Its two halves,
// as TPM2B_PUBLIC and TPM2B_PRIVATE (encrypted by the TPM), are kept in the state folder.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "agent/tpm/device.h"
#include "common/base/clock.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

using Sleep = std::function<void(Duration)>;

struct EsapiOptions {
  std::string tcti;  // Tss2_TctiLdr: "device:/dev/tpmrm0", "swtpm:path=...", "tabrmd"
  KeyKind ek;
  KeyKind ak;
  std::filesystem::path state_folder;  // must exist
};

// Does not connect yet. `log` and what `sleep` refers to must outlive the device. `sleep` is for the pauses before a
// busy TPM is asked again.
[[nodiscard]] std::unique_ptr<TpmDevice> MakeEsapiDevice(EsapiOptions options, Sleep sleep, telemetry::Logger& log);

}  // namespace gatehouse::agent
