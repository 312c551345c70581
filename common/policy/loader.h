// The strict loader of policy documents: from YAML files today, from the API with the same rules. An unknown or
// duplicate key, a bad glob, a bad key, a name used twice, a reference to nothing is refused with file, line and what
// to write instead.
#pragma once

#include <map>
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

// One object as the Kubernetes API serves it: spec, beside metadata that the server keeps and a status, which are not
// looked at.
struct ApiObject {
  std::string kind;
  std::string namespace_name;  // of a NamespacedImagePolicy
  std::string name;
  std::int64_t generation = 0;  // metadata.generation
  std::string json;             // the whole object
};

// What became of one object.
struct ObjectState {
  std::string kind;
  std::string namespace_name;
  std::string name;
  std::int64_t generation = 0;           // that was looked at last
  bool in_force = false;                 // this very generation
  std::int64_t in_force_generation = 0;  // 0: none of this object is
  std::string message;                   // why it is not in force, or what is missing beside it; empty if all is well
};

struct ObjectsOutcome {
  std::shared_ptr<const PolicySet> set;  // never null
  std::vector<ObjectState> states;       // in the order of the objects; Namespaces have none
};

// The objects of an API server, by the same rules; but each stands for itself. One that is wrong (which validation at
// admission lets nobody write) is replaced by what it was when it was last right, given in `last_good` by
// "kind/ns/name", and one of PolicySet::unread if it never was. `last_good` is brought up to date. A NodePolicy that
// names a TrustRoot or ReferenceValues that does not exist is in force without it: it trusts nobody by that, and its
// state says so. `namespaces`: labels, from the API.
[[nodiscard]] ObjectsOutcome LoadObjects(const std::vector<ApiObject>& objects,
                                         const std::map<std::string, Labels>& namespaces,
                                         std::map<std::string, ApiObject>& last_good);

// Whether one object of our group may be written: what the loader says of it alone (references to others are not
// looked at). Also for kinds that nobody but Gatehouse writes (NodeAttestation): those are passed. Errors:
// kPolicyInvalid with the path of the field ("$.spec.images[0].glob"), others as the loader gives them.
[[nodiscard]] Status CheckObject(std::string_view json);

// Every *.yaml and *.yml file directly in `path` (or `path` itself if it is a file), sorted by name; hidden files and
// ..data links of a mounted ConfigMap are handled as a kubelet lays them out. Errors: kFileUnreadable, kLimitExceeded.
[[nodiscard]] Result<std::vector<SourceFile>> ReadPolicyFiles(const std::string& path);

}  // namespace gatehouse::policy
