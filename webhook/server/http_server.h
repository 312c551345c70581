// One listener: HTTP/1.1, with or without TLS, with everything that a port in a hostile place needs. Requests and
// responses are cpp-httplib's (http_library.h); connections, TLS and time are ours, because a thread for each
// connection, as the library has it, lets anybody who opens as many connections as there are threads stop admission.
//
// What is bounded: the handshake, a whole request from its first byte to its last and the sending of a response by
// read_timeout each; the head by limits::kHttpHeaderBytes, a body by its route, both while they arrive; connections,
// threads, and memory. A handler's own time is not: it has its deadlines itself.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/base/result.h"
#include "common/telemetry/log.h"

namespace gatehouse::webhook {

// Serving certificate files, read again when they change (checked at least every few seconds); a broken replacement
// keeps the old one and is logged. Existing connections keep their certificate.
struct TlsFiles {
  std::string certificate;  // PEM chain, leaf first
  std::string key;          // PEM, ECDSA or RSA
  std::string client_ca;    // PEM bundle; empty: no client certificate is asked for
  // With client_ca: refuse the handshake without one. Otherwise it is optional, but verified if given.
  bool require_client_certificate = false;
};

struct ListenerOptions {
  std::string name;             // "admission": in logs and metrics
  std::string address;          // "0.0.0.0:8443", "[::]:8443", port 0 = any free one
  std::optional<TlsFiles> tls;  // nothing: plain HTTP
  // As many handlers run at once (at least 2); a request beyond waits unread. More than what a handler itself admits
  // at once, if it is to answer that it is overloaded. Started as needed, ended when idle.
  std::size_t max_threads = 64;
  std::size_t max_requests_per_connection = 100'000;
  Duration idle_timeout{75'000};  // of a kept-alive connection
  Duration read_timeout{10'000};  // for the handshake; to receive a whole request; for the peer to take a response
  // Beyond it the connection that was of no use for longest is closed for a new one: first one that never sent a whole
  // request, then an idle one. Also bounded by RLIMIT_NOFILE, less what the program needs besides.
  std::size_t max_connections = limits::kServerConnections;
  // Of requests that are arriving, beyond 64 KiB each; 503 to the request that would exceed it.
  std::size_t max_buffered_bytes = limits::kServerBufferedBytes;
  Duration tls_check_interval{2'000};  // between looks at the TLS files
};

struct ClientIdentity {
  std::string common_name;
  std::vector<std::string> organizations;
};

struct HttpCall {
  std::string_view path;
  std::string_view body;
  std::optional<std::string> query_timeout;  // the value of ?timeout=
  std::string_view authorization;            // header, empty if absent
  std::optional<ClientIdentity> client;      // of a verified client certificate
  std::string peer;                          // address, for logs
  MonoTime received;
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
};

struct RouteOptions {
  std::string method;  // "GET" or "POST"
  std::string path;
  std::size_t max_body_bytes = 0;  // 413 beyond, by Content-Length at once, chunked as it arrives
  // 415 for another, and for any Content-Encoding other than identity; parameters (charset) allowed. Empty: any.
  std::string content_type;
  // Asked once when the head of a request is there and before any of its body is waited for; the call has no body and
  // no query. A reply is sent in place of the handler's, and the connection ends: whoever may not call the route must
  // not cost the memory of a large body. Concurrent, as handlers are; what it throws ends the connection.
  std::function<std::optional<HttpReply>(const HttpCall& head)> admit = nullptr;
};

// Start() binds and serves on threads of its own. Handlers run concurrently; an exception in one is caught, logged,
// answered by 500 without its text. Unknown paths 404, other methods 405; HEAD is one of these. A path is compared as
// sent, nothing is decoded. A POST says its length or is chunked, 411 otherwise. Every request that is refused is
// answered by {"error":"..."} and ends its connection, so that nobody's reading of where it ended matters.
//
// Drain(): no new connections; requests under way are answered with Connection: close, and so are those that still
// arrive on open connections within a second (or a quarter of `within`), after which idle connections are closed.
// Returns when nothing is under way, or after `within`. ~HttpServer: at any point, Drain()ed or not; waits for the
// handlers that are running, and closes all connections.
class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpCall&)>;

  // Errors: kConfigInvalid (address, TLS files).
  [[nodiscard]] static Result<std::unique_ptr<HttpServer>> Make(ListenerOptions options, const Clock& clock,
                                                                telemetry::Logger& log);
  ~HttpServer();

  void Route(RouteOptions options, Handler handler);  // before Start
  // Once. Errors: kConfigInvalid (the address is in use, not ours, or not allowed), kInternal.
  [[nodiscard]] Status Start();
  [[nodiscard]] int port() const;  // after Start
  void Drain(Duration within);
  // When the serving certificate in use ends; nothing without TLS.
  [[nodiscard]] std::optional<WallTime> CertificateExpiry() const;

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::webhook
