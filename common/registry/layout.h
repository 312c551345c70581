// Images on disk: an OCI image layout (image-spec, image-layout.md), as skopeo, crane, oras, BuildKit and `cosign save`
// write it.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/registry/source.h"

namespace gatehouse::registry {

// "DIR[:TAG][@DIGEST]": what follows "oci:" on a command line.
struct LayoutName {
  std::string folder;
  // "layout.local/oci:TAG" or "layout.local/oci@DIGEST"; without either, the tag is "latest" and `any` is true.
  image::Reference reference;
  bool any = false;  // the only image of the layout is meant
};
// A colon with what is no tag after it belongs to the folder. Errors: kUsage.
[[nodiscard]] Result<LayoutName> ParseLayoutName(std::string_view text);

// Thread-safe. Reads index.json when it is opened, everything else when it is asked for. Domain and path of references,
// credentials and deadlines mean nothing here. A tag is the annotation org.opencontainers.image.ref.name of index.json:
// as it is, or, where that is a whole image name, its tag. Signatures that cosign keeps under tags sha256-HEX.sig and
// .att are found under these, and, as `cosign save` writes them, by its annotation "kind", where the layout has one
// image. Referrers are the manifests of index.json whose subject is the digest, and what the index under the tag
// sha256-HEX lists. No path leaves the folder: digests are hex, and nothing that is reached by a symbolic link is read
// (CVE-2024-3727 and its like). Errors, beside those of ImageSource: kManifestMalformed for a layout that is none or
// ambiguous, kFileUnreadable, kLimitExceeded, kContentMismatch.
class Layout final : public ImageSource {
 public:
  // Errors: kFileUnreadable, kManifestMalformed, kContentUnsupported, kLimitExceeded.
  [[nodiscard]] static Result<std::unique_ptr<Layout>> Open(const std::string& folder);
  ~Layout() override;

  // The tags, sorted.
  [[nodiscard]] std::vector<std::string> Tags() const;
  // The only image of index.json, not counting what is there for its signatures. Errors: kUsage, with the tags.
  [[nodiscard]] Result<Digest> OnlyImage() const;

  [[nodiscard]] Result<std::optional<VerifiedContent>> GetManifestByTag(const image::Reference& ref,
                                                                        std::string_view tag,
                                                                        const Credentials& credentials,
                                                                        const Deadline& deadline) override;
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetManifest(const image::Reference& ref, const Digest& digest,
                                                                   const Credentials& credentials,
                                                                   const Deadline& deadline) override;
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetBlob(const image::Reference& ref, const Digest& digest,
                                                               std::size_t max_bytes, const Credentials& credentials,
                                                               const Deadline& deadline) override;
  [[nodiscard]] Result<ReferrerList> Referrers(const image::Reference& ref, const Digest& digest,
                                               const std::vector<std::string>& artifact_types,
                                               const Credentials& credentials, const Deadline& deadline) override;

 private:
  class Folder;
  Layout(std::unique_ptr<Folder> folder, image::Index index);
  [[nodiscard]] Result<const image::Descriptor*> FindTag(std::string_view tag) const;
  [[nodiscard]] const image::Descriptor* FindSaved(std::string_view tag) const;
  [[nodiscard]] Result<std::optional<VerifiedContent>> Read(const Digest& digest, std::size_t max_bytes,
                                                            const std::string& content_type) const;
  [[nodiscard]] std::string TypeOf(const Digest& digest, std::string_view bytes) const;
  [[nodiscard]] Status ReadSubjects();

  std::unique_ptr<Folder> folder_;
  const image::Index index_;
  std::mutex mutex_;
  bool subjects_read_ = false;
  std::map<std::string, std::vector<image::Descriptor>> by_subject_;  // digest to what refers to it
};

}  // namespace gatehouse::registry
