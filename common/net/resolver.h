// Host names to addresses, by a deadline.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/net/address.h"

namespace gatehouse::net {

// getaddrinfo has no deadline and cannot be cancelled, so each look-up runs in a thread of its own that is left behind
// when the answer comes too late. Their number is bounded (limits::kPendingLookups); who asks for one name at the same
// time shares a look-up, so that many connections to one host are one. Whoever may name an image may name many in a
// zone that does not answer: while no more look-ups may begin, a name that had an answer before has the same again.
class SystemResolver {
 public:
  using LookUp = std::function<Result<std::vector<IpAddress>>(const std::string& host)>;
  explicit SystemResolver(LookUp look_up = {});  // empty: getaddrinfo

  // Errors: kNetworkUnavailable with the resolver's words, kDeadlineExceeded, kOverloaded. Thread-safe.
  [[nodiscard]] Result<std::vector<IpAddress>> Resolve(const std::string& host, const Deadline& deadline) const;

 private:
  struct Answer;
  struct State;
  static void Settle(State& state, const std::string& host, Answer& answer, Result<std::vector<IpAddress>> addresses);

  const LookUp look_up_;
  std::shared_ptr<State> state_;  // shared with the look-ups' threads, whichever live longer
};

}  // namespace gatehouse::net
