#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/verify/tpm/identity.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::PublicArea;
namespace attributes = evidence::tpm::attributes;

constexpr std::string_view kEkCertificateUsage = "2.23.133.8.1";  // tcg-kp-EKCertificate

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

}  // namespace

Result<VerifiedEndorsement> VerifyEndorsement(const PublicArea& area, const crypto::Certificate& certificate,
                                              const std::vector<crypto::Certificate>& intermediates,
                                              const std::vector<crypto::Certificate>& roots, WallTime now) {
  auto path = crypto::VerifyChain(certificate, intermediates, roots, {now, std::string(kEkCertificateUsage), {}});
  if (!path.ok()) return path.error().In("endorsement certificate");
  ASSIGN_OR_RETURN(crypto::PublicKey certified, certificate.Key());
  ASSIGN_OR_RETURN(crypto::PublicKey key, ToPublicKey(area));
  if (!(certified == key)) return Mismatch("the certificate is for another key than the one presented");
  RETURN_IF_ERROR(CheckTemplate(area));
  Digest fingerprint = key.Fingerprint();
  return VerifiedEndorsement(std::move(key), std::move(fingerprint), area);
}

}  // namespace gatehouse::verify::tpm
