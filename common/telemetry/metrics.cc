#include "common/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <functional>
#include <map>
#include <mutex>

#include "common/base/limits.h"

namespace gatehouse::telemetry {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildGauge;
using prometheus::BuildHistogram;
using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries kSeconds = {0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05,
                                              0.1,    0.25,   0.5,   1,     2.5,   5,    10};

constexpr std::string_view kMorePolicies = "(more)";  // no object has this name

double Seconds(std::chrono::microseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string Text(std::string_view view) {
  return std::string(view);
}

// Looking a series up by its labels costs a microsecond or two; the hot path does it by a short key instead.
template <typename Metric>
class Series {
 public:
  using Make = std::function<Metric&(std::string_view first, std::string_view second)>;
  explicit Series(Make make) : make_(std::move(make)) {}
  Metric& Get(std::string_view first, std::string_view second = {}) {
    std::lock_guard lock(mutex_);
    auto row = known_.find(first);
    if (row == known_.end()) row = known_.emplace(std::string(first), Row{}).first;
    auto known = row->second.find(second);
    if (known == row->second.end()) known = row->second.emplace(std::string(second), &make_(first, second)).first;
    return *known->second;
  }

 private:
  Make make_;
  std::mutex mutex_;
  using Row = std::map<std::string, Metric*, std::less<>>;
  std::map<std::string, Row, std::less<>> known_;
};

// The row of that name; made where there is none.
template <typename Value>
Value& Row(std::map<std::string, Value, std::less<>>& rows, std::string_view name) {
  auto row = rows.find(name);
  if (row == rows.end()) row = rows.emplace(std::string(name), Value{}).first;
  return row->second;
}

// "namespace/name" or "name": neither holds a '/' (RFC 1123 subdomains).
PolicyDecisionCounts NamedAfter(std::string_view kind, std::string_view policy) {
  auto slash = policy.find('/');
  PolicyDecisionCounts counts;
  counts.kind = kind;
  if (slash != std::string_view::npos) counts.namespace_name = policy.substr(0, slash);
  counts.name = slash == std::string_view::npos ? policy : policy.substr(slash + 1);
  return counts;
}

}  // namespace

struct Metrics::Impl {
  prometheus::Registry registry;

  Family<Counter>& CounterFamily(const char* name, const char* help) {
    return BuildCounter().Name(name).Help(help).Register(registry);
  }
  Family<Gauge>& GaugeFamily(const char* name, const char* help) {
    return BuildGauge().Name(name).Help(help).Register(registry);
  }

  Family<Counter>& admission =
      CounterFamily("gatehouse_admission_requests_total", "Admission requests by kind and outcome.");
  Family<Histogram>& admission_seconds = BuildHistogram()
                                             .Name("gatehouse_admission_duration_seconds")
                                             .Help("Time to decide an admission request, by the half that was asked.")
                                             .Register(registry);
  Family<Counter>& findings =
      CounterFamily("gatehouse_findings_total", "Reasons found against images and nodes, by policy mode.");
  Family<Counter>& mutations = CounterFamily("gatehouse_mutations_total",
                                             "Images of pods that the mutating webhook saw, by what became of them.");
  Family<Counter>& policies = CounterFamily("gatehouse_policy_decisions_total", "Decisions of each policy.");
  Family<Counter>& cache =
      CounterFamily("gatehouse_verification_cache_total", "Look-ups in the cache of verified images.");
  Family<Counter>& registries =
      CounterFamily("gatehouse_registry_requests_total", "Requests to registries by outcome.");
  Family<Counter>& attestation =
      CounterFamily("gatehouse_attestation_requests_total", "Calls of the attestation session.");
  Family<Gauge>& nodes = GaugeFamily("gatehouse_nodes", "Nodes by state of their attestation.");
  Family<Counter>& reloads =
      CounterFamily("gatehouse_policy_reloads_total", "Reloads of the policy folder by outcome.");
  Gauge& reload_failed =
      GaugeFamily("gatehouse_policy_last_reload_failed", "1 while the policies in force are older than those on disk.")
          .Add({});
  Family<Gauge>& documents = GaugeFamily("gatehouse_policy_documents", "Policy documents in force by kind.");
  Family<Gauge>& objects = GaugeFamily("gatehouse_policy_objects", "Policy objects of the Kubernetes API by kind.");
  Family<Gauge>& in_force =
      GaugeFamily("gatehouse_policy_in_force",
                  "Policy objects in force here at the generation that the Kubernetes API has, by kind.");
  Family<Counter>& kube =
      CounterFamily("gatehouse_kube_requests_total", "Requests to the Kubernetes API by verb and outcome.");
  Family<Gauge>& stale =
      GaugeFamily("gatehouse_watch_stale", "1 while a watch of the Kubernetes API has been silent for too long.");
  Gauge& leader = GaugeFamily("gatehouse_leader", "1 while this process is the leader.").Add({});
  Family<Counter>& attestation_writes = CounterFamily("gatehouse_node_attestation_writes_total",
                                                      "Results for NodeAttestation objects: written, spared, failed.");
  Family<Gauge>& expiry =
      GaugeFamily("gatehouse_certificate_expiry_timestamp_seconds", "When each listener's serving certificate ends.");

  Series<Counter> admission_series{[this](std::string_view kind, std::string_view outcome) -> Counter& {
    return admission.Add({{"kind", Text(kind)}, {"outcome", Text(outcome)}});
  }};
  Series<Histogram> admission_seconds_series{[this](std::string_view half, std::string_view) -> Histogram& {
    return admission_seconds.Add({{"half", Text(half)}}, kSeconds);
  }};
  Series<Counter> cache_series{[this](std::string_view result, std::string_view) -> Counter& {
    return cache.Add({{"result", Text(result)}});
  }};

  // By kind, policy and outcome.
  using Outcomes = std::map<std::string, Counter*, std::less<>>;
  using ByPolicy = std::map<std::string, Outcomes, std::less<>>;
  mutable std::mutex decisions_mutex;
  std::map<std::string, ByPolicy, std::less<>> decisions;

  Counter& Decisions(std::string_view kind, std::string_view policy, std::string_view outcome) {
    std::lock_guard lock(decisions_mutex);
    ByPolicy& policies_of_kind = Row(decisions, kind);
    bool full = policies_of_kind.size() >= limits::kCountedPolicies && !policies_of_kind.contains(policy);
    if (full) policy = kMorePolicies;
    Outcomes& outcomes = Row(policies_of_kind, policy);
    auto known = outcomes.find(outcome);
    if (known == outcomes.end()) {
      Counter& made = policies.Add({{"kind", Text(kind)}, {"policy", Text(policy)}, {"outcome", Text(outcome)}});
      known = outcomes.emplace(Text(outcome), &made).first;
    }
    return *known->second;
  }

  std::mutex writes_mutex;  // what is added is the difference to what was there
};

Metrics::Metrics() : impl_(std::make_unique<Impl>()) {}
Metrics::~Metrics() = default;

void Metrics::CountAdmission(std::string_view kind, std::string_view outcome) {
  impl_->admission_series.Get(kind, outcome).Increment();
}

void Metrics::ObserveAdmission(std::string_view half, std::chrono::microseconds elapsed) {
  impl_->admission_seconds_series.Get(half).Observe(Seconds(elapsed));
}

void Metrics::CountFinding(Reason reason, std::string_view effect) {
  impl_->findings
      .Add({{"reason", Text(Token(reason))}, {"class", Text(Token(ClassOf(reason)))}, {"effect", Text(effect)}})
      .Increment();
}

void Metrics::CountMutations(std::string_view outcome, std::size_t images) {
  if (images > 0) impl_->mutations.Add({{"outcome", Text(outcome)}}).Increment(static_cast<double>(images));
}

void Metrics::CountPolicy(std::string_view kind, std::string_view policy, std::string_view outcome) {
  impl_->Decisions(kind, policy, outcome).Increment();
}

std::vector<PolicyDecisionCounts> Metrics::PolicyDecisions() const {
  std::vector<PolicyDecisionCounts> all;
  std::lock_guard lock(impl_->decisions_mutex);
  for (const auto& [kind, policies] : impl_->decisions) {
    for (const auto& [policy, outcomes] : policies) {
      if (policy == kMorePolicies) continue;
      auto count = [&outcomes = outcomes](std::string_view outcome) {
        auto found = outcomes.find(outcome);
        return found == outcomes.end() ? 0 : static_cast<std::uint64_t>(found->second->Value());
      };
      PolicyDecisionCounts counts = NamedAfter(kind, policy);
      counts.allowed = count("allow");
      counts.denied = count("deny");
      counts.warned = count("warn");
      counts.audited = count("audit");
      all.push_back(std::move(counts));
    }
  }
  return all;
}

void Metrics::CountCache(std::string_view result) {
  impl_->cache_series.Get(result).Increment();
}

void Metrics::CountRegistry(std::string_view outcome) {
  impl_->registries.Add({{"outcome", Text(outcome)}}).Increment();
}

void Metrics::CountAttestation(std::string_view call, std::string_view outcome) {
  impl_->attestation.Add({{"call", Text(call)}, {"outcome", Text(outcome)}}).Increment();
}

void Metrics::SetNodes(std::string_view state, std::size_t count) {
  impl_->nodes.Add({{"state", Text(state)}}).Set(static_cast<double>(count));
}

void Metrics::CountReload(bool ok) {
  impl_->reloads.Add({{"outcome", ok ? "ok" : "failed"}}).Increment();
  impl_->reload_failed.Set(ok ? 0 : 1);
}

void Metrics::SetPolicyDocuments(std::string_view kind, std::size_t count) {
  impl_->documents.Add({{"kind", Text(kind)}}).Set(static_cast<double>(count));
}

void Metrics::SetPolicyObjects(std::string_view kind, std::size_t objects, std::size_t in_force) {
  impl_->objects.Add({{"kind", Text(kind)}}).Set(static_cast<double>(objects));
  impl_->in_force.Add({{"kind", Text(kind)}}).Set(static_cast<double>(in_force));
}

void Metrics::CountKube(std::string_view verb, std::string_view outcome) {
  impl_->kube.Add({{"verb", Text(verb)}, {"outcome", Text(outcome)}}).Increment();
}

void Metrics::SetWatchStale(std::string_view resource, bool stale) {
  impl_->stale.Add({{"resource", Text(resource)}}).Set(stale ? 1 : 0);
}

void Metrics::SetLeader(bool leading) {
  impl_->leader.Set(leading ? 1 : 0);
}

void Metrics::SetNodeAttestationWrites(std::string_view outcome, std::uint64_t total) {
  Counter& counter = impl_->attestation_writes.Add({{"outcome", Text(outcome)}});
  std::lock_guard lock(impl_->writes_mutex);
  double more = static_cast<double>(total) - counter.Value();
  if (more > 0) counter.Increment(more);
}

void Metrics::SetCertificateExpiry(std::string_view listener, WallTime expiry) {
  impl_->expiry.Add({{"listener", Text(listener)}})
      .Set(std::chrono::duration<double>(expiry.time_since_epoch()).count());
}

std::string Metrics::Expose() const {
  return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace gatehouse::telemetry
