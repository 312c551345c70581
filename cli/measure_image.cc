// gatehouse measure image REF: every file of a container image that can be run, with its digest.
#include <algorithm>
#include <iostream>

#include "cli/layer_files.h"
#include "cli/reference_file.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/import/file_lists.h"
#include "common/registry/layout.h"

namespace gatehouse::cli {
namespace {

constexpr std::string_view kLayout = "oci:";
constexpr std::chrono::minutes kLayerTime{30};  // of a large one over a slow line

// Where an image comes from, and what is asked of it.
class Puller {
 public:
  Puller(registry::ImageSource& images, image::Reference reference, registry::Credentials credentials, Duration timeout)
      : images_(images), reference_(std::move(reference)), credentials_(std::move(credentials)), timeout_(timeout) {}

  Result<registry::VerifiedContent> ByTag(std::string_view tag) {
    ASSIGN_OR_RETURN(auto found, images_.GetManifestByTag(reference_, tag, credentials_, Deadline(clock_, timeout_)));
    return Found(std::move(found), std::string(tag));
  }
  Result<registry::VerifiedContent> ByDigest(const Digest& digest) {
    ASSIGN_OR_RETURN(auto found, images_.GetManifest(reference_, digest, credentials_, Deadline(clock_, timeout_)));
    return Found(std::move(found), digest.text());
  }
  Result<registry::VerifiedContent> Layer(const image::Descriptor& layer) {
    if (layer.size > limits::kLayerBytes)
      return Error{Reason::kLimitExceeded, layer.digest.text(), "a layer of more than 2 GiB"};
    ASSIGN_OR_RETURN(auto found, images_.GetBlob(reference_, layer.digest, limits::kLayerBytes, credentials_,
                                                 Deadline(clock_, kLayerTime)));
    return Found(std::move(found), layer.digest.text());
  }

 private:
  Result<registry::VerifiedContent> Found(std::optional<registry::VerifiedContent> content, const std::string& what) {
    if (content) return *std::move(content);
    return Error{Reason::kImageNotFound, reference_.Name(), "there is no " + Printable(what)};
  }
  const SystemClock clock_;
  registry::ImageSource& images_;
  image::Reference reference_;
  registry::Credentials credentials_;
  Duration timeout_;
};

// The manifests of an index that are for `platform`; for "all", of every platform that has a name.
Result<std::vector<image::Descriptor>> Choose(const image::Index& index, const std::string& platform) {
  std::vector<image::Descriptor> chosen;
  std::string there;
  for (const image::Descriptor& each : index.manifests) {
    if (each.platform.empty() || each.platform.starts_with("unknown/")) continue;  // attestations of BuildKit
    there += (there.empty() ? "" : ", ") + Printable(each.platform, 64);
    if (platform == "all" || each.platform == platform) chosen.push_back(each);
  }
  for (const image::Descriptor& each : index.manifests) {  // "linux/arm64" is also "linux/arm64/v8"
    if (chosen.empty() && each.platform.starts_with(platform + "/")) chosen.push_back(each);
  }
  if (!chosen.empty()) return chosen;
  return Error{Reason::kUsage, "--platform",
               "the image is not for " + Printable(platform, 64) + "; it is for " + (there.empty() ? "none" : there)};
}

struct Measured {
  Digest digest;  // of what the reference stands for
  std::vector<appraisal::DigestSet::Entry> entries;
  std::vector<std::string> platforms;
  std::size_t files = 0;  // that cannot be run are counted, too
};

Status MeasureOne(Puller& puller, const registry::VerifiedContent& content, Measured& measured) {
  ASSIGN_OR_RETURN(const auto parsed, image::ParseManifest(content.bytes(), content.content_type()));
  const auto* manifest = std::get_if<image::Manifest>(&parsed);
  if (manifest == nullptr)
    return Error{Reason::kManifestMalformed, content.digest().text(), "an index within an index"};
  ImageFiles files;
  for (const image::Descriptor& layer : manifest->layers) {
    ASSIGN_OR_RETURN(const auto blob, puller.Layer(layer));
    if (Status added = files.AddLayer(layer.media_type, AsBytes(blob.bytes())); !added.ok())
      return added.error().In(layer.digest.text());
  }
  measured.files += files.files();
  for (auto& [path, digest] : files.Runnable()) measured.entries.push_back({HashAlgorithm::kSha256, digest, path});
  return Ok();
}

Result<Measured> Measure(Puller& puller, const registry::VerifiedContent& content, const std::string& platform) {
  Measured measured{.digest = content.digest(), .entries = {}, .platforms = {}};
  ASSIGN_OR_RETURN(const auto parsed, image::ParseManifest(content.bytes(), content.content_type()));
  const auto* index = std::get_if<image::Index>(&parsed);
  if (index == nullptr) {
    RETURN_IF_ERROR(MeasureOne(puller, content, measured));
    return measured;
  }
  ASSIGN_OR_RETURN(const auto chosen, Choose(*index, platform));
  for (const image::Descriptor& each : chosen) {
    ASSIGN_OR_RETURN(const auto manifest, puller.ByDigest(each.digest));
    RETURN_IF_ERROR(MeasureOne(puller, manifest, measured));
    measured.platforms.push_back(each.platform);
  }
  return measured;
}

Result<Measured> OfLayout(const MeasureOptions& options) {
  ASSIGN_OR_RETURN(registry::LayoutName name,
                   registry::ParseLayoutName(std::string_view(options.image).substr(kLayout.size())));
  ASSIGN_OR_RETURN(auto layout, registry::Layout::Open(name.folder));
  Puller puller(*layout, name.reference, {}, std::chrono::seconds(options.registry.timeout_seconds));
  if (!name.any && !name.reference.digest()) {
    ASSIGN_OR_RETURN(const auto content, puller.ByTag(*name.reference.tag()));
    return Measure(puller, content, options.platform);
  }
  ASSIGN_OR_RETURN(const Digest digest, name.any ? layout->OnlyImage() : Result<Digest>(*name.reference.digest()));
  ASSIGN_OR_RETURN(const auto content, puller.ByDigest(digest));
  return Measure(puller, content, options.platform);
}

Result<Measured> OfRegistry(const MeasureOptions& options) {
  ASSIGN_OR_RETURN(const image::Reference reference, image::Reference::Parse(options.image));
  ASSIGN_OR_RETURN(auto transport, MakeTransport(options.registry, kLayerTime));
  ASSIGN_OR_RETURN(auto credentials, ReadCredentials(options.registry));
  const SystemClock clock;
  registry::Client client(*transport, clock, {.insecure_hosts = options.registry.insecure});
  Puller puller(client, reference, std::move(credentials), std::chrono::seconds(options.registry.timeout_seconds));
  ASSIGN_OR_RETURN(const auto content,
                   reference.digest() ? puller.ByDigest(*reference.digest()) : puller.ByTag(*reference.tag()));
  return Measure(puller, content, options.platform);
}

void Print(const std::string& name, const Measured& measured, bool as_json) {
  if (!as_json) {
    for (const auto& entry : measured.entries) std::cout << importer::FormatSum(entry.digest, entry.path);
    std::cerr << measured.entries.size() << " of " << measured.files << " files of " << Printable(name) << " ("
              << measured.digest.text() << ") can be run\n";
    return;
  }
  codec::JsonWriter json;
  json.BeginObject().Member("image", name).Member("digest", measured.digest.text()).Key("platforms").BeginArray();
  for (const std::string& platform : measured.platforms) json.String(platform);
  json.EndArray().Key("files").BeginArray();
  for (const auto& entry : measured.entries)
    json.BeginObject().Member("path", entry.path).Member("sha256", EncodeHex(entry.digest)).EndObject();
  json.EndArray().EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

}  // namespace

int MeasureImage(const MeasureOptions& options) {
  auto measured = options.image.starts_with(kLayout) ? OfLayout(options) : OfRegistry(options);
  if (!measured.ok()) {
    PrintError(measured.error(), options.json);
    return ExitCodeOf(measured.error());
  }
  if (options.output.empty()) {
    Print(options.image, *measured, options.json);
    return kAdmitted;
  }
  ReferenceFile file{.entries = std::move(measured->entries),
                     .notes = {},
                     .source = "What can be run in " + options.image + " (" + measured->digest.text() + ")",
                     .from_images = true};
  return WriteReferenceFile(std::move(file), options);
}

}  // namespace gatehouse::cli
