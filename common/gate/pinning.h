// Which images of a pod are to be named by the digest that was verified, in place of a tag that may move.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/admission/review.h"
#include "common/image/reference.h"

namespace gatehouse::gate {

struct Pin {
  std::size_t image;   // index in ReviewRequest::images
  std::string pinned;  // "registry.example/app:1@sha256:…"
};

struct Pinning {
  std::vector<Pin> pins;
  std::size_t unchanged = 0;   // images that name a digest already, were there before the update, or are a mirror pod's
  std::size_t unverified = 0;  // that stay as they are: no policy vouches, something denies, or no answer came in time
};

// `text` with the digest behind it, spelt as it was. A tag that goes without saying ("latest") is written out, so that
// policies whose globs name it cover the image as before. Nothing if that would not be the same image.
[[nodiscard]] std::optional<std::string> PinnedName(const std::string& text, const image::Reference& reference,
                                                    const Digest& digest);

// RFC 6902: for each pin, a `test` that the image is still what was judged, and a `replace`. Touches nothing else.
[[nodiscard]] std::string PatchOf(const admission::ReviewRequest& request, const Pinning& pinning);

}  // namespace gatehouse::gate
