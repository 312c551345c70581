#include "webhook/admission/shares.h"

namespace gatehouse::webhook {

Shares::Entry Shares::Enter(const std::string& namespace_name) {
  std::lock_guard lock(mutex_);
  if (used_ >= total_) return Entry::kFull;
  std::size_t free = total_ - used_;
  auto mine = by_namespace_.find(namespace_name);
  if (mine == by_namespace_.end()) {
    by_namespace_.emplace(namespace_name, 1);
  } else if (mine->second < free) {
    ++mine->second;
  } else {
    return Entry::kShareUsedUp;
  }
  ++used_;
  return Entry::kEntered;
}

void Shares::Leave(const std::string& namespace_name) {
  std::lock_guard lock(mutex_);
  auto mine = by_namespace_.find(namespace_name);
  if (mine == by_namespace_.end()) return;
  if (--mine->second == 0) by_namespace_.erase(mine);
  --used_;
}

}  // namespace gatehouse::webhook
