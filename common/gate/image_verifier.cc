#include "common/gate/image_verifier.h"

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::gate {
namespace {

using Policies = std::vector<const policy::ImagePolicy*>;

// The authorities of one policy over one subject.
struct PolicyRun {
  std::size_t index;
  const policy::ImagePolicy* policy;
  std::vector<AuthorityRun> authorities;

  PolicyRun(std::size_t i, const policy::ImagePolicy& of, const Circumstances& circumstances) : index(i), policy(&of) {
    for (const policy::Authority& authority : of.authorities) authorities.emplace_back(authority, circumstances);
  }

  // Nothing that may yet be found changes the answer.
  [[nodiscard]] bool Satisfied() const {
    auto vouching = std::count_if(authorities.begin(), authorities.end(),
                                  [](const AuthorityRun& authority) { return authority.vouches(); });
    return static_cast<std::size_t>(vouching) >= policy->required;
  }

  [[nodiscard]] Needs NeedsNow() const {
    Needs needs;
    for (const AuthorityRun& authority : authorities) needs.Add(authority.needs());
    return needs;
  }

  [[nodiscard]] PolicyVerdict Conclude(const Evidence* evidence) const {
    std::vector<AuthorityVerdict> verdicts;
    for (const AuthorityRun& authority : authorities) verdicts.push_back(authority.Conclude(evidence));
    PolicyVerdict verdict{policy->name, CountAuthorities(verdicts, policy->required)};
    for (AuthorityVerdict& each : verdicts) {
      if (!each.status.ok()) continue;
      verdict.signature = verdict.signature || each.signature;
      for (Error& warning : each.warnings) verdict.warnings.push_back(warning.In(each.authority));
    }
    return verdict;
  }
};

bool NeedsRegistry(const image::Reference& reference, const Policies& policies) {
  const std::function<Status(const std::vector<crypto::Certificate>&, const std::optional<WallTime>&)> none;
  const Circumstances circumstances{nullptr, reference.Name(), WallTime(), none};
  return std::any_of(policies.begin(), policies.end(), [&](const policy::ImagePolicy* policy) {
    const PolicyRun run(0, *policy, circumstances);
    return !run.Satisfied() && run.NeedsNow().any();
  });
}

std::string CacheKey(const image::Reference& reference, const Policies& policies, const std::string& trust_generation,
                     const std::string& identity) {
  std::string key = reference.Canonical();
  for (const policy::ImagePolicy* policy : policies) {
    // Two namespaces may each have a policy of the same name. No part holds a '/' or '@' of its own.
    key += '\n' + policy->namespace_name + '/' + policy->name + '@' + policy->generation;
  }
  return key + '\n' + trust_generation + '\n' + identity;
}

}  // namespace

ImageVerifier::ImageVerifier(registry::ImageSource& registry, VerificationCache& cache, const Clock& clock,
                             Options options)
    : registry_(registry),
      cache_(cache),
      clock_(clock),
      options_(std::move(options)),
      helpers_(options_.helpers),
      budget_(limits::kArtefactBytesAtOnce) {}

Result<ImageVerifier::Resolved> ImageVerifier::Resolve(const image::Reference& reference,
                                                       const registry::Credentials& credentials,
                                                       const Deadline& deadline) const {
  if (reference.digest().has_value()) return Resolved{*reference.digest(), std::nullopt};
  ASSIGN_OR_RETURN(auto content, registry_.GetManifestByTag(reference, *reference.tag(), credentials, deadline));
  if (!content.has_value()) return Error{Reason::kImageNotFound, "", "the registry has no " + reference.Canonical()};
  Digest digest = content->digest();
  return Resolved{std::move(digest), std::move(content)};
}

ImageVerdict ImageVerifier::Without(const image::Reference& reference, const Policies& policies,
                                    const Error& why) const {
  const std::function<Status(const std::vector<crypto::Certificate>&, const std::optional<WallTime>&)> none;
  const Circumstances circumstances{nullptr, reference.Name(), clock_.Wall(), none};
  ImageVerdict verdict;
  for (std::size_t i = 0; i < policies.size(); ++i) {
    PolicyRun run(i, *policies[i], circumstances);
    for (AuthorityRun& authority : run.authorities) authority.Fail(why);
    verdict.push_back(run.Conclude(nullptr));
  }
  return verdict;
}

std::map<std::size_t, PolicyVerdict> ImageVerifier::VerifySubject(const Access& access, const Subject& subject,
                                                                  const Policies& policies) const {
  const std::function<Status(const std::vector<crypto::Certificate>&, const std::optional<WallTime>&)> revocation =
      [&](const std::vector<crypto::Certificate>& path, const std::optional<WallTime>& signed_at) -> Status {
    if (options_.revocation) return options_.revocation(path, signed_at, access.deadline);
    return Error{Reason::kRevocationUnavailable, "", "revocation is not looked up here"};
  };
  const Circumstances circumstances{&subject.digest, access.reference.Name(), clock_.Wall(), revocation};
  std::vector<PolicyRun> runs;
  Needs needs;
  for (std::size_t i : subject.policies) {
    runs.emplace_back(i, *policies[i], circumstances);
    needs.Add(runs.back().NeedsNow());
  }
  Evidence evidence(access, subject.digest, subject.descriptor, needs);
  const auto open = [&] {
    return std::any_of(runs.begin(), runs.end(),
                       [](const PolicyRun& run) { return !run.Satisfied() && run.NeedsNow().any(); });
  };
  while (open() && evidence.Fetch()) {
    for (PolicyRun& run : runs) {
      for (AuthorityRun& authority : run.authorities) authority.Look(evidence);
    }
  }
  std::map<std::size_t, PolicyVerdict> verdicts;
  for (const PolicyRun& run : runs) verdicts.emplace(run.index, run.Conclude(&evidence));
  return verdicts;
}

ImageVerdict ImageVerifier::VerifyDigest(const image::Reference& pinned, const Content& content,
                                         const Policies& policies, const registry::Credentials& credentials,
                                         const Deadline& deadline) const {
  const Access access{registry_, pinned, credentials, deadline, helpers_, budget_};
  const Subjects found = SubjectsOf(access, *pinned.digest(), content, policies);
  std::vector<std::map<std::size_t, PolicyVerdict>> verdicts(found.subjects.size());
  std::vector<std::function<void()>> tasks;
  for (std::size_t i = 0; i < found.subjects.size(); ++i) {
    tasks.emplace_back([&, i] { verdicts[i] = VerifySubject(access, found.subjects[i], policies); });
  }
  helpers_.RunAll(tasks);
  ImageVerdict verdict;
  const ImageVerdict without = found.fault.has_value() ? Without(pinned, policies, *found.fault) : ImageVerdict();
  for (std::size_t policy = 0; policy < policies.size(); ++policy) {
    if (found.unknown_to.contains(policy)) {
      verdict.push_back(without[policy]);
      continue;
    }
    std::vector<SubjectVerdict> of_policy;
    for (std::size_t i = 0; i < found.subjects.size(); ++i) {
      auto each = verdicts[i].find(policy);
      if (each != verdicts[i].end()) of_policy.push_back({&found.subjects[i], std::move(each->second)});
    }
    verdict.push_back(Together(std::move(of_policy)));
  }
  return verdict;
}

VerifiedImage ImageVerifier::Verify(const image::Reference& reference, const Policies& policies,
                                    const std::string& trust_generation, const registry::Credentials& credentials,
                                    const Deadline& deadline) const {
  auto without = [&](Error why) {
    return VerifiedImage{reference, std::make_shared<const ImageVerdict>(Without(reference, policies, why))};
  };
  if (!NeedsRegistry(reference, policies)) return without({Reason::kInternal, "", "no signature was asked for"});
  if (deadline.Passed()) return without({Reason::kDeadlineExceeded, "", "there was no time left for this image"});
  Result<Resolved> resolved = Resolve(reference, credentials, deadline);
  if (!resolved.ok()) return without(resolved.error());
  const image::Reference pinned = reference.WithDigest(resolved->digest);
  auto verify = [&] { return VerifyDigest(pinned, resolved->content, policies, credentials, deadline); };
  auto late = [&] {
    return Without(
        pinned, policies,
        {Reason::kDeadlineExceeded, "", "the verification of the same image for another request took too long"});
  };
  return {pinned, cache_.Get(CacheKey(pinned, policies, trust_generation, registry_.IdentityOf(pinned, credentials)),
                             deadline, verify, late)};
}

}  // namespace gatehouse::gate
