// AdmissionReviews exactly as kube-apiserver 1.20 sent them: what each is taken for.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "common/admission/review.h"
#include "tests/common/admission/review_builder.h"

namespace gatehouse::admission {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::filesystem::path kFolder = std::filesystem::path(GATEHOUSE_SOURCE_DIR) / "tests/testdata/admission-reviews";

std::string ReadSample(const std::string& name) {
  std::ifstream stream(kFolder / name, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

struct Sample {
  std::string_view file;
  Subject subject;
  std::string_view operation;
  std::string_view kind;
  std::string_view resource;
  std::string_view images;  // "where=image", by commas
  std::string_view labels;  // "key=value", by commas; "?" where the request does not carry them
  std::string_view node;    // "" for none
};

constexpr std::string_view kBb1 = "registry.test:5000/bb:1";

const Sample kSamples[] = {
    {"bindings-legacy-by-user.json", Subject::kBinding, "CREATE", "Binding", "bindings", "", "?", "node1"},
    {"cronjob-create.json", Subject::kWorkload, "CREATE", "batch/CronJob", "cronjobs",
     "spec.jobTemplate.spec.template.spec.containers[0] (c)=registry.test:5000/bb:1", "", ""},
    {"daemonset-create.json", Subject::kWorkload, "CREATE", "apps/DaemonSet", "daemonsets",
     "spec.template.spec.containers[0] (agent)=registry.test:5000/bb:1", "app=agent", ""},
    {"deployment-create.json", Subject::kWorkload, "CREATE", "apps/Deployment", "deployments",
     "spec.template.spec.containers[0] (bb)=registry.test:5000/bb:1", "app=d1", ""},
    {"deployment-update.json", Subject::kWorkload, "UPDATE", "apps/Deployment", "deployments",
     "spec.template.spec.containers[0] (bb)=registry.test:5000/bb:t1", "app=du", ""},
    {"job-create.json", Subject::kWorkload, "CREATE", "batch/Job", "jobs",
     "spec.template.spec.containers[0] (j1)=registry.test:5000/bb:1",
     "controller-uid=17f15718-a395-4a65-9038-e064640de9a1,job-name=j1", ""},
    {"mutating-pod-create-by-replicaset-controller.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (bb)=registry.test:5000/bb:1", "app=mut,pod-template-hash=6bb8b67bc4", ""},
    {"pod-create-by-daemonset-controller.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (agent)=registry.test:5000/bb:1",
     "app=agent,controller-revision-hash=d85656547,pod-template-generation=1", ""},
    {"pod-create-by-job-controller.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (j1)=registry.test:5000/bb:1",
     "controller-uid=17f15718-a395-4a65-9038-e064640de9a1,job-name=j1", ""},
    {"pod-create-by-replicaset-controller.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (bb)=registry.test:5000/bb:1", "app=d1,pod-template-hash=547f9885b7", ""},
    {"pod-create-by-replication-controller.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (c)=registry.test:5000/bb:1", "app=rc1", ""},
    {"pod-create-by-serviceaccount-bound-token.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (a)=registry.test:5000/bb:1,spec.containers[1] (b)=registry.test:5000/"
     "bb@sha256:09f9b27fadfea257ac9da1d0f50122adcf9ecac58e1664dbfc87363be3300ba2,"
     "spec.initContainers[0] (i)=registry.test:5000/bb:1",
     "", ""},
    {"pod-create-by-statefulset-controller.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (c)=registry.test:5000/bb:1",
     "app=ss1,controller-revision-hash=ss1-5787879c4c,statefulset.kubernetes.io/pod-name=ss1-0", ""},
    {"pod-create-by-user-generateName-nodeName.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (c)=registry.test:5000/bb:1", "", "node1"},
    {"pod-create-by-user.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (p1)=registry.test:5000/bb:1", "run=p1", ""},
    {"pod-create-dry-run.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (dry1)=registry.test:5000/bb:1", "run=dry1", ""},
    {"pod-create-mirror-by-kubelet.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (c)=registry.test:5000/bb:1", "static=yes", "node1"},
    {"pod-create-server-side-apply.json", Subject::kPod, "CREATE", "Pod", "pods",
     "spec.containers[0] (c)=registry.test:5000/bb:1", "", ""},
    {"pod-delete-by-kubelet.json", Subject::kOther, "DELETE", "Pod", "pods", "", "?", ""},
    {"pod-delete-by-user.json", Subject::kOther, "DELETE", "Pod", "pods", "", "?", ""},
    {"pod-update-image.json", Subject::kPod, "UPDATE", "Pod", "pods",
     "spec.containers[0] (p1)=registry.test:5000/bb:t1", "run=p1,x=y", ""},
    {"pod-update-label.json", Subject::kPod, "UPDATE", "Pod", "pods", "spec.containers[0] (p1)=registry.test:5000/bb:1",
     "run=p1,x=y", ""},
    {"pods-binding-by-scheduler.json", Subject::kBinding, "CREATE", "Binding", "pods/binding", "", "?", "node1"},
    {"pods-binding-by-user.json", Subject::kBinding, "CREATE", "Binding", "pods/binding", "", "?", "node1"},
    {"pods-binding-daemonset-pod-by-scheduler.json", Subject::kBinding, "CREATE", "Binding", "pods/binding", "", "?",
     "node1"},
    {"pods-ephemeralcontainers-update-kubectl-debug.json", Subject::kEphemeral, "UPDATE", "EphemeralContainers",
     "pods/ephemeralcontainers", "ephemeralContainers[0] (debugger-ttvzp)=registry.test:5000/bb:1", "?", ""},
    {"pods-ephemeralcontainers-update.json", Subject::kEphemeral, "UPDATE", "EphemeralContainers",
     "pods/ephemeralcontainers", "ephemeralContainers[0] (dbg)=registry.test:5000/bb:1", "?", ""},
    {"pods-eviction-create.json", Subject::kOther, "CREATE", "policy/Eviction", "pods/eviction", "", "?", ""},
    {"pods-exec-connect.json", Subject::kOther, "CONNECT", "PodExecOptions", "pods/exec", "", "?", ""},
    {"replicaset-create-by-deployment-controller.json", Subject::kWorkload, "CREATE", "apps/ReplicaSet", "replicasets",
     "spec.template.spec.containers[0] (bb)=registry.test:5000/bb:1", "app=d1,pod-template-hash=547f9885b7", ""},
    {"replicationcontroller-create.json", Subject::kWorkload, "CREATE", "ReplicationController",
     "replicationcontrollers", "spec.template.spec.containers[0] (c)=registry.test:5000/bb:1", "app=rc1", ""},
    {"statefulset-create.json", Subject::kWorkload, "CREATE", "apps/StatefulSet", "statefulsets",
     "spec.template.spec.containers[0] (c)=registry.test:5000/bb:1", "app=ss1", ""},
};

std::string ShowImages(const ReviewRequest& request) {
  std::string text;
  for (const ImageUse& use : request.images) text += (text.empty() ? "" : ",") + use.where + "=" + use.image;
  return text;
}

std::string ShowLabels(const ReviewRequest& request) {
  if (!request.labels) return "?";
  std::string text;
  for (const auto& [key, value] : *request.labels) text += (text.empty() ? "" : ",") + key + "=" + value;
  return text;
}

TEST(Samples, EachIsTakenForWhatItIs) {
  for (const Sample& sample : kSamples) {
    SCOPED_TRACE(sample.file);
    auto result = ParseReview(ReadSample(std::string(sample.file)));
    ASSERT_TRUE(result.ok()) << result.error().error.ToString();
    const ReviewRequest& request = result.request();
    EXPECT_EQ(Name(request.subject), Name(sample.subject));
    EXPECT_EQ(request.operation, sample.operation);
    EXPECT_EQ(request.kind, sample.kind);
    EXPECT_EQ(request.resource, sample.resource);
    EXPECT_EQ(ShowImages(request), sample.images);
    EXPECT_EQ(ShowLabels(request), sample.labels);
    EXPECT_EQ(request.node.value_or(""), sample.node);
    EXPECT_EQ(request.namespace_name, "default");
    EXPECT_THAT(request.uid, SizeIs(36));
    EXPECT_EQ(request.dry_run, sample.file == "pod-create-dry-run.json");
  }
}

TEST(Samples, TheTableHasEveryFile) {
  std::set<std::string> listed;
  for (const Sample& sample : kSamples) listed.emplace(sample.file);
  std::set<std::string> present;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) present.insert(entry.path().filename());
  EXPECT_EQ(listed, present);
  EXPECT_THAT(present, SizeIs(32));
}

ReviewRequest Request(const std::string& file) {
  return ParseReview(ReadSample(file)).request();
}

TEST(Samples, NamesUsersAndUids) {
  EXPECT_EQ(Request("pod-create-by-user.json").name, "p1");
  EXPECT_EQ(Request("pod-create-by-user.json").user, "kubernetes-admin");
  EXPECT_EQ(Request("pod-create-by-user-generateName-nodeName.json").name, "gen-sdrj8");
  // The mutating phase comes before the name is made.
  EXPECT_EQ(Request("mutating-pod-create-by-replicaset-controller.json").name, "");
  EXPECT_EQ(Request("pods-binding-by-scheduler.json").user, "system:kube-scheduler");
  EXPECT_EQ(Request("pods-binding-by-scheduler.json").object_uid, "8b08992d-e9e3-411e-9d82-1749201af144");
  EXPECT_EQ(Request("pods-binding-by-user.json").object_uid, "");
}

TEST(Samples, WhatAnUpdateLeavesAsItWas) {
  EXPECT_THAT(Unchanged(Request("pod-update-image.json")), IsEmpty());
  EXPECT_THAT(Unchanged(Request("pod-update-label.json")), ElementsAre(kBb1));
  EXPECT_THAT(Unchanged(Request("deployment-update.json")), IsEmpty());
  EXPECT_THAT(Unchanged(Request("pods-ephemeralcontainers-update.json")), IsEmpty());
  EXPECT_THAT(Unchanged(Request("pods-ephemeralcontainers-update-kubectl-debug.json")), ElementsAre(kBb1));
}

TEST(Samples, TruncatedAtEveryByteIsRefused) {
  std::string text = ReadSample("pods-ephemeralcontainers-update.json");
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (std::size_t size = 0; size < text.size(); ++size) {
    auto result = ParseReview(std::string_view(text).substr(0, size));
    ASSERT_FALSE(result.ok()) << size;
    EXPECT_EQ(result.error().error.reason, Reason::kJsonMalformed) << size;
    EXPECT_EQ(result.error().uid, "");
  }
}

}  // namespace
}  // namespace gatehouse::admission
