// Appraisal of TPM claims against reference values. Pure.
#pragma once

#include <map>
#include <vector>

#include "common/base/types.h"
#include "common/claims/tpm.h"

namespace gatehouse::appraisal {

// PCR reference values: a PCR passes if its value is one of the list. An empty policy is never a pass: the loader
// refuses it, and Appraise() of it finds kPcrMissing.
struct TpmReference {
  HashAlgorithm bank;
  std::map<unsigned, std::vector<Bytes>> pcrs;
};

struct Finding {
  Reason reason;
  std::string where;   // "pcr 7 (sha256)"
  std::string detail;  // what was found and what was expected
  friend bool operator==(const Finding&, const Finding&) = default;
};

// Every deviation; empty = the claims meet the reference.
[[nodiscard]] std::vector<Finding> Appraise(const TpmReference& reference, const claims::VerifiedTpmClaims& claims);

}  // namespace gatehouse::appraisal
