#include "common/kube/rate_limiter.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace gatehouse::kube {
namespace {

using fakes::FakeClock;

constexpr Duration kForEver{1'000'000'000};

TEST(RateLimiter, HoldsTwiceASecondsWorthAndThenPaces) {
  FakeClock clock;
  RateLimiter limiter(5, clock);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter.Take(kForEver), Duration::zero()) << i;
  for (int i = 1; i <= 20; ++i) EXPECT_EQ(limiter.Take(kForEver), Duration(200 * i)) << i;
}

TEST(RateLimiter, FillsAgainUpToItsSizeOnly) {
  FakeClock clock;
  RateLimiter limiter(5, clock);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter.Take(kForEver), Duration::zero());
  clock.Advance(Duration(400));
  EXPECT_EQ(limiter.Take(kForEver), Duration::zero());
  EXPECT_EQ(limiter.Take(kForEver), Duration::zero());
  EXPECT_EQ(limiter.Take(kForEver), Duration(200));
  clock.Advance(std::chrono::hours(1));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(limiter.Take(kForEver), Duration::zero()) << i;
  EXPECT_EQ(limiter.Take(kForEver), Duration(200));
}

TEST(RateLimiter, ImpatienceTakesNothing) {
  FakeClock clock;
  RateLimiter limiter(1, clock);
  EXPECT_TRUE(limiter.Take(Duration::zero()).has_value());
  EXPECT_TRUE(limiter.Take(Duration::zero()).has_value());
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(limiter.Take(Duration(999)).has_value());
  EXPECT_EQ(limiter.Take(Duration(1000)), Duration(1000));
}

TEST(RateLimiter, ZeroIsNoLimit) {
  FakeClock clock;
  RateLimiter limiter(0, clock);
  for (int i = 0; i < 10'000; ++i) EXPECT_EQ(limiter.Take(Duration::zero()), Duration::zero());
}

}  // namespace
}  // namespace gatehouse::kube
