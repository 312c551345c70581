#include "webhook/server/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::webhook {
namespace {

TEST(ListenAddress, ReadsBothFamilies) {
  EXPECT_EQ(ParseListenAddress("0.0.0.0:8443").value(), (ListenAddress{"0.0.0.0", 8443, false}));
  EXPECT_EQ(ParseListenAddress("[::]:8443").value(), (ListenAddress{"::", 8443, true}));
  EXPECT_EQ(ParseListenAddress("127.0.0.1:0").value().port, 0);
  EXPECT_EQ(ParseListenAddress("[::1]:65535").value().ToString(), "[::1]:65535");
  EXPECT_EQ(ParseListenAddress("10.1.2.3:80").value().ToString(), "10.1.2.3:80");
  EXPECT_EQ(ParseListenAddress(":8443").value(), (ListenAddress{"", 8443, false}));
  EXPECT_EQ(ParseListenAddress(":8443").value().ToString(), ":8443");
}

class BadListenAddress : public testing::TestWithParam<const char*> {};

TEST_P(BadListenAddress, IsRefusedWithAnExample) {
  const auto address = ParseListenAddress(GetParam());
  ASSERT_FALSE(address.ok());
  EXPECT_EQ(address.error().reason, Reason::kConfigInvalid);
  EXPECT_THAT(address.error().detail, testing::HasSubstr("write for example 0.0.0.0:8443"));
}

INSTANTIATE_TEST_SUITE_P(Defects, BadListenAddress,
                         testing::Values("", ":", ":x", "8443", "0.0.0.0", "0.0.0.0:", "0.0.0.0:65536", "0.0.0.0:-1",
                                         "0.0.0.0:+1", "0.0.0.0: 1", "0.0.0.0:1 ", "0.0.0.0:0x50", "0.0.0.0:080",
                                         "localhost:8443", "gatehouse.svc:8443", "1.2.3:80", "::1:8443", "[::1]",
                                         "[::1]8443", "[::1:8443", "[1.2.3.4]:80", "[]:80", "[fe80::1%eth0]:80"));

}  // namespace
}  // namespace gatehouse::webhook
