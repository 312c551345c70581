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
    double reviews_per_second = 25;  // of tokens that were not good before; twice that at once
    double reviews_of_peer = 0.5;    // the same of one address; five at once
  };
  TokenReviewer(kube::Api& api, const Clock& clock, Options options);
  ~TokenReviewer();
  // The node that the bearer of `token` runs on. A token that does not even claim to be the agents' is refused without
  // asking anybody. Errors: kIdentityUnauthenticated, kKubeUnavailable, kOverloaded (too many tokens at once that are
  // not known), kInternal (the API refuses us, too).
  // `peer` is the caller's address, which has an allowance of its own for tokens that were not good before: what
  // anybody can make up must not shut out others. Empty: it is not told apart.
  [[nodiscard]] Result<NodeName> NodeOf(std::string_view token, const Deadline& deadline, const std::string& peer = {});
  // Within a few seconds.
  [[nodiscard]] Result<NodeName> NodeOf(std::string_view token, const std::string& peer = {});

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
