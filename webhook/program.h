// gatehouse-webhook, wired by hand from its configuration: the admission gate, the attestation service, the controllers
// and the listeners.
#pragma once

#include <atomic>
#include <memory>

#include "common/registry/client.h"
#include "common/revocation/revocation.h"
#include "webhook/attestation.h"
#include "webhook/credentials/pull_secrets.h"
#include "webhook/server/descriptors.h"
#include "webhook/trust/trust_keeper.h"
#include "webhook/watch/policy_watcher.h"

namespace gatehouse::webhook {

class Program {
 public:
  explicit Program(WebhookConfig config);
  ~Program();

  // Returns once it serves, or a signal came first. `signals`: a descriptor of signalfd(2) with those that end the
  // program.
  [[nodiscard]] Status Start(int signals);
  // Until a signal comes.
  void Run(int signals);
  void Stop(int signals);

 private:
  [[nodiscard]] Status StartCluster(int signals);
  [[nodiscard]] Status StartGate();
  [[nodiscard]] Status StartRevocation();
  [[nodiscard]] gate::CredentialSource Credentials();
  [[nodiscard]] Status StartListeners();
  [[nodiscard]] Status StartAdmission();
  [[nodiscard]] Status StartAttestation();
  [[nodiscard]] Status StartMetrics();
  [[nodiscard]] HttpReply Ready() const;
  void PoliciesChanged();
  // The admission and the attestation listener, at the same time.
  void DrainListeners();
  void Housekeep();
  void CountNodes();
  [[nodiscard]] PolicySource& policies() const;

  SystemClock clock_;
  WebhookConfig config_;
  telemetry::Logger log_;
  telemetry::Logger audit_;
  telemetry::Metrics metrics_;
  FileValue<registry::Credentials> credentials_;
  ConnectionShares shares_;
  std::unique_ptr<PolicyWatcher> folder_;  // of policies, without a cluster
  std::unique_ptr<Cluster> cluster_;
  std::unique_ptr<net::HttpTransport> trust_transport_;
  std::unique_ptr<revocation::Checker> revocation_;
  std::unique_ptr<net::HttpTransport> issuer_transport_;  // of certificates that nobody has vouched for yet
  std::atomic<Attestation*> attesting_{nullptr};  // attestation_ once it is there: policies change from another thread
  std::unique_ptr<Attestation> attestation_;
  std::unique_ptr<net::HttpTransport> transport_;
  std::unique_ptr<registry::Client> client_;
  std::unique_ptr<PullSecrets> pull_secrets_;  // with a cluster
  std::unique_ptr<TrustKeeper> trust_;
  std::unique_ptr<gate::VerificationCache> cache_;
  std::unique_ptr<gate::ImageVerifier> verifier_;
  std::unique_ptr<gate::NodeTrustSource> no_nodes_;
  std::unique_ptr<gate::Gate> gate_;
  std::unique_ptr<AdmissionHandler> handler_;
  std::unique_ptr<HttpServer> admission_server_;
  std::unique_ptr<HttpServer> attestation_server_;
  std::unique_ptr<HttpServer> metrics_server_;
  std::atomic<bool> trust_asked_{false};  // every repository of TrustRoots, once
  std::atomic<bool> serving_{false};
  std::atomic<bool> draining_{false};
};

}  // namespace gatehouse::webhook
