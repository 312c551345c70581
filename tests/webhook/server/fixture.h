// A listener with a few routes, its log, and a folder for TLS files.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <string>

#include "tests/fakes/pki.h"
#include "tests/webhook/server/test_client.h"
#include "webhook/server/http_server.h"

namespace gatehouse::webhook {

class HttpServerTest : public testing::Test {
 protected:
  static constexpr std::size_t kMaxBody = 1000;

  HttpServerTest();
  ~HttpServerTest() override;

  // Plain, on a free port of 127.0.0.1.
  [[nodiscard]] static ListenerOptions Plain();
  // With a certificate of ca() in files of folder().
  [[nodiscard]] ListenerOptions Tls();

  // Makes the server if it is not made, with POST /validate (up to kMaxBody of JSON; answers with `handler`, by default
  // with an echo of the body) and GET /healthz ("ok").
  void Start(ListenerOptions options, HttpServer::Handler handler = Echo);
  [[nodiscard]] static HttpReply Echo(const HttpCall& call) { return {200, std::string(call.body), "text/x-echo"}; }
  [[nodiscard]] TestClient Connect() const { return TestClient(server_->port(), client_tls_); }
  // One request on a connection of its own.
  [[nodiscard]] std::optional<TestResponse> Ask(std::string_view request) const { return Connect().Exchange(request); }

  [[nodiscard]] const fakes::TestCa& ca() const { return ca_; }
  // Valid now, by the machine's clock.
  [[nodiscard]] static fakes::CertificateSpec Today(fakes::CertificateSpec spec);
  [[nodiscard]] fakes::TestCertificate ServerCertificate(fakes::CertificateSpec spec) const;
  [[nodiscard]] fakes::TestCertificate ServerCertificate() const;
  void WriteTls(const fakes::TestCertificate& certificate) const;
  void Write(const std::string& name, std::string_view content) const;
  [[nodiscard]] std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string Log() const;
  // Until it is true, or ten seconds have passed; says which.
  [[nodiscard]] static bool Eventually(const std::function<bool()>& condition);

  std::filesystem::path folder_;
  int log_descriptor_ = -1;
  SystemClock clock_;
  telemetry::Logger log_;
  fakes::TestCa ca_;
  std::optional<ClientTls> client_tls_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace gatehouse::webhook
