#include "webhook/attest/ima_rules.h"

#include <algorithm>

namespace gatehouse::webhook {
namespace {

// Files that were not there are looked for again.
constexpr Duration kTryFilesAgain = std::chrono::seconds(30);

std::string KeyOf(const policy::NodePolicy& policy, WallTime now) {
  std::string key = policy.generation;
  for (const policy::ReferenceSet& set : policy.reference_sets) {
    if (!set.ima.empty() && set.InTime(now)) key += "\n" + set.document + "/" + set.name;
  }
  return key;
}

}  // namespace

ImaRules ImaRuleBook::Make(const policy::NodePolicy& policy, WallTime now) {
  ImaRules made{
      .policy = policy.name, .identity = KeyOf(policy, now), .rules = policy.ima, .sets = {}, .unavailable = {}};
  auto sets = std::make_shared<std::vector<appraisal::ImaAppraisal::Set>>();
  for (const policy::ReferenceSet& set : policy.reference_sets) {
    if (set.ima.empty() || !set.InTime(now)) continue;
    if (set.ima.digests) sets->push_back({set.ima.digests, set.ima.images_only, set.not_after});
    for (const appraisal::ImaReference::File& file : set.ima.files) {
      auto found = files_.Find(file);
      if (found.ok()) {
        sets->push_back({*found, set.ima.images_only, set.not_after});
      } else {
        made.unavailable.push_back(found.error().In(set.document + "/" + set.name));
        made.identity += "\nwithout " + file.pin.text();
      }
    }
  }
  made.sets = std::move(sets);
  return made;
}

ImaRules ImaRuleBook::RulesOf(const policy::NodePolicy& policy, WallTime now) {
  const std::string key = KeyOf(policy, now);
  std::lock_guard lock(mutex_);
  auto kept = kept_.find(policy.name);
  const bool fresh = kept != kept_.end() && kept->second.key == key &&
                     (kept->second.rules.unavailable.empty() || now - kept->second.made < kTryFilesAgain);
  if (fresh) return kept->second.rules;
  ImaRules made = Make(policy, now);
  kept_[policy.name] = {.rules = made, .key = key, .made = now};
  return made;
}

void ImaRuleBook::Retain(const policy::PolicySet& set) {
  std::lock_guard lock(mutex_);
  std::erase_if(kept_, [&](const auto& entry) {
    return std::none_of(set.node_policies.begin(), set.node_policies.end(),
                        [&](const policy::NodePolicy& policy) { return policy.name == entry.first && policy.ima; });
  });
}

}  // namespace gatehouse::webhook
