// One line of a watch: what is taken for an event says which object at which version, and nothing else passes.
#include "common/kube/watch_event.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::kube::WatchEvent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto event = gatehouse::kube::ParseWatchEvent(gatehouse::AsText({data, size}));
  if (!event.ok()) {
    FUZZ_CHECK(event.error().reason == Reason::kKubeRejected);
    return 0;
  }
  FUZZ_CHECK(event->object().IsObject());
  FUZZ_CHECK(event->error.has_value() == (event->type == WatchEvent::Type::kError));
  FUZZ_CHECK(event->resource_version.empty() == (event->type == WatchEvent::Type::kError));
  FUZZ_CHECK(event->type != WatchEvent::Type::kBookmark || event->key.name.empty());
  // What was read is in the event as it is written again.
  auto again = gatehouse::kube::ParseWatchEvent(event->document.root().Serialize());
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->type == event->type && again->key == event->key);
  FUZZ_CHECK(again->resource_version == event->resource_version);
  return 0;
}
