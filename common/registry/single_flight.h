// One piece of work for everybody who wants it at the same time.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse::registry {

// Thread-safe. Nothing is kept when the work is done: what comes later asks again. `key` has to name all that the
// result depends on, the credential too.
template <typename T>
class SingleFlight {
 public:
  // The result of `work`, which runs here unless it is under way under this key: then that is awaited, until
  // `deadline`. A result that is only that somebody else's time was up is not ours; the work is begun again for those
  // who have more.
  [[nodiscard]] Result<T> Do(const std::string& key, const Deadline& deadline, const std::function<Result<T>()>& work) {
    while (true) {
      std::shared_ptr<Flight> flight;
      {
        std::unique_lock lock(mutex_);
        auto [at, first] = flights_.try_emplace(key, nullptr);
        if (first) at->second = std::make_shared<Flight>();
        flight = at->second;
        if (!first && !Await(*flight, lock, deadline))
          return Error{Reason::kDeadlineExceeded, "",
                       "the same content was asked for before, and did not come in time"};
        if (!first) lock.unlock();
        if (!first && !IsOthersDeadline(*flight->result, deadline)) return *flight->result;
        if (!first) continue;
      }
      return Lead(key, *flight, work);
    }
  }

  // How many are under way.
  [[nodiscard]] std::size_t size() const {
    std::scoped_lock lock(mutex_);
    return flights_.size();
  }

 private:
  struct Flight {
    std::condition_variable landed;
    std::optional<Result<T>> result;  // written once, under the lock
  };

  // Time that was waited is time passed, also where the deadline's clock is a test's.
  static bool Await(Flight& flight, std::unique_lock<std::mutex>& lock, const Deadline& deadline) {
    return flight.landed.wait_for(lock, deadline.Remaining(), [&] { return flight.result.has_value(); });
  }

  static bool IsOthersDeadline(const Result<T>& result, const Deadline& deadline) {
    return !result.ok() && result.error().reason == Reason::kDeadlineExceeded && !deadline.Passed();
  }

  // Ends the flight however the work ends: who waits must not wait for nobody.
  class Landing {
   public:
    Landing(SingleFlight& flights, const std::string& key, Flight& flight)
        : flights_(flights), key_(key), flight_(flight) {}
    Landing(const Landing&) = delete;
    Landing& operator=(const Landing&) = delete;
    ~Landing() {
      {
        std::scoped_lock lock(flights_.mutex_);
        if (!flight_.result.has_value()) flight_.result = Error{Reason::kInternal, "", "the work was broken off"};
        flights_.flights_.erase(key_);
      }
      flight_.landed.notify_all();
    }
    void Bring(const Result<T>& result) {
      std::scoped_lock lock(flights_.mutex_);
      flight_.result = result;
    }

   private:
    SingleFlight& flights_;
    const std::string& key_;
    Flight& flight_;
  };

  Result<T> Lead(const std::string& key, Flight& flight, const std::function<Result<T>()>& work) {
    Landing landing(*this, key, flight);
    Result<T> result = work();
    landing.Bring(result);
    return result;
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace gatehouse::registry
