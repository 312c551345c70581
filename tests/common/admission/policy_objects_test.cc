// Requests that write objects of our own group: what is judged of them, and what is not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/admission/review.h"
#include "common/codec/json.h"
#include "tests/common/admission/review_builder.h"

namespace gatehouse::admission {
namespace {

using ::testing::HasSubstr;

struct OursCase {
  const char* resource;
  const char* sub_resource;
  const char* kind_group;
  const char* kind;
  std::optional<Subject> subject;  // nothing: a contradiction
};

ReviewText Ours(const std::string& resource, const std::string& kind, const std::string& object) {
  ReviewText review = PodCreate(object);
  review.group = review.kind_group = "gatehouse.dev";
  review.resource = resource;
  review.kind = kind;
  review.namespace_name = "";  // cluster-scoped
  return review;
}

class OurResources : public ::testing::TestWithParam<OursCase> {};

TEST_P(OurResources, AreTakenForWhatTheyAre) {
  ReviewText review = Ours(GetParam().resource, GetParam().kind, R"({"metadata":{"name":"x"},"spec":{"a":1}})");
  review.sub_resource = GetParam().sub_resource;
  review.kind_group = GetParam().kind_group;
  for (const char* operation : {"CREATE", "UPDATE"}) {
    review.operation = operation;
    auto result = ParseReview(review.Text());
    ASSERT_EQ(result.ok(), GetParam().subject.has_value());
    if (result.ok()) {
      EXPECT_EQ(Name(result.request().subject), Name(*GetParam().subject));
      EXPECT_EQ(result.request().policy_object.empty(), *GetParam().subject != Subject::kPolicy);
    } else {
      EXPECT_EQ(result.error().error.reason, Reason::kReviewMalformed);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, OurResources,
    ::testing::Values(OursCase{"imagepolicies", "", "gatehouse.dev", "ImagePolicy", Subject::kPolicy},
                      OursCase{"namespacedimagepolicies", "", "gatehouse.dev", "NamespacedImagePolicy",
                               Subject::kPolicy},
                      OursCase{"nodepolicies", "", "gatehouse.dev", "NodePolicy", Subject::kPolicy},
                      OursCase{"referencevalues", "", "gatehouse.dev", "ReferenceValues", Subject::kPolicy},
                      OursCase{"trustroots", "", "gatehouse.dev", "TrustRoot", Subject::kPolicy},
                      // Of another release: not let through unread.
                      OursCase{"workloadpolicies", "", "gatehouse.dev", "WorkloadPolicy", Subject::kPolicy},
                      // Written by the controllers all the time; who else may write it is RBAC's matter.
                      OursCase{"nodeattestations", "", "gatehouse.dev", "NodeAttestation", Subject::kOther},
                      OursCase{"imagepolicies", "status", "gatehouse.dev", "ImagePolicy", Subject::kOther},
                      OursCase{"nodepolicies", "scale", "autoscaling", "Scale", Subject::kOther},
                      OursCase{"imagepolicies", "", "gatehouse.dev", "NodeAttestation", std::nullopt},
                      OursCase{"imagepolicies", "", "example.com", "ImagePolicy", std::nullopt},
                      OursCase{"nodeattestations", "", "gatehouse.dev", "ImagePolicy", std::nullopt},
                      OursCase{"workloadpolicies", "", "", "Pod", std::nullopt}),
    [](const auto& test) {
      const OursCase& c = test.param;
      return std::string(c.resource) + "_" + c.sub_resource + "_" + c.kind + "_" + std::to_string(test.index);
    });

TEST(PolicyObjects, TheObjectIsHandedOnWhole) {
  std::string object =
      R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NamespacedImagePolicy","metadata":{"name":"extra","namespace":"shop"},"spec":{"images":[]}})";
  ReviewText review = Ours("namespacedimagepolicies", "NamespacedImagePolicy", object);
  review.namespace_name = "shop";
  review.name = "extra";
  auto result = ParseReview(review.Text());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.request().policy_object, object);
  EXPECT_EQ(result.request().namespace_name, "shop");
  EXPECT_EQ(result.request().name, "extra");
  EXPECT_EQ(result.request().kind, "gatehouse.dev/NamespacedImagePolicy");
}

TEST(PolicyObjects, AnyVersionIsJudged) {
  std::string text = Ours("imagepolicies", "ImagePolicy", R"({"metadata":{},"spec":{}})").Text();
  for (auto at = text.find("\"v1\""); at != std::string::npos; at = text.find("\"v1\"", at)) {
    text.replace(at, 4, "\"v9beta9\"");
  }
  EXPECT_EQ(ParseReview(text).request().subject, Subject::kPolicy);
}

TEST(PolicyObjects, DeletionIsNotJudged) {
  ReviewText review = Ours("imagepolicies", "ImagePolicy", "null");
  review.operation = "DELETE";
  review.old_object = R"({"spec":{"nonsense":1}})";
  EXPECT_EQ(ParseReview(review.Text()).request().subject, Subject::kOther);
}

TEST(PolicyObjects, ANullObjectIsRefused) {
  auto result = ParseReview(Ours("imagepolicies", "ImagePolicy", "null").Text());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().error.reason, Reason::kReviewMalformed);
}

struct UpdateCase {
  const char* name;
  const char* before;
  const char* after;
  bool judged;
};

class PolicyUpdates : public ::testing::TestWithParam<UpdateCase> {};

// What was written while nobody looked must be possible to label, and above all to delete: that takes its finalizers
// away by an update.
TEST_P(PolicyUpdates, AreJudgedWhereTheSpecChanges) {
  ReviewText review = Ours("imagepolicies", "ImagePolicy", GetParam().after);
  review.operation = "UPDATE";
  review.old_object = GetParam().before;
  auto result = ParseReview(review.Text());
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.request().subject, Subject::kPolicy);
  EXPECT_EQ(!result.request().policy_object.empty(), GetParam().judged);
}

INSTANTIATE_TEST_SUITE_P(
    Table, PolicyUpdates,
    ::testing::Values(UpdateCase{"finalizer_removed", R"({"metadata":{"finalizers":["a"]},"spec":{"bad":1}})",
                                 R"({"metadata":{"deletionTimestamp":"x"},"spec":{"bad":1}})", false},
                      UpdateCase{"label", R"({"spec":{"a":[1,2]}})",
                                 R"({"metadata":{"labels":{"a":"b"}},"spec":{"a":[1,2]}})", false},
                      UpdateCase{"no_spec_before_or_after", R"({"metadata":{}})", R"({"metadata":{"labels":{}}})",
                                 false},
                      UpdateCase{"spec_changed", R"({"spec":{"a":1}})", R"({"spec":{"a":2}})", true},
                      UpdateCase{"order_changed", R"({"spec":{"a":[1,2]}})", R"({"spec":{"a":[2,1]}})", true},
                      UpdateCase{"spec_added", R"({"metadata":{}})", R"({"spec":{"a":2}})", true},
                      UpdateCase{"spec_removed", R"({"spec":{"a":2}})", R"({"metadata":{}})", true},
                      UpdateCase{"a_deletion_timestamp_is_no_excuse", R"({"spec":{"a":1}})",
                                 R"({"metadata":{"deletionTimestamp":"x"},"spec":{"a":2}})", true},
                      UpdateCase{"no_old_object", "null", R"({"spec":{"a":2}})", true}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(PolicyObjects, AManifestOfOursIsJudgedToo) {
  auto result = ParseManifestObject(
      R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"NodePolicy","metadata":{"name":"n"},"spec":{}})", "default");
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.request().subject, Subject::kPolicy);
  EXPECT_EQ(result.request().resource, "nodepolicies");
  EXPECT_EQ(result.request().namespace_name, "");
  EXPECT_THAT(result.request().policy_object, HasSubstr(R"("kind":"NodePolicy")"));
}

TEST(PolicyObjects, AManifestOfAKindThatWeDoNotHaveIsAMistake) {
  auto result = ParseManifestObject(R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicies"})", "default");
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().error.reason, Reason::kReviewMalformed);
  EXPECT_THAT(result.error().error.detail, HasSubstr("there is no gatehouse.dev/ImagePolicies"));
}

// --- where an image is, for a patch

std::vector<std::string> Pointers(const ReviewText& review) {
  std::vector<std::string> pointers;
  auto result = ParseReview(review.Text());
  EXPECT_TRUE(result.ok());
  if (!result.ok()) return pointers;
  for (const ImageUse& use : result.request().images) pointers.push_back(use.pointer);
  return pointers;
}

TEST(Pointers, LeadToTheTextOfEachImage) {
  std::string pod = R"({"spec":{"containers":[{"name":"a]/~.x","image":"i"},{"image":"i"}],
      "initContainers":[{"name":"s","image":"i"}],"ephemeralContainers":[{"name":"e","image":"i"}],
      "volumes":[{"name":"p"},{"name":"v","image":{"reference":"i"}}]}})";
  EXPECT_THAT(
      Pointers(PodCreate(pod)),
      ::testing::ElementsAre("/spec/containers/0/image", "/spec/containers/1/image", "/spec/initContainers/0/image",
                             "/spec/ephemeralContainers/0/image", "/spec/volumes/1/image/reference"));
}

TEST(Pointers, OfTheListOfOldClusters) {
  ReviewText review = PodUpdate("null", R"({"ephemeralContainers":[{"name":"e","image":"i"}]})");
  review.sub_resource = "ephemeralcontainers";
  review.kind = "EphemeralContainers";
  EXPECT_THAT(Pointers(review), ::testing::ElementsAre("/ephemeralContainers/0/image"));
}

// --- the patch in an answer

TEST(PatchInAnAnswer, IsBase64WithItsType) {
  std::string answer = Encode({.uid = "u", .allowed = true, .patch = R"([{"op":"test"}])"});
  auto document = codec::JsonDocument::Parse(answer, {.max_bytes = 4096});
  ASSERT_TRUE(document.ok());
  auto response = *document->root().Find("response");
  EXPECT_EQ(response.Find("patchType")->AsString(), "JSONPatch");
  EXPECT_EQ(response.Find("patch")->AsString(), "W3sib3AiOiJ0ZXN0In1d");
}

TEST(PatchInAnAnswer, IsOfWhatIsAllowedOnly) {
  EXPECT_EQ(Encode({.uid = "u", .allowed = true}).find("patch"), std::string::npos);
  EXPECT_EQ(Encode({.uid = "u", .allowed = false, .patch = "[]"}).find("patch"), std::string::npos);
}

}  // namespace
}  // namespace gatehouse::admission
