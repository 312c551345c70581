#include "common/kube/exec_credential.h"

#include "common/base/command.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::kube {
namespace {

using codec::JsonDocument;

constexpr std::size_t kShownBytes = 300;  // of what the plugin wrote to its standard error
constexpr std::string_view kUsualPath = "/usr/local/bin:/usr/bin:/bin";

Error Failed(const ExecPlugin& plugin, const std::string& detail) {
  return {Reason::kConfigInvalid, "exec plugin " + Printable(plugin.command, 200), detail};
}

std::string ExecInfo(const ExecPlugin& plugin, const KubeAccess& access, const std::string& ca_pem) {
  codec::JsonWriter writer;
  writer.BeginObject().Member("apiVersion", plugin.api_version).Member("kind", "ExecCredential");
  writer.Key("spec").BeginObject();
  if (plugin.provide_cluster) {
    writer.Key("cluster").BeginObject().Member("server", access.server.ToString());
    if (!access.server_name.empty()) writer.Member("tls-server-name", access.server_name);
    if (!ca_pem.empty()) writer.Member("certificate-authority-data", EncodeBase64(AsBytes(ca_pem)));
    if (!access.proxy_url.empty()) writer.Member("proxy-url", access.proxy_url);
    if (!plugin.cluster_config.empty()) writer.Key("config").Raw(plugin.cluster_config);
    writer.EndObject();
  }
  writer.Key("interactive").Bool(false);
  writer.EndObject().EndObject();
  return std::move(writer).Finish();
}

}  // namespace

Result<ExecCredential> ReadExecCredential(std::string_view json, const std::string& api_version) {
  const std::string where = "exec credential";
  auto document = JsonDocument::Parse(json, {limits::kExecCredentialBytes});
  if (!document.ok()) return Error{Reason::kConfigInvalid, where, "is no JSON object"};
  codec::ObjectReader reader(*document, document->root(), Reason::kConfigInvalid);
  reader.IgnoreUnknown();
  std::string kind = reader.String("kind");
  std::string version = reader.String("apiVersion");
  ExecCredential credential;
  std::optional<std::string> expires;
  reader.Object("status", codec::ObjectReader::Presence::kRequired, [&](codec::ObjectReader& status) {
    status.IgnoreUnknown();
    credential.token = status.OptionalString("token").value_or("");
    credential.certificate_pem = status.OptionalString("clientCertificateData").value_or("");
    credential.key_pem = status.OptionalString("clientKeyData").value_or("");
    expires = status.OptionalString("expirationTimestamp");
  });
  if (Status read = reader.Finish(); !read.ok()) return read.error().In(where);
  if (kind != "ExecCredential" || version != api_version) {
    return Error{Reason::kConfigInvalid, where,
                 "must have kind ExecCredential and the apiVersion of the kubeconfig, " + api_version};
  }
  if (credential.certificate_pem.empty() != credential.key_pem.empty()) {
    return Error{Reason::kConfigInvalid, where, "has a client certificate without its key, or the key alone"};
  }
  if (credential.token.empty() && credential.key_pem.empty()) {
    return Error{Reason::kConfigInvalid, where, "holds neither a token nor a client certificate"};
  }
  if (!expires.has_value()) return credential;
  auto time = codec::ParseTime(*expires);
  if (!time.ok()) return Error{Reason::kConfigInvalid, where, "expirationTimestamp is no RFC 3339 time"};
  credential.expires = *time;
  return credential;
}

Result<ExecCredential> RunExecPlugin(const ExecPlugin& plugin, const KubeAccess& access, const std::string& ca_pem,
                                     const std::map<std::string, std::string>& environment, const Deadline& deadline,
                                     const std::function<void(std::string_view)>& says) {
  auto path = environment.find("PATH");
  Command command;
  // PATH is the one that the plugin will see.
  command.file = FindCommand(plugin.command, path == environment.end() ? kUsualPath : std::string_view(path->second));
  std::string hint = plugin.install_hint.empty() ? "" : "; " + Printable(plugin.install_hint, kShownBytes);
  if (command.file.empty()) return Failed(plugin, "is not in PATH" + hint);
  command.arguments = {plugin.command};
  command.arguments.insert(command.arguments.end(), plugin.arguments.begin(), plugin.arguments.end());
  command.environment = environment;
  for (const auto& [name, value] : plugin.environment) command.environment[name] = value;
  command.environment["KUBERNETES_EXEC_INFO"] = ExecInfo(plugin, access, ca_pem);
  command.max_output = limits::kExecCredentialBytes;
  auto outcome = RunCommand(command, deadline, says);
  if (!outcome.ok()) return Failed(plugin, outcome.error().detail + hint);
  std::string& errors = outcome->errors;
  while (!errors.empty() && (errors.back() == '\n' || errors.back() == '\r')) errors.pop_back();
  if (errors.size() > kShownBytes) errors.erase(0, errors.size() - kShownBytes);
  std::string said = errors.empty() ? "" : "; it wrote: " + Printable(errors, kShownBytes);
  if (outcome->too_much) return Failed(plugin, "printed too much" + said);
  if (outcome->timed_out) return Failed(plugin, "did not end in time" + said);
  if (outcome->exit_code != 0) return Failed(plugin, "failed" + said);
  auto credential = ReadExecCredential(outcome->output, plugin.api_version);
  if (!credential.ok()) return Failed(plugin, "printed no credential: " + credential.error().ToString());
  return credential;
}

}  // namespace gatehouse::kube
