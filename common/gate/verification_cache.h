// What was verified about an image, remembered for as long as everything it depended on stays the same, with at most
// one verification of the same thing under way at a time.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse::gate {

// The verdict of one policy over one image: who vouches, or why it fails.
struct PolicyVerdict {
  std::string policy;
  Result<std::string> vouched_by;    // "release (key 3f2a…), qa (https://… by https://…)"
  bool signature = false;            // by something that somebody signed over this image
  std::vector<Error> warnings = {};  // of what vouches: what its own rules only log
};
using ImageVerdict = std::vector<PolicyVerdict>;

class VerificationCache {
 public:
  struct Options {
    Duration positive_ttl{600'000};
    Duration negative_ttl{3'000};  // a failure is remembered for seconds only: signing an image helps at once
    std::size_t max_entries = 10'000;
  };
  // `on_event` gets "hit", "negative_hit", "miss" or "coalesced".
  VerificationCache(const Clock& clock, Options options, std::function<void(std::string_view)> on_event);

  // `key` names everything that the verdict depends on. Returns what is remembered, or waits for the verification of
  // the same key that is under way, or runs `verify`. A waiter whose leader came back unavailable while it still has
  // time verifies itself. A waiter whose deadline passes gets `late`.
  [[nodiscard]] std::shared_ptr<const ImageVerdict> Get(const std::string& key, const Deadline& deadline,
                                                        const std::function<ImageVerdict()>& verify,
                                                        const std::function<ImageVerdict()>& late);
  [[nodiscard]] std::size_t size() const;

 private:
  struct Flight {
    std::shared_ptr<const ImageVerdict> verdict;  // set when it has landed
    bool landed = false;
  };
  struct Entry {
    std::shared_ptr<const ImageVerdict> verdict;
    MonoTime expires;
    bool positive;
    std::list<std::string>::iterator age;
  };

  [[nodiscard]] std::list<std::string>& AgeOf(bool positive) { return positive ? successes_ : failures_; }
  void Erase(const std::string& key);
  [[nodiscard]] std::shared_ptr<const ImageVerdict> Remembered(const std::string& key);
  void Remember(const std::string& key, std::shared_ptr<const ImageVerdict> verdict);
  [[nodiscard]] std::shared_ptr<const ImageVerdict> Lead(const std::string& key, const std::shared_ptr<Flight>& flight,
                                                         const std::function<ImageVerdict()>& verify);

  const Clock& clock_;
  Options options_;
  std::function<void(std::string_view)> on_event_;
  mutable std::mutex mutex_;
  std::condition_variable landed_;
  std::unordered_map<std::string, Entry> entries_;
  // Least recently used first, failures apart: what anybody can make fail does not push out what was proven.
  std::list<std::string> successes_;
  std::list<std::string> failures_;
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
};

}  // namespace gatehouse::gate
