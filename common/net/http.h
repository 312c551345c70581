// One HTTP exchange, as everything in common/ sees it. HttpsTransport (net/https_transport.h) is the real one; tests
// have fakes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace gatehouse::net {

// scheme://host[:port]/path[?query], http or https, no userinfo, no fragment.
struct Url {
  std::string scheme;  // "http" or "https"
  std::string host;    // lower case; an IPv6 literal without its brackets
  int port;            // always set: 80 or 443 by default
  std::string target;  // path and query, begins with '/'

  // Errors: kNetworkUnavailable is never given here; a bad URL has the `reason` that the caller passes.
  [[nodiscard]] static Result<Url> Parse(std::string_view text, Reason reason);
  // Resolves a Location or Link target against this URL (RFC 3986 section 5, absolute and path-absolute forms,
  // query-only).
  [[nodiscard]] Result<Url> Resolve(std::string_view reference, Reason reason) const;
  [[nodiscard]] std::string Origin() const;     // "https://host:port": what credentials are bound to
  [[nodiscard]] std::string Authority() const;  // "host" or "host:port" when not the default port; IPv6 in brackets
  [[nodiscard]] std::string ToString() const;
  friend bool operator==(const Url&, const Url&) = default;
};

// Percent-encodes everything but RFC 3986 unreserved characters.
[[nodiscard]] std::string EncodeQueryValue(std::string_view text);

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method = "GET";
  Url url = {};
  Headers headers = {};
  std::string body = {};
  std::string content_type = {};
  std::size_t max_response_bytes;  // a longer body is kLimitExceeded, cut off while it arrives
};

struct HttpResponse {
  int status = 0;
  Headers headers;
  std::string body;

  // The value of the only header of that name (case-insensitive); nothing if absent or repeated.
  [[nodiscard]] std::optional<std::string_view> Header(std::string_view name) const;
};

// Sends one request and reads one response: no redirects, no retries, no authentication, no content decoding (a
// response with a Content-Encoding other than identity is kContentUnsupported). Any status is a success here. Errors:
// kNetworkUnavailable (connect, TLS, broken off), kDeadlineExceeded, kLimitExceeded, kContentUnsupported. Thread-safe.
class HttpTransport {
 public:
  virtual ~HttpTransport() = default;
  [[nodiscard]] virtual Result<HttpResponse> Send(const HttpRequest& request, const Deadline& deadline) = 0;
};

// A transport that can also hand a body over while it arrives: a watch of the Kubernetes API, which ends when somebody
// ends it.
class StreamTransport : public HttpTransport {
 public:
  // Called with each piece of the body of a 2xx answer as it arrives, and with nothing at least every
  // limits::kStreamTick while none does. false ends the exchange: that is a success.
  using OnBody = std::function<bool(std::string_view piece)>;

  // As Send, except that the body of a 2xx answer goes to `on_body` (max_response_bytes does not apply to it), that the
  // exchange may last until `deadline`, and that the connection is not used again. Any other answer is returned with
  // its body. A body that breaks off is kNetworkUnavailable; one that ends in order is a success. A peer that is gone
  // without a word is found by the kernel's keep-alive within about half a minute.
  [[nodiscard]] virtual Result<HttpResponse> Stream(const HttpRequest& request, const OnBody& on_body,
                                                    const Deadline& deadline) = 0;
};

struct RedirectPolicy {
  std::size_t max_hops;
  bool allow_http;  // whether an https request may be redirected to plain http: never with credentials
};

// Send, following 301, 302, 303, 307 and 308 for GET and HEAD. Headers named Authorization, Cookie and
// Proxy-Authorization are dropped when the origin changes (scheme, host or port), and stay dropped. `may_visit` is
// asked for every hop's URL before it is sent. Errors: as Send, and kRegistryProtocol for too many hops or a bad
// Location.
[[nodiscard]] Result<HttpResponse> SendFollowing(HttpTransport& transport, HttpRequest request,
                                                 const RedirectPolicy& policy,
                                                 const std::function<Status(const Url&)>& may_visit,
                                                 const Deadline& deadline);

}  // namespace gatehouse::net
