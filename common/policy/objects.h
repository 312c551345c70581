// The policy objects of an API server in their loaded form, so that a change costs the reading of one object.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "common/policy/loader.h"

namespace gatehouse::policy {

// Not thread-safe. What LoadObjects() says of objects that are wrong and of references to nothing holds here.
class ObjectStore {
 public:
  // Adds the object, or replaces it. False if it is in force as it was before: another status, other labels.
  bool Put(const ApiObject& object);
  // False if there was none.
  bool Remove(const std::string& kind, const std::string& namespace_name, const std::string& name);
  // Everything as one set, with the state of each object, sorted by kind, namespace and name.
  [[nodiscard]] ObjectsOutcome Build(const std::map<std::string, Labels>& namespaces) const;
  // Of one object alone: what it refers to is not looked at. Nothing if there is none.
  [[nodiscard]] std::optional<ObjectState> StateOf(const ApiObject& object) const;

 private:
  using Key = std::tuple<std::string, std::string, std::string>;  // kind, namespace, name
  using Document = std::variant<ImagePolicy, NodePolicy, TrustRoot, ReferenceValues>;
  struct Entry {
    std::string uid;
    std::int64_t generation = 0;
    std::string content;               // a hash of what was looked at last
    std::string problem;               // empty: `document` is what was looked at last
    std::optional<Document> document;  // as it was when it was last right
    std::int64_t document_generation = 0;
  };
  static ObjectState State(const Key& key, const Entry& entry);

  std::map<Key, Entry> entries_;
};

}  // namespace gatehouse::policy
