#include "agent/session/pace.h"

#include <algorithm>

namespace gatehouse::agent {
namespace {

constexpr Duration kLeast = std::chrono::seconds(1);
constexpr Duration kMostAfterFailure = std::chrono::seconds(60);
constexpr int kMostDoublings = 6;  // 64 s, above the cap

}  // namespace

Duration Pace::UpTo(Duration most) {
  Bytes bytes = random_(4);
  std::uint64_t value = 0;
  for (std::uint8_t byte : bytes) value = value << 8 | byte;
  auto range = static_cast<std::uint64_t>(most.count()) + 1;
  return Duration(static_cast<Duration::rep>(value % range));  // the bias is no matter here
}

Duration Pace::AfterSuccess(Duration wanted) {
  failures_ = 0;
  Duration pause = std::clamp(wanted, kLeast, std::max(interval_, kLeast));
  return std::max(kLeast, pause - UpTo(pause / 10));
}

Duration Pace::AfterFailure(Reason reason) {
  bool may_pass = ClassOf(reason) == ReasonClass::kUnavailable || ClassOf(reason) == ReasonClass::kStale;
  Duration pause = interval_;
  if (may_pass) {
    pause = std::min({interval_, kMostAfterFailure, kLeast * (1 << std::min(failures_, kMostDoublings))});
    ++failures_;
  }
  return pause - UpTo(pause / 2);
}

}  // namespace gatehouse::agent
