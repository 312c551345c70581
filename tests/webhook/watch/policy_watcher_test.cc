#include "webhook/watch/policy_watcher.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/fake_clock.h"

namespace gatehouse::webhook {
namespace {

namespace fs = std::filesystem;

std::string Policy(const std::string& name, const std::string& glob = "registry.example/**") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: " + name +
         "}\nspec:\n  images: [{glob: \"" + glob +
         "\"}]\n  authorities: [{name: a, static: {action: fail, message: no}}]\n";
}

class PolicyWatcherTest : public ::testing::Test {
 protected:
  PolicyWatcherTest() {
    fs::remove_all(folder);
    fs::create_directories(folder);
    Write("a.yaml", Policy("a"));
  }
  void TearDown() override { fs::remove_all(folder); }
  // Two looks: a change is believed when it is seen twice.
  bool PollTwice() { return watcher.Poll() || watcher.Poll(); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(folder / name) << text; }

  fs::path folder = fs::path(::testing::TempDir()) / ("policies-" + std::to_string(::getpid()) + "-" +
                                                      ::testing::UnitTest::GetInstance()->current_test_info()->name());
  fakes::FakeClock clock;
  telemetry::Logger log{-1, telemetry::Level::kOff, clock};
  telemetry::Metrics metrics;
  PolicyWatcher watcher{folder.string(), Duration(10), log, metrics};
};

TEST_F(PolicyWatcherTest, LoadsAndSwapsWhenTheContentChanges) {
  ASSERT_TRUE(watcher.Load().ok());
  auto before = watcher.Current();
  EXPECT_FALSE(PollTwice());
  EXPECT_EQ(watcher.Current(), before);
  Write("b.yaml", Policy("b"));
  EXPECT_TRUE(PollTwice());
  EXPECT_EQ(watcher.Current()->image_policies.size(), 2U);
  EXPECT_EQ(before->image_policies.size(), 1U);  // who holds the old set keeps it whole
}

TEST_F(PolicyWatcherTest, AFileInTheMidstOfBeingWrittenIsNotActedUpon) {
  Write("a.yaml", Policy("a") + "  require: all\n");
  ASSERT_TRUE(watcher.Load().ok());
  auto before = watcher.Current();
  Write("a.yaml", Policy("a"));  // cut before its last line
  EXPECT_FALSE(watcher.Poll());
  Write("a.yaml", Policy("a") + "  require: any\n");
  EXPECT_FALSE(watcher.Poll());
  EXPECT_EQ(watcher.Current(), before);
  EXPECT_TRUE(watcher.Poll());
}

TEST_F(PolicyWatcherTest, ABadReloadKeepsTheOldSetAndSaysSo) {
  ASSERT_TRUE(watcher.Load().ok());
  auto before = watcher.Current();
  Write("b.yaml", "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: b}\nspec: {imagse: []}\n");
  EXPECT_FALSE(PollTwice());
  EXPECT_EQ(watcher.Current(), before);
  ASSERT_EQ(watcher.Problems().size(), 1U);
  EXPECT_NE(watcher.Problems()[0].find("imagse"), std::string::npos);
  EXPECT_NE(metrics.Expose().find("gatehouse_policy_last_reload_failed 1"), std::string::npos);
  Write("b.yaml", Policy("b"));
  EXPECT_TRUE(PollTwice());
  EXPECT_TRUE(watcher.Problems().empty());
  EXPECT_NE(metrics.Expose().find("gatehouse_policy_last_reload_failed 0"), std::string::npos);
}

TEST_F(PolicyWatcherTest, AFolderThatVanishesKeepsTheOldSet) {
  ASSERT_TRUE(watcher.Load().ok());
  fs::remove_all(folder);
  EXPECT_FALSE(PollTwice());
  EXPECT_EQ(watcher.Current()->image_policies.size(), 1U);
  EXPECT_EQ(watcher.Problems().size(), 1U);
}

TEST_F(PolicyWatcherTest, AFirstLoadThatFailsIsAnError) {
  Write("a.yaml", "kind: Nothing\n");
  EXPECT_FALSE(watcher.Load().ok());
}

TEST_F(PolicyWatcherTest, TheThreadNoticesAChange) {
  ASSERT_TRUE(watcher.Load().ok());
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t seen = 0;
  watcher.Start([&](const std::shared_ptr<const policy::PolicySet>& set) {
    std::lock_guard lock(mutex);
    seen = set->image_policies.size();
    changed.notify_all();
  });
  Write("b.yaml", Policy("b"));
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return seen == 2; }));
  lock.unlock();
  watcher.Stop();
}

}  // namespace
}  // namespace gatehouse::webhook
