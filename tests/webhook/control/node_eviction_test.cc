// Taints that evict, their cap over time and leaders, and bindings of nodes that are gone.
#include "common/codec/time.h"
#include "tests/webhook/control/node_fixture.h"
#include "webhook/control/node_state.h"
#include "webhook/control/node_table.h"

namespace gatehouse::webhook {
namespace {

using fakes::JsonValue;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class NodeEvictionTest : public NodeControllerTest {};

TEST_F(NodeEvictionTest, NoExecuteAfterTheGraceAndWithinTheCap) {
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

TEST_F(NodeEvictionTest, AnotherLeaderKnowsWhatWasEvicted) {
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

TEST_F(NodeEvictionTest, TheGraceGoesOnUnderAnotherLeader) {
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
  EXPECT_TRUE(Settled("n1", "false", "NoExecute+NoSchedule/untrusted", "Untrusted"));
}

TEST_F(NodeEvictionTest, AnEvictionOfWhichTheAnswerIsLostIsCounted) {
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

// A kubelet cannot change taints, but it may make its Node with any: that is no eviction of ours.
TEST_F(NodeEvictionTest, ATaintThatANodeWasMadeWithUsesUpNothing) {
  const std::string forged =
      R"([{"key":"attestation.node-restriction.kubernetes.io/untrusted","value":"x","effect":"NoExecute","timeAdded":")";
  PutNode("n1");
  Attest("n1", false);
  SetPolicies({Tainting(Effect::kNoExecute)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  for (const char* time : {"2099-01-01T00:00:00Z", "2026-11-21T11:00:00Z", "2026-11-21T12:00:00Z"}) {
    std::string name = "forged-" + std::string(time).substr(0, 4) + std::string(time).substr(11, 2);
    PutNode(name, forged + time + R"("}])");
    EXPECT_TRUE(Settled(name, "false", "NoSchedule/unknown", "Unknown")) << "its grace is to come";
    EXPECT_EQ(Label(name, kEvictedLabel), "");
    cluster_.server.Remove(kube::kNodes, name);
  }
  cluster_.clock.Advance(minutes(5));
  EXPECT_TRUE(Settled("n1", "false", "NoExecute+NoSchedule/untrusted", "Untrusted"));
}

TEST_F(NodeEvictionTest, AnEvictionOfTheFutureUsesUpNothing) {
  PutNode("n1");
  Attest("n1", false);
  PutNode("n2", "[]", R"({"attestation.node-restriction.kubernetes.io/evicted":"20990101T000000Z"})");
  SetPolicies({Tainting(Effect::kNoExecute)});
  Start();
  ASSERT_TRUE(Settled("n1", "false", "NoSchedule/untrusted", "Untrusted"));
  EXPECT_TRUE(Await([&] { return Label("n2", kEvictedLabel).empty(); })) << "of no use";
  Attest("n2", true);
  cluster_.clock.Advance(minutes(5));
  EXPECT_TRUE(Settled("n1", "false", "NoExecute+NoSchedule/untrusted", "Untrusted"));
}

// --- bindings of nodes that are gone

TEST_F(NodeEvictionTest, ABindingOutlivesItsNodeForAsLongAsItIsKept) {
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

TEST_F(NodeEvictionTest, ANodeThatComesBackKeepsItsBinding) {
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

TEST_F(NodeEvictionTest, AMachineThatAttestsWithoutANodeKeepsItsBinding) {
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

TEST_F(NodeEvictionTest, BindingsThatBelongToTheirNodesAreNotOursToRemove) {
  Write(AttestationOf(ResultOf("n1", "", cluster_.clock.Wall())));
  SetPolicies({Tainting(Effect::kNoSchedule)});
  Start({.keep_bindings = Duration::zero()});
  ASSERT_TRUE(Await([&] { return controller_->Ready(); }));
  cluster_.clock.Advance(hours(10'000));
  controller_->Kick();
  EXPECT_TRUE(Stays([&] { return Writes() == 0; }));
}

}  // namespace
}  // namespace gatehouse::webhook
