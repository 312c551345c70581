#include "common/admission/review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "tests/common/admission/review_builder.h"

namespace gatehouse::admission {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ReviewRequest Parse(const ReviewText& review) {
  auto result = ParseReview(review.Text());
  EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().error.ToString());
  return result.ok() ? result.request() : ReviewRequest{};
}

// The error of a review whose uid could be read.
Error Refusal(const std::string& text) {
  auto result = ParseReview(text);
  EXPECT_FALSE(result.ok()) << text;
  if (result.ok()) return {Reason::kInternal, "", "was accepted"};
  EXPECT_EQ(result.error().uid, "u-1");
  return result.error().error;
}
Error Refusal(const ReviewText& review) {
  return Refusal(review.Text());
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

const ReviewText kPod = PodCreate(PodJson("registry.example/app:1"));

TEST(Review, EverythingOfAPodIsRead) {
  ReviewText review = PodCreate(R"({"metadata":{"uid":"pod-uid","labels":{"app":"a","empty":""}},"spec":{
      "containers":[{"name":"app","image":"i/app:1"},{"image":"i/side@sha256:00"}],
      "initContainers":[{"name":"setup","image":"i/setup"}],
      "ephemeralContainers":[{"name":"debug","image":"i/debug"}],
      "volumes":[{"name":"data","emptyDir":{}},{"name":"model","image":{"reference":"i/model:2","pullPolicy":"Always"}}],
      "nodeName":"node1"}})");
  ReviewRequest request = Parse(review);
  EXPECT_EQ(request.uid, "u-1");
  EXPECT_EQ(request.operation, "CREATE");
  EXPECT_EQ(request.kind, "Pod");
  EXPECT_EQ(request.resource, "pods");
  EXPECT_EQ(request.name, "p1");
  EXPECT_EQ(request.namespace_name, "default");
  EXPECT_EQ(request.user, "alice");
  EXPECT_EQ(request.object_uid, "pod-uid");
  EXPECT_FALSE(request.dry_run);
  EXPECT_EQ(request.subject, Subject::kPod);
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.containers[0] (app)", "i/app:1"},
                                          ImageUse{"spec.containers[1]", "i/side@sha256:00"},
                                          ImageUse{"spec.initContainers[0] (setup)", "i/setup"},
                                          ImageUse{"spec.ephemeralContainers[0] (debug)", "i/debug"},
                                          ImageUse{"spec.volumes[1].image (model)", "i/model:2"}));
  EXPECT_EQ(request.labels, (std::map<std::string, std::string>{{"app", "a"}, {"empty", ""}}));
  EXPECT_EQ(request.node, "node1");
  EXPECT_THAT(Unchanged(request), IsEmpty());
}

TEST(Review, NullIsAbsentAsItIsToTheApiServer) {
  ReviewText review =
      PodCreate(R"({"metadata":{"labels":null,"uid":null},"spec":{"containers":[{"name":null,"image":"i"}],
      "initContainers":null,"ephemeralContainers":null,"volumes":[{"name":"v","image":null}],"nodeName":null}})");
  ReviewRequest request = Parse(review);
  EXPECT_THAT(request.images, ElementsAre(ImageUse{"spec.containers[0]", "i"}));
  EXPECT_TRUE(request.labels.has_value());
  EXPECT_FALSE(request.node.has_value());
}

TEST(Review, AnEmptyNodeNameIsNone) {
  EXPECT_FALSE(Parse(PodCreate(PodJson("i", R"(,"nodeName":"")"))).node.has_value());
}

TEST(Review, AHostileContainerNameIsShownPrintable) {
  ReviewRequest request = Parse(PodCreate(R"({"spec":{"containers":[{"name":"a\u001b[2J\n","image":"i"}]}})"));
  EXPECT_EQ(request.images.at(0).where, "spec.containers[0] (a\\x1b[2J\\x0a)");
}

struct TypeCase {
  std::string_view group;
  std::string_view resource;
  std::string_view sub_resource;
  std::string_view kind_group;
  std::string_view kind;
  Subject subject;
};

TEST(Review, OfNoConcern) {
  const TypeCase kCases[] = {
      {"", "configmaps", "", "", "ConfigMap", Subject::kOther},
      {"", "pods", "eviction", "policy", "Eviction", Subject::kOther},
      {"", "pods", "exec", "", "PodExecOptions", Subject::kOther},
      {"", "nodes", "", "", "Node", Subject::kOther},
      {"", "serviceaccounts", "token", "authentication.k8s.io", "TokenRequest", Subject::kOther},
      {"apps", "deployments", "scale", "autoscaling", "Scale", Subject::kOther},
      {"apps", "controllerrevisions", "", "apps", "ControllerRevision", Subject::kOther},
      {"metrics.k8s.io", "pods", "", "metrics.k8s.io", "PodMetrics", Subject::kOther},
      // A kind of the same name in somebody else's group is no pod: no kubelet runs it.
      {"example.com", "pods", "", "example.com", "Pod", Subject::kOther},
      {"example.com", "deployments", "", "example.com", "Deployment", Subject::kOther},
      {"argoproj.io", "rollouts", "", "argoproj.io", "Rollout", Subject::kOther},
  };
  for (const TypeCase& c : kCases) {
    SCOPED_TRACE(std::string(c.resource) + "/" + std::string(c.sub_resource));
    ReviewText review;
    review.group = c.group;
    review.resource = c.resource;
    review.sub_resource = c.sub_resource;
    review.kind_group = c.kind_group;
    review.kind = c.kind;
    review.namespace_name = "";
    review.object = "null";  // not looked at
    EXPECT_EQ(Parse(review).subject, Subject::kOther);
  }
}

// A write to /status may change labels, by which policies select.
TEST(Review, StatusIsJudgedLikeItsObject) {
  ReviewText review =
      PodUpdate(PodJson("i", "", R"({"labels":{"a":"1"}})"), PodJson("i", "", R"({"labels":{"a":"2"}})"));
  review.sub_resource = "status";
  ReviewRequest request = Parse(review);
  EXPECT_EQ(request.subject, Subject::kPod);
  EXPECT_THAT(Unchanged(request), ElementsAre("i"));
  EXPECT_NE(request.labels, request.old_labels);
}

TEST(Review, DeleteAndConnectAreOfNoConcernWhateverTheyCarry) {
  for (const char* operation : {"DELETE", "CONNECT"}) {
    ReviewText review = kPod;
    review.operation = operation;
    review.old_object = review.object;
    review.object = "null";
    ReviewRequest request = Parse(review);
    EXPECT_EQ(request.subject, Subject::kOther);
    EXPECT_THAT(request.images, IsEmpty());
    EXPECT_EQ(request.operation, operation);
  }
}

TEST(Review, ResourceAndKindThatDoNotBelongTogether) {
  const TypeCase kCases[] = {
      {"", "pods", "", "", "ConfigMap", {}},
      {"", "pods", "", "example.com", "Pod", {}},
      {"", "configmaps", "", "", "Pod", {}},
      {"", "Pods", "", "", "Pod", {}},
      {"", "pods", "binding", "", "Pod", {}},
      {"", "pods", "ephemeralcontainers", "", "Binding", {}},
      {"", "bindings", "", "", "Pod", {}},
      {"", "pods", "", "", "Binding", {}},
      {"apps", "deployments", "", "apps", "ReplicaSet", {}},
      {"apps", "replicasets", "", "apps", "Deployment", {}},
      {"", "deployments", "", "", "Deployment", {}},
      {"batch", "deployments", "", "batch", "Deployment", {}},
      {"apps", "jobs", "", "apps", "Job", {}},
      {"", "nodes", "proxy", "", "Pod", {}},
  };
  for (const TypeCase& c : kCases) {
    SCOPED_TRACE(std::string(c.resource) + " " + std::string(c.kind));
    ReviewText review = kPod;
    review.group = c.group;
    review.resource = c.resource;
    review.sub_resource = c.sub_resource;
    review.kind_group = c.kind_group;
    review.kind = c.kind;
    Error error = Refusal(review);
    EXPECT_EQ(error.reason, Reason::kReviewMalformed);
    EXPECT_THAT(error.ToString(), HasSubstr("do not belong together"));
  }
}

TEST(Review, AnUnknownSubresourceThatCarriesAPodIsJudged) {
  for (const char* sub_resource : {"resize", "newthing"}) {
    ReviewText review = PodUpdate(PodJson("i/app:1"), PodJson("i/app:2"));
    review.sub_resource = sub_resource;
    ReviewRequest request = Parse(review);
    EXPECT_EQ(request.subject, Subject::kPod) << sub_resource;
    EXPECT_THAT(request.images, SizeIs(1)) << sub_resource;
  }
}

struct WorkloadCase {
  std::string_view group;
  std::string_view resource;
  std::string_view kind;
  std::string_view before;
  std::string_view after;
  std::string_view where;
};
const WorkloadCase kWorkloads[] = {
    {"apps", "deployments", "Deployment", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"apps", "replicasets", "ReplicaSet", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"apps", "statefulsets", "StatefulSet", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"apps", "daemonsets", "DaemonSet", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"extensions", "deployments", "Deployment", R"({"spec":{"template":)", "}}",
     "spec.template.spec.containers[0] (c)"},
    {"extensions", "replicasets", "ReplicaSet", R"({"spec":{"template":)", "}}",
     "spec.template.spec.containers[0] (c)"},
    {"extensions", "daemonsets", "DaemonSet", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"extensions", "jobs", "Job", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"batch", "jobs", "Job", R"({"spec":{"template":)", "}}", "spec.template.spec.containers[0] (c)"},
    {"batch", "cronjobs", "CronJob", R"({"spec":{"jobTemplate":{"spec":{"template":)", "}}}}",
     "spec.jobTemplate.spec.template.spec.containers[0] (c)"},
    {"", "replicationcontrollers", "ReplicationController", R"({"spec":{"template":)", "}}",
     "spec.template.spec.containers[0] (c)"},
    {"", "podtemplates", "PodTemplate", R"({"template":)", "}", "template.spec.containers[0] (c)"},
};

ReviewText WorkloadReview(const WorkloadCase& c, const std::string& pod) {
  ReviewText review = PodCreate(std::string(c.before) + pod + std::string(c.after));
  review.group = review.kind_group = c.group;
  review.resource = c.resource;
  review.kind = c.kind;
  return review;
}

TEST(Review, EveryWorkloadOfEveryVersion) {
  std::string pod = PodJson("i/app:1", R"(,"nodeName":"node1")", R"({"labels":{"app":"a"}})");
  for (const WorkloadCase& c : kWorkloads) {
    for (const char* version : {"v1", "v1beta1", "v1beta2", "v2alpha1", "v3"}) {
      SCOPED_TRACE(std::string(c.group) + "/" + version + " " + std::string(c.kind));
      std::string text = WorkloadReview(c, pod).Text();
      for (std::size_t at; (at = text.find(R"("version":"v1")")) != std::string::npos;) {
        text.replace(at, 14, std::string(R"("version" :")") + version + "\"");
      }
      auto result = ParseReview(text);
      ASSERT_TRUE(result.ok()) << result.error().error.ToString();
      EXPECT_EQ(result.request().subject, Subject::kWorkload);
      EXPECT_THAT(result.request().images, ElementsAre(ImageUse{std::string(c.where), "i/app:1"}));
      EXPECT_EQ(result.request().labels, (std::map<std::string, std::string>{{"app", "a"}}));
      EXPECT_FALSE(result.request().node.has_value()) << "its pods are judged when they come";
    }
  }
}

TEST(Review, AWorkloadWithoutATemplate) {
  for (const WorkloadCase& c : kWorkloads) {
    SCOPED_TRACE(c.kind);
    EXPECT_EQ(Refusal(WorkloadReview(c, "null")).reason, Reason::kReviewMalformed);
    EXPECT_EQ(Refusal(WorkloadReview(c, "[]")).reason, Reason::kReviewMalformed);
    EXPECT_EQ(Refusal(WorkloadReview(c, R"({"metadata":{}})")).reason, Reason::kReviewMalformed);
    ReviewText review = WorkloadReview(c, "null");
    review.object = "{}";
    EXPECT_EQ(Refusal(review).reason, Reason::kReviewMalformed);
  }
}

// --- what is missing or of the wrong type

struct Defect {
  std::string_view name;
  std::string object;
  Reason reason;
  std::string_view where;
};

TEST(Review, PodsThatCannotBeJudged) {
  const Reason kMalformed = Reason::kReviewMalformed;
  const Defect kDefects[] = {
      {"null object", "null", kMalformed, "request.object"},
      {"object is an array", "[]", kMalformed, "request.object"},
      {"no spec", R"({"metadata":{}})", kMalformed, "request.object: spec"},
      {"null spec", R"({"spec":null})", kMalformed, "request.object: spec"},
      {"no containers", R"({"spec":{}})", kMalformed, "request.object: spec.containers"},
      {"null containers", R"({"spec":{"containers":null}})", kMalformed, "request.object: spec.containers"},
      {"empty containers", R"({"spec":{"containers":[]}})", kMalformed, "request.object: spec.containers"},
      {"empty containers beside others", R"({"spec":{"containers":[],"initContainers":[{"image":"i"}]}})", kMalformed,
       "request.object: spec.containers"},
      {"containers as object", R"({"spec":{"containers":{"0":{"image":"i"}}}})", kMalformed,
       "request.object: spec.containers"},
      {"a container is null", R"({"spec":{"containers":[{"image":"i"},null]}})", kMalformed,
       "request.object: spec.containers[1]"},
      {"a container is a string", R"({"spec":{"containers":["i"]}})", kMalformed, "request.object: spec.containers[0]"},
      {"no image", R"({"spec":{"containers":[{"name":"c"}]}})", kMalformed, "request.object: spec.containers[0].image"},
      {"null image", R"({"spec":{"containers":[{"image":null}]}})", kMalformed,
       "request.object: spec.containers[0].image"},
      {"number for an image", R"({"spec":{"containers":[{"image":7}]}})", kMalformed,
       "request.object: spec.containers[0].image"},
      {"array for an image", R"({"spec":{"containers":[{"image":["i"]}]}})", kMalformed,
       "request.object: spec.containers[0].image"},
      {"empty image", R"({"spec":{"containers":[{"image":""}]}})", kMalformed,
       "request.object: spec.containers[0].image"},
      {"name of another type", R"({"spec":{"containers":[{"name":1,"image":"i"}]}})", kMalformed,
       "request.object: spec.containers[0].name"},
      {"initContainers as object", PodJson("i", R"(,"initContainers":{})"), kMalformed,
       "request.object: spec.initContainers"},
      {"init container without image", PodJson("i", R"(,"initContainers":[{}])"), kMalformed,
       "request.object: spec.initContainers[0].image"},
      {"ephemeralContainers as string", PodJson("i", R"(,"ephemeralContainers":"x")"), kMalformed,
       "request.object: spec.ephemeralContainers"},
      {"volumes as object", PodJson("i", R"(,"volumes":{})"), kMalformed, "request.object: spec.volumes"},
      {"a volume is null", PodJson("i", R"(,"volumes":[null])"), kMalformed, "request.object: spec.volumes[0]"},
      {"image volume as string", PodJson("i", R"(,"volumes":[{"image":"x"}])"), kMalformed,
       "request.object: spec.volumes[0].image"},
      {"image volume without reference", PodJson("i", R"(,"volumes":[{"image":{}}])"), kMalformed,
       "request.object: spec.volumes[0].image.reference"},
      {"image volume with number", PodJson("i", R"(,"volumes":[{"image":{"reference":1}}])"), kMalformed,
       "request.object: spec.volumes[0].image.reference"},
      {"nodeName of another type", PodJson("i", R"(,"nodeName":{})"), kMalformed, "request.object: spec.nodeName"},
      {"metadata of another type", PodJson("i", "", "[]"), kMalformed, "request.object.metadata"},
      {"uid of another type", PodJson("i", "", R"({"uid":1})"), kMalformed, "request.object.metadata.uid"},
      {"labels as array", PodJson("i", "", R"({"labels":[]})"), kMalformed, "request.object: metadata.labels"},
      {"a label is a number", PodJson("i", "", R"({"labels":{"a":1}})"), kMalformed,
       "request.object: metadata.labels[a]"},
      {"a label is null", PodJson("i", "", R"({"labels":{"a":null}})"), kMalformed,
       "request.object: metadata.labels[a]"},
  };
  for (const Defect& defect : kDefects) {
    SCOPED_TRACE(defect.name);
    Error error = Refusal(PodCreate(defect.object));
    EXPECT_EQ(error.reason, defect.reason);
    EXPECT_EQ(error.where, defect.where);
    EXPECT_FALSE(error.detail.empty());
  }
}

TEST(Review, EnvelopesThatCannotBeJudged) {
  struct Case {
    std::string_view name;
    std::string from;
    std::string to;
    std::string_view where;
  };
  const Case kCases[] = {
      {"no operation", R"("operation":"CREATE",)", "", "request.operation"},
      {"lower-case operation", R"("CREATE")", R"("create")", "request.operation"},
      {"unknown operation", R"("CREATE")", R"("PATCH")", "request.operation"},
      {"operation of another type", R"("CREATE")", "1", "request.operation"},
      {"kind as string", R"("kind":{"group":"","version":"v1","kind":"Pod"})", R"("kind":"Pod")", "request.kind"},
      {"null kind", R"("kind":{"group":"","version":"v1","kind":"Pod"})", R"("kind":null)", "request.kind"},
      {"no kind in kind", R"("version":"v1","kind":"Pod")", R"("version":"v1")", "request.kind.kind"},
      {"group of another type", R"("kind":{"group":"")", R"("kind":{"group":1)", "request.kind.group"},
      {"no resource", R"("resource":{"group":"","version":"v1","resource":"pods"},)", "", "request.resource"},
      {"no resource in resource", R"(,"resource":"pods")", "", "request.resource.resource"},
      {"resource group of another type", R"("resource":{"group":"")", R"("resource":{"group":[])",
       "request.resource.group"},
      {"subResource of another type", R"("name":"p1")", R"("name":"p1","subResource":[])", "request.subResource"},
      {"name of another type", R"("name":"p1")", R"("name":1)", "request.name"},
      {"namespace of another type", R"("namespace":"default")", R"("namespace":{})", "request.namespace"},
      {"no namespace", R"("namespace":"default",)", "", "request.namespace"},
      {"userInfo of another type", R"({"username":"alice"})", R"("alice")", "request.userInfo"},
      {"username of another type", R"("alice")", "1", "request.userInfo.username"},
      {"dryRun of another type", R"("dryRun":false)", R"("dryRun":"false")", "request.dryRun"},
      {"no object",
       R"("object":{"metadata":{},"spec":{"containers":[{"name":"c","image":"registry.example/app:1"}]}},)", "",
       "request.object"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Error error = Refusal(Replaced(kPod.Text(), c.from, c.to));
    EXPECT_EQ(error.reason, Reason::kReviewMalformed);
    EXPECT_EQ(error.where, c.where);
  }
}

TEST(Review, WhatHasNoUidCannotBeAnswered) {
  struct Case {
    std::string_view name;
    std::string text;
    Reason reason;
  };
  std::string good = kPod.Text();
  const Case kCases[] = {
      {"empty body", "", Reason::kJsonMalformed},
      {"trailing data", good + "{}", Reason::kJsonMalformed},
      {"not an object", "[]", Reason::kReviewMalformed},
      {"no request", R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"})", Reason::kReviewMalformed},
      {"null request", R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":null})",
       Reason::kReviewMalformed},
      {"request as array", R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":[]})",
       Reason::kReviewMalformed},
      {"no uid", Replaced(good, R"("uid":"u-1",)", ""), Reason::kReviewMalformed},
      {"empty uid", Replaced(good, R"("uid":"u-1")", R"("uid":"")"), Reason::kReviewMalformed},
      {"uid of another type", Replaced(good, R"("uid":"u-1")", R"("uid":1)"), Reason::kReviewMalformed},
      {"v1beta1", Replaced(good, "admission.k8s.io/v1", "admission.k8s.io/v1beta1"), Reason::kContentUnsupported},
      {"no apiVersion", Replaced(good, R"("apiVersion":"admission.k8s.io/v1",)", ""), Reason::kContentUnsupported},
      {"apiVersion of another type", Replaced(good, R"("admission.k8s.io/v1")", "1"), Reason::kReviewMalformed},
      {"another kind", Replaced(good, R"("AdmissionReview")", R"("TokenReview")"), Reason::kContentUnsupported},
      {"no kind", Replaced(good, R"("kind":"AdmissionReview",)", ""), Reason::kContentUnsupported},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    auto result = ParseReview(c.text);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().error.reason, c.reason) << result.error().error.ToString();
    EXPECT_EQ(result.error().uid, "");
  }
}

TEST(Review, WhoAsksMayBeLeftOut) {
  auto result = ParseReview(Replaced(kPod.Text(), R"("userInfo":{"username":"alice"},)", ""));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result.request().user, "");
}

// --- updates

TEST(Review, AnUpdateNeedNotJudgeAgainWhatItDoesNotChange) {
  std::string before =
      PodJson("i/app:1", R"(,"initContainers":[{"name":"a","image":"i/init:1"},{"name":"b","image":"i/app:1"}])");
  std::string after =
      PodJson("i/app:2", R"(,"initContainers":[{"name":"a","image":"i/init:1"},{"name":"b","image":"i/app:1"}])");
  ReviewRequest request = Parse(PodUpdate(before, after));
  EXPECT_THAT(request.images, SizeIs(3));
  EXPECT_THAT(Unchanged(request), ElementsAre("i/app:1", "i/init:1"));
}

// Another list, another name, two that change places: each is pulled again, and a tag may have moved.
TEST(Review, TheSameImageInAnotherContainerIsNew) {
  std::string before =
      PodJson("i/app:1", R"(,"initContainers":[{"name":"a","image":"i/init:1"},{"image":"i/nameless"}])");
  for (const char* containers :
       {R"(,"initContainers":[{"name":"c","image":"i/app:1"}])",
        R"(,"ephemeralContainers":[{"name":"c","image":"i/app:1"}])",
        R"(,"initContainers":[{"name":"b","image":"i/init:1"}])",
        R"(,"initContainers":[{"name":"a","image":"i/app:1"}])", R"(,"initContainers":[{"image":"i/nameless"}])",
        R"(,"volumes":[{"name":"c","image":{"reference":"i/app:1"}}])"}) {
    EXPECT_THAT(Unchanged(Parse(PodUpdate(before, PodJson("i/app:2", containers)))), IsEmpty()) << containers;
  }
}

TEST(Review, TheLabelsBeforeComeAlong) {
  std::string before = PodJson("i", "", R"({"labels":{"a":"1"}})");
  ReviewRequest request = Parse(PodUpdate(before, PodJson("i", "", R"({"labels":{"a":"2"}})")));
  EXPECT_THAT(Unchanged(request), ElementsAre("i"));
  EXPECT_EQ(request.old_labels->at("a"), "1");
  EXPECT_EQ(request.labels->at("a"), "2");
}

TEST(Review, TheLabelsOfTheTemplateCountNotThoseOfTheWorkload) {
  std::string before = R"({"metadata":{"labels":{"x":"1"}},"spec":{"template":)" + PodJson("i") + "}}";
  std::string after = R"({"metadata":{"labels":{"x":"2"}},"spec":{"template":)" + PodJson("i") + "}}";
  EXPECT_THAT(Unchanged(Parse(DeploymentUpdate(before, after))), ElementsAre("i"));
}

TEST(Review, AnOldObjectThatCannotBeReadExcusesNothing) {
  for (const char* old_object : {"null", "{}", "[]", R"({"spec":{"containers":[{"image":""}]}})"}) {
    ReviewRequest request = Parse(PodUpdate(old_object, PodJson("i")));
    EXPECT_THAT(Unchanged(request), IsEmpty()) << old_object;
    EXPECT_THAT(request.images, SizeIs(1)) << old_object;
  }
}

TEST(Review, OnCreateNoOldObjectExcusesAnything) {
  ReviewText review = PodUpdate(PodJson("i"), PodJson("i"));
  review.operation = "CREATE";
  EXPECT_THAT(Unchanged(Parse(review)), IsEmpty());
}

TEST(Review, AnUpdatePutsAPodNowhere) {
  std::string pod = PodJson("i", R"(,"nodeName":"node1")");
  EXPECT_FALSE(Parse(PodUpdate(pod, pod)).node.has_value());
}

// --- limits

TEST(Review, AsManyImagesAsTheLimitAndOneMore) {
  std::string more;
  for (std::size_t i = 1; i < limits::kImagesPerReview; ++i) more += R"({"image":"i"},)";
  std::string object = R"({"spec":{"containers":[)" + more + R"({"image":"i"}]}})";
  EXPECT_THAT(Parse(PodCreate(object)).images, SizeIs(limits::kImagesPerReview));
  std::string beyond = Replaced(object, "]}}", R"(],"volumes":[{"image":{"reference":"i"}}]}})");
  EXPECT_EQ(Refusal(PodCreate(beyond)).reason, Reason::kLimitExceeded);
  EXPECT_EQ(Refusal(PodCreate(R"({"spec":{"containers":[)" + more + R"({"image":"i"},{"image":"i"}]}})")).reason,
            Reason::kLimitExceeded);
}

}  // namespace
}  // namespace gatehouse::admission
