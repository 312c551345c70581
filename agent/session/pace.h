// How long to wait before the next attestation. Pure: the caller waits.
#pragma once

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse::agent {

class Pace {
 public:
  // `interval` is the longest pause.
  Pace(Duration interval, Random random) : interval_(interval), random_(std::move(random)) {}

  // The server wants us again within `wanted`: the shorter of that and the interval, less up to a tenth by chance, so
  // that the nodes of a cluster that was started at once do not come at once for ever. At least a second.
  [[nodiscard]] Duration AfterSuccess(Duration wanted);
  // What may pass (unavailable, stale): 1 s, 2 s, 4 s ... up to a minute or the interval, half of it by chance. What
  // will not pass by itself (a refusal, a malformed answer): the interval. At least half a second.
  [[nodiscard]] Duration AfterFailure(Reason reason);

 private:
  [[nodiscard]] Duration UpTo(Duration most);
  Duration interval_;
  Random random_;
  int failures_ = 0;
};

}  // namespace gatehouse::agent
