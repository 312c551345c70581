#include "webhook/admission/shares.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gatehouse::webhook {
namespace {

// How many enter for one namespace before one does not.
std::size_t Fill(Shares& shares, const std::string& space) {
  std::size_t entered = 0;
  while (shares.Enter(space) == Shares::Entry::kEntered) ++entered;
  return entered;
}

TEST(SharesTest, OneNamespaceAloneGetsHalf) {
  for (std::size_t total : {2U, 10U, 256U, 1024U}) {
    Shares shares(total);
    EXPECT_EQ(Fill(shares, "a"), total / 2);
    EXPECT_EQ(shares.Enter("a"), Shares::Entry::kShareUsedUp);
  }
}

TEST(SharesTest, EveryNamespaceThatComesAnewFindsRoom) {
  Shares shares(256);
  std::size_t used = 0;
  for (int i = 0; i < 8; ++i) {
    std::size_t mine = Fill(shares, "ns-" + std::to_string(i));
    EXPECT_GE(mine, 1U) << i;
    EXPECT_LE(mine, 256 - used - mine + 1) << i;
    used += mine;
  }
  EXPECT_LT(used, 256U);
}

TEST(SharesTest, WhatWasLeftIsThereAgain) {
  Shares shares(4);
  EXPECT_EQ(Fill(shares, "a"), 2U);
  shares.Leave("a");
  EXPECT_EQ(shares.Enter("a"), Shares::Entry::kEntered);
  shares.Leave("a");
  shares.Leave("a");
  shares.Leave("a");  // once too often changes nothing
  EXPECT_EQ(Fill(shares, "b"), 2U);
  EXPECT_EQ(Fill(shares, "a"), 1U);
}

TEST(SharesTest, NoneAndOne) {
  Shares none(0);
  EXPECT_EQ(none.Enter("a"), Shares::Entry::kFull);
  Shares one(1);
  EXPECT_EQ(one.Enter("a"), Shares::Entry::kEntered);
  EXPECT_EQ(one.Enter("a"), Shares::Entry::kFull);
  EXPECT_EQ(one.Enter("b"), Shares::Entry::kFull);
}

TEST(SharesTest, AShareEndsWithItsScope) {
  Shares shares(2);
  const std::string space = "a";
  {
    Share first(shares, space);
    EXPECT_EQ(first.entry(), Shares::Entry::kEntered);
    Share second(shares, space);
    EXPECT_EQ(second.entry(), Shares::Entry::kShareUsedUp);
  }
  Share third(shares, space);
  EXPECT_EQ(third.entry(), Shares::Entry::kEntered);
}

TEST(SharesTest, ManyThreads) {
  Shares shares(64);
  std::atomic<std::size_t> refused = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string space = "ns-" + std::to_string(t % 3);
      for (int i = 0; i < 2'000; ++i) {
        Share share(shares, space);
        if (share.entry() != Shares::Entry::kEntered) ++refused;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(refused, 0U);  // eight at once never fill it
  EXPECT_EQ(Fill(shares, "a"), 32U);
}

}  // namespace
}  // namespace gatehouse::webhook
