#include "common/gate/node_trust.h"

namespace gatehouse::gate {

std::string_view Name(NodeState state) {
  switch (state) {
    case NodeState::kUnknown:
      return "unknown";
    case NodeState::kTrusted:
      return "trusted";
    case NodeState::kUntrusted:
      return "untrusted";
    case NodeState::kExpired:
      return "expired";
  }
  return "unknown";
}

}  // namespace gatehouse::gate
