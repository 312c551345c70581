// Servers for tests on a free loopback port: one that speaks HTTP well and answers what a handler says, and one that
// writes any bytes at all. Destroy the clients' transport first: an idle connection holds the server up for a second.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/net/http.h"
#include "tests/fakes/pki.h"

namespace gatehouse::fakes {

struct ServerTls {
  std::string chain_pem;
  std::string key_pem;
  std::string client_ca_pem = {};  // not empty: a client certificate from this authority is required
  bool only_tls11 = false;         // speak nothing newer
};

// A certificate valid today. `names` in the syntax of OpenSSL: "DNS:localhost,IP:127.0.0.1". Empty: no subjectAltName
// at all.
[[nodiscard]] ServerTls IssueServerTls(const TestCa& ca, const std::string& names,
                                       const std::string& common_name = "server");
// A root valid today: the clock that OpenSSL asks cannot be set.
[[nodiscard]] TestCa RootOfToday(const std::string& common_name = "test root");

struct ReceivedRequest {
  std::string method;
  std::string target;  // as sent: path and query, not decoded
  net::Headers headers;
  std::string body;
  int connection;  // the client's port: equal for requests that came over one connection

  [[nodiscard]] std::string Path() const { return target.substr(0, target.find('?')); }
  // The first header of that name (any case), or "".
  [[nodiscard]] std::string Header(const std::string& name) const;
  // A query parameter, decoded, or "".
  [[nodiscard]] std::string Query(const std::string& name) const;
};

struct Reply {
  int status = 200;
  std::string body = {};
  std::string content_type = "text/plain";
  net::Headers headers = {};
  Duration delay = Duration::zero();  // before the first byte
  bool endless = false;               // chunked: `body` again and again until the client gives up
  // Chunked: piece after piece, until there is none; an empty one is no piece, and the next is asked for.
  std::function<std::optional<std::string>()> next = {};
};

class HttpServer {
 public:
  using Handler = std::function<Reply(const ReceivedRequest&)>;

  // `threads`: connections that are served at a time.
  explicit HttpServer(Handler handler, std::optional<ServerTls> tls = std::nullopt, std::size_t threads = 16);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  [[nodiscard]] int port() const;
  // "https://127.0.0.1:PORT"
  [[nodiscard]] std::string Origin(const std::string& host = "127.0.0.1") const;
  [[nodiscard]] net::Url At(const std::string& target, const std::string& host = "127.0.0.1") const;
  [[nodiscard]] std::vector<ReceivedRequest> requests() const;
  [[nodiscard]] std::size_t CountOf(const std::string& path) const;
  // TLS handshakes that resumed an earlier session.
  [[nodiscard]] std::size_t ResumedSessions() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One TCP connection of a RawServer, from the server's side.
class RawConnection {
 public:
  explicit RawConnection(int descriptor) : descriptor_(descriptor) {}
  // Reads up to and including an empty line; "" when the client has gone.
  std::string ReadHead();
  // At most `size` bytes; "" when the client has gone.
  std::string Read(std::size_t size);
  // false when the client has gone.
  bool Write(const std::string& bytes);
  // Waits until the client closes, or for `at_most`.
  void AwaitClose(Duration at_most);
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

// Runs `script` for every connection, one after the other; the connection is closed when the script returns.
class RawServer {
 public:
  using Script = std::function<void(RawConnection& connection, std::size_t number)>;

  explicit RawServer(Script script);
  ~RawServer();
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] int port() const;
  [[nodiscard]] net::Url At(const std::string& target) const;
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A loopback port on which nothing listens (at the time of asking).
[[nodiscard]] int UnusedPort();

}  // namespace gatehouse::fakes
