// POST /mutate: the patch, applied as the API server applies it, and what is judged afterwards.
#include <algorithm>
#include <filesystem>
#include <set>

#include "common/base/encoding.h"
#include "tests/fakes/json_value.h"
#include "tests/webhook/admission/fixture.h"

namespace gatehouse::webhook {
namespace {

using fakes::JsonValue;

class MutationTest : public HandlerTest {
 protected:
  void SetUp() override {
    HandlerTest::SetUp();
    fakes::Sign(registry, "app", image, key);
  }

  // The patch of an answer; empty if it has none.
  static std::string PatchIn(const HttpReply& reply) {
    auto document = Parsed(reply);
    auto response = *document.root().Find("response");
    auto patch = response.Find("patch");
    EXPECT_EQ(patch.has_value(), response.Find("patchType").has_value());
    if (!patch) return "";
    EXPECT_EQ(response.Find("patchType")->AsString(), "JSONPatch");
    auto bytes = DecodeBase64(*patch->AsString());
    return bytes.ok() ? std::string(AsText(*bytes)) : "not base64";
  }

  // The review with its object patched as the answer says.
  static JsonValue Patched(const std::string& body, const HttpReply& reply) {
    auto review = JsonValue::Parse(body);
    std::string patch = PatchIn(reply);
    if (!patch.empty()) {
      bool applied = fakes::ApplyJsonPatch(*review->Find("request")->Find("object"), *JsonValue::Parse(patch));
      EXPECT_TRUE(applied) << patch;
    }
    return *review;
  }

  // Where the two differ; "KIND" where they differ in shape.
  static void Differences(const JsonValue& a, const JsonValue& b, const std::string& at, std::set<std::string>& found) {
    bool both_texts = a.kind == JsonValue::Kind::kString && b.kind == JsonValue::Kind::kString;
    if (a.kind != b.kind || a.elements.size() != b.elements.size() || a.members.size() != b.members.size()) {
      found.insert("KIND " + at);
      return;
    }
    if (a.text != b.text) found.insert(both_texts ? at : "KIND " + at);
    for (std::size_t i = 0; i < a.elements.size(); ++i) {
      Differences(a.elements[i], b.elements[i], at + "/" + std::to_string(i), found);
    }
    for (std::size_t i = 0; i < a.members.size(); ++i) {
      if (a.members[i].first != b.members[i].first) found.insert("KIND " + at);
      Differences(a.members[i].second, b.members[i].second, at + "/" + a.members[i].first, found);
    }
  }

  Digest image = registry.PutImage("app", "1", "x");
  const std::string kPinned = "registry.example/app:1@" + image.text();
};

TEST_F(MutationTest, PinsWhatWasVerified) {
  HttpReply reply = Mutate(Review("registry.example/app:1"));
  EXPECT_TRUE(Allowed(reply));
  EXPECT_EQ(Parsed(reply).root().Find("response")->Find("uid")->AsString(), "u-1");
  EXPECT_EQ(Parsed(reply).root().Find("response")->Find("auditAnnotations")->Find("pinned")->AsString(), "1");
  EXPECT_EQ(PatchIn(reply), R"([{"op":"test","path":"/spec/containers/0/image","value":"registry.example/app:1"},)"
                            R"({"op":"replace","path":"/spec/containers/0/image","value":")" +
                                kPinned + R"("}])");
  std::string text = metrics.Expose();
  EXPECT_NE(text.find("gatehouse_mutations_total{outcome=\"pinned\"} 1"), std::string::npos) << text;
  EXPECT_NE(text.find("gatehouse_admission_requests_total{kind=\"mutate\",outcome=\"allowed\"} 1"), std::string::npos);
  EXPECT_TRUE(metrics.PolicyDecisions().empty()) << "only decisions are counted as decisions";
  EXPECT_EQ(text.find("gatehouse_findings_total{"), std::string::npos);
}

TEST_F(MutationTest, RoundTrip) {
  std::string body = Review("registry.example/app:1");
  std::string patched = Patched(body, Mutate(body)).Write();
  EXPECT_NE(patched.find(kPinned), std::string::npos);
  // Judged by the digest, from what the first call remembered: neither the tag nor the registry is asked.
  registry.FailWith(-1);
  EXPECT_TRUE(Allowed(Post(patched)));
  // Called again, as reinvocationPolicy may have it: nothing is left to do.
  HttpReply again = Mutate(patched);
  EXPECT_TRUE(Allowed(again));
  EXPECT_EQ(PatchIn(again), "");
}

// Whatever the API server sends.
TEST_F(MutationTest, APatchTouchesNothingButImages) {
  std::size_t patches = 0;
  std::size_t samples = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(GATEHOUSE_SOURCE_DIR "/tests/testdata/admission-reviews")) {
    SCOPED_TRACE(entry.path().filename().string());
    std::string body = Sample(entry.path().stem().string());
    for (const char* name : {"registry.test:5000/bb:1", "registry.test:5000/bb:t1"}) {
      if (body.find(name) != std::string::npos) body = Replaced(body, name, "registry.example/app:1");
    }
    ++samples;
    HttpReply reply = Mutate(body);
    ASSERT_TRUE(Allowed(reply));
    auto request = admission::ParseReview(body);
    ASSERT_TRUE(request.ok());
    std::set<std::string> may_change;
    for (const admission::ImageUse& use : request.request().images) may_change.insert("/request/object" + use.pointer);
    std::set<std::string> changed;
    Differences(*JsonValue::Parse(body), Patched(body, reply), "", changed);
    EXPECT_TRUE(std::includes(may_change.begin(), may_change.end(), changed.begin(), changed.end()));
    bool pod = request.request().resource.starts_with("pods");
    EXPECT_TRUE(pod || changed.empty());
    if (!changed.empty()) ++patches;
  }
  EXPECT_EQ(samples, 32U);
  EXPECT_GE(patches, 12U);
}

TEST_F(MutationTest, EveryPlaceOfAnImageInAPod) {
  std::string more = R"(,"initContainers":[{"name":"a/~0~1\"[0]","image":"registry.example/app:1"}],)"
                     R"("ephemeralContainers":[{"name":"e","image":"registry.example/app:1"}],)"
                     R"("volumes":[{"name":"v"},{"name":"m","image":{"reference":"registry.example/app:1"}}])";
  std::string body = Review("registry.example/app:1", more);
  JsonValue patched = Patched(body, Mutate(body));
  std::set<std::string> changed;
  Differences(*JsonValue::Parse(body), patched, "", changed);
  EXPECT_EQ(changed,
            (std::set<std::string>{
                "/request/object/spec/containers/0/image", "/request/object/spec/initContainers/0/image",
                "/request/object/spec/ephemeralContainers/0/image", "/request/object/spec/volumes/1/image/reference"}));
  registry.FailWith(-1);
  EXPECT_TRUE(Allowed(Post(patched.Write())));
}

// The mutating phase comes before the name is made: neither request.name nor metadata.name is there.
TEST_F(MutationTest, APodWithoutANameYet) {
  std::string body = Replaced(Sample("mutating-pod-create-by-replicaset-controller"), "registry.test:5000/bb:1",
                              "registry.example/app:1");
  ASSERT_EQ(admission::ParseReview(body).request().name, "");
  HttpReply reply = Mutate(body);
  EXPECT_NE(PatchIn(reply).find(kPinned), std::string::npos);
  EXPECT_TRUE(Allowed(Post(Patched(body, reply).Write())));
}

TEST_F(MutationTest, EphemeralContainersOfOldAndNewClusters) {
  std::string body =
      Replaced(Sample("pods-ephemeralcontainers-update"), "registry.test:5000/bb:1", "registry.example/app:1");
  std::set<std::string> changed;
  Differences(*JsonValue::Parse(body), Patched(body, Mutate(body)), "", changed);
  EXPECT_EQ(changed, (std::set<std::string>{"/request/object/ephemeralContainers/0/image"}));
}

TEST_F(MutationTest, TemplatesStayAsTheyAreWritten) {
  std::string body = Replaced(Sample("deployment-create"), "registry.test:5000/bb:1", "registry.example/app:1");
  HttpReply reply = Mutate(body);
  EXPECT_TRUE(Allowed(reply));
  EXPECT_EQ(PatchIn(reply), "");
}

TEST_F(MutationTest, NeverRefuses) {
  EXPECT_TRUE(Allowed(Mutate(Review("registry.example/unsigned:1"))));
  EXPECT_TRUE(Allowed(Mutate(Review("elsewhere.example/x:1"))));
  EXPECT_TRUE(Allowed(Mutate(Review("NOT A REFERENCE"))));
  EXPECT_TRUE(Allowed(Mutate(Review(""))));  // no image at all: /validate refuses that
  EXPECT_FALSE(Allowed(Post(Review(""))));
  EXPECT_TRUE(Allowed(Mutate(Review("registry.example/app:1"), std::nullopt, {.max_concurrent = 0})));
  std::string text = metrics.Expose();
  EXPECT_NE(text.find("gatehouse_mutations_total{outcome=\"unverified\"} 4"), std::string::npos) << text;
  EXPECT_NE(text.find("gatehouse_admission_requests_total{kind=\"mutate\",outcome=\"error\"} 1"), std::string::npos);
}

TEST_F(MutationTest, ABodyThatIsNoReviewIsABadRequest) {
  for (const char* body : {"", "[]", "{}", R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"})"}) {
    EXPECT_EQ(Mutate(body).status, 400) << body;
  }
}

TEST_F(MutationTest, Adversarial_A9_ADryRunGetsTheSamePatch) {
  std::string body = Review("registry.example/app:1");
  std::string patch = PatchIn(Mutate(body));
  EXPECT_FALSE(patch.empty());
  EXPECT_EQ(PatchIn(Mutate(Replaced(body, "\"dryRun\":false", "\"dryRun\":true"))), patch);
}

TEST_F(MutationTest, Adversarial_A11_ASlowRegistryLeavesTheTagInTime) {
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(800)); });
  MonoTime before = clock.Mono();
  HttpReply reply = Mutate(Review("registry.example/app:1"), "1s");
  EXPECT_TRUE(Allowed(reply));
  EXPECT_EQ(PatchIn(reply), "");
  EXPECT_LE(clock.Mono() - before, Duration(1000));
}

// A8: other mutating webhooks come after ours. Whatever they leave is judged as it will be stored.

TEST_F(MutationTest, Adversarial_A8_TheDigestReplacedByAnotherAfterwards) {
  Digest evil = registry.PutImage("app", "", "evil");
  std::string body = Review("registry.example/app:1");
  std::string patched = Patched(body, Mutate(body)).Write();
  EXPECT_NE(Message(Post(Replaced(patched, image.text(), evil.text()))).find("[image-unsigned]"), std::string::npos);
}

TEST_F(MutationTest, Adversarial_A8_TheTagPutBackAfterwardsAndMoved) {
  std::string body = Review("registry.example/app:1");
  EXPECT_FALSE(PatchIn(Mutate(body)).empty());
  registry.PutImage("app", "1", "evil");
  EXPECT_NE(Message(Post(body)).find("[image-unsigned]"), std::string::npos);
}

TEST_F(MutationTest, Adversarial_A8_AContainerAddedAfterwards) {
  (void)registry.PutImage("sidecar", "1", "injected");
  std::string body = Review("registry.example/app:1");
  std::string patched = Patched(body, Mutate(body)).Write();
  std::string injected =
      Replaced(patched, R"("containers":[)", R"("containers":[{"name":"s","image":"registry.example/sidecar:1"},)");
  EXPECT_NE(Message(Post(injected)).find("[image-unsigned]"), std::string::npos);
}

TEST_F(MutationTest, Adversarial_A8_LabelsChangedAfterwardsBringItUnderAnotherPolicy) {
  Load(gate::ImagePolicyYaml("signed", "registry.example/**", gate::KeyAuthority("release", key.Public())) +
       gate::ImagePolicyYaml("web", "registry.example/**", gate::KeyAuthority("qa", other_key.Public()),
                             "  podSelector: {matchLabels: {tier: web}}\n"));
  std::string body = Review("registry.example/app:1");
  std::string patched = Patched(body, Mutate(body)).Write();
  EXPECT_NE(patched.find(kPinned), std::string::npos);
  EXPECT_TRUE(Allowed(Post(patched)));
  std::string labelled = Replaced(patched, R"("metadata":{)", R"("metadata":{"labels":{"tier":"web"},)");
  EXPECT_NE(Message(Post(labelled)).find("policy 'web'"), std::string::npos);
}

TEST_F(MutationTest, ThePatchFailsWhereTheImageIsNotWhatWasJudged) {
  std::string body = Review("registry.example/app:1");
  auto object = JsonValue::Parse(R"({"spec":{"containers":[{"name":"c","image":"registry.example/app:2"}]}})");
  EXPECT_FALSE(fakes::ApplyJsonPatch(*object, *JsonValue::Parse(PatchIn(Mutate(body)))));
}

}  // namespace
}  // namespace gatehouse::webhook
