#include "webhook/server/http_library.h"

#include <fcntl.h>
#include <httplib.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace gatehouse::webhook {
namespace {

constexpr int kBacklog = 1024;  // cut to net.core.somaxconn by the kernel

// The library reads a request from one and writes the response to it.
class MemoryStream final : public httplib::Stream {
 public:
  MemoryStream(std::string_view line, std::string& out) : line_(line), out_(out) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    // The request line, its CRLF, and the blank line that ends a head without fields.
    static constexpr std::string_view kEnd = "\r\n\r\n";
    const std::string_view rest =
        at_ < line_.size() ? line_.substr(at_) : kEnd.substr(std::min(at_ - line_.size(), kEnd.size()));
    const std::size_t count = std::min(size, rest.size());
    std::copy_n(rest.begin(), count, to);
    at_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    out_.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return 0; }  // a real one above FD_SETSIZE would be answered by 500

 private:
  std::string_view line_;
  std::string& out_;
  std::size_t at_ = 0;
};

class Listener final : public httplib::Server {
 public:
  // The socket, which is the caller's then; -1 with errno.
  int Bind(const ListenAddress& address) {
    set_address_family(address.ipv6 ? AF_INET6 : AF_INET);
    set_socket_options([](socket_t socket) {
      const int on = 1;
      setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    });
    errno = 0;
    const bool bound = address.port == 0 ? bind_to_any_port(address.host, AI_NUMERICHOST) > 0
                                         : bind_to_port(address.host, address.port, AI_NUMERICHOST);
    const int failure = errno;
    const int descriptor = svr_sock_.exchange(INVALID_SOCKET);
    errno = failure;
    return bound ? descriptor : -1;
  }
};

}  // namespace

class HttpLibrary::Adapter final : public httplib::Server {
 public:
  Adapter(Duration idle_timeout, std::size_t max_requests, std::string listener, telemetry::Logger& log)
      : listener_(std::move(listener)), log_(log) {
    set_keep_alive_timeout(std::chrono::duration_cast<std::chrono::seconds>(idle_timeout).count());
    set_keep_alive_max_count(max_requests);
    set_pre_routing_handler([](const httplib::Request& request, httplib::Response& response) {
      Handle(request, response);
      return HandlerResponse::Handled;
    });
    // Without one the library sends what() to the client, in the field EXCEPTION_WHAT.
    set_exception_handler(
        [this](const httplib::Request&, httplib::Response& response, const std::exception_ptr& thrown) {
          LogException(thrown);
          response.headers.clear();
          response.status = 500;
          response.body = R"({"error":"internal error"})";
          response.set_header("Content-Type", "application/json");
        });
    set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      if (!current->allow.empty()) response.set_header("Allow", std::string(current->allow));
      if (!current->close()) return;
      response.headers.erase("Keep-Alive");
      if (!response.has_header("Connection")) response.set_header("Connection", "close");
    });
  }

  void Respond(const Exchange& exchange, std::string& out) {
    MemoryStream stream(exchange.request_line, out);
    current = &exchange;
    bool ignored = false;
    process_request(stream, /*close_connection=*/false, ignored, nullptr);
    current = nullptr;
  }

 private:
  static void Handle(const httplib::Request& request, httplib::Response& response) {
    // Twice given, which one is meant would be a guess.
    const auto [first, last] = request.params.equal_range("timeout");
    if (first != last && std::next(first) != last) {
      response.status = 400;
      response.body = R"({"error":"timeout is given twice"})";
      response.set_header("Content-Type", "application/json");
      return;
    }
    HttpReply reply = current->handle(first == last ? std::nullopt : std::optional(first->second));
    response.status = reply.status;
    response.body = std::move(reply.body);
    if (!response.body.empty()) response.set_header("Content-Type", reply.content_type);
  }

  void LogException(const std::exception_ptr& thrown) {
    std::string what = "not a std::exception";
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& exception) {
      what = exception.what();
    } catch (...) {  // `what` says so already
    }
    log_.Error("a handler threw; the request is answered by 500", {{"listener", listener_}, {"detail", what}});
  }

  // The library's hooks are told nothing but the request; they run on the thread that called Respond().
  static thread_local const Exchange* current;  // lint-ok: M12 of a thread, and of one call
  const std::string listener_;
  telemetry::Logger& log_;
};

thread_local const HttpLibrary::Exchange* HttpLibrary::Adapter::current = nullptr;

HttpLibrary::HttpLibrary(Duration idle_timeout, std::size_t max_requests, std::string listener, telemetry::Logger& log)
    : adapter_(std::make_unique<Adapter>(idle_timeout, max_requests, std::move(listener), log)) {}
HttpLibrary::~HttpLibrary() = default;

void HttpLibrary::Respond(const Exchange& exchange, std::string& out) {
  adapter_->Respond(exchange, out);
}

void HttpLibrary::Refuse(int status, std::string_view why, std::string_view allow, std::string& out) {
  const auto reply = [&](const std::optional<std::string>&) {
    return HttpReply{status, R"({"error":")" + std::string(why) + "\"}"};
  };
  // The library writes a response to a request only; this one stands for the one that was refused, whatever it was.
  adapter_->Respond(Exchange{"POST / HTTP/1.1", reply, [] { return true; }, allow}, out);
}

Result<int> ListenOn(const ListenAddress& address) {
  int descriptor = -1;
  if (address.host.empty()) {
    descriptor = Listener().Bind({"::", address.port, true});
    if (descriptor < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {  // a machine without IPv6
      descriptor = Listener().Bind({"0.0.0.0", address.port, false});
    }
  } else {
    descriptor = Listener().Bind(address);
  }
  if (descriptor < 0) {
    const std::string why = errno == 0 ? "failed" : std::strerror(errno);
    return Error{Reason::kConfigInvalid, address.ToString(), "cannot be listened on: " + why};
  }
  listen(descriptor, kBacklog);
  const int flags = fcntl(descriptor, F_GETFL);
  fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
  return descriptor;
}

int BoundPort(int descriptor) {
  sockaddr_storage address{};
  socklen_t size = sizeof(address);
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  // The port is at the same place in both.
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  sockaddr_in6 v6{};
  std::memcpy(&v6, &address, sizeof(v6));
  return ntohs(v6.sin6_port);
}

}  // namespace gatehouse::webhook
