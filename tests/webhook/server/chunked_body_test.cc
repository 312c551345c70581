#include "webhook/server/chunked_body.h"

#include <gtest/gtest.h>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

constexpr std::string_view kGood = "5\r\nhello\r\n6;name=\"v\"\r\n world\r\n00a\r\n0123456789\r\n0\r\n\r\n";
constexpr std::string_view kBody = "hello world0123456789";

TEST(ChunkedBody, IsDecodedHoweverTheBytesArrive) {
  const std::string bytes = std::string(kGood) + "GET / HTTP/1.1\r\n";
  for (std::size_t first = 0; first <= bytes.size(); ++first) {
    ChunkedBody body(100);
    std::size_t taken = body.Feed(std::string_view(bytes).substr(0, first));
    if (taken == first) taken += body.Feed(std::string_view(bytes).substr(first));
    EXPECT_EQ(body.state(), ChunkedBody::State::kComplete) << first;
    EXPECT_EQ(body.body(), kBody) << first;
    EXPECT_EQ(taken, kGood.size()) << "the next request's bytes are not the body's, split at " << first;
  }
}

TEST(ChunkedBody, TruncatedAnywhereIsIncomplete) {
  for (std::size_t size = 0; size < kGood.size(); ++size) {
    ChunkedBody body(100);
    EXPECT_EQ(body.Feed(kGood.substr(0, size)), size);
    EXPECT_EQ(body.state(), ChunkedBody::State::kIncomplete) << size;
  }
}

TEST(ChunkedBody, EmptyIsABody) {
  ChunkedBody body(0);
  EXPECT_EQ(body.Feed("0\r\n\r\n"), 5U);
  EXPECT_EQ(body.state(), ChunkedBody::State::kComplete);
  EXPECT_EQ(body.body(), "");
}

struct Case {
  const char* name;
  std::string bytes;
  ChunkedBody::State state;
};
class ChunkedBodyDefect : public testing::TestWithParam<Case> {};

TEST_P(ChunkedBodyDefect, IsFound) {
  ChunkedBody body(10);
  (void)body.Feed(GetParam().bytes);
  EXPECT_EQ(body.state(), GetParam().state);
  EXPECT_LE(body.body().size(), 10U);
}

constexpr auto kMalformed = ChunkedBody::State::kMalformed;
constexpr auto kTooLarge = ChunkedBody::State::kTooLarge;
INSTANTIATE_TEST_SUITE_P(
    Defects, ChunkedBodyDefect,
    testing::Values(Case{"NoSize", "\r\nx", kMalformed}, Case{"NotHex", "g\r\n", kMalformed},
                    Case{"Signed", "+5\r\nhello\r\n", kMalformed}, Case{"Negative", "-5\r\n", kMalformed},
                    Case{"HexPrefix", "0x5\r\nhello\r\n", kMalformed}, Case{"LeadingSpace", " 5\r\n", kMalformed},
                    Case{"TrailingSpace", "5 \r\n", kMalformed}, Case{"BareLfAfterSize", "5\nhello\r\n", kMalformed},
                    Case{"CrWithoutLf", "5\rhello\r\n", kMalformed},
                    // This is the one that cpp-httplib takes for the end of the body.
                    Case{"DataWithoutCrLf", "5\r\nhelloX\r\n0\r\n\r\n", kMalformed},
                    Case{"DataTooLong", "4\r\nhello\r\n0\r\n\r\n", kMalformed},
                    Case{"BareLfAfterData", "5\r\nhello\n0\r\n\r\n", kMalformed},
                    Case{"Trailer", "0\r\nX: y\r\n\r\n", kMalformed}, Case{"BareLfAtEnd", "0\r\n\n", kMalformed},
                    Case{"SeventeenDigits", "00000000000000001\r\n", kMalformed},
                    Case{"ControlInExtension", "1;\x01\r\n", kMalformed},
                    Case{"BareLfInExtension", "1;a\nx", kMalformed},
                    Case{"LongExtension", "1;" + std::string(limits::kChunkExtensionBytes + 1, 'x'), kMalformed},
                    Case{"OneByteTooMany", "b\r\n", kTooLarge}, Case{"TooManyInAll", "6\r\n123456\r\n5\r\n", kTooLarge},
                    Case{"Huge", "ffffffffffffffff\r\n", kTooLarge}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ChunkedBody, ExtensionsAreBoundedInAll) {
  ChunkedBody body(100'000);
  for (int i = 0; i < 1024; ++i) (void)body.Feed("1;x\r\na\r\n");
  EXPECT_EQ(body.state(), ChunkedBody::State::kIncomplete);
  (void)body.Feed("1;x\r\na\r\n");
  EXPECT_EQ(body.state(), ChunkedBody::State::kMalformed);
}

TEST(ChunkedBody, ExactlyTheLimitIsAllowed) {
  ChunkedBody body(10);
  (void)body.Feed("a\r\n0123456789\r\n0\r\n\r\n");
  EXPECT_EQ(body.state(), ChunkedBody::State::kComplete);
}

}  // namespace
}  // namespace gatehouse::webhook
