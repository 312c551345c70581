// Leader election by a Lease (coordination.k8s.io/v1), as client-go does it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/kube/api.h"
#include "common/telemetry/log.h"

namespace gatehouse::kube {

struct ElectionOptions {
  std::string namespace_name;
  std::string lease;     // its name
  std::string identity;  // of this process, unique
  Duration lease_duration{15'000};
  Duration renew_deadline{10'000};  // without a renewal for that long it is the leader no more, whatever the Lease says
  Duration retry_period{2'000};
};

// metav1.MicroTime, which an API server reads with exactly six digits: "2026-11-21T12:00:00.123000Z".
[[nodiscard]] std::string MicroTime(WallTime time);

// Takes the Lease when it is free, released, or has not changed for lease_duration by our own clock (nobody else's
// clock is believed). Writes with the resourceVersion that was read, so that two cannot both win.
class LeaderElector {
 public:
  LeaderElector(Api& api, ElectionOptions options, telemetry::Logger& log, Random random);
  ~LeaderElector();  // Stop()

  // `on_change(true)` when elected, `on_change(false)` when not any more; from the elector's thread.
  void Start(std::function<void(bool leading)> on_change);
  // Gives the Lease back (so that the next one need not wait), ends the thread.
  void Stop();

  // To be asked before each write that only the leader may do: by the monotonic clock, so that a process that was
  // stopped for a while knows.
  [[nodiscard]] bool Leading() const;
  [[nodiscard]] std::string Holder() const;  // as last seen; may be empty

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::kube
