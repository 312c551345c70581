#include "common/kube/watch_event.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::kube {
namespace {

constexpr std::size_t kShownBytes = 300;

Error Malformed(const std::string& detail) {
  return {Reason::kKubeRejected, "an event of the watch", detail};
}

std::optional<WatchEvent::Type> TypeOf(std::string_view name) {
  if (name == "ADDED") return WatchEvent::Type::kAdded;
  if (name == "MODIFIED") return WatchEvent::Type::kModified;
  if (name == "DELETED") return WatchEvent::Type::kDeleted;
  if (name == "BOOKMARK") return WatchEvent::Type::kBookmark;
  if (name == "ERROR") return WatchEvent::Type::kError;
  return std::nullopt;
}

// The Status object that an ERROR event carries (API concepts, "Efficient detection of changes": 410 Gone).
Error ErrorOf(codec::JsonView status) {
  const auto code = status.Find("code");
  const std::int64_t number = code ? code->AsInt().value_or(0) : 0;
  const std::string_view reason = TextAt(status, {"reason"});
  Error error{Reason::kKubeRejected, "the watch",
              "the API server ended it: " + Printable(TextAt(status, {"message"}), kShownBytes)};
  if (number == 410 || reason == "Expired" || reason == "Gone") {
    error.reason = Reason::kKubeExpired;
  } else if (number == 429 || number >= 500) {
    error.reason = Reason::kKubeUnavailable;
  }
  return error;
}

}  // namespace

ObjectKey KeyOf(codec::JsonView object) {
  return {std::string(TextAt(object, {"metadata", "namespace"})), std::string(TextAt(object, {"metadata", "name"}))};
}

Result<WatchEvent> ParseWatchEvent(std::string_view line) {
  auto document = codec::JsonDocument::Parse(line, {limits::kKubeObjectBytes});
  if (!document.ok()) return Malformed(document.error().detail);
  const auto type = TypeOf(TextAt(document->root(), {"type"}));
  if (!type) return Malformed("it is of no type that the API specifies");
  const auto object = document->root().Find("object");
  if (!object || !object->IsObject()) return Malformed("it holds no object");
  WatchEvent event{*type, std::move(*document), {}, {}, std::nullopt};
  if (*type == WatchEvent::Type::kError) {
    event.error = ErrorOf(event.object());
    return event;
  }
  event.resource_version = TextAt(event.object(), {"metadata", "resourceVersion"});
  if (event.resource_version.empty()) return Malformed("its object has no resourceVersion");
  if (*type != WatchEvent::Type::kBookmark) event.key = KeyOf(event.object());
  return event;
}

}  // namespace gatehouse::kube
