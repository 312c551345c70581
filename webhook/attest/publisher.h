// Writes results to NodeAttestations from a thread of its own, the urgent ones first.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "common/kube/api.h"
#include "common/telemetry/log.h"
#include "webhook/attest/node_records.h"

namespace gatehouse::webhook {

// What is written is what NodeRecords holds at that moment, so that of several results for a node only the newest is.
// While the API fails, everything waits, and is tried again after growing pauses.
class Publisher {
 public:
  struct Parts {
    kube::Api& api;
    NodeRecords& records;
    telemetry::Logger& log;
    Random random;
  };
  struct Options {
    bool owned = false;
    Duration shortest_pause{500};
    Duration longest_pause{30'000};
  };
  Publisher(Parts parts, Options options) : parts_(std::move(parts)), options_(options) {}
  ~Publisher() { Stop(); }

  // Bindings that were signed by another key are signed anew with this one on the way; nothing: as they are.
  void SignWith(std::function<crypto::PrivateKey()> signing_key) { signing_key_ = std::move(signing_key); }
  void Start();
  void Stop();
  // At its place in the order; moves forward if it is more urgent than before.
  void Enqueue(const std::string& node, Urgency urgency);

  struct Counts {
    std::uint64_t written = 0;
    std::uint64_t failed = 0;
  };
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] std::size_t waiting() const;

 private:
  void Run();
  [[nodiscard]] std::optional<std::string> Next(std::unique_lock<std::mutex>& lock);
  void TryRefusedAgain(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] Result<bool> Guarded(const std::string& node);
  // Whether something was written.
  [[nodiscard]] Result<bool> WriteNode(const std::string& node);
  [[nodiscard]] Result<bool> Send(const NodeRecords::Write& write);
  void Resign(NodeRecords::Write& write) const;
  [[nodiscard]] Duration PauseAfter(int failures) const;

  Parts parts_;
  Options options_;
  std::function<crypto::PrivateKey()> signing_key_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  int last_words_ = 100;                           // that are still written when it is to stop
  std::array<std::deque<std::string>, 3> queues_;  // by urgency
  std::map<std::string, Urgency> queued_;          // of each node its one valid place
  std::set<std::string> refused_;                  // nodes whose objects were not accepted
  int refusals_ = 0;                               // rounds in which some were not
  Counts counts_;
  std::thread thread_;
};

// The merge patch (RFC 7396) that makes the object at the API what `object_json` is, in its spec and status, and leaves
// alone what others have written into its metadata.
[[nodiscard]] Result<std::string> MergePatchOf(const std::string& object_json);

}  // namespace gatehouse::webhook
