// Independent steps of one decision, side by side. Internal to this room.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <vector>

namespace gatehouse::gate {

// How many threads may help at the same time, over all decisions. Whoever finds none free does the work alone, so that
// nobody ever waits for a helper.
class Helpers {
 public:
  explicit Helpers(std::size_t most) : free_(most) {}
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;

  // Runs each task once, on this thread and on helpers, and returns when all have ended. What a task throws is thrown
  // here, after that.
  void RunAll(const std::vector<std::function<void()>>& tasks);

 private:
  [[nodiscard]] std::size_t Take(std::size_t wanted);

  std::atomic<std::size_t> free_;
};

}  // namespace gatehouse::gate
