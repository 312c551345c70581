// What the cluster says of Gatehouse, read once: policies, nodes, replicas. What cannot be read is said, and left out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/cluster.h"
#include "common/base/encoding.h"
#include "common/gate/gate.h"
#include "common/kube/node_attestation.h"
#include "common/policy/loader.h"

namespace gatehouse::cli {

struct PolicyFact {
  std::string kind;
  std::string namespace_name;
  std::string name;
  std::string mode;      // "enforce"; empty for what has none (TrustRoot, ReferenceValues)
  std::string in_force;  // "True", "False" or "Unknown", as the leader wrote it of all replicas
  std::string message;   // why not; what the loader here says if nobody wrote anything
  std::int64_t in_force_replicas = 0;
  std::int64_t replicas = 0;
  std::int64_t allowed = 0;
  std::int64_t denied = 0;
  std::int64_t warned = 0;
  std::int64_t audited = 0;
  [[nodiscard]] std::string FullName() const { return namespace_name.empty() ? name : namespace_name + "/" + name; }
};

struct NodeFact {
  std::string name;
  std::string uid;                  // of the Node; empty if there is none
  std::string label;                // of kube::kTrustedLabel; empty if it has none
  std::vector<std::string> taints;  // "NoSchedule", of kube::kUntrustedTaint
  std::string condition;            // "True", "False", "Unknown"; empty if it has none
  std::string condition_message;
  std::optional<kube::NodeAttestation> attestation;
  std::optional<ear::AttestationResult> result;     // of this Node, verified
  std::string doubt;                                // why there is none, if there is an EAR; or why it was not verified
  std::vector<const policy::NodePolicy*> policies;  // that cover it, in force as far as this program can tell
  gate::Unmatched uncovered = gate::Unmatched::kDeny;  // what becomes of it if none does
  kube::Standing standing;                             // under all of them; those on trial count if there are no others
  bool may_be_used = false;       // pods may be put on it: as the gate has it, which refuses by mode enforce alone
  std::optional<WallTime> since;  // of the verdict, as it was written
};

struct ReplicaFact {
  std::string name;
  std::optional<WallTime> renewed;
  bool alive = false;
};

struct Facts {
  std::vector<PolicyFact> policies;
  std::vector<NodeFact> nodes;  // by name; also NodeAttestations without a Node
  std::vector<ReplicaFact> replicas;
  std::string leader;               // empty: none, or it has not renewed its Lease
  std::vector<std::string> unread;  // "leases: …": what could not be read
  std::vector<crypto::PublicKey> keys;
  gate::GateOptions gate;  // as the webhook is configured; refusal if that could not be read
  std::shared_ptr<const policy::PolicySet> set;
  std::optional<std::string> pods_of;  // the namespace of the pods that nodes are judged for; none: of any namespace
  WallTime now;
};

// `only_node`: nothing of the other nodes. `pods_of`: what NodePolicies say to pods of that namespace. Errors:
// kKubeNotFound (the definitions are not installed), those of kube::Api for what nothing can be said without: policies
// and nodes.
[[nodiscard]] Result<Facts> ReadFacts(Cluster& cluster, const std::optional<std::string>& only_node = std::nullopt,
                                      const std::optional<std::string>& pods_of = std::nullopt);

// The policies of the cluster, as the webhook has them in force.
struct Policies {
  std::vector<PolicyFact> facts;
  std::shared_ptr<const policy::PolicySet> set;
};
[[nodiscard]] Result<Policies> ReadPolicies(Cluster& cluster, std::vector<std::string>& unread);

}  // namespace gatehouse::cli
