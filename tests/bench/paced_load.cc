// paced_load PORT PATH BODY_FILE RATE SECONDS CONNECTIONS: POSTs at a fixed rate over kept-alive TLS connections and
// prints latency percentiles, counted from when each request was due, so that a server that stalls cannot hide it.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

SSL* Connect(SSL_CTX* context, int port) {
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int one = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return nullptr;
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  return SSL_connect(ssl) == 1 ? ssl : nullptr;
}

// Reads one response with a Content-Length; whether it is a 200.
bool ReadResponse(SSL* ssl, std::string& buffer) {
  buffer.clear();
  char chunk[16384];
  std::size_t need = std::string::npos;
  while (buffer.size() < need) {
    int n = SSL_read(ssl, chunk, sizeof chunk);
    if (n <= 0) return false;
    buffer.append(chunk, static_cast<std::size_t>(n));
    auto head = buffer.find("\r\n\r\n");
    if (need == std::string::npos && head != std::string::npos) {
      auto at = buffer.find("Content-Length: ");
      if (at == std::string::npos) return false;
      need = head + 4 + std::strtoul(buffer.c_str() + at + 16, nullptr, 10);
    }
  }
  return buffer.starts_with("HTTP/1.1 200");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  int port = static_cast<int>(std::strtol(argv[1], nullptr, 10));
  std::ostringstream body;
  body << std::ifstream(argv[3]).rdbuf();
  double rate = std::strtod(argv[4], nullptr);
  double seconds = std::strtod(argv[5], nullptr);
  auto connections = std::strtoul(argv[6], nullptr, 10);
  std::string request = std::string("POST ") + argv[2] +
                        " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
                        std::to_string(body.str().size()) + "\r\n\r\n" + body.str();

  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  std::mutex mutex;
  std::vector<double> latencies_ms;
  std::size_t failures = 0;
  auto start = Clock::now() + std::chrono::milliseconds(100);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      SSL* ssl = Connect(context, port);
      std::vector<double> mine;
      std::size_t failed = ssl == nullptr ? 1 : 0;
      std::string buffer;
      auto total = static_cast<std::size_t>(rate * seconds);
      for (std::size_t n = i; ssl != nullptr && n < total; n += connections) {
        auto due = start + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(static_cast<double>(n) / rate));
        std::this_thread::sleep_until(due);
        if (SSL_write(ssl, request.data(), static_cast<int>(request.size())) <= 0 || !ReadResponse(ssl, buffer)) {
          ++failed;
          break;
        }
        mine.push_back(std::chrono::duration<double, std::milli>(Clock::now() - due).count());
      }
      std::lock_guard lock(mutex);
      latencies_ms.insert(latencies_ms.end(), mine.begin(), mine.end());
      failures += failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (latencies_ms.empty()) return 1;
  std::sort(latencies_ms.begin(), latencies_ms.end());
  auto at = [&](double q) {
    return latencies_ms[static_cast<std::size_t>(q * static_cast<double>(latencies_ms.size() - 1))];
  };
  std::printf(
      "%zu requests at %.0f/s over %lu connections: p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, max %.2f ms, %zu failed\n",
      latencies_ms.size(), rate, connections, at(0.5), at(0.9), at(0.99), latencies_ms.back(), failures);
  return failures == 0 ? 0 : 1;
}
