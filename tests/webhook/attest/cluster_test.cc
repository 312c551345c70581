// Several replicas of the verifier over one cluster: bindings, results, failures, writes, and who tries to forge them.
#include "tests/webhook/attest/cluster_fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kUsage : result.error().reason;  // which nothing here fails with
}

// --- one session over several replicas

TEST_F(ClusterFixture, EveryReplicaTrustsWhatOneOfThemWasShown) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  auto answer = b->Attest("worker-1", node);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(b->State("worker-1"), NodeState::kTrusted);  // at once
  EXPECT_TRUE(a->Becomes("worker-1", NodeState::kTrusted));
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  EXPECT_EQ(ObjectText("worker-1", {"spec", "nodeUID"}), "uid-1");
  EXPECT_EQ(ObjectText("worker-1", {"status", "ear"}), answer->ear);
  EXPECT_EQ(a->nodes.Count(*set),
            (std::map<NodeState, std::size_t>{{NodeState::kTrusted, 1}, {NodeState::kUnknown, 1}}));
}

TEST_F(ClusterFixture, TheResultSaysWhichNodeWhichClockAndWhenItWasAskedFor) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  auto evidence = a->Collect("worker-1", node);
  const WallTime asked = clock.Wall();
  clock.Advance(std::chrono::seconds(20));
  auto answer = a->service.Evidence(Node("worker-1"), *evidence);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  auto result = ear::Verify(answer->ear, Keys(), clock.Wall());
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_EQ(result->result().node_uid, "uid-1");
  EXPECT_EQ(result->result().issued, std::chrono::floor<std::chrono::seconds>(asked));
  EXPECT_EQ(result->result().expires, std::chrono::floor<std::chrono::seconds>(asked) + std::chrono::seconds(600));
  ASSERT_TRUE(result->result().clock.has_value());
  EXPECT_EQ(result->result().clock->clock_ms, node.tpm.clock.clock_ms);
  EXPECT_EQ(result->result().clock->reset_count, node.tpm.clock.reset_count);
}

// Nonces are redeemed by each replica for itself; what that lets through must gain nothing.
TEST_F(ClusterFixture, Adversarial_Q4_OneQuoteAtTwoReplicasExtendsNothing) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  auto evidence = a->Collect("worker-1", node);
  ASSERT_TRUE(evidence.ok());
  ASSERT_TRUE(a->service.Evidence(Node("worker-1"), *evidence).ok());
  const WallTime expires = a->Trust("worker-1").expires;
  clock.Advance(std::chrono::seconds(100));
  auto again = b->service.Evidence(Node("worker-1"), *evidence);
  if (again.ok()) {
    EXPECT_EQ(b->Trust("worker-1").expires, expires);
  } else {
    EXPECT_EQ(again.error().reason, Reason::kClockRewound);  // it has heard of the first already
    EXPECT_EQ(b->State("worker-1"), NodeState::kTrusted);    // and that is no failure of the node
  }
}

TEST_F(ClusterFixture, EvidenceThatCameInAfterALaterOneElsewhereIsNoFailure) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  auto early = a->Collect("worker-1", node);
  ASSERT_TRUE(b->Attest("worker-1", node).ok());
  ASSERT_TRUE(a->Becomes("worker-1", NodeState::kTrusted));
  EXPECT_EQ(ReasonOf(a->service.Evidence(Node("worker-1"), *early)), Reason::kClockRewound);
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
  EXPECT_EQ(ObjectText("worker-1", {"status", "failure", "reason"}), "");
}

TEST_F(ClusterFixture, Adversarial_Q9_RewoundClockIsSeenAtAnotherReplica) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  auto rewound = b->Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 500'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
  EXPECT_EQ(b->State("worker-1"), NodeState::kUntrusted);
  EXPECT_TRUE(a->Becomes("worker-1", NodeState::kUntrusted));
}

TEST_F(ClusterFixture, Adversarial_Q9_TheClockOutlivesAllReplicasAndTheResult) {
  {
    auto a = Start();
    ASSERT_TRUE(a->Enrol("worker-1", node).ok());
    ASSERT_TRUE(a->Attest("worker-1", node).ok());
    ASSERT_TRUE(Says("worker-1", "Trusted"));
  }
  clock.Advance(std::chrono::hours(1));
  auto b = Start();
  EXPECT_EQ(b->State("worker-1"), NodeState::kUnknown);
  auto rewound = b->Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 500'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
}

// --- bindings

TEST_F(ClusterFixture, BindingIsThereAtOnceAndSaysItsNode) {
  auto a = Start();
  EXPECT_EQ(ReasonOf(a->bindings->Find("worker-1")), Reason::kAkUnbound);
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  auto found = a->bindings->Find("worker-1");
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_EQ(found->ak_name, node.AkName());
  EXPECT_EQ(found->node_uid, "uid-1");
  EXPECT_EQ(ObjectText("worker-1", {"spec", "ak"}), node.AkName());
  auto read = VerifyBinding(ObjectText("worker-1", {"spec", "binding"}), Keys(), clock.Wall());
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(read->node, "worker-1");
}

TEST_F(ClusterFixture, NodeThatTheClusterDoesNotHaveIsNotBound) {
  auto a = Start();
  EXPECT_EQ(ReasonOf(a->Enrol("worker-9", node)), Reason::kNodeUnknown);
  EXPECT_EQ(ReasonOf(a->bindings->Find("worker-9")), Reason::kNodeUnknown);
  EXPECT_FALSE(Object("worker-9").has_value());
}

TEST_F(ClusterFixture, NothingIsKnownBeforeTheClusterWasRead) {
  Replica a(*this, Quick());
  EXPECT_EQ(ReasonOf(a.bindings->Find("worker-1")), Reason::kKubeUnavailable);
  EXPECT_EQ(ReasonOf(a.Enrol("worker-1", node)), Reason::kKubeUnavailable);
  EXPECT_EQ(a.State("worker-1"), NodeState::kUnknown);
  EXPECT_FALSE(a.nodes.Ready());
}

TEST_F(ClusterFixture, SameTpmAgainWritesNothingAndItsNewKeyDoes) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  const std::string before = ObjectText("worker-1", {"metadata", "resourceVersion"});
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_EQ(ObjectText("worker-1", {"metadata", "resourceVersion"}), before);
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  node.ak = node.tpm.CreateAk();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_EQ(ObjectText("worker-1", {"spec", "ak"}), node.AkName());
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  // The clock is the TPM's, whichever key signs.
  auto rewound = a->Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 500'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
}

TEST_F(ClusterFixture, Adversarial_Q6_AnotherTpmForAKnownNodeAtAnyReplica) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  TestNode another(vendor);
  EXPECT_EQ(ReasonOf(a->Enrol("worker-1", another)), Reason::kNodeConflict);
  EXPECT_EQ(ReasonOf(b->Enrol("worker-1", another)), Reason::kNodeConflict);
}

TEST_F(ClusterFixture, Adversarial_Q6_AnotherTpmIsFasterAtAnotherReplica) {
  auto a = Start();
  auto b = Start();
  kube.EndWatches();
  kube.Fail({.verb = "WATCH", .times = 1'000});  // b hears nothing
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  TestNode another(vendor);
  EXPECT_EQ(ReasonOf(b->Enrol("worker-1", another)), Reason::kNodeConflict);
  EXPECT_EQ(ObjectText("worker-1", {"spec", "ak"}), node.AkName());
  // It was looked at, so it is known.
  EXPECT_EQ(b->bindings->Find("worker-1")->ak_name, node.AkName());
}

TEST_F(ClusterFixture, Adversarial_Q6_OneTpmForTwoNodes) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  EXPECT_EQ(ReasonOf(a->Enrol("worker-2", node)), Reason::kNodeConflict);
  EXPECT_EQ(ReasonOf(b->Enrol("worker-2", node)), Reason::kNodeConflict);
  EXPECT_FALSE(Object("worker-2").has_value());
}

// Neither replica can know of the other's: the API server sees two objects.
TEST_F(ClusterFixture, Adversarial_G19_OneTpmBoundTwiceAtTheSameTimeTheLaterIsBlocked) {
  auto a = Start();
  auto b = Start();
  kube.EndWatches();
  kube.Fail({.verb = "WATCH", .times = 1'000});
  ASSERT_TRUE(a->Enrol("worker-2", node).ok());
  clock.Advance(Duration(5));
  ASSERT_TRUE(b->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Attest("worker-1", node).ok());
  kube.ClearFaults();
  for (Replica* each : {a.get(), b.get()}) {
    EXPECT_TRUE(Eventually([&] { return ReasonOf(each->bindings->Find("worker-1")) == Reason::kNodeConflict; }));
    EXPECT_TRUE(each->Knows("worker-2"));
    EXPECT_EQ(each->State("worker-1"), NodeState::kUnknown);
    EXPECT_EQ(ReasonOf(each->Enrol("worker-1", node)), Reason::kNodeConflict);
    ASSERT_EQ(each->bindings->Problems().size(), 1U);
    EXPECT_NE(each->bindings->Problems()[0].detail.find("worker-2"), std::string::npos);
  }
  // Until an admin releases the other.
  kube.Remove(kube::kNodeAttestations, "worker-2");
  EXPECT_TRUE(a->Knows("worker-1"));
}

TEST_F(ClusterFixture, AnAnswerThatGotLostIsLookedFor) {
  auto a = Start();
  kube.Fail({.verb = "POST", .status = 409, .done_nevertheless = true});
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_EQ(a->bindings->Find("worker-1")->ak_name, node.AkName());
}

TEST_F(ClusterFixture, AnApiThatDoesNotAnswerBindsNothing) {
  auto a = Start();
  kube.Fail({.verb = "POST", .status = 503});
  EXPECT_EQ(ReasonOf(a->Enrol("worker-1", node)), Reason::kKubeUnavailable);
  EXPECT_EQ(ReasonOf(a->bindings->Find("worker-1")), Reason::kAkUnbound);
  kube.Fail({.verb = "POST", .status = 403});
  EXPECT_EQ(ReasonOf(a->Enrol("worker-1", node)), Reason::kInternal);  // whose rights: not the agent's business
  kube.Fail({.verb = "POST", .status = 422});
  EXPECT_EQ(ReasonOf(a->Enrol("worker-1", node)), Reason::kInternal);
  EXPECT_TRUE(a->Enrol("worker-1", node).ok());
}

TEST_F(ClusterFixture, DeletingTheObjectReleasesTheNode) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  kube.Remove(kube::kNodeAttestations, "worker-1");
  EXPECT_TRUE(a->Becomes("worker-1", NodeState::kUnknown));
  EXPECT_TRUE(b->Becomes("worker-1", NodeState::kUnknown));
  EXPECT_EQ(ReasonOf(a->Attest("worker-1", node)), Reason::kAkUnbound);
  TestNode another(vendor);
  EXPECT_TRUE(b->Enrol("worker-1", another).ok());
  ASSERT_TRUE(Eventually([&] { return a->bindings->Find("worker-1").ok(); }));
  EXPECT_EQ(a->bindings->Find("worker-1")->ak_name, another.AkName());
}

TEST_F(ClusterFixture, MachineMayAttestBeforeItsNodeExistsWhereThatIsWanted) {
  ClusterNodes::Options options = Quick();
  options.before_node = true;
  auto a = Start(options);
  ASSERT_TRUE(a->Enrol("worker-9", node).ok());
  EXPECT_FALSE(a->nodes.TrustedMachine("worker-9", *set));
  ASSERT_TRUE(a->Attest("worker-9", node).ok());
  EXPECT_TRUE(a->nodes.TrustedMachine("worker-9", *set));
  EXPECT_EQ(a->State("worker-9"), NodeState::kUnknown);  // there is no such Node to put a pod on
  ASSERT_TRUE(Eventually([&] { return ObjectText("worker-9", {"status", "ear"}) != ""; }));
  // Its kubelet has registered it: the result was about no Node.
  AddNode("worker-9", "uid-9");
  ASSERT_TRUE(Eventually([&] { return a->bindings->NodeUid("worker-9") == "uid-9"; }));
  EXPECT_EQ(a->State("worker-9"), NodeState::kUnknown);
  ASSERT_TRUE(a->Attest("worker-9", node).ok());
  EXPECT_EQ(a->State("worker-9"), NodeState::kTrusted);
}

TEST_F(ClusterFixture, MachineIsTrustedByEveryPolicyOfItsNameAndByOneAtLeast) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_TRUE(a->nodes.TrustedMachine("worker-1", *set));
  EXPECT_FALSE(a->nodes.TrustedMachine("worker-2", *set));
  EXPECT_FALSE(a->nodes.TrustedMachine("worker-1", policy::PolicySet()));
  Load(PolicyAlone("second") + PolicyYaml("workers", "", "600s"));
  EXPECT_FALSE(a->nodes.TrustedMachine("worker-1", *set));  // nothing was said by the second one yet
  a->service.Reappraise();
  EXPECT_TRUE(a->nodes.TrustedMachine("worker-1", *set));
  EXPECT_EQ(a->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  EXPECT_FALSE(a->nodes.TrustedMachine("worker-1", *set));
}

// --- Nodes that come and go

TEST_F(ClusterFixture, Adversarial_G6_NodeRegisteredAgainIsUnknownUntilItsOwnTpmAttests) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  RemoveNode("worker-1");
  ASSERT_TRUE(a->Becomes("worker-1", NodeState::kUnknown));
  AddNode("worker-1", "uid-1b");
  ASSERT_TRUE(Eventually([&] { return a->bindings->NodeUid("worker-1") == "uid-1b"; }));
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  a->service.Reappraise();  // what is held is about the Node that was
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  TestNode another(vendor);
  EXPECT_EQ(ReasonOf(a->Enrol("worker-1", another)), Reason::kNodeConflict);
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(Eventually([&] { return ObjectText("worker-1", {"spec", "nodeUID"}) == "uid-1b"; }));
}

TEST_F(ClusterFixture, Adversarial_G6_ResultForTheOldUidWrittenBackDoesNotCount) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  auto old = Object("worker-1");
  RemoveNode("worker-1");
  AddNode("worker-1", "uid-1b");
  auto b = Start();
  kube.Put(old->Write());
  Settle(*a);
  Settle(*b);
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  EXPECT_EQ(b->State("worker-1"), NodeState::kUnknown);
}

TEST_F(ClusterFixture, ResultOfANodeThatIsGoneIsNeitherTrustedNorWritten) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  auto evidence = a->Collect("worker-1", node);
  RemoveNode("worker-1");
  ASSERT_TRUE(Eventually([&] { return a->bindings->NodeUid("worker-1").empty(); }));
  EXPECT_EQ(ReasonOf(a->service.Evidence(Node("worker-1"), *evidence)), Reason::kNodeUnknown);
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  EXPECT_EQ(ObjectText("worker-1", {"status", "ear"}), "");
}

TEST_F(ClusterFixture, Adversarial_G20_ANewReplicaBelievesTheSignedResultUntilItExpires) {
  {
    auto a = Start();
    ASSERT_TRUE(a->Enrol("worker-1", node).ok());
    ASSERT_TRUE(a->Attest("worker-1", node).ok());
    ASSERT_TRUE(Says("worker-1", "Trusted"));
  }
  {
    auto b = Start();
    EXPECT_EQ(b->State("worker-1"), NodeState::kTrusted);
    clock.Advance(std::chrono::seconds(600));
    EXPECT_EQ(b->State("worker-1"), NodeState::kExpired);
  }
  auto c = Start();
  EXPECT_EQ(c->State("worker-1"), NodeState::kUnknown);
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

// --- somebody who may write NodeAttestations

class ForgeryFixture : public ClusterFixture {
 protected:
  // Both nodes attested; the second one, which an attacker owns, is untrusted since.
  void SetUp() override {
    replica = Start();
    ASSERT_TRUE(replica->Enrol("worker-1", node).ok());
    ASSERT_TRUE(replica->Enrol("worker-2", bad).ok());
    ASSERT_TRUE(replica->Attest("worker-1", node).ok());
    bad.tpm.SetPcr(HashAlgorithm::kSha256, 0, node.tpm.Pcr(HashAlgorithm::kSha256, 0));
    ASSERT_TRUE(replica->Attest("worker-2", bad).ok());
    ASSERT_TRUE(Says("worker-1", "Trusted"));
    ASSERT_TRUE(Says("worker-2", "Trusted"));
    was_good = Object("worker-2");
    clock.Advance(std::chrono::seconds(2));
    bad.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 9));
    ASSERT_TRUE(replica->Attest("worker-2", bad).ok());
    ASSERT_TRUE(Says("worker-2", "Untrusted"));
  }
  // At the replica that was there, and at one that starts now.
  void ExpectNeverTrusted(const std::string& name) {
    Settle(*replica);
    EXPECT_NE(replica->State(name), NodeState::kTrusted);
    auto fresh = Start();
    EXPECT_NE(fresh->State(name), NodeState::kTrusted);
  }

  std::unique_ptr<Replica> replica;
  TestNode bad{vendor};
  std::optional<fakes::JsonValue> was_good;
};

TEST_F(ForgeryFixture, Adversarial_A5_ResultSignedByAnotherKey) {
  auto other = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto good = ear::Verify(was_good->TextAt({"status", "ear"}), Keys(), clock.Wall());
  ASSERT_TRUE(good.ok());
  ear::AttestationResult result = good->result();
  result.clock->clock_ms += 1'000'000;
  result.issued = std::chrono::floor<std::chrono::seconds>(clock.Wall());
  Change("worker-2", [&](fakes::JsonValue& object) {
    object.Member("status").Member("ear") = fakes::JsonValue::String(*ear::Encode(result, other));
    object.Member("status").Member("verdict") = fakes::JsonValue::String("Trusted");
  });
  ExpectNeverTrusted("worker-2");
}

TEST_F(ForgeryFixture, Adversarial_A5_AnotherNodesResultPasted) {
  const std::string theirs = ObjectText("worker-1", {"status", "ear"});
  Change("worker-2",
         [&](fakes::JsonValue& object) { object.Member("status").Member("ear") = fakes::JsonValue::String(theirs); });
  ExpectNeverTrusted("worker-2");
}

TEST_F(ForgeryFixture, Adversarial_A5_AnotherNodesObjectUnderThisName) {
  auto theirs = *Object("worker-1");
  theirs.Member("metadata").Member("name") = fakes::JsonValue::String("worker-2");
  theirs.Member("metadata").Member("uid") = fakes::JsonValue::String(ObjectText("worker-2", {"metadata", "uid"}));
  kube.Put(theirs.Write());
  ExpectNeverTrusted("worker-2");
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-2")), Reason::kNodeConflict);
}

TEST_F(ForgeryFixture, Adversarial_G12_OlderResultWrittenBack) {
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUntrusted);
  // And this replica, whose result is the later one, puts it right.
  EXPECT_TRUE(Says("worker-2", "Untrusted"));
  auto fresh = Start();
  EXPECT_TRUE(fresh->Becomes("worker-2", NodeState::kUntrusted));
}

TEST_F(ForgeryFixture, Adversarial_G12_OlderResultReplayedAfterAFailureThatWasTakenAway) {
  EXPECT_EQ(replica->AttestForged("worker-2", bad), Reason::kSignatureInvalid);
  ASSERT_TRUE(Eventually([&] {
    return ObjectText("worker-2", {"status", "failure", "reason"}) == "signature-invalid";
  }));
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUntrusted);
  EXPECT_TRUE(Eventually([&] {
    return ObjectText("worker-2", {"status", "failure", "reason"}) == "signature-invalid";
  }));
}

TEST_F(ForgeryFixture, Adversarial_G12_FailureTakenAway) {
  EXPECT_EQ(replica->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  ASSERT_TRUE(Says("worker-1", "Untrusted"));
  Change("worker-1", [](fakes::JsonValue& object) { object.Member("status").Erase("failure"); });
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-1"), NodeState::kUntrusted);
  EXPECT_TRUE(Eventually([&] {
    return ObjectText("worker-1", {"status", "failure", "reason"}) == "signature-invalid";
  }));
}

TEST_F(ForgeryFixture, Adversarial_G12_ObjectDeletedAndMadeAgainFromAnOlderOne) {
  kube.Remove(kube::kNodeAttestations, "worker-2");
  ASSERT_TRUE(replica->Becomes("worker-2", NodeState::kUnknown));
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUnknown);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-2")), Reason::kAkUnbound);  // that binding was released
  // Who enrols now gets the name, as after any release.
  TestNode another(vendor);
  EXPECT_TRUE(replica->Enrol("worker-2", another).ok());
}

TEST_F(ForgeryFixture, Adversarial_G6_BindingSwapped) {
  const std::string theirs = ObjectText("worker-1", {"spec", "binding"});
  Change("worker-2",
         [&](fakes::JsonValue& object) { object.Member("spec").Member("binding") = fakes::JsonValue::String(theirs); });
  Settle(*replica);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-2")), Reason::kNodeConflict);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUnknown);
  EXPECT_EQ(replica->State("worker-1"), NodeState::kTrusted);
}

TEST_F(ForgeryFixture, Adversarial_G6_BindingSignedByAnotherKey) {
  auto other = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto mine = replica->bindings->Find("worker-1");
  ASSERT_TRUE(mine.ok());
  mine->enrolled += std::chrono::hours(1);
  auto forged = SignBinding(*mine, other, clock.Wall());
  Change("worker-1", [&](fakes::JsonValue& object) {
    object.Member("spec").Member("binding") = fakes::JsonValue::String(*forged);
  });
  Settle(*replica);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-1")), Reason::kNodeConflict);
}

TEST_F(ForgeryFixture, FailureFromTheEndOfTimeLastsUntilTheNextResult) {
  Change("worker-1", [](fakes::JsonValue& object) {
    auto& failure = object.Member("status").Member("failure");
    failure = fakes::JsonValue::Object();
    failure.Member("reason") = fakes::JsonValue::String("signature-invalid");
    failure.Member("where") = fakes::JsonValue::String("");
    failure.Member("detail") = fakes::JsonValue::String("x");
    failure.Member("time") = fakes::JsonValue::String("9999-01-01T00:00:00Z");
  });
  EXPECT_TRUE(replica->Becomes("worker-1", NodeState::kUntrusted));
  clock.Advance(std::chrono::seconds(31));
  ASSERT_TRUE(replica->Attest("worker-1", node).ok());
  EXPECT_EQ(replica->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(Says("worker-1", "Trusted"));
}

// --- writes

TEST_F(ClusterFixture, AResultThatSaysNothingNewIsNotWrittenBeforeHalfOfTheValidity) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  Settle(*a);
  const std::size_t first = Patches("worker-1");
  EXPECT_EQ(a->nodes.writes().written, first);
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
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  kube.ClearFaults();
  EXPECT_TRUE(Says("worker-1", "Untrusted"));
  EXPECT_EQ(a->nodes.writes().written, 1U);  // the first one never was
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
  SetKeys({});
  a->nodes.KeysChanged();
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  EXPECT_EQ(ReasonOf(a->bindings->Find("worker-1")), Reason::kNodeConflict);
  SetKeys({signing_key.Public()});
  a->nodes.KeysChanged();
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
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
  SetKeys({next.Public()});  // the old one is gone
  a->nodes.KeysChanged();
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(a->bindings->Find("worker-1").ok());
}

}  // namespace
}  // namespace gatehouse::webhook
