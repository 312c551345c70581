// Where the API server is and who we are to it: inside of a pod, or by a kubeconfig.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/limits.h"
#include "common/kube/api.h"

namespace gatehouse::kube {

// What a pod finds: the token is read for each request, the CA again whenever the file has changed.
struct InClusterOptions {
  std::string host;  // KUBERNETES_SERVICE_HOST
  std::string port;  // KUBERNETES_SERVICE_PORT
  std::string token_file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
  std::string ca_file = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
};
// Errors: kConfigInvalid, kFileUnreadable, kCertificateMalformed. Never through a proxy.
[[nodiscard]] Result<ConnectionSource> InCluster(InClusterOptions options);

// A kubeconfig: current-context or `context`; certificate-authority(-data), client-certificate(-data),
// client-key(-data), token, tokenFile, tls-server-name, exec credential plugins
// (client.authentication.k8s.io v1 and v1beta1: the command's token or certificate, asked for again when it expires),
// proxy-url (and no proxy but that). insecure-skip-tls-verify, username/password, auth-provider and impersonation are
// refused with what to use instead. Relative paths are relative to the file. Files that it names are read again
// whenever they have changed.
struct KubeConfigOptions {
  // KUBECONFIG's list, or ~/.kube/config: merged as kubectl does, first one wins; one that is not there is passed over.
  std::vector<std::string> files;
  std::optional<std::string> context = {};              // else current-context
  std::map<std::string, std::string> environment = {};  // for the exec plugin
  // What the plugin writes to its standard error, as it comes: it may be what a person has to do to log in.
  std::function<void(std::string_view)> plugin_says = {};
  Duration plugin_time = limits::kExecCredentialTime;  // within which it must end
};
struct KubeConfig {
  ConnectionSource connections;
  std::string namespace_name;  // of the context; "default" if it names none
  std::string context;
};
// A plugin runs when the first request is made, not here. `clock` must outlive the source. Errors: kConfigInvalid with
// file and line, kFileUnreadable, kYamlMalformed, kCertificateMalformed, kKeyMalformed.
[[nodiscard]] Result<KubeConfig> FromKubeConfig(const KubeConfigOptions& options, const Clock& clock);

}  // namespace gatehouse::kube
