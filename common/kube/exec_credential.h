// Credentials that a command gives: exec plugins of a kubeconfig (KEP-541).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/kube/kube_config.h"

namespace gatehouse::kube {

// A token, or a client certificate with its key, or both.
struct ExecCredential {
  std::string token = {};
  std::string certificate_pem = {};
  std::string key_pem = {};
  std::optional<WallTime> expires = {};  // absent: until the server refuses it
};

// The ExecCredential object that the plugin printed. Errors: kConfigInvalid; never what was printed.
[[nodiscard]] Result<ExecCredential> ReadExecCredential(std::string_view json, const std::string& api_version);

// Runs the plugin: with `environment`, the variables of the plugin and KUBERNETES_EXEC_INFO; nothing on its standard
// input; in a process group of its own, which is killed when the deadline passes or it prints more than
// limits::kExecCredentialBytes. `ca_pem` is for plugins that want to know the cluster. Errors: kConfigInvalid, with the
// last of what the plugin wrote to its standard error, and its install hint where it is not found. `says` gets all that
// it writes there, when it comes.
[[nodiscard]] Result<ExecCredential> RunExecPlugin(const ExecPlugin& plugin, const KubeAccess& access,
                                                   const std::string& ca_pem,
                                                   const std::map<std::string, std::string>& environment,
                                                   const Deadline& deadline,
                                                   const std::function<void(std::string_view)>& says = {});

}  // namespace gatehouse::kube
