// gatehouse policy check PATH…
#include <iostream>

#include "cli/options.h"
#include "common/codec/json.h"

namespace gatehouse::cli {

int PolicyCheck(const Options& options) {
  std::vector<Error> errors;
  auto set = LoadOrComplain(options.policies, &errors);
  for (const Error& error : errors) PrintError(error, options.json);
  if (!errors.empty()) return kUsageOrPolicy;
  if (options.json) {
    codec::JsonWriter json;
    json.BeginObject().Member("outcome", "valid").Key("imagePolicies").Uint(set->image_policies.size());
    json.Key("namespacedImagePolicies").Uint(set->namespaced_policies.size());
    json.Key("nodePolicies").Uint(set->node_policies.size()).Key("trustRoots").Uint(set->trust_roots.size());
    json.Member("generation", set->policy_generation).Member("trustGeneration", set->trust_generation).EndObject();
    std::cout << std::move(json).Finish() << "\n";
  } else {
    std::cout << "valid: " << set->image_policies.size() << " ImagePolicy, ";
    if (!set->namespaced_policies.empty()) std::cout << set->namespaced_policies.size() << " NamespacedImagePolicy, ";
    std::cout << set->node_policies.size() << " NodePolicy, " << set->trust_roots.size() << " TrustRoot\n";
  }
  return kAdmitted;
}

}  // namespace gatehouse::cli
