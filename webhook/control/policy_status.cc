#include "webhook/control/policy_status.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "common/codec/time.h"
#include "common/kube/informer.h"
#include "webhook/control/policy_tally.h"
#include "webhook/control/replica_lease.h"
#include "webhook/control/worker.h"

namespace gatehouse::webhook {
namespace {

constexpr std::chrono::seconds kTimeout{10};
constexpr std::chrono::milliseconds kTick{500};
constexpr std::chrono::milliseconds kSyncTick{50};
constexpr std::chrono::seconds kBetweenWrites{10};     // of one policy
constexpr std::chrono::milliseconds kWriteShare{100};  // of counts alone: all policies together write 10 a second
constexpr std::chrono::seconds kPatience{30};          // with replicas that have not looked at a new generation
constexpr std::chrono::minutes kGone{5};               // a Lease that was not renewed for that long is removed
constexpr std::chrono::hours kRemembered{1};           // the counts of a replica that is gone

struct Kind {
  kube::Resource resource;
  std::string_view name;
  bool decides;
};
const std::array<Kind, 5>& Kinds() {
  static const std::array<Kind, 5> kinds{Kind{kube::kImagePolicies, "ImagePolicy", true},
                                         Kind{kube::kNamespacedImagePolicies, "NamespacedImagePolicy", true},
                                         Kind{kube::kNodePolicies, "NodePolicy", true},
                                         Kind{kube::kReferenceValues, "ReferenceValues", false},
                                         Kind{kube::kTrustRoots, "TrustRoot", false}};
  return kinds;
}

struct PolicyObject {
  const Kind* kind = nullptr;
  kube::ObjectKey key;
  std::string uid;
  std::string version;
  std::int64_t generation = 0;
  std::optional<PolicyStatus> status;  // as the server has it
  [[nodiscard]] std::string ReportKey() const {
    return std::string(kind->name) + "/" + key.namespace_name + "/" + key.name;
  }
};

struct Replica {
  std::string identity;
  std::string uid;
  std::string renewed;     // the text of spec.renewTime
  std::string annotation;  // the text of the report
  std::optional<ReplicaReport> report;
  MonoTime seen{};  // when it was renewed last, by our own clock
  bool there_before = false;
};

// What the leader watches, and what came of it.
class Watched {
 public:
  using ByKey = std::map<std::pair<std::string_view, kube::ObjectKey>, PolicyObject>;

  Watched(kube::Api& api, const ReportOptions& options, telemetry::Logger& log, const Random& random,
          std::function<void()> wake);
  void Start();
  [[nodiscard]] bool Synced() const;
  [[nodiscard]] ByKey Policies() const;
  [[nodiscard]] std::map<std::string, Replica> Replicas() const;

 private:
  struct PolicyObserver final : kube::Observer {
    PolicyObserver(Watched& to, const Kind& of) : watched(to), kind(of) {}
    void OnObject(const kube::ObjectKey& key, codec::JsonView object) override;
    void OnGone(const kube::ObjectKey& key) override;
    Watched& watched;
    const Kind& kind;
  };
  struct LeaseObserver final : kube::Observer {
    explicit LeaseObserver(Watched& to) : watched(to) {}
    void OnObject(const kube::ObjectKey& key, codec::JsonView object) override;
    void OnGone(const kube::ObjectKey& key) override;
    Watched& watched;
  };
  void Renewed(Replica& replica, const std::string& renewed, bool first) const;

  const Clock& clock_;
  std::string prefix_;
  telemetry::Logger& log_;
  std::function<void()> wake_;
  mutable std::mutex mutex_;
  ByKey policies_;
  std::map<std::string, Replica> replicas_;  // by the name of the Lease
  std::vector<std::unique_ptr<kube::Observer>> observers_;
  std::vector<std::unique_ptr<kube::Informer>> informers_;
};

Watched::Watched(kube::Api& api, const ReportOptions& options, telemetry::Logger& log, const Random& random,
                 std::function<void()> wake)
    : clock_(api.clock()), prefix_(options.name + "-replica-"), log_(log), wake_(std::move(wake)) {
  for (const Kind& kind : Kinds()) {
    observers_.push_back(std::make_unique<PolicyObserver>(*this, kind));
    informers_.push_back(std::make_unique<kube::Informer>(
        api, kube::InformerOptions{.resource = kind.resource, .optional = true}, *observers_.back(), log, random));
  }
  observers_.push_back(std::make_unique<LeaseObserver>(*this));
  informers_.push_back(
      std::make_unique<kube::Informer>(api,
                                       kube::InformerOptions{.resource = kube::kLeases,
                                                             .namespace_name = options.namespace_name,
                                                             .label_selector = "app.kubernetes.io/component=replica"},
                                       *observers_.back(), log, random));
}

void Watched::Start() {
  for (const auto& informer : informers_) informer->Start();
}

bool Watched::Synced() const {
  return std::all_of(informers_.begin(), informers_.end(), [](const auto& informer) { return informer->Synced(); });
}

Watched::ByKey Watched::Policies() const {
  std::lock_guard lock(mutex_);
  return policies_;
}

std::map<std::string, Replica> Watched::Replicas() const {
  std::lock_guard lock(mutex_);
  return replicas_;
}

void Watched::PolicyObserver::OnObject(const kube::ObjectKey& key, codec::JsonView object) {
  auto metadata = object.Find("metadata");
  auto generation = metadata.has_value() ? metadata->Find("generation") : std::nullopt;
  PolicyObject policy{.kind = &kind,
                      .key = key,
                      .uid = std::string(kube::TextAt(object, {"metadata", "uid"})),
                      .version = std::string(kube::TextAt(object, {"metadata", "resourceVersion"})),
                      .generation = generation.has_value() ? generation->AsInt().value_or(0) : 0,
                      .status = ReadPolicyStatus(object)};
  {
    std::lock_guard lock(watched.mutex_);
    watched.policies_.insert_or_assign({kind.name, key}, std::move(policy));
  }
  watched.wake_();
}

void Watched::PolicyObserver::OnGone(const kube::ObjectKey& key) {
  std::lock_guard lock(watched.mutex_);
  watched.policies_.erase({kind.name, key});
}

// Alive is who renews: seen by our own clock. Of a Lease that was there when we came, only its time is known, which is
// another machine's.
void Watched::Renewed(Replica& replica, const std::string& renewed, bool first) const {
  MonoTime now = clock_.Mono();
  if (!first) {
    if (replica.renewed != renewed) replica.seen = now;
  } else {
    constexpr Duration kDoubt = 2 * kReplicaAlive;
    auto at = codec::ParseTime(renewed);
    Duration age = at.ok() ? clock_.Wall() - *at : kDoubt * 2;
    replica.seen = age < kDoubt && age > -kDoubt ? now : now - kReplicaAlive - Duration(1);
  }
  replica.renewed = renewed;
}

void Watched::LeaseObserver::OnObject(const kube::ObjectKey& key, codec::JsonView object) {
  if (!key.name.starts_with(watched.prefix_)) return;  // of another release
  std::string annotation;
  auto metadata = object.Find("metadata");
  auto annotations = metadata.has_value() ? metadata->Find("annotations") : std::nullopt;
  auto text = annotations.has_value() ? annotations->Find(kReportAnnotation) : std::nullopt;
  if (text.has_value()) annotation = text->AsString().value_or("");
  {
    std::lock_guard lock(watched.mutex_);
    auto [entry, first] = watched.replicas_.try_emplace(key.name);
    Replica& replica = entry->second;
    replica.identity = key.name.substr(watched.prefix_.size());
    replica.uid = kube::TextAt(object, {"metadata", "uid"});
    watched.Renewed(replica, std::string(kube::TextAt(object, {"spec", "renewTime"})), first);
    if (first || replica.annotation != annotation) {
      auto report = DecodeReport(annotation);
      if (!report.ok()) {
        watched.log_.Failure(telemetry::Level::kWarn, "the report of a replica cannot be read", report.error(),
                             {{"replica", replica.identity}});
      }
      replica.report = report.ok() ? std::optional(std::move(*report)) : std::nullopt;
      replica.annotation = annotation;
    }
  }
  watched.wake_();
}

void Watched::LeaseObserver::OnGone(const kube::ObjectKey& key) {
  {
    std::lock_guard lock(watched.mutex_);
    watched.replicas_.erase(key.name);
  }
  watched.wake_();
}

}  // namespace

struct PolicyStatusController::Impl {
  Impl(kube::Api& to, ReportOptions opts, std::function<bool()> leads, telemetry::Logger& logger, Random rng)
      : api(to),
        options(std::move(opts)),
        leading(std::move(leads)),
        log(logger),
        random(std::move(rng)),
        worker(
            "policy status", [this] { return Round(); }, log) {}

  // Of one object, by its uid.
  struct Memory {
    std::int64_t generation = 0;
    MonoTime generation_seen{};
    std::optional<MonoTime> written;
    bool alive = true;
  };

  Duration Round();
  void Begin();
  void Count(const Watched::ByKey& policies, const std::map<std::string, Replica>& replicas);
  void Look(const PolicyObject& policy, const std::vector<ReplicaView>& views, Duration counts_pause);
  [[nodiscard]] Status Write(const PolicyObject& policy, const PolicyStatus& status);
  void RemoveGone(const std::map<std::string, Replica>& replicas);

  kube::Api& api;
  ReportOptions options;
  std::function<bool()> leading;
  telemetry::Logger& log;
  Random random;
  // Of the worker's thread; there while this process leads.
  std::unique_ptr<Watched> watched;
  DecisionTally tally;
  std::map<std::string, Memory> memory;
  bool counted = false;  // the first look is over
  Worker worker;
};

Duration PolicyStatusController::Impl::Round() {
  if (!leading()) {
    watched.reset();
    return kTick;
  }
  if (watched == nullptr) Begin();
  if (!watched->Synced()) return kSyncTick;
  Watched::ByKey policies = watched->Policies();
  std::map<std::string, Replica> replicas = watched->Replicas();
  Count(policies, replicas);

  MonoTime now = api.clock().Mono();
  std::vector<ReplicaView> alive;
  for (const auto& [name, replica] : replicas) {
    if (now - replica.seen > kReplicaAlive) continue;
    alive.push_back({replica.identity, replica.report.has_value() ? &*replica.report : nullptr});
  }
  Duration counts_pause = std::max<Duration>(kBetweenWrites, kWriteShare * static_cast<Duration::rep>(policies.size()));
  for (const auto& [key, policy] : policies) {
    if (worker.Stopping() || !leading()) return kTick;
    Look(policy, alive, counts_pause);
  }
  RemoveGone(replicas);
  return kTick;
}

void PolicyStatusController::Impl::Begin() {
  tally = DecisionTally();
  memory.clear();
  counted = false;
  watched = std::make_unique<Watched>(api, options, log, random, [this] { worker.Wake(); });
  watched->Start();
}

void PolicyStatusController::Impl::Count(const Watched::ByKey& policies,
                                         const std::map<std::string, Replica>& replicas) {
  for (auto& [uid, of_policy] : memory) of_policy.alive = false;
  for (const auto& [key, policy] : policies) {
    auto written = policy.status.has_value() ? std::optional(policy.status->decisions) : std::nullopt;
    tally.Track(policy.uid, policy.ReportKey(), written);
    memory[policy.uid].alive = true;
  }
  std::erase_if(memory, [&](const auto& entry) {
    if (!entry.second.alive) tally.Untrack(entry.first);
    return !entry.second.alive;
  });
  MonoTime now = api.clock().Mono();
  tally.Forget(now - kRemembered);
  for (const auto& [name, replica] : replicas) {
    if (replica.report.has_value()) tally.Observe(replica.identity, *replica.report, !counted, now);
  }
  counted = true;
}

void PolicyStatusController::Impl::Look(const PolicyObject& policy, const std::vector<ReplicaView>& views,
                                        Duration counts_pause) {
  MonoTime now = api.clock().Mono();
  Memory& of_policy = memory[policy.uid];
  if (of_policy.generation != policy.generation) {
    of_policy.generation = policy.generation;
    of_policy.generation_seen = now;
  }
  bool patient = now - of_policy.generation_seen < kPatience;
  auto status = InForce(policy.ReportKey(), policy.generation, views, patient);
  if (!status.has_value()) return;
  status->decisions = policy.kind->decides ? tally.Total(policy.uid) : DecisionCounts{};
  if (policy.status.has_value() && policy.status->SameAs(*status)) return;
  bool only_counts = policy.status.has_value() && policy.status->SameCondition(*status);
  if (of_policy.written.has_value() && now - *of_policy.written < (only_counts ? counts_pause : kBetweenWrites)) return;
  std::optional<MonoTime> before = std::exchange(of_policy.written, now);
  bool moved = !policy.status.has_value() || policy.status->status != status->status;
  status->transition = moved || policy.status->transition.empty()
                           ? codec::FormatTime(std::chrono::floor<std::chrono::seconds>(api.clock().Wall()))
                           : policy.status->transition;
  Status done = Write(policy, *status);
  if (!done.ok() && done.error().reason == Reason::kKubeConflict) {
    of_policy.written = before;  // changed meanwhile: what it is now is about to come, and is looked at then
  } else if (!done.ok()) {
    log.Failure(telemetry::Level::kWarn, "the status of a policy was not written", done.error(),
                {{"policy", policy.ReportKey()}});
  }
}

Status PolicyStatusController::Impl::Write(const PolicyObject& policy, const PolicyStatus& status) {
  if (!leading()) return Error{Reason::kKubeUnavailable, policy.ReportKey(), "another process leads now"};
  auto written = api.Patch(kube::PathOf(policy.kind->resource, policy.key.namespace_name, policy.key.name, "status"),
                           kube::PatchType::kMerge, WritePolicyStatus(status, policy.kind->decides, policy.version),
                           Deadline(api.clock(), kTimeout));
  // Deleted meanwhile: there is nothing to be said of it any more.
  if (!written.ok() && written.error().reason != Reason::kKubeNotFound) return written.error();
  return Ok();
}

void PolicyStatusController::Impl::RemoveGone(const std::map<std::string, Replica>& replicas) {
  MonoTime now = api.clock().Mono();
  for (const auto& [name, replica] : replicas) {
    if (now - replica.seen < kGone || !leading()) continue;
    Status gone = api.Delete(kube::PathOf(kube::kLeases, options.namespace_name, name), replica.uid,
                             Deadline(api.clock(), kTimeout));
    if (!gone.ok()) {
      log.Failure(telemetry::Level::kWarn, "the report of a replica that is gone stays", gone.error(),
                  {{"replica", replica.identity}});
      return;
    }
    log.Info("the report of a replica that is gone was removed", {{"replica", replica.identity}});
  }
}

PolicyStatusController::PolicyStatusController(kube::Api& api, ReportOptions options, std::function<bool()> leading,
                                               telemetry::Logger& log, Random random)
    : impl_(std::make_unique<Impl>(api, std::move(options), std::move(leading), log, std::move(random))) {}

PolicyStatusController::~PolicyStatusController() {
  Stop();
}

void PolicyStatusController::Start() {
  impl_->worker.Start();
}

void PolicyStatusController::Stop() {
  impl_->worker.Stop();
  impl_->watched.reset();
}

}  // namespace gatehouse::webhook
