// Writes what is known of nodes on the Nodes: label, taint, condition, Events. The leader's only.
#pragma once

#include <functional>
#include <memory>

#include "common/ear/ear.h"
#include "common/kube/informer.h"
#include "common/kube/node_attestation.h"
#include "common/policy/documents.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"

namespace gatehouse::webhook {

// What a Node has of ours, and what it should have.
struct NodeMarks {
  std::optional<bool> label;                            // of kTrustedLabel
  std::optional<policy::UntrustedTaint::Effect> taint;  // of kUntrustedTaint
  std::optional<kube::Verdict> condition;
  friend bool operator==(const NodeMarks&, const NodeMarks&) = default;
};

// Pure: the marks that a node is to have. `overall` without a verdict and without findings: no policy covers the node,
// and it has none. `since` is when it became untrusted as far as is known. `evictions`: times at which other nodes got
// kNoExecute by us, within the longest window, the last one of each: the cap is on how many nodes are evicted, so the
// node's own are not in it. Of several policies that ask for kNoExecute the shortest grace counts, and every cap.
struct MarkDecision {
  NodeMarks marks;
  bool capped = false;           // kNoExecute was due, but for the cap
  std::optional<Duration> next;  // when to look again though nothing changes (grace, expiry)
};
[[nodiscard]] MarkDecision DecideMarks(const NodeMarks& now_on_it, const kube::Standing& overall,
                                       const std::vector<std::pair<kube::Standing, policy::UntrustedTaint>>& enforced,
                                       std::optional<WallTime> since, const std::vector<WallTime>& evictions,
                                       WallTime now);

class NodeController {
 public:
  struct Options {
    bool label = true;
    bool condition = true;
    bool events = true;
    Duration keep_bindings{std::chrono::hours(720)};  // of Nodes that are gone; zero: their owner references see to it
    // How long a node that was trusted keeps its marks after an edit of policies, for results to be judged anew: agents
    // whose evidence no replica holds come again once within their interval.
    Duration settle{60'000};
    // A watch silent for longer than that: nothing is written until it speaks again, since what would be written is
    // about a past that may be over.
    Duration stale_after{120'000};
  };
  struct Parts {
    kube::Api& api;
    // Null until every policy was read: an empty set says that no policy covers any node, and takes every mark away.
    std::function<std::shared_ptr<const policy::PolicySet>()> policies;
    // That results may be signed by. None: not known yet, and nothing is written.
    std::function<std::vector<crypto::PublicKey>()> keys;
    std::function<bool()> leading;  // asked before each write
    const Clock& clock;
    telemetry::Logger& log;
    Random random;
    // Whether the gate of this process trusts the node under that policy: it knows of bindings, releases and clocks
    // what a NodeAttestation alone does not prove. What it does not trust gets no mark of trust. None: not asked.
    std::function<bool(const std::string& node, const policy::NodePolicy& policy)> believes = {};
  };
  NodeController(Parts parts, Options options);
  ~NodeController();

  // Watches Nodes and NodeAttestations at every replica, so that a new leader knows at once; writes while `leading`.
  void Start();
  void Stop();
  // Policies, keys or leadership changed: everything is looked at again.
  void Kick();
  [[nodiscard]] bool Ready() const;
  [[nodiscard]] std::vector<std::string> Problems() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
