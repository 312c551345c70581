// Manifests and indexes: what is accepted is of the kind that it was served as, within the limits. The first byte
// chooses how it was served.
#include "common/image/manifest.h"

#include <array>

#include "common/base/limits.h"
#include "tests/fuzz/check.h"

namespace image = gatehouse::image;
using gatehouse::Digest;
using gatehouse::Reason;

namespace {

void Check(const image::Descriptor& descriptor) {
  FUZZ_CHECK(!descriptor.media_type.empty());
  FUZZ_CHECK(Digest::Parse(descriptor.digest.text()).value() == descriptor.digest);
  FUZZ_CHECK(descriptor.digest.hex().size() >= 64);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::array<std::string_view, 4> kTypes = {image::kOciManifest, image::kOciIndex, image::kDockerManifest,
                                                      image::kDockerList};
  if (size == 0) return 0;
  std::size_t chosen = data[0] % kTypes.size();
  auto parsed = image::ParseManifest(gatehouse::AsText({data + 1, size - 1}), kTypes[chosen]);
  if (!parsed.ok()) {
    FUZZ_CHECK(parsed.error().reason == Reason::kManifestMalformed || parsed.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  bool is_index = chosen % 2 == 1;
  FUZZ_CHECK(std::holds_alternative<image::Index>(*parsed) == is_index);
  if (is_index) {
    const auto& index = std::get<image::Index>(*parsed);
    FUZZ_CHECK(index.media_type == kTypes[chosen]);
    FUZZ_CHECK(index.manifests.size() <= gatehouse::limits::kIndexManifests);
    for (const auto& descriptor : index.manifests) Check(descriptor);
    return 0;
  }
  const auto& manifest = std::get<image::Manifest>(*parsed);
  FUZZ_CHECK(manifest.media_type == kTypes[chosen]);
  FUZZ_CHECK(manifest.layers.size() <= gatehouse::limits::kManifestLayers);
  Check(manifest.config);
  for (const auto& descriptor : manifest.layers) Check(descriptor);
  if (manifest.subject.has_value()) Check(*manifest.subject);
  return 0;
}
