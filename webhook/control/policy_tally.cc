#include "webhook/control/policy_tally.h"

#include <algorithm>
#include <utility>

#include "common/kube/api.h"

namespace gatehouse::webhook {
namespace {

using codec::JsonView;

constexpr std::string_view kConditionType = "InForce";

std::optional<JsonView> At(std::optional<JsonView> view, std::string_view key) {
  return view.has_value() ? view->Find(key) : std::nullopt;
}

std::uint64_t Number(std::optional<JsonView> view, std::string_view key) {
  auto number = At(view, key);
  return number.has_value() ? number->AsUint().value_or(0) : 0;
}

// What was decided since `last`: a count that went back is one that began again.
std::uint64_t Grown(std::uint64_t last, std::uint64_t now) {
  return now >= last ? now - last : now;
}

void AddGrowth(DecisionCounts& total, const DecisionCounts& last, const DecisionCounts& now) {
  // One count that went back says that all of them began again.
  bool again =
      now.allowed < last.allowed || now.denied < last.denied || now.warned < last.warned || now.audited < last.audited;
  const DecisionCounts from = again ? DecisionCounts{} : last;
  total.allowed += Grown(from.allowed, now.allowed);
  total.denied += Grown(from.denied, now.denied);
  total.warned += Grown(from.warned, now.warned);
  total.audited += Grown(from.audited, now.audited);
}

std::string OnSome(std::size_t some, std::size_t all) {
  return "in force on " + std::to_string(some) + " of " + std::to_string(all) + (all == 1 ? " replica" : " replicas");
}

// The first thing that any replica has to say of it.
struct Remark {
  std::string identity;
  std::string text;
};

void Conclude(PolicyStatus& status, const std::optional<Remark>& remark) {
  status.message = OnSome(status.in_force, status.total);
  if (status.total == 0) {
    status.status = "Unknown";
    status.reason = "NoReplicas";
    status.message = "no replica reports";
  } else if (status.in_force == status.total) {
    status.status = "True";
    status.reason = "InForce";
    if (remark.has_value()) status.message += "; " + remark->text;
  } else {
    status.status = "False";
    status.reason = status.in_force == 0 ? "NotInForce" : "PartlyInForce";
    if (remark.has_value()) {
      status.message += status.in_force == 0 ? "; " + remark->text : "; " + remark->identity + ": " + remark->text;
    }
  }
}

}  // namespace

bool PolicyStatus::SameCondition(const PolicyStatus& other) const {
  return observed_generation == other.observed_generation && status == other.status && reason == other.reason &&
         message == other.message && in_force == other.in_force && total == other.total;
}

bool PolicyStatus::SameAs(const PolicyStatus& other) const {
  return SameCondition(other) && decisions == other.decisions;
}

std::optional<PolicyStatus> ReadPolicyStatus(JsonView object) {
  auto view = object.Find("status");
  if (!view.has_value() || !view->IsObject() || view->size() == 0) return std::nullopt;
  PolicyStatus status;
  auto generation = view->Find("observedGeneration");
  status.observed_generation = generation.has_value() ? generation->AsInt().value_or(0) : 0;
  auto conditions = view->Find("conditions");
  for (std::size_t i = 0; conditions.has_value() && conditions->IsArray() && i < conditions->size(); ++i) {
    JsonView condition = conditions->at(i);
    if (kube::TextAt(condition, {"type"}) != kConditionType) continue;
    status.status = kube::TextAt(condition, {"status"});
    status.reason = kube::TextAt(condition, {"reason"});
    status.message = kube::TextAt(condition, {"message"});
    status.transition = kube::TextAt(condition, {"lastTransitionTime"});
  }
  auto replicas = view->Find("replicas");
  status.in_force = Number(replicas, "inForce");
  status.total = Number(replicas, "total");
  auto decisions = view->Find("decisions");
  status.decisions = {.allowed = Number(decisions, "allowed"),
                      .denied = Number(decisions, "denied"),
                      .warned = Number(decisions, "warned"),
                      .audited = Number(decisions, "audited")};
  return status;
}

std::string WritePolicyStatus(const PolicyStatus& status, bool counts, const std::string& version) {
  codec::JsonWriter json;
  json.BeginObject().Key("metadata").BeginObject().Member("resourceVersion", version).EndObject();
  json.Key("status").BeginObject().Key("observedGeneration").Int(status.observed_generation);
  json.Key("conditions").BeginArray().BeginObject().Member("type", kConditionType);
  json.Member("status", status.status).Member("reason", status.reason).Member("message", status.message);
  json.Member("lastTransitionTime", status.transition).Key("observedGeneration").Int(status.observed_generation);
  json.EndObject().EndArray();
  json.Key("replicas").BeginObject().Key("inForce").Uint(status.in_force).Key("total").Uint(status.total).EndObject();
  if (counts) {
    json.Key("decisions").BeginObject().Key("allowed").Uint(status.decisions.allowed);
    json.Key("denied").Uint(status.decisions.denied).Key("warned").Uint(status.decisions.warned);
    json.Key("audited").Uint(status.decisions.audited).EndObject();
  }
  json.EndObject().EndObject();
  return std::move(json).Finish();
}

std::optional<PolicyStatus> InForce(const std::string& key, std::int64_t generation,
                                    const std::vector<ReplicaView>& replicas, bool patient) {
  PolicyStatus status;
  status.observed_generation = generation;
  status.total = replicas.size();
  std::optional<Remark> remark;
  for (const ReplicaView& replica : replicas) {
    const policy::ObjectState* state = nullptr;
    if (replica.report != nullptr) {
      auto found = replica.report->find(key);
      if (found != replica.report->end()) state = &found->second.first;
    }
    if (state != nullptr && state->generation > generation) return std::nullopt;
    bool looked = state != nullptr && state->generation == generation;
    if (!looked && patient) return std::nullopt;
    if (looked && state->in_force) ++status.in_force;
    std::string text;
    if (replica.report == nullptr) {
      text = "its report cannot be read";
    } else if (!looked) {
      text = state == nullptr ? "has not loaded it" : "has not loaded this generation";
    } else {
      text = state->message;
    }
    if (looked && !state->in_force && state->in_force_generation != 0) {
      text += (text.empty() ? "" : "; ") + std::string("generation ") + std::to_string(state->in_force_generation) +
              " is in force instead";
    }
    // What keeps it from being in force somewhere goes before what is missing beside it.
    bool graver = !(looked && state->in_force);
    if (!text.empty() && (!remark.has_value() || graver)) remark = Remark{replica.identity, std::move(text)};
  }
  Conclude(status, remark);
  return status;
}

void DecisionTally::Track(const std::string& uid, const std::string& key,
                          const std::optional<DecisionCounts>& written) {
  uid_of_[key] = uid;
  auto [entry, added] = sums_.try_emplace(uid);
  if (added) entry->second = {.key = key, .written = written.has_value(), .total = written.value_or(DecisionCounts{})};
}

void DecisionTally::Untrack(const std::string& uid) {
  auto found = sums_.find(uid);
  if (found == sums_.end()) return;
  auto by_key = uid_of_.find(found->second.key);
  if (by_key != uid_of_.end() && by_key->second == uid) uid_of_.erase(by_key);
  sums_.erase(found);
}

void DecisionTally::Observe(const std::string& identity, const ReplicaReport& report, bool there_before,
                            MonoTime now_mono) {
  auto [entry, first] = replicas_.try_emplace(identity);
  Replica& replica = entry->second;
  replica.seen = now_mono;
  for (const auto& [key, what] : report) {
    const DecisionCounts& now = what.second;
    auto uid = uid_of_.find(key);
    // Of a policy that is not known yet: once it is, all of it counts.
    if (uid == uid_of_.end() && !replica.last.contains(key)) continue;
    auto [last, unseen] = replica.last.try_emplace(key);
    if (uid != uid_of_.end()) {
      Sum& sum = sums_.at(uid->second);
      bool known_already = first && unseen && there_before && sum.written;
      if (!known_already) AddGrowth(sum.total, last->second, now);
    }
    last->second = now;
  }
}

DecisionCounts DecisionTally::Total(const std::string& uid) const {
  auto found = sums_.find(uid);
  return found == sums_.end() ? DecisionCounts{} : found->second.total;
}

void DecisionTally::Forget(MonoTime before) {
  std::erase_if(replicas_, [&](const auto& entry) { return entry.second.seen < before; });
}

}  // namespace gatehouse::webhook
