#include "common/policy/signer.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/policy/slsa.h"

namespace gatehouse::policy {
namespace {

constexpr std::size_t kShownNames = 3;

std::string Names(const claims::CertificateSigner& signer) {
  std::string text;
  for (std::size_t i = 0; i < signer.names.size() && i < kShownNames; ++i)
    text += (i == 0 ? "'" : ", '") + Printable(signer.names[i].value, 256) + "'";
  if (signer.names.size() > kShownNames) text += ", ...";
  if (text.empty()) text = "'" + Printable(signer.subject, 256) + "' (without a subject alternative name)";
  return text;
}

std::string Describe(const claims::CertificateSigner& signer) {
  return "signed by " + Names(signer) +
         (signer.issuer.empty() ? ", without an issuer" : " of issuer '" + Printable(signer.issuer, 256) + "'");
}

// What of the identity does not hold; "" if all does. An absent claim is nothing that a pattern could match, however
// wide the pattern is.
std::string Difference(const Identity& identity, const claims::CertificateSigner& signer) {
  if (!identity.issuer && !signer.issuer.empty()) return "the policy wants none";
  if (identity.issuer && (signer.issuer.empty() || !identity.issuer->Matches(signer.issuer)))
    return "the policy wants issuer " + identity.issuer->ToString();
  auto subject = [&](const claims::SubjectName& name) {
    return !name.value.empty() && identity.subject->Matches(name.value);
  };
  if (!identity.subject) return "the policy names no subject";
  if (!std::any_of(signer.names.begin(), signer.names.end(), subject))
    return "the policy wants subject " + identity.subject->ToString();
  for (const auto& [name, matcher] : identity.claims) {
    auto claim = signer.extensions.find(name);
    if (claim == signer.extensions.end() || claim->second.empty())
      return "the certificate has no " + name + ", and the policy wants " + matcher.ToString();
    if (!matcher.Matches(claim->second)) {
      return "its " + name + " is '" + Printable(claim->second, 256) + "', and the policy wants " + matcher.ToString();
    }
  }
  return "";
}

}  // namespace

const std::vector<std::string>& KnownClaims() {
  // fulcio/docs/oid-info.md: 1.3.6.1.4.1.57264.1.2 to .6, and .9 to .24.
  static const auto* const kNames = new std::vector<std::string>{
      "githubWorkflowTrigger",
      "githubWorkflowSHA",
      "githubWorkflowName",
      "githubWorkflowRepository",
      "githubWorkflowRef",
      "buildSignerURI",
      "buildSignerDigest",
      "runnerEnvironment",
      "sourceRepositoryURI",
      "sourceRepositoryDigest",
      "sourceRepositoryRef",
      "sourceRepositoryIdentifier",
      "sourceRepositoryOwnerURI",
      "sourceRepositoryOwnerIdentifier",
      "buildConfigURI",
      "buildConfigDigest",
      "buildTrigger",
      "runInvocationURI",
      "sourceRepositoryVisibilityAtSigning",
      "deploymentEnvironment",
      "tokenSubject",
  };
  return *kNames;
}

Status CheckSigner(const std::vector<Identity>& identities, const claims::Signer& signer) {
  const auto* certificate = std::get_if<claims::CertificateSigner>(&signer);
  if (certificate == nullptr)
    return Error{Reason::kSignerMismatch, "", "signed by a key, and the policy wants an identity with a certificate"};
  std::string difference;
  for (const Identity& identity : identities) {
    difference = Difference(identity, *certificate);
    if (difference.empty()) return Ok();
  }
  if (identities.size() != 1)
    difference = "that is none of the " + std::to_string(identities.size()) + " identities of the policy";
  return Error{Reason::kSignerMismatch, "", Describe(*certificate) + "; " + difference};
}

bool IsOfKind(const AttestationRequirement& requirement, const std::string& predicate_type) {
  const auto& types = requirement.predicate_types;
  return std::find(types.begin(), types.end(), predicate_type) != types.end();
}

Status CheckAttestation(const AttestationRequirement& requirement, const claims::VerifiedAttestation& attestation,
                        WallTime now) {
  if (requirement.where.empty() && !requirement.slsa) return Ok();
  auto predicate = attestation.statement().root().Find("predicate");
  if (!predicate) return Error{Reason::kPredicateMismatch, "", "the attestation has no predicate"};
  if (requirement.slsa) RETURN_IF_ERROR(CheckSlsa(*requirement.slsa, attestation.predicate_type(), *predicate));
  return requirement.where.Check(*predicate, now);
}

}  // namespace gatehouse::policy
