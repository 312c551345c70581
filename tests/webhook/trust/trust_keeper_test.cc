#include "webhook/trust/trust_keeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "common/crypto/hash.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/sigstore.h"
#include "tests/fakes/tuf_repository.h"

namespace gatehouse::webhook {
namespace {

using fakes::TufRepository;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A TUF repository behind HTTP.
class Server final : public net::HttpTransport {
 public:
  TufRepository repository;
  std::atomic<bool> down{false};
  std::atomic<int> requests{0};

  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline&) override {
    std::scoped_lock lock(mutex);
    ++requests;
    EXPECT_EQ(request.url.host, "tuf.example");
    if (down) return Error{Reason::kNetworkUnavailable, "tuf.example", "nobody answers"};
    EXPECT_TRUE(request.url.target.starts_with("/repository/"));
    auto found = repository.files.find(request.url.target.substr(12));
    if (found == repository.files.end()) return net::HttpResponse{.status = 404, .headers = {}, .body = ""};
    return net::HttpResponse{.status = 200, .headers = {}, .body = found->second};
  }
  std::mutex mutex;
};

class TrustKeeperTest : public ::testing::Test {
 protected:
  TrustKeeperTest() {
    fakes::FakeSigstore sigstore;
    server_.repository.targets["trusted_root.json"] = sigstore.TrustedRoot().Write();
    Next();
  }
  void Next() {
    std::scoped_lock lock(server_.mutex);
    for (const char* role : {"timestamp", "snapshot", "targets"}) ++server_.repository.version[role];
    server_.repository.Publish();
  }
  static std::shared_ptr<const policy::PolicySet> SetOf(std::optional<policy::TufSource> source) {
    auto set = std::make_shared<policy::PolicySet>();
    policy::TrustRoot root;
    root.name = "public-good";
    root.generation = "1";
    root.tuf = std::move(source);
    set->trust_roots.push_back(std::move(root));
    return set;
  }
  [[nodiscard]] policy::TufSource Source() {
    policy::TufSource source;
    source.url = "https://tuf.example/repository";
    source.root = server_.repository.FirstRoot();
    source.refresh = std::chrono::hours(1);
    return source;
  }
  void Start(TrustKeeperOptions options = {.folder = "", .retry = std::chrono::minutes(1)}) {
    keeper_ = std::make_unique<TrustKeeper>(server_, clock_, log_, std::move(options));
  }
  static bool Await(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  [[nodiscard]] std::shared_ptr<const signature::sigstore::TrustMaterial> Material() {
    return keeper_->Apply(set_)->trust_roots[0].sigstore;
  }

  fakes::FakeClock clock_{fakes::kPkiNow};
  telemetry::Logger log_{-1, telemetry::Level::kOff, clock_};
  Server server_;
  std::shared_ptr<const policy::PolicySet> set_ = SetOf(Source());
  std::unique_ptr<TrustKeeper> keeper_;
};

TEST_F(TrustKeeperTest, SetWithoutRepositoriesIsLeftAlone) {
  Start();
  set_ = SetOf(std::nullopt);
  EXPECT_EQ(keeper_->Apply(set_), set_);
  EXPECT_TRUE(keeper_->Settled());
  EXPECT_EQ(server_.requests, 0);
}

TEST_F(TrustKeeperTest, MaterialComesWithoutAnybodyWaiting) {
  Start();
  EXPECT_EQ(Material(), nullptr);
  ASSERT_TRUE(Await([&] { return Material() != nullptr; }));
  EXPECT_TRUE(keeper_->Settled());
  EXPECT_THAT(keeper_->Problems(), IsEmpty());
  EXPECT_EQ(keeper_->Apply(set_), keeper_->Apply(set_)) << "the same object as long as nothing changes";
  EXPECT_EQ(set_->trust_roots[0].sigstore, nullptr) << "what was given stays as it is";
}

TEST_F(TrustKeeperTest, NewContentIsTakenAtTheNextRefresh) {
  Start();
  ASSERT_TRUE(Await([&] { return Material() != nullptr; }));
  auto before = keeper_->Apply(set_);
  {
    std::scoped_lock lock(server_.mutex);
    fakes::FakeSigstore other;
    server_.repository.targets["trusted_root.json"] = other.TrustedRoot().Write();
  }
  Next();
  clock_.Advance(std::chrono::minutes(59));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(keeper_->Apply(set_), before);
  clock_.Advance(std::chrono::minutes(2));
  ASSERT_TRUE(Await([&] { return keeper_->Apply(set_) != before; }));
  EXPECT_NE(keeper_->Apply(set_)->trust_generation, before->trust_generation);
}

TEST_F(TrustKeeperTest, OutageIsAProblemAndTriedAgain) {
  server_.down = true;
  Start();
  EXPECT_EQ(Material(), nullptr);
  EXPECT_FALSE(keeper_->Settled() && keeper_->Problems().empty());
  ASSERT_TRUE(Await([&] { return keeper_->Settled(); }));
  EXPECT_THAT(keeper_->Problems(), ElementsAre(HasSubstr("TrustRoot public-good: ")));
  server_.down = false;
  clock_.Advance(std::chrono::minutes(2));
  EXPECT_TRUE(Await([&] { return Material() != nullptr && keeper_->Problems().empty(); }));
}

TEST_F(TrustKeeperTest, WhatWasFetchedCountsUntilItsMetadataExpires) {
  {
    std::scoped_lock lock(server_.mutex);
    server_.repository.expires["timestamp"] = fakes::kPkiNow + std::chrono::hours(3);
  }
  Next();
  Start();
  ASSERT_TRUE(Await([&] { return Material() != nullptr; }));
  server_.down = true;
  clock_.Advance(std::chrono::hours(2));
  ASSERT_TRUE(Await([&] { return server_.requests > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_NE(Material(), nullptr);
  clock_.Advance(std::chrono::hours(2));
  ASSERT_TRUE(Await([&] { return Material() == nullptr; }));
  EXPECT_THAT(keeper_->Problems(), ElementsAre(HasSubstr("expired")));
}

// However long other repositories keep the thread that asks.
TEST_F(TrustKeeperTest, ExpiredMaterialIsGivenToNobody) {
  Start();
  ASSERT_TRUE(Await([&] { return Material() != nullptr; }));
  server_.down = true;
  clock_.Advance(std::chrono::hours(24 * 3650));
  EXPECT_EQ(Material(), nullptr);
}

TEST_F(TrustKeeperTest, AnotherSourceUnderTheSameNameStartsFromNothing) {
  Start();
  ASSERT_TRUE(Await([&] { return Material() != nullptr; }));
  auto source = Source();
  source.target = "other.json";
  set_ = SetOf(source);
  EXPECT_EQ(Material(), nullptr) << "material of the one source is not that of another";
  ASSERT_TRUE(Await([&] { return !keeper_->Problems().empty(); }));
  EXPECT_THAT(keeper_->Problems(), ElementsAre(HasSubstr("other.json")));
}

TEST_F(TrustKeeperTest, FolderBridgesARestartWithoutTheRepository) {
  auto folder = std::filesystem::path(::testing::TempDir()) / "trust-keeper";
  std::filesystem::remove_all(folder);
  auto source = Source();
  source.root.clear();
  {
    std::scoped_lock lock(server_.mutex);
    source.root_digest = crypto::Sha256Digest(AsBytes(server_.repository.FirstRoot()));
  }
  set_ = SetOf(source);
  Start({.folder = folder.string()});
  ASSERT_TRUE(Await([&] { return Material() != nullptr; }));
  keeper_.reset();
  server_.down = true;
  Start({.folder = folder.string()});
  EXPECT_TRUE(Await([&] { return Material() != nullptr; }));
}

// An air-gapped cluster has a mirror in a folder; the network is not asked.
TEST_F(TrustKeeperTest, MirrorInAFolder) {
  auto folder = std::filesystem::path(::testing::TempDir()) / "tuf-mirror";
  std::filesystem::remove_all(folder);
  for (const auto& [path, content] : server_.repository.files) {
    std::filesystem::create_directories((folder / path).parent_path());
    std::ofstream(folder / path) << content;
  }
  auto source = Source();
  source.url = "file://" + folder.string();
  set_ = SetOf(source);
  Start();
  EXPECT_TRUE(Await([&] { return Material() != nullptr; }));
  EXPECT_EQ(server_.requests, 0);
}

TEST_F(TrustKeeperTest, MaterialThatIsNoTrustedRootIsAProblem) {
  {
    std::scoped_lock lock(server_.mutex);
    server_.repository.targets["trusted_root.json"] = "{}";
  }
  Next();
  Start();
  EXPECT_EQ(Material(), nullptr);
  ASSERT_TRUE(Await([&] { return keeper_->Settled(); }));
  EXPECT_THAT(keeper_->Problems(), ElementsAre(HasSubstr("trust-root-malformed")));
}

}  // namespace
}  // namespace gatehouse::webhook
