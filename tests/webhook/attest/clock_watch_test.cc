#include "webhook/attest/clock_watch.h"

#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"

namespace gatehouse::webhook {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class Adversarial_Q9 : public testing::Test {
 protected:
  // Time goes by at the verifier and at the TPM; then it quotes.
  void Go(Duration here, Duration there) {
    clock_.Advance(here);
    tpm_.clock_ms += static_cast<std::uint64_t>(there.count());
    watch_.Observe("n", "ak", tpm_);
  }
  void Go(Duration both) { Go(both, both); }
  [[nodiscard]] bool Stalled(Duration most = minutes(10)) const {
    auto lag = watch_.Lag("n", most);
    if (lag.has_value()) {
      EXPECT_EQ(lag->reason, Reason::kClockStalled);
    }
    return lag.has_value();
  }

  fakes::FakeClock clock_;
  claims::TpmClock tpm_{1'000'000, 7, 2, true, 1};
  ClockWatch watch_{clock_};
};

TEST_F(Adversarial_Q9, AClockThatGoesOnIsWell) {
  EXPECT_FALSE(Stalled());
  for (int i = 0; i < 100; ++i) Go(minutes(1));
  EXPECT_FALSE(Stalled(Duration(0)));
}

TEST_F(Adversarial_Q9, AClockThatRunsSlowIsWell) {
  Go(minutes(1));
  for (int i = 0; i < 10'000; ++i) Go(minutes(1), seconds(55));
  EXPECT_FALSE(Stalled());
  Go(std::chrono::hours(24 * 7), std::chrono::hours(24 * 6 + 6));  // nobody was asked for a week
  EXPECT_FALSE(Stalled());
}

TEST_F(Adversarial_Q9, AMachineThatWasSuspendedOrPutBackStaysStalledUntilARestart) {
  Go(minutes(1));
  Go(minutes(30), minutes(1));
  EXPECT_TRUE(Stalled());
  EXPECT_FALSE(Stalled(minutes(30)));
  Go(minutes(1));
  EXPECT_TRUE(Stalled()) << "it is well again, but what happened meanwhile is not known";
  tpm_.restart_count += 1;
  Go(minutes(1));
  EXPECT_FALSE(Stalled());
}

TEST_F(Adversarial_Q9, AResetEndsItAsWell) {
  Go(minutes(1));
  Go(minutes(30), minutes(1));
  ASSERT_TRUE(Stalled());
  tpm_.reset_count += 1;
  tpm_.restart_count = 0;
  Go(minutes(1));
  EXPECT_FALSE(Stalled());
}

TEST_F(Adversarial_Q9, ANodeThatIsForgottenBeginsAnew) {
  Go(minutes(1));
  Go(minutes(30), minutes(1));
  ASSERT_TRUE(Stalled());
  watch_.Forget("n");
  EXPECT_FALSE(Stalled());
  Go(minutes(30), minutes(1));
  EXPECT_FALSE(Stalled());
}

TEST_F(Adversarial_Q9, AnotherKeyHasAnotherClock) {
  Go(minutes(1));
  clock_.Advance(minutes(30));
  tpm_.clock_ms += 1'000;
  watch_.Observe("n", "another", tpm_);
  EXPECT_FALSE(Stalled());
}

TEST_F(Adversarial_Q9, AClockAtTheEndOfItsRange) {
  tpm_.clock_ms = 0;
  watch_.Observe("n", "ak", tpm_);
  clock_.Advance(minutes(30));
  tpm_.clock_ms = UINT64_MAX;
  watch_.Observe("n", "ak", tpm_);
  EXPECT_FALSE(Stalled(Duration(0)));
}

}  // namespace
}  // namespace gatehouse::webhook
