// The decision over one admission request: both halves, every problem in one answer.
#pragma once

#include <functional>
#include <memory>

#include "common/gate/credentials.h"
#include "common/gate/decision.h"
#include "common/gate/image_verifier.h"
#include "common/gate/node_trust.h"
#include "common/gate/pinning.h"

namespace gatehouse::gate {

struct GateOptions {
  Unmatched unmatched_images = Unmatched::kDeny;
  Unmatched unmatched_nodes = Unmatched::kDeny;
};

class Gate {
 public:
  using PolicySource = std::function<std::shared_ptr<const policy::PolicySet>()>;  // never null

  Gate(const ImageVerifier& images, const NodeTrustSource& nodes, PolicySource policies, CredentialSource credentials,
       GateOptions options)
      : images_(images),
        nodes_(nodes),
        policies_(std::move(policies)),
        credentials_(std::move(credentials)),
        options_(options) {}

  // Judges the images that the request brings in and the node that it puts a pod on, under one snapshot of the
  // policies; or the policy object that it writes. Thread-safe. Never throws for what a request says; whatever is not
  // decided by `deadline` is denied as unavailable.
  [[nodiscard]] Decision Decide(const admission::ReviewRequest& request, const Deadline& deadline) const;

  // The images of a pod (or ephemeral container) that the request brings in under a tag, judged as Decide() judges
  // them, and for those that it would admit because a signature was verified, the digest that the signature is for.
  // Decides nothing: the request is judged again as it will be stored. What was verified is remembered for that.
  [[nodiscard]] Pinning Pin(const admission::ReviewRequest& request, const Deadline& deadline) const;

 private:
  struct Context;
  [[nodiscard]] Context MakeContext(const admission::ReviewRequest& request, const Deadline& deadline) const;
  void JudgeNode(const Context& context, Decision& decision) const;

  const ImageVerifier& images_;
  const NodeTrustSource& nodes_;
  PolicySource policies_;
  CredentialSource credentials_;
  GateOptions options_;
};

}  // namespace gatehouse::gate
