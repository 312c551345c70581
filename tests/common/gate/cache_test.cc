#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "common/gate/verification_cache.h"
#include "tests/fakes/fake_clock.h"

namespace gatehouse::gate {
namespace {

ImageVerdict Good() {
  return {{"p", std::string("release")}};
}
ImageVerdict Bad(Reason reason) {
  return {{"p", Error{reason, "", ""}}};
}

class CacheTest : public ::testing::Test {
 protected:
  std::shared_ptr<const ImageVerdict> Get(const std::string& key, ImageVerdict verdict) {
    auto late = [] { return Bad(Reason::kDeadlineExceeded); };
    return cache.Get(
        key, Deadline(clock, Duration(1000)),
        [&] {
          ++runs;
          return verdict;
        },
        late);
  }
  fakes::FakeClock clock;
  std::vector<std::string> events;
  int runs = 0;
  VerificationCache cache{clock,
                          {.positive_ttl = Duration(600'000), .negative_ttl = Duration(3'000), .max_entries = 2},
                          [this](std::string_view event) { events.emplace_back(event); }};
};

TEST_F(CacheTest, RemembersSuccessForLongAndFailureForSeconds) {
  (void)Get("a", Good());
  (void)Get("b", Bad(Reason::kImageUnsigned));
  clock.Advance(Duration(2'999));
  (void)Get("a", Good());
  (void)Get("b", Bad(Reason::kImageUnsigned));
  EXPECT_EQ(runs, 2);
  clock.Advance(Duration(1));
  (void)Get("a", Good());
  (void)Get("b", Good());
  EXPECT_EQ(runs, 3);
  clock.Advance(Duration(600'000));
  (void)Get("a", Good());
  EXPECT_EQ(runs, 4);
  EXPECT_EQ(events, (std::vector<std::string>{"miss", "miss", "hit", "negative_hit", "hit", "miss", "miss"}));
}

TEST_F(CacheTest, OneFailedPolicyMakesTheVerdictAFailure) {
  ImageVerdict mixed = Good();
  mixed.push_back({"q", Error{Reason::kImageUnsigned, "", ""}});
  (void)Get("a", mixed);
  clock.Advance(Duration(3'000));
  (void)Get("a", Good());
  EXPECT_EQ(runs, 2);
}

TEST_F(CacheTest, IsBoundedAndForgetsTheLeastRecentlyUsed) {
  (void)Get("a", Good());
  (void)Get("b", Good());
  (void)Get("a", Good());
  (void)Get("c", Good());
  EXPECT_EQ(cache.size(), 2U);
  (void)Get("a", Good());
  EXPECT_EQ(runs, 3);
  (void)Get("b", Good());
  EXPECT_EQ(runs, 4);
}

TEST_F(CacheTest, FailuresDoNotPushOutSuccesses) {
  (void)Get("a", Good());
  for (int i = 0; i < 100; ++i) (void)Get("bad" + std::to_string(i), Bad(Reason::kImageUnsigned));
  EXPECT_EQ(cache.size(), 2U);
  runs = 0;
  (void)Get("a", Good());
  EXPECT_EQ(runs, 0);
}

TEST_F(CacheTest, WhatCouldNotBeEvaluatedIsNotKept) {
  (void)Get("a", Bad(Reason::kRegistryUnavailable));
  EXPECT_EQ(cache.size(), 0U);
}

TEST_F(CacheTest, AVerificationThatThrowsReleasesTheNext) {
  auto late = [] { return Bad(Reason::kDeadlineExceeded); };
  Deadline deadline(clock, Duration(1000));
  EXPECT_THROW((void)cache.Get(
                   "a", deadline, []() -> ImageVerdict { throw std::runtime_error("fault"); }, late),
               std::runtime_error);
  EXPECT_TRUE(Get("a", Good())->front().vouched_by.ok());
}

TEST_F(CacheTest, AWaiterVerifiesItselfWhenItsLeaderCouldNot) {
  std::atomic<bool> leader_runs = false;
  std::atomic<bool> waiter_waits = false;
  VerificationCache shared(clock, {}, [&](std::string_view event) {
    if (event == "coalesced") waiter_waits = true;
  });
  auto late = [] { return Bad(Reason::kDeadlineExceeded); };
  std::thread leader([&] {
    (void)shared.Get(
        "a", Deadline(clock, Duration(1000)),
        [&] {
          leader_runs = true;
          while (!waiter_waits) std::this_thread::yield();
          return Bad(Reason::kDeadlineExceeded);
        },
        late);
  });
  while (!leader_runs) std::this_thread::yield();
  auto verdict = shared.Get(
      "a", Deadline(clock, Duration(1000)), [] { return Good(); }, late);
  leader.join();
  EXPECT_TRUE(verdict->front().vouched_by.ok());
}

TEST_F(CacheTest, AWaiterWhoseTimeIsUpGetsTheLateAnswer) {
  std::atomic<bool> leader_runs = false;
  std::atomic<bool> done = false;
  VerificationCache shared(clock, {}, [](std::string_view) {});
  std::thread leader([&] {
    (void)shared.Get(
        "a", Deadline(clock, Duration(1000)),
        [&] {
          leader_runs = true;
          while (!done) std::this_thread::yield();
          return Good();
        },
        [] { return Bad(Reason::kInternal); });
  });
  while (!leader_runs) std::this_thread::yield();
  auto verdict = shared.Get(
      "a", Deadline(clock, Duration(1)), [] { return Good(); }, [] { return Bad(Reason::kDeadlineExceeded); });
  done = true;
  leader.join();
  EXPECT_EQ(verdict->front().vouched_by.error().reason, Reason::kDeadlineExceeded);
}

}  // namespace
}  // namespace gatehouse::gate
