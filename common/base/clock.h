// Time and randomness are parameters: the programs pass SystemClock and the operating system's generator, the tests
// their own.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>

#include "common/base/bytes.h"

namespace gatehouse {

using Duration = std::chrono::milliseconds;
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;  // for validity, logs, tokens
using MonoTime =
    std::chrono::time_point<std::chrono::steady_clock, std::chrono::microseconds>;  // for deadlines, caches

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallTime Wall() const = 0;
  [[nodiscard]] virtual MonoTime Mono() const = 0;
};

// Constructed by a main.cc only.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallTime Wall() const override;
  [[nodiscard]] MonoTime Mono() const override;
};

// A point by which an answer is due. Remaining() is never negative.
class Deadline {
 public:
  Deadline(const Clock& clock, Duration budget) : clock_(&clock), at_(clock.Mono() + budget) {}
  [[nodiscard]] Duration Remaining() const {
    return std::max(Duration::zero(), std::chrono::floor<Duration>(at_ - clock_->Mono()));
  }
  [[nodiscard]] bool Passed() const { return Remaining() == Duration::zero(); }
  // The earlier of this deadline and one `budget` from now.
  [[nodiscard]] Deadline Sooner(Duration budget) const {
    Deadline other(*clock_, budget);
    return other.at_ < at_ ? other : *this;
  }

 private:
  const Clock* clock_;
  MonoTime at_;
};

// Fills `count` bytes from a cryptographic generator; crypto::SystemRandom in the programs.
using Random = std::function<Bytes(std::size_t count)>;

}  // namespace gatehouse
