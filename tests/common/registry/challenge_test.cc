#include "common/registry/challenge.h"

#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/registry/retry_after.h"
#include "common/registry/token.h"

namespace gatehouse::registry {
namespace {

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct Good {
  const char* header;
  std::vector<Challenge> expected;
};

class ChallengeAccepts : public testing::TestWithParam<Good> {};

TEST_P(ChallengeAccepts, AndFormatsBack) {
  auto parsed = ParseChallenges(GetParam().header);
  ASSERT_TRUE(parsed.ok()) << parsed.error().ToString();
  EXPECT_EQ(*parsed, GetParam().expected);
  EXPECT_EQ(ParseChallenges(FormatChallenges(*parsed)).value(), *parsed);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ChallengeAccepts,
    testing::Values(
        Good{"", {}}, Good{" , ,", {}}, Good{"Basic", {{"basic", "", {}}}},
        Good{"Bearer realm=", {{"bearer", "realm=", {}}}},
        Good{"Basic realm=\"Registry Realm\"", {{"basic", "", Parameters{{"realm", "Registry Realm"}}}}},
        Good{"Bearer "
             "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:library/"
             "nginx:pull\"",
             {{"bearer", "",
               Parameters{{"realm", "https://auth.docker.io/token"},
                          {"service", "registry.docker.io"},
                          {"scope", "repository:library/nginx:pull"}}}}},
        Good{"BEARER Realm = token , SERVICE=\"a, b\"",
             {{"bearer", "", Parameters{{"realm", "token"}, {"service", "a, b"}}}}},
        Good{"Bearer realm=\"a\\\"b\\\\c\"", {{"bearer", "", Parameters{{"realm", "a\"b\\c"}}}}},
        Good{"Bearer realm=\"\"", {{"bearer", "", Parameters{{"realm", ""}}}}},
        Good{"Basic realm=\"x\", Bearer realm=\"y\",service=\"z\"",
             {{"basic", "", Parameters{{"realm", "x"}}}, {"bearer", "", Parameters{{"realm", "y"}, {"service", "z"}}}}},
        Good{"Negotiate, Basic realm=x", {{"negotiate", "", {}}, {"basic", "", Parameters{{"realm", "x"}}}}},
        Good{"Negotiate YWJj==, Basic realm=x",
             {{"negotiate", "YWJj==", {}}, {"basic", "", Parameters{{"realm", "x"}}}}},
        Good{"Bearer realm=x,,\tservice=y", {{"bearer", "", Parameters{{"realm", "x"}, {"service", "y"}}}}}));

TEST(Challenge, Refused) {
  for (const std::string& header : {std::string("Bearer realm=\"x"),
                                    std::string("Bearer realm=\"x\\"),
                                    std::string("Bearer realm"
                                                " service=x"),
                                    std::string("Bearer realm=x service=y"),
                                    std::string("Bearer realm=x realm=y"),
                                    std::string("Bearer realm=x,realm=y"),
                                    std::string("Bearer realm=x,REALM=y"),
                                    std::string("Bearer \"x\""),
                                    std::string("Bearer =x"),
                                    std::string("=x"),
                                    std::string("\"x\""),
                                    std::string("Bearer@realm=x"),
                                    std::string("Bearer realm=x;service=y"),
                                    std::string("Bearer realm=\"x\"y"),
                                    std::string("Bearer realm=\"x\ny\""),
                                    std::string("Bearer realm=\"x\0y\"", 18),
                                    std::string("Bearer realm=\"\xC3\xA4\""),
                                    std::string("Bearer realm=\"\x7F\""),
                                    std::string("Negotiate YWJj== x"),
                                    std::string(limits::kHttpHeaderLineBytes + 1, ',')}) {
    auto parsed = ParseChallenges(header);
    ASSERT_FALSE(parsed.ok()) << header;
    EXPECT_EQ(parsed.error().reason, Reason::kRegistryProtocol) << header;
  }
}

TEST(Challenge, EveryPrefixParsesToItselfOrFails) {
  const std::string text = "Basic realm=\"x\", Bearer realm=\"https://a/t?x=\\\"\",service=b, Negotiate YQ==";
  for (std::size_t i = 0; i <= text.size(); ++i) {
    auto parsed = ParseChallenges(text.substr(0, i));
    if (parsed.ok()) {
      EXPECT_EQ(ParseChallenges(FormatChallenges(*parsed)).value(), *parsed) << i;
    }
  }
}

constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} + std::chrono::hours(12)};

TEST(RetryAfter, SecondsAndDates) {
  using std::chrono::seconds;
  EXPECT_EQ(ParseRetryAfter("0", kNow), seconds(0));
  EXPECT_EQ(ParseRetryAfter("120", kNow), seconds(120));
  EXPECT_EQ(ParseRetryAfter("999999999", kNow), seconds(999999999));
  EXPECT_EQ(ParseRetryAfter("Sat, 21 Nov 2026 12:00:30 GMT", kNow), seconds(30));
  EXPECT_EQ(ParseRetryAfter("Sun, 06 Nov 1994 08:49:37 GMT", kNow), seconds(0)) << "has passed";
}

TEST(RetryAfter, AnythingElseIsNothing) {
  for (const char* text :
       {"", "-1", "+1", "1.5", "1s", " 1", "9999999999", "Sun, 21 Nov 2026 12:00:30 GMT",
        "Sat, 21 Nov 2026 24:00:00 GMT", "Sat, 31 Feb 2026 12:00:00 GMT", "Sat, 21 nov 2026 12:00:30 GMT",
        "Sat, 21 Nov 2026 12:00:30 UTC", "Sat, 21 Nov 2026 12:00:30 GMT ", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994", "2026-11-21T12:00:30Z", "Sat, 21 Nov 2026 12:60:30 GMT",
        "Sat, +1 Nov 2026 12:00:30 GMT"}) {
    EXPECT_FALSE(ParseRetryAfter(text, kNow).has_value()) << text;
  }
}

TEST(Adversarial_R14, TokenResponses) {
  using std::chrono::seconds;
  EXPECT_EQ(ParseTokenResponse(R"({"token":"abc.DEF-_~+/=="})")->value, "abc.DEF-_~+/==");
  EXPECT_EQ(ParseTokenResponse(R"({"token":"a"})")->lifetime, seconds(60)) << "the default";
  EXPECT_EQ(
      ParseTokenResponse(R"({"access_token":"a","expires_in":300,"issued_at":"x","refresh_token":"y"})")->lifetime,
      seconds(300));
  EXPECT_EQ(ParseTokenResponse(R"({"token":"a","access_token":"a"})")->value, "a");
  EXPECT_EQ(ParseTokenResponse(R"({"token":"a","expires_in":0})")->lifetime, seconds(0));
  EXPECT_EQ(ParseTokenResponse(R"({"token":"a","expires_in":9223372036854775807})")->lifetime, limits::kTokenCacheTime);
  for (const std::string& body : {std::string(""),
                                  std::string("{}"),
                                  std::string("[]"),
                                  std::string("s3cret"),
                                  std::string(R"({"token":""})"),
                                  std::string(R"({"token":null})"),
                                  std::string(R"({"token":5})"),
                                  std::string(R"({"token":"s3cret","access_token":"s3cret2"})"),
                                  std::string(R"({"token":"s3cret","access_token":""})"),
                                  std::string(R"({"token":"s3cret","token":"s3cret"})"),
                                  std::string(R"({"token":"s3cret","expires_in":-1})"),
                                  std::string(R"({"token":"s3cret","expires_in":"60"})"),
                                  std::string(R"({"token":"s3cret","expires_in":1.5})"),
                                  std::string(R"({"token":"s3cret","expires_in":9223372036854775808})"),
                                  std::string(R"({"token":"s3cret\r\nEvil: x"})"),
                                  std::string(R"({"token":"s3cret x"})"),
                                  std::string(R"({"token":"s3cret\u00e4"})"),
                                  std::string(R"({"token":"=="})"),
                                  R"({"token":")" + std::string(limits::kTokenBytes + 1, 'a') + "\"}",
                                  R"({"token":"a","x":")" + std::string(limits::kTokenResponseBytes, 'a') + "\"}"}) {
    auto token = ParseTokenResponse(body);
    ASSERT_FALSE(token.ok()) << body;
    EXPECT_EQ(token.error().reason, Reason::kRegistryProtocol);
    EXPECT_EQ(token.error().ToString().find("s3cret"), std::string::npos) << token.error().ToString();
  }
}

struct Realm {
  const char* registry;
  const char* realm;
  const char* expected;  // empty: refused
};

class Adversarial_R4 : public testing::TestWithParam<Realm> {};

TEST_P(Adversarial_R4, RealmsThatMayBeAsked) {
  auto registry = net::Url::Parse(GetParam().registry, Reason::kInternal).value();
  Challenge challenge{
      "bearer", "", {{"realm", GetParam().realm}, {"service", "a b"}, {"scope", "repository:*:push,delete"}}};
  auto url = TokenUrl(challenge, registry, "team/app");
  if (*GetParam().expected == '\0') {
    ASSERT_FALSE(url.ok()) << url->ToString();
    EXPECT_EQ(url.error().reason, Reason::kRegistryProtocol);
    EXPECT_EQ(url.error().ToString().find("s3cret"), std::string::npos);
    return;
  }
  ASSERT_TRUE(url.ok()) << url.error().ToString();
  EXPECT_EQ(url->ToString(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, Adversarial_R4,
    testing::Values(Realm{"https://r.test/", "https://auth.test/token",
                          "https://auth.test/token?service=a%20b&scope=repository%3Ateam%2Fapp%3Apull"},
                    Realm{"https://r.test/", "https://r.test/token?account=x",
                          "https://r.test/token?account=x&service=a%20b&scope=repository%3Ateam%2Fapp%3Apull"},
                    Realm{"http://r.test:5000/", "http://r.test:5001/token",
                          "http://r.test:5001/token?service=a%20b&scope=repository%3Ateam%2Fapp%3Apull"},
                    Realm{"http://r.test:5000/", "https://auth.test/token",
                          "https://auth.test/token?service=a%20b&scope=repository%3Ateam%2Fapp%3Apull"},
                    Realm{"https://r.test/", "http://auth.test/token", ""},
                    Realm{"https://r.test/", "http://r.test/token", ""},
                    Realm{"http://r.test:5000/", "http://evil.test/token", ""},
                    Realm{"http://r.test:5000/", "http://r.test.evil/token", ""},
                    Realm{"http://r.test:5000/", "http://169.254.169.254/token", ""},
                    Realm{"https://r.test/", "https://user:s3cret@auth.test/token", ""},
                    Realm{"https://r.test/", "https://r.test@evil.test/token", ""},
                    Realm{"https://r.test/", "https://r.test\\@evil.test/token", ""},
                    Realm{"https://r.test/", "https://auth.test/token#x", ""}, Realm{"https://r.test/", "", ""},
                    Realm{"https://r.test/", "/token", ""}, Realm{"https://r.test/", "//auth.test/token", ""},
                    Realm{"https://r.test/", "file:///etc/passwd", ""},
                    Realm{"https://r.test/", "https://2130706433/token", ""},
                    Realm{"https://r.test/", "https://auth.test/a b", ""}));

TEST(AuthorizationCache, ForgetsShortlyBeforeTheEnd) {
  AuthorizationCache cache;
  MonoTime now{};
  cache.Put("k", "Bearer a", now, std::chrono::seconds(60));
  EXPECT_EQ(cache.Find("k", now + std::chrono::seconds(49)), "Bearer a");
  EXPECT_FALSE(cache.Find("k", now + std::chrono::seconds(50)).has_value());
  EXPECT_FALSE(cache.Find("other", now).has_value());
  cache.Remove("k", "another");
  EXPECT_TRUE(cache.Find("k", now).has_value()) << "what took its place stays";
  cache.Remove("k", "Bearer a");
  EXPECT_FALSE(cache.Find("k", now).has_value());
  cache.Put("zero", "Bearer b", now, std::chrono::seconds(0));
  cache.Put("one", "Bearer b", now, std::chrono::seconds(1));
  EXPECT_FALSE(cache.Find("zero", now).has_value());
  EXPECT_FALSE(cache.Find("one", now).has_value());
}

TEST(AuthorizationCache, IsBounded) {
  AuthorizationCache cache;
  MonoTime now{};
  for (std::size_t i = 0; i <= limits::kCachedTokens; ++i) {
    cache.Put("k" + std::to_string(i), "Bearer a", now + std::chrono::seconds(i), std::chrono::seconds(3600));
  }
  EXPECT_FALSE(cache.Find("k0", now).has_value()) << "the one that would expire first";
  EXPECT_TRUE(cache.Find("k1", now).has_value());
  EXPECT_TRUE(cache.Find("k" + std::to_string(limits::kCachedTokens), now).has_value());
}

}  // namespace
}  // namespace gatehouse::registry
