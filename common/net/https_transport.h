// HttpTransport over cpp-httplib: TLS 1.2+, kept-alive connections, deadlines, proxy settings.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/base/limits.h"
#include "common/net/http.h"

namespace gatehouse::net {

struct TlsClientOptions {
  std::string ca_pem = {};           // roots to trust; empty: the system's
  std::string certificate_pem = {};  // client certificate chain and key, both or neither
  std::string key_pem = {};
  std::string server_name = {};  // whom to ask for and whom the certificate must name; empty: the URL's host
};

// HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the usual form; the program reads the environment, not this room.
struct ProxySettings {
  std::string https_proxy = {};  // "http://[user:password@]host:port"; empty: direct
  std::string http_proxy = {};
  std::string no_proxy = {};                          // comma-separated: host, .suffix, host:port, IP, CIDR, or "*"
  [[nodiscard]] Status Validate() const;              // kConfigInvalid
  [[nodiscard]] bool Bypasses(const Url& url) const;  // whether no_proxy names the URL's host (loopback always does)
};

struct TransportOptions {
  TlsClientOptions tls = {};                                 // for every host without an entry in tls_by_host
  std::map<std::string, TlsClientOptions> tls_by_host = {};  // key: Url::Authority()
  ProxySettings proxy = {};
  std::size_t idle_connections_per_origin = 4;
  // Of exchanges under way at once, so that a burst does not become as many sockets; what is more waits within its
  // deadline (kDeadlineExceeded). 0: as many as there are. Streams are not counted.
  std::size_t connections_per_origin = 0;
  std::size_t connections = 0;
  // New connections to a server resume a TLS session of an earlier one (RFC 8446 section 2.2), which saves the server a
  // signature, and a round trip where it speaks TLS 1.2. The server's certificate is verified again all the same, and
  // nothing is sent early. Not for hosts with a client certificate: some servers end such a handshake.
  bool resume_tls_sessions = false;
  // One exchange has this at most, or what is left of the caller's deadline.
  Duration exchange_time = limits::kRequestTimeout;
  // Refuse addresses in loopback, link-local (169.254/16, fe80::/10) and unspecified ranges, also IPv4-mapped, checked
  // after name resolution on the very address that is connected to (so DNS rebinding gains nothing), except for these
  // authorities.
  bool deny_local_addresses = false;
  // With deny_local_addresses: refuse private ones (IpAddress::IsPrivate) as well, in the same way: for URLs that
  // strangers choose, who must not reach the services of a cluster.
  bool deny_private_addresses = false;
  std::vector<std::string> local_address_exceptions = {};  // Url::Authority()
  // Host name to numeric addresses in order of preference, asked once per new connection; empty: the system's resolver.
  std::function<Result<std::vector<std::string>>(const std::string& host)> resolve = {};
};

// The transport's errors, beside those of HttpTransport::Send: kAddressRefused, and kInternal for a request header that
// would break the message. When TransportOptions::exchange_time passes before the caller's deadline, the error is
// kNetworkUnavailable. HTTP/1.1 only. Through a proxy the name is the proxy's to resolve, so that deny_local_addresses
// can judge literal addresses only. Errors: kConfigInvalid, kCertificateMalformed, kKeyMalformed.
[[nodiscard]] Result<std::unique_ptr<HttpTransport>> MakeHttpsTransport(TransportOptions options);
[[nodiscard]] Result<std::unique_ptr<StreamTransport>> MakeStreamTransport(TransportOptions options);

}  // namespace gatehouse::net
