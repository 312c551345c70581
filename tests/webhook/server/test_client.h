// A client of raw bytes, with or without TLS, to say what no well-behaved client says.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct ssl_st;

namespace gatehouse::webhook {

struct ClientTls {
  std::string ca_pem = {};           // the server must chain to it; empty: any will do
  std::string certificate_pem = {};  // of the client
  std::string key_pem = {};
  int max_version = 0;         // TLS1_1_VERSION and so on; 0: the newest
  std::string ciphers12 = {};  // an OpenSSL cipher list; with max_version TLS 1.2
  std::string alpn = {};       // one protocol to offer
  ssl_st* resume = nullptr;    // take the session of this one
};

struct TestResponse {
  int status = 0;
  std::string head;  // with the status line
  std::string body;
  // Value of a header field, without regard to case.
  [[nodiscard]] std::optional<std::string> Field(std::string_view name) const;
};

class TestClient {
 public:
  // Connects to 127.0.0.1 (or ::1), and shakes hands if asked to. Reads fail after `patience`.
  explicit TestClient(int port, std::optional<ClientTls> tls = std::nullopt, bool ipv6 = false,
                      std::chrono::milliseconds patience = std::chrono::seconds(20));
  ~TestClient();
  TestClient(TestClient&& other) noexcept;
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  // What went wrong in the handshake: OpenSSL's words.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  [[nodiscard]] ssl_st* ssl() const { return ssl_; }
  [[nodiscard]] int descriptor() const { return descriptor_; }

  bool Send(std::string_view bytes);
  // Ends our side; the other may still send.
  void FinishSending();
  // The next response (1xx too); nothing when the connection ended or broke before a whole one came.
  [[nodiscard]] std::optional<TestResponse> Receive();
  // Sends and receives.
  [[nodiscard]] std::optional<TestResponse> Exchange(std::string_view bytes);
  // Whether the peer ended the connection in order, with nothing more sent.
  [[nodiscard]] bool AtEnd();

 private:
  [[nodiscard]] long Read(char* to, std::size_t size);
  int descriptor_ = -1;
  ssl_st* ssl_ = nullptr;
  bool connected_ = false;
  std::string failure_;
  std::string in_;
};

// "POST /validate HTTP/1.1" with Host, Content-Type application/json and Content-Length.
[[nodiscard]] std::string PostRequest(std::string_view body, std::string_view path = "/validate");
[[nodiscard]] std::string GetRequest(std::string_view path);

}  // namespace gatehouse::webhook
