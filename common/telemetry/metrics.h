// Prometheus metrics, every family declared in one place (metrics.cc) so that names, help texts and label sets are
// documented and bounded: a label value is always one of a closed set, or the name of a policy (bounded by the number
// of documents) or of a resource that is watched.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/reason.h"

namespace gatehouse::telemetry {

// What one policy said since this process started: its verdicts over images and nodes, as counted by CountPolicy().
struct PolicyDecisionCounts {
  std::string kind;            // "ImagePolicy", "NamespacedImagePolicy", "NodePolicy"
  std::string namespace_name;  // of a NamespacedImagePolicy
  std::string name;
  std::uint64_t allowed = 0;
  std::uint64_t denied = 0;
  std::uint64_t warned = 0;
  std::uint64_t audited = 0;
  friend bool operator==(const PolicyDecisionCounts&, const PolicyDecisionCounts&) = default;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  // gatehouse_admission_requests_total{kind,outcome}: kind pod, workload, binding, ephemeral, policy, other, and mutate
  // for a call of /mutate; outcome allowed, denied, warned, error
  void CountAdmission(std::string_view kind, std::string_view outcome);
  // gatehouse_admission_duration_seconds{half}: half image, node, none
  void ObserveAdmission(std::string_view half, std::chrono::microseconds elapsed);
  // gatehouse_findings_total{reason,class,effect}: effect deny, warn, audit
  void CountFinding(Reason reason, std::string_view effect);
  // gatehouse_mutations_total{outcome}, images of pods seen by /mutate: pinned to the digest that was verified;
  // unchanged (named by a digest already, or there before the update); unverified (left as it was)
  void CountMutations(std::string_view outcome, std::size_t images);
  // gatehouse_policy_decisions_total{kind,policy,outcome}: `policy` is its name, "namespace/name" for a namespaced one;
  // outcome allow, deny, warn, audit. Of each kind limits::kCountedPolicies are counted by name, further ones together
  // as
  // "(more)".
  void CountPolicy(std::string_view kind, std::string_view policy, std::string_view outcome);
  // Of every policy that decided anything, by kind, namespace and name. For reports; thread-safe, like everything here.
  [[nodiscard]] std::vector<PolicyDecisionCounts> PolicyDecisions() const;
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
  // gatehouse_policy_documents{kind}: in force, from a folder
  void SetPolicyDocuments(std::string_view kind, std::size_t count);
  // gatehouse_policy_objects{kind}, gatehouse_policy_in_force{kind}: objects of the API, and those of them that are in
  // force here at the generation that the API has
  void SetPolicyObjects(std::string_view kind, std::size_t objects, std::size_t in_force);
  // gatehouse_certificate_expiry_timestamp_seconds{listener}
  void SetCertificateExpiry(std::string_view listener, WallTime expiry);
  // gatehouse_kube_requests_total{verb,outcome}: requests to the Kubernetes API; verb and outcome as kube::Api says
  // them
  void CountKube(std::string_view verb, std::string_view outcome);
  // gatehouse_watch_stale{resource}: 1 while nothing was heard of the resource for too long; resource: its plural
  void SetWatchStale(std::string_view resource, bool stale);
  // gatehouse_leader: 1 while this process leads
  void SetLeader(bool leading);
  // gatehouse_node_attestation_writes_total{outcome}: written, spared, failed. `total` since the start; never less than
  // before.
  void SetNodeAttestationWrites(std::string_view outcome, std::uint64_t total);

  // The text exposition format 0.0.4.
  [[nodiscard]] std::string Expose() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::telemetry
