#include "common/gate/gate.h"

#include <algorithm>
#include <future>
#include <map>

#include "common/base/encoding.h"
#include "common/codec/time.h"

namespace gatehouse::gate {
namespace {

constexpr Duration kFairShare{1'000};       // enough for a registry that works
constexpr std::size_t kParallelImages = 8;  // a pod has two or three; more would only queue at the registry

// One distinct image of a request: judged once, whatever the number of containers that use it.
struct ImageTask {
  std::string subject;
  std::string text;
  bool unchanged;  // was there before; judged for the policies that a change of labels brings upon it
  std::size_t uses = 1;
  std::optional<image::Reference> reference{};
  std::vector<const policy::ImagePolicy*> policies{};
  std::vector<Finding> findings{};
  std::vector<Approval> approvals{};

  [[nodiscard]] bool denied() const {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& finding) { return finding.effect == policy::Effect::kDeny; });
  }
};

// An image in many containers is named with the first few of them.
constexpr std::size_t kNamedUses = 4;

std::vector<ImageTask> DistinctImages(const admission::ReviewRequest& request) {
  std::vector<ImageTask> tasks;
  std::map<std::pair<std::string_view, bool>, std::size_t> index;
  bool same_labels = request.labels == request.old_labels;
  for (const admission::ImageUse& use : request.images) {
    if (use.unchanged && same_labels) continue;
    auto [found, added] = index.try_emplace({use.image, use.unchanged}, tasks.size());
    if (added) {
      tasks.push_back({.subject = "image " + Printable(use.image) + " in " + use.where,
                       .text = use.image,
                       .unchanged = use.unchanged});
      continue;
    }
    ImageTask& task = tasks[found->second];
    if (++task.uses <= kNamedUses) task.subject += ", " + use.where;
    if (task.uses == kNamedUses + 1) task.subject += ", ...";
  }
  return tasks;
}

std::optional<policy::Effect> EffectOf(Unmatched unmatched) {
  switch (unmatched) {
    case Unmatched::kDeny:
      return policy::Effect::kDeny;
    case Unmatched::kWarn:
      return policy::Effect::kWarn;
    case Unmatched::kAllow:
      return std::nullopt;
  }
  return policy::Effect::kDeny;
}

bool AnyEnforced(const policy::PolicySet& set) {
  return std::any_of(set.image_policies.begin(), set.image_policies.end(),
                     [](const policy::ImagePolicy& policy) { return policy.mode == policy::Mode::kEnforce; });
}

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

struct Gate::Context {
  const admission::ReviewRequest& request;
  const Deadline& deadline;
  std::shared_ptr<const policy::PolicySet> set;
  std::shared_ptr<const registry::Credentials> credentials;
  std::optional<policy::Labels> namespace_labels;
  policy::Labels implicit_labels;

  // Whether the selectors of `policy` cover the request, and for what was there before, whether they did not before.
  // Errors: kLabelsUnknown.
  [[nodiscard]] Result<bool> Covers(const policy::ImagePolicy& policy, bool unchanged) const {
    ASSIGN_OR_RETURN(bool in_namespace, policy.namespace_selector.Matches(namespace_labels, implicit_labels));
    if (!in_namespace) return false;
    ASSIGN_OR_RETURN(bool covers, policy.pod_selector.Matches(request.labels));
    if (!covers || !unchanged) return covers;
    ASSIGN_OR_RETURN(bool covered, policy.pod_selector.Matches(request.old_labels));
    return !covered;
  }
};

namespace {

// Finds the policies that cover the image; a policy that could not be evaluated is a finding of its own.
template <typename Covers>
void MatchPolicies(const policy::PolicySet& set, const Covers& covers, ImageTask& task) {
  for (const policy::ImagePolicy& policy : set.image_policies) {
    bool named = std::any_of(policy.images.begin(), policy.images.end(),
                             [&](const policy::ImageGlob& glob) { return glob.Matches(*task.reference); });
    if (!named) continue;
    Result<bool> covered = covers(policy, task.unchanged);
    if (!covered.ok()) {
      policy::Effect effect = policy::EffectOf(covered.error().reason, policy.mode, policy.on_unavailable);
      task.findings.push_back({task.subject, policy.name, effect, covered.error()});
    } else if (*covered) {
      task.policies.push_back(&policy);
    }
  }
}

void Judge(const ImageVerifier& images, const std::string& trust_generation, const registry::Credentials& credentials,
           const Deadline& deadline, ImageTask& task) {
  Duration share = deadline.Remaining() * 3 / 5;
  Deadline own = deadline.Sooner(share);
  VerifiedImage verified = images.Verify(*task.reference, task.policies, trust_generation, credentials, own);
  for (std::size_t i = 0; i < task.policies.size(); ++i) {
    const policy::ImagePolicy& policy = *task.policies[i];
    const PolicyVerdict& verdict = verified.verdict->at(i);
    if (verdict.vouched_by.ok()) {
      task.approvals.push_back({verified.reference.Canonical(), policy.name, *verdict.vouched_by});
    } else {
      Error error = verdict.vouched_by.error();
      // Time that ran out within a fair share is this image's own registry being too slow: an outage like any other.
      // With less, or with the request's whole time gone, others may have used it up, and nothing is known of this one.
      if (error.reason == Reason::kDeadlineExceeded && share >= kFairShare && !deadline.Passed()) {
        error = {Reason::kRegistryUnavailable, error.where, "no answer within " + codec::FormatDuration(share)};
      }
      task.findings.push_back(
          {task.subject, policy.name, policy::EffectOf(error.reason, policy.mode, policy.on_unavailable), error});
    }
  }
}

// Runs `judge` over the tasks, several at once where there are several. Each task is written by one thread only; where
// no thread can be started (a limit on processes), it is this one.
template <typename JudgeTask>
void JudgeAll(std::vector<ImageTask*>& tasks, const JudgeTask& judge) {
  for (std::size_t begin = 0; begin < tasks.size(); begin += kParallelImages) {
    std::size_t end = std::min(tasks.size(), begin + kParallelImages);
    std::vector<std::future<void>> others;
    for (std::size_t i = begin + 1; i < end; ++i) {
      others.push_back(
          std::async(std::launch::async | std::launch::deferred, [&judge, task = tasks[i]] { judge(*task); }));
    }
    judge(*tasks[begin]);
    for (std::future<void>& other : others) other.get();
  }
}

}  // namespace

void Gate::JudgeImages(const Context& context, Decision& decision) const {
  std::vector<ImageTask> tasks = DistinctImages(context.request);
  std::vector<ImageTask*> to_verify;
  for (ImageTask& task : tasks) {
    auto reference = image::Reference::Parse(task.text);
    if (!reference.ok()) {
      // No policy can be found for what has no name: refused wherever anything is enforced.
      auto effect = AnyEnforced(*context.set) ? policy::Effect::kDeny : EffectOf(options_.unmatched_images);
      if (effect.has_value()) task.findings.push_back({task.subject, "", *effect, reference.error()});
      continue;
    }
    task.reference = std::move(*reference);
    MatchPolicies(
        *context.set,
        [&](const policy::ImagePolicy& policy, bool unchanged) { return context.Covers(policy, unchanged); }, task);
    if (!task.policies.empty()) {
      to_verify.push_back(&task);
    } else if (auto effect = EffectOf(options_.unmatched_images);
               effect.has_value() && !task.denied() && !task.unchanged) {
      // Also when a policy on trial could not be evaluated: whether that one covers the image is not known.
      task.findings.push_back({task.subject,
                               "",
                               *effect,
                               {Reason::kNoPolicyMatches, "", "no ImagePolicy covers " + task.reference->Canonical()}});
    }
  }
  JudgeAll(to_verify, [&](ImageTask& task) {
    Judge(images_, context.set->trust_generation, *context.credentials, context.deadline, task);
  });
  for (ImageTask& task : tasks) {
    for (Finding& finding : task.findings) decision.Add(std::move(finding));
    for (Approval& approval : task.approvals) decision.Add(std::move(approval));
  }
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
      decision.Add(Finding{subject, policy.name, effect, selected.error()});
      continue;
    }
    covered = true;
    NodeTrust trust = nodes_.Lookup(*node, policy.name, policy.generation);
    if (trust.state == NodeState::kTrusted) {
      decision.Add(Approval{subject, policy.name, "attestation, until " + codec::FormatTime(trust.expires)});
    } else {
      Error error = StateError(trust);
      decision.Add(Finding{subject, policy.name,
                           policy::EffectOf(error.reason, policy.mode, policy::OnUnavailable::kDeny), error});
    }
  }
  if (auto effect = EffectOf(options_.unmatched_nodes); !covered && effect.has_value()) {
    decision.Add(Finding{subject, "", *effect, {Reason::kNoPolicyMatches, "", "no NodePolicy covers it"}});
  }
}

Decision Gate::Decide(const admission::ReviewRequest& request, const Deadline& deadline) const {
  Decision decision;
  if (request.subject != admission::Subject::kOther) {
    Context context{.request = request,
                    .deadline = deadline,
                    .set = policies_(),
                    .credentials = credentials_(),
                    .namespace_labels = {},
                    .implicit_labels = policy::PolicySet::ImplicitNamespaceLabels(request.namespace_name)};
    context.namespace_labels = context.set->NamespaceLabels(request.namespace_name);
    JudgeImages(context, decision);
    JudgeNode(context, decision);
  }
  decision.Conclude();
  return decision;
}

}  // namespace gatehouse::gate
