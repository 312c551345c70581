#include "common/image/manifest.h"

#include <algorithm>
#include <array>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::image {
namespace {

using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::array<std::string_view, 10> kDocumentKeys = {"schemaVersion", "mediaType", "artifactType", "config",
                                                            "layers",        "manifests", "subject",      "annotations",
                                                            "fsLayers",      "blobs"};
constexpr std::array<std::string_view, 7> kDescriptorKeys = {"mediaType", "digest",       "size", "annotations",
                                                             "platform",  "artifactType", "data"};

// As Go's encoding/json folds a key before it looks for a field: ASCII case, the long s, and the Kelvin sign.
std::string Fold(std::string_view key) {
  std::string folded;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (key.substr(i, 2) == "\xC5\xBF") {
      folded += 's';
      i += 1;
    } else if (key.substr(i, 3) == "\xE2\x84\xAA") {
      folded += 'k';
      i += 2;
    } else {
      folded += key[i] >= 'A' && key[i] <= 'Z' ? static_cast<char>(key[i] - 'A' + 'a') : key[i];
    }
  }
  return folded;
}

// image-spec: "Implementations [...] MUST NOT generate an error if they encounter an unknown property." But container
// runtimes read "Layers" as "layers", so a document with both means one thing here and another there.
template <std::size_t kCount>
void IgnoreUnknown(ObjectReader& reader, const std::array<std::string_view, kCount>& known) {
  reader.IgnoreUnknown();
  if (!reader.view().IsObject()) return;  // the reader has failed already
  for (std::size_t i = 0; i < reader.view().size(); ++i) {
    std::string_view key = reader.view().member(i).key;
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    std::string folded = Fold(key);
    for (std::string_view name : known) {
      if (Fold(name) == folded)
        reader.Fail(key, "is read as '" + std::string(name) + "' by some and ignored by others");
    }
  }
}

std::map<std::string, std::string> Annotations(ObjectReader& reader) {
  std::map<std::string, std::string> annotations;
  for (auto& [key, value] : reader.StringMap("annotations", Presence::kOptional))
    annotations.emplace(key, std::move(value));
  return annotations;
}

// One part of a platform; manifests of artifacts have it empty.
std::string PlatformPart(ObjectReader& reader, std::string_view key) {
  auto value = reader.Raw(key);
  if (!value.has_value()) return "";
  auto text = value->AsString();
  auto plain = [](char c) { return c > 0x20 && c < 0x7F && c != '/'; };
  if (!text.has_value() || text->size() > 64 || !std::all_of(text->begin(), text->end(), plain)) {
    reader.Fail(key, "must be a short name");
    return "";
  }
  return std::string(*text);
}

std::string Platform(ObjectReader& reader) {
  std::string platform;
  reader.Object("platform", Presence::kOptional, [&](ObjectReader& inner) {
    inner.IgnoreUnknown();  // os.version, os.features
    std::string os = PlatformPart(inner, "os");
    std::string architecture = PlatformPart(inner, "architecture");
    std::string variant = PlatformPart(inner, "variant");
    if (os.empty() != architecture.empty()) inner.Fail("os", "and architecture come together");
    if (os.empty()) return;
    platform = os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
  });
  return platform;
}

// Nothing when the reader has failed: a Digest cannot be empty.
std::optional<Descriptor> ReadDescriptor(ObjectReader& reader) {
  IgnoreUnknown(reader, kDescriptorKeys);
  std::string media_type = reader.String("mediaType");
  auto digest = Digest::Parse(reader.String("digest"));
  if (!digest.ok()) reader.Fail("digest", digest.error().detail);
  auto size = reader.Int("size", 0, std::numeric_limits<std::int64_t>::max());
  auto annotations = Annotations(reader);
  auto artifact_type = reader.OptionalString("artifactType").value_or("");
  auto platform = Platform(reader);
  if (!reader.ok()) return std::nullopt;
  return Descriptor{std::move(media_type),
                    *digest,
                    static_cast<std::uint64_t>(size),
                    std::move(annotations),
                    std::move(artifact_type),
                    std::move(platform)};
}

std::optional<Descriptor> ReadDescriptor(ObjectReader& reader, std::string_view key, Presence presence) {
  std::optional<Descriptor> descriptor;
  reader.Object(key, presence, [&](ObjectReader& inner) { descriptor = ReadDescriptor(inner); });
  return descriptor;
}

// The array must be there; image-spec allows it to be empty.
std::vector<Descriptor> ReadDescriptors(ObjectReader& reader, std::string_view key, std::size_t most) {
  std::vector<Descriptor> descriptors;
  auto array = reader.Raw(key);
  if (!array.has_value()) reader.Fail(key, "is required");
  if (array.has_value() && array->size() > most) {
    reader.Fail(Error{Reason::kLimitExceeded, "", "more than " + std::to_string(most) + " " + std::string(key)});
  }
  if (!reader.ok()) return descriptors;
  reader.Each(key, Presence::kOptional, [&](ObjectReader& inner) {
    if (auto descriptor = ReadDescriptor(inner)) descriptors.push_back(*std::move(descriptor));
  });
  return descriptors;
}

void Forbid(ObjectReader& reader, std::initializer_list<std::string_view> keys, std::string_view kind) {
  for (std::string_view key : keys) {
    if (reader.Has(key)) reader.Fail(key, "must not be in " + std::string(kind) + " (CVE-2021-41190)");
  }
}

// What both kinds begin with. image-spec manifest.md: schemaVersion "MUST be 2"; mediaType, when used, "MUST match"
// what the document is served as. Docker's two formats require it.
std::string ReadHead(ObjectReader& reader, const std::string& content_type) {
  IgnoreUnknown(reader, kDocumentKeys);
  (void)reader.Int("schemaVersion", 2, 2);
  auto media_type = reader.OptionalString("mediaType");
  bool docker = content_type == kDockerManifest || content_type == kDockerList;
  if (docker && !media_type.has_value()) reader.Fail("mediaType", "is required in Docker's format");
  if (media_type.has_value() && *media_type != content_type) {
    reader.Fail("mediaType",
                "is '" + Printable(*media_type, 100) + "', but the registry served it as '" + content_type + "'");
  }
  return reader.OptionalString("artifactType").value_or("");
}

Result<Manifest> ReadManifest(ObjectReader& reader, const std::string& content_type) {
  std::string artifact_type = ReadHead(reader, content_type);
  Forbid(reader, {"manifests", "fsLayers", "blobs"}, "a manifest");
  auto config = ReadDescriptor(reader, "config", Presence::kRequired);
  auto layers = ReadDescriptors(reader, "layers", limits::kManifestLayers);
  auto subject = ReadDescriptor(reader, "subject", Presence::kOptional);
  auto annotations = Annotations(reader);
  RETURN_IF_ERROR(reader.Finish());
  return Manifest{content_type,      std::move(artifact_type), *std::move(config),
                  std::move(layers), std::move(subject),       std::move(annotations)};
}

Result<Index> ReadIndex(ObjectReader& reader, const std::string& content_type, std::size_t max_manifests) {
  std::string artifact_type = ReadHead(reader, content_type);
  Forbid(reader, {"layers", "config", "fsLayers", "blobs"}, "an index");
  auto manifests = ReadDescriptors(reader, "manifests", max_manifests);
  auto subject = ReadDescriptor(reader, "subject", Presence::kOptional);
  auto annotations = Annotations(reader);
  RETURN_IF_ERROR(reader.Finish());
  return Index{content_type, std::move(artifact_type), std::move(manifests), std::move(subject),
               std::move(annotations)};
}

// Without parameters ("; charset=utf-8") and white space, in lower case (RFC 9110 section 8.3.1).
std::string Essence(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (!content_type.empty() && (content_type.back() == ' ' || content_type.back() == '\t'))
    content_type.remove_suffix(1);
  std::string essence(content_type);
  for (char& c : essence) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return essence;
}

bool IsIndex(const std::string& type) {
  return type == kOciIndex || type == kDockerList;
}

Error NotServedAsOne(std::string_view content_type) {
  return {Reason::kContentUnsupported, "manifest", "the registry served it as '" + Printable(content_type, 100) + "'"};
}

Result<codec::JsonDocument> ParseDocument(std::string_view bytes) {
  auto document = codec::JsonDocument::Parse(bytes, {limits::kManifestBytes});
  if (document.ok()) return document;
  Error error = std::move(document).error().In("manifest");
  if (error.reason == Reason::kJsonMalformed) error.reason = Reason::kManifestMalformed;
  return error;
}

}  // namespace

Result<std::variant<Manifest, Index>> ParseManifest(std::string_view bytes, std::string_view content_type) {
  std::string type = Essence(content_type);
  if (IsIndex(type)) {
    ASSIGN_OR_RETURN(Index index, ParseIndex(bytes, content_type, limits::kIndexManifests));
    return std::variant<Manifest, Index>(std::move(index));
  }
  if (type != kOciManifest && type != kDockerManifest) return NotServedAsOne(content_type);
  ASSIGN_OR_RETURN(codec::JsonDocument document, ParseDocument(bytes));
  ObjectReader reader(document, document.root(), Reason::kManifestMalformed);
  auto manifest = ReadManifest(reader, type);
  if (!manifest.ok()) return manifest.error().In("manifest");
  return std::variant<Manifest, Index>(*std::move(manifest));
}

Result<Index> ParseIndex(std::string_view bytes, std::string_view content_type, std::size_t max_manifests) {
  std::string type = Essence(content_type);
  if (!IsIndex(type)) return NotServedAsOne(content_type);
  ASSIGN_OR_RETURN(codec::JsonDocument document, ParseDocument(bytes));
  ObjectReader reader(document, document.root(), Reason::kManifestMalformed);
  auto index = ReadIndex(reader, type, max_manifests);
  if (!index.ok()) return index.error().In("manifest");
  return index;
}

}  // namespace gatehouse::image
