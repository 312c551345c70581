#include "webhook/config/config.h"

#include <algorithm>

#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/codec/yaml.h"
#include "common/net/http.h"
#include "webhook/server/listen_address.h"

namespace gatehouse::webhook {
namespace {

using codec::ObjectReader;
using Presence = codec::ObjectReader::Presence;

constexpr std::int64_t kMostConcurrent = 1024;  // a request under way holds a thread
// A node's nonces are remembered for twice their lifetime, limits::kNoncesPerNode of them: whoever attests more often
// is refused.
constexpr std::chrono::seconds kLeastInterval{5};
static_assert(2 * limits::kNonceLifetime / limits::kNoncesPerNode < kLeastInterval);

Duration ReadDuration(ObjectReader& reader, std::string_view key, Duration fallback, Duration min, Duration max) {
  auto text = reader.OptionalString(key);
  if (!text.has_value()) return fallback;
  auto parsed = codec::ParseDuration(*text);
  if (!parsed.ok() || *parsed < min || *parsed > max) {
    reader.Fail(key, "write a duration from " + codec::FormatDuration(min) + " to " + codec::FormatDuration(max) +
                         ", such as \"" + codec::FormatDuration(fallback) + "\"");
    return fallback;
  }
  return *parsed;
}

std::string ReadListen(ObjectReader& reader) {
  std::string text = reader.String("listen");
  auto address = ParseListenAddress(text);
  if (!address.ok()) reader.Fail("listen", address.error().detail);
  return text;
}

// "host[:port]" in the one spelling by which the transport knows a host (Url::Authority: lower case, no default port).
// Another spelling would match nothing, silently: an entry of `hosts` would not narrow whom that registry is trusted
// by.
std::string ReadAuthority(ObjectReader& reader, std::string_view key, const std::string& text,
                          const std::string& scheme) {
  auto url = net::Url::Parse(scheme + "://" + text + "/", Reason::kConfigInvalid);
  if (!url.ok() || url->target != "/") {
    reader.Fail(key, "write a registry as its host, with the port if it has one: \"registry.example:5000\"");
    return {};
  }
  if (url->host == "docker.io" || url->host == "index.docker.io") {
    reader.Fail(key, "Docker Hub is reached at another host than its images name: write \"registry-1.docker.io\"");
  }
  return url->Authority();
}

gate::Unmatched ReadUnmatched(ObjectReader& reader, std::string_view key) {
  std::string value = reader.OptionalEnum(key, {"deny", "warn", "allow"}).value_or("deny");
  if (value == "warn") return gate::Unmatched::kWarn;
  return value == "allow" ? gate::Unmatched::kAllow : gate::Unmatched::kDeny;
}

// What a file is called that comes from a Secret, unless the configuration names another. `cluster` is null without
// one.
std::string ReadKeyFile(ObjectReader& reader, std::string_view key, KubernetesConfig* cluster, std::string_view file,
                        bool KubernetesConfig::*from_secret) {
  if (cluster == nullptr) return reader.String(key);
  auto named = reader.OptionalString(key);
  if (named.has_value()) return *named;
  cluster->*from_secret = true;
  return cluster->key_folder + "/" + std::string(file);
}

void ReadTlsFiles(ObjectReader& reader, KubernetesConfig* cluster, TlsFiles& tls) {
  if (reader.Has("certificate") != reader.Has("key")) reader.Fail("key", "certificate and key belong together");
  tls.certificate = ReadKeyFile(reader, "certificate", cluster, "tls.crt", &KubernetesConfig::serving_keys);
  tls.key = ReadKeyFile(reader, "key", cluster, "tls.key", &KubernetesConfig::serving_keys);
  tls.client_ca = reader.OptionalString("clientCA").value_or("");
  tls.require_client_certificate = reader.OptionalBool("requireClientCertificate").value_or(false);
  if (tls.require_client_certificate && tls.client_ca.empty()) {
    reader.Fail("requireClientCertificate", "name the authorities of the clients in clientCA as well");
  }
}

TlsFiles ReadTls(ObjectReader& parent, KubernetesConfig* cluster) {
  TlsFiles tls;
  const auto presence = cluster == nullptr ? Presence::kRequired : Presence::kOptional;
  if (!parent.Object("tls", presence, [&](ObjectReader& reader) { ReadTlsFiles(reader, cluster, tls); }) &&
      cluster != nullptr) {
    cluster->serving_keys = true;
    tls.certificate = cluster->key_folder + "/tls.crt";
    tls.key = cluster->key_folder + "/tls.key";
  }
  return tls;
}

AdmissionConfig ReadAdmission(ObjectReader& reader, KubernetesConfig* cluster) {
  using std::chrono::seconds, std::chrono::minutes;
  AdmissionConfig config;
  config.listen = ReadListen(reader);
  config.tls = ReadTls(reader, cluster);
  reader.Object("mutate", Presence::kOptional,
                [&](ObjectReader& mutate) { config.mutate = mutate.OptionalBool("enabled").value_or(true); });
  config.gate.unmatched_images = ReadUnmatched(reader, "unmatchedImages");
  config.gate.unmatched_nodes = ReadUnmatched(reader, "unmatchedNodes");
  config.handler.max_concurrent =
      static_cast<std::size_t>(reader.OptionalInt("maxConcurrent", 1, kMostConcurrent).value_or(256));
  config.handler.budget_margin =
      ReadDuration(reader, "budgetMargin", config.handler.budget_margin, Duration(0), seconds(10));
  config.handler.default_timeout =
      ReadDuration(reader, "defaultTimeout", config.handler.default_timeout, seconds(1), seconds(30));
  return config;
}

// Without a folder a restart forgets which TPM each node is, and the first to enrol for a node after it becomes that
// node: nobody gets that by leaving a line out.
std::string ReadStateFolder(ObjectReader& reader) {
  std::string folder = reader.OptionalString("stateDir").value_or("");
  bool forgetful = reader.OptionalBool("allowForgetfulBindings").value_or(false);
  if (folder.empty() && !forgetful) {
    reader.Fail("stateDir",
                "is required: write the folder that keeps which TPM each node is, such as \"/var/lib/gatehouse\", or "
                "allowForgetfulBindings: true if a restart may forget it");
  }
  if (!folder.empty() && forgetful)
    reader.Fail("allowForgetfulBindings", "contradicts stateDir, which keeps the bindings: leave one of them out");
  return folder;
}

// In a cluster, bindings are objects of its API and agents prove their pods; what a folder and a file would hold may
// still be given for agents outside.
void ReadIdentities(ObjectReader& reader, const KubernetesConfig* cluster, AttestationConfig& config) {
  config.tokens_file = reader.OptionalString("tokens").value_or("");
  if (cluster != nullptr) {
    if (reader.Has("stateDir") || reader.Has("allowForgetfulBindings"))
      reader.Fail("stateDir", "is for a verifier without a cluster: with kubernetes, bindings are NodeAttestations");
    return;
  }
  if (config.tokens_file.empty() && config.tls.client_ca.empty()) {
    reader.Fail("tokens", "agents prove their node by a certificate or a token: set tls.clientCA, or tokens, or both");
  }
  config.state_folder = ReadStateFolder(reader);
}

AttestationConfig ReadAttestation(ObjectReader& reader, KubernetesConfig* cluster) {
  AttestationConfig config;
  config.listen = ReadListen(reader);
  config.tls = ReadTls(reader, cluster);
  config.nonce_key_file = ReadKeyFile(reader, "nonceKey", cluster, "nonce.key", &KubernetesConfig::attestation_keys);
  config.signing_key_file =
      ReadKeyFile(reader, "signingKey", cluster, "signing.key", &KubernetesConfig::attestation_keys);
  ReadIdentities(reader, cluster, config);
  config.interval = ReadDuration(reader, "interval", config.interval, kLeastInterval, std::chrono::hours(24));
  config.reference_folder = reader.OptionalString("referenceFiles").value_or("");
  return config;
}

CertificatesConfig ReadCertificates(ObjectReader& reader) {
  using std::chrono::hours, std::chrono::seconds;
  CertificatesConfig config;
  config.dns_names = reader.Strings("dnsNames", Presence::kRequired);
  reader.Object("webhookConfigurations", Presence::kOptional, [&](ObjectReader& names) {
    if (auto name = names.OptionalString("validating"); name.has_value()) config.validating_webhooks.push_back(*name);
    if (auto name = names.OptionalString("mutating"); name.has_value()) config.mutating_webhooks.push_back(*name);
  });
  config.validity = ReadDuration(reader, "validity", config.validity, seconds(30), hours(24 * 825));
  config.ca_validity = ReadDuration(reader, "caValidity", config.ca_validity, seconds(60), hours(24 * 3650));
  config.overlap = ReadDuration(reader, "overlap", config.overlap, Duration(0), hours(24 * 30));
  if (reader.ok() && config.ca_validity < 2 * config.validity)
    reader.Fail("caValidity", "must be at least twice the validity of what the authority signs");
  if (reader.ok() && config.ca_validity < 6 * config.overlap)
    reader.Fail("overlap",
                "must be at most a sixth of caValidity, so that one change of authority ends before the next");
  return config;
}

NodesConfig ReadNodes(ObjectReader& reader) {
  NodesConfig config;
  config.label = reader.OptionalBool("label").value_or(true);
  config.condition = reader.OptionalBool("condition").value_or(true);
  config.events = reader.OptionalBool("events").value_or(true);
  config.keep_bindings =
      ReadDuration(reader, "keepBindings", config.keep_bindings, Duration(0), std::chrono::hours(24 * 3650));
  return config;
}

AgentsConfig ReadAgents(ObjectReader& reader) {
  AgentsConfig config;
  config.service_account = reader.OptionalString("serviceAccount").value_or(config.service_account);
  config.audience = reader.OptionalString("audience").value_or(config.audience);
  config.token_cache =
      ReadDuration(reader, "tokenCache", config.token_cache, std::chrono::seconds(1), std::chrono::hours(1));
  return config;
}

KubernetesConfig ReadKubernetes(ObjectReader& reader) {
  KubernetesConfig config;
  config.namespace_name = reader.String("namespace");
  config.name = reader.OptionalString("name").value_or("gatehouse");
  config.kubeconfig = reader.OptionalString("kubeconfig").value_or("");
  config.identity = reader.OptionalString("identity").value_or("");
  config.queries_per_second = static_cast<double>(reader.OptionalInt("queriesPerSecond", 1, 1000).value_or(50));
  config.stale_after =
      ReadDuration(reader, "staleAfter", config.stale_after, std::chrono::seconds(10), std::chrono::hours(1));
  config.controllers = reader.OptionalBool("controllers").value_or(true);
  config.key_folder = reader.OptionalString("keyFolder").value_or(config.key_folder);
  reader.Object("certificates", Presence::kOptional,
                [&](ObjectReader& member) { config.certificates = ReadCertificates(member); });
  reader.Object("nodes", Presence::kOptional, [&](ObjectReader& member) { config.nodes = ReadNodes(member); });
  reader.Object("agents", Presence::kOptional, [&](ObjectReader& member) { config.agents = ReadAgents(member); });
  reader.Object("csr", Presence::kOptional,
                [&](ObjectReader& member) { config.approve_csrs = member.OptionalBool("approve").value_or(false); });
  return config;
}

// "host[:port][/prefix]". A first part without a dot or a port would be a folder of Docker Hub in an image's name.
std::string ReadMirror(ObjectReader& reader, const std::string& text) {
  std::size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  auto url = net::Url::Parse("https://" + host + "/", Reason::kConfigInvalid);
  bool is_host = host.find_first_of(".:") != std::string::npos || host == "localhost";
  constexpr std::string_view kPath = "abcdefghijklmnopqrstuvwxyz0123456789._-/";
  std::string_view prefix =
      slash == std::string::npos ? std::string_view("x") : std::string_view(text).substr(slash + 1);
  bool is_path = !prefix.empty() && prefix.find_first_not_of(kPath) == std::string_view::npos &&
                 prefix.find("//") == std::string_view::npos && prefix.front() != '/' && prefix.back() != '/';
  if (!url.ok() || url->target != "/" || !is_host || !is_path) {
    reader.Fail("mirrors",
                "write a mirror as its host, with the port if it has one, and the path before the images': "
                "\"mirror.example:5000/docker-hub\"");
    return {};
  }
  if (url->host == "docker.io" || url->host == "index.docker.io")
    reader.Fail("mirrors",
                "Docker Hub is reached at another host than its images name: write \"registry-1.docker.io\"");
  return text;
}

RegistryHostConfig ReadHost(ObjectReader& reader) {
  RegistryHostConfig host;
  host.insecure = reader.OptionalBool("insecure").value_or(false);
  host.host = ReadAuthority(reader, "host", reader.String("host"), host.insecure ? "http" : "https");
  host.ca_file = reader.OptionalString("ca").value_or("");
  host.certificate_file = reader.OptionalString("certificate").value_or("");
  host.key_file = reader.OptionalString("key").value_or("");
  if (host.certificate_file.empty() != host.key_file.empty())
    reader.Fail("key", "a client certificate needs both certificate and key");
  if (host.insecure && (!host.ca_file.empty() || !host.certificate_file.empty()))
    reader.Fail("insecure", "there are no certificates in plain HTTP: leave ca, certificate and key out, or this");
  for (const std::string& text : reader.Strings("mirrors", Presence::kOptional)) {
    std::string mirror = ReadMirror(reader, text);
    if (std::find(host.mirrors.begin(), host.mirrors.end(), mirror) != host.mirrors.end() || mirror == host.host)
      reader.Fail("mirrors", "lists '" + mirror + "' twice, or the registry itself, which is asked last in any case");
    host.mirrors.push_back(std::move(mirror));
  }
  return host;
}

CredentialHelperConfig ReadCredentialHelper(ObjectReader& reader) {
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyz0123456789_-";
  CredentialHelperConfig helper;
  helper.name = reader.String("name");
  if (helper.name.find_first_not_of(kName) != std::string::npos)
    reader.Fail("name", "write what follows docker-credential- in the program's name: \"ecr-login\"");
  helper.file = reader.OptionalString("path").value_or("/usr/local/bin/docker-credential-" + helper.name);
  if (!helper.file.starts_with('/')) reader.Fail("path", "write the whole path of the program, beginning with '/'");
  helper.unsafe_any_registry = reader.OptionalBool("unsafeAnyRegistry").value_or(false);
  helper.environment = reader.Strings("environment", Presence::kOptional);
  for (const std::string& name : helper.environment) {
    bool is_name = !(name.front() >= '0' && name.front() <= '9') && std::all_of(name.begin(), name.end(), [](char c) {
      return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    });
    if (!is_name) reader.Fail("environment", "write names of variables, whose values are those of this process");
  }
  return helper;
}

RegistryConfig ReadRegistry(ObjectReader& reader, bool cluster) {
  RegistryConfig config;
  for (const std::string& text : reader.Strings("insecure", Presence::kOptional)) {
    (void)ReadAuthority(reader, "insecure", text, "http");
    config.insecure.push_back(text);  // compared with the registry of an image's name, as that is written
  }
  const auto is_insecure = [&](const std::string& text) {
    return std::find(config.insecure.begin(), config.insecure.end(), text) != config.insecure.end();
  };
  config.ca_file = reader.OptionalString("ca").value_or("");
  reader.Each("hosts", Presence::kOptional, [&](ObjectReader& member) {
    RegistryHostConfig host = ReadHost(member);
    if (std::any_of(config.hosts.begin(), config.hosts.end(),
                    [&](const RegistryHostConfig& other) { return other.host == host.host; })) {
      member.Fail("host", "this registry is listed before: write one entry for it");
    }
    if (host.insecure) config.insecure.push_back(host.host);
    config.hosts.push_back(std::move(host));
  });
  config.credentials_file = reader.OptionalString("credentials").value_or("");
  reader.Each("credentialHelpers", Presence::kOptional, [&](ObjectReader& member) {
    CredentialHelperConfig helper = ReadCredentialHelper(member);
    if (std::any_of(config.credential_helpers.begin(), config.credential_helpers.end(),
                    [&](const CredentialHelperConfig& other) { return other.name == helper.name; })) {
      member.Fail("name", "this helper is listed before");
    }
    config.credential_helpers.push_back(std::move(helper));
  });
  if (!config.credential_helpers.empty() && config.credentials_file.empty())
    reader.Fail("credentialHelpers",
                "says which helpers may be run; what they are for stands in the file of credentials");
  config.connections_per_host = static_cast<std::size_t>(reader.OptionalInt("connectionsPerHost", 1, 256).value_or(20));
  config.pod_pull_secrets = reader.OptionalBool("podPullSecrets").value_or(false);
  if (config.pod_pull_secrets && !cluster)
    reader.Fail("podPullSecrets", "needs a cluster: Secrets are read from the API of `kubernetes`");
  config.deny_local_addresses = reader.OptionalBool("denyLocalAddresses").value_or(true);
  for (const std::string& text : reader.Strings("localAddressExceptions", Presence::kOptional)) {
    config.local_address_exceptions.push_back(
        ReadAuthority(reader, "localAddressExceptions", text, is_insecure(text) ? "http" : "https"));
  }
  return config;
}

gate::VerificationCache::Options ReadCache(ObjectReader& reader) {
  gate::VerificationCache::Options cache;
  cache.positive_ttl =
      ReadDuration(reader, "positiveTtl", cache.positive_ttl, std::chrono::seconds(1), std::chrono::hours(24));
  cache.negative_ttl = ReadDuration(reader, "negativeTtl", cache.negative_ttl, Duration(100), std::chrono::seconds(60));
  cache.max_entries = static_cast<std::size_t>(reader.OptionalInt("entries", 1, 1'000'000).value_or(10'000));
  return cache;
}

telemetry::Level ReadLevel(ObjectReader& reader) {
  auto level = telemetry::ParseLevel(reader.OptionalString("level").value_or("info"));
  if (!level.ok()) reader.Fail("level", level.error().detail);
  return level.ok() ? *level : telemetry::Level::kInfo;
}

void ReadPolicies(ObjectReader& reader, WebhookConfig& config) {
  if (config.kubernetes.has_value()) {
    if (reader.Has("policies"))
      reader.Fail("policies", "is for a webhook without a cluster: with kubernetes, policies come from its API");
    return;
  }
  reader.Object("policies", Presence::kRequired, [&](ObjectReader& member) {
    config.policy_folder = member.String("folder");
    config.policy_reload_interval =
        ReadDuration(member, "reloadInterval", config.policy_reload_interval, Duration(100), std::chrono::hours(1));
  });
}

}  // namespace

Result<WebhookConfig> ParseConfig(std::string_view text, std::string_view source) {
  ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(text, source));
  if (documents.size() != 1)
    return Error{Reason::kConfigInvalid, std::string(source), "the file must hold one document"};
  const codec::JsonDocument& document = documents.front();
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  WebhookConfig config;
  reader.Object("kubernetes", Presence::kOptional,
                [&](ObjectReader& member) { config.kubernetes = ReadKubernetes(member); });
  KubernetesConfig* cluster = config.kubernetes.has_value() ? &*config.kubernetes : nullptr;
  reader.Object("admission", cluster == nullptr ? Presence::kRequired : Presence::kOptional,
                [&](ObjectReader& member) { config.admission = ReadAdmission(member, cluster); });
  reader.Object("attestation", Presence::kOptional,
                [&](ObjectReader& member) { config.attestation = ReadAttestation(member, cluster); });
  reader.Object("metrics", Presence::kOptional,
                [&](ObjectReader& member) { config.metrics_listen = ReadListen(member); });
  ReadPolicies(reader, config);
  reader.Object("registry", Presence::kOptional,
                [&](ObjectReader& member) { config.registry = ReadRegistry(member, cluster != nullptr); });
  reader.Object("trust", Presence::kOptional, [&](ObjectReader& member) {
    config.trust.folder = member.OptionalString("folder").value_or("");
    config.trust.ca_file = member.OptionalString("ca").value_or("");
  });
  reader.Object("cache", Presence::kOptional, [&](ObjectReader& member) { config.cache = ReadCache(member); });
  reader.Object("log", Presence::kOptional, [&](ObjectReader& member) { config.level = ReadLevel(member); });
  config.shutdown_delay =
      ReadDuration(reader, "shutdownDelay", config.shutdown_delay, Duration(0), std::chrono::minutes(5));
  config.drain = ReadDuration(reader, "drain", config.drain, Duration(0), std::chrono::minutes(10));
  if (reader.ok() && cluster != nullptr && !cluster->controllers && !config.admission && !config.attestation)
    reader.Fail("kubernetes", "this process would do nothing: give it admission, attestation or controllers: true");
  RETURN_IF_ERROR(reader.Finish());
  return config;
}

}  // namespace gatehouse::webhook
