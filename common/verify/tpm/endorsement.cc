#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/verify/tpm/certificate_profile.h"
#include "common/verify/tpm/identity.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::PublicArea;
namespace attributes = evidence::tpm::attributes;

// The policies of the EK templates (EK Credential Profile appendix B.6). PolicyA is PolicySecret(TPM_RH_ENDORSEMENT);
// PolicyB is PolicyOR of PolicyA and PolicyAuthorizeNV of an index of the profile, and is what the templates of the
// high range have. A test derives each.
struct TemplatePolicy {
  HashAlgorithm name_algorithm;
  std::string_view policy;  // hex
};
constexpr std::array<TemplatePolicy, 4> kTemplatePolicies = {{
    // PolicyA: L-1 (RSA 2048), L-2 (P-256)
    {HashAlgorithm::kSha256, "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa"},
    // PolicyB: H-1 (RSA 2048), H-2 (P-256)
    {HashAlgorithm::kSha256, "ca3d0a99a2b93906f7a3342414efcfb3a385d44cd1fd459089d19b5071c0b7a0"},
    // H-3 (P-384), H-6 (RSA 3072), H-7 (RSA 4096)
    {HashAlgorithm::kSha384,
     "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419ca"
     "cb47ba09699646150f9fc000f3f80e12"},
    // H-4 (P-521)
    {HashAlgorithm::kSha512,
     "b8221ca69e8550a4914de3faa6a18c072cc01208073a928d5d66d59ef79e49a4"
     "29c41a6b269571d57edb25fbdb1838425608b413cd616a5f6db5b6071af99bea"},
}};

bool HasTemplatePolicy(const PublicArea& area) {
  const std::string policy = EncodeHex(area.auth_policy);
  return std::any_of(kTemplatePolicies.begin(), kTemplatePolicies.end(), [&](const TemplatePolicy& known) {
    return known.name_algorithm == area.name_algorithm && known.policy == policy;
  });
}

Error Mismatch(std::string_view detail) {
  return {Reason::kEkMismatch, "endorsement key", std::string(detail)};
}

// What makes a key of these numbers the endorsement key: a TPM runs ActivateCredential with an object of exactly this
// public area, and it made that object from its endorsement seed. A storage key of the same numbers and other
// attributes is another object.
Status CheckTemplate(const PublicArea& area) {
  constexpr std::uint32_t kRequired = attributes::kFixedTpm | attributes::kFixedParent |
                                      attributes::kSensitiveDataOrigin | attributes::kAdminWithPolicy |
                                      attributes::kRestricted | attributes::kDecrypt;
  constexpr std::uint32_t kForbidden = attributes::kSign | attributes::kStClear;
  if ((area.attributes & kRequired) != kRequired) return Mismatch("it lacks an attribute of the EK templates");
  if ((area.attributes & kForbidden) != 0) return Mismatch("it signs, or it does not outlive a restart");
  if (area.scheme) return Mismatch("it has a signature scheme");
  if (area.symmetric_bits != 128 && area.symmetric_bits != 256)
    return Mismatch("it protects with neither AES-128 nor AES-256");
  if (!HasTemplatePolicy(area)) return Mismatch("its policy is not that of an EK template");
  return Ok();
}

using Chain = std::vector<crypto::Certificate>;

// The anchors: the roots, and what was brought along and is pinned.
Chain Anchors(const PresentedEndorsement& presented, const EndorsementRules& rules) {
  Chain anchors = rules.roots;
  if (rules.pinned.empty()) return anchors;
  for (const Chain* chain : {&presented.intermediates, &rules.intermediates}) {
    for (const crypto::Certificate& certificate : *chain) {
      const bool pinned = std::ranges::find(rules.pinned, certificate.Fingerprint()) != rules.pinned.end();
      if (pinned && certificate.IsCa()) anchors.push_back(certificate);
    }
  }
  return anchors;
}

// Of all that was brought and of all that is known, those that can be on a path from `leaf`: a manufacturer has dozens
// of issuing CAs, and a chain is bounded.
Chain Relevant(const crypto::Certificate& leaf, const PresentedEndorsement& presented, const EndorsementRules& rules) {
  std::vector<const crypto::Certificate*> open;
  for (const Chain* chain : {&presented.intermediates, &rules.intermediates}) {
    for (const crypto::Certificate& certificate : *chain) open.push_back(&certificate);
  }
  Chain chosen;
  const crypto::Certificate* subject = &leaf;
  // Not more than VerifyChain takes; the vector must not grow under `subject`.
  chosen.reserve(limits::kChainCertificates);
  for (std::size_t next = 0; subject != nullptr; ++next) {
    for (const crypto::Certificate*& candidate : open) {
      if (chosen.size() == limits::kChainCertificates) return chosen;
      if (candidate == nullptr || !subject->IsSignedBy(*candidate)) continue;
      chosen.push_back(*candidate);
      candidate = nullptr;
    }
    subject = next < chosen.size() ? &chosen[next] : nullptr;
  }
  return chosen;
}

// What vouches for a key, beside the certificate itself.
class Judge {
 public:
  Judge(const PresentedEndorsement& presented, const EndorsementRules& rules)
      : presented_(presented), rules_(rules), anchors_(Anchors(presented, rules)) {}

  // An inventory without any anchor: the operator names the keys and no manufacturer, so certificates are not judged.
  [[nodiscard]] bool InventoryAlone() const {
    return rules_.ek_hashes != nullptr && rules_.roots.empty() && rules_.pinned.empty();
  }

  [[nodiscard]] Status Check(const crypto::Certificate& certificate, CertifiedKey kind) const {
    RETURN_IF_ERROR(CheckProfile(certificate, kind));
    auto path = crypto::VerifyChain(certificate, Relevant(certificate, presented_, rules_), anchors_,
                                    {rules_.now, RequiredUsage(certificate, kind), ToleratedExtensions()});
    if (!path.ok()) return path.error();
    if (rules_.check_revocation) return rules_.check_revocation(*path);
    return Ok();
  }

 private:
  const PresentedEndorsement& presented_;
  const EndorsementRules& rules_;
  const Chain anchors_;
};

Status CheckEkCertificate(const PresentedEndorsement& presented, const crypto::PublicKey& key, const Judge& judge) {
  ASSIGN_OR_RETURN(crypto::PublicKey certified, presented.ek_certificate->Key());
  if (!(certified == key)) return Mismatch("the certificate is for another key than the one presented");
  if (judge.InventoryAlone()) return Ok();
  const Status checked = judge.Check(*presented.ek_certificate, CertifiedKey::kEndorsement);
  return checked.ok() ? checked : Status(checked.error().In("endorsement certificate"));
}

Status CheckAkCertificate(const PresentedEndorsement& presented, const Judge& judge) {
  RETURN_IF_ERROR(CheckAttestationKey(presented.ak));
  ASSIGN_OR_RETURN(crypto::PublicKey certified, presented.ak_certificate->Key());
  ASSIGN_OR_RETURN(crypto::PublicKey key, ToPublicKey(presented.ak));
  if (!(certified == key)) {
    return Error{Reason::kAkUnsuitable, "attestation key", "the certificate is for another key than the one presented"};
  }
  if (judge.InventoryAlone()) return Ok();
  const Status checked = judge.Check(*presented.ak_certificate, CertifiedKey::kAttestation);
  return checked.ok() ? checked : Status(checked.error().In("attestation key certificate"));
}

}  // namespace

Result<VerifiedEndorsement> VerifyEndorsement(const PresentedEndorsement& presented, const EndorsementRules& rules) {
  using By = VerifiedEndorsement::By;
  RETURN_IF_ERROR(CheckTemplate(presented.ek));
  ASSIGN_OR_RETURN(crypto::PublicKey key, ToPublicKey(presented.ek));
  Digest fingerprint = key.Fingerprint();
  if (rules.ek_hashes != nullptr && !rules.ek_hashes->contains(fingerprint)) {
    return Error{Reason::kEkUnlisted, "endorsement key",
                 "the inventory does not list " + fingerprint.text() + " (SHA-256 of its public key)"};
  }
  const Judge judge(presented, rules);
  std::optional<By> by;
  if (rules.ek_hashes != nullptr) by = By::kInventory;
  // Whatever is wrong is refused, whoever else may vouch: a certificate that was revoked, say, says that something is
  // wrong with this very TPM.
  if (rules.ak_certificates && presented.ak_certificate.has_value()) {
    RETURN_IF_ERROR(CheckAkCertificate(presented, judge));
    if (!judge.InventoryAlone()) by = By::kAkCertificate;
  }
  if (presented.ek_certificate.has_value()) {
    RETURN_IF_ERROR(CheckEkCertificate(presented, key, judge));
    if (!judge.InventoryAlone()) by = By::kEkCertificate;
  }
  if (!by.has_value()) {
    return Error{
        Reason::kCertificateUntrusted, "endorsement key",
        presented.ak_certificate.has_value()
            ? "it has no certificate, and the policy does not take that of the attestation key (akCertificates)"
            : "it has no certificate, and the policy has no inventory (requireEkHash) that lists it"};
  }
  return VerifiedEndorsement(std::move(key), std::move(fingerprint), presented.ek, *by);
}

}  // namespace gatehouse::verify::tpm
