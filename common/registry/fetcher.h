// One GET to one registry: authenticated, patient, and never mistaken for "nothing there".
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/net/http.h"
#include "common/registry/challenge.h"
#include "common/registry/credentials.h"
#include "common/registry/single_flight.h"
#include "common/registry/token.h"

namespace gatehouse::registry {

// Where an image's content is, and what may be shown there.
struct Target {
  std::string name;        // "host/path", for messages
  net::Url registry;       // its root
  std::string repository;  // path
  std::optional<BasicCredential> credential;
  std::string cache_key;  // registry, repository and credential
  std::string login_key;  // registry and credential
};

struct Fetched {
  bool found = false;  // 200; otherwise 404
  net::HttpResponse response;
  net::Url url;  // what gave it, after redirects
};

// Thread-safe. Where a registry sent for a token is remembered for a few minutes for the same credential: for the next
// repository the token is asked for at once, which saves a round trip. What is shown to whom does not change by that:
// the same secret was shown to the same token service before. What it does with credentials and answers is said at
// Client.
class Fetcher {
 public:
  // `sleep`: see ClientOptions. `on_fault` is told which registry could not be reached, or broke off.
  Fetcher(net::HttpTransport& transport, const Clock& clock, std::function<void(Duration)> sleep,
          std::function<void(const net::Url&)> on_fault);

  // GET of `path` (with its query, from the registry's root). Errors: those of Client.
  [[nodiscard]] Result<Fetched> Get(const Target& target, const std::string& path, const std::string& accept,
                                    std::size_t max_bytes, const Deadline& deadline);

 private:
  [[nodiscard]] Result<net::HttpResponse> SendPatiently(const Target& target, const net::HttpRequest& request,
                                                        const std::string& where, net::Url& last,
                                                        const Deadline& deadline) const;
  [[nodiscard]] Result<std::string> FetchToken(const Target& target, const Challenge& challenge,
                                               const Deadline& deadline);
  [[nodiscard]] Result<std::string> Authenticate(const Target& target, const net::HttpResponse& response,
                                                 const Deadline& deadline);
  [[nodiscard]] Result<std::optional<std::string>> AuthorizeAhead(const Target& target, const Deadline& deadline);
  [[nodiscard]] Result<std::string> AuthenticateOnce(const Target& target, const net::HttpResponse& response,
                                                     const std::optional<std::string>& refused,
                                                     const Deadline& deadline);

  net::HttpTransport& transport_;
  const Clock& clock_;
  std::function<void(Duration)> sleep_;
  std::function<void(const net::Url&)> on_fault_;
  AuthorizationCache authorizations_;
  AuthorizationCache challenges_;  // WWW-Authenticate by registry and credential
  SingleFlight<std::string> logins_;
};

}  // namespace gatehouse::registry
