// The verifier's side of the attestation session (DESIGN.md section 5): a request of an authenticated node in, a
// response or a reason out. No sockets.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include "common/crypto/key.h"
#include "common/policy/documents.h"
#include "common/session/messages.h"
#include "common/session/nonce.h"
#include "common/telemetry/log.h"
#include "common/verify/tpm/identity.h"
#include "webhook/attest/appraiser.h"
#include "webhook/attest/binding_store.h"
#include "webhook/attest/boot_logs.h"
#include "webhook/attest/ima_progress.h"
#include "webhook/attest/node_store.h"

namespace gatehouse::webhook {

class AttestationService {
 public:
  struct Options {
    Duration interval{60'000};  // agents come again at least this often, and at half of a result's validity
  };
  struct Parts {
    const Clock& clock;
    Random random;
    session::Challenger& challenger;
    BindingStore& enrolments;
    NodeStore& nodes;
    EndorsementJudge& endorsements;
    ReferenceFiles& reference_files;
    crypto::PrivateKey signing_key;  // EC P-256: signs the results
    std::function<std::shared_ptr<const policy::PolicySet>()> policies;
    telemetry::Logger& log;
    // For the other replicas (ClusterNodes::Publish, PublishFailure): each result that has become the node's here, also
    // one made anew by other policies; and each failure that counts against a node. Called from the handlers' threads.
    std::function<void(const NodeName&, const ear::VerifiedEar&, const std::string& token)> on_result = nullptr;
    std::function<void(const NodeName&, const Error&)> on_failure = nullptr;
    // If set, asked for each result in place of signing_key: the key may be replaced while we run.
    std::function<crypto::PrivateKey()> current_signing_key = nullptr;
  };
  // Logs which nodes are blocked by their files.
  AttestationService(Parts parts, Options options);

  // Precondition of each: the caller was authorised for `node`, and request.node equals it.
  [[nodiscard]] Result<session::EnrollResponse> Enroll(const NodeName& node, const session::EnrollRequest& request);
  [[nodiscard]] Result<session::ActivateResponse> Activate(const NodeName& node,
                                                           const session::ActivateRequest& request);
  [[nodiscard]] Result<session::ChallengeResponse> Challenge(const NodeName& node,
                                                             const session::ChallengeRequest& request);
  // Entries of the IMA log ahead of the evidence, after a challenge. Errors: kImaLogGap, those of replaying.
  [[nodiscard]] Result<session::LogResponse> Log(const NodeName& node, const session::LogRequest& request);
  [[nodiscard]] Result<session::EvidenceResponse> Evidence(const NodeName& node,
                                                           const session::EvidenceRequest& request);

  // Other policies are in force: every held result is appraised again by them, from the claims that were proven.
  void Reappraise();
  // Trust ends with the binding: nodes whose binding an admin released are unknown again. To be called now and then.
  void ForgetReleased();
  // For what a caller is not told.
  [[nodiscard]] telemetry::Logger& log() const { return parts_.log; }

 private:
  [[nodiscard]] Result<Enrolment> BoundEnrolment(const NodeName& node, const std::string& ak_name);
  void Forget(const NodeName& node);
  void Fail(const NodeName& node, const Error& error);
  [[nodiscard]] Error Refused(const NodeName& node, const Error& error);
  // What evidence that was refused says of its node.
  void Count(const NodeName& node, const session::EvidenceRequest& request, const Error& error);
  [[nodiscard]] Result<claims::VerifiedTpmClaims> VerifyQuote(const Enrolment& enrolment,
                                                              const session::EvidenceRequest& request);
  // What the logs say that came with a quote. Errors: kImaLogGap: the agent is to begin elsewhere.
  [[nodiscard]] Result<VerifiedEvidence> Appraisable(const NodeName& node, const session::EvidenceRequest& request,
                                                     claims::VerifiedTpmClaims claims);
  [[nodiscard]] Result<std::shared_ptr<const verify::tpm::AttestationKey>> PreparedKey(const Enrolment& enrolment);
  using Policies = std::shared_ptr<const policy::PolicySet>;
  // A result appraised, signed, and verified again: what the gate may see.
  struct Published {
    ear::VerifiedEar result;
    std::string token;
  };
  // Of what quote, by whom, and about which Node.
  struct Evidenced {
    const Enrolment& enrolment;
    const VerifiedEvidence& evidence;
    std::string nonce;
    std::string node_uid;
    WallTime issued;  // of the challenge: no result lasts longer because its evidence came later
  };
  [[nodiscard]] Result<Published> Appraise(const policy::PolicySet& set, const Evidenced& evidenced);
  // Appraises evidence that was just verified, and makes the result the node's.
  [[nodiscard]] Result<Published> Publish(const NodeName& node, const Enrolment& enrolment,
                                          const VerifiedEvidence& evidence, BytesView nonce);

  Parts parts_;
  Options options_;
  ImaRuleBook rules_;
  ImaProgress ima_;
  BootLogs boot_logs_;
  ClockWatch clocks_;
  Appraiser appraiser_;
  std::mutex keys_mutex_;
  std::map<std::string, std::shared_ptr<const verify::tpm::AttestationKey>> keys_;  // by node: as many as are enrolled
};

}  // namespace gatehouse::webhook
