// What the gate found and decided about one request.
#pragma once

#include <string>
#include <vector>

#include "common/admission/review.h"
#include "common/base/types.h"
#include "common/policy/documents.h"

namespace gatehouse::gate {

// One reason against admitting, and what it leads to.
struct Finding {
  std::string subject;  // "registry.example/app:1 in spec.containers[0] (app)", "node worker-3"
  std::string policy;   // the policy that asks for it; empty when none does
  policy::Effect effect;
  Error error;
};

// One thing that was proven.
struct Approval {
  std::string subject;  // as above; an image with the digest that was verified
  std::string policy;
  std::string by;  // the authorities that vouch, or the node's state
};

// Starts at deny. Only Conclude(), called once everything was judged, can turn it into allow, and only if no finding
// denies.
class Decision {
 public:
  void Add(Finding finding) { findings_.push_back(std::move(finding)); }
  void Add(Approval approval) { approvals_.push_back(std::move(approval)); }
  void Conclude();

  [[nodiscard]] bool allowed() const { return allowed_; }
  [[nodiscard]] const std::vector<Finding>& findings() const { return findings_; }
  [[nodiscard]] const std::vector<Approval>& approvals() const { return approvals_; }
  // "denied", "warned" (allowed with warnings) or "allowed".
  [[nodiscard]] std::string_view outcome() const;

 private:
  bool allowed_ = false;
  std::vector<Finding> findings_;
  std::vector<Approval> approvals_;
};

// The answer to the API server: the message names every denial (cut to what a client sees), warnings the rest.
[[nodiscard]] admission::ReviewResponse ToResponse(const admission::ReviewRequest& request, const Decision& decision);
// One JSON line with everything, for the audit log.
[[nodiscard]] std::string AuditLine(const admission::ReviewRequest& request, const Decision& decision, WallTime now,
                                    std::chrono::microseconds elapsed);
// "subject: what was found [token] (policy 'x'). What would fix it."
[[nodiscard]] std::string Describe(const Finding& finding);

}  // namespace gatehouse::gate
