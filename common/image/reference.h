// Image references: the exact grammar and normalisation of distribution/reference (reference/regexp.go, normalize.go).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/base/types.h"

namespace gatehouse::image {

// Whether `text` is a tag: /[\w][\w.-]{0,127}/ in ASCII.
[[nodiscard]] bool IsTag(std::string_view text);

// What a pod's image field says, normalised: "nginx" is docker.io/library/nginx:latest. "index.docker.io/x" is
// docker.io/x. The domain is compared lower-case.
class Reference {
 public:
  // Errors: kImageReferenceMalformed (upper-case repository, 64 hex digits alone, unsupported digest, too long, ...).
  [[nodiscard]] static Result<Reference> Parse(std::string_view text);

  [[nodiscard]] const std::string& domain() const { return domain_; }  // "docker.io", "localhost:5000", "[::1]:5000"
  [[nodiscard]] const std::string& path() const { return path_; }      // "library/nginx"
  // The tag as written, or "latest" when neither tag nor digest was written.
  [[nodiscard]] const std::optional<std::string>& tag() const { return tag_; }
  [[nodiscard]] const std::optional<Digest>& digest() const { return digest_; }
  [[nodiscard]] std::string Name() const { return domain_ + "/" + path_; }
  // name[:tag][@digest]; what policy globs, messages and audit records see.
  [[nodiscard]] std::string Canonical() const;
  // The same image under a digest, without a tag.
  [[nodiscard]] Reference WithDigest(const Digest& digest) const;
  friend bool operator==(const Reference&, const Reference&) = default;

 private:
  Reference() = default;
  std::string domain_;
  std::string path_;
  std::optional<std::string> tag_;
  std::optional<Digest> digest_;
};

}  // namespace gatehouse::image
