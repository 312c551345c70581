// What is proven about an image. Made by signature/ only, so that policy never sees an annotation that no signature
// vouches for.
#pragma once

#include <map>
#include <string>

#include "common/base/types.h"

namespace gatehouse::signature::keyed {
class SimpleSigning;
}

namespace gatehouse::claims {

class VerifiedImageSignature {
 public:
  [[nodiscard]] const Digest& image() const { return image_; }  // the manifest or index that was signed
  [[nodiscard]] const Digest& key() const { return key_; }      // fingerprint of the key that signed
  // `optional` of the signed payload: string values only; cosign sign -a key=value. Values of other JSON types are not
  // claims.
  [[nodiscard]] const std::map<std::string, std::string>& annotations() const { return annotations_; }
  [[nodiscard]] const std::string& docker_reference() const { return docker_reference_; }

 private:
  friend class signature::keyed::SimpleSigning;
  VerifiedImageSignature(Digest image, Digest key, std::map<std::string, std::string> annotations,
                         std::string docker_reference)
      : image_(std::move(image)),
        key_(std::move(key)),
        annotations_(std::move(annotations)),
        docker_reference_(std::move(docker_reference)) {}
  Digest image_;
  Digest key_;
  std::map<std::string, std::string> annotations_;
  std::string docker_reference_;
};

}  // namespace gatehouse::claims
