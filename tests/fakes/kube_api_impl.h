// What the parts of the fake API server share.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include "common/base/limits.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::fakes {

// Metadata alone, if the client wants no more.
[[nodiscard]] bool MetadataOnly(const KubeRequest& request);
[[nodiscard]] JsonValue Shown(const JsonValue& object, bool metadata_only);
[[nodiscard]] KubeReply ReplyOf(const KubeAnswer& answer);

struct KubeApi::Impl {
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  std::vector<KubeType> types;
  KubeStore store;
  std::function<std::string(const std::string&, const std::vector<std::string>&)> review;
  std::function<std::optional<KubeReply>(const KubeRequest&)> hook;
  std::string token;
  std::string major = "1";
  std::string minor = "20+";
  std::deque<KubeFault> faults;
  struct Ending {
    std::uint64_t number = 0;
    bool in_order = true;
  } ending;
  std::size_t events_a_watch = 0;
  bool expired_in_stream = false;
  std::size_t page_size = 0;
  std::size_t piece_size = 0;
  Duration tick = limits::kStreamTick;
  bool down = false;
  std::size_t watches = 0;
  std::vector<KubeRequest> requests;
  struct Page {
    std::uint64_t version;
    std::vector<JsonValue> rest;
  };
  std::map<std::string, Page> pages;
  std::uint64_t page_number = 0;

  const KubeType* TypeOf(const std::string& group, const std::string& version, const std::string& plural) const {
    for (const KubeType& type : types) {
      if (type.resource == kube::Resource{group, version, plural}) return &type;
    }
    return nullptr;
  }
  const KubeType* TypeOf(const kube::Resource& resource) const {
    return TypeOf(resource.group, resource.version, resource.plural);
  }
  std::optional<KubeTarget> TargetOf(const std::string& path) const;
  std::optional<KubeFault> TakeFault(const KubeRequest& request);
  std::optional<KubeReply> Befalls(const KubeRequest& request, const std::function<KubeReply()>& carry_out);
  KubeAnswer Answer(const KubeRequest& request);
  KubeAnswer Write(const KubeRequest& request, const KubeTarget& target);
  KubeAnswer List(const KubeRequest& request, const KubeTarget& target);
  KubeAnswer ReviewToken(const JsonValue& body);
  std::optional<KubeAnswer> Discover(const std::string& path) const;
};

}  // namespace gatehouse::fakes
