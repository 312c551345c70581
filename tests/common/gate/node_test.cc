// The node half: what the gate says to a Binding and to spec.nodeName.
#include "tests/common/gate/fixture.h"

namespace gatehouse::gate {
namespace {

class NodeGate : public GateFixture {
 protected:
  void SetUp() override { SetMode(policy::Mode::kEnforce); }
  // Node policies without the loader: their trust roots do not matter here.
  void SetMode(policy::Mode mode) {
    auto made = std::make_shared<policy::PolicySet>();
    made->node_policies.push_back({.name = "workers",
                                   .generation = "1",
                                   .nodes = {*policy::Glob::Parse("worker-*")},
                                   .namespace_selector = {},
                                   .mode = mode,
                                   .validity = Duration(60'000),
                                   .trust_roots = {},
                                   .tpm = {HashAlgorithm::kSha256, {}},
                                   .reference_values = {},
                                   .reference_sets = {},
                                   .untrusted = std::nullopt});
    set = made;
  }
  void Say(const std::string& node, NodeTrust trust) { nodes.trust[node] = std::move(trust); }
};

TEST_F(NodeGate, TrustedNodeIsBound) {
  Say("worker-1", {.state = NodeState::kTrusted, .findings = {}, .expires = clock.Wall() + Duration(60'000)});
  Decision decision = Decide(Binding("worker-1"));
  EXPECT_EQ(decision.outcome(), "allowed");
  ASSERT_EQ(decision.approvals().size(), 1U);
  EXPECT_EQ(decision.approvals()[0].subject, "node worker-1");
}

TEST_F(NodeGate, StatesAndTheirReasons) {
  EXPECT_EQ(OnlyReason(Decide(Binding("worker-1"))), Reason::kNodeUnknown);
  Say("worker-1", {.state = NodeState::kExpired, .findings = {}, .expires = clock.Wall()});
  EXPECT_EQ(OnlyReason(Decide(Binding("worker-1"))), Reason::kAttestationExpired);
  Say("worker-1",
      {.state = NodeState::kUntrusted, .findings = {{Reason::kPcrMismatch, "pcr 7 (sha256)", "is 00"}}, .expires = {}});
  Decision decision = Decide(Binding("worker-1"));
  EXPECT_EQ(OnlyReason(decision), Reason::kNodeUntrusted);
  EXPECT_EQ(decision.findings()[0].error.detail, "pcr 7 (sha256): is 00 [pcr-mismatch]");
}

TEST_F(NodeGate, ModesApplyToNodesToo) {
  SetMode(policy::Mode::kWarn);
  EXPECT_EQ(Decide(Binding("worker-1")).outcome(), "warned");
  SetMode(policy::Mode::kAudit);
  EXPECT_EQ(Decide(Binding("worker-1")).outcome(), "allowed");
}

TEST_F(NodeGate, NamespaceSelectorOfANodePolicyIsApplied) {
  options.unmatched_nodes = Unmatched::kAllow;
  auto made = std::make_shared<policy::PolicySet>(*set);
  made->node_policies[0].namespace_selector =
      policy::LabelSelector({{"env", policy::LabelSelector::Operator::kIn, {"prod"}}});
  made->namespaces["default"] = {{"env", "test"}};
  set = made;
  EXPECT_EQ(Decide(Binding("worker-1")).outcome(), "allowed");
  made = std::make_shared<policy::PolicySet>(*made);
  made->namespaces["default"] = {{"env", "prod"}};
  set = made;
  EXPECT_EQ(OnlyReason(Decide(Binding("worker-1"))), Reason::kNodeUnknown);
  made = std::make_shared<policy::PolicySet>(*made);
  made->namespaces.clear();
  set = made;
  EXPECT_EQ(OnlyReason(Decide(Binding("worker-1"))), Reason::kLabelsUnknown);
}

TEST_F(NodeGate, NodeThatNoPolicyCoversFollowsTheSetting) {
  EXPECT_EQ(OnlyReason(Decide(Binding("other"))), Reason::kNoPolicyMatches);
  options.unmatched_nodes = Unmatched::kAllow;
  EXPECT_EQ(Decide(Binding("other")).outcome(), "allowed");
}

TEST_F(NodeGate, NameThatIsNoNodeIsRefused) {
  options.unmatched_nodes = Unmatched::kAllow;
  EXPECT_EQ(OnlyReason(Decide(Binding("Worker_1"))), Reason::kReviewMalformed);
}

TEST_F(NodeGate, Adversarial_G1_PodPutOnAnUntrustedNodeAtCreation) {
  options.unmatched_images = Unmatched::kAllow;
  auto request = Pod({"registry.example/app:1"});
  request.node = "worker-1";
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kNodeUnknown);
}

TEST_F(NodeGate, Adversarial_G2_TheLegacyDoorIsTheSameDoor) {
  auto request = Binding("worker-1");
  request.resource = "bindings";
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kNodeUnknown);
}

TEST_F(NodeGate, Adversarial_G13_ABindingIsJudgedByItsNodeWhateverPodItNames) {
  auto request = Binding("worker-1");
  request.name = "";
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kNodeUnknown);
}

TEST_F(NodeGate, Adversarial_G17_DryRunIsJudgedTheSame) {
  auto request = Binding("worker-1");
  request.dry_run = true;
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kNodeUnknown);
}

TEST_F(NodeGate, BothHalvesAreInOneAnswer) {
  auto request = Pod({"elsewhere.example/app"});
  request.node = "worker-1";
  EXPECT_EQ(Decide(request).findings().size(), 2U);
}

}  // namespace
}  // namespace gatehouse::gate
