#include "common/net/https_transport.h"

#include <algorithm>
#include <condition_variable>
#include <list>
#include <mutex>

#include "common/base/limits.h"
#include "common/net/address.h"
#include "common/net/channel.h"
#include "common/net/exchange.h"
#include "common/net/http_head.h"
#include "common/net/proxy.h"
#include "common/net/resolver.h"
#include "common/net/tls.h"

namespace gatehouse::net {
namespace {

// RFC 9110 section 9.2.2.
bool IsIdempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS";
}

std::string NameOf(const std::string& host, int port) {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

// Connections that wait for their next request, each held by one exchange at a time.
class IdlePool {
 public:
  explicit IdlePool(std::size_t per_origin) : per_origin_(per_origin) {}

  // The one used last, if it still stands.
  std::unique_ptr<Channel> Take(const std::string& origin) {
    while (true) {
      std::unique_ptr<Channel> channel;
      {
        std::scoped_lock lock(mutex_);
        auto found = std::find_if(idle_.begin(), idle_.end(), [&](const Idle& idle) { return idle.origin == origin; });
        if (found == idle_.end()) return nullptr;
        channel = std::move(found->channel);
        idle_.erase(found);
      }
      if (channel->IsQuiet()) return channel;
    }
  }

  void Put(const std::string& origin, std::unique_ptr<Channel> channel) {
    std::list<Idle> dropped;  // closed after the lock is released
    std::scoped_lock lock(mutex_);
    idle_.push_front({origin, std::move(channel)});
    std::size_t of_origin = 0;
    std::size_t all = 0;
    for (auto idle = idle_.begin(); idle != idle_.end();) {
      auto next = std::next(idle);
      bool surplus = (idle->origin == origin && ++of_origin > per_origin_) || ++all > limits::kIdleConnections;
      if (surplus) dropped.splice(dropped.end(), idle_, idle);
      idle = next;
    }
  }

 private:
  struct Idle {
    std::string origin;
    std::unique_ptr<Channel> channel;
  };
  const std::size_t per_origin_;
  std::mutex mutex_;
  std::list<Idle> idle_;  // most recently used first
};

// How many exchanges may be under way, per origin and in all; 0: any number.
class Slots {
 public:
  Slots(std::size_t per_origin, std::size_t all) : per_origin_(per_origin), most_(all) {}

  // Held until it is destroyed.
  class Slot {
   public:
    Slot() = default;
    Slot(Slots& slots, const std::string& origin) : slots_(&slots), origin_(origin) {}
    Slot(Slot&& other) noexcept : slots_(std::exchange(other.slots_, nullptr)), origin_(std::move(other.origin_)) {}
    Slot& operator=(Slot&&) = delete;
    ~Slot() {
      if (slots_ != nullptr) slots_->Release(origin_);
    }

   private:
    Slots* slots_ = nullptr;
    std::string origin_;
  };

  Result<Slot> Acquire(const std::string& origin, const std::string& name, const Deadline& deadline) {
    if (per_origin_ == 0 && most_ == 0) return Slot();
    std::unique_lock lock(mutex_);
    auto has_room = [&] {
      auto found = under_way_.find(origin);
      std::size_t here = found == under_way_.end() ? 0 : found->second;
      return (per_origin_ == 0 || here < per_origin_) && (most_ == 0 || all_ < most_);
    };
    // Time that was waited is time passed, also where the deadline's clock is a test's.
    if (!freed_.wait_for(lock, deadline.Remaining(), has_room))
      return Error{Reason::kDeadlineExceeded, name,
                   "as many requests as are allowed at once were under way all the time"};
    ++under_way_[origin];
    ++all_;
    return Slot(*this, origin);
  }

 private:
  void Release(const std::string& origin) {
    {
      std::scoped_lock lock(mutex_);
      auto found = under_way_.find(origin);
      if (--found->second == 0) under_way_.erase(found);
      --all_;
    }
    freed_.notify_all();
  }

  const std::size_t per_origin_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable freed_;
  std::map<std::string, std::size_t> under_way_;
  std::size_t all_ = 0;
};

// RFC 9110 section 9.3.6. Reads byte by byte, so that nothing of the tunnel is taken with the proxy's answer.
Status OpenTunnel(Channel& channel, const Url& url, const Proxy& proxy, const Deadline& deadline) {
  std::string target = NameOf(url.host, url.port);
  std::string request = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
  if (!proxy.authorization.empty()) request += "Proxy-Authorization: " + proxy.authorization + "\r\n";
  RETURN_IF_ERROR(channel.Write(request + "\r\n", deadline));
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    char byte = 0;
    ASSIGN_OR_RETURN(std::size_t count, channel.Read(&byte, 1, deadline));
    if (count == 0) return Error{Reason::kNetworkUnavailable, channel.name(), "the proxy closed the connection"};
    head += byte;
    if (head.size() > limits::kHttpHeaderLineBytes) {
      return Error{Reason::kLimitExceeded, channel.name(), "the proxy's answer to CONNECT is too long"};
    }
  }
  ASSIGN_OR_RETURN(ResponseHead answer, ParseResponseHead(head, channel.name()));
  if (answer.status > 299) {
    return Error{Reason::kNetworkUnavailable, channel.name(),
                 "the proxy refused to connect to " + target + " with status " + std::to_string(answer.status)};
  }
  return Ok();
}

class HttpsTransport final : public StreamTransport {
 public:
  explicit HttpsTransport(TransportOptions options)
      : options_(std::move(options)),
        slots_(options_.connections_per_origin, options_.connections),
        idle_(options_.idle_connections_per_origin) {}

  Status Prepare() {
    RETURN_IF_ERROR(options_.proxy.Validate());
    ASSIGN_OR_RETURN(tls_, TlsContext::Make(options_.tls, options_.resume_tls_sessions));
    for (const auto& [authority, options] : options_.tls_by_host) {
      auto context = TlsContext::Make(options, options_.resume_tls_sessions);
      if (!context.ok()) return context.error().In(authority);
      tls_by_host_[authority] = std::move(context).value();
    }
    return Ok();
  }

  Result<HttpResponse> Send(const HttpRequest& request, const Deadline& caller_deadline) override {
    // An exchange's own time begins when its turn has come.
    ASSIGN_OR_RETURN(auto slot, slots_.Acquire(request.url.Origin(), request.url.Authority(), caller_deadline));
    // Which of the two limits comes first decides what its passing is called.
    bool own_limit = caller_deadline.Remaining() > options_.exchange_time;
    auto response = SendOnce(request, caller_deadline.Sooner(options_.exchange_time));
    if (response.ok() || !own_limit || response.error().reason != Reason::kDeadlineExceeded) return response;
    return OwnLimit(response.error());
  }

  Result<HttpResponse> Stream(const HttpRequest& request, const OnBody& on_body, const Deadline& deadline) override {
    // The answer has to begin within what an ordinary exchange has; only its body may last.
    bool own_limit = deadline.Remaining() > options_.exchange_time;
    bool begun = false;
    auto receive = [&](std::string_view piece) {
      begun = true;
      return on_body(piece);
    };
    const OnBody receiver = receive;
    auto response = StreamOnce(request, {receiver, deadline}, deadline.Sooner(options_.exchange_time));
    if (response.ok() || begun || !own_limit || response.error().reason != Reason::kDeadlineExceeded) return response;
    return OwnLimit(response.error());
  }

 private:
  // How a request goes out: straight or by a proxy.
  struct Route {
    std::optional<Proxy> proxy;
    std::string target;
    Headers extra;
  };

  [[nodiscard]] Error OwnLimit(const Error& error) const {
    return {Reason::kNetworkUnavailable, error.where,
            error.detail + " (" + std::to_string(options_.exchange_time.count() / 1000) + " s)"};
  }

  Result<Route> RouteOf(const HttpRequest& request) const {
    RETURN_IF_ERROR(CheckRequest(request));
    Route route;
    ASSIGN_OR_RETURN(route.proxy, ProxyFor(options_.proxy, request.url));
    bool forward = route.proxy.has_value() && request.url.scheme == "http";
    route.target = forward ? request.url.ToString() : request.url.target;
    if (forward && !route.proxy->authorization.empty()) {
      route.extra.emplace_back("Proxy-Authorization", route.proxy->authorization);
    }
    return route;
  }

  Result<HttpResponse> StreamOnce(const HttpRequest& request, const BodyStream& body, const Deadline& deadline) {
    ASSIGN_OR_RETURN(Route route, RouteOf(request));
    ASSIGN_OR_RETURN(auto channel, Connect(request.url, route.proxy, deadline));
    ExchangeOutcome outcome;
    return RunExchange(*channel, request, route.target, route.extra, deadline, outcome, &body);
  }

  Result<HttpResponse> SendOnce(const HttpRequest& request, const Deadline& deadline) {
    const std::string origin = request.url.Origin();
    ASSIGN_OR_RETURN(Route route, RouteOf(request));

    std::unique_ptr<Channel> channel = idle_.Take(origin);
    bool reused = channel != nullptr;
    while (true) {
      if (channel == nullptr) {
        ASSIGN_OR_RETURN(channel, Connect(request.url, route.proxy, deadline));
      }
      ExchangeOutcome outcome;
      auto response = RunExchange(*channel, request, route.target, route.extra, deadline, outcome);
      if (response.ok()) {
        if (outcome.reusable) idle_.Put(origin, std::move(channel));
        return response;
      }
      // RFC 9112 section 9.3.1: a server may close an idle connection at any time, also while the request is under way,
      // and a client may repeat an idempotent request then. Once, on a new connection.
      bool stale = reused && !outcome.answered && response.error().reason == Reason::kNetworkUnavailable;
      if (!stale || !IsIdempotent(request.method)) return response;
      reused = false;
      channel = nullptr;
    }
  }

  [[nodiscard]] bool IsRefused(const IpAddress& address) const {
    return address.IsLocal() || (options_.deny_private_addresses && address.IsPrivate());
  }

  Result<std::unique_ptr<Channel>> Connect(const Url& url, const std::optional<Proxy>& proxy,
                                           const Deadline& deadline) {
    const std::string name = NameOf(url.host, url.port);
    bool checked = options_.deny_local_addresses &&
                   std::find(options_.local_address_exceptions.begin(), options_.local_address_exceptions.end(),
                             url.Authority()) == options_.local_address_exceptions.end();
    // Behind a proxy only a literal address can be judged here; a name is the proxy's to resolve.
    if (auto literal = IpAddress::Parse(url.host); checked && literal.has_value() && IsRefused(*literal)) {
      return Error{Reason::kAddressRefused, name, "the address is a loopback, link-local or private one"};
    }
    const std::string& host = proxy.has_value() ? proxy->host : url.host;
    ASSIGN_OR_RETURN(std::vector<IpAddress> addresses, Resolve(host, deadline));
    if (checked && !proxy.has_value()) {
      auto refused = std::erase_if(addresses, [this](const IpAddress& address) { return IsRefused(address); });
      if (refused > 0 && addresses.empty()) {
        return Error{Reason::kAddressRefused, name, "the name resolves to a loopback, link-local or private address"};
      }
    }
    int port = proxy.has_value() ? proxy->port : url.port;
    const std::string via = proxy.has_value() ? name + " by proxy " + NameOf(host, port) : name;
    auto own = tls_by_host_.find(url.Authority());
    TlsContext& context = own == tls_by_host_.end() ? *tls_ : *own->second;
    for (bool resume = true;; resume = false) {
      ASSIGN_OR_RETURN(auto channel, Channel::Dial(addresses, port, via, deadline));
      if (url.scheme == "http") return channel;
      if (proxy.has_value()) RETURN_IF_ERROR(OpenTunnel(*channel, url, *proxy, deadline));
      Status started = channel->StartTls(context, url.host, deadline, resume);
      if (started.ok()) return channel;
      // A server that fails at resuming is asked for a handshake of its own.
      if (!channel->offered_session() || started.error().reason != Reason::kNetworkUnavailable) return started.error();
    }
  }

  Result<std::vector<IpAddress>> Resolve(const std::string& host, const Deadline& deadline) const {
    if (auto literal = IpAddress::Parse(host); literal.has_value()) return std::vector<IpAddress>{*literal};
    if (!options_.resolve) return resolver_.Resolve(host, deadline);
    ASSIGN_OR_RETURN(std::vector<std::string> texts, options_.resolve(host));
    std::vector<IpAddress> addresses;
    for (const std::string& text : texts) {
      auto address = IpAddress::Parse(text);
      if (!address.has_value()) return Error{Reason::kInternal, host, "the resolver gave something that is no address"};
      addresses.push_back(*address);
    }
    return addresses;
  }

  const TransportOptions options_;
  std::unique_ptr<TlsContext> tls_;
  std::map<std::string, std::unique_ptr<TlsContext>> tls_by_host_;
  SystemResolver resolver_;
  Slots slots_;
  IdlePool idle_;
};

}  // namespace

Result<std::unique_ptr<HttpTransport>> MakeHttpsTransport(TransportOptions options) {
  auto transport = std::make_unique<HttpsTransport>(std::move(options));
  RETURN_IF_ERROR(transport->Prepare());
  return std::unique_ptr<HttpTransport>(std::move(transport));
}

Result<std::unique_ptr<StreamTransport>> MakeStreamTransport(TransportOptions options) {
  auto transport = std::make_unique<HttpsTransport>(std::move(options));
  RETURN_IF_ERROR(transport->Prepare());
  return std::unique_ptr<StreamTransport>(std::move(transport));
}

}  // namespace gatehouse::net
