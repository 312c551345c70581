// A token bucket: how fast this process may ask the API server.
#pragma once

#include <mutex>
#include <optional>

#include "common/base/clock.h"

namespace gatehouse::kube {

// Thread-safe. Holds twice what it gets in a second, and is full at first.
class RateLimiter {
 public:
  // `per_second` 0 or less: no limit.
  RateLimiter(double per_second, const Clock& clock) : per_second_(per_second), clock_(clock), filled_(clock.Mono()) {}

  // Takes one token and says how long to wait before it may be used; nothing (and nothing taken) if that is longer than
  // `patience`.
  [[nodiscard]] std::optional<Duration> Take(Duration patience);

 private:
  const double per_second_;
  const Clock& clock_;
  std::mutex mutex_;
  MonoTime filled_;     // when the bucket's content was last worked out
  double missing_ = 0;  // how far the bucket is below full; beyond its size: what is promised already
};

}  // namespace gatehouse::kube
