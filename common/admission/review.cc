#include "common/admission/review.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/admission/object.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::admission {
namespace {

using codec::JsonDocument;
using codec::JsonView;

constexpr std::string_view kApiVersion = "admission.k8s.io/v1";
constexpr std::array<std::string_view, 4> kOperations = {"CREATE", "UPDATE", "DELETE", "CONNECT"};

constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";

Result<JsonView> RequestOf(JsonView root) {
  if (!root.IsObject())
    return Error{Reason::kReviewMalformed, "", "the body is no AdmissionReview but another kind of JSON"};
  for (auto [key, wanted] :
       {std::pair<std::string_view, std::string_view>{"apiVersion", kApiVersion}, {"kind", "AdmissionReview"}}) {
    ASSIGN_OR_RETURN(std::string_view found, FindString(root, key, ""));
    if (found == wanted) continue;
    return Error{Reason::kContentUnsupported, std::string(key),
                 "must be " + std::string(wanted) + ", not '" + Printable(found, 64) +
                     "'; set admissionReviewVersions: [v1] in the webhook's configuration"};
  }
  return RequireObject(root, "request", "");
}

std::string Qualified(std::string_view group, std::string_view name) {
  return group.empty() ? std::string(name) : std::string(group).append("/").append(name);
}

// The members of `request` around the object, and how it is to be judged.
Result<Route> ReadEnvelope(JsonView request, ReviewRequest& out) {
  ASSIGN_OR_RETURN(out.operation, RequireString(request, "operation", "request."));
  if (std::find(kOperations.begin(), kOperations.end(), out.operation) == kOperations.end()) {
    return Error{Reason::kReviewMalformed, "request.operation",
                 "'" + Printable(out.operation, 32) + "' is no operation"};
  }
  TypeName type;
  ASSIGN_OR_RETURN(JsonView kind, RequireObject(request, "kind", "request."));
  ASSIGN_OR_RETURN(type.kind_group, FindString(kind, "group", "request.kind."));
  ASSIGN_OR_RETURN(type.kind, RequireString(kind, "kind", "request.kind."));
  ASSIGN_OR_RETURN(JsonView resource, RequireObject(request, "resource", "request."));
  ASSIGN_OR_RETURN(type.group, FindString(resource, "group", "request.resource."));
  ASSIGN_OR_RETURN(type.resource, RequireString(resource, "resource", "request.resource."));
  ASSIGN_OR_RETURN(type.sub_resource, FindString(request, "subResource", "request."));
  out.kind = Qualified(type.kind_group, type.kind);
  out.resource = type.sub_resource.empty() ? std::string(type.resource) : Qualified(type.resource, type.sub_resource);
  ASSIGN_OR_RETURN(out.name, FindString(request, "name", "request."));
  ASSIGN_OR_RETURN(out.namespace_name, FindString(request, "namespace", "request."));
  // Who asks decides nothing, it is recorded only: hand-made reviews may leave it out.
  ASSIGN_OR_RETURN(auto user, FindObject(request, "userInfo", "request."));
  if (user) {
    ASSIGN_OR_RETURN(out.user, FindString(*user, "username", "request.userInfo."));
  }
  auto dry_run = request.Find("dryRun");
  if (dry_run && !dry_run->IsNull()) {
    if (!dry_run->AsBool()) return Error{Reason::kReviewMalformed, "request.dryRun", "must be true or false"};
    out.dry_run = *dry_run->AsBool();
  }
  // Taking an object away, and connecting to one that was admitted, bring nothing in.
  if (out.operation == "DELETE" || out.operation == "CONNECT") return Route{};
  return RouteOf(type);
}

// `path` is that of the object, and ends in '.' or is empty.
Status ReadIdentity(JsonView object, const std::string& path, ReviewRequest& out) {
  ASSIGN_OR_RETURN(auto metadata, FindObject(object, "metadata", path));
  if (!metadata) return Ok();
  ASSIGN_OR_RETURN(out.object_uid, FindString(*metadata, "uid", path + "metadata."));
  ASSIGN_OR_RETURN(auto annotations, FindObject(*metadata, "annotations", path + "metadata."));
  out.mirror = annotations && annotations->Find(kMirrorAnnotation);
  if (out.name.empty()) {
    ASSIGN_OR_RETURN(out.name, FindString(*metadata, "name", path + "metadata."));
  }
  if (out.namespace_name.empty()) {
    ASSIGN_OR_RETURN(out.namespace_name, FindString(*metadata, "namespace", path + "metadata."));
  }
  return Ok();
}

// Marks what the old object has already. An old object that cannot be read excuses nothing: then every image is judged,
// and an object that was stored when nobody looked can still be put right.
void MarkUnchanged(JsonView request, Shape shape, ObjectContents& now, ReviewRequest& out) {
  auto old_object = request.Find("oldObject");
  if (!old_object || !old_object->IsObject()) return;
  auto before = ReadObject(*old_object, shape);
  if (!before.ok()) return;
  std::set<std::pair<std::string_view, std::string_view>> known;
  for (std::size_t i = 0; i < before->images.size(); ++i) {
    if (!before->slots[i].empty()) known.emplace(before->slots[i], before->images[i].image);
  }
  for (std::size_t i = 0; i < now.images.size(); ++i) {
    now.images[i].unchanged = known.contains({now.slots[i], now.images[i].image});
  }
  out.old_labels = std::move(before->labels);
}

// Whether an update leaves the spec as the old object has it, to the letter.
bool SameSpec(JsonView request, JsonView object) {
  auto old_object = request.Find("oldObject");
  if (!old_object || !old_object->IsObject()) return false;
  auto before = old_object->Find("spec");
  auto now = object.Find("spec");
  return before.has_value() == now.has_value() && (!now || before->Serialize() == now->Serialize());
}

Status ReadPolicy(JsonView request, ReviewRequest& out) {
  ASSIGN_OR_RETURN(JsonView object, RequireObject(request, "object", "request."));
  RETURN_IF_ERROR(ReadIdentity(object, "request.object.", out));
  if (out.operation != "UPDATE" || !SameSpec(request, object)) out.policy_object = object.Serialize();
  return Ok();
}

Status ReadRequest(JsonView request, ReviewRequest& out) {
  ASSIGN_OR_RETURN(Route route, ReadEnvelope(request, out));
  out.subject = route.subject;
  if (route.subject == Subject::kOther) return Ok();
  if (route.subject == Subject::kPolicy) return ReadPolicy(request, out);
  // Every other kind that is judged lives in a namespace, by which policies select.
  if (out.namespace_name.empty()) return Error{Reason::kReviewMalformed, "request.namespace", "is missing or empty"};
  ASSIGN_OR_RETURN(JsonView object, RequireObject(request, "object", "request."));
  RETURN_IF_ERROR(ReadIdentity(object, "request.object.", out));
  auto contents = ReadObject(object, route.shape);
  if (!contents.ok()) return contents.error().In("request.object");
  if (out.operation == "UPDATE") {
    MarkUnchanged(request, route.shape, *contents, out);
    // A pod's spec.nodeName is immutable: an update puts it nowhere. (It was judged when the pod was created or bound.)
    if (route.shape == Shape::kPod) contents->node.reset();
  }
  out.images = std::move(contents->images);
  out.labels = std::move(contents->labels);
  out.node = std::move(contents->node);
  out.service_account = std::move(contents->service_account);
  out.pull_secrets = std::move(contents->pull_secrets);
  return Ok();
}

ReviewError WithoutUid(Error error) {
  return {std::move(error), ""};
}

}  // namespace

std::string_view Name(Subject subject) {
  switch (subject) {
    case Subject::kPod:
      return "pod";
    case Subject::kEphemeral:
      return "ephemeral";
    case Subject::kWorkload:
      return "workload";
    case Subject::kBinding:
      return "binding";
    case Subject::kPolicy:
      return "policy";
    case Subject::kOther:
      return "other";
  }
  return "";
}

ReviewResult ParseReview(std::string_view body) {
  auto document = JsonDocument::Parse(body, {.max_bytes = limits::kReviewBytes});
  if (!document.ok()) return WithoutUid(std::move(document).error());
  auto request = RequestOf(document->root());
  if (!request.ok()) return WithoutUid(std::move(request).error());
  ReviewRequest out;
  auto uid = RequireString(*request, "uid", "request.");
  if (!uid.ok()) return WithoutUid(std::move(uid).error());
  out.uid = *uid;
  if (auto status = ReadRequest(*request, out); !status.ok())
    return ReviewError{std::move(status).error(), std::move(out.uid)};
  return out;
}

namespace {

// "apps/v1" is group "apps", "v1" the group without a name.
Result<std::string_view> GroupOf(std::string_view api_version) {
  auto slash = api_version.find('/');
  std::string_view group = slash == std::string_view::npos ? "" : api_version.substr(0, slash);
  std::string_view version = slash == std::string_view::npos ? api_version : api_version.substr(slash + 1);
  bool valid = !version.empty() && version.find('/') == std::string_view::npos &&
               (slash == std::string_view::npos || !group.empty());
  if (valid) return group;
  return Error{Reason::kReviewMalformed, "apiVersion",
               "must read GROUP/VERSION, or v1; not '" + Printable(api_version, 64) + "'"};
}

Status ReadManifest(JsonView object, std::string_view default_namespace, ReviewRequest& out) {
  if (!object.IsObject()) return Error{Reason::kReviewMalformed, "", "a manifest must be an object"};
  ASSIGN_OR_RETURN(std::string_view api_version, RequireString(object, "apiVersion", ""));
  ASSIGN_OR_RETURN(std::string_view group, GroupOf(api_version));
  ASSIGN_OR_RETURN(std::string_view kind, RequireString(object, "kind", ""));
  if (object.Find("items") && kind.ends_with("List")) {
    return Error{Reason::kReviewMalformed, "kind",
                 "is a list, whose items would not be judged; give each as a document of its own"};
  }
  out.operation = "CREATE";
  out.kind = Qualified(group, kind);
  RETURN_IF_ERROR(ReadIdentity(object, "", out));
  ASSIGN_OR_RETURN(auto resource, ResourceOf(group, kind));
  Route route;
  if (resource) {
    out.resource = *resource;
    ASSIGN_OR_RETURN(route, RouteOf({group, *resource, "", group, kind}));
  }
  out.subject = route.subject;
  // Most of ours are in no namespace.
  if (out.namespace_name.empty() && out.subject != Subject::kPolicy) out.namespace_name = default_namespace;
  if (route.subject == Subject::kPolicy) out.policy_object = object.Serialize();
  ASSIGN_OR_RETURN(ObjectContents contents, ReadObject(object, route.shape));
  out.images = std::move(contents.images);
  out.labels = std::move(contents.labels);
  out.node = std::move(contents.node);
  out.service_account = std::move(contents.service_account);
  out.pull_secrets = std::move(contents.pull_secrets);
  return Ok();
}

}  // namespace

ReviewResult ParseManifestObject(std::string_view json, std::string_view default_namespace) {
  auto document = JsonDocument::Parse(json, {.max_bytes = limits::kReviewBytes});
  if (!document.ok()) return WithoutUid(std::move(document).error());
  ReviewRequest out;
  if (auto status = ReadManifest(document->root(), default_namespace, out); !status.ok()) {
    return WithoutUid(std::move(status).error());
  }
  return out;
}

}  // namespace gatehouse::admission
