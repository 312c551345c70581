// OCI and Docker manifests and indexes (image-spec manifest.md, image-index.md), from bytes that already hash to their
// digest.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::image {

inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";

struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size;
  std::map<std::string, std::string> annotations;
  std::string artifact_type;
  std::string platform;  // "linux/arm64/v8" in an index, else empty
};

struct Manifest {
  std::string media_type;
  std::string artifact_type;
  Descriptor config;
  std::vector<Descriptor> layers;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

struct Index {
  std::string media_type;
  std::string artifact_type;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::map<std::string, std::string> annotations;
};

// `content_type` is what the registry said. Refused: a media type field that differs from it, both `layers` and
// `manifests` (CVE-2021-41190), schema version other than 2, too many layers. Errors: kManifestMalformed,
// kContentUnsupported, kLimitExceeded.
[[nodiscard]] Result<std::variant<Manifest, Index>> ParseManifest(std::string_view bytes,
                                                                  std::string_view content_type);

// The same for an index alone, of up to `max_manifests`: an answer of a registry's referrers API lists more than an
// image has platforms. Errors: as ParseManifest; kContentUnsupported for what was not served as an index.
[[nodiscard]] Result<Index> ParseIndex(std::string_view bytes, std::string_view content_type,
                                       std::size_t max_manifests);

}  // namespace gatehouse::image
