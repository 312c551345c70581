// The leader election without its thread: one round at a time.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "common/kube/lease.h"

namespace gatehouse::kube {

// Two claims with one Lease never both hold it, as long as their clocks run at the same pace: a claim that renewed at t
// (its own clock, taken before the request) holds until t + renew_deadline; another one takes the Lease only
// lease_duration, which is longer, after it saw that renewal. A Lease that an admin deletes can be taken by a process
// that has never seen it held; others wait.
class LeaseClaim {
 public:
  // Precondition: renew_deadline < lease_duration.
  LeaseClaim(Api& api, ElectionOptions options) : api_(api), options_(std::move(options)) {}

  // Renews, or takes the Lease if it may. Ok if it is held by somebody else, too. Errors: those of Api; kKubeConflict
  // if another one was quicker.
  [[nodiscard]] Status Try();
  // Gives it back, if it holds it.
  [[nodiscard]] Status Release();
  [[nodiscard]] bool Held() const;
  // How long until it is held no more, unless renewed.
  [[nodiscard]] Duration Left() const;
  [[nodiscard]] std::string Holder() const;

 private:
  struct Record {
    std::string holder;
    std::string version;
    std::string acquired;
    std::int64_t seconds = 0;  // for which its holder wants it to be respected
    std::int64_t transitions = 0;
  };
  [[nodiscard]] std::string Path() const;
  [[nodiscard]] Deadline RequestTime() const;
  [[nodiscard]] static Result<Record> ReadRecord(const codec::JsonDocument& document);
  void Observe(const Record& record);
  [[nodiscard]] bool MayTake(const Record& record) const;
  [[nodiscard]] std::string Write(const Record& record, const std::string& holder) const;
  [[nodiscard]] Status Create();

  Api& api_;
  const ElectionOptions options_;
  Record seen_;         // of the Lease as it was last read
  MonoTime seen_at_{};  // when it was first read so
  std::atomic<std::int64_t> held_until_us_ = 0;
  mutable std::mutex mutex_;
  std::string holder_;
};

}  // namespace gatehouse::kube
