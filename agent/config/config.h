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
//     ek: rsa2048                    # or ecc-p256: the endorsement key that has a certificate
//     ak: ecc-p256                   # or rsa2048
//     stateDir: /var/lib/gatehouse-agent
//   eventLog: /sys/kernel/security/tpm0/binary_bios_measurements
//   imaLog: /sys/kernel/security/ima/binary_runtime_measurements
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
#include "common/base/clock.h"
#include "common/base/types.h"
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
  KeyKind ek = KeyKind::kRsa2048;
  KeyKind ak = KeyKind::kEccP256;
  std::filesystem::path state_folder = "/var/lib/gatehouse-agent";
};

struct AgentConfig {
  NodeName node;
  ServerConfig server;
  TpmConfig tpm;
  std::filesystem::path event_log = "/sys/kernel/security/tpm0/binary_bios_measurements";
  std::filesystem::path ima_log = "/sys/kernel/security/ima/binary_runtime_measurements";
  Duration interval = std::chrono::seconds(60);
  telemetry::Level level = telemetry::Level::kInfo;
};

// `node`, if given, takes the place of the document's. Files that are named are not opened. Errors: kConfigInvalid with
// "source:line" and what to write instead; kYamlMalformed, kLimitExceeded.
[[nodiscard]] Result<AgentConfig> ParseConfig(std::string_view yaml, std::string_view source,
                                              const std::optional<std::string>& node = std::nullopt);

}  // namespace gatehouse::agent
