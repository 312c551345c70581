#include "common/gate/pinning.h"

#include "common/codec/json.h"

namespace gatehouse::gate {

std::optional<std::string> PinnedName(const std::string& text, const image::Reference& reference,
                                      const Digest& digest) {
  if (reference.digest().has_value() || !reference.tag().has_value()) return std::nullopt;
  for (const std::string& tag : {std::string(), ":" + *reference.tag()}) {
    std::string pinned = text + tag + "@" + digest.text();
    auto same = image::Reference::Parse(pinned);
    if (same.ok() && same->Name() == reference.Name() && same->tag() == reference.tag() && same->digest() == digest) {
      return pinned;
    }
  }
  return std::nullopt;
}

std::string PatchOf(const admission::ReviewRequest& request, const Pinning& pinning) {
  codec::JsonWriter json;
  json.BeginArray();
  for (const Pin& pin : pinning.pins) {
    const admission::ImageUse& use = request.images[pin.image];
    json.BeginObject().Member("op", "test").Member("path", use.pointer).Member("value", use.image).EndObject();
    json.BeginObject().Member("op", "replace").Member("path", use.pointer).Member("value", pin.pinned).EndObject();
  }
  json.EndArray();
  return std::move(json).Finish();
}

}  // namespace gatehouse::gate
