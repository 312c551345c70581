#include "agent/metrics/metrics.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <thread>

#include "agent/metrics/listener.h"

namespace gatehouse::agent {
namespace {

using std::chrono::milliseconds;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Metrics, EmptyAtFirst) {
  Metrics metrics;
  std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("# TYPE gatehouse_agent_attestations_total counter\n"));
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_last_success_timestamp_seconds 0\n"));
  EXPECT_THAT(text, testing::Not(HasSubstr("{")));
}

TEST(Metrics, CountersHaveLabels) {
  Metrics metrics;
  metrics.CountAttestation("affirming");
  metrics.CountAttestation("affirming");
  metrics.CountAttestation("ima-log-gap");
  metrics.CountLogBytes("ima", 500);
  metrics.CountLogBytes("ima", 12);
  metrics.CountFault("event-log");
  metrics.SetLastSuccess(WallTime(milliseconds(1'700'000'000'999)));
  std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_attestations_total{outcome=\"affirming\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_attestations_total{outcome=\"ima-log-gap\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_log_bytes_sent_total{log=\"ima\"} 512\n"));
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_source_faults_total{source=\"event-log\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("gatehouse_agent_last_success_timestamp_seconds 1700000000\n"));
}

TEST(Metrics, HistogramCountsUpwards) {
  Metrics metrics;
  for (int ms : {4, 5, 300, 31'000}) metrics.ObserveTpm("quote", milliseconds(ms));
  std::string text = metrics.Text();
  auto line = [](std::string_view bound, int count) {
    return "gatehouse_agent_tpm_command_duration_seconds_bucket{command=\"quote\",le=\"" + std::string(bound) + "\"} " +
           std::to_string(count) + "\n";
  };
  EXPECT_THAT(text, HasSubstr(line("0.005", 2)));
  EXPECT_THAT(text, HasSubstr(line("0.25", 2)));
  EXPECT_THAT(text, HasSubstr(line("0.5", 3)));
  EXPECT_THAT(text, HasSubstr(line("30", 3)));
  EXPECT_THAT(text, HasSubstr(line("+Inf", 4)));
  EXPECT_THAT(text, HasSubstr("_sum{command=\"quote\"} 31.309\n"));
  EXPECT_THAT(text, HasSubstr("_count{command=\"quote\"} 4\n"));
}

int Connected(int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) ADD_FAILURE() << "no listener";
  return fd;
}

std::string Answer(int fd) {
  std::string text;
  std::array<char, 512> chunk{};
  for (;;) {
    ssize_t got = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (got <= 0) break;
    text.append(chunk.data(), static_cast<std::size_t>(got));
  }
  ::close(fd);
  return text;
}

std::string Ask(int port, std::string_view request) {
  int fd = Connected(port);
  EXPECT_EQ(::send(fd, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  ::shutdown(fd, SHUT_WR);
  return Answer(fd);
}

class ListenerTest : public testing::Test {
 protected:
  std::unique_ptr<MetricsListener> listener_ = *MetricsListener::Start("127.0.0.1:0", [] { return "a 1\n"; });
};

TEST_F(ListenerTest, AnswersGetMetrics) {
  for (int i = 0; i < 3; ++i) {
    std::string answer = Ask(listener_->port(), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("Content-Type: text/plain; version=0.0.4"));
    EXPECT_THAT(answer, HasSubstr("Content-Length: 4\r\n"));
    EXPECT_THAT(answer, EndsWith("\r\n\r\na 1\n"));
  }
}

TEST_F(ListenerTest, RefusesTheRest) {
  struct {
    std::string request;
    const char* status;
  } table[] = {
      {"GET / HTTP/1.1\r\n\r\n", "404"},
      {"POST /metrics HTTP/1.1\r\n\r\n", "404"},
      {"GET /metrics/../x HTTP/1.1\r\n\r\n", "404"},
      {"GET /metrics HTTP/1.1\r\n", "400"},
      {"", "400"},
      {"GET /metrics HTTP/1.1\r\nA: " + std::string(4096, 'x'), "400"},
  };
  for (const auto& row : table) {
    EXPECT_THAT(Ask(listener_->port(), row.request), StartsWith("HTTP/1.1 " + std::string(row.status)))
        << row.request.substr(0, 40);
  }
}

TEST_F(ListenerTest, SomebodyWhoGoesAwayDoesNotEndIt) {
  for (int i = 0; i < 20; ++i) ::close(Connected(listener_->port()));
  EXPECT_THAT(Ask(listener_->port(), "GET /metrics HTTP/1.0\r\n\r\n"), HasSubstr("a 1\n"));
}

TEST_F(ListenerTest, EndsWhileSomebodyIsConnected) {
  int port = listener_->port();
  listener_.reset();
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_NE(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ::close(fd);
}

TEST(Listener, AddressesThatAreNone) {
  for (const char* address : {"", "9101", ":9101", "localhost:9101", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                              "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:91 ", "::1:9101", "[::1]", "[]:1"}) {
    auto listener = MetricsListener::Start(address, [] { return ""; });
    ASSERT_FALSE(listener.ok()) << address;
    EXPECT_EQ(listener.error().reason, Reason::kConfigInvalid) << address;
  }
  EXPECT_TRUE(CheckListenAddress("[::]:9101").ok());
  EXPECT_TRUE(CheckListenAddress("0.0.0.0:9101").ok());
}

TEST(Listener, TakenPortIsAnError) {
  auto first = *MetricsListener::Start("127.0.0.1:0", [] { return ""; });
  auto second = MetricsListener::Start("127.0.0.1:" + std::to_string(first->port()), [] { return ""; });
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().reason, Reason::kNetworkUnavailable);
}

}  // namespace
}  // namespace gatehouse::agent
