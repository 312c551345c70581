// The attestation half of a process: wired from its section of the configuration, with bindings in a folder or in a
// cluster.
#pragma once

#include <memory>

#include "common/session/nonce.h"
#include "webhook/attest/routes.h"
#include "webhook/cluster.h"

namespace gatehouse::webhook {

class Attestation {
 public:
  // `cluster` may be null. What is referred to must outlive it. Errors: kConfigInvalid, those of reading files and of
  // the folder of bindings.
  [[nodiscard]] static Result<std::unique_ptr<Attestation>> Make(const AttestationConfig& config, const Clock& clock,
                                                                 telemetry::Logger& log, const PolicySource& policies,
                                                                 Cluster* cluster,
                                                                 EndorsementJudge::Parts endorsements);

  void AddRoutes(HttpServer& server, telemetry::Metrics& metrics);
  // Other policies are in force.
  void Reappraise() { service_.Reappraise(); }
  // What may have changed since the last look. Errors: those of the files of tokens and of keys.
  [[nodiscard]] Status Housekeep();
  [[nodiscard]] const NodeStore& nodes() const { return nodes_; }

 private:
  using SigningKey = FileValue<crypto::PrivateKey>;
  using NonceKey = FileValue<Bytes>;
  Attestation(const AttestationConfig& config, std::unique_ptr<NonceKey> nonce_key,
              std::unique_ptr<SigningKey> signing_key, std::unique_ptr<BindingStore> bindings, const Clock& clock,
              telemetry::Logger& log, const PolicySource& policies, Cluster* cluster,
              EndorsementJudge::Parts endorsements);
  [[nodiscard]] AttestationService::Parts Parts(const Clock& clock, telemetry::Logger& log,
                                                const PolicySource& policies, Cluster* cluster);

  FileValue<std::map<std::string, Digest>> tokens_;
  std::unique_ptr<NonceKey> nonce_key_;
  std::unique_ptr<SigningKey> signing_key_;
  AgentAuthenticator authenticator_;
  session::Challenger challenger_;
  std::unique_ptr<BindingStore> bindings_;
  NodeStore nodes_;
  EndorsementJudge endorsements_;
  ReferenceFiles reference_files_;
  AttestationService service_;
};

}  // namespace gatehouse::webhook
