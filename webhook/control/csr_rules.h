// Which CertificateSigningRequests are those of kubelets for their own client certificates. Pure.
#pragma once

#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/codec/json.h"

namespace gatehouse::webhook {

inline constexpr std::string_view kKubeletClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";

// What a CertificateSigningRequest is to us.
struct CsrView {
  // Ours to judge: of that signer, and neither approved, denied, failed nor signed.
  bool pending = false;
  // The node that it would make its requester, if the request is exactly what a kubelet asks for.
  std::optional<std::string> node;
  // Asked for by a bootstrapper, not by the node itself: the first certificate of a machine that is no Node yet.
  bool first = false;
  // Why there is no node; for the log.
  std::string refusal;
};
// The rules are those of kube-controller-manager's own approver for kubelets (subject exactly CN=system:node:NAME and
// O=system:nodes, no names beside, usages exactly those of a client certificate), and who asks must be the node itself
// (a renewal) or in the group system:bootstrappers, of which the API server vouches in spec.username and spec.groups.
[[nodiscard]] CsrView ReadCsr(codec::JsonView csr);

// The whole object with the condition Approved added, as PUT .../approval takes it: at the version that was judged.
[[nodiscard]] std::string ApprovalOf(codec::JsonView csr, const std::string& message, WallTime now);

}  // namespace gatehouse::webhook
