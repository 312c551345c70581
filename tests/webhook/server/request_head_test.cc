#include "webhook/server/request_head.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

using std::string_literals::operator""s;

constexpr std::string_view kGood =
    "POST /validate?timeout=10s HTTP/1.1\r\n"
    "Host: gatehouse.svc:443\r\n"
    "content-LENGTH:  12 \t\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Authorization: Bearer a%62c\r\n"
    "X-Empty:\r\n"
    "\r\n";

TEST(RequestHead, ReadsWhatTheServerActsOn) {
  HeadScanner scanner;
  ASSERT_EQ(scanner.Scan(kGood), HeadScanner::State::kComplete);
  EXPECT_EQ(scanner.size(), kGood.size());
  const auto parsed = ParseRequestHead(kGood);
  const auto* head = std::get_if<RequestHead>(&parsed);
  ASSERT_NE(head, nullptr) << std::get<Refusal>(parsed).why;
  EXPECT_EQ(head->request_line, "POST /validate?timeout=10s HTTP/1.1");
  EXPECT_EQ(head->method, "POST");
  EXPECT_EQ(head->target, "/validate?timeout=10s");
  EXPECT_EQ(head->path, "/validate");
  EXPECT_TRUE(head->keep_alive);
  EXPECT_EQ(head->content_length, 12U);
  EXPECT_FALSE(head->chunked);
  EXPECT_EQ(head->content_type, "application/json; charset=utf-8");
  EXPECT_EQ(head->content_encoding, "");
  EXPECT_EQ(head->authorization, "Bearer a%62c") << "cpp-httplib would decode it";
}

struct KeepAlive {
  const char* version;
  const char* fields;
  bool kept;
};
class KeepAliveTest : public testing::TestWithParam<KeepAlive> {};

TEST_P(KeepAliveTest, FollowsVersionAndConnection) {
  const std::string text = std::string("GET / ") + GetParam().version + "\r\nHost: a\r\n" + GetParam().fields + "\r\n";
  const auto parsed = ParseRequestHead(text);
  ASSERT_TRUE(std::holds_alternative<RequestHead>(parsed));
  EXPECT_EQ(std::get<RequestHead>(parsed).keep_alive, GetParam().kept);
}

INSTANTIATE_TEST_SUITE_P(All, KeepAliveTest,
                         testing::Values(KeepAlive{"HTTP/1.1", "", true},
                                         KeepAlive{"HTTP/1.1", "Connection: close\r\n", false},
                                         KeepAlive{"HTTP/1.1", "Connection: Close\r\n", false},
                                         KeepAlive{"HTTP/1.1", "Connection: keep-alive, close\r\n", false},
                                         KeepAlive{"HTTP/1.1", "Connection: x\r\nConnection: close\r\n", false},
                                         KeepAlive{"HTTP/1.1", "Connection: closed\r\n", true},
                                         KeepAlive{"HTTP/1.0", "", false},
                                         KeepAlive{"HTTP/1.0", "Connection: keep-alive\r\n", false}));

struct Defect {
  const char* name;
  std::string head;
  int status;
};
std::string Post(const std::string& fields) {
  return "POST /validate HTTP/1.1\r\n" + fields + "\r\n";
}

class RequestHeadDefect : public testing::TestWithParam<Defect> {};

TEST_P(RequestHeadDefect, IsRefused) {
  const auto parsed = ParseRequestHead(GetParam().head);
  const auto* refusal = std::get_if<Refusal>(&parsed);
  ASSERT_NE(refusal, nullptr);
  EXPECT_EQ(refusal->status, GetParam().status);
  EXPECT_FALSE(refusal->why.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Defects, RequestHeadDefect,
    testing::Values(
        Defect{"NothingAtAll", "", 400}, Defect{"NoRequestLine", "\r\n", 400}, Defect{"OneWord", "GET\r\n\r\n", 400},
        Defect{"TwoWords", "GET /\r\nHost: a\r\n\r\n", 400},
        Defect{"FourWords", "GET / x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"TabForSpace", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"SpaceFirst", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"MethodNoToken", "GE(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"AbsoluteTarget", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"AsteriskTarget", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"AuthorityTarget", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"FragmentInTarget", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"RawUtf8InTarget", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"NulInTarget", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"s, 400},
        Defect{"LongRequestLine",
               "GET /" + std::string(limits::kRequestLineBytes, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
        Defect{"Http2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505}, Defect{"Http09", "GET / HTTP/0.9\r\n\r\n", 505},
        Defect{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        Defect{"VersionWithMore", "GET / HTTP/1.11\r\nHost: a\r\n\r\n", 505}, Defect{"NoHost", Post(""), 400},
        Defect{"TwoHosts", Post("Host: a\r\nHost: a\r\n"), 400},
        Defect{"NoColon", Post("Host: a\r\nContent-Length\r\n"), 400},
        Defect{"EmptyName", Post("Host: a\r\n: x\r\n"), 400},
        Defect{"SpaceBeforeColon", Post("Host: a\r\nTransfer-Encoding : chunked\r\n"), 400},
        Defect{"FoldedLine", Post("Host: a\r\nX: a\r\n b\r\n"), 400},
        Defect{"NameNoToken", Post("Host: a\r\nX\"Y: a\r\n"), 400},
        Defect{"NulInValue", Post("Host: a\r\nX: a\0b\r\n"s), 400},
        Defect{"BareCrInValue", Post("Host: a\r\nX: a\rb\r\n"), 400},
        Defect{"DelInValue", Post("Host: a\r\nX: a\x7f\r\n"), 400},
        Defect{"LengthTwiceEqual", Post("Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n"), 400},
        Defect{"LengthTwice", Post("Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n"), 400},
        Defect{"LengthList", Post("Host: a\r\nContent-Length: 1, 1\r\n"), 400},
        Defect{"LengthEmpty", Post("Host: a\r\nContent-Length:\r\n"), 400},
        Defect{"LengthSigned", Post("Host: a\r\nContent-Length: +1\r\n"), 400},
        Defect{"LengthNegative", Post("Host: a\r\nContent-Length: -1\r\n"), 400},
        Defect{"LengthHex", Post("Host: a\r\nContent-Length: 0x1\r\n"), 400},
        Defect{"LengthEncoded", Post("Host: a\r\nContent-Length: %31\r\n"), 400},
        Defect{"LengthBeyond64Bits", Post("Host: a\r\nContent-Length: 18446744073709551616\r\n"), 400},
        Defect{"LengthAndChunked", Post("Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
        Defect{"ChunkedAndLength", Post("Host: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n"), 400},
        Defect{"ChunkedTwice", Post("Host: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
        Defect{"ChunkedInHttp10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Defect{"GzipCoding", Post("Host: a\r\nTransfer-Encoding: gzip\r\n"), 501},
        Defect{"GzipChunked", Post("Host: a\r\nTransfer-Encoding: gzip, chunked\r\n"), 501},
        Defect{"IdentityCoding", Post("Host: a\r\nTransfer-Encoding: identity\r\n"), 501},
        Defect{"EmptyCoding", Post("Host: a\r\nTransfer-Encoding:\r\n"), 501},
        Defect{"QuotedChunked", Post("Host: a\r\nTransfer-Encoding: \"chunked\"\r\n"), 501},
        Defect{"TypeTwice", Post("Host: a\r\nContent-Type: a/b\r\nContent-Type: a/b\r\n"), 400},
        Defect{"EncodingTwice", Post("Host: a\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n"), 400},
        Defect{"AuthorizationTwice", Post("Host: a\r\nAuthorization: x\r\nAuthorization: y\r\n"), 400},
        Defect{"AuthorizationEmptyTwice", Post("Host: a\r\nAuthorization:\r\nAuthorization: y\r\n"), 400},
        Defect{"OtherExpectation", Post("Host: a\r\nExpect: 200-ok\r\n"), 417},
        Defect{"BytesAfterTheHead", Post("Host: a\r\n") + "x", 400}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(RequestHead, TruncatedAnywhereIsNeverRead) {
  for (std::size_t size = 0; size < kGood.size(); ++size) {
    HeadScanner scanner;
    EXPECT_EQ(scanner.Scan(kGood.substr(0, size)), HeadScanner::State::kIncomplete) << size;
    const auto parsed = ParseRequestHead(kGood.substr(0, size));
    ASSERT_TRUE(std::holds_alternative<Refusal>(parsed)) << size;
    EXPECT_EQ(std::get<Refusal>(parsed).status, 400) << size;
  }
}

TEST(HeadScanner, FindsTheEndHoweverTheBytesArrive) {
  const std::string bytes = std::string(kGood) + "body\r\n\r\n";
  for (std::size_t first = 0; first < kGood.size(); ++first) {
    HeadScanner scanner;
    EXPECT_EQ(scanner.Scan(std::string_view(bytes).substr(0, first)), HeadScanner::State::kIncomplete) << first;
    EXPECT_EQ(scanner.Scan(bytes), HeadScanner::State::kComplete) << first;
    EXPECT_EQ(scanner.size(), kGood.size()) << first;
  }
  HeadScanner one_by_one;
  HeadScanner::State state = HeadScanner::State::kIncomplete;
  std::size_t taken = 0;
  while (state == HeadScanner::State::kIncomplete) state = one_by_one.Scan(std::string_view(bytes).substr(0, ++taken));
  EXPECT_EQ(state, HeadScanner::State::kComplete);
  EXPECT_EQ(taken, kGood.size());
}

class MalformedAtOnce : public testing::TestWithParam<std::string> {};

// Refused when the offending byte arrives, not when the deadline passes.
TEST_P(MalformedAtOnce, IsKnownWithoutWaitingForTheEnd) {
  HeadScanner scanner;
  EXPECT_EQ(scanner.Scan(GetParam()), HeadScanner::State::kMalformed);
}

INSTANTIATE_TEST_SUITE_P(Defects, MalformedAtOnce,
                         testing::Values("GET / HTTP/1.1\n", "\n", "\r\n", "GET /\rX", "GET\r\r\n", "GET /\0"s,
                                         "\x16\x03\x01", "GET / HTTP/1.1\r\nA: b\n", "GET / HTTP/1.1\r\nA: \x7f",
                                         "\x1b[31m"));

TEST(HeadScanner, BoundsTheHead) {
  const auto head_of = [](std::size_t size) {
    std::string head = "GET / HTTP/1.1\r\n";
    while (head.size() + 104 < size) head += "X: " + std::string(95, 'x') + "\r\n";
    head += "X: " + std::string(size - head.size() - 7, 'x') + "\r\n\r\n";
    return head;
  };
  HeadScanner fits;
  EXPECT_EQ(fits.Scan(head_of(limits::kHttpHeaderBytes)), HeadScanner::State::kComplete);
  HeadScanner too_long;
  EXPECT_EQ(too_long.Scan(head_of(limits::kHttpHeaderBytes + 1)), HeadScanner::State::kTooLong);
}

TEST(MediaType, IgnoresCaseAndParameters) {
  EXPECT_TRUE(MediaTypeIs("application/json", "application/json"));
  EXPECT_TRUE(MediaTypeIs("Application/JSON ; charset=utf-8", "application/json"));
  EXPECT_FALSE(MediaTypeIs("", "application/json"));
  EXPECT_FALSE(MediaTypeIs("application/json2", "application/json"));
  EXPECT_FALSE(MediaTypeIs("application/jso", "application/json"));
  EXPECT_FALSE(MediaTypeIs("text/plain; application/json", "application/json"));
}

}  // namespace
}  // namespace gatehouse::webhook
