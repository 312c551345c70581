// Policy documents: a set if and only if there is no error, every promise of documents.h kept, and generations that
// depend on nothing but the content.
#include "common/policy/loader.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "tests/fuzz/check.h"

using gatehouse::policy::LoadPolicies;
using gatehouse::policy::PolicySet;

namespace {

void CheckValues(const gatehouse::appraisal::TpmReference& reference) {
  FUZZ_CHECK(reference.bank != gatehouse::HashAlgorithm::kSha1);
  for (const auto& [index, values] : reference.pcrs) {
    FUZZ_CHECK(index < 24 && index != 16 && index != 23 && !values.empty());
    for (const auto& value : values) FUZZ_CHECK(value.size() == gatehouse::DigestSize(reference.bank));
  }
}

void CheckAccepted(const gatehouse::appraisal::AcceptedParts& parts, bool any) {
  using gatehouse::claims::BootPart;
  for (const auto& [part, accepted] : parts) {
    FUZZ_CHECK(!accepted.empty() && (any || !accepted.any));
    FUZZ_CHECK(part != BootPart::kSecureBootKeys && part != BootPart::kAuthorities && part != BootPart::kSeparators);
    FUZZ_CHECK(std::is_sorted(accepted.digests.begin(), accepted.digests.end()));
    for (const auto& digest : accepted.digests) FUZZ_CHECK(digest.size() >= 32);
    for (const auto& rule : accepted.texts) FUZZ_CHECK(rule.matches && !rule.source.empty());
  }
}

void CheckBoot(const gatehouse::policy::NodePolicy& policy) {
  const auto& boot = *policy.boot;
  FUZZ_CHECK(boot.bank != gatehouse::HashAlgorithm::kSha1);
  FUZZ_CHECK(boot.pcrs != 0 && (boot.pcrs & (1U << 10 | 1U << 16 | 1U << 23)) == 0);
  FUZZ_CHECK(!boot.secure_boot || (boot.pcrs & 1U << 7) != 0);
  FUZZ_CHECK(boot.secure_boot || (boot.keys.empty() && boot.signers.empty()));
  // E12: something is accepted, or Secure Boot alone decides.
  FUZZ_CHECK(!boot.accepted.empty() || !policy.reference_values.empty() || (boot.secure_boot && boot.pcrs == 1U << 7));
  CheckAccepted(boot.accepted, true);
  for (const auto& [variable, rule] : boot.keys) FUZZ_CHECK(!rule.listed.empty() || rule.at_least);
  for (const auto& ignored : boot.ignored) FUZZ_CHECK((boot.pcrs & 1U << ignored.pcr) != 0);
}

void CheckIma(const gatehouse::policy::NodePolicy& policy) {
  const auto& ima = *policy.ima;
  FUZZ_CHECK(ima.bank != gatehouse::HashAlgorithm::kSha1);
  // M7: no pattern that matches whatever there is.
  for (const auto* rule : {&ima.exclude, &ima.violations, &ima.container_paths}) FUZZ_CHECK(!*rule || (*rule)->matches);
  FUZZ_CHECK(ima.exclude || ima.signatures_accept || !policy.reference_values.empty() ||
             ima.containers == gatehouse::appraisal::ImaPolicy::Containers::kAny);
  FUZZ_CHECK(!ima.signatures_accept || !ima.signers.empty());
  FUZZ_CHECK(!ima.signed_paths || !ima.signers.empty());
  for (const auto& signer : ima.signers)
    FUZZ_CHECK(!signer.verifies(gatehouse::HashAlgorithm::kSha256, gatehouse::Bytes(32), {}));
  for (const auto& buffer : ima.buffers) FUZZ_CHECK(buffer.any == buffer.digests.empty());
}

void CheckVouching(const gatehouse::policy::Vouching& vouching, bool keyless) {
  // A reference to nothing is an error in files; what a repository is yet to give is said.
  FUZZ_CHECK((vouching.material != nullptr) == (!vouching.trust_roots.empty() && vouching.missing.empty()));
  FUZZ_CHECK(!keyless || !vouching.trust_roots.empty());
  FUZZ_CHECK(!keyless || vouching.times >= 1);
  FUZZ_CHECK(vouching.times >= vouching.timestamps);
  if (vouching.trust_roots.empty()) FUZZ_CHECK(vouching.logs + vouching.scts + vouching.times == 0);
}

void CheckAuthority(const gatehouse::policy::Authority& authority) {
  namespace policy = gatehouse::policy;
  FUZZ_CHECK(authority.attestations.empty() || authority.annotations.empty());
  for (const auto& attestation : authority.attestations) FUZZ_CHECK(!attestation.predicate_types.empty());
  if (const auto* key = std::get_if<policy::KeyAuthority>(&authority.rule)) CheckVouching(key->vouching, false);
  if (const auto* keyless = std::get_if<policy::KeylessAuthority>(&authority.rule)) {
    CheckVouching(keyless->vouching, true);
    FUZZ_CHECK(!keyless->identities.empty());
    for (const auto& identity : keyless->identities) FUZZ_CHECK(identity.subject.has_value());
  }
  if (const auto* notation = std::get_if<policy::NotationAuthority>(&authority.rule)) {
    FUZZ_CHECK(notation->missing.empty() && !notation->trust_roots.empty() && authority.attestations.empty());
    for (const auto& statement : notation->policy.statements) {
      for (const auto& store : statement.trust_stores) FUZZ_CHECK(!notation->stores.at(store).empty());
    }
  }
}

void CheckSet(const PolicySet& set) {
  FUZZ_CHECK(set.policy_generation.size() == 64 && set.trust_generation.size() == 64);
  for (const auto& policy : set.image_policies) {
    FUZZ_CHECK(policy.namespace_name.empty() && !policy.name.empty() && policy.generation.size() == 64);
    FUZZ_CHECK(!policy.images.empty() && !policy.authorities.empty());
    FUZZ_CHECK(policy.required >= 1 && policy.required <= policy.authorities.size());
    for (const auto& authority : policy.authorities) CheckAuthority(authority);
  }
  for (const auto& policy : set.namespaced_policies) {
    FUZZ_CHECK(!policy.namespace_name.empty() && policy.namespace_selector.empty());
  }
  for (const auto& policy : set.node_policies) {
    FUZZ_CHECK(!policy.nodes.empty());
    FUZZ_CHECK(!policy.trust_roots.empty() || (policy.identity.ek_hashes && !policy.identity.ek_hashes->empty()));
    FUZZ_CHECK(!policy.tpm.pcrs.empty() || !policy.reference_sets.empty() || policy.boot || policy.ima);
    FUZZ_CHECK(policy.reference_values.empty() == policy.reference_sets.empty());
    const auto trust = set.TpmTrustOf(policy);
    FUZZ_CHECK(policy.trust_roots.empty() == (trust.roots.empty() && trust.pinned.empty()));
    if (policy.boot) CheckBoot(policy);
    if (policy.ima) CheckIma(policy);
    CheckValues(policy.tpm);
    for (const auto& one : policy.reference_sets) {
      FUZZ_CHECK(!one.tpm.pcrs.empty() || !one.boot.empty() || !one.ima.empty());
      CheckAccepted(one.boot, false);
      FUZZ_CHECK(!one.not_before || !one.not_after || *one.not_before < *one.not_after);
      CheckValues(one.tpm);
    }
  }
  for (const auto& root : set.trust_roots) {
    for (const auto& certificate : root.tpm) FUZZ_CHECK(certificate.IsCa());
    for (const auto& certificate : root.tpm_intermediates) FUZZ_CHECK(certificate.IsCa());
    FUZZ_CHECK(root.has_tpm() || (root.tpm_intermediates.empty() && root.tpm_crls.empty()));
    FUZZ_CHECK(root.has_tpm() || root.sigstore || root.tuf || !root.notation.empty());
    FUZZ_CHECK(!root.sigstore || !root.tuf);
    for (const auto& [store, certificates] : root.notation) FUZZ_CHECK(!certificates.empty());
  }
  for (const auto& [name, labels] : set.namespaces) {
    FUZZ_CHECK(set.NamespaceLabels(name)->at("kubernetes.io/metadata.name") == name);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(gatehouse::AsText({data, size}));
  auto outcome = LoadPolicies({{"a.yaml", text}});
  FUZZ_CHECK((outcome.set == nullptr) == !outcome.errors.empty());
  if (!outcome.set) {
    for (const auto& error : outcome.errors) FUZZ_CHECK(!error.where.empty() && !error.detail.empty());
    return 0;
  }
  CheckSet(*outcome.set);
  if (size > 1 << 19) return 0;  // the comment could take it over the limit
  auto again = LoadPolicies({{"empty.yaml", ""}, {"b.yaml", "# a comment\n" + text}});
  FUZZ_CHECK(again.set != nullptr);
  FUZZ_CHECK(again.set->policy_generation == outcome.set->policy_generation);
  FUZZ_CHECK(again.set->trust_generation == outcome.set->trust_generation);
  return 0;
}
