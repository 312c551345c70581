#include "common/gate/image_verifier.h"

#include <algorithm>
#include <optional>
#include <unordered_map>

#include "common/base/limits.h"
#include "common/signature/keyed/simple_signing.h"

namespace gatehouse::gate {
namespace {

using signature::keyed::SimpleSigning;

// The signatures of one image, fetched as they are needed and once only.
class SignatureStore {
 public:
  SignatureStore(registry::ImageSource& registry, const image::Reference& reference,
                 const registry::Credentials& credentials, const Deadline& deadline)
      : registry_(registry), reference_(reference), credentials_(credentials), deadline_(deadline) {}

  // Nothing can be learnt of the image, for this reason.
  void Fail(Error error) { list_.emplace(std::move(error)); }

  // The list of the image's signatures. Errors: kImageUnsigned when there is none.
  [[nodiscard]] const Result<signature::keyed::SignatureList>& List() {
    if (!list_.has_value()) list_.emplace(Fetch());
    return *list_;
  }

  // The payload of a listed signature: a digest that many share is fetched once.
  [[nodiscard]] const Result<std::string>& Payload(const image::Descriptor& layer) {
    auto known = payloads_.find(layer.digest);
    if (known == payloads_.end()) known = payloads_.emplace(layer.digest, FetchPayload(layer)).first;
    return known->second;
  }
  [[nodiscard]] const Deadline& deadline() const { return deadline_; }

 private:
  [[nodiscard]] Result<signature::keyed::SignatureList> Fetch() {
    std::string tag = signature::keyed::SignatureTag(*reference_.digest());
    ASSIGN_OR_RETURN(auto content, registry_.GetManifestByTag(reference_, tag, credentials_, deadline_));
    if (!content.has_value())
      return Error{Reason::kImageUnsigned, "", "no signature was found for " + reference_.digest()->text()};
    ASSIGN_OR_RETURN(auto parsed, image::ParseManifest(content->bytes(), content->content_type()));
    const auto* manifest = std::get_if<image::Manifest>(&parsed);
    if (manifest == nullptr)
      return Error{Reason::kManifestMalformed, tag, "the signature tag holds an index, not a manifest"};
    auto list = signature::keyed::ListSignatures(*manifest);
    if (list.signatures.empty()) return Error{Reason::kImageUnsigned, tag, "the signature manifest holds no signature"};
    return list;
  }

  [[nodiscard]] Result<std::string> FetchPayload(const image::Descriptor& layer) {
    if (layer.size > limits::kSignaturePayloadBytes) {
      return Error{Reason::kLimitExceeded, layer.digest.text(),
                   "a signature payload of more than " + std::to_string(limits::kSignaturePayloadBytes) + " bytes"};
    }
    ASSIGN_OR_RETURN(auto blob, registry_.GetBlob(reference_, layer.digest, limits::kSignaturePayloadBytes,
                                                  credentials_, deadline_));
    if (!blob.has_value())
      return Error{Reason::kRegistryProtocol, layer.digest.text(),
                   "the registry lists a signature payload that it does not have"};
    return blob->bytes();
  }

  registry::ImageSource& registry_;
  const image::Reference& reference_;
  const registry::Credentials& credentials_;
  const Deadline& deadline_;
  std::optional<Result<signature::keyed::SignatureList>> list_;
  std::unordered_map<Digest, Result<std::string>> payloads_;
};

// Which of two failures tells the operator more: what could not be evaluated first (it may yet turn out good), then the
// reason nearest to success.
int Weight(Reason reason) {
  if (ClassOf(reason) == ReasonClass::kUnavailable) return 5;
  if (reason == Reason::kAnnotationMismatch) return 4;
  if (reason == Reason::kPayloadDigestMismatch || reason == Reason::kPayloadTypeMismatch) return 3;
  return reason == Reason::kSignatureInvalid ? 1 : 2;
}

Status CheckAnnotations(const std::map<std::string, std::string>& required,
                        const claims::VerifiedImageSignature& signature) {
  for (const auto& [key, value] : required) {
    auto found = signature.annotations().find(key);
    if (found == signature.annotations().end()) {
      return Error{Reason::kAnnotationMismatch, "", "the signed payload has no annotation '" + key + "'"};
    }
    if (found->second != value) {
      return Error{Reason::kAnnotationMismatch, "",
                   "the signed annotation '" + key + "' is '" + found->second + "', not '" + value + "'"};
    }
  }
  return Ok();
}

Status VerifyOne(const policy::Authority& authority, const Result<std::string>& payload, std::string_view signature,
                 const Digest& image) {
  if (!payload.ok()) return payload.error();
  const auto& key = std::get<policy::KeyAuthority>(authority.rule);
  ASSIGN_OR_RETURN(auto verified, SimpleSigning::Verify(*payload, signature, image, key.verifier));
  return CheckAnnotations(authority.annotations, verified);
}

// Any one signature by the authority's key suffices.
Status EvaluateKey(const policy::Authority& authority, SignatureStore& store, const Digest* image) {
  const auto& list = store.List();
  if (!list.ok()) return list.error();
  if (image == nullptr) return Error{Reason::kInternal, "", "signatures were listed for an image without a digest"};
  std::optional<Error> worst;
  for (std::size_t i = 0; i < list->signatures.size(); ++i) {
    if (store.deadline().Passed()) {
      // Before the first, the registry was slow. After it, whoever put that many signatures there used up the time:
      // that is no outage, which a policy might relax.
      Reason reason = i == 0 ? Reason::kDeadlineExceeded : Reason::kLimitExceeded;
      return Error{reason, "", "there was no time to try every signature"};
    }
    const auto& candidate = list->signatures[i];
    Status status = VerifyOne(authority, store.Payload(candidate.layer), candidate.signature, *image);
    if (status.ok()) return Ok();
    if (!worst.has_value() || Weight(status.error().reason) > Weight(worst->reason)) worst = status.error();
  }
  if (list->truncated && ClassOf(worst->reason) != ReasonClass::kUnavailable) {
    return Error{Reason::kLimitExceeded, "",
                 "none of the first " + std::to_string(limits::kSignaturesPerImage) +
                     " signatures verifies, and the image has more than are tried"};
  }
  return *worst;
}

Status Evaluate(const policy::Authority& authority, SignatureStore& store, const Digest* image) {
  if (const auto* fixed = std::get_if<policy::StaticAuthority>(&authority.rule)) {
    if (fixed->pass) return Ok();
    return Error{Reason::kDeniedByPolicy, "", fixed->message};
  }
  if (std::holds_alternative<policy::KeyAuthority>(authority.rule)) return EvaluateKey(authority, store, image);
  return Error{Reason::kInternal, "", "this kind of authority is not evaluated"};
}

PolicyVerdict EvaluatePolicy(const policy::ImagePolicy& policy, SignatureStore& store, const Digest* image) {
  std::vector<AuthorityVerdict> verdicts;
  for (const policy::Authority& authority : policy.authorities) {
    verdicts.push_back({authority.name, Evaluate(authority, store, image)});
  }
  return {policy.name, CountAuthorities(verdicts, policy.required)};
}

bool NeedsRegistry(const std::vector<const policy::ImagePolicy*>& policies) {
  for (const policy::ImagePolicy* policy : policies) {
    for (const policy::Authority& authority : policy->authorities) {
      if (std::holds_alternative<policy::KeyAuthority>(authority.rule)) return true;
    }
  }
  return false;
}

// `image` is null if its digest is not known; the store then says why.
ImageVerdict EvaluateAll(const std::vector<const policy::ImagePolicy*>& policies, SignatureStore& store,
                         const Digest* image) {
  ImageVerdict verdict;
  for (const policy::ImagePolicy* policy : policies) verdict.push_back(EvaluatePolicy(*policy, store, image));
  return verdict;
}

std::string CacheKey(const image::Reference& reference, const std::vector<const policy::ImagePolicy*>& policies,
                     const std::string& trust_generation, const registry::Credentials& credentials) {
  std::string key = reference.Canonical();
  for (const policy::ImagePolicy* policy : policies) {
    // Two namespaces may each have a policy of the same name. No part holds a '/' or '@' of its own.
    key += '\n' + policy->namespace_name + '/' + policy->name + '@' + policy->generation;
  }
  return key + '\n' + trust_generation + '\n' + credentials.IdentityFor(reference);
}

}  // namespace

Result<std::string> CountAuthorities(const std::vector<AuthorityVerdict>& verdicts, std::size_t required) {
  std::string vouching;
  std::size_t passed = 0;
  std::size_t undecided = 0;
  const Error* unavailable = nullptr;
  const Error* refusal = nullptr;
  std::string refusals;
  for (const AuthorityVerdict& verdict : verdicts) {
    if (verdict.status.ok()) {
      vouching += (passed++ > 0 ? ", " : "") + verdict.authority;
      continue;
    }
    const Error& error = verdict.status.error();
    if (ClassOf(error.reason) == ReasonClass::kUnavailable) {
      ++undecided;
      if (unavailable == nullptr) unavailable = &error;
      continue;
    }
    if (refusal == nullptr || Weight(error.reason) > Weight(refusal->reason)) refusal = &error;
    refusals += (refusals.empty() ? "" : "; ") + verdict.authority + ": " + error.ToString();
  }
  if (required > 0 && passed >= required) return vouching;
  if (unavailable != nullptr && passed + undecided >= required) return *unavailable;
  if (verdicts.size() == 1 && refusal != nullptr) return *refusal;
  // With `any`, the operator wants to know what was wrong with the image, not that a count was missed.
  if (required == 1 && refusal != nullptr) return Error{refusal->reason, "", refusals};
  return Error{
      Reason::kNotEnoughAuthorities, "",
      std::to_string(passed) + " of the " + std::to_string(required) + " authorities required vouch; " + refusals};
}

Result<Digest> ImageVerifier::Resolve(const image::Reference& reference, const registry::Credentials& credentials,
                                      const Deadline& deadline) const {
  if (reference.digest().has_value()) return *reference.digest();
  ASSIGN_OR_RETURN(auto content, registry_.GetManifestByTag(reference, *reference.tag(), credentials, deadline));
  if (!content.has_value()) return Error{Reason::kImageNotFound, "", "the registry has no " + reference.Canonical()};
  return content->digest();
}

VerifiedImage ImageVerifier::Verify(const image::Reference& reference,
                                    const std::vector<const policy::ImagePolicy*>& policies,
                                    const std::string& trust_generation, const registry::Credentials& credentials,
                                    const Deadline& deadline) const {
  // Static rules hold whatever becomes of the rest: they are evaluated also where the signatures cannot be had.
  auto without_signatures = [&](Error why) {
    SignatureStore store(registry_, reference, credentials, deadline);
    store.Fail(std::move(why));
    return EvaluateAll(policies, store, nullptr);
  };
  auto verdict_of = [](ImageVerdict verdict) { return std::make_shared<const ImageVerdict>(std::move(verdict)); };
  if (!NeedsRegistry(policies)) {
    return {reference, verdict_of(without_signatures({Reason::kInternal, "", "no signature was asked for"}))};
  }
  if (deadline.Passed()) {
    return {reference,
            verdict_of(without_signatures({Reason::kDeadlineExceeded, "", "there was no time left for this image"}))};
  }
  Result<Digest> digest = Resolve(reference, credentials, deadline);
  if (!digest.ok()) return {reference, verdict_of(without_signatures(digest.error()))};
  image::Reference pinned = reference.WithDigest(*digest);
  auto verify = [&] {
    SignatureStore store(registry_, pinned, credentials, deadline);
    return EvaluateAll(policies, store, &*pinned.digest());
  };
  auto late = [&] {
    return without_signatures(
        {Reason::kDeadlineExceeded, "", "the verification of the same image for another request took too long"});
  };
  return {pinned, cache_.Get(CacheKey(pinned, policies, trust_generation, credentials), deadline, verify, late)};
}

}  // namespace gatehouse::gate
