#include "webhook/registries.h"

#include <algorithm>
#include <cstdlib>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/registry/credential_helper.h"

namespace gatehouse::webhook {
namespace {

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

Result<std::unique_ptr<net::HttpTransport>> MakeUncounted(const RegistryConfig& config, std::size_t connections,
                                                          bool public_only) {
  net::TransportOptions options;
  ASSIGN_OR_RETURN(options.tls.ca_pem, ReadOptionalPem(config.ca_file));
  for (const RegistryHostConfig& host : config.hosts) {
    if (host.insecure) continue;
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
  options.connections_per_origin = config.connections_per_host;
  options.idle_connections_per_origin = config.connections_per_host;
  options.connections = connections;
  options.resume_tls_sessions = true;
  options.deny_local_addresses = config.deny_local_addresses || public_only;
  options.deny_private_addresses = public_only;
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

}  // namespace

Result<std::unique_ptr<net::HttpTransport>> MakeRegistryTransport(const RegistryConfig& config,
                                                                  telemetry::Metrics& metrics, std::size_t connections,
                                                                  bool public_only) {
  ASSIGN_OR_RETURN(auto transport, MakeUncounted(config, connections, public_only));
  return std::unique_ptr<net::HttpTransport>(std::make_unique<CountingTransport>(std::move(transport), metrics));
}

registry::ClientOptions MakeClientOptions(const RegistryConfig& config) {
  registry::ClientOptions options;
  options.insecure_hosts = config.insecure;
  for (const RegistryHostConfig& host : config.hosts) {
    if (!host.mirrors.empty()) options.mirrors[host.host] = host.mirrors;
  }
  return options;
}

registry::CredentialProviders MakeCredentialProviders(const RegistryConfig& config, const Clock& clock) {
  std::map<std::string, std::shared_ptr<registry::CredentialProvider>> helpers;
  for (const CredentialHelperConfig& each : config.credential_helpers) {
    registry::CredentialHelperOptions options{
        .name = each.name, .file = each.file, .unsafe_any_registry = each.unsafe_any_registry};
    std::vector<std::string> names = {"PATH", "HOME"};
    names.insert(names.end(), each.environment.begin(), each.environment.end());
    for (const std::string& name : names) {
      if (const char* value = std::getenv(name.c_str()); value != nullptr) options.environment[name] = value;
    }
    helpers[each.name] = std::make_shared<registry::CredentialHelper>(std::move(options), clock);
  }
  if (helpers.empty()) return {};
  return [helpers](const std::string& name) {
    auto found = helpers.find(name);
    return found == helpers.end() ? nullptr : found->second;
  };
}

}  // namespace gatehouse::webhook
