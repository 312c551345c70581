#include "common/gate/gate.h"

#include <algorithm>
#include <future>
#include <map>

#include "common/base/encoding.h"
#include "common/codec/time.h"

namespace gatehouse::gate {
namespace {

constexpr std::size_t kParallelImages = 8;  // a pod has two or three; more would only queue at the registry

// One distinct image of a request: judged once, whatever the number of containers that use it.
struct ImageTask {
  std::string subject;
  std::string text;
  std::optional<image::Reference> reference{};
  std::vector<const policy::ImagePolicy*> policies{};
  std::vector<Finding> findings{};
  std::vector<Approval> approvals{};

  [[nodiscard]] bool denied() const {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& finding) { return finding.effect == policy::Effect::kDeny; });
  }
};

std::vector<ImageTask> DistinctImages(const admission::ReviewRequest& request) {
  std::vector<ImageTask> tasks;
  std::map<std::string_view, std::size_t> index;
  for (const admission::ImageUse& use : request.images) {
    const auto& unchanged = request.unchanged_images;
    if (std::find(unchanged.begin(), unchanged.end(), use.image) != unchanged.end()) continue;
    auto [found, added] = index.try_emplace(use.image, tasks.size());
    if (added) {
      tasks.push_back({.subject = "image " + Printable(use.image) + " in " + use.where, .text = use.image});
    } else {
      tasks[found->second].subject += ", " + use.where;
    }
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

  // Whether the selectors of `policy` cover the request. Errors: kLabelsUnknown.
  [[nodiscard]] Result<bool> Covers(const policy::ImagePolicy& policy) const {
    ASSIGN_OR_RETURN(bool in_namespace, policy.namespace_selector.Matches(namespace_labels, implicit_labels));
    if (!in_namespace) return false;
    return policy.pod_selector.Matches(request.labels);
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
    Result<bool> covered = covers(policy);
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
  VerifiedImage verified = images.Verify(*task.reference, task.policies, trust_generation, credentials, deadline);
  for (std::size_t i = 0; i < task.policies.size(); ++i) {
    const policy::ImagePolicy& policy = *task.policies[i];
    const PolicyVerdict& verdict = verified.verdict->at(i);
    if (verdict.vouched_by.ok()) {
      task.approvals.push_back({verified.reference.Canonical(), policy.name, *verdict.vouched_by});
    } else {
      const Error& error = verdict.vouched_by.error();
      task.findings.push_back(
          {task.subject, policy.name, policy::EffectOf(error.reason, policy.mode, policy.on_unavailable), error});
    }
  }
}

// Runs `judge` over the tasks, several at once where there are several. Each task is written by one thread only.
template <typename JudgeTask>
void JudgeAll(std::vector<ImageTask*>& tasks, const JudgeTask& judge) {
  for (std::size_t begin = 0; begin < tasks.size(); begin += kParallelImages) {
    std::size_t end = std::min(tasks.size(), begin + kParallelImages);
    std::vector<std::future<void>> others;
    for (std::size_t i = begin + 1; i < end; ++i) {
      others.push_back(std::async(std::launch::async, [&judge, task = tasks[i]] { judge(*task); }));
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
        *context.set, [&](const policy::ImagePolicy& policy) { return context.Covers(policy); }, task);
    if (!task.policies.empty()) {
      to_verify.push_back(&task);
    } else if (auto effect = EffectOf(options_.unmatched_images); effect.has_value() && !task.denied()) {
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
