#include "webhook/control/worker.h"

#include <exception>
#include <utility>

namespace gatehouse::webhook {

void Worker::Start() {
  std::lock_guard lock(mutex_);
  if (thread_.joinable()) return;
  stopping_ = false;
  thread_ = std::thread([this] { Run(); });
}

void Worker::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Worker::Wake() {
  {
    std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_all();
}

bool Worker::Stopping() const {
  std::lock_guard lock(mutex_);
  return stopping_;
}

void Worker::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    lock.unlock();
    Duration pause = Once();
    lock.lock();
    wake_.wait_for(lock, pause, [this] { return stopping_ || woken_; });
  }
}

Duration Worker::Once() {
  try {
    return round_();
  } catch (const std::exception& exception) {  // lint-ok: M07 thread entry
    log_.Error("a round was given up", {{"what", what_}, {"error", exception.what()}});
    return std::chrono::seconds(5);
  }
}

}  // namespace gatehouse::webhook
