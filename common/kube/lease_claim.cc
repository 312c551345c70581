#include "common/kube/lease_claim.h"

#include <algorithm>

#include "common/codec/time.h"

namespace gatehouse::kube {
namespace {

constexpr std::int64_t kLongestLease = 3600;  // seconds; whoever may write the Lease can keep it anyway

std::int64_t Microseconds(MonoTime time) {
  return time.time_since_epoch().count();
}

std::int64_t NumberAt(codec::JsonView object, std::string_view key) {
  const auto value = object.Find(key);
  return value ? value->AsInt().value_or(0) : 0;
}

}  // namespace

std::string MicroTime(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  std::string text = codec::FormatTime(seconds);
  std::string fraction = std::to_string((time - seconds).count());
  fraction.insert(0, 3 - fraction.size(), '0');
  text.pop_back();
  return text + "." + fraction + "000Z";
}

std::string LeaseClaim::Path() const {
  return PathOf(kLeases, options_.namespace_name, options_.lease);
}

// Reading and writing together take no longer than a renewal is good for.
Deadline LeaseClaim::RequestTime() const {
  return {api_.clock(), options_.renew_deadline / 2};
}

Result<LeaseClaim::Record> LeaseClaim::ReadRecord(const codec::JsonDocument& document) {
  Record record;
  record.version = TextAt(document.root(), {"metadata", "resourceVersion"});
  if (record.version.empty()) return Error{Reason::kKubeRejected, "the Lease", "it has no resourceVersion"};
  const auto spec = document.root().Find("spec");
  if (!spec) return record;
  record.holder = TextAt(*spec, {"holderIdentity"});
  record.acquired = TextAt(*spec, {"acquireTime"});
  record.seconds = NumberAt(*spec, "leaseDurationSeconds");
  record.transitions = NumberAt(*spec, "leaseTransitions");
  return record;
}

void LeaseClaim::Observe(const Record& record) {
  if (record.version != seen_.version) seen_at_ = api_.clock().Mono();
  seen_ = record;
  if (record.holder != options_.identity) held_until_us_ = 0;
  std::scoped_lock lock(mutex_);
  holder_ = record.holder;
}

// Nobody else's clock is believed: not renewTime, but how long ago the Lease was seen to change.
bool LeaseClaim::MayTake(const Record& record) const {
  if (record.holder.empty() || record.holder == options_.identity) return true;
  const Duration wanted = std::chrono::seconds(std::clamp<std::int64_t>(record.seconds, 0, kLongestLease));
  return api_.clock().Mono() - seen_at_ >= std::max(options_.lease_duration, wanted);
}

std::string LeaseClaim::Write(const Record& record, const std::string& holder) const {
  const std::string now = MicroTime(api_.clock().Wall());
  const bool same = record.holder == holder;
  const bool released = holder.empty();
  codec::JsonWriter json;
  json.BeginObject().Member("apiVersion", "coordination.k8s.io/v1").Member("kind", "Lease");
  json.Key("metadata").BeginObject().Member("name", options_.lease).Member("namespace", options_.namespace_name);
  if (!record.version.empty()) json.Member("resourceVersion", record.version);
  json.EndObject().Key("spec").BeginObject();
  if (!released) json.Member("holderIdentity", holder);
  const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(options_.lease_duration).count();
  json.Key("leaseDurationSeconds").Int(released ? 1 : seconds);
  json.Member("acquireTime", same && !record.acquired.empty() ? record.acquired : now).Member("renewTime", now);
  json.Key("leaseTransitions").Int(same || released ? record.transitions : record.transitions + 1);
  json.EndObject().EndObject();
  return std::move(json).Finish();
}

Status LeaseClaim::Create() {
  // Somebody deleted it; whoever held it may not know yet.
  if (!seen_.version.empty() && !MayTake(seen_)) return Ok();
  Record none;
  const MonoTime before = api_.clock().Mono();
  ASSIGN_OR_RETURN(auto document, api_.Create(PathOf(kLeases, options_.namespace_name), Write(none, options_.identity),
                                              RequestTime()));
  ASSIGN_OR_RETURN(Record record, ReadRecord(document));
  Observe(record);
  held_until_us_ = Microseconds(before + options_.renew_deadline);
  return Ok();
}

Status LeaseClaim::Try() {
  auto document = api_.Get(Path(), RequestTime());
  if (!document.ok()) {
    if (document.error().reason == Reason::kKubeNotFound) return Create();
    return document.error();
  }
  ASSIGN_OR_RETURN(const Record record, ReadRecord(*document));
  Observe(record);
  if (!MayTake(record)) return Ok();
  const MonoTime before = api_.clock().Mono();
  // With the resourceVersion that was read: of two that take it, the server refuses one.
  ASSIGN_OR_RETURN(auto written, api_.Replace(Path(), Write(record, options_.identity), RequestTime()));
  ASSIGN_OR_RETURN(const Record mine, ReadRecord(written));
  Observe(mine);
  held_until_us_ = Microseconds(before + options_.renew_deadline);
  return Ok();
}

Status LeaseClaim::Release() {
  const bool held = Held();
  held_until_us_ = 0;
  if (!held || seen_.holder != options_.identity) return Ok();
  ASSIGN_OR_RETURN(auto written, api_.Replace(Path(), Write(seen_, ""), RequestTime()));
  ASSIGN_OR_RETURN(const Record record, ReadRecord(written));
  Observe(record);
  return Ok();
}

bool LeaseClaim::Held() const {
  return Left() > Duration::zero();
}

Duration LeaseClaim::Left() const {
  const std::int64_t left = held_until_us_ - Microseconds(api_.clock().Mono());
  return left <= 0 ? Duration::zero() : std::chrono::ceil<Duration>(std::chrono::microseconds(left));
}

std::string LeaseClaim::Holder() const {
  std::scoped_lock lock(mutex_);
  return holder_;
}

}  // namespace gatehouse::kube
