#include "webhook/control/node_events.h"

#include <utility>

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"

namespace gatehouse::webhook {
namespace {

constexpr std::chrono::minutes kSilence{10};
constexpr std::chrono::hours kServerKeeps{1};  // kube-apiserver --event-ttl
constexpr std::chrono::seconds kTimeout{10};
constexpr std::size_t kMessageBytes = 1000;  // the server admits 1024
constexpr std::size_t kRemembered = 10'000;

// A DNS subdomain of at most 253 characters (RFC 1123): what of the node's name fits, and a hash of all.
std::string EventName(const std::string& node, std::string_view reason, const std::string& message) {
  constexpr std::size_t kPrefix = 200;
  constexpr std::size_t kHashBytes = 8;
  std::string text = node + '\n' + std::string(reason) + '\n' + message;
  Bytes hash = crypto::Hash(HashAlgorithm::kSha256, AsBytes(text));
  hash.resize(kHashBytes);
  std::string prefix = node.substr(0, kPrefix);
  while (!prefix.empty() && (prefix.back() == '.' || prefix.back() == '-')) prefix.pop_back();
  return prefix + "." + EncodeHex(hash);
}

}  // namespace

std::string NodeEvents::Body(const std::string& name, const std::string& node, std::string_view reason,
                             const std::string& message, bool warning) const {
  std::string now = codec::FormatTime(std::chrono::floor<std::chrono::seconds>(clock_.Wall()));
  codec::JsonWriter json;
  json.BeginObject().Member("apiVersion", "v1").Member("kind", "Event");
  json.Key("metadata").BeginObject().Member("name", name).Member("namespace", "default").EndObject();
  json.Key("involvedObject").BeginObject().Member("apiVersion", "v1").Member("kind", "Node");
  json.Member("name", node).Member("uid", node).EndObject();
  json.Member("reason", reason).Member("message", Printable(message, kMessageBytes));
  json.Member("type", warning ? "Warning" : "Normal");
  json.Key("source").BeginObject().Member("component", "gatehouse").EndObject();
  json.Member("firstTimestamp", now).Member("lastTimestamp", now).Key("count").Int(1);
  json.EndObject();
  return std::move(json).Finish();
}

Status NodeEvents::Send(const std::string& name, const std::string& body, Said& said) {
  Deadline deadline(clock_, kTimeout);
  auto created = api_.Create(kube::PathOf(kube::kEvents, "default"), body, deadline);
  if (created.ok()) {
    said.count = 1;
    return Ok();
  }
  if (created.error().reason != Reason::kKubeConflict) return created.error();
  // It is there still. How often it was said is known to who said it last; another one learns it from the answer.
  std::string path = kube::PathOf(kube::kEvents, "default", name);
  codec::JsonWriter json;
  json.BeginObject().Member("lastTimestamp",
                            codec::FormatTime(std::chrono::floor<std::chrono::seconds>(clock_.Wall())));
  if (said.count > 0) json.Key("count").Int(said.count + 1);
  json.EndObject();
  ASSIGN_OR_RETURN(auto patched, api_.Patch(path, kube::PatchType::kMerge, std::move(json).Finish(), deadline));
  auto count = patched.root().Find("count");
  said.count = count.has_value() ? count->AsInt().value_or(1) : 1;
  return Ok();
}

void NodeEvents::Say(const std::string& node, std::string_view reason, const std::string& message, bool warning) {
  std::string name = EventName(node, reason, message);
  auto [entry, first] = said_.try_emplace(name);
  MonoTime now = clock_.Mono();
  if (!first && now - entry->second.last < kSilence) return;
  entry->second.last = now;
  Status sent = Send(name, Body(name, node, reason, message, warning), entry->second);
  if (!sent.ok()) log_.Failure(telemetry::Level::kWarn, "an event was not written", sent.error(), {{"node", node}});
  if (said_.size() > kRemembered) Prune();
}

void NodeEvents::Prune() {
  MonoTime now = clock_.Mono();
  std::erase_if(said_, [&](const auto& entry) { return now - entry.second.last >= kServerKeeps; });
  if (said_.size() > kRemembered) said_.clear();  // saying something twice is the lesser evil
}

}  // namespace gatehouse::webhook
