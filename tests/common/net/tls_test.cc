#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/net/https_transport.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::net {
namespace {

using fakes::HttpServer;
using fakes::IssueServerTls;
using fakes::RawConnection;
using fakes::RawServer;
using fakes::ReceivedRequest;
using fakes::Reply;
using fakes::ServerTls;
using testing::HasSubstr;

Reply Ok200(const ReceivedRequest&) {
  return Reply{.body = "x"};
}

Result<std::vector<std::string>> ToLoopback(const std::string&) {
  return std::vector<std::string>{"127.0.0.1"};
}

const fakes::TestCa& Ca() {
  static const fakes::TestCa ca = fakes::RootOfToday();
  return ca;
}

class Tls : public testing::Test {
 protected:
  static TransportOptions Trusting(const std::string& ca_pem = Ca().pem()) {
    TransportOptions options;
    options.tls.ca_pem = ca_pem;
    options.resolve = ToLoopback;
    return options;
  }
  Result<HttpResponse> Get(TransportOptions options, const Url& url) {
    auto transport = MakeHttpsTransport(std::move(options)).value();
    HttpRequest request{};
    request.url = url;
    request.max_response_bytes = 1000;
    return transport->Send(request, Deadline(clock_, Duration(5000)));
  }
  void ExpectRefused(TransportOptions options, const Url& url, const std::string& cause) {
    auto response = Get(std::move(options), url);
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
    EXPECT_THAT(response.error().detail, HasSubstr(cause));
    EXPECT_EQ(response.error().where, url.host + ":" + std::to_string(url.port));
  }

  SystemClock clock_;
};

struct NameCase {
  const char* what;
  const char* alternative_names;
  const char* common_name;
  const char* host;
  bool accepted;
};

class TlsName : public Tls, public testing::WithParamInterface<NameCase> {};

TEST_P(TlsName, IsVerified) {
  HttpServer server(Ok200, IssueServerTls(Ca(), GetParam().alternative_names, GetParam().common_name));
  if (GetParam().accepted) {
    auto response = Get(Trusting(), server.At("/", GetParam().host));
    EXPECT_TRUE(response.ok()) << response.error().ToString();
    ASSERT_EQ(server.requests().size(), 1U);
    EXPECT_EQ(server.requests()[0].Header("Host"), GetParam().host + (":" + std::to_string(server.port())));
  } else {
    ExpectRefused(Trusting(), server.At("/", GetParam().host), "mismatch");
    EXPECT_TRUE(server.requests().empty());
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, TlsName,
    testing::Values(NameCase{"name", "DNS:registry.test", "x", "registry.test", true},
                    NameCase{"name in capitals", "DNS:Registry.TEST", "x", "registry.test", true},
                    NameCase{"one of several", "DNS:a.test,DNS:registry.test", "x", "registry.test", true},
                    NameCase{"address", "IP:127.0.0.1", "x", "127.0.0.1", true},
                    NameCase{"wildcard", "DNS:*.example.test", "x", "a.example.test", true},
                    NameCase{"other name", "DNS:other.test", "registry.test", "registry.test", false},
                    NameCase{"suffix", "DNS:registry.test.evil", "x", "registry.test", false},
                    NameCase{"common name only", "", "registry.test", "registry.test", false},
                    NameCase{"common name beside an address", "IP:10.0.0.1", "registry.test", "registry.test", false},
                    NameCase{"other address", "IP:127.0.0.2", "127.0.0.1", "127.0.0.1", false},
                    NameCase{"address as a name", "DNS:127.0.0.1", "127.0.0.1", "127.0.0.1", false},
                    NameCase{"wildcard for two labels", "DNS:*.example.test", "x", "a.b.example.test", false},
                    NameCase{"wildcard for no label", "DNS:*.example.test", "x", "example.test", false},
                    NameCase{"partial wildcard", "DNS:a*.example.test", "x", "ab.example.test", false},
                    NameCase{"wildcard in the middle", "DNS:a.*.test", "x", "a.b.test", false}),
    [](const auto& test) {
      std::string name = test.param.what;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST_F(Tls, OtherAuthorityIsRefused) {
  HttpServer server(Ok200, IssueServerTls(fakes::RootOfToday("other root"), "DNS:registry.test"));
  ExpectRefused(Trusting(), server.At("/", "registry.test"), "unable to get local issuer certificate");
}

TEST_F(Tls, SystemRootsDoNotIncludeOurs) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  ExpectRefused(Trusting(""), server.At("/", "registry.test"), "unable to get local issuer certificate");
}

TEST_F(Tls, ExpiredCertificateIsRefused) {
  auto now = clock_.Wall();
  auto leaf = Ca().Leaf(fakes::LeafSpec("x")
                            .With("subjectAltName", "DNS:registry.test")
                            .Valid(now - std::chrono::hours(2), now - std::chrono::hours(1)));
  HttpServer server(Ok200, ServerTls{leaf.pem, leaf.key->Pem()});
  ExpectRefused(Trusting(), server.At("/", "registry.test"), "certificate has expired");
}

TEST_F(Tls, CertificateForClientsIsRefused) {
  auto now = clock_.Wall();
  auto leaf = Ca().Leaf(fakes::LeafSpec("x")
                            .With("subjectAltName", "DNS:registry.test")
                            .With("extendedKeyUsage", "clientAuth")
                            .Valid(now - std::chrono::hours(1), now + std::chrono::hours(1)));
  HttpServer server(Ok200, ServerTls{leaf.pem, leaf.key->Pem()});
  ExpectRefused(Trusting(), server.At("/", "registry.test"), "certificate purpose");
}

TEST_F(Tls, IntermediateAsAnchor) {
  auto now = clock_.Wall();
  auto intermediate =
      Ca().Intermediate(fakes::CaSpec("intermediate").Valid(now - std::chrono::hours(1), now + std::chrono::hours(1)));
  HttpServer server(Ok200, IssueServerTls(intermediate, "DNS:registry.test"));
  EXPECT_TRUE(Get(Trusting(intermediate.pem()), server.At("/", "registry.test")).ok());
}

TEST_F(Tls, OldVersionsAreRefused) {
  ServerTls tls = IssueServerTls(Ca(), "DNS:registry.test");
  tls.only_tls11 = true;
  HttpServer server(Ok200, tls);
  auto response = Get(Trusting(), server.At("/", "registry.test"));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
  EXPECT_THAT(response.error().detail, HasSubstr("version"));
}

TEST_F(Tls, PlainServerIsRefused) {
  HttpServer server(Ok200);
  Url url = server.At("/");
  url.scheme = "https";
  auto response = Get(Trusting(), url);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
}

TEST_F(Tls, ClientCertificate) {
  ServerTls tls = IssueServerTls(Ca(), "DNS:registry.test");
  tls.client_ca_pem = Ca().pem();
  HttpServer server(Ok200, tls);
  EXPECT_FALSE(Get(Trusting(), server.At("/", "registry.test")).ok());
  TransportOptions options = Trusting();
  ServerTls client = IssueServerTls(Ca(), "DNS:client.test");
  options.tls.certificate_pem = client.chain_pem;
  options.tls.key_pem = client.key_pem;
  auto response = Get(options, server.At("/", "registry.test"));
  EXPECT_TRUE(response.ok()) << response.error().ToString();
}

TEST_F(Tls, HostsMayHaveTheirOwnSettings) {
  auto other = fakes::RootOfToday("other root");
  HttpServer server(Ok200, IssueServerTls(other, "DNS:own.test,DNS:registry.test"));
  TransportOptions options = Trusting();
  options.tls_by_host[server.At("/", "own.test").Authority()].ca_pem = other.pem();
  EXPECT_TRUE(Get(options, server.At("/", "own.test")).ok());
  EXPECT_FALSE(Get(options, server.At("/", "registry.test")).ok());
}

TEST_F(Tls, ConnectionsAreKeptToo) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  auto transport = MakeHttpsTransport(Trusting()).value();
  for (int i = 0; i < 5; ++i) {
    HttpRequest request{};
    request.url = server.At("/", "registry.test");
    request.max_response_bytes = 10;
    ASSERT_TRUE(transport->Send(request, Deadline(clock_, Duration(5000))).ok());
  }
  for (const auto& request : server.requests()) EXPECT_EQ(request.connection, server.requests()[0].connection);
}

TEST(TlsOptions, WhatCannotBeUsedIsRefused) {
  ServerTls one = IssueServerTls(Ca(), "DNS:a.test");
  ServerTls two = IssueServerTls(Ca(), "DNS:b.test");
  // openssl genpkey -algorithm ed25519 -aes-128-cbc -pass pass:x
  const std::string encrypted =
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjXVm4nSQ0tRgICCAAw\n"
      "-----END ENCRYPTED PRIVATE KEY-----\n";
  struct Case {
    const char* what;
    TlsClientOptions options;
    Reason reason;
  };
  for (const Case& bad :
       {Case{"no PEM", {"no certificate", "", ""}, Reason::kCertificateMalformed},
        Case{"a key", {one.key_pem, "", ""}, Reason::kCertificateMalformed},
        Case{"cut", {Ca().pem().substr(0, 200), "", ""}, Reason::kCertificateMalformed},
        Case{"good and cut", {Ca().pem() + Ca().pem().substr(0, 200), "", ""}, Reason::kCertificateMalformed},
        Case{"certificate alone", {"", one.chain_pem, ""}, Reason::kConfigInvalid},
        Case{"key alone", {"", "", one.key_pem}, Reason::kConfigInvalid},
        Case{"other key", {"", one.chain_pem, two.key_pem}, Reason::kConfigInvalid},
        Case{"no key", {"", one.chain_pem, one.chain_pem}, Reason::kKeyMalformed},
        Case{"encrypted key", {"", one.chain_pem, encrypted}, Reason::kKeyMalformed}}) {
    TransportOptions options;
    options.tls = bad.options;
    auto made = MakeHttpsTransport(options);
    ASSERT_FALSE(made.ok()) << bad.what;
    EXPECT_EQ(made.error().reason, bad.reason) << bad.what << ": " << made.error().ToString();
    options.tls = {};
    options.tls_by_host["a.test"] = bad.options;
    EXPECT_EQ(MakeHttpsTransport(options).error().reason, bad.reason) << bad.what;
  }
  TransportOptions options;
  options.proxy.https_proxy = "proxy:3128";
  EXPECT_EQ(MakeHttpsTransport(options).error().reason, Reason::kConfigInvalid);
}

// Copies bytes between the client and a server on `port` until either ends.
void Relay(RawConnection& connection, int client, int port) {
  int server = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(server, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  RawConnection upstream(server);
  while (true) {
    std::array<pollfd, 2> both = {pollfd{client, POLLIN, 0}, pollfd{server, POLLIN, 0}};
    poll(both.data(), both.size(), 5000);
    RawConnection& from = both[0].revents != 0 ? connection : upstream;
    RawConnection& to = both[0].revents != 0 ? upstream : connection;
    std::string bytes = from.Read(4096);
    if (bytes.empty() || !to.Write(bytes)) break;
  }
  close(server);
}

TEST_F(Tls, ProxyIsAskedForATunnelAndNoMore) {
  HttpServer server(Ok200, IssueServerTls(Ca(), "DNS:registry.test"));
  std::string asked;
  RawServer proxy([&](RawConnection& connection, std::size_t) {
    asked = connection.ReadHead();
    connection.Write("HTTP/1.1 200 Connection established\r\n\r\n");
    Relay(connection, connection.descriptor(), server.port());
  });
  TransportOptions options = Trusting();
  options.proxy.https_proxy = "http://user:s3cret@127.0.0.1:" + std::to_string(proxy.port());
  auto response = Get(options, server.At("/path", "registry.test"));
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  std::string target = "registry.test:" + std::to_string(server.port());
  EXPECT_EQ(asked, "CONNECT " + target + " HTTP/1.1\r\nHost: " + target +
                       "\r\nProxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n\r\n");
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_EQ(server.requests()[0].Header("Proxy-Authorization"), "")
      << "the proxy's secret is not the server's business";
}

TEST_F(Tls, ProxyThatRefuses) {
  for (const char* answer : {"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
                             "HTTP/1.1 302 Found\r\n\r\n", "no HTTP\r\n\r\n", ""}) {
    RawServer proxy([&](RawConnection& connection, std::size_t) {
      connection.ReadHead();
      connection.Write(answer);
    });
    TransportOptions options = Trusting();
    options.proxy.https_proxy = "http://127.0.0.1:" + std::to_string(proxy.port());
    auto response = Get(options, Url::Parse("https://registry.test/", Reason::kInternal).value());
    ASSERT_FALSE(response.ok()) << answer;
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable) << answer;
    EXPECT_THAT(response.error().where, HasSubstr("registry.test:443 by proxy 127.0.0.1:"));
  }
}

TEST_F(Tls, PlainRequestsAreForwardedByTheProxy) {
  HttpServer proxy(Ok200);
  TransportOptions options = Trusting();
  options.proxy.http_proxy = "http://user:s3cret@127.0.0.1:" + std::to_string(proxy.port());
  options.proxy.no_proxy = "direct.test";
  ASSERT_TRUE(Get(options, Url::Parse("http://registry.test/path?q", Reason::kInternal).value()).ok());
  ASSERT_EQ(proxy.requests().size(), 1U);
  EXPECT_EQ(proxy.requests()[0].target, "http://registry.test/path?q");
  EXPECT_EQ(proxy.requests()[0].Header("Host"), "registry.test");
  EXPECT_EQ(proxy.requests()[0].Header("Proxy-Authorization"), "Basic dXNlcjpzM2NyZXQ=");
  ASSERT_TRUE(Get(options, proxy.At("/direct", "direct.test")).ok());
  EXPECT_EQ(proxy.requests()[1].target, "/direct");
  EXPECT_EQ(proxy.requests()[1].Header("Proxy-Authorization"), "");
}

}  // namespace
}  // namespace gatehouse::net
