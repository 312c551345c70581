#include "webhook/control/standing.h"

#include <algorithm>
#include <utility>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

kube::Standing JudgeUnder(const std::vector<std::string>& policies, const std::optional<ear::AttestationResult>& result,
                          const std::optional<kube::Failure>& failure, WallTime now) {
  kube::Standing standing = kube::Judge(result, failure, policies, now);
  // A node that a policy covers is never left without a reason: that would be the mark of one that none covers.
  if (standing.verdict != kube::Verdict::kTrusted && standing.findings.empty() && !policies.empty()) {
    standing.findings.push_back({Reason::kNodeUnknown, "", "the node has not attested"});
  }
  return standing;
}

std::string NameOf(const policy::NodePolicy& policy) {
  return policy.name + "@" + policy.generation;
}

kube::Standing Doubt(const policy::NodePolicy& policy) {
  return {.verdict = kube::Verdict::kUnknown,
          .findings = {{Reason::kNodeUnknown, "policy " + policy.name,
                        "the result is not believed: its binding was released, is not good, or is another node's"}},
          .expires = {}};
}

}  // namespace

NodeStanding StandingOf(const std::string& node, const policy::PolicySet& policies,
                        const std::optional<ear::AttestationResult>& result,
                        const std::optional<kube::Failure>& failure, WallTime now, const Believes& believes) {
  std::vector<const policy::NodePolicy*> effective;
  std::vector<const policy::NodePolicy*> on_trial;
  NodeStanding standing;
  const auto believed = [&](const policy::NodePolicy& policy) { return !believes || believes(node, policy); };
  for (const policy::NodePolicy& policy : policies.node_policies) {
    if (std::none_of(policy.nodes.begin(), policy.nodes.end(), [&](const auto& glob) { return glob.Matches(node); })) {
      continue;
    }
    (policy.mode == policy::Mode::kAudit ? on_trial : effective).push_back(&policy);
    if (policy.mode != policy::Mode::kEnforce || !policy.untrusted.has_value()) continue;
    kube::Standing under = JudgeUnder({NameOf(policy)}, result, failure, now);
    if (under.verdict == kube::Verdict::kTrusted && !believed(policy)) under = Doubt(policy);
    standing.enforced.emplace_back(std::move(under), *policy.untrusted);
  }
  const auto& counted = effective.empty() ? on_trial : effective;
  std::vector<std::string> names;
  for (const policy::NodePolicy* policy : counted) names.push_back(NameOf(*policy));
  standing.overall = JudgeUnder(names, result, failure, now);
  if (standing.overall.verdict != kube::Verdict::kTrusted) return standing;
  auto doubted = std::find_if(counted.begin(), counted.end(), [&](const auto* policy) { return !believed(*policy); });
  if (doubted == counted.end()) return standing;
  standing.overall = Doubt(**doubted);
  standing.disbelieved = true;
  return standing;
}

Duration LongestWindow(const policy::PolicySet& policies) {
  Duration longest = Duration::zero();
  for (const policy::NodePolicy& policy : policies.node_policies) {
    if (policy.untrusted.has_value()) longest = std::max(longest, policy.untrusted->within);
  }
  return longest;
}

void NodeEvidence::Observe(const kube::NodeAttestation& attestation, const std::vector<crypto::PublicKey>& keys,
                           const std::string& keys_id, WallTime now) {
  if (object_uid_ != attestation.uid || keys_id_ != keys_id) {
    Forget();
    object_uid_ = attestation.uid;
    keys_id_ = keys_id;
  }
  ek_ = attestation.ek;
  ak_ = attestation.ak;
  if (attestation.failure.has_value()) {
    kube::Failure failure = *attestation.failure;
    // A time of the future would outlive every result to come.
    failure.time = std::min<WallTime>(failure.time, now + limits::kReplicaClockSkew);
    if (!failure_.has_value() || failure_->time < failure.time) failure_ = failure;
  }
  if (attestation.ear != token_ || !problem_.empty()) {
    token_ = attestation.ear;
    Verify(attestation, keys, now);
  }
}

void NodeEvidence::Verify(const kube::NodeAttestation& attestation, const std::vector<crypto::PublicKey>& keys,
                          WallTime now) {
  problem_.clear();
  if (attestation.ear.empty()) return;
  // What has expired is still what was proven, and expiry is judged later.
  auto verified = ear::VerifyPossiblyExpired(attestation.ear, keys, now);
  if (!verified.ok()) {
    problem_ = verified.error().ToString();
    return;
  }
  const ear::AttestationResult& result = verified->result();
  if (result.node != attestation.name) {
    problem_ = "the result is of another node";
  } else if (result_.has_value() && ear::IssuedOf(result) < ear::IssuedOf(*result_)) {
    problem_ = "the result is older than one that was there before";
  } else {
    result_ = result;
  }
}

std::optional<ear::AttestationResult> NodeEvidence::ResultFor(const std::string& node_uid) const {
  if (!result_.has_value() || result_->node_uid != node_uid || result_->ek != ek_ || result_->ak_name != ak_) {
    return std::nullopt;
  }
  return result_;
}

}  // namespace gatehouse::webhook
