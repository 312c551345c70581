// Names that something is known of for a while.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "common/base/clock.h"

namespace gatehouse::registry {

// Thread-safe. Holds at most `most` names; what would be forgotten first makes room.
class RememberedNames {
 public:
  explicit RememberedNames(std::size_t most) : most_(most) {}
  [[nodiscard]] bool Has(const std::string& name, MonoTime now) const;
  void Put(const std::string& name, MonoTime now, Duration lifetime);
  [[nodiscard]] std::size_t size() const;

 private:
  const std::size_t most_;
  mutable std::mutex mutex_;
  std::map<std::string, MonoTime> until_;
};

}  // namespace gatehouse::registry
