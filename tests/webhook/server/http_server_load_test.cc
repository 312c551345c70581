// What many or slow clients can do to others: nothing. And what is left of a listener that is told to stop.
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iomanip>
#include <sstream>
#include <thread>

#include "common/base/limits.h"
#include "tests/fakes/fake_clock.h"
#include "tests/webhook/server/fixture.h"

namespace gatehouse::webhook {
namespace {

using testing::HasSubstr;

// Descriptors for both ends of `connections`.
bool RoomFor(std::size_t connections) {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  return files.rlim_cur > 2 * connections + 300;
}

class HttpServerLoad : public HttpServerTest {
 protected:
  // So many connections that each have sent `bytes`.
  std::vector<TestClient> Crowd(std::size_t count, std::string_view bytes) const {
    std::vector<TestClient> crowd;
    crowd.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      crowd.emplace_back(server_->port());
      EXPECT_TRUE(crowd.back().connected()) << i;
      EXPECT_TRUE(crowd.back().Send(bytes));
    }
    return crowd;
  }
  // Whether the server has read all that was sent to it: nothing waits in the kernel on either side.
  [[nodiscard]] bool EverythingWasRead() const {
    std::ostringstream port;
    port << std::uppercase << std::hex << std::setw(4) << std::setfill('0') << server_->port();
    std::ifstream table("/proc/net/tcp");
    std::string number;
    std::string local;
    std::string remote;
    std::string state;
    std::string queues;
    std::string rest;
    for (std::getline(table, rest); table >> number >> local >> remote >> state >> queues; std::getline(table, rest)) {
      if ((local.ends_with(":" + port.str()) || remote.ends_with(":" + port.str())) && queues != "00000000:00000000") {
        return false;
      }
    }
    return true;
  }
  void ExpectFreshRequestIsServed() const {
    const auto begin = std::chrono::steady_clock::now();
    const auto response = Ask(PostRequest("fresh"));
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "fresh");
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
  }
};

struct CrowdCase {
  const char* name;
  bool tls;
  std::string bytes;  // what each of the crowd has sent
};
class HttpServerCrowd : public HttpServerLoad, public testing::WithParamInterface<CrowdCase> {};

// With cpp-httplib's own loop, as many connections as it has threads stop it; and it answers 500 on descriptors above
// 1023.
TEST_P(HttpServerCrowd, OfAThousandDoesNotStallAFreshRequest) {
  if (!RoomFor(1000)) GTEST_SKIP() << "too few descriptors allowed";
  ListenerOptions options = GetParam().tls ? Tls() : Plain();
  options.max_threads = 4;
  Start(options);
  const std::vector<TestClient> crowd = Crowd(1000, GetParam().bytes);
  ExpectFreshRequestIsServed();
}

INSTANTIATE_TEST_SUITE_P(
    All, HttpServerCrowd,
    testing::Values(CrowdCase{"Idle", false, ""}, CrowdCase{"IdleBeforeHandshake", true, ""},
                    CrowdCase{"HalfAHead", false, "POST /validate HTTP/1.1\r\nHost: a\r\nContent-"},
                    CrowdCase{"HalfABody", false,
                              PostRequest("12345678").substr(0, PostRequest("12345678").size() - 1)},
                    CrowdCase{"HalfAChunk", false,
                              "POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: "
                              "application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"},
                    CrowdCase{"WaitingToContinue", false,
                              "POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nExpect: "
                              "100-continue\r\nContent-Length: 9\r\n\r\n"},
                    CrowdCase{"HalfAHandshake", true, std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 9)},
                    CrowdCase{"KeptAlive", false, GetRequest("/healthz")}),
    [](const auto& test) { return std::string(test.param.name); });

class HttpServerClock : public HttpServerLoad {
 protected:
  ~HttpServerClock() override { server_.reset(); }  // before its clock

  // A listener whose time is `fake_`; it looks at that every 5 ms.
  void StartAtFakeTime(ListenerOptions options) {
    options.read_timeout = Duration(10'000);
    options.idle_timeout = Duration(75'000);
    options.tls_check_interval = Duration(10);
    server_ = HttpServer::Make(options, fake_, log_).value();
    server_->Route({"POST", "/validate", kMaxBody, "application/json"}, Echo);
    server_->Route({"GET", "/healthz", 0, ""}, [](const HttpCall&) { return HttpReply{}; });
    server_->Route({"GET", "/large", 0, ""}, [](const HttpCall&) {
      return HttpReply{200, std::string(50'000'000, 'x')};
    });
    ASSERT_TRUE(server_->Start().ok());
  }
  // Lets the server's threads look at what was sent, and at the clock.
  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(60)); }

  // Ten bytes, one a second: each well within the timeout, together beyond it.
  void Dribble(TestClient& client, std::string_view bytes) {
    for (std::size_t i = 0; i < 10; ++i) {
      ASSERT_TRUE(client.Send(bytes.substr(i, 1))) << i;
      Settle();
      fake_.Advance(Duration(i < 9 ? 1'000 : 1'100));
    }
  }
  static void ExpectTimedOut(TestClient& client) {
    const auto response = client.Receive();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 408);
    EXPECT_TRUE(client.AtEnd());
  }

  fakes::FakeClock fake_{SystemClock().Wall()};
};

TEST_F(HttpServerClock, HeadThatDribblesIsCutOff) {
  StartAtFakeTime(Plain());
  TestClient client = Connect();
  Dribble(client, "POST /validate HTTP/1.1");
  ExpectTimedOut(client);
}

TEST_F(HttpServerClock, BodyThatDribblesIsCutOff) {
  StartAtFakeTime(Plain());
  TestClient client = Connect();
  const std::string request = PostRequest(std::string(100, 'x'));
  ASSERT_TRUE(client.Send(request.substr(0, request.size() - 100)));
  Dribble(client, std::string(20, 'x'));
  ExpectTimedOut(client);
}

TEST_F(HttpServerClock, ChunksThatDribbleAreCutOff) {
  StartAtFakeTime(Plain());
  TestClient client = Connect();
  ASSERT_TRUE(
      client.Send("POST /validate HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                  "Transfer-Encoding: chunked\r\n\r\n"));
  Dribble(client, "64\r\nxxxxxxxxxxxxxxxx");
  ExpectTimedOut(client);
}

TEST_F(HttpServerClock, HandshakeThatDribblesIsCutOff) {
  StartAtFakeTime(Tls());
  TestClient client(server_->port());  // sends the beginning of a ClientHello by hand
  Dribble(client, std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", 12));
  char byte = 0;
  EXPECT_LE(recv(client.descriptor(), &byte, 1, 0), 0);
}

TEST_F(HttpServerClock, EachRequestHasItsOwnTime) {
  StartAtFakeTime(Plain());
  TestClient client = Connect();
  for (int i = 0; i < 4; ++i) {
    const std::string request = PostRequest("{}");
    ASSERT_TRUE(client.Send(request.substr(0, 20)));
    Settle();
    fake_.Advance(Duration(6'000));
    ASSERT_TRUE(client.Send(request.substr(20)));
    ASSERT_TRUE(client.Receive()) << i;
  }
}

TEST_F(HttpServerClock, IdleConnectionIsKeptForItsTimeAndNoLonger) {
  StartAtFakeTime(Plain());
  TestClient client = Connect();
  ASSERT_TRUE(client.Exchange(GetRequest("/healthz")));
  Settle();
  fake_.Advance(Duration(74'000));
  Settle();
  ASSERT_TRUE(client.Exchange(GetRequest("/healthz"))) << "after 74 of 75 seconds";
  Settle();
  fake_.Advance(Duration(76'000));
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerClock, PeerThatDoesNotTakeItsResponseIsCutOff) {
  StartAtFakeTime(Plain());
  TestClient client = Connect();
  ASSERT_TRUE(client.Send(GetRequest("/large")));
  char byte = 0;
  ASSERT_TRUE(Eventually([&] { return recv(client.descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1; }));
  Settle();
  fake_.Advance(Duration(11'000));
  Settle();
  Settle();
  EXPECT_FALSE(client.Receive()) << "it ends before its Content-Length";
}

TEST_F(HttpServerLoad, ConnectionsAreBoundedAndTheUselessOnesGoFirst) {
  ListenerOptions options = Plain();
  options.max_connections = 10;
  Start(options);
  TestClient useful = Connect();
  ASSERT_TRUE(useful.Exchange(GetRequest("/healthz")));
  std::vector<TestClient> crowd = Crowd(50, "GET / HT");
  ExpectFreshRequestIsServed();
  EXPECT_TRUE(useful.Exchange(GetRequest("/healthz"))) << "of use before: it stays";
  EXPECT_TRUE(Eventually([&] {
    char byte = 0;
    return recv(crowd.front().descriptor(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
  })) << "the oldest was told to go";
}

TEST_F(HttpServerLoad, ConnectionsThatAreAllAtWorkLeaveNoRoom) {
  std::atomic<int> inside = 0;
  std::atomic<bool> go = false;
  ListenerOptions options = Plain();
  options.max_connections = 2;
  Start(options, [&](const HttpCall&) {
    ++inside;
    return HttpReply{Eventually([&] { return go.load(); }) ? 200 : 500, ""};
  });
  TestClient first = Connect();
  TestClient second = Connect();
  ASSERT_TRUE(first.Send(PostRequest("{}")) && second.Send(PostRequest("{}")));
  ASSERT_TRUE(Eventually([&] { return inside == 2; }));
  TestClient third = Connect();
  EXPECT_FALSE(third.Exchange(PostRequest("{}"))) << "refused at once, not made to wait";
  go = true;
  EXPECT_EQ(first.Receive()->status, 200);
  EXPECT_EQ(second.Receive()->status, 200);
  EXPECT_THAT(Log(), HasSubstr("too many are open"));
}

TEST_F(HttpServerLoad, MemoryOfArrivingRequestsIsBounded) {
  constexpr std::size_t kLarge = 1'000'000;
  ListenerOptions options = Plain();
  options.max_buffered_bytes = 2 * kLarge;
  server_ = HttpServer::Make(options, clock_, log_).value();
  server_->Route({"POST", "/large", kLarge, "application/json"}, [](const HttpCall&) { return HttpReply{}; });
  server_->Route({"POST", "/validate", kMaxBody, "application/json"}, Echo);
  ASSERT_TRUE(server_->Start().ok());
  const std::string request = PostRequest(std::string(kLarge, ' '), "/large");
  std::vector<TestClient> crowd = Crowd(2, request.substr(0, request.size() - 1));
  ASSERT_TRUE(Eventually([&] { return EverythingWasRead(); }));
  const std::string chunked =
      "POST /large HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: "
      "chunked\r\n\r\nf4240\r\n" +
      std::string(kLarge, ' ');
  for (const std::string& third : {request, chunked}) {
    TestClient client = Connect();
    const auto response = client.Exchange(third);
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 503);
  }
  ExpectFreshRequestIsServed();  // small ones need no allowance
  for (TestClient& client : crowd) EXPECT_EQ(client.Exchange(" ")->status, 200);
  EXPECT_EQ(Ask(request)->status, 200) << "what was held is given back";
}

// Leaves this process no descriptor but those that are open, and `spare` more, until it is destroyed.
class NoDescriptors {
 public:
  explicit NoDescriptors(std::size_t spare) {
    getrlimit(RLIMIT_NOFILE, &before_);
    rlimit few = before_;
    few.rlim_cur = std::min<rlim_t>(before_.rlim_cur, 200);
    setrlimit(RLIMIT_NOFILE, &few);
    for (int taken = dup(STDERR_FILENO); taken >= 0; taken = dup(STDERR_FILENO)) taken_.push_back(taken);
    for (std::size_t i = 0; i < spare && !taken_.empty(); ++i) {
      close(taken_.back());
      taken_.pop_back();
    }
  }
  ~NoDescriptors() {
    for (const int taken : taken_) close(taken);
    setrlimit(RLIMIT_NOFILE, &before_);
  }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
  std::vector<int> taken_;
};

TEST_F(HttpServerLoad, WithoutDescriptorsAnIdleConnectionGivesWay) {
#if defined(__clang__)
#if __has_feature(undefined_behavior_sanitizer)
  // Its check of object types asks the kernel through a pipe whether memory may be read, and takes "no descriptor" for
  // no.
  GTEST_SKIP() << "the undefined behaviour sanitizer needs descriptors of its own";
#endif
#endif
  Start(Plain());
  TestClient idle = Connect();
  ASSERT_TRUE(idle.Exchange(GetRequest("/healthz")));
  std::optional<NoDescriptors> none(std::in_place, 1);  // for the client's end
  TestClient fresh = Connect();
  ASSERT_TRUE(fresh.connected());
  EXPECT_TRUE(fresh.Exchange(GetRequest("/healthz")));
  EXPECT_TRUE(idle.AtEnd());
}

TEST_F(HttpServerLoad, WithoutDescriptorsConnectionsWaitUntilThereAreSome) {
  std::atomic<bool> inside = false;
  std::atomic<bool> go = false;
  Start(Plain(), [&](const HttpCall&) {
    inside = true;
    return HttpReply{Eventually([&] { return go.load(); }) ? 200 : 500, ""};
  });
  TestClient busy = Connect();
  ASSERT_TRUE(busy.Send(PostRequest("{}")));
  ASSERT_TRUE(Eventually([&] { return inside.load(); }));
  std::optional<NoDescriptors> none(std::in_place, 1);
  TestClient fresh = Connect();
  ASSERT_TRUE(fresh.connected()) << "by the backlog";
  ASSERT_TRUE(fresh.Send(GetRequest("/healthz")));
  for (int i = 0; i < 4; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(100));  // more than one look at it
  none.reset();
  EXPECT_EQ(fresh.Receive()->status, 200);
  EXPECT_THAT(Log(), HasSubstr("left waiting"));
  go = true;
  EXPECT_EQ(busy.Receive()->status, 200);
}

// No thread can be started while it lives: each would want more stack than there are addresses.
class NoThreads {
 public:
  NoThreads() {
    pthread_getattr_default_np(&before_);
    pthread_attr_t huge;
    pthread_getattr_default_np(&huge);
    pthread_attr_setstacksize(&huge, std::size_t{1} << 50U);
    pthread_setattr_default_np(&huge);
    pthread_attr_destroy(&huge);
  }
  ~NoThreads() {
    pthread_setattr_default_np(&before_);
    pthread_attr_destroy(&before_);
  }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t before_{};
};

TEST_F(HttpServerLoad, ThreadThatCouldNotBeStartedIsStartedLater) {
  std::atomic<bool> go = false;
  Start(Plain(), [&](const HttpCall&) { return HttpReply{Eventually([&] { return go.load(); }) ? 200 : 500, ""}; });
  std::vector<TestClient> busy = Crowd(8, "");  // more than the threads that it took to accept them
  TestClient waiting = Connect();
  ASSERT_TRUE(waiting.Exchange(GetRequest("/healthz"))) << "all are accepted";
  std::optional<NoThreads> none(std::in_place);
  for (TestClient& client : busy) ASSERT_TRUE(client.Send(PostRequest("{}")));
  ASSERT_TRUE(Eventually([&] { return Log().find("no further thread") != std::string::npos; }));
  ASSERT_TRUE(waiting.Send(GetRequest("/healthz")));  // nobody waits for it
  none.reset();
  const auto response = waiting.Receive();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  go = true;
  for (TestClient& client : busy) EXPECT_EQ(client.Receive()->status, 200) << "those at work were not waited for";
}

// --- drain

TEST_F(HttpServerLoad, DrainWithoutConnectionsReturnsAtOnceAndRefusesNewOnes) {
  Start(Plain());
  const int port = server_->port();
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain(Duration(10'000));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(500));
  EXPECT_FALSE(TestClient(port).connected());
  server_->Drain(Duration(10'000));  // again: nothing happens
}

TEST_F(HttpServerLoad, DrainBeforeStartDoesNothing) {
  const auto made = HttpServer::Make(Plain(), clock_, log_);
  (*made)->Drain(Duration(10'000));
}

TEST_F(HttpServerLoad, DrainWaitsForTheRequestUnderWay) {
  std::atomic<bool> inside = false;
  std::atomic<bool> go = false;
  Start(Plain(), [&](const HttpCall&) {
    inside = true;
    return HttpReply{Eventually([&] { return go.load(); }) ? 200 : 500, "done"};
  });
  TestClient client = Connect();
  ASSERT_TRUE(client.Send(PostRequest("{}")));
  ASSERT_TRUE(Eventually([&] { return inside.load(); }));
  std::atomic<bool> drained = false;
  std::thread drain([&] {
    server_->Drain(Duration(10'000));
    drained = true;
  });
  ASSERT_TRUE(Eventually([&] { return !TestClient(server_->port()).connected(); })) << "new connections are refused";
  EXPECT_FALSE(drained);
  go = true;
  const auto response = client.Receive();
  drain.join();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "done");
  EXPECT_EQ(response->Field("Connection"), "close");
  EXPECT_EQ(response->Field("Keep-Alive"), std::nullopt);
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(HttpServerLoad, DrainServesTheRequestThatIsArriving) {
  Start(Plain());
  TestClient client = Connect();
  const std::string request = PostRequest("late");
  ASSERT_TRUE(client.Send(request.substr(0, 30)));
  std::thread drain([&] { server_->Drain(Duration(10'000)); });
  ASSERT_TRUE(Eventually([&] { return !TestClient(server_->port()).connected(); }));
  const auto response = client.Exchange(request.substr(30));
  drain.join();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "late");
  EXPECT_EQ(response->Field("Connection"), "close");
}

TEST_F(HttpServerLoad, DrainServesTheRequestThatNoThreadHadTimeFor) {
  std::atomic<int> inside = 0;
  std::atomic<bool> go = false;
  ListenerOptions options = Plain();
  options.max_threads = 2;
  Start(options, [&](const HttpCall&) {
    ++inside;
    return HttpReply{Eventually([&] { return go.load(); }) ? 200 : 500, ""};
  });
  std::vector<TestClient> busy = Crowd(2, PostRequest("{}"));
  TestClient waiting = Connect();
  ASSERT_TRUE(Eventually([&] { return inside == 2; }));
  ASSERT_TRUE(waiting.Send(PostRequest("{}")));
  std::thread drain([&] { server_->Drain(Duration(400)); });  // idle connections are closed after 100 ms
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  go = true;
  const auto response = waiting.Receive();
  drain.join();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
}

TEST_F(HttpServerLoad, DrainEndsIdleConnectionsAfterAGrace) {
  Start(Plain());
  TestClient idle = Connect();
  ASSERT_TRUE(idle.Exchange(GetRequest("/healthz")));
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain(Duration(400));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(100)) << "a quarter of the time";
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(390));
  EXPECT_TRUE(idle.AtEnd());
}

TEST_F(HttpServerLoad, DrainGivesUpWhenItsTimeIsOver) {
  std::atomic<bool> inside = false;
  std::atomic<bool> go = false;
  Start(Plain(), [&](const HttpCall&) {
    inside = true;
    return HttpReply{Eventually([&] { return go.load(); }) ? 200 : 500, ""};
  });
  TestClient client = Connect();
  ASSERT_TRUE(client.Send(PostRequest("{}")));
  ASSERT_TRUE(Eventually([&] { return inside.load(); }));
  const auto begin = std::chrono::steady_clock::now();
  server_->Drain(Duration(50));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  go = true;
  EXPECT_EQ(client.Receive()->status, 200);
}

// Clients that send one request after the other on kept connections: each either is answered or could not connect.
class HttpServerDrain : public HttpServerLoad, public testing::WithParamInterface<bool> {};

TEST_P(HttpServerDrain, UnderLoadLosesNoRequest) {
  Start(GetParam() ? Tls() : Plain());
  std::atomic<int> answered = 0;
  std::atomic<int> lost = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      while (true) {
        TestClient client = Connect();
        if (!client.connected()) {
          // Refused by the kernel, or in the backlog when the listener went: then the handshake never began.
          return;
        }
        bool closed = false;
        while (!closed) {
          const auto response = client.Exchange(PostRequest("{}"));
          if (!response) {
            ++lost;
            return;
          }
          ++answered;
          closed = response->Field("Connection") == "close";
        }
      }
    });
  }
  ASSERT_TRUE(Eventually([&] { return answered > 500; }));
  server_->Drain(Duration(10'000));
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(lost, 0);
}

INSTANTIATE_TEST_SUITE_P(PlainAndTls, HttpServerDrain, testing::Bool());

}  // namespace
}  // namespace gatehouse::webhook
