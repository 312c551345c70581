#include "common/crypto/issue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <set>

#include "common/net/https_transport.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::crypto {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

WallTime Today() {
  return std::chrono::floor<Duration>(std::chrono::system_clock::now());
}

class IssueTest : public testing::Test {
 protected:
  // Whatever was refused, nothing of it is left in the queue for others to find.
  void TearDown() override {
    EXPECT_EQ(ERR_peek_error(), 0U);
    ERR_clear_error();
  }
  CertificateRequest CaRequest() const {
    return {.common_name = "gatehouse CA", .not_before = now_ - kDay, .not_after = now_ + 1000 * kDay};
  }
  CertificateRequest ServerRequest() const {
    return {.common_name = "gatehouse",
            .dns_names = {"gatehouse-webhook.gatehouse-system.svc", "localhost"},
            .addresses = {"127.0.0.1", "fd00::1"},
            .not_before = now_ - std::chrono::hours(1),
            .not_after = now_ + 90 * kDay};
  }
  Result<Certificate> Server(const CertificateRequest& request) {
    return IssueServer(request, server_key_.Public(), ca_, ca_key_);
  }

  static constexpr Duration kDay = std::chrono::hours(24);
  WallTime now_ = Today();
  PrivateKey ca_key_ = PrivateKey::Generate(KeyType::kEcP256).value();
  PrivateKey server_key_ = PrivateKey::Generate(KeyType::kEcP256).value();
  Certificate ca_ = IssueCa(CaRequest(), ca_key_).value();
};

TEST_F(IssueTest, CaIsOne) {
  EXPECT_TRUE(ca_.IsCa());
  EXPECT_EQ(ca_.Subject(), "CN=gatehouse CA");
  EXPECT_EQ(ca_.Issuer(), "CN=gatehouse CA");
  EXPECT_EQ(ca_.Key().value(), ca_key_.Public());
  EXPECT_EQ(ca_.NotBefore(), std::chrono::floor<std::chrono::seconds>(now_ - kDay));
  EXPECT_EQ(ca_.NotAfter(), std::chrono::floor<std::chrono::seconds>(now_ + 1000 * kDay));
  EXPECT_TRUE(ca_.UnknownCriticalExtensions().empty());
}

TEST_F(IssueTest, ChainVerifies) {
  auto server = Server(ServerRequest());
  ASSERT_TRUE(server.ok()) << server.error().ToString();
  EXPECT_FALSE(server->IsCa());
  EXPECT_TRUE(server->HasExtendedKeyUsage("1.3.6.1.5.5.7.3.1"));
  EXPECT_FALSE(server->HasExtendedKeyUsage("1.3.6.1.5.5.7.3.2")) << "no client";
  auto chain = VerifyChain(*server, {}, {ca_}, {now_, "1.3.6.1.5.5.7.3.1", {}});
  ASSERT_TRUE(chain.ok()) << chain.error().ToString();
  EXPECT_EQ(chain->size(), 2U);
  Certificate other = IssueCa(CaRequest(), server_key_).value();
  EXPECT_EQ(VerifyChain(*server, {}, {other}, {now_, "", {}}).error().reason, Reason::kCertificateUntrusted)
      << "another CA of the same name";
}

TEST_F(IssueTest, NamesAreThoseAskedFor) {
  EXPECT_THAT(ServerNames(Server(ServerRequest()).value()),
              ElementsAre("127.0.0.1", "fd00::1", "gatehouse-webhook.gatehouse-system.svc", "localhost"));
  EXPECT_THAT(ServerNames(ca_), ElementsAre());
  CertificateRequest request = ServerRequest();
  request.dns_names = {"A.Example"};
  request.addresses = {"FD00:0:0::0001"};
  EXPECT_THAT(ServerNames(Server(request).value()), ElementsAre("a.example", "fd00::1"));
}

TEST_F(IssueTest, PemIsReadBack) {
  auto list = Certificate::ListFromPem(ToPem(ca_) + ToPem(Server(ServerRequest()).value()));
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->size(), 2U);
  EXPECT_EQ(list->at(0).Der(), ca_.Der());
}

TEST_F(IssueTest, SerialNumbersDiffer) {
  std::set<Digest> seen;
  for (int i = 0; i < 20; ++i) seen.insert(IssueCa(CaRequest(), ca_key_)->Fingerprint());
  EXPECT_EQ(seen.size(), 20U);
}

TEST_F(IssueTest, ValidityBeyond2049) {
  CertificateRequest request = CaRequest();
  request.not_after = WallTime(std::chrono::sys_days{std::chrono::year{2126} / 1 / 1});
  auto ca = IssueCa(request, ca_key_);
  ASSERT_TRUE(ca.ok());
  EXPECT_EQ(ca->NotAfter(), request.not_after);
}

// A real handshake: what issue.h makes is what TLS clients accept.
TEST_F(IssueTest, TlsHandshake) {
  auto server_certificate = Server(ServerRequest()).value();
  fakes::HttpServer server([](const fakes::ReceivedRequest&) { return fakes::Reply{.body = "hello"}; },
                           fakes::ServerTls{.chain_pem = ToPem(server_certificate), .key_pem = server_key_.Pem()});
  SystemClock clock;
  auto get = [&](const std::string& roots, const std::string& host) {
    auto transport = net::MakeHttpsTransport({.tls = {.ca_pem = roots}}).value();
    net::HttpRequest request{.url = server.At("/", host), .max_response_bytes = 100};
    auto response = transport->Send(request, Deadline(clock, Duration(5000)));
    return response.ok() ? response->body : response.error().ToString();
  };
  EXPECT_EQ(get(ToPem(ca_), "127.0.0.1"), "hello");
  EXPECT_EQ(get(ToPem(ca_), "localhost"), "hello");
  Certificate other = IssueCa(CaRequest(), PrivateKey::Generate(KeyType::kEcP256).value()).value();
  EXPECT_EQ(get(ToPem(other) + ToPem(ca_), "127.0.0.1"), "hello") << "a bundle with two CAs of one name";
  EXPECT_THAT(get(ToPem(other), "127.0.0.1"), HasSubstr("refused"));
}

TEST_F(IssueTest, BadNamesAreRefused) {
  for (const std::string& name :
       {std::string(),
        std::string("."),
        std::string("a..b"),
        std::string(".a"),
        std::string("a."),
        std::string("-a"),
        std::string("a-"),
        std::string("a_b"),
        std::string("*.a"),
        std::string("a b"),
        std::string("a,DNS:evil"),
        std::string("a\nb"),
        std::string("a\0b", 3),
        std::string("\xC3\xA4"),
        std::string("1.2.3"),
        std::string("12"),
        std::string("127.0.0.1"),
        std::string("::1"),
        std::string("a:b"),
        std::string(64, 'a'),
        std::string(63, 'a') + "." + std::string(63, 'a') + "." + std::string(63, 'a') + "." + std::string(63, 'a')}) {
    CertificateRequest request = ServerRequest();
    request.dns_names = {name};
    auto server = Server(request);
    ASSERT_FALSE(server.ok()) << name;
    EXPECT_EQ(server.error().reason, Reason::kConfigInvalid) << name;
  }
  for (const char* address :
       {"", "localhost", "127.0.0.1/8", "127.0.0.256", "127.1", "::g", "fe80::1%eth0", "1.2.3.4,DNS:evil"}) {
    CertificateRequest request = ServerRequest();
    request.addresses = {address};
    EXPECT_EQ(Server(request).error().reason, Reason::kConfigInvalid) << address;
  }
  CertificateRequest nameless = ServerRequest();
  nameless.dns_names.clear();
  nameless.addresses.clear();
  EXPECT_EQ(Server(nameless).error().reason, Reason::kConfigInvalid);
}

TEST_F(IssueTest, GoodNames) {
  for (const std::string& name :
       {std::string("a"), std::string("a-b.c"), std::string("1.a"), std::string("a.1b"), std::string(63, 'a') + ".b"}) {
    CertificateRequest request = ServerRequest();
    request.dns_names = {name};
    EXPECT_TRUE(Server(request).ok()) << name;
  }
}

TEST_F(IssueTest, NormalServerNames) {
  EXPECT_EQ(NormalServerName("A.Example").value(), "a.example");
  EXPECT_EQ(NormalServerName("FD00::0:1").value(), "fd00::1");
  EXPECT_EQ(NormalServerName("10.0.0.1").value(), "10.0.0.1");
  EXPECT_EQ(NormalServerName(std::string("10.0.0.1\0", 9)).error().reason, Reason::kConfigInvalid);
  EXPECT_EQ(NormalServerName("10.0.0").error().reason, Reason::kConfigInvalid);
}

TEST_F(IssueTest, ValidityIsWithinThatOfTheCa) {
  CertificateRequest longer = ServerRequest();
  longer.not_after = now_ + 1001 * kDay;
  EXPECT_EQ(Server(longer).error().reason, Reason::kInternal);
  CertificateRequest earlier = ServerRequest();
  earlier.not_before = now_ - 2 * kDay;
  EXPECT_EQ(Server(earlier).error().reason, Reason::kInternal);
  CertificateRequest same = ServerRequest();
  same.not_before = now_ - kDay;
  same.not_after = now_ + 1000 * kDay;
  same.not_before = ca_.NotBefore();
  EXPECT_TRUE(Server(same).ok());
  CertificateRequest backwards = ServerRequest();
  backwards.not_after = backwards.not_before;
  EXPECT_EQ(Server(backwards).error().reason, Reason::kInternal);
  EXPECT_EQ(IssueCa(backwards, ca_key_).error().reason, Reason::kInternal);
}

TEST_F(IssueTest, OnlyACaWithItsKeyIssues) {
  EXPECT_EQ(IssueServer(ServerRequest(), server_key_.Public(), ca_, server_key_).error().reason, Reason::kInternal);
  Certificate server = Server(ServerRequest()).value();
  CertificateRequest below = ServerRequest();
  below.not_before = server.NotBefore();
  below.not_after = server.NotAfter();
  EXPECT_EQ(IssueServer(below, ca_key_.Public(), server, server_key_).error().reason, Reason::kInternal);
}

TEST_F(IssueTest, CommonNames) {
  for (const std::string& name : {std::string(), std::string(65, 'a'), std::string("\xFF")}) {
    CertificateRequest request = CaRequest();
    request.common_name = name;
    EXPECT_EQ(IssueCa(request, ca_key_).error().reason, Reason::kInternal);
  }
  CertificateRequest request = CaRequest();
  request.common_name = std::string(64, 'a');
  EXPECT_TRUE(IssueCa(request, ca_key_).ok());
}

}  // namespace
}  // namespace gatehouse::crypto
