// The controller of Nodes against an API server.
#include "tests/webhook/control/node_fixture.h"

namespace gatehouse::webhook {
namespace {

using fakes::JsonValue;
using std::chrono::minutes;
using std::chrono::seconds;

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
  for (const fakes::KubeRequest& request : cluster_.server.requests()) {
    if (request.verb != "PATCH" || request.path != "/api/v1/nodes/n1") continue;
    EXPECT_NE(request.body.find(kube::kTrustedLabel), std::string::npos);
    EXPECT_NE(request.body.find(kube::kUntrustedTaint), std::string::npos);
  }
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

// A trusted node that is to be judged anew keeps its marks for a while; one that nobody judges any more does not.
TEST_F(NodeControllerTest, ATrustedNodeThatNoPolicyCoversAnyMoreLosesItsMarksAtOnce) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  SetPolicies({});
  EXPECT_TRUE(Settled("n1", "", "", ""));
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
  SetKeys({});
  SetPolicies({Tainting(Effect::kNoSchedule)});
  EXPECT_TRUE(Stays([&] { return Writes() == 0; })) << "no keys yet";
  controller_->Stop();
  SetKeys({SigningKey().Public()});
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
  SetKeys({crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public()});
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

TEST_F(NodeControllerTest, AConditionThatIsSwitchedOffIsLetAlone) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  controller_.reset();
  cluster_.server.ForgetRequests();
  Start({.condition = false});
  cluster_.clock.Advance(seconds(1));
  Attest("n1", false);
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Trusted"));
  EXPECT_EQ(cluster_.server.Count("PATCH", "/api/v1/nodes/n1/status"), 0U) << "the right to may have gone with it";
  EXPECT_EQ(controller_->Problems(), std::vector<std::string>{});
}

TEST_F(NodeControllerTest, WhatIsRefusedIsTriedSeldomAndSeldomer) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  cluster_.server.Fail({.verb = "PATCH", .path = "/api/v1/nodes/n1", .status = 403, .times = 1000});
  Start();
  const auto tries = [&] { return cluster_.server.Count("PATCH", "/api/v1/nodes/n1"); };
  ASSERT_TRUE(Await([&] { return tries() == 1; }));
  cluster_.clock.Advance(seconds(5));
  ASSERT_TRUE(Await([&] { return tries() == 2; }));
  cluster_.clock.Advance(seconds(5));
  EXPECT_TRUE(Stays([&] { return tries() == 2; }));
  cluster_.clock.Advance(seconds(5));
  EXPECT_TRUE(Await([&] { return tries() == 3; }));
  EXPECT_FALSE(controller_->Problems().empty());
}

// Whoever may write NodeAttestations could put a result of before back after its binding was released: the gate knows.
TEST_F(NodeControllerTest, WhatTheGateDoesNotTrustGetsNoMarkOfTrust) {
  std::atomic<bool> believed{false};
  believes_ = [&](const std::string& node, const policy::NodePolicy& policy) {
    return believed && node == "n1" && policy.name == "workers";
  };
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
  EXPECT_NE(Condition("n1").TextAt({"message"}).find("not believed"), std::string::npos);
  EXPECT_TRUE(Stays([&] { return Label("n1") == "false"; }));
  // It may be a moment behind the watch that we have: looked at again without any event.
  believed = true;
  cluster_.clock.Advance(Duration(100));
  EXPECT_TRUE(Settled("n1", "true", "", "Trusted"));
}

TEST_F(NodeControllerTest, MarksStayForAsLongAsAgentsNeedToComeAgain) {
  PutNode("n1");
  Attest("n1");
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.settle = minutes(5)});
  ASSERT_TRUE(Settled("n1", "true", "", "Trusted"));
  auto edited = Tainting(Effect::kNoSchedule);
  edited.generation = "g2";
  SetPolicies({edited});
  EXPECT_TRUE(Stays([&] { return Label("n1") == "true"; }));
  cluster_.clock.Advance(minutes(4));
  EXPECT_TRUE(Stays([&] { return Label("n1") == "true"; }));
  cluster_.clock.Advance(minutes(1));
  EXPECT_TRUE(Settled("n1", "false", "NoSchedule/unknown", "Unknown"));
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
  // Each its marks and its condition; some are tried again, where the watch was behind.
  EXPECT_LE(cluster_.server.Count("PATCH", "/api/v1/nodes/"), 600U);
}

}  // namespace
}  // namespace gatehouse::webhook
