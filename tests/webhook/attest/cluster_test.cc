// Several replicas of the verifier over one cluster: bindings, results, failures, writes, and who tries to forge them.
#include "common/base/limits.h"
#include "tests/webhook/attest/cluster_fixture.h"
#include "webhook/attest/node_records.h"

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

// A load balancer that sends it again, to another one that has heard of it already.
TEST_F(ClusterFixture, Adversarial_Q4_QuoteThatIsKnownHereFromAnotherReplicaIsRefusedAndNoFailure) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  auto evidence = a->Collect("worker-1", node);
  ASSERT_TRUE(a->service.Evidence(Node("worker-1"), *evidence).ok());
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  EXPECT_EQ(ReasonOf(b->service.Evidence(Node("worker-1"), *evidence)), Reason::kClockRewound);
  EXPECT_EQ(b->State("worker-1"), NodeState::kTrusted);
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

// The other replica, which binds the new key, has not heard of the last quote: it said nothing new.
TEST_F(ClusterFixture, Adversarial_Q9_KeyBoundElsewhereDoesNotTurnTheClockBack) {
  auto a = Start();
  auto b = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  node.tpm.clock.clock_ms += 100'000;
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  clock.Advance(Duration(5));
  node.ak = node.tpm.CreateAk();
  ASSERT_TRUE(b->Enrol("worker-1", node).ok());
  ASSERT_TRUE(Eventually([&] { return a->bindings->Find("worker-1")->ak_name == node.AkName(); }));
  auto rewound = a->Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 50'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
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
  // Also where the clock of the replica that made it was ahead.
  EXPECT_TRUE(
      VerifyBinding(ObjectText("worker-1", {"spec", "binding"}), Keys(), clock.Wall() - std::chrono::hours(2)).ok());
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
  EXPECT_EQ(ReasonOf(a->Enrol("worker-2", node)), Reason::kTpmInUse);
  EXPECT_EQ(ReasonOf(b->Enrol("worker-2", node)), Reason::kTpmInUse);
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
    EXPECT_TRUE(Eventually([&] { return ReasonOf(each->bindings->Find("worker-1")) == Reason::kTpmInUse; }));
    EXPECT_TRUE(each->Knows("worker-2"));
    EXPECT_EQ(each->State("worker-1"), NodeState::kUnknown);
    EXPECT_EQ(ReasonOf(each->Enrol("worker-1", node)), Reason::kTpmInUse);
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

TEST_F(ClusterFixture, ReleasedNodesAreForgottenAndOthersAreNot) {
  auto a = Start();
  TestNode second(vendor);
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Enrol("worker-2", second).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-2", second).ok());
  a->service.ForgetReleased();
  EXPECT_EQ(a->held.Names().size(), 2U);
  kube.Remove(kube::kNodeAttestations, "worker-2");
  ASSERT_TRUE(Eventually([&] { return ReasonOf(a->bindings->CheckBound("worker-2")) == Reason::kAkUnbound; }));
  a->service.ForgetReleased();
  EXPECT_EQ(a->held.Names(), std::vector<NodeName>{Node("worker-1")});
}

// The watch comes with the end of the object that was, when the next one was made here already.
TEST_F(ClusterFixture, TheEndOfTheObjectBeforeIsNotTheEndOfTheNewOne) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  Settle(*a);
  kube.EndWatches();
  kube.Fail({.verb = "WATCH", .times = 1'000});
  kube.Remove(kube::kNodeAttestations, "worker-1");
  node.ak = node.tpm.CreateAk();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  kube.ClearFaults();
  Settle(*a);
  auto found = a->bindings->Find("worker-1");
  ASSERT_TRUE(found.ok()) << found.error().ToString();
  EXPECT_EQ(found->ak_name, node.AkName());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
}

TEST_F(ClusterFixture, ObjectThatCannotBeReadBlocksItsNodeAndNoOther) {
  auto a = Start();
  TestNode second(vendor);
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Enrol("worker-2", second).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_TRUE(Says("worker-1", "Trusted"));
  auto good = Object("worker-1");
  Change("worker-1", [](fakes::JsonValue& object) {
    object.Member("status").Member("attested") = fakes::JsonValue::String("yesterday");
  });
  ASSERT_TRUE(Eventually([&] { return ReasonOf(a->bindings->Find("worker-1")) == Reason::kNodeConflict; }));
  EXPECT_EQ(a->State("worker-1"), NodeState::kUnknown);
  ASSERT_EQ(a->bindings->Problems().size(), 1U);
  ASSERT_TRUE(a->Attest("worker-2", second).ok());
  EXPECT_TRUE(Says("worker-2", "Trusted"));
  kube.Put(good->Write());
  EXPECT_TRUE(a->Becomes("worker-1", NodeState::kTrusted));
}

// etcd restored from a backup: everything is there again as it was then, with lower versions than were seen since.
TEST_F(ClusterFixture, VersionsThatGoBackAreFollowed) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  auto records_of = [&](NodeRecords& records, const std::string& version, NodeRecords::Heard heard) {
    auto document = codec::JsonDocument::Parse(Object("worker-1")->Write(), {.max_bytes = limits::kMiB});
    auto object = *kube::ReadNodeAttestation(*document, document->root());
    object.resource_version = version;
    std::ignore = records.Ingest(object, heard);
    return records.View("worker-1").object->resource_version;
  };
  using Heard = NodeRecords::Heard;
  NodeRecords records([this] { return Keys(); }, clock, false);
  EXPECT_EQ(records_of(records, "1000", Heard::kWatched), "1000");
  EXPECT_EQ(records_of(records, "30", Heard::kWatched), "30");
  EXPECT_EQ(records_of(records, "1000", Heard::kRead), "1000");
  EXPECT_EQ(records_of(records, "31", Heard::kRead), "31");  // after a conflict
  // But a watch that has not come to our own write is only late.
  EXPECT_EQ(records_of(records, "1000", Heard::kWritten), "1000");
  EXPECT_EQ(records_of(records, "999", Heard::kWatched), "1000");
  EXPECT_EQ(records_of(records, "1001", Heard::kWatched), "1001");
  EXPECT_EQ(records_of(records, "1002", Heard::kWritten), "1002");
  EXPECT_EQ(records_of(records, "1000", Heard::kWritten), "1002");  // two answers that overtook each other
  clock.Advance(std::chrono::seconds(30));
  EXPECT_EQ(records_of(records, "50", Heard::kWatched), "50");
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

}  // namespace
}  // namespace gatehouse::webhook
