#include "webhook/attest/clock_watch.h"

#include <algorithm>

namespace gatehouse::webhook {
namespace {

constexpr std::int64_t kDrift = 15;  // percent by which a TPM's clock may run slow

std::string Seconds(Duration duration) {
  return std::to_string(std::chrono::floor<std::chrono::seconds>(duration).count()) + " s";
}

}  // namespace

void ClockWatch::Observe(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock) {
  const MonoTime now = clock_.Mono();
  std::lock_guard lock(mutex_);
  auto [found, first] = anchors_.try_emplace(node, Anchor{ak_name, clock, now});
  Anchor& last = found->second;
  if (first) return;
  const bool same_boot = last.ak_name == ak_name && last.clock.reset_count == clock.reset_count &&
                         last.clock.restart_count == clock.restart_count && clock.clock_ms >= last.clock.clock_ms;
  if (!same_boot) {
    last = {ak_name, clock, now};
    return;
  }
  const auto elapsed = std::chrono::floor<Duration>(now - last.at);
  const auto tolerated = elapsed * (100 - kDrift) / 100;
  const std::uint64_t ticked = clock.clock_ms - last.clock.clock_ms;
  if (tolerated.count() > 0 && ticked < static_cast<std::uint64_t>(tolerated.count()))
    last.worst = std::max(last.worst, tolerated - Duration(static_cast<std::int64_t>(ticked)));
  last.clock = clock;
  last.at = now;
}

std::optional<Error> ClockWatch::Lag(const std::string& node, Duration most) const {
  std::lock_guard lock(mutex_);
  auto found = anchors_.find(node);
  if (found == anchors_.end() || found->second.worst <= most) return std::nullopt;
  return Error{Reason::kClockStalled, "tpm clock",
               "it fell behind by " + Seconds(found->second.worst) +
                   " between two quotes of this boot, and the policy "
                   "allows " +
                   Seconds(most) + "; restart the node if that was on purpose"};
}

void ClockWatch::Forget(const std::string& node) {
  std::lock_guard lock(mutex_);
  anchors_.erase(node);
}

}  // namespace gatehouse::webhook
