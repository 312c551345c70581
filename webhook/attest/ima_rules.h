// What the policies of a node say of its IMA log now: the rules, and the reference values that are in their time.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/ima.h"
#include "common/policy/documents.h"
#include "webhook/attest/reference_files.h"

namespace gatehouse::webhook {

struct ImaRules {
  std::string policy;
  // Names all that a judgement rests on: another identity, another judgement, from the first entry on.
  std::string identity;
  std::shared_ptr<const appraisal::ImaPolicy> rules;
  std::shared_ptr<const std::vector<appraisal::ImaAppraisal::Set>> sets;
  std::vector<Error> unavailable;  // files of reference digests that could not be had: what they list is not accepted
};

// Thread-safe. The sets of a policy are put together once for as long as they are the same.
class ImaRuleBook {
 public:
  explicit ImaRuleBook(ReferenceFiles& files) : files_(files) {}
  // Of a policy with `ima`.
  [[nodiscard]] ImaRules RulesOf(const policy::NodePolicy& policy, WallTime now);
  // Policies that are no more are forgotten.
  void Retain(const policy::PolicySet& set);

 private:
  [[nodiscard]] ImaRules Make(const policy::NodePolicy& policy, WallTime now);
  ReferenceFiles& files_;
  std::mutex mutex_;
  struct Kept {
    ImaRules rules;
    std::string key;  // generation and names of the sets in their time
    WallTime made{};
  };
  std::map<std::string, Kept> kept_;  // by policy
};

}  // namespace gatehouse::webhook
