#include "tests/bench/far_registry.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <list>
#include <thread>

namespace gatehouse::bench {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr std::size_t kPieceBytes = 64 * 1024;

// One direction of a connection.
struct Stream {
  struct Piece {
    SteadyTime due;
    std::string bytes;  // empty: the end
  };
  int from;
  int to;
  SteadyTime not_before;  // nothing was under way earlier than this
  std::deque<Piece> pieces = {};
  bool read_all = false;
  bool done = false;
};

struct Pair {
  int client;
  int server;
  Stream there;
  Stream back;
};

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void WithoutDelay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void Receive(Stream& stream, std::chrono::microseconds half) {
  std::string bytes(kPieceBytes, '\0');
  const ssize_t count = recv(stream.from, bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  stream.read_all = bytes.empty();
  stream.pieces.push_back({std::max(std::chrono::steady_clock::now(), stream.not_before) + half, std::move(bytes)});
}

// What is due. A peer that takes nothing more ends the stream.
void Deliver(Stream& stream, SteadyTime now) {
  while (!stream.pieces.empty() && stream.pieces.front().due <= now) {
    std::string& bytes = stream.pieces.front().bytes;
    if (bytes.empty()) {
      shutdown(stream.to, SHUT_WR);
      stream.done = true;
    } else {
      const ssize_t count = send(stream.to, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (count < 0 && errno == EAGAIN) return;
      if (count < 0) {
        stream.read_all = stream.done = true;
        stream.pieces.clear();
        return;
      }
      bytes.erase(0, static_cast<std::size_t>(count));
      if (!bytes.empty()) return;
    }
    stream.pieces.pop_front();
  }
}

}  // namespace

struct Relay::Impl {
  Impl(int to, Duration time) : to_port(to), round_trip(time), half(std::chrono::microseconds(time) / 2) {}

  const int to_port;
  const Duration round_trip;
  const std::chrono::microseconds half;
  int listener = -1;
  int port = 0;
  int stop = -1;  // readable: end
  std::list<Pair> pairs;
  std::atomic<std::size_t> opened = 0;
  std::atomic<std::size_t> most_at_once = 0;
  std::thread thread;

  void Listen() {
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    stop = eventfd(0, EFD_CLOEXEC);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 256) != 0) std::abort();
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
  }

  void Accept() {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(to_port);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      close(server);
      close(client);
      return;
    }
    WithoutDelay(client);
    WithoutDelay(server);
    const SteadyTime now = std::chrono::steady_clock::now();
    pairs.push_back({client, server, {client, server, now + round_trip}, {server, client, now}});
    ++opened;
    most_at_once = std::max(most_at_once.load(), pairs.size());
  }

  // Until something happens or is due.
  void Wait(std::vector<pollfd>& polled) const {
    polled = {{stop, POLLIN, 0}, {listener, POLLIN, 0}};
    std::optional<SteadyTime> next;
    for (const Pair& pair : pairs) {
      for (const Stream* stream : {&pair.there, &pair.back}) {
        polled.push_back({stream->read_all ? -1 : stream->from, POLLIN, 0});
        if (!stream->pieces.empty() && (!next || stream->pieces.front().due < *next)) {
          next = stream->pieces.front().due;
        }
      }
    }
    timespec wait{};
    if (next.has_value()) {
      // A socket that is full is tried again after a while.
      const auto left =
          std::max<std::chrono::nanoseconds>(*next - std::chrono::steady_clock::now(), std::chrono::microseconds(100));
      wait = {left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    }
    ppoll(polled.data(), polled.size(), next.has_value() ? &wait : nullptr, nullptr);
  }

  void Run() {
    std::vector<pollfd> polled;
    while (true) {
      Wait(polled);
      if (polled[0].revents != 0) return;
      std::size_t i = 2;
      for (Pair& pair : pairs) {
        for (Stream* stream : {&pair.there, &pair.back}) {
          if (polled[i++].revents != 0) Receive(*stream, half);
          Deliver(*stream, std::chrono::steady_clock::now());
        }
      }
      if (polled[1].revents != 0) Accept();
      std::erase_if(pairs, [](const Pair& pair) {
        const bool over = pair.there.done && pair.back.done;
        if (over) Close(pair);
        return over;
      });
    }
  }

  static void Close(const Pair& pair) {
    close(pair.client);
    close(pair.server);
  }
};

Relay::Relay(int to_port, Duration round_trip) : impl_(std::make_unique<Impl>(to_port, round_trip)) {
  impl_->Listen();
  impl_->thread = std::thread([this] { impl_->Run(); });
}

Relay::~Relay() {
  const std::uint64_t one = 1;
  if (write(impl_->stop, &one, sizeof one) != sizeof one) std::abort();
  impl_->thread.join();
  for (const Pair& pair : impl_->pairs) Impl::Close(pair);
  close(impl_->listener);
  close(impl_->stop);
}

int Relay::port() const {
  return impl_->port;
}
std::size_t Relay::opened() const {
  return impl_->opened;
}
std::size_t Relay::most_at_once() const {
  return impl_->most_at_once;
}

namespace {

int PortOf(const std::string& host) {
  return std::stoi(host.substr(host.rfind(':') + 1));
}

}  // namespace

FarRegistry::FarRegistry(Duration round_trip, std::size_t threads)
    : ca_(fakes::RootOfToday("bench")),
      registry_(fakes::IssueServerTls(ca_, "IP:127.0.0.1"), "127.0.0.1", threads),
      relay_(PortOf(registry_.host()), round_trip) {}

std::string FarRegistry::host() const {
  return "127.0.0.1:" + std::to_string(relay_.port());
}

}  // namespace gatehouse::bench
