// The nodes as the cluster knows them: NodeAttestation objects and Nodes, watched; bindings and results, verified; and
// the way back, results written for the other replicas and for people (DESIGN.md section 7).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/crypto/key.h"
#include "common/gate/node_trust.h"
#include "common/kube/informer.h"
#include "common/kube/node_attestation.h"
#include "common/policy/documents.h"
#include "webhook/attest/binding_store.h"
#include "webhook/attest/node_store.h"

namespace gatehouse::webhook {

// Results of every replica as the gate sees them, for a process that only admits: public keys are enough.
class ClusterNodes final : public gate::NodeTrustSource {
 public:
  struct Options {
    Duration stale_after{120'000};
    bool owned = false;  // NodeAttestations belong to their Nodes and go with them
    // A machine may bind and attest before its Node exists (its kubelet gets its certificate for that). Its results
    // count for TrustedMachine() only.
    bool before_node = false;
    // Between attempts at the API while it fails, doubled up to the second, with jitter.
    Duration shortest_pause{500};
    Duration longest_pause{30'000};
  };
  // `keys`: public keys that results and bindings may be signed by; asked for again whenever something is verified
  // anew.
  using Keys = std::function<std::vector<crypto::PublicKey>()>;
  ClusterNodes(kube::Api& api, Keys keys, const Clock& clock, telemetry::Logger& log, Random random, Options options);
  ~ClusterNodes() override;

  void Start();
  void Stop();
  [[nodiscard]] bool Ready() const;  // both lists were seen
  [[nodiscard]] std::vector<std::string> Problems() const;

  // By the verified EAR of the node's NodeAttestation, for the Node with the UID that it has now.
  [[nodiscard]] gate::NodeTrust Lookup(const NodeName& node, const std::string& policy,
                                       const std::string& generation) const override;
  // The machine that is bound to that name is attested now, by every NodePolicy that covers the name (and one does),
  // whether or not its Node exists.
  [[nodiscard]] bool TrustedMachine(const std::string& node, const policy::PolicySet& set) const;
  // The keys are others now: everything that is held is verified again, before this returns.
  void KeysChanged();
  // Nodes by standing under the NodePolicies in force, those that no policy covers excepted.
  [[nodiscard]] std::map<gate::NodeState, std::size_t> Count(const policy::PolicySet& set) const;

  // What attestation needs beside that, before Start(). `signing_key` signs bindings (and the results, which the
  // service makes); one store of bindings for the process, which must not outlive this.
  [[nodiscard]] std::unique_ptr<BindingStore> MakeBindings(std::function<crypto::PrivateKey()> signing_key);
  // Takes what the service found out; returns at once, and is written from a thread of its own in the order of urgency
  // (failures and changed verdicts first), by the rules of who writes when.
  void Publish(const NodeName& node, const ear::VerifiedEar& result, const std::string& token);
  void PublishFailure(const NodeName& node, const Error& error);
  struct WriteCounts {
    std::uint64_t written = 0;
    std::uint64_t spared = 0;  // results that said nothing new
    std::uint64_t failed = 0;
  };
  [[nodiscard]] WriteCounts writes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
