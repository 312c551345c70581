#include "common/registry/layout.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>
#include <system_error>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "common/registry/referrers.h"

namespace gatehouse::registry {
namespace {

using Content = std::optional<VerifiedContent>;

constexpr std::string_view kReference = "layout.local/oci";
constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";
constexpr std::string_view kCosignKind = "kind";
constexpr std::string_view kCosignPrefix = "dev.cosignproject.cosign/";
constexpr std::size_t kMarkerBytes = 1024;                // oci-layout has 30
constexpr std::size_t kScannedBytes = 64 * limits::kMiB;  // of manifests that are looked at for their subject

Error Bad(const std::string& where, const std::string& why) {
  return {Reason::kManifestMalformed, where, why};
}

std::string Annotation(const image::Descriptor& descriptor, std::string_view name) {
  auto found = descriptor.annotations.find(std::string(name));
  return found == descriptor.annotations.end() ? "" : found->second;
}

// Whether `ref_name` stands for `tag`: it is the tag, or the name of an image with this tag.
bool NamesTag(const std::string& ref_name, std::string_view tag) {
  if (ref_name == tag) return true;
  if (!ref_name.ends_with(":" + std::string(tag))) return false;
  auto reference = image::Reference::Parse(ref_name);
  return reference.ok() && reference->tag() == tag;
}

// Whether `cosign save` wrote this for an image, whose name it then has as well.
bool IsSavedForAnImage(const image::Descriptor& descriptor) {
  std::string kind = Annotation(descriptor, kCosignKind);
  return kind == std::string(kCosignPrefix) + "sigs" || kind == std::string(kCosignPrefix) + "atts";
}

// The digest that a tag sha256-HEX[.sig|.att|.sbom] is about, which is no image itself.
std::optional<Digest> DigestOfTag(std::string_view tag) {
  std::size_t dash = tag.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  auto digest = Digest::Parse(std::string(tag.substr(0, dash)) + ":" + std::string(tag.substr(dash + 1, 64)));
  return digest.ok() ? std::optional(*digest) : std::nullopt;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

// The layout's folder, held open: what is asked for is reached from it one name at a time, and none of them may be a
// symbolic link.
class Layout::Folder {
 public:
  Folder(std::string path, int fd) : path_(std::move(path)), root_(fd) {}
  [[nodiscard]] const std::string& path() const { return path_; }

  // Nothing if it is not there.
  Result<std::optional<std::string>> Read(const std::vector<std::string>& names, std::size_t max_bytes) const {
    std::string shown = path_;
    int folder = root_.fd();
    std::vector<std::unique_ptr<Descriptor>> open;
    for (std::size_t i = 0; i < names.size(); ++i) {
      shown += "/" + names[i];
      // O_NONBLOCK: the opening of a FIFO would wait for a writer.
      int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (i + 1 < names.size() ? O_DIRECTORY : 0);
      int fd = openat(folder, names[i].c_str(), flags);
      if (fd < 0 && errno == ENOENT) return std::optional<std::string>();
      if (fd < 0)
        return Unreadable(shown, errno == ELOOP ? "is a symbolic link" : std::generic_category().message(errno));
      open.push_back(std::make_unique<Descriptor>(fd));
      folder = fd;
    }
    ASSIGN_OR_RETURN(std::string text, ReadAll(folder, shown, max_bytes));
    return std::optional(std::move(text));
  }

 private:
  static Error Unreadable(const std::string& where, const std::string& why) {
    return {Reason::kFileUnreadable, where, why};
  }

  static Result<std::string> ReadAll(int fd, const std::string& where, std::size_t max_bytes) {
    struct stat status {};
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return Unreadable(where, "is no file");
    const Error too_large{Reason::kLimitExceeded, where, "has more than " + std::to_string(max_bytes) + " bytes"};
    if (static_cast<std::uint64_t>(status.st_size) > max_bytes) return too_large;
    std::string text(static_cast<std::size_t>(status.st_size) + 1, '\0');  // one more, to see that it does not grow
    std::size_t have = 0;
    while (have < text.size()) {
      ssize_t count = read(fd, text.data() + have, text.size() - have);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return Unreadable(where, std::generic_category().message(errno));
      if (count == 0) break;
      have += static_cast<std::size_t>(count);
    }
    if (have == text.size()) return Unreadable(where, "changed while it was read");
    text.resize(have);
    return text;
  }

  const std::string path_;
  const Descriptor root_;
};

Result<LayoutName> ParseLayoutName(std::string_view text) {
  auto usage = [&](const std::string& why) { return Error{Reason::kUsage, "oci:" + Printable(text, 200), why}; };
  std::string_view folder = text;
  std::string suffix;
  if (std::size_t at = folder.rfind('@'); at != std::string_view::npos && Digest::Parse(folder.substr(at + 1)).ok()) {
    suffix = std::string(folder.substr(at));
    folder = folder.substr(0, at);
  }
  std::size_t colon = folder.rfind(':');
  if (colon != std::string_view::npos && image::IsTag(folder.substr(colon + 1))) {
    suffix = std::string(folder.substr(colon)) + suffix;
    folder = folder.substr(0, colon);
  }
  if (folder.empty() || folder.find('\0') != std::string_view::npos) return usage("write oci:FOLDER[:TAG][@DIGEST]");
  auto reference = image::Reference::Parse(std::string(kReference) + suffix);
  if (!reference.ok()) return usage(reference.error().detail);
  return LayoutName{std::string(folder), *std::move(reference), suffix.empty()};
}

Layout::Layout(std::unique_ptr<Folder> folder, image::Index index)
    : folder_(std::move(folder)), index_(std::move(index)) {}
Layout::~Layout() = default;

Result<std::unique_ptr<Layout>> Layout::Open(const std::string& path) {
  // The folder itself may be reached by a link: the caller named it.
  int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Error{Reason::kFileUnreadable, Printable(path, 200), std::generic_category().message(errno)};
  auto folder = std::make_unique<Folder>(path, fd);
  ASSIGN_OR_RETURN(auto marker, folder->Read({"oci-layout"}, kMarkerBytes));
  if (!marker.has_value()) return Bad(path, "is no OCI image layout: it has no file oci-layout");
  auto document = codec::JsonDocument::Parse(*marker, {kMarkerBytes});
  if (!document.ok()) return Bad(path + "/oci-layout", document.error().detail);
  codec::ObjectReader reader(*document, document->root(), Reason::kManifestMalformed);
  reader.IgnoreUnknown();
  // image-layout.md: "The imageLayoutVersion value will align with the OCI Image Specification version at the time
  // changes to the layout are made, and will pin a given version until changes to the image layout are required."
  std::string version = reader.String("imageLayoutVersion");
  if (Status read = reader.Finish(); !read.ok()) return read.error().In(path + "/oci-layout");
  if (version != "1.0.0")
    return Error{Reason::kContentUnsupported, path, "is a layout of version '" + Printable(version, 20) + "'"};
  ASSIGN_OR_RETURN(auto text, folder->Read({"index.json"}, limits::kManifestBytes));
  if (!text.has_value()) return Bad(path, "is no OCI image layout: it has no file index.json");
  auto index = image::ParseIndex(*text, image::kOciIndex, limits::kIndexManifests);
  if (!index.ok()) return index.error().In(path + "/index.json");
  return std::unique_ptr<Layout>(new Layout(std::move(folder), *std::move(index)));
}

std::vector<std::string> Layout::Tags() const {
  std::set<std::string> tags;
  for (const image::Descriptor& each : index_.manifests) {
    if (IsSavedForAnImage(each)) continue;
    std::string name = Annotation(each, kRefName);
    std::size_t colon = name.rfind(':');
    if (colon != std::string::npos && NamesTag(name, name.substr(colon + 1))) name = name.substr(colon + 1);
    if (image::IsTag(name)) tags.insert(name);
  }
  return {tags.begin(), tags.end()};
}

Result<Digest> Layout::OnlyImage() const {
  std::set<std::string> images;
  std::optional<Digest> only;
  for (const image::Descriptor& each : index_.manifests) {
    bool beside = IsSavedForAnImage(each) || !each.artifact_type.empty();
    if (beside || DigestOfTag(Annotation(each, kRefName)).has_value()) continue;
    ASSIGN_OR_RETURN(auto content, Read(each.digest, limits::kManifestBytes, each.media_type));
    if (!content.has_value()) continue;
    auto parsed = image::ParseManifest(content->bytes(), content->content_type());
    if (!parsed.ok()) return parsed.error().In(folder_->path() + "/" + each.digest.text());
    if (std::visit([](const auto& manifest) { return manifest.subject.has_value(); }, *parsed)) continue;
    images.insert(each.digest.text());
    only = each.digest;
  }
  if (images.size() == 1) return *only;
  std::string names;
  for (const std::string& tag : Tags()) {
    if (!DigestOfTag(tag).has_value()) names += (names.empty() ? "" : ", ") + tag;
  }
  return Error{Reason::kUsage, folder_->path(),
               "holds " + std::to_string(images.size()) + " images; name one by a tag" +
                   (names.empty() ? " or digest" : " (" + Printable(names, 200) + ") or digest")};
}

// index.json may list one manifest twice under a tag; two manifests under one tag are a choice that nobody made.
Result<const image::Descriptor*> Layout::FindTag(std::string_view tag) const {
  const image::Descriptor* found = nullptr;
  for (const image::Descriptor& each : index_.manifests) {
    if (!NamesTag(Annotation(each, kRefName), tag) || IsSavedForAnImage(each)) continue;
    if (found != nullptr && found->digest != each.digest)
      return Bad(folder_->path() + "/index.json", "names two manifests '" + Printable(tag, 130) + "'");
    found = &each;
  }
  return found != nullptr ? found : FindSaved(tag);
}

// What `cosign save` calls the signatures or attestations of its one image.
const image::Descriptor* Layout::FindSaved(std::string_view tag) const {
  auto subject = DigestOfTag(tag);
  bool signatures = tag.ends_with(".sig");
  if (!subject.has_value() || (!signatures && !tag.ends_with(".att"))) return nullptr;
  const std::string wanted = std::string(kCosignPrefix) + (signatures ? "sigs" : "atts");
  const image::Descriptor* found = nullptr;
  std::size_t images = 0;
  std::size_t those = 0;
  bool ours = false;
  for (const image::Descriptor& each : index_.manifests) {
    std::string kind = Annotation(each, kCosignKind);
    bool is_image = kind.starts_with(std::string(kCosignPrefix) + "image");
    images += is_image ? 1 : 0;
    ours = ours || (is_image && each.digest == *subject);
    if (kind != wanted) continue;
    ++those;
    found = &each;
  }
  return images == 1 && ours && those == 1 ? found : nullptr;
}

// What a manifest is said to be: by index.json, or by itself (image-spec: mediaType "SHOULD be used" since 1.1), or by
// what it is made of, which the parser holds against the rest of it (CVE-2021-41190).
std::string Layout::TypeOf(const Digest& digest, std::string_view bytes) const {
  for (const image::Descriptor& each : index_.manifests) {
    if (each.digest == digest) return each.media_type;
  }
  auto document = codec::JsonDocument::Parse(bytes, {limits::kManifestBytes});
  if (!document.ok() || !document->root().IsObject()) return "";
  if (auto type = document->root().Find("mediaType"); type.has_value())
    return std::string(type->AsString().value_or(""));
  return std::string(document->root().Find("manifests").has_value() ? image::kOciIndex : image::kOciManifest);
}

Result<Content> Layout::Read(const Digest& digest, std::size_t max_bytes, const std::string& content_type) const {
  std::string algorithm = digest.text().substr(0, digest.text().find(':'));
  ASSIGN_OR_RETURN(auto bytes, folder_->Read({"blobs", algorithm, std::string(digest.hex())}, max_bytes));
  if (!bytes.has_value()) return Content();
  if (!crypto::Matches(digest, AsBytes(*bytes)))
    return Error{Reason::kContentMismatch, folder_->path(), "the file of " + digest.text() + " does not hash to it"};
  return Content(VerifiedContent(digest, *std::move(bytes), content_type));
}

Result<Content> Layout::GetManifestByTag(const image::Reference& /*ref*/, std::string_view tag,
                                         const Credentials& /*credentials*/, const Deadline& /*deadline*/) {
  if (!image::IsTag(tag))
    return Error{Reason::kImageReferenceMalformed, folder_->path(), "'" + Printable(tag, 100) + "' is no tag"};
  ASSIGN_OR_RETURN(const image::Descriptor* descriptor, FindTag(tag));
  if (descriptor == nullptr) return Content();
  ASSIGN_OR_RETURN(Content content, Read(descriptor->digest, limits::kManifestBytes, descriptor->media_type));
  // A layout may leave blobs out, which are then to be had elsewhere; what a tag stands for is no blob to miss.
  if (!content.has_value()) return Bad(folder_->path(), "lists " + descriptor->digest.text() + " and does not have it");
  return content;
}

Result<Content> Layout::GetManifest(const image::Reference& /*ref*/, const Digest& digest,
                                    const Credentials& /*credentials*/, const Deadline& /*deadline*/) {
  ASSIGN_OR_RETURN(Content content, Read(digest, limits::kManifestBytes, ""));
  if (content.has_value()) content->content_type_ = TypeOf(digest, content->bytes());
  return content;
}

Result<Content> Layout::GetBlob(const image::Reference& /*ref*/, const Digest& digest, std::size_t max_bytes,
                                const Credentials& /*credentials*/, const Deadline& /*deadline*/) {
  return Read(digest, max_bytes, "application/octet-stream");
}

// One look at every manifest of index.json. The lock is held.
Status Layout::ReadSubjects() {
  std::size_t left = kScannedBytes;
  std::set<std::string> seen;
  for (const image::Descriptor& each : index_.manifests) {
    if (!seen.insert(each.digest.text()).second) continue;
    ASSIGN_OR_RETURN(Content content, Read(each.digest, std::min(left, limits::kManifestBytes), each.media_type));
    if (!content.has_value()) continue;
    left -= content->bytes().size();
    auto parsed = image::ParseManifest(content->bytes(), content->content_type());
    // What is neither a manifest nor an index may stand in index.json, and refers to nothing.
    if (!parsed.ok() && parsed.error().reason == Reason::kContentUnsupported) continue;
    if (!parsed.ok()) return parsed.error().In(folder_->path() + "/" + each.digest.text());
    image::Descriptor descriptor = each;
    std::optional<image::Descriptor> subject;
    if (const auto* manifest = std::get_if<image::Manifest>(&*parsed)) {
      // distribution-spec, "Listing Referrers": artifactType is the manifest's, or, where that has none, its config's
      // media type.
      descriptor.artifact_type =
          manifest->artifact_type.empty() ? manifest->config.media_type : manifest->artifact_type;
      subject = manifest->subject;
    } else {
      descriptor.artifact_type = std::get<image::Index>(*parsed).artifact_type;
      subject = std::get<image::Index>(*parsed).subject;
    }
    if (subject.has_value()) by_subject_[subject->digest.text()].push_back(std::move(descriptor));
  }
  subjects_read_ = true;
  return Ok();
}

Result<ReferrerList> Layout::Referrers(const image::Reference& /*ref*/, const Digest& digest,
                                       const std::vector<std::string>& artifact_types,
                                       const Credentials& /*credentials*/, const Deadline& /*deadline*/) {
  ReferrerCollector collector(digest, artifact_types);
  {
    std::scoped_lock lock(mutex_);
    if (!subjects_read_) {
      by_subject_.clear();
      RETURN_IF_ERROR(ReadSubjects());
    }
    if (auto found = by_subject_.find(digest.text()); found != by_subject_.end()) {
      for (const image::Descriptor& each : found->second) collector.Add(each);
    }
  }
  ASSIGN_OR_RETURN(const image::Descriptor* listed, FindTag(ReferrersTag(digest)));
  if (listed == nullptr) return std::move(collector).Take();
  ASSIGN_OR_RETURN(Content page, Read(listed->digest, limits::kManifestBytes, listed->media_type));
  if (!page.has_value()) return Bad(folder_->path(), "lists " + listed->digest.text() + " and does not have it");
  Status added = collector.AddPage(page->bytes(), page->content_type());
  if (!added.ok() && added.error().reason != Reason::kContentUnsupported) return added.error().In(folder_->path());
  return std::move(collector).Take();
}

}  // namespace gatehouse::registry
