// The decision over one admission request: both halves, every problem in one answer.
#pragma once

#include <functional>
#include <memory>

#include "common/gate/decision.h"
#include "common/gate/image_verifier.h"
#include "common/gate/node_trust.h"

namespace gatehouse::gate {

// What becomes of an image or node that no policy covers.
enum class Unmatched : std::uint8_t { kDeny, kWarn, kAllow };

struct GateOptions {
  Unmatched unmatched_images = Unmatched::kDeny;
  Unmatched unmatched_nodes = Unmatched::kDeny;
};

class Gate {
 public:
  using PolicySource = std::function<std::shared_ptr<const policy::PolicySet>()>;          // never null
  using CredentialSource = std::function<std::shared_ptr<const registry::Credentials>()>;  // never null

  Gate(const ImageVerifier& images, const NodeTrustSource& nodes, PolicySource policies, CredentialSource credentials,
       GateOptions options)
      : images_(images),
        nodes_(nodes),
        policies_(std::move(policies)),
        credentials_(std::move(credentials)),
        options_(options) {}

  // Judges the images that the request brings in and the node that it puts a pod on, under one snapshot of the
  // policies. Thread-safe. Never throws for what a request says; whatever is not decided by `deadline` is denied as
  // unavailable.
  [[nodiscard]] Decision Decide(const admission::ReviewRequest& request, const Deadline& deadline) const;

 private:
  struct Context;
  void JudgeImages(const Context& context, Decision& decision) const;
  void JudgeNode(const Context& context, Decision& decision) const;

  const ImageVerifier& images_;
  const NodeTrustSource& nodes_;
  PolicySource policies_;
  CredentialSource credentials_;
  GateOptions options_;
};

}  // namespace gatehouse::gate
