// Attacks on the gate that begin in an AdmissionReview.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/admission/review.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "tests/common/admission/review_builder.h"

namespace gatehouse::admission {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

ReviewRequest Parse(const ReviewText& review) {
  auto result = ParseReview(review.Text());
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().error.ToString());
  return result.ok() ? result.request() : ReviewRequest{};
}

Reason Refusal(const std::string& text) {
  auto result = ParseReview(text);
  EXPECT_FALSE(result.ok());
  return result.ok() ? Reason::kInternal : result.error().error.reason;
}

ReviewText EphemeralUpdate(const std::string& kind, const std::string& old_object, const std::string& object) {
  ReviewText review = PodUpdate(old_object, object);
  review.sub_resource = "ephemeralcontainers";
  review.kind = kind;
  return review;
}

TEST(Adversarial_A1, EphemeralContainerThroughTheSubresourceAsPod) {
  std::string after = PodJson("i/app:1", R"(,"ephemeralContainers":[{"name":"evil","image":"evil/tool"}])");
  ReviewRequest request = Parse(EphemeralUpdate("Pod", PodJson("i/app:1"), after));
  EXPECT_EQ(request.subject, Subject::kEphemeral);
  EXPECT_THAT(request.images, Contains(ImageUse{"spec.ephemeralContainers[0] (evil)", "evil/tool"}));
  EXPECT_THAT(Unchanged(request), ElementsAre("i/app:1"));
  EXPECT_TRUE(request.labels.has_value());
}

TEST(Adversarial_A1, EphemeralContainerThroughTheSubresourceOfOldClusters) {
  ReviewRequest request = Parse(EphemeralUpdate(
      "EphemeralContainers", R"({"ephemeralContainers":[]})",
      R"({"metadata":{"labels":{"trusted":"yes"}},"ephemeralContainers":[{"name":"evil","image":"evil/tool"}]})"));
  EXPECT_EQ(request.subject, Subject::kEphemeral);
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"ephemeralContainers[0] (evil)", "evil/tool"}));
  EXPECT_FALSE(request.labels.has_value()) << "the labels of this kind are not the pod's";
}

TEST(Adversarial_A1, EphemeralContainersOfAShapeThatItsKindDoesNotHave) {
  std::string list = R"({"ephemeralContainers":[{"name":"evil","image":"evil/tool"}]})";
  EXPECT_EQ(Refusal(EphemeralUpdate("Pod", "null", list).Text()), Reason::kReviewMalformed);
  EXPECT_EQ(Refusal(EphemeralUpdate("EphemeralContainers", "null", PodJson("evil/tool")).Text()),
            Reason::kReviewMalformed);
  EXPECT_EQ(Refusal(EphemeralUpdate("EphemeralContainers", "null", R"({"ephemeralContainers":null})").Text()),
            Reason::kReviewMalformed);
}

// CVE-2023-2727: what is no ordinary container runs too.
TEST(Adversarial_A2, InitSidecarAndImageVolumeAreImagesToo) {
  std::string pod =
      PodJson("i/app:1", R"(,"initContainers":[{"name":"side","image":"evil/side","restartPolicy":"Always"}],
      "volumes":[{"name":"v","image":{"reference":"evil/files"}}])");
  std::vector<ImageUse> images = Parse(PodCreate(pod)).images;
  EXPECT_THAT(images, Contains(ImageUse{"spec.initContainers[0] (side)", "evil/side"}));
  EXPECT_THAT(images, Contains(ImageUse{"spec.volumes[0].image (v)", "evil/files"}));
}

TEST(Adversarial_A3, NewImageAndScaleDownInOnePatch) {
  ReviewRequest request =
      Parse(DeploymentUpdate(DeploymentJson(PodJson("i/app:1"), 5), DeploymentJson(PodJson("evil/app"), 0)));
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.template.spec.containers[0] (c)", "evil/app"}));
  EXPECT_THAT(Unchanged(request), Not(Contains("evil/app")));
}

// CVE-2023-34091
TEST(Adversarial_A3, ADeletionTimestampIsNoExcuse) {
  std::string metadata = R"({"deletionTimestamp":"2026-11-21T19:37:55Z","deletionGracePeriodSeconds":3600})";
  ReviewRequest request = Parse(PodUpdate(PodJson("i/app:1", "", metadata), PodJson("evil/app", "", metadata)));
  EXPECT_EQ(request.subject, Subject::kPod);
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.containers[0] (c)", "evil/app"}));
}

TEST(Adversarial_A4, ABarePodWithForgedOwnerReferences) {
  std::string metadata =
      R"({"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"good","uid":"1","controller":true}]})";
  ReviewRequest request = Parse(PodCreate(PodJson("evil/app", "", metadata)));
  EXPECT_EQ(request.subject, Subject::kPod);
  EXPECT_THAT(request.images, SizeIs(1));
}

TEST(Adversarial_A5, AForgedVerdictInAnAnnotationOrLabelChangesNothing) {
  std::string metadata =
      R"({"annotations":{"gatehouse.dev/verified":"true"},"labels":{"gatehouse.dev/verified":"true"}})";
  ReviewRequest request = Parse(PodCreate(PodJson("evil/app", "", metadata)));
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.containers[0] (c)", "evil/app"}));
}

TEST(Adversarial_A7, TheSameKindThroughAnotherGroupAndVersion) {
  for (const char* group : {"apps", "extensions"}) {
    ReviewText review = DeploymentUpdate("null", DeploymentJson(PodJson("evil/app")));
    review.group = review.kind_group = group;
    ReviewRequest request = Parse(review);
    EXPECT_EQ(request.subject, Subject::kWorkload);
    EXPECT_THAT(request.images, SizeIs(1));
  }
}

TEST(Adversarial_A9, ADryRunIsSaidToBeOne) {
  ReviewText review = PodCreate(PodJson("i"));
  review.dry_run = "true";
  EXPECT_TRUE(Parse(review).dry_run);
  review.dry_run = "null";
  EXPECT_FALSE(Parse(review).dry_run);
}

TEST(Adversarial_A10, AnOversizedReview) {
  std::string text = PodCreate(PodJson("i")).Text();
  text.append(limits::kReviewBytes - text.size(), ' ');
  EXPECT_TRUE(ParseReview(text).ok());
  text += ' ';
  EXPECT_EQ(Refusal(text), Reason::kLimitExceeded);
}

TEST(Adversarial_A10, UnknownFieldsOfNewerApiServersAreLet) {
  std::string text = PodCreate(PodJson("i", R"(,"futureField":{"image":"x"})")).Text();
  text.insert(text.size() - 2, R"(,"futureMember":[1])");
  auto result = ParseReview(text);
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result.request().images, SizeIs(1));
}

TEST(Adversarial_A10, DuplicateKeys) {
  struct Case {
    std::string from;
    std::string to;
  };
  const Case kCases[] = {
      {R"("image":"i")", R"("image":"good/app","image":"evil/app")"},
      {R"("containers":)", R"("containers":[],"containers":)"},
      {R"("object":)", R"("object":null,"object":)"},
      {R"("uid":"u-1")", R"("uid":"u-0","uid":"u-1")"},
      {R"("image":"i")", R"("image":"good/app","im\u0061ge":"evil/app")"},
  };
  for (const Case& c : kCases) {
    std::string text = PodCreate(PodJson("i")).Text();
    text.replace(text.find(c.from), c.from.size(), c.to);
    EXPECT_EQ(Refusal(text), Reason::kJsonMalformed) << c.to;
  }
}

TEST(Adversarial_A10, KeysThatDifferInCaseOnlyAreOtherKeys) {
  // The API server reads members case-sensitively: "Containers" is nothing to it, so it must be nothing here.
  EXPECT_EQ(Refusal(PodCreate(R"({"spec":{"Containers":[{"image":"i"}]}})").Text()), Reason::kReviewMalformed);
  EXPECT_EQ(Refusal(PodCreate(R"({"spec":{"containers":[{"Image":"i"}]}})").Text()), Reason::kReviewMalformed);
}

TEST(Adversarial_A10, TheUidIsEchoedAsItCame) {
  ReviewText review = PodCreate(PodJson("i"));
  review.uid = R"(we\"ird\u00e9 <uid>)";
  ReviewRequest request = Parse(review);
  std::string answer = Encode({.uid = request.uid, .allowed = true});
  auto document = codec::JsonDocument::Parse(answer, {.max_bytes = 4096});
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().Find("response")->Find("uid")->AsString(), "we\"ird\xC3\xA9 <uid>");
}

TEST(Adversarial_A12, NoReplicasAreNoExcuse) {
  ReviewText review = DeploymentUpdate("null", DeploymentJson(PodJson("evil/app"), 0));
  review.operation = "CREATE";
  EXPECT_THAT(Parse(review).images, SizeIs(1));
}

TEST(Adversarial_A14, AMirrorPodIsAPodOnItsNode) {
  std::string metadata = R"({"annotations":{"kubernetes.io/config.mirror":"x","kubernetes.io/config.source":"file"}})";
  ReviewRequest request = Parse(PodCreate(PodJson("evil/app", R"(,"nodeName":"node1")", metadata)));
  EXPECT_THAT(request.images, SizeIs(1));
  EXPECT_EQ(request.node, "node1");
  EXPECT_TRUE(request.mirror);
  EXPECT_FALSE(Parse(PodCreate(PodJson("i", "", R"({"labels":{"kubernetes.io/config.mirror":"x"}})"))).mirror);
}

TEST(Adversarial_G1, NodeNameSetAtCreation) {
  EXPECT_EQ(Parse(PodCreate(PodJson("i", R"(,"nodeName":"untrusted")"))).node, "untrusted");
}

ReviewText Binding(const std::string& object) {
  ReviewText review = PodCreate(object);
  review.sub_resource = "binding";
  review.kind = "Binding";
  return review;
}

TEST(Adversarial_G2, TheLegacyBindingsBindToo) {
  ReviewText review = Binding(R"({"metadata":{"name":"p1"},"target":{"kind":"Node","name":"untrusted"}})");
  review.sub_resource = "";
  review.resource = "bindings";
  ReviewRequest request = Parse(review);
  EXPECT_EQ(request.subject, Subject::kBinding);
  EXPECT_EQ(request.resource, "bindings");
  EXPECT_EQ(request.node, "untrusted");
}

TEST(Adversarial_G2, ABindingThatHidesItsNode) {
  for (const char* target :
       {R"(null)", R"({})", R"({"kind":"Node"})", R"({"kind":"Node","name":""})", R"({"kind":"Node","name":null})",
        R"({"kind":"Node","name":1})", R"({"kind":"node","name":"n"})", R"({"kind":"Pod","name":"n"})", R"("n")",
        R"([{"kind":"Node","name":"n"}])"}) {
    EXPECT_EQ(Refusal(Binding(std::string(R"({"metadata":{},"target":)") + target + "}").Text()),
              Reason::kReviewMalformed)
        << target;
  }
  EXPECT_EQ(Refusal(Binding(R"({"metadata":{}})").Text()), Reason::kReviewMalformed);
  // The API server takes an empty kind for Node.
  EXPECT_EQ(Parse(Binding(R"({"target":{"name":"n"}})")).node, "n");
}

TEST(Adversarial_G2, ABindingUnderAnotherOperationStillHasItsNode) {
  ReviewText review = Binding(R"({"target":{"kind":"Node","name":"untrusted"}})");
  review.operation = "UPDATE";
  review.old_object = review.object;
  EXPECT_EQ(Parse(review).node, "untrusted");
}

TEST(Adversarial_G3, AnnotationsAndLabelsOfABindingAreNotBelieved) {
  ReviewRequest request =
      Parse(Binding(R"({"metadata":{"annotations":{"gatehouse.dev/node-verdict":"trusted"},"labels":{"app":"exempt"}},
      "target":{"kind":"Node","name":"untrusted"}})"));
  EXPECT_EQ(request.node, "untrusted");
  EXPECT_FALSE(request.labels.has_value()) << "they are not the pod's";
  EXPECT_THAT(request.images, IsEmpty());
}

TEST(Adversarial_G9, AnUpdateOfABoundPodBringsItsNewImages) {
  std::string before = PodJson("i/app:1", R"(,"nodeName":"node1")");
  std::string after = PodJson("evil/app", R"(,"nodeName":"node1")");
  for (const char* sub_resource : {"", "resize", "ephemeralcontainers"}) {
    ReviewText review = PodUpdate(before, after);
    review.sub_resource = sub_resource;
    ReviewRequest request = Parse(review);
    EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.containers[0] (c)", "evil/app"})) << sub_resource;
    EXPECT_THAT(Unchanged(request), IsEmpty()) << sub_resource;
  }
}

TEST(Adversarial_G13, ABindingNamesThePodByItsUid) {
  ReviewRequest request =
      Parse(Binding(R"({"metadata":{"name":"p1","uid":"old-pod"},"target":{"kind":"Node","name":"n"}})"));
  EXPECT_EQ(request.name, "p1");
  EXPECT_EQ(request.object_uid, "old-pod");
}

TEST(Adversarial_G17, ADryRunOfABindingIsSaidToBeOne) {
  ReviewText review = Binding(R"({"target":{"kind":"Node","name":"n"}})");
  review.dry_run = "true";
  EXPECT_TRUE(Parse(review).dry_run);
}

}  // namespace
}  // namespace gatehouse::admission
