// What is proven about an image. Made by signature/ only, so that policy never sees an annotation that no signature
// vouches for.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "common/claims/signer.h"

namespace gatehouse::codec {
class JsonDocument;
}
namespace gatehouse::signature::keyed {
class SimpleSigning;
}
namespace gatehouse::signature::sigstore {
class ImageClaims;
}
namespace gatehouse::signature::notation {
class Verifier;
}

namespace gatehouse::claims {

// "This image is signed."
class VerifiedImageSignature {
 public:
  [[nodiscard]] const Digest& image() const { return image_; }  // the manifest or index that was signed
  [[nodiscard]] const Signer& signer() const { return signer_; }
  // What the signer wrote beside it and signed: cosign sign -a key=value, Notation's user metadata. String values only;
  // values of other JSON types are not claims.
  [[nodiscard]] const std::map<std::string, std::string>& annotations() const { return annotations_; }
  // Of simple signing: the name under which it was signed. Unproven by itself: whoever signs writes what they like.
  [[nodiscard]] const std::string& docker_reference() const { return docker_reference_; }
  // When: empty if only a key vouches and no time was asked for.
  [[nodiscard]] const std::vector<TrustedTime>& times() const { return times_; }

 private:
  friend class signature::keyed::SimpleSigning;
  friend class signature::sigstore::ImageClaims;
  friend class signature::notation::Verifier;
  VerifiedImageSignature(Digest image, Signer signer, std::map<std::string, std::string> annotations,
                         std::string docker_reference, std::vector<TrustedTime> times = {})
      : image_(std::move(image)),
        signer_(std::move(signer)),
        annotations_(std::move(annotations)),
        docker_reference_(std::move(docker_reference)),
        times_(std::move(times)) {}
  Digest image_;
  Signer signer_;
  std::map<std::string, std::string> annotations_;
  std::string docker_reference_;
  std::vector<TrustedTime> times_;
};

// "This is said of this image": an in-toto statement with a predicate.
class VerifiedAttestation {
 public:
  [[nodiscard]] const Digest& image() const { return image_; }  // the subject that was asked for
  [[nodiscard]] const Signer& signer() const { return signer_; }
  [[nodiscard]] const std::string& predicate_type() const { return predicate_type_; }
  // The whole statement; its root is an object with the member "predicate".
  [[nodiscard]] const codec::JsonDocument& statement() const { return *statement_; }
  [[nodiscard]] const std::vector<TrustedTime>& times() const { return times_; }

 private:
  friend class signature::sigstore::ImageClaims;
  VerifiedAttestation(Digest image, Signer signer, std::string predicate_type,
                      std::shared_ptr<const codec::JsonDocument> statement, std::vector<TrustedTime> times)
      : image_(std::move(image)),
        signer_(std::move(signer)),
        predicate_type_(std::move(predicate_type)),
        statement_(std::move(statement)),
        times_(std::move(times)) {}
  Digest image_;
  Signer signer_;
  std::string predicate_type_;
  std::shared_ptr<const codec::JsonDocument> statement_;
  std::vector<TrustedTime> times_;
};

}  // namespace gatehouse::claims
