#include "tests/fakes/kube_schema.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "common/codec/yaml.h"

namespace gatehouse::fakes {
namespace {

constexpr std::string_view kOurGroup = "gatehouse.dev";

JsonValue ReadSchema(const std::string& plural) {
  const std::string path = std::string(GATEHOUSE_SOURCE_DIR) + "/deploy/helm/gatehouse/files/crds/" + plural + ".yaml";
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto documents = codec::ParseYaml(text, path);
  if (!documents.ok() || documents->size() != 1) std::abort();  // a mistake in the definition
  const JsonValue definition = JsonValue::From(documents->front().root());
  const JsonValue* versions = definition.At({"spec", "versions"});
  if (versions == nullptr || versions->elements.size() != 1) std::abort();
  const JsonValue* schema = versions->elements[0].At({"schema", "openAPIV3Schema"});
  if (schema == nullptr) std::abort();
  return *schema;
}

void PruneValue(JsonValue& value, const JsonValue& schema, bool is_root) {
  if (const JsonValue* items = schema.Find("items")) {
    for (JsonValue& element : value.elements) PruneValue(element, *items, false);
  }
  const JsonValue* properties = schema.Find("properties");
  const JsonValue* additional = schema.Find("additionalProperties");
  const bool preserves = schema.TextAt({"x-kubernetes-preserve-unknown-fields"}) == "true";
  std::erase_if(value.members, [&](auto& member) {
    auto& [key, inner] = member;
    if (is_root && (key == "apiVersion" || key == "kind" || key == "metadata")) return false;
    const JsonValue* known = properties == nullptr ? nullptr : properties->Find(key);
    if (known == nullptr) known = additional;
    if (known == nullptr) return !preserves;
    PruneValue(inner, *known, false);
    return false;
  });
}

}  // namespace

const JsonValue* SchemaOf(const kube::Resource& resource) {
  if (resource.group != kOurGroup) return nullptr;
  static const auto* const kSchemas = [] {
    auto* schemas = new std::map<std::string, JsonValue>;
    for (const kube::Resource& one : {kube::kImagePolicies, kube::kNamespacedImagePolicies, kube::kNodePolicies,
                                      kube::kReferenceValues, kube::kTrustRoots, kube::kNodeAttestations}) {
      schemas->emplace(one.plural, ReadSchema(one.plural));
    }
    return schemas;
  }();
  auto found = kSchemas->find(resource.plural);
  return found == kSchemas->end() ? nullptr : &found->second;
}

void Prune(JsonValue& object, const JsonValue& schema) {
  PruneValue(object, schema, true);
}

}  // namespace gatehouse::fakes
