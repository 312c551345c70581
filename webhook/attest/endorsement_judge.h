// Whether a TPM is one that a policy believes: its certificates against trust roots, inventories and revocation, with
// what has to be fetched for that.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "common/net/http.h"
#include "common/policy/documents.h"
#include "common/revocation/revocation.h"
#include "common/verify/tpm/identity.h"
#include "webhook/attest/binding_store.h"

namespace gatehouse::webhook {

// Thread-safe. What was fetched is remembered; a judgement that needs nothing new does not wait for anybody.
class EndorsementJudge {
 public:
  struct Parts {
    const Clock& clock;
    // Both null: nothing is fetched; then `revocation: required` cannot be met, and issuers are not completed.
    net::HttpTransport* transport = nullptr;
    revocation::Checker* revocations = nullptr;
  };
  explicit EndorsementJudge(Parts parts);
  ~EndorsementJudge();

  // At an enrolment (nothing is bound yet) and at each appraisal. Errors: those of parsing, of VerifyEndorsement;
  // kRevocationUnavailable with `required` only.
  [[nodiscard]] Result<verify::tpm::VerifiedEndorsement> Judge(const Enrolment& presented,
                                                               const policy::NodePolicy& policy,
                                                               const policy::PolicySet& set);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
