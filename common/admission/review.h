// AdmissionReview v1 (admission.k8s.io/v1), as kube-apiserver sends it: bytes in, what has to be judged out; and the
// answer. Pure. Members that we do not read are ignored (the API server adds some with each release); those that we
// read must have their type.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace gatehouse::admission {

// What is a pod, a workload or a binding is told by group, resource and kind together, of any version. A kind of one of
// these names in a group of somebody else (a CRD, or PodMetrics of metrics.k8s.io, whose resource is "pods" too) runs
// nothing by itself and is kOther; pods that its controller makes come here as pods. The same names in a group of
// Kubernetes where they do not exist, and a resource and kind that do not belong together, are a contradiction.
// Subresources with an object of their own kind (scale, eviction) are kOther.
enum class Subject : std::uint8_t {
  kPod,        // pods CREATE, UPDATE, and pods/resize
  kEphemeral,  // pods/ephemeralcontainers in both shapes
  kWorkload,   // Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob, ReplicationController, PodTemplate
  kBinding,    // pods/binding and the legacy bindings
  kPolicy,     // objects of our own group, but for their status and NodeAttestations, which RBAC keeps
  kOther,      // allowed and counted
};
[[nodiscard]] std::string_view Name(Subject subject);  // metric label: pod, ephemeral, workload, binding, policy, other

struct ImageUse {
  std::string where;  // "spec.template.spec.initContainers[0] (setup)", the name shown with Printable()
  std::string image;  // as written
  // UPDATE: oldObject has the same image in the same container (same list, same name), so the update brings nothing in
  // here: labels and finalizers of what runs, scaling down what is no longer trusted. The same image in another
  // container is new: it is pulled again, and a tag may have moved.
  bool unchanged = false;
  std::string pointer{};  // RFC 6901, from the object to the text: "/spec/template/spec/initContainers/0/image"
  friend bool operator==(const ImageUse& a, const ImageUse& b) { return a.where == b.where && a.image == b.image; }
};

struct ReviewRequest {
  std::string uid{};
  std::string operation{};  // CREATE, UPDATE, DELETE, CONNECT
  std::string kind{};       // "apps/Deployment", "Pod"
  std::string resource{};   // "pods", "pods/binding"
  std::string name{};       // empty with generateName in the mutating phase
  std::string namespace_name{};
  std::string user{};
  bool dry_run = false;
  Subject subject = Subject::kOther;

  // What runs: containers, initContainers, ephemeralContainers, volumes[].image.reference of the pod or pod template.
  // Whatever the number of replicas, owner references, annotations or a deletionTimestamp say: none of them keeps an
  // image from running.
  std::vector<ImageUse> images{};
  // Labels of the pod or of the template's pods; nothing where the request does not carry them (kind
  // EphemeralContainers, Binding).
  std::optional<std::map<std::string, std::string>> labels{};
  // UPDATE: the labels before. Where they differ, policies that did not cover the object may now.
  std::optional<std::map<std::string, std::string>> old_labels{};
  // spec.serviceAccountName of the pod or template, "default" where it names none; empty where there is no pod's spec.
  std::string service_account{};
  // spec.imagePullSecrets: the names of Secrets in the pod's namespace.
  std::vector<std::string> pull_secrets{};
  // The node that the pod is put on by this request: spec.nodeName of a pod CREATE, target.name of a Binding.
  std::optional<std::string> node{};
  // metadata.uid of the object: of a Binding, the uid of the pod that is meant (names are used again). Empty where
  // there is none.
  std::string object_uid{};
  // A pod that a kubelet shows in the API for a static pod of its own. Judged like any pod, but what is written here
  // changes nothing of what runs. Anybody may claim it of a pod; no kubelet runs that pod then.
  bool mirror = false;
  // kPolicy: the whole object as JSON. Empty on an UPDATE that leaves its spec as it was: what was written while nobody
  // looked can still be labelled, and its finalizers removed.
  std::string policy_object{};
};

// A body that is an AdmissionReview, but whose request cannot be judged: the uid, where it could be read, so that the
// denial reaches its request.
struct ReviewError {
  Error error;
  std::string uid;  // empty: answer 400
};

// Errors: kJsonMalformed, kLimitExceeded (no uid), kReviewMalformed. DELETE and CONNECT are kOther. A resource and kind
// that contradict each other, a null object on CREATE or UPDATE, an image that is no string or empty, a pod (template)
// without containers, more images than the limit: kReviewMalformed / kLimitExceeded. An apiVersion other than
// admission.k8s.io/v1: kContentUnsupported, no uid. null means absent, as it does to the API server (API conventions,
// "Optional vs. Required").
class ReviewResult {
 public:
  ReviewResult(ReviewRequest request) : request_(std::move(request)) {}  // NOLINT(google-explicit-constructor)
  ReviewResult(ReviewError error) : error_(std::move(error)) {}          // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool ok() const { return request_.has_value(); }
  [[nodiscard]] const ReviewRequest& request() const { return request_.value(); }
  [[nodiscard]] const ReviewError& error() const { return error_.value(); }

 private:
  std::optional<ReviewRequest> request_;
  std::optional<ReviewError> error_;
};
[[nodiscard]] ReviewResult ParseReview(std::string_view body);

// A plain object (a manifest that a user has on disk) in place of a review: as if it were created. Errors as above, and
// a List, whose items nobody would judge, is refused. Used by `gatehouse policy test`.
[[nodiscard]] ReviewResult ParseManifestObject(std::string_view json, std::string_view default_namespace);

struct ReviewResponse {
  std::string uid{};
  bool allowed = false;
  int code = 403;                       // HTTP status shown to the client of a denial
  std::string message{};                // cut to limits::kMessageBytes by Encode
  std::vector<std::string> warnings{};  // cut by Encode to the API server's limits, 256 bytes each and 4096 in all
  std::map<std::string, std::string> audit_annotations{};  // keys without '/'
  std::string patch{};                                     // RFC 6902; empty: none. Only of what is allowed
};
// No control characters but line feeds in the message reach the client.
[[nodiscard]] std::string Encode(const ReviewResponse& response);

}  // namespace gatehouse::admission
