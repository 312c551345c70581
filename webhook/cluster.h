// Everything of a process that has a Kubernetes API to ask: what it watches, what it writes, and whether it leads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/kube/lease.h"
#include "webhook/attest/cluster_nodes.h"
#include "webhook/attest/token_reviewer.h"
#include "webhook/certificates/certificate_manager.h"
#include "webhook/certificates/key_files.h"
#include "webhook/config/config.h"
#include "webhook/control/csr_approver.h"
#include "webhook/control/node_controller.h"
#include "webhook/control/policy_status.h"
#include "webhook/watch/cluster_policies.h"
#include "webhook/watch/file_value.h"

namespace gatehouse::webhook {

class Cluster {
 public:
  // `config.kubernetes` must be there. Errors: those of connecting by a kubeconfig; kConfigInvalid.
  [[nodiscard]] static Result<std::unique_ptr<Cluster>> Make(const WebhookConfig& config, const Clock& clock,
                                                             telemetry::Logger& log, telemetry::Metrics& metrics);
  ~Cluster();

  // Begins to watch, to stand for election and to keep certificates: all that others wait for. Errors: kInternal.
  // `on_change` when NodePolicies changed.
  [[nodiscard]] Status Begin(PolicySource::OnChange on_change);
  // What is not there yet, for people; nothing once the process can decide.
  [[nodiscard]] std::vector<std::string> Awaited() const;
  // What is there, but may be out of date.
  [[nodiscard]] std::vector<std::string> Problems() const;
  // Gives the lead back and ends all threads.
  void Stop();
  // Keys and gauges, each two seconds.
  void Housekeep();

  [[nodiscard]] ClusterPolicies& policies() { return *policies_; }
  [[nodiscard]] ClusterNodes& nodes() { return *nodes_; }
  // Of a process that attests, once: which key signs them is known when Awaited() is empty.
  [[nodiscard]] std::unique_ptr<BindingStore> TakeBindings(std::function<crypto::PrivateKey()> signing_key);
  [[nodiscard]] TokenReviewer& reviewer() { return *reviewer_; }
  // For what others may make us ask: their requests use up no time of those that keep the cluster going.
  [[nodiscard]] kube::Api& api_for_others() { return api_for_others_; }
  [[nodiscard]] bool Leading() const { return elector_ != nullptr && elector_->Leading(); }

 private:
  Cluster(const WebhookConfig& config, kube::ConnectionSource connections, const Clock& clock, telemetry::Logger& log,
          telemetry::Metrics& metrics);
  void BeginNodes();
  void MakeControllers(const Random& random);
  [[nodiscard]] std::vector<crypto::PublicKey> Keys() const;
  [[nodiscard]] ReplicaReport Report() const;
  [[nodiscard]] bool Believes(const std::string& node, const policy::NodePolicy& policy) const;

  const KubernetesConfig config_;
  const Duration settle_;
  const Clock& clock_;
  telemetry::Logger& log_;
  telemetry::Metrics& metrics_;
  kube::Api api_;
  kube::Api api_for_others_;
  FileValue<std::vector<crypto::PublicKey>> keys_;
  std::unique_ptr<KeyFiles> key_files_;
  std::unique_ptr<ClusterPolicies> policies_;
  std::unique_ptr<ClusterNodes> nodes_;
  std::unique_ptr<BindingStore> bindings_;
  std::function<crypto::PrivateKey()> signing_key_;
  std::unique_ptr<TokenReviewer> reviewer_;
  std::unique_ptr<ReplicaReporter> reporter_;
  bool reporting_ = false;
  // Of a process that may lead.
  std::unique_ptr<kube::LeaderElector> elector_;
  std::unique_ptr<CertificateManager> certificates_;
  std::unique_ptr<NodeController> node_controller_;
  std::unique_ptr<PolicyStatusController> status_controller_;
  std::unique_ptr<CsrApprover> csr_approver_;
};

}  // namespace gatehouse::webhook
