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

TlsFiles ReadTls(ObjectReader& parent) {
  TlsFiles tls;
  parent.Object("tls", Presence::kRequired, [&](ObjectReader& reader) {
    tls.certificate = reader.String("certificate");
    tls.key = reader.String("key");
    tls.client_ca = reader.OptionalString("clientCA").value_or("");
    tls.require_client_certificate = reader.OptionalBool("requireClientCertificate").value_or(false);
    if (tls.require_client_certificate && tls.client_ca.empty()) {
      reader.Fail("requireClientCertificate", "name the authorities of the clients in clientCA as well");
    }
  });
  return tls;
}

AdmissionConfig ReadAdmission(ObjectReader& reader) {
  using std::chrono::seconds, std::chrono::minutes;
  AdmissionConfig config;
  config.listen = ReadListen(reader);
  config.tls = ReadTls(reader);
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

AttestationConfig ReadAttestation(ObjectReader& reader) {
  AttestationConfig config;
  config.listen = ReadListen(reader);
  config.tls = ReadTls(reader);
  config.tokens_file = reader.OptionalString("tokens").value_or("");
  if (config.tokens_file.empty() && config.tls.client_ca.empty()) {
    reader.Fail("tokens", "agents prove their node by a certificate or a token: set tls.clientCA, or tokens, or both");
  }
  config.nonce_key_file = reader.String("nonceKey");
  config.signing_key_file = reader.String("signingKey");
  config.state_folder = ReadStateFolder(reader);
  config.interval = ReadDuration(reader, "interval", config.interval, kLeastInterval, std::chrono::hours(24));
  return config;
}

RegistryHostConfig ReadHost(ObjectReader& reader) {
  RegistryHostConfig host;
  host.host = ReadAuthority(reader, "host", reader.String("host"), "https");
  host.ca_file = reader.OptionalString("ca").value_or("");
  host.certificate_file = reader.OptionalString("certificate").value_or("");
  host.key_file = reader.OptionalString("key").value_or("");
  if (host.certificate_file.empty() != host.key_file.empty())
    reader.Fail("key", "a client certificate needs both certificate and key");
  return host;
}

RegistryConfig ReadRegistry(ObjectReader& reader) {
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
    config.hosts.push_back(std::move(host));
  });
  config.credentials_file = reader.OptionalString("credentials").value_or("");
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

}  // namespace

Result<WebhookConfig> ParseConfig(std::string_view text, std::string_view source) {
  ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(text, source));
  if (documents.size() != 1)
    return Error{Reason::kConfigInvalid, std::string(source), "the file must hold one document"};
  const codec::JsonDocument& document = documents.front();
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  WebhookConfig config;
  reader.Object("admission", Presence::kRequired,
                [&](ObjectReader& member) { config.admission = ReadAdmission(member); });
  reader.Object("attestation", Presence::kOptional,
                [&](ObjectReader& member) { config.attestation = ReadAttestation(member); });
  reader.Object("metrics", Presence::kOptional,
                [&](ObjectReader& member) { config.metrics_listen = ReadListen(member); });
  reader.Object("policies", Presence::kRequired, [&](ObjectReader& member) {
    config.policy_folder = member.String("folder");
    config.policy_reload_interval =
        ReadDuration(member, "reloadInterval", config.policy_reload_interval, Duration(100), std::chrono::hours(1));
  });
  reader.Object("registry", Presence::kOptional, [&](ObjectReader& member) { config.registry = ReadRegistry(member); });
  reader.Object("cache", Presence::kOptional, [&](ObjectReader& member) { config.cache = ReadCache(member); });
  reader.Object("log", Presence::kOptional, [&](ObjectReader& member) { config.level = ReadLevel(member); });
  config.shutdown_delay =
      ReadDuration(reader, "shutdownDelay", config.shutdown_delay, Duration(0), std::chrono::minutes(5));
  config.drain = ReadDuration(reader, "drain", config.drain, Duration(0), std::chrono::minutes(10));
  RETURN_IF_ERROR(reader.Finish());
  return config;
}

}  // namespace gatehouse::webhook
