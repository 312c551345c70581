// cosign's legacy signatures with a public key (cosign specs/SIGNATURE_SPEC.md): bytes and a key in, a verified claim
// or a reason out. No network.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/claims/image.h"
#include "common/crypto/key.h"
#include "common/image/manifest.h"

namespace gatehouse::signature::keyed {

inline constexpr std::string_view kSimpleSigningMediaType = "application/vnd.dev.cosign.simplesigning.v1+json";
inline constexpr std::string_view kSignatureAnnotation = "dev.cosignproject.cosign/signature";

// "sha256-<hex>.sig": the tag under which cosign keeps the signatures of `image` in the image's own repository.
[[nodiscard]] std::string SignatureTag(const Digest& image);

// One layer of a signature manifest that holds a simple-signing payload, before anything of it is trusted.
struct UntrustedSignature {
  image::Descriptor layer;  // the payload's digest and size
  std::string signature;    // base64, from the layer's annotation
};
// The layers of media type kSimpleSigningMediaType that carry a non-empty signature annotation, in order. Others are
// passed over: they are no signatures. At most limits::kSignaturesPerImage are returned; `truncated` says that there
// were more.
struct SignatureList {
  std::vector<UntrustedSignature> signatures;
  bool truncated = false;
};
[[nodiscard]] SignatureList ListSignatures(const image::Manifest& manifest);

// How a key signs. The hash and padding come from the policy's authority, never from the artefact.
struct Verifier {
  crypto::PublicKey key;
  HashAlgorithm hash = HashAlgorithm::kSha256;
  bool rsa_pss = false;
};

// The scheme follows from the key, and of RSA from the verifier's padding.
[[nodiscard]] crypto::Scheme SchemeOf(const Verifier& verifier);

// What a simple-signing payload says. Read it only after its signature was verified.
struct SignedPayload {
  std::string docker_reference;
  std::map<std::string, std::string> annotations;  // of `optional`, string values only
};
// critical.type must be "cosign container image signature", and critical.image the digest `image`. `critical` members
// other than identity, image, type are refused; `optional` may be null, absent or an object.
// Errors: kPayloadMalformed, kPayloadTypeMismatch, kPayloadDigestMismatch, and kLimitExceeded for a payload beyond
// limits::kSignaturePayloadBytes.
[[nodiscard]] Result<SignedPayload> ReadSignedPayload(std::string_view payload, const Digest& image);

class SimpleSigning {
 public:
  // Steps: base64 → signature over the exact payload bytes → only then parse the payload → critical.type → digest
  // equals `image`. (The payload's bytes were already checked against the layer's digest by the registry client.)
  // Errors: kSignatureMalformed, kSignatureInvalid, and those of ReadSignedPayload.
  [[nodiscard]] static Result<claims::VerifiedImageSignature> Verify(std::string_view payload,
                                                                     std::string_view signature_base64,
                                                                     const Digest& image, const Verifier& verifier);
};

}  // namespace gatehouse::signature::keyed
