#include "webhook/program.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"
#include "webhook/registries.h"
#include "webhook/server/descriptors.h"

namespace gatehouse::webhook {
namespace {

constexpr std::size_t kThreadsBeyondConcurrent = 64;  // which answer that the rest are too many, and what is exempt
constexpr std::chrono::seconds kHousekeeping{2};      // between looks at what may have changed
constexpr Duration kAwaiting{200};                    // the same while we wait to begin

// Nodes where nothing attests them: nothing is known of any.
class NoNodes final : public gate::NodeTrustSource {
 public:
  [[nodiscard]] gate::NodeTrust Lookup(const NodeName&, const std::string&, const std::string&) const override {
    return {};
  }
};

// Whether a signal came within `patience`.
bool TakeSignal(int signals, Duration patience) {
  pollfd descriptor{signals, POLLIN, 0};
  if (::poll(&descriptor, 1, static_cast<int>(patience.count())) <= 0) return false;
  signalfd_siginfo taken{};
  return ::read(signals, &taken, sizeof(taken)) == static_cast<ssize_t>(sizeof(taken));
}

RouteOptions Post(const char* path) {
  return {.method = "POST", .path = path, .max_body_bytes = limits::kReviewBytes, .content_type = "application/json"};
}

RouteOptions Get(const char* path) {
  return {.method = "GET", .path = path, .max_body_bytes = 0, .content_type = ""};
}

void WriteStrings(codec::JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.Key(key).BeginArray();
  for (const std::string& text : texts) json.String(text);
  json.EndArray();
}

ConnectionShares SharesOf(const WebhookConfig& config) {
  const std::size_t concurrent = config.admission.has_value() ? config.admission->handler.max_concurrent : 1;
  return ShareConnections(RaiseDescriptorLimit(), concurrent, config.attestation.has_value());
}

}  // namespace

Program::Program(WebhookConfig config)
    : config_(std::move(config)),
      log_(STDERR_FILENO, config_.level, clock_),
      audit_(STDOUT_FILENO, telemetry::Level::kInfo, clock_),  // whatever the log is set to
      credentials_(config_.registry.credentials_file, limits::kDockerConfigBytes,
                   [this](const std::string& text) -> Result<registry::Credentials> {
                     if (config_.registry.credentials_file.empty()) return registry::Credentials();
                     return registry::Credentials::FromDockerConfig(text, config_.registry.credentials_file,
                                                                    MakeCredentialProviders(config_.registry, clock_));
                   }),
      shares_(SharesOf(config_)) {}

Program::~Program() {
  // Whoever calls us back, before what is called.
  if (cluster_ != nullptr) cluster_->Stop();
  if (folder_ != nullptr) folder_->Stop();
}

PolicySource& Program::policies() const {
  if (cluster_ != nullptr) return cluster_->policies();
  return *folder_;
}

Status Program::Start(int signals) {
  RETURN_IF_ERROR(credentials_.Load());
  if (config_.kubernetes.has_value()) {
    RETURN_IF_ERROR(StartCluster(signals));
    if (draining_) return Ok();
  } else {
    folder_ = std::make_unique<PolicyWatcher>(config_.policy_folder, config_.policy_reload_interval, log_, metrics_);
    RETURN_IF_ERROR(folder_->Load());
  }
  RETURN_IF_ERROR(StartRevocation());
  if (config_.attestation.has_value()) {
    ASSIGN_OR_RETURN(attestation_, Attestation::Make(*config_.attestation, clock_, log_, policies(), cluster_.get(),
                                                     {clock_, issuer_transport_.get(), revocation_.get()}));
    attesting_ = attestation_.get();
  }
  if (config_.admission.has_value()) RETURN_IF_ERROR(StartGate());
  RETURN_IF_ERROR(StartListeners());
  if (folder_ != nullptr) folder_->Start([this](const auto&) { PoliciesChanged(); });
  serving_ = true;
  Housekeep();
  log_.Info("serving", {{"version", GATEHOUSE_VERSION},
                        {"admission", config_.admission.has_value() ? config_.admission->listen : ""},
                        {"attestation", config_.attestation.has_value() ? config_.attestation->listen : ""}});
  return Ok();
}

// Nothing can be decided before the keys, the policies and the nodes are known; probes are answered meanwhile.
Status Program::StartCluster(int signals) {
  ASSIGN_OR_RETURN(cluster_, Cluster::Make(config_, clock_, log_, metrics_));
  RETURN_IF_ERROR(StartMetrics());
  RETURN_IF_ERROR(cluster_->Begin([this](const auto&) { PoliciesChanged(); }));
  std::string said;
  while (true) {
    cluster_->Housekeep();
    std::vector<std::string> awaited = cluster_->Awaited();
    if (awaited.empty()) return Ok();
    std::string text = awaited.front() + (awaited.size() > 1 ? "; " + awaited[1] : "");
    if (text != said) log_.Info("waiting", {{"for", text}});
    said = std::move(text);
    if (TakeSignal(signals, kAwaiting)) {
      draining_ = true;
      return Ok();
    }
  }
}

Status Program::StartGate() {
  ASSIGN_OR_RETURN(transport_, MakeRegistryTransport(config_.registry, metrics_, shares_.registries));
  client_ = std::make_unique<registry::Client>(*transport_, clock_, MakeClientOptions(config_.registry));
  trust_ = std::make_unique<TrustKeeper>(*trust_transport_, clock_, log_,
                                         TrustKeeperOptions{.folder = config_.trust.folder});
  (void)trust_->Apply(policies().Current());  // begins to ask
  cache_ = std::make_unique<gate::VerificationCache>(clock_, config_.cache,
                                                     [this](std::string_view event) { metrics_.CountCache(event); });
  verifier_ = std::make_unique<gate::ImageVerifier>(
      *client_, *cache_, clock_,
      gate::ImageVerifier::Options{
          .revocation = [this](const auto& path, const auto& signed_at, const Deadline& deadline) {
            return revocation_->Check(path, signed_at, deadline);
          }});
  const gate::NodeTrustSource* nodes = nullptr;
  if (cluster_ != nullptr) {
    nodes = &cluster_->nodes();
  } else if (attestation_ != nullptr) {
    nodes = &attestation_->nodes();
  } else {
    no_nodes_ = std::make_unique<NoNodes>();
    nodes = no_nodes_.get();
  }
  gate_ = std::make_unique<gate::Gate>(
      *verifier_, *nodes, [this] { return trust_->Apply(policies().Current()); }, Credentials(),
      config_.admission->gate);
  handler_ = std::make_unique<AdmissionHandler>(*gate_, clock_, audit_, metrics_, config_.admission->handler);
  return Ok();
}

// Other servers than registries, with authorities of their own.
Status Program::StartRevocation() {
  RegistryConfig reach = config_.registry;
  reach.ca_file = config_.trust.ca_file;
  reach.hosts.clear();
  ASSIGN_OR_RETURN(trust_transport_, MakeRegistryTransport(reach, metrics_, shares_.registries / 4));
  revocation_ = std::make_unique<revocation::Checker>(
      *trust_transport_, clock_, revocation::Options{.cache_bytes = limits::kRevocationCacheBytes});
  // Who enrols a TPM says where its issuers are: not in this cluster.
  ASSIGN_OR_RETURN(issuer_transport_, MakeRegistryTransport(reach, metrics_, shares_.registries / 4, true));
  return Ok();
}

gate::CredentialSource Program::Credentials() {
  const auto own = [this] { return credentials_.Current(); };
  if (cluster_ == nullptr) return gate::SameForAll(own);
  pull_secrets_ =
      std::make_unique<PullSecrets>(cluster_->api_for_others(), clock_, own,
                                    PullSecrets::Options{.own_namespace = config_.kubernetes->namespace_name,
                                                         .of_namespaces = config_.registry.pod_pull_secrets});
  return [this](const gate::CredentialQuery& query, const Deadline& deadline) {
    return pull_secrets_->Find(query, deadline);
  };
}

Status Program::StartListeners() {
  if (attestation_ != nullptr) RETURN_IF_ERROR(StartAttestation());
  if (metrics_server_ == nullptr) RETURN_IF_ERROR(StartMetrics());
  if (handler_ != nullptr) RETURN_IF_ERROR(StartAdmission());
  return Ok();
}

Status Program::StartAdmission() {
  const AdmissionConfig& config = *config_.admission;
  ASSIGN_OR_RETURN(admission_server_,
                   HttpServer::Make({.name = "admission",
                                     .address = config.listen,
                                     .tls = config.tls,
                                     .max_threads = config.handler.max_concurrent + kThreadsBeyondConcurrent,
                                     .max_connections = shares_.admission},
                                    clock_, log_));
  if (!config.tls.require_client_certificate) {
    log_.Warn("the admission listener requires no client certificate: anybody who reaches it may ask",
              {{"see", "admission.tls.clientCA, requireClientCertificate"}});
  }
  admission_server_->Route(Post("/validate"), [this](const HttpCall& call) { return handler_->Handle(call); });
  if (config.mutate)
    admission_server_->Route(Post("/mutate"), [this](const HttpCall& call) { return handler_->HandleMutation(call); });
  return admission_server_->Start();
}

Status Program::StartAttestation() {
  ASSIGN_OR_RETURN(attestation_server_, HttpServer::Make({.name = "attestation",
                                                          .address = config_.attestation->listen,
                                                          .tls = config_.attestation->tls,
                                                          .idle_timeout = std::chrono::seconds(10),
                                                          .max_connections = shares_.attestation},
                                                         clock_, log_));
  attestation_->AddRoutes(*attestation_server_, metrics_);
  return attestation_server_->Start();
}

Status Program::StartMetrics() {
  if (config_.metrics_listen.empty()) return Ok();
  ASSIGN_OR_RETURN(metrics_server_, HttpServer::Make({.name = "metrics",
                                                      .address = config_.metrics_listen,
                                                      .tls = std::nullopt,
                                                      .max_connections = shares_.metrics},
                                                     clock_, log_));
  metrics_server_->Route(Get("/metrics"), [this](const HttpCall&) -> HttpReply {
    return {.status = 200, .body = metrics_.Expose(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
  });
  metrics_server_->Route(Get("/healthz"), [](const HttpCall&) -> HttpReply {
    return {.status = 200, .body = "ok\n", .content_type = "text/plain; charset=utf-8"};
  });
  metrics_server_->Route(Get("/readyz"), [this](const HttpCall&) { return Ready(); });
  return metrics_server_->Start();
}

// Ready with stale policies and watches too, since what is known still decides; the detail says so.
HttpReply Program::Ready() const {
  codec::JsonWriter json;
  // Later a repository that is new is asked while what is known decides; a process that has just begun knows nothing.
  const bool ready = serving_ && !draining_ && (trust_ == nullptr || trust_asked_);
  json.BeginObject().Key("ready").Bool(ready).Key("draining").Bool(draining_);
  if (serving_) {
    std::vector<std::string> problems = policies().Problems();
    json.Key("policies").BeginObject().Member("state", problems.empty() ? "current" : "stale");
    json.Member("generation", policies().Current()->policy_generation);
    WriteStrings(json, "problems", problems);
    json.EndObject();
    if (trust_ != nullptr) {
      json.Key("trust").BeginObject();
      WriteStrings(json, "problems", trust_->Problems());
      json.EndObject();
    }
    if (cluster_ != nullptr) {
      json.Key("kubernetes").BeginObject().Key("leading").Bool(cluster_->Leading());
      WriteStrings(json, "problems", cluster_->Problems());
      json.EndObject();
    }
  } else if (cluster_ != nullptr) {
    WriteStrings(json, "awaited", cluster_->Awaited());
  }
  json.EndObject();
  return {.status = ready ? 200 : 503, .body = std::move(json).Finish() + "\n"};
}

void Program::PoliciesChanged() {
  if (Attestation* attestation = attesting_; attestation != nullptr) attestation->Reappraise();
}

// What may have changed since the last look, and what metrics say of states that nobody reports.
void Program::Housekeep() {
  if (Status loaded = credentials_.Load(); !loaded.ok())
    log_.Failure(telemetry::Level::kError, "registry credentials not reloaded", loaded.error());
  if (trust_ != nullptr && !trust_asked_) trust_asked_ = trust_->Settled();
  if (cluster_ != nullptr) cluster_->Housekeep();
  if (attestation_ != nullptr) {
    if (Status kept = attestation_->Housekeep(); !kept.ok())
      log_.Failure(telemetry::Level::kError, "agent tokens not reloaded", kept.error());
  }
  const auto expiry = [this](const char* listener, const std::unique_ptr<HttpServer>& server) {
    if (server == nullptr) return;
    if (auto when = server->CertificateExpiry(); when.has_value()) metrics_.SetCertificateExpiry(listener, *when);
  };
  expiry("admission", admission_server_);
  expiry("attestation", attestation_server_);
  CountNodes();
}

void Program::CountNodes() {
  std::map<gate::NodeState, std::size_t> count;
  if (cluster_ != nullptr) {
    count = cluster_->nodes().Count(*policies().Current());
  } else if (attestation_ != nullptr) {
    count = attestation_->nodes().Count();
  } else {
    return;
  }
  for (auto state :
       {gate::NodeState::kUnknown, gate::NodeState::kTrusted, gate::NodeState::kUntrusted, gate::NodeState::kExpired}) {
    metrics_.SetNodes(gate::Name(state), count[state]);
  }
}

void Program::Run(int signals) {
  if (draining_) return;  // the signal came before we served
  while (!TakeSignal(signals, kHousekeeping)) Housekeep();
}

void Program::DrainListeners() {
  std::thread attestation;
  if (attestation_server_ != nullptr) attestation = std::thread([this] { attestation_server_->Drain(config_.drain); });
  if (admission_server_ != nullptr) admission_server_->Drain(config_.drain);
  if (attestation.joinable()) attestation.join();
}

void Program::Stop(int signals) {
  draining_ = true;
  if (serving_) {
    // Connections come until everybody who sends them knows that we go: with failurePolicy Fail each one refused is an
    // object refused. Another signal ends the wait.
    const Deadline delay(clock_, config_.shutdown_delay);
    log_.Info("not ready any more", {{"servingFor", codec::FormatDuration(config_.shutdown_delay)}});
    while (!delay.Passed() && !TakeSignal(signals, std::min<Duration>(delay.Remaining(), kHousekeeping))) Housekeep();
    log_.Info("draining");
    DrainListeners();
  }
  if (cluster_ != nullptr) cluster_->Stop();
  if (folder_ != nullptr) folder_->Stop();
  if (metrics_server_ != nullptr) metrics_server_->Drain(Duration(100));
  log_.Info("stopped");
}

}  // namespace gatehouse::webhook
