// Failures and results on their way to the other replicas: what is written, when, and in what order.
#include "tests/webhook/attest/cluster_fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kUsage : result.error().reason;  // which nothing here fails with
}

// --- failures

TEST_F(ClusterFixture, Adversarial_G3_FailureAtOneReplicaTakesTheTrustAwayAtAll) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  EXPECT_EQ(b->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  EXPECT_EQ(b->State("worker-1"), NodeState::kUntrusted);
  ASSERT_TRUE(a->Becomes("worker-1", NodeState::kUntrusted));
  EXPECT_EQ(a->Trust("worker-1").findings.at(0).reason, Reason::kSignatureInvalid);
  EXPECT_TRUE(Says("worker-1", "Untrusted"));
  // A later result gives it back, also elsewhere.
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  EXPECT_EQ(ObjectText("worker-1", {"status", "failure", "reason"}), "");
}

TEST_F(ClusterFixture, AQuoteFromBeforeTheFailureDoesNotUndoIt) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  auto kept = b->Collect("worker-1", node);  // while all is well
  EXPECT_EQ(a->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kUntrusted));
  ASSERT_TRUE(b->service.Evidence(Node("worker-1"), *kept).ok());
  EXPECT_EQ(b->State("worker-1"), NodeState::kUntrusted);
  EXPECT_EQ(a->State("worker-1"), NodeState::kUntrusted);
}

// Two that write what each believes would never come to an end.
TEST_F(ClusterFixture, AFailureThatWasTakenAwayIsWrittenBackByWhoFoundItOnly) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_EQ(a->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kUntrusted));
  Settle(*a);
  a.reset();
  const std::size_t before = Patches();
  Change("worker-1", [](fakes::JsonValue& object) { object.Member("status").Erase("failure"); });
  Settle(*b);
  EXPECT_EQ(b->State("worker-1"), NodeState::kUntrusted);
  EXPECT_EQ(Patches(), before);
}

TEST_F(ClusterFixture, TheSameFailureAgainIsNotWrittenAgain) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_EQ(a->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  ASSERT_TRUE(Says("worker-1", "Untrusted"));
  Settle(*a);
  const std::size_t before = Patches("worker-1");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(a->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  Settle(*a);
  EXPECT_EQ(Patches("worker-1"), before);
}

// What a failure does not say must not stay from the one before: a merge patch merges objects.
TEST_F(ClusterFixture, AFailureThatSaysLessTakesTheRestAway) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  a->nodes.PublishFailure(Node("worker-1"), {Reason::kNonceReused, "nonce", "answered before"});
  ASSERT_TRUE(Eventually([&] { return ObjectText("worker-1", {"status", "failure", "where"}) == "nonce"; }));
  clock.Advance(std::chrono::seconds(1));
  a->nodes.PublishFailure(Node("worker-1"), {Reason::kClockRewound, "", ""});
  ASSERT_TRUE(Eventually([&] { return ObjectText("worker-1", {"status", "failure", "reason"}) == "clock-rewound"; }));
  EXPECT_EQ(ObjectText("worker-1", {"status", "failure", "where"}), "");
  EXPECT_EQ(ObjectText("worker-1", {"status", "failure", "detail"}), "");
  Settle(*a);
  const std::size_t before = Patches("worker-1");
  Settle(*a);
  EXPECT_EQ(Patches("worker-1"), before) << "it is said";
}

// --- writes

TEST_F(ClusterFixture, AResultThatSaysNothingNewIsNotWrittenBeforeHalfOfTheValidity) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  Settle(*a);
  const std::size_t first = Patches("worker-1");
  EXPECT_TRUE(Eventually([&] { return a->nodes.writes().written == first; }));
  for (int i = 0; i < 3; ++i) {
    clock.Advance(std::chrono::seconds(60));
    ASSERT_TRUE(a->Attest("worker-1", node).ok());
  }
  Settle(*a);
  EXPECT_EQ(Patches("worker-1"), first);
  EXPECT_EQ(a->nodes.writes().spared, 3U);
  clock.Advance(std::chrono::seconds(65));
  auto answer = a->Attest("worker-1", node);
  EXPECT_TRUE(Eventually([&] { return ObjectText("worker-1", {"status", "ear"}) == answer->ear; }));
  EXPECT_EQ(Patches("worker-1"), first + 1);
  // Spared or not, it counts here.
  EXPECT_GT(a->Trust("worker-1").expires, clock.Wall() + std::chrono::seconds(590));
}

// Any namespace that is labelled makes another set of policies: the evidence is no newer for that.
TEST_F(ClusterFixture, EvidenceThatIsAppraisedAgainToTheSameEndIsNotWrittenAgain) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  Settle(*a);
  const std::size_t before = Patches("worker-1");
  clock.Advance(std::chrono::seconds(300));
  for (int i = 0; i < 3; ++i) a->service.Reappraise();
  Settle(*a);
  EXPECT_EQ(Patches("worker-1"), before);
  auto answer = a->Attest("worker-1", node);
  EXPECT_TRUE(Eventually([&] { return ObjectText("worker-1", {"status", "ear"}) == answer->ear; }));
  EXPECT_EQ(Patches("worker-1"), before + 1);
}

TEST_F(ClusterFixture, AResultThatSomebodyWaitsForIsWrittenOnce) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  const std::string attested = ObjectText("worker-1", {"status", "attested"});
  Change("worker-1", [&](fakes::JsonValue& object) {
    object.Member("metadata").Member("annotations").Member(kube::kNewerThan) = fakes::JsonValue::String(attested);
  });
  Settle(*a);
  const std::size_t before = Patches("worker-1");
  EXPECT_EQ(ObjectText("worker-1", {"status", "attested"}), attested);  // there is none yet
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_TRUE(Eventually([&] { return ObjectText("worker-1", {"status", "attested"}) != attested; }));
  Settle(*a);
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  Settle(*a);
  EXPECT_EQ(Patches("worker-1"), before + 1);
}

TEST_F(ClusterFixture, AChangedVerdictIsWrittenAtOnceAndSoAreItsReasons) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  const std::string since = ObjectText("worker-1", {"status", "since"});
  clock.Advance(std::chrono::seconds(5));
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Untrusted"));
  EXPECT_NE(ObjectText("worker-1", {"status", "since"}), since);
  EXPECT_NE(ObjectText("worker-1", {"status", "message"}).find("pcr 7"), std::string::npos);
  EXPECT_EQ(Object("worker-1")->At({"status", "reasons"})->elements.at(0).text, "pcr-mismatch");
}

TEST_F(ClusterFixture, AChangedPolicyIsWrittenByWhoHoldsTheEvidence) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  Load(PolicyYaml("workers", "", "500s"));
  EXPECT_EQ(b->State("worker-1"), NodeState::kUnknown);
  a->service.Reappraise();
  b->service.Reappraise();
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
}

TEST_F(ClusterFixture, WhatOthersWroteIntoTheMetadataStays) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  Change("worker-1", [](fakes::JsonValue& object) {
    object.Member("metadata").Member("annotations").Member("example.org/owner") = fakes::JsonValue::String("me");
  });
  ASSERT_TRUE(a->Attest("worker-1", node).ok());  // perhaps with a version that is old by now
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  EXPECT_EQ(ObjectText("worker-1", {"metadata", "annotations", "example.org/owner"}), "me");
}

TEST_F(ClusterFixture, AWriteThatMeetsAnotherIsMadeAgainUnlessTheOtherIsNewer) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  kube.Fail({.verb = "PATCH", .status = 409, .times = 2});
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_TRUE(Says("worker-1", "Trusted"));
  EXPECT_EQ(a->nodes.writes().failed, 0U);
}

TEST_F(ClusterFixture, AnOutageKeepsTheNewestAndItIsWrittenAfterwards) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Enrol("worker-2", *std::make_unique<TestNode>(vendor)).ok());
  kube.Fail({.verb = "PATCH", .status = 503, .times = 1'000'000});
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Eventually([&] { return a->nodes.writes().failed > 2; }));
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);  // what was shown to us counts here
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(a->Attest("worker-1", node).ok());
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  kube.ClearFaults();
  EXPECT_TRUE(Says("worker-1", "Untrusted"));
  EXPECT_TRUE(Eventually([&] { return a->nodes.writes().written > 0; }));
  EXPECT_LE(a->nodes.writes().written, 2U);  // and one that was on its way when the API answered again
}

TEST_F(ClusterFixture, AnObjectThatIsNotAcceptedDoesNotHoldUpTheOthers) {
  auto a = Start();
  TestNode second(vendor);
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Enrol("worker-2", second).ok());
  kube.Fail({.verb = "PATCH",
             .path = "/apis/gatehouse.dev/v1alpha1/nodeattestations/worker-1",
             .status = 422,
             .times = 1'000'000});
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  second.tpm.SetPcr(HashAlgorithm::kSha256, 7, node.tpm.Pcr(HashAlgorithm::kSha256, 7));
  ASSERT_TRUE(a->Attest("worker-2", second).ok());
  EXPECT_TRUE(Says("worker-2", "Trusted"));
  kube.ClearFaults();
  EXPECT_TRUE(Says("worker-1", "Trusted"));
}

TEST_F(ClusterFixture, AFaultWhileWritingOneIsTriedAgain) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  key_throws = true;
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_TRUE(Eventually([&] { return a->nodes.writes().failed > 1; }));
  key_throws = false;
  EXPECT_TRUE(Says("worker-1", "Trusted"));
}

TEST_F(ClusterFixture, UrgentFirst) {
  Replica a(*this, Quick());
  // Its watches, but not yet the thread that writes: a failing API holds that up.
  a.Start();
  std::vector<TestNode> machines;
  for (int i = 0; i < 3; ++i) {
    const std::string name = "worker-n" + std::to_string(i);
    AddNode(name, "uid-n" + std::to_string(i));
    machines.emplace_back(vendor);
    ASSERT_TRUE(Eventually([&] { return !a.bindings->NodeUid(name).empty(); }));
    ASSERT_TRUE(a.Enrol(name, machines.back()).ok());
    ASSERT_TRUE(a.Attest(name, machines.back()).ok());
    ASSERT_TRUE(Says(name, "Trusted"));
  }
  Settle(a);
  kube.ForgetRequests();
  kube.Fail({.verb = "PATCH", .status = 503, .times = 1'000'000});
  clock.Advance(std::chrono::seconds(300));
  ASSERT_TRUE(a.Attest("worker-n0", machines[0]).ok());  // grown old
  ASSERT_TRUE(Eventually([&] { return a.nodes.writes().failed > 0; }));
  ASSERT_TRUE(a.Attest("worker-n1", machines[1]).ok());                            // grown old
  EXPECT_EQ(a.AttestForged("worker-n2", machines[2]), Reason::kSignatureInvalid);  // a failure
  std::size_t failed = a.nodes.writes().failed;
  ASSERT_TRUE(Eventually([&] { return a.nodes.writes().failed > failed + 1; }));
  kube.ForgetRequests();
  kube.ClearFaults();
  ASSERT_TRUE(Says("worker-n2", "Untrusted"));
  ASSERT_TRUE(Eventually([&] { return Patches() >= 3; }));
  std::vector<std::string> order;
  for (const fakes::KubeRequest& request : kube.requests()) {
    if (request.verb == "PATCH") order.push_back(request.path.substr(request.path.rfind('/') + 1));
  }
  EXPECT_EQ(order.front(), "worker-n2");
}

// --- keys

TEST_F(ClusterFixture, WhatAKeyThatIsTakenAwayHasSignedDoesNotCountAnyMore) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  Settle(*a);
  SetKeys({});
  a->nodes.KeysChanged();
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  EXPECT_EQ(ReasonOf(a->bindings->Find("worker-1")), Reason::kNodeConflict);
  SetKeys({signing_key.Public()});
  a->nodes.KeysChanged();
  EXPECT_TRUE(a->Becomes("worker-1", NodeState::kTrusted));
  EXPECT_TRUE(a->bindings->Find("worker-1").ok());
}

TEST_F(ClusterFixture, BindingsAreSignedAnewWhenTheKeyIsReplaced) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  Settle(*a);
  auto next = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  SetKeys({signing_key.Public(), next.Public()});
  a->nodes.KeysChanged();
  current_key = next;
  clock.Advance(std::chrono::seconds(300));
  auto answer = a->Attest("worker-1", node);
  ASSERT_TRUE(Eventually([&] { return ObjectText("worker-1", {"status", "ear"}) == answer->ear; }));
  EXPECT_TRUE(VerifyBinding(ObjectText("worker-1", {"spec", "binding"}), {next.Public()}, clock.Wall()).ok());
  Settle(*a);
  SetKeys({next.Public()});  // the old one is gone
  a->nodes.KeysChanged();
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(a->bindings->Find("worker-1").ok());
}

}  // namespace
}  // namespace gatehouse::webhook
