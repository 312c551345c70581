#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <set>

#include "common/base/limits.h"
#include "common/net/https_transport.h"
#include "common/net/tls.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::net {
namespace {

using fakes::HttpServer;
using fakes::RawConnection;
using fakes::RawServer;
using fakes::ReceivedRequest;
using fakes::Reply;
using testing::HasSubstr;

constexpr Duration kPlenty{5000};

class Transport : public testing::Test {
 protected:
  static std::unique_ptr<HttpTransport> Make(TransportOptions options = {}) {
    return MakeHttpsTransport(std::move(options)).value();
  }
  static HttpRequest To(const Url& url, const std::string& method = "GET") {
    HttpRequest request{};
    request.method = method;
    request.url = url;
    request.max_response_bytes = 1000;
    return request;
  }
  Result<HttpResponse> Send(HttpTransport& transport, const HttpRequest& request, Duration budget = kPlenty) {
    return transport.Send(request, Deadline(clock_, budget));
  }
  // What comes of a GET from a server that writes `bytes` and closes.
  Result<HttpResponse> GetRaw(const std::string& bytes, std::size_t max_bytes = 1000) {
    RawServer server([&](RawConnection& connection, std::size_t) {
      connection.ReadHead();
      connection.Write(bytes);
    });
    auto transport = Make();
    HttpRequest request = To(server.At("/"));
    request.max_response_bytes = max_bytes;
    return Send(*transport, request);
  }
  static std::size_t ConnectionsOf(const HttpServer& server) {
    std::set<int> connections;
    for (const ReceivedRequest& request : server.requests()) connections.insert(request.connection);
    return connections.size();
  }

  SystemClock clock_;
};

TEST_F(Transport, SendsWhatItIsTold) {
  HttpServer server([](const ReceivedRequest& request) {
    return Reply{.status = 418, .body = "got " + request.body, .headers = {{"X-Reply", "a"}, {"X-Reply", "b"}}};
  });
  auto transport = Make();
  HttpRequest request = To(server.At("/a%2Fb?x=%20"), "POST");
  request.headers = {{"Accept", "text/plain"}, {"X-Own", "1"}};
  request.body = "body";
  request.content_type = "application/json";
  auto response = Send(*transport, request);
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->status, 418);
  EXPECT_EQ(response->body, "got body");
  EXPECT_FALSE(response->Header("X-Reply").has_value()) << "repeated";
  ASSERT_EQ(server.requests().size(), 1U);
  ReceivedRequest received = server.requests()[0];
  EXPECT_EQ(received.method, "POST");
  EXPECT_EQ(received.target, "/a%2Fb?x=%20");
  EXPECT_EQ(received.Header("Host"), "127.0.0.1:" + std::to_string(server.port()));
  EXPECT_EQ(received.Header("Accept"), "text/plain");
  EXPECT_EQ(received.Header("X-Own"), "1");
  EXPECT_EQ(received.Header("Content-Type"), "application/json");
  EXPECT_EQ(received.Header("Accept-Encoding"), "identity");
  EXPECT_EQ(received.Header("User-Agent"), "gatehouse");
  EXPECT_EQ(received.Header("Connection"), "");
}

TEST_F(Transport, MethodsWithoutABody) {
  HttpServer server([](const ReceivedRequest&) { return Reply{.body = "12345"}; });
  auto transport = Make();
  auto head = Send(*transport, To(server.At("/"), "HEAD"));
  ASSERT_TRUE(head.ok()) << head.error().ToString();
  EXPECT_EQ(head->body, "");
  for (const char* method : {"PUT", "DELETE", "PATCH", "POST"}) {
    auto response = Send(*transport, To(server.At("/"), method));
    ASSERT_TRUE(response.ok()) << method << response.error().ToString();
    EXPECT_EQ(response->body, "12345");
  }
  EXPECT_EQ(ConnectionsOf(server), 1U);
}

TEST_F(Transport, HeadersThatWouldBreakTheMessageAreNotSent) {
  HttpServer server([](const ReceivedRequest&) { return Reply{}; });
  auto transport = Make();
  for (const auto& [name, value] : Headers{{"X", "a\r\nEvil: b"},
                                           {"X", "a\nb"},
                                           {"X", std::string("a\0b", 3)},
                                           {"X: a", "b"},
                                           {"", "b"},
                                           {"Host", "evil"},
                                           {"content-length", "0"},
                                           {"Transfer-Encoding", "chunked"},
                                           {"Connection", "close"},
                                           {"Accept-Encoding", "gzip"}}) {
    HttpRequest request = To(server.At("/"));
    request.headers = {{name, value}};
    auto response = Send(*transport, request);
    ASSERT_FALSE(response.ok()) << name;
    EXPECT_EQ(response.error().reason, Reason::kInternal);
  }
  HttpRequest request = To(server.At("/"));
  request.method = "GET / HTTP/1.1\r\nX:";
  EXPECT_EQ(Send(*transport, request).error().reason, Reason::kInternal);
  request = To(server.At("/"));
  request.content_type = "a\r\nEvil: b";
  EXPECT_EQ(Send(*transport, request).error().reason, Reason::kInternal);
  request = To(server.At("/"));
  for (const char* target : {"/ HTTP/1.1\r\nX: y", "/a b", "", "*"}) {
    request.url.target = target;
    EXPECT_EQ(Send(*transport, request).error().reason, Reason::kInternal) << target;
  }
  EXPECT_TRUE(server.requests().empty());
}

// Trap of the library: keep-alive is cut after 5 requests by default, and its client is no pool.
TEST_F(Transport, OneConnectionServesManyRequests) {
  HttpServer server([](const ReceivedRequest&) { return Reply{.body = "x"}; });
  auto transport = Make();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Send(*transport, To(server.At("/"))).ok());
  EXPECT_EQ(ConnectionsOf(server), 1U);
}

TEST_F(Transport, ConcurrentRequestsDoNotShareAConnection) {
  std::atomic<int> waiting = 0;
  HttpServer server([&](const ReceivedRequest&) {
    ++waiting;
    while (waiting % 3 != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Reply{};
  });
  auto transport = Make({.idle_connections_per_origin = 2});
  auto three = [&] {
    std::vector<std::future<bool>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(std::async(std::launch::async, [&] { return Send(*transport, To(server.At("/"))).ok(); }));
    }
    for (auto& one : all) EXPECT_TRUE(one.get());
  };
  three();
  EXPECT_EQ(ConnectionsOf(server), 3U);
  three();
  EXPECT_EQ(ConnectionsOf(server), 4U) << "two were kept";
}

// Keeps any number of connections open in one thread, and answers whatever arrives on them.
class PatientServer {
 public:
  PatientServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    sockets_.push_back({socket(AF_INET, SOCK_STREAM, 0), POLLIN, 0});
    bind(sockets_[0].fd, reinterpret_cast<sockaddr*>(&address), size);
    listen(sockets_[0].fd, 100);
    getsockname(sockets_[0].fd, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~PatientServer() {
    shutdown(sockets_[0].fd, SHUT_RDWR);
    thread_.join();
    for (const pollfd& one : sockets_) close(one.fd);
  }
  int port() const { return port_; }
  std::size_t accepted() const { return accepted_; }

 private:
  void Serve() {
    while (true) {
      poll(sockets_.data(), sockets_.size(), -1);
      for (std::size_t i = sockets_.size() - 1; i > 0; --i) {
        if (sockets_[i].revents == 0) continue;
        RawConnection connection(sockets_[i].fd);
        if (!connection.Read(4096).empty() && connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
          continue;
        close(sockets_[i].fd);
        sockets_.erase(sockets_.begin() + static_cast<std::ptrdiff_t>(i));
      }
      if (sockets_[0].revents == 0) continue;
      int connection = accept(sockets_[0].fd, nullptr, nullptr);
      if (connection < 0) return;
      ++accepted_;
      sockets_.push_back({connection, POLLIN, 0});
    }
  }

  std::vector<pollfd> sockets_;  // the listening one first
  int port_ = 0;
  std::atomic<std::size_t> accepted_ = 0;
  std::thread thread_;
};

TEST_F(Transport, IdleConnectionsAreBoundedInAll) {
  PatientServer server;
  auto transport = Make({.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"127.0.0.1"};
  }});
  auto get = [&](std::size_t number) {
    std::string url = "http://n" + std::to_string(number) + ".test:" + std::to_string(server.port()) + "/";
    EXPECT_TRUE(Send(*transport, To(Url::Parse(url, Reason::kInternal).value())).ok());
  };
  for (std::size_t i = 0; i <= limits::kIdleConnections; ++i) get(i);
  EXPECT_EQ(server.accepted(), limits::kIdleConnections + 1);
  get(limits::kIdleConnections);
  get(1);
  EXPECT_EQ(server.accepted(), limits::kIdleConnections + 1) << "these were kept";
  get(0);
  EXPECT_EQ(server.accepted(), limits::kIdleConnections + 2) << "the one that was used longest ago was not";
}

// Answers one request on the first connection and then, when the next one arrives there, closes it.
class StaleServer {
 public:
  explicit StaleServer(bool second_connection_answers)
      : server_([=](RawConnection& connection, std::size_t number) {
          connection.ReadHead();
          if (number > 0 && !second_connection_answers) return;
          connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(number));
          if (number == 0) connection.ReadHead();
        }) {}
  RawServer& operator*() { return server_; }

 private:
  RawServer server_;
};

TEST_F(Transport, StaleConnectionIsRetriedOnceOnANewOne) {
  StaleServer server(true);
  auto transport = Make();
  EXPECT_EQ(Send(*transport, To((*server).At("/")))->body, "0");
  auto second = Send(*transport, To((*server).At("/")));
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  EXPECT_EQ(second->body, "1");
}

TEST_F(Transport, StaleConnectionIsNotRetriedTwice) {
  StaleServer server(false);
  auto transport = Make();
  EXPECT_TRUE(Send(*transport, To((*server).At("/"))).ok());
  auto second = Send(*transport, To((*server).At("/")));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, Reason::kNetworkUnavailable);
  EXPECT_EQ((*server).connections(), 2U);
}

TEST_F(Transport, PostOnAStaleConnectionIsNotRepeated) {
  StaleServer server(true);
  auto transport = Make();
  EXPECT_TRUE(Send(*transport, To((*server).At("/"))).ok());
  auto second = Send(*transport, To((*server).At("/"), "POST"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, Reason::kNetworkUnavailable);
  EXPECT_EQ((*server).connections(), 1U);
}

TEST_F(Transport, ConnectionClosedWhileIdleIsNotUsed) {
  std::promise<void> closed;
  RawServer server([&](RawConnection& connection, std::size_t number) {
    if (number == 1) closed.set_value();
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  auto transport = Make();
  EXPECT_TRUE(Send(*transport, To(server.At("/"))).ok());
  // The first connection is closed before the server takes another one.
  auto probe = Make();
  EXPECT_TRUE(Send(*probe, To(server.At("/"))).ok());
  closed.get_future().get();
  EXPECT_TRUE(Send(*transport, To(server.At("/"), "POST")).ok()) << "not even tried on the dead connection";
  EXPECT_EQ(server.connections(), 3U);
}

TEST_F(Transport, BytesBeyondTheResponseEndTheConnection) {
  RawServer server([&](RawConnection& connection, std::size_t number) {
    connection.ReadHead();
    std::string good = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(number);
    connection.Write(good + (number == 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil" : ""));
    connection.AwaitClose(kPlenty);
  });
  auto transport = Make();
  EXPECT_EQ(Send(*transport, To(server.At("/")))->body, "0");
  EXPECT_EQ(Send(*transport, To(server.At("/")))->body, "1");
}

TEST_F(Transport, BodyWhereNoneMayBeEndsTheConnection) {
  RawServer server([&](RawConnection& connection, std::size_t number) {
    connection.ReadHead();
    connection.Write(number == 0 ? "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"
                                 : "HTTP/1.1 204 No Content\r\n\r\n");
    if (number > 0) {
      connection.ReadHead();
      connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood");
    }
    connection.AwaitClose(kPlenty);
  });
  auto transport = Make();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(Send(*transport, To(server.At("/")))->status, 204);
  EXPECT_EQ(Send(*transport, To(server.At("/")))->body, "good");
  EXPECT_EQ(server.connections(), 2U) << "a 204 that announces nothing is followed on its connection";
}

TEST_F(Transport, InterimResponsesAreSkipped) {
  auto response = GetRaw("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nok");
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->body, "ok");
  EXPECT_EQ(response->headers.size(), 2U);
}

TEST_F(Transport, BodiesOfEveryFraming) {
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\n\r\nuntil close")->body, "until close");
  EXPECT_EQ(GetRaw("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")->body, "ok");
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\n\r\n")->body,
            "abc");
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\ntransfer-encoding:  CHUNKED \r\n\r\n1\r\na\r\n0\r\n\r\n")->body, "a");
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\ncontent-length:\t002\r\n\r\nok")->body, "ok");
  EXPECT_EQ(GetRaw("HTTP/1.1 204 No Content\r\n\r\n")->status, 204);
}

// Trap of the library: it percent-decodes header values.
TEST_F(Transport, HeaderValuesArriveAsSent) {
  auto response = GetRaw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nLink: </v2/x?last=a%2Bb%22>; rel=\"next\"\r\n\r\n");
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->Header("Link"), "</v2/x?last=a%2Bb%22>; rel=\"next\"");
}

// Traps of the library: a chunk without its CRLF ends the body in success; Content-Length that is no number is zero.
TEST_F(Transport, BrokenFramingIsAnError) {
  for (const char* answer :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcdef\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1234", "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 2\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: y\r\n", "SSH-2.0-OpenSSH_9.2\r\n", ""}) {
    auto response = GetRaw(answer);
    ASSERT_FALSE(response.ok()) << answer;
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable) << answer;
    EXPECT_THAT(response.error().where, HasSubstr("127.0.0.1:"));
  }
}

TEST_F(Transport, TruncatedAtEveryByte) {
  const std::string whole = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto response = GetRaw(whole.substr(0, i));
    ASSERT_FALSE(response.ok()) << i;
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable) << i;
  }
  EXPECT_TRUE(GetRaw(whole).ok());
}

TEST_F(Transport, RefusedConnectionNamesHostAndCause) {
  auto transport = Make();
  int port = fakes::UnusedPort();
  auto response =
      Send(*transport, To(Url::Parse("http://127.0.0.1:" + std::to_string(port) + "/", Reason::kInternal).value()));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
  EXPECT_EQ(response.error().where, "127.0.0.1:" + std::to_string(port));
  EXPECT_THAT(response.error().detail, HasSubstr("Connection refused"));
}

TEST_F(Transport, UnknownNameNamesHostAndCause) {
  auto transport = Make({.resolve = [](const std::string& host) -> Result<std::vector<std::string>> {
    return Error{Reason::kNetworkUnavailable, host, "the name does not resolve: Name or service not known"};
  }});
  auto response = Send(*transport, To(Url::Parse("http://nowhere.test/", Reason::kInternal).value()));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
  EXPECT_THAT(response.error().ToString(), HasSubstr("nowhere.test"));
}

TEST_F(Transport, SystemResolverKnowsLocalhost) {
  HttpServer server([](const ReceivedRequest&) { return Reply{}; });
  auto transport = Make();
  auto response = Send(*transport, To(server.At("/", "localhost")));
  EXPECT_TRUE(response.ok()) << response.error().ToString();
}

TEST_F(Transport, NextAddressIsTriedWhenOneRefuses) {
  HttpServer server([](const ReceivedRequest&) { return Reply{}; });
  auto transport = Make({.resolve = [](const std::string&) -> Result<std::vector<std::string>> {
    return std::vector<std::string>{"::1", "127.0.0.1"};
  }});
  EXPECT_TRUE(Send(*transport, To(server.At("/", "two.test"))).ok());
}

TEST_F(Transport, DeadlineBeforeTheAnswer) {
  RawServer server([](RawConnection& connection, std::size_t) { connection.AwaitClose(kPlenty); });
  auto transport = Make();
  auto response = Send(*transport, To(server.At("/")), Duration(50));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kDeadlineExceeded);
  EXPECT_EQ(Send(*transport, To(server.At("/")), Duration(0)).error().reason, Reason::kDeadlineExceeded);
}

// Writes `first`, then one byte of `trickle` every few milliseconds, for ever.
void SlowLoris(RawConnection& connection, const std::string& first, const std::string& trickle) {
  connection.ReadHead();
  connection.Write(first);
  for (std::size_t i = 0; connection.Write(trickle.substr(i % trickle.size(), 1)); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

struct Loris {
  const char* what;
  const char* first;
  const char* trickle;
};

class Adversarial_R10 : public Transport, public testing::WithParamInterface<Loris> {};

TEST_P(Adversarial_R10, SlowLorisIsCutAtTheDeadline) {
  RawServer server(
      [](RawConnection& connection, std::size_t) { SlowLoris(connection, GetParam().first, GetParam().trickle); });
  auto transport = Make();
  MonoTime start = clock_.Mono();
  auto response = Send(*transport, To(server.At("/")), Duration(100));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kDeadlineExceeded);
  EXPECT_LT(clock_.Mono() - start, std::chrono::seconds(2));
}

INSTANTIATE_TEST_SUITE_P(
    Table, Adversarial_R10,
    testing::Values(Loris{"status line", "",
                          "HTTP/1.1 200 OK........................................................."},
                    Loris{"headers", "HTTP/1.1 200 OK\r\n", "A: b\r\n"},
                    Loris{"body of a length", "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", "x"},
                    Loris{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n"},
                    Loris{"until close", "HTTP/1.1 200 OK\r\n\r\n", "x"}),
    [](const auto& test) {
      std::string name = test.param.what;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

TEST_F(Transport, FloodIsCutAtTheDeadline) {
  std::string chunks;
  while (chunks.size() < 60000) chunks += "1\r\nx\r\n";
  RawServer server([&](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (connection.Write(chunks)) {
    }
  });
  auto transport = Make();
  HttpRequest request = To(server.At("/"));
  request.max_response_bytes = std::size_t{1} << 40;
  auto response = Send(*transport, request, Duration(50));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kDeadlineExceeded);
}

TEST_F(Transport, RequestTimeoutIsTheServersFaultAndTheDeadlineIsNot) {
  struct Case {
    std::chrono::seconds budget;
    Reason reason;
  };
  for (const Case& limit : {Case{limits::kRequestTimeout * 2, Reason::kNetworkUnavailable},
                            Case{limits::kRequestTimeout / 2, Reason::kDeadlineExceeded}}) {
    fakes::FakeClock clock;
    RawServer server([&](RawConnection& connection, std::size_t) {
      connection.ReadHead();
      clock.Advance(limits::kRequestTimeout + std::chrono::seconds(1));
      connection.Write("H");
      connection.AwaitClose(kPlenty);
    });
    auto transport = Make();
    auto response = transport->Send(To(server.At("/")), Deadline(clock, limit.budget));
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().reason, limit.reason);
  }
}

// Without a handler SIGPIPE ends the program; a server of the library would have installed one.
TEST_F(Transport, PeerThatHasGoneRaisesNoSignal) {
  auto before = signal(SIGPIPE, SIG_DFL);
  RawServer server([](RawConnection& connection, std::size_t) { connection.Read(10); });
  auto transport = Make();
  HttpRequest request = To(server.At("/"), "POST");
  request.body = std::string(8 * limits::kMiB, 'x');
  EXPECT_EQ(Send(*transport, request).error().reason, Reason::kNetworkUnavailable);

  std::array<int, 2> ends{};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
  close(ends[1]);
  auto context = TlsContext::Make({}).value();
  SSL* session = context->NewSession(ends[0], "name.test");
  ASSERT_NE(session, nullptr);
  EXPECT_LE(SSL_connect(session), 0);
  SSL_free(session);
  ERR_clear_error();
  close(ends[0]);
  signal(SIGPIPE, before);
}

using Adversarial_R10_Size = Transport;

TEST_F(Adversarial_R10_Size, LyingLengthIsRefusedBeforeTheBody) {
  auto response = GetRaw("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n");
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kLimitExceeded);
}

TEST_F(Adversarial_R10_Size, EndlessChunkedBodyIsCutAtTheLimit) {
  HttpServer server([](const ReceivedRequest&) { return Reply{.body = std::string(100, 'x'), .endless = true}; });
  auto transport = Make();
  auto response = Send(*transport, To(server.At("/")));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kLimitExceeded);
}

TEST_F(Adversarial_R10_Size, TheLimitIsExact) {
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\n\r\n" + std::string(1000, 'x'))->body.size(), 1000U);
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x')).error().reason, Reason::kLimitExceeded);
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0)->body, "");
  EXPECT_EQ(GetRaw("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 0).error().reason, Reason::kLimitExceeded);
}

// Trap of the library: its limits do not bound a decompressed body.
TEST_F(Adversarial_R10_Size, GzipBombIsNotOpened) {
  auto response =
      GetRaw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n\x1F\x8B" + std::string(18, 'x'));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kContentUnsupported);
}

// Trap of the library: the status line is matched by std::regex, which recurses once per byte.
TEST_F(Adversarial_R10_Size, StatusLineDoesNotDriveTheStack) {
  for (std::size_t length : {limits::kHttpStatusLineBytes, 10 * limits::kKiB, limits::kMiB}) {
    auto response = GetRaw("HTTP/1.1 200 " + std::string(length, 'A') + "\r\nContent-Length: 0\r\n\r\n");
    ASSERT_FALSE(response.ok()) << length;
    EXPECT_EQ(response.error().reason, Reason::kLimitExceeded) << length;
  }
  EXPECT_TRUE(GetRaw("HTTP/1.1 200 " + std::string(400, 'A') + "\r\nContent-Length: 0\r\n\r\n").ok());
}

// Traps of the library: no bound on the number of headers, nor on a line without an end.
TEST_F(Adversarial_R10_Size, EndlessHeadersAreCut) {
  std::string many = "HTTP/1.1 200 OK\r\n";
  while (many.size() < 2 * limits::kHttpHeaderBytes) many += "X-Padding: " + std::string(500, 'x') + "\r\n";
  for (const std::string& answer :
       {many, "HTTP/1.1 200 OK\r\nX: " + std::string(1'000'000, 'x'),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(1'000'000, 'x')}) {
    auto response = GetRaw(answer);
    ASSERT_FALSE(response.ok());
    EXPECT_EQ(response.error().reason, Reason::kLimitExceeded);
  }
}

// Trap of the library: when it follows redirects itself, Authorization goes with it.
TEST_F(Transport, RedirectsAreNotFollowedHere) {
  HttpServer elsewhere([](const ReceivedRequest&) { return Reply{}; });
  HttpServer server([&](const ReceivedRequest&) {
    return Reply{.status = 302, .headers = {{"Location", elsewhere.Origin() + "/x"}}};
  });
  auto transport = Make();
  HttpRequest request = To(server.At("/"));
  request.headers = {{"Authorization", "Bearer s3cret"}};
  EXPECT_EQ(Send(*transport, request)->status, 302);
  EXPECT_TRUE(elsewhere.requests().empty());
  auto followed = SendFollowing(*transport, request, {1, false}, {}, Deadline(clock_, kPlenty));
  ASSERT_TRUE(followed.ok()) << followed.error().ToString();
  ASSERT_EQ(elsewhere.requests().size(), 1U);
  EXPECT_EQ(elsewhere.requests()[0].Header("Authorization"), "");
}

}  // namespace
}  // namespace gatehouse::net
