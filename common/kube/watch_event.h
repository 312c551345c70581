// One line of a watch: what it says, before anybody acts on it.
#pragma once

#include <optional>
#include <string>

#include "common/kube/informer.h"

namespace gatehouse::kube {

struct WatchEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted, kBookmark, kError };
  Type type;
  codec::JsonDocument document;  // the whole event; its object is object()
  ObjectKey key;                 // without a name for an object that has none, and for bookmarks and errors
  std::string resource_version;  // never empty, but for errors
  std::optional<Error> error;    // of kError: kKubeExpired, kKubeUnavailable or kKubeRejected

  [[nodiscard]] codec::JsonView object() const { return *document.root().Find("object"); }
};

// Errors: kKubeRejected for what is no event.
[[nodiscard]] Result<WatchEvent> ParseWatchEvent(std::string_view line);
[[nodiscard]] ObjectKey KeyOf(codec::JsonView object);

}  // namespace gatehouse::kube
