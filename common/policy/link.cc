// What makes one set of documents that were read one by one.
#include <algorithm>
#include <tuple>

#include "common/policy/readers.h"

namespace gatehouse::policy {

Missing Link(NodePolicy& policy, const std::map<std::string, const TrustRoot*>& roots,
             const std::map<std::string, const ReferenceValues*>& references) {
  Missing missing;
  // What was attested under a root or by values that count no longer must be attested again.
  std::string generations = policy.generation;
  for (std::size_t i = 0; i < policy.trust_roots.size(); ++i) {
    auto root = roots.find(policy.trust_roots[i]);
    if (root == roots.end()) missing.trust_roots.push_back(i);
    generations += "\n" + (root == roots.end() ? std::string("-") : root->second->generation);
  }
  policy.reference_sets.clear();
  for (std::size_t i = 0; i < policy.reference_values.size(); ++i) {
    auto values = references.find(policy.reference_values[i]);
    generations += "\n" + (values == references.end() ? std::string("-") : values->second->generation);
    if (values == references.end()) {
      missing.reference_values.push_back(i);
      continue;
    }
    const std::vector<ReferenceSet>& sets = values->second->sets;
    policy.reference_sets.insert(policy.reference_sets.end(), sets.begin(), sets.end());
  }
  policy.generation = HashText(generations);
  return missing;
}

namespace {

template <typename Document>
void SortByName(std::vector<Document>& documents) {
  std::sort(documents.begin(), documents.end(), [](const Document& a, const Document& b) { return a.name < b.name; });
}

}  // namespace

void Complete(PolicySet& set) {
  SortByName(set.image_policies);
  SortByName(set.node_policies);
  SortByName(set.trust_roots);
  SortByName(set.reference_values);
  std::sort(set.namespaced_policies.begin(), set.namespaced_policies.end(),
            [](const ImagePolicy& a, const ImagePolicy& b) {
              return std::tie(a.namespace_name, a.name) < std::tie(b.namespace_name, b.name);
            });
  std::string policies;
  for (const ImagePolicy& policy : set.image_policies)
    policies += "ImagePolicy " + policy.name + " " + policy.generation + "\n";
  for (const ImagePolicy& policy : set.namespaced_policies) {
    policies += "NamespacedImagePolicy " + policy.namespace_name + "/" + policy.name + " " + policy.generation + "\n";
  }
  for (const NodePolicy& policy : set.node_policies)
    policies += "NodePolicy " + policy.name + " " + policy.generation + "\n";
  for (const ReferenceValues& values : set.reference_values)
    policies += "ReferenceValues " + values.name + " " + values.generation + "\n";
  for (const UnreadPolicy& policy : set.unread)
    policies += "unread " + policy.kind + " " + policy.namespace_name + "/" + policy.name + " " + policy.problem + "\n";
  // Which policies apply depends on these too.
  for (const auto& [name, labels] : set.namespaces) {
    policies += "Namespace " + name + "\n";
    for (const auto& [key, value] : labels) policies += " " + key + "=" + value + "\n";
  }
  set.policy_generation = HashText(policies);
  std::string roots;
  for (const TrustRoot& root : set.trust_roots) roots += "TrustRoot " + root.name + " " + root.generation + "\n";
  set.trust_generation = HashText(roots);
}

}  // namespace gatehouse::policy
