#include "common/signature/keyed/simple_signing.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::signature::keyed {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::string_view kPayloadType = "cosign container image signature";

Result<Bytes> DecodeSignature(std::string_view base64) {
  if (base64.empty()) return Error{Reason::kSignatureMalformed, "", "the signature is empty"};
  if (base64.size() > limits::kSignatureBytes * 4 / 3 + 4) {
    return Error{
        Reason::kSignatureMalformed, "",
        "the signature has " + std::to_string(base64.size()) + " characters, more than that of any supported key"};
  }
  auto bytes = DecodeBase64(base64);
  if (!bytes.ok()) return Error{Reason::kSignatureMalformed, "", bytes.error().detail};
  return bytes;
}

struct Payload {
  std::string type;
  std::string digest;
  std::string docker_reference;
  std::map<std::string, std::string> annotations;
};

// `optional` (cosign sign -a key=value): what is no string is no claim, for a policy could not be met by accident of a
// conversion.
std::map<std::string, std::string> ReadOptional(JsonView optional) {
  std::map<std::string, std::string> annotations;
  for (std::size_t i = 0; optional.IsObject() && i < optional.size(); ++i) {
    auto [key, value] = optional.member(i);
    if (auto text = value.AsString()) annotations.emplace(key, *text);
  }
  return annotations;
}

// cosign specs/SIGNATURE_SPEC.md, after containers/image's simple signing: "critical: ... consumers MUST reject any
// signature where the critical object contains any other members" than identity, image and type. The same is asked of
// the objects in it and of the one around it: a "Docker-manifest-digest" beside the real one must not be taken for it
// by anybody.
Result<Payload> ParsePayload(std::string_view text) {
  auto document = JsonDocument::Parse(text, {.max_bytes = limits::kSignaturePayloadBytes});
  if (!document.ok()) return Error{Reason::kPayloadMalformed, document.error().where, document.error().detail};
  Payload payload;
  ObjectReader reader(*document, document->root(), Reason::kPayloadMalformed);
  reader.Object("critical", Presence::kRequired, [&](ObjectReader& critical) {
    critical.Object("identity", Presence::kRequired,
                    [&](ObjectReader& identity) { payload.docker_reference = identity.Text("docker-reference"); });
    critical.Object("image", Presence::kRequired,
                    [&](ObjectReader& image) { payload.digest = image.String("docker-manifest-digest"); });
    payload.type = critical.String("type");
  });
  if (auto optional = reader.Raw("optional"); optional && !optional->IsNull()) {
    if (!optional->IsObject()) reader.Fail("optional", "must be an object or null");
    payload.annotations = ReadOptional(*optional);
  }
  RETURN_IF_ERROR(reader.Finish());
  return payload;
}

}  // namespace

// The algorithm is a matter of the key and of the policy. No default branch: a new kind of key is a decision.
crypto::Scheme SchemeOf(const Verifier& verifier) {
  switch (verifier.key.type()) {
    case crypto::KeyType::kEcP256:
    case crypto::KeyType::kEcP384:
    case crypto::KeyType::kEcP521:
      return crypto::Scheme::kEcdsaDer;
    case crypto::KeyType::kRsa:
      return verifier.rsa_pss ? crypto::Scheme::kRsaPss : crypto::Scheme::kRsaPkcs1v15;
    case crypto::KeyType::kEd25519:
      return crypto::Scheme::kEd25519;
  }
  return crypto::Scheme::kEcdsaDer;
}

Result<SignedPayload> ReadSignedPayload(std::string_view payload, const Digest& image) {
  if (payload.size() > limits::kSignaturePayloadBytes) {
    return Error{Reason::kLimitExceeded, "payload",
                 "the payload has more than " + std::to_string(limits::kSignaturePayloadBytes) + " bytes"};
  }
  auto parsed = ParsePayload(payload);
  if (!parsed.ok()) return parsed.error().In("payload");
  if (parsed->type != kPayloadType) {
    return Error{Reason::kPayloadTypeMismatch, "payload",
                 "critical.type is '" + Printable(parsed->type, 64) + "', not '" + std::string(kPayloadType) + "'"};
  }
  auto digest = Digest::Parse(parsed->digest);
  if (!digest.ok()) return Error{Reason::kPayloadMalformed, "payload", digest.error().detail};
  if (*digest != image) {
    return Error{Reason::kPayloadDigestMismatch, "payload",
                 "the signature is for " + digest->text() + ", not for " + image.text()};
  }
  return SignedPayload{std::move(parsed->docker_reference), std::move(parsed->annotations)};
}

std::string SignatureTag(const Digest& image) {
  return std::string(Name(image.algorithm())).append("-").append(image.hex()).append(".sig");
}

SignatureList ListSignatures(const image::Manifest& manifest) {
  SignatureList list;
  for (const image::Descriptor& layer : manifest.layers) {
    if (layer.media_type != kSimpleSigningMediaType) continue;
    auto annotation = layer.annotations.find(std::string(kSignatureAnnotation));
    if (annotation == layer.annotations.end() || annotation->second.empty()) continue;
    if (list.signatures.size() == limits::kSignaturesPerImage) {
      list.truncated = true;
      return list;
    }
    list.signatures.push_back({layer, annotation->second});
  }
  return list;
}

Result<claims::VerifiedImageSignature> SimpleSigning::Verify(std::string_view payload,
                                                             std::string_view signature_base64, const Digest& image,
                                                             const Verifier& verifier) {
  if (payload.size() > limits::kSignaturePayloadBytes) {
    return Error{Reason::kLimitExceeded, "payload",
                 "the payload has more than " + std::to_string(limits::kSignaturePayloadBytes) + " bytes"};
  }
  ASSIGN_OR_RETURN(Bytes signature, DecodeSignature(signature_base64));
  if (!verifier.key.Verify(SchemeOf(verifier), verifier.hash, AsBytes(payload), signature)) {
    return Error{Reason::kSignatureInvalid, "", "the signature is not by the key " + verifier.key.Fingerprint().text()};
  }
  ASSIGN_OR_RETURN(SignedPayload parsed, ReadSignedPayload(payload, image));
  return claims::VerifiedImageSignature(image, claims::KeySigner{verifier.key.Fingerprint()},
                                        std::move(parsed.annotations), std::move(parsed.docker_reference));
}

}  // namespace gatehouse::signature::keyed
