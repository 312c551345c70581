// The fake API server at a port of this machine, for programs.
#pragma once

#include <optional>
#include <string>

#include "tests/fakes/http_server.h"
#include "tests/fakes/kube_api.h"

namespace gatehouse::fakes {

class KubeApiServer {
 public:
  explicit KubeApiServer(KubeApi& api, std::optional<ServerTls> tls = std::nullopt);
  ~KubeApiServer();

  [[nodiscard]] net::Url url() const;  // "https://127.0.0.1:PORT/" or "http://…"
  [[nodiscard]] int port() const;
  // The text of a kubeconfig for it: context "test", namespace "default"; the CA and the token if they are not empty.
  [[nodiscard]] std::string KubeConfig(const std::string& ca_pem = {}, const std::string& token = "token-of-the-test",
                                       const std::string& namespace_name = "default") const;

 private:
  KubeApi& api_;
  HttpServer server_;
};

}  // namespace gatehouse::fakes
