#include "webhook/attest/node_records.h"

#include <algorithm>
#include <tuple>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "webhook/attest/binding_token.h"

namespace gatehouse::webhook {
namespace {

auto Order(const claims::TpmClock& clock) {
  return std::tuple(clock.reset_count, clock.restart_count, clock.clock_ms);
}

// Below zero: `a` is the earlier evidence. One TPM's evidence has its order from its clock, which no replica's clock
// can confuse.
int CompareEvidence(const ear::AttestationResult& a, WallTime a_issued, const ear::AttestationResult& b,
                    WallTime b_issued) {
  if (a.ek == b.ek && a.clock.has_value() && b.clock.has_value()) {
    if (Order(*a.clock) == Order(*b.clock)) return 0;
    return Order(*a.clock) < Order(*b.clock) ? -1 : 1;
  }
  if (a_issued == b_issued) return 0;
  return a_issued < b_issued ? -1 : 1;
}

WallTime FirstExpiry(const ear::AttestationResult& result) {
  WallTime first = result.expires;
  for (const ear::PolicyAppraisal& appraised : result.appraisals) first = std::min(first, appraised.expires);
  return first;
}

// The same said of the same content, if not at the same time nor in the same words.
bool SaysTheSame(const ear::AttestationResult& a, const ear::AttestationResult& b) {
  const auto same_finding = [](const appraisal::Finding& x, const appraisal::Finding& y) {
    return x.reason == y.reason && x.where == y.where;
  };
  const auto same = [&](const ear::PolicyAppraisal& x, const ear::PolicyAppraisal& y) {
    return x.policy == y.policy && x.tier == y.tier &&
           std::equal(x.findings.begin(), x.findings.end(), y.findings.begin(), y.findings.end(), same_finding);
  };
  return std::equal(a.appraisals.begin(), a.appraisals.end(), b.appraisals.begin(), b.appraisals.end(), same);
}

std::vector<std::string> PoliciesOf(const ear::AttestationResult& result) {
  std::vector<std::string> policies;
  for (const ear::PolicyAppraisal& appraised : result.appraisals) policies.push_back(appraised.policy);
  return policies;
}

// Kubernetes compares resourceVersions of one resource as numbers; where they are none, the last one heard of is the
// newest.
bool IsOlder(const std::string& version, const std::string& than) {
  const auto digits = [](const std::string& text) {
    return !text.empty() && text.size() < 20 && text.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!digits(version) || !digits(than)) return false;
  return version.size() != than.size() ? version.size() < than.size() : version < than;
}

constexpr Duration kWatchLag{30'000};  // by which a watch may be behind our own writes

}  // namespace

// --- Nodes

void NodeRecords::SetNode(const std::string& name, std::string uid) {
  std::lock_guard lock(mutex_);
  uids_.insert_or_assign(name, std::move(uid));
}

void NodeRecords::DropNode(const std::string& name) {
  std::lock_guard lock(mutex_);
  uids_.erase(name);
}

std::string NodeRecords::NodeUid(const std::string& node) const {
  std::lock_guard lock(mutex_);
  auto found = uids_.find(node);
  return found == uids_.end() ? "" : found->second;
}

// G6: a Node that was registered again has another UID, and results of the old one say nothing about it.
bool NodeRecords::IsOfItsNode(const std::string& node, const Known& known) const {
  auto found = uids_.find(node);
  return found != uids_.end() && !found->second.empty() && found->second == known.ear.result().node_uid;
}

// --- NodeAttestations

NodeRecords::Examined NodeRecords::Examine(const kube::NodeAttestation& object) const {
  const std::vector<crypto::PublicKey> keys = keys_();
  Examined examined{.binding_text = object.binding,
                    .binding = VerifyBinding(object.binding, keys, clock_.Wall()),
                    .result = std::nullopt,
                    .clock = std::nullopt,
                    .clock_ek = "",
                    .clock_ak = ""};
  if (examined.binding.ok() && examined.binding->node != object.name)
    examined.binding =
        Error{Reason::kNodeConflict, object.name, "the binding is the node " + examined.binding->node + "'s"};
  if (object.ear.empty()) return examined;
  auto verified = ear::VerifyPossiblyExpired(object.ear, keys, clock_.Wall());
  if (!verified.ok() || verified->result().node != object.name) return examined;
  // DESIGN section 7: what has expired makes a node unknown to who starts now. It still proves how far its TPM's clock
  // was.
  if (verified->result().expires <= clock_.Wall()) {
    examined.clock = verified->result().clock;
    examined.clock_ek = verified->result().ek;
    examined.clock_ak = verified->result().ak_name;
    return examined;
  }
  const WallTime issued = ear::IssuedOf(verified->result());
  examined.result = Known{std::move(*verified), object.ear, issued};
  return examined;
}

Urgency NodeRecords::Ingest(kube::NodeAttestation object, Heard heard, std::optional<std::uint64_t> incarnation) {
  const std::string name = object.name;
  std::unique_lock lock(mutex_);
  auto found = records_.find(name);
  const bool held = found != records_.end() && found->second.object.has_value();
  if (held && found->second.object->resource_version == object.resource_version) {
    if (heard != Heard::kWritten) found->second.written_version.clear();
    return DueOf(name, found->second);
  }
  std::optional<Examined> examined;
  std::uint64_t by_keys;
  do {
    by_keys = key_changes_;
    lock.unlock();
    examined = Examine(object);  // which takes its time, and others ask meanwhile
    lock.lock();
  } while (by_keys != key_changes_);
  Record& record = records_[name];
  if (incarnation.has_value() && *incarnation != record.incarnation) return Urgency::kNone;
  if (IsStale(record, object.resource_version, heard)) return DueOf(name, record);
  if (heard == Heard::kWritten) {
    record.written_version = object.resource_version;
    record.written_at = clock_.Mono();
  } else {
    record.written_version.clear();
  }
  record.object = std::move(object);
  Apply(name, record, std::move(*examined));
  return DueOf(name, record);
}

// A watch may not have come to what was written here a moment ago. Otherwise what the API says is what there is, also
// where versions are lower than before: those of an etcd that was restored from a backup are.
bool NodeRecords::IsStale(const Record& record, const std::string& version, Heard heard) const {
  switch (heard) {
    case Heard::kRead:
      return false;
    case Heard::kWritten:
      return record.object.has_value() && IsOlder(version, record.object->resource_version);
    case Heard::kWatched:
      return !record.written_version.empty() && clock_.Mono() < record.written_at + kWatchLag &&
             IsOlder(version, record.written_version);
  }
  return false;
}

void NodeRecords::Unreadable(const std::string& name, const Error& error) {
  std::lock_guard lock(mutex_);
  Record& record = records_[name];
  ++record.incarnation;  // answers to writes that are under way are of what was before
  Unbind(name, record);
  record.object.reset();
  record.written_version.clear();
  record.binding_problem = error;
}

bool NodeRecords::IsUnconfirmed(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(name);
  return found != records_.end() && found->second.object.has_value() && !found->second.written_version.empty();
}

void NodeRecords::Apply(const std::string& node, Record& record, Examined examined) {
  ApplyBinding(node, record, examined);
  ApplyResult(record, examined);
  ApplyFailure(record, record.object->failure);
}

void NodeRecords::Claim(const std::string& node, Record& record) {
  record.claims = ClaimsOf(*record.binding);
  for (const std::string& claim : record.claims) claims_[claim].insert({record.binding->enrolled, node});
  ++bound_;
}

void NodeRecords::Unclaim(const std::string& node, Record& record) {
  for (const std::string& claim : record.claims) {
    auto found = claims_.find(claim);
    if (found == claims_.end()) continue;
    found->second.erase({record.binding->enrolled, node});
    if (found->second.empty()) claims_.erase(found);
  }
  record.claims.clear();
  --bound_;
}

std::optional<std::string> NodeRecords::OwnerOf(const std::string& node, const std::vector<std::string>& claims) const {
  for (const std::string& claim : claims) {
    auto found = claims_.find(claim);
    if (found != claims_.end() && found->second.begin()->second != node) return found->second.begin()->second;
  }
  return std::nullopt;
}

void NodeRecords::Unbind(const std::string& node, Record& record) {
  if (record.binding.has_value()) {
    Unclaim(node, record);
    // It may come back itself, but none from before it: whoever breaks a binding must not be able to go back by that.
    record.released = std::max(record.released.value_or(WallTime::min()), record.binding->enrolled - Duration(1));
  }
  record.binding.reset();
  record.written.reset();
  if (record.best.has_value()) record.floor = std::max(record.floor.value_or(WallTime::min()), record.best->issued);
  record.best.reset();
}

void NodeRecords::ApplyBinding(const std::string& node, Record& record, Examined& examined) {
  Result<Enrolment>& binding = examined.binding;
  record.binding_problem.reset();
  if (!binding.ok()) {
    record.binding_problem = binding.error();
    Unbind(node, record);
    return;
  }
  // Of an object that was deleted nothing comes back: an admin released it.
  if (record.released.has_value() && binding->enrolled <= *record.released) {
    Unbind(node, record);
    return;
  }
  if (record.binding.has_value()) {
    Enrolment& known = *record.binding;
    if (binding->enrolled < known.enrolled) return;  // an older one, put in its place
    if (known.ek != binding->ek) {
      Unbind(node, record);
    } else {
      if (known.last_clock.has_value() &&
          (!binding->last_clock.has_value() || Order(*binding->last_clock) < Order(*known.last_clock))) {
        binding->last_clock = known.last_clock;
        binding->clock_ak = known.clock_ak;
      }
      if (known.ak_name != binding->ak_name) record.best.reset();  // no result of the key before is one of this key's
      Unclaim(node, record);
    }
  }
  record.binding = std::move(*binding);
  Claim(node, record);
  record.binding_text = std::move(examined.binding_text);
}

void NodeRecords::ApplyResult(Record& record, Examined& examined) {
  record.written.reset();
  if (!record.binding.has_value()) return;
  auto& last = record.binding->last_clock;
  const std::string ek = record.binding->ek.text();
  const auto see = [&](const std::optional<claims::TpmClock>& clock, const std::string& ak) {
    if (!clock.has_value() || (last.has_value() && Order(*last) >= Order(*clock))) return;
    last = clock;
    record.binding->clock_ak = ak;
  };
  if (examined.clock_ek == ek) see(examined.clock, examined.clock_ak);
  if (!examined.result.has_value()) return;
  const ear::AttestationResult& result = examined.result->ear.result();
  if (result.ek != ek) return;
  // Of a TPM that was seen later than that, with a key that it does not have any more or has again.
  const bool behind = last.has_value() && result.clock.has_value() && Order(*result.clock) < Order(*last);
  see(result.clock, result.ak_name);
  if (result.ak_name != record.binding->ak_name || (behind && !record.best.has_value())) return;
  if (record.floor.has_value() && examined.result->issued < *record.floor) return;
  record.written = *examined.result;
  Adopt(record, std::move(*examined.result));
}

// A result of the same evidence, by other policies: what this process found out itself is the newer one to it.
void NodeRecords::Adopt(Record& record, Known known) {
  if (record.best.has_value()) {
    const Known& best = *record.best;
    const int order = CompareEvidence(known.ear.result(), known.issued, best.ear.result(), best.issued);
    if (order < 0 || known.token == best.token) return;
    if (order == 0 && best.own && !known.own) return;
  }
  record.best = std::move(known);
  if (record.failure.has_value() && record.best->issued >= record.failure->time) {
    record.failure.reset();
    record.own_failure = false;
  }
}

void NodeRecords::ApplyFailure(Record& record, const std::optional<kube::Failure>& failure) const {
  if (!failure.has_value()) return;
  kube::Failure seen = *failure;
  // Not signed: it could say that it is from the end of time.
  seen.time = std::min<WallTime>(seen.time, clock_.Wall() + limits::kReplicaClockSkew);
  if (record.best.has_value() && seen.time <= record.best->issued) return;
  if (record.failure.has_value() && seen.time <= record.failure->time) return;
  record.failure = std::move(seen);
  record.own_failure = false;
}

void NodeRecords::DropObject(const std::string& name, const std::string& uid) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(name);
  if (found == records_.end()) return;
  Record& record = found->second;
  if (!uid.empty() && record.object.has_value() && record.object->uid != uid) return;  // it is another one by now
  ++record.incarnation;
  if (record.binding.has_value())
    record.released = std::max(record.released.value_or(WallTime::min()), record.binding->enrolled);
  Unbind(name, record);
  if (record.floor.has_value()) *record.floor += Duration(1);  // the last one is over as well
  record.object.reset();
  record.written_version.clear();
  record.binding_problem.reset();
  record.failure.reset();
  record.own_failure = false;
  // What is kept is how far back nothing is believed; names that come and go must not fill the memory.
  if (records_.size() > 2 * limits::kNodes) records_.erase(found);
}

std::uint64_t NodeRecords::Incarnation(const std::string& name) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(name);
  return found == records_.end() ? 0 : found->second.incarnation;
}

void NodeRecords::KeysChanged() {
  std::vector<kube::NodeAttestation> objects;
  {
    std::lock_guard lock(mutex_);
    ++key_changes_;
    for (const auto& [name, record] : records_) {
      if (record.object.has_value()) objects.push_back(*record.object);
    }
  }
  const std::vector<crypto::PublicKey> keys = keys_();
  for (const kube::NodeAttestation& object : objects) {
    Examined examined = Examine(object);
    std::lock_guard lock(mutex_);
    Record& record = records_[object.name];
    if (!record.object.has_value() || record.object->resource_version != object.resource_version) continue;
    if (record.best.has_value()) {
      if (!ear::VerifyPossiblyExpired(record.best->token, keys, clock_.Wall()).ok()) record.best.reset();
    }
    Apply(object.name, record, std::move(examined));
  }
}

// --- what this process found out

Result<Urgency> NodeRecords::Publish(const ear::VerifiedEar& result, const std::string& token) {
  const std::string& node = result.result().node;
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end() || !found->second.binding.has_value() ||
      found->second.binding->ek.text() != result.result().ek ||
      found->second.binding->ak_name != result.result().ak_name)
    return Error{Reason::kAkUnbound, node, "the binding was released or replaced meanwhile"};
  Record& record = found->second;
  Known known{result, token, ear::IssuedOf(result.result()), true};
  const bool nodeless = before_node_ && !uids_.contains(node) && result.result().node_uid.empty();
  if (!nodeless && !IsOfItsNode(node, known))
    return Error{Reason::kNodeUnknown, node, "the cluster has no Node with the UID that the result is about"};
  if (record.floor.has_value() && known.issued < *record.floor)
    return Error{Reason::kAkUnbound, node, "the challenge is from before the binding was released"};
  Adopt(record, std::move(known));
  return DueOf(node, record);
}

Urgency NodeRecords::PublishFailure(const std::string& node, const Error& error) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end() || !found->second.binding.has_value()) return Urgency::kNone;
  Record& record = found->second;
  // It came after what we know, whatever the clock of the replica says that issued that.
  WallTime time = clock_.Wall();
  if (record.best.has_value()) time = std::max(time, record.best->issued + Duration(1));
  // As it can be written: what is read back is compared with it.
  record.failure = kube::Failure{error.reason, Printable(error.where), Printable(error.detail, 512), time};
  record.own_failure = true;
  return DueOf(node, record);
}

Urgency NodeRecords::Due(const std::string& node) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  return found == records_.end() ? Urgency::kNone : DueOf(node, found->second);
}

kube::Standing NodeRecords::StandingOf(const std::string& node, const Record& record) const {
  std::optional<ear::AttestationResult> result;
  if (record.best.has_value() && (IsOfItsNode(node, *record.best) || !uids_.contains(node)))
    result = record.best->ear.result();
  // Without a result there is no policy to name, and a failure is one by any.
  std::vector<std::string> policies = result.has_value() ? PoliciesOf(*result) : std::vector<std::string>();
  if (record.failure.has_value() && policies.empty()) policies.emplace_back("any");
  return kube::Judge(result, record.failure, policies, clock_.Wall());
}

Urgency NodeRecords::DueOf(const std::string& node, const Record& record) const {
  if (!record.object.has_value() || !record.binding.has_value() || Conflict(node, record).has_value())
    return Urgency::kNone;
  const kube::NodeAttestation& object = *record.object;
  if (record.failure.has_value()) {
    // The same failure again says nothing new: the first one holds until there is a result.
    const bool said = object.failure.has_value() && object.failure->reason == record.failure->reason &&
                      object.failure->where == record.failure->where &&
                      object.failure->detail == record.failure->detail &&
                      (!record.best.has_value() || object.failure->time > record.best->issued);
    return record.own_failure && !said ? Urgency::kVerdict : Urgency::kNone;
  }
  if (!record.best.has_value() || !record.best->own || record.best->token == object.ear) return Urgency::kNone;
  const ear::AttestationResult& result = record.best->ear.result();
  if (!IsOfItsNode(node, *record.best) && (uids_.contains(node) || !before_node_)) return Urgency::kNone;
  if (!record.written.has_value() || object.failure.has_value()) return Urgency::kVerdict;
  const ear::AttestationResult& written = record.written->ear.result();
  if (written.node_uid != result.node_uid || written.ak_name != result.ak_name) return Urgency::kVerdict;
  if (StandingOf(node, record).verdict != object.verdict) return Urgency::kVerdict;
  if (!SaysTheSame(written, result)) return Urgency::kContent;
  // `gatehouse attest now` waits for a result, though it says the same. No clocks are compared: what it names is the
  // time that the object itself has.
  if (object.newer_than.has_value() && *object.newer_than >= object.attested && record.best->issued > object.attested)
    return Urgency::kContent;
  // Half of the validity, less a margin: agents come back a little earlier than they are told.
  const WallTime until = FirstExpiry(written);
  if (FirstExpiry(result) <= until) return Urgency::kNone;  // the same evidence, appraised again
  const WallTime due = record.written->issued + (until - record.written->issued) * 2 / 5;
  return clock_.Wall() >= due ? Urgency::kRefresh : Urgency::kNone;
}

std::optional<NodeRecords::Write> NodeRecords::MakeWrite(const std::string& node) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end() || DueOf(node, found->second) == Urgency::kNone) return std::nullopt;
  const Record& record = found->second;
  Write write{
      .object = *record.object, .verified = std::nullopt, .binding = record.binding, .incarnation = record.incarnation};
  kube::NodeAttestation& object = write.object;
  object.ek = record.binding->ek.text();
  object.ak = record.binding->ak_name;
  object.enrolled = record.binding->enrolled;
  object.binding = record.binding_text;
  object.ear.clear();
  object.failure = record.failure;
  object.attested = WallTime{};
  if (record.best.has_value()) {
    object.ear = record.best->token;
    object.node_uid = record.best->ear.result().node_uid;
    object.attested = record.best->issued;
    write.verified = record.best->ear;
  }
  kube::Standing standing = StandingOf(node, record);
  if (standing.verdict != object.verdict || object.since == WallTime{}) object.since = clock_.Wall();
  object.verdict = standing.verdict;
  object.expires = standing.expires;
  object.reasons.clear();
  for (const appraisal::Finding& finding : standing.findings) {
    std::string token(Token(finding.reason));
    if (std::find(object.reasons.begin(), object.reasons.end(), token) == object.reasons.end())
      object.reasons.push_back(std::move(token));
  }
  object.message.clear();
  if (!standing.findings.empty()) {
    const appraisal::Finding& first = standing.findings.front();
    object.message = Printable(Error{first.reason, first.where, first.detail}.ToString(), limits::kMessageBytes);
  }
  return write;
}

// --- bindings

std::optional<Error> NodeRecords::Conflict(const std::string& node, const Record& record) const {
  if (record.binding_problem.has_value()) {
    return Error{Reason::kNodeConflict, node,
                 "its binding cannot be used (" + record.binding_problem->ToString() +
                     "): delete the NodeAttestation to release the node"};
  }
  if (!record.binding.has_value()) return std::nullopt;
  auto owner = OwnerOf(node, record.claims);
  if (!owner.has_value()) return std::nullopt;
  return Error{Reason::kTpmInUse, node, "its TPM is bound to the node " + *owner};
}

NodeRecords::BindingView NodeRecords::View(const std::string& node, const std::vector<std::string>& claims) const {
  std::lock_guard lock(mutex_);
  BindingView view;
  if (auto uid = uids_.find(node); uid != uids_.end()) view.node_uid = uid->second;
  view.owner = OwnerOf(node, claims);
  auto found = records_.find(node);
  if (found == records_.end()) return view;
  const Record& record = found->second;
  view.object = record.object;
  view.binding = record.binding;
  view.blocked = Conflict(node, record);
  view.not_before = record.released.value_or(WallTime{});
  if (record.binding.has_value()) view.not_before = std::max(view.not_before, record.binding->enrolled);
  view.incarnation = record.incarnation;
  return view;
}

Status NodeRecords::CheckBound(const std::string& node, const Record** bound) const {
  auto found = records_.find(node);
  if (found != records_.end()) {
    if (auto conflict = Conflict(node, found->second)) return *conflict;
  }
  if (!before_node_ && !uids_.contains(node))
    return Error{Reason::kNodeUnknown, node, "the cluster has no Node of that name"};
  if (found == records_.end() || !found->second.binding.has_value())
    return Error{Reason::kAkUnbound, node, "the node has not enrolled"};
  *bound = &found->second;
  return Ok();
}

Status NodeRecords::CheckBound(const std::string& node) const {
  const Record* bound = nullptr;
  std::lock_guard lock(mutex_);
  return CheckBound(node, &bound);
}

Result<Enrolment> NodeRecords::FindBinding(const std::string& node) const {
  const Record* bound = nullptr;
  std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(CheckBound(node, &bound));
  return *bound->binding;
}

std::size_t NodeRecords::bindings() const {
  std::lock_guard lock(mutex_);
  return bound_;
}

Status NodeRecords::Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock) {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found != records_.end()) {
    if (auto conflict = Conflict(node, found->second)) return *conflict;
  }
  if (found == records_.end() || !found->second.binding.has_value())
    return Error{Reason::kAkUnbound, node, "the binding was released meanwhile"};
  Enrolment& binding = *found->second.binding;
  if (binding.ak_name != ak_name) return Error{Reason::kAkUnbound, node, "the attestation key was replaced meanwhile"};
  if (binding.last_clock.has_value() && Order(*binding.last_clock) >= Order(clock))
    return Error{Reason::kClockRewound, node, "a later quote was accepted meanwhile"};
  binding.last_clock = clock;
  binding.clock_ak = ak_name;
  return Ok();
}

std::optional<WallTime> NodeRecords::LastIssued(const std::string& node) const {
  std::lock_guard lock(mutex_);
  auto found = records_.find(node);
  if (found == records_.end() || !found->second.best.has_value()) return std::nullopt;
  return found->second.best->issued;
}

}  // namespace gatehouse::webhook
