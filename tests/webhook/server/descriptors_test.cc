#include "webhook/server/descriptors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

TEST(Descriptors, SoftLimitBecomesTheHardOne) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit low = before;
  low.rlim_cur = std::min<rlim_t>(before.rlim_max, 300);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const std::size_t limit = RaiseDescriptorLimit();
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(limit, std::min<rlim_t>(before.rlim_max, 65'536));
  EXPECT_EQ(after.rlim_cur, limit);
  EXPECT_EQ(after.rlim_max, before.rlim_max);
}

// Whatever the limit: all listeners full at once leave descriptors for the rest, and nobody has none.
TEST(Descriptors, SharesNeverAddUpToTheLimit) {
  for (std::size_t limit : {64U, 100U, 256U, 1024U, 4096U, 20'000U, 65'536U}) {
    for (std::size_t max_concurrent : {1U, 256U, 1024U}) {
      for (bool attestation : {false, true}) {
        const ConnectionShares shares = ShareConnections(limit, max_concurrent, attestation);
        const std::string with = std::to_string(limit) + " " + std::to_string(max_concurrent);
        EXPECT_LE(shares.admission + shares.attestation + shares.metrics,
                  limit - std::min(256 + max_concurrent, limit / 2))
            << with;
        EXPECT_LT(shares.admission + shares.attestation + shares.metrics + shares.registries, limit) << with;
        EXPECT_GT(shares.registries, 0U) << with;
        EXPECT_GT(shares.metrics, 0U) << with;
        EXPECT_EQ(shares.attestation > 0, attestation) << with;
        EXPECT_GE(shares.admission, shares.attestation) << with;
        EXPECT_LE(shares.admission, limits::kServerConnections) << with;
      }
    }
  }
}

TEST(Descriptors, AttestationHasAtMostAThird) {
  const ConnectionShares shares = ShareConnections(1024, 256, true);
  EXPECT_EQ(shares.metrics, 64U);
  EXPECT_EQ(shares.attestation, 149U);
  EXPECT_EQ(shares.admission, 299U);
  EXPECT_EQ(ShareConnections(1024, 256, false).admission, 448U);
  EXPECT_EQ(ShareConnections(65'536, 256, true).admission, limits::kServerConnections);
}

// A namespace has at most half of the decisions, each with one thread of its own, and all helpers may be at work for
// it; each asks for at most two things at a time. With registries that hang, that leaves room for the others.
TEST(Descriptors, Adversarial_A11_OneNamespaceCannotHoldEveryConnectionToRegistries) {
  EXPECT_GT(ShareConnections(65'536, 256, true).registries, 2U * (256 / 2 + 128));
  EXPECT_GT(ShareConnections(1024, 256, true).registries, 256U / 2 + 128);
}

TEST(Descriptors, LimitThatNoProgramRunsWithStillServes) {
  const ConnectionShares shares = ShareConnections(0, 256, true);
  EXPECT_GT(shares.metrics, 0U);
  EXPECT_GT(shares.attestation, 0U);
  EXPECT_GT(shares.admission, 0U);
}

}  // namespace
}  // namespace gatehouse::webhook
