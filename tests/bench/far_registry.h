// A registry over TLS that is a round trip away: a fake one on loopback behind a relay that holds everything up, the
// handshakes too.
#pragma once

#include <memory>
#include <string>

#include "tests/fakes/registry.h"

namespace gatehouse::bench {

// Passes bytes on to a loopback port, half a round trip later in each direction, in order and without one piece waiting
// for another. What a client sends first waits a whole round trip more: that of TCP's own handshake, which the kernel
// makes on loopback without asking.
class Relay {
 public:
  Relay(int to_port, Duration round_trip);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  [[nodiscard]] int port() const;
  [[nodiscard]] std::size_t opened() const;        // connections, since the start
  [[nodiscard]] std::size_t most_at_once() const;  // of those, open at the same time

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class FarRegistry {
 public:
  explicit FarRegistry(Duration round_trip, std::size_t threads = 32);

  [[nodiscard]] std::string host() const;                                // of the relay, as in an image's name
  [[nodiscard]] const std::string& ca_pem() const { return ca_.pem(); }  // who signed the server's certificate
  [[nodiscard]] fakes::FakeRegistry& content() { return registry_; }
  [[nodiscard]] const Relay& relay() const { return relay_; }

 private:
  fakes::TestCa ca_;
  fakes::FakeRegistry registry_;
  Relay relay_;
};

}  // namespace gatehouse::bench
