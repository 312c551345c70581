#include "common/admission/object.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::admission {
namespace {

using codec::JsonView;

struct Row {
  std::string_view group;
  std::string_view resource;
  std::string_view sub_resource;
  std::string_view kind;
  Route route;
};

constexpr std::string_view kOurGroup = "gatehouse.dev";

// Our own resources, and every resource of Kubernetes through which a pod template, a pod or a node's name for a pod
// comes in, of any version of its group.
constexpr std::array kRows = {
    Row{"", "pods", "", "Pod", {Subject::kPod, Shape::kPod}},
    Row{"", "pods", "ephemeralcontainers", "Pod", {Subject::kEphemeral, Shape::kPod}},
    Row{"", "pods", "ephemeralcontainers", "EphemeralContainers", {Subject::kEphemeral, Shape::kEphemeralList}},
    Row{"", "pods", "binding", "Binding", {Subject::kBinding, Shape::kBinding}},
    Row{"", "bindings", "", "Binding", {Subject::kBinding, Shape::kBinding}},
    Row{"", "podtemplates", "", "PodTemplate", {Subject::kWorkload, Shape::kTemplate}},
    Row{"", "replicationcontrollers", "", "ReplicationController", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"apps", "daemonsets", "", "DaemonSet", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"apps", "deployments", "", "Deployment", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"apps", "replicasets", "", "ReplicaSet", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"apps", "statefulsets", "", "StatefulSet", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"batch", "cronjobs", "", "CronJob", {Subject::kWorkload, Shape::kJobTemplate}},
    Row{"batch", "jobs", "", "Job", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"extensions", "daemonsets", "", "DaemonSet", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"extensions", "deployments", "", "Deployment", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"extensions", "jobs", "", "Job", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{"extensions", "replicasets", "", "ReplicaSet", {Subject::kWorkload, Shape::kSpecTemplate}},
    Row{kOurGroup, "imagepolicies", "", "ImagePolicy", {Subject::kPolicy, Shape::kPolicy}},
    Row{kOurGroup, "namespacedimagepolicies", "", "NamespacedImagePolicy", {Subject::kPolicy, Shape::kPolicy}},
    Row{kOurGroup, "nodeattestations", "", "NodeAttestation", {}},
    Row{kOurGroup, "nodepolicies", "", "NodePolicy", {Subject::kPolicy, Shape::kPolicy}},
    Row{kOurGroup, "referencevalues", "", "ReferenceValues", {Subject::kPolicy, Shape::kPolicy}},
    Row{kOurGroup, "trustroots", "", "TrustRoot", {Subject::kPolicy, Shape::kPolicy}},
};

bool IsGroupOfKubernetes(std::string_view group) {
  return group.empty() || group == "apps" || group == "batch" || group == "extensions";
}

// A kind of this group that the table does not have is of another release: the loader will say so.
Route RouteOfOurs(std::string_view sub_resource) {
  return sub_resource.empty() ? Route{Subject::kPolicy, Shape::kPolicy} : Route{};
}

template <typename Predicate>
const Row* FindRow(Predicate predicate) {
  auto found = std::find_if(kRows.begin(), kRows.end(), predicate);
  return found == kRows.end() ? nullptr : &*found;
}

Error Malformed(std::string where, std::string detail) {
  return {Reason::kReviewMalformed, std::move(where), std::move(detail)};
}

std::string Join(std::string_view path, std::string_view key) {
  return std::string(path).append(key);
}

std::string Shown(std::string_view group, std::string_view name) {
  return Printable(group.empty() ? std::string(name) : std::string(group) + "/" + std::string(name), 128);
}

}  // namespace

Result<Route> RouteOf(const TypeName& type) {
  auto same_resource = [&](const Row& row) { return row.group == type.group && row.resource == type.resource; };
  auto same_kind = [&](const Row& row) { return row.group == type.kind_group && row.kind == type.kind; };
  auto exactly = [&](const Row& row) { return same_resource(row) && row.sub_resource == type.sub_resource; };
  auto contradiction = [&] {
    return Malformed("request.kind", "the kind " + Shown(type.kind_group, type.kind) + " and the resource " +
                                         Shown(type.group, type.resource) + " do not belong together");
  };

  if (const Row* row = FindRow([&](const Row& r) { return exactly(r) && same_kind(r); })) return row->route;
  if (FindRow(exactly) != nullptr) return contradiction();
  // The API server takes nothing but the status from a request for it.
  if (type.group == kOurGroup) {
    if (type.kind_group != kOurGroup && type.sub_resource.empty()) return contradiction();
    return RouteOfOurs(type.sub_resource);
  }
  const Row* of_both = FindRow([&](const Row& r) { return same_resource(r) && same_kind(r); });
  // A subresource that carries the whole object (pods/resize, pods/status, and whatever comes) is judged like the
  // object: what it leaves as it was costs nothing, and /status may change labels.
  if (of_both != nullptr) return of_both->route;
  bool kind_is_ours = FindRow([&](const Row& r) { return r.kind == type.kind; }) != nullptr;
  if (kind_is_ours && IsGroupOfKubernetes(type.kind_group)) return contradiction();
  return Route{};
}

Result<std::optional<std::string_view>> ResourceOf(std::string_view group, std::string_view kind) {
  // A Binding is posted to .../bindings or to .../pods/NAME/binding, which mean the same.
  if (const Row* row =
          FindRow([&](const Row& r) { return r.group == group && r.kind == kind && r.sub_resource.empty(); })) {
    return std::optional(row->resource);
  }
  if (group == kOurGroup) return Malformed("kind", "there is no " + Shown(group, kind));
  const Row* elsewhere = FindRow([&](const Row& r) { return r.kind == kind; });
  if (elsewhere == nullptr || !IsGroupOfKubernetes(group)) return std::optional<std::string_view>();
  return Malformed("apiVersion",
                   "there is no " + Shown(group, kind) + "; did you mean " + Shown(elsewhere->group, kind) + "?");
}

Result<std::optional<JsonView>> FindObject(JsonView parent, std::string_view key, std::string_view path) {
  auto member = parent.Find(key);
  if (!member || member->IsNull()) return std::optional<JsonView>();
  if (!member->IsObject()) return Malformed(Join(path, key), "must be an object");
  return member;
}

Result<JsonView> RequireObject(JsonView parent, std::string_view key, std::string_view path) {
  ASSIGN_OR_RETURN(auto member, FindObject(parent, key, path));
  if (!member) return Malformed(Join(path, key), "is missing");
  return *member;
}

Result<std::string_view> FindString(JsonView parent, std::string_view key, std::string_view path) {
  auto member = parent.Find(key);
  if (!member || member->IsNull()) return std::string_view();
  auto text = member->AsString();
  if (!text) return Malformed(Join(path, key), "must be a string");
  return *text;
}

Result<std::string_view> RequireString(JsonView parent, std::string_view key, std::string_view path) {
  ASSIGN_OR_RETURN(std::string_view text, FindString(parent, key, path));
  if (text.empty()) return Malformed(Join(path, key), "is missing or empty");
  return text;
}

namespace {

// The elements of a list of objects; absent is empty.
Result<std::vector<JsonView>> FindList(JsonView parent, std::string_view key, std::string_view path) {
  std::vector<JsonView> elements;
  auto list = parent.Find(key);
  if (!list || list->IsNull()) return elements;
  if (!list->IsArray()) return Malformed(Join(path, key), "must be an array");
  if (list->size() > limits::kImagesPerReview) {
    return Error{Reason::kLimitExceeded, Join(path, key),
                 "more than " + std::to_string(limits::kImagesPerReview) + " elements"};
  }
  elements.reserve(list->size());
  for (std::size_t i = 0; i < list->size(); ++i) {
    if (!list->at(i).IsObject()) return Malformed(Join(path, key) + "[" + std::to_string(i) + "]", "must be an object");
    elements.push_back(list->at(i));
  }
  return elements;
}

// "spec.containers[0]"
std::string Element(std::string_view path, std::string_view key, std::size_t index) {
  return Join(path, key).append("[").append(std::to_string(index)).append("]");
}

// The JSON pointer (RFC 6901) of a member below a path like "spec.containers[0]", which holds no other characters.
std::string PointerTo(std::string_view path, std::string_view member) {
  std::string pointer = "/";
  pointer.reserve(path.size() + member.size() + 2);
  for (char c : path) {
    if (c != ']') pointer.push_back(c == '.' || c == '[' ? '/' : c);
  }
  return pointer.append("/").append(member);
}

Status AddImage(ObjectContents& contents, std::string where, std::string_view member, std::string_view list,
                std::string_view name, std::string_view image) {
  if (contents.images.size() >= limits::kImagesPerReview) {
    return Error{Reason::kLimitExceeded, std::move(where),
                 "more than " + std::to_string(limits::kImagesPerReview) + " images"};
  }
  std::string pointer = PointerTo(where, member);
  if (!name.empty()) where.append(" (").append(Printable(name, 64)).append(")");
  contents.images.push_back({.where = std::move(where), .image = std::string(image), .pointer = std::move(pointer)});
  contents.slots.push_back(name.empty() ? std::string() : std::string(list).append("/").append(name));
  return Ok();
}

Status ReadContainers(JsonView spec, std::string_view key, std::string_view path, ObjectContents& contents) {
  ASSIGN_OR_RETURN(auto containers, FindList(spec, key, path));
  for (std::size_t i = 0; i < containers.size(); ++i) {
    std::string where = Element(path, key, i);
    ASSIGN_OR_RETURN(std::string_view name, FindString(containers[i], "name", where + "."));
    // The API server lets a template leave its images to somebody else ("image ... optional to allow higher level
    // config management"). What will run then cannot be judged here.
    ASSIGN_OR_RETURN(std::string_view image, RequireString(containers[i], "image", where + "."));
    RETURN_IF_ERROR(AddImage(contents, std::move(where), "image", key, name, image));
  }
  return Ok();
}

// volumes[].image is an OCI image whose files are mounted into containers (KEP-4639): content that runs like any other
// image's.
Status ReadVolumes(JsonView spec, std::string_view path, ObjectContents& contents) {
  ASSIGN_OR_RETURN(auto volumes, FindList(spec, "volumes", path));
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    std::string where = Element(path, "volumes", i) + ".";
    ASSIGN_OR_RETURN(auto source, FindObject(volumes[i], "image", where));
    if (!source) continue;
    where += "image";
    ASSIGN_OR_RETURN(std::string_view name, FindString(volumes[i], "name", Element(path, "volumes", i) + "."));
    ASSIGN_OR_RETURN(std::string_view image, RequireString(*source, "reference", where + "."));
    RETURN_IF_ERROR(AddImage(contents, std::move(where), "reference", "volumes", name, image));
  }
  return Ok();
}

// With which credentials a node would pull. `serviceAccount` is the older name of the same, which the API server keeps
// equal to the newer one.
Status ReadPullSecrets(JsonView spec, std::string_view path, ObjectContents& contents) {
  ASSIGN_OR_RETURN(contents.service_account, FindString(spec, "serviceAccountName", path));
  if (contents.service_account.empty()) {
    ASSIGN_OR_RETURN(contents.service_account, FindString(spec, "serviceAccount", path));
  }
  if (contents.service_account.empty()) contents.service_account = "default";
  ASSIGN_OR_RETURN(auto secrets, FindList(spec, "imagePullSecrets", path));
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    ASSIGN_OR_RETURN(std::string_view name, FindString(secrets[i], "name", Element(path, "imagePullSecrets", i) + "."));
    if (!name.empty()) contents.pull_secrets.emplace_back(name);  // the API server lets one without a name stand
  }
  return Ok();
}

// A pod or pod template: metadata and spec. Absent labels are known to be none.
Result<ObjectContents> ReadPod(JsonView pod, const std::string& path) {
  ObjectContents contents;
  ASSIGN_OR_RETURN(auto metadata, FindObject(pod, "metadata", path));
  auto& labels = contents.labels.emplace();
  std::string labels_path = path + "metadata.";
  if (metadata) {
    ASSIGN_OR_RETURN(auto members, FindObject(*metadata, "labels", labels_path));
    for (std::size_t i = 0; members && i < members->size(); ++i) {
      auto [key, value] = members->member(i);
      auto text = value.AsString();
      if (!text) return Malformed(labels_path + "labels[" + Printable(key, 64) + "]", "must be a string");
      labels.emplace(key, *text);
    }
  }
  ASSIGN_OR_RETURN(JsonView spec, RequireObject(pod, "spec", path));
  std::string spec_path = path + "spec.";
  RETURN_IF_ERROR(ReadContainers(spec, "containers", spec_path, contents));
  if (contents.images.empty())
    return Malformed(spec_path + "containers", "is missing or empty, so there is nothing to judge");
  RETURN_IF_ERROR(ReadContainers(spec, "initContainers", spec_path, contents));
  RETURN_IF_ERROR(ReadContainers(spec, "ephemeralContainers", spec_path, contents));
  RETURN_IF_ERROR(ReadVolumes(spec, spec_path, contents));
  RETURN_IF_ERROR(ReadPullSecrets(spec, spec_path, contents));
  ASSIGN_OR_RETURN(std::string_view node, FindString(spec, "nodeName", spec_path));
  if (!node.empty()) contents.node = node;
  return contents;
}

Result<ObjectContents> ReadTemplate(JsonView owner, const std::string& path) {
  ASSIGN_OR_RETURN(JsonView pod, RequireObject(owner, "template", path));
  ASSIGN_OR_RETURN(ObjectContents contents, ReadPod(pod, path + "template."));
  contents.node.reset();  // the pods that come of it are judged when they come
  return contents;
}

Result<ObjectContents> ReadEphemeralList(JsonView object) {
  // Its metadata does not carry the pod's labels. The list has no omitempty: a body without it is of another shape than
  // its kind says.
  ObjectContents contents;
  if (auto list = object.Find("ephemeralContainers"); !list || list->IsNull()) {
    return Malformed("ephemeralContainers", "is missing, so there is nothing to judge");
  }
  RETURN_IF_ERROR(ReadContainers(object, "ephemeralContainers", "", contents));
  return contents;
}

Result<ObjectContents> ReadBinding(JsonView object) {
  ASSIGN_OR_RETURN(JsonView target, RequireObject(object, "target", ""));
  ASSIGN_OR_RETURN(std::string_view kind, FindString(target, "kind", "target."));
  // The API server takes an empty kind for Node and refuses any other (ValidatePodBinding).
  if (!kind.empty() && kind != "Node")
    return Malformed("target.kind", "must be Node, not '" + Printable(kind, 64) + "'");
  ASSIGN_OR_RETURN(std::string_view name, RequireString(target, "name", "target."));
  ObjectContents contents;
  contents.node = name;
  return contents;
}

}  // namespace

Result<ObjectContents> ReadObject(JsonView object, Shape shape) {
  switch (shape) {
    case Shape::kNone:
    case Shape::kPolicy:
      return ObjectContents{};
    case Shape::kPod:
      return ReadPod(object, "");
    case Shape::kTemplate:
      return ReadTemplate(object, "");
    case Shape::kSpecTemplate: {
      ASSIGN_OR_RETURN(JsonView spec, RequireObject(object, "spec", ""));
      return ReadTemplate(spec, "spec.");
    }
    case Shape::kJobTemplate: {
      ASSIGN_OR_RETURN(JsonView spec, RequireObject(object, "spec", ""));
      ASSIGN_OR_RETURN(JsonView job, RequireObject(spec, "jobTemplate", "spec."));
      ASSIGN_OR_RETURN(JsonView job_spec, RequireObject(job, "spec", "spec.jobTemplate."));
      return ReadTemplate(job_spec, "spec.jobTemplate.spec.");
    }
    case Shape::kEphemeralList:
      return ReadEphemeralList(object);
    case Shape::kBinding:
      return ReadBinding(object);
  }
  return Error{Reason::kInternal, "", "unknown shape"};
}

}  // namespace gatehouse::admission
