// A clock that stands still until it is moved.
#pragma once

#include <atomic>

#include "common/base/clock.h"

namespace gatehouse::fakes {

class FakeClock final : public Clock {
 public:
  // 2026-11-21T12:00:00Z
  explicit FakeClock(WallTime start = WallTime(Duration(1'795'262'400'000))) : start_(start) {}
  [[nodiscard]] WallTime Wall() const override {
    return start_ + std::chrono::floor<Duration>(std::chrono::microseconds(elapsed_us_.load()));
  }
  [[nodiscard]] MonoTime Mono() const override {
    return MonoTime(std::chrono::microseconds(1'000'000'000 + elapsed_us_.load()));
  }
  void Advance(Duration by) { elapsed_us_ += std::chrono::microseconds(by).count(); }

 private:
  WallTime start_;
  std::atomic<std::int64_t> elapsed_us_{0};
};

}  // namespace gatehouse::fakes
