// The webhook's configuration: one YAML document. docs/configuration.md shows every field.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/gate/gate.h"
#include "common/gate/verification_cache.h"
#include "common/telemetry/log.h"
#include "webhook/admission/handler.h"
#include "webhook/server/http_server.h"

namespace gatehouse::webhook {

struct AdmissionConfig {
  std::string listen;
  TlsFiles tls;
  gate::GateOptions gate;
  AdmissionOptions handler;
};

struct AttestationConfig {
  std::string listen;
  TlsFiles tls;
  std::string tokens_file;  // empty: client certificates only
  std::string nonce_key_file;
  std::string signing_key_file;
  std::string state_folder;  // empty: bindings are forgotten at a restart, which allowForgetfulBindings asked for
  Duration interval{60'000};
};

// A registry that is reached with its own authorities or a client certificate.
struct RegistryHostConfig {
  std::string host;  // Url::Authority()
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

struct RegistryConfig {
  std::vector<std::string> insecure;  // "host[:port]" reached by plain HTTP
  std::string ca_file;                // authorities for every registry, in place of the system's
  std::vector<RegistryHostConfig> hosts;
  std::string credentials_file;  // dockerconfigjson
  // An image name must not make Gatehouse call loopback or link-local addresses; what is listed here may be there.
  // Being insecure is not being listed.
  bool deny_local_addresses = true;
  std::vector<std::string> local_address_exceptions;  // Url::Authority()
};

struct WebhookConfig {
  AdmissionConfig admission;
  std::optional<AttestationConfig> attestation;  // nothing: no attestation listener, every node is unknown
  std::string metrics_listen;                    // empty: none
  std::string policy_folder;
  Duration policy_reload_interval{2'000};
  RegistryConfig registry;
  gate::VerificationCache::Options cache;
  telemetry::Level level = telemetry::Level::kInfo;
  // After SIGTERM: not ready, but still serving, until those who send us requests know. Then `drain`.
  Duration shutdown_delay{5'000};
  Duration drain{10'000};
};

// Errors: kConfigInvalid or kYamlMalformed, with file, line and what to write instead. Files that it names are not
// opened here.
[[nodiscard]] Result<WebhookConfig> ParseConfig(std::string_view text, std::string_view source);

}  // namespace gatehouse::webhook
