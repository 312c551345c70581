// What the gate found and decided about one request.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/admission/review.h"
#include "common/base/types.h"
#include "common/gate/pinning.h"
#include "common/policy/documents.h"

namespace gatehouse::gate {

// What becomes of an image or node that no policy covers.
enum class Unmatched : std::uint8_t { kDeny, kWarn, kAllow };
// Nothing for kAllow.
[[nodiscard]] std::optional<policy::Effect> EffectOf(Unmatched unmatched);

// Kinds of policies, as their documents spell them.
inline constexpr std::string_view kImagePolicy = "ImagePolicy";
inline constexpr std::string_view kNamespacedImagePolicy = "NamespacedImagePolicy";
inline constexpr std::string_view kNodePolicy = "NodePolicy";

// One reason against admitting, and what it leads to.
struct Finding {
  std::string subject;  // "registry.example/app:1 in spec.containers[0] (app)", "node worker-3"
  std::string policy;   // the policy that asks for it, "namespace/name" for a namespaced one; empty when none does
  policy::Effect effect;
  Error error;
  std::string_view policy_kind{};  // one of the above; empty when `policy` is
};

// One thing that was proven.
struct Approval {
  std::string subject;  // as above; an image with the digest that was verified
  std::string policy;
  std::string by;  // the authorities that vouch, or the node's state
  std::string_view policy_kind{};
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
// The same of a call that may pin images.
[[nodiscard]] std::string MutationLine(const admission::ReviewRequest& request, const Pinning& pinning, WallTime now,
                                       std::chrono::microseconds elapsed);
// "subject: what was found [token] (policy 'x'). What would fix it."
[[nodiscard]] std::string Describe(const Finding& finding);

}  // namespace gatehouse::gate
