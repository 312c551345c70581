// Host names to addresses, by a deadline.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/net/address.h"

namespace gatehouse::net {

// getaddrinfo has no deadline and cannot be cancelled, so each look-up runs in a thread of its own that is left behind
// when the answer comes too late. Their number is bounded (limits::kPendingLookups).
class SystemResolver {
 public:
  // Errors: kNetworkUnavailable with the resolver's words, kDeadlineExceeded.
  [[nodiscard]] Result<std::vector<IpAddress>> Resolve(const std::string& host, const Deadline& deadline) const;

 private:
  std::shared_ptr<std::atomic<std::size_t>> pending_ = std::make_shared<std::atomic<std::size_t>>(0);
};

}  // namespace gatehouse::net
