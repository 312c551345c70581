// The certificates and keys of Gatehouse itself, kept in Secrets (design: names in docs/install.md). The leader's only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/kube/api.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

struct CertificateOptions {
  std::string namespace_name;
  std::string name;     // N: Secrets N-ca, N-tls, N-attestation, ConfigMap N-public
  bool serving = true;  // false: serving certificates come from elsewhere; only N-attestation and N-public are kept
  std::vector<std::string> dns_names = {};            // also IP addresses
  std::vector<std::string> validating_webhooks = {};  // names of configurations whose caBundle is ours
  std::vector<std::string> mutating_webhooks = {};
  Duration validity{std::chrono::hours(2160)};
  Duration ca_validity{std::chrono::hours(26280)};
  Duration overlap{std::chrono::hours(1)};
};

// Makes what is missing, renews at two thirds of the validity, in steps of which each is safe to stop at: a new CA is
// in the bundle (N-public, caBundles) for `overlap` before anything is signed by it, and the old one stays in the
// bundle for as long after. What somebody else changed (a caBundle, a name that the certificate lacks) is put right.
// Writes with resourceVersion, never by force. What is decided is in certificate_steps.h (pure), with the rules of
// whose objects are whose; here it is read and written. One step that cannot be carried out does not hold up the
// others.
class CertificateManager {
 public:
  CertificateManager(kube::Api& api, CertificateOptions options, std::function<bool()> leading, const Clock& clock,
                     telemetry::Logger& log, Random random);
  ~CertificateManager();
  void Start();
  void Stop();
  void Kick();  // elected
  // One round, as the thread does it: steps until nothing is due. Returns how long until the next one is needed. Does
  // nothing while `leading` says no. Errors: those of kube::Api, kConfigInvalid (a name of dns_names).
  [[nodiscard]] Result<Duration> RunOnce();
  // What an operator has to put right, as of the last round.
  [[nodiscard]] std::vector<std::string> Problems() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
