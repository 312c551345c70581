// Whose credentials may be presented to the registries of an image.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/registry/credentials.h"

namespace gatehouse::gate {

struct SecretName {
  std::string namespace_name;  // empty: Gatehouse's own
  std::string name;
  friend auto operator<=>(const SecretName&, const SecretName&) = default;
};

struct CredentialQuery {
  std::string namespace_name;                   // of the pod
  std::string service_account = {};             // of the pod; empty: not known
  std::vector<std::string> pod_secrets = {};    // its imagePullSecrets
  std::vector<SecretName> policy_secrets = {};  // of the policies that cover the image, each once
};

struct CredentialsFound {
  std::shared_ptr<const registry::Credentials> credentials;  // never null
  // What could not be read, for the message of a refusal: public images need none of it.
  std::vector<std::string> problems = {};
};

// Thread-safe.
using CredentialSource = std::function<CredentialsFound(const CredentialQuery&, const Deadline&)>;

// The same for every pod, where no Secrets can be read: those of policies are a problem that is said.
[[nodiscard]] CredentialSource SameForAll(std::function<std::shared_ptr<const registry::Credentials>()> source);

}  // namespace gatehouse::gate
