// A thread that does round after round: each says how long until the next one, Wake() makes it sooner.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "common/base/clock.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

class Worker {
 public:
  // `round` is called by the worker's thread only. `what` names it in the log.
  Worker(std::string what, std::function<Duration()> round, telemetry::Logger& log)
      : what_(std::move(what)), round_(std::move(round)), log_(log) {}
  ~Worker() { Stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Start();
  // Waits for the round under way.
  void Stop();
  void Wake();
  // Asked by rounds that do many things.
  [[nodiscard]] bool Stopping() const;

 private:
  void Run();
  [[nodiscard]] Duration Once();

  std::string what_;
  std::function<Duration()> round_;
  telemetry::Logger& log_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gatehouse::webhook
