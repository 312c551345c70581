#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <future>
#include <thread>

#include "common/base/limits.h"
#include "common/net/channel.h"
#include "common/net/https_transport.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/http_server.h"

namespace gatehouse::net {
namespace {

using fakes::HttpServer;
using fakes::RawConnection;
using fakes::RawServer;
using fakes::ReceivedRequest;
using fakes::Reply;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr Duration kPlenty{5000};
constexpr const char* kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// What a receiver saw: the pieces, and how often it was asked while there was none.
struct Seen {
  std::vector<std::string> pieces;
  std::size_t ticks = 0;
  std::size_t stop_after_ticks = 1'000'000;
  std::size_t stop_after_pieces = 1'000'000;

  [[nodiscard]] std::string All() const {
    std::string all;
    for (const std::string& piece : pieces) all += piece;
    return all;
  }
  StreamTransport::OnBody Receiver() {
    return [this](std::string_view piece) {
      if (piece.empty()) {
        ++ticks;
      } else {
        pieces.emplace_back(piece);
      }
      return ticks < stop_after_ticks && pieces.size() < stop_after_pieces;
    };
  }
};

class Stream : public testing::Test {
 protected:
  static std::unique_ptr<StreamTransport> Make(TransportOptions options = {}) {
    return MakeStreamTransport(std::move(options)).value();
  }
  static HttpRequest To(const Url& url) {
    HttpRequest request{};
    request.url = url;
    request.max_response_bytes = 100;
    return request;
  }
  // What comes of a stream from a server that writes `bytes` and closes.
  Result<HttpResponse> StreamRaw(const std::string& bytes, Seen& seen) {
    RawServer server([&](RawConnection& connection, std::size_t) {
      connection.ReadHead();
      connection.Write(bytes);
    });
    return Make()->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock_, kPlenty));
  }

  SystemClock clock_;
};

TEST_F(Stream, PiecesArriveAsTheyWereSent) {
  std::promise<void> first_seen;
  RawServer server([&](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write(kChunked + std::string("6\r\nfirst\n\r\n"));
    first_seen.get_future().wait();
    connection.Write("7\r\nsecond\n\r\n0\r\n\r\n");
  });
  std::vector<std::string> pieces;
  auto receive = [&](std::string_view piece) {
    if (piece.empty()) return true;
    pieces.emplace_back(piece);
    if (pieces.size() == 1) first_seen.set_value();  // the server waits for this: nothing here may wait for the server
    return true;
  };
  auto response = Make()->Stream(To(server.At("/")), receive, Deadline(clock_, kPlenty));
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "");
  EXPECT_THAT(pieces, ElementsAre("first\n", "second\n"));
}

TEST_F(Stream, ChunksOfAnySizeGiveTheSameBytes) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "line " + std::to_string(i) + "\n";
  for (std::size_t size : {1U, 7U, 4096U, 16384U, 100000U}) {
    std::string chunks;
    for (std::size_t i = 0; i < text.size(); i += size) {
      std::string chunk = text.substr(i, size);
      char length[20];
      snprintf(length, sizeof(length), "%zx\r\n", chunk.size());
      chunks += length + chunk + "\r\n";
    }
    Seen seen;
    auto response = StreamRaw(kChunked + chunks + "0\r\n\r\n", seen);
    ASSERT_TRUE(response.ok()) << size << ": " << response.error().ToString();
    EXPECT_TRUE(seen.All() == text) << size;
  }
}

TEST_F(Stream, TheLimitOfAResponseIsNotThatOfAStream) {
  Seen seen;
  auto response = StreamRaw("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + std::string(5000, 'x'), seen);
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(seen.All().size(), 5000U);
}

TEST_F(Stream, TicksWhileNothingArrives) {
  RawServer server([](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write(kChunked);
    connection.AwaitClose(kPlenty);
  });
  Seen seen;
  seen.stop_after_ticks = 2;
  MonoTime start = clock_.Mono();
  auto response = Make()->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock_, kPlenty));
  auto took = clock_.Mono() - start;
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(seen.ticks, 2U);
  EXPECT_GE(took, limits::kStreamTick);
  EXPECT_LT(took, 8 * limits::kStreamTick);
}

// Bytes that never become a piece: the line of a chunk's size, one character at a time.
TEST_F(Stream, TicksWhileAPeerTricklesWhatIsNoBody) {
  RawServer server([](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write(kChunked + std::string("1;"));
    while (connection.Write("x")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  Seen seen;
  seen.stop_after_ticks = 1;
  auto response = Make()->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock_, kPlenty));
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(seen.ticks, 1U);
}

TEST_F(Stream, FalseEndsItAndTheConnection) {
  std::atomic<bool> closed = false;
  RawServer server([&](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write(kChunked);
    while (connection.Write("5\r\nline\n\r\n")) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    closed = true;
  });
  Seen seen;
  seen.stop_after_pieces = 3;
  auto transport = Make();
  auto response = transport->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock_, kPlenty));
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(seen.pieces.size(), 3U) << "nothing after false";
  for (int i = 0; i < 1000 && !closed; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_TRUE(closed);
}

struct Broken {
  const char* what;
  std::string bytes;
};

TEST_F(Stream, ABodyThatBreaksOffIsNoSuccess) {
  const std::string head = kChunked;
  for (const Broken& broken :
       {Broken{"no chunk at all", head}, Broken{"within the size", head + "1"},
        Broken{"within a chunk", head + "5\r\nli"}, Broken{"after a chunk", head + "5\r\nline\n\r\n"},
        Broken{"without the last line", head + "5\r\nline\n\r\n0\r\n"},
        Broken{"size smaller than the chunk", head + "3\r\nline\n\r\n0\r\n\r\n"},
        Broken{"size larger than the chunk", head + "9\r\nline\n\r\n0\r\n\r\n"},
        Broken{"size is no number", head + "five\r\nline\n\r\n0\r\n\r\n"},
        Broken{"size beyond any number", head + "fffffffffffffffff\r\nline\n\r\n0\r\n\r\n"},
        Broken{"negative size", head + "-5\r\nline\n\r\n0\r\n\r\n"},
        Broken{"within a length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nline\n"}}) {
    Seen seen;
    auto response = StreamRaw(broken.bytes, seen);
    ASSERT_FALSE(response.ok()) << broken.what;
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable) << broken.what;
    EXPECT_THAT(response.error().where, HasSubstr("127.0.0.1:")) << broken.what;
  }
}

TEST_F(Stream, TruncatedAtEveryByte) {
  const std::string whole = kChunked + std::string("5\r\nline\n\r\n0\r\n\r\n");
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Seen seen;
    auto response = StreamRaw(whole.substr(0, i), seen);
    ASSERT_FALSE(response.ok()) << i;
    EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable) << i;
  }
  Seen seen;
  EXPECT_TRUE(StreamRaw(whole, seen).ok());
  EXPECT_EQ(seen.All(), "line\n");
}

TEST_F(Stream, AnEncodedBodyIsNotHandedOver) {
  Seen seen;
  auto response = StreamRaw("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\n12345", seen);
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kContentUnsupported);
  EXPECT_TRUE(seen.pieces.empty());
}

TEST_F(Stream, OtherAnswersAreReturnedWithTheirBody) {
  HttpServer server([](const ReceivedRequest& request) {
    if (request.target == "/long") return Reply{.status = 500, .body = std::string(101, 'x')};
    return Reply{.status = 410, .body = "gone", .headers = {{"X-Why", "compacted"}}};
  });
  Seen seen;
  auto transport = Make();
  auto response = transport->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock_, kPlenty));
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->status, 410);
  EXPECT_EQ(response->body, "gone");
  EXPECT_EQ(response->Header("x-why"), "compacted");
  auto longer = transport->Stream(To(server.At("/long")), seen.Receiver(), Deadline(clock_, kPlenty));
  ASSERT_FALSE(longer.ok());
  EXPECT_EQ(longer.error().reason, Reason::kLimitExceeded);
  EXPECT_TRUE(seen.pieces.empty());
}

TEST_F(Stream, DeadlineEndsAStream) {
  RawServer server([](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write(kChunked + std::string("5\r\nline\n\r\n"));
    connection.AwaitClose(kPlenty);
  });
  Seen seen;
  auto response = Make()->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock_, Duration(100)));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kDeadlineExceeded);
  EXPECT_EQ(seen.All(), "line\n");
}

// Only a body may last: an answer that does not begin is an outage of the server.
TEST_F(Stream, AnswerThatDoesNotBegin) {
  fakes::FakeClock clock;
  RawServer server([&](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    clock.Advance(limits::kRequestTimeout + std::chrono::seconds(1));
    connection.Write("H");
    connection.AwaitClose(kPlenty);
  });
  Seen seen;
  auto response = Make()->Stream(To(server.At("/")), seen.Receiver(), Deadline(clock, std::chrono::minutes(5)));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kNetworkUnavailable);
}

TEST_F(Stream, LastsLongerThanARequest) {
  fakes::FakeClock clock;
  std::promise<void> first_seen;
  RawServer server([&](RawConnection& connection, std::size_t) {
    connection.ReadHead();
    connection.Write(kChunked + std::string("5\r\nline\n\r\n"));
    first_seen.get_future().wait();
    clock.Advance(2 * std::chrono::milliseconds(limits::kRequestTimeout));
    connection.Write("5\r\nmore\n\r\n0\r\n\r\n");
  });
  std::string all;
  auto receive = [&](std::string_view piece) {
    if (all.empty() && !piece.empty()) first_seen.set_value();
    all += piece;
    return true;
  };
  auto response = Make()->Stream(To(server.At("/")), receive, Deadline(clock, std::chrono::minutes(5)));
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(all, "line\nmore\n");
}

TEST_F(Stream, OverTlsWithRequestsBeside) {
  fakes::TestCa root = fakes::RootOfToday();
  HttpServer server(
      [](const ReceivedRequest& request) {
        return request.target == "/watch" ? Reply{.body = "event\n", .endless = true} : Reply{.body = "object"};
      },
      fakes::IssueServerTls(root, "IP:127.0.0.1"));
  Seen seen;
  seen.stop_after_pieces = 50;
  {
    auto transport = Make({.tls = {.ca_pem = root.pem()}});
    auto response = transport->Stream(To(server.At("/watch")), seen.Receiver(), Deadline(clock_, kPlenty));
    ASSERT_TRUE(response.ok()) << response.error().ToString();
    auto object = transport->Send(To(server.At("/object")), Deadline(clock_, kPlenty));
    ASSERT_TRUE(object.ok()) << object.error().ToString();
    EXPECT_EQ(object->body, "object");
  }
  EXPECT_THAT(seen.All(), testing::StartsWith("event\nevent\n"));
  EXPECT_NE(server.requests()[0].connection, server.requests()[1].connection);
}

TEST_F(Stream, HeadersThatWouldBreakTheMessageAreNotSent) {
  HttpServer server([](const ReceivedRequest&) { return Reply{}; });
  HttpRequest request = To(server.At("/"));
  request.headers = {{"Authorization", "Bearer a\r\nEvil: b"}};
  Seen seen;
  auto response = Make()->Stream(request, seen.Receiver(), Deadline(clock_, kPlenty));
  ASSERT_FALSE(response.ok());
  EXPECT_EQ(response.error().reason, Reason::kInternal);
  EXPECT_TRUE(server.requests().empty());
}

int OptionOf(int descriptor, int level, int option) {
  int value = 0;
  socklen_t size = sizeof(value);
  EXPECT_EQ(getsockopt(descriptor, level, option, &value, &size), 0);
  return value;
}

TEST_F(Stream, TheKernelLooksForDeadPeers) {
  RawServer server([](RawConnection& connection, std::size_t) { connection.AwaitClose(kPlenty); });
  auto channel =
      Channel::Dial({*IpAddress::Parse("127.0.0.1")}, server.port(), "server", Deadline(clock_, kPlenty)).value();
  int descriptor = channel->descriptor();
  EXPECT_EQ(OptionOf(descriptor, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(OptionOf(descriptor, IPPROTO_TCP, TCP_KEEPIDLE), limits::kKeepAliveIdle.count());
  EXPECT_EQ(OptionOf(descriptor, IPPROTO_TCP, TCP_KEEPINTVL), limits::kKeepAliveInterval.count());
  EXPECT_EQ(OptionOf(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT), limits::kPeerGoneAfter.count() * 1000);
}

}  // namespace
}  // namespace gatehouse::net
