#include "common/kube/connection.h"

#include <filesystem>

#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/kube/exec_credential.h"
#include "common/kube/kube_config.h"
#include "common/net/https_transport.h"

namespace gatehouse::kube {
namespace {

constexpr std::size_t kIdleConnections = 8;  // informers, leases and patches of one process at a time
// A credential is asked for again that long before it ends: the request has a way to go.
constexpr Duration kExpirySlack{std::chrono::seconds(10)};

// A bearer token as it can stand in a header. What is wrong with it is said without showing it.
Result<std::string> CleanToken(std::string token, const std::string& where) {
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r' || token.back() == ' ')) token.pop_back();
  if (token.empty()) return Error{Reason::kConfigInvalid, where, "the token is empty"};
  if (token.size() > limits::kTokenBytes) return Error{Reason::kConfigInvalid, where, "the token is too long"};
  for (char c : token) {
    if (c <= 0x20 || c >= 0x7F) return Error{Reason::kConfigInvalid, where, "the token holds what no token holds"};
  }
  return token;
}

Result<std::string> ReadToken(const std::string& file) {
  ASSIGN_OR_RETURN(std::string token, ReadTextFile(file, limits::kTokenBytes + 2));
  return CleanToken(std::move(token), file);
}

// One transport for as long as the TLS settings stay the same, so that connections are kept.
class TransportKeeper {
 public:
  explicit TransportKeeper(net::ProxySettings proxy) : proxy_(std::move(proxy)) {}

  // With `lenient`, settings that are no good (a file that is being replaced) leave the transport of before in use.
  Result<std::shared_ptr<net::StreamTransport>> For(Result<net::TlsClientOptions> tls, bool lenient = true) {
    std::scoped_lock lock(mutex_);
    bool same = tls.ok() && transport_ != nullptr && tls->ca_pem == tls_.ca_pem &&
                tls->certificate_pem == tls_.certificate_pem && tls->key_pem == tls_.key_pem;
    if (same) return transport_;
    if (!tls.ok()) {
      if (lenient && transport_ != nullptr) return transport_;
      return tls.error();
    }
    auto made =
        net::MakeStreamTransport({.tls = *tls, .proxy = proxy_, .idle_connections_per_origin = kIdleConnections});
    if (!made.ok()) {
      if (lenient && transport_ != nullptr) return transport_;
      return made.error();
    }
    transport_ = *std::move(made);
    tls_ = *std::move(tls);
    return transport_;
  }

 private:
  const net::ProxySettings proxy_;
  std::mutex mutex_;
  net::TlsClientOptions tls_;
  std::shared_ptr<net::StreamTransport> transport_;
};

Result<net::TlsClientOptions> WithCa(const std::string& file) {
  ASSIGN_OR_RETURN(std::string ca, ReadTextFile(file, limits::kTlsFileBytes));
  // An empty text would mean the roots of the system.
  if (ca.empty()) return Error{Reason::kCertificateMalformed, file, "is empty"};
  return net::TlsClientOptions{.ca_pem = std::move(ca)};
}

Result<std::string> Load(const PemSource& source) {
  if (source.file.empty()) return source.text;
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(source.file, limits::kTlsFileBytes));
  if (text.empty()) return Error{Reason::kCertificateMalformed, source.file, "is empty"};
  return text;
}

// The credential of an exec plugin, remembered until it expires or is refused.
class PluginCredential {
 public:
  PluginCredential(ExecPlugin plugin, const KubeConfigOptions& options, const Clock& clock)
      : plugin_(std::move(plugin)),
        environment_(options.environment),
        says_(options.plugin_says),
        time_(options.plugin_time),
        clock_(clock) {}

  struct Issue {
    ExecCredential credential;
    std::uint64_t number;
  };
  // One at a time: a second caller waits for the first one's credential rather than running the plugin again.
  Result<Issue> Get(const KubeAccess& access, const std::string& ca_pem) {
    std::scoped_lock lock(mutex_);
    bool usable = held_.has_value() && (!held_->expires.has_value() || clock_.Wall() + kExpirySlack < *held_->expires);
    if (!usable) {
      held_.reset();
      ASSIGN_OR_RETURN(held_, RunExecPlugin(plugin_, access, ca_pem, environment_, Deadline(clock_, time_), says_));
      ++number_;
    }
    return Issue{*held_, number_};
  }
  // Another thread may have replaced it already.
  void Forget(std::uint64_t number) {
    std::scoped_lock lock(mutex_);
    if (number == number_) held_.reset();
  }

 private:
  const ExecPlugin plugin_;
  const std::map<std::string, std::string> environment_;
  const std::function<void(std::string_view)> says_;
  const Duration time_;
  const Clock& clock_;
  std::mutex mutex_;
  std::optional<ExecCredential> held_;
  std::uint64_t number_ = 0;
};

// What FromKubeConfig's connections share.
class KubeConfigSource {
 public:
  KubeConfigSource(KubeAccess access, const KubeConfigOptions& options, const Clock& clock)
      : access_(std::move(access)), transports_({.https_proxy = access_.proxy_url, .http_proxy = access_.proxy_url}) {
    if (access_.exec.has_value()) plugin_.emplace(*access_.exec, options, clock);
  }

  // Whether everything that the kubeconfig names can be used; without running a plugin.
  Status Check() {
    RETURN_IF_ERROR(net::ProxySettings{.https_proxy = access_.proxy_url}.Validate());
    if (!access_.token_file.empty()) {
      if (auto token = ReadToken(access_.token_file); !token.ok()) return token.error();
    } else if (!access_.token.empty()) {
      ASSIGN_OR_RETURN(access_.token, CleanToken(access_.token, "kubeconfig"));
    }
    auto transport = transports_.For(LoadTls());
    return transport.ok() ? Ok() : Status(transport.error());
  }

  Result<Connection> Connect(const std::shared_ptr<KubeConfigSource>& self) {
    auto tls = LoadTls();
    if (plugin_.has_value()) return ConnectByPlugin(self, std::move(tls));
    ASSIGN_OR_RETURN(auto transport, transports_.For(std::move(tls)));
    Connection connection{access_.server, std::move(transport), {}};
    if (!access_.token_file.empty()) {
      connection.token = [file = access_.token_file] { return ReadToken(file); };
    } else if (!access_.token.empty()) {
      connection.token = [token = access_.token] { return Result<std::string>(token); };
    }
    return connection;
  }

 private:
  Result<net::TlsClientOptions> LoadTls() const {
    net::TlsClientOptions tls{.server_name = access_.server_name};  // the same for as long as the source lives
    ASSIGN_OR_RETURN(tls.ca_pem, Load(access_.ca));
    ASSIGN_OR_RETURN(tls.certificate_pem, Load(access_.certificate));
    ASSIGN_OR_RETURN(tls.key_pem, Load(access_.key));
    return tls;
  }

  Result<Connection> ConnectByPlugin(const std::shared_ptr<KubeConfigSource>& self, Result<net::TlsClientOptions> tls) {
    if (!tls.ok()) return tls.error();
    ASSIGN_OR_RETURN(auto issue, plugin_->Get(access_, tls->ca_pem));
    tls->certificate_pem = issue.credential.certificate_pem;
    tls->key_pem = issue.credential.key_pem;
    ASSIGN_OR_RETURN(auto transport, transports_.For(std::move(tls), false));
    Connection connection{access_.server, std::move(transport), {}};
    if (!issue.credential.token.empty()) {
      ASSIGN_OR_RETURN(std::string token, CleanToken(issue.credential.token, "exec plugin"));
      connection.token = [token] { return Result<std::string>(token); };
    }
    connection.refused = [self, number = issue.number] { self->plugin_->Forget(number); };
    return connection;
  }

  KubeAccess access_;  // not changed after Check()
  TransportKeeper transports_;
  std::optional<PluginCredential> plugin_;
};

}  // namespace

Result<ConnectionSource> InCluster(InClusterOptions options) {
  if (options.host.empty() || options.port.empty()) {
    return Error{Reason::kConfigInvalid, "KUBERNETES_SERVICE_HOST",
                 "is not set, as it is in a pod; outside of one give a kubeconfig"};
  }
  const std::string host = options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
  auto url = net::Url::Parse("https://" + host + ":" + options.port + "/", Reason::kConfigInvalid);
  if (!url.ok()) return url.error().In("KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT");
  auto transports = std::make_shared<TransportKeeper>(net::ProxySettings{});
  auto first = transports->For(WithCa(options.ca_file));
  if (!first.ok()) return first.error().In(options.ca_file);
  if (auto token = ReadToken(options.token_file); !token.ok()) return token.error();
  return ConnectionSource([url = *url, transports, options]() -> Result<Connection> {
    ASSIGN_OR_RETURN(auto transport, transports->For(WithCa(options.ca_file)));
    return Connection{url, std::move(transport), [file = options.token_file] { return ReadToken(file); }};
  });
}

Result<KubeConfig> FromKubeConfig(const KubeConfigOptions& options, const Clock& clock) {
  std::vector<KubeConfigText> texts;
  std::string names;
  for (const std::string& file : options.files) {
    if (file.empty()) continue;
    names += (names.empty() ? "" : ", ") + file;
    ASSIGN_OR_RETURN(auto content, ReadFileIfPresent(file, limits::kKubeConfigBytes));
    if (!content.has_value()) continue;
    // A path in it is relative to the folder of the file, wherever the program stands later.
    std::error_code failure;
    auto absolute = std::filesystem::absolute(file, failure);
    texts.push_back({failure ? file : absolute.string(), std::string(AsText(*content))});
  }
  if (texts.empty()) {
    return Error{Reason::kFileUnreadable, names.empty() ? "kubeconfig" : names, "there is no kubeconfig"};
  }
  ASSIGN_OR_RETURN(KubeAccess access, ReadKubeConfig(texts, options.context));
  KubeConfig config{{}, access.namespace_name, access.context};
  auto source = std::make_shared<KubeConfigSource>(std::move(access), options, clock);
  RETURN_IF_ERROR(source->Check());
  config.connections = [source] { return source->Connect(source); };
  return config;
}

}  // namespace gatehouse::kube
