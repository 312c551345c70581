// List and watch of one resource: what the API server has, kept in step, for as long as the process lives.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/kube/api.h"
#include "common/telemetry/log.h"

namespace gatehouse::kube {

struct ObjectKey {
  std::string namespace_name;  // empty for what has none
  std::string name;
  auto operator<=>(const ObjectKey&) const = default;
  [[nodiscard]] std::string ToString() const;  // "ns/name" or "name"
};

// Called from the informer's own thread, one call at a time.
class Observer {
 public:
  virtual ~Observer() = default;
  // Added or changed; also once for everything that a (repeated) list holds.
  virtual void OnObject(const ObjectKey& key, codec::JsonView object) = 0;
  virtual void OnGone(const ObjectKey& key) = 0;
  // After each complete list, and after each run of watch events with no more at hand: what was seen is a whole.
  virtual void OnSettled() {}
};

struct InformerOptions {
  Resource resource;
  std::string namespace_name = {};  // empty: all
  std::string field_selector = {};  // "metadata.name=gatehouse-tls"
  std::string label_selector = {};
  bool metadata_only = false;  // PartialObjectMetadata: labels and annotations of objects that are large otherwise
  // A resource that the server does not serve (404) is an empty one, looked at again each minute, rather than a fault.
  bool optional = false;
  // How long it waits after failures (at least half of that, at random), and for a resource that is not served.
  Duration first_backoff{500};
  Duration max_backoff{30'000};
  Duration absent_period{60'000};
};

// Lists in pages (limit, continue; half as many objects where a page is larger than is read), then watches from there
// (allowWatchBookmarks; timeoutSeconds a random 4 to 6 minutes); goes on from the last resourceVersion when a watch
// ends; lists again on 410 or an ERROR event, consistently; what vanished in between is reported gone. Backs off from
// 0.5 s to 30 s with jitter after failures, and is nice to the server: one request at a time. An object that cannot be
// read (no metadata.name) is logged and passed over.
class Informer {
 public:
  Informer(Api& api, InformerOptions options, Observer& observer, telemetry::Logger& log, Random random);
  ~Informer();  // Stop()
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  void Start();
  // Ends the thread, within about limits::kStreamTick plus what a request under way takes.
  void Stop();

  // Whether a complete list was seen: once OnSettled() of the first one has returned, so that whoever waits for this
  // finds what the observer made of it.
  [[nodiscard]] bool Synced() const;
  // How long ago the server last said anything (a list, an event, a bookmark) or kept an established watch open: a
  // watch whose connection stands is fresh. Zero before the first list.
  [[nodiscard]] Duration SilentFor() const;
  // Why it is not in step now; empty if it is.
  [[nodiscard]] std::string Problem() const;
  [[nodiscard]] const InformerOptions& options() const;
  struct Counts {
    std::uint64_t lists = 0;
    std::uint64_t watches = 0;
    std::uint64_t events = 0;
    std::uint64_t failures = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::kube
