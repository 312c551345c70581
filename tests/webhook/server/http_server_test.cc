// What a client gets: routes, statuses, what a handler is told, how a connection goes on.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <thread>

#include "tests/webhook/server/fixture.h"
#include "webhook/server/http_library.h"

namespace gatehouse::webhook {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST_F(HttpServerTest, AnswersARoute) {
  Start(Plain());
  const auto response = Ask(PostRequest(R"({"a":1})"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, R"({"a":1})");
  EXPECT_EQ(response->Field("Content-Type"), "text/x-echo");
  EXPECT_EQ(response->Field("Content-Length"), "7");
  EXPECT_EQ(Ask(GetRequest("/healthz"))->body, "ok");
}

TEST_F(HttpServerTest, TellsTheHandlerWhatItNeeds) {
  HttpCall seen;
  std::string body;
  std::string path;
  std::string authorization;
  Start(Plain(), [&](const HttpCall& call) {
    seen = call;
    body = call.body;
    path = call.path;
    authorization = call.authorization;
    return HttpReply{204, ""};
  });
  const MonoTime before = clock_.Mono();
  const auto response =
      Ask("POST /validate?a=b&timeout=10s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a%62c\r\nContent-Type: "
          "application/json;charset=utf-8\r\nContent-Length: 2\r\n\r\n{}");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 204);
  EXPECT_EQ(body, "{}");
  EXPECT_EQ(path, "/validate");
  EXPECT_EQ(authorization, "Bearer a%62c") << "as sent, not decoded";
  EXPECT_EQ(seen.query_timeout, "10s");
  EXPECT_FALSE(seen.client);
  EXPECT_THAT(seen.peer, testing::StartsWith("127.0.0.1:"));
  EXPECT_GE(seen.received, before);
  EXPECT_LE(seen.received, clock_.Mono());
}

TEST_F(HttpServerTest, ForgetsWhatTheRequestBeforeSaid) {
  std::string authorization = "unset";
  std::optional<std::string> timeout;
  Start(Plain(), [&](const HttpCall& call) {
    authorization = call.authorization;
    timeout = call.query_timeout;
    return HttpReply{};
  });
  TestClient client = Connect();
  ASSERT_TRUE(
      client.Exchange("POST /validate?timeout=1s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\nContent-Type: "
                      "application/json\r\nContent-Length: 2\r\n\r\n{}"));
  EXPECT_EQ(authorization, "Bearer x");
  ASSERT_TRUE(client.Exchange(PostRequest("{}")));
  EXPECT_EQ(authorization, "");
  EXPECT_EQ(timeout, std::nullopt);
}

struct StatusCase {
  const char* name;
  std::string request;
  int status;
};
std::string WithFields(const std::string& fields, const std::string& body = "{}") {
  return "POST /validate HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields +
         "\r\n" + body;
}
std::string Chunked(const std::string& body) {
  return "POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
         body;
}
const std::string kJson = "Content-Type: application/json\r\n";  // NOLINT(cert-err58-cpp)

class HttpServerStatus : public HttpServerTest, public testing::WithParamInterface<StatusCase> {};

TEST_P(HttpServerStatus, IsAnsweredAndEndsTheConnectionIfRefused) {
  std::atomic<int> handled = 0;
  Start(Plain(), [&](const HttpCall&) {
    ++handled;
    return HttpReply{};
  });
  TestClient client = Connect();
  const auto response = client.Exchange(GetParam().request);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, GetParam().status);
  if (GetParam().status == 200) {
    EXPECT_EQ(handled, 1);
    EXPECT_EQ(client.Exchange(GetRequest("/healthz"))->status, 200) << "the connection goes on";
    return;
  }
  EXPECT_EQ(handled, 0);
  EXPECT_EQ(response->Field("Connection"), "close");
  EXPECT_EQ(response->Field("Content-Type"), "application/json");
  EXPECT_THAT(response->body, testing::MatchesRegex(R"(\{"error":"[^"\\]+"\})"));
  EXPECT_TRUE(client.AtEnd()) << "what is left of a refused request is never read as another";
}

INSTANTIATE_TEST_SUITE_P(
    Table, HttpServerStatus,
    testing::Values(
        StatusCase{"Good", PostRequest("{}"), 200}, StatusCase{"UnknownPath", PostRequest("{}", "/validat"), 404},
        StatusCase{"LongerPath", PostRequest("{}", "/validate/"), 404},
        StatusCase{"EncodedPath", PostRequest("{}", "/%76alidate"), 404},
        StatusCase{"DotPath", PostRequest("{}", "/./validate"), 404},
        StatusCase{"DoubleSlash", PostRequest("{}", "//validate"), 404},
        StatusCase{"GetOfPost", GetRequest("/validate"), 405},
        StatusCase{"PostOfGet", PostRequest("{}", "/healthz"), 405},
        StatusCase{"Put", "PUT /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405},
        StatusCase{"Delete", "DELETE /validate HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        StatusCase{"Trace", "TRACE /validate HTTP/1.1\r\nHost: a\r\n\r\n", 405},
        StatusCase{"LowerCaseMethod", "post /validate HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", 405},
        StatusCase{"NoContentType", WithFields(""), 415},
        StatusCase{"OtherContentType", WithFields("Content-Type: text/plain\r\n"), 415},
        StatusCase{"TypeWithCharset", WithFields("Content-Type: application/json; charset=utf-8\r\n"), 200},
        StatusCase{"TypeInUpperCase", WithFields("Content-Type: APPLICATION/JSON\r\n"), 200},
        StatusCase{"Gzip", WithFields(kJson + "Content-Encoding: gzip\r\n"), 415},
        StatusCase{"Brotli", WithFields(kJson + "Content-Encoding: br\r\n"), 415},
        StatusCase{"EncodedGzip", WithFields(kJson + "Content-Encoding: gzi%70\r\n"), 415},
        StatusCase{"IdentityThenGzip", WithFields(kJson + "Content-Encoding: identity, gzip\r\n"), 415},
        StatusCase{"Identity", WithFields(kJson + "Content-Encoding: identity\r\n"), 200},
        StatusCase{"LargestBody", PostRequest(std::string(1000, ' ')), 200},
        StatusCase{"OneByteTooMany", PostRequest(std::string(1001, ' ')), 413},
        StatusCase{"HugeLengthAndNoBody",
                   "POST /validate HTTP/1.1\r\nHost: a\r\n" + kJson + "Content-Length: 18446744073709551615\r\n\r\n",
                   413},
        StatusCase{"BodyOnGet", "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 413},
        StatusCase{"NoLength", "POST /validate HTTP/1.1\r\nHost: a\r\n" + kJson + "\r\n{}", 411},
        StatusCase{"Chunked", Chunked("1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), 200},
        StatusCase{"LargestChunked", Chunked("3e8\r\n" + std::string(1000, ' ') + "\r\n0\r\n\r\n"), 200},
        StatusCase{"ChunkedTooLarge", Chunked("3e9\r\n"), 413},
        StatusCase{"ChunksTooLargeInAll", Chunked("3e8\r\n" + std::string(1000, ' ') + "\r\n1\r\n"), 413},
        StatusCase{"ChunkedMalformed", Chunked("2\r\n{}X\r\n0\r\n\r\n"), 400},
        StatusCase{"ChunkedAndLength", WithFields(kJson + "Transfer-Encoding: chunked\r\n"), 400},
        StatusCase{"LengthTwice", WithFields(kJson + "Content-Length: 2\r\n"), 400},
        StatusCase{"OtherTransferCoding",
                   "POST /validate HTTP/1.1\r\nHost: a\r\n" + kJson + "Transfer-Encoding: gzip\r\n\r\n", 501},
        StatusCase{"NoHost", "GET /healthz HTTP/1.1\r\n\r\n", 400},
        StatusCase{"GarbageBytes", std::string("\x80\x00\xff\x01garbage", 12), 400},
        StatusCase{"TlsClientHello", std::string("\x16\x03\x01\x02\x00\x01", 6), 400},
        StatusCase{"BareLf", "GET /healthz HTTP/1.1\nHost: a\n\n", 400},
        StatusCase{"Http2Preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
        StatusCase{"OtherVersion", "GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        StatusCase{"OtherExpectation", WithFields(kJson + "Expect: something\r\n"), 417},
        StatusCase{"LongTarget", GetRequest("/" + std::string(9000, 'a')), 414},
        StatusCase{"LongHead", "GET /healthz HTTP/1.1\r\nX: " + std::string(70'000, 'a'), 431},
        StatusCase{"ManyFields",
                   "GET /healthz HTTP/1.1\r\n" +
                       [] {
                         std::string fields;
                         for (int i = 0; i < 10'000; ++i) fields += "X-A: bcd\r\n";
                         return fields;
                       }(),
                   431}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(HttpServerTest, MethodNotAllowedNamesTheOnesThatAre) {
  Start(Plain());
  EXPECT_EQ(Ask(GetRequest("/validate"))->Field("Allow"), "POST");
  EXPECT_EQ(Ask("HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")->Field("Allow"), "GET");
}

TEST_F(HttpServerTest, TimeoutGivenTwiceIsRefused) {
  Start(Plain());
  EXPECT_EQ(Ask(PostRequest("{}", "/validate?timeout=1s&timeout=2s"))->status, 400);
}

// cpp-httplib sends what() in the field EXCEPTION_WHAT.
TEST_F(HttpServerTest, ExceptionIsLoggedAndHidden) {
  Start(Plain(), [](const HttpCall& call) -> HttpReply {
    if (call.body == "std") throw std::runtime_error("secret-of-the-handler");
    throw 7;  // NOLINT(hicpp-exception-baseclass)
  });
  TestClient client = Connect();
  for (const char* body : {"std", "int", "std"}) {
    const auto response = client.Exchange(PostRequest(body));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 500);
    EXPECT_EQ(response->body, R"({"error":"internal error"})");
    EXPECT_THAT(response->head, Not(HasSubstr("secret")));
    EXPECT_THAT(response->head, Not(HasSubstr("EXCEPTION")));
  }
  EXPECT_THAT(Log(), HasSubstr("secret-of-the-handler"));
}

// cpp-httplib parses Range with std::regex, which recurses for every byte and overflows the stack; and answers 206, or
// compresses, as asked.
TEST_F(HttpServerTest, FieldsThatTheLibraryWouldActOnAreWithoutEffect) {
  Start(Plain());
  std::string ranges = "Range: bytes=0-0";
  for (int i = 0; i < 15'000; ++i) ranges += ",0-0";
  const auto response =
      Ask("POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAccept-Encoding: gzip, br\r\n" +
          ranges + "\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "body");
  EXPECT_EQ(response->Field("Content-Encoding"), std::nullopt);
  EXPECT_EQ(Ask("GET /healthz HTTP/1.1\r\nHost: a\r\nRange: bytes=junk\r\n\r\n")->status, 200);
}

TEST_F(HttpServerTest, ConnectionGoesOnForManyRequests) {
  Start(Plain());
  TestClient client = Connect();
  for (int i = 0; i < 100; ++i) {  // cpp-httplib ends it after 5
    const std::string body = std::to_string(i);
    const auto response = client.Exchange(PostRequest(body));
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->body, body);
    EXPECT_EQ(response->Field("Connection"), std::nullopt);
  }
}

TEST_F(HttpServerTest, ConnectionEndsAfterTheRequestsAllowed) {
  ListenerOptions options = Plain();
  options.max_requests_per_connection = 3;
  Start(options);
  TestClient client = Connect();
  for (int i = 0; i < 3; ++i) {
    const auto response = client.Exchange(PostRequest("{}"));
    ASSERT_TRUE(response) << i;
    EXPECT_EQ(response->Field("Connection"), i == 2 ? std::optional<std::string>("close") : std::nullopt);
  }
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, ConnectionEndsWhenTheClientSaysSo) {
  Start(Plain());
  for (const char* request :
       {"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n"}) {
    TestClient client = Connect();
    const auto response = client.Exchange(request);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->Field("Connection"), "close");
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_F(HttpServerTest, RequestsSentAheadAreAnsweredInOrder) {
  Start(Plain());
  TestClient client = Connect();
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += PostRequest("n" + std::to_string(i));
    bytes += Chunked("2\r\nc" + std::to_string(i % 10) + "\r\n0\r\n\r\n");
  }
  ASSERT_TRUE(client.Send(bytes));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client.Receive()->body, "n" + std::to_string(i));
    EXPECT_EQ(client.Receive()->body, "c" + std::to_string(i % 10));
  }
}

TEST_F(HttpServerTest, RequestInSingleBytesIsPutTogether) {
  Start(Plain());
  TestClient client = Connect();
  for (const char c : PostRequest("slow") + Chunked("4\r\nslow\r\n0\r\n\r\n"))
    ASSERT_TRUE(client.Send(std::string(1, c)));
  EXPECT_EQ(client.Receive()->body, "slow");
  EXPECT_EQ(client.Receive()->body, "slow");
}

TEST_F(HttpServerTest, HalfClosedClientStillGetsItsAnswer) {
  Start(Plain());
  TestClient client = Connect();
  ASSERT_TRUE(client.Send(PostRequest("x")));
  client.FinishSending();
  EXPECT_EQ(client.Receive()->body, "x");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerTest, TruncatedRequestIsNeverHandled) {
  std::atomic<int> handled = 0;
  Start(Plain(), [&](const HttpCall&) {
    ++handled;
    return HttpReply{};
  });
  const std::string request = PostRequest("{}");
  for (std::size_t size = 0; size < request.size(); ++size) {
    TestClient client = Connect();
    ASSERT_TRUE(client.Send(request.substr(0, size)));
    client.FinishSending();
    EXPECT_TRUE(client.AtEnd()) << size;
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(HttpServerTest, ExpectContinueIsAnsweredWhenTheBodyIsWelcome) {
  Start(Plain());
  TestClient client = Connect();
  const std::string head =
      "POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: "
      "100-Continue\r\nContent-Length: ";
  const auto interim = client.Exchange(head + "2\r\n\r\n");
  ASSERT_TRUE(interim);
  EXPECT_EQ(interim->status, 100);
  EXPECT_EQ(client.Exchange("{}")->body, "{}");
  EXPECT_EQ(client.Exchange(head + "3\r\n\r\n123")->status, 200) << "the body is here: nothing to ask for";
  EXPECT_EQ(client.Exchange(head + "2000\r\n\r\n")->status, 413) << "not welcome: the final answer comes at once";
}

TEST_F(HttpServerTest, LargeResponseArrivesWhole) {
  const std::string large(5'000'000, 'x');
  Start(Plain(), [&](const HttpCall&) { return HttpReply{200, large}; });
  TestClient client = Connect();
  for (int i = 0; i < 3; ++i) {
    const auto response = client.Exchange(PostRequest("{}"));
    ASSERT_TRUE(response);
    EXPECT_TRUE(response->body == large);
  }
}

TEST_F(HttpServerTest, HandlersRunAtOnce) {
  std::atomic<int> inside = 0;
  ListenerOptions options = Plain();
  options.max_threads = 8;
  Start(options, [&](const HttpCall&) {
    ++inside;
    return HttpReply{Eventually([&] { return inside == 8; }) ? 200 : 500, ""};
  });
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] { good += Ask(PostRequest("{}"))->status == 200 ? 1 : 0; });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 8);
}

TEST_F(HttpServerTest, MoreRequestsThanThreadsWait) {
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  ListenerOptions options = Plain();
  options.max_threads = 2;
  Start(options, [&](const HttpCall&) {
    const int now = ++inside;
    if (now > most) most = now;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    --inside;
    return HttpReply{};
  });
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back([&] { good += Ask(PostRequest("{}"))->status == 200 ? 1 : 0; });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 10);
  EXPECT_LE(most, 2);
}

TEST_F(HttpServerTest, ServesIpv6AndIpv4OnTheUnspecifiedAddress) {
  ListenerOptions options = Plain();
  options.address = "[::]:0";
  Result<std::unique_ptr<HttpServer>> made = HttpServer::Make(options, clock_, log_);
  server_ = std::move(made).value();
  server_->Route({"GET", "/peer", 0, ""}, [](const HttpCall& call) { return HttpReply{200, call.peer, "text/plain"}; });
  if (!server_->Start().ok()) GTEST_SKIP() << "this machine has no IPv6";
  TestClient v6(server_->port(), std::nullopt, /*ipv6=*/true);
  if (!v6.connected()) GTEST_SKIP() << "this machine has no IPv6";
  EXPECT_THAT(v6.Exchange(GetRequest("/peer"))->body, testing::StartsWith("[::1]:"));
  EXPECT_THAT(TestClient(server_->port()).Exchange(GetRequest("/peer"))->body, HasSubstr("127.0.0.1"));
}

TEST_F(HttpServerTest, ServesEveryAddressWhenNoneIsNamed) {
  ListenerOptions options = Plain();
  options.address = ":0";
  Start(options);
  EXPECT_EQ(Ask(GetRequest("/healthz"))->status, 200);
  TestClient v6(server_->port(), std::nullopt, /*ipv6=*/true);
  if (!v6.connected()) return;  // this machine has no IPv6
  EXPECT_EQ(v6.Exchange(GetRequest("/healthz"))->status, 200);
}

// The library's own SO_REUSEPORT would let a second program take every other connection.
TEST_F(HttpServerTest, PortInUseIsAnError) {
  Start(Plain());
  ListenerOptions second = Plain();
  second.address = "127.0.0.1:" + std::to_string(server_->port());
  Result<std::unique_ptr<HttpServer>> made = HttpServer::Make(second, clock_, log_);
  ASSERT_TRUE(made.ok());
  const Status started = (*made)->Start();
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().reason, Reason::kConfigInvalid);
  EXPECT_THAT(started.error().ToString(), HasSubstr("Address already in use"));
}

TEST_F(HttpServerTest, BadAddressIsAnError) {
  ListenerOptions options = Plain();
  options.address = "localhost:8443";
  const auto made = HttpServer::Make(options, clock_, log_);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().reason, Reason::kConfigInvalid);
  EXPECT_THAT(made.error().where, HasSubstr("admission"));
}

// The library's backlog is 5.
TEST(ListenOn, BacklogFitsABurst) {
  const Result<int> listener = ListenOn({"127.0.0.1", 0, false});
  ASSERT_TRUE(listener.ok());
  tcp_info info{};
  socklen_t size = sizeof(info);
  ASSERT_EQ(getsockopt(*listener, IPPROTO_TCP, TCP_INFO, &info, &size), 0);
  EXPECT_GE(info.tcpi_sacked, 128U) << "of a listening socket, this is its backlog";
  close(*listener);
}

TEST_F(HttpServerTest, WritingToAPeerThatIsGoneDoesNotEndTheProgram) {
  std::signal(SIGPIPE, SIG_DFL);
  Start(Plain(), [](const HttpCall&) { return HttpReply{200, std::string(1'000'000, 'x')}; });
  struct sigaction action {};
  ASSERT_EQ(sigaction(SIGPIPE, nullptr, &action), 0);
  EXPECT_TRUE(action.sa_handler == SIG_IGN);
  for (int i = 0; i < 20; ++i) {
    TestClient client = Connect();
    ASSERT_TRUE(client.Send(PostRequest("{}") + PostRequest("{}") + PostRequest("{}")));
    const linger at_once{1, 0};
    setsockopt(client.descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  }
  EXPECT_EQ(Ask(GetRequest("/healthz"))->status, 200);
}

TEST_F(HttpServerTest, CanBeDestroyedAtAnyPoint) {
  {
    const auto made = HttpServer::Make(Plain(), clock_, log_);
    EXPECT_TRUE(made.ok()) << "made, not started";
  }
  Start(Plain());
  server_.reset();  // started, no connection
  Start(Plain());
  TestClient idle = Connect();
  TestClient half = Connect();
  ASSERT_TRUE(half.Send("GET / HT"));
  ASSERT_TRUE(idle.Exchange(GetRequest("/healthz")));
  server_.reset();
  EXPECT_FALSE(idle.Exchange(GetRequest("/healthz")));
}

TEST_F(HttpServerTest, DestructionWaitsForTheHandler) {
  std::atomic<bool> inside = false;
  std::atomic<bool> finished = false;
  Start(Plain(), [&](const HttpCall&) {
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    finished = true;
    return HttpReply{};
  });
  TestClient client = Connect();
  ASSERT_TRUE(client.Send(PostRequest("{}")));
  ASSERT_TRUE(Eventually([&] { return inside.load(); }));
  server_.reset();
  EXPECT_TRUE(finished);
}

// --- routes that look at the caller before the body

class HttpServerAdmit : public HttpServerTest {
 protected:
  void StartAdmitting(std::function<std::optional<HttpReply>(const HttpCall&)> admit) {
    server_ = HttpServer::Make(Plain(), clock_, log_).value();
    server_->Route({"POST", "/large", 1'000'000, "application/json", std::move(admit)}, [this](const HttpCall& call) {
      ++handled_;
      return Echo(call);
    });
    ASSERT_TRUE(server_->Start().ok());
  }
  static std::string Head(std::string_view more) {
    return "POST /large HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + std::string(more) + "\r\n";
  }
  std::atomic<int> handled_ = 0;
};

TEST_F(HttpServerAdmit, StrangerIsTurnedAwayBeforeTheBody) {
  std::atomic<int> asked = 0;
  StartAdmitting([&](const HttpCall& head) -> std::optional<HttpReply> {
    ++asked;
    EXPECT_EQ(head.path, "/large");
    EXPECT_TRUE(head.body.empty());
    EXPECT_FALSE(head.peer.empty());
    if (head.authorization == "Bearer good") return std::nullopt;
    return HttpReply{401, R"({"reason":"who"})"};
  });
  for (const char* more : {"Content-Length: 1000000\r\n", "Content-Length: 1000000\r\nExpect: 100-continue\r\n",
                           "Transfer-Encoding: chunked\r\n", "Content-Length: 2\r\nAuthorization: Bearer bad\r\n"}) {
    TestClient client = Connect();
    const auto response = client.Exchange(Head(more));  // and nothing of the body
    ASSERT_TRUE(response) << more;
    EXPECT_EQ(response->status, 401) << more;
    EXPECT_EQ(response->body, R"({"reason":"who"})");
    EXPECT_EQ(response->Field("Connection"), "close") << more;
    EXPECT_TRUE(client.AtEnd()) << more;
  }
  EXPECT_EQ(handled_, 0);
  EXPECT_EQ(asked, 4);
}

TEST_F(HttpServerAdmit, TurnedAwayWithItsWholeBodySentAlready) {
  StartAdmitting([](const HttpCall&) { return HttpReply{401, "{}"}; });
  TestClient client = Connect();
  const auto response = client.Exchange(Head("Content-Length: 2\r\n") + "{}" + GetRequest("/large"));
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 401);
  EXPECT_TRUE(client.AtEnd()) << "what came behind the refused request is not answered";
  EXPECT_EQ(handled_, 0);
}

TEST_F(HttpServerAdmit, AdmittedIsAskedOnceAndServed) {
  std::atomic<int> asked = 0;
  StartAdmitting([&](const HttpCall& head) -> std::optional<HttpReply> {
    ++asked;
    EXPECT_TRUE(head.body.empty());
    return std::nullopt;
  });
  TestClient client = Connect();
  ASSERT_TRUE(client.Send(Head("Content-Length: 10\r\nExpect: 100-continue\r\n")));
  EXPECT_EQ(client.Receive()->status, 100);
  ASSERT_TRUE(client.Send("01234"));
  const auto response = client.Exchange("56789");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "0123456789");
  EXPECT_EQ(asked, 1);
  // The same connection serves on, and each request is asked about.
  EXPECT_EQ(client.Exchange(Head("Content-Length: 2\r\n") + "{}")->body, "{}");
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(handled_, 2);
}

TEST_F(HttpServerAdmit, ThrowingEndsTheConnectionOnly) {
  StartAdmitting([](const HttpCall& head) -> std::optional<HttpReply> {
    if (head.authorization.empty()) throw std::runtime_error("admit");
    return std::nullopt;
  });
  EXPECT_FALSE(Connect().Exchange(Head("Content-Length: 2\r\n") + "{}"));
  EXPECT_EQ(Connect().Exchange(Head("Content-Length: 2\r\nAuthorization: Bearer x\r\n") + "{}")->status, 200);
}

}  // namespace
}  // namespace gatehouse::webhook
