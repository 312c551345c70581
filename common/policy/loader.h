// The strict loader of policy documents: from YAML files today, from the API with the same rules. An unknown or
// duplicate key, a bad glob, a bad key, a name used twice, a reference to nothing is refused with file, line and what
// to write instead.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/policy/documents.h"

namespace gatehouse::policy {

struct SourceFile {
  std::string name;  // as shown in messages
  std::string text;
};

struct LoadOutcome {
  std::shared_ptr<const PolicySet> set;  // set if and only if there are no errors
  std::vector<Error>
      errors;  // every document's first error, in order; reasons kPolicyInvalid, kYamlMalformed, kKeyMalformed, ...
};
// Order of files and documents does not matter to the result (nor to generations).
[[nodiscard]] LoadOutcome LoadPolicies(const std::vector<SourceFile>& files);

// Every *.yaml and *.yml file directly in `path` (or `path` itself if it is a file), sorted by name; hidden files and
// ..data links of a mounted ConfigMap are handled as a kubelet lays them out. Errors: kFileUnreadable, kLimitExceeded.
[[nodiscard]] Result<std::vector<SourceFile>> ReadPolicyFiles(const std::string& path);

}  // namespace gatehouse::policy
