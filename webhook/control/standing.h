// What a node's proven state means under the NodePolicies in force. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/kube/node_attestation.h"
#include "common/policy/documents.h"

namespace gatehouse::webhook {

struct NodeStanding {
  // Under every NodePolicy that covers the node and has effects (modes enforce and warn); under those on trial (audit)
  // only if there are no others. So a policy on trial never takes the label away from a node that has it by the others,
  // and a node that is covered by trials alone shows what they would say.
  kube::Standing overall;
  // Under each policy in mode enforce that says what is to be done with nodes that are not trusted.
  std::vector<std::pair<kube::Standing, policy::UntrustedTaint>> enforced;
  bool disbelieved = false;  // trusted by what is proven here, but not by who was asked
};
// `believes`, if there is one, is asked of what would be trusted; a node that it does not trust is unknown.
using Believes = std::function<bool(const std::string& node, const policy::NodePolicy& policy)>;
[[nodiscard]] NodeStanding StandingOf(const std::string& node, const policy::PolicySet& policies,
                                      const std::optional<ear::AttestationResult>& result,
                                      const std::optional<kube::Failure>& failure, WallTime now,
                                      const Believes& believes = {});

// The longest time within which evictions count, of any policy; zero if none evicts.
[[nodiscard]] Duration LongestWindow(const policy::PolicySet& policies);

// What was ever proven of a node, as far as this process saw: an older result that is put in the place of a newer one,
// or a failure that is taken away, changes nothing. NodeAttestations can be written by more than those who sign.
class NodeEvidence {
 public:
  // The result of `attestation` counts if a key of `keys` signed it, and it is of this node, of the Node with this UID,
  // and of the keys that the attestation says are bound. An EAR that has expired is known as such. Another object (by
  // uid), or other keys, begin anew.
  void Observe(const kube::NodeAttestation& attestation, const std::vector<crypto::PublicKey>& keys,
               const std::string& keys_id, WallTime now);
  void Forget() { *this = NodeEvidence(); }
  // Of the Node with that UID; nothing if what is proven is of another one.
  [[nodiscard]] std::optional<ear::AttestationResult> ResultFor(const std::string& node_uid) const;
  [[nodiscard]] const std::optional<kube::Failure>& failure() const { return failure_; }
  // Why the EAR that is there does not count; empty if it does, or there is none.
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  void Verify(const kube::NodeAttestation& attestation, const std::vector<crypto::PublicKey>& keys, WallTime now);
  std::string object_uid_;
  std::string keys_id_;
  std::string token_;  // looked at last
  std::string ek_;
  std::string ak_;
  std::optional<ear::AttestationResult> result_;
  std::optional<kube::Failure> failure_;
  std::string problem_;
};

}  // namespace gatehouse::webhook
