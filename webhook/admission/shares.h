// How much of the gate's work at a time one namespace may have.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>

namespace gatehouse::webhook {

// Admits what is done at once, `total` at most, and of each namespace at most as many as are free then: one namespace
// alone gets half, two a third each, and there is always room for one that comes anew. So a namespace whose registry is
// slow waits for itself only. (Known for shared buffers as a dynamic threshold: Choudhury and Hahne, 1998.)
class Shares {
 public:
  explicit Shares(std::size_t total) : total_(total) {}

  enum class Entry : std::uint8_t {
    kEntered,  // Leave() is due
    kFull,
    kShareUsedUp,  // there is room, but not for this namespace
  };
  [[nodiscard]] Entry Enter(const std::string& namespace_name);
  void Leave(const std::string& namespace_name);

 private:
  const std::size_t total_;
  std::mutex mutex_;
  std::size_t used_ = 0;
  std::map<std::string, std::size_t> by_namespace_;  // those that have any
};

// One admitted piece of work, or none.
class Share {
 public:
  Share(Shares& shares, const std::string& namespace_name)
      : shares_(shares), namespace_name_(namespace_name), entry_(shares.Enter(namespace_name)) {}
  ~Share() {
    if (entry_ == Shares::Entry::kEntered) shares_.Leave(namespace_name_);
  }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;
  [[nodiscard]] Shares::Entry entry() const { return entry_; }

 private:
  Shares& shares_;
  const std::string& namespace_name_;
  Shares::Entry entry_;
};

}  // namespace gatehouse::webhook
