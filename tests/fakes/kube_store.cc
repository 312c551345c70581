#include "tests/fakes/kube_store.h"

#include <algorithm>

#include "tests/fakes/kube_schema.h"

namespace gatehouse::fakes {
namespace {

KubeAnswer NotFound(const KubeTarget& target) {
  return KubeFailure(404, "NotFound", target.type->resource.plural + " \"" + target.name + "\" not found");
}

// The lists of built-in types that have a patchMergeKey (k8s.io/api, core/v1, admissionregistration/v1). The taints of
// a NodeSpec have none: a strategic patch replaces them as a whole.
std::string_view KeyOfList(std::string_view list) {
  constexpr std::pair<std::string_view, std::string_view> kKeys[] = {{"webhooks", "name"},       {"conditions", "type"},
                                                                     {"containers", "name"},     {"addresses", "type"},
                                                                     {"ownerReferences", "uid"}, {"volumes", "name"}};
  for (const auto& [name, key] : kKeys) {
    if (name == list) return key;
  }
  return "";
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

// One requirement against the value of its key; nothing if it has none.
bool Holds(const std::string& requirement, const std::function<std::optional<std::string>(const std::string&)>& value) {
  if (auto at = requirement.find("!="); at != std::string::npos) {
    return value(requirement.substr(0, at)) != requirement.substr(at + 2);
  }
  if (auto at = requirement.find('='); at != std::string::npos) {
    std::string wanted = requirement.substr(at + 1);
    if (wanted.starts_with("=")) wanted.erase(0, 1);
    return value(requirement.substr(0, at)) == wanted;
  }
  if (requirement.starts_with("!")) return !value(requirement.substr(1));
  return value(requirement).has_value();
}

// What a client may not change by writing the object itself, or by writing one of its subresources.
void KeepWhatIsNotWritten(const KubeTarget& target, JsonValue& object, const JsonValue& before) {
  auto keep = [&](std::string_view member) {
    if (const JsonValue* old = before.Find(member)) {
      object.Member(member) = *old;
    } else {
      object.Erase(member);
    }
  };
  if (target.subresource.empty()) {
    if (target.type->status) keep("status");
    return;
  }
  JsonValue status = object.Find("status") == nullptr ? JsonValue{} : *object.Find("status");
  JsonValue version = object.Member("metadata").Member("resourceVersion");
  object = before;
  if (version.kind == JsonValue::Kind::kString) object.Member("metadata").Member("resourceVersion") = version;
  if (status.kind != JsonValue::Kind::kNull) object.Member("status") = status;
}

bool IsMicroTime(const std::string& text) {
  return text.empty() || (text.size() == 27 && text[19] == '.' && text.ends_with("Z"));
}

// metav1.MicroTime is read with exactly six digits.
std::optional<KubeAnswer> Invalid(const KubeTarget& target, const JsonValue& object) {
  if (target.type->kind == "Lease") {
    for (std::string_view field : {"renewTime", "acquireTime"}) {
      if (!IsMicroTime(object.TextAt({"spec", field}))) {
        return KubeFailure(400, "BadRequest", "Lease in version \"v1\" cannot be handled as a Lease: parsing time");
      }
    }
  }
  if (!object.TextAt({"kind"}).empty() && object.TextAt({"kind"}) != target.type->kind) {
    return KubeFailure(400, "BadRequest",
                       "the object provided is unrecognized (must be of type " + target.type->kind + ")");
  }
  return std::nullopt;
}

}  // namespace

KubeAnswer KubeFailure(int status, const std::string& reason, const std::string& message) {
  KubeAnswer answer{.status = status};
  answer.body.Member("kind") = JsonValue::String("Status");
  answer.body.Member("apiVersion") = JsonValue::String("v1");
  answer.body.Member("metadata") = JsonValue::Object();
  answer.body.Member("status") = JsonValue::String("Failure");
  answer.body.Member("message") = JsonValue::String(message);
  answer.body.Member("reason") = JsonValue::String(reason);
  answer.body.Member("code") = JsonValue::Number(static_cast<std::uint64_t>(status));
  return answer;
}

bool KubeSelector::Admits(const JsonValue& object) const {
  if (!namespace_name.empty() && object.TextAt({"metadata", "namespace"}) != namespace_name) return false;
  auto field = [&](const std::string& path) -> std::optional<std::string> {
    const JsonValue* value = &object;
    for (const std::string& key : Split(path, '.')) {
      value = value->Find(key);
      if (value == nullptr) return "";
    }
    return value->text;
  };
  auto label = [&](const std::string& key) -> std::optional<std::string> {
    const JsonValue* value = object.At({"metadata", "labels", key});
    return value == nullptr ? std::nullopt : std::optional(value->text);
  };
  auto holds = [](const std::string& selector, const auto& value) {
    const std::vector<std::string> requirements = Split(selector, ',');
    return std::all_of(requirements.begin(), requirements.end(),
                       [&](const std::string& requirement) { return Holds(requirement, value); });
  };
  return holds(fields, field) && holds(labels, label);
}

const JsonValue* KubeStore::Find(const KubeTarget& target) const {
  auto objects = objects_.find(target.type->resource.group + "/" + target.type->resource.plural);
  if (objects == objects_.end()) return nullptr;
  auto found = objects->second.find({target.namespace_name, target.name});
  return found == objects->second.end() ? nullptr : &found->second;
}

KubeAnswer KubeStore::Store(const KubeTarget& target, JsonValue object, const JsonValue* before) {
  if (target.type->schema != nullptr) Prune(object, *target.type->schema);
  JsonValue& metadata = object.Member("metadata");
  if (before != nullptr) {
    metadata.Member("resourceVersion") = *before->At({"metadata", "resourceVersion"});
    if (object == *before) return {.body = object};  // nothing changes, no event
    if (const JsonValue* generation = before->At({"metadata", "generation"})) {
      const JsonValue* spec = object.Find("spec");
      const JsonValue* old_spec = before->Find("spec");
      bool same = (spec == nullptr) == (old_spec == nullptr) && (spec == nullptr || *spec == *old_spec);
      metadata.Member("generation") = same ? *generation : JsonValue::Number(std::stoull(generation->text) + 1);
    }
  }
  metadata.Member("resourceVersion") = JsonValue::String(std::to_string(++version_));
  KubeEvent event{.version = version_,
                  .type = before == nullptr ? "ADDED" : "MODIFIED",
                  .plural = target.type->resource.plural,
                  .group = target.type->resource.group,
                  .object = object};
  if (before != nullptr) event.before = *before;
  events_.push_back(std::move(event));
  ObjectsOf(*target.type)[{target.namespace_name, target.name}] = object;
  return {.status = before == nullptr ? 201 : 200, .body = std::move(object)};
}

KubeAnswer KubeStore::Create(const KubeTarget& asked, JsonValue object) {
  KubeTarget target = asked;
  if (auto invalid = Invalid(target, object)) return *invalid;
  if (!object.TextAt({"metadata", "resourceVersion"}).empty()) {
    return KubeFailure(400, "BadRequest", "resourceVersion should not be set on objects to be created");
  }
  target.name = object.TextAt({"metadata", "name"});
  if (target.name.empty()) target.name = object.TextAt({"metadata", "generateName"});
  if (target.name.empty())
    return KubeFailure(
        422, "Invalid",
        target.type->kind + " \"\" is invalid: metadata.name: Required value: name or generateName is required");
  if (object.TextAt({"metadata", "name"}).empty()) target.name += "x" + std::to_string(1000 + uids_);
  if (Find(target) != nullptr) {
    return KubeFailure(409, "AlreadyExists", target.type->resource.plural + " \"" + target.name + "\" already exists");
  }
  object.Member("apiVersion") = JsonValue::String(target.type->ApiVersion());
  object.Member("kind") = JsonValue::String(target.type->kind);
  JsonValue& metadata = object.Member("metadata");
  metadata.Member("name") = JsonValue::String(target.name);
  if (target.type->namespaced) metadata.Member("namespace") = JsonValue::String(target.namespace_name);
  std::string number = std::to_string(++uids_);
  if (metadata.TextAt({"uid"}).empty()) {
    metadata.Member("uid") =
        JsonValue::String("00000000-0000-4000-8000-" + std::string(12 - number.size(), '0') + number);
  }
  if (metadata.TextAt({"creationTimestamp"}).empty())
    metadata.Member("creationTimestamp") = JsonValue::String("2026-11-21T12:00:00Z");
  if (target.type->custom()) metadata.Member("generation") = JsonValue::Number(1);
  return Store(target, std::move(object), nullptr);
}

KubeAnswer KubeStore::Get(const KubeTarget& target) const {
  const JsonValue* object = Find(target);
  return object == nullptr ? NotFound(target) : KubeAnswer{.body = *object};
}

KubeAnswer KubeStore::Replace(const KubeTarget& target, JsonValue object) {
  const JsonValue* found = Find(target);
  if (found == nullptr) return NotFound(target);
  if (auto invalid = Invalid(target, object)) return *invalid;
  const JsonValue before = *found;
  const std::string version = object.TextAt({"metadata", "resourceVersion"});
  if (version.empty() && target.type->versioned) {
    return KubeFailure(422, "Invalid", "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update");
  }
  const std::string uid = object.TextAt({"metadata", "uid"});
  if ((!version.empty() && version != before.TextAt({"metadata", "resourceVersion"})) ||
      (!uid.empty() && uid != before.TextAt({"metadata", "uid"}))) {
    return KubeFailure(
        409, "Conflict",
        "Operation cannot be fulfilled on " + target.type->resource.plural + " \"" + target.name +
            "\": the object has been modified; please apply your changes to the latest version and try again");
  }
  for (std::string_view kept : {"uid", "creationTimestamp", "name", "namespace", "generation"}) {
    if (const JsonValue* value = before.At({"metadata", kept})) object.Member("metadata").Member(kept) = *value;
  }
  object.Member("apiVersion") = JsonValue::String(target.type->ApiVersion());
  object.Member("kind") = JsonValue::String(target.type->kind);
  KeepWhatIsNotWritten(target, object, before);
  return Store(target, std::move(object), &before);
}

KubeAnswer KubeStore::Patch(const KubeTarget& target, const std::string& content_type, const JsonValue& patch) {
  const JsonValue* found = Find(target);
  if (found == nullptr) return NotFound(target);
  JsonValue object = *found;
  if (content_type == "application/merge-patch+json") {
    ApplyMergePatch(object, patch);
  } else if (content_type == "application/strategic-merge-patch+json" && !target.type->custom()) {
    ApplyStrategicPatch(object, patch, KeyOfList);
  } else if (content_type == "application/json-patch+json") {
    if (!ApplyJsonPatch(object, patch))
      return KubeFailure(422, "Invalid", "the server rejected our request due to an error in our request");
  } else {
    return KubeFailure(415, "UnsupportedMediaType",
                       "the body of the request was in an unknown format - accepted media types include: "
                       "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml");
  }
  return Replace(target, std::move(object));
}

KubeAnswer KubeStore::Delete(const KubeTarget& target, const JsonValue& options) {
  const JsonValue* found = Find(target);
  if (found == nullptr) return NotFound(target);
  JsonValue object = *found;
  for (std::string_view each : {"uid", "resourceVersion"}) {
    const std::string wanted = options.TextAt({"preconditions", each});
    if (!wanted.empty() && wanted != object.TextAt({"metadata", each})) {
      return KubeFailure(409, "Conflict", "Precondition failed: " + std::string(each) + " in precondition: " + wanted);
    }
  }
  ObjectsOf(*target.type).erase({target.namespace_name, target.name});
  KubeEvent event{.version = ++version_,
                  .type = "DELETED",
                  .plural = target.type->resource.plural,
                  .group = target.type->resource.group,
                  .object = object,
                  .before = object};
  event.object.Member("metadata").Member("resourceVersion") = JsonValue::String(std::to_string(version_));
  events_.push_back(std::move(event));
  return {.body = std::move(object)};
}

std::vector<JsonValue> KubeStore::List(const KubeType& type, const KubeSelector& selector) const {
  std::vector<JsonValue> found;
  auto objects = objects_.find(type.resource.group + "/" + type.resource.plural);
  if (objects == objects_.end()) return found;
  for (const auto& [key, object] : objects->second) {
    if (selector.Admits(object)) found.push_back(object);
  }
  return found;
}

void KubeStore::Compact() {
  first_ += events_.size();
  events_.clear();
  compacted_ = ++version_;
}

void KubeStore::Bookmark(const KubeType& type) {
  KubeEvent event{
      .version = version_, .type = "BOOKMARK", .plural = type.resource.plural, .group = type.resource.group};
  event.object.Member("kind") = JsonValue::String(type.kind);
  event.object.Member("apiVersion") = JsonValue::String(type.ApiVersion());
  event.object.Member("metadata").Member("resourceVersion") = JsonValue::String(std::to_string(version_));
  event.object.Member("metadata").Member("creationTimestamp");
  events_.push_back(std::move(event));
}

void KubeStore::Raw(const KubeType& type, const std::string& line) {
  events_.push_back(
      {.version = version_, .type = "", .plural = type.resource.plural, .group = type.resource.group, .raw = line});
}

}  // namespace gatehouse::fakes
