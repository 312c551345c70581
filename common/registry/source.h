// Where manifests and blobs of an image come from: a registry (client.h), or an image layout on disk (layout.h). What
// comes out hashes to its digest, whoever gave it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/image/manifest.h"
#include "common/image/reference.h"
#include "common/registry/credentials.h"

namespace gatehouse::registry {

// Bytes that hash to their digest; made by this room only.
class VerifiedContent {
 public:
  [[nodiscard]] const Digest& digest() const { return digest_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] const std::string& content_type() const { return content_type_; }

 private:
  friend class Client;
  friend class Layout;
  VerifiedContent(Digest digest, std::string bytes, std::string content_type)
      : digest_(std::move(digest)), bytes_(std::move(bytes)), content_type_(std::move(content_type)) {}
  Digest digest_;
  std::string bytes_;
  std::string content_type_;
};

// What a registry says refers to a digest. Unproven: that a manifest has this subject is known when it was fetched.
struct ReferrerList {
  std::vector<image::Descriptor> referrers;  // each digest once, in order
  bool truncated = false;                    // there were more than limits::kReferrers, or more pages than are read
};

// Thread-safe. Errors of every call: see Client.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // Names what `credentials` would show for this image, wherever it is looked for (a registry's mirrors too): equal
  // only where the same would be shown. For keys of what is shared or remembered; asks nobody, and is no secret.
  [[nodiscard]] virtual std::string IdentityOf(const image::Reference& ref, const Credentials& credentials) const {
    return credentials.IdentityFor(ref);
  }
  // What `tag` (not the tag or digest of `ref`) stands for now. Nothing if the tag does not exist. Whoever needs the
  // bytes again asks for the digest, so that a tag that moves meanwhile changes nothing.
  [[nodiscard]] virtual Result<std::optional<VerifiedContent>> GetManifestByTag(const image::Reference& ref,
                                                                                std::string_view tag,
                                                                                const Credentials& credentials,
                                                                                const Deadline& deadline) = 0;
  // Nothing if there is none.
  [[nodiscard]] virtual Result<std::optional<VerifiedContent>> GetManifest(const image::Reference& ref,
                                                                           const Digest& digest,
                                                                           const Credentials& credentials,
                                                                           const Deadline& deadline) = 0;
  [[nodiscard]] virtual Result<std::optional<VerifiedContent>> GetBlob(const image::Reference& ref,
                                                                       const Digest& digest, std::size_t max_bytes,
                                                                       const Credentials& credentials,
                                                                       const Deadline& deadline) = 0;
  // OCI 1.1 referrers of `digest`, whose artifact type is one of `artifact_types` (prefixes; empty: all), over all
  // pages, with the fallback tag where the registry has no such API. An empty list is an answer; an outage is an error.
  // A descriptor whose artifact type is absent, or that of the empty config (so go-containerregistry writes the index
  // under the fallback tag), is in the list: what the manifest itself says of its kind is to be looked at.
  [[nodiscard]] virtual Result<ReferrerList> Referrers(const image::Reference& ref, const Digest& digest,
                                                       const std::vector<std::string>& artifact_types,
                                                       const Credentials& credentials, const Deadline& deadline) = 0;
};

}  // namespace gatehouse::registry
