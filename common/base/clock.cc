#include "common/base/clock.h"

namespace gatehouse {

WallTime SystemClock::Wall() const {
  return std::chrono::floor<Duration>(std::chrono::system_clock::now());  // lint-ok: M01
}

MonoTime SystemClock::Mono() const {
  return std::chrono::floor<std::chrono::microseconds>(std::chrono::steady_clock::now());  // lint-ok: M01
}

}  // namespace gatehouse
