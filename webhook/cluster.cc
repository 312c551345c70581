#include "webhook/cluster.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "common/kube/connection.h"

namespace gatehouse::webhook {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<kube::ConnectionSource> Connect(const KubernetesConfig& config, const Clock& clock) {
  if (!config.kubeconfig.empty()) {
    ASSIGN_OR_RETURN(auto read,
                     kube::FromKubeConfig({.files = {config.kubeconfig}, .context = {}, .environment = {}}, clock));
    return std::move(read.connections);
  }
  return kube::InCluster(
      {.host = Environment("KUBERNETES_SERVICE_HOST"), .port = Environment("KUBERNETES_SERVICE_PORT")});
}

std::string HostName() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

Result<std::vector<crypto::PublicKey>> ParseKeys(const std::string& text) {
  std::vector<crypto::PublicKey> keys;
  ASSIGN_OR_RETURN(auto blocks, codec::ParsePem(text, Reason::kKeyMalformed));
  for (const codec::PemBlock& block : blocks) {
    if (block.label != "PUBLIC KEY") return Error{Reason::kKeyMalformed, "", "a block is no PUBLIC KEY"};
    ASSIGN_OR_RETURN(auto key, crypto::PublicKey::FromSpki(block.der));
    keys.push_back(std::move(key));
  }
  return keys;
}

// The Secrets and the ConfigMap that this process needs as files.
std::vector<KeyObject> KeyObjects(const KubernetesConfig& config) {
  const auto object = [&](const kube::Resource& resource, const char* suffix,
                          std::map<std::string, std::string> files) {
    return KeyObject{resource, config.namespace_name, config.name + suffix, std::move(files)};
  };
  std::vector<KeyObject> objects;
  objects.push_back(object(kube::kConfigMaps, "-public", {{"signing-keys.pem", "signing-keys.pem"}}));
  if (config.serving_keys)
    objects.push_back(object(kube::kSecrets, "-tls", {{"tls.crt", "tls.crt"}, {"tls.key", "tls.key"}}));
  if (config.attestation_keys) {
    objects.push_back(
        object(kube::kSecrets, "-attestation", {{"nonce.key", "nonce.key"}, {"signing.key", "signing.key"}}));
  }
  return objects;
}

CertificateOptions CertificatesOf(const KubernetesConfig& config) {
  CertificateOptions options{.namespace_name = config.namespace_name, .name = config.name};
  options.serving = config.certificates.has_value();
  if (!options.serving) return options;
  options.dns_names = config.certificates->dns_names;
  options.validating_webhooks = config.certificates->validating_webhooks;
  options.mutating_webhooks = config.certificates->mutating_webhooks;
  options.validity = config.certificates->validity;
  options.ca_validity = config.certificates->ca_validity;
  options.overlap = config.certificates->overlap;
  return options;
}

ReportOptions ReportOf(const KubernetesConfig& config) {
  return {.namespace_name = config.namespace_name,
          .name = config.name,
          .identity = config.identity,
          .pod_name = Environment("POD_NAME"),
          .pod_uid = Environment("POD_UID")};
}

template <typename... Parts>
void StopTogether(const std::unique_ptr<Parts>&... parts) {
  std::vector<std::thread> threads;
  const auto stop = [&](const auto& part) {
    if (part != nullptr) threads.emplace_back([&part] { part->Stop(); });
  };
  (stop(parts), ...);
  for (std::thread& thread : threads) thread.join();
}

// "name@generation" of every NodePolicy: what appraisals depend on.
std::string NodeGenerations(const policy::PolicySet& set) {
  std::string generations;
  for (const policy::NodePolicy& policy : set.node_policies)
    generations += policy.name + "@" + policy.generation + "\n";
  return generations;
}

// How long after a change of policies every agent has come again. Where another process attests, its interval is not
// known here.
Duration SettleTime(const WebhookConfig& config) {
  constexpr std::chrono::seconds kMargin{10};
  constexpr std::chrono::seconds kLeast{60};
  if (!config.attestation.has_value()) return std::chrono::minutes(5);
  return std::max<Duration>(kLeast, config.attestation->interval + kMargin);
}

KubernetesConfig Completed(KubernetesConfig config) {
  if (config.identity.empty()) config.identity = HostName();
  return config;
}

}  // namespace

Result<std::unique_ptr<Cluster>> Cluster::Make(const WebhookConfig& config, const Clock& clock, telemetry::Logger& log,
                                               telemetry::Metrics& metrics) {
  auto connections = Connect(*config.kubernetes, clock);
  if (!connections.ok()) return connections.error().In("kubernetes");
  return std::unique_ptr<Cluster>(new Cluster(config, std::move(*connections), clock, log, metrics));
}

Cluster::Cluster(const WebhookConfig& config, kube::ConnectionSource connections, const Clock& clock,
                 telemetry::Logger& log, telemetry::Metrics& metrics)
    : config_(Completed(*config.kubernetes)),
      settle_(SettleTime(config)),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      api_(connections, clock, {.queries_per_second = config_.queries_per_second}),
      api_for_others_(std::move(connections), clock, {.queries_per_second = config_.queries_per_second}),
      keys_(config_.key_folder + "/signing-keys.pem", limits::kMiB, ParseKeys) {
  for (kube::Api* api : {&api_, &api_for_others_}) {
    api->OnRequest([&metrics](std::string_view verb, std::string_view outcome) { metrics.CountKube(verb, outcome); });
  }
  const Random random = crypto::SystemRandom();
  const ReportOptions report = ReportOf(config_);
  key_files_ = std::make_unique<KeyFiles>(api_, config_.key_folder, KeyObjects(config_), log, random);
  policies_ = std::make_unique<ClusterPolicies>(api_, config_.stale_after, log, metrics, random);
  nodes_ = std::make_unique<ClusterNodes>(
      api_, [this] { return Keys(); }, clock, log, random,
      ClusterNodes::Options{.stale_after = config_.stale_after,
                            .owned = config_.nodes.keep_bindings == Duration(0),
                            .before_node = config_.approve_csrs});
  reviewer_ = std::make_unique<TokenReviewer>(api_, clock,
                                              TokenReviewer::Options{.namespace_name = config_.namespace_name,
                                                                     .service_account = config_.agents.service_account,
                                                                     .audience = config_.agents.audience,
                                                                     .remember = config_.agents.token_cache});
  reporter_ = std::make_unique<ReplicaReporter>(
      api_, report, [this] { return Report(); }, log);
  // It wants them before it starts, and the key is known once the Secrets are.
  if (config.attestation.has_value()) bindings_ = nodes_->MakeBindings([this] { return signing_key_(); });
  if (config_.controllers) MakeControllers(random);
}

std::unique_ptr<BindingStore> Cluster::TakeBindings(std::function<crypto::PrivateKey()> signing_key) {
  signing_key_ = std::move(signing_key);
  return std::move(bindings_);
}

void Cluster::MakeControllers(const Random& random) {
  elector_ = std::make_unique<kube::LeaderElector>(
      api_,
      kube::ElectionOptions{
          .namespace_name = config_.namespace_name, .lease = config_.name + "-leader", .identity = config_.identity},
      log_, random);
  const auto leading = [this] { return elector_->Leading(); };
  certificates_ = std::make_unique<CertificateManager>(api_, CertificatesOf(config_), leading, clock_, log_, random);
  node_controller_ = std::make_unique<NodeController>(
      NodeController::Parts{.api = api_,
                            // Before all were read there is no set: an empty one would take every mark away.
                            .policies = [this] { return policies_->Ready() ? policies_->Current() : nullptr; },
                            .keys = [this] { return Keys(); },
                            .leading = leading,
                            .clock = clock_,
                            .log = log_,
                            .random = random,
                            .believes = [this](const std::string& node,
                                               const policy::NodePolicy& policy) { return Believes(node, policy); }},
      NodeController::Options{.label = config_.nodes.label,
                              .condition = config_.nodes.condition,
                              .events = config_.nodes.events,
                              .keep_bindings = config_.nodes.keep_bindings,
                              .settle = settle_,
                              .stale_after = config_.stale_after});
  status_controller_ = std::make_unique<PolicyStatusController>(api_, ReportOf(config_), leading, log_, random);
  if (!config_.approve_csrs) return;
  csr_approver_ = std::make_unique<CsrApprover>(CsrApprover::Parts{
      .api = api_,
      .trusted = [this](const std::string& node) { return nodes_->TrustedMachine(node, *policies_->Current()); },
      .leading = leading,
      .log = log_,
      .random = random});
}

Cluster::~Cluster() {
  Stop();
}

// The gate's own word: the marks on Nodes never say more than it would.
bool Cluster::Believes(const std::string& node, const policy::NodePolicy& policy) const {
  auto name = NodeName::Parse(node);
  return name.ok() && nodes_->Lookup(*name, policy.name, policy.generation).state == gate::NodeState::kTrusted;
}

Status Cluster::Begin(PolicySource::OnChange on_change) {
  RETURN_IF_ERROR(key_files_->Start());
  // A Namespace that changes makes another set too, and changes nothing for nodes.
  policies_->Start([this, on_change = std::move(on_change),
                    known = std::string()](const std::shared_ptr<const policy::PolicySet>& set) mutable {
    std::string generations = NodeGenerations(*set);
    if (generations == std::exchange(known, generations)) return;
    if (on_change) on_change(set);
    if (node_controller_ != nullptr) node_controller_->Kick();
  });
  if (elector_ == nullptr) return Ok();
  certificates_->Start();
  status_controller_->Start();
  elector_->Start([this](bool leading) {
    log_.Info(leading ? "leading" : "not leading", {{"identity", config_.identity}});
    metrics_.SetLeader(leading);
    if (!leading) return;
    certificates_->Kick();
    node_controller_->Kick();
  });
  return Ok();
}

std::vector<std::string> Cluster::Awaited() const {
  std::vector<std::string> awaited;
  if (!key_files_->Ready() || keys_.Current() == nullptr) {
    awaited.emplace_back("keys and certificates");
    for (const std::string& problem : key_files_->Problems()) awaited.push_back(problem);
  }
  if (!policies_->Ready()) {
    awaited.emplace_back("policies");
    for (const std::string& problem : policies_->Problems()) awaited.push_back(problem);
  }
  if (!nodes_->Ready()) {
    awaited.emplace_back("nodes");
    for (const std::string& problem : nodes_->Problems()) awaited.push_back(problem);
  }
  return awaited;
}

std::vector<std::string> Cluster::Problems() const {
  std::vector<std::string> problems = nodes_->Problems();
  const auto add = [&](const auto& part) {
    if (part == nullptr) return;
    for (std::string& problem : part->Problems()) problems.push_back(std::move(problem));
  };
  add(key_files_);
  add(node_controller_);
  add(certificates_);
  return problems;
}

// What reads attestation results has to have the keys that they are verified by.
void Cluster::BeginNodes() {
  nodes_->Start();
  if (node_controller_ != nullptr) node_controller_->Start();
  if (csr_approver_ != nullptr) csr_approver_->Start();
}

// The controllers first, while the lead is still ours; then what they look at. Each may have to wait for a request that
// is under way, so those that do not need each other end together.
void Cluster::Stop() {
  StopTogether(csr_approver_, status_controller_, node_controller_, certificates_);
  StopTogether(elector_);
  StopTogether(reporter_, nodes_, policies_, key_files_);
}

void Cluster::Housekeep() {
  if (!key_files_->Ready()) return;  // which Awaited() says
  const auto before = keys_.Current();
  if (Status loaded = keys_.Load(); !loaded.ok())
    log_.Failure(telemetry::Level::kError, "keys of attestation results not reloaded", loaded.error());
  const auto after = keys_.Current();
  // A replica that has read nothing yet has nothing to report: it would count as one where no policy is in force.
  if (!reporting_ && policies_->Ready()) {
    reporting_ = true;
    reporter_->Start();
  }
  if (before == nullptr && after != nullptr) BeginNodes();
  if (before != nullptr && before != after) {
    nodes_->KeysChanged();
    if (node_controller_ != nullptr) node_controller_->Kick();
  }
  const ClusterNodes::WriteCounts writes = nodes_->writes();
  metrics_.SetNodeAttestationWrites("written", writes.written);
  metrics_.SetNodeAttestationWrites("spared", writes.spared);
  metrics_.SetNodeAttestationWrites("failed", writes.failed);
  if (csr_approver_ != nullptr) csr_approver_->Kick();
}

ReplicaReport Cluster::Report() const {
  const auto key = [](const auto& of) { return of.kind + "/" + of.namespace_name + "/" + of.name; };
  ReplicaReport report;
  for (policy::ObjectState& state : policies_->States()) report[key(state)].first = std::move(state);
  for (const telemetry::PolicyDecisionCounts& counts : metrics_.PolicyDecisions()) {
    auto known = report.find(key(counts));
    if (known == report.end()) continue;  // deleted since
    known->second.second = {
        .allowed = counts.allowed, .denied = counts.denied, .warned = counts.warned, .audited = counts.audited};
  }
  return report;
}

std::vector<crypto::PublicKey> Cluster::Keys() const {
  auto keys = keys_.Current();
  return keys == nullptr ? std::vector<crypto::PublicKey>() : *keys;
}

}  // namespace gatehouse::webhook
