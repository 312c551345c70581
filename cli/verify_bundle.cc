// gatehouse verify-bundle: one Sigstore bundle and one artefact, judged by an identity or a key alone, without
// policies. The contract of others' test suites: nothing but the exit status says whether it is verified.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "cli/options.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/signature/sigstore/verifier.h"

namespace gatehouse::cli {
namespace {

namespace sigstore = signature::sigstore;

// The artefact is the caller's own file, and is held in memory while it is hashed.
constexpr std::size_t kArtefactBytes = std::size_t{4} * 1024 * limits::kMiB;
constexpr std::size_t kKeyFileBytes = 64 * limits::kKiB;

struct Subject {
  Bytes bytes;
  sigstore::Artifact artifact;
};

// A digest is what begins like one and is no file: a file may have any name.
Result<Subject> ReadArtefact(const std::string& name) {
  Subject subject;
  std::error_code error;
  if (name.starts_with("sha") && name.find(':') != std::string::npos && !std::filesystem::exists(name, error)) {
    ASSIGN_OR_RETURN(subject.artifact.digest, Digest::Parse(name));
    return subject;
  }
  ASSIGN_OR_RETURN(subject.bytes, ReadFile(name, kArtefactBytes));
  return subject;
}

Result<sigstore::TrustMaterial> ReadTrust(const BundleOptions& options) {
  if (options.trusted_root.empty()) {
    return Error{Reason::kUsage, "",
                 std::string(options.staging ? "Sigstore's staging instance" : "no Sigstore instance") +
                     " is built in: give its trusted root with --trusted-root FILE, or in GATEHOUSE_TRUSTED_ROOT"};
  }
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(options.trusted_root, limits::kTrustedRootBytes));
  auto root = sigstore::ParseTrustedRoot(text);
  if (!root.ok()) return root.error().In(options.trusted_root);
  return std::move(root->material);
}

// A key in PEM form does not say with which hash it signs: that of its curve, or SHA-256, which cosign takes for every
// key. Both are good; the message has no say in it.
std::vector<HashAlgorithm> HashesOf(crypto::KeyType type) {
  if (type == crypto::KeyType::kEcP384) return {HashAlgorithm::kSha384, HashAlgorithm::kSha256};
  if (type == crypto::KeyType::kEcP521) return {HashAlgorithm::kSha512, HashAlgorithm::kSha256};
  return {HashAlgorithm::kSha256};
}

Status VerifyByKey(const sigstore::Bundle& bundle, const sigstore::Artifact& artifact,
                   const sigstore::TrustMaterial& material, const std::string& key_file) {
  const bool is_pem = key_file.starts_with("-----BEGIN");
  ASSIGN_OR_RETURN(const std::string pem,
                   is_pem ? Result<std::string>(key_file) : ReadTextFile(key_file, kKeyFileBytes));
  auto key = crypto::PublicKey::FromPem(pem);
  if (!key.ok()) return key.error().In(is_pem ? "--key" : key_file);
  std::optional<Error> first;
  for (const HashAlgorithm hash : HashesOf(key->type())) {
    const auto verified = sigstore::VerifyBundle(
        bundle, artifact,
        {.material = &material, .key = {{.key = *key, .hash = hash}}, .logs = 1, .scts = 0, .times = 0});
    if (verified.ok()) return Ok();
    if (!first || first->reason == Reason::kSignatureInvalid) first = verified.error();
  }
  return *std::move(first);
}

Status VerifyByIdentity(const sigstore::Bundle& bundle, const sigstore::Artifact& artifact,
                        const sigstore::TrustMaterial& material, const BundleOptions& options) {
  ASSIGN_OR_RETURN(const auto verified, sigstore::VerifyBundle(bundle, artifact, {.material = &material, .key = {}}));
  const auto* const signer = std::get_if<claims::CertificateSigner>(&verified.signer);
  const bool named = signer != nullptr && std::ranges::any_of(signer->names, [&](const claims::SubjectName& name) {
                       return name.value == options.identity;
                     });
  if (named && signer->issuer == options.issuer) return Ok();
  const std::string found = signer == nullptr || signer->names.empty() ? "" : signer->names.front().value;
  return Error{Reason::kSignerMismatch, "",
               "the signature is by '" + Printable(found) + "', for whom '" +
                   Printable(signer == nullptr ? "" : signer->issuer) + "' vouches"};
}

Status Verify(const BundleOptions& options) {
  ASSIGN_OR_RETURN(const sigstore::TrustMaterial material, ReadTrust(options));
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(options.file, limits::kBundleBytes));
  auto bundle = sigstore::ParseBundle(text);
  if (!bundle.ok()) return bundle.error().In(options.file);
  ASSIGN_OR_RETURN(Subject subject, ReadArtefact(options.artefact));
  if (!subject.artifact.digest) subject.artifact.bytes = subject.bytes;
  if (!options.key.empty()) return VerifyByKey(*bundle, subject.artifact, material, options.key);
  return VerifyByIdentity(*bundle, subject.artifact, material, options);
}

}  // namespace

int VerifyBundle(const Options& options) {
  const BundleOptions& bundle = options.bundle;
  const bool by_identity = !bundle.identity.empty() && !bundle.issuer.empty();
  const bool partly = !bundle.identity.empty() || !bundle.issuer.empty();
  if (bundle.key.empty() ? !by_identity : partly) {
    std::cerr << options.program
              << ": verify-bundle needs --certificate-identity with --certificate-oidc-issuer, or --key\n";
    return kUsageOrPolicy;
  }
  const Status status = Verify(bundle);
  if (status.ok()) {
    std::cerr << "verified\n";
    return kAdmitted;
  }
  std::cerr << options.program << ": " << status.error().ToString() << "\n";
  return ClassOf(status.error().reason) == ReasonClass::kUsage ? kUsageOrPolicy : kRefused;
}

}  // namespace gatehouse::cli
