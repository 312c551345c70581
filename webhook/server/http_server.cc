#include "webhook/server/http_server.h"

#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "webhook/server/http_connection.h"

namespace gatehouse::webhook {
namespace {

constexpr Duration kDrainGrace{1'000};

// Deadlines are kept to a quarter of the shortest one, and no more often than needed.
Duration Tick(const ListenerOptions& options) {
  const Duration shortest = std::min({options.read_timeout, options.idle_timeout, options.tls_check_interval});
  return std::clamp(shortest / 4, Duration(5), Duration(250));
}

}  // namespace

struct HttpServer::Impl {
  Impl(ListenerOptions options, ListenAddress at, std::unique_ptr<ServingTls> serving, const Clock& clock,
       telemetry::Logger& log)
      : address(std::move(at)),
        tls(std::move(serving)),
        state{options,
              clock,
              log,
              HttpLibrary(options.idle_timeout, options.max_requests_per_connection, options.name, log),
              {}},
        reactor(ReactorOptions(), clock, log) {}

  Reactor::Options ReactorOptions() {
    Reactor::Options wanted;
    wanted.name = state.options.name;
    wanted.max_threads = state.options.max_threads;
    wanted.max_connections = state.options.max_connections;
    wanted.tick = Tick(state.options);
    wanted.open = [this](int descriptor, std::string peer) { return Open(descriptor, std::move(peer)); };
    if (tls) wanted.on_tick = [this] { RefreshTls(); };
    return wanted;
  }

  std::unique_ptr<Session> Open(int descriptor, std::string peer) {
    SslPtr ssl = tls ? tls->NewConnection(descriptor) : nullptr;
    if (tls && ssl == nullptr) {
      close(descriptor);
      return nullptr;
    }
    return std::make_unique<HttpConnection>(state, descriptor, std::move(ssl), std::move(peer));
  }

  void RefreshTls() {
    const MonoTime now = state.clock.Mono();
    if (now - tls_checked < state.options.tls_check_interval) return;
    tls_checked = now;
    tls->Refresh();
  }

  const ListenAddress address;
  const std::unique_ptr<ServingTls> tls;
  ListenerState state;
  std::atomic<int> port{0};
  MonoTime tls_checked{};  // only on the reactor's own thread
  Reactor reactor;         // last: its threads use the others
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::Make(ListenerOptions options, const Clock& clock,
                                                     telemetry::Logger& log) {
  const auto in_listener = [&](const Error& error) { return error.In(options.name); };
  Result<ListenAddress> address = ParseListenAddress(options.address);
  if (!address.ok()) return in_listener(address.error());
  std::unique_ptr<ServingTls> tls;
  if (options.tls) {
    Result<std::unique_ptr<ServingTls>> made = ServingTls::Make(*options.tls, options.name, clock, log);
    if (!made.ok()) return in_listener(made.error());
    tls = std::move(made).value();
  }
  // A peer that is gone is an error of that connection, not the end of the program.
  std::signal(SIGPIPE, SIG_IGN);
  return std::unique_ptr<HttpServer>(new HttpServer(
      std::make_unique<Impl>(std::move(options), std::move(address).value(), std::move(tls), clock, log)));
}

void HttpServer::Route(RouteOptions options, Handler handler) {
  std::vector<RouteEntry>& entries = impl_->state.routes[options.path];
  entries.push_back(RouteEntry{std::move(options), std::move(handler)});
}

Status HttpServer::Start() {
  Result<int> listener = ListenOn(impl_->address);
  if (!listener.ok()) return listener.error().In(impl_->state.options.name);
  impl_->port = BoundPort(*listener);
  RETURN_IF_ERROR(impl_->reactor.Start(*listener));
  const std::string at =
      ListenAddress{impl_->address.host, static_cast<std::uint16_t>(port()), impl_->address.ipv6}.ToString();
  impl_->state.log.Info("listening", {{"listener", impl_->state.options.name}, {"address", at}});
  return Ok();
}

int HttpServer::port() const {
  return impl_->port;
}

void HttpServer::Drain(Duration within) {
  impl_->state.draining = true;
  impl_->reactor.Drain(std::min(kDrainGrace, within / 4), within);
}

std::optional<WallTime> HttpServer::CertificateExpiry() const {
  if (!impl_->tls) return std::nullopt;
  return impl_->tls->Expiry();
}

}  // namespace gatehouse::webhook
