#include "agent/metrics/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <system_error>

namespace gatehouse::agent {
namespace {

constexpr int kBacklog = 16;
constexpr std::size_t kRequestBytes = 4096;
// Somebody who says nothing keeps the others waiting for so long.
constexpr int kPatienceMs = 1000;
constexpr int kReads = 16;

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

Result<Address> ParseAddress(const std::string& text) {
  Error wrong{Reason::kConfigInvalid, "metrics.listen",
              "must be a numeric address and a port, like 127.0.0.1:9101 or [::]:9101; not '" + text + "'"};
  auto colon = text.rfind(':');
  if (colon == std::string::npos) return wrong;
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data() + colon + 1, end, port);
  if (error != std::errc() || stop != end || colon + 1 == text.size()) return wrong;
  std::string host = text.substr(0, colon);
  Address address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    if (::inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &six.sin6_addr) != 1) return wrong;
    std::memcpy(&address.storage, &six, sizeof(six));
    address.size = sizeof(six);
    return address;
  }
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(port);
  if (::inet_pton(AF_INET, host.c_str(), &four.sin_addr) != 1) return wrong;
  std::memcpy(&address.storage, &four, sizeof(four));
  address.size = sizeof(four);
  return address;
}

int PortOf(int listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getsockname(listener, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &storage, sizeof(six));
    return ntohs(six.sin6_port);
  }
  sockaddr_in four{};
  std::memcpy(&four, &storage, sizeof(four));
  return ntohs(four.sin_port);
}

bool Await(int fd, short events) {
  pollfd descriptor{fd, events, 0};
  return ::poll(&descriptor, 1, kPatienceMs) > 0;
}

// The head of a request, up to the empty line; what is there of it if it does not come.
std::string ReceiveHead(int connection) {
  std::string head;
  std::array<char, 1024> chunk{};
  for (int reads = 0; reads < kReads && head.size() < kRequestBytes; ++reads) {
    if (head.find("\r\n\r\n") != std::string::npos) break;
    if (!Await(connection, POLLIN)) break;
    ssize_t got = ::recv(connection, chunk.data(), chunk.size(), 0);
    if (got <= 0) break;
    head.append(chunk.data(), static_cast<std::size_t>(got));
  }
  return head;
}

void SendAll(int connection, std::string_view text) {
  while (!text.empty() && Await(connection, POLLOUT)) {
    ssize_t sent = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(sent));
  }
}

}  // namespace

Status CheckListenAddress(const std::string& address) {
  auto parsed = ParseAddress(address);
  if (!parsed.ok()) return std::move(parsed).error();
  return Ok();
}

Result<std::unique_ptr<MetricsListener>> MetricsListener::Start(const std::string& address,
                                                                std::function<std::string()> text) {
  ASSIGN_OR_RETURN(Address parsed, ParseAddress(address));
  int listener = ::socket(parsed.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int yes = 1;
  std::array<int, 2> wake{-1, -1};
  if (listener < 0 || ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
      ::bind(listener, reinterpret_cast<const sockaddr*>(&parsed.storage), parsed.size) != 0 ||
      ::listen(listener, kBacklog) != 0 || ::pipe2(wake.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    Error error{Reason::kNetworkUnavailable, "metrics.listen",
                "cannot listen at " + address + ": " + std::generic_category().message(errno)};
    if (listener >= 0) ::close(listener);
    return error;
  }
  return std::unique_ptr<MetricsListener>(
      new MetricsListener(listener, wake[0], wake[1], PortOf(listener), std::move(text)));
}

MetricsListener::MetricsListener(int listener, int wake_read, int wake_write, int port,
                                 std::function<std::string()> text)
    : listener_(listener), wake_read_(wake_read), wake_write_(wake_write), port_(port), text_(std::move(text)) {
  // Signals are for the thread that attests.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  thread_ = std::thread([this] { Run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

MetricsListener::~MetricsListener() {
  static_cast<void>(!::write(wake_write_, "", 1));
  thread_.join();
  for (int fd : {listener_, wake_read_, wake_write_}) ::close(fd);
}

void MetricsListener::Run() {
  for (;;) {
    std::array<pollfd, 2> descriptors{{{listener_, POLLIN, 0}, {wake_read_, POLLIN, 0}}};
    if (::poll(descriptors.data(), descriptors.size(), -1) < 0 && errno != EINTR) return;
    if (descriptors[1].revents != 0) return;
    int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection < 0) {
      // Out of descriptors: the connection stays in the queue, so it is asked for again, but not at once.
      if (errno == EMFILE || errno == ENFILE) static_cast<void>(Await(wake_read_, POLLIN));
      continue;
    }
    Serve(connection);
    ::close(connection);
  }
}

void MetricsListener::Serve(int connection) const {
  std::string head = ReceiveHead(connection);
  std::string_view line = std::string_view(head).substr(0, head.find("\r\n"));
  std::string_view status = "404 Not Found";
  std::string body = "only GET /metrics is here\n";
  if (head.find("\r\n\r\n") == std::string::npos) {
    status = "400 Bad Request";
    body = "not a request\n";
  } else if (line == "GET /metrics HTTP/1.1" || line == "GET /metrics HTTP/1.0") {
    status = "200 OK";
    body = text_();
  }
  std::string answer = "HTTP/1.1 ";
  answer.append(status).append("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: ");
  answer.append(std::to_string(body.size())).append("\r\nConnection: close\r\n\r\n").append(body);
  SendAll(connection, answer);
  ::shutdown(connection, SHUT_WR);
}

}  // namespace gatehouse::agent
