// What NodeRecords says of nodes.
#include <algorithm>

#include "webhook/attest/node_records.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;
using kube::Verdict;

constexpr std::size_t kMostProblems = 10;  // that are told one by one

std::vector<std::string> PoliciesFor(const policy::PolicySet& set, const std::string& node) {
  std::vector<std::string> policies;
  for (const policy::NodePolicy& policy : set.node_policies) {
    if (std::any_of(policy.nodes.begin(), policy.nodes.end(), [&](const auto& glob) { return glob.Matches(node); }))
      policies.push_back(policy.name + "@" + policy.generation);
  }
  return policies;
}

NodeState StateOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kTrusted:
      return NodeState::kTrusted;
    case Verdict::kUntrusted:
      return NodeState::kUntrusted;
    case Verdict::kExpired:
      return NodeState::kExpired;
    case Verdict::kUnknown:
      return NodeState::kUnknown;
  }
  return NodeState::kUnknown;
}

}  // namespace

gate::NodeTrust NodeRecords::Lookup(const std::string& node, const std::string& wanted) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end()) return {};
  const Record& record = found->second;
  if (!record.binding.has_value() || Conflict(node, record).has_value()) return {};
  if (record.failure.has_value()) {
    return {.state = NodeState::kUntrusted,
            .findings = {{record.failure->reason, record.failure->where, record.failure->detail}},
            .expires = {}};
  }
  if (!record.best.has_value() || !IsOfItsNode(node, *record.best)) return {};
  for (const ear::PolicyAppraisal& appraisal : record.best->ear.result().appraisals) {
    if (appraisal.policy != wanted) continue;
    if (appraisal.tier != ear::Tier::kAffirming)
      return {.state = NodeState::kUntrusted, .findings = appraisal.findings, .expires = {}};
    const bool expired = appraisal.expires <= clock_.Wall();
    return {.state = expired ? NodeState::kExpired : NodeState::kTrusted, .findings = {}, .expires = appraisal.expires};
  }
  return {};
}

bool NodeRecords::TrustedMachine(const std::string& node, const policy::PolicySet& set) const {
  const std::vector<std::string> policies = PoliciesFor(set, node);
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end() || policies.empty()) return false;
  const Record& record = found->second;
  if (!record.binding.has_value() || !record.best.has_value() || Conflict(node, record).has_value()) return false;
  return kube::Judge(record.best->ear.result(), record.failure, policies, clock_.Wall()).verdict == Verdict::kTrusted;
}

std::map<NodeState, std::size_t> NodeRecords::Count(const policy::PolicySet& set) const {
  std::vector<std::string> nodes;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [node, uid] : uids_) nodes.push_back(node);
  }
  std::map<NodeState, std::size_t> count;
  for (const std::string& node : nodes) {
    const std::vector<std::string> policies = PoliciesFor(set, node);
    if (policies.empty()) continue;
    std::lock_guard lock(mutex_);  // anew for each: the gate asks meanwhile
    auto found = records_.find(node);
    const bool usable =
        found != records_.end() && found->second.binding.has_value() && !Conflict(node, found->second).has_value();
    std::optional<ear::AttestationResult> result;
    if (usable && found->second.best.has_value() && IsOfItsNode(node, *found->second.best))
      result = found->second.best->ear.result();
    const auto failure = usable ? found->second.failure : std::nullopt;
    ++count[StateOf(kube::Judge(result, failure, policies, clock_.Wall()).verdict)];
  }
  return count;
}

std::vector<Error> NodeRecords::Problems() const {
  std::lock_guard lock(mutex_);
  std::vector<Error> problems;
  std::size_t more = 0;
  for (const auto& [node, record] : records_) {
    auto conflict = Conflict(node, record);
    if (!conflict.has_value()) continue;
    if (problems.size() < kMostProblems) {
      problems.push_back(std::move(*conflict));
    } else {
      ++more;
    }
  }
  if (more > 0) problems.push_back({Reason::kNodeConflict, "", "and " + std::to_string(more) + " more nodes"});
  return problems;
}

}  // namespace gatehouse::webhook
