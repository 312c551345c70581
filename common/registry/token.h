// Docker's token authentication (distribution docs, "Token Authentication Specification"): what a challenge asks for,
// and what the token service answers.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/net/http.h"
#include "common/registry/challenge.h"

namespace gatehouse::registry {

struct BearerToken {
  std::string value;              // RFC 6750 b64token: fit for a header
  std::chrono::seconds lifetime;  // from the time of the request on; zero: for this once
};

// {"token": ..., "access_token": ..., "expires_in": ...}: one of the two names, or both with one value; 60 seconds if
// no lifetime is given, never more than limits::kTokenCacheTime. Errors: kRegistryProtocol; the token is never shown.
[[nodiscard]] Result<BearerToken> ParseTokenResponse(std::string_view body);

// Where the challenge of `registry` sends for a token that may pull `repository`. The realm must be HTTPS, or, if the
// registry itself is reached by plain HTTP, on the registry's own host. The scope is ours: what the challenge asks for
// may be more. Errors: kRegistryProtocol.
[[nodiscard]] Result<net::Url> TokenUrl(const Challenge& challenge, const net::Url& registry,
                                        std::string_view repository);

// Authorization headers that were accepted once, by registry, repository and credential. Thread-safe, bounded.
class AuthorizationCache {
 public:
  [[nodiscard]] std::optional<std::string> Find(const std::string& key, MonoTime now);
  void Put(const std::string& key, std::string authorization, MonoTime now, std::chrono::seconds lifetime);
  // Unless another took its place.
  void Remove(const std::string& key, const std::string& authorization);

 private:
  struct Entry {
    std::string authorization;
    MonoTime until;
  };
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;
};

}  // namespace gatehouse::registry
