// One thing that a signer left beside an image, fetched, before anything of it is trusted. Parsed once and verified
// once for each set of requirements, whatever the number of policies and authorities that look at it. Internal to this
// room.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "common/claims/image.h"
#include "common/image/manifest.h"
#include "common/signature/sigstore/verifier.h"

namespace gatehouse::gate {

// What names a set of requirements, and the image.
using RequirementKey = std::tuple<std::string, std::string, const signature::sigstore::TrustMaterial*, std::size_t,
                                  std::size_t, std::size_t, std::size_t>;

// A layer of cosign's legacy layout, or a Sigstore bundle. Not thread-safe.
class SigstoreArtefact {
 public:
  using Requirements = signature::sigstore::Requirements;

  // `layer` is of a manifest under a .sig or .att tag (or a referrer of that kind), `payload` its blob.
  [[nodiscard]] static SigstoreArtefact OfLayer(std::string where, const image::Descriptor& layer, std::string payload);
  [[nodiscard]] static SigstoreArtefact OfBundle(std::string where, std::string_view json);
  // What could not be fetched or read: might have been a signature, or an attestation.
  [[nodiscard]] static SigstoreArtefact Unread(std::string where, bool signature, bool attestation, Error why);

  // It could not be fetched or read: there is nothing to verify.
  [[nodiscard]] bool unread() const { return bundle_.has_value() && !bundle_->ok(); }
  [[nodiscard]] bool MayBeSignature() const { return signature_; }
  [[nodiscard]] bool MayBeAttestation() const { return attestation_; }
  // What an attestation says that it is, unverified: to spare work, for nothing else. Empty: not known.
  [[nodiscard]] const std::string& claimed_type() const { return claimed_type_; }

  // Errors: those of fetching and parsing it, and of ImageClaims; a legacy signature by a key that needs nothing beside
  // it is verified as keyed::SimpleSigning has it.
  [[nodiscard]] const Result<claims::VerifiedImageSignature>& Signature(const Digest& image,
                                                                        const Requirements& requirements);
  [[nodiscard]] const Result<claims::VerifiedAttestation>& Attestation(const Digest& image,
                                                                       const Requirements& requirements);

 private:
  explicit SigstoreArtefact(std::string where) : where_(std::move(where)) {}
  [[nodiscard]] const Result<signature::sigstore::Bundle>& bundle();
  [[nodiscard]] Result<claims::VerifiedImageSignature> VerifySignature(const Digest& image,
                                                                       const Requirements& requirements);
  [[nodiscard]] Result<claims::VerifiedAttestation> VerifyAttestation(const Digest& image,
                                                                      const Requirements& requirements);

  std::string where_;
  bool signature_ = false;
  bool attestation_ = false;
  std::string claimed_type_;
  std::optional<image::Descriptor> layer_;  // of the legacy layout
  std::string payload_;
  std::optional<Result<signature::sigstore::Bundle>> bundle_;
  std::map<RequirementKey, Result<claims::VerifiedImageSignature>> signatures_;
  std::map<RequirementKey, Result<claims::VerifiedAttestation>> attestations_;
};

// Notation's envelope, with the manifest that holds it; or why there is none.
struct NotationArtefact {
  struct Read {
    std::string media_type;
    std::string envelope;
    image::Manifest manifest;
  };
  std::string where;
  Result<Read> read;
};

}  // namespace gatehouse::gate
