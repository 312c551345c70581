// A registry on a free loopback port, well behaved until told otherwise.
//
//   FakeRegistry registry;
//   Digest digest = registry.PutManifest("team/app", "v1", bytes, content_type);
//   registry.RequireToken("user", "password");
//   ... client with insecure_hosts = {registry.host()} pulls registry.host() + "/team/app:v1" ...
//   EXPECT_EQ(registry.CountOf("/v2/team/app/manifests/v1"), 2);
//
// Everything may be called while requests are under way. Destroy the clients' transport before it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/types.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::fakes {

class FakeRegistry {
 public:
  // With `tls`, HTTPS; its certificate should be good for `name`. `threads`: connections that are served at a time.
  explicit FakeRegistry(std::optional<ServerTls> tls = std::nullopt, std::string name = "127.0.0.1",
                        std::size_t threads = 16);
  ~FakeRegistry();
  FakeRegistry(const FakeRegistry&) = delete;
  FakeRegistry& operator=(const FakeRegistry&) = delete;

  [[nodiscard]] std::string host() const;    // "127.0.0.1:PORT", as it stands in an image's name
  [[nodiscard]] std::string origin() const;  // "http://127.0.0.1:PORT"

  // Stores `bytes` under their SHA-256, and under the tag if there is one; a tag that exists moves.
  Digest PutManifest(const std::string& repository, const std::optional<std::string>& tag, const std::string& bytes,
                     const std::string& content_type);
  Digest PutBlob(const std::string& repository, const std::string& bytes);
  void RemoveTag(const std::string& repository, const std::string& tag);
  // Serves `bytes` where `digest` was asked for: a registry that lies.
  void ReplaceContent(const Digest& digest, const std::string& bytes);

  // From now on a bearer token is needed, that GET /token gives for this user and password (for no user: to anybody).
  void RequireToken(const std::string& user, const std::string& password);
  // From now on this user and password are needed with every request.
  void RequireBasic(const std::string& user, const std::string& password);
  // Tokens given so far are worth nothing any more.
  void RevokeTokens();
  // The realm that a 401 names instead of our own.
  void SetRealm(const std::string& realm);

  // The next `times` requests to /v2/ are answered with this.
  void FailWith(Reply reply, std::size_t times);
  void FailWith(int status, std::size_t times) {
    FailWith(Reply{.status = status, .body = "failing on purpose"}, times);
  }
  // Every request to this path (without query) is answered by `handler`, before any authentication.
  void Override(const std::string& path, HttpServer::Handler handler);
  void Override(const std::string& path, const Reply& reply);
  // Blobs are served by a 307 to `origin` + their path.
  void RedirectBlobs(const std::string& origin);
  // Before every answer.
  void Delay(Duration time);
  // From now on there is a referrers API (otherwise 404, as from a registry that never heard of it): manifests of the
  // repository whose `subject` is the digest, in the order of their being put, `page_size` at a time, filtered by
  // artifactType where that is asked for, unless `filters` is false.
  void EnableReferrers(std::size_t page_size = 1000, bool filters = true);
  // More headers of every manifest and blob.
  void AddHeader(const std::string& name, const std::string& value);

  [[nodiscard]] std::size_t CountOf(const std::string& path) const;
  [[nodiscard]] std::vector<ReceivedRequest> requests() const;
  // How many connections the requests came over.
  [[nodiscard]] std::size_t connections() const;
  // TLS handshakes that resumed an earlier session.
  [[nodiscard]] std::size_t resumed_sessions() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::fakes
