// A Node as far as it is Gatehouse's business, and the patches that bring it where it should be. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/codec/json.h"
#include "webhook/control/node_controller.h"

namespace gatehouse::webhook {

// When the Node last got kNoExecute by us, "20261121T235700Z". A label, since a kubelet may write any annotation of its
// Node but no label of this prefix (NodeRestriction): otherwise one node could use up the cap that protects another
// from eviction, for ever. It stays after the taint is gone, and so every leader knows how many were evicted of late.
inline constexpr std::string_view kEvictedLabel = "attestation.node-restriction.kubernetes.io/evicted";

[[nodiscard]] std::string FormatLabelTime(WallTime time);
[[nodiscard]] std::optional<WallTime> ParseLabelTime(std::string_view text);

struct NodeState {
  struct Taint {
    std::string effect;
    std::string value;
    std::optional<WallTime> added;
    friend bool operator==(const Taint&, const Taint&) = default;
  };
  struct Condition {
    std::string status;
    std::string reason;
    std::string message;
    friend bool operator==(const Condition&, const Condition&) = default;
  };
  std::string name;
  std::string uid;
  std::string resource_version;
  std::optional<std::string> label;       // of kTrustedLabel, whatever it says
  std::optional<std::string> evicted;     // of kEvictedLabel
  std::vector<Taint> taints;              // with our key, whoever wrote them
  std::vector<std::string> other_taints;  // JSON of each
  std::optional<Condition> condition;

  [[nodiscard]] NodeMarks Marks() const;
  // What kEvictedLabel says. Not what a taint says: a kubelet may make its Node with any taint, of any time.
  [[nodiscard]] std::optional<WallTime> Evicted() const;
  // The earliest time of taints with our key.
  [[nodiscard]] std::optional<WallTime> Tainted() const;
  // The verdict that was last announced on it.
  [[nodiscard]] std::optional<kube::Verdict> Announced() const;
  // Whether all but the version is the same.
  [[nodiscard]] bool SameAs(const NodeState& other) const;
};
// Nothing without metadata.name or metadata.uid.
[[nodiscard]] std::optional<NodeState> ReadNode(codec::JsonView node);

struct WantedMarks {
  NodeMarks marks;
  kube::Verdict verdict = kube::Verdict::kUnknown;  // the value of the taint
  WallTime since{};                                 // of a new kNoSchedule: when the node became untrusted
  std::optional<WallTime> evicted = std::nullopt;   // when we put kNoExecute on it, if we have
  std::string message = {};                         // of the condition
  bool forget_eviction = false;                     // kEvictedLabel is of no use any more
};

// A merge patch of the Node: label and taints. kNoExecute comes with kNoSchedule beside it, for pods that tolerate the
// one are not to be scheduled there meanwhile. The list of taints has no merge key in Kubernetes: it is replaced as a
// whole, with the resourceVersion that it was read at, so that no taint of anybody else is lost, and so that nothing
// ever lands on another Node of the same name. Nothing if all is as it should be.
[[nodiscard]] std::optional<std::string> MarksPatch(const NodeState& node, const WantedMarks& wanted, WallTime now);
// A strategic merge patch of nodes/status: our condition, by its type. lastTransitionTime moves with the status only,
// lastHeartbeatTime is not written.
[[nodiscard]] std::optional<std::string> ConditionPatch(const NodeState& node, const WantedMarks& wanted, WallTime now);

}  // namespace gatehouse::webhook
