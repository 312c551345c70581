#include "webhook/attest/publisher.h"

#include <algorithm>
#include <utility>

#include "common/base/limits.h"
#include "webhook/attest/binding_token.h"

namespace gatehouse::webhook {
namespace {

constexpr Duration kPatience{10'000};
constexpr int kAttempts = 5;  // of one node, when others write the same object
// What an object need not have: taken away, unless it is there.
constexpr std::array<std::string_view, 1> kOptionalSpec = {"nodeUID"};
constexpr std::array<std::string_view, 10> kOptionalStatus = {
    "attested", "conditions", "ear", "expires", "failure", "message", "policies", "reasons", "since", "verdict"};

constexpr std::array<std::string_view, 2> kOptionalFailure = {"detail", "where"};

template <std::size_t n>
void WriteWhole(codec::JsonWriter& json, codec::JsonView value, const std::array<std::string_view, n>& optional) {
  json.BeginObject();
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto member = value.member(i);
    json.Key(member.key);
    if (member.key == "failure" && member.value.IsObject()) {
      WriteWhole(json, member.value, kOptionalFailure);  // an object is merged, not replaced
    } else {
      json.Raw(member.value.Serialize());
    }
  }
  for (std::string_view key : optional) {
    if (!value.Find(key).has_value()) json.Key(key).Null();
  }
  json.EndObject();
}

}  // namespace

Result<std::string> MergePatchOf(const std::string& object_json) {
  ASSIGN_OR_RETURN(auto document, codec::JsonDocument::Parse(object_json, {.max_bytes = limits::kKubeObjectBytes}));
  codec::JsonWriter json;
  json.BeginObject();
  for (std::size_t i = 0; i < document.root().size(); ++i) {
    const auto member = document.root().member(i);
    json.Key(member.key);
    if (member.key == "spec") {
      WriteWhole(json, member.value, kOptionalSpec);
    } else if (member.key == "status") {
      WriteWhole(json, member.value, kOptionalStatus);
    } else {
      json.Raw(member.value.Serialize());
    }
  }
  json.EndObject();
  return std::move(json).Finish();
}

void Publisher::Start() {
  std::lock_guard lock(mutex_);
  if (thread_.joinable() || stopping_) return;
  thread_ = std::thread([this] { Run(); });
}

void Publisher::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Publisher::Enqueue(const std::string& node, Urgency urgency) {
  if (urgency == Urgency::kNone) return;
  {
    std::lock_guard lock(mutex_);
    auto [place, is_new] = queued_.try_emplace(node, urgency);
    if (!is_new && place->second <= urgency) return;
    place->second = urgency;
    queues_[static_cast<std::size_t>(urgency)].push_back(node);
  }
  wake_.notify_all();
}

Publisher::Counts Publisher::counts() const {
  std::lock_guard lock(mutex_);
  return counts_;
}

std::size_t Publisher::waiting() const {
  std::lock_guard lock(mutex_);
  return queued_.size();
}

std::optional<std::string> Publisher::Next(std::unique_lock<std::mutex>& lock) {
  while (true) {
    if (queued_.empty() && !refused_.empty() && !stopping_) {
      wake_.wait_for(lock, PauseAfter(++refusals_), [this] { return stopping_ || !queued_.empty(); });
      TryRefusedAgain(lock);
    } else {
      wake_.wait(lock, [this] { return stopping_ || !queued_.empty(); });
    }
    // The last thing that a process says is what takes trust away or gives it.
    if (stopping_ && (queues_.front().empty() || last_words_-- == 0)) return std::nullopt;
    for (std::size_t i = 0; i < queues_.size(); ++i) {
      if (queues_[i].empty()) continue;
      std::string node = std::move(queues_[i].front());
      queues_[i].pop_front();
      auto place = queued_.find(node);
      // Where it stood before it became more urgent.
      if (place == queued_.end() || static_cast<std::size_t>(place->second) != i) break;
      queued_.erase(place);
      return node;
    }
  }
}

void Publisher::TryRefusedAgain(std::unique_lock<std::mutex>& lock) {
  if (stopping_ || !queued_.empty()) return;
  const std::set<std::string> nodes = std::exchange(refused_, {});
  lock.unlock();
  for (const std::string& node : nodes) Enqueue(node, parts_.records.Due(node));
  lock.lock();
}

Duration Publisher::PauseAfter(int failures) const {
  Duration pause = options_.shortest_pause;
  for (int i = 1; i < failures && pause < options_.longest_pause; ++i) pause *= 2;
  pause = std::min(pause, options_.longest_pause);
  const Bytes chance = parts_.random(1);
  return pause / 2 + pause * (chance.empty() ? 0 : chance.front()) / 510;  // half of it by chance
}

void Publisher::Run() {
  int failures = 0;
  std::unique_lock lock(mutex_);
  while (true) {
    std::optional<std::string> node = Next(lock);
    if (!node.has_value()) return;
    lock.unlock();
    const Result<bool> written = Guarded(*node);
    lock.lock();
    if (written.ok()) {
      failures = 0;
      if (*written) ++counts_.written;
      if (refused_.empty()) refusals_ = 0;
      continue;
    }
    ++counts_.failed;
    // An outage is everybody's; an object that is not accepted is its own, and waits until the others were written.
    const bool outage = written.error().reason == Reason::kKubeUnavailable;
    failures = outage ? failures + 1 : 0;
    const bool first = outage ? failures == 1 : refusals_ == 0;
    if (!outage) refused_.insert(*node);
    lock.unlock();
    // Once is enough while it goes on.
    parts_.log.Failure(first ? telemetry::Level::kWarn : telemetry::Level::kDebug, "result not written",
                       written.error(), {{"node", *node}});
    if (outage) Enqueue(*node, parts_.records.Due(*node));
    lock.lock();
    if (stopping_) return;
    if (outage) wake_.wait_for(lock, PauseAfter(failures), [this] { return stopping_; });
  }
}

Result<bool> Publisher::Guarded(const std::string& node) {
  try {
    return WriteNode(node);
  } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
    return Error{Reason::kInternal, node, exception.what()};
  }
}

Result<bool> Publisher::WriteNode(const std::string& node) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::optional<NodeRecords::Write> write = parts_.records.MakeWrite(node);
    if (!write.has_value()) return false;
    Resign(*write);
    Result<bool> sent = Send(*write);
    if (sent.ok() || sent.error().reason != Reason::kKubeConflict) return sent;
  }
  return Error{Reason::kKubeConflict, node, "others go on writing its NodeAttestation"};
}

// Keys are replaced now and then, and a binding must outlive the key that it was signed with.
void Publisher::Resign(NodeRecords::Write& write) const {
  if (!signing_key_) return;
  const crypto::PrivateKey key = signing_key_();
  const WallTime now = parts_.api.clock().Wall();
  if (VerifyBinding(write.object.binding, {key.Public()}, now).ok()) return;
  if (!write.binding.has_value()) return;
  auto jws = SignBinding(*write.binding, key, now);
  if (jws.ok()) write.object.binding = std::move(*jws);
}

Result<bool> Publisher::Send(const NodeRecords::Write& write) {
  const std::string path = kube::PathOf(kube::kNodeAttestations, {}, write.object.name);
  const Deadline deadline(parts_.api.clock(), kPatience);
  ASSIGN_OR_RETURN(std::string patch,
                   MergePatchOf(kube::WriteNodeAttestation(write.object, write.verified,
                                                           options_.owned && !write.object.node_uid.empty())));
  auto answer = parts_.api.Patch(path, kube::PatchType::kMerge, patch, deadline);
  const bool conflict = !answer.ok() && answer.error().reason == Reason::kKubeConflict;
  const auto conflicted = answer.ok() ? std::nullopt : std::optional(answer.error());
  if (conflict) answer = parts_.api.Get(path, deadline);  // what is there now may be newer
  if (!answer.ok() && answer.error().reason == Reason::kKubeNotFound) {
    // Released meanwhile: there is nothing to be written any more.
    parts_.records.DropObject(write.object.name, write.object.uid);
    return false;
  }
  if (!answer.ok()) return answer.error();
  auto object = kube::ReadNodeAttestation(*answer, answer->root());
  if (!object.ok()) {
    parts_.records.Unreadable(write.object.name, object.error());
    return object.error();
  }
  using Heard = NodeRecords::Heard;
  std::ignore = parts_.records.Ingest(std::move(*object), conflict ? Heard::kRead : Heard::kWritten, write.incarnation);
  if (conflict) return *conflicted;
  return true;
}

}  // namespace gatehouse::webhook
