// The last attestation result of each node, in memory: a verifier that starts knows nothing, so every node is unknown
// until it attests.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "common/base/clock.h"
#include "common/gate/node_trust.h"
#include "webhook/attest/verified_evidence.h"

namespace gatehouse::webhook {

class NodeStore final : public gate::NodeTrustSource {
 public:
  explicit NodeStore(const Clock& clock) : clock_(clock) {}

  // The only way to trust: a result whose token was verified. The evidence is kept, to be appraised again when policies
  // change. A result of an older quote of the same key than the one held is passed over: two calls may overtake each
  // other. Returns whether it is the node's result now.
  bool Accept(const ear::VerifiedEar& result, std::string token, VerifiedEvidence evidence);
  // The same evidence appraised by other policies: taken only while nothing newer has been said of the node.
  bool AcceptReappraised(const ear::VerifiedEar& result, std::string token, VerifiedEvidence evidence);
  // The node answered a challenge with evidence that does not verify, or its verified evidence could not be judged.
  void Fail(const NodeName& node, const Error& error);
  // A quote for a challenge of `challenged` may be older than the result held: the result came in after that challenge
  // went out.
  [[nodiscard]] bool IsOvertaken(const NodeName& node, WallTime challenged) const;
  // Its TPM binding has changed or gone: back to unknown.
  void Forget(const NodeName& node);

  [[nodiscard]] gate::NodeTrust Lookup(const NodeName& node, const std::string& policy,
                                       const std::string& generation) const override;

  struct Held {
    ear::AttestationResult result;
    VerifiedEvidence evidence;
    WallTime accepted{};  // when the evidence was, to the millisecond
  };
  // Results of which some appraisal has not expired and did not fail since.
  [[nodiscard]] std::vector<Held> Current() const;
  // The token of the node's last result.
  [[nodiscard]] std::optional<std::string> Token(const NodeName& node) const;
  // Every node of which something is known.
  [[nodiscard]] std::vector<NodeName> Names() const;
  // Nodes by state, over all of a node's appraisals.
  [[nodiscard]] std::map<gate::NodeState, std::size_t> Count() const;

 private:
  struct Record {
    std::optional<Held> held;
    std::string token;
    std::optional<Error> failure;  // newer than `held`
  };
  [[nodiscard]] gate::NodeState StateOf(const Record& record) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::unordered_map<NodeName, Record> records_;
};

}  // namespace gatehouse::webhook
