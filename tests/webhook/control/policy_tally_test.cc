// From reports to the status of a policy: in force or not, and the sums of decisions.
#include "webhook/control/policy_tally.h"

#include <gtest/gtest.h>

#include "tests/fakes/json_value.h"

namespace gatehouse::webhook {
namespace {

constexpr const char* kKey = "ImagePolicy//signed";
const MonoTime kNow{std::chrono::seconds(1000)};

struct Say {
  std::int64_t generation = 0;  // 0: nothing of the policy
  bool in_force = false;
  std::int64_t before = 0;
  std::string message = {};
  bool readable = true;
};
ReplicaReport ReportOf(const Say& say) {
  ReplicaReport report;
  if (say.generation != 0) {
    report[kKey].first = {.kind = "ImagePolicy",
                          .namespace_name = "",
                          .name = "signed",
                          .generation = say.generation,
                          .in_force = say.in_force,
                          .in_force_generation = say.before,
                          .message = say.message};
  }
  return report;
}

TEST(InForce, Table) {
  struct Row {
    const char* name;
    std::vector<Say> replicas;
    const char* status;
    const char* reason;
    const char* message;
    std::size_t in_force;
  };
  const Row rows[] = {
      {"all", {{3, true}, {3, true}}, "True", "InForce", "in force on 2 of 2 replicas", 2},
      {"one replica", {{3, true}}, "True", "InForce", "in force on 1 of 1 replica", 1},
      {"something is missing beside it",
       {{3, true, 3, "TrustRoot x does not exist"}, {3, true}},
       "True",
       "InForce",
       "in force on 2 of 2 replicas; TrustRoot x does not exist",
       2},
      {"refused everywhere",
       {{3, false, 0, "$.spec: bad"}, {3, false, 0, "$.spec: bad"}},
       "False",
       "NotInForce",
       "in force on 0 of 2 replicas; $.spec: bad",
       0},
      {"refused, and the one before stays",
       {{3, false, 2, "$.spec: bad"}},
       "False",
       "NotInForce",
       "in force on 0 of 1 replica; $.spec: bad; generation 2 is in force instead",
       0},
      {"on some only",
       {{3, true}, {3, false, 2, "bad"}, {3, true}},
       "False",
       "PartlyInForce",
       "in force on 2 of 3 replicas; replica-1: bad; generation 2 is in force instead",
       2},
      {"one that is late",
       {{3, true}, {2, true, 2}},
       "False",
       "PartlyInForce",
       "in force on 1 of 2 replicas; replica-1: has not loaded this generation",
       1},
      {"one that knows nothing of it",
       {{3, true}, {}},
       "False",
       "PartlyInForce",
       "in force on 1 of 2 replicas; replica-1: has not loaded it",
       1},
      {"one whose report cannot be read",
       {{3, true}, {0, false, 0, "", false}},
       "False",
       "PartlyInForce",
       "in force on 1 of 2 replicas; replica-1: its report cannot be read",
       1},
      {"what is missing beside it does not hide what is wrong",
       {{3, true, 3, "TrustRoot x does not exist"}, {3, false, 0, "bad"}},
       "False",
       "PartlyInForce",
       "in force on 1 of 2 replicas; replica-1: bad",
       1},
      {"nobody", {}, "Unknown", "NoReplicas", "no replica reports", 0},
  };
  for (const Row& row : rows) {
    std::vector<ReplicaReport> reports;
    for (const Say& say : row.replicas) reports.push_back(ReportOf(say));
    std::vector<ReplicaView> views;
    for (std::size_t i = 0; i < reports.size(); ++i) {
      views.push_back({"replica-" + std::to_string(i), row.replicas[i].readable ? &reports[i] : nullptr});
    }
    auto status = InForce(kKey, 3, views, false);
    ASSERT_TRUE(status.has_value()) << row.name;
    EXPECT_EQ(status->status, row.status) << row.name;
    EXPECT_EQ(status->reason, row.reason) << row.name;
    EXPECT_EQ(status->message, row.message) << row.name;
    EXPECT_EQ(status->in_force, row.in_force) << row.name;
    EXPECT_EQ(status->total, row.replicas.size()) << row.name;
    EXPECT_EQ(status->observed_generation, 3) << row.name;
  }
}

TEST(InForce, WaitsForReplicasThatHaveNotLookedYet) {
  ReplicaReport looked = ReportOf({3, true});
  ReplicaReport late = ReportOf({2, true, 2});
  EXPECT_FALSE(InForce(kKey, 3, {{"a", &looked}, {"b", &late}}, true).has_value());
  EXPECT_TRUE(InForce(kKey, 3, {{"a", &looked}, {"b", &looked}}, true).has_value());
}

TEST(InForce, SaysNothingOfAGenerationThatReplicasHaveLeftBehind) {
  ReplicaReport ahead = ReportOf({4, true});
  EXPECT_FALSE(InForce(kKey, 3, {{"a", &ahead}}, false).has_value());
}

TEST(PolicyStatus, RoundTrip) {
  PolicyStatus status;
  status.observed_generation = 3;
  status.status = "False";
  status.reason = "PartlyInForce";
  status.message = "m";
  status.transition = "2026-11-21T12:00:00Z";
  status.in_force = 1;
  status.total = 2;
  status.decisions = {.allowed = 1, .denied = 2, .warned = 3, .audited = 4};
  std::string text = WritePolicyStatus(status, true, "17");
  EXPECT_EQ(
      text,
      R"({"metadata":{"resourceVersion":"17"},"status":{"observedGeneration":3,"conditions":[{"type":"InForce","status":"False","reason":"PartlyInForce",)"
      R"("message":"m","lastTransitionTime":"2026-11-21T12:00:00Z","observedGeneration":3}],)"
      R"("replicas":{"inForce":1,"total":2},"decisions":{"allowed":1,"denied":2,"warned":3,"audited":4}}})");
  auto document = codec::JsonDocument::Parse(text, {.max_bytes = 4096});
  ASSERT_TRUE(document.ok());
  auto read = ReadPolicyStatus(document->root());
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->SameAs(status));
  EXPECT_EQ(read->transition, status.transition);
  EXPECT_EQ(WritePolicyStatus(status, false, "17").find("decisions"), std::string::npos);
}

TEST(PolicyStatus, AbsentOrEmptyIsNone) {
  for (const char* json : {"{}", R"({"status":{}})", R"({"status":null})", R"({"status":7})"}) {
    auto document = codec::JsonDocument::Parse(json, {.max_bytes = 4096});
    EXPECT_FALSE(ReadPolicyStatus(document->root()).has_value()) << json;
  }
}

class DecisionTallyTest : public ::testing::Test {
 protected:
  static ReplicaReport Denied(std::uint64_t count, const char* key = kKey) {
    ReplicaReport report;
    report[key].second.denied = count;
    return report;
  }
  void See(const std::string& replica, std::uint64_t count, bool there_before = false) {
    tally_.Observe(replica, Denied(count), there_before, now_);
  }
  std::uint64_t Total(const std::string& uid = "u1") { return tally_.Total(uid).denied; }

  DecisionTally tally_;
  MonoTime now_ = kNow;
};

TEST_F(DecisionTallyTest, SumsWhatIsNewInEachReport) {
  tally_.Track("u1", kKey, std::nullopt);
  See("a", 5);
  See("a", 5);
  See("b", 2);
  See("a", 6);
  EXPECT_EQ(Total(), 8U);
}

TEST_F(DecisionTallyTest, GoesOnFromWhatIsWritten) {
  tally_.Track("u1", kKey, DecisionCounts{.denied = 100});
  See("a", 50, true);  // in the hundred already, as far as another leader saw it
  EXPECT_EQ(Total(), 100U);
  See("a", 53);
  EXPECT_EQ(Total(), 103U);
  See("b", 4);  // started since
  EXPECT_EQ(Total(), 107U);
}

TEST_F(DecisionTallyTest, TheFirstLeaderOfAllMissesNothing) {
  tally_.Track("u1", kKey, std::nullopt);
  See("a", 50, true);
  EXPECT_EQ(Total(), 50U);
}

TEST_F(DecisionTallyTest, AReplicaThatBeginsAgainBeginsAtZero) {
  tally_.Track("u1", kKey, std::nullopt);
  See("a", 50);
  See("a", 3);
  See("a", 4);
  EXPECT_EQ(Total(), 54U);
}

TEST_F(DecisionTallyTest, OneCountThatWentBackSaysThatAllBeganAgain) {
  tally_.Track("u1", kKey, std::nullopt);
  ReplicaReport report;
  report[kKey].second = {.allowed = 1, .denied = 10};
  tally_.Observe("a", report, false, now_);
  report[kKey].second = {.allowed = 2, .denied = 9};
  tally_.Observe("a", report, false, now_);
  EXPECT_EQ(tally_.Total("u1").allowed, 3U);
  EXPECT_EQ(tally_.Total("u1").denied, 19U);
}

TEST_F(DecisionTallyTest, AReplicaThatComesBackIsNotCountedAgain) {
  tally_.Track("u1", kKey, std::nullopt);
  See("a", 50);
  now_ += std::chrono::minutes(30);
  tally_.Forget(now_ - std::chrono::hours(1));
  See("a", 51);
  EXPECT_EQ(Total(), 51U);
}

TEST_F(DecisionTallyTest, AnObjectOfTheSameNameBeginsAtZero) {
  tally_.Track("u1", kKey, std::nullopt);
  See("a", 50);
  tally_.Untrack("u1");
  tally_.Track("u2", kKey, std::nullopt);
  See("a", 51);
  EXPECT_EQ(Total("u1"), 0U);
  EXPECT_EQ(Total("u2"), 1U);
}

TEST_F(DecisionTallyTest, AReportThatComesBeforeThePolicyIsCountedOnceItIsKnown) {
  See("a", 3);
  tally_.Track("u1", kKey, std::nullopt);
  See("a", 4);
  EXPECT_EQ(Total(), 4U);
}

}  // namespace
}  // namespace gatehouse::webhook
