// The kubeconfig format (client-go, "Organizing Cluster Access Using kubeconfig Files"), read without touching a file.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/codec/json.h"
#include "common/net/http.h"

namespace gatehouse::kube {

struct KubeConfigText {
  std::string path;  // absolute, or what relative paths in it shall be relative to
  std::string text;
};

// PEM text that stands in the kubeconfig, or in a file that is read when it is needed; neither: none.
struct PemSource {
  std::string text = {};
  std::string file = {};
  [[nodiscard]] bool empty() const { return text.empty() && file.empty(); }
  friend bool operator==(const PemSource&, const PemSource&) = default;
};

// A command that gives credentials (KEP-541, client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;  // "client.authentication.k8s.io/v1" or v1beta1
  std::string command;      // with a '/': a path, made absolute by the kubeconfig's folder; else looked up in PATH
  std::vector<std::string> arguments = {};
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::string install_hint = {};
  bool provide_cluster = false;
  std::string cluster_config = {};  // JSON of the cluster's extension for plugins; empty: none
};

// What one context says.
struct KubeAccess {
  std::string context;
  std::string namespace_name;  // "default" if it names none
  net::Url server;
  std::string server_name = {};  // that the server's certificate must have in place of the host of `server`
  PemSource ca = {};             // none: the system's roots
  PemSource certificate = {};
  PemSource key = {};
  std::string token = {};
  std::string token_file = {};
  std::optional<ExecPlugin> exec = {};
  std::string proxy_url = {};
};

// Merged as kubectl does: of clusters, users and contexts of one name the first file's, the first current-context that
// is not empty. Only what the chosen context uses is judged; in that a member that is not known is refused, since it
// may be one that makes the connection another one. null and "" are absent. Absent users are anonymous. Refused, each
// with what to do instead: insecure-skip-tls-verify, username and password, auth-provider,
// impersonation, interactive plugins, credentials over plain http, an exec plugin beside other credentials. Errors:
// kConfigInvalid and kYamlMalformed with file and line; never what a secret member holds.
[[nodiscard]] Result<KubeAccess> ReadKubeConfig(const std::vector<KubeConfigText>& files,
                                                const std::optional<std::string>& context);

}  // namespace gatehouse::kube
