// The reporter and the status controller against an API server.
#include "webhook/control/policy_status.h"

#include "common/codec/time.h"
#include "tests/webhook/control/support.h"
#include "webhook/control/replica_lease.h"

namespace gatehouse::webhook {
namespace {

using fakes::JsonValue;

class PolicyStatusTest : public ::testing::Test {
 protected:
  static ReportOptions OptionsOf(const std::string& identity) {
    return {.namespace_name = "gatehouse-system", .name = "gatehouse", .identity = identity};
  }
  void PutPolicy(const std::string& status = {}) {
    cluster_.server.Put(
        R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicy","metadata":{"name":"signed","generation":3},"spec":{"a":)" +
        std::to_string(++edits_) + "}" + (status.empty() ? "" : R"(,"status":)" + status) + "}");
    generation_ = std::stoll(cluster_.server.Find(kube::kImagePolicies, "signed")->TextAt({"metadata", "generation"}));
  }
  // As if that replica renewed its Lease.
  void Renew(const std::string& identity, bool in_force, DecisionCounts counts = {}, const std::string& message = {},
             std::optional<WallTime> at = std::nullopt) {
    ReplicaReport report;
    report["ImagePolicy//signed"] = {{.kind = "ImagePolicy",
                                      .namespace_name = "",
                                      .name = "signed",
                                      .generation = generation_,
                                      .in_force = in_force,
                                      .in_force_generation = in_force ? generation_ : 0,
                                      .message = message},
                                     counts};
    cluster_.server.Put(ReplicaLease(OptionsOf(identity), EncodeReport(report),
                                     at.value_or(cluster_.clock.Wall() + Duration(++beats_))));
  }
  JsonValue Status() const {
    auto policy = cluster_.server.Find(kube::kImagePolicies, "signed");
    const JsonValue* status = policy.has_value() ? policy->At({"status"}) : nullptr;
    return status == nullptr ? JsonValue() : *status;
  }
  std::string Reason() const {
    JsonValue status = Status();
    const JsonValue* conditions = status.Find("conditions");
    return conditions == nullptr ? "" : conditions->elements.at(0).TextAt({"reason"});
  }
  std::string Transition() const {
    JsonValue status = Status();
    const JsonValue* conditions = status.Find("conditions");
    return conditions == nullptr ? "" : conditions->elements.at(0).TextAt({"lastTransitionTime"});
  }
  std::string Denied() const { return Status().TextAt({"decisions", "denied"}); }
  std::size_t Writes() const {
    return cluster_.server.Count("PATCH", "/apis/gatehouse.dev/v1alpha1/imagepolicies/signed/status");
  }
  std::unique_ptr<PolicyStatusController> Controller() {
    auto controller = std::make_unique<PolicyStatusController>(cluster_.api, OptionsOf("a"), cluster_.Leading(),
                                                               cluster_.log, cluster_.random);
    controller->Start();
    return controller;
  }

  Cluster cluster_;
  std::int64_t generation_ = 0;
  int edits_ = 0;
  int beats_ = 0;
};

TEST_F(PolicyStatusTest, ReporterCreatesRenewsAndRemovesItsLease) {
  std::atomic<int> denied{1};
  std::atomic<bool> in_force{false};
  ReplicaReporter reporter(
      cluster_.api, OptionsOf("pod-1"),
      [&] {
        ReplicaReport report;
        report["ImagePolicy//signed"].first.generation = 1;
        report["ImagePolicy//signed"].first.in_force = in_force;
        report["ImagePolicy//signed"].second.denied = static_cast<std::uint64_t>(denied.load());
        return report;
      },
      cluster_.log);
  const auto lease = [&] { return cluster_.server.Find(kube::kLeases, "gatehouse-replica-pod-1", "gatehouse-system"); };
  const auto report = [&] {
    auto found = lease();
    return DecodeReport(found.has_value() ? found->TextAt({"metadata", "annotations", kReportAnnotation}) : "");
  };
  reporter.Start();
  ASSERT_TRUE(Await([&] { return lease().has_value(); }));
  EXPECT_EQ(lease()->TextAt({"metadata", "labels", "app.kubernetes.io/component"}), "replica");
  EXPECT_EQ(lease()->TextAt({"spec", "holderIdentity"}), "pod-1");
  ASSERT_TRUE(report().ok());
  EXPECT_EQ(report()->at("ImagePolicy//signed").second.denied, 1U);

  // Counts wait for the next renewal; what is in force does not.
  in_force = true;
  ASSERT_TRUE(Await([&] { return report()->at("ImagePolicy//signed").first.in_force; }));
  std::string renewed = lease()->TextAt({"spec", "renewTime"});
  denied = 2;
  cluster_.clock.Advance(std::chrono::seconds(10));
  ASSERT_TRUE(Await([&] { return report()->at("ImagePolicy//signed").second.denied == 2U; }));
  EXPECT_NE(lease()->TextAt({"spec", "renewTime"}), renewed);

  reporter.Stop();
  EXPECT_FALSE(lease().has_value());
}

TEST_F(PolicyStatusTest, TheLeaseOfAPodGoesWithIt) {
  ReportOptions options = OptionsOf("pod-1");
  EXPECT_EQ(ReplicaLease(options, "{}", cluster_.clock.Wall()).find("ownerReferences"), std::string::npos);
  options.pod_name = "pod-1";
  options.pod_uid = "u1";
  JsonValue lease = *JsonValue::Parse(ReplicaLease(options, "{}", cluster_.clock.Wall()));
  const auto& owners = lease.At({"metadata", "ownerReferences"})->elements;
  ASSERT_EQ(owners.size(), 1U);
  EXPECT_EQ(owners[0].TextAt({"kind"}), "Pod");
  EXPECT_EQ(owners[0].TextAt({"name"}), "pod-1");
  EXPECT_EQ(owners[0].TextAt({"uid"}), "u1");
}

TEST_F(PolicyStatusTest, ReporterMakesItsLeaseAgainIfSomebodyRemovedIt) {
  ReplicaReporter reporter(
      cluster_.api, OptionsOf("pod-1"), [] { return ReplicaReport{}; }, cluster_.log);
  reporter.Start();
  const auto there = [&] {
    return cluster_.server.Find(kube::kLeases, "gatehouse-replica-pod-1", "gatehouse-system").has_value();
  };
  ASSERT_TRUE(Await(there));
  cluster_.server.Remove(kube::kLeases, "gatehouse-replica-pod-1", "gatehouse-system");
  cluster_.clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(Await(there));
}

TEST_F(PolicyStatusTest, SaysThatItIsInForceAndHowOftenItDecided) {
  PutPolicy();
  Renew("a", true, {.allowed = 2, .denied = 1});
  Renew("b", true, {.denied = 4});
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Reason() == "InForce"; }));
  JsonValue status = Status();
  EXPECT_EQ(status.TextAt({"observedGeneration"}), std::to_string(generation_));
  EXPECT_EQ(status.TextAt({"replicas", "inForce"}), "2");
  EXPECT_EQ(status.TextAt({"replicas", "total"}), "2");
  EXPECT_EQ(status.TextAt({"decisions", "allowed"}), "2");
  EXPECT_EQ(status.TextAt({"decisions", "denied"}), "5");
  EXPECT_EQ(Transition(), codec::FormatTime(cluster_.clock.Wall()));
}

TEST_F(PolicyStatusTest, WritesOnChangeOnlyAndNoOftenerThanEachTenSeconds) {
  PutPolicy();
  Renew("a", true);
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Reason() == "InForce"; }));
  std::string transition = Transition();
  Renew("a", true);
  EXPECT_TRUE(Stays([&] { return Writes() == 1; })) << "nothing changed";
  Renew("a", true, {.denied = 1});
  EXPECT_TRUE(Stays([&] { return Writes() == 1; })) << "too soon";
  cluster_.clock.Advance(std::chrono::seconds(10));
  Renew("a", true, {.denied = 3});
  ASSERT_TRUE(Await([&] { return Denied() == "3"; }));
  EXPECT_EQ(Writes(), 2U);
  EXPECT_EQ(Transition(), transition) << "the status is as it was";
}

TEST_F(PolicyStatusTest, OnSomeReplicasOnly) {
  PutPolicy();
  Renew("a", true);
  Renew("b", false, {}, "$.spec: bad");
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Reason() == "PartlyInForce"; }));
  EXPECT_EQ(Status().At({"conditions"})->elements[0].TextAt({"message"}),
            "in force on 1 of 2 replicas; b: $.spec: bad");
  cluster_.clock.Advance(std::chrono::seconds(10));
  Renew("a", true);
  Renew("b", true);
  EXPECT_TRUE(Await([&] { return Reason() == "InForce"; }));
}

TEST_F(PolicyStatusTest, AReplicaThatDoesNotRenewIsNotCountedAndItsLeaseIsRemovedLater) {
  PutPolicy();
  Renew("a", true);
  Renew("b", true);
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Status().TextAt({"replicas", "total"}) == "2"; }));
  cluster_.clock.Advance(std::chrono::seconds(29));
  Renew("a", true);
  EXPECT_TRUE(Stays([&] { return Status().TextAt({"replicas", "total"}) == "2"; }));
  cluster_.clock.Advance(std::chrono::seconds(2));
  ASSERT_TRUE(Await([&] { return Status().TextAt({"replicas", "total"}) == "1"; }));
  EXPECT_EQ(Reason(), "InForce");
  const auto lease = [&](const char* name) {
    return cluster_.server.Find(kube::kLeases, name, "gatehouse-system").has_value();
  };
  EXPECT_TRUE(lease("gatehouse-replica-b"));
  cluster_.clock.Advance(std::chrono::minutes(5) - std::chrono::seconds(31));
  Renew("a", true);
  EXPECT_TRUE(Await([&] { return !lease("gatehouse-replica-b"); }));
  EXPECT_TRUE(lease("gatehouse-replica-a"));
}

TEST_F(PolicyStatusTest, ALeaseThatWasOldWhenTheLeaderCameIsNoReplica) {
  PutPolicy();
  Renew("a", true);
  Renew("old", false, {}, "bad", cluster_.clock.Wall() - std::chrono::minutes(10));
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Reason() == "InForce"; }));
  EXPECT_EQ(Status().TextAt({"replicas", "total"}), "1");
}

TEST_F(PolicyStatusTest, LeasesOfAnotherReleaseAreNoReplicas) {
  PutPolicy();
  Renew("a", true);
  ReportOptions other = OptionsOf("x");
  other.name = "other";
  cluster_.server.Put(ReplicaLease(other, "{}", cluster_.clock.Wall()));
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Reason() == "InForce"; }));
  EXPECT_EQ(Status().TextAt({"replicas", "total"}), "1");
}

TEST_F(PolicyStatusTest, WaitsForReplicasToLookAtANewGeneration) {
  PutPolicy();
  Renew("a", true);
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Reason() == "InForce"; }));
  std::int64_t old = generation_;
  PutPolicy(Status().Write());
  cluster_.clock.Advance(std::chrono::seconds(10));
  if (generation_ == old) GTEST_FAIL() << "the fake does not count generations";
  EXPECT_TRUE(Stays([&] { return Status().TextAt({"observedGeneration"}) == std::to_string(old); }));
  EXPECT_EQ(Reason(), "InForce");
  Renew("a", true);
  EXPECT_TRUE(Await([&] { return Status().TextAt({"observedGeneration"}) == std::to_string(generation_); }));
}

TEST_F(PolicyStatusTest, CountsGoOnUnderAnotherLeader) {
  PutPolicy();
  Renew("a", true, {.denied = 5});
  auto first = Controller();
  ASSERT_TRUE(Await([&] { return Denied() == "5"; }));
  first.reset();
  auto second = Controller();
  ASSERT_TRUE(Await([&] { return cluster_.server.open_watches() == 6; }));
  EXPECT_TRUE(Stays([&] { return Denied() == "5"; }));
  cluster_.clock.Advance(std::chrono::seconds(10));
  Renew("a", true, {.denied = 7});
  EXPECT_TRUE(Await([&] { return Denied() == "7"; }));
}

TEST_F(PolicyStatusTest, WhoDoesNotLeadWatchesNothingAndWritesNothing) {
  cluster_.leading = false;
  PutPolicy();
  Renew("a", true);
  auto controller = Controller();
  EXPECT_TRUE(Stays([&] { return cluster_.server.requests().empty(); }));
  cluster_.leading = true;
  ASSERT_TRUE(Await([&] { return Reason() == "InForce"; }));
  cluster_.leading = false;
  EXPECT_TRUE(Await([&] { return cluster_.server.open_watches() == 0; }));
}

TEST_F(PolicyStatusTest, AFailedWriteIsTriedAgain) {
  PutPolicy();
  Renew("a", true);
  cluster_.server.Fail({.verb = "PATCH", .path = "/apis/gatehouse.dev", .status = 500});
  auto controller = Controller();
  ASSERT_TRUE(Await([&] { return Writes() == 1; }));
  cluster_.clock.Advance(std::chrono::seconds(10));
  EXPECT_TRUE(Await([&] { return Reason() == "InForce"; }));
}

TEST_F(PolicyStatusTest, AWriteThatFindsTheObjectChangedIsMadeAgainOfWhatItIsNow) {
  PutPolicy();
  Renew("a", true);
  cluster_.server.Fail({.verb = "PATCH", .path = "/apis/gatehouse.dev", .status = 409});
  auto controller = Controller();
  EXPECT_TRUE(Await([&] { return Reason() == "InForce"; })) << "without waiting for ten seconds";
  for (const fakes::KubeRequest& request : cluster_.server.requests()) {
    if (request.verb != "PATCH") continue;
    EXPECT_NE(request.body.find("resourceVersion"), std::string::npos) << "never over what another leader wrote";
  }
}

TEST_F(PolicyStatusTest, TrustRootsDecideNothing) {
  cluster_.server.Put(
      R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"TrustRoot","metadata":{"name":"tpms"},"spec":{}})");
  auto controller = Controller();
  const auto status = [&] { return cluster_.server.Find(kube::kTrustRoots, "tpms")->At({"status"}) != nullptr; };
  ASSERT_TRUE(Await(status));
  EXPECT_EQ(cluster_.server.Find(kube::kTrustRoots, "tpms")->At({"status", "decisions"}), nullptr);
}

}  // namespace
}  // namespace gatehouse::webhook
