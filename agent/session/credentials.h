// How the agent knows the server and the server the agent: files that are read again each time, because they are
// renewed while we run.
#pragma once

#include <memory>
#include <string>

#include "agent/config/config.h"
#include "common/net/http.h"

namespace gatehouse::agent {

class Credentials {
 public:
  explicit Credentials(ServerConfig server) : server_(std::move(server)) {}

  // A transport that trusts the roots in `ca` and no others, with the client certificate if there is one, without any
  // proxy. Errors: kFileUnreadable, kLimitExceeded, kConfigInvalid, kCertificateMalformed, kKeyMalformed.
  [[nodiscard]] Result<std::unique_ptr<net::HttpTransport>> Connect() const;
  // Empty if no token is configured. A final line feed is not part of it. Errors: kFileUnreadable, kLimitExceeded,
  // kTokenMalformed (empty, or with characters that no token has: they would end up in a header).
  [[nodiscard]] Result<std::string> Token() const;

 private:
  ServerConfig server_;
};

}  // namespace gatehouse::agent
