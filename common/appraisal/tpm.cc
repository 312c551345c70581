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

}  // namespace gatehouse::appraisal
