// With whose credentials a node would pull the images of a review.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/admission/review_builder.h"

namespace gatehouse::admission {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ReviewRequest Read(const ReviewText& review) {
  auto result = ParseReview(review.Text());
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().error.ToString());
  return result.ok() ? result.request() : ReviewRequest{};
}

TEST(PullSecretsOf, APod) {
  ReviewRequest request = Read(
      PodCreate(PodJson("nginx", R"(,"serviceAccountName":"runner","imagePullSecrets":[{"name":"a"},{"name":"b"}])")));
  EXPECT_EQ(request.service_account, "runner");
  EXPECT_THAT(request.pull_secrets, ElementsAre("a", "b"));
}

TEST(PullSecretsOf, APodThatNamesNone) {
  ReviewRequest request = Read(PodCreate(PodJson("nginx")));
  EXPECT_EQ(request.service_account, "default");
  EXPECT_THAT(request.pull_secrets, IsEmpty());
}

TEST(PullSecretsOf, TheOlderNameOfTheServiceAccount) {
  EXPECT_EQ(Read(PodCreate(PodJson("nginx", R"(,"serviceAccount":"old")"))).service_account, "old");
  EXPECT_EQ(Read(PodCreate(PodJson("nginx", R"(,"serviceAccount":"old","serviceAccountName":"new")"))).service_account,
            "new");
}

TEST(PullSecretsOf, TheTemplateOfAWorkload) {
  ReviewText review = DeploymentUpdate(
      "null", DeploymentJson(PodJson("nginx", R"(,"serviceAccountName":"runner","imagePullSecrets":[{"name":"a"}])")));
  review.operation = "CREATE";
  ReviewRequest request = Read(review);
  EXPECT_EQ(request.service_account, "runner");
  EXPECT_THAT(request.pull_secrets, ElementsAre("a"));
}

TEST(PullSecretsOf, AManifest) {
  auto result = ParseManifestObject(R"({"apiVersion":"v1","kind":"Pod","spec":{"imagePullSecrets":[{"name":"a"}],
      "containers":[{"name":"c","image":"nginx"}]}})",
                                    "team-a");
  ASSERT_TRUE(result.ok());
  EXPECT_THAT(result.request().pull_secrets, ElementsAre("a"));
  EXPECT_EQ(result.request().service_account, "default");
}

TEST(PullSecretsOf, WhatHasNoPodsSpecNamesNobody) {
  ReviewText binding;
  binding.sub_resource = "binding";
  binding.kind = "Binding";
  binding.object = R"({"target":{"name":"n"}})";
  EXPECT_EQ(Read(binding).service_account, "");
}

// The API server lets an entry without a name stand; it is no Secret.
TEST(PullSecretsOf, AnEntryWithoutAName) {
  EXPECT_THAT(Read(PodCreate(PodJson("nginx", R"(,"imagePullSecrets":[{},{"name":""},{"name":null},{"name":"a"}])")))
                  .pull_secrets,
              ElementsAre("a"));
  EXPECT_THAT(Read(PodCreate(PodJson("nginx", R"(,"imagePullSecrets":null)"))).pull_secrets, IsEmpty());
}

TEST(PullSecretsOf, WhatIsOfAnotherType) {
  struct {
    const char* extra;
    const char* where;
  } const cases[] = {
      {R"(,"imagePullSecrets":{"name":"a"})", "request.object: spec.imagePullSecrets"},
      {R"(,"imagePullSecrets":["a"])", "request.object: spec.imagePullSecrets[0]"},
      {R"(,"imagePullSecrets":[{"name":1}])", "request.object: spec.imagePullSecrets[0].name"},
      {R"(,"serviceAccountName":1)", "request.object: spec.serviceAccountName"},
      {R"(,"serviceAccount":{})", "request.object: spec.serviceAccount"},
  };
  for (const auto& c : cases) {
    auto result = ParseReview(PodCreate(PodJson("nginx", c.extra)).Text());
    ASSERT_FALSE(result.ok()) << c.extra;
    EXPECT_EQ(result.error().error.reason, Reason::kReviewMalformed) << c.extra;
    EXPECT_EQ(result.error().error.where, c.where);
    EXPECT_EQ(result.error().uid, "u-1");
  }
}

}  // namespace
}  // namespace gatehouse::admission
