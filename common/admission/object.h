// What the object of a review holds that has to be judged. Internal to this room.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/admission/review.h"
#include "common/codec/json.h"

namespace gatehouse::admission {

// Where in an object the pod is.
enum class Shape : std::uint8_t {
  kNone,           // not looked at
  kPod,            // the object itself
  kTemplate,       // .template
  kSpecTemplate,   // .spec.template
  kJobTemplate,    // .spec.jobTemplate.spec.template
  kEphemeralList,  // .ephemeralContainers alone: what pods/ephemeralcontainers took before Kubernetes 1.22
  kBinding,        // .target
  kPolicy,         // .spec, read by the loader of policies
};

struct Route {
  Subject subject = Subject::kOther;
  Shape shape = Shape::kNone;
};

struct TypeName {
  std::string_view group;
  std::string_view resource;
  std::string_view sub_resource;
  std::string_view kind_group;
  std::string_view kind;
};

// How a request is judged, by the rules in review.h. Errors: kReviewMalformed for a contradiction.
[[nodiscard]] Result<Route> RouteOf(const TypeName& type);
// The resource that objects of this kind are created under; nothing for a kind that is not judged. Errors:
// kReviewMalformed.
[[nodiscard]] Result<std::optional<std::string_view>> ResourceOf(std::string_view group, std::string_view kind);

struct ObjectContents {
  std::vector<ImageUse> images;
  std::vector<std::string> slots;  // of each image: its list and the name there, "containers/app"; empty without a name
  std::optional<std::map<std::string, std::string>> labels;
  std::optional<std::string> node;  // spec.nodeName of a pod, target.name of a Binding
  std::string service_account;      // as in ReviewRequest
  std::vector<std::string> pull_secrets;
};

// Errors: kReviewMalformed, kLimitExceeded, each with the path within the object.
[[nodiscard]] Result<ObjectContents> ReadObject(codec::JsonView object, Shape shape);

// Members of an object. null means absent, as it does to the API server; any other type than the one asked for is
// kReviewMalformed. `path` is that of the parent and ends in '.', or is empty.
[[nodiscard]] Result<std::optional<codec::JsonView>> FindObject(codec::JsonView parent, std::string_view key,
                                                                std::string_view path);
[[nodiscard]] Result<codec::JsonView> RequireObject(codec::JsonView parent, std::string_view key,
                                                    std::string_view path);
[[nodiscard]] Result<std::string_view> FindString(codec::JsonView parent, std::string_view key,
                                                  std::string_view path);  // absent: ""
[[nodiscard]] Result<std::string_view> RequireString(codec::JsonView parent, std::string_view key,
                                                     std::string_view path);  // not empty

}  // namespace gatehouse::admission
