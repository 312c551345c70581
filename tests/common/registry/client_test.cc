#include "common/registry/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/common/registry/client_fixture.h"

namespace gatehouse::registry {
namespace {

using testing::HasSubstr;

TEST_F(RegistryClient, ManifestByTag) {
  auto content = ByTag();
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  ASSERT_TRUE(content->has_value());
  EXPECT_EQ((*content)->bytes(), kManifestBytes);
  EXPECT_EQ((*content)->digest(), digest_);
  EXPECT_EQ((*content)->content_type(), kType);
  ASSERT_EQ(registry_.requests().size(), 1U);
  ReceivedRequest request = registry_.requests()[0];
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.Header("Authorization"), "");
  for (std::string_view type : {image::kOciManifest, image::kOciIndex, image::kDockerManifest, image::kDockerList}) {
    EXPECT_THAT(request.Header("Accept"), HasSubstr(std::string(type)));
  }
}

TEST_F(RegistryClient, ManifestAndBlobByDigest) {
  auto content = ByDigest();
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->bytes(), kManifestBytes);
  Digest blob = registry_.PutBlob("team/app", "payload");
  auto bytes = client_->GetBlob(App(), blob, 100, {}, Soon());
  ASSERT_TRUE(bytes.ok()) << bytes.error().ToString();
  EXPECT_EQ((*bytes)->bytes(), "payload");
  EXPECT_EQ((*bytes)->digest(), blob);
}

TEST_F(RegistryClient, Sha512IsHashedAsSuch) {
  std::string hex = EncodeHex(crypto::Hash(HashAlgorithm::kSha512, AsBytes(kManifestBytes)));
  Digest digest = Digest::Parse("sha512:" + hex).value();
  registry_.Override("/v2/team/app/manifests/" + digest.text(), Reply{.body = kManifestBytes, .content_type = kType});
  auto content = client_->GetManifest(App(), digest, {}, Soon());
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->digest(), digest);
}

TEST_F(RegistryClient, AbsentIsNothing) {
  for (const auto& result : {client_->GetManifestByTag(App(), "v2", {}, Soon()),
                             client_->GetManifest(App(), crypto::Sha256Digest(AsBytes("x")), {}, Soon()),
                             client_->GetBlob(App(), crypto::Sha256Digest(AsBytes("x")), 10, {}, Soon())}) {
    ASSERT_TRUE(result.ok()) << result.error().ToString();
    EXPECT_FALSE(result->has_value());
  }
}

TEST_F(RegistryClient, TagsThatAreNoneAreNotSent) {
  for (const char* tag : {"", "..", "../../other/manifests/v1", "a/b", "a?b", "a b", "sha256:x", "a%2fb", "\r\nX: y"}) {
    ExpectError(client_->GetManifestByTag(App(), tag, {}, Soon()), Reason::kImageReferenceMalformed, tag);
  }
  EXPECT_TRUE(registry_.requests().empty());
}

TEST_F(RegistryClient, HostsThatNoUrlCanHave) {
  for (const char* image : {"127.1/app", "host:99999/app", "[a:b]/app", "1.2.3/app"}) {
    ExpectError(client_->GetManifestByTag(image::Reference::Parse(image).value(), "v1", {}, Soon()),
                Reason::kImageReferenceMalformed, image);
  }
}

// CVE-2024-3727: a digest is a type here, made of hex, and goes into a path as it is.
TEST_F(RegistryClient, DigestsArePathElementsOfHexOnly) {
  ASSERT_TRUE(ByDigest().ok());
  EXPECT_EQ(registry_.requests()[0].target, "/v2/team/app/manifests/sha256:" + std::string(digest_.hex()));
  EXPECT_EQ(digest_.hex().find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST_F(RegistryClient, DockerHubIsAskedAtItsRegistry) {
  auto hub = fakes::RootOfToday();
  std::vector<std::string> hosts;
  net::TransportOptions options;
  options.resolve = [&](const std::string& host) -> Result<std::vector<std::string>> {
    hosts.push_back(host);
    return Error{Reason::kNetworkUnavailable, host, "no"};
  };
  transport_ = net::MakeHttpsTransport(options).value();
  MakeClient({});
  ExpectError(client_->GetManifestByTag(image::Reference::Parse("nginx").value(), "v1", {}, Soon()),
              Reason::kRegistryUnavailable);
  ExpectError(client_->GetManifestByTag(image::Reference::Parse("quay.io/x/y").value(), "v1", {}, Soon()),
              Reason::kRegistryUnavailable);
  EXPECT_EQ(hosts, (std::vector<std::string>{"registry-1.docker.io", "quay.io"}));
}

TEST_F(RegistryClient, PlainHttpOnlyForInsecureHosts) {
  MakeClient({});
  ExpectError(ByTag(), Reason::kRegistryUnavailable, "no fallback from HTTPS");
  MakeClient({"127.0.0.1"});
  ExpectError(ByTag(), Reason::kRegistryUnavailable, "another port");
  EXPECT_TRUE(registry_.requests().empty());
}

TEST_F(RegistryClient, OverTls) {
  auto ca = fakes::RootOfToday();
  FakeRegistry registry(fakes::IssueServerTls(ca, "DNS:registry.test"), "registry.test");
  registry.PutManifest("team/app", "v1", kManifestBytes, kType);
  registry.RequireToken("user", "s3cret");
  net::TransportOptions options;
  options.tls.ca_pem = ca.pem();
  options.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"127.0.0.1"};
  };
  auto transport = net::MakeHttpsTransport(options).value();
  Client client(*transport, clock_, {});
  auto content = client.GetManifestByTag(image::Reference::Parse(registry.host() + "/team/app").value(), "v1",
                                         For(registry.host()), Soon());
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ((*content)->bytes(), kManifestBytes);
}

// ---- what is served

TEST_F(RegistryClient, Adversarial_R1_TheDigestIsOfTheBytesReturned) {
  auto first = ByTag();
  const std::string other = R"({"schemaVersion":2,"other":true})";
  Digest second_digest = registry_.PutManifest("team/app", "v1", other, kType);
  auto second = ByTag();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ((*first)->digest(), digest_);
  EXPECT_EQ((*second)->digest(), second_digest);
  EXPECT_EQ((*second)->bytes(), other);
  EXPECT_EQ((*ByDigest())->bytes(), kManifestBytes) << "what was resolved once stays what it was";
  EXPECT_EQ(registry_.CountOf(kByTag), 2U) << "one request each";
}

TEST_F(RegistryClient, Adversarial_R2_BodyThatIsNotTheDigest) {
  registry_.ReplaceContent(digest_, kManifestBytes + " ");
  ExpectError(ByDigest(), Reason::kContentMismatch);
  Digest blob = registry_.PutBlob("team/app", "payload");
  registry_.ReplaceContent(blob, "Payload");
  ExpectError(client_->GetBlob(App(), blob, 100, {}, Soon()), Reason::kContentMismatch);
  registry_.ReplaceContent(blob, "");
  ExpectError(client_->GetBlob(App(), blob, 100, {}, Soon()), Reason::kContentMismatch, "empty");
}

TEST_F(RegistryClient, Adversarial_R2_DigestHeaderThatLies) {
  struct Case {
    std::vector<std::string> values;
    Reason reason;
  };
  const std::string true_digest = digest_.text();
  const std::string lie = crypto::Sha256Digest(AsBytes("other")).text();
  for (const Case& bad :
       {Case{{lie}, Reason::kContentMismatch}, Case{{true_digest, true_digest}, Reason::kRegistryProtocol},
        Case{{true_digest, lie}, Reason::kRegistryProtocol}, Case{{"x"}, Reason::kRegistryProtocol},
        Case{{"md5:00000000000000000000000000000000"}, Reason::kRegistryProtocol},
        Case{{"sha512:" + std::string(128, '0')}, Reason::kContentMismatch}}) {
    Reply reply{.body = kManifestBytes, .content_type = kType};
    for (const auto& value : bad.values) reply.headers.emplace_back("Docker-Content-Digest", value);
    registry_.Override(kByTag, reply);
    registry_.Override("/v2/team/app/manifests/" + true_digest, reply);
    ExpectError(ByTag(), bad.reason, bad.values[0]);
    ExpectError(ByDigest(), bad.reason, bad.values[0]);
  }
  registry_.Override(
      kByTag,
      Reply{.body = kManifestBytes, .content_type = kType, .headers = {{"docker-content-digest", true_digest}}});
  EXPECT_TRUE(ByTag().ok());
}

// CVE-2021-41190: what a registry says of bytes is held against them (image::ParseManifest).
TEST_F(RegistryClient, Adversarial_R3_ContentTypeIsKeptForTheParser) {
  registry_.Override(kByTag, Reply{.body = kManifestBytes, .content_type = std::string(image::kOciIndex)});
  auto content = ByTag();
  ASSERT_TRUE(content.ok());
  EXPECT_EQ((*content)->content_type(), image::kOciIndex);
}

TEST_F(RegistryClient, Adversarial_R10_TooManyBytes) {
  Digest blob = registry_.PutBlob("team/app", std::string(101, 'x'));
  ExpectError(client_->GetBlob(App(), blob, 100, {}, Soon()), Reason::kLimitExceeded, "one more than asked for");
  EXPECT_TRUE(client_->GetBlob(App(), blob, 101, {}, Soon()).ok());
  registry_.Override(kByTag, Reply{.body = std::string(1 << 16, 'x'), .content_type = kType, .endless = true});
  ExpectError(ByTag(), Reason::kLimitExceeded, "an endless manifest");
  registry_.Override(kByTag, Reply{.status = 404, .body = std::string(1 << 16, 'x'), .endless = true});
  ExpectError(ByTag(), Reason::kLimitExceeded, "an endless 404 is not nothing");
  registry_.Override(kByTag,
                     Reply{.body = "\x1F\x8B", .content_type = kType, .headers = {{"Content-Encoding", "gzip"}}});
  ExpectError(ByTag(), Reason::kContentUnsupported, "a gzip bomb");
}

TEST_F(RegistryClient, ErrorsOfASmallBlobMayBeLonger) {
  registry_.Override("/v2/team/app/blobs/" + digest_.text(), Reply{.status = 404, .body = std::string(5000, 'x')});
  auto result = client_->GetBlob(App(), digest_, 2, {}, Soon());
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_FALSE(result->has_value());
}

// ---- what an answer means

struct Meaning {
  int status;
  Reason reason;
};

class Adversarial_R8 : public RegistryClient, public testing::WithParamInterface<Meaning> {};

TEST_P(Adversarial_R8, IsNeverNothing) {
  registry_.FailWith(Reply{.status = GetParam().status, .body = "\x1b[31m<script>" + std::string(1000, 'A')}, 1000);
  for (const auto& result : {ByTag(), ByDigest(), client_->GetBlob(App(), digest_, 100, {}, Soon())}) {
    ExpectError(result, GetParam().reason, std::to_string(GetParam().status));
    EXPECT_EQ(result.error().ToString().find('\x1b'), std::string::npos);
    EXPECT_LT(result.error().ToString().size(), 400U);
    EXPECT_THAT(result.error().ToString(), HasSubstr(registry_.host() + "/team/app"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Table, Adversarial_R8,
    testing::Values(Meaning{400, Reason::kRegistryProtocol}, Meaning{401, Reason::kRegistryDenied},
                    Meaning{402, Reason::kRegistryProtocol}, Meaning{403, Reason::kRegistryDenied},
                    Meaning{405, Reason::kRegistryProtocol}, Meaning{406, Reason::kRegistryProtocol},
                    Meaning{410, Reason::kRegistryProtocol}, Meaning{416, Reason::kRegistryProtocol},
                    Meaning{418, Reason::kRegistryProtocol}, Meaning{429, Reason::kRegistryUnavailable},
                    Meaning{451, Reason::kRegistryProtocol}, Meaning{500, Reason::kRegistryUnavailable},
                    Meaning{502, Reason::kRegistryUnavailable}, Meaning{503, Reason::kRegistryUnavailable},
                    Meaning{504, Reason::kRegistryUnavailable}, Meaning{201, Reason::kRegistryProtocol},
                    Meaning{204, Reason::kRegistryProtocol}, Meaning{206, Reason::kRegistryProtocol},
                    Meaning{300, Reason::kRegistryProtocol}),
    [](const auto& test) { return std::to_string(test.param.status); });

TEST_F(RegistryClient, Adversarial_R8_FaultsOfTheWay) {
  registry_.Delay(Duration(90));
  ExpectError(client_->GetManifestByTag(App(), "v1", {}, Soon(Duration(30))), Reason::kDeadlineExceeded);
  registry_.Delay(Duration(0));
  auto gone = image::Reference::Parse("127.0.0.1:" + std::to_string(fakes::UnusedPort()) + "/team/app").value();
  ExpectError(client_->GetManifestByTag(gone, "v1", {}, Soon()), Reason::kRegistryUnavailable, "refused");
  fakes::RawServer broken([](fakes::RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{");
  });
  std::string host = "127.0.0.1:" + std::to_string(broken.port());
  MakeClient({host});
  ExpectError(client_->GetManifestByTag(image::Reference::Parse(host + "/team/app").value(), "v1", {}, Soon()),
              Reason::kRegistryUnavailable, "a 404 that breaks off");
}

TEST_F(RegistryClient, RetryAfterIsObeyedWithinTheDeadline) {
  for (int status : {429, 503}) {
    slept_.clear();
    registry_.FailWith(Reply{.status = status, .headers = {{"Retry-After", "2"}}}, 2);
    EXPECT_TRUE(ByTag().ok());
    EXPECT_EQ(slept_, (std::vector<Duration>{Duration(2000), Duration(2000)}));
  }
}

TEST_F(RegistryClient, RetryAfterZeroIsNoTightLoopAndNotForEver) {
  registry_.FailWith(Reply{.status = 429, .headers = {{"Retry-After", "0"}}}, 1000);
  ExpectError(ByTag(), Reason::kRegistryUnavailable);
  EXPECT_EQ(slept_, std::vector<Duration>(limits::kRegistryAttempts - 1, Duration(100)));
  EXPECT_EQ(registry_.CountOf(kByTag), limits::kRegistryAttempts);
}

TEST_F(RegistryClient, Adversarial_R13_RetryAfterBeyondTheBudget) {
  for (const char* when : {"5", "86400", "999999999", "Fri, 31 Dec 9999 23:59:59 GMT"}) {
    registry_.FailWith(Reply{.status = 429, .headers = {{"Retry-After", when}}}, 1);
    ExpectError(ByTag(), Reason::kRegistryUnavailable, when);
  }
  EXPECT_TRUE(slept_.empty());
  for (const char* when : {"", "soon", "-1", "1e9"}) {
    registry_.FailWith(Reply{.status = 503, .headers = {{"Retry-After", when}}}, 1);
    ExpectError(ByTag(), Reason::kRegistryUnavailable, when);
  }
  EXPECT_TRUE(slept_.empty()) << "without a time to come again there is no second try";
}

// ---- tokens

TEST_F(RegistryClient, AnonymousToken) {
  registry_.RequireToken("", "");
  ASSERT_TRUE(ByTag().ok());
  ASSERT_EQ(registry_.requests().size(), 3U);
  ReceivedRequest token = registry_.requests()[1];
  EXPECT_EQ(token.Path(), "/token");
  EXPECT_EQ(token.Query("service"), "fake registry");
  EXPECT_EQ(token.Query("scope"), "repository:team/app:pull") << "ours, not the one of the challenge";
  EXPECT_EQ(Authorizations(registry_.requests()), (std::vector<std::string>{"", "", "Bearer token-1"}));
}

TEST_F(RegistryClient, TokenForACredentialIsKept) {
  registry_.RequireToken("user", "s3cret");
  Credentials credentials = For(registry_.host());
  ASSERT_TRUE(ByTag(credentials).ok());
  ASSERT_TRUE(ByDigest(credentials).ok());
  EXPECT_EQ(Authorizations(registry_.requests()),
            (std::vector<std::string>{"", Basic(), "Bearer token-1", "Bearer token-1"}));
}

TEST_F(RegistryClient, TokenIsNotSharedBetweenCredentialsOrRepositories) {
  registry_.RequireToken("user", "s3cret");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  ExpectError(ByTag(), Reason::kRegistryDenied, "the token of one tenant is not another's");
  ExpectError(ByTag(For(registry_.host(), "other")), Reason::kRegistryDenied);
  registry_.PutManifest("team/other", "v1", kManifestBytes, kType);
  auto other = image::Reference::Parse(registry_.host() + "/team/other").value();
  ASSERT_TRUE(client_->GetManifestByTag(other, "v1", For(registry_.host()), Soon()).ok());
  EXPECT_EQ(registry_.requests().back().Header("Authorization"), "Bearer token-2");
}

// A round trip less for every image of a registry but the first.
TEST_F(RegistryClient, TokenForTheNextRepositoryIsAskedForAtOnce) {
  registry_.RequireToken("user", "s3cret");
  Credentials credentials = For(registry_.host());
  ASSERT_TRUE(ByTag(credentials).ok());
  registry_.PutManifest("team/other", "v1", kManifestBytes, kType);
  auto other = image::Reference::Parse(registry_.host() + "/team/other").value();
  std::size_t before = registry_.requests().size();
  ASSERT_TRUE(client_->GetManifestByTag(other, "v1", credentials, Soon()).ok());
  auto requests = registry_.requests();
  ASSERT_EQ(requests.size(), before + 2);
  EXPECT_EQ(requests[before].Query("scope"), "repository:team/other:pull");
  EXPECT_EQ(requests[before].Query("service"), "fake registry");
  EXPECT_EQ(requests[before + 1].Header("Authorization"), "Bearer token-2");
}

// A part of a registry may send for tokens elsewhere than another: what is for one is not shown to the other's service.
TEST_F(RegistryClient, Adversarial_R4_RealmOfAnotherCredentialIsNotUsed) {
  registry_.RequireToken("", "");
  FakeRegistry elsewhere;
  registry_.SetRealm(elsewhere.origin() + "/token");
  elsewhere.Override("/token", Reply{.body = R"({"token":"t"})"});
  ExpectError(ByTag(), Reason::kRegistryDenied, "anonymous: a token that is worth nothing here");
  ASSERT_EQ(elsewhere.requests().size(), 1U);
  registry_.RequireToken("user", "s3cret");
  registry_.SetRealm("");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  EXPECT_EQ(elsewhere.requests().size(), 1U);
  Disconnect();
}

TEST_F(RegistryClient, RealmThatMovedIsFoundAgain) {
  registry_.RequireToken("user", "s3cret");
  Credentials credentials = For(registry_.host());
  ASSERT_TRUE(ByTag(credentials).ok());
  registry_.Override("/token", Reply{.status = 404});
  registry_.Override("/token2", [&](const ReceivedRequest&) { return Reply{.body = R"({"token":"t2"})"}; });
  registry_.PutManifest("team/other", "v1", kManifestBytes, kType);
  registry_.Override("/v2/team/other/manifests/v1", [&](const ReceivedRequest& request) {
    if (request.Header("Authorization") == "Bearer t2") return Reply{.body = kManifestBytes, .content_type = kType};
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate", "Bearer realm=\"" + registry_.origin() + "/token2\""}}};
  });
  auto other = image::Reference::Parse(registry_.host() + "/team/other").value();
  auto content = client_->GetManifestByTag(other, "v1", credentials, Soon());
  ASSERT_TRUE(content.ok()) << content.error().ToString();
}

TEST_F(RegistryClient, RevokedTokenIsReplacedOnce) {
  registry_.RequireToken("user", "s3cret");
  Credentials credentials = For(registry_.host());
  ASSERT_TRUE(ByTag(credentials).ok());
  registry_.RevokeTokens();
  ASSERT_TRUE(ByTag(credentials).ok());
  EXPECT_EQ(registry_.requests().back().Header("Authorization"), "Bearer token-2");
  // A registry that never accepts a token is asked twice, no more.
  std::size_t before = registry_.requests().size();
  registry_.Override(
      kByTag,
      Reply{.status = 401, .headers = {{"WWW-Authenticate", "Bearer realm=\"" + registry_.origin() + "/token\""}}});
  ExpectError(ByTag(credentials), Reason::kRegistryDenied);
  EXPECT_EQ(registry_.requests().size(), before + 3);
}

TEST_F(RegistryClient, WrongPasswordIsDenied) {
  registry_.RequireToken("user", "other");
  ExpectError(ByTag(For(registry_.host())), Reason::kRegistryDenied);
  registry_.RequireBasic("user", "other");
  ExpectError(ByTag(For(registry_.host())), Reason::kRegistryDenied);
}

TEST_F(RegistryClient, BasicAuthentication) {
  registry_.RequireBasic("user", "s3cret");
  ExpectError(ByTag(), Reason::kRegistryDenied, "anonymous");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  std::size_t before = registry_.requests().size();
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  EXPECT_EQ(registry_.requests().size(), before + 1) << "known to be asked for";
  ExpectError(ByTag(), Reason::kRegistryDenied, "still anonymous");
}

TEST_F(RegistryClient, Adversarial_R14_TokenServiceThatMisbehaves) {
  registry_.RequireToken("user", "s3cret");
  struct Case {
    const char* what;
    Reply reply;
    Reason reason;
  };
  for (const Case& bad :
       {Case{"no token", Reply{.body = "{}"}, Reason::kRegistryProtocol},
        Case{"two tokens", Reply{.body = R"({"token":"a","access_token":"b"})"}, Reason::kRegistryProtocol},
        Case{"header injection", Reply{.body = R"({"token":"a\r\nX: y"})"}, Reason::kRegistryProtocol},
        Case{"huge", Reply{.body = std::string(limits::kTokenResponseBytes + 1, ' ')}, Reason::kLimitExceeded},
        Case{"endless", Reply{.body = std::string(1 << 16, ' '), .endless = true}, Reason::kLimitExceeded},
        Case{"not found", Reply{.status = 404}, Reason::kRegistryProtocol},
        Case{"denied", Reply{.status = 403}, Reason::kRegistryDenied},
        Case{"down", Reply{.status = 502}, Reason::kRegistryUnavailable},
        Case{"busy", Reply{.status = 429}, Reason::kRegistryUnavailable}}) {
    registry_.Override("/token", bad.reply);
    ExpectError(ByTag(For(registry_.host())), bad.reason, bad.what);
  }
}

TEST_F(RegistryClient, Adversarial_R14_TokenThatExpiresAtOnceIsUsedOnce) {
  registry_.RequireToken("", "");
  int given = 0;
  registry_.Override(kByTag, [&](const ReceivedRequest& request) {
    if (request.Header("Authorization").empty()) {
      return Reply{.status = 401,
                   .headers = {{"WWW-Authenticate", "Bearer realm=\"" + registry_.origin() + "/token\""}}};
    }
    return Reply{.body = kManifestBytes, .content_type = kType};
  });
  registry_.Override("/token", [&](const ReceivedRequest&) {
    return Reply{.body = R"({"token":"t)" + std::to_string(++given) + R"(","expires_in":0})"};
  });
  ASSERT_TRUE(ByTag().ok());
  ASSERT_TRUE(ByTag().ok());
  EXPECT_EQ(given, 2);
}

TEST_F(RegistryClient, ChallengesThatCannotBeAnswered) {
  const std::string bearer = "Bearer realm=\"" + registry_.origin() + "/token\"";
  struct Case {
    std::vector<std::string> headers;
    Reason reason;
  };
  for (const Case& bad :
       {Case{{}, Reason::kRegistryDenied}, Case{{"Negotiate"}, Reason::kRegistryDenied},
        Case{{"Digest realm=\"x\", nonce=\"y\""}, Reason::kRegistryDenied},
        Case{{"Bearer realm=\"x"}, Reason::kRegistryProtocol}, Case{{"Bearer"}, Reason::kRegistryProtocol},
        Case{{bearer + ", " + bearer}, Reason::kRegistryProtocol}, Case{{bearer, bearer}, Reason::kRegistryProtocol}}) {
    Reply reply{.status = 401};
    for (const auto& value : bad.headers) reply.headers.emplace_back("WWW-Authenticate", value);
    registry_.Override(kByTag, reply);
    ExpectError(ByTag(For(registry_.host())), bad.reason, bad.headers.empty() ? "" : bad.headers[0]);
  }
  for (const auto& request : registry_.requests()) EXPECT_EQ(request.Header("Authorization"), "");
}

TEST_F(RegistryClient, BearerIsPreferredToBasic) {
  registry_.RequireToken("user", "s3cret");
  registry_.Override(kByTag, [&](const ReceivedRequest& request) {
    if (request.Header("Authorization").starts_with("Bearer "))
      return Reply{.body = kManifestBytes, .content_type = kType};
    return Reply{.status = 401,
                 .headers = {{"WWW-Authenticate", "Basic realm=\"x\""},
                             {"WWW-Authenticate", "Bearer realm=\"" + registry_.origin() + "/token\""}}};
  });
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
}

}  // namespace
}  // namespace gatehouse::registry
