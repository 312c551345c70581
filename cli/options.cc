#include "cli/options.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "cli/trust.h"
#include "common/base/command.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/net/https_transport.h"
#include "common/registry/credential_helper.h"
#include "common/revocation/revocation.h"

namespace gatehouse::cli {
namespace {

// Nodes named on the command line are trusted; of the others nothing is known here.
class NamedNodes final : public gate::NodeTrustSource {
 public:
  NamedNodes(const std::vector<std::string>& names, const Clock& clock)
      : names_(names.begin(), names.end()), clock_(clock) {}
  [[nodiscard]] gate::NodeTrust Lookup(const NodeName& node, const std::string&, const std::string&) const override {
    if (!names_.contains(node.text())) return {};
    return {.state = gate::NodeState::kTrusted, .findings = {}, .expires = clock_.Wall() + std::chrono::minutes(5)};
  }

 private:
  std::set<std::string> names_;
  const Clock& clock_;
};

std::string Environment(const char* name, const char* lower) {
  for (const char* each : {name, lower}) {
    if (const char* value = std::getenv(each); value != nullptr && *value != '\0') return value;
  }
  return "";
}

Result<net::TransportOptions> TransportFor(const RegistryOptions& options) {
  net::TransportOptions transport;
  if (!options.ca_file.empty()) {
    ASSIGN_OR_RETURN(transport.tls.ca_pem, ReadTextFile(options.ca_file, limits::kMiB));
    // To the transport no text means the system's authorities, any of which could then vouch for a registry.
    if (transport.tls.ca_pem.empty()) return Error{Reason::kCertificateMalformed, options.ca_file, "the file is empty"};
  }
  transport.proxy = {.https_proxy = Environment("HTTPS_PROXY", "https_proxy"),
                     .http_proxy = Environment("http_proxy", "http_proxy"),
                     .no_proxy = Environment("NO_PROXY", "no_proxy")};
  return transport;
}

// The helpers that the caller named; each sees the caller's environment, as it does when docker runs it.
Result<registry::CredentialProviders> ProvidersFor(const RegistryOptions& options) {
  static const SystemClock kClock;
  std::map<std::string, std::shared_ptr<registry::CredentialProvider>> helpers;
  for (const std::string& name : options.credential_helpers) {
    // It is the caller's own file that names it, and the caller who says that it may be run.
    registry::CredentialHelperOptions helper{.name = name, .file = "", .unsafe_any_registry = true};
    for (char** line = environ; *line != nullptr; ++line) {
      const std::string_view text(*line);
      const std::size_t equals = text.find('=');
      if (equals != std::string_view::npos) helper.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    const bool is_path = name.find('/') != std::string::npos;
    if (!is_path) helper.file = FindCommand("docker-credential-" + name, helper.environment["PATH"]);
    if (helper.file.empty())
      return Error{Reason::kUsage, "--credential-helper",
                   "docker-credential-" + Printable(name, 100) + " is not in PATH"};
    helpers[name] = std::make_shared<registry::CredentialHelper>(std::move(helper), kClock);
  }
  if (helpers.empty()) return registry::CredentialProviders();
  return registry::CredentialProviders([helpers](const std::string& name) {
    auto found = helpers.find(name);
    return found == helpers.end() ? nullptr : found->second;
  });
}

}  // namespace

Result<std::unique_ptr<net::HttpTransport>> MakeTransport(const RegistryOptions& options, Duration exchange_time) {
  ASSIGN_OR_RETURN(auto transport_options, TransportFor(options));
  transport_options.exchange_time = exchange_time;
  auto transport = net::MakeHttpsTransport(std::move(transport_options));
  if (transport.ok()) return transport;
  bool of_file = transport.error().reason == Reason::kCertificateMalformed;
  return of_file ? transport.error().In(options.ca_file) : transport.error();
}

Result<registry::Credentials> ReadCredentials(const RegistryOptions& options) {
  if (options.docker_config.empty()) {
    if (options.credential_helpers.empty()) return registry::Credentials();
    return Error{Reason::kUsage, "--credential-helper",
                 "says who may be run for the file of --docker-config: give both"};
  }
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(options.docker_config, limits::kDockerConfigBytes));
  ASSIGN_OR_RETURN(auto providers, ProvidersFor(options));
  return registry::Credentials::FromDockerConfig(text, options.docker_config, providers);
}

std::shared_ptr<const policy::PolicySet> LoadOrComplain(const std::vector<std::string>& paths,
                                                        std::vector<Error>* errors) {
  std::vector<policy::SourceFile> files;
  for (const std::string& path : paths) {
    auto found = policy::ReadPolicyFiles(path);
    if (!found.ok()) {
      errors->push_back(found.error());
    } else {
      files.insert(files.end(), found->begin(), found->end());
    }
  }
  if (!errors->empty()) return nullptr;
  policy::LoadOutcome outcome = policy::LoadPolicies(files);
  *errors = outcome.errors;
  return outcome.set;
}

struct LocalGate::Impl {
  Impl(std::unique_ptr<net::HttpTransport> transport_made, const Options& options,
       std::shared_ptr<const policy::PolicySet> set_loaded, registry::Credentials credentials_read,
       std::unique_ptr<registry::ImageSource> images_given)
      : transport(std::move(transport_made)),
        client(*transport, clock, {.insecure_hosts = options.registry.insecure}),
        images(std::move(images_given)),
        cache(clock, {}, [](std::string_view) {}),
        revocation(*transport, clock, {.cache_bytes = limits::kRevocationCacheBytes}),
        verifier(
            images == nullptr ? client : *images, cache, clock,
            {.revocation = [this](const auto& path, const auto& signed_at,
                                  const Deadline& deadline) { return revocation.Check(path, signed_at, deadline); }}),
        nodes(options.trusted_nodes, clock),
        set(std::move(set_loaded)),
        credentials(std::make_shared<const registry::Credentials>(std::move(credentials_read))),
        timeout(std::chrono::seconds(options.registry.timeout_seconds)),
        gate(
            verifier, nodes, [this] { return set; }, gate::SameForAll([this] { return credentials; }), options.gate) {}

  SystemClock clock;
  std::unique_ptr<net::HttpTransport> transport;
  registry::Client client;
  std::unique_ptr<registry::ImageSource> images;
  gate::VerificationCache cache;
  revocation::Checker revocation;
  gate::ImageVerifier verifier;
  NamedNodes nodes;
  std::shared_ptr<const policy::PolicySet> set;
  std::shared_ptr<const registry::Credentials> credentials;
  Duration timeout;
  gate::Gate gate;
};

LocalGate::LocalGate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalGate::~LocalGate() = default;

Result<std::unique_ptr<LocalGate>> LocalGate::Make(const Options& options, std::shared_ptr<const policy::PolicySet> set,
                                                   std::unique_ptr<registry::ImageSource> images) {
  ASSIGN_OR_RETURN(auto transport, MakeTransport(options.registry));
  ASSIGN_OR_RETURN(registry::Credentials credentials, ReadCredentials(options.registry));
  const SystemClock clock;
  set = WithTrustFetched(std::move(set), *transport, clock, std::chrono::seconds(options.registry.timeout_seconds));
  auto impl =
      std::make_unique<Impl>(std::move(transport), options, std::move(set), std::move(credentials), std::move(images));
  return std::unique_ptr<LocalGate>(new LocalGate(std::move(impl)));
}

gate::Decision LocalGate::Decide(const admission::ReviewRequest& request) {
  return impl_->gate.Decide(request, Deadline(impl_->clock, impl_->timeout));
}

ExitCode ExitCodeOf(const gate::Decision& decision) {
  if (decision.allowed()) return kAdmitted;
  bool definite = std::any_of(decision.findings().begin(), decision.findings().end(), [](const gate::Finding& finding) {
    return finding.effect == policy::Effect::kDeny && ClassOf(finding.error.reason) != ReasonClass::kUnavailable;
  });
  return definite ? kRefused : kCouldNotCheck;
}

void WriteDecision(codec::JsonWriter& json, const gate::Decision& decision) {
  json.Key("proven").BeginArray();
  for (const gate::Approval& approval : decision.approvals()) {
    json.BeginObject()
        .Member("subject", approval.subject)
        .Member("policy", approval.policy)
        .Member("by", approval.by)
        .EndObject();
  }
  json.EndArray().Key("findings").BeginArray();
  for (const gate::Finding& finding : decision.findings()) {
    json.BeginObject().Member("subject", finding.subject).Member("policy", finding.policy);
    json.Member("effect", policy::Name(finding.effect)).Member("reason", Token(finding.error.reason));
    json.Member("class", Token(ClassOf(finding.error.reason))).Member("where", finding.error.where);
    json.Member("detail", finding.error.detail).Member("advice", Sentence(finding.error.reason)).EndObject();
  }
  json.EndArray();
}

std::string DescribeDecision(const gate::Decision& decision) {
  std::string text;
  for (const gate::Approval& approval : decision.approvals()) {
    text += "  ok    " + approval.subject + " (policy '" + approval.policy + "', by " + approval.by + ")\n";
  }
  for (const gate::Finding& finding : decision.findings()) {
    text += "  " + std::string(policy::Name(finding.effect)) + (finding.effect == policy::Effect::kAudit ? " " : "  ") +
            gate::Describe(finding) + "\n";
  }
  return text;
}

void Print(const std::string& subject, const gate::Decision& decision, bool json_wanted) {
  if (json_wanted) {
    codec::JsonWriter json;
    json.BeginObject().Member("subject", subject).Member("outcome", decision.outcome());
    WriteDecision(json, decision);
    json.EndObject();
    std::cout << std::move(json).Finish() << "\n";
    return;
  }
  std::cout << Printable(subject) << ": " << decision.outcome() << "\n" << DescribeDecision(decision);
}

void PrintNotJudged(const std::string& subject, bool json_wanted) {
  if (!json_wanted) {
    std::cout << Printable(subject) << ": not judged\n";
    return;
  }
  codec::JsonWriter json;
  json.BeginObject().Member("subject", subject).Member("outcome", "not judged").EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

void PrintError(const Error& error, bool json_wanted) {
  if (!json_wanted) {
    std::cerr << "gatehouse: " << error.ToString() << "\n  " << Sentence(error.reason) << "\n";
    return;
  }
  codec::JsonWriter json;
  json.BeginObject()
      .Member("outcome", "error")
      .Member("reason", Token(error.reason))
      .Member("class", Token(ClassOf(error.reason)));
  json.Member("where", error.where).Member("detail", error.detail).Member("advice", Sentence(error.reason)).EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

}  // namespace gatehouse::cli
