#include "common/net/http.h"

#include <gtest/gtest.h>

#include <deque>

#include "common/base/limits.h"
#include "common/net/http_head.h"

namespace gatehouse::net {
namespace {

class FixedClock final : public Clock {
 public:
  WallTime Wall() const override { return WallTime{}; }
  MonoTime Mono() const override { return MonoTime{}; }
};

// Answers from a list, and keeps what was sent.
class ScriptedTransport final : public HttpTransport {
 public:
  explicit ScriptedTransport(std::deque<HttpResponse> answers) : answers_(std::move(answers)) {}
  Result<HttpResponse> Send(const HttpRequest& request, const Deadline&) override {
    sent.push_back(request);
    if (answers_.empty()) return Error{Reason::kNetworkUnavailable, "", "script ended"};
    HttpResponse answer = answers_.front();
    answers_.pop_front();
    return answer;
  }
  std::vector<HttpRequest> sent;

 private:
  std::deque<HttpResponse> answers_;
};

HttpResponse RedirectTo(const std::string& location, int status = 307) {
  return {status, {{"Location", location}}, ""};
}

HttpRequest Request(const std::string& url) {
  HttpRequest request{};
  request.url = Url::Parse(url, Reason::kInternal).value();
  request.headers = {
      {"authorization", "Bearer s3cret"}, {"Cookie", "c"}, {"PROXY-AUTHORIZATION", "p"}, {"Accept", "a"}};
  request.max_response_bytes = 100;
  return request;
}

std::vector<std::string> Names(const Headers& headers) {
  std::vector<std::string> names;
  for (const auto& header : headers) names.push_back(header.first);
  return names;
}

class Following : public testing::Test {
 protected:
  Result<HttpResponse> Send(ScriptedTransport& transport, HttpRequest request, bool allow_http = false) {
    FixedClock clock;
    return SendFollowing(transport, std::move(request), {limits::kRedirects, allow_http}, {},
                         Deadline(clock, std::chrono::seconds(1)));
  }
};

const std::vector<std::string> kAll = {"authorization", "Cookie", "PROXY-AUTHORIZATION", "Accept"};
const std::vector<std::string> kWithoutCredentials = {"Accept"};

TEST_F(Following, SameOriginKeepsTheCredentials) {
  ScriptedTransport transport({RedirectTo("/other"), {200, {}, "x"}});
  auto response = Send(transport, Request("https://h/first"));
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->body, "x");
  ASSERT_EQ(transport.sent.size(), 2U);
  EXPECT_EQ(transport.sent[1].url.ToString(), "https://h/other");
  EXPECT_EQ(Names(transport.sent[1].headers), kAll);
}

TEST_F(Following, EveryRedirectStatus) {
  for (int status : {301, 302, 303, 307, 308}) {
    ScriptedTransport transport({RedirectTo("/other", status), {200, {}, ""}});
    EXPECT_EQ(Send(transport, Request("https://h/"))->status, 200) << status;
  }
  for (int status : {300, 304, 305, 306}) {
    ScriptedTransport transport({RedirectTo("/other", status), {200, {}, ""}});
    EXPECT_EQ(Send(transport, Request("https://h/"))->status, status);
  }
}

TEST(Adversarial_R5, CredentialsGoToNoOtherOriginAndStayDropped) {
  FixedClock clock;
  for (const char* elsewhere : {"https://evil/x", "https://h:8443/x", "http://h:443/x", "https://sub.h/x"}) {
    ScriptedTransport transport({RedirectTo(elsewhere), RedirectTo("https://h/back"), {200, {}, ""}});
    auto response = SendFollowing(transport, Request("https://h/first"), {limits::kRedirects, true}, {},
                                  Deadline(clock, std::chrono::seconds(1)));
    ASSERT_TRUE(response.ok()) << elsewhere;
    ASSERT_EQ(transport.sent.size(), 3U);
    EXPECT_EQ(Names(transport.sent[0].headers), kAll);
    EXPECT_EQ(Names(transport.sent[1].headers), kWithoutCredentials) << elsewhere;
    EXPECT_EQ(Names(transport.sent[2].headers), kWithoutCredentials) << "came back to the first origin";
  }
}

TEST_F(Following, TooManyHops) {
  std::deque<HttpResponse> answers(limits::kRedirects, RedirectTo("/again"));
  answers.push_back({200, {}, ""});
  ScriptedTransport enough(answers);
  EXPECT_EQ(Send(enough, Request("https://h/"))->status, 200);
  answers.push_front(RedirectTo("/again"));
  ScriptedTransport too_many(answers);
  auto response = Send(too_many, Request("https://h/"));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kRegistryProtocol);
  EXPECT_EQ(too_many.sent.size(), limits::kRedirects + 1);
}

TEST_F(Following, BadLocations) {
  std::vector<HttpResponse> answers = {{302, {}, ""}, {302, {{"Location", "/a"}, {"location", "/b"}}, ""}};
  for (const char* location : {"", "//evil/x", "https://user:pw@evil/", "gopher://x/", "/a b"})
    answers.push_back(RedirectTo(location));
  for (const HttpResponse& answer : answers) {
    ScriptedTransport transport({answer, {200, {}, ""}});
    auto response = Send(transport, Request("https://h/"));
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().reason, Reason::kRegistryProtocol);
    EXPECT_EQ(transport.sent.size(), 1U);
  }
}

TEST_F(Following, DowngradeToPlainHttpOnlyWhereAllowed) {
  ScriptedTransport refused({RedirectTo("http://h/"), {200, {}, ""}});
  auto response = Send(refused, Request("https://h/"));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kRegistryProtocol);
  ScriptedTransport plain({RedirectTo("http://other/"), {200, {}, ""}});
  EXPECT_TRUE(Send(plain, Request("http://h/")).ok()) << "plain to plain is no downgrade";
}

TEST_F(Following, PostIsNotRepeatedElsewhere) {
  ScriptedTransport transport({RedirectTo("/other"), {200, {}, ""}});
  HttpRequest request = Request("https://h/");
  request.method = "POST";
  EXPECT_EQ(Send(transport, request)->status, 307);
  EXPECT_EQ(transport.sent.size(), 1U);
}

TEST_F(Following, EveryHopIsAskedFor) {
  FixedClock clock;
  ScriptedTransport transport({RedirectTo("https://evil/"), {200, {}, ""}});
  std::vector<std::string> asked;
  auto may_visit = [&](const Url& url) -> Status {
    asked.push_back(url.host);
    if (url.host == "evil") return Error{Reason::kAddressRefused, "", "no"};
    return Ok();
  };
  auto response =
      SendFollowing(transport, Request("https://h/"), {1, false}, may_visit, Deadline(clock, Duration(1000)));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kAddressRefused);
  EXPECT_EQ(asked, (std::vector<std::string>{"h", "evil"}));
  EXPECT_EQ(transport.sent.size(), 1U);
}

constexpr std::string_view kHead = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX:  a b \t\r\nEmpty:\r\n\r\n";

TEST(ResponseHead, ValuesAsTheyCame) {
  ResponseHead head = ParseResponseHead(kHead, "h").value();
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.persistent);
  EXPECT_EQ(head.headers, (Headers{{"Content-Length", "5"}, {"X", "a b"}, {"Empty", ""}}));
  EXPECT_EQ(ParseResponseHead("HTTP/1.1 204\r\n\r\n", "h")->status, 204);
  EXPECT_FALSE(ParseResponseHead("HTTP/1.0 200 \r\n\r\n", "h")->persistent);
  EXPECT_FALSE(ParseResponseHead("HTTP/1.1 200 OK\r\nconnection: keep-alive, Close\r\n\r\n", "h")->persistent);
}

TEST(ResponseHead, TruncatedAnywhere) {
  for (std::size_t i = 0; i < kHead.size(); ++i) EXPECT_FALSE(ParseResponseHead(kHead.substr(0, i), "h").ok()) << i;
}

TEST(ResponseHead, Refused) {
  for (std::string_view head :
       {"HTTP/2 200 OK\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n",
        "HTTP/1.1 199 OK\r\n\r\n", "HTTP/1.1 600 OK\r\n\r\n", "HTTP/1.1 200OK\r\n\r\n", "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\n\n", "HTTP/1.1 200 OK\r\nA: b\n\r\n", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\n: b\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\x01\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nmore"}) {
    auto parsed = ParseResponseHead(head, "h:1");
    ASSERT_FALSE(parsed.ok()) << head;
    EXPECT_EQ(parsed.error().reason, Reason::kNetworkUnavailable);
    EXPECT_EQ(parsed.error().where, "h:1");
  }
}

Result<BodyFraming> Framing(Headers headers) {
  return CheckBody({200, true, std::move(headers)}, 100, "h");
}

TEST(BodyFraming, Accepted) {
  EXPECT_EQ(Framing({{"Content-Length", "100"}}).value(), BodyFraming::kLength);
  EXPECT_EQ(Framing({{"Transfer-Encoding", "Chunked"}}).value(), BodyFraming::kChunked);
  EXPECT_EQ(Framing({{"Content-Encoding", "Identity"}}).value(), BodyFraming::kUntilClose);
}

TEST(BodyFraming, Refused) {
  struct Case {
    Headers headers;
    Reason reason;
  };
  for (const Case& bad :
       {Case{{{"Content-Length", "101"}}, Reason::kLimitExceeded},
        Case{{{"Content-Length", "18446744073709551616"}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Length", "5"}, {"content-length", "5"}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Length", ""}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Length", "+5"}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Length", "5, 5"}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Length", "0x5"}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}}, Reason::kNetworkUnavailable},
        Case{{{"Transfer-Encoding", "gzip, chunked"}}, Reason::kNetworkUnavailable},
        Case{{{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}, Reason::kNetworkUnavailable},
        Case{{{"Content-Encoding", "gzip"}}, Reason::kContentUnsupported},
        Case{{{"Content-Encoding", "identity"}, {"Content-Encoding", "br"}}, Reason::kContentUnsupported},
        Case{{{"Content-Encoding", ""}}, Reason::kContentUnsupported}}) {
    auto framing = Framing(bad.headers);
    ASSERT_FALSE(framing.ok()) << bad.headers[0].second;
    EXPECT_EQ(framing.error().reason, bad.reason) << bad.headers[0].second;
  }
}

}  // namespace
}  // namespace gatehouse::net
