// Credentials that must not leave: for the registry and its token service only, whatever redirects and challenges say.
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "tests/common/registry/client_fixture.h"

namespace gatehouse::registry {
namespace {

// A server that would like to have them: it answers everything with a challenge of its own.
class Thief {
 public:
  Thief()
      : server_([this](const ReceivedRequest& request) {
          if (request.Path() == "/token") return Reply{.body = R"({"token":"stolen"})"};
          return Reply{.status = 401, .headers = {{"WWW-Authenticate", challenge_}}};
        }) {
    challenge_ = "Basic realm=\"x\"";
  }
  HttpServer& server() { return server_; }
  void Challenge(const std::string& challenge) { challenge_ = challenge; }
  bool GotNothing() {
    for (const auto& request : server_.requests()) {
      if (!request.Header("Authorization").empty() || !request.Header("Cookie").empty()) return false;
    }
    return true;
  }

 private:
  std::string challenge_;
  HttpServer server_;
};

TEST_F(RegistryClient, CVE_2020_15157_RedirectTargetThatAsksForCredentialsGetsNone) {
  Thief thief;
  Digest blob = registry_.PutBlob("team/app", "payload");
  registry_.RedirectBlobs(thief.server().Origin());
  for (const std::string& challenge :
       {std::string("Basic realm=\"x\""), "Bearer realm=\"" + thief.server().Origin() + "/token\""}) {
    thief.Challenge(challenge);
    ExpectError(client_->GetBlob(App(), blob, 100, For(registry_.host()), Soon()), Reason::kRegistryDenied);
  }
  EXPECT_EQ(thief.server().requests().size(), 2U);
  EXPECT_TRUE(thief.GotNothing());
  Disconnect();
}

TEST_F(RegistryClient, Adversarial_R5_TokenDoesNotFollowARedirect) {
  registry_.RequireToken("user", "s3cret");
  HttpServer storage([](const ReceivedRequest&) { return Reply{.body = "payload"}; });
  Digest blob = registry_.PutBlob("team/app", "payload");
  registry_.RedirectBlobs(storage.Origin());
  auto content = client_->GetBlob(App(), blob, 100, For(registry_.host()), Soon());
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->bytes(), "payload");
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].Header("Authorization"), "");
  Disconnect();
}

TEST_F(RegistryClient, Adversarial_R5_RedirectLoopEnds) {
  registry_.Override(kByTag, Reply{.status = 307, .headers = {{"Location", kByTag}}});
  ExpectError(ByTag(), Reason::kRegistryProtocol);
  EXPECT_EQ(registry_.CountOf(kByTag), limits::kRedirects + 1);
}

TEST_F(RegistryClient, CVE_2026_33540_RealmThatMayNotBeAskedGetsNothing) {
  Thief thief;
  registry_.RequireToken("user", "s3cret");
  // Plain HTTP on another host; the port alone may differ, because a token service often has another one.
  std::string other_host = "http://other.test:" + std::to_string(thief.server().port()) + "/token";
  for (const std::string& realm :
       {other_host, "http://user:pw@127.0.0.1:" + std::to_string(thief.server().port()) + "/token",
        std::string("http://169.254.169.254/token"), std::string("gopher://x/token")}) {
    registry_.SetRealm(realm);
    ExpectError(ByTag(For(registry_.host())), Reason::kRegistryProtocol, realm);
  }
  EXPECT_TRUE(thief.server().requests().empty());
}

TEST_F(RegistryClient, Adversarial_R4_RealmAtALocalAddressIsNotConnectedTo) {
  auto ca = fakes::RootOfToday();
  HttpServer metadata([](const ReceivedRequest&) { return Reply{.body = R"({"token":"x"})"}; },
                      fakes::IssueServerTls(ca, "IP:127.0.0.1,DNS:auth.test"));
  registry_.RequireToken("user", "s3cret");
  net::TransportOptions options;
  options.tls.ca_pem = ca.pem();
  options.deny_local_addresses = true;
  options.local_address_exceptions = {registry_.host()};
  options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"127.0.0.1"};
  };
  client_.reset();
  transport_ = net::MakeHttpsTransport(options).value();
  MakeClient({registry_.host()});
  for (const char* host : {"127.0.0.1", "[::ffff:127.0.0.1]", "auth.test"}) {
    registry_.SetRealm(metadata.At("/token", host).ToString());
    ExpectError(ByTag(For(registry_.host())), Reason::kAddressRefused, host);
  }
  EXPECT_TRUE(metadata.requests().empty());
}

TEST_F(RegistryClient, CVE_2026_33540_TokenServiceThatRedirectsKeepsTheSecret) {
  Thief thief;
  registry_.RequireToken("user", "s3cret");
  registry_.Override("/token", Reply{.status = 307, .headers = {{"Location", thief.server().Origin() + "/token"}}});
  auto result = ByTag(For(registry_.host()));
  ExpectError(result, Reason::kRegistryDenied, "the stolen token opens nothing");
  EXPECT_FALSE(thief.server().requests().empty());
  EXPECT_TRUE(thief.GotNothing());
  Disconnect();
}

TEST_F(RegistryClient, CVE_2025_27403_CredentialOfOneRegistryIsNotShownToAnother) {
  Thief thief;
  std::string thief_host = "127.0.0.1:" + std::to_string(thief.server().port());
  MakeClient({registry_.host(), thief_host});
  auto image = image::Reference::Parse(thief_host + "/" + "team/app").value();
  ExpectError(client_->GetManifestByTag(image, "v1", For(registry_.host()), Soon()), Reason::kRegistryDenied);
  ExpectError(client_->GetManifestByTag(image, "v1", For("127.0.0.1"), Soon()), Reason::kRegistryDenied);
  EXPECT_TRUE(thief.GotNothing());
  Disconnect();
}

}  // namespace
}  // namespace gatehouse::registry
