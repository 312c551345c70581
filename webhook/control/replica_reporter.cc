#include <optional>
#include <utility>

#include "common/kube/lease.h"
#include "webhook/control/policy_status.h"
#include "webhook/control/replica_lease.h"
#include "webhook/control/worker.h"

namespace gatehouse::webhook {
namespace {

constexpr std::chrono::seconds kTimeout{5};
constexpr std::chrono::seconds kRenew{10};
constexpr std::chrono::seconds kLook{1};  // at whether policies came into force, which is not to wait for a renewal

// What of a report is worth a renewal of its own: not the counts.
std::string StatesOf(const ReplicaReport& report) {
  ReplicaReport states = report;
  for (auto& [key, entry] : states) entry.second = {};
  return EncodeReport(states);
}

}  // namespace

std::string ReplicaLeaseName(const ReportOptions& options) {
  return options.name + "-replica-" + options.identity;
}

std::string ReplicaLease(const ReportOptions& options, const std::string& report, WallTime now) {
  codec::JsonWriter json;
  json.BeginObject().Member("apiVersion", "coordination.k8s.io/v1").Member("kind", "Lease");
  json.Key("metadata").BeginObject().Member("name", ReplicaLeaseName(options));
  json.Member("namespace", options.namespace_name);
  if (!options.pod_name.empty() && !options.pod_uid.empty()) {
    json.Key("ownerReferences").BeginArray().BeginObject().Member("apiVersion", "v1").Member("kind", "Pod");
    json.Member("name", options.pod_name).Member("uid", options.pod_uid).EndObject().EndArray();
  }
  json.Key("labels").BeginObject().Member("app.kubernetes.io/component", "replica");
  json.Member("app.kubernetes.io/instance", options.name).Member("app.kubernetes.io/managed-by", "gatehouse");
  json.EndObject().Key("annotations").BeginObject().Member(kReportAnnotation, report).EndObject().EndObject();
  json.Key("spec").BeginObject().Member("holderIdentity", options.identity);
  json.Key("leaseDurationSeconds").Int(std::chrono::seconds(kReplicaAlive).count());
  json.Member("renewTime", kube::MicroTime(now)).EndObject().EndObject();
  return std::move(json).Finish();
}

struct ReplicaReporter::Impl {
  Impl(kube::Api& to, ReportOptions opts, std::function<ReplicaReport()> make, telemetry::Logger& logger)
      : api(to),
        options(std::move(opts)),
        report(std::move(make)),
        log(logger),
        worker(
            "report of this replica", [this] { return Round(); }, log) {}

  Duration Round();
  [[nodiscard]] Status Renew(const std::string& text);

  kube::Api& api;
  ReportOptions options;
  std::function<ReplicaReport()> report;
  telemetry::Logger& log;
  std::optional<MonoTime> renewed;
  std::string states;   // as last renewed
  std::string problem;  // as last logged
  Worker worker;
};

Duration ReplicaReporter::Impl::Round() {
  ReplicaReport now = report();
  std::string states_now = StatesOf(now);
  MonoTime mono = api.clock().Mono();
  if (renewed.has_value() && mono - *renewed < kRenew && states_now == states) return kLook;
  Status done = Renew(EncodeReport(now));
  if (!done.ok()) {
    std::string text = done.error().ToString();
    if (text != problem) log.Failure(telemetry::Level::kWarn, "this replica cannot report", done.error());
    problem = std::move(text);
    return kLook;
  }
  problem.clear();
  renewed = mono;
  states = std::move(states_now);
  return kLook;
}

Status ReplicaReporter::Impl::Renew(const std::string& text) {
  std::string lease = ReplicaLease(options, text, api.clock().Wall());
  Deadline deadline(api.clock(), kTimeout);
  std::string path = kube::PathOf(kube::kLeases, options.namespace_name, ReplicaLeaseName(options));
  auto patched = api.Patch(path, kube::PatchType::kMerge, lease, deadline);
  if (patched.ok()) return Ok();
  if (patched.error().reason != Reason::kKubeNotFound) return patched.error();
  auto created = api.Create(kube::PathOf(kube::kLeases, options.namespace_name), lease, deadline);
  if (!created.ok()) return created.error();
  return Ok();
}

ReplicaReporter::ReplicaReporter(kube::Api& api, ReportOptions options, std::function<ReplicaReport()> report,
                                 telemetry::Logger& log)
    : impl_(std::make_unique<Impl>(api, std::move(options), std::move(report), log)) {}

ReplicaReporter::~ReplicaReporter() {
  Stop();
}

void ReplicaReporter::Start() {
  impl_->worker.Start();
}

void ReplicaReporter::Stop() {
  impl_->worker.Stop();
  if (!std::exchange(impl_->renewed, std::nullopt).has_value()) return;
  const ReportOptions& options = impl_->options;
  Status gone = impl_->api.Delete(kube::PathOf(kube::kLeases, options.namespace_name, ReplicaLeaseName(options)), {},
                                  Deadline(impl_->api.clock(), kTimeout));
  if (!gone.ok()) impl_->log.Failure(telemetry::Level::kWarn, "the report of this replica stays", gone.error());
}

}  // namespace gatehouse::webhook
