// Passwords for registries that pods, their ServiceAccounts and policies name: Secrets, read from the API when a
// decision needs them and remembered for a short while.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>
#include <vector>

#include "common/gate/credentials.h"
#include "common/kube/api.h"
#include "common/registry/single_flight.h"

namespace gatehouse::webhook {

// Thread-safe. Reads what it is asked for by name, and nothing else: no list, no watch. Whoever creates a pod may use
// every Secret of its namespace, so that nobody gets at more by a pod's pull secrets than they have.
class PullSecrets {
 public:
  using OwnCredentials = std::function<std::shared_ptr<const registry::Credentials>()>;
  struct Options {
    std::string own_namespace;  // of Gatehouse, for the Secrets of ImagePolicies
    // Secrets of pods, ServiceAccounts and NamespacedImagePolicies may be read. Else those are passed over.
    bool of_namespaces = false;
    Duration remember{30'000};
    Duration remember_failure{5'000};  // what was not there may come, and a server that did not answer is left alone
    Duration patience{2'000};          // for all of one question; a decision has more to do
  };
  // `own` gives what the configuration has, which comes first.
  PullSecrets(kube::Api& api, const Clock& clock, OwnCredentials own, Options options);

  // In this order: Gatehouse's own, those of policies, the pod's; the ServiceAccount's where the pod names none, as the
  // API server would fill them in. One that cannot be read is a problem that is said; the rest is found nevertheless.
  [[nodiscard]] gate::CredentialsFound Find(const gate::CredentialQuery& query, const Deadline& deadline);
  [[nodiscard]] std::size_t remembered() const;

 private:
  // A Secret's content, or the names in a ServiceAccount.
  using Value = std::variant<std::shared_ptr<const registry::Credentials>, std::vector<std::string>>;
  struct Entry {
    Result<Value> value;
    MonoTime until;
    std::list<std::string>::iterator age;
  };

  [[nodiscard]] Result<Value> Get(const kube::Resource& resource, const gate::SecretName& name,
                                  const Deadline& deadline);
  [[nodiscard]] std::optional<Result<Value>> Remembered(const std::string& path);
  void Remember(const std::string& path, const Result<Value>& value);
  [[nodiscard]] std::vector<gate::SecretName> SecretsOf(const gate::CredentialQuery& query, const Deadline& deadline,
                                                        std::vector<std::string>& problems);

  kube::Api& api_;
  const Clock& clock_;
  OwnCredentials own_;
  Options options_;
  registry::SingleFlight<Value> flights_;
  mutable std::mutex mutex_;
  std::map<std::string, Entry> entries_;
  std::list<std::string> ages_;  // what was remembered first is forgotten first
};

}  // namespace gatehouse::webhook
