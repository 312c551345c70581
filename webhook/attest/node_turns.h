// How many calls of one node are served at once: an agent makes one after the other, and who speaks for a node must not
// hold all threads of the listener, whatever each of its calls costs.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "common/base/types.h"

namespace gatehouse::webhook {

// Thread-safe. Turns may outlive what took them, and not this.
class NodeTurns {
 public:
  explicit NodeTurns(std::size_t each) : each_(each) {}

  class Turn {
   public:
    Turn() = default;  // not taken
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), node_(std::move(other.node_)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->End(node_);
    }
    [[nodiscard]] bool taken() const { return turns_ != nullptr; }

   private:
    friend class NodeTurns;
    Turn(NodeTurns* turns, std::string node) : turns_(turns), node_(std::move(node)) {}
    NodeTurns* turns_ = nullptr;
    std::string node_;
  };

  // Not taken if as many calls of the node are under way as there may be.
  [[nodiscard]] Turn Take(const NodeName& node) {
    std::lock_guard lock(mutex_);
    std::size_t& under_way = under_way_[node.text()];
    if (under_way >= each_) return {};
    ++under_way;
    return {this, node.text()};
  }

 private:
  void End(const std::string& node) {
    std::lock_guard lock(mutex_);
    auto found = under_way_.find(node);
    if (--found->second == 0) under_way_.erase(found);
  }

  const std::size_t each_;
  std::mutex mutex_;
  std::map<std::string, std::size_t> under_way_;  // of nodes with calls under way
};

}  // namespace gatehouse::webhook
