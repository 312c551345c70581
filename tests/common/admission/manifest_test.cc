#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/admission/review.h"

namespace gatehouse::admission {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ReviewRequest Parse(const std::string& json) {
  auto result = ParseManifestObject(json, "team-a");
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().error.ToString());
  return result.ok() ? result.request() : ReviewRequest{};
}

TEST(Manifest, APodAsItWouldBeCreated) {
  ReviewRequest request = Parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","labels":{"a":"b"}},
      "spec":{"nodeName":"n1","containers":[{"name":"c","image":"nginx"}]}})");
  EXPECT_EQ(request.subject, Subject::kPod);
  EXPECT_EQ(request.operation, "CREATE");
  EXPECT_EQ(request.kind, "Pod");
  EXPECT_EQ(request.resource, "pods");
  EXPECT_EQ(request.name, "p");
  EXPECT_EQ(request.namespace_name, "team-a");
  EXPECT_EQ(request.uid, "");
  EXPECT_EQ(request.node, "n1");
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.containers[0] (c)", "nginx"}));
  EXPECT_EQ(request.labels, (std::map<std::string, std::string>{{"a", "b"}}));
}

TEST(Manifest, ItsOwnNamespaceGoesBeforeTheDefault) {
  ReviewRequest request = Parse(R"({"apiVersion":"batch/v1","kind":"CronJob","metadata":{"name":"j","namespace":"own"},
      "spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":[{"image":"i"}]}}}}}})");
  EXPECT_EQ(request.subject, Subject::kWorkload);
  EXPECT_EQ(request.kind, "batch/CronJob");
  EXPECT_EQ(request.resource, "cronjobs");
  EXPECT_EQ(request.namespace_name, "own");
}

TEST(Manifest, ABinding) {
  ReviewRequest request =
      Parse(R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"p"},"target":{"name":"n"}})");
  EXPECT_EQ(request.subject, Subject::kBinding);
  EXPECT_EQ(request.node, "n");
}

TEST(Manifest, OtherKindsAreOfNoConcern) {
  for (const char* json :
       {R"({"apiVersion":"v1","kind":"ConfigMap","data":{}})", R"({"apiVersion":"example.com/v1","kind":"Pod"})",
        R"({"apiVersion":"example.com/v1","kind":"WishList","spec":{}})"}) {
    ReviewRequest request = Parse(json);
    EXPECT_EQ(request.subject, Subject::kOther) << json;
    EXPECT_THAT(request.images, IsEmpty()) << json;
  }
}

struct Case {
  std::string_view json;
  Reason reason;
  std::string_view detail;
};

TEST(Manifest, Refused) {
  const Case kCases[] = {
      {"", Reason::kJsonMalformed, ""},
      {"[]", Reason::kReviewMalformed, "must be an object"},
      {R"({"kind":"Pod"})", Reason::kReviewMalformed, "missing"},
      {R"({"apiVersion":"v1"})", Reason::kReviewMalformed, "missing"},
      {R"({"apiVersion":"/v1","kind":"Pod"})", Reason::kReviewMalformed, "GROUP/VERSION"},
      {R"({"apiVersion":"apps/","kind":"Deployment"})", Reason::kReviewMalformed, "GROUP/VERSION"},
      {R"({"apiVersion":"a/b/c","kind":"Pod"})", Reason::kReviewMalformed, "GROUP/VERSION"},
      {R"({"apiVersion":"v1","kind":"Deployment"})", Reason::kReviewMalformed, "did you mean apps/Deployment?"},
      {R"({"apiVersion":"apps/v1","kind":"CronJob"})", Reason::kReviewMalformed, "did you mean batch/CronJob?"},
      {R"({"apiVersion":"v1","kind":"List","items":[]})", Reason::kReviewMalformed, "is a list"},
      {R"({"apiVersion":"apps/v1","kind":"DeploymentList","items":[]})", Reason::kReviewMalformed, "is a list"},
      {R"({"apiVersion":"v1","kind":"Pod","spec":{"containers":[]}})", Reason::kReviewMalformed, "nothing to judge"},
      {R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":1},"spec":{"containers":[{"image":"i"}]}})",
       Reason::kReviewMalformed, "must be a string"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.json);
    auto result = ParseManifestObject(c.json, "default");
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().error.reason, c.reason);
    EXPECT_THAT(result.error().error.detail, HasSubstr(std::string(c.detail)));
    EXPECT_EQ(result.error().uid, "");
  }
}

}  // namespace
}  // namespace gatehouse::admission
