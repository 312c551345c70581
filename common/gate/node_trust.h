// What the gate knows about nodes.
#pragma once

#include <string>
#include <vector>

#include "common/base/types.h"
#include "common/ear/ear.h"

namespace gatehouse::gate {

enum class NodeState : std::uint8_t {
  kUnknown,    // never attested to this verifier (also after its restart), or no result for the policy asked about
  kTrusted,    // the last result is affirming and has not expired
  kUntrusted,  // the last result is not affirming, or the last attempt failed
  kExpired,    // the last result was affirming, and has expired
};
[[nodiscard]] std::string_view Name(NodeState state);

struct NodeTrust {
  NodeState state = NodeState::kUnknown;
  std::vector<appraisal::Finding> findings;  // why it is untrusted
  WallTime expires{};                        // of kTrusted and kExpired
};

// Answers from memory.
class NodeTrustSource {
 public:
  virtual ~NodeTrustSource() = default;
  // The state of `node` under the NodePolicy `policy` of that generation.
  [[nodiscard]] virtual NodeTrust Lookup(const NodeName& node, const std::string& policy,
                                         const std::string& generation) const = 0;
};

}  // namespace gatehouse::gate
