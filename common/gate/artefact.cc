#include "common/gate/artefact.h"

namespace gatehouse::gate {
namespace {

using signature::keyed::SimpleSigning;
using signature::sigstore::Bundle;
using signature::sigstore::ImageClaims;
using signature::sigstore::Requirements;

// Trust material is shared and immutable: what is at one address while the policies hold it is one thing.
RequirementKey KeyOf(const Digest& image, const Requirements& requirements) {
  std::string key;
  if (requirements.key.has_value()) {
    key = requirements.key->key.Fingerprint().text() + " " + std::string(Name(requirements.key->hash)) +
          (requirements.key->rsa_pss ? " pss" : "");
  }
  return {image.text(),      std::move(key),     requirements.material,  requirements.logs,
          requirements.scts, requirements.times, requirements.timestamps};
}

bool IsKeyAlone(const Requirements& requirements) {
  return requirements.key.has_value() && requirements.material == nullptr;
}

template <typename T>
const Result<T>& Remembered(std::map<RequirementKey, Result<T>>& known, RequirementKey key, const auto& verify) {
  auto found = known.find(key);
  if (found == known.end()) found = known.emplace(std::move(key), verify()).first;
  return found->second;
}

}  // namespace

SigstoreArtefact SigstoreArtefact::OfLayer(std::string where, const image::Descriptor& layer, std::string payload) {
  SigstoreArtefact artefact(std::move(where));
  artefact.signature_ = layer.media_type == signature::keyed::kSimpleSigningMediaType;
  artefact.attestation_ = !artefact.signature_;
  artefact.layer_ = layer;
  artefact.payload_ = std::move(payload);
  if (artefact.attestation_ && artefact.bundle().ok()) {
    artefact.claimed_type_ = signature::sigstore::ClaimedPredicateType(*artefact.bundle()).value_or("");
  }
  return artefact;
}

SigstoreArtefact SigstoreArtefact::OfBundle(std::string where, std::string_view json) {
  SigstoreArtefact artefact(std::move(where));
  artefact.bundle_ = signature::sigstore::ParseBundle(json);
  if (!artefact.bundle_->ok()) {
    artefact.signature_ = artefact.attestation_ = true;
    return artefact;
  }
  const Bundle& bundle = **artefact.bundle_;
  artefact.claimed_type_ = signature::sigstore::ClaimedPredicateType(bundle).value_or("");
  const bool message = std::holds_alternative<signature::sigstore::MessageSignature>(bundle.content);
  artefact.signature_ = message || artefact.claimed_type_ == signature::sigstore::kCosignSignPredicate;
  artefact.attestation_ = !artefact.signature_;
  return artefact;
}

SigstoreArtefact SigstoreArtefact::Unread(std::string where, bool signature, bool attestation, Error why) {
  SigstoreArtefact artefact(std::move(where));
  artefact.signature_ = signature;
  artefact.attestation_ = attestation;
  artefact.bundle_ = std::move(why);
  return artefact;
}

const Result<Bundle>& SigstoreArtefact::bundle() {
  if (!bundle_.has_value()) {
    bundle_ = signature::sigstore::BundleOfLegacyLayer(layer_->media_type, payload_, layer_->annotations);
  }
  return *bundle_;
}

Result<claims::VerifiedImageSignature> SigstoreArtefact::VerifySignature(const Digest& image,
                                                                         const Requirements& requirements) {
  if (layer_.has_value() && signature_ && IsKeyAlone(requirements)) {
    // Whatever else is attached to it vouches for nothing that is asked for here.
    auto found = layer_->annotations.find(std::string(signature::keyed::kSignatureAnnotation));
    return SimpleSigning::Verify(payload_, found == layer_->annotations.end() ? "" : found->second, image,
                                 *requirements.key);
  }
  if (!bundle().ok()) return bundle().error();
  return ImageClaims::Signature(*bundle(), payload_, image, requirements);
}

Result<claims::VerifiedAttestation> SigstoreArtefact::VerifyAttestation(const Digest& image,
                                                                        const Requirements& requirements) {
  if (!bundle().ok()) return bundle().error();
  return ImageClaims::Attestation(*bundle(), image, requirements);
}

const Result<claims::VerifiedImageSignature>& SigstoreArtefact::Signature(const Digest& image,
                                                                          const Requirements& requirements) {
  return Remembered(signatures_, KeyOf(image, requirements), [&]() -> Result<claims::VerifiedImageSignature> {
    auto verified = VerifySignature(image, requirements);
    if (!verified.ok()) return verified.error().In(where_);
    return verified;
  });
}

const Result<claims::VerifiedAttestation>& SigstoreArtefact::Attestation(const Digest& image,
                                                                         const Requirements& requirements) {
  return Remembered(attestations_, KeyOf(image, requirements), [&]() -> Result<claims::VerifiedAttestation> {
    auto verified = VerifyAttestation(image, requirements);
    if (!verified.ok()) return verified.error().In(where_);
    return verified;
  });
}

}  // namespace gatehouse::gate
