// What the tests of bundles share: one Sigstore, an artefact, and the reason for which something is refused.
#pragma once

#include <string>

#include "common/crypto/hash.h"
#include "common/signature/sigstore/verifier.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::signature::sigstore {

using fakes::At;
using fakes::BundleOptions;
using fakes::FakeSigstore;
using fakes::JsonValue;
using fakes::Remove;
using fakes::SignedBundle;

inline constexpr std::string_view kArtefact = "the artefact";

inline const Digest& ImageDigest() {
  static const Digest kDigest = Digest::Parse("sha256:" + std::string(64, 'a')).value();
  return kDigest;
}

template <typename T>
[[nodiscard]] std::string TokenOf(const Result<T>& result) {
  return result.ok() ? "ok" : std::string(Token(result.error().reason));
}

// How long a wrong error is shown with its detail.
template <typename T>
[[nodiscard]] std::string Shown(const Result<T>& result) {
  return result.ok() ? "ok" : result.error().ToString();
}

inline Artifact TheArtefact() {
  return {.bytes = AsBytes(kArtefact), .digest = {}};
}

inline Result<VerifiedContent> Verify(const std::string& bundle_json, const Artifact& artifact,
                                      const Requirements& requirements) {
  ASSIGN_OR_RETURN(const Bundle bundle, ParseBundle(bundle_json));
  return VerifyBundle(bundle, artifact, requirements);
}

// By the Sigstore's own trust material, with the counts of public-good.
inline Result<VerifiedContent> Verify(const FakeSigstore& sigstore, const SignedBundle& bundle,
                                      const Artifact& artifact = TheArtefact()) {
  const TrustMaterial material = sigstore.Trust();
  return Verify(bundle.Text(), artifact, {.material = &material, .key = {}});
}

inline const claims::CertificateSigner& SignerOf(const VerifiedContent& content) {
  return std::get<claims::CertificateSigner>(content.signer);
}

}  // namespace gatehouse::signature::sigstore
