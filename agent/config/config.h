// The agent's configuration: one YAML document.
//
//   node: node1                      # the Kubernetes node name; or --node
//   server:
//     url: "https://10.240.0.1:8444"
//     ca: /etc/gatehouse/ca.pem      # the only roots that the server's certificate may chain to
//     certificate: FILE              # client certificate and key: both or neither
//     key: FILE
//     tokenFile: FILE                # a projected ServiceAccount token; one of the two must be there
//   tpm:
//     tcti: "device:/dev/tpmrm0"
//     ek: auto                       # the endorsement key that has a certificate; or rsa2048, ecc-p256, rsa2048-high,
//                                    # ecc-p256-high, ecc-p384, ecc-p521, rsa3072, rsa4096
//     ak: ecc-p256                   # or rsa2048
//     stateDir: /var/lib/gatehouse-agent
//     akHandle: 0x81000003           # a persistent attestation key that is there already, in place of one of our own;
//     akTemplate: 0x01C10001         # or the NV index of the template of one
//     akCertificate: {nvIndex: 0x01C101D0}   # its certificate; or {file: FILE}
//   eventLog: /sys/kernel/security/tpm0/binary_bios_measurements
//   imaLog: /sys/kernel/security/ima/binary_runtime_measurements
//                                    # or {path: FILE, encoding: auto|little-endian|big-endian|ascii}
//   commandLine: /proc/cmdline
//   metrics: {listen: "127.0.0.1:9101"}      # none by default
//   interval: 60s                    # attest at least this often; the server may ask for more
//   log: {level: info}
//
// Required are node, server.url, server.ca and one credential; the rest has the defaults above.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "agent/tpm/device.h"
#include "agent/tpm/esapi_device.h"
#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/evidence/ima/log.h"
#include "common/net/http.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

struct ServerConfig {
  net::Url url;
  std::filesystem::path ca;
  std::optional<std::filesystem::path> certificate;  // with key
  std::optional<std::filesystem::path> key;
  std::optional<std::filesystem::path> token_file;
};

struct TpmConfig {
  std::string tcti = "device:/dev/tpmrm0";
  std::optional<EkKind> ek = std::nullopt;  // nothing: auto
  KeyKind ak = KeyKind::kEccP256;
  std::filesystem::path state_folder = "/var/lib/gatehouse-agent";
  GivenAk given_ak = {};
};

struct AgentConfig {
  NodeName node;
  ServerConfig server;
  TpmConfig tpm;
  std::filesystem::path event_log = "/sys/kernel/security/tpm0/binary_bios_measurements";
  std::filesystem::path ima_log = "/sys/kernel/security/ima/binary_runtime_measurements";
  std::optional<evidence::ima::Encoding> ima_encoding = std::nullopt;  // nothing: auto
  std::filesystem::path command_line = "/proc/cmdline";
  std::optional<std::string> metrics_listen = std::nullopt;
  Duration interval = std::chrono::seconds(60);
  telemetry::Level level = telemetry::Level::kInfo;
};

// `node`, if given, takes the place of the document's. Files that are named are not opened. Errors: kConfigInvalid with
// "source:line" and what to write instead; kYamlMalformed, kLimitExceeded.
[[nodiscard]] Result<AgentConfig> ParseConfig(std::string_view yaml, std::string_view source,
                                              const std::optional<std::string>& node = std::nullopt);

}  // namespace gatehouse::agent
