// Agents that are pods: a projected ServiceAccount token is the proof of the pod, and the pod of its node.
#pragma once

#include <memory>
#include <string>

#include "common/base/types.h"
#include "common/kube/api.h"

namespace gatehouse::webhook {

// TokenReview with the audience, the agents' ServiceAccount only, then the node: by the token's own node claim where
// the API server gives it (authentication.kubernetes.io/node-name, 1.30 and later) or else by its pod (name and UID),
// whose spec.nodeName is read. A token that is not bound to a pod is refused. Answers are remembered for `remember`
// (refusals for some seconds, by the token's SHA-256, bounded in number, one review of the same token at a time).
class TokenReviewer {
 public:
  struct Options {
    std::string namespace_name;
    std::string service_account = "gatehouse-agent";
    std::string audience = "gatehouse";
    Duration remember{300'000};
  };
  TokenReviewer(kube::Api& api, const Clock& clock, Options options);
  ~TokenReviewer();
  // The node that the bearer of `token` runs on. Errors: kIdentityUnauthenticated, kKubeUnavailable, kKubeDenied.
  [[nodiscard]] Result<NodeName> NodeOf(std::string_view token, const Deadline& deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
