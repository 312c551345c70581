// What cosign 2, cosign 3, oras and notation put into a registry beside an image: manifests with their blobs, for any
// registry of the tests.
//
//   Digest image = registry.PutImage("app", "1", "content");
//   Store(registry, "app", BundleManifest(registry.Describe("app", image), {sigstore.SignImage(image).Text()}));
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/fakes/memory_registry.h"
#include "tests/fakes/notation.h"
#include "tests/fakes/registry.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::fakes {

struct ArtifactManifest {
  JsonValue json;  // may be edited before it is stored
  std::string media_type = "application/vnd.oci.image.manifest.v1+json";
  std::vector<std::string> blobs = {};
  std::string tag = {};  // "" of a referrer
};

struct BundleManifestOptions {
  std::string artifact_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
  std::string layer_media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
  std::string content = "dsse-envelope";  // dev.sigstore.bundle.content
  std::string predicate_type = {};        // dev.sigstore.bundle.predicateType; "" leaves it out
};
// cosign 3: a referrer with one bundle. Several layers if several bundles are given (which cosign does not make).
[[nodiscard]] ArtifactManifest BundleManifest(const StoredDescriptor& subject, const std::vector<std::string>& bundles,
                                              const BundleManifestOptions& options = {});
// cosign 2: all signatures of the image (suffix ".sig"), or all attestations (".att"), under a tag.
[[nodiscard]] ArtifactManifest LegacyManifest(const Digest& image, const std::vector<LegacyLayer>& layers,
                                              const std::string& suffix = ".sig");
// notation: a referrer with one envelope and the thumbprints of its chain. `legacy_config`: config.mediaType has the
// artifact type in place of artifactType.
[[nodiscard]] ArtifactManifest NotationManifest(const StoredDescriptor& subject, const NotationSignature& signature,
                                                bool legacy_config = false);

Digest Store(MemoryRegistry& registry, const std::string& repository, const ArtifactManifest& manifest);
Digest Store(FakeRegistry& registry, const std::string& repository, const ArtifactManifest& manifest);

}  // namespace gatehouse::fakes
