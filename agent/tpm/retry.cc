#include "agent/tpm/retry.h"

#include <algorithm>

namespace gatehouse::agent {
namespace {

constexpr int kRepeats = 8;
constexpr Duration kFirstPause{10};
constexpr Duration kLongestPause{1000};

// TSS 2.0 Overview and Common Structures: the layer that a response code comes from is in bits 16 to 23.
constexpr std::uint32_t kLayerMask = 0x00FF0000;
constexpr std::uint32_t kTpmLayer = 0;
constexpr std::uint32_t kResourceManagerTpmLayer = 11U << 16;

}  // namespace

bool IsBusy(std::uint32_t response_code) {
  std::uint32_t layer = response_code & kLayerMask;
  if (layer != kTpmLayer && layer != kResourceManagerTpmLayer) return false;
  switch (response_code & 0xFFFF) {
    case 0x902:  // TPM_RC_OBJECT_MEMORY
    case 0x903:  // TPM_RC_SESSION_MEMORY
    case 0x904:  // TPM_RC_MEMORY
    case 0x905:  // TPM_RC_SESSION_HANDLES
    case 0x906:  // TPM_RC_OBJECT_HANDLES
    case 0x908:  // TPM_RC_YIELDED
    case 0x90A:  // TPM_RC_TESTING
    case 0x920:  // TPM_RC_NV_RATE
    case 0x922:  // TPM_RC_RETRY
      return true;
    default:
      return false;
  }
}

std::uint32_t CallWhileBusy(const std::function<std::uint32_t()>& call, const std::function<void(Duration)>& sleep) {
  Duration pause = kFirstPause;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    std::uint32_t code = call();
    if (!IsBusy(code)) return code;
    sleep(pause);
    pause = std::min(2 * pause, kLongestPause);
  }
  return call();
}

}  // namespace gatehouse::agent
