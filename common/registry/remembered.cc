#include "common/registry/remembered.h"

#include <algorithm>

namespace gatehouse::registry {

bool RememberedNames::Has(const std::string& name, MonoTime now) const {
  std::scoped_lock lock(mutex_);
  auto found = until_.find(name);
  return found != until_.end() && found->second > now;
}

void RememberedNames::Put(const std::string& name, MonoTime now, Duration lifetime) {
  std::scoped_lock lock(mutex_);
  until_[name] = now + lifetime;
  if (until_.size() <= most_) return;
  std::erase_if(until_, [&](const auto& each) { return each.second <= now; });
  if (until_.size() <= most_) return;
  until_.erase(
      std::min_element(until_.begin(), until_.end(), [](const auto& a, const auto& b) { return a.second < b.second; }));
}

std::size_t RememberedNames::size() const {
  std::scoped_lock lock(mutex_);
  return until_.size();
}

}  // namespace gatehouse::registry
