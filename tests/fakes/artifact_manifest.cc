#include "tests/fakes/artifact_manifest.h"

#include "common/crypto/hash.h"

namespace gatehouse::fakes {
namespace {

constexpr std::string_view kEmptyType = "application/vnd.oci.empty.v1+json";
constexpr std::string_view kNotationType = "application/vnd.cncf.notary.signature";

JsonValue Descriptor(std::string_view media_type, std::string_view digest, std::size_t size) {
  JsonValue json = JsonValue::Object();
  json.Member("mediaType") = JsonValue::String(media_type);
  json.Member("digest") = JsonValue::String(digest);
  json.Member("size") = JsonValue::Number(size);
  return json;
}

JsonValue AddBlob(ArtifactManifest& manifest, std::string_view media_type, const std::string& blob) {
  manifest.blobs.push_back(blob);
  return Descriptor(media_type, crypto::Sha256Digest(AsBytes(blob)).text(), blob.size());
}

// An image manifest with an empty list of layers.
ArtifactManifest Start(std::string_view artifact_type, std::string_view config_type) {
  ArtifactManifest manifest{.json = JsonValue::Object(), .blobs = {}};
  manifest.json.Member("schemaVersion") = JsonValue::Number(2);
  manifest.json.Member("mediaType") = JsonValue::String(manifest.media_type);
  if (!artifact_type.empty()) manifest.json.Member("artifactType") = JsonValue::String(artifact_type);
  manifest.json.Member("config") = AddBlob(manifest, config_type, "{}");
  manifest.json.Member("layers") = JsonValue::Array();
  return manifest;
}

void AddLayer(ArtifactManifest& manifest, JsonValue descriptor) {
  manifest.json.Member("layers").elements.push_back(std::move(descriptor));
}

void SetSubject(ArtifactManifest& manifest, const StoredDescriptor& subject) {
  manifest.json.Member("subject") = Descriptor(subject.media_type, subject.digest.text(), subject.size);
}

}  // namespace

ArtifactManifest BundleManifest(const StoredDescriptor& subject, const std::vector<std::string>& bundles,
                                const BundleManifestOptions& options) {
  ArtifactManifest manifest = Start(options.artifact_type, kEmptyType);
  for (const std::string& bundle : bundles) AddLayer(manifest, AddBlob(manifest, options.layer_media_type, bundle));
  SetSubject(manifest, subject);
  JsonValue& annotations = manifest.json.Member("annotations");
  annotations.Member("dev.sigstore.bundle.content") = JsonValue::String(options.content);
  if (!options.predicate_type.empty()) {
    annotations.Member("dev.sigstore.bundle.predicateType") = JsonValue::String(options.predicate_type);
  }
  annotations.Member("org.opencontainers.image.created") = JsonValue::String(TimeText(kPkiNow));
  return manifest;
}

ArtifactManifest LegacyManifest(const Digest& image, const std::vector<LegacyLayer>& layers,
                                const std::string& suffix) {
  ArtifactManifest manifest = Start("", "application/vnd.oci.image.config.v1+json");
  for (const LegacyLayer& layer : layers) {
    JsonValue descriptor = AddBlob(manifest, layer.media_type, layer.payload);
    for (const auto& [name, value] : layer.annotations) {
      descriptor.Member("annotations").Member(name) = JsonValue::String(value);
    }
    AddLayer(manifest, std::move(descriptor));
  }
  manifest.tag = std::string(Name(image.algorithm())) + "-" + std::string(image.hex()) + suffix;
  return manifest;
}

ArtifactManifest NotationManifest(const StoredDescriptor& subject, const NotationSignature& signature,
                                  bool legacy_config) {
  ArtifactManifest manifest = Start(legacy_config ? "" : kNotationType, legacy_config ? kNotationType : kEmptyType);
  AddLayer(manifest, AddBlob(manifest, signature.media_type, signature.envelope));
  SetSubject(manifest, subject);
  JsonValue thumbprints = JsonValue::Array();
  for (const std::string& each : signature.thumbprints) thumbprints.elements.push_back(JsonValue::String(each));
  JsonValue& annotations = manifest.json.Member("annotations");
  annotations.Member("io.cncf.notary.x509chain.thumbprint#S256") = JsonValue::String(thumbprints.Write());
  annotations.Member("org.opencontainers.image.created") = JsonValue::String(TimeText(kPkiNow));
  return manifest;
}

Digest Store(MemoryRegistry& registry, const std::string& repository, const ArtifactManifest& manifest) {
  for (const std::string& blob : manifest.blobs) registry.PutBlob(repository, blob);
  return registry.PutManifest(repository, manifest.tag, manifest.json.Write(), manifest.media_type);
}

Digest Store(FakeRegistry& registry, const std::string& repository, const ArtifactManifest& manifest) {
  for (const std::string& blob : manifest.blobs) registry.PutBlob(repository, blob);
  std::optional<std::string> tag;
  if (!manifest.tag.empty()) tag = manifest.tag;
  return registry.PutManifest(repository, tag, manifest.json.Write(), manifest.media_type);
}

}  // namespace gatehouse::fakes
