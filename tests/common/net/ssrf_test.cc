#include <gtest/gtest.h>

#include "common/net/https_transport.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::net {
namespace {

using fakes::HttpServer;
using fakes::ReceivedRequest;
using fakes::Reply;

class Adversarial_N7 : public testing::Test {
 protected:
  Adversarial_N7() : server_([](const ReceivedRequest&) { return Reply{.body = "metadata"}; }) {
    options_.deny_local_addresses = true;
    options_.resolve = [this](const std::string& host) -> Result<std::vector<std::string>> {
      asked_.push_back(host);
      return addresses_;
    };
  }

  Result<HttpResponse> Get(const std::string& url) { return Get(Url::Parse(url, Reason::kInternal).value()); }
  Result<HttpResponse> Get(const Url& url) {
    auto transport = MakeHttpsTransport(options_).value();
    HttpRequest request{};
    request.url = url;
    request.max_response_bytes = 1000;
    return SendFollowing(*transport, request, {3, true}, {}, Deadline(clock_, Duration(5000)));
  }
  void ExpectRefused(const Result<HttpResponse>& response, std::size_t requests = 0) {
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().reason, Reason::kAddressRefused);
    EXPECT_EQ(server_.requests().size(), requests);
  }
  std::string Port() const { return std::to_string(server_.port()); }

  SystemClock clock_;
  HttpServer server_;
  TransportOptions options_;
  std::vector<std::string> addresses_ = {"127.0.0.1"};
  std::vector<std::string> asked_;
};

TEST_F(Adversarial_N7, LiteralAddresses) {
  for (const std::string& host :
       {std::string("127.0.0.1"), std::string("[::ffff:127.0.0.1]"), std::string("[::ffff:7f00:1]"),
        std::string("169.254.169.254"), std::string("[::1]"), std::string("0.0.0.0"), std::string("[::]"),
        std::string("[fe80::1]"), std::string("127.8.8.8"), std::string("[64:ff9b::169.254.169.254]")}) {
    ExpectRefused(Get("http://" + host + ":" + Port() + "/latest/meta-data/"));
    ExpectRefused(Get("https://" + host + ":" + Port() + "/latest/meta-data/"));
  }
  EXPECT_TRUE(asked_.empty());
}

TEST_F(Adversarial_N7, NameThatResolvesToALocalAddress) {
  for (const char* address : {"127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0", "fe80::1"}) {
    addresses_ = {address};
    ExpectRefused(Get("http://innocent.test:" + Port() + "/"));
  }
}

// Where strangers choose the URL: the issuer of a TPM's certificate, say.
TEST_F(Adversarial_N7, PrivateAddressesWhereTheyAreDenied) {
  options_.deny_private_addresses = true;
  for (const char* address : {"10.96.0.1", "192.168.1.1", "::ffff:172.16.0.1", "fd00::1", "127.0.0.1"}) {
    addresses_ = {address};
    ExpectRefused(Get("http://innocent.test:" + Port() + "/"));
  }
  ExpectRefused(Get("http://10.96.0.1:" + Port() + "/"));
}

TEST_F(Adversarial_N7, TheAddressThatWasCheckedIsTheOneConnectedTo) {
  // A rebinding server answers the first question with a harmless address and the second with the target: there is no
  // second.
  options_.local_address_exceptions = {"registry.test:" + Port()};
  auto response = Get("http://registry.test:" + Port() + "/");
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(asked_, std::vector<std::string>{"registry.test"});
  EXPECT_EQ(server_.requests()[0].Header("Host"), "registry.test:" + Port());
}

TEST_F(Adversarial_N7, RedirectsToLocalAddresses) {
  const std::string port = Port();
  options_.local_address_exceptions = {"registry.test:" + port};
  for (const std::string& target : {"http://127.0.0.1:" + port + "/", "http://[::ffff:127.0.0.1]:" + port + "/",
                                    "http://other.test:" + port + "/", std::string("http://169.254.169.254/latest/")}) {
    HttpServer redirecting([&](const ReceivedRequest&) {
      return Reply{.status = 307, .headers = {{"Location", target}}};
    });
    options_.local_address_exceptions = {"registry.test:" + std::to_string(redirecting.port())};
    ExpectRefused(Get(redirecting.At("/", "registry.test")));
    EXPECT_EQ(redirecting.requests().size(), 1U);
  }
}

TEST_F(Adversarial_N7, ExceptionIsForOneAuthorityOnly) {
  options_.local_address_exceptions = {"127.0.0.1:" + Port()};
  EXPECT_TRUE(Get("http://127.0.0.1:" + Port() + "/").ok());
  ExpectRefused(Get("http://127.0.0.1:1/"), 1);
  ExpectRefused(Get("http://localhost:" + Port() + "/"), 1);
}

TEST_F(Adversarial_N7, LiteralAddressBehindAProxy) {
  options_.proxy.http_proxy = "http://127.0.0.1:" + Port();
  ExpectRefused(Get("http://169.254.169.254/latest/"));
  EXPECT_TRUE(Get("http://registry.test/").ok()) << "the proxy itself is the operator's choice";
}

TEST_F(Adversarial_N7, AllowedUnlessDenied) {
  options_.deny_local_addresses = false;
  EXPECT_TRUE(Get("http://127.0.0.1:" + Port() + "/").ok());
}

}  // namespace
}  // namespace gatehouse::net
