#include "common/gate/parallel.h"

#include <algorithm>
#include <future>

namespace gatehouse::gate {

std::size_t Helpers::Take(std::size_t wanted) {
  std::size_t free = free_.load();
  while (true) {
    const std::size_t taken = std::min(free, wanted);
    if (taken == 0 || free_.compare_exchange_weak(free, free - taken)) return taken;
  }
}

void Helpers::RunAll(const std::vector<std::function<void()>>& tasks) {
  if (tasks.empty()) return;
  std::atomic<std::size_t> next = 0;
  auto work = [&] {
    for (std::size_t i = next++; i < tasks.size(); i = next++) tasks[i]();
  };
  struct Taken {
    std::atomic<std::size_t>& free;
    std::size_t count;
    ~Taken() { free += count; }
  } taken{free_, Take(tasks.size() - 1)};
  // Where no thread can be started (a limit on processes), the task is deferred, and finds nothing left to do. The
  // futures are destroyed before what the tasks refer to, and wait for their threads in that.
  std::vector<std::future<void>> helpers;
  for (std::size_t i = 0; i < taken.count; ++i) {
    helpers.push_back(std::async(std::launch::async | std::launch::deferred, work));
  }
  work();
  for (std::future<void>& helper : helpers) helper.get();
}

}  // namespace gatehouse::gate
