#include <gtest/gtest.h>

#include "common/net/address.h"
#include "common/net/proxy.h"

namespace gatehouse::net {
namespace {

TEST(IpAddress, LocalAddresses) {
  for (const char* text : {"127.0.0.1", "127.255.255.255", "0.0.0.0", "0.1.2.3", "169.254.169.254", "169.254.0.0",
                           "::1", "::", "fe80::1", "febf::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
                           "::ffff:7f00:1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1"}) {
    auto address = IpAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_TRUE(address->IsLocal()) << text;
  }
}

TEST(IpAddress, OtherAddresses) {
  for (const char* text :
       {"10.0.0.1", "192.168.1.1", "8.8.8.8", "128.0.0.1", "169.253.255.255", "169.255.0.0", "2001:db8::1", "fec0::1",
        "fd00::1", "::ffff:10.0.0.1", "64:ff9b::8.8.8.8", "1::1", "64:ff9b:1::7f00:1"}) {
    auto address = IpAddress::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_FALSE(address->IsLocal()) << text;
  }
}

TEST(IpAddress, PrivateAddresses) {
  for (const char* text : {"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1",
                           "198.19.0.1", "192.0.0.8", "224.0.0.1", "255.255.255.255", "fd00::1", "fc00::1", "fec0::1",
                           "ff02::1", "::ffff:10.0.0.1", "::10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1"}) {
    EXPECT_TRUE(IpAddress::Parse(text)->IsPrivate()) << text;
  }
  for (const char* text : {"8.8.8.8", "11.0.0.1", "172.15.255.255", "172.32.0.1", "192.167.1.1", "192.169.1.1",
                           "100.63.0.1", "100.128.0.1", "198.20.0.1", "192.0.1.1", "223.255.255.255", "2001:db8::1",
                           "64:ff9b::8.8.8.8", "2600::1", "127.0.0.1", "::1"}) {
    EXPECT_FALSE(IpAddress::Parse(text)->IsPrivate()) << text;
  }
}

TEST(IpAddress, OneSpelling) {
  EXPECT_EQ(IpAddress::Parse("::ffff:127.0.0.1"), IpAddress::Parse("127.0.0.1"));
  EXPECT_EQ(IpAddress::Parse("2001:DB8:0::1")->ToString(), "2001:db8::1");
  for (const char* text :
       {"", "127.1", "0x7f.0.0.1", "0177.0.0.1", "1.2.3.4 ", "[::1]", "fe80::1%lo", "1.2.3.4.5", ":::", "localhost"}) {
    EXPECT_FALSE(IpAddress::Parse(text).has_value()) << text;
  }
  EXPECT_FALSE(IpAddress::Parse(std::string_view("1.2.3.4\0x", 9)).has_value());
  EXPECT_FALSE(IpAddress::FromBytes(Bytes(5)).has_value());
}

TEST(IpAddress, PrefixesDoNotCrossFamilies) {
  auto ten = *IpAddress::Parse("10.0.0.0");
  EXPECT_TRUE(IpAddress::Parse("10.1.2.3")->In(ten, 8));
  EXPECT_TRUE(IpAddress::Parse("::ffff:10.1.2.3")->In(ten, 8));
  EXPECT_FALSE(IpAddress::Parse("11.1.2.3")->In(ten, 8));
  EXPECT_TRUE(IpAddress::Parse("11.1.2.3")->In(ten, 0));
  EXPECT_FALSE(IpAddress::Parse("2001:db8::1")->In(ten, 0));
  EXPECT_TRUE(IpAddress::Parse("10.0.0.0")->In(ten, 32));
  EXPECT_FALSE(IpAddress::Parse("10.0.0.1")->In(ten, 32));
  EXPECT_FALSE(IpAddress::Parse("10.0.0.0")->In(ten, 33));
}

struct BypassCase {
  const char* no_proxy;
  const char* url;
  bool bypasses;
};

class NoProxy : public testing::TestWithParam<BypassCase> {};

TEST_P(NoProxy, Decides) {
  ProxySettings settings{"http://proxy:3128", "http://proxy:3128", GetParam().no_proxy};
  ASSERT_TRUE(settings.Validate().ok()) << settings.Validate().error().ToString();
  EXPECT_EQ(settings.Bypasses(Url::Parse(GetParam().url, Reason::kInternal).value()), GetParam().bypasses)
      << GetParam().no_proxy << " " << GetParam().url;
}

INSTANTIATE_TEST_SUITE_P(
    Table, NoProxy,
    testing::Values(
        BypassCase{"", "https://example.com/", false}, BypassCase{"*", "https://example.com/", true},
        BypassCase{"", "https://localhost:5000/", true}, BypassCase{"", "https://a.localhost/", true},
        BypassCase{"", "https://notlocalhost/", false}, BypassCase{"", "https://127.9.9.9/", true},
        BypassCase{"", "https://[::1]/", true}, BypassCase{"", "https://[::ffff:127.0.0.1]/", true},
        BypassCase{"example.com", "https://example.com/", true},
        BypassCase{"example.com", "https://a.example.com/", true},
        BypassCase{"example.com", "https://badexample.com/", false},
        BypassCase{"example.com", "https://example.com.evil/", false},
        BypassCase{".example.com", "https://a.example.com/", true},
        BypassCase{".example.com", "https://example.com/", false},
        BypassCase{"*.example.com", "https://a.b.example.com/", true},
        BypassCase{"*.example.com", "https://example.com/", false},
        BypassCase{"EXAMPLE.com", "https://example.com/", true},
        BypassCase{"example.com:5000", "https://example.com:5000/", true},
        BypassCase{"example.com:5000", "https://example.com/", false},
        BypassCase{"example.com:443", "https://example.com/", true},
        BypassCase{" a.com , ,b.com,", "https://b.com/", true}, BypassCase{"10.1.2.3", "https://10.1.2.3/", true},
        BypassCase{"10.1.2.3", "https://10.1.2.4/", false}, BypassCase{"10.1.2.3:80", "https://10.1.2.3/", false},
        BypassCase{"10.1.2.3:80", "http://10.1.2.3/", true}, BypassCase{"10.0.0.0/8", "https://10.200.0.1/", true},
        BypassCase{"10.0.0.0/8", "https://11.0.0.1/", false},
        BypassCase{"10.0.0.0/8", "https://10.example.com/", false}, BypassCase{"fd00::/8", "https://[fd12::1]/", true},
        BypassCase{"[fd12::1]", "https://[fd12::1]/", true},
        BypassCase{"[fd12::1]:5000", "https://[fd12::1]/", false}));

TEST(ProxySettings, BadItemsAreRefused) {
  for (const char* no_proxy :
       {"10.0.0.0/33", "10.0.0.0/", "/8", "a/b", "10.0.0.0/8/8", "a b", "http://x", "x:0", "x:y", "user@x"}) {
    ProxySettings settings{"", "", no_proxy};
    ASSERT_FALSE(settings.Validate().ok()) << no_proxy;
    EXPECT_EQ(settings.Validate().error().reason, Reason::kConfigInvalid);
  }
  for (const char* proxy : {"proxy:3128", "https://proxy:3128", "socks5://proxy:1080", "http://", "http://proxy/path",
                            "http://us%zz:s3cret@proxy", "http://user:s3cret@pro xy"}) {
    ProxySettings settings{proxy, "", ""};
    ASSERT_FALSE(settings.Validate().ok()) << proxy;
    EXPECT_EQ(settings.Validate().error().reason, Reason::kConfigInvalid);
    EXPECT_EQ(settings.Validate().error().ToString().find("s3cret"), std::string::npos);
  }
}

TEST(ProxySettings, CredentialsAreDecoded) {
  Proxy proxy = ParseProxy("http://us%65r:p%40ss:word@proxy.example:3128").value();
  EXPECT_EQ(proxy.host, "proxy.example");
  EXPECT_EQ(proxy.port, 3128);
  EXPECT_EQ(proxy.authorization, "Basic dXNlcjpwQHNzOndvcmQ=");  // user:p@ss:word
  EXPECT_EQ(ParseProxy("http://proxy").value().port, 80);
}

TEST(ProxySettings, SchemeChoosesTheProxy) {
  ProxySettings settings{"http://secure:1", "", "direct.example"};
  EXPECT_EQ(ProxyFor(settings, Url::Parse("https://a/", Reason::kInternal).value()).value()->host, "secure");
  EXPECT_FALSE(ProxyFor(settings, Url::Parse("http://a/", Reason::kInternal).value()).value().has_value());
  EXPECT_FALSE(
      ProxyFor(settings, Url::Parse("https://direct.example/", Reason::kInternal).value()).value().has_value());
}

}  // namespace
}  // namespace gatehouse::net
