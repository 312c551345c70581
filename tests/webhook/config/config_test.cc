#include "webhook/config/config.h"

#include <gtest/gtest.h>

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kFull = R"(admission:
  listen: "0.0.0.0:8443"
  tls: {certificate: a.crt, key: a.key, clientCA: c.crt, requireClientCertificate: true}
  unmatchedImages: warn
  unmatchedNodes: allow
  maxConcurrent: 10
  budgetMargin: 100ms
  defaultTimeout: 5s
attestation:
  listen: "0.0.0.0:8444"
  tls: {certificate: b.crt, key: b.key, clientCA: d.crt}
  tokens: tokens.yaml
  nonceKey: nonce.key
  signingKey: sign.key
  stateDir: state
  interval: 30s
metrics: {listen: "127.0.0.1:8445"}
policies: {folder: policies, reloadInterval: 500ms}
registry:
  insecure: ["registry.test:5000"]
  ca: ca.crt
  hosts: [{host: "private.example", ca: p.crt, certificate: p.pem, key: p.key}]
  credentials: config.json
  denyLocalAddresses: false
  localAddressExceptions: ["localhost:5000"]
cache: {positiveTtl: 5m, negativeTtl: 2s, entries: 100}
log: {level: debug}
shutdownDelay: 0s
drain: 3s
)";

constexpr std::string_view kLeast = R"(admission:
  listen: ":8443"
  tls: {certificate: a.crt, key: a.key}
policies: {folder: p}
)";

TEST(ConfigTest, EveryFieldIsRead) {
  auto config = ParseConfig(kFull, "full.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->admission->listen, "0.0.0.0:8443");
  EXPECT_EQ(config->admission->tls.client_ca, "c.crt");
  EXPECT_TRUE(config->admission->tls.require_client_certificate);
  EXPECT_EQ(config->admission->gate.unmatched_images, gate::Unmatched::kWarn);
  EXPECT_EQ(config->admission->gate.unmatched_nodes, gate::Unmatched::kAllow);
  EXPECT_EQ(config->admission->handler.max_concurrent, 10U);
  EXPECT_EQ(config->admission->handler.budget_margin, Duration(100));
  EXPECT_EQ(config->admission->handler.default_timeout, Duration(5'000));
  ASSERT_TRUE(config->attestation.has_value());
  EXPECT_EQ(config->attestation->tokens_file, "tokens.yaml");
  EXPECT_EQ(config->attestation->nonce_key_file, "nonce.key");
  EXPECT_EQ(config->attestation->signing_key_file, "sign.key");
  EXPECT_EQ(config->attestation->state_folder, "state");
  EXPECT_EQ(config->attestation->interval, Duration(30'000));
  EXPECT_EQ(config->metrics_listen, "127.0.0.1:8445");
  EXPECT_EQ(config->policy_folder, "policies");
  EXPECT_EQ(config->policy_reload_interval, Duration(500));
  EXPECT_EQ(config->registry.insecure, std::vector<std::string>{"registry.test:5000"});
  EXPECT_EQ(config->registry.hosts.at(0).certificate_file, "p.pem");
  EXPECT_EQ(config->registry.credentials_file, "config.json");
  EXPECT_FALSE(config->registry.deny_local_addresses);
  EXPECT_EQ(config->registry.local_address_exceptions, std::vector<std::string>{"localhost:5000"});
  EXPECT_EQ(config->cache.positive_ttl, Duration(300'000));
  EXPECT_EQ(config->cache.negative_ttl, Duration(2'000));
  EXPECT_EQ(config->cache.max_entries, 100U);
  EXPECT_EQ(config->level, telemetry::Level::kDebug);
  EXPECT_EQ(config->shutdown_delay, Duration(0));
  EXPECT_EQ(config->drain, Duration(3'000));
}

TEST(ConfigTest, DefaultsRefuse) {
  auto config = ParseConfig(kLeast, "least.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->admission->tls.client_ca, "");
  EXPECT_FALSE(config->admission->tls.require_client_certificate);
  EXPECT_EQ(config->admission->handler.max_concurrent, 256U);
  EXPECT_EQ(config->admission->handler.budget_margin, Duration(300));
  EXPECT_EQ(config->admission->handler.default_timeout, Duration(10'000));
  EXPECT_EQ(config->policy_reload_interval, Duration(2'000));
  EXPECT_TRUE(config->registry.insecure.empty());
  EXPECT_TRUE(config->registry.hosts.empty());
  EXPECT_TRUE(config->registry.local_address_exceptions.empty());
  EXPECT_EQ(config->cache.positive_ttl, Duration(600'000));
  EXPECT_EQ(config->cache.negative_ttl, Duration(3'000));
  EXPECT_EQ(config->cache.max_entries, 10'000U);
  EXPECT_EQ(config->level, telemetry::Level::kInfo);
  EXPECT_EQ(config->shutdown_delay, Duration(5'000));
  EXPECT_EQ(config->drain, Duration(10'000));
  EXPECT_EQ(config->admission->gate.unmatched_images, gate::Unmatched::kDeny);
  EXPECT_EQ(config->admission->gate.unmatched_nodes, gate::Unmatched::kDeny);
  EXPECT_TRUE(config->registry.deny_local_addresses);
  EXPECT_FALSE(config->attestation.has_value());
  EXPECT_TRUE(config->metrics_listen.empty());
}

struct BadCase {
  const char* name;
  const char* from;  // replaced in kFull
  const char* to;
  const char* says;  // part of the message
};

class BadConfigTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadConfigTest, IsRefusedWithItsPlace) {
  std::string text(kFull);
  auto at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(GetParam().from).size(), GetParam().to);
  auto config = ParseConfig(text, "bad.yaml");
  ASSERT_FALSE(config.ok());
  const bool is_ours = std::string_view(GetParam().name) != "duplicate_key";
  EXPECT_EQ(config.error().reason, is_ours ? Reason::kConfigInvalid : Reason::kYamlMalformed);
  EXPECT_NE(config.error().ToString().find("bad.yaml"), std::string::npos) << config.error().ToString();
  EXPECT_NE(config.error().ToString().find(GetParam().says), std::string::npos) << config.error().ToString();
}

INSTANTIATE_TEST_SUITE_P(
    OneDefectEach, BadConfigTest,
    ::testing::Values(
        BadCase{"misspelt_section", "policies: {folder: policies, reloadInterval: 500ms}",
                "policies: {folder: policies}\npolicys: {}", "did you mean 'policies'"},
        BadCase{"misspelt_field", "unmatchedImages", "unmatchedImage", "did you mean 'unmatchedImages'"},
        BadCase{"misspelt_tls", "clientCA: d.crt", "clientCa: d.crt", "did you mean 'clientCA'"},
        BadCase{"unknown_effect", "unmatchedNodes: allow", "unmatchedNodes: maybe", "deny"},
        BadCase{"bad_duration", "budgetMargin: 100ms", "budgetMargin: 100", "budgetMargin"},
        BadCase{"duration_out_of_range", "defaultTimeout: 5s", "defaultTimeout: 60s", "30s"},
        BadCase{"zero_concurrency", "maxConcurrent: 10", "maxConcurrent: 0", "maxConcurrent"},
        BadCase{"required_client_without_ca", "clientCA: c.crt, requireClientCertificate", "requireClientCertificate",
                "clientCA"},
        BadCase{"no_agent_identity", "clientCA: d.crt}\n  tokens: tokens.yaml", "requireClientCertificate: false}",
                "tokens"},
        BadCase{"nonce_key_missing", "  nonceKey: nonce.key\n", "", "nonceKey"},
        BadCase{"state_folder_missing", "  stateDir: state\n", "", "allowForgetfulBindings: true"},
        BadCase{"state_folder_empty", "stateDir: state", "stateDir: \"\"", "stateDir"},
        BadCase{"forgetful_denied", "stateDir: state", "allowForgetfulBindings: false", "stateDir"},
        BadCase{"forgetful_with_a_folder", "stateDir: state", "stateDir: state\n  allowForgetfulBindings: true",
                "contradicts stateDir"},
        BadCase{"signing_key_missing", "  signingKey: sign.key\n", "", "signingKey"},
        BadCase{"metrics_unknown_field", "metrics: {listen:", "metrics: {port: 1, listen:", "port"},
        BadCase{"folder_missing", "folder: policies, ", "", "folder"},
        BadCase{"insecure_not_a_list", "insecure: [\"registry.test:5000\"]", "insecure: registry.test", "insecure"},
        BadCase{"client_key_missing", ", key: p.key", "", "key"},
        BadCase{"deny_local_not_bool", "denyLocalAddresses: false", "denyLocalAddresses: \"no\"", "denyLocalAddresses"},
        BadCase{"negative_ttl_too_long", "negativeTtl: 2s", "negativeTtl: 10m", "negativeTtl"},
        BadCase{"entries_not_a_number", "entries: 100", "entries: many", "entries"},
        BadCase{"bad_level", "level: debug", "level: loud", "level"},
        BadCase{"shutdown_delay_too_long", "shutdownDelay: 0s", "shutdownDelay: 6m", "5m"},
        BadCase{"bad_drain", "drain: 3s", "drain: soon", "drain"},
        BadCase{"listen_missing", "listen: \"0.0.0.0:8443\"", "", "listen"},
        BadCase{"listen_without_port", "listen: \"0.0.0.0:8443\"", "listen: \"0.0.0.0\"", "lacks a port"},
        BadCase{"listen_by_name", "listen: \"0.0.0.0:8443\"", "listen: \"localhost:8443\"", "write for example"},
        BadCase{"attestation_listen_by_name", "0.0.0.0:8444", "localhost:8444", "$.attestation.listen"},
        BadCase{"metrics_listen_by_name", "127.0.0.1:8445", "localhost:8445", "$.metrics.listen"},
        BadCase{"certificate_missing", "certificate: a.crt, ", "", "certificate"},
        BadCase{"key_missing", ", key: a.key", "", "key"},
        BadCase{"tls_missing", "  tls: {certificate: b.crt, key: b.key, clientCA: d.crt}\n", "", "tls"},
        BadCase{"admission_missing", "admission:\n", "admissions:\n", "admission"},
        BadCase{"too_many_at_once", "maxConcurrent: 10", "maxConcurrent: 1025", "1024"},
        BadCase{"margin_out_of_range", "budgetMargin: 100ms", "budgetMargin: 11s", "10s"},
        BadCase{"interval_too_short", "interval: 30s", "interval: 4999ms", "5s"},
        BadCase{"reload_too_often", "reloadInterval: 500ms", "reloadInterval: 1ms", "100ms"},
        BadCase{"positive_ttl_zero", "positiveTtl: 5m", "positiveTtl: 0s", "positiveTtl"},
        BadCase{"no_entries", "entries: 100", "entries: 0", "entries"},
        BadCase{"insecure_with_scheme", "[\"registry.test:5000\"]", "[\"http://registry.test:5000\"]", "as its host"},
        BadCase{"insecure_with_path", "[\"registry.test:5000\"]", "[\"registry.test:5000/app\"]", "as its host"},
        BadCase{"insecure_empty", "[\"registry.test:5000\"]", "[\"\"]", "insecure"},
        BadCase{"host_with_scheme", "host: \"private.example\"", "host: \"https://private.example\"", "as its host"},
        BadCase{"host_with_bad_port", "host: \"private.example\"", "host: \"private.example:70000\"", "as its host"},
        BadCase{"host_of_docker_hub", "host: \"private.example\"", "host: \"docker.io\"", "registry-1.docker.io"},
        BadCase{"host_twice", "hosts: [{", "hosts: [{host: \"PRIVATE.example:443\"}, {", "listed before"},
        BadCase{"host_misspelt_field",
                "host: \"private.example\", ca:", "host: \"private.example\", cas:", "did you mean 'ca'"},
        BadCase{"exception_is_a_range", "[\"localhost:5000\"]", "[\"127.0.0.0/8\"]", "as its host"},
        BadCase{"duplicate_key", "drain: 3s", "drain: 3s\ndrain: 4s", "drain"}),
    [](const auto& test) { return std::string(test.param.name); });

constexpr const char* kCluster = R"(
kubernetes:
  namespace: gatehouse-system
  name: gate
  kubeconfig: kube.conf
  identity: pod-1
  queriesPerSecond: 20
  staleAfter: 1m
  controllers: false
  keyFolder: /keys
  certificates:
    dnsNames: [gate.gatehouse-system.svc, 10.0.0.1]
    webhookConfigurations: {validating: gate, mutating: gate-pins}
    validity: 10m
    caValidity: 1h
    overlap: 1m
  nodes: {label: false, condition: false, events: false, keepBindings: 0s}
  agents: {serviceAccount: agents, audience: gate, tokenCache: 1m}
  csr: {approve: true}
admission: {listen: ":8443", mutate: {enabled: true}}
attestation: {listen: ":8444", tls: {clientCA: d.crt}, signingKey: own.key}
)";

TEST(ClusterConfigTest, EveryFieldIsRead) {
  auto config = ParseConfig(kCluster, "cluster.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  const KubernetesConfig& cluster = *config->kubernetes;
  EXPECT_EQ(cluster.namespace_name, "gatehouse-system");
  EXPECT_EQ(cluster.name, "gate");
  EXPECT_EQ(cluster.kubeconfig, "kube.conf");
  EXPECT_EQ(cluster.identity, "pod-1");
  EXPECT_EQ(cluster.queries_per_second, 20);
  EXPECT_EQ(cluster.stale_after, Duration(60'000));
  EXPECT_FALSE(cluster.controllers);
  EXPECT_EQ(cluster.certificates->dns_names, (std::vector<std::string>{"gate.gatehouse-system.svc", "10.0.0.1"}));
  EXPECT_EQ(cluster.certificates->validating_webhooks, std::vector<std::string>{"gate"});
  EXPECT_EQ(cluster.certificates->mutating_webhooks, std::vector<std::string>{"gate-pins"});
  EXPECT_EQ(cluster.certificates->validity, Duration(600'000));
  EXPECT_EQ(cluster.certificates->ca_validity, Duration(3'600'000));
  EXPECT_EQ(cluster.certificates->overlap, Duration(60'000));
  EXPECT_FALSE(cluster.nodes.label || cluster.nodes.condition || cluster.nodes.events);
  EXPECT_EQ(cluster.nodes.keep_bindings, Duration(0));
  EXPECT_EQ(cluster.agents.service_account, "agents");
  EXPECT_EQ(cluster.agents.audience, "gate");
  EXPECT_EQ(cluster.agents.token_cache, Duration(60'000));
  EXPECT_TRUE(cluster.approve_csrs);
  EXPECT_TRUE(config->admission->mutate);
}

// Each of the two halves takes what it needs from Secrets, unless the configuration names files.
TEST(ClusterConfigTest, KeysComeFromTheFolderOfSecrets) {
  auto config = ParseConfig(kCluster, "cluster.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->admission->tls.certificate, "/keys/tls.crt");
  EXPECT_EQ(config->attestation->tls.key, "/keys/tls.key");
  EXPECT_EQ(config->attestation->tls.client_ca, "d.crt");
  EXPECT_EQ(config->attestation->nonce_key_file, "/keys/nonce.key");
  EXPECT_EQ(config->attestation->signing_key_file, "own.key");
  EXPECT_TRUE(config->kubernetes->serving_keys);
  EXPECT_TRUE(config->kubernetes->attestation_keys);
}

TEST(ClusterConfigTest, FilesThatAreNamedNeedNoSecret) {
  auto config = ParseConfig(R"(
kubernetes: {namespace: gatehouse-system}
admission: {listen: ":8443", tls: {certificate: a.crt, key: a.key}}
)",
                            "cluster.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->admission->tls.certificate, "a.crt");
  EXPECT_FALSE(config->kubernetes->serving_keys);
  EXPECT_FALSE(config->kubernetes->attestation_keys);
  EXPECT_EQ(config->kubernetes->name, "gatehouse");
  EXPECT_TRUE(config->kubernetes->controllers);
  EXPECT_FALSE(config->kubernetes->certificates.has_value());
  EXPECT_FALSE(config->admission->mutate);
  EXPECT_TRUE(config->policy_folder.empty());
}

TEST(ClusterConfigTest, PullSecretsOfPodsNeedAClusterAndToBeAskedFor) {
  auto config = ParseConfig(kCluster, "cluster.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_FALSE(config->registry.pod_pull_secrets);
  config = ParseConfig(std::string(kCluster) + "registry: {podPullSecrets: true}\n", "cluster.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_TRUE(config->registry.pod_pull_secrets);
  config = ParseConfig(std::string(kLeast) + "registry: {podPullSecrets: true}\n", "files.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().reason, Reason::kConfigInvalid);
  EXPECT_NE(config.error().ToString().find("needs a cluster"), std::string::npos);
}

TEST(ConfigTest, WhereTrustIsFetched) {
  auto config = ParseConfig(std::string(kLeast) + "trust: {folder: kept, ca: ca.crt}\n", "trust.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->trust.folder, "kept");
  EXPECT_EQ(config->trust.ca_file, "ca.crt");
  config = ParseConfig(std::string(kLeast) + "trust: {folders: kept}\n", "trust.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().ToString().find("did you mean 'folder'"), std::string::npos);
}

TEST(ClusterConfigTest, AControllerNeedsNoListener) {
  auto config = ParseConfig("kubernetes: {namespace: gatehouse-system}\n", "cluster.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_FALSE(config->admission.has_value());
}

class BadClusterConfigTest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadClusterConfigTest, IsRefusedWithItsPlace) {
  std::string text(kCluster);
  auto at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(GetParam().from).size(), GetParam().to);
  auto config = ParseConfig(text, "bad.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().reason, Reason::kConfigInvalid);
  EXPECT_NE(config.error().ToString().find(GetParam().says), std::string::npos) << config.error().ToString();
}

INSTANTIATE_TEST_SUITE_P(
    OneDefectEach, BadClusterConfigTest,
    ::testing::Values(
        BadCase{"namespace_missing", "  namespace: gatehouse-system\n", "", "namespace"},
        BadCase{"misspelt_field", "controllers:", "controler:", "did you mean 'controllers'"},
        BadCase{"no_queries", "queriesPerSecond: 20", "queriesPerSecond: 0", "queriesPerSecond"},
        BadCase{"stale_at_once", "staleAfter: 1m", "staleAfter: 1s", "10s"},
        BadCase{"no_names", "dnsNames: [gate.gatehouse-system.svc, 10.0.0.1]", "dnsNames: []", "dnsNames"},
        BadCase{"validity_too_short", "validity: 10m", "validity: 1s", "30s"},
        BadCase{"authority_shorter_than_two_leaves", "caValidity: 1h", "caValidity: 15m", "twice the validity"},
        BadCase{"overlaps_meet", "overlap: 1m", "overlap: 11m", "a sixth of caValidity"},
        BadCase{"bindings_kept_for_no_time_at_all", "keepBindings: 0s", "keepBindings: never", "keepBindings"},
        BadCase{"tokens_cached_for_too_long", "tokenCache: 1m", "tokenCache: 2h", "1h"},
        BadCase{"csr_not_bool", "approve: true", "approve: maybe", "approve"},
        BadCase{"certificate_without_key", "tls: {clientCA: d.crt}", "tls: {certificate: d.crt}", "belong together"},
        BadCase{"policies_beside_a_cluster", "admission:", "policies: {folder: p}\nadmission:", "come from its API"},
        BadCase{"state_folder_beside_a_cluster", "signingKey: own.key", "stateDir: s", "NodeAttestations"},
        BadCase{"forgetful_beside_a_cluster", "signingKey: own.key", "allowForgetfulBindings: true",
                "NodeAttestations"},
        BadCase{"mutate_unknown_field", "mutate: {enabled: true}", "mutate: {pin: true}", "pin"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ClusterConfigTest, AProcessThatWouldDoNothingIsRefused) {
  auto config = ParseConfig("kubernetes: {namespace: n, controllers: false}\n", "cluster.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().ToString().find("would do nothing"), std::string::npos) << config.error().ToString();
}

// Only in that spelling does the transport find them.
TEST(ConfigTest, RegistriesAreSpeltAsTheTransportKnowsThem) {
  constexpr std::string_view kRegistry = R"(
registry:
  insecure: ["Plain.Test:80"]
  hosts: [{host: "Private.EXAMPLE:443", ca: p.crt}, {host: "[::1]:5000"}]
  localAddressExceptions: ["Localhost:443", "Plain.Test:80", "127.0.0.1:5000"]
)";
  auto config = ParseConfig(std::string(kLeast) + std::string(kRegistry), "registry.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->registry.insecure, std::vector<std::string>{"Plain.Test:80"});
  ASSERT_EQ(config->registry.hosts.size(), 2U);
  EXPECT_EQ(config->registry.hosts[0].host, "private.example");
  EXPECT_EQ(config->registry.hosts[1].host, "[::1]:5000");
  EXPECT_EQ(config->registry.local_address_exceptions,
            (std::vector<std::string>{"localhost", "plain.test", "127.0.0.1:5000"}));
}

TEST(ConfigTest, RegistriesWithMirrorsHelpersAndConnections) {
  constexpr std::string_view kRegistry = R"(
registry:
  credentials: config.json
  connectionsPerHost: 8
  hosts:
    - {host: registry-1.docker.io, mirrors: ["mirror.test:5000/hub", "localhost/x", "other.test"]}
    - {host: "Plain.TEST:80", insecure: true}
  credentialHelpers:
    - {name: ecr-login}
    - {name: gcr, path: /opt/gcr, environment: [GOOGLE_APPLICATION_CREDENTIALS, _x1], unsafeAnyRegistry: true}
)";
  auto config = ParseConfig(std::string(kLeast) + std::string(kRegistry), "registry.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  const RegistryConfig& registry = config->registry;
  EXPECT_EQ(registry.connections_per_host, 8U);
  ASSERT_EQ(registry.hosts.size(), 2U);
  EXPECT_EQ(registry.hosts[0].mirrors, (std::vector<std::string>{"mirror.test:5000/hub", "localhost/x", "other.test"}));
  EXPECT_FALSE(registry.hosts[0].insecure);
  EXPECT_TRUE(registry.hosts[1].insecure);
  EXPECT_EQ(registry.insecure, std::vector<std::string>{"plain.test"}) << "as an image's name has it";
  ASSERT_EQ(registry.credential_helpers.size(), 2U);
  EXPECT_EQ(registry.credential_helpers[0].file, "/usr/local/bin/docker-credential-ecr-login");
  EXPECT_TRUE(registry.credential_helpers[0].environment.empty());
  EXPECT_EQ(registry.credential_helpers[1].file, "/opt/gcr");
  EXPECT_FALSE(registry.credential_helpers[0].unsafe_any_registry);
  EXPECT_TRUE(registry.credential_helpers[1].unsafe_any_registry);
  EXPECT_EQ(registry.credential_helpers[1].environment,
            (std::vector<std::string>{"GOOGLE_APPLICATION_CREDENTIALS", "_x1"}));
}

TEST(ConfigTest, NoHelperMayRunUnlessListed) {
  auto config = ParseConfig(std::string(kLeast) + "registry: {credentials: config.json}\n", "registry.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_TRUE(config->registry.credential_helpers.empty());
  EXPECT_EQ(config->registry.connections_per_host, 20U);
}

struct BadRegistry {
  const char* name;
  const char* text;
  const char* says;
};

class RegistryConfigRefuses : public testing::TestWithParam<BadRegistry> {};

TEST_P(RegistryConfigRefuses, WithAReason) {
  auto config = ParseConfig(std::string(kLeast) + "registry: {" + GetParam().text + "}\n", "registry.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_EQ(config.error().reason, Reason::kConfigInvalid);
  EXPECT_NE(config.error().ToString().find(GetParam().says), std::string::npos) << config.error().ToString();
}

INSTANTIATE_TEST_SUITE_P(
    Table, RegistryConfigRefuses,
    testing::Values(
        BadRegistry{"mirror_without_a_dot", R"(hosts: [{host: r.test, mirrors: [mirror]}])", "write a mirror"},
        BadRegistry{"mirror_with_a_scheme", R"(hosts: [{host: r.test, mirrors: ["https://m.test"]}])",
                    "write a mirror"},
        BadRegistry{"mirror_with_a_user", R"(hosts: [{host: r.test, mirrors: ["u:p@m.test"]}])", "write a mirror"},
        BadRegistry{"mirror_with_a_slash_at_its_end", R"(hosts: [{host: r.test, mirrors: ["m.test/"]}])",
                    "write a mirror"},
        BadRegistry{"mirror_with_an_empty_part", R"(hosts: [{host: r.test, mirrors: ["m.test/a//b"]}])",
                    "write a mirror"},
        BadRegistry{"mirror_with_a_query", R"(hosts: [{host: r.test, mirrors: ["m.test/a?b"]}])", "write a mirror"},
        BadRegistry{"mirror_with_a_tag", R"(hosts: [{host: r.test, mirrors: ["m.test/a:b"]}])", "write a mirror"},
        BadRegistry{"mirror_is_docker_hub", R"(hosts: [{host: r.test, mirrors: ["docker.io"]}])",
                    "registry-1.docker.io"},
        BadRegistry{"mirror_twice", R"(hosts: [{host: r.test, mirrors: [m.test, m.test]}])", "twice"},
        BadRegistry{"mirror_of_itself", R"(hosts: [{host: r.test, mirrors: [r.test]}])", "the registry itself"},
        BadRegistry{"mirrors_no_list", R"(hosts: [{host: r.test, mirrors: m.test}])", "mirrors"},
        BadRegistry{"mirror_empty", R"(hosts: [{host: r.test, mirrors: [""]}])", "mirrors"},
        BadRegistry{"insecure_with_ca", R"(hosts: [{host: r.test, insecure: true, ca: x}])", "plain HTTP"},
        BadRegistry{"insecure_with_a_certificate", R"(hosts: [{host: r.test, insecure: true, certificate: x, key: y}])",
                    "plain HTTP"},
        BadRegistry{"insecure_no_bool", R"(hosts: [{host: r.test, insecure: "yes"}])", "insecure"},
        BadRegistry{"helper_without_a_name", R"(credentials: c, credentialHelpers: [{path: /x}])", "name"},
        BadRegistry{"helper_with_a_path_for_a_name", R"(credentials: c, credentialHelpers: [{name: "../sh"}])", "name"},
        BadRegistry{"helper_by_a_relative_path", R"(credentials: c, credentialHelpers: [{name: a, path: bin/a}])",
                    "whole path"},
        BadRegistry{"helper_with_values", R"(credentials: c, credentialHelpers: [{name: a, environment: ["A=b"]}])",
                    "names of variables"},
        BadRegistry{"helper_with_a_digit", R"(credentials: c, credentialHelpers: [{name: a, environment: ["1A"]}])",
                    "names of variables"},
        BadRegistry{"helper_twice", R"(credentials: c, credentialHelpers: [{name: a}, {name: a}])", "listed before"},
        BadRegistry{"helper_unknown_field", R"(credentials: c, credentialHelpers: [{name: a, args: [x]}])", "args"},
        BadRegistry{"helpers_without_a_file", R"(credentialHelpers: [{name: a}])", "file of credentials"},
        BadRegistry{"no_connections", R"(connectionsPerHost: 0)", "connectionsPerHost"},
        BadRegistry{"too_many_connections", R"(connectionsPerHost: 257)", "connectionsPerHost"}),
    [](const auto& test) { return std::string(test.param.name); });

// Being reached without TLS does not make a local address a good one: that is written down by itself.
TEST(ConfigTest, InsecureIsNoLocalAddressException) {
  auto config = ParseConfig(std::string(kLeast) + "registry: {insecure: [\"localhost:5000\"]}\n", "insecure.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_TRUE(config->registry.deny_local_addresses);
  EXPECT_TRUE(config->registry.local_address_exceptions.empty());
}

TEST(ConfigTest, BindingsAreForgottenIfThatIsAskedFor) {
  std::string text(kFull);
  const std::string_view folder = "stateDir: state";
  auto config = ParseConfig(text.replace(text.find(folder), folder.size(), "allowForgetfulBindings: true"), "f.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->attestation->state_folder, "");
}

TEST(ConfigTest, ErrorNamesTheLine) {
  auto config = ParseConfig(
      "admission:\n  listen: \":8443\"\n  tls: {certificate: a, key: b}\npolicies: {folder: p}\nlog:\n  level: loud\n",
      "named.yaml");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.error().where.find("named.yaml:6"), std::string::npos) << config.error().ToString();
}

TEST(ConfigTest, EmptyAndManyDocumentsAreRefused) {
  EXPECT_FALSE(ParseConfig("", "empty.yaml").ok());
  EXPECT_FALSE(ParseConfig(std::string(kLeast) + "---\n" + std::string(kLeast), "two.yaml").ok());
}

}  // namespace
}  // namespace gatehouse::webhook
