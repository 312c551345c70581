#include "webhook/attest/appraiser.h"

#include <algorithm>
#include <cstdio>

#include "common/appraisal/boot.h"
#include "common/appraisal/ended_sets.h"

namespace gatehouse::webhook {
namespace {

namespace evidence = gatehouse::evidence::tpm;

// What is asked of a node that no policy covers yet: the firmware's PCRs, so that its result has something to say.
constexpr std::uint32_t kDefaultPcrs = 0x0000FF;

constexpr std::size_t kDetailBytes = 700;  // of one finding: kMostFindings of them fit a token

using Findings = std::vector<appraisal::Finding>;

void Add(Findings& to, const Error& error, const std::string& where) {
  to.push_back({error.reason, where, error.detail});
}

// An error of a log says where in it.
void AddOfLog(Findings& to, const Error& error, const std::string& log) {
  Add(to, error, error.where.empty() ? log : error.where);
}

void Earlier(WallTime& expires, const std::optional<WallTime>& until) {
  if (until) expires = std::min(expires, *until);
}

std::string Hex(std::uint64_t value) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "0x%016llx", static_cast<unsigned long long>(value));
  return text.data();
}

void JudgeFirmware(const policy::NodePolicy& policy, const VerifiedEvidence& evidence, Findings& findings) {
  const auto& accepted = policy.identity.firmware_versions;
  const std::uint64_t version = evidence.tpm.firmware_version();
  if (accepted.empty() || std::find(accepted.begin(), accepted.end(), version) != accepted.end()) return;
  findings.push_back({Reason::kFirmwareChanged, "TPM firmware",
                      "found " + Hex(version) + ", which identity.firmwareVersions does not list"});
}

void JudgeBoot(const policy::NodePolicy& policy, const VerifiedEvidence& evidence, WallTime now, Findings& findings,
               WallTime& expires) {
  if (!evidence.boot) {
    const Error none{Reason::kEventLogMissing, "", "the agent sent none; is eventLog of its configuration right?"};
    return AddOfLog(findings, evidence.no_boot_log.value_or(none), "boot event log");
  }
  std::vector<const appraisal::ReferenceSet*> sets;
  for (const appraisal::ReferenceSet& set : policy.reference_sets) {
    if (!set.boot.empty() && set.InTime(now)) sets.push_back(&set);
  }
  auto boot = appraisal::AppraiseBoot(*policy.boot, sets, *evidence.boot);
  auto ended = appraisal::EndedForBoot(*policy.boot, policy.reference_sets, *evidence.boot, now, boot.findings);
  if (ended) findings.push_back(*std::move(ended));  // first: of many findings a token has some
  std::move(boot.findings.begin(), boot.findings.end(), std::back_inserter(findings));
  Earlier(expires, boot.holds_until);
}

void JudgeIma(const ImaRules& rules, const VerifiedEvidence& evidence, WallTime now, Findings& findings,
              WallTime& expires) {
  if (evidence.no_ima_log) return AddOfLog(findings, *evidence.no_ima_log, "IMA log");
  const auto verdict = std::find_if(evidence.ima.begin(), evidence.ima.end(), [&](const ImaVerdict& each) {
    return each.policy == rules.policy && each.rules == rules.identity &&
           (!each.holds_until || now < *each.holds_until);
  });
  if (verdict == evidence.ima.end()) {
    findings.push_back({Reason::kImaPending, "IMA log", "this policy is newer than the node's last evidence"});
    return;
  }
  findings.insert(findings.end(), verdict->findings.begin(), verdict->findings.end());
  Earlier(expires, verdict->holds_until);
}

}  // namespace

std::vector<const policy::NodePolicy*> PoliciesFor(const policy::PolicySet& set, const std::string& node) {
  std::vector<const policy::NodePolicy*> matching;
  for (const policy::NodePolicy& policy : set.node_policies) {
    bool named = std::any_of(policy.nodes.begin(), policy.nodes.end(),
                             [&](const policy::Glob& glob) { return glob.Matches(node); });
    if (named) matching.push_back(&policy);
  }
  return matching;
}

Result<evidence::PcrSelections> SelectionFor(const std::vector<const policy::NodePolicy*>& policies,
                                             const std::vector<HashAlgorithm>& available) {
  std::map<HashAlgorithm, std::uint32_t> banks;
  for (const policy::NodePolicy* policy : policies) {
    const auto asked =
        appraisal::PcrsAskedFor(policy->tpm, policy->reference_sets, policy->boot.get(), policy->ima.get());
    for (const auto& [bank, pcrs] : asked) banks[bank] |= pcrs;
  }
  if (banks.empty()) {
    const bool usual = std::find(available.begin(), available.end(), HashAlgorithm::kSha256) != available.end();
    banks[usual || available.empty() ? HashAlgorithm::kSha256 : available.front()] = kDefaultPcrs;
  }
  evidence::PcrSelections selections;
  std::string missing;
  for (const auto& [bank, pcrs] : banks) {
    if (std::find(available.begin(), available.end(), bank) != available.end()) {
      selections.push_back({bank, pcrs});
    } else {
      missing += (missing.empty() ? "" : ", ") + std::string(Name(bank));
    }
  }
  if (selections.empty()) {
    return Error{Reason::kPcrMissing, "bank " + missing,
                 "the node's TPM has none of the banks that its policies ask for; allocate one (tpm2_pcrallocate) or "
                 "let the policies ask for another"};
  }
  return selections;
}

std::vector<ImaRules> ImaRulesFor(const std::vector<const policy::NodePolicy*>& policies, ImaRuleBook& book,
                                  WallTime now) {
  std::vector<ImaRules> rules;
  for (const policy::NodePolicy* policy : policies) {
    if (policy->ima) rules.push_back(book.RulesOf(*policy, now));
  }
  return rules;
}

ear::PolicyAppraisal Appraiser::Appraise(const policy::NodePolicy& policy, const policy::PolicySet& set,
                                         const Enrolment& enrolment, const VerifiedEvidence& evidence, WallTime now,
                                         WallTime issued) const {
  ear::PolicyAppraisal appraised{.policy = policy.name + "@" + policy.generation,
                                 .tier = ear::Tier::kContraindicated,
                                 .findings = {},
                                 .expires = issued + policy.validity};
  const auto endorsed = endorsements.Judge(enrolment, policy, set);
  if (!endorsed.ok()) Add(appraised.findings, endorsed.error(), "endorsement key");
  JudgeFirmware(policy, evidence, appraised.findings);
  if (policy.identity.max_clock_lag) {
    const auto lag = clocks.Lag(enrolment.node, *policy.identity.max_clock_lag);
    if (lag) Add(appraised.findings, *lag, "TPM clock");
  }
  auto by_sets = appraisal::AppraiseSets(policy.tpm, policy.reference_values, policy.reference_sets, evidence.tpm, now,
                                         policy.boot || policy.ima);
  std::move(by_sets.findings.begin(), by_sets.findings.end(), std::back_inserter(appraised.findings));
  Earlier(appraised.expires, by_sets.holds_until);
  if (policy.boot) JudgeBoot(policy, evidence, now, appraised.findings, appraised.expires);
  if (policy.ima) {
    JudgeIma(rules.RulesOf(policy, now), evidence, now, appraised.findings, appraised.expires);
    auto ended = appraisal::EndedForIma(policy.reference_sets, now, appraised.findings);
    if (ended) appraised.findings.insert(appraised.findings.begin(), *std::move(ended));
  }
  if (appraised.findings.empty()) appraised.tier = ear::Tier::kAffirming;
  return appraised;
}

void Bound(std::vector<appraisal::Finding>& findings, std::size_t most) {
  for (appraisal::Finding& finding : findings) {
    if (finding.detail.size() > kDetailBytes) finding.detail = finding.detail.substr(0, kDetailBytes - 3) + "...";
  }
  if (findings.size() <= most) return;
  const std::size_t kept = std::max<std::size_t>(1, most - 1);
  appraisal::Finding rest{findings[kept].reason, "", "and " + std::to_string(findings.size() - kept) + " more"};
  findings.resize(kept);
  if (kept < most) findings.push_back(std::move(rest));
}

}  // namespace gatehouse::webhook
