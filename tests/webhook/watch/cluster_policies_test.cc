#include "webhook/watch/cluster_policies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::webhook {
namespace {

using policy::ObjectState;
using policy::PolicySet;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr Duration kSoon{20'000};
constexpr Duration kMoment{100};  // for what must not happen

std::string ImagePolicy(const std::string& name, const std::string& spec = "", std::int64_t generation = 1,
                        const std::string& status = "{}") {
  return R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicy","metadata":{"name":")" + name +
         R"(","uid":"u-)" + name + R"(","generation":)" + std::to_string(generation) +
         R"(},"spec":{"images":[{"glob":"registry.example/**"}],"authorities":[{"name":"a","static":{"action":"fail"}}])" +
         spec + R"(},"status":)" + status + "}";
}

const std::string kNamespaced =
    R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NamespacedImagePolicy","metadata":{"name":"n","namespace":"team-a",
"uid":"u-n","generation":1},"spec":{"images":[{"glob":"**"}],"authorities":[{"name":"a","static":{"action":"fail"}}]}})";
const std::string kNodePolicy =
    R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NodePolicy","metadata":{"name":"workers","uid":"u-w",
"generation":1},"spec":{"nodes":[{"glob":"*"}],"tpm":{"trustRoots":["vendors"],"referenceValues":["linux"]}}})";
const std::string kReferenceValues =
    R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ReferenceValues","metadata":{"name":"linux","uid":"u-l",
"generation":1},"spec":{"sets":[{"name":"one","tpm":{"pcrs":{"bank":"sha256","values":{"7":[")" +
    std::string(64, 'a') + R"("]}}}}]}})";

std::string Namespace(const std::string& name, const std::string& labels) {
  return R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")" + name + R"(","labels":)" + labels +
         R"(},"spec":{},"status":{}})";
}

Random Counting() {
  return [next = std::uint8_t{0}](std::size_t count) mutable {
    Bytes bytes(count);
    for (std::uint8_t& byte : bytes) byte = next++;
    return bytes;
  };
}

class ClusterPoliciesTest : public ::testing::Test {
 protected:
  ClusterPoliciesTest() {
    server.SetTick(Duration(5));
    server.Put(Namespace("team-a", R"({"env":"prod"})"));
  }
  void TearDown() override { policies.Stop(); }

  void Start() {
    policies.Start([this](const std::shared_ptr<const PolicySet>& set) {
      std::lock_guard lock(mutex);
      sets.push_back(set);
      changed.notify_all();
    });
  }
  // Until a set that is so was handed over.
  [[nodiscard]] bool Await(const std::function<bool(const PolicySet&)>& is_so) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kSoon, [&] { return !sets.empty() && is_so(*sets.back()); });
  }
  // Until what is polled is so.
  [[nodiscard]] static bool Poll(const std::function<bool()>& is_so) {
    for (auto end = std::chrono::steady_clock::now() + kSoon; std::chrono::steady_clock::now() < end;) {
      if (is_so()) return true;
      std::this_thread::sleep_for(Duration(5));
    }
    return false;
  }
  [[nodiscard]] std::size_t swaps() {
    std::lock_guard lock(mutex);
    return sets.size();
  }
  [[nodiscard]] std::optional<ObjectState> State(const std::string& name) const {
    for (const ObjectState& state : policies.States()) {
      if (state.name == name) return state;
    }
    return std::nullopt;
  }
  static auto Policies(std::size_t count) {
    return [count](const PolicySet& set) { return set.image_policies.size() == count; };
  }

  fakes::FakeClock clock;
  fakes::KubeApi server;
  kube::Api api{server.connections(), clock, {.queries_per_second = 0}};
  telemetry::Logger log{-1, telemetry::Level::kOff, clock};
  telemetry::Metrics metrics;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::shared_ptr<const PolicySet>> sets;
  ClusterPolicies policies{api, std::chrono::minutes(2), log, metrics, Counting()};
};

TEST_F(ClusterPoliciesTest, EverythingIsReadOnce) {
  EXPECT_FALSE(policies.Ready());
  ASSERT_NE(policies.Current(), nullptr);
  EXPECT_THAT(policies.Current()->image_policies, IsEmpty());
  for (const std::string& object : {ImagePolicy("a"), kNamespaced, kNodePolicy, kReferenceValues}) server.Put(object);
  Start();
  ASSERT_TRUE(Await(Policies(1)));
  EXPECT_TRUE(policies.Ready());
  EXPECT_EQ(swaps(), 1U) << "one set for all that there is";
  auto set = policies.Current();
  EXPECT_THAT(set->namespaced_policies, SizeIs(1));
  EXPECT_THAT(set->node_policies, SizeIs(1));
  EXPECT_THAT(set->node_policies[0].reference_sets, SizeIs(1));
  EXPECT_EQ(set->NamespaceLabels("team-a")->at("env"), "prod");
  EXPECT_EQ(set->NamespaceLabels("team-b"), std::nullopt);
  EXPECT_THAT(policies.States(), SizeIs(4));
  EXPECT_EQ(State("workers")->generation, 1);
  EXPECT_THAT(policies.Problems(), ElementsAre(HasSubstr("NodePolicy workers: there is no TrustRoot 'vendors'")));
  EXPECT_THAT(metrics.Expose(), HasSubstr("gatehouse_policy_documents{kind=\"NamespacedImagePolicy\"} 1"));
  EXPECT_THAT(metrics.Expose(), HasSubstr("gatehouse_policy_in_force{kind=\"NodePolicy\"} 1"));
}

TEST_F(ClusterPoliciesTest, AnEmptyClusterIsReady) {
  Start();
  ASSERT_TRUE(Await(Policies(0)));
  EXPECT_TRUE(policies.Ready());
  EXPECT_THAT(policies.Problems(), IsEmpty());
}

TEST_F(ClusterPoliciesTest, ChangesCountAndWhoHoldsTheOldSetKeepsIt) {
  server.Put(ImagePolicy("a"));
  Start();
  ASSERT_TRUE(Await(Policies(1)));
  auto before = policies.Current();
  server.Put(ImagePolicy("b"));
  ASSERT_TRUE(Await(Policies(2)));
  server.Put(ImagePolicy("a", R"(,"mode":"audit")", 2));
  ASSERT_TRUE(Await([](const PolicySet& set) { return set.image_policies[0].mode == policy::Mode::kAudit; }));
  EXPECT_EQ(State("a")->in_force_generation, 2);
  ASSERT_TRUE(server.Remove(kube::kImagePolicies, "a"));
  ASSERT_TRUE(Await(Policies(1)));
  EXPECT_EQ(policies.Current()->image_policies[0].name, "b");
  EXPECT_EQ(before->image_policies[0].name, "a");
  EXPECT_EQ(State("a"), std::nullopt);
}

TEST_F(ClusterPoliciesTest, LabelsOfNamespacesCount) {
  Start();
  ASSERT_TRUE(Await([](const PolicySet& set) { return set.NamespaceLabels("team-a").has_value(); }));
  server.Put(Namespace("team-a", R"({"env":"test"})"));
  ASSERT_TRUE(Await([](const PolicySet& set) { return set.NamespaceLabels("team-a")->at("env") == "test"; }));
  server.Remove(kube::kNamespaces, "team-a");
  ASSERT_TRUE(Await([](const PolicySet& set) { return !set.NamespaceLabels("team-a").has_value(); }));
}

TEST_F(ClusterPoliciesTest, OnlyTheMetadataOfNamespacesIsAskedFor) {
  Start();
  ASSERT_TRUE(Await(Policies(0)));
  for (const fakes::KubeRequest& request : server.requests()) {
    if (request.path != "/api/v1/namespaces") continue;
    EXPECT_THAT(request.Header("accept"), HasSubstr("PartialObjectMetadata"));
  }
}

TEST_F(ClusterPoliciesTest, AStatusIsNoChange) {
  server.Put(ImagePolicy("a"));
  Start();
  ASSERT_TRUE(Await(Policies(1)));
  auto before = policies.Current();
  server.Put(ImagePolicy("a", "", 1, R"({"decisions":{"denied":9}})"));
  server.Put(Namespace("team-a", R"({"env":"prod"})"));
  std::this_thread::sleep_for(kMoment);
  EXPECT_EQ(policies.Current(), before);
  EXPECT_EQ(swaps(), 1U);
}

TEST_F(ClusterPoliciesTest, AWrongObjectStaysAsItWasAndSaysSo) {
  server.Put(ImagePolicy("a", R"(,"mode":"enforce")"));
  server.Put(ImagePolicy("never", R"(,"mode":"on")"));
  Start();
  ASSERT_TRUE(Await(Policies(1)));
  server.Put(ImagePolicy("a", R"(,"mode":"off")", 2));
  ASSERT_TRUE(Poll([&] { return State("a")->generation == 2; }));
  EXPECT_FALSE(State("a")->in_force);
  EXPECT_EQ(State("a")->in_force_generation, 1);
  EXPECT_EQ(policies.Current()->image_policies.at(0).mode, policy::Mode::kEnforce);
  EXPECT_THAT(policies.Problems(),
              ElementsAre(AllOf(HasSubstr("ImagePolicy a is in force as it was before"), HasSubstr("$.spec.mode")),
                          HasSubstr("ImagePolicy never is not in force")));
  EXPECT_THAT(metrics.Expose(), HasSubstr("gatehouse_policy_last_reload_failed 1"));
  EXPECT_THAT(metrics.Expose(), HasSubstr("gatehouse_policy_objects{kind=\"ImagePolicy\"} 2"));
  EXPECT_THAT(metrics.Expose(), HasSubstr("gatehouse_policy_in_force{kind=\"ImagePolicy\"} 0"));
  server.Put(ImagePolicy("a", R"(,"mode":"warn")", 3));
  server.Remove(kube::kImagePolicies, "never");
  ASSERT_TRUE(Poll([&] { return policies.Problems().empty(); }));
  EXPECT_THAT(metrics.Expose(), HasSubstr("gatehouse_policy_last_reload_failed 0"));
}

// The API server would drop what is misspelt, and what is left would be a weaker policy: the definitions forbid it to.
TEST_F(ClusterPoliciesTest, WhatIsMisspeltIsNotInForceWithoutIt) {
  server.Put(ImagePolicy("a", R"(,"requires":"all")"));
  server.Put(kReferenceValues);
  Start();
  ASSERT_TRUE(Poll([&] { return State("a").has_value(); }));
  EXPECT_FALSE(State("a")->in_force);
  EXPECT_THAT(State("a")->message, HasSubstr("requires"));
  EXPECT_THAT(policies.Current()->image_policies, IsEmpty());
  std::string values = kReferenceValues;
  values.insert(values.find(R"("tpm")"), R"("notafter":"2020-01-01T00:00:00Z",)");
  server.Put(values);
  ASSERT_TRUE(Poll([&] { return !State("linux")->in_force; }));
  EXPECT_THAT(State("linux")->message, HasSubstr("notafter"));
}

// bad_alloc, say, while a set is made or handed over: the change is not lost.
TEST_F(ClusterPoliciesTest, AChangeOutlivesAFaultWhileItIsTaken) {
  std::atomic<int> handed = 0;
  std::atomic<bool> faulty = true;
  policies.Start([&](const std::shared_ptr<const PolicySet>&) {
    ++handed;
    if (faulty) throw std::bad_alloc();
  });
  ASSERT_TRUE(Poll([&] { return handed == 1; }));
  faulty = false;
  ASSERT_TRUE(Poll([&] { return handed == 2; }));
  std::this_thread::sleep_for(kMoment);
  EXPECT_EQ(handed, 2);
}

TEST_F(ClusterPoliciesTest, AReferenceThatComesLaterCounts) {
  server.Put(kNodePolicy);
  Start();
  ASSERT_TRUE(Await([](const PolicySet& set) { return set.node_policies.size() == 1; }));
  std::string before = policies.Current()->node_policies[0].generation;
  EXPECT_THAT(policies.Problems(), Contains(HasSubstr("no ReferenceValues 'linux'")));
  server.Put(kReferenceValues);
  ASSERT_TRUE(Await([](const PolicySet& set) { return set.node_policies[0].reference_sets.size() == 1; }));
  EXPECT_NE(policies.Current()->node_policies[0].generation, before);
  EXPECT_THAT(policies.Problems(), Not(Contains(HasSubstr("ReferenceValues"))));
}

TEST_F(ClusterPoliciesTest, WithoutTheDefinitionsItIsNotReadyAndSaysWhatIsMissing) {
  server.StopServing(kube::kReferenceValues);
  server.Put(ImagePolicy("a"));
  Start();
  ASSERT_TRUE(Poll([&] {
    auto problems = policies.Problems();
    return problems.size() == 1 && problems[0].find("install the custom resource definitions") != std::string::npos;
  }));
  EXPECT_THAT(policies.Problems()[0], HasSubstr("referencevalues were not read yet"));
  EXPECT_FALSE(policies.Ready());
  EXPECT_THAT(policies.Current()->image_policies, IsEmpty()) << "a part of the policies is no set";
  server.Serve({.resource = kube::kReferenceValues, .kind = "ReferenceValues", .namespaced = false});
  ASSERT_TRUE(Await(Policies(1)));
  EXPECT_TRUE(policies.Ready());
}

TEST_F(ClusterPoliciesTest, AWatchThatIsSilentForTooLongIsAProblemAndWhatIsKnownHolds) {
  server.Put(ImagePolicy("a"));
  Start();
  ASSERT_TRUE(Await(Policies(1)));
  ASSERT_TRUE(server.AwaitWatches(6));
  server.Fail({.verb = "", .path = "/apis/gatehouse.dev/v1alpha1/imagepolicies", .status = 0, .times = 1'000'000});
  server.EndWatches(false);
  ASSERT_TRUE(Poll([&] { return server.open_watches() == 5; }));
  EXPECT_THAT(policies.Problems(), IsEmpty());
  // The others hear of the server again and again.
  ASSERT_TRUE(Poll([&] {
    clock.Advance(std::chrono::seconds(30));
    std::this_thread::sleep_for(Duration(20));
    auto problems = policies.Problems();
    return problems.size() == 1 && problems[0].find("nothing was heard of imagepolicies") != std::string::npos;
  }));
  EXPECT_TRUE(policies.Ready());
  EXPECT_THAT(policies.Current()->image_policies, SizeIs(1));
  EXPECT_TRUE(Poll([&] {
    return metrics.Expose().find("gatehouse_watch_stale{resource=\"imagepolicies\"} 1") != std::string::npos;
  }));
  server.ClearFaults();
  EXPECT_TRUE(Poll([&] { return policies.Problems().empty(); }));
}

TEST_F(ClusterPoliciesTest, WhatVanishedWhileNobodyWatchedIsGone) {
  server.Put(ImagePolicy("a"));
  server.Put(ImagePolicy("b"));
  Start();
  ASSERT_TRUE(Await(Policies(2)));
  ASSERT_TRUE(server.AwaitWatches(6));
  server.EndWatches();
  server.Remove(kube::kImagePolicies, "a");
  server.Compact();
  ASSERT_TRUE(Await(Policies(1)));
}

TEST_F(ClusterPoliciesTest, ManyChangesAreTakenTogether) {
  Start();
  ASSERT_TRUE(Await(Policies(0)));
  std::size_t before = swaps();
  for (int i = 0; i < 200; ++i) server.Put(ImagePolicy("p" + std::to_string(i)));
  ASSERT_TRUE(Await(Policies(200)));
  EXPECT_LT(swaps() - before, 100U);
}

TEST_F(ClusterPoliciesTest, StopIsPromptAndMayComeAtAnyTime) {
  policies.Stop();
  ClusterPolicies other(api, std::chrono::minutes(2), log, metrics, Counting());
  other.Start({});
  auto begin = std::chrono::steady_clock::now();
  other.Stop();
  other.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

}  // namespace
}  // namespace gatehouse::webhook
