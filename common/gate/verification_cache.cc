#include "common/gate/verification_cache.h"

#include <algorithm>

namespace gatehouse::gate {
namespace {

constexpr std::size_t kFailuresShare = 10;  // of the entries, beside the successes

bool IsPositive(const ImageVerdict& verdict) {
  return std::all_of(verdict.begin(), verdict.end(), [](const PolicyVerdict& each) { return each.vouched_by.ok(); });
}

bool CouldNotEvaluate(const ImageVerdict& verdict) {
  return std::any_of(verdict.begin(), verdict.end(), [](const PolicyVerdict& each) {
    return !each.vouched_by.ok() && ClassOf(each.vouched_by.error().reason) == ReasonClass::kUnavailable;
  });
}

}  // namespace

VerificationCache::VerificationCache(const Clock& clock, Options options,
                                     std::function<void(std::string_view)> on_event)
    : clock_(clock), options_(options), on_event_(std::move(on_event)) {}

std::size_t VerificationCache::size() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

// The mutex is held.
void VerificationCache::Erase(const std::string& key) {
  auto found = entries_.find(key);
  if (found == entries_.end()) return;
  AgeOf(found->second.positive).erase(found->second.age);
  entries_.erase(found);
}

// The mutex is held.
std::shared_ptr<const ImageVerdict> VerificationCache::Remembered(const std::string& key) {
  auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  if (found->second.expires <= clock_.Mono()) {
    Erase(key);
    return nullptr;
  }
  auto& ages = AgeOf(found->second.positive);
  ages.splice(ages.end(), ages, found->second.age);
  on_event_(found->second.positive ? "hit" : "negative_hit");
  return found->second.verdict;
}

// The mutex is held.
void VerificationCache::Remember(const std::string& key, std::shared_ptr<const ImageVerdict> verdict) {
  Erase(key);
  bool positive = IsPositive(*verdict);
  auto& ages = AgeOf(positive);
  std::size_t room = positive ? options_.max_entries : std::max<std::size_t>(1, options_.max_entries / kFailuresShare);
  while (!ages.empty() && ages.size() >= room) {
    std::string oldest = ages.front();  // the entry goes with its place in the list
    Erase(oldest);
  }
  ages.push_back(key);
  entries_[key] = {.verdict = std::move(verdict),
                   .expires = clock_.Mono() + (positive ? options_.positive_ttl : options_.negative_ttl),
                   .positive = positive,
                   .age = std::prev(ages.end())};
}

// Runs without the mutex while it verifies. If `verify` throws, the waiters are released to verify for themselves.
std::shared_ptr<const ImageVerdict> VerificationCache::Lead(const std::string& key,
                                                            const std::shared_ptr<Flight>& flight,
                                                            const std::function<ImageVerdict()>& verify) {
  std::shared_ptr<const ImageVerdict> verdict;
  struct Landing {
    VerificationCache& cache;
    const std::string& key;
    const std::shared_ptr<Flight>& flight;
    std::shared_ptr<const ImageVerdict>& verdict;
    ~Landing() {
      std::lock_guard lock(cache.mutex_);
      flight->verdict = verdict;
      flight->landed = true;
      cache.flights_.erase(key);
      if (verdict != nullptr && !CouldNotEvaluate(*verdict)) cache.Remember(key, verdict);
      cache.landed_.notify_all();
    }
  } landing{*this, key, flight, verdict};
  verdict = std::make_shared<const ImageVerdict>(verify());
  return verdict;
}

std::shared_ptr<const ImageVerdict> VerificationCache::Get(const std::string& key, const Deadline& deadline,
                                                           const std::function<ImageVerdict()>& verify,
                                                           const std::function<ImageVerdict()>& late) {
  std::unique_lock lock(mutex_);
  bool waited = false;
  while (true) {
    auto flying = flights_.find(key);
    if (flying == flights_.end()) {
      if (auto remembered = Remembered(key); remembered != nullptr) return remembered;
      auto flight = flights_[key] = std::make_shared<Flight>();
      on_event_("miss");
      lock.unlock();
      return Lead(key, flight, verify);
    }
    std::shared_ptr<Flight> flight = flying->second;
    if (!waited) on_event_("coalesced");
    waited = true;
    if (!landed_.wait_for(lock, deadline.Remaining(), [&] { return flight->landed; })) {
      return std::make_shared<const ImageVerdict>(late());
    }
    if (flight->verdict != nullptr && (!CouldNotEvaluate(*flight->verdict) || deadline.Passed()))
      return flight->verdict;
  }
}

}  // namespace gatehouse::gate
