#include "common/tuf/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/fakes/pki.h"
#include "tests/fakes/tuf_repository.h"

namespace gatehouse::tuf {
namespace {

using fakes::kPkiNow;
using fakes::MakeTufKey;
using fakes::TufRepository;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kTarget = "trusted_root.json";

class TufClientTest : public ::testing::Test {
 protected:
  Result<Outcome> Run(const std::string& target = kTarget, WallTime now = kPkiNow) {
    return FetchTarget({first_}, target, repository_.Fetcher(), *store_, now);
  }
  // Next versions of everything but root.
  void Next() {
    for (const char* role : {"timestamp", "snapshot", "targets"}) ++repository_.version[role];
    repository_.Publish();
  }
  TufRepository repository_;
  std::string first_ = repository_.FirstRoot();
  std::unique_ptr<Store> store_ = MemoryStore();
};

TEST_F(TufClientTest, GivesTheTargetThatTheRepositoryVouchesFor) {
  auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->target, repository_.targets[kTarget]);
  EXPECT_TRUE(outcome->refreshed);
  EXPECT_EQ(outcome->root_version, 1);
  EXPECT_EQ(outcome->expires, fakes::kPkiNotAfter);
}

TEST_F(TufClientTest, NamesWithoutVersionsWhereSnapshotsAreNotConsistent) {
  repository_ = TufRepository();
  repository_.files.clear();
  repository_.version["root"] = 0;
  repository_.consistent = false;
  repository_.PublishRoot();
  repository_.Publish();
  first_ = repository_.FirstRoot();
  auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_THAT(repository_.asked, Contains("targets/trusted_root.json"));
}

TEST_F(TufClientTest, TakesNewContentAndAsksForItOnce) {
  ASSERT_TRUE(Run().ok());
  repository_.asked.clear();
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(repository_.asked, Not(Contains(HasSubstr("targets/")))) << "what the store has is not fetched again";
  repository_.targets[kTarget] = "new content";
  Next();
  auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->target, "new content");
}

TEST_F(TufClientTest, RootKeysRotateStepByStep) {
  for (int i = 0; i < 3; ++i) {
    repository_.roles["root"] = {{MakeTufKey("a" + std::to_string(i)), MakeTufKey("b" + std::to_string(i))}, 2};
    repository_.PublishRoot();
  }
  auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->root_version, 4);
  repository_.asked.clear();
  ASSERT_TRUE(Run().ok());
  EXPECT_THAT(repository_.asked, Not(Contains("2.root.json"))) << "a version that was verified is not fetched again";
}

// An intermediate root may have expired; the last one may not (section 5.3.10).
TEST_F(TufClientTest, ExpiredRootsOnTheWayAreFine) {
  repository_.expires["root"] = kPkiNow - std::chrono::hours(1);
  repository_.PublishRoot();
  EXPECT_EQ(Run().error().reason, Reason::kTufExpired);
  repository_.expires["root"] = fakes::kPkiNotAfter;
  repository_.PublishRoot();
  EXPECT_TRUE(Run().ok());
}

TEST_F(TufClientTest, DelegatedRolesAreFollowed) {
  repository_.delegations = {{"team", "team/*"}, {"other", "*"}};
  repository_.delegated_targets["team"]["team/root.json"] = "of the team";
  repository_.delegated_targets["other"]["free.json"] = "of the others";
  Next();
  auto outcome = Run("team/root.json");
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->target, "of the team");
  outcome = Run("free.json");
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_EQ(outcome->target, "of the others");
}

TEST_F(TufClientTest, DelegationIsForItsPathsOnly) {
  repository_.delegations = {{"team", "team/*"}};
  repository_.delegated_targets["team"]["elsewhere.json"] = "not the team's to give";
  repository_.delegated_targets["team"]["team/deeper/root.json"] = "'*' does not cross '/'";
  Next();
  EXPECT_EQ(Run("elsewhere.json").error().reason, Reason::kTufUntrusted);
  EXPECT_EQ(Run("team/deeper/root.json").error().reason, Reason::kTufUntrusted);
}

TEST_F(TufClientTest, TerminatingDelegationEndsTheSearch) {
  repository_.delegations = {{"team", "*"}, {"other", "*"}};
  repository_.terminating = true;
  repository_.delegated_targets["other"]["free.json"] = "never looked for";
  Next();
  EXPECT_EQ(Run("free.json").error().reason, Reason::kTufUntrusted);
}

TEST_F(TufClientTest, OutageIsBridgedUntilTheMetadataExpires) {
  repository_.outage = Error{Reason::kNetworkUnavailable, "tuf.example", "nobody answers"};
  EXPECT_EQ(Run().error().reason, Reason::kTrustUnavailable) << "nothing is known yet";
  repository_.outage.reset();
  ASSERT_TRUE(Run().ok());
  repository_.outage = Error{Reason::kNetworkUnavailable, "tuf.example", "nobody answers"};
  auto outcome = Run();
  ASSERT_TRUE(outcome.ok()) << outcome.error().ToString();
  EXPECT_FALSE(outcome->refreshed);
  EXPECT_EQ(outcome->target, repository_.targets[kTarget]);
  EXPECT_EQ(Run(kTarget, fakes::kPkiNotAfter).error().reason, Reason::kTufExpired);
}

// A file in the store that somebody changed is found out, and fetched again.
TEST_F(TufClientTest, SpoiltStoreIsNotBelieved) {
  repository_.PublishRoot();
  ASSERT_TRUE(Run().ok());
  for (const char* name : {"2.root.json", "timestamp", "snapshot", "targets", "target/trusted_root.json"}) {
    ASSERT_TRUE(store_->Read(name).has_value()) << name;
    ASSERT_TRUE(store_->Write(name, "{}").ok());
    auto outcome = Run();
    ASSERT_TRUE(outcome.ok()) << name << ": " << outcome.error().ToString();
    EXPECT_EQ(outcome->target, repository_.targets[kTarget]) << name;
  }
}

TEST_F(TufClientTest, FolderOutlivesTheProcess) {
  auto folder = std::filesystem::path(::testing::TempDir()) / "tuf-store";
  std::filesystem::remove_all(folder);
  store_ = *FolderStore(folder.string());
  ASSERT_TRUE(Run().ok());
  store_ = *FolderStore(folder.string());
  repository_.outage = Error{Reason::kNetworkUnavailable, "", ""};
  EXPECT_TRUE(Run().ok());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    EXPECT_TRUE(entry.is_regular_file()) << "one flat folder: " << entry.path();
  }
}

TEST_F(TufClientTest, InitialRootByItsHash) {
  repository_.PublishRoot();
  auto second = FetchRoot(repository_.Fetcher(), crypto::Sha256Digest(AsBytes(repository_.files["2.root.json"])));
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  EXPECT_EQ(second->bytes, repository_.files["2.root.json"]);
  auto none = FetchRoot(repository_.Fetcher(), crypto::Sha256Digest(AsBytes("another")));
  EXPECT_EQ(none.error().reason, Reason::kTufUntrusted);
}

// Each: a repository that serves a good version once, then one defect.
struct Defect {
  const char* what;
  Reason reason;
  void (*spoil)(TufRepository&);
};

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

const Defect kDefects[] = {
    {"timestamp signed by a stranger", Reason::kTufUntrusted,
     [](TufRepository& r) {
       r.roles["timestamp"].keys = {MakeTufKey("timestamp")};
       ++r.version["timestamp"];
       r.Publish();
     }},
    {"timestamp changed after it was signed", Reason::kTufUntrusted,
     [](TufRepository& r) {
       r.files["timestamp.json"] = Replaced(r.files["timestamp.json"], R"("length":)", R"("length":1)");
     }},
    {"timestamp expired", Reason::kTufExpired,
     [](TufRepository& r) {
       r.expires["timestamp"] = kPkiNow;
       ++r.version["timestamp"];
       r.Publish();
     }},
    {"snapshot expired", Reason::kTufExpired,
     [](TufRepository& r) {
       r.expires["snapshot"] = kPkiNow;
       ++r.version["snapshot"];
       ++r.version["timestamp"];
       r.Publish();
     }},
    {"targets expired", Reason::kTufExpired,
     [](TufRepository& r) {
       r.expires["targets"] = kPkiNow;
       for (const char* role : {"timestamp", "snapshot", "targets"}) ++r.version[role];
       r.Publish();
     }},
    {"snapshot of another version than timestamp says", Reason::kTufUntrusted,
     [](TufRepository& r) {
       auto old = r.files["1.snapshot.json"];
       for (const char* role : {"timestamp", "snapshot"}) ++r.version[role];
       r.Publish();
       r.files["2.snapshot.json"] = old;
     }},
    {"targets of another version than snapshot says", Reason::kTufUntrusted,
     [](TufRepository& r) {
       auto old = r.files["1.targets.json"];
       for (const char* role : {"timestamp", "snapshot", "targets"}) ++r.version[role];
       r.Publish();
       r.files["2.targets.json"] = old;
     }},
    {"target's content changed", Reason::kTufUntrusted,
     [](TufRepository& r) {
       r.targets[kTarget] = "new content!";
       for (const char* role : {"timestamp", "snapshot", "targets"}) ++r.version[role];
       r.Publish();
       for (auto& [path, content] : r.files) {
         if (path.starts_with("targets/") && content == "new content!") content = "new content?";
       }
     }},
    {"target is gone", Reason::kTufUntrusted,
     [](TufRepository& r) {
       r.targets = {{"other.json", "other"}};
       for (const char* role : {"timestamp", "snapshot", "targets"}) ++r.version[role];
       r.Publish();
     }},
    {"timestamp is gone", Reason::kTufUntrusted, [](TufRepository& r) { r.files.erase("timestamp.json"); }},
    {"timestamp is no JSON", Reason::kTufMalformed, [](TufRepository& r) { r.files["timestamp.json"] = "{"; }},
    {"timestamp is a snapshot", Reason::kTufMalformed,
     [](TufRepository& r) { r.files["timestamp.json"] = r.files["1.snapshot.json"]; }},
    {"root skips a version", Reason::kTufRollback,
     [](TufRepository& r) {
       ++r.version["root"];
       r.PublishRoot();
       r.files["2.root.json"] = r.files["3.root.json"];
     }},
    {"root without the keys of the one before", Reason::kTufUntrusted,
     [](TufRepository& r) {
       TufRepository other;
       other.PublishRoot();
       r.files["2.root.json"] = other.files["2.root.json"];
     }},
    {"root without a threshold of its own keys", Reason::kTufUntrusted,
     [](TufRepository& r) {
       auto before = r.roles["root"].keys;
       r.roles["root"].keys.push_back(MakeTufKey("third"));
       r.roles["root"].threshold = 3;
       r.PublishRoot();
       r.files["2.root.json"] = Replaced(r.files["2.root.json"], R"({"keyid":"third")", R"({"keyid":"nobody")");
     }},
};

class TufDefect : public ::testing::TestWithParam<Defect> {};

TEST_P(TufDefect, IsRefused) {
  TufRepository repository;
  auto store = MemoryStore();
  const std::string first = repository.FirstRoot();
  ASSERT_TRUE(FetchTarget({first}, kTarget, repository.Fetcher(), *store, kPkiNow).ok());
  GetParam().spoil(repository);
  auto outcome = FetchTarget({first}, kTarget, repository.Fetcher(), *store, kPkiNow);
  ASSERT_FALSE(outcome.ok()) << GetParam().what;
  EXPECT_EQ(outcome.error().reason, GetParam().reason) << outcome.error().ToString();
}
INSTANTIATE_TEST_SUITE_P(Each, TufDefect, ::testing::ValuesIn(kDefects), [](const auto& each) {
  std::string name = each.param.what;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

// The classes of attack that TUF is there for (specification, section 1.5.2), and those its clients fell to.
TEST_F(TufClientTest, Adversarial_TUF_Rollback) {
  Next();
  ASSERT_TRUE(Run().ok());
  TufRepository before = repository_;
  for (const char* role : {"timestamp", "snapshot", "targets"}) {
    repository_ = before;
    repository_.version[role] = 1;
    repository_.Publish();
    auto outcome = Run();
    ASSERT_FALSE(outcome.ok()) << role;
    EXPECT_EQ(outcome.error().reason, Reason::kTufRollback) << role << ": " << outcome.error().ToString();
  }
}

TEST_F(TufClientTest, Adversarial_TUF_OneKeyUnderTwoNamesIsOneKey) {
  fakes::TufKey key = MakeTufKey("one");
  fakes::TufKey again = key;
  again.id = "two";
  repository_.roles["targets"] = {{key, again}, 2};
  repository_.PublishRoot();
  Next();
  EXPECT_EQ(Run().error().reason, Reason::kTufUntrusted);
}

TEST_F(TufClientTest, Adversarial_TUF_SignatureGivenTwiceIsRefused) {
  std::string text = repository_.files["timestamp.json"];
  auto begin = text.find(R"({"keyid")");
  auto end = text.find('}', begin) + 1;
  std::string signature = text.substr(begin, end - begin);
  repository_.files["timestamp.json"] = text.insert(end, "," + signature);
  EXPECT_EQ(Run().error().reason, Reason::kTufMalformed);
}

TEST_F(TufClientTest, Adversarial_TUF_PathTraversal) {
  for (const char* target :
       {"../secret", "/etc/passwd", "a/../../b", "a//b", "", "a/", "./a", "a\\b", "%2e%2e/x", "a\nb", "x?y", "x#y"}) {
    repository_.asked.clear();
    EXPECT_EQ(Run(target).error().reason, Reason::kTufMalformed) << target;
    EXPECT_TRUE(repository_.asked.empty()) << target;
  }
  for (const char* role : {"../evil", "snapshot", "timestamp", ".hidden", "a/b"}) {
    TufRepository repository;
    auto store = MemoryStore();
    repository.delegations = {{role, "*"}};
    repository.Publish();
    auto outcome = FetchTarget({repository.FirstRoot()}, kTarget, repository.Fetcher(), *store, kPkiNow);
    EXPECT_EQ(outcome.error().reason, Reason::kTufMalformed) << role;
  }
}

TEST_F(TufClientTest, Adversarial_TUF_EndlessData) {
  repository_.files["timestamp.json"] = std::string(limits::kTufTimestampBytes + 1, ' ');
  EXPECT_EQ(Run().error().reason, Reason::kLimitExceeded);
}

TEST_F(TufClientTest, Adversarial_TUF_EndlessRoots) {
  for (std::size_t i = 0; i < limits::kTufRootRotations; ++i) repository_.PublishRoot();
  EXPECT_EQ(Run().error().reason, Reason::kLimitExceeded);
}

TEST_F(TufClientTest, Adversarial_TUF_EndlessDelegations) {
  for (std::size_t i = 0; i <= limits::kTufDelegations; ++i) {
    repository_.delegations.emplace_back("role" + std::to_string(i), "*");
  }
  Next();
  EXPECT_EQ(Run("nowhere.json").error().reason, Reason::kLimitExceeded);
}

// A frozen repository is found out by the expiry of its timestamp, whatever the store says.
TEST_F(TufClientTest, Adversarial_TUF_Freeze) {
  repository_.expires["timestamp"] = kPkiNow + std::chrono::hours(1);
  ++repository_.version["timestamp"];
  repository_.Publish();
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(Run(kTarget, kPkiNow + std::chrono::hours(2)).error().reason, Reason::kTufExpired);
}

}  // namespace
}  // namespace gatehouse::tuf
