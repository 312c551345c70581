// Approves the client certificates of kubelets of attested machines, and no others. Opt-in; the leader's only.
#pragma once

#include <functional>
#include <memory>

#include "common/kube/informer.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

// Looks at CertificateSigningRequests with signerName kubernetes.io/kube-apiserver-client-kubelet that nobody has
// approved or denied. Approved: the subject is exactly CN=system:node:NAME, O=system:nodes, no subjectAltName, usages
// are exactly those of a client certificate, the requester is that node itself (a renewal) or in
// system:bootstrappers (its first, while there is no Node of that name), and `trusted(NAME)`: the machine of that name
// is attested now. Others are left alone with an Event-free log line and looked at again when trust changes; never
// denied, since somebody else may judge.
class CsrApprover {
 public:
  struct Parts {
    kube::Api& api;
    // Whether the machine of that name is attested now (its Node need not exist yet).
    std::function<bool(const std::string& node)> trusted;
    std::function<bool()> leading;
    telemetry::Logger& log;
    Random random;
  };
  explicit CsrApprover(Parts parts);
  ~CsrApprover();
  void Start();
  void Stop();
  void Kick();  // trust changed

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
