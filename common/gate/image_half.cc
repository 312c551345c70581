#include "common/gate/image_half.h"

#include <algorithm>
#include <future>
#include <map>
#include <span>

#include "common/base/encoding.h"
#include "common/codec/time.h"

namespace gatehouse::gate {
namespace {

constexpr Duration kFairShare{1'000};       // enough for a registry that works
constexpr std::size_t kParallelImages = 8;  // a pod has two or three; more would only queue at the registry
constexpr std::size_t kNamedUses = 4;       // an image in many containers is named with the first few of them

std::vector<JudgedImage> DistinctImages(const admission::ReviewRequest& request) {
  std::vector<JudgedImage> images;
  std::map<std::pair<std::string_view, bool>, std::size_t> index;
  bool same_labels = request.labels == request.old_labels;
  for (const admission::ImageUse& use : request.images) {
    if (use.unchanged && same_labels) continue;
    auto [found, added] = index.try_emplace({use.image, use.unchanged}, images.size());
    if (added) {
      images.push_back({.subject = "image " + Printable(use.image) + " in " + use.where,
                        .text = use.image,
                        .unchanged = use.unchanged});
      continue;
    }
    JudgedImage& image = images[found->second];
    if (++image.uses <= kNamedUses) image.subject += ", " + use.where;
    if (image.uses == kNamedUses + 1) image.subject += ", ...";
  }
  return images;
}

// Those of the request's namespace. The set has them sorted by namespace and name.
std::span<const policy::ImagePolicy> OfNamespace(const policy::PolicySet& set, const std::string& name) {
  struct ByNamespace {
    bool operator()(const policy::ImagePolicy& policy, const std::string& other) const {
      return policy.namespace_name < other;
    }
    bool operator()(const std::string& other, const policy::ImagePolicy& policy) const {
      return other < policy.namespace_name;
    }
  };
  const auto& all = set.namespaced_policies;
  auto [first, last] = std::equal_range(all.begin(), all.end(), name, ByNamespace{});
  return {first, last};
}

bool IsEnforced(const policy::ImagePolicy& policy) {
  return policy.mode == policy::Mode::kEnforce;
}

// A policy of a namespace is shown with it.
std::string ShownName(const policy::ImagePolicy& policy) {
  return policy.namespace_name.empty() ? policy.name : policy.namespace_name + "/" + policy.name;
}

std::string_view KindOf(const policy::ImagePolicy& policy) {
  return policy.namespace_name.empty() ? kImagePolicy : kNamespacedImagePolicy;
}

Finding MakeFinding(const JudgedImage& image, const policy::ImagePolicy& policy, Error error) {
  policy::Effect effect = policy::EffectOf(error.reason, policy.mode, policy.on_unavailable);
  return {image.subject, ShownName(policy), effect, std::move(error), KindOf(policy)};
}

// Whether the selectors of `policy` cover the image, and for what was there before, whether they did not before.
// Errors: kLabelsUnknown.
Result<bool> Covers(const ImageQuestion& question, const policy::ImagePolicy& policy, bool unchanged) {
  ASSIGN_OR_RETURN(bool in_namespace,
                   policy.namespace_selector.Matches(question.namespace_labels, question.implicit_labels));
  if (!in_namespace) return false;
  ASSIGN_OR_RETURN(bool covers, policy.pod_selector.Matches(question.request.labels));
  if (!covers || !unchanged) return covers;
  ASSIGN_OR_RETURN(bool covered, policy.pod_selector.Matches(question.request.old_labels));
  return !covered;
}

// Adds the policies that cover the image; a policy that could not be evaluated is a finding of its own.
void MatchPolicies(const ImageQuestion& question, std::span<const policy::ImagePolicy> policies, JudgedImage& image) {
  for (const policy::ImagePolicy& policy : policies) {
    bool named = std::any_of(policy.images.begin(), policy.images.end(),
                             [&](const policy::ImageGlob& glob) { return glob.Matches(*image.reference); });
    if (!named) continue;
    Result<bool> covered = Covers(question, policy, image.unchanged);
    if (!covered.ok()) {
      image.findings.push_back(MakeFinding(image, policy, covered.error()));
    } else if (*covered) {
      image.policies.push_back(&policy);
    }
  }
}

// Policies that cannot be read may cover this image, and ask for anything.
void RefuseForUnread(const ImageQuestion& question, JudgedImage& image) {
  for (const policy::UnreadPolicy& unread : question.set.unread) {
    const bool of_cluster = unread.kind == kImagePolicy;
    const bool of_namespace =
        unread.kind == kNamespacedImagePolicy && unread.namespace_name == question.request.namespace_name;
    if (image.unchanged || !(of_cluster || of_namespace)) continue;
    image.findings.push_back({image.subject, of_cluster ? unread.name : unread.namespace_name + "/" + unread.name,
                              policy::Effect::kDeny, unread.ToError(),
                              of_cluster ? kImagePolicy : kNamespacedImagePolicy});
  }
}

// Everything that is known of the image without a registry.
void Match(const ImageQuestion& question, JudgedImage& image) {
  RefuseForUnread(question, image);
  auto of_namespace = OfNamespace(question.set, question.request.namespace_name);
  auto reference = image::Reference::Parse(image.text);
  if (!reference.ok()) {
    // No policy can be found for what has no name: refused wherever anything is enforced.
    const auto& of_cluster = question.set.image_policies;
    bool enforced = std::any_of(of_cluster.begin(), of_cluster.end(), IsEnforced) ||
                    std::any_of(of_namespace.begin(), of_namespace.end(), IsEnforced);
    auto effect = enforced ? policy::Effect::kDeny : EffectOf(question.unmatched);
    if (effect.has_value()) image.findings.push_back({image.subject, "", *effect, reference.error()});
    return;
  }
  image.reference = std::move(*reference);
  MatchPolicies(question, question.set.image_policies, image);
  if (auto effect = EffectOf(question.unmatched);
      image.policies.empty() && effect.has_value() && !image.denied() && !image.unchanged) {
    // Also when a policy on trial could not be evaluated (whether that one covers the image is not known), and whatever
    // policies of the namespace say: those add conditions to what the cluster's admit.
    image.findings.push_back({image.subject,
                              "",
                              *effect,
                              {Reason::kNoPolicyMatches, "", "no ImagePolicy covers " + image.reference->Canonical()}});
  }
  MatchPolicies(question, of_namespace, image);
}

// The pod's own Secrets, and those of the policies that cover this image.
CredentialsFound CredentialsOf(const ImageQuestion& question, const JudgedImage& image, const Deadline& deadline) {
  CredentialQuery query{.namespace_name = question.request.namespace_name,
                        .service_account = question.request.service_account,
                        .pod_secrets = question.request.pull_secrets};
  for (const policy::ImagePolicy* policy : image.policies) {
    for (const std::string& name : policy->pull_secrets) {
      SecretName secret{policy->namespace_name, name};
      auto& secrets = query.policy_secrets;
      if (std::find(secrets.begin(), secrets.end(), secret) == secrets.end()) secrets.push_back(std::move(secret));
    }
  }
  return question.credentials(query, deadline);
}

// A refusal that credentials might have helped against says why they were not there.
void ExplainWithout(const std::vector<std::string>& problems, Error& error) {
  using enum Reason;
  const bool helped = error.reason == kRegistryDenied || error.reason == kImageNotFound ||
                      error.reason == kImageUnsigned || error.reason == kAttestationMissing;
  for (std::size_t i = 0; helped && i < problems.size() && i < kNamedUses; ++i) error.detail += "; " + problems[i];
}

// What the rules of something that vouches only log.
void Warn(const policy::ImagePolicy& policy, const PolicyVerdict& verdict, JudgedImage& image) {
  const auto effect = policy.mode == policy::Mode::kAudit ? policy::Effect::kAudit : policy::Effect::kWarn;
  for (const Error& warning : verdict.warnings) {
    image.findings.push_back({image.subject, ShownName(policy), effect, warning, KindOf(policy)});
  }
}

void Verify(const ImageQuestion& question, const ImageVerifier& verifier, JudgedImage& image) {
  Duration share = question.deadline.Remaining() * 3 / 5;
  Deadline own = question.deadline.Sooner(share);
  const CredentialsFound found = CredentialsOf(question, image, own);
  VerifiedImage verified =
      verifier.Verify(*image.reference, image.policies, question.set.trust_generation, *found.credentials, own);
  bool signature = false;
  for (std::size_t i = 0; i < image.policies.size(); ++i) {
    const policy::ImagePolicy& policy = *image.policies[i];
    const PolicyVerdict& verdict = verified.verdict->at(i);
    if (verdict.vouched_by.ok()) {
      signature = signature || verdict.signature;
      Warn(policy, verdict, image);
      image.approvals.push_back(
          {verified.reference.Canonical(), ShownName(policy), *verdict.vouched_by, KindOf(policy)});
      continue;
    }
    Error error = verdict.vouched_by.error();
    // Time that ran out within a fair share is this image's own registry being too slow: an outage like any other.
    // With less, or with the request's whole time gone, others may have used it up, and nothing is known of this one.
    if (error.reason == Reason::kDeadlineExceeded && share >= kFairShare && !question.deadline.Passed()) {
      error = {Reason::kRegistryUnavailable, error.where, "no answer within " + codec::FormatDuration(share)};
    }
    ExplainWithout(found.problems, error);
    image.findings.push_back(MakeFinding(image, policy, std::move(error)));
  }
  if (signature && !image.denied()) image.verified = verified.reference.digest();
}

// Runs `verify` over the images, several at once where there are several. Each is written by one thread only; where no
// thread can be started (a limit on processes), it is this one.
template <typename VerifyImage>
void VerifyAll(std::vector<JudgedImage*>& images, const VerifyImage& verify) {
  for (std::size_t begin = 0; begin < images.size(); begin += kParallelImages) {
    std::size_t end = std::min(images.size(), begin + kParallelImages);
    std::vector<std::future<void>> others;
    for (std::size_t i = begin + 1; i < end; ++i) {
      others.push_back(
          std::async(std::launch::async | std::launch::deferred, [&verify, image = images[i]] { verify(*image); }));
    }
    verify(*images[begin]);
    for (std::future<void>& other : others) other.get();
  }
}

}  // namespace

bool JudgedImage::denied() const {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.effect == policy::Effect::kDeny; });
}

std::vector<JudgedImage> JudgeImages(const ImageQuestion& question, Which which, const ImageVerifier& verifier) {
  std::vector<JudgedImage> images = DistinctImages(question.request);
  for (JudgedImage& image : images) Match(question, image);
  if (which == Which::kNewTags) {
    std::erase_if(images, [](const JudgedImage& image) {
      return image.unchanged || !image.reference.has_value() || image.reference->digest().has_value();
    });
  }
  std::vector<JudgedImage*> to_verify;
  for (JudgedImage& image : images) {
    if (!image.policies.empty()) to_verify.push_back(&image);
  }
  VerifyAll(to_verify, [&](JudgedImage& image) { Verify(question, verifier, image); });
  return images;
}

}  // namespace gatehouse::gate
