#include "common/kube/kube_config.h"

#include <algorithm>
#include <filesystem>

#include "common/base/encoding.h"
#include "common/codec/yaml.h"

namespace gatehouse::kube {
namespace {

using codec::JsonDocument;
using codec::JsonView;

constexpr std::string_view kExecGroup = "client.authentication.k8s.io/";
constexpr std::string_view kExecExtension = "client.authentication.k8s.io/exec";

// One file: its document, and the folder that its paths are relative to.
struct File {
  JsonDocument document;
  std::filesystem::path folder;
};

// Reads an object member by member. null and "" are absent, as kubectl has it: it writes both. The first error sticks.
class Fields {
 public:
  Fields(const File& file, JsonView object) : file_(file), object_(object) {
    if (!object.IsObject()) Fail(object, "must be an object");
  }

  std::optional<JsonView> Value(std::string_view key) {
    asked_.emplace_back(key);
    auto value = object_.Find(key);
    if (!value.has_value() || value->IsNull() || value->AsString() == "") return std::nullopt;
    return value;
  }
  std::string Text(std::string_view key) {
    auto value = Value(key);
    if (!value.has_value()) return "";
    if (!value->AsString().has_value()) Fail(*value, std::string(key) + " must be text; put it in quotes");
    return std::string(value->AsString().value_or(""));
  }
  bool Flag(std::string_view key) {
    auto value = Value(key);
    if (!value.has_value()) return false;
    if (!value->AsBool().has_value()) Fail(*value, std::string(key) + " must be true or false");
    return value->AsBool().value_or(false);
  }
  // The elements of an array.
  std::vector<JsonView> Elements(std::string_view key) {
    auto value = Value(key);
    std::vector<JsonView> elements;
    if (!value.has_value()) return elements;
    if (!value->IsArray()) Fail(*value, std::string(key) + " must be a list");
    for (std::size_t i = 0; value->IsArray() && i < value->size(); ++i) elements.push_back(value->at(i));
    return elements;
  }
  std::vector<std::string> Texts(std::string_view key) {
    std::vector<std::string> texts;
    for (JsonView element : Elements(key)) {
      if (!element.AsString().has_value()) Fail(element, "every item of " + std::string(key) + " must be text");
      texts.emplace_back(element.AsString().value_or(""));
    }
    return texts;
  }
  // PEM as base64 in KEY-data, or a file named by KEY. The data win, as with kubectl.
  PemSource Pem(const std::string& key) {
    PemSource pem;
    std::string file = Text(key);
    auto data = Value(key + "-data");
    if (!data.has_value()) {
      if (!file.empty()) pem.file = (file_.folder / file).lexically_normal().string();
      return pem;
    }
    std::string text(data->AsString().value_or(""));
    std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
    auto bytes = DecodeBase64(text);
    if (!bytes.ok() || bytes->empty()) Fail(*data, key + "-data must be base64");
    if (bytes.ok()) pem.text = std::string(AsText(*bytes));
    return pem;
  }
  std::string Path(std::string_view key) {
    std::string path = Text(key);
    return path.empty() ? path : (file_.folder / path).lexically_normal().string();
  }
  // A member that is known and not accepted.
  void Refuse(std::string_view key, std::string_view why) {
    if (auto value = Value(key); value.has_value())
      Fail(*value, std::string(key) + " is not supported: " + std::string(why));
  }
  void Ignore(std::string_view key) { asked_.emplace_back(key); }
  void Fail(JsonView at, const std::string& detail) {
    if (!error_.has_value()) error_ = Error{Reason::kConfigInvalid, file_.document.PositionOf(at), detail};
  }
  void Fail(const std::string& detail) { Fail(object_, detail); }
  [[nodiscard]] const File& file() const { return file_; }

  // Also refuses what nobody asked for.
  Status Finish() {
    for (std::size_t i = 0; object_.IsObject() && i < object_.size(); ++i) {
      auto member = object_.member(i);
      if (std::find(asked_.begin(), asked_.end(), member.key) == asked_.end()) {
        Fail(member.value, "'" + Printable(member.key, 60) + "' is not known here");
      }
    }
    return Errors();
  }
  // Of what was asked for only.
  Status Errors() const { return error_.has_value() ? Status(*error_) : Ok(); }

 private:
  const File& file_;
  JsonView object_;
  std::vector<std::string> asked_;
  std::optional<Error> error_;
};

// An entry of clusters, users or contexts.
struct Entry {
  const File* file = nullptr;
  std::optional<JsonView> body;
};

Result<std::vector<File>> ParseFiles(const std::vector<KubeConfigText>& texts) {
  std::vector<File> files;
  for (const KubeConfigText& text : texts) {
    ASSIGN_OR_RETURN(auto documents, codec::ParseYaml(text.text, text.path));
    if (documents.size() > 1) {
      return Error{Reason::kConfigInvalid, text.path, "a kubeconfig is one YAML document, this has several"};
    }
    if (documents.empty()) continue;
    files.push_back({std::move(documents[0]), std::filesystem::path(text.path).parent_path()});
    Fields fields(files.back(), files.back().document.root());
    std::string kind = fields.Text("kind");
    std::string version = fields.Text("apiVersion");
    if (!kind.empty() && kind != "Config") fields.Fail("kind must be Config");
    if (!version.empty() && version != "v1") fields.Fail("apiVersion must be v1");
    RETURN_IF_ERROR(fields.Errors());
  }
  return files;
}

// `list` is "contexts", `member` "context". Nothing if no file has an entry of that name.
Result<std::optional<Entry>> FindEntry(const std::vector<File>& files, const std::string& list,
                                       const std::string& member, const std::string& name) {
  for (const File& file : files) {
    Fields top(file, file.document.root());
    std::optional<Entry> found;
    for (JsonView element : top.Elements(list)) {
      Fields entry(file, element);
      if (entry.Text("name") == name && entry.Errors().ok()) {
        if (found.has_value()) entry.Fail("'" + Printable(name, 100) + "' is in " + list + " twice");
        found = Entry{&file, entry.Value(member)};
      }
      RETURN_IF_ERROR(entry.Errors());
    }
    RETURN_IF_ERROR(top.Errors());
    if (found.has_value()) return found;
  }
  return std::optional<Entry>();
}

std::string NamesOf(const std::vector<File>& files) {
  std::string names;
  for (const File& file : files) {
    Fields top(file, file.document.root());
    for (JsonView element : top.Elements("contexts")) {
      if (auto name = element.Find("name"); name.has_value() && name->AsString().has_value()) {
        names += (names.empty() ? "" : ", ") + Printable(*name->AsString(), 100);
      }
    }
  }
  return names.empty() ? "none" : names;
}

// The JSON of the extension that is meant for exec plugins.
std::string PluginConfig(const File& file, std::optional<JsonView> extensions) {
  for (std::size_t i = 0; extensions.has_value() && extensions->IsArray() && i < extensions->size(); ++i) {
    Fields extension(file, extensions->at(i));
    if (extension.Text("name") != kExecExtension) continue;
    auto body = extension.Value("extension");
    return body.has_value() ? body->Serialize() : "";
  }
  return "";
}

// `plugin_config` is set where the cluster has one.
Status ReadCluster(const Entry& entry, KubeAccess& access, std::string& plugin_config) {
  Fields cluster(*entry.file, *entry.body);
  std::string server = cluster.Text("server");
  if (server.empty()) cluster.Fail("the cluster has no server");
  access.ca = cluster.Pem("certificate-authority");
  access.proxy_url = cluster.Text("proxy-url");
  if (cluster.Flag("insecure-skip-tls-verify")) {
    cluster.Fail(
        "insecure-skip-tls-verify is not supported: whoever is in between would get the credentials; set "
        "certificate-authority-data");
  }
  access.server_name = cluster.Text("tls-server-name");
  if (access.server_name.find('\0') != std::string::npos) cluster.Fail("tls-server-name must not hold a NUL");
  (void)cluster.Flag("disable-compression");  // nothing is compressed anyway
  plugin_config = PluginConfig(*entry.file, cluster.Value("extensions"));
  RETURN_IF_ERROR(cluster.Finish());
  auto url = net::Url::Parse(server, Reason::kConfigInvalid);
  if (!url.ok()) return url.error().In(entry.file->document.PositionOf(*entry.body) + ": server");
  if (url->target.find('?') != std::string::npos) cluster.Fail("server must have no query");
  while (url->target.size() > 1 && url->target.ends_with('/')) url->target.pop_back();
  access.server = *std::move(url);
  return cluster.Errors();
}

Result<ExecPlugin> ReadExec(const File& file, JsonView view) {
  Fields fields(file, view);
  ExecPlugin plugin;
  plugin.api_version = fields.Text("apiVersion");
  std::string_view version = plugin.api_version;
  bool known = version.starts_with(kExecGroup) &&
               (version.substr(kExecGroup.size()) == "v1" || version.substr(kExecGroup.size()) == "v1beta1");
  if (!known) {
    fields.Fail(
        "apiVersion of exec must be client.authentication.k8s.io/v1 or v1beta1; update the plugin and the entry");
  }
  plugin.command = fields.Text("command");
  if (plugin.command.empty()) fields.Fail("exec has no command");
  // KEP-541: a relative path is relative to the kubeconfig's folder, a bare name is looked up in PATH.
  if (plugin.command.find('/') != std::string::npos) plugin.command = fields.Path("command");
  plugin.arguments = fields.Texts("args");
  for (JsonView element : fields.Elements("env")) {
    Fields variable(file, element);
    std::string name = variable.Text("name");
    if (name.empty() || name.find('=') != std::string::npos) variable.Fail("a variable of env has no usable name");
    plugin.environment.emplace_back(name, variable.Text("value"));
    RETURN_IF_ERROR(variable.Finish());
  }
  plugin.install_hint = fields.Text("installHint");
  plugin.provide_cluster = fields.Flag("provideClusterInfo");
  if (fields.Text("interactiveMode") == "Always") {
    fields.Fail("interactiveMode Always is not supported: there is nobody at a terminal to ask");
  }
  RETURN_IF_ERROR(fields.Finish());
  auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  bool nul = has_nul(plugin.command) || std::any_of(plugin.arguments.begin(), plugin.arguments.end(), has_nul);
  for (const auto& [name, value] : plugin.environment) nul = nul || has_nul(name) || has_nul(value);
  if (nul) fields.Fail("command, args and env must not hold a NUL");
  RETURN_IF_ERROR(fields.Errors());
  return plugin;
}

Status ReadUser(const Entry& entry, KubeAccess& access) {
  Fields user(*entry.file, *entry.body);
  access.certificate = user.Pem("client-certificate");
  access.key = user.Pem("client-key");
  if (access.certificate.empty() != access.key.empty()) {
    user.Fail("client-certificate and client-key are given together or not at all");
  }
  access.token = user.Text("token");
  access.token_file = user.Path("tokenFile");
  // client-go: "If both Token and TokenFile are specified, the TokenFile will be periodically read and the last
  // successfully read content takes precedence over Token."
  if (!access.token_file.empty()) access.token.clear();
  for (std::string_view key : {"username", "password"}) {
    user.Refuse(key, "API servers since 1.19 take no passwords; use a token or a client certificate");
  }
  user.Refuse("auth-provider", "it was removed from kubectl in 1.26; use an exec plugin");
  for (std::string_view key : {"as", "as-uid", "as-groups", "as-user-extra"}) {
    user.Refuse(key, "impersonation; use credentials that have the rights themselves");
  }
  if (auto exec = user.Value("exec"); exec.has_value()) {
    ASSIGN_OR_RETURN(access.exec, ReadExec(*entry.file, *exec));
    if (!access.certificate.empty() || !access.token.empty() || !access.token_file.empty()) {
      user.Fail("exec is given beside a token or certificate; remove the one that is not meant");
    }
  }
  user.Ignore("extensions");
  return user.Finish();
}

// Credentials never go where everybody on the way can read them.
Status CheckHttp(const KubeAccess& access, const std::string& where) {
  bool none =
      access.certificate.empty() && access.token.empty() && access.token_file.empty() && !access.exec.has_value();
  if (access.server.scheme == "https" || none) return Ok();
  return Error{Reason::kConfigInvalid, where, "the server is plain http: credentials are not sent there; use https"};
}

}  // namespace

Result<KubeAccess> ReadKubeConfig(const std::vector<KubeConfigText>& texts, const std::optional<std::string>& context) {
  ASSIGN_OR_RETURN(std::vector<File> files, ParseFiles(texts));
  std::string chosen = context.value_or("");
  for (const File& file : files) {
    Fields top(file, file.document.root());
    if (chosen.empty()) chosen = top.Text("current-context");
    RETURN_IF_ERROR(top.Errors());
  }
  const std::string where = texts.empty() ? "kubeconfig" : texts[0].path;
  if (chosen.empty()) {
    return Error{Reason::kConfigInvalid, where, "no current-context; there are: " + NamesOf(files)};
  }
  ASSIGN_OR_RETURN(auto found, FindEntry(files, "contexts", "context", chosen));
  if (!found.has_value() || !found->body.has_value()) {
    return Error{Reason::kConfigInvalid, where,
                 "there is no context '" + Printable(chosen, 100) + "'; there are: " + NamesOf(files)};
  }
  Fields fields(*found->file, *found->body);
  const std::string at = found->file->document.PositionOf(*found->body);
  std::string cluster_name = fields.Text("cluster");
  std::string user_name = fields.Text("user");
  std::string namespace_name = fields.Text("namespace");
  fields.Ignore("extensions");
  RETURN_IF_ERROR(fields.Finish());
  KubeAccess access{
      .context = chosen, .namespace_name = namespace_name.empty() ? "default" : namespace_name, .server = {}};

  ASSIGN_OR_RETURN(auto cluster, FindEntry(files, "clusters", "cluster", cluster_name));
  if (!cluster.has_value() || !cluster->body.has_value()) {
    return Error{Reason::kConfigInvalid, at, "there is no cluster '" + Printable(cluster_name, 100) + "'"};
  }
  std::string plugin_config;
  RETURN_IF_ERROR(ReadCluster(*cluster, access, plugin_config));
  if (user_name.empty()) return access;
  ASSIGN_OR_RETURN(auto user, FindEntry(files, "users", "user", user_name));
  if (!user.has_value()) {
    return Error{Reason::kConfigInvalid, at, "there is no user '" + Printable(user_name, 100) + "'"};
  }
  if (user->body.has_value()) RETURN_IF_ERROR(ReadUser(*user, access));
  if (access.exec.has_value()) access.exec->cluster_config = plugin_config;
  RETURN_IF_ERROR(CheckHttp(access, at));
  return access;
}

}  // namespace gatehouse::kube
