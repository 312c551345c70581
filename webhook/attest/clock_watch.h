// Whether TPMs' clocks go on: one that stood still while time went by was suspended, or put back to a snapshot and made
// to catch up (MEASURED-BOOT, Q9). In memory only.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/claims/tpm.h"

namespace gatehouse::webhook {

// Thread-safe.
class ClockWatch {
 public:
  explicit ClockWatch(const Clock& clock) : clock_(clock) {}

  // A quote with this clock was accepted just now (BindingStore::Advance succeeded). By how much the TPM's clock fell
  // behind since the quote before, beyond the 15 % by which it may run slow (its oscillator is not precise, and
  // TPM2_ClockRateAdjust changes its rate), is remembered until the TPM's resetCount or restartCount changes, or the
  // key.
  void Observe(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock);
  // kClockStalled if it ever fell behind by more than `most` in this boot.
  [[nodiscard]] std::optional<Error> Lag(const std::string& node, Duration most) const;
  void Forget(const std::string& node);

 private:
  struct Anchor {
    std::string ak_name;
    claims::TpmClock clock;
    MonoTime at;
    Duration worst{0};
  };
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::map<std::string, Anchor> anchors_;
};

}  // namespace gatehouse::webhook
