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
  bool mutate = false;  // POST /mutate
};

struct AttestationConfig {
  std::string listen;
  TlsFiles tls;
  std::string tokens_file;  // empty: client certificates only
  std::string nonce_key_file;
  std::string signing_key_file;
  std::string state_folder;  // empty: bindings are forgotten at a restart, which allowForgetfulBindings asked for
  Duration interval{60'000};
  std::string reference_folder;  // of files of reference digests; empty: there are none
};

// A registry that is reached in a way of its own.
struct RegistryHostConfig {
  std::string host;  // Url::Authority()
  bool insecure = false;
  std::vector<std::string> mirrors;  // "host[:port][/prefix]", asked before it, in this order
  std::string ca_file;
  std::string certificate_file;
  std::string key_file;
};

// A program of Docker's kind that gives secrets. Being listed is what lets it be run.
struct CredentialHelperConfig {
  std::string name;                      // "ecr-login", as credHelpers and credsStore call it
  std::string file;                      // its path
  std::vector<std::string> environment;  // names of variables that it gets to see, beside PATH and HOME
  bool unsafe_any_registry = false;      // asked, as credsStore, for whatever registry an image names
};

struct RegistryConfig {
  std::vector<std::string> insecure;  // "host[:port]" reached by plain HTTP
  std::string ca_file;                // authorities for every registry, in place of the system's
  std::vector<RegistryHostConfig> hosts;
  std::string credentials_file;  // dockerconfigjson
  std::vector<CredentialHelperConfig> credential_helpers;
  std::size_t connections_per_host = 20;
  // Secrets that pods, their ServiceAccounts and NamespacedImagePolicies name are read from the API as they are needed.
  bool pod_pull_secrets = false;
  // An image name must not make Gatehouse call loopback or link-local addresses; what is listed here may be there.
  // Being insecure is not being listed.
  bool deny_local_addresses = true;
  std::vector<std::string> local_address_exceptions;  // Url::Authority()
};

// TrustRoots that are fetched by TUF, and where certificates say that they were revoked.
struct TrustConfig {
  std::string folder;   // what was fetched is kept there over a restart; empty: in memory
  std::string ca_file;  // authorities for those servers, in place of the system's
};

// Gatehouse's own certificates, made and renewed by the leader.
struct CertificatesConfig {
  std::vector<std::string> dns_names;            // of the serving certificate; also IP addresses
  std::vector<std::string> validating_webhooks;  // configurations whose caBundle is kept right
  std::vector<std::string> mutating_webhooks;
  Duration validity{std::chrono::hours(2160)};
  Duration ca_validity{std::chrono::hours(26280)};
  Duration overlap{std::chrono::hours(1)};
};

// What the leader writes on Nodes.
struct NodesConfig {
  bool label = true;
  bool condition = true;
  bool events = true;
  Duration keep_bindings{std::chrono::hours(720)};
};

// Agents that are pods.
struct AgentsConfig {
  std::string service_account = "gatehouse-agent";
  std::string audience = "gatehouse";
  Duration token_cache{300'000};
};

// A cluster: policies, bindings and results are objects of its API.
struct KubernetesConfig {
  std::string namespace_name;
  std::string name;        // of the release: Secrets, ConfigMaps and Leases are called after it
  std::string kubeconfig;  // empty: what a pod finds
  std::string identity;    // empty: the host's name, which is the pod's
  double queries_per_second = 50;
  Duration stale_after{120'000};
  bool controllers = true;
  std::string key_folder = "/run/gatehouse/keys";
  bool serving_keys = false;      // a listener takes its certificate from the Secret NAME-tls
  bool attestation_keys = false;  // the nonce and signing keys come from the Secret NAME-attestation
  std::optional<CertificatesConfig> certificates;
  NodesConfig nodes;
  AgentsConfig agents;
  bool approve_csrs = false;
};

struct WebhookConfig {
  std::optional<AdmissionConfig> admission;      // nothing: this process does not admit
  std::optional<AttestationConfig> attestation;  // nothing: no attestation listener
  std::optional<KubernetesConfig> kubernetes;    // nothing: policies and bindings are in folders
  std::string metrics_listen;                    // empty: none
  std::string policy_folder;                     // empty with `kubernetes`
  Duration policy_reload_interval{2'000};
  RegistryConfig registry;
  TrustConfig trust;
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
