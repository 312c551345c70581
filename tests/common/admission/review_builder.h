// An AdmissionReview as the API server words it, with one thing changed at a time.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "common/admission/review.h"

namespace gatehouse::admission {

// The images that an update leaves where they were, sorted, each once.
inline std::vector<std::string> Unchanged(const ReviewRequest& request) {
  std::vector<std::string> images;
  for (const ImageUse& use : request.images) {
    if (use.unchanged) images.push_back(use.image);
  }
  std::sort(images.begin(), images.end());
  images.erase(std::unique(images.begin(), images.end()), images.end());
  return images;
}

struct ReviewText {
  std::string group;  // of the resource
  std::string resource = "pods";
  std::string sub_resource;
  std::string kind_group;
  std::string kind = "Pod";
  std::string operation = "CREATE";
  std::string object;
  std::string old_object = "null";
  std::string name = "p1";
  std::string namespace_name = "default";
  std::string uid = "u-1";
  std::string dry_run = "false";

  [[nodiscard]] std::string Text() const {
    std::string text =
        R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":")" + uid + R"(","kind":)";
    text +=
        R"({"group":")" + kind_group + R"(","version":"v1","kind":")" + kind + R"("},"resource":{"group":")" + group;
    text += R"(","version":"v1","resource":")" + resource + R"("},)";
    if (!sub_resource.empty()) text += R"("subResource":")" + sub_resource + R"(",)";
    text += R"("name":")" + name + R"(","namespace":")" + namespace_name + R"(","operation":")" + operation;
    text += R"(","userInfo":{"username":"alice"},"object":)" + object + R"(,"oldObject":)" + old_object;
    text += R"(,"dryRun":)" + dry_run + R"(,"options":null}})";
    return text;
  }
};

// {"metadata":METADATA,"spec":{"containers":[{"name":"c","image":IMAGE}]EXTRA}}
inline std::string PodJson(const std::string& image, const std::string& extra = "",
                           const std::string& metadata = "{}") {
  return R"({"metadata":)" + metadata + R"(,"spec":{"containers":[{"name":"c","image":")" + image + R"("}])" + extra +
         "}}";
}

inline ReviewText PodCreate(const std::string& object) {
  ReviewText review;
  review.object = object;
  return review;
}

inline ReviewText PodUpdate(const std::string& old_object, const std::string& object) {
  ReviewText review;
  review.operation = "UPDATE";
  review.object = object;
  review.old_object = old_object;
  return review;
}

inline ReviewText DeploymentUpdate(const std::string& old_object, const std::string& object) {
  ReviewText review = PodUpdate(old_object, object);
  review.group = review.kind_group = "apps";
  review.resource = "deployments";
  review.kind = "Deployment";
  return review;
}

// {"spec":{"replicas":REPLICAS,"template":POD}}
inline std::string DeploymentJson(const std::string& pod, int replicas = 1) {
  return R"({"spec":{"replicas":)" + std::to_string(replicas) + R"(,"template":)" + pod + "}}";
}

}  // namespace gatehouse::admission
