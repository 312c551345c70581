#include <algorithm>
#include <chrono>

#include "tests/fakes/kube_api_impl.h"

namespace gatehouse::fakes {
namespace {

std::string EventLine(const std::string& type, const JsonValue& object) {
  JsonValue event = JsonValue::Object();
  event.Member("type") = JsonValue::String(type);
  event.Member("object") = object;
  return event.Write() + "\n";
}

KubeAnswer Expired() {
  return KubeFailure(410, "Expired", "The resourceVersion for the provided watch is too old.");
}

}  // namespace

struct KubeApi::Watch::Part {
  std::shared_ptr<KubeApi::Impl> impl;
  std::string group;
  std::string plural;
  KubeSelector selector;
  bool metadata_only = false;
  bool bookmarks = false;
  std::uint64_t next = 0;  // number of the event
  std::uint64_t ending = 0;
  std::size_t sent = 0;
  bool over = false;
  std::string pending;  // of the bytes that go in pieces
  std::chrono::steady_clock::time_point until = {};

  std::string LineOf(const KubeEvent& event) const;
  std::string Take();
};

std::string KubeApi::Watch::Part::LineOf(const KubeEvent& event) const {
  if (event.group != group || event.plural != plural) return "";
  if (event.type.empty()) return event.raw + "\n";
  if (event.type == "BOOKMARK") return bookmarks ? EventLine(event.type, event.object) : "";
  // An object that enters or leaves what is selected is added or deleted, as far as this watch is concerned.
  bool now = event.type != "DELETED" && selector.Admits(event.object);
  bool before = event.before && selector.Admits(*event.before);
  if (!now && !before) return "";
  return EventLine(now ? (before ? "MODIFIED" : "ADDED") : "DELETED", Shown(event.object, metadata_only));
}

// Whatever there is; with the lock held.
std::string KubeApi::Watch::Part::Take() {
  const KubeStore& store = impl->store;
  if (next < store.first()) {  // it was too slow
    over = true;
    return EventLine("ERROR", Expired().body);
  }
  std::string lines;
  while (!over && next - store.first() < store.events().size()) {
    std::string line = LineOf(store.events()[next - store.first()]);
    ++next;
    if (line.empty()) continue;
    lines += line;
    over = impl->events_a_watch > 0 && ++sent >= impl->events_a_watch;
  }
  return lines;
}

KubeApi::Watch::Watch(std::unique_ptr<Part> part) : part_(std::move(part)) {}

KubeApi::Watch::~Watch() {
  std::scoped_lock lock(part_->impl->mutex);
  --part_->impl->watches;
  part_->impl->changed.notify_all();
}

std::optional<std::string> KubeApi::Watch::Next() {
  std::unique_lock lock(part_->impl->mutex);
  KubeApi::Impl& impl = *part_->impl;
  auto ended = [&] { return impl.down || impl.ending.number != part_->ending; };
  if (part_->pending.empty() && !part_->over && !ended()) part_->pending = part_->Take();
  if (part_->pending.empty() && !part_->over) {
    impl.changed.wait_for(lock, impl.tick, [&] {
      if (ended()) return true;
      part_->pending = part_->Take();
      return !part_->pending.empty() || part_->over;
    });
  }
  if (part_->pending.empty()) {
    broken_off_ = impl.down || (ended() && !impl.ending.in_order);
    if (part_->over || ended() || std::chrono::steady_clock::now() >= part_->until) return std::nullopt;
    return "";
  }
  std::string piece = part_->pending.substr(0, impl.piece_size == 0 ? part_->pending.size() : impl.piece_size);
  part_->pending.erase(0, piece.size());
  return piece;
}

std::unique_ptr<KubeApi::Watch> KubeApi::Start(const KubeRequest& request, KubeReply* refused) {
  if (auto reply = impl_->Befalls(request, [] { return KubeReply{}; })) {
    *refused = *reply;
    return nullptr;
  }
  std::scoped_lock lock(impl_->mutex);
  auto target = impl_->TargetOf(request.path);
  if (!target || !target->name.empty()) {
    *refused = ReplyOf(KubeFailure(404, "NotFound", "the server could not find the requested resource"));
    return nullptr;
  }
  auto part = std::make_unique<Watch::Part>();
  part->impl = impl_;
  part->group = target->type->resource.group;
  part->plural = target->type->resource.plural;
  part->selector = {request.Parameter("fieldSelector"), request.Parameter("labelSelector"), target->namespace_name};
  part->metadata_only = MetadataOnly(request);
  part->bookmarks = request.Parameter("allowWatchBookmarks") == "true";
  part->ending = impl_->ending.number;
  const std::string timeout = request.Parameter("timeoutSeconds");
  part->until = std::chrono::steady_clock::now() + std::chrono::seconds(timeout.empty() ? 3600 : std::stoi(timeout));
  const std::string version = request.Parameter("resourceVersion");
  const KubeStore& store = impl_->store;
  part->next = store.first() + store.events().size();
  if (version.empty() || version == "0") {
    for (const JsonValue& object : store.List(*target->type, part->selector)) {
      part->pending += EventLine("ADDED", Shown(object, part->metadata_only));
    }
  } else if (std::stoull(version) < store.compacted()) {
    if (!impl_->expired_in_stream) {
      *refused = ReplyOf(Expired());
      return nullptr;
    }
    part->pending = EventLine("ERROR", Expired().body);
    part->over = true;
  } else {
    while (part->next > store.first() && store.events()[part->next - 1 - store.first()].version > std::stoull(version))
      --part->next;
  }
  ++impl_->watches;
  impl_->changed.notify_all();
  return std::unique_ptr<Watch>(new Watch(std::move(part)));
}

}  // namespace gatehouse::fakes
