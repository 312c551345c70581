// What the API server has of Nodes and NodeAttestations, as far as the NodeController needs it, and what is to be
// looked at. Thread-safe.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "webhook/control/node_state.h"

namespace gatehouse::webhook {

// On a NodeAttestation: since when its Node has been gone.
inline constexpr std::string_view kGoneAnnotation = "gatehouse.dev/node-gone-since";

struct KnownAttestation {
  kube::NodeAttestation attestation;
  std::optional<std::string> gone;  // kGoneAnnotation, whatever it says
};

class NodeTable {
 public:
  // Whether there is something in it that was not known.
  bool Put(NodeState node);
  bool Put(KnownAttestation attestation);
  void RemoveNode(const std::string& name);
  // What was learned by asking, rather than from the watch: it takes the place of the version that was known when it
  // was asked for, and of no other, since what the watch brought meanwhile may be newer. Nothing: it is gone.
  void Learn(const std::string& name, const std::string& known_version, std::optional<NodeState> node);
  void RemoveAttestation(const std::string& name);
  [[nodiscard]] std::optional<NodeState> Node(const std::string& name) const;
  [[nodiscard]] std::optional<KnownAttestation> Attestation(const std::string& name) const;
  [[nodiscard]] std::vector<std::string> Names() const;  // of both

  // When each Node got kNoExecute last: also of Nodes that are gone, since that is no way around the cap. Each counts
  // once.
  [[nodiscard]] std::vector<WallTime> EvictionsOfOthers(const std::string& name) const;
  [[nodiscard]] std::optional<WallTime> Eviction(const std::string& name) const;
  void SetEviction(const std::string& name, std::optional<WallTime> at);
  // Also those of the future, which nobody can have made: they would use up the cap until then.
  void KeepEvictions(WallTime from, WallTime until);

 private:
  void NoteEviction(const NodeState& node);
  mutable std::mutex mutex_;
  std::map<std::string, NodeState> nodes_;
  std::map<std::string, KnownAttestation> attestations_;
  std::map<std::string, WallTime> evictions_;
};

// Names that are to be looked at: what happened first, then a sweep over all; each at most once.
class NodeQueue {
 public:
  void Add(const std::string& name);
  void Sweep(const std::vector<std::string>& names);
  // Looked at when `at` has come; of several calls for a name the soonest counts.
  void AddAt(const std::string& name, WallTime at);
  [[nodiscard]] std::optional<std::string> Pop(WallTime now);
  [[nodiscard]] std::optional<WallTime> Next() const;  // of AddAt
  void Clear();

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> urgent_;
  std::set<std::string> in_urgent_;
  std::set<std::string> sweep_;
  std::map<std::string, WallTime> due_;
  std::set<std::pair<WallTime, std::string>> by_time_;
};

}  // namespace gatehouse::webhook
