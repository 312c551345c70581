// Where a listener binds.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace gatehouse::webhook {

struct ListenAddress {
  std::string host;  // numeric, without brackets; empty: every address of the machine, of both families
  std::uint16_t port = 0;
  bool ipv6 = false;

  [[nodiscard]] std::string ToString() const;  // "0.0.0.0:8443", "[::]:8443"
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// "0.0.0.0:8443", "[::]:8443" (IPv4 as well), ":8443" (the same, or IPv4 alone where the machine has no IPv6), port 0 =
// any free one. Numeric addresses only: which interface a port is open on must not hang on a name server. Errors:
// kConfigInvalid.
[[nodiscard]] Result<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace gatehouse::webhook
