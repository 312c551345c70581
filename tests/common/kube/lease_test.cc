// Leader election: never two at a time, whatever stops, hangs or is lost in between.
#include "common/kube/lease.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <mutex>
#include <random>
#include <thread>

#include "common/kube/lease_claim.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::kube {
namespace {

using std::chrono::seconds;

ElectionOptions Options(const std::string& identity) {
  return {.namespace_name = "gatehouse-system", .lease = "gatehouse-leader", .identity = identity};
}

class LeaseTest : public testing::Test {
 protected:
  [[nodiscard]] std::unique_ptr<LeaseClaim> Claim(const std::string& identity) {
    return std::make_unique<LeaseClaim>(api_, Options(identity));
  }
  [[nodiscard]] std::string LeaseText(std::string_view member) const {
    auto lease = server_.Find(kLeases, "gatehouse-leader", "gatehouse-system");
    return lease ? lease->TextAt({"spec", member}) : "(none)";
  }
  void RemoveLease() { server_.Remove(kLeases, "gatehouse-leader", "gatehouse-system"); }

  fakes::FakeClock clock_;
  fakes::KubeApi server_;
  Api api_{server_.connections(), clock_, {.queries_per_second = 0}};
};

TEST_F(LeaseTest, TheFirstTakesIt) {
  auto a = Claim("a");
  EXPECT_FALSE(a->Held());
  ASSERT_TRUE(a->Try().ok());
  EXPECT_TRUE(a->Held());
  EXPECT_EQ(a->Left(), seconds(10));
  EXPECT_EQ(a->Holder(), "a");
  EXPECT_EQ(LeaseText("holderIdentity"), "a");
  EXPECT_EQ(LeaseText("leaseDurationSeconds"), "15");
  EXPECT_EQ(LeaseText("leaseTransitions"), "1");
  EXPECT_EQ(LeaseText("renewTime"), "2026-11-21T12:00:00.000000Z");
}

TEST_F(LeaseTest, TheSecondSeesTheFirst) {
  auto a = Claim("a");
  auto b = Claim("b");
  ASSERT_TRUE(a->Try().ok());
  ASSERT_TRUE(b->Try().ok());
  EXPECT_FALSE(b->Held());
  EXPECT_EQ(b->Holder(), "a");
}

TEST_F(LeaseTest, RenewalsKeepItForever) {
  auto a = Claim("a");
  auto b = Claim("b");
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(a->Try().ok());
    ASSERT_TRUE(b->Try().ok());
    EXPECT_TRUE(a->Held() && !b->Held()) << i;
    clock_.Advance(seconds(9));
  }
  EXPECT_EQ(LeaseText("leaseTransitions"), "1");
  EXPECT_EQ(LeaseText("acquireTime"), "2026-11-21T12:00:00.000000Z");
}

// By its own clock, however the holder's renewTime reads.
TEST_F(LeaseTest, TakenOverWhenItWasNotSeenToChange) {
  auto a = Claim("a");
  auto b = Claim("b");
  ASSERT_TRUE(a->Try().ok());
  clock_.Advance(seconds(100));  // nobody looked
  ASSERT_TRUE(b->Try().ok());
  EXPECT_FALSE(b->Held()) << "it sees the Lease for the first time";
  clock_.Advance(Duration(14'999));
  ASSERT_TRUE(b->Try().ok());
  EXPECT_FALSE(b->Held());
  clock_.Advance(Duration(1));
  ASSERT_TRUE(b->Try().ok());
  EXPECT_TRUE(b->Held());
  EXPECT_EQ(LeaseText("leaseTransitions"), "2");
  ASSERT_TRUE(a->Try().ok());
  EXPECT_FALSE(a->Held());
  EXPECT_EQ(a->Holder(), "b");
}

TEST_F(LeaseTest, AHolderThatWantsLongerIsGivenLonger) {
  server_.Put(
      R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"gatehouse-leader","namespace":"gatehouse-system"},)"
      R"("spec":{"holderIdentity":"old-release","leaseDurationSeconds":60,"renewTime":"2020-01-01T00:00:00.000000Z"}})");
  auto a = Claim("a");
  ASSERT_TRUE(a->Try().ok());
  clock_.Advance(seconds(59));
  ASSERT_TRUE(a->Try().ok());
  EXPECT_FALSE(a->Held());
  clock_.Advance(seconds(1));
  ASSERT_TRUE(a->Try().ok());
  EXPECT_TRUE(a->Held());
}

TEST_F(LeaseTest, GivenBackItIsFreeAtOnce) {
  auto a = Claim("a");
  auto b = Claim("b");
  ASSERT_TRUE(a->Try().ok());
  ASSERT_TRUE(b->Try().ok());
  ASSERT_TRUE(a->Release().ok());
  EXPECT_FALSE(a->Held());
  EXPECT_EQ(LeaseText("holderIdentity"), "");
  ASSERT_TRUE(b->Try().ok());
  EXPECT_TRUE(b->Held());
  ASSERT_TRUE(a->Release().ok()) << "what is not held is not given back";
  EXPECT_EQ(LeaseText("holderIdentity"), "b");
}

TEST_F(LeaseTest, HeldNoLongerThanTheRenewDeadline) {
  auto a = Claim("a");
  ASSERT_TRUE(a->Try().ok());
  server_.Fail({.status = 0, .times = 1'000});
  for (int i = 0; i < 9; ++i) {
    clock_.Advance(seconds(1));
    EXPECT_FALSE(a->Try().ok());
    EXPECT_TRUE(a->Held()) << i;
  }
  clock_.Advance(Duration(999));
  EXPECT_TRUE(a->Held());
  clock_.Advance(Duration(1));
  EXPECT_FALSE(a->Held());
}

// The time counts from before the request: an answer that took long renews for less.
TEST_F(LeaseTest, ASlowAnswerRenewsFromWhenItWasAsked) {
  auto a = Claim("a");
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb == "POST") clock_.Advance(seconds(4));
    return std::nullopt;
  });
  ASSERT_TRUE(a->Try().ok());
  EXPECT_EQ(a->Left(), seconds(6));
}

TEST_F(LeaseTest, OfTwoThatTakeItOneIsRefused) {
  auto a = Claim("a");
  auto b = Claim("b");
  bool within = false;
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "GET" && !within) {
      within = true;
      EXPECT_TRUE(b->Try().ok());  // between the other's reading and writing
    }
    return std::nullopt;
  });
  const Status status = a->Try();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().reason, Reason::kKubeConflict);
  EXPECT_FALSE(a->Held());
  EXPECT_TRUE(b->Held());
}

TEST_F(LeaseTest, AWriteWhoseAnswerIsLostIsNoLeadership) {
  auto a = Claim("a");
  server_.Fail({.verb = "POST", .status = 0, .done_nevertheless = true});
  EXPECT_FALSE(a->Try().ok());
  EXPECT_FALSE(a->Held());
  EXPECT_EQ(LeaseText("holderIdentity"), "a");
  ASSERT_TRUE(a->Try().ok());
  EXPECT_TRUE(a->Held()) << "it is its own";
}

TEST_F(LeaseTest, ADeletedLeaseIsTakenByWhoDidNotSeeItHeldOrWaits) {
  auto a = Claim("a");
  auto b = Claim("b");
  ASSERT_TRUE(a->Try().ok());
  ASSERT_TRUE(b->Try().ok());
  RemoveLease();
  ASSERT_TRUE(b->Try().ok());
  EXPECT_FALSE(b->Held()) << "the other one may not know yet";
  clock_.Advance(seconds(15));
  ASSERT_TRUE(b->Try().ok());
  EXPECT_TRUE(b->Held());
  EXPECT_FALSE(a->Held());
}

TEST_F(LeaseTest, ALeaseThatIsNoneIsAnError) {
  for (const char* body : {"{}", R"({"metadata":{}})", "[]"}) {
    server_.Intercept([&](const fakes::KubeRequest&) { return fakes::KubeReply{.body = body}; });
    auto a = Claim("a");
    const Status status = a->Try();
    ASSERT_FALSE(status.ok()) << body;
    EXPECT_EQ(status.error().reason, Reason::kKubeRejected) << body;
    EXPECT_FALSE(a->Held());
  }
}

TEST_F(LeaseTest, MicroTimeHasSixDigits) {
  EXPECT_EQ(MicroTime(WallTime(Duration(1'795'262'400'000))), "2026-11-21T12:00:00.000000Z");
  EXPECT_EQ(MicroTime(WallTime(Duration(1'795'262'400'007))), "2026-11-21T12:00:00.007000Z");
  EXPECT_EQ(MicroTime(WallTime(Duration(1'795'262'400'999))), "2026-11-21T12:00:00.999000Z");
}

// Four processes: each asks when it likes, is stopped between reading and writing for as long as chance has it, loses
// answers, gives back. Whenever anybody looks, one leads at most.
TEST_F(LeaseTest, NeverTwoLeaders) {
  std::size_t elections = 0;
  for (unsigned seed = 1; seed <= 40; ++seed) {
    RemoveLease();
    std::mt19937 random(seed);
    std::vector<std::unique_ptr<LeaseClaim>> claims;
    for (int i = 0; i < 4; ++i) claims.push_back(Claim("p" + std::to_string(i)));
    auto look = [&] {
      std::size_t leaders = 0;
      for (const auto& claim : claims) leaders += claim->Held() ? 1U : 0U;
      ASSERT_LE(leaders, 1U) << seed;
    };
    auto pass = [&] {
      for (std::uint32_t steps = random() % 4; steps > 0; --steps) {
        clock_.Advance(Duration(random() % 6000));
        look();
      }
    };
    int depth = 0;
    std::vector<bool> busy(claims.size(), false);
    auto act = [&] {
      const std::size_t who = random() % claims.size();
      if (busy[who]) return;  // it is stopped within a request
      busy[who] = true;
      if (random() % 16 == 0) {
        std::ignore = claims[who]->Release();
      } else {
        std::ignore = claims[who]->Try();
      }
      busy[who] = false;
      look();
    };
    server_.Intercept([&](const fakes::KubeRequest&) -> std::optional<fakes::KubeReply> {
      if (depth < 3 && random() % 3 == 0) {
        ++depth;
        pass();
        act();
        --depth;
      }
      if (random() % 10 == 0) return fakes::KubeReply{.status = 0};
      return std::nullopt;
    });
    if (random() % 3 == 0) server_.Fail({.verb = "PUT", .status = 0, .done_nevertheless = true, .times = 5});
    for (int i = 0; i < 200; ++i) {
      act();
      pass();
      for (const auto& claim : claims) elections += claim->Held() ? 1U : 0U;
    }
    server_.Intercept(nullptr);
    server_.ClearFaults();
  }
  EXPECT_GT(elections, 1000U) << "the test must be about something";
}

// --- with its thread

class ElectorTest : public LeaseTest {
 protected:
  ~ElectorTest() override { close(null_); }
  struct Seen {
    std::mutex mutex;
    std::vector<bool> changes;
    [[nodiscard]] std::vector<bool> All() {
      std::scoped_lock lock(mutex);
      return changes;
    }
  };
  [[nodiscard]] std::unique_ptr<LeaderElector> Elector(const std::string& identity, Seen& seen) {
    ElectionOptions options = Options(identity);
    options.retry_period = Duration(2);
    auto elector =
        std::make_unique<LeaderElector>(api_, options, log_, [](std::size_t count) { return Bytes(count, 9); });
    elector->Start([&seen](bool leading) {
      std::scoped_lock lock(seen.mutex);
      seen.changes.push_back(leading);
    });
    return elector;
  }
  [[nodiscard]] static bool Eventually(const std::function<bool()>& is_so) {
    for (int i = 0; i < 4000; ++i) {
      if (is_so()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }
  int null_ = open("/dev/null", O_WRONLY | O_CLOEXEC);
  telemetry::Logger log_{null_, telemetry::Level::kDebug, clock_};
};

TEST_F(ElectorTest, StoppingHandsOver) {
  Seen of_a;
  Seen of_b;
  auto a = Elector("a", of_a);
  ASSERT_TRUE(Eventually([&] { return a->Leading(); }));
  auto b = Elector("b", of_b);
  ASSERT_TRUE(Eventually([&] { return b->Holder() == "a"; }));
  EXPECT_FALSE(b->Leading());
  a->Stop();
  EXPECT_FALSE(a->Leading());
  ASSERT_TRUE(Eventually([&] { return b->Leading(); }));
  EXPECT_EQ(of_a.All(), (std::vector<bool>{true, false}));
  ASSERT_TRUE(Eventually([&] { return of_b.All() == std::vector<bool>{true}; }));
}

TEST_F(ElectorTest, AnOutageEndsLeadershipAtTheDeadlineAndItComesBack) {
  Seen seen;
  auto a = Elector("a", seen);
  ASSERT_TRUE(Eventually([&] { return a->Leading(); }));
  server_.Fail({.status = 503, .times = 1'000'000});
  ASSERT_TRUE(Eventually([&] { return server_.Count("GET", "") > 3; }));
  EXPECT_TRUE(a->Leading());
  clock_.Advance(seconds(10));
  EXPECT_FALSE(a->Leading()) << "at once, before its thread runs";
  ASSERT_TRUE(Eventually([&] { return seen.All() == std::vector<bool>{true, false}; }));
  server_.ClearFaults();
  ASSERT_TRUE(Eventually([&] { return a->Leading(); }));
  ASSERT_TRUE(Eventually([&] { return seen.All() == std::vector<bool>{true, false, true}; }));
}

TEST_F(ElectorTest, WithoutRightsNobodyLeads) {
  server_.RequireToken("another");
  Seen seen;
  auto a = Elector("a", seen);
  ASSERT_TRUE(Eventually([&] { return server_.Count("GET", "") > 3; }));
  EXPECT_FALSE(a->Leading());
  a->Stop();
  EXPECT_TRUE(seen.All().empty());
}

TEST_F(ElectorTest, NeverStartedCanBeStopped) {
  LeaderElector elector(api_, Options("a"), log_, [](std::size_t count) { return Bytes(count, 9); });
  elector.Stop();
  EXPECT_FALSE(elector.Leading());
  EXPECT_TRUE(server_.requests().empty());
}

}  // namespace
}  // namespace gatehouse::kube
