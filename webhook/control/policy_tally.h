// What the reports of the replicas mean for the status of a policy. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/codec/json.h"
#include "webhook/control/policy_status.h"

namespace gatehouse::webhook {

// The status of a policy object, as far as it is ours.
struct PolicyStatus {
  std::int64_t observed_generation = 0;
  std::string status;  // of the condition InForce: "True", "False", "Unknown"
  std::string reason;
  std::string message;
  std::string transition;  // lastTransitionTime; not compared
  std::size_t in_force = 0;
  std::size_t total = 0;
  DecisionCounts decisions;

  [[nodiscard]] bool SameCondition(const PolicyStatus& other) const;
  [[nodiscard]] bool SameAs(const PolicyStatus& other) const;
};
// Nothing if there is none.
[[nodiscard]] std::optional<PolicyStatus> ReadPolicyStatus(codec::JsonView object);
// A merge patch of the status subresource, of the object at that resourceVersion. `counts`: whether policies of the
// kind decide anything.
[[nodiscard]] std::string WritePolicyStatus(const PolicyStatus& status, bool counts, const std::string& version);

// A replica that is alive.
struct ReplicaView {
  std::string identity;
  const ReplicaReport* report;  // null: it cannot be read
};
// Everything of the status but the decisions. Nothing while replicas have not looked at this generation yet and
// `patient`, or when one has looked at a later one already.
[[nodiscard]] std::optional<PolicyStatus> InForce(const std::string& key, std::int64_t generation,
                                                  const std::vector<ReplicaView>& replicas, bool patient);

// Sums of decisions that go on over restarts of replicas and over leaders.
class DecisionTally {
 public:
  // A policy object (by uid) that reports call `key`, with what its status says when this leader first sees it.
  void Track(const std::string& uid, const std::string& key, const std::optional<DecisionCounts>& written);
  void Untrack(const std::string& uid);
  // A report. Of a replica that was there before this leader, only what comes after its first report counts, unless the
  // policy's status was never written; a replica that begins again begins at zero.
  void Observe(const std::string& identity, const ReplicaReport& report, bool there_before, MonoTime now);
  [[nodiscard]] DecisionCounts Total(const std::string& uid) const;
  // Replicas that were not observed since.
  void Forget(MonoTime before);

 private:
  struct Sum {
    std::string key;
    bool written = false;  // its status had counts when it was first seen
    DecisionCounts total;
  };
  struct Replica {
    std::map<std::string, DecisionCounts> last;
    MonoTime seen{};
  };
  std::map<std::string, Sum> sums_;            // by uid
  std::map<std::string, std::string> uid_of_;  // by key
  std::map<std::string, Replica> replicas_;    // by identity
};

}  // namespace gatehouse::webhook
