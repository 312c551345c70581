#include "common/policy/objects.h"

#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;

// What Gatehouse itself writes; the schema of the resource and RBAC say by whom and how.
constexpr std::string_view kWrittenByUs = "NodeAttestation";
constexpr std::string_view kGroup = "gatehouse.dev/";

std::string_view TextAt(codec::JsonView object, std::string_view section, std::string_view key) {
  auto inner = object.Find(section);
  auto value = inner ? inner->Find(key) : std::nullopt;
  return value ? value->AsString().value_or("") : std::string_view();
}

// Not linked: that is done whenever a set is made.
Result<std::variant<ImagePolicy, NodePolicy, TrustRoot, ReferenceValues>> ReadAny(const JsonDocument& document,
                                                                                  const Head& head) {
  if (head.kind == "NodePolicy") {
    ASSIGN_OR_RETURN(UnlinkedNodePolicy read, ReadNodePolicy(document, head));
    return {std::move(read.policy)};
  }
  if (head.kind == "TrustRoot") {
    ASSIGN_OR_RETURN(TrustRoot root, ReadTrustRoot(document, head));
    return {std::move(root)};
  }
  if (head.kind == "ReferenceValues") {
    ASSIGN_OR_RETURN(ReferenceValues values, ReadReferenceValues(document, head));
    return {std::move(values)};
  }
  ASSIGN_OR_RETURN(UnlinkedImagePolicy read, ReadImagePolicy(document, head));  // ReadHead() lets no other kind pass
  return {std::move(read.policy)};
}

std::string KeyText(const ApiObject& object) {
  return object.kind + "/" + object.namespace_name + "/" + object.name;
}

// What a NodePolicy names and is not there, for its state.
std::string Describe(const NodePolicy& policy, const Missing& missing) {
  std::string text;
  for (std::size_t i : missing.trust_roots) {
    text += (text.empty() ? "" : "; ") + std::string("there is no TrustRoot '") + Printable(policy.trust_roots[i], 64) +
            "': no TPM is trusted by it";
  }
  for (std::size_t i : missing.without_tpm) {
    text += (text.empty() ? "" : "; ") + std::string("TrustRoot '") + Printable(policy.trust_roots[i], 64) +
            "' has nothing for TPMs: no TPM is trusted by it";
  }
  for (std::size_t i : missing.reference_values) {
    text += (text.empty() ? "" : "; ") + std::string("there are no ReferenceValues '") +
            Printable(policy.reference_values[i], 64) + "': no node is trusted by them";
  }
  return text;
}

std::string Describe(const ImagePolicy& policy, const std::vector<Dangling>& dangling) {
  std::string text;
  for (const Dangling& one : dangling) {
    text += (text.empty() ? "" : "; ") + one.detail + ": authority '" + policy.authorities[one.authority].name +
            "' vouches for nothing";
  }
  return text;
}

}  // namespace

bool ObjectStore::Put(const ApiObject& object) {
  auto document = JsonDocument::Parse(object.json, {.max_bytes = limits::kKubeObjectBytes});
  Result<Head> head = document.ok() ? ReadHead(*document, Origin::kApi) : Result<Head>(document.error());
  Entry& entry = entries_[{object.kind, object.namespace_name, object.name}];
  std::string uid(document.ok() ? TextAt(document->root(), "metadata", "uid") : entry.uid);
  if (uid != entry.uid) entry = Entry{};  // another object that has the name now
  std::string content = head.ok() ? GenerationOf(*document, *head) : HashText(object.json);
  if (entry.content == content && entry.generation == object.generation) return false;
  entry.uid = std::move(uid);
  entry.content = std::move(content);
  entry.generation = object.generation;
  bool named = head.ok() && head->kind == object.kind && head->namespace_name == object.namespace_name &&
               head->name == object.name;
  Result<Document> read =
      head.ok() ? Error{Reason::kPolicyInvalid, "$.metadata", "is not that of the object asked for"} : head.error();
  if (named) read = ReadAny(*document, *head);
  entry.problem = read.ok() ? "" : read.error().ToString();
  if (!read.ok()) return true;
  entry.document = std::move(read).value();
  entry.document_generation = object.generation;
  return true;
}

bool ObjectStore::Remove(const std::string& kind, const std::string& namespace_name, const std::string& name) {
  return entries_.erase({kind, namespace_name, name}) > 0;
}

ObjectState ObjectStore::State(const Key& key, const Entry& entry) {
  const auto& [kind, namespace_name, name] = key;
  return {.kind = kind,
          .namespace_name = namespace_name,
          .name = name,
          .generation = entry.generation,
          .in_force = entry.document.has_value() && entry.problem.empty(),
          .in_force_generation = entry.document ? entry.document_generation : 0,
          .message = entry.problem};
}

std::optional<ObjectState> ObjectStore::StateOf(const ApiObject& object) const {
  auto found = entries_.find({object.kind, object.namespace_name, object.name});
  if (found == entries_.end()) return std::nullopt;
  return State(found->first, found->second);
}

ObjectsOutcome ObjectStore::Build(const std::map<std::string, Labels>& namespaces) const {
  auto set = std::make_shared<PolicySet>();
  set->namespaces = namespaces;
  std::map<std::string, const TrustRoot*> roots;
  std::map<std::string, const ReferenceValues*> references;
  for (const auto& [key, entry] : entries_) {
    if (!entry.document && std::get<0>(key) == "TrustRoot") set->unread_trust_roots.insert(std::get<2>(key));
    if (!entry.document) continue;
    if (const auto* root = std::get_if<TrustRoot>(&*entry.document)) {
      set->trust_roots.push_back(*root);
      roots.emplace(root->name, root);
    } else if (const auto* values = std::get_if<ReferenceValues>(&*entry.document)) {
      set->reference_values.push_back(*values);
      references.emplace(values->name, values);
    }
  }
  TrustLinker linker(roots, set->unread_trust_roots);
  ObjectsOutcome outcome;
  for (const auto& [key, entry] : entries_) {
    outcome.states.push_back(State(key, entry));
    if (!entry.document) {
      const auto& [kind, namespace_name, name] = key;
      if (kind.ends_with("Policy")) set->unread.push_back({kind, namespace_name, name, entry.problem});
      continue;
    }
    std::string dangling;
    if (const auto* image = std::get_if<ImagePolicy>(&*entry.document)) {
      auto& policies = image->namespace_name.empty() ? set->image_policies : set->namespaced_policies;
      policies.push_back(*image);
      dangling = Describe(*image, linker.Link(policies.back()));
    } else if (const auto* node = std::get_if<NodePolicy>(&*entry.document)) {
      set->node_policies.push_back(*node);
      dangling = Describe(*node, Link(set->node_policies.back(), roots, references));
    }
    std::string& message = outcome.states.back().message;
    if (!dangling.empty()) message += (message.empty() ? "" : "; ") + dangling;
  }
  Complete(*set);
  outcome.set = std::move(set);
  return outcome;
}

ObjectsOutcome LoadObjects(const std::vector<ApiObject>& objects, const std::map<std::string, Labels>& namespaces,
                           std::map<std::string, ApiObject>& last_good) {
  ObjectStore store;
  std::set<std::string> present;
  for (const ApiObject& object : objects) {
    std::string key = KeyText(object);
    if (auto before = last_good.find(key); before != last_good.end()) store.Put(before->second);
    store.Put(object);
    auto state = store.StateOf(object);
    if (state && state->in_force) last_good[key] = object;
    if (state && state->in_force_generation == 0) last_good.erase(key);
    present.insert(std::move(key));
  }
  std::erase_if(last_good, [&](const auto& entry) { return !present.contains(entry.first); });
  ObjectsOutcome built = store.Build(namespaces);
  std::map<std::string, ObjectState> states;
  for (ObjectState& state : built.states)
    states.emplace(state.kind + "/" + state.namespace_name + "/" + state.name, std::move(state));
  built.states.clear();
  for (const ApiObject& object : objects) built.states.push_back(states.at(KeyText(object)));
  return built;
}

Status CheckObject(std::string_view json) {
  ASSIGN_OR_RETURN(JsonDocument document, JsonDocument::Parse(json, {.max_bytes = limits::kKubeObjectBytes}));
  auto text = [&](std::string_view key) {
    auto value = document.root().Find(key);
    return value ? value->AsString().value_or("") : std::string_view();
  };
  if (text("kind") == kWrittenByUs && text("apiVersion").starts_with(kGroup)) return Ok();
  ASSIGN_OR_RETURN(Head head, ReadHead(document, Origin::kRequest));
  auto read = ReadAny(document, head);
  return read.ok() ? Ok() : Status(read.error());
}

}  // namespace gatehouse::policy
