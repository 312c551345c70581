// A leader's controllers against the fake API server.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "common/crypto/hash.h"
#include "common/kube/api.h"
#include "common/telemetry/log.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::webhook {

inline constexpr Duration kSoon = std::chrono::seconds(20);
inline constexpr Duration kMoment{80};  // long enough for what must not happen, were it to happen

// Whether `is_so` comes true before long.
inline bool Await(const std::function<bool()>& is_so, Duration at_most = kSoon) {
  auto until = std::chrono::steady_clock::now() + at_most;
  while (!is_so()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(Duration(2));
  }
  return true;
}
// Whether it stays so for a moment.
inline bool Stays(const std::function<bool()>& is_so) {
  return !Await([&] { return !is_so(); }, kMoment);
}

struct Cluster {
  Cluster() : null_fd(open("/dev/null", O_WRONLY)), log(null_fd, telemetry::Level::kDebug, clock) {
    server.SetTick(Duration(5));
  }
  ~Cluster() {
    server.Shutdown();
    close(null_fd);
  }
  [[nodiscard]] std::function<bool()> Leading() {
    return [this] { return leading.load(); };
  }

  fakes::FakeClock clock;
  fakes::KubeApi server;
  kube::Api api{server.connections(), clock, {.queries_per_second = 0}};
  int null_fd;
  telemetry::Logger log;
  Random random = crypto::SystemRandom();
  std::atomic<bool> leading{true};
};

}  // namespace gatehouse::webhook
