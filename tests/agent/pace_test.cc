#include "agent/session/pace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/session/loop.h"
#include "common/crypto/hash.h"
#include "tests/agent/support.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Random Always(std::uint8_t byte) {
  return [byte](std::size_t count) { return Bytes(count, byte); };
}

TEST(Pace, AfterSuccessIsTheSoonerOfServerAndInterval) {
  Pace pace(minutes(1), Always(0));
  EXPECT_EQ(pace.AfterSuccess(seconds(20)), seconds(20));
  EXPECT_EQ(pace.AfterSuccess(minutes(5)), minutes(1));
  EXPECT_EQ(pace.AfterSuccess(Duration(0)), seconds(1));
}

TEST(Pace, ChanceOnlyMakesItSooner) {
  Pace pace(minutes(1), crypto::SystemRandom());
  std::set<Duration> seen;
  for (int i = 0; i < 200; ++i) {
    Duration pause = pace.AfterSuccess(minutes(1));
    EXPECT_LE(pause, seconds(60));
    EXPECT_GE(pause, seconds(54));
    seen.insert(pause);
  }
  EXPECT_GT(seen.size(), 50U);
}

TEST(Pace, BacksOffExponentiallyUpToAMinute) {
  Pace pace(minutes(10), Always(0));  // the longest of each step
  for (int expected : {1, 2, 4, 8, 16, 32, 60, 60, 60}) {
    EXPECT_EQ(pace.AfterFailure(Reason::kNetworkUnavailable), seconds(expected));
  }
}

TEST(Pace, BacksOffNoLongerThanTheInterval) {
  Pace pace(seconds(5), Always(0));
  for (int expected : {1, 2, 4, 5, 5}) EXPECT_EQ(pace.AfterFailure(Reason::kTpmUnavailable), seconds(expected));
}

TEST(Pace, HalfOfABackOffIsChance) {
  Pace pace(minutes(10), crypto::SystemRandom());
  for (int i = 0; i < 5; ++i) static_cast<void>(pace.AfterFailure(Reason::kNetworkUnavailable));
  std::set<Duration> seen;
  for (int i = 0; i < 200; ++i) {
    Pace copy = pace;
    Duration pause = copy.AfterFailure(Reason::kNetworkUnavailable);
    EXPECT_GE(pause, seconds(16));
    EXPECT_LE(pause, seconds(32));
    seen.insert(pause);
  }
  EXPECT_GT(seen.size(), 50U);
}

TEST(Pace, SuccessEndsTheBackOff) {
  Pace pace(minutes(10), Always(0));
  for (int i = 0; i < 5; ++i) static_cast<void>(pace.AfterFailure(Reason::kNetworkUnavailable));
  static_cast<void>(pace.AfterSuccess(seconds(20)));
  EXPECT_EQ(pace.AfterFailure(Reason::kNetworkUnavailable), seconds(1));
}

// Asking more often does not change a refusal, and would only load the server.
TEST(Pace, RefusalsWaitForTheInterval) {
  Pace pace(minutes(10), Always(0));
  for (Reason reason :
       {Reason::kNodeConflict, Reason::kIdentityMismatch, Reason::kMessageMalformed, Reason::kPcrMissing}) {
    EXPECT_EQ(pace.AfterFailure(reason), minutes(10)) << Token(reason);
  }
  EXPECT_EQ(pace.AfterFailure(Reason::kClockRewound), seconds(1));  // a TPM just reset becomes safe by itself
}

// --- the loop around it

class LoopTest : public testing::Test {
 protected:
  fakes::FakeClock clock_{fakes::kPkiNow};
  CapturedLog captured_;
  fakes::TestCa manufacturer_ = fakes::TestCa::Root({.common_name = "TPM vendor"});
  SoftwareDevice device_{manufacturer_};
  FakeService service_{{manufacturer_.certificate()}, {}, clock_};
  LogFile no_log_{"log", "/nonexistent/log", 1, captured_.log()};
  ImaLog no_ima_log_{{"/nonexistent/ima"}, captured_.log(), [this] { metrics_.CountFault("ima-log"); }};
  Metrics metrics_;
  Attester attester_{{*NodeName::Parse("node-a"), *net::Url::Parse("https://server", Reason::kUsage), device_, no_log_,
                      no_ima_log_, no_log_, metrics_,
                      [this]() -> Result<std::unique_ptr<net::HttpTransport>> { return service_.Connect(); },
                      [] { return Result<std::string>(std::string()); }, clock_, captured_.log()}};
};

TEST_F(LoopTest, AttestsUntilToldToEnd) {
  Pace pace(minutes(1), Always(0));
  service_.next_ms = 30'000;
  std::vector<Duration> pauses;
  AttestForever(
      attester_, pace,
      [&](Duration pause) {
        pauses.push_back(pause);
        return pauses.size() < 3;
      },
      captured_.log(), metrics_, clock_);
  EXPECT_EQ(pauses, (std::vector<Duration>(3, seconds(30))));
  EXPECT_EQ(service_.CountOf(session::kEvidencePath), 3U);
}

TEST_F(LoopTest, GoesOnAfterFailures) {
  Pace pace(minutes(1), Always(0));
  device_.broken = Error{Reason::kTpmUnavailable, "tpm", "gone"};
  std::vector<Duration> pauses;
  AttestForever(
      attester_, pace,
      [&](Duration pause) {
        pauses.push_back(pause);
        if (pauses.size() == 3) device_.broken.reset();
        return pauses.size() < 4;
      },
      captured_.log(), metrics_, clock_);
  EXPECT_EQ(pauses, (std::vector<Duration>{seconds(1), seconds(2), seconds(4), seconds(60)}));
  EXPECT_EQ(captured_.Count("\"reason\":\"tpm-unavailable\""), 3U);
  EXPECT_EQ(captured_.Count("\"status\":\"affirming\""), 1U);
}

TEST_F(LoopTest, VerdictIsLoggedWithItsFindings) {
  session::EvidenceResponse verdict{"t", "contraindicated", {"pcr-mismatch: PCR 7", "two\nlines"}, 1};
  EXPECT_FALSE(Report(verdict, captured_.log(), metrics_, clock_.Wall()));
  EXPECT_EQ(captured_.Count("\"status\":\"contraindicated\""), 1U);
  EXPECT_EQ(captured_.Count("pcr-mismatch: PCR 7"), 1U);
  EXPECT_EQ(captured_.Count("\n"), 3U);
  EXPECT_TRUE(Report(session::EvidenceResponse{"t", "affirming", {}, 1}, captured_.log(), metrics_, clock_.Wall()));
  EXPECT_FALSE(Report(Error{Reason::kOverloaded, "", ""}, captured_.log(), metrics_, clock_.Wall()));
}

// A label is never a text that the server chose.
TEST_F(LoopTest, OutcomesAreCounted) {
  EXPECT_THAT(metrics_.Text(), testing::HasSubstr("last_success_timestamp_seconds 0\n"));
  Report(session::EvidenceResponse{"t", "evil\"} 1\n", {}, 1}, captured_.log(), metrics_, clock_.Wall());
  Report(session::EvidenceResponse{"t", "warning", {}, 1}, captured_.log(), metrics_, clock_.Wall());
  Report(Error{Reason::kTpmUnavailable, "", ""}, captured_.log(), metrics_, clock_.Wall());
  EXPECT_THAT(metrics_.Text(), testing::HasSubstr("last_success_timestamp_seconds 0\n"));
  Report(session::EvidenceResponse{"t", "affirming", {}, 1}, captured_.log(), metrics_, clock_.Wall());
  std::string text = metrics_.Text();
  for (const char* outcome : {"other", "warning", "tpm-unavailable", "affirming"}) {
    EXPECT_THAT(text,
                testing::HasSubstr("gatehouse_agent_attestations_total{outcome=\"" + std::string(outcome) + "\"} 1\n"));
  }
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("evil")));
  auto at = std::chrono::duration_cast<std::chrono::seconds>(clock_.Wall().time_since_epoch()).count();
  EXPECT_THAT(text, testing::HasSubstr("last_success_timestamp_seconds " + std::to_string(at) + "\n"));
}

TEST_F(LoopTest, AbsentLogsAreLoggedOnce) {
  Pace pace(minutes(1), Always(0));
  int rounds = 0;
  AttestForever(
      attester_, pace, [&](Duration) { return ++rounds < 5; }, captured_.log(), metrics_, clock_);
  EXPECT_EQ(captured_.Count("cannot be sent"), 2U);  // of each source
  EXPECT_THAT(metrics_.Text(), testing::HasSubstr("gatehouse_agent_source_faults_total{source=\"ima-log\"} 5\n"));
  EXPECT_THAT(metrics_.Text(), testing::HasSubstr("{outcome=\"affirming\"} 5\n"));
}

}  // namespace
}  // namespace gatehouse::agent
