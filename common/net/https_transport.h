// HttpTransport over cpp-httplib: TLS 1.2+, kept-alive connections, deadlines, proxy settings.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/net/http.h"

namespace gatehouse::net {

struct TlsClientOptions {
  std::string ca_pem;           // roots to trust; empty: the system's
  std::string certificate_pem;  // client certificate chain and key, both or neither
  std::string key_pem;
};

// HTTPS_PROXY, HTTP_PROXY and NO_PROXY in the usual form; the program reads the environment, not this room.
struct ProxySettings {
  std::string https_proxy;  // "http://[user:password@]host:port"; empty: direct
  std::string http_proxy;
  std::string no_proxy;     // comma-separated: host, .suffix, host:port, IP, CIDR, or "*"
  [[nodiscard]] Status Validate() const;                   // kConfigInvalid
  [[nodiscard]] bool Bypasses(const Url& url) const;       // whether no_proxy names the URL's host (loopback always does)
};

struct TransportOptions {
  TlsClientOptions tls;                                    // for every host without an entry in tls_by_host
  std::map<std::string, TlsClientOptions> tls_by_host;     // key: Url::Authority()
  ProxySettings proxy;
  std::size_t idle_connections_per_origin = 4;
  // Refuse addresses in loopback, link-local (169.254/16, fe80::/10) and unspecified ranges, also IPv4-mapped, checked after
  // name resolution on the very address that is connected to (so DNS rebinding gains nothing), except for these authorities.
  bool deny_local_addresses = false;
  std::vector<std::string> local_address_exceptions;       // Url::Authority()
};

// Errors: kConfigInvalid, kCertificateMalformed, kKeyMalformed.
[[nodiscard]] Result<std::unique_ptr<HttpTransport>> MakeHttpsTransport(TransportOptions options);

}  // namespace gatehouse::net
