// The parsed form of ProxySettings, for the transport.
#pragma once

#include <optional>
#include <string>

#include "common/net/https_transport.h"

namespace gatehouse::net {

struct Proxy {
  std::string host;
  int port;
  std::string authorization;  // the value of Proxy-Authorization; empty without credentials
};

// "http://[user:password@]host:port"; user and password may be percent-encoded. Errors: kConfigInvalid; never shows the
// password.
[[nodiscard]] Result<Proxy> ParseProxy(std::string_view text);

// The proxy that `url` goes through, or nothing: none is set for its scheme, or no_proxy names it.
// Errors: kConfigInvalid.
[[nodiscard]] Result<std::optional<Proxy>> ProxyFor(const ProxySettings& settings, const Url& url);

}  // namespace gatehouse::net
