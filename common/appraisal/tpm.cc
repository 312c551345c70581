#include "common/appraisal/tpm.h"

#include <algorithm>

#include "common/base/encoding.h"

namespace gatehouse::appraisal {
namespace {

// One expected value is shown: a list of them would not fit into an admission message.
std::string Describe(BytesView found, const std::vector<Bytes>& expected) {
  if (expected.empty()) return "found " + EncodeHex(found) + "; the policy allows no value";
  std::string text = "found " + EncodeHex(found) + ", expected " + EncodeHex(expected.front());
  if (expected.size() > 1) text += " or one of " + std::to_string(expected.size() - 1) + " more";
  return text;
}

}  // namespace

std::vector<Finding> Appraise(const TpmReference& reference, const claims::VerifiedTpmClaims& claims) {
  const std::string bank_name(Name(reference.bank));
  if (reference.pcrs.empty()) return {{Reason::kPcrMissing, "bank " + bank_name, "the policy names no PCR"}};
  const auto bank = claims.pcrs().find(reference.bank);
  std::vector<Finding> findings;
  for (const auto& [pcr, allowed] : reference.pcrs) {
    const std::string where = "pcr " + std::to_string(pcr) + " (" + bank_name + ")";
    if (bank == claims.pcrs().end() || !bank->second.contains(pcr)) {
      findings.push_back({Reason::kPcrMissing, where, "the quote is not over it"});
      continue;
    }
    const Bytes& value = bank->second.at(pcr);
    if (std::find(allowed.begin(), allowed.end(), value) == allowed.end()) {
      findings.push_back({Reason::kPcrMismatch, where, Describe(value, allowed)});
    }
  }
  return findings;
}

namespace {

std::string SetName(const ReferenceSet& set) {
  return set.document + "/" + set.name;
}

// Why no set can be tried at all.
Finding NoneInTime(const std::vector<std::string>& documents, const std::vector<ReferenceSet>& sets) {
  std::string where = "reference values";
  for (const std::string& document : documents) where += (&document == &documents.front() ? " " : ", ") + document;
  if (sets.empty()) return {Reason::kReferenceExpired, where, "there is no set of values"};
  std::string names = "not in its time: ";
  for (const ReferenceSet& set : sets) names += (&set == &sets.front() ? "" : ", ") + SetName(set);
  return {Reason::kReferenceExpired, where, names};
}

bool HoldsLonger(const std::optional<WallTime>& a, const std::optional<WallTime>& b) {
  if (!a || !b) return !a && b;
  return *a > *b;
}

void AppraiseBySets(const std::vector<std::string>& documents, const std::vector<ReferenceSet>& sets,
                    const claims::VerifiedTpmClaims& claims, WallTime now, SetsAppraisal& result) {
  const ReferenceSet* met = nullptr;
  const ReferenceSet* nearest = nullptr;
  std::vector<Finding> why;
  for (const ReferenceSet& set : sets) {
    if (!set.InTime(now) || set.tpm.pcrs.empty()) continue;
    std::vector<Finding> findings = Appraise(set.tpm, claims);
    if (findings.empty()) {
      if (met == nullptr || HoldsLonger(set.not_after, met->not_after)) met = &set;
    } else if (nearest == nullptr || findings.size() < why.size()) {
      nearest = &set;
      why = std::move(findings);
    }
  }
  if (met != nullptr) {
    result.matched = SetName(*met);
    result.holds_until = met->not_after;
  } else if (nearest != nullptr) {
    for (Finding& finding : why) {
      finding.where += " of " + SetName(*nearest);
      result.findings.push_back(std::move(finding));
    }
  } else {
    result.findings.push_back(NoneInTime(documents, sets));
  }
}

void AskFor(const TpmReference& reference, std::map<HashAlgorithm, std::uint32_t>& pcrs) {
  for (const auto& [pcr, values] : reference.pcrs) pcrs[reference.bank] |= std::uint32_t{1} << pcr;
}

}  // namespace

SetsAppraisal AppraiseSets(const TpmReference& base, const std::vector<std::string>& documents,
                           const std::vector<ReferenceSet>& sets, const claims::VerifiedTpmClaims& claims, WallTime now,
                           bool judged_otherwise) {
  SetsAppraisal result;
  if (!base.pcrs.empty() || (documents.empty() && !judged_otherwise)) result.findings = Appraise(base, claims);
  const bool any_pcrs =
      std::any_of(sets.begin(), sets.end(), [](const ReferenceSet& set) { return !set.tpm.pcrs.empty(); });
  // Documents that are all about events and files have nothing to say here; documents that say nothing at all have not
  // been found, and that must not pass.
  if (!documents.empty() && (any_pcrs || sets.empty() || !judged_otherwise))
    AppraiseBySets(documents, sets, claims, now, result);
  return result;
}

std::map<HashAlgorithm, std::uint32_t> PcrsAskedFor(const TpmReference& base, const std::vector<ReferenceSet>& sets,
                                                    const BootPolicy* boot, const ImaPolicy* ima) {
  // PCR 10, and what boot_aggregate is a digest of.
  constexpr std::uint32_t kImaPcrs = 0x0007FF;
  constexpr std::uint32_t kAggregatePcrs = 0x0003FF;
  std::map<HashAlgorithm, std::uint32_t> pcrs;
  AskFor(base, pcrs);
  for (const ReferenceSet& set : sets) AskFor(set.tpm, pcrs);
  if (boot != nullptr) pcrs[boot->bank] |= boot->pcrs;
  if (ima == nullptr) return pcrs;
  pcrs[ima->bank] |= kImaPcrs;
  // boot_aggregate is of the kernel's own hash (CONFIG_IMA_DEFAULT_HASH, ima_hash=) if the TPM has that bank, else of
  // SHA-256's or SHA-1's, whichever bank the policy replays the log in.
  pcrs[HashAlgorithm::kSha256] |= kAggregatePcrs;
  if (ima->allow_insecure_sha1_aggregate) pcrs[HashAlgorithm::kSha1] |= kAggregatePcrs;
  return pcrs;
}

}  // namespace gatehouse::appraisal
