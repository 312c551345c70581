// The controller of Nodes against an API server.
#include "webhook/control/node_controller.h"

#include <mutex>

#include "common/codec/time.h"
#include "tests/webhook/control/evidence.h"
#include "tests/webhook/control/support.h"
#include "webhook/control/node_state.h"
#include "webhook/control/node_table.h"

namespace gatehouse::webhook {
namespace {

using Effect = policy::UntrustedTaint::Effect;
using fakes::JsonValue;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

policy::NodePolicy Tainting(Effect effect, std::size_t nodes = 1) {
  policy::NodePolicy policy = PolicyNamed("workers");
  policy.untrusted =
      policy::UntrustedTaint{.effect = effect, .grace = minutes(5), .max_nodes = nodes, .within = hours(1)};
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
  JsonValue Node(const std::string& name) const {
    return cluster_.server.Find(kube::kNodes, name).value_or(JsonValue());
  }
  std::string Uid(const std::string& name) const { return Node(name).TextAt({"metadata", "uid"}); }
  std::string Label(const std::string& name, std::string_view key = kube::kTrustedLabel) const {
    return Node(name).TextAt({"metadata", "labels", key});
  }
  // "NoSchedule/untrusted" of our taint, "" without one.
  std::string Taint(const std::string& name) const {
    JsonValue node = Node(name);
    const JsonValue* taints = node.At({"spec", "taints"});
    if (taints == nullptr) return "";
    for (const JsonValue& taint : taints->elements) {
      if (taint.TextAt({"key"}) == kube::kUntrustedTaint)
        return taint.TextAt({"effect"}) + "/" + taint.TextAt({"value"});
    }
    return "";
  }
  JsonValue Condition(const std::string& name) const {
    JsonValue node = Node(name);
    const JsonValue* conditions = node.At({"status", "conditions"});
    if (conditions == nullptr) return {};
    for (const JsonValue& condition : conditions->elements) {
      if (condition.TextAt({"type"}) == kube::kNodeCondition) return condition;
    }
    return {};
  }
  std::vector<std::string> Events() const {
    std::vector<std::string> reasons;
    for (const JsonValue& event : cluster_.server.All(kube::kEvents)) reasons.push_back(event.TextAt({"reason"}));
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
  void Start(NodeController::Options options = {}) {
    controller_ = std::make_unique<NodeController>(NodeController::Parts{.api = cluster_.api,
                                                                         .policies =
                                                                             [this] {
                                                                               std::lock_guard lock(mutex_);
                                                                               return policies_;
                                                                             },
                                                                         .keys = [this] { return keys_; },
                                                                         .leading = cluster_.Leading(),
                                                                         .clock = cluster_.clock,
                                                                         .log = cluster_.log,
                                                                         .random = cluster_.random},
                                                   options);
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
  std::unique_ptr<NodeController> controller_;
};

TEST_F(NodeControllerTest, ATrustedNode) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  EXPECT_EQ(Condition("n1").TextAt({"status"}), "True");
  EXPECT_EQ(Condition("n1").TextAt({"message"}), "meets every NodePolicy that covers it");
  EXPECT_TRUE(Await([&] { return HasEvent("AttestationTrusted"); }));
  EXPECT_TRUE(controller_->Ready());
  EXPECT_EQ(controller_->Problems(), std::vector<std::string>{});
}

TEST_F(NodeControllerTest, ANodeThatIsNotTrusted) {
  PutNode("n1", R"([{"key":"gpu","effect":"NoSchedule"}])");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  EXPECT_EQ(Condition("n1").TextAt({"message"}), "pcr 7 (sha256): found 00, expected 11 [pcr-mismatch]");
  EXPECT_EQ(Node("n1").At({"spec", "taints"})->elements[0].TextAt({"key"}), "gpu") << "of somebody else";
  ASSERT_TRUE(Await([&] { return HasEvent("AttestationUntrusted"); }));
  JsonValue event = cluster_.server.All(kube::kEvents).at(0);
  EXPECT_EQ(event.TextAt({"metadata", "namespace"}), "default");
  EXPECT_EQ(event.TextAt({"involvedObject", "kind"}), "Node");
  EXPECT_EQ(event.TextAt({"involvedObject", "name"}), "n1");
  EXPECT_EQ(event.TextAt({"involvedObject", "uid"}), "n1") << "as kubelet writes it, so that kubectl describe finds it";
  EXPECT_EQ(event.TextAt({"type"}), "Warning");
}

TEST_F(NodeControllerTest, MarksFollowTheVerdictAtOnce) {
  PutNode("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
  EXPECT_EQ(Events(), std::vector<std::string>{}) << "that a new node is unknown is no event";
  auto begin = std::chrono::steady_clock::now();
  Attest("n1");
  ASSERT_TRUE(Await([&] { return Label("n1") == "true" && Taint("n1").empty(); }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, seconds(1)) << "the scheduler waits for it";
  cluster_.clock.Advance(seconds(1));
  Attest("n1", false);
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
}

TEST_F(NodeControllerTest, LabelAndTaintAreOneWrite) {
  PutNode("n1");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  EXPECT_EQ(cluster_.server.Count("PATCH", "/api/v1/nodes/n1"), 2U) << "and the status is another";
}

TEST_F(NodeControllerTest, NothingIsWrittenWhenAllIsAsItShouldBe) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  ASSERT_TRUE(Await([&] { return HasEvent("AttestationTrusted"); }));
  std::size_t writes = Writes();
  cluster_.clock.Advance(seconds(30));
  Attest("n1");
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return Writes() == writes; }));
}

TEST_F(NodeControllerTest, AResultThatExpiresNeedsNoEvent) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  std::string transition = Condition("n1").TextAt({"lastTransitionTime"});
  cluster_.clock.Advance(minutes(10));
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/expired", "Expired"));
  EXPECT_TRUE(Await([&] { return HasEvent("AttestationExpired"); }));
  EXPECT_NE(Condition("n1").TextAt({"lastTransitionTime"}), transition);
}

TEST_F(NodeControllerTest, WhatSomebodyTakesAwayIsPutBack) {
  PutNode("n1");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  JsonValue node = Node("n1");
  ApplyMergePatch(
      node, *JsonValue::Parse(R"({"metadata":{"labels":{"attestation.node-restriction.kubernetes.io/trusted":"true"}},)"
                              R"("spec":{"taints":[{"key":"gpu","effect":"NoSchedule"}]}})"));
  cluster_.server.Put(node.Write());
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  EXPECT_EQ(Node("n1").At({"spec", "taints"})->elements.size(), 2U);
}

TEST_F(NodeControllerTest, ANodeThatNoPolicyCoversAnyMoreLosesWhatIsOursOnly) {
  PutNode("n1", R"([{"key":"gpu","effect":"NoSchedule"}])", R"({"zone":"a"})");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  SetPolicies({});
  ASSERT_TRUE(Settled("n1", "", "", ""));
  EXPECT_EQ(Label("n1", "zone"), "a");
  EXPECT_EQ(Node("n1").At({"spec", "taints"})->elements.size(), 1U);
  EXPECT_EQ(Node("n1").At({"status", "conditions"})->elements.size(), 1U);
}

TEST_F(NodeControllerTest, WithoutPoliciesReadOrKeysKnownNothingIsTouched) {
  PutNode("n1", "[]", R"({"attestation.node-restriction.kubernetes.io/trusted":"true"})");
  Attest("n1");
  Start();
  ASSERT_TRUE(Await([&] { return controller_->Ready(); }));
  EXPECT_TRUE(Stays([&] { return Writes() == 0; })) << "no policies yet";
  auto keys = std::exchange(keys_, {});
  SetPolicies({Tainting(Effect::kNoSchedule)});
  EXPECT_TRUE(Stays([&] { return Writes() == 0; })) << "no keys yet";
  controller_->Stop();
  keys_ = keys;
  controller_->Start();
  EXPECT_TRUE(Settled("n1", "true", "", "Trusted"));
}

TEST_F(NodeControllerTest, WhoDoesNotLeadWatchesAndWritesNothing) {
  cluster_.leading = false;
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Await([&] { return controller_->Ready(); }));
  EXPECT_TRUE(Stays([&] { return Writes() == 0; }));
  cluster_.leading = true;
  controller_->Kick();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  ASSERT_TRUE(Await([&] { return HasEvent("AttestationTrusted"); }));
  cluster_.leading = false;
  std::size_t writes = Writes();
  cluster_.clock.Advance(seconds(1));
  Attest("n1", false);
  EXPECT_TRUE(Stays([&] { return Writes() == writes; }));
}

TEST_F(NodeControllerTest, AWriteThatFindsTheNodeChangedLosesNothing) {
  PutNode("n1");
  SetPolicies({});
  Start();
  ASSERT_TRUE(Await([&] { return controller_->Ready(); }));
  // Between our reading and our writing somebody adds a taint, of which the watch has not told yet.
  std::atomic<bool> once{false};
  cluster_.server.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "PATCH" || request.path != "/api/v1/nodes/n1" || once.exchange(true)) return std::nullopt;
    return fakes::KubeReply{
        .status = 409,
        .body = R"({"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Conflict","code":409})"};
  });
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoSchedule)});
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  EXPECT_TRUE(once);
  EXPECT_GE(cluster_.server.Count("GET", "/api/v1/nodes/n1"), 1U) << "read again";
}

TEST_F(NodeControllerTest, AnOutageIsSatOut) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  cluster_.server.Fail({.verb = "PATCH", .path = "/api/v1/nodes/n1", .status = 503, .times = 1});
  Start();
  ASSERT_TRUE(Await([&] { return !controller_->Problems().empty(); }));
  EXPECT_NE(controller_->Problems()[0].find("marks of nodes"), std::string::npos);
  cluster_.clock.Advance(seconds(5));
  EXPECT_TRUE(Settled("n1", "true", "", "Trusted"));
  EXPECT_TRUE(Await([&] { return controller_->Problems().empty(); }));
}

TEST_F(NodeControllerTest, NoExecuteAfterTheGraceAndWithinTheCap) {
  for (const char* name : {"n1", "n2", "n3"}) {
    PutNode(name);
    Attest(name, false);
  }
  SetPolicies({Tainting(Effect::kNoExecute)});
  Start();
  for (const char* name : {"n1", "n2", "n3"}) {
    ASSERT_TRUE(Settled(name, "false", "NoSchedule/untrusted", "Untrusted")) << "at once";
  }
  const auto evicted = [&] {
    int count = 0;
    for (const char* name : {"n1", "n2", "n3"}) count += Taint(name).starts_with("NoExecute") ? 1 : 0;
    return count;
  };
  cluster_.clock.Advance(minutes(5) - seconds(1));
  EXPECT_TRUE(Stays([&] { return evicted() == 0; }));
  // The nodes attest meanwhile: still untrusted, so that nothing expires.
  cluster_.clock.Advance(seconds(1));
  ASSERT_TRUE(Await([&] { return evicted() == 1; }));
  ASSERT_TRUE(Await([&] { return HasEvent("EvictionCapReached") && HasEvent("TaintedNoExecute"); }));
  cluster_.clock.Advance(minutes(59));
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return evicted() == 1; })) << "one an hour";
  cluster_.clock.Advance(minutes(1));
  EXPECT_TRUE(Await([&] { return evicted() == 2; }));
  EXPECT_TRUE(Stays([&] { return evicted() == 2; }));
}

TEST_F(NodeControllerTest, AnotherLeaderKnowsWhatWasEvicted) {
  for (const char* name : {"n1", "n2"}) {
    PutNode(name);
    Attest(name, false);
  }
  SetPolicies({Tainting(Effect::kNoExecute)});
  Start();
  for (const char* name : {"n1", "n2"}) ASSERT_TRUE(Settled(name, "false", "NoSchedule/untrusted", "Untrusted"));
  cluster_.clock.Advance(minutes(5));
  const auto evicted = [&] {
    return (Taint("n1").starts_with("NoExecute") ? 1 : 0) + (Taint("n2").starts_with("NoExecute") ? 1 : 0);
  };
  ASSERT_TRUE(Await([&] { return evicted() == 1; }));
  std::string first = Taint("n1").starts_with("NoExecute") ? "n1" : "n2";
  ASSERT_EQ(ParseLabelTime(Label(first, kEvictedLabel)), cluster_.clock.Wall());
  // That node is well again: its taint goes, but that it was evicted stays.
  controller_.reset();
  Attest(first, true);
  Start();
  ASSERT_TRUE(Settled(first, "true", "", "Trusted"));
  cluster_.clock.Advance(minutes(30));
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return evicted() == 0; }));
  cluster_.clock.Advance(minutes(30));
  ASSERT_TRUE(Await([&] { return evicted() == 1; })) << "an hour after the first, by another leader";
  EXPECT_NE(Label(first, kEvictedLabel), "");
}

TEST_F(NodeControllerTest, TheGraceGoesOnUnderAnotherLeader) {
  PutNode("n1");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoExecute)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  cluster_.clock.Advance(minutes(4));
  controller_.reset();
  Start();
  ASSERT_TRUE(Await([&] { return controller_->Ready(); }));
  EXPECT_TRUE(Stays([&] { return Taint("n1") == "NoSchedule/untrusted"; }));
  cluster_.clock.Advance(minutes(1));
  EXPECT_TRUE(Settled("n1", "false", "NoExecute/untrusted", "Untrusted"));
}

TEST_F(NodeControllerTest, AnEvictionOfWhichTheAnswerIsLostIsCounted) {
  for (const char* name : {"n1", "n2"}) {
    PutNode(name);
    Attest(name, false);
  }
  SetPolicies({Tainting(Effect::kNoExecute)});
  Start({.stale_after = hours(1000)});  // the watch is to tell nothing
  for (const char* name : {"n1", "n2"}) ASSERT_TRUE(Settled(name, "false", "NoSchedule/untrusted", "Untrusted"));
  cluster_.server.EndWatches();
  cluster_.server.Fail({.verb = "WATCH", .status = 503, .times = 1000});
  cluster_.server.Fail({.verb = "PATCH", .path = "/api/v1/nodes/", .status = 0, .done_nevertheless = true});
  cluster_.clock.Advance(minutes(5));
  const auto evicted = [&] {
    return (Taint("n1").starts_with("NoExecute") ? 1 : 0) + (Taint("n2").starts_with("NoExecute") ? 1 : 0);
  };
  ASSERT_TRUE(Await([&] { return evicted() == 1; }, seconds(5)));
  EXPECT_TRUE(Stays([&] { return evicted() == 1; }));
}

TEST_F(NodeControllerTest, APolicyThatIsEditedDoesNotMarkTheClusterWhileReplicasJudgeAgain) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  auto edited = Tainting(Effect::kNoSchedule);
  edited.generation = "g2";
  SetPolicies({edited});
  EXPECT_TRUE(Stays([&] { return Label("n1") == "true" && Taint("n1").empty(); }));
  // A replica found that it does not meet the policy as it is now.
  Write(AttestationOf(ResultOf("n1", Uid("n1"), cluster_.clock.Wall(), false, "workers@g2")));
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
}

TEST_F(NodeControllerTest, ANodeThatNobodyJudgesAgainIsUnknownAfterAMinute) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  auto edited = Tainting(Effect::kNoSchedule);
  edited.generation = "g2";
  SetPolicies({edited});
  EXPECT_TRUE(Stays([&] { return Label("n1") == "true"; }));
  cluster_.clock.Advance(seconds(60));
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
}

TEST_F(NodeControllerTest, Adversarial_G6_AnotherNodeOfTheSameNameHasNoneOfItsMarks) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  cluster_.server.Remove(kube::kNodes, "n1");
  PutNode("n1");
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
}

TEST_F(NodeControllerTest, Adversarial_G5_AForgedLabelDoesNotStay) {
  PutNode("n1", "[]", R"({"attestation.node-restriction.kubernetes.io/trusted":"true"})");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
}

TEST_F(NodeControllerTest, AKubeletThatForgesTheConditionDoesNotUseUpOurWrites) {
  PutNode("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
  const auto forge = [&] {
    JsonValue node = Node("n1");
    for (JsonValue& condition : node.Member("status").Member("conditions").elements) {
      if (condition.TextAt({"type"}) != kube::kNodeCondition) continue;
      condition.Member("status") = JsonValue::String("True");
      condition.Member("reason") = JsonValue::String("Trusted");
    }
    cluster_.server.Put(node.Write());
  };
  const auto writes = [&] { return cluster_.server.Count("PATCH", "/api/v1/nodes/n1/status"); };
  for (int i = 0; i < 30 && writes() < 5; ++i) {
    forge();
    EXPECT_TRUE(Await([&] { return Condition("n1").TextAt({"reason"}) == "Unknown" || writes() >= 5; }));
  }
  EXPECT_EQ(writes(), 5U);
  forge();
  EXPECT_TRUE(Stays([&] { return writes() == 5; }));
  EXPECT_EQ(Label("n1"), "false") << "which no kubelet can write";
  cluster_.clock.Advance(seconds(60));
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown")) << "in the end it is put right";
}

TEST_F(NodeControllerTest, WhileAWatchIsSilentNothingIsWritten) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  ASSERT_TRUE(Await([&] { return HasEvent("AttestationTrusted"); }));
  for (const char* verb : {"LIST", "WATCH"}) {
    cluster_.server.Fail({.verb = verb, .path = "/apis/gatehouse.dev", .status = 503, .times = 1'000'000});
  }
  cluster_.server.EndWatches();
  ASSERT_TRUE(Await([&] { return !controller_->Problems().empty(); }));
  std::size_t writes = Writes();
  cluster_.clock.Advance(minutes(30));
  EXPECT_TRUE(Stays([&] { return Writes() == writes; })) << "what it proved meanwhile is not known";
  cluster_.server.ClearFaults();
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/expired", "Expired"));
}

TEST_F(NodeControllerTest, ResultsOfAKeyThatIsTrustedNoMoreCountNoMore) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  controller_->Stop();
  keys_ = {crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public()};
  controller_->Start();
  controller_->Kick();
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
}

TEST_F(NodeControllerTest, ANodeAttestationThatCannotBeReadProvesNothing) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  cluster_.server.Put(
      R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NodeAttestation","metadata":{"name":"n1"},"spec":7})");
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
}

TEST_F(NodeControllerTest, WhatIsSwitchedOffIsNotThere) {
  PutNode("n1", "[]", R"({"attestation.node-restriction.kubernetes.io/trusted":"true"})");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.label = false, .condition = false, .events = false});
  EXPECT_TRUE(Settled("n1", "", "NoSchedule/untrusted", ""));
  EXPECT_TRUE(Stays([&] { return Events().empty(); }));
}

TEST_F(NodeControllerTest, TheSameEventIsSaidOnceInTenMinutesAndThenCountedUp) {
  PutNode("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  const auto flap = [&] {
    cluster_.clock.Advance(seconds(1));
    Attest("n1", false);
    EXPECT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
    cluster_.clock.Advance(seconds(1));
    Attest("n1", true);
    EXPECT_TRUE(Settled("n1", "true", "", "Trusted"));
  };
  flap();
  ASSERT_TRUE(Await([&] { return HasEvent("AttestationTrusted"); }));
  std::size_t posts = cluster_.server.Count("POST", "/api/v1/namespaces/default/events");
  EXPECT_EQ(posts, 2U);
  flap();
  EXPECT_TRUE(Stays([&] { return cluster_.server.Count("POST", "/api/v1/namespaces/default/events") == posts; }));
  cluster_.clock.Advance(minutes(9));
  Attest("n1", true);
  cluster_.clock.Advance(minutes(2));
  flap();
  ASSERT_TRUE(Await([&] {
    for (const JsonValue& event : cluster_.server.All(kube::kEvents)) {
      if (event.TextAt({"count"}) != "2") return false;
    }
    return true;
  }));
  EXPECT_EQ(Events().size(), 2U);
}

// --- bindings of nodes that are gone

TEST_F(NodeControllerTest, ABindingOutlivesItsNodeForAsLongAsItIsKept) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.keep_bindings = hours(720)});
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  cluster_.server.Remove(kube::kNodes, "n1");
  const auto binding = [&] { return cluster_.server.Find(kube::kNodeAttestations, "n1"); };
  ASSERT_TRUE(Await([&] { return !binding()->TextAt({"metadata", "annotations", kGoneAnnotation}).empty(); }));
  EXPECT_EQ(binding()->TextAt({"metadata", "annotations", kGoneAnnotation}), codec::FormatTime(cluster_.clock.Wall()));
  cluster_.clock.Advance(hours(720) - seconds(1));
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return binding().has_value(); }));
  cluster_.clock.Advance(seconds(1));
  EXPECT_TRUE(Await([&] { return !binding().has_value(); }));
}

TEST_F(NodeControllerTest, ANodeThatComesBackKeepsItsBinding) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  cluster_.server.Remove(kube::kNodes, "n1");
  const auto gone = [&] {
    return cluster_.server.Find(kube::kNodeAttestations, "n1")->TextAt({"metadata", "annotations", kGoneAnnotation});
  };
  ASSERT_TRUE(Await([&] { return !gone().empty(); }));
  PutNode("n1");
  EXPECT_TRUE(Await([&] { return gone().empty(); }));
  EXPECT_TRUE(cluster_.server.Find(kube::kNodeAttestations, "n1").has_value());
}

TEST_F(NodeControllerTest, AMachineThatAttestsWithoutANodeKeepsItsBinding) {
  Write(AttestationOf(ResultOf("n1", "", cluster_.clock.Wall())));
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.keep_bindings = hours(1)});
  const auto binding = [&] { return cluster_.server.Find(kube::kNodeAttestations, "n1"); };
  ASSERT_TRUE(Await([&] { return !binding()->TextAt({"metadata", "annotations", kGoneAnnotation}).empty(); }));
  std::string gone = binding()->TextAt({"metadata", "annotations", kGoneAnnotation});
  cluster_.clock.Advance(minutes(50));
  auto fresh = JsonValue::Parse(
      kube::WriteNodeAttestation(AttestationOf(ResultOf("n1", "", cluster_.clock.Wall())), std::nullopt, false));
  fresh->Member("metadata").Member("annotations").Member(kGoneAnnotation) = JsonValue::String(gone);
  fresh->Member("metadata").Erase("uid");
  cluster_.server.Put(fresh->Write());
  cluster_.clock.Advance(minutes(20));
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return binding().has_value(); }));
  cluster_.clock.Advance(minutes(40));
  EXPECT_TRUE(Await([&] { return !binding().has_value(); }));
}

TEST_F(NodeControllerTest, BindingsThatBelongToTheirNodesAreNotOursToRemove) {
  Write(AttestationOf(ResultOf("n1", "", cluster_.clock.Wall())));
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.keep_bindings = Duration::zero()});
  ASSERT_TRUE(Await([&] { return controller_->Ready(); }));
  cluster_.clock.Advance(hours(10'000));
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return Writes() == 0; }));
}

TEST_F(NodeControllerTest, TwoHundredNodesAreLookedAtAndWrittenOnce) {
  for (int i = 0; i < 200; ++i) {
    std::string name = "node-" + std::to_string(i);
    PutNode(name);
    Attest(name, i % 2 == 0);
  }
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.events = false});
  ASSERT_TRUE(Await([&] {
    for (int i = 0; i < 200; ++i) {
      if (Condition("node-" + std::to_string(i)).TextAt({"reason"}).empty()) return false;
    }
    return true;
  }));
  EXPECT_EQ(cluster_.server.Count("PATCH", "/api/v1/nodes/"), 400U) << "each its marks and its condition";
}

}  // namespace
}  // namespace gatehouse::webhook
