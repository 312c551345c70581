// The fake API server is one: what it does to objects is what a real one does, as its clients see it.
#include <gtest/gtest.h>

#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::kube {
namespace {

using fakes::JsonValue;

class FakeKubeApi : public testing::Test {
 protected:
  [[nodiscard]] Deadline Soon() const { return {clock_, std::chrono::seconds(5)}; }
  [[nodiscard]] static std::string Code(const Result<codec::JsonDocument>& answer) {
    return answer.ok() ? "ok" : std::string(Token(answer.error().reason));
  }
  [[nodiscard]] JsonValue Node() const { return *server_.Find(kNodes, "n"); }

  fakes::FakeClock clock_;
  fakes::KubeApi server_;
  Api api_{server_.connections(), clock_, {.queries_per_second = 0}};
  const std::string nodes_ = PathOf(kNodes);
  const std::string node_ = PathOf(kNodes, "", "n");
};

TEST_F(FakeKubeApi, CreatesOnce) {
  auto created = api_.Create(nodes_, R"({"metadata":{"name":"n"}})", Soon());
  ASSERT_TRUE(created.ok()) << created.error().ToString();
  EXPECT_NE(TextAt(created->root(), {"metadata", "uid"}), "");
  EXPECT_NE(TextAt(created->root(), {"metadata", "resourceVersion"}), "");
  EXPECT_EQ(TextAt(created->root(), {"kind"}), "Node");
  EXPECT_EQ(Code(api_.Create(nodes_, R"({"metadata":{"name":"n"}})", Soon())), "kube-conflict");
  EXPECT_EQ(Code(api_.Create(nodes_, R"({"metadata":{}})", Soon())), "kube-rejected");
  EXPECT_EQ(Code(api_.Create(nodes_, R"({"kind":"Pod","metadata":{"name":"p"}})", Soon())), "kube-rejected");
  EXPECT_EQ(Code(api_.Create(nodes_, "{", Soon())), "kube-rejected");
  EXPECT_TRUE(api_.Create(nodes_, R"({"metadata":{"generateName":"g-"}})", Soon()).ok());
}

TEST_F(FakeKubeApi, ReplacesWhatWasRead) {
  server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"a":"1"},"status":{"s":"kept"}})");
  const std::string version = Node().TextAt({"metadata", "resourceVersion"});
  auto with = [](const std::string& of, const std::string& spec) {
    return R"({"metadata":{"name":"n","resourceVersion":")" + of + R"("},"spec":{"a":")" + spec +
           R"("},"status":{"s":"lost"}})";
  };
  ASSERT_TRUE(api_.Replace(node_, with(version, "2"), Soon()).ok());
  EXPECT_EQ(Node().TextAt({"spec", "a"}), "2");
  EXPECT_EQ(Node().TextAt({"status", "s"}), "kept") << "the status has a subresource of its own";
  EXPECT_EQ(Code(api_.Replace(node_, with(version, "3"), Soon())), "kube-conflict");
  EXPECT_EQ(Code(api_.Replace(PathOf(kNodes, "", "x"), with("", "3"), Soon())), "kube-not-found");
}

TEST_F(FakeKubeApi, StatusIsWrittenByItself) {
  server_.Put(
      R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicy","metadata":{"name":"p"},"spec":{"mode":"warn"}})");
  const std::string path = PathOf(kImagePolicies, "", "p");
  ASSERT_TRUE(api_.Patch(path + "/status", PatchType::kMerge,
                         R"({"spec":{"mode":"audit"},"status":{"observedGeneration":1}})", Soon())
                  .ok());
  JsonValue policy = *server_.Find(kImagePolicies, "p");
  EXPECT_EQ(policy.TextAt({"spec", "mode"}), "warn");
  EXPECT_EQ(policy.TextAt({"status", "observedGeneration"}), "1");
  EXPECT_EQ(policy.TextAt({"metadata", "generation"}), "1");
  ASSERT_TRUE(
      api_.Patch(path, PatchType::kMerge, R"({"spec":{"mode":"audit"},"status":{"observedGeneration":2}})", Soon())
          .ok());
  policy = *server_.Find(kImagePolicies, "p");
  EXPECT_EQ(policy.TextAt({"metadata", "generation"}), "2") << "the spec has changed";
  EXPECT_EQ(policy.TextAt({"status", "observedGeneration"}), "1");
  EXPECT_EQ(Code(api_.Replace(path, R"({"metadata":{"name":"p"},"spec":{}})", Soon())), "kube-rejected")
      << "custom resources are not replaced without a version";
}

TEST_F(FakeKubeApi, AnEmptyTextInACustomResourceIsTakenForNull) {
  const std::string path = PathOf(kNodeAttestations);
  EXPECT_EQ(Code(api_.Create(path, R"({"metadata":{"name":"n"},"status":{"message":""}})", Soon())), "kube-rejected");
  EXPECT_EQ(Code(api_.Create(path, R"({"metadata":{"name":"n"},"status":{"reasons":[]}})", Soon())), "ok");
  EXPECT_EQ(Code(api_.Patch(path + "/n", PatchType::kMerge, R"({"status":{"message":""}})", Soon())), "kube-rejected");
  EXPECT_EQ(Code(api_.Patch(path + "/n", PatchType::kMerge, R"({"status":{"message":null}})", Soon())), "ok");
}

// Custom resource definitions, "Field pruning": what the schema does not know is dropped, unless it says otherwise.
TEST_F(FakeKubeApi, FieldsThatTheDefinitionDoesNotKnowAreDropped) {
  const std::string path = PathOf(kNodeAttestations);
  ASSERT_TRUE(api_.Create(path,
                          R"({"metadata":{"name":"n","labels":{"l":"v"},"annotations":{"a":"b"}},"top":1,)"
                          R"("spec":{"ek":"e","eek":"f"},"status":{"policies":[{"name":"p","nane":"q"}],"since":{}}})",
                          Soon())
                  .ok());
  const auto object = server_.Find(kNodeAttestations, "n");
  EXPECT_EQ(object->Find("spec")->Write(), R"({"ek":"e"})");
  EXPECT_EQ(object->Find("status")->Write(), R"({"policies":[{"name":"p"}],"since":{}})");
  EXPECT_EQ(object->Find("top"), nullptr);
  EXPECT_EQ(object->TextAt({"metadata", "labels", "l"}), "v");
  EXPECT_EQ(object->TextAt({"metadata", "annotations", "a"}), "b");
  const std::string version = object->TextAt({"metadata", "resourceVersion"});
  ASSERT_TRUE(api_.Patch(path + "/n", PatchType::kMerge, R"({"spec":{"eek":"f"}})", Soon()).ok());
  EXPECT_EQ(server_.Find(kNodeAttestations, "n")->TextAt({"metadata", "resourceVersion"}), version) << "no change";
}

TEST_F(FakeKubeApi, ObjectsWithoutADefinitionKeepEveryField) {
  server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"anything":{"a":1}}})");
  EXPECT_EQ(server_.Find(kNodes, "n")->TextAt({"spec", "anything", "a"}), "1");
}

TEST_F(FakeKubeApi, NodeAttestationsHaveNoStatusOfTheirOwn) {
  server_.Put(R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NodeAttestation","metadata":{"name":"n"}})");
  const std::string path = PathOf(kNodeAttestations, "", "n");
  ASSERT_TRUE(
      api_.Patch(path, PatchType::kMerge, R"({"spec":{"ek":"e"},"status":{"verdict":"Trusted"}})", Soon()).ok());
  EXPECT_EQ(server_.Find(kNodeAttestations, "n")->TextAt({"status", "verdict"}), "Trusted");
  EXPECT_EQ(Code(api_.Patch(path + "/status", PatchType::kMerge, "{}", Soon())), "kube-not-found");
}

// k8s.io/api core/v1: NodeSpec.Taints has no patchMergeKey, NodeStatus.Conditions has "type".
TEST_F(FakeKubeApi, StrategicPatchesMergeTheListsThatHaveAKey) {
  server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"spec":{"taints":[{"key":"other"}]},)"
              R"("status":{"conditions":[{"type":"Ready","status":"True"},{"type":"Ours","status":"False"}]}})");
  ASSERT_TRUE(
      api_.Patch(node_ + "/status", PatchType::kStrategic,
                 R"({"status":{"conditions":[{"type":"Ours","status":"True"},{"type":"New","status":"True"}]}})",
                 Soon())
          .ok());
  EXPECT_EQ(Node().At({"status", "conditions"})->Write(),
            R"([{"type":"Ready","status":"True"},{"type":"Ours","status":"True"},{"type":"New","status":"True"}])");
  ASSERT_TRUE(api_.Patch(node_, PatchType::kStrategic, R"({"spec":{"taints":[{"key":"ours"}]}})", Soon()).ok());
  EXPECT_EQ(Node().At({"spec", "taints"})->Write(), R"([{"key":"ours"}])");
  ASSERT_TRUE(api_.Patch(node_ + "/status", PatchType::kStrategic,
                         R"({"status":{"conditions":[{"type":"Ours","$patch":"delete"}]}})", Soon())
                  .ok());
  EXPECT_EQ(Node().At({"status", "conditions"})->elements.size(), 2U);
  server_.Put(R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"TrustRoot","metadata":{"name":"t"}})");
  EXPECT_EQ(Code(api_.Patch(PathOf(kTrustRoots, "", "t"), PatchType::kStrategic, "{}", Soon())), "kube-rejected");
}

TEST_F(FakeKubeApi, MergeAndJsonPatches) {
  server_.Put(
      R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"a":"1","b":"2"}},"spec":{"taints":[{"key":"x"}]}})");
  ASSERT_TRUE(api_.Patch(node_, PatchType::kMerge, R"({"metadata":{"labels":{"a":null,"c":"3"}}})", Soon()).ok());
  EXPECT_EQ(Node().At({"metadata", "labels"})->Write(), R"({"b":"2","c":"3"})");
  ASSERT_TRUE(
      api_.Patch(
              node_, PatchType::kJson,
              R"([{"op":"test","path":"/spec/taints/0/key","value":"x"},{"op":"add","path":"/spec/taints/-","value":{"key":"y"}},)"
              R"({"op":"remove","path":"/spec/taints/0"},{"op":"add","path":"/metadata/labels/d~1e","value":"4"}])",
              Soon())
          .ok());
  EXPECT_EQ(Node().At({"spec", "taints"})->Write(), R"([{"key":"y"}])");
  EXPECT_EQ(Node().TextAt({"metadata", "labels", "d/e"}), "4");
  EXPECT_EQ(
      Code(api_.Patch(node_, PatchType::kJson, R"([{"op":"test","path":"/spec/taints/0/key","value":"x"}])", Soon())),
      "kube-rejected");
  EXPECT_EQ(Code(api_.Patch(node_, PatchType::kMerge, R"({"metadata":{"resourceVersion":"1"}})", Soon())),
            "kube-conflict");
}

TEST_F(FakeKubeApi, WhatChangesNothingIsNoChange) {
  server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n","labels":{"a":"1"}}})");
  const std::uint64_t version = server_.version();
  ASSERT_TRUE(api_.Patch(node_, PatchType::kMerge, R"({"metadata":{"labels":{"a":"1"}}})", Soon()).ok());
  EXPECT_EQ(server_.version(), version);
}

TEST_F(FakeKubeApi, DeletesTheObjectThatIsMeant) {
  server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}})");
  Status other = api_.Delete(node_, "another-uid", Soon());
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().reason, Reason::kKubeConflict);
  EXPECT_TRUE(api_.Delete(node_, Node().TextAt({"metadata", "uid"}), Soon()).ok());
  EXPECT_FALSE(server_.Find(kNodes, "n").has_value());
}

TEST_F(FakeKubeApi, ListsInPagesOfOneMoment) {
  for (const char* name : {"a", "b", "c"}) {
    server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + std::string(name) + R"("}})");
  }
  auto first = api_.Get(nodes_ + "?limit=2", Soon());
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->root().Find("items")->size(), 2U);
  EXPECT_FALSE(first->root().Find("items")->at(0).Find("kind").has_value()) << "items of built-in types do not say it";
  server_.Remove(kNodes, "c");
  auto second = api_.Get(
      nodes_ + "?limit=2&continue=" + net::EncodeQueryValue(TextAt(first->root(), {"metadata", "continue"})), Soon());
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(TextAt(second->root().Find("items")->at(0), {"metadata", "name"}), "c");
  EXPECT_EQ(TextAt(second->root(), {"metadata", "resourceVersion"}),
            TextAt(first->root(), {"metadata", "resourceVersion"}));
  EXPECT_EQ(TextAt(second->root(), {"metadata", "continue"}), "");
}

TEST_F(FakeKubeApi, LeaseTimesHaveSixDigits) {
  auto lease = [](const std::string& time) {
    return R"({"metadata":{"name":"l"},"spec":{"renewTime":")" + time + R"("}})";
  };
  const std::string path = PathOf(kLeases, "ns");
  EXPECT_EQ(Code(api_.Create(path, lease("2026-11-21T12:00:00Z"), Soon())), "kube-rejected");
  EXPECT_EQ(Code(api_.Create(path, lease("2026-11-21T12:00:00.123Z"), Soon())), "kube-rejected");
  EXPECT_EQ(Code(api_.Create(path, lease("2026-11-21T12:00:00.123000Z"), Soon())), "ok");
}

TEST_F(FakeKubeApi, DiscoveryAndVersion) {
  EXPECT_EQ(*api_.Serves(kTrustRoots, Soon()), true);
  server_.StopServing(kTrustRoots);
  EXPECT_EQ(*api_.Serves(kTrustRoots, Soon()), false);
  EXPECT_EQ(Code(api_.Get(PathOf(kTrustRoots), Soon())), "kube-not-found");
  EXPECT_EQ(api_.ServerVersion(Soon())->minor, 20);
}

TEST_F(FakeKubeApi, ReviewsTokensAsTheTestSays) {
  const std::string review = R"({"spec":{"token":"t","audiences":["gatehouse"]}})";
  const std::string path = PathOf(kTokenReviews);
  auto nobody = api_.Create(path, review, Soon());
  EXPECT_EQ(nobody->root().Find("status")->Find("authenticated")->AsBool(), false);
  server_.ReviewTokens([](const std::string& token, const std::vector<std::string>& audiences) {
    return R"({"authenticated":true,"user":{"username":")" + token + audiences.at(0) + "\"}}";
  });
  auto somebody = api_.Create(path, review, Soon());
  EXPECT_EQ(TextAt(somebody->root(), {"status", "user", "username"}), "tgatehouse");
}

TEST_F(FakeKubeApi, FaultsBefallAsManyRequestsAsAreMeant) {
  server_.Put(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}})");
  server_.Fail({.verb = "GET", .path = nodes_, .status = 500, .times = 2});
  EXPECT_EQ(Code(api_.Get(node_, Soon())), "kube-unavailable");
  EXPECT_EQ(Code(api_.Get(node_, Soon())), "kube-unavailable");
  EXPECT_EQ(Code(api_.Get(node_, Soon())), "ok");
  server_.Fail({.verb = "PATCH", .status = 0, .done_nevertheless = true});
  EXPECT_EQ(Code(api_.Patch(node_, PatchType::kMerge, R"({"spec":{"done":"yes"}})", Soon())), "kube-unavailable");
  EXPECT_EQ(Node().TextAt({"spec", "done"}), "yes");
  EXPECT_EQ(server_.Count("GET", node_), 3U);
  EXPECT_EQ(server_.requests().back().body, R"({"spec":{"done":"yes"}})");
}

}  // namespace
}  // namespace gatehouse::kube
