// Prometheus metrics, every family declared in one place (metrics.cc) so that names, help texts and label sets are
// documented and bounded: a label value is always one of a closed set, or the name of a policy (bounded by the number
// of documents).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/reason.h"

namespace gatehouse::telemetry {

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // gatehouse_admission_requests_total{kind,outcome}: kind pod, workload, binding, ephemeral, other; outcome allowed,
  // denied, warned, error
  void CountAdmission(std::string_view kind, std::string_view outcome);
  // gatehouse_admission_duration_seconds{half}: half image, node, none
  void ObserveAdmission(std::string_view half, std::chrono::microseconds elapsed);
  // gatehouse_findings_total{reason,class,effect}: effect deny, warn, audit
  void CountFinding(Reason reason, std::string_view effect);
  // gatehouse_policy_decisions_total{policy,outcome}: outcome allow, deny, warn, audit
  void CountPolicy(std::string_view policy, std::string_view outcome);
  // gatehouse_verification_cache_total{result}: hit, miss, coalesced, negative_hit
  void CountCache(std::string_view result);
  // gatehouse_registry_requests_total{outcome}: ok, missing, denied, unavailable, invalid
  void CountRegistry(std::string_view outcome);
  // gatehouse_attestation_requests_total{call,outcome}: call enroll, activate, challenge, evidence; outcome ok or a
  // reason token
  void CountAttestation(std::string_view call, std::string_view outcome);
  // gatehouse_nodes{state}: trusted, untrusted, expired, unknown
  void SetNodes(std::string_view state, std::size_t count);
  // gatehouse_policy_reloads_total{outcome}: ok, failed; gatehouse_policy_last_reload_failed
  void CountReload(bool ok);
  // gatehouse_policy_documents{kind}
  void SetPolicyDocuments(std::string_view kind, std::size_t count);
  // gatehouse_certificate_expiry_timestamp_seconds{listener}
  void SetCertificateExpiry(std::string_view listener, WallTime expiry);

  // The text exposition format 0.0.4.
  [[nodiscard]] std::string Expose() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::telemetry
