// Policy objects of the API: what may be written comes into force, what may not never does; an object that is wrong
// leaves in force what was right before; and the same object again changes nothing.
#include "common/policy/objects.h"

#include "common/base/bytes.h"
#include "common/codec/json.h"
#include "tests/fuzz/check.h"

using gatehouse::codec::JsonDocument;
using gatehouse::policy::ApiObject;
using gatehouse::policy::CheckObject;
using gatehouse::policy::ObjectStore;

namespace {

ApiObject Read(const std::string& text) {
  ApiObject object{.kind = "ImagePolicy", .namespace_name = "", .name = "fuzzed", .generation = 2, .json = text};
  auto document = JsonDocument::Parse(text, {.max_bytes = 1 << 20});
  if (!document.ok()) return object;
  auto take = [](std::optional<gatehouse::codec::JsonView> object_view, const char* key, std::string& into) {
    auto value = object_view ? object_view->Find(key) : std::nullopt;
    if (value && value->AsString()) into = std::string(*value->AsString());
  };
  take(document->root(), "kind", object.kind);
  auto metadata = document->root().Find("metadata");
  take(metadata, "name", object.name);
  if (object.kind == "NamespacedImagePolicy") take(metadata, "namespace", object.namespace_name);
  return object;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(gatehouse::AsText({data, size}));
  ApiObject object = Read(text);
  bool writable = CheckObject(text).ok();
  ObjectStore store;
  FUZZ_CHECK(store.Put(object));
  FUZZ_CHECK(!store.Put(object));
  auto state = store.StateOf(object);
  FUZZ_CHECK(state.has_value());
  FUZZ_CHECK(state->in_force == state->message.empty());
  FUZZ_CHECK(state->in_force == (state->in_force_generation != 0));
  // A request may leave name and namespace to the server; what is kept has them.
  if (state->in_force) FUZZ_CHECK(writable);
  auto built = store.Build({});
  FUZZ_CHECK(built.set != nullptr && built.states.size() == 1);
  const auto& set = *built.set;
  std::size_t documents = set.image_policies.size() + set.namespaced_policies.size() + set.node_policies.size() +
                          set.reference_values.size() + set.trust_roots.size();
  FUZZ_CHECK(documents == (state->in_force ? 1U : 0U));
  // A policy that never was right is not left out: it refuses what it may cover.
  bool unread = !state->in_force && object.kind.ends_with("Policy");
  FUZZ_CHECK(set.unread.size() == (unread ? 1U : 0U));
  for (const auto& policy : set.node_policies) {
    // Neither values nor documents of values would be a policy that anybody meets.
    FUZZ_CHECK(!policy.tpm.pcrs.empty() || !policy.reference_values.empty() || policy.boot || policy.ima);
    FUZZ_CHECK(policy.reference_sets.empty() && set.TpmRoots(policy).empty());
    if (policy.untrusted) FUZZ_CHECK(policy.untrusted->max_nodes >= 1);
  }
  for (const auto& values : set.reference_values) {
    FUZZ_CHECK(!values.sets.empty());
    for (const auto& one : values.sets) {
      FUZZ_CHECK(!one.tpm.pcrs.empty() || !one.boot.empty() || !one.ima.empty());
      FUZZ_CHECK(one.document == values.name);
    }
  }
  // Broken now: what was in force stays.
  ApiObject broken = object;
  broken.generation = 3;
  broken.json = "{";
  FUZZ_CHECK(store.Put(broken));
  auto after = store.Build({}).set;
  FUZZ_CHECK(after->unread.size() == set.unread.size());
  if (state->in_force) FUZZ_CHECK(after->policy_generation == set.policy_generation);
  FUZZ_CHECK(!store.StateOf(broken)->in_force);
  return 0;
}
