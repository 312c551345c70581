#include "common/gate/gate.h"

#include <algorithm>
#include <map>

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/gate/image_half.h"
#include "common/gate/policy_object.h"

namespace gatehouse::gate {
namespace {

Error StateError(const NodeTrust& trust) {
  switch (trust.state) {
    case NodeState::kExpired:
      return {Reason::kAttestationExpired, "", "the last attestation expired at " + codec::FormatTime(trust.expires)};
    case NodeState::kUntrusted: {
      std::string what;
      for (const appraisal::Finding& finding : trust.findings) {
        what += (what.empty() ? "" : "; ") + (finding.where.empty() ? "" : finding.where + ": ") + finding.detail +
                " [" + std::string(Token(finding.reason)) + "]";
      }
      return {Reason::kNodeUntrusted, "", what};
    }
    case NodeState::kUnknown:
    case NodeState::kTrusted:
      break;
  }
  return {Reason::kNodeUnknown, "", "no attestation result of this node is held"};
}

}  // namespace

// One snapshot of everything that a decision depends on.
struct Gate::Context {
  const admission::ReviewRequest& request;
  const Deadline& deadline;
  std::shared_ptr<const policy::PolicySet> set;
  const CredentialSource& credentials;
  std::optional<policy::Labels> namespace_labels;
  policy::Labels implicit_labels;

  [[nodiscard]] ImageQuestion Images(Unmatched unmatched) const {
    return {.request = request,
            .set = *set,
            .namespace_labels = namespace_labels,
            .implicit_labels = implicit_labels,
            .credentials = credentials,
            .deadline = deadline,
            .unmatched = unmatched};
  }
};

Gate::Context Gate::MakeContext(const admission::ReviewRequest& request, const Deadline& deadline) const {
  Context context{.request = request,
                  .deadline = deadline,
                  .set = policies_(),
                  .credentials = credentials_,
                  .namespace_labels = {},
                  .implicit_labels = policy::PolicySet::ImplicitNamespaceLabels(request.namespace_name)};
  context.namespace_labels = context.set->NamespaceLabels(request.namespace_name);
  return context;
}

void Gate::JudgeNode(const Context& context, Decision& decision) const {
  if (!context.request.node.has_value()) return;
  std::string subject = "node " + Printable(*context.request.node);
  auto node = NodeName::Parse(*context.request.node);
  if (!node.ok()) {
    decision.Add(Finding{subject, "", policy::Effect::kDeny, {Reason::kReviewMalformed, "", node.error().detail}});
    return;
  }
  bool covered = false;
  for (const policy::NodePolicy& policy : context.set->node_policies) {
    bool named = std::any_of(policy.nodes.begin(), policy.nodes.end(),
                             [&](const policy::Glob& glob) { return glob.Matches(node->text()); });
    if (!named) continue;
    Result<bool> selected = policy.namespace_selector.Matches(context.namespace_labels, context.implicit_labels);
    if (selected.ok() && !*selected) continue;
    if (!selected.ok()) {
      auto effect = policy::EffectOf(selected.error().reason, policy.mode, policy::OnUnavailable::kDeny);
      decision.Add(Finding{subject, policy.name, effect, selected.error(), kNodePolicy});
      continue;
    }
    covered = true;
    NodeTrust trust = nodes_.Lookup(*node, policy.name, policy.generation);
    if (trust.state == NodeState::kTrusted) {
      decision.Add(
          Approval{subject, policy.name, "attestation, until " + codec::FormatTime(trust.expires), kNodePolicy});
    } else {
      Error error = StateError(trust);
      decision.Add(Finding{subject, policy.name,
                           policy::EffectOf(error.reason, policy.mode, policy::OnUnavailable::kDeny), error,
                           kNodePolicy});
    }
  }
  for (const policy::UnreadPolicy& unread : context.set->unread) {
    if (unread.kind != kNodePolicy) continue;
    decision.Add(Finding{subject, unread.name, policy::Effect::kDeny, unread.ToError(), kNodePolicy});
  }
  if (auto effect = EffectOf(options_.unmatched_nodes); !covered && effect.has_value()) {
    decision.Add(Finding{subject, "", *effect, {Reason::kNoPolicyMatches, "", "no NodePolicy covers it"}});
  }
}

Decision Gate::Decide(const admission::ReviewRequest& request, const Deadline& deadline) const {
  Decision decision;
  if (request.subject != admission::Subject::kOther) {
    Context context = MakeContext(request, deadline);
    for (JudgedImage& image : JudgeImages(context.Images(options_.unmatched_images), Which::kAll, images_)) {
      for (Finding& finding : image.findings) decision.Add(std::move(finding));
      for (Approval& approval : image.approvals) decision.Add(std::move(approval));
    }
    JudgeNode(context, decision);
    JudgePolicyObject(request, *context.set, decision);
  }
  decision.Conclude();
  return decision;
}

Pinning Gate::Pin(const admission::ReviewRequest& request, const Deadline& deadline) const {
  Pinning pinning;
  // Templates stay as they are written: what manages them would see a difference. Their pods come here as pods.
  if (request.subject != admission::Subject::kPod && request.subject != admission::Subject::kEphemeral) return pinning;
  // The record of a static pod is to say what the kubelet runs, which is what the file on the node says.
  if (request.mirror) {
    pinning.unchanged = request.images.size();
    return pinning;
  }
  Context context = MakeContext(request, deadline);
  std::map<std::string, std::string> pinned;
  for (const JudgedImage& image : JudgeImages(context.Images(options_.unmatched_images), Which::kNewTags, images_)) {
    if (!image.verified.has_value()) continue;
    if (auto name = PinnedName(image.text, *image.reference, *image.verified)) pinned.emplace(image.text, *name);
  }
  for (std::size_t i = 0; i < request.images.size(); ++i) {
    const admission::ImageUse& use = request.images[i];
    // A new name for what runs would make the kubelet start it again.
    if (use.unchanged || use.image.find('@') != std::string::npos) {
      ++pinning.unchanged;
    } else if (auto found = pinned.find(use.image); found != pinned.end()) {
      pinning.pins.push_back({i, found->second});
    } else {
      ++pinning.unverified;
    }
  }
  return pinning;
}

}  // namespace gatehouse::gate
