#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/net/http.h"

namespace gatehouse::net {
namespace {

struct GoodUrl {
  const char* text;
  const char* origin;
  const char* authority;
  const char* target;
};

class UrlAccepts : public testing::TestWithParam<GoodUrl> {};

TEST_P(UrlAccepts, AndNormalises) {
  auto url = Url::Parse(GetParam().text, Reason::kConfigInvalid);
  ASSERT_TRUE(url.ok()) << url.error().ToString();
  EXPECT_EQ(url->Origin(), GetParam().origin);
  EXPECT_EQ(url->Authority(), GetParam().authority);
  EXPECT_EQ(url->target, GetParam().target);
  EXPECT_EQ(Url::Parse(url->ToString(), Reason::kInternal).value(), *url);
}

INSTANTIATE_TEST_SUITE_P(
    Table, UrlAccepts,
    testing::Values(GoodUrl{"https://example.com", "https://example.com:443", "example.com", "/"},
                    GoodUrl{"HTTPS://EXAMPLE.com/Path?Q=1", "https://example.com:443", "example.com", "/Path?Q=1"},
                    GoodUrl{"http://example.com:80/", "http://example.com:80", "example.com", "/"},
                    GoodUrl{"http://example.com:443/", "http://example.com:443", "example.com:443", "/"},
                    GoodUrl{"https://example.com:5000/v2/", "https://example.com:5000", "example.com:5000", "/v2/"},
                    GoodUrl{"https://example.com?x=y", "https://example.com:443", "example.com", "/?x=y"},
                    GoodUrl{"https://127.0.0.1:1/", "https://127.0.0.1:1", "127.0.0.1:1", "/"},
                    GoodUrl{"https://[::1]:5000/", "https://[::1]:5000", "[::1]:5000", "/"},
                    GoodUrl{"https://[0:0:0:0:0:0:0:1]/", "https://[::1]:443", "[::1]", "/"},
                    GoodUrl{"https://[2001:DB8::A]/", "https://[2001:db8::a]:443", "[2001:db8::a]", "/"},
                    GoodUrl{"https://[::ffff:10.0.0.1]/", "https://10.0.0.1:443", "10.0.0.1", "/"},
                    GoodUrl{"https://a_b.svc.cluster.local/", "https://a_b.svc.cluster.local:443",
                            "a_b.svc.cluster.local", "/"},
                    GoodUrl{"https://h/?next=%zz|x", "https://h:443", "h", "/?next=%zz|x"},
                    GoodUrl{"https://h/a%2Fb", "https://h:443", "h", "/a%2Fb"}));

struct BadUrl {
  const char* defect;
  std::string text;
};

class UrlRefuses : public testing::TestWithParam<BadUrl> {};

TEST_P(UrlRefuses, WithTheReasonOfTheCaller) {
  auto url = Url::Parse(GetParam().text, Reason::kRegistryProtocol);
  ASSERT_FALSE(url.ok()) << GetParam().defect;
  EXPECT_EQ(url.error().reason, Reason::kRegistryProtocol);
  EXPECT_EQ(url.error().detail.find("s3cret"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Table, UrlRefuses,
    testing::Values(
        BadUrl{"empty", ""}, BadUrl{"no scheme", "example.com/"}, BadUrl{"other scheme", "ftp://example.com/"},
        BadUrl{"file", "file:///etc/passwd"}, BadUrl{"no host", "https:///x"}, BadUrl{"only a port", "https://:443/"},
        BadUrl{"userinfo", "https://user:s3cret@example.com/"}, BadUrl{"at sign", "https://@example.com/"},
        BadUrl{"fragment", "https://example.com/#x"}, BadUrl{"space", "https://example.com/a b"},
        BadUrl{"line break", "https://example.com/\r\nX: y"}, BadUrl{"NUL", std::string("https://exa\0mple.com/", 21)},
        BadUrl{"not ASCII", "https://ex\xC3\xA4mple.com/"}, BadUrl{"backslash", "https://example.com\\@evil.com/"},
        BadUrl{"escaped host", "https://exa%6Dple.com/"}, BadUrl{"port 0", "https://example.com:0/"},
        BadUrl{"port 65536", "https://example.com:65536/"}, BadUrl{"empty port", "https://example.com:/"},
        BadUrl{"port sign", "https://example.com:+80/"}, BadUrl{"port leading zero", "https://example.com:080/"},
        BadUrl{"port letters", "https://example.com:80a/"}, BadUrl{"short IPv4", "https://127.1/"},
        BadUrl{"decimal IPv4", "https://2130706433/"}, BadUrl{"hex IPv4", "https://0x7f000001/"},
        BadUrl{"hex label", "https://127.0.0.0x1/"}, BadUrl{"octal IPv4", "https://0177.0.0.01/"},
        BadUrl{"five numbers", "https://1.2.3.4.5/"}, BadUrl{"IPv4 too big", "https://256.1.1.1/"},
        BadUrl{"open bracket", "https://[::1/"}, BadUrl{"bracketed IPv4", "https://[127.0.0.1]/"},
        BadUrl{"zone", "https://[fe80::1%25eth0]/"}, BadUrl{"bare IPv6", "https://::1/"},
        BadUrl{"after bracket", "https://[::1]x/"}, BadUrl{"empty label", "https://a..b/"},
        BadUrl{"trailing dot", "https://example.com./"}, BadUrl{"leading dash", "https://-a.com/"},
        BadUrl{"label too long", "https://" + std::string(64, 'a') + ".com/"},
        BadUrl{"host too long", "https://" + std::string(125, 'a') + "." + std::string(125, 'b') + ".com/"},
        BadUrl{"percent at the end", "https://h/%"}, BadUrl{"percent without hex", "https://h/%g0"},
        BadUrl{"too long", "https://h/" + std::string(limits::kUrlBytes, 'a')}));

TEST(Url, EveryPrefixParsesToItselfOrFails) {
  const std::string text = "https://host.example.com:5000/path/%2F?query=1";
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto url = Url::Parse(text.substr(0, i), Reason::kConfigInvalid);
    if (url.ok()) {
      EXPECT_EQ(Url::Parse(url->ToString(), Reason::kInternal).value(), *url);
    }
  }
}

struct Reference {
  const char* reference;
  const char* expected;  // empty: refused
};

class UrlResolves : public testing::TestWithParam<Reference> {};

TEST_P(UrlResolves, AgainstABase) {
  Url base = Url::Parse("https://h:5000/v2/a/tags?n=1", Reason::kInternal).value();
  auto url = base.Resolve(GetParam().reference, Reason::kRegistryProtocol);
  if (*GetParam().expected == '\0') {
    ASSERT_FALSE(url.ok());
    EXPECT_EQ(url.error().reason, Reason::kRegistryProtocol);
    return;
  }
  ASSERT_TRUE(url.ok()) << url.error().ToString();
  EXPECT_EQ(url->ToString(), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, UrlResolves,
    testing::Values(Reference{"https://other/x", "https://other/x"}, Reference{"http://h/x", "http://h/x"},
                    Reference{"/v2/b?last=1", "https://h:5000/v2/b?last=1"},
                    Reference{"?last=2", "https://h:5000/v2/a/tags?last=2"}, Reference{"/a/../b", "https://h:5000/b"},
                    Reference{"/a/./b/..", "https://h:5000/a/"}, Reference{"/../../x", "https://h:5000/x"},
                    Reference{"/a?b=/../c", "https://h:5000/a?b=/../c"}, Reference{"/x#fragment", "https://h:5000/x"},
                    Reference{"/a//b", "https://h:5000/a//b"}, Reference{"", ""}, Reference{"#x", ""},
                    Reference{"//evil.com/x", ""}, Reference{"x/y", ""}, Reference{"../x", ""},
                    Reference{"https://user@other/", ""}, Reference{"javascript:alert(1)", ""}, Reference{"/a b", ""},
                    Reference{"/\\evil.com", ""}));

TEST(EncodeQueryValue, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(EncodeQueryValue("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(EncodeQueryValue("repository:a/b:pull&x=+ \xFF"), "repository%3Aa%2Fb%3Apull%26x%3D%2B%20%FF");
}

TEST(HttpResponse, HeaderIsTheOnlyOneOfItsName) {
  HttpResponse response{200, {{"Content-Type", "a"}, {"X", "1"}, {"x", "2"}}, ""};
  EXPECT_EQ(response.Header("content-type"), "a");
  EXPECT_FALSE(response.Header("X").has_value());
  EXPECT_FALSE(response.Header("Absent").has_value());
}

}  // namespace
}  // namespace gatehouse::net
