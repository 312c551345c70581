// gatehouse-webhook: wires the admission gate, the attestation service and the listeners from the configuration, by
// hand, and drains on SIGTERM.
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "common/net/https_transport.h"
#include "webhook/admission/handler.h"
#include "webhook/attest/enrolment_store.h"
#include "webhook/attest/routes.h"
#include "webhook/config/config.h"
#include "webhook/server/descriptors.h"
#include "webhook/watch/file_value.h"
#include "webhook/watch/policy_watcher.h"

namespace gatehouse::webhook {
namespace {

constexpr int kExitUsage = 2;
constexpr int kExitFault = 1;
constexpr std::size_t kLeastKeyBytes = 32;
constexpr std::size_t kThreadsBeyondConcurrent = 64;  // which answer that the rest are too many, and what is exempt
constexpr std::chrono::seconds kHousekeeping{2};      // between looks at what may have changed on disk

// Nothing for no path. An empty file is refused: to the transport no text means the system's authorities, any of which
// could then vouch for a registry, and no client certificate.
Result<std::string> ReadOptionalPem(const std::string& path) {
  if (path.empty()) return std::string();
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(path, limits::kMiB));
  if (text.empty()) return Error{Reason::kConfigInvalid, path, "the file is empty"};
  return text;
}

std::string Environment(const char* name, const char* lower) {
  for (const char* each : {name, lower}) {
    if (const char* value = std::getenv(each); value != nullptr && *value != '\0') return value;
  }
  return "";
}

Result<std::unique_ptr<net::HttpTransport>> MakeTransport(const RegistryConfig& config) {
  net::TransportOptions options;
  ASSIGN_OR_RETURN(options.tls.ca_pem, ReadOptionalPem(config.ca_file));
  for (const RegistryHostConfig& host : config.hosts) {
    net::TlsClientOptions tls = options.tls;
    if (!host.ca_file.empty()) {
      ASSIGN_OR_RETURN(tls.ca_pem, ReadOptionalPem(host.ca_file));
    }
    ASSIGN_OR_RETURN(tls.certificate_pem, ReadOptionalPem(host.certificate_file));
    ASSIGN_OR_RETURN(tls.key_pem, ReadOptionalPem(host.key_file));
    options.tls_by_host[host.host] = std::move(tls);
  }
  options.proxy = {.https_proxy = Environment("HTTPS_PROXY", "https_proxy"),
                   .http_proxy = Environment("http_proxy", "http_proxy"),
                   .no_proxy = Environment("NO_PROXY", "no_proxy")};
  options.deny_local_addresses = config.deny_local_addresses;
  options.local_address_exceptions = config.local_address_exceptions;
  auto transport = net::MakeHttpsTransport(std::move(options));
  if (!transport.ok()) return transport.error().In("registry");
  return transport;
}

// Counts what registries answer.
class CountingTransport final : public net::HttpTransport {
 public:
  CountingTransport(std::unique_ptr<net::HttpTransport> transport, telemetry::Metrics& metrics)
      : transport_(std::move(transport)), metrics_(metrics) {}
  [[nodiscard]] Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override {
    auto response = transport_->Send(request, deadline);
    metrics_.CountRegistry(OutcomeOf(request, response));
    return response;
  }

 private:
  static std::string_view OutcomeOf(const net::HttpRequest& request, const Result<net::HttpResponse>& response) {
    if (!response.ok())
      return ClassOf(response.error().reason) == ReasonClass::kUnavailable ? "unavailable" : "invalid";
    int status = response->status;
    bool authorized = std::any_of(request.headers.begin(), request.headers.end(),
                                  [](const auto& header) { return header.first == "Authorization"; });
    if (status == 401 && !authorized) return "ok";  // how a registry asks for a token
    if (status == 401 || status == 403) return "denied";
    if (status == 404) return "missing";
    if (status == 429 || status >= 500) return "unavailable";
    return status >= 200 && status < 400 ? "ok" : "invalid";
  }

  std::unique_ptr<net::HttpTransport> transport_;
  telemetry::Metrics& metrics_;
};

// Nodes when there is no attestation service: nothing is known of any.
class NoNodes final : public gate::NodeTrustSource {
 public:
  [[nodiscard]] gate::NodeTrust Lookup(const NodeName&, const std::string&, const std::string&) const override {
    return {};
  }
};

// The attestation half: absent without its section in the configuration.
struct Attestation {
  static Result<std::unique_ptr<Attestation>> Make(const AttestationConfig& config, const Clock& clock,
                                                   telemetry::Logger& log, PolicyWatcher& policies) {
    ASSIGN_OR_RETURN(std::string nonce_key, ReadTextFile(config.nonce_key_file, limits::kKiB));
    if (nonce_key.size() < kLeastKeyBytes) {
      return Error{Reason::kConfigInvalid, config.nonce_key_file,
                   "the key has " + std::to_string(nonce_key.size()) + " bytes; write 32 or more random ones"};
    }
    ASSIGN_OR_RETURN(std::string signing_pem, ReadTextFile(config.signing_key_file, limits::kCertificateBytes));
    auto signing_key = crypto::PrivateKey::FromPem(signing_pem);
    if (!signing_key.ok()) return signing_key.error().In(config.signing_key_file);
    if (signing_key->Public().type() != crypto::KeyType::kEcP256) {
      return Error{Reason::kConfigInvalid, config.signing_key_file,
                   "results are signed by ES256: write an EC P-256 private key"};
    }
    ASSIGN_OR_RETURN(auto enrolments, EnrolmentStore::Open(config.state_folder));
    return std::make_unique<Attestation>(config, clock, log, policies, ToBytes(nonce_key), std::move(*signing_key),
                                         std::move(enrolments));
  }

  Attestation(const AttestationConfig& config, const Clock& clock, telemetry::Logger& log, PolicyWatcher& policies,
              Bytes nonce_key, crypto::PrivateKey signing_key, std::unique_ptr<EnrolmentStore> opened)
      : tokens(config.tokens_file, limits::kMiB,
               [source = config.tokens_file](const std::string& text) {
                 return AgentAuthenticator::ParseTokens(text, source);
               }),
        challenger(std::move(nonce_key), clock, crypto::SystemRandom()),
        enrolments(std::move(opened)),
        nodes(clock),
        service({.clock = clock,
                 .random = crypto::SystemRandom(),
                 .challenger = challenger,
                 .enrolments = *enrolments,
                 .nodes = nodes,
                 .signing_key = std::move(signing_key),
                 .policies = [&policies] { return policies.Current(); },
                 .log = log},
                {.interval = config.interval}) {}

  Status LoadTokens() {
    RETURN_IF_ERROR(tokens.Load());
    authenticator.SetTokens(*tokens.Current());
    return Ok();
  }

  FileValue<std::map<std::string, Digest>> tokens;
  AgentAuthenticator authenticator;
  session::Challenger challenger;
  std::unique_ptr<EnrolmentStore> enrolments;
  NodeStore nodes;
  AttestationService service;
};

class Program {
 public:
  explicit Program(WebhookConfig config)
      : config_(std::move(config)),
        log_(STDERR_FILENO, config_.level, clock_),
        audit_(STDOUT_FILENO, telemetry::Level::kInfo, clock_),  // whatever the log is set to
        policies_(config_.policy_folder, config_.policy_reload_interval, log_, metrics_),
        credentials_(config_.registry.credentials_file, limits::kDockerConfigBytes,
                     [this](const std::string& text) -> Result<registry::Credentials> {
                       if (config_.registry.credentials_file.empty()) return registry::Credentials();
                       return registry::Credentials::FromDockerConfig(text, config_.registry.credentials_file);
                     }) {}

  [[nodiscard]] Status Start();
  // Until SIGTERM or SIGINT.
  void Run(int signals);
  void Stop(int signals);

 private:
  [[nodiscard]] Status StartListeners();
  [[nodiscard]] HttpReply Ready() const;
  // The admission and the attestation listener, at the same time.
  void DrainListeners();
  void Housekeep();

  SystemClock clock_;
  WebhookConfig config_;
  telemetry::Logger log_;
  telemetry::Logger audit_;
  telemetry::Metrics metrics_;
  PolicyWatcher policies_;
  FileValue<registry::Credentials> credentials_;
  NoNodes no_nodes_;
  std::unique_ptr<Attestation> attestation_;
  std::unique_ptr<net::HttpTransport> transport_;
  std::unique_ptr<registry::Client> client_;
  std::unique_ptr<gate::VerificationCache> cache_;
  std::unique_ptr<gate::ImageVerifier> verifier_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<AdmissionHandler> handler_;
  std::unique_ptr<HttpServer> admission_server_;
  std::unique_ptr<HttpServer> attestation_server_;
  std::unique_ptr<HttpServer> metrics_server_;
  std::atomic<bool> draining_{false};
};

Status Program::Start() {
  RETURN_IF_ERROR(policies_.Load());
  RETURN_IF_ERROR(credentials_.Load());
  if (config_.attestation.has_value()) {
    ASSIGN_OR_RETURN(attestation_, Attestation::Make(*config_.attestation, clock_, log_, policies_));
    RETURN_IF_ERROR(attestation_->LoadTokens());
  }
  ASSIGN_OR_RETURN(auto transport, MakeTransport(config_.registry));
  transport_ = std::make_unique<CountingTransport>(std::move(transport), metrics_);
  client_ = std::make_unique<registry::Client>(*transport_, clock_,
                                               registry::ClientOptions{.insecure_hosts = config_.registry.insecure});
  cache_ = std::make_unique<gate::VerificationCache>(clock_, config_.cache,
                                                     [this](std::string_view event) { metrics_.CountCache(event); });
  verifier_ = std::make_unique<gate::ImageVerifier>(*client_, *cache_);
  const gate::NodeTrustSource& nodes =
      attestation_ != nullptr ? static_cast<const gate::NodeTrustSource&>(attestation_->nodes) : no_nodes_;
  gate_ = std::make_unique<gate::Gate>(
      *verifier_, nodes, [this] { return policies_.Current(); }, [this] { return credentials_.Current(); },
      config_.admission.gate);
  handler_ = std::make_unique<AdmissionHandler>(*gate_, clock_, audit_, metrics_, config_.admission.handler);
  RETURN_IF_ERROR(StartListeners());
  policies_.Start([this](const auto&) {
    if (attestation_ != nullptr) attestation_->service.Reappraise();
  });
  Housekeep();
  log_.Info("serving", {{"version", GATEHOUSE_VERSION}, {"admission", config_.admission.listen}});
  return Ok();
}

Status Program::StartListeners() {
  const std::size_t max_concurrent = config_.admission.handler.max_concurrent;
  const ConnectionShares shares =
      ShareConnections(RaiseDescriptorLimit(), max_concurrent, config_.attestation.has_value());
  ASSIGN_OR_RETURN(admission_server_, HttpServer::Make({.name = "admission",
                                                        .address = config_.admission.listen,
                                                        .tls = config_.admission.tls,
                                                        .max_threads = max_concurrent + kThreadsBeyondConcurrent,
                                                        .max_connections = shares.admission},
                                                       clock_, log_));
  if (!config_.admission.tls.require_client_certificate) {
    log_.Warn("the admission listener requires no client certificate: anybody who reaches it may ask",
              {{"see", "admission.tls.clientCA, requireClientCertificate"}});
  }
  admission_server_->Route({.method = "POST",
                            .path = "/validate",
                            .max_body_bytes = limits::kReviewBytes,
                            .content_type = "application/json"},
                           [this](const HttpCall& call) { return handler_->Handle(call); });
  if (attestation_ != nullptr) {
    ASSIGN_OR_RETURN(attestation_server_, HttpServer::Make({.name = "attestation",
                                                            .address = config_.attestation->listen,
                                                            .tls = config_.attestation->tls,
                                                            .idle_timeout = std::chrono::seconds(10),
                                                            .max_connections = shares.attestation},
                                                           clock_, log_));
    AddAttestationRoutes(*attestation_server_, attestation_->service, attestation_->authenticator, metrics_);
    RETURN_IF_ERROR(attestation_server_->Start());
  }
  if (!config_.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(metrics_server_, HttpServer::Make({.name = "metrics",
                                                        .address = config_.metrics_listen,
                                                        .tls = std::nullopt,
                                                        .max_connections = shares.metrics},
                                                       clock_, log_));
    auto get = [](const char* path) {
      return RouteOptions{.method = "GET", .path = path, .max_body_bytes = 0, .content_type = ""};
    };
    metrics_server_->Route(get("/metrics"), [this](const HttpCall&) -> HttpReply {
      return {.status = 200, .body = metrics_.Expose(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
    });
    metrics_server_->Route(get("/healthz"), [](const HttpCall&) -> HttpReply {
      return {.status = 200, .body = "ok\n", .content_type = "text/plain; charset=utf-8"};
    });
    metrics_server_->Route(get("/readyz"), [this](const HttpCall&) { return Ready(); });
    RETURN_IF_ERROR(metrics_server_->Start());
  }
  return admission_server_->Start();
}

// Ready with stale policies too, since those in force still decide; the detail says so.
HttpReply Program::Ready() const {
  codec::JsonWriter json;
  std::vector<std::string> problems = policies_.Problems();
  json.BeginObject().Key("ready").Bool(!draining_).Key("draining").Bool(draining_);
  json.Key("policies").BeginObject().Member("state", problems.empty() ? "current" : "stale");
  json.Member("generation", policies_.Current()->policy_generation).Key("problems").BeginArray();
  for (const std::string& problem : problems) json.String(problem);
  json.EndArray().EndObject().EndObject();
  return {.status = draining_ ? 503 : 200, .body = std::move(json).Finish() + "\n"};
}

// What may have changed since the last look, and what metrics say of states that nobody reports.
void Program::Housekeep() {
  if (Status loaded = credentials_.Load(); !loaded.ok())
    log_.Failure(telemetry::Level::kError, "registry credentials not reloaded", loaded.error());
  if (auto expiry = admission_server_->CertificateExpiry(); expiry.has_value())
    metrics_.SetCertificateExpiry("admission", *expiry);
  if (attestation_ == nullptr) return;
  if (Status loaded = attestation_->LoadTokens(); !loaded.ok())
    log_.Failure(telemetry::Level::kError, "agent tokens not reloaded", loaded.error());
  if (auto expiry = attestation_server_->CertificateExpiry(); expiry.has_value())
    metrics_.SetCertificateExpiry("attestation", *expiry);
  attestation_->service.ForgetReleased();
  auto count = attestation_->nodes.Count();
  for (auto state :
       {gate::NodeState::kUnknown, gate::NodeState::kTrusted, gate::NodeState::kUntrusted, gate::NodeState::kExpired}) {
    metrics_.SetNodes(gate::Name(state), count[state]);
  }
}

// Whether a signal came within `patience`.
bool TakeSignal(int signals, Duration patience) {
  pollfd descriptor{signals, POLLIN, 0};
  if (::poll(&descriptor, 1, static_cast<int>(patience.count())) <= 0) return false;
  signalfd_siginfo taken{};
  return ::read(signals, &taken, sizeof(taken)) == static_cast<ssize_t>(sizeof(taken));
}

void Program::Run(int signals) {
  while (!TakeSignal(signals, kHousekeeping)) Housekeep();
}

void Program::DrainListeners() {
  std::thread attestation;
  if (attestation_server_ != nullptr) attestation = std::thread([this] { attestation_server_->Drain(config_.drain); });
  admission_server_->Drain(config_.drain);
  if (attestation.joinable()) attestation.join();
}

void Program::Stop(int signals) {
  draining_ = true;
  // Connections come until everybody who sends them knows that we go: with failurePolicy Fail each one refused is an
  // object refused. Another signal ends the wait.
  const Deadline delay(clock_, config_.shutdown_delay);
  log_.Info("not ready any more", {{"servingFor", codec::FormatDuration(config_.shutdown_delay)}});
  while (!delay.Passed() && !TakeSignal(signals, std::min<Duration>(delay.Remaining(), kHousekeeping))) Housekeep();
  log_.Info("draining");
  DrainListeners();
  policies_.Stop();
  if (metrics_server_ != nullptr) metrics_server_->Drain(Duration(100));
  log_.Info("stopped");
}

int Main(int argc, char** argv) {
  CLI::App app(
      "Kubernetes admission by image signature and node attestation.\nExit status: 0 ended by a signal, 1 a fault, 2 "
      "wrong usage, configuration or policies.",
      "gatehouse-webhook");
  std::string path;
  bool check = false;
  app.add_option("--config,-c", path, "configuration file (YAML)")->required();
  app.add_flag("--check", check, "read the configuration and the policies, say what is wrong, and end");
  app.set_version_flag("--version", GATEHOUSE_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {  // lint-ok: M07 CLI11 reports by exception
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }

  auto text = ReadTextFile(path, limits::kMiB);
  Result<WebhookConfig> config = text.ok() ? ParseConfig(*text, path) : Result<WebhookConfig>(text.error());
  if (!config.ok()) {
    std::cerr << "gatehouse-webhook: " << config.error().ToString() << "\n";
    return kExitUsage;
  }
  if (check) {
    auto files = policy::ReadPolicyFiles(config->policy_folder);
    policy::LoadOutcome outcome =
        files.ok() ? policy::LoadPolicies(*files) : policy::LoadOutcome{.set = nullptr, .errors = {files.error()}};
    for (const Error& error : outcome.errors) std::cerr << "gatehouse-webhook: " << error.ToString() << "\n";
    return outcome.errors.empty() ? 0 : kExitUsage;
  }

  // Before any thread starts, so that every thread has them blocked and only the descriptor gets them.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  int signals = ::signalfd(-1, &set, SFD_CLOEXEC);

  Program program(std::move(*config));
  if (Status started = program.Start(); !started.ok()) {
    std::cerr << "gatehouse-webhook: " << started.error().ToString() << "\n  " << Sentence(started.error().reason)
              << "\n";
    return ClassOf(started.error().reason) == ReasonClass::kInternal ? kExitFault : kExitUsage;
  }
  program.Run(signals);
  program.Stop(signals);
  return 0;
}

}  // namespace
}  // namespace gatehouse::webhook

int main(int argc, char** argv) {
  try {
    return gatehouse::webhook::Main(argc, argv);
  } catch (const std::exception& exception) {  // lint-ok: M07 the program's entry
    std::cerr << "gatehouse-webhook: internal fault: " << exception.what() << "\n";
    return 1;
  }
}
