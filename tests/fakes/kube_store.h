// The objects of the fake API server (kube_api.h) and what the real one does to them when they are written. Not
// thread-safe: the server locks.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/kube/api.h"
#include "tests/fakes/json_value.h"

namespace gatehouse::fakes {

struct KubeType {
  kube::Resource resource;
  std::string kind;
  bool namespaced = true;
  bool status = false;  // has the status subresource
  // Replacing needs a resourceVersion, as for custom resources and Leases.
  bool versioned = false;
  // By which objects are pruned, if it is not null.
  const JsonValue* schema = nullptr;

  [[nodiscard]] bool custom() const {
    return resource.group.find('.') != std::string::npos && !resource.group.ends_with(".k8s.io");
  }
  [[nodiscard]] std::string ApiVersion() const {
    return resource.group.empty() ? resource.version : resource.group + "/" + resource.version;
  }
};

// An answer with a code: the object, or a Status.
struct KubeAnswer {
  int status = 200;
  JsonValue body = JsonValue::Object();
  std::vector<std::pair<std::string, std::string>> headers = {};
  [[nodiscard]] bool ok() const { return status < 300; }
};
[[nodiscard]] KubeAnswer KubeFailure(int status, const std::string& reason, const std::string& message);

struct KubeEvent {
  std::uint64_t version = 0;
  std::string type;  // ADDED, MODIFIED, DELETED, BOOKMARK; empty: `raw` is sent as it is
  std::string plural;
  std::string group;
  JsonValue object = {};
  std::optional<JsonValue> before = std::nullopt;
  std::string raw = {};
};

// "metadata.name=x,spec.nodeName!=y" and "app=x,!y"; no sets.
struct KubeSelector {
  std::string fields;
  std::string labels;
  std::string namespace_name;
  [[nodiscard]] bool Admits(const JsonValue& object) const;
};

struct KubeTarget {
  const KubeType* type = nullptr;
  std::string namespace_name;
  std::string name;
  std::string subresource;
};

class KubeStore {
 public:
  [[nodiscard]] KubeAnswer Create(const KubeTarget& target, JsonValue object);
  [[nodiscard]] KubeAnswer Get(const KubeTarget& target) const;
  [[nodiscard]] KubeAnswer Replace(const KubeTarget& target, JsonValue object);
  [[nodiscard]] KubeAnswer Patch(const KubeTarget& target, const std::string& content_type, const JsonValue& patch);
  [[nodiscard]] KubeAnswer Delete(const KubeTarget& target, const JsonValue& options);
  [[nodiscard]] std::vector<JsonValue> List(const KubeType& type, const KubeSelector& selector) const;

  [[nodiscard]] std::uint64_t version() const { return version_; }
  // Every event since the last compaction; the first of them is the number first().
  [[nodiscard]] const std::deque<KubeEvent>& events() const { return events_; }
  [[nodiscard]] std::uint64_t first() const { return first_; }
  [[nodiscard]] std::uint64_t compacted() const { return compacted_; }
  void Compact();
  void Bookmark(const KubeType& type);
  void Raw(const KubeType& type, const std::string& line);

 private:
  using Key = std::pair<std::string, std::string>;  // namespace and name
  [[nodiscard]] const JsonValue* Find(const KubeTarget& target) const;
  KubeAnswer Store(const KubeTarget& target, JsonValue object, const JsonValue* before);
  std::map<Key, JsonValue>& ObjectsOf(const KubeType& type) {
    return objects_[type.resource.group + "/" + type.resource.plural];
  }

  std::map<std::string, std::map<Key, JsonValue>> objects_;
  std::deque<KubeEvent> events_;
  std::uint64_t version_ = 1000;
  std::uint64_t compacted_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t uids_ = 0;
};

}  // namespace gatehouse::fakes
