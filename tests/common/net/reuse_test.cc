// What a burst costs: connections that are bounded and used again, and TLS sessions that are resumed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <set>

#include "common/net/https_transport.h"
#include "common/net/tls.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::net {
namespace {

using fakes::HttpServer;
using fakes::IssueServerTls;
using fakes::ReceivedRequest;
using fakes::Reply;
using testing::HasSubstr;

Reply Ok200(const ReceivedRequest&) {
  return Reply{.body = "x"};
}

const fakes::TestCa& Ca() {
  static const fakes::TestCa ca = fakes::RootOfToday();
  return ca;
}

class Reuse : public testing::Test {
 protected:
  static TransportOptions Options() {
    TransportOptions options;
    options.tls.ca_pem = Ca().pem();
    options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
      return std::vector<std::string>{"127.0.0.1"};
    };
    return options;
  }
  Result<HttpResponse> Get(HttpTransport& transport, const Url& url, Duration budget = Duration(5000)) {
    HttpRequest request{};
    request.url = url;
    request.max_response_bytes = 1000;
    return transport.Send(request, Deadline(clock_, budget));
  }
  static std::size_t ConnectionsOf(const HttpServer& server) {
    std::set<int> connections;
    for (const ReceivedRequest& request : server.requests()) connections.insert(request.connection);
    return connections.size();
  }

  SystemClock clock_;
};

// A server whose requests stay under way until they are let go.
class HeldServer {
 public:
  HeldServer()
      : released_(release_.get_future().share()), server_([this](const ReceivedRequest&) {
          most_ = std::max<int>(most_, ++under_way_);
          released_.wait_for(std::chrono::seconds(5));
          --under_way_;
          return Reply{.body = "x"};
        }) {}
  void Release() { release_.set_value(); }
  void AwaitOne() const {
    while (under_way_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  [[nodiscard]] int under_way() const { return under_way_; }
  [[nodiscard]] int most() const { return most_; }
  [[nodiscard]] const HttpServer& server() const { return server_; }

 private:
  std::promise<void> release_;
  std::shared_future<void> released_;
  std::atomic<int> under_way_ = 0;
  std::atomic<int> most_ = 0;
  HttpServer server_;
};

// ---- connections

TEST_F(Reuse, BurstHasAsManyConnectionsAsAreAllowed) {
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  HttpServer server([&](const ReceivedRequest&) {
    int now = ++under_way;
    int before = most;
    while (before < now && !most.compare_exchange_weak(before, now)) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    --under_way;
    return Reply{.body = "x"};
  });
  TransportOptions options = Options();
  options.connections_per_origin = 3;
  auto transport = MakeHttpsTransport(options).value();
  std::vector<std::future<bool>> clients;
  for (int i = 0; i < 12; ++i) {
    clients.push_back(std::async(std::launch::async, [&] {
      bool good = true;
      for (int j = 0; j < 5; ++j) good = Get(*transport, server.At("/")).ok() && good;
      return good;
    }));
  }
  for (auto& client : clients) EXPECT_TRUE(client.get());
  EXPECT_EQ(server.requests().size(), 60U);
  EXPECT_LE(most, 3);
  EXPECT_LE(ConnectionsOf(server), 3U) << "each was used again and again";
}

TEST_F(Reuse, WhoWaitsForAConnectionWaitsUntilItsDeadline) {
  HeldServer held;
  HttpServer other(Ok200);
  TransportOptions options = Options();
  options.connections_per_origin = 1;
  auto transport = MakeHttpsTransport(options).value();
  auto first = std::async(std::launch::async, [&] { return Get(*transport, held.server().At("/")).ok(); });
  held.AwaitOne();
  auto second = Get(*transport, held.server().At("/"), Duration(30));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, Reason::kDeadlineExceeded);
  EXPECT_THAT(second.error().detail, HasSubstr("under way"));
  EXPECT_EQ(held.server().requests().size(), 1U) << "it was never sent";
  EXPECT_TRUE(Get(*transport, other.At("/")).ok()) << "another origin has connections of its own";
  held.Release();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(Get(*transport, held.server().At("/")).ok()) << "what was held is free again";
}

TEST_F(Reuse, LimitOfAllOrigins) {
  HeldServer held;
  HttpServer other(Ok200);
  TransportOptions options = Options();
  options.connections = 1;
  auto transport = MakeHttpsTransport(options).value();
  auto first = std::async(std::launch::async, [&] { return Get(*transport, held.server().At("/")).ok(); });
  held.AwaitOne();
  auto second = Get(*transport, other.At("/"), Duration(30));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, Reason::kDeadlineExceeded);
  held.Release();
  EXPECT_TRUE(first.get());
  EXPECT_TRUE(Get(*transport, other.At("/")).ok());
}

TEST_F(Reuse, FailuresGiveTheirConnectionBack) {
  TransportOptions options = Options();
  options.connections_per_origin = 1;
  auto transport = MakeHttpsTransport(options).value();
  Url nobody = Url::Parse("http://127.0.0.1:" + std::to_string(fakes::UnusedPort()) + "/", Reason::kInternal).value();
  for (int i = 0; i < 3; ++i) {
    auto response = Get(*transport, nobody, Duration(1000));
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
  }
}

// ---- TLS sessions

class Resumption : public Reuse {
 protected:
  // Every request on a connection of its own.
  static TransportOptions OneRequestEach() {
    TransportOptions options = Options();
    options.idle_connections_per_origin = 0;
    options.resume_tls_sessions = true;
    return options;
  }
};

TEST_F(Resumption, NewConnectionsResumeEarlierSessions) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  auto transport = MakeHttpsTransport(OneRequestEach()).value();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(Get(*transport, server.At("/", "registry.test")).ok());
  EXPECT_EQ(ConnectionsOf(server), 4U);
  EXPECT_EQ(server.ResumedSessions(), 3U);
}

TEST_F(Resumption, OnlyWhereAskedFor) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  TransportOptions options = OneRequestEach();
  options.resume_tls_sessions = false;
  auto transport = MakeHttpsTransport(options).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Get(*transport, server.At("/", "registry.test")).ok());
  EXPECT_EQ(server.ResumedSessions(), 0U);
}

TEST_F(Resumption, NotForAnotherNameOfTheSameServer) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  auto transport = MakeHttpsTransport(OneRequestEach()).value();
  ASSERT_TRUE(Get(*transport, server.At("/", "registry.test")).ok());
  auto other = Get(*transport, server.At("/", "other.test"));
  ASSERT_FALSE(other.ok()) << "the certificate is for one name only";
  EXPECT_THAT(other.error().detail, HasSubstr("mismatch"));
  EXPECT_EQ(server.ResumedSessions(), 0U);
}

// One server under two names, of which each has authorities of its own: what one of them vouched for is nothing to the
// other, neither by its session nor by its connection.
TEST_F(Resumption, NotUnderOtherAuthorities) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:one.test,DNS:two.test"));
  auto stranger = fakes::RootOfToday();
  TransportOptions options = OneRequestEach();
  options.idle_connections_per_origin = 4;
  options.tls_by_host[server.At("/", "two.test").Authority()].ca_pem = stranger.pem();
  auto transport = MakeHttpsTransport(options).value();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(Get(*transport, server.At("/", "one.test")).ok());
    auto other = Get(*transport, server.At("/", "two.test"));
    ASSERT_FALSE(other.ok());
    EXPECT_EQ(other.error().reason, Reason::kNetworkUnavailable);
    EXPECT_THAT(other.error().detail, HasSubstr("certificate is refused"));
  }
  EXPECT_EQ(server.ResumedSessions(), 0U);
}

TEST_F(Resumption, NotWithAClientCertificate) {
  fakes::ServerTls tls = IssueServerTls(Ca(), "DNS:registry.test");
  tls.client_ca_pem = Ca().pem();
  HttpServer server(Ok200, tls);
  fakes::ServerTls client = IssueServerTls(Ca(), "DNS:client.test");
  TransportOptions options = OneRequestEach();
  options.tls.certificate_pem = client.chain_pem;
  options.tls.key_pem = client.key_pem;
  auto transport = MakeHttpsTransport(options).value();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Get(*transport, server.At("/", "registry.test")).ok());
  EXPECT_EQ(server.ResumedSessions(), 0U);
}

// A connected socket and a finished handshake on it.
class Handshake {
 public:
  Handshake(TlsContext& context, const HttpServer& server, const std::string& host, const std::string& peer) {
    descriptor_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(server.port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    session_ = context.NewSession(descriptor_, host, &peer);
    EXPECT_EQ(SSL_connect(session_), 1) << TakeTlsErrors();
  }
  ~Handshake() {
    SSL_shutdown(session_);
    SSL_free(session_);
    close(descriptor_);
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;
  // Reads the tickets that follow a handshake of TLS 1.3.
  void Exchange() {
    const std::string request = "GET / HTTP/1.1\r\nHost: registry.test\r\n\r\n";
    EXPECT_GT(SSL_write(session_, request.data(), static_cast<int>(request.size())), 0);
    std::array<char, 100> answer{};
    EXPECT_GT(SSL_read(session_, answer.data(), answer.size()), 0);
  }
  [[nodiscard]] SSL* session() const { return session_; }

 private:
  int descriptor_;
  SSL* session_;
};

// What a session was begun with may be worth nothing when it is resumed: its certificate has expired, its authority is
// no longer trusted.
TEST_F(Resumption, CertificateIsVerifiedAgain) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  const std::string peer = "registry.test:443";
  auto context = TlsContext::Make(TlsClientOptions{.ca_pem = Ca().pem()}, true).value();
  { Handshake(*context, server, "registry.test", peer).Exchange(); }
  Handshake resumed(*context, server, "registry.test", peer);
  ASSERT_EQ(SSL_session_reused(resumed.session()), 1);
  EXPECT_TRUE(context->VerifyAgain(resumed.session(), peer).ok());

  auto other_roots = TlsContext::Make(TlsClientOptions{.ca_pem = fakes::RootOfToday("other root").pem()}, true).value();
  Status refused = other_roots->VerifyAgain(resumed.session(), peer);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, Reason::kNetworkUnavailable);
  EXPECT_THAT(refused.error().detail, HasSubstr("the server's certificate is refused"));

  X509_VERIFY_PARAM_set1_host(SSL_get0_param(resumed.session()), "other.test", 0);
  EXPECT_FALSE(context->VerifyAgain(resumed.session(), peer).ok()) << "another name";
  X509_VERIFY_PARAM_set1_host(SSL_get0_param(resumed.session()), "registry.test", 0);
  X509_VERIFY_PARAM_set_time(SSL_get0_param(resumed.session()), time(nullptr) + 7200);
  refused = context->VerifyAgain(resumed.session(), peer);
  ASSERT_FALSE(refused.ok()) << "expired meanwhile";
  EXPECT_THAT(refused.error().detail, HasSubstr("expired"));
}

TEST_F(Resumption, SessionsOfManyPeersAreBounded) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  auto context = TlsContext::Make(TlsClientOptions{.ca_pem = Ca().pem()}, true).value();
  const std::string first = "first";
  { Handshake(*context, server, "registry.test", first).Exchange(); }
  for (int i = 0; i < 140; ++i) {  // two tickets each
    const std::string peer = "peer " + std::to_string(i);
    Handshake(*context, server, "registry.test", peer).Exchange();
  }
  Handshake again(*context, server, "registry.test", first);
  EXPECT_EQ(SSL_session_reused(again.session()), 0) << "forgotten";
}

}  // namespace
}  // namespace gatehouse::net
