// What the status of each policy says: in force, at which generation, on how many replicas, how often it decided what.
#pragma once

#include <functional>
#include <memory>

#include "common/kube/api.h"
#include "common/policy/loader.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

// Decisions of one policy by this process since it started.
struct DecisionCounts {
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  std::uint64_t warned = 0;
  std::uint64_t audited = 0;
  friend bool operator==(const DecisionCounts&, const DecisionCounts&) = default;
};

// "ImagePolicy//signed", "NamespacedImagePolicy/shop/extra": by this key.
using ReplicaReport = std::map<std::string, std::pair<policy::ObjectState, DecisionCounts>>;
[[nodiscard]] std::string EncodeReport(const ReplicaReport& report);  // at most limits::kReplicaReportBytes
[[nodiscard]] Result<ReplicaReport> DecodeReport(std::string_view json);

struct ReportOptions {
  std::string namespace_name;
  std::string name;      // of the release: Leases are NAME-replica-IDENTITY
  std::string identity;  // of this process
  // The pod that this process runs in, if in any: its Lease goes with it, also when nobody is left who may remove it.
  std::string pod_name = {};
  std::string pod_uid = {};
};

// Every process: renews its own Lease with the report each ten seconds.
class ReplicaReporter {
 public:
  ReplicaReporter(kube::Api& api, ReportOptions options, std::function<ReplicaReport()> report, telemetry::Logger& log);
  ~ReplicaReporter();
  void Start();
  void Stop();  // removes the Lease

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The leader: sums the reports of the replicas alive and writes each policy's status when it differs, each at most
// every ten seconds. Counts go on over restarts of replicas and of the leader (what happens between a leader's end and
// the next one's start may be missing). Removes the Leases of replicas that are gone.
class PolicyStatusController {
 public:
  PolicyStatusController(kube::Api& api, ReportOptions options, std::function<bool()> leading, telemetry::Logger& log,
                         Random random);
  ~PolicyStatusController();
  void Start();
  void Stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
