// What the policies of a node say of its evidence.
#pragma once

#include <functional>
#include <vector>

#include "common/ear/ear.h"
#include "common/evidence/tpm/structures.h"
#include "common/policy/documents.h"
#include "webhook/attest/binding_store.h"
#include "webhook/attest/clock_watch.h"
#include "webhook/attest/endorsement_judge.h"
#include "webhook/attest/ima_rules.h"
#include "webhook/attest/verified_evidence.h"

namespace gatehouse::webhook {

[[nodiscard]] std::vector<const policy::NodePolicy*> PoliciesFor(const policy::PolicySet& set, const std::string& node);

// What the policies ask for, of the banks that the TPM has: a quote of another would be none, for the policies too
// whose banks are there. A policy whose bank is not there finds its PCRs missing when it appraises, whoever said so.
// Errors: kPcrMissing (nothing of what is asked for can be quoted).
[[nodiscard]] Result<evidence::tpm::PcrSelections> SelectionFor(const std::vector<const policy::NodePolicy*>& policies,
                                                                const std::vector<HashAlgorithm>& available);

// Of those that judge the IMA log.
[[nodiscard]] std::vector<ImaRules> ImaRulesFor(const std::vector<const policy::NodePolicy*>& policies,
                                                ImaRuleBook& book, WallTime now);

struct Appraiser {
  EndorsementJudge& endorsements;
  ImaRuleBook& rules;
  const ClockWatch& clocks;

  // One policy, now. `issued`: of the challenge; no result lasts longer because its evidence came later. Findings: the
  // endorsement, the TPM's firmware and clock, PCR values, boot events, IMA entries, in this order.
  [[nodiscard]] ear::PolicyAppraisal Appraise(const policy::NodePolicy& policy, const policy::PolicySet& set,
                                              const Enrolment& enrolment, const VerifiedEvidence& evidence,
                                              WallTime now, WallTime issued) const;
};

inline constexpr std::size_t kMostFindings = 32;  // of one result: with their texts at their longest they fit a token
// At most `most` findings, the last of which then says how many more there were (if there is room for it); none with an
// endless text.
void Bound(std::vector<appraisal::Finding>& findings, std::size_t most);

}  // namespace gatehouse::webhook
