#include "common/kube/informer.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/kube/watch_event.h"

namespace gatehouse::kube {
namespace {

constexpr Duration kListTime{30'000};    // for one page
constexpr Duration kLongEnough{1'000};   // a watch that held that long was none that failed at once
constexpr Duration kWatchGrace{30'000};  // by which a server may be late in ending a watch
constexpr std::uint32_t kWatchSeconds = 240;
constexpr std::uint32_t kWatchSpread = 121;  // so that the watches of many replicas do not end together

}  // namespace

std::string ObjectKey::ToString() const {
  return namespace_name.empty() ? name : namespace_name + "/" + name;
}

struct Informer::Impl {
  Impl(Api& the_api, InformerOptions the_options, Observer& the_observer, telemetry::Logger& the_log, Random the_random)
      : api(the_api),
        options(std::move(the_options)),
        observer(the_observer),
        log(the_log),
        random(std::move(the_random)) {}

  Api& api;
  const InformerOptions options;
  Observer& observer;
  telemetry::Logger& log;
  Random random;
  std::thread thread;
  std::atomic<bool> stopping = false;

  mutable std::mutex mutex;
  std::condition_variable wake;
  bool synced = false;
  MonoTime heard{};
  std::string problem;
  Counts counts;

  // Of the thread alone.
  std::map<ObjectKey, std::string> known;  // with the resourceVersion that was handed over last
  std::string version;                     // to watch from; empty: list first
  unsigned attempts = 0;                   // that came to nothing, in a row
  bool unsettled = false;

  void Run();
  Duration Round();
  Duration AfterFailure(const Error& error);
  Duration Backoff();
  [[nodiscard]] std::uint32_t RandomBelow(std::uint32_t bound) const;

  Duration List();
  Result<codec::JsonDocument> GetPage(const std::string& path, const std::string& next, std::size_t& limit);
  Status ListPages(std::set<ObjectKey>& listed, bool in_pages);
  Status TakePage(const codec::JsonDocument& page, std::set<ObjectKey>& listed, std::string& next);
  void Complete(const std::set<ObjectKey>& listed);
  Duration Absent();

  Duration Watch();
  struct WatchState {
    bool progress = false;
    std::optional<Error> error = std::nullopt;
  };
  bool TakeLine(std::string_view line, WatchState& state);
  void Apply(const WatchEvent& event);

  [[nodiscard]] std::string Query(std::string_view first) const;
  void Heard(bool in_step);
  void SetProblem(const std::string& text);
  void Settle();
  void Count(std::uint64_t Counts::*counter) {
    std::scoped_lock lock(mutex);
    ++(counts.*counter);
  }
};

std::uint32_t Informer::Impl::RandomBelow(std::uint32_t bound) const {
  std::uint32_t value = 0;
  for (std::uint8_t byte : random(4)) value = (value << 8U) | byte;
  return bound == 0 ? 0 : value % bound;
}

Duration Informer::Impl::Backoff() {
  const unsigned doublings = std::min(attempts, 16U);
  ++attempts;
  const Duration longest = std::min(options.max_backoff, options.first_backoff * (1U << doublings));
  const Duration half = longest / 2;
  return half + Duration(RandomBelow(static_cast<std::uint32_t>((longest - half).count()) + 1));
}

void Informer::Impl::Heard(bool in_step) {
  const MonoTime now = api.clock().Mono();
  bool recovered = false;
  {
    std::scoped_lock lock(mutex);
    heard = now;
    recovered = in_step && !problem.empty();
    if (in_step) problem.clear();
  }
  if (recovered) log.Info("in step with the API server again", {{"resource", options.resource.plural}});
}

void Informer::Impl::SetProblem(const std::string& text) {
  std::scoped_lock lock(mutex);
  problem = text;
}

Duration Informer::Impl::AfterFailure(const Error& error) {
  const std::string text = error.ToString();
  bool repeated = false;
  {
    std::scoped_lock lock(mutex);
    ++counts.failures;
    repeated = problem == text;
    problem = text;
  }
  // An outage of an hour is not worth a line each half minute.
  log.Failure(repeated ? telemetry::Level::kDebug : telemetry::Level::kWarn, "not in step with the API server", error,
              {{"resource", options.resource.plural}});
  return Backoff();
}

void Informer::Impl::Settle() {
  if (std::exchange(unsettled, false)) observer.OnSettled();
}

std::string Informer::Impl::Query(std::string_view first) const {
  std::string query = "?" + std::string(first);
  if (!options.field_selector.empty()) query += "&fieldSelector=" + net::EncodeQueryValue(options.field_selector);
  if (!options.label_selector.empty()) query += "&labelSelector=" + net::EncodeQueryValue(options.label_selector);
  return query;
}

// --- the list

Status Informer::Impl::TakePage(const codec::JsonDocument& page, std::set<ObjectKey>& listed, std::string& next) {
  const Error malformed{Reason::kKubeRejected, PathOf(options.resource, options.namespace_name),
                        "the API server's answer is no list"};
  const std::string_view page_version = TextAt(page.root(), {"metadata", "resourceVersion"});
  const auto items = page.root().Find("items");
  // A list that has nothing is written as null by some servers.
  if (page_version.empty() || !items || !(items->IsArray() || items->IsNull())) return malformed;
  for (std::size_t i = 0; i < items->size() && !stopping; ++i) {
    ObjectKey key = KeyOf(items->at(i));
    if (key.name.empty()) {
      log.Warn("an object without a name is passed over", {{"resource", options.resource.plural}});
      continue;
    }
    listed.insert(key);
    known[key] = TextAt(items->at(i), {"metadata", "resourceVersion"});
    observer.OnObject(key, items->at(i));
  }
  next = TextAt(page.root(), {"metadata", "continue"});
  version = page_version;
  return Ok();
}

// Objects are as large as whoever writes them makes them (256 KiB of annotations alone), so a page may be more than is
// read: then it is asked for again with half as many. One object is always read (etcd holds none of more than 1.5 MiB,
// and limits::kKubeResponseBytes is far beyond that); it cannot be passed over either, since what it was called, and
// whether it is known, stands in the very answer that cannot be read.
Result<codec::JsonDocument> Informer::Impl::GetPage(const std::string& path, const std::string& next,
                                                    std::size_t& limit) {
  const Form form = options.metadata_only ? Form::kMetadataList : Form::kObject;
  for (;;) {
    std::string query = Query(limit > 0 ? "limit=" + std::to_string(limit) : std::string("resourceVersion="));
    if (!next.empty()) query += "&continue=" + net::EncodeQueryValue(next);
    auto page = api.Get(path + query, Deadline(api.clock(), kListTime), form);
    if (page.ok() || page.error().reason != Reason::kLimitExceeded || limit <= 1 || stopping) return page;
    limit /= 2;
    log.Info("a page of a list is larger than is read, smaller ones are asked for",
             {{"resource", options.resource.plural}, {"limit", std::to_string(limit)}});
  }
}

Status Informer::Impl::ListPages(std::set<ObjectKey>& listed, bool in_pages) {
  const std::string path = PathOf(options.resource, options.namespace_name);
  std::size_t limit = in_pages ? limits::kKubePageObjects : 0;
  std::string next;
  do {
    ASSIGN_OR_RETURN(const codec::JsonDocument page, GetPage(path, next, limit));
    const std::string asked = next;
    RETURN_IF_ERROR(TakePage(page, listed, next));
    if (!next.empty() && next == asked) return Error{Reason::kKubeRejected, path, "a page that continues with itself"};
  } while (!next.empty() && !stopping);
  return Ok();
}

// What is known and was not listed has gone.
void Informer::Impl::Complete(const std::set<ObjectKey>& listed) {
  std::vector<ObjectKey> gone;
  for (const auto& [key, unused] : known) {
    if (!listed.contains(key)) gone.push_back(key);
  }
  for (const ObjectKey& key : gone) {
    known.erase(key);
    observer.OnGone(key);
  }
  Heard(true);
  unsettled = true;
  Settle();
  std::scoped_lock lock(mutex);
  synced = true;
}

// It is not served: there is nothing of it, for now.
Duration Informer::Impl::Absent() {
  version.clear();
  Complete({});
  return options.absent_period;
}

Duration Informer::Impl::List() {
  Count(&Counts::lists);
  std::set<ObjectKey> listed;
  Status status = ListPages(listed, true);
  if (!status.ok() && status.error().reason == Reason::kKubeExpired) {
    // The rest of a list that was being read is not at hand any more: all of it at once, then.
    listed.clear();
    status = ListPages(listed, false);
  }
  if (stopping) return {};
  if (!status.ok()) {
    version.clear();
    if (options.optional && status.error().reason == Reason::kKubeNotFound) return Absent();
    return AfterFailure(status.error());
  }
  Complete(listed);
  return {};
}

// --- the watch

void Informer::Impl::Apply(const WatchEvent& event) {
  version = event.resource_version;
  if (event.type == WatchEvent::Type::kBookmark) return;
  Count(&Counts::events);
  if (event.key.name.empty()) {
    log.Warn("an object without a name is passed over", {{"resource", options.resource.plural}});
    return;
  }
  if (event.type == WatchEvent::Type::kDeleted) {
    if (known.erase(event.key) == 0) return;
    observer.OnGone(event.key);
  } else {
    std::string& last = known[event.key];
    if (last == event.resource_version) return;  // told twice
    last = event.resource_version;
    observer.OnObject(event.key, event.object());
  }
  unsettled = true;
}

bool Informer::Impl::TakeLine(std::string_view line, WatchState& state) {
  if (stopping) return false;
  if (line.empty()) {
    Heard(true);
    Settle();
    return true;
  }
  auto event = ParseWatchEvent(line);
  if (!event.ok() || event->error) {
    Heard(false);
    state.error = event.ok() ? *event->error : event.error();
    return false;
  }
  Heard(true);
  state.progress = true;
  Apply(*event);
  return !stopping;
}

Duration Informer::Impl::Watch() {
  Count(&Counts::watches);
  const MonoTime begun = api.clock().Mono();
  const std::uint32_t seconds = kWatchSeconds + RandomBelow(kWatchSpread);
  const std::string path = PathOf(options.resource, options.namespace_name) +
                           Query("watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(seconds)) +
                           "&resourceVersion=" + net::EncodeQueryValue(version);
  WatchState state;
  const Status status = api.Watch(
      path, [&](std::string_view line) { return TakeLine(line, state); },
      Deadline(api.clock(), std::chrono::seconds(seconds) + kWatchGrace),
      options.metadata_only ? Form::kMetadata : Form::kObject);
  Settle();
  if (stopping) return {};
  const bool held = state.progress || api.clock().Mono() - begun >= kLongEnough;
  if (held) attempts = 0;
  if (!state.error && !status.ok()) state.error = status.error();
  if (!state.error) return held ? Duration::zero() : Backoff();
  const Reason reason = state.error->reason;
  const bool absent = options.optional && reason == Reason::kKubeNotFound;
  if (reason == Reason::kKubeExpired || absent) {  // the server compacted its history, or was restored from a backup
    version.clear();
    if (!absent) SetProblem(state.error->ToString());
    return attempts++ == 0 ? Duration::zero() : Backoff();
  }
  // What came cannot be believed, or read: from the start.
  if (reason == Reason::kKubeNotFound || reason == Reason::kKubeRejected || reason == Reason::kLimitExceeded) {
    version.clear();
  }
  return AfterFailure(*state.error);
}

Duration Informer::Impl::Round() {
  try {
    return version.empty() ? List() : Watch();
  } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
    version.clear();
    return AfterFailure({Reason::kInternal, options.resource.plural, exception.what()});
  }
}

void Informer::Impl::Run() {
  while (!stopping) {
    const Duration pause = Round();
    std::unique_lock lock(mutex);
    wake.wait_for(lock, pause, [&] { return stopping.load(); });
  }
}

Informer::Informer(Api& api, InformerOptions options, Observer& observer, telemetry::Logger& log, Random random)
    : impl_(std::make_unique<Impl>(api, std::move(options), observer, log, std::move(random))) {}

Informer::~Informer() {
  Stop();
}

void Informer::Start() {
  impl_->thread = std::thread([this] { impl_->Run(); });
}

void Informer::Stop() {
  {
    std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  if (impl_->thread.joinable()) impl_->thread.join();
}

bool Informer::Synced() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->synced;
}

Duration Informer::SilentFor() const {
  const MonoTime now = impl_->api.clock().Mono();
  std::scoped_lock lock(impl_->mutex);
  return impl_->synced ? std::chrono::floor<Duration>(now - impl_->heard) : Duration::zero();
}

std::string Informer::Problem() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->problem;
}

const InformerOptions& Informer::options() const {
  return impl_->options;
}

Informer::Counts Informer::counts() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->counts;
}

}  // namespace gatehouse::kube
