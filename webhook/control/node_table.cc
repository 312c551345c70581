#include "webhook/control/node_table.h"

#include <algorithm>
#include <utility>

namespace gatehouse::webhook {
namespace {

bool Same(const KnownAttestation& a, const KnownAttestation& b) {
  const kube::NodeAttestation& x = a.attestation;
  const kube::NodeAttestation& y = b.attestation;
  return a.gone == b.gone && x.uid == y.uid && x.node_uid == y.node_uid && x.ek == y.ek && x.ak == y.ak &&
         x.ear == y.ear && x.failure == y.failure && x.attested == y.attested;
}

}  // namespace

void NodeTable::NoteEviction(const NodeState& node) {
  auto evicted = node.Evicted();
  if (!evicted.has_value()) return;
  auto [entry, added] = evictions_.try_emplace(node.name, *evicted);
  if (!added) entry->second = std::max(entry->second, *evicted);
}

void NodeTable::Learn(const std::string& name, const std::string& known_version, std::optional<NodeState> node) {
  std::lock_guard lock(mutex_);
  if (node.has_value()) NoteEviction(*node);
  auto found = nodes_.find(name);
  if (found == nodes_.end() || found->second.resource_version != known_version) return;
  if (node.has_value()) {
    found->second = std::move(*node);
  } else {
    nodes_.erase(found);
  }
}

bool NodeTable::Put(NodeState node) {
  std::lock_guard lock(mutex_);
  NoteEviction(node);
  auto [entry, added] = nodes_.try_emplace(node.name, node);
  if (added) return true;
  bool same = entry->second.SameAs(node);
  entry->second = std::move(node);
  return !same;
}

bool NodeTable::Put(KnownAttestation attestation) {
  std::lock_guard lock(mutex_);
  auto [entry, added] = attestations_.try_emplace(attestation.attestation.name, attestation);
  if (added) return true;
  bool same = Same(entry->second, attestation);
  entry->second = std::move(attestation);
  return !same;
}

void NodeTable::RemoveNode(const std::string& name) {
  std::lock_guard lock(mutex_);
  nodes_.erase(name);
}

void NodeTable::RemoveAttestation(const std::string& name) {
  std::lock_guard lock(mutex_);
  attestations_.erase(name);
}

std::optional<NodeState> NodeTable::Node(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = nodes_.find(name);
  return found == nodes_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<KnownAttestation> NodeTable::Attestation(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = attestations_.find(name);
  return found == attestations_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> NodeTable::Names() const {
  std::lock_guard lock(mutex_);
  std::set<std::string> names;
  for (const auto& [name, node] : nodes_) names.insert(name);
  for (const auto& [name, attestation] : attestations_) names.insert(name);
  return {names.begin(), names.end()};
}

std::vector<WallTime> NodeTable::EvictionsOfOthers(const std::string& name) const {
  std::lock_guard lock(mutex_);
  std::vector<WallTime> times;
  for (const auto& [node, at] : evictions_) {
    if (node != name) times.push_back(at);
  }
  return times;
}

std::optional<WallTime> NodeTable::Eviction(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = evictions_.find(name);
  return found == evictions_.end() ? std::nullopt : std::optional(found->second);
}

void NodeTable::SetEviction(const std::string& name, std::optional<WallTime> at) {
  std::lock_guard lock(mutex_);
  if (at.has_value()) {
    evictions_.insert_or_assign(name, *at);
  } else {
    evictions_.erase(name);
  }
}

void NodeTable::KeepEvictions(WallTime from, WallTime until) {
  std::lock_guard lock(mutex_);
  std::erase_if(evictions_, [&](const auto& entry) { return entry.second < from || entry.second > until; });
}

void NodeQueue::Add(const std::string& name) {
  std::lock_guard lock(mutex_);
  sweep_.erase(name);
  if (in_urgent_.insert(name).second) urgent_.push_back(name);
}

void NodeQueue::Sweep(const std::vector<std::string>& names) {
  std::lock_guard lock(mutex_);
  for (const std::string& name : names) {
    if (!in_urgent_.contains(name)) sweep_.insert(name);
  }
}

void NodeQueue::AddAt(const std::string& name, WallTime at) {
  std::lock_guard lock(mutex_);
  auto [entry, added] = due_.try_emplace(name, at);
  if (!added) {
    if (entry->second <= at) return;
    by_time_.erase({entry->second, name});
    entry->second = at;
  }
  by_time_.emplace(at, name);
}

std::optional<std::string> NodeQueue::Pop(WallTime now) {
  std::lock_guard lock(mutex_);
  while (!by_time_.empty() && by_time_.begin()->first <= now) {
    std::string name = by_time_.begin()->second;
    by_time_.erase(by_time_.begin());
    due_.erase(name);
    sweep_.erase(name);
    if (in_urgent_.insert(name).second) urgent_.push_back(name);
  }
  std::string name;
  if (!urgent_.empty()) {
    name = std::move(urgent_.front());
    urgent_.pop_front();
    in_urgent_.erase(name);
  } else if (!sweep_.empty()) {
    name = *sweep_.begin();
    sweep_.erase(sweep_.begin());
  } else {
    return std::nullopt;
  }
  return name;
}

std::optional<WallTime> NodeQueue::Next() const {
  std::lock_guard lock(mutex_);
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

void NodeQueue::Clear() {
  std::lock_guard lock(mutex_);
  urgent_.clear();
  in_urgent_.clear();
  sweep_.clear();
  due_.clear();
  by_time_.clear();
}

}  // namespace gatehouse::webhook
