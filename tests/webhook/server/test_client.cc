#include "tests/webhook/server/test_client.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <utility>

namespace gatehouse::webhook {
namespace {

using ContextPtr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;

void Check(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

ContextPtr MakeContext(const ClientTls& tls) {
  ContextPtr context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  // So that the client would speak the old versions that a test offers.
  SSL_CTX_set_security_level(context.get(), tls.max_version != 0 ? 0 : 2);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  if (tls.max_version != 0) SSL_CTX_set_max_proto_version(context.get(), tls.max_version);
  if (!tls.ciphers12.empty()) Check(SSL_CTX_set_cipher_list(context.get(), tls.ciphers12.c_str()) == 1, "cipher list");
  const auto read = [](const std::string& pem) { return BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())); };
  if (!tls.ca_pem.empty()) {
    BIO* bio = read(tls.ca_pem);
    X509* ca = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    Check(ca != nullptr && X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), ca) == 1, "CA");
    X509_free(ca);
    BIO_free(bio);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  if (!tls.certificate_pem.empty()) {
    BIO* bio = read(tls.certificate_pem);
    X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    bio = read(tls.key_pem);
    EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
    BIO_free(bio);
    Check(SSL_CTX_use_certificate(context.get(), certificate) == 1 && SSL_CTX_use_PrivateKey(context.get(), key) == 1,
          "client certificate");
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  if (!tls.alpn.empty()) {
    const std::string wire = static_cast<char>(tls.alpn.size()) + tls.alpn;
    SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                            static_cast<unsigned>(wire.size()));
  }
  return context;
}

int Connect(int port, bool ipv6) {
  const int descriptor = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<std::uint16_t>(port));
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = v4.sin_port;
  v6.sin6_addr = in6addr_loopback;
  const int result = ipv6 ? connect(descriptor, reinterpret_cast<const sockaddr*>(&v6), sizeof(v6))
                          : connect(descriptor, reinterpret_cast<const sockaddr*>(&v4), sizeof(v4));
  if (result == 0) return descriptor;
  close(descriptor);
  return -1;
}

std::string OpensslError() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "connection broken" : reason;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return lower;
}

}  // namespace

std::optional<std::string> TestResponse::Field(std::string_view name) const {
  const std::string lower = Lower(head);
  const std::size_t at = lower.find("\r\n" + Lower(name) + ": ");
  if (at == std::string::npos) return std::nullopt;
  const std::size_t begin = at + 2 + name.size() + 2;
  return head.substr(begin, head.find("\r\n", begin) - begin);
}

TestClient::TestClient(int port, std::optional<ClientTls> tls, bool ipv6, std::chrono::milliseconds patience) {
  descriptor_ = Connect(port, ipv6);
  if (descriptor_ < 0) {
    failure_ = "refused";
    return;
  }
  const timeval limit{patience.count() / 1000, (patience.count() % 1000) * 1000};
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  const int on = 1;
  setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  connected_ = true;
  if (!tls) return;
  const ContextPtr context = MakeContext(*tls);
  ssl_ = SSL_new(context.get());
  SSL_set_fd(ssl_, descriptor_);
  if (tls->resume != nullptr) SSL_set_session(ssl_, SSL_get0_session(tls->resume));
  ERR_clear_error();
  connected_ = SSL_connect(ssl_) == 1;
  if (!connected_) failure_ = OpensslError();
}

TestClient::TestClient(TestClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      ssl_(std::exchange(other.ssl_, nullptr)),
      connected_(other.connected_),
      failure_(std::move(other.failure_)),
      in_(std::move(other.in_)) {}

TestClient::~TestClient() {
  SSL_free(ssl_);
  if (descriptor_ >= 0) close(descriptor_);
}

bool TestClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const long sent = ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                      : send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void TestClient::FinishSending() {
  if (ssl_ != nullptr) SSL_shutdown(ssl_);
  shutdown(descriptor_, SHUT_WR);
}

long TestClient::Read(char* to, std::size_t size) {
  if (ssl_ == nullptr) return recv(descriptor_, to, size, 0);
  ERR_clear_error();
  const int count = SSL_read(ssl_, to, static_cast<int>(size));
  if (count > 0) return count;
  const int error = SSL_get_error(ssl_, count);
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  failure_ = OpensslError();
  return -1;
}

std::optional<TestResponse> TestClient::Receive() {
  std::array<char, 16384> buffer{};
  std::optional<std::size_t> whole;
  std::size_t head_size = 0;
  while (!whole || in_.size() < *whole) {
    if (const std::size_t end = in_.find("\r\n\r\n"); !whole && end != std::string::npos) {
      head_size = end + 4;
      const TestResponse response{0, in_.substr(0, head_size), ""};
      whole = head_size + std::stoul(response.Field("Content-Length").value_or("0"));
      continue;
    }
    const long count = Read(buffer.data(), buffer.size());
    if (count <= 0) return std::nullopt;
    in_.append(buffer.data(), static_cast<std::size_t>(count));
  }
  TestResponse response{0, in_.substr(0, head_size), in_.substr(head_size, *whole - head_size)};
  in_.erase(0, *whole);
  if (!response.head.starts_with("HTTP/1.1 ")) return std::nullopt;
  response.status = std::stoi(response.head.substr(9, 3));
  return response;
}

std::optional<TestResponse> TestClient::Exchange(std::string_view bytes) {
  (void)Send(bytes);  // a server that refuses early may stop reading
  return Receive();
}

bool TestClient::AtEnd() {
  char byte = 0;
  return in_.empty() && Read(&byte, 1) == 0;
}

std::string PostRequest(std::string_view body, std::string_view path) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: gatehouse\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string GetRequest(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: gatehouse\r\n\r\n";
}

}  // namespace gatehouse::webhook
