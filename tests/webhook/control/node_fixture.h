// The controller of Nodes against the fake API server, and what a test does and sees there.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/webhook/control/evidence.h"
#include "tests/webhook/control/support.h"
#include "webhook/control/node_controller.h"

namespace gatehouse::webhook {

using Effect = policy::UntrustedTaint::Effect;

inline policy::NodePolicy Tainting(Effect effect, std::size_t nodes = 1) {
  policy::NodePolicy policy = PolicyNamed("workers");
  policy.untrusted = policy::UntrustedTaint{
      .effect = effect, .grace = std::chrono::minutes(5), .max_nodes = nodes, .within = std::chrono::hours(1)};
  return policy;
}

class NodeControllerTest : public ::testing::Test {
 protected:
  ~NodeControllerTest() override { controller_.reset(); }

  void PutNode(const std::string& name, const std::string& taints = "[]", const std::string& labels = "{}") {
    cluster_.server.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + name + R"(","labels":)" + labels +
                        R"(},"spec":{"taints":)" + taints +
                        R"(},"status":{"conditions":[{"type":"Ready","status":"True"}]}})");
  }
  fakes::JsonValue Node(const std::string& name) const {
    return cluster_.server.Find(kube::kNodes, name).value_or(fakes::JsonValue());
  }
  std::string Uid(const std::string& name) const { return Node(name).TextAt({"metadata", "uid"}); }
  std::string Label(const std::string& name, std::string_view key = kube::kTrustedLabel) const {
    return Node(name).TextAt({"metadata", "labels", key});
  }
  // "NoSchedule/untrusted" of our taint, "NoExecute+NoSchedule/untrusted" of both, "" without one.
  std::string Taint(const std::string& name) const {
    fakes::JsonValue node = Node(name);
    const fakes::JsonValue* taints = node.At({"spec", "taints"});
    std::string effects;
    std::string value;
    for (std::size_t i = 0; taints != nullptr && i < taints->elements.size(); ++i) {
      const fakes::JsonValue& taint = taints->elements[i];
      if (taint.TextAt({"key"}) != kube::kUntrustedTaint) continue;
      effects += (effects.empty() ? "" : "+") + taint.TextAt({"effect"});
      value = taint.TextAt({"value"});
    }
    return effects.empty() ? "" : effects + "/" + value;
  }
  fakes::JsonValue Condition(const std::string& name) const {
    fakes::JsonValue node = Node(name);
    const fakes::JsonValue* conditions = node.At({"status", "conditions"});
    if (conditions == nullptr) return {};
    for (const fakes::JsonValue& condition : conditions->elements) {
      if (condition.TextAt({"type"}) == kube::kNodeCondition) return condition;
    }
    return {};
  }
  std::vector<std::string> Events() const {
    std::vector<std::string> reasons;
    for (const fakes::JsonValue& event : cluster_.server.All(kube::kEvents))
      reasons.push_back(event.TextAt({"reason"}));
    return reasons;
  }
  bool HasEvent(const std::string& reason) const {
    auto events = Events();
    return std::find(events.begin(), events.end(), reason) != events.end();
  }

  // What the node proves now, of the Node that it is now.
  void Attest(const std::string& name, bool affirming = true) {
    Write(AttestationOf(ResultOf(name, Uid(name), cluster_.clock.Wall(), affirming)));
  }
  void Write(kube::NodeAttestation attestation) {
    attestation.uid.clear();
    cluster_.server.Put(kube::WriteNodeAttestation(attestation, std::nullopt, false));
  }
  void SetPolicies(std::vector<policy::NodePolicy> policies) {
    auto set = std::make_shared<policy::PolicySet>();
    set->node_policies = std::move(policies);
    {
      std::lock_guard lock(mutex_);
      policies_ = std::move(set);
    }
    if (controller_ != nullptr) controller_->Kick();
  }
  std::shared_ptr<const policy::PolicySet> Policies() {
    std::lock_guard lock(mutex_);
    return policies_;
  }
  std::vector<crypto::PublicKey> Keys() {
    std::lock_guard lock(mutex_);
    return keys_;
  }
  void SetKeys(std::vector<crypto::PublicKey> keys) {
    std::lock_guard lock(mutex_);
    keys_ = std::move(keys);
  }
  void Start(NodeController::Options options = {}) {
    NodeController::Parts parts{.api = cluster_.api,
                                .policies = [this] { return Policies(); },
                                .keys = [this] { return Keys(); },
                                .leading = cluster_.Leading(),
                                .clock = cluster_.clock,
                                .log = cluster_.log,
                                .random = cluster_.random,
                                .believes = believes_};
    controller_ = std::make_unique<NodeController>(std::move(parts), options);
    controller_->Start();
  }
  std::size_t Writes() const {
    return cluster_.server.Count("PATCH", "/api/v1/nodes/") +
           cluster_.server.Count("PATCH", "/apis/gatehouse.dev/v1alpha1/nodeattestations/") +
           cluster_.server.Count("POST", "/") + cluster_.server.Count("DELETE", "/");
  }
  bool Settled(const std::string& name, const std::string& label, const std::string& taint,
               const std::string& condition) {
    return Await([&] {
      return Label(name) == label && Taint(name) == taint && Condition(name).TextAt({"reason"}) == condition;
    });
  }

  Cluster cluster_;
  std::mutex mutex_;
  std::shared_ptr<const policy::PolicySet> policies_;
  std::vector<crypto::PublicKey> keys_{SigningKey().Public()};
  std::function<bool(const std::string&, const policy::NodePolicy&)> believes_;
  std::unique_ptr<NodeController> controller_;
};

}  // namespace gatehouse::webhook
