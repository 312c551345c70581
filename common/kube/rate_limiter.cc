#include "common/kube/rate_limiter.h"

#include <cmath>

namespace gatehouse::kube {

std::optional<Duration> RateLimiter::Take(Duration patience) {
  if (per_second_ <= 0) return Duration::zero();
  std::scoped_lock lock(mutex_);
  MonoTime now = clock_.Mono();
  double seconds = std::chrono::duration<double>(now - filled_).count();
  missing_ = std::max(0.0, missing_ - seconds * per_second_);
  filled_ = now;
  double beyond = missing_ + 1 - 2 * per_second_;
  Duration wait = beyond <= 0 ? Duration::zero() : Duration(std::llround(std::ceil(beyond / per_second_ * 1000)));
  if (wait > patience) return std::nullopt;
  missing_ += 1;
  return wait;
}

}  // namespace gatehouse::kube
