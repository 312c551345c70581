// TpmDevice over the TCG's Enhanced System API (tpm2-tss).
//
// Endorsement key: the TCG's default template for its kind (EK Credential Profile for TPM 2.0, appendix B: low range
// and high range). A persistent key of that template in 0x81010000-0x810100FF is used; otherwise TPM2_CreatePrimary
// makes the same key again. Certificates come from the NV index of its kind (0x01C00002, ..., 0x01C0001E) and
// 0x01C00100-0x01C001FF. Where no kind is said, the first one with a certificate, or the one for which an attestation
// key is stored already. Templates that a manufacturer keeps in NV (0x01C00004, 0x01C0000C) are not used.
//
// Attestation key: a restricted signing key *under the endorsement key*. Only there are resetCount, restartCount and
// firmwareVersion of a quote the true ones: for a key of another hierarchy TPM2_Quote obfuscates them. Its two halves,
// as TPM2B_PUBLIC and TPM2B_PRIVATE (encrypted by the TPM), are kept in the state folder. Or a given one, with its
// certificate: a persistent key of the platform's, or the primary key of a template in NV.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/tpm/device.h"
#include "common/base/clock.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

using Sleep = std::function<void(Duration)>;

// Runs `call`, one command to the TPM of the kind "quote" or "other", and measures how long it takes.
using Observe = std::function<void(std::string_view kind, const std::function<void()>& call)>;

// An attestation key that is there already. At most one of the first two, and of the last two.
struct GivenAk {
  std::optional<std::uint32_t> handle = std::nullopt;                    // persistent: 0x81000000-0x81FFFFFF
  std::optional<std::uint32_t> template_index = std::nullopt;            // NV
  std::optional<std::uint32_t> certificate_index = std::nullopt;         // NV
  std::optional<std::filesystem::path> certificate_file = std::nullopt;  // PEM or DER, with or without its chain
  [[nodiscard]] bool given() const { return handle || template_index; }
};

struct EsapiOptions {
  std::string tcti;          // Tss2_TctiLdr: "device:/dev/tpmrm0", "swtpm:path=...", "tabrmd"
  std::optional<EkKind> ek;  // nothing: what the TPM has a certificate for
  KeyKind ak;
  std::filesystem::path state_folder;  // must exist
  GivenAk given_ak = {};
  Observe observe = nullptr;
};

// Does not connect yet. `log` and what `sleep` refers to must outlive the device. `sleep` is for the pauses before a
// busy TPM is asked again.
[[nodiscard]] std::unique_ptr<TpmDevice> MakeEsapiDevice(EsapiOptions options, Sleep sleep, telemetry::Logger& log);

}  // namespace gatehouse::agent
