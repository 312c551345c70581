// What the fuzz targets of the two Notation envelopes share: one notary, and what must be true of whatever was
// accepted.
#pragma once

#include "common/signature/notation/envelope.h"
#include "common/signature/notation/verifier.h"
#include "tests/fakes/notation.h"
#include "tests/fuzz/check.h"

namespace gatehouse::fuzz {

inline const fakes::FakeNotary& Notary() {
  static const fakes::FakeNotary notary;
  return notary;
}

inline image::Descriptor NotationImage() {
  return {"application/vnd.oci.image.manifest.v1+json",
          Digest::Parse("sha256:" + std::string(64, 'a')).value(),
          417,
          {},
          "",
          ""};
}

inline Result<signature::notation::Verifier::Verified> VerifyNotation(std::string_view media_type,
                                                                      std::string_view envelope) {
  using namespace signature::notation;
  static const TrustPolicy policy =
      ParseTrustPolicy(R"({"version": "1.0", "trustPolicies": [{"name": "one", "registryScopes": ["*"],
          "signatureVerification": {"level": "strict"}, "trustStores": ["ca:acme"], "trustedIdentities": ["*"]}]})")
          .value();
  static const TrustStores stores = {{"ca:acme", {Notary().root().certificate()}}};
  static const RevocationCheck check = [](const auto&, const auto&) { return Ok(); };
  const image::Descriptor image = NotationImage();
  image::Manifest manifest{std::string(image::kOciManifest), std::string(kArtifactType), image, {}, image, {}};
  const std::string list = "[\"" + std::string(Notary().leaf().certificate.Fingerprint().hex()) + "\",\"" +
                           std::string(Notary().root().certificate().Fingerprint().hex()) + "\"]";
  manifest.annotations.emplace(kThumbprintAnnotation, list);
  return Verifier::Verify(media_type, envelope, manifest, image,
                          {policy.statements.front(), stores, check, fakes::kPkiNow});
}

// An envelope that nobody here signed.
inline void CheckStranger(std::string_view media_type, std::string_view text) {
  const auto envelope = signature::notation::ParseEnvelope(media_type, text);
  if (envelope.ok()) {
    FUZZ_CHECK(!envelope->chain.empty());
    FUZZ_CHECK(!envelope->expiry || *envelope->expiry > envelope->signing_time);
  } else {
    const Reason reason = envelope.error().reason;
    FUZZ_CHECK(reason == Reason::kEnvelopeMalformed || reason == Reason::kCriticalUnknown ||
               reason == Reason::kPayloadTypeMismatch || reason == Reason::kLimitExceeded);
  }
  FUZZ_CHECK(!VerifyNotation(media_type, text).ok());
}

// A payload that the notary did sign: it is accepted only if it is about the image.
inline void CheckPayload(bool cose, std::string_view payload) {
  const auto signature = Notary().Sign({}, {.cose = cose, .payload_instead = std::string(payload)});
  const auto verified = VerifyNotation(signature.media_type, signature.envelope);
  if (!verified.ok()) {
    const Reason reason = verified.error().reason;
    // JWS does not take an empty payload at all.
    FUZZ_CHECK(reason == Reason::kPayloadMalformed || reason == Reason::kPayloadDigestMismatch ||
               reason == Reason::kLimitExceeded || (payload.empty() && reason == Reason::kEnvelopeMalformed));
    return;
  }
  FUZZ_CHECK(verified->signature.image() == NotationImage().digest);
  FUZZ_CHECK(payload.find("targetArtifact") != std::string_view::npos || payload.find('\\') != std::string_view::npos);
}

}  // namespace gatehouse::fuzz
