#include "webhook/attest/node_store.h"

#include <algorithm>
#include <tuple>

namespace gatehouse::webhook {

using gate::NodeState;

namespace {

bool Older(const claims::TpmClock& a, const claims::TpmClock& b) {
  return std::tie(a.reset_count, a.restart_count, a.clock_ms) < std::tie(b.reset_count, b.restart_count, b.clock_ms);
}

}  // namespace

bool NodeStore::Accept(const ear::VerifiedEar& result, std::string token, VerifiedEvidence evidence) {
  std::lock_guard lock(mutex_);
  auto name = NodeName::Parse(result.result().node);
  if (!name.ok()) return false;  // no request is for such a node
  Record& record = records_[*name];
  bool same_key = record.held.has_value() && record.held->evidence.tpm.ak_name() == evidence.tpm.ak_name();
  if (same_key && Older(evidence.tpm.clock(), record.held->evidence.tpm.clock())) return false;
  record = {.held = Held{result.result(), std::move(evidence), clock_.Wall()},
            .token = std::move(token),
            .failure = std::nullopt};
  return true;
}

bool NodeStore::AcceptReappraised(const ear::VerifiedEar& result, std::string token, VerifiedEvidence evidence) {
  std::lock_guard lock(mutex_);
  auto name = NodeName::Parse(result.result().node);
  auto found = name.ok() ? records_.find(*name) : records_.end();
  if (found == records_.end() || found->second.failure.has_value()) return false;
  if (found->second.held->result.nonce != result.result().nonce) return false;
  found->second = {.held = Held{result.result(), std::move(evidence), found->second.held->accepted},
                   .token = std::move(token),
                   .failure = std::nullopt};
  return true;
}

void NodeStore::Fail(const NodeName& node, const Error& error) {
  std::lock_guard lock(mutex_);
  records_[node].failure = error;
}

bool NodeStore::IsOvertaken(const NodeName& node, WallTime challenged) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  return found != records_.end() && found->second.held.has_value() && challenged < found->second.held->accepted;
}

void NodeStore::Forget(const NodeName& node) {
  std::lock_guard lock(mutex_);
  records_.erase(node);
}

gate::NodeTrust NodeStore::Lookup(const NodeName& node, const std::string& policy,
                                  const std::string& generation) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end()) return {};
  const Record& record = found->second;
  if (record.failure.has_value()) {
    const Error& error = *record.failure;
    return {.state = NodeState::kUntrusted, .findings = {{error.reason, error.where, error.detail}}, .expires = {}};
  }
  std::string wanted = policy + "@" + generation;
  for (const ear::PolicyAppraisal& appraisal : record.held->result.appraisals) {
    if (appraisal.policy != wanted) continue;
    if (appraisal.tier != ear::Tier::kAffirming)
      return {.state = NodeState::kUntrusted, .findings = appraisal.findings, .expires = {}};
    bool expired = appraisal.expires <= clock_.Wall();
    return {.state = expired ? NodeState::kExpired : NodeState::kTrusted, .findings = {}, .expires = appraisal.expires};
  }
  return {};
}

NodeState NodeStore::StateOf(const Record& record) const {
  if (record.failure.has_value()) return NodeState::kUntrusted;
  const ear::AttestationResult& result = record.held->result;
  if (result.tier() == ear::Tier::kNone) return NodeState::kUnknown;
  if (result.tier() != ear::Tier::kAffirming) return NodeState::kUntrusted;
  bool expired = std::any_of(result.appraisals.begin(), result.appraisals.end(),
                             [now = clock_.Wall()](const auto& each) { return each.expires <= now; });
  return expired ? NodeState::kExpired : NodeState::kTrusted;
}

std::vector<NodeStore::Held> NodeStore::Current() const {
  std::lock_guard lock(mutex_);
  std::vector<Held> current;
  for (const auto& [node, record] : records_) {
    if (record.failure.has_value() || record.held->result.expires <= clock_.Wall()) continue;
    current.push_back(*record.held);
  }
  return current;
}

std::optional<std::string> NodeStore::Token(const NodeName& node) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end() || found->second.token.empty()) return std::nullopt;
  return found->second.token;
}

std::vector<NodeName> NodeStore::Names() const {
  std::lock_guard lock(mutex_);
  std::vector<NodeName> names;
  for (const auto& [node, record] : records_) names.push_back(node);
  return names;
}

std::map<NodeState, std::size_t> NodeStore::Count() const {
  std::lock_guard lock(mutex_);
  std::map<NodeState, std::size_t> count;
  for (const auto& [node, record] : records_) ++count[StateOf(record)];
  return count;
}

}  // namespace gatehouse::webhook
