// What the agent counts, in Prometheus' text format 0.0.4. Made by hand: the library for it has more memory than the
// rest of the agent.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "common/base/clock.h"

namespace gatehouse::agent {

// Upper bounds in seconds. A quote of a discrete TPM lasts 0.2 to 1 s, an RSA primary key up to 30 s.
inline constexpr std::array<double, 10> kTpmBuckets = {0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30};

// Thread-safe. Label values are few: tokens of reasons, statuses, names in our own code.
class Metrics {
 public:
  // `outcome`: the status of the result, or the reason why there is none.
  void CountAttestation(std::string_view outcome);
  void SetLastSuccess(WallTime at);
  // `command`: "quote" or "other", with the pauses while the TPM was busy.
  void ObserveTpm(std::string_view command, MonoTime::duration took);
  void CountLogBytes(std::string_view log, std::size_t bytes);  // "event", "ima"
  void CountFault(std::string_view source);                     // "event-log", "ima-log", "command-line"

  [[nodiscard]] std::string Text() const;

 private:
  struct Histogram {
    std::array<std::uint64_t, kTpmBuckets.size()> buckets{};  // each with those below it
    std::uint64_t count = 0;
    double seconds = 0;
  };
  using Counters = std::map<std::string, std::uint64_t, std::less<>>;
  static void WriteCounters(std::string& to, std::string_view family, std::string_view help, std::string_view label,
                            const Counters& counters);
  mutable std::mutex mutex_;
  Counters attestations_;
  Counters log_bytes_;
  Counters faults_;
  std::map<std::string, Histogram, std::less<>> tpm_;
  WallTime last_success_{};
};

}  // namespace gatehouse::agent
