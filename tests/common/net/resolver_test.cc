#include "common/net/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "common/base/limits.h"

namespace gatehouse::net {
namespace {

// Look-ups that answer, except for the names that hang until they are released.
class Resolver : public testing::Test {
 protected:
  ~Resolver() override { Release(); }
  Result<std::vector<IpAddress>> LookUp(const std::string& host) {
    std::unique_lock lock(mutex_);
    ++asked_[host];
    changed_.notify_all();
    if (host.ends_with(".slow.test")) changed_.wait(lock, [&] { return released_; });
    if (host.ends_with(".none.test")) return Error{Reason::kNetworkUnavailable, host, "no such name"};
    return std::vector<IpAddress>{*IpAddress::Parse(address_)};
  }
  void Release() {
    std::scoped_lock lock(mutex_);
    released_ = true;
    changed_.notify_all();
  }
  std::size_t AskedOf(const std::string& host) {
    std::scoped_lock lock(mutex_);
    return asked_[host];
  }
  void AwaitAsked(std::size_t names) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(5), [&] { return asked_.size() >= names; });
  }
  Result<std::vector<IpAddress>> Resolve(const std::string& host, Duration budget = Duration(5000)) {
    return resolver_.Resolve(host, Deadline(clock_, budget));
  }

  SystemClock clock_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool released_ = false;
  std::string address_ = "192.0.2.1";
  std::map<std::string, std::size_t> asked_;
  std::vector<std::future<Result<std::vector<IpAddress>>>> waiting_;
  // Last: its look-ups end before what they use does, because nobody else waits for them.
  SystemResolver resolver_{[this](const std::string& host) { return LookUp(host); }};
};

TEST_F(Resolver, ManyConnectionsToOneHostAreOneLookUp) {
  std::atomic<std::size_t> begun = 0;
  for (std::size_t i = 0; i < 2 * limits::kPendingLookups; ++i) {
    waiting_.push_back(std::async(std::launch::async, [&] {
      ++begun;
      return Resolve("one.slow.test");
    }));
  }
  while (begun < 2 * limits::kPendingLookups) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  Release();
  for (auto& each : waiting_) {
    auto addresses = each.get();
    ASSERT_TRUE(addresses.ok()) << addresses.error().ToString();
    EXPECT_EQ(addresses->at(0).ToString(), "192.0.2.1");
  }
  EXPECT_LE(AskedOf("one.slow.test"), 4U) << "one, but for threads that were that slow to begin";
}

TEST_F(Resolver, AnswersAreNotKept) {
  ASSERT_TRUE(Resolve("a.test").ok());
  address_ = "192.0.2.2";
  EXPECT_EQ(Resolve("a.test")->at(0).ToString(), "192.0.2.2");
}

TEST_F(Resolver, EveryoneHasTheirOwnTime) {
  auto patient = std::async(std::launch::async, [&] { return Resolve("one.slow.test"); });
  AwaitAsked(1);
  auto hasty = Resolve("one.slow.test", Duration(20));
  ASSERT_FALSE(hasty.ok());
  EXPECT_EQ(hasty.error().reason, Reason::kDeadlineExceeded);
  Release();
  EXPECT_TRUE(patient.get().ok());
  EXPECT_EQ(Resolve("b.none.test").error().reason, Reason::kNetworkUnavailable);
}

// One tenant's images in a zone whose servers do not answer: the registries of all others are still found.
TEST_F(Resolver, Adversarial_A11_ASlowZoneStopsNoOtherRegistry) {
  ASSERT_TRUE(Resolve("registry.test").ok());
  ASSERT_FALSE(Resolve("gone.none.test").ok());
  for (std::size_t i = 0; i < limits::kPendingLookups; ++i)
    waiting_.push_back(
        std::async(std::launch::async, [&, i] { return Resolve("x" + std::to_string(i) + ".slow.test"); }));
  AwaitAsked(limits::kPendingLookups + 2);
  auto known = Resolve("registry.test", Duration(100));
  ASSERT_TRUE(known.ok()) << known.error().ToString();
  EXPECT_EQ(known->at(0).ToString(), "192.0.2.1");
  EXPECT_EQ(AskedOf("registry.test"), 1U);
  for (const char* unknown : {"new.test", "gone.none.test"}) {
    auto refused = Resolve(unknown, Duration(100));
    ASSERT_FALSE(refused.ok()) << unknown;
    EXPECT_EQ(refused.error().reason, Reason::kOverloaded) << unknown;
  }
  Release();
  for (auto& each : waiting_) EXPECT_TRUE(each.get().ok());
  EXPECT_TRUE(Resolve("new.test").ok()) << "and then there is room again";
}

}  // namespace
}  // namespace gatehouse::net
