#include "webhook/trust/trust_keeper.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "common/codec/time.h"
#include "common/trust/fetch_trust.h"
#include "common/tuf/fetch.h"

namespace gatehouse::webhook {
namespace {

using policy::FetchedTrust;
using policy::PolicySet;
using policy::TufSource;

// What is known of one TrustRoot's repository.
struct Kept {
  TufSource source;
  std::shared_ptr<tuf::Store> store;
  MonoTime due{};  // when to ask again
  bool asked = false;
  std::string problem;
  WallTime expires{};
  FetchedTrust fetched{};  // its material is null while there is none
};

}  // namespace

struct TrustKeeper::Impl {
  Impl(net::HttpTransport& transport_used, const Clock& clock_used, telemetry::Logger& log_used,
       TrustKeeperOptions options_given)
      : transport(transport_used), clock(clock_used), log(log_used), options(std::move(options_given)) {}

  net::HttpTransport& transport;
  const Clock& clock;
  telemetry::Logger& log;
  TrustKeeperOptions options;

  mutable std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::map<std::string, Kept> kept;  // by the TrustRoot's name
  // Memory of Apply().
  std::shared_ptr<const PolicySet> given;
  std::shared_ptr<const PolicySet> applied;
  std::thread thread;

  // Brings `kept` in line with what the set names. Under the lock.
  void Adopt(const PolicySet& set) {
    std::map<std::string, Kept> next;
    for (const policy::TrustRoot& root : set.trust_roots) {
      if (!root.tuf.has_value()) continue;
      auto before = kept.find(root.name);
      if (before != kept.end() && before->second.source == *root.tuf) {
        next.insert(kept.extract(before));
      } else {
        next[root.name].source = *root.tuf;
      }
    }
    kept = std::move(next);
    wake.notify_all();
  }

  [[nodiscard]] std::shared_ptr<const PolicySet> Build() const {
    std::map<std::string, FetchedTrust> fetched;
    for (const auto& [name, one] : kept) {
      if (one.fetched.material != nullptr) fetched.emplace(name, one.fetched);
    }
    return fetched.empty() ? given : policy::WithTrust(*given, fetched);
  }

  [[nodiscard]] Result<std::shared_ptr<tuf::Store>> StoreFor(const std::string& name) const {
    if (options.folder.empty()) return std::shared_ptr<tuf::Store>(tuf::MemoryStore());
    ASSIGN_OR_RETURN(auto store, tuf::FolderStore(options.folder + "/" + name));
    return std::shared_ptr<tuf::Store>(std::move(store));
  }

  [[nodiscard]] Result<trust::Fetched> Ask(const TufSource& source, tuf::Store& store) const {
    ASSIGN_OR_RETURN(tuf::Fetch fetch, tuf::MakeFetch(source.url, transport, clock, options.budget));
    return trust::FetchTrust(source, fetch, store, clock.Wall());
  }

  // Asks one repository, without the lock, and takes what came of it.
  void Refresh(std::unique_lock<std::mutex>& lock, const std::string& name) {
    const TufSource source = kept[name].source;
    std::shared_ptr<tuf::Store> store = kept[name].store;
    lock.unlock();
    Result<trust::Fetched> fetched = [&]() -> Result<trust::Fetched> {
      if (store == nullptr) {
        ASSIGN_OR_RETURN(store, StoreFor(name));
      }
      return Ask(source, *store);
    }();
    lock.lock();
    auto entry = kept.find(name);
    if (entry == kept.end() || !(entry->second.source == source)) return;  // another policy set came meanwhile
    Take(name, entry->second, std::move(store), std::move(fetched));
  }

  void Take(const std::string& name, Kept& one, std::shared_ptr<tuf::Store> store, Result<trust::Fetched> fetched) {
    one.store = std::move(store);
    one.asked = true;
    one.due = clock.Mono() + (fetched.ok() ? one.source.refresh : std::min(options.retry, one.source.refresh));
    if (!fetched.ok()) {
      log.Failure(telemetry::Level::kWarn, "trust root could not be refreshed", fetched.error().In(name));
      one.problem = fetched.error().ToString();
      return;
    }
    one.problem.clear();
    one.expires = fetched->expires;
    if (one.fetched.version == fetched->trust.version && one.fetched.material != nullptr) return;
    log.Info(
        "trust root refreshed",
        {{"trustRoot", name}, {"version", fetched->trust.version}, {"expires", codec::FormatTime(fetched->expires)}});
    one.fetched = std::move(fetched->trust);
    applied.reset();
  }

  // Material whose metadata has expired is no longer vouched for.
  void Expire() {
    for (auto& [name, one] : kept) {
      if (one.fetched.material == nullptr || clock.Wall() < one.expires) continue;
      log.Warn("trust root expired", {{"trustRoot", name}, {"expired", codec::FormatTime(one.expires)}});
      one.problem = "its metadata expired at " + codec::FormatTime(one.expires) + "; " + one.problem;
      one.fetched = {};
      applied.reset();
    }
  }

  void Run() {
    constexpr std::chrono::milliseconds kTick{500};
    std::unique_lock lock(mutex);
    while (!stopping) {
      std::vector<std::string> due;
      for (const auto& [name, one] : kept) {
        if (!one.asked || one.due <= clock.Mono()) due.push_back(name);
      }
      for (const std::string& name : due) {
        if (stopping) return;
        if (kept.contains(name)) Refresh(lock, name);
      }
      Expire();
      if (due.empty()) wake.wait_for(lock, kTick);
    }
  }
};

TrustKeeper::TrustKeeper(net::HttpTransport& transport, const Clock& clock, telemetry::Logger& log,
                         TrustKeeperOptions options)
    : impl_(std::make_unique<Impl>(transport, clock, log, std::move(options))) {
  impl_->thread = std::thread([this] {
    while (true) {
      try {
        return impl_->Run();
      } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
        impl_->log.Error("keeping trust roots fresh failed", {{"exception", exception.what()}});
        std::this_thread::sleep_for(std::chrono::seconds(1));
      }
    }
  });
}

TrustKeeper::~TrustKeeper() {
  {
    std::scoped_lock lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

std::shared_ptr<const PolicySet> TrustKeeper::Apply(const std::shared_ptr<const PolicySet>& set) {
  std::scoped_lock lock(impl_->mutex);
  if (set != impl_->given) {
    impl_->given = set;
    impl_->applied.reset();
    if (set != nullptr) impl_->Adopt(*set);
  }
  // The thread may be waiting for some other repository just now.
  impl_->Expire();
  if (set != nullptr && impl_->applied == nullptr) impl_->applied = impl_->Build();
  return impl_->applied;
}

bool TrustKeeper::Settled() const {
  std::scoped_lock lock(impl_->mutex);
  return std::all_of(impl_->kept.begin(), impl_->kept.end(), [](const auto& one) { return one.second.asked; });
}

std::vector<std::string> TrustKeeper::Problems() const {
  std::scoped_lock lock(impl_->mutex);
  std::vector<std::string> problems;
  for (const auto& [name, one] : impl_->kept) {
    if (!one.problem.empty()) problems.push_back("TrustRoot " + name + ": " + one.problem);
  }
  return problems;
}

}  // namespace gatehouse::webhook
