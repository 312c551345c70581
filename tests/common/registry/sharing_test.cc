// Many who ask at once: one fetch, one token, few connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "common/crypto/hash.h"
#include "common/registry/remembered.h"
#include "common/registry/single_flight.h"
#include "tests/common/registry/client_fixture.h"

namespace gatehouse::registry {
namespace {

using Flights = SingleFlight<int>;

class Sharing : public RegistryClient {
 protected:
  // Runs `ask` on so many threads at once; how often it said true.
  static int Together(int threads, const std::function<bool(int)>& ask) {
    std::atomic<int> waiting = threads;
    std::vector<std::future<bool>> askers;
    for (int i = 0; i < threads; ++i) {
      askers.push_back(std::async(std::launch::async, [&, i] {
        --waiting;
        while (waiting > 0) std::this_thread::yield();
        return ask(i);
      }));
    }
    int good = 0;
    for (auto& asker : askers) good += asker.get() ? 1 : 0;
    return good;
  }
};

TEST_F(Sharing, OneFetchOfADigestForEverybody) {
  registry_.Delay(Duration(80));
  Digest blob = registry_.PutBlob("team/app", "payload");
  EXPECT_EQ(Together(12,
                     [&](int) {
                       auto content = ByDigest();
                       return content.ok() && content->has_value() && (*content)->bytes() == kManifestBytes;
                     }),
            12);
  EXPECT_EQ(registry_.requests().size(), 1U);
  EXPECT_EQ(Together(12,
                     [&](int) {
                       auto content = client_->GetBlob(App(), blob, 100, {}, Soon());
                       return content.ok() && (*content)->bytes() == "payload";
                     }),
            12);
  EXPECT_EQ(registry_.requests().size(), 2U);
  ASSERT_TRUE(ByDigest().ok());
  EXPECT_EQ(registry_.requests().size(), 3U) << "nothing is kept: that is the business of the cache of verdicts";
}

TEST_F(Sharing, NotBetweenCredentials) {
  registry_.RequireBasic("user", "s3cret");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  registry_.Delay(Duration(80));
  int good = Together(4, [&](int i) {
    if (i % 2 == 0) return ByDigest(For(registry_.host())).ok();
    auto stranger = ByDigest();
    return !stranger.ok() && stranger.error().reason == Reason::kRegistryDenied;
  });
  EXPECT_EQ(good, 4) << "who may not read it does not get it because somebody else may";
}

TEST_F(Sharing, NotBetweenRepositoriesOrLimits) {
  registry_.PutManifest("team/other", "v1", kManifestBytes, kType);
  auto other = image::Reference::Parse(registry_.host() + "/team/other").value();
  Digest blob = registry_.PutBlob("team/app", std::string(50, 'x'));
  registry_.Delay(Duration(80));
  EXPECT_EQ(Together(4,
                     [&](int i) {
                       if (i == 0) return ByDigest().ok();
                       if (i == 1) return client_->GetManifest(other, digest_, {}, Soon()).ok();
                       if (i == 2) return client_->GetBlob(App(), blob, 100, {}, Soon()).ok();
                       auto small = client_->GetBlob(App(), blob, 10, {}, Soon());
                       return !small.ok() && small.error().reason == Reason::kLimitExceeded;
                     }),
            4);
  EXPECT_EQ(registry_.requests().size(), 4U);
}

TEST_F(Sharing, OneTokenForEverybody) {
  registry_.RequireToken("user", "s3cret");
  registry_.Delay(Duration(20));
  Credentials credentials = For(registry_.host());
  EXPECT_EQ(Together(12, [&](int) { return ByTag(credentials).ok(); }), 12);
  EXPECT_EQ(registry_.CountOf("/token"), 1U);
  registry_.RevokeTokens();
  EXPECT_EQ(Together(12, [&](int) { return ByTag(credentials).ok(); }), 12);
  EXPECT_EQ(registry_.CountOf("/token"), 2U) << "and one in place of one that is refused";
}

TEST_F(Sharing, TokensAreNotSharedBetweenCredentials) {
  registry_.RequireToken("user", "s3cret");
  registry_.Delay(Duration(20));
  EXPECT_EQ(Together(8,
                     [&](int i) {
                       if (i % 2 == 0) return ByTag(For(registry_.host())).ok();
                       auto stranger = ByTag(For(registry_.host(), "user", "wrong"));
                       return !stranger.ok() && stranger.error().reason == Reason::kRegistryDenied;
                     }),
            8);
}

// 200 images at once, each with a manifest, a list of referrers and a blob.
TEST_F(Sharing, BurstOfImages) {
  constexpr int kImages = 200;
  auto ca = fakes::RootOfToday();
  FakeRegistry registry(fakes::IssueServerTls(ca, "DNS:registry.test"), "registry.test", 32);
  registry.EnableReferrers();
  registry.RequireToken("user", "s3cret");
  std::vector<Digest> blobs;
  for (int i = 0; i < kImages; ++i) {
    registry.PutManifest("app", "v" + std::to_string(i), kManifestBytes + std::string(static_cast<std::size_t>(i), ' '),
                         kType);
    blobs.push_back(registry.PutBlob("app", "blob " + std::to_string(i)));
  }
  net::TransportOptions options;
  options.tls.ca_pem = ca.pem();
  options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"127.0.0.1"};
  };
  options.connections_per_origin = 20;
  options.idle_connections_per_origin = 20;
  options.resume_tls_sessions = true;
  auto transport = net::MakeHttpsTransport(options).value();
  Client client(*transport, clock_, {});
  auto app = image::Reference::Parse(registry.host() + "/app").value();
  Credentials credentials = For(registry.host());
  std::atomic<int> next = 0;
  int good = Together(40, [&](int) {
    bool all = true;
    for (int i = next++; i < kImages; i = next++) {
      auto manifest = client.GetManifestByTag(app, "v" + std::to_string(i), credentials, Soon(Duration(20000)));
      if (!manifest.ok() || !manifest->has_value()) return false;
      auto list = client.Referrers(app, (*manifest)->digest(), {}, credentials, Soon(Duration(20000)));
      auto blob = client.GetBlob(app, blobs[static_cast<std::size_t>(i)], 100, credentials, Soon(Duration(20000)));
      all = all && list.ok() && blob.ok() && blob->has_value();
    }
    return all;
  });
  EXPECT_EQ(good, 40);
  EXPECT_LE(registry.connections(), 20U);
  EXPECT_EQ(registry.CountOf("/token"), 1U);
  // Three of each image; of whoever came before the token, one that was refused; of whoever came before it was known
  // that there is the referrers API, one for the fallback tag.
  EXPECT_LE(registry.requests().size(), 3U * kImages + 40U + 40U + 1U);
}

// ---- the part

TEST(SingleFlightTest, OneWorkForThoseWhoWait) {
  SystemClock clock;
  Flights flights;
  std::atomic<int> runs = 0;
  std::promise<void> started;
  std::promise<void> go;
  auto leader = std::async(std::launch::async, [&] {
    return flights.Do("k", Deadline(clock, Duration(5000)), [&]() -> Result<int> {
      started.set_value();
      go.get_future().wait();
      return ++runs;
    });
  });
  started.get_future().wait();
  auto follower = std::async(std::launch::async, [&] {
    return flights.Do("k", Deadline(clock, Duration(5000)), [&]() -> Result<int> { return ++runs; });
  });
  auto other = flights.Do("another key", Deadline(clock, Duration(5000)), []() -> Result<int> { return 7; });
  EXPECT_EQ(*other, 7);
  auto impatient = flights.Do("k", Deadline(clock, Duration(20)), [&]() -> Result<int> { return ++runs; });
  ASSERT_FALSE(impatient.ok());
  EXPECT_EQ(impatient.error().reason, Reason::kDeadlineExceeded);
  EXPECT_EQ(flights.size(), 1U);
  go.set_value();
  EXPECT_EQ(*leader.get(), 1);
  EXPECT_EQ(*follower.get(), 1);
  EXPECT_EQ(flights.size(), 0U);
}

TEST(SingleFlightTest, SomebodyElsesDeadlineIsNotOurs) {
  SystemClock clock;
  Flights flights;
  std::promise<void> started;
  std::promise<void> go;
  auto leader = std::async(std::launch::async, [&] {
    return flights.Do("k", Deadline(clock, Duration(1)), [&]() -> Result<int> {
      started.set_value();
      go.get_future().wait();
      return Error{Reason::kDeadlineExceeded, "", "mine"};
    });
  });
  started.get_future().wait();
  auto follower = std::async(std::launch::async, [&] {
    return flights.Do("k", Deadline(clock, Duration(5000)), []() -> Result<int> { return 2; });
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  go.set_value();
  EXPECT_FALSE(leader.get().ok());
  auto result = follower.get();
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_EQ(*result, 2);
}

TEST(SingleFlightTest, WorkThatThrowsLeavesNobodyWaiting) {
  SystemClock clock;
  Flights flights;
  EXPECT_THROW((void)flights.Do("k", Deadline(clock, Duration(1000)), []() -> Result<int> { throw std::bad_alloc(); }),
               std::bad_alloc);
  EXPECT_EQ(flights.size(), 0U);
  EXPECT_EQ(*flights.Do("k", Deadline(clock, Duration(1000)), []() -> Result<int> { return 3; }), 3);
}

TEST(SingleFlightTest, OtherErrorsAreShared) {
  SystemClock clock;
  Flights flights;
  auto result = flights.Do("k", Deadline(clock, Duration(1000)), []() -> Result<int> {
    return Error{Reason::kRegistryUnavailable, "", "down"};
  });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().reason, Reason::kRegistryUnavailable);
  EXPECT_EQ(flights.size(), 0U);
}

TEST(RememberedNamesTest, AreBoundedAndForgotten) {
  RememberedNames names(3);
  MonoTime now{};
  for (int i = 0; i < 5; ++i) names.Put(std::to_string(i), now, Duration(1000 + i));
  EXPECT_EQ(names.size(), 3U);
  EXPECT_FALSE(names.Has("0", now));
  EXPECT_TRUE(names.Has("4", now));
  EXPECT_FALSE(names.Has("4", now + Duration(1004)));
}

}  // namespace
}  // namespace gatehouse::registry
