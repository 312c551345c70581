#include "common/kube/api.h"

#include <charconv>
#include <thread>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/kube/rate_limiter.h"

namespace gatehouse::kube {
namespace {

using codec::JsonDocument;
using codec::JsonView;

constexpr std::size_t kShownBytes = 600;  // of a message of the server: admission webhooks write long ones
constexpr std::size_t kPathBytes = 300;   // of a path, in messages

// One segment of a path. "." and ".." are no names, and would be taken for steps by whatever is in between.
std::string Segment(std::string_view name) {
  if (name == ".") return "%2E";
  if (name == "..") return "%2E%2E";
  return net::EncodeQueryValue(name);
}

std::string WithoutQuery(const std::string& path) {
  return path.substr(0, path.find('?'));
}

// Whether `path` ends at a resource and not at an object of it: "/api/v1/nodes", "/apis/G/V/namespaces/NS/leases".
bool IsCollection(const std::string& path) {
  std::vector<std::string> parts;
  std::string_view rest = std::string_view(path).substr(0, path.find('?'));
  while (!rest.empty()) {
    std::size_t slash = rest.find('/');
    if (slash != 0) parts.emplace_back(rest.substr(0, slash));
    rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
  }
  std::size_t prefix = !parts.empty() && parts[0] == "api" ? 2 : 3;
  if (parts.size() <= prefix + 1) return true;
  bool namespaced = parts[prefix] == "namespaces" && parts.size() > prefix + 2;
  return namespaced && parts.size() == prefix + 3;
}

std::string_view ContentTypeOf(PatchType type) {
  switch (type) {
    case PatchType::kMerge:
      return "application/merge-patch+json";
    case PatchType::kStrategic:
      return "application/strategic-merge-patch+json";
    case PatchType::kJson:
      return "application/json-patch+json";
  }
  return "";
}

std::string_view AcceptOf(Form form) {
  switch (form) {
    case Form::kObject:
      return "application/json";
    case Form::kMetadata:
      return "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
    case Form::kMetadataList:
      return "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";
  }
  return "";
}

Reason ReasonOf(int status) {
  switch (status) {
    case 401:
    case 403:
      return Reason::kKubeDenied;
    case 404:
      return Reason::kKubeNotFound;
    case 409:
      return Reason::kKubeConflict;
    case 410:
      return Reason::kKubeExpired;
    case 408:
    case 429:
      return Reason::kKubeUnavailable;
    default:
      return status >= 500 ? Reason::kKubeUnavailable : Reason::kKubeRejected;
  }
}

bool IsSuccess(const net::HttpResponse& response) {
  return response.status >= 200 && response.status < 300;
}

std::string_view OutcomeOf(Reason reason) {
  if (reason == Reason::kKubeDenied) return "denied";
  if (reason == Reason::kKubeNotFound) return "missing";
  if (reason == Reason::kKubeConflict || reason == Reason::kKubeExpired) return "conflict";
  return reason == Reason::kKubeUnavailable ? "unavailable" : "rejected";
}

// What the answer says of itself: a Status object (API conventions, "Response Status Kind"), or text.
std::string MessageOf(const net::HttpResponse& response, bool secret) {
  auto document = JsonDocument::Parse(response.body, {limits::kKubeObjectBytes});
  bool is_status = document.ok() && TextAt(document->root(), {"kind"}) == "Status";
  // The decoder of the API server quotes what it cannot read, which may be a private key.
  if (secret) return is_status ? Printable(TextAt(document->root(), {"reason"}), kShownBytes) : "";
  if (is_status) return Printable(TextAt(document->root(), {"message"}), kShownBytes);
  return Printable(response.body, kShownBytes / 2);
}

Error ErrorOf(const net::HttpResponse& response, const std::string& path) {
  std::string where = Printable(WithoutQuery(path), kPathBytes);
  bool secret = where.find("/secrets") != std::string::npos;
  std::string message = MessageOf(response, secret);
  std::string detail = "the API server answered " + std::to_string(response.status);
  return {ReasonOf(response.status), where, message.empty() ? detail : detail + ": " + message};
}

// What a transport cannot do is an outage; what the server sent in an unknown encoding is not what the API specifies;
// and whoever asked for too much at once can ask for less.
Error TransportError(const Error& error, const std::string& path) {
  Error outer{Reason::kKubeUnavailable, error.where, error.detail};
  if (error.reason == Reason::kLimitExceeded) outer.reason = Reason::kLimitExceeded;
  if (error.reason == Reason::kContentUnsupported) outer.reason = Reason::kKubeRejected;
  if (error.reason == Reason::kInternal) outer.detail = "the request cannot be sent: " + error.detail;
  return outer.In(Printable(WithoutQuery(path), kPathBytes));
}

// RFC 9110 section 10.2.3, the form that API servers use: seconds.
std::optional<Duration> RetryAfter(const net::HttpResponse& response) {
  if (response.status != 429 && response.status != 503) return std::nullopt;
  auto text = response.Header("Retry-After");
  unsigned seconds = 0;
  if (!text.has_value() || text->empty() || text->size() > 6) return std::nullopt;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), seconds);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return std::chrono::seconds(seconds);
}

// "20+" is 20: some providers mark their builds so.
std::optional<int> LeadingNumber(std::string_view text) {
  int value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data() || value < 0) return std::nullopt;
  return value;
}

// Cuts a body into lines.
class LineSplitter {
 public:
  explicit LineSplitter(const std::function<bool(std::string_view)>& on_line) : on_line_(on_line) {}

  // As StreamTransport::OnBody.
  bool Take(std::string_view piece) {
    if (piece.empty()) return on_line_({}) || Stop();
    std::size_t searched = pending_.size();
    pending_ += piece;
    std::size_t start = 0;
    for (std::size_t end = pending_.find('\n', searched); end != std::string::npos; end = pending_.find('\n', start)) {
      std::string_view line = std::string_view(pending_).substr(start, end - start);
      if (line.size() > limits::kKubeObjectBytes) return TooLong();
      if (!line.empty() && !on_line_(line)) return Stop();
      start = end + 1;
    }
    pending_.erase(0, start);
    if (pending_.size() > limits::kKubeObjectBytes) return TooLong();
    // Nothing more is at hand: whoever waits for the end of a run of events need not wait for a tick.
    return !pending_.empty() || on_line_({}) || Stop();
  }
  [[nodiscard]] bool too_long() const { return too_long_; }
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] bool within_line() const { return !pending_.empty(); }

 private:
  bool Stop() {
    stopped_ = true;
    return false;
  }
  bool TooLong() {
    too_long_ = true;
    return false;
  }
  const std::function<bool(std::string_view)>& on_line_;
  std::string pending_;
  bool too_long_ = false;
  bool stopped_ = false;
};

struct Call {
  std::string_view verb;
  std::string method;
  const std::string& path;
  std::string body = {};
  std::string content_type = {};
  Form form = Form::kObject;
  net::StreamTransport::OnBody on_body = {};  // of a watch
};

}  // namespace

struct Api::Impl {
  ConnectionSource connections;
  const Clock& clock;
  std::function<void(Duration)> sleep;
  RateLimiter limiter;
  std::mutex mutex;
  using RequestObserver = std::function<void(std::string_view verb, std::string_view outcome)>;
  std::shared_ptr<const RequestObserver> observer;
  std::optional<Version> version;

  Impl(ConnectionSource source, const Clock& the_clock, Options options)
      : connections(std::move(source)),
        clock(the_clock),
        sleep(options.sleep ? std::move(options.sleep) : [](Duration time) { std::this_thread::sleep_for(time); }),
        limiter(options.queries_per_second, the_clock) {}

  void Count(const Call& call, std::string_view outcome) {
    std::shared_ptr<const RequestObserver> notify;
    {
      std::scoped_lock lock(mutex);
      notify = observer;
    }
    if (notify != nullptr && *notify) (*notify)(call.verb, outcome);
  }

  // Errors of credentials are outages as far as a caller can tell: what was known before goes on to hold.
  static Error Unprepared(const Call& call, const Error& error) {
    return {Reason::kKubeUnavailable, Printable(WithoutQuery(call.path), kPathBytes),
            "there is no way to ask the API server: " + error.ToString()};
  }

  Status WaitForTurn(const Call& call, const Deadline& deadline) {
    if (call.on_body) return Ok();
    auto wait = limiter.Take(deadline.Remaining());
    if (!wait.has_value()) {
      return Error{Reason::kKubeUnavailable, Printable(WithoutQuery(call.path), kPathBytes),
                   "this process asks the API server more often than it may (queriesPerSecond)"};
    }
    if (*wait > Duration::zero()) sleep(*wait);
    return Ok();
  }

  static net::HttpRequest MakeRequest(const Call& call, const Connection& connection, const std::string& token) {
    net::HttpRequest request{.method = call.method,
                             .url = connection.server,
                             .headers = {{"Accept", std::string(AcceptOf(call.form))}},
                             .body = call.body,
                             .content_type = call.content_type,
                             .max_response_bytes = limits::kKubeResponseBytes};
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    std::string& target = request.url.target;
    while (target.ends_with('/')) target.pop_back();
    target += call.path;
    return request;
  }

  // A connection and the credentials of now.
  struct Way {
    Connection connection;
    std::string token;
  };
  Result<Way> FindWay(const Call& call) const {
    auto connection = connections();
    if (!connection.ok()) return Unprepared(call, connection.error());
    if (!connection->token) return Way{*std::move(connection), ""};
    auto token = connection->token();
    if (!token.ok()) return Unprepared(call, token.error());
    return Way{*std::move(connection), *std::move(token)};
  }

  Result<net::HttpResponse> SendOnce(const Call& call, const Way& way, const Deadline& deadline) {
    net::HttpRequest request = MakeRequest(call, way.connection, way.token);
    auto response = call.on_body ? way.connection.transport->Stream(request, call.on_body, deadline)
                                 : way.connection.transport->Send(request, deadline);
    if (!response.ok()) response = TransportError(response.error(), call.path);
    if (!response.ok()) {
      Count(call, OutcomeOf(response.error().reason));
    } else {
      Count(call, IsSuccess(*response) ? "ok" : OutcomeOf(ReasonOf(response->status)));
    }
    return response;
  }

  // Sends the call until there is an answer that stands: a 2xx one, or an error.
  Result<net::HttpResponse> Run(const Call& call, const Deadline& deadline) {
    ASSIGN_OR_RETURN(Way way, FindWay(call));
    bool renewed = false;
    for (std::size_t attempt = 1;; ++attempt) {
      RETURN_IF_ERROR(WaitForTurn(call, deadline));
      ASSIGN_OR_RETURN(net::HttpResponse response, SendOnce(call, way, deadline));
      if (IsSuccess(response)) return response;
      if (response.status == 401 && !renewed) {
        // The token may have been replaced since it was read; only other credentials are worth another try.
        renewed = true;
        const bool forgets = way.connection.refused != nullptr;
        if (forgets) way.connection.refused();
        ASSIGN_OR_RETURN(Way next, FindWay(call));
        if (!forgets && next.token == way.token) return ErrorOf(response, call.path);
        way = std::move(next);
        continue;
      }
      auto wait = RetryAfter(response);
      if (!wait.has_value() || attempt >= limits::kKubeAttempts || *wait >= deadline.Remaining()) {
        return ErrorOf(response, call.path);
      }
      sleep(*wait);
      ASSIGN_OR_RETURN(way, FindWay(call));
    }
  }

  Result<JsonDocument> RunForObject(const Call& call, const Deadline& deadline) {
    ASSIGN_OR_RETURN(net::HttpResponse response, Run(call, deadline));
    auto document = JsonDocument::Parse(response.body, {limits::kKubeResponseBytes});
    if (document.ok() && document->root().IsObject()) return document;
    const bool too_large = !document.ok() && document.error().reason == Reason::kLimitExceeded;
    return Error{too_large ? Reason::kLimitExceeded : Reason::kKubeRejected,
                 Printable(WithoutQuery(call.path), kPathBytes),
                 document.ok() ? "the API server's answer is no object" : "the answer: " + document.error().detail};
  }
};

Api::Api(ConnectionSource connections, const Clock& clock, Options options)
    : impl_(std::make_unique<Impl>(std::move(connections), clock, std::move(options))) {}

Api::~Api() = default;

Result<JsonDocument> Api::Get(const std::string& path, const Deadline& deadline, Form form) {
  return impl_->RunForObject({.verb = "get", .method = "GET", .path = path, .form = form}, deadline);
}

Result<JsonDocument> Api::Create(const std::string& path, const std::string& json, const Deadline& deadline) {
  return impl_->RunForObject(
      {.verb = "create", .method = "POST", .path = path, .body = json, .content_type = "application/json"}, deadline);
}

Result<JsonDocument> Api::Replace(const std::string& path, const std::string& json, const Deadline& deadline) {
  return impl_->RunForObject(
      {.verb = "replace", .method = "PUT", .path = path, .body = json, .content_type = "application/json"}, deadline);
}

Result<JsonDocument> Api::Patch(const std::string& path, PatchType type, const std::string& json,
                                const Deadline& deadline) {
  return impl_->RunForObject({.verb = "patch",
                              .method = "PATCH",
                              .path = path,
                              .body = json,
                              .content_type = std::string(ContentTypeOf(type))},
                             deadline);
}

Status Api::Delete(const std::string& path, const std::string& uid, const Deadline& deadline) {
  if (IsCollection(path)) return Error{Reason::kInternal, path, "would delete a whole collection"};
  std::string body;
  if (!uid.empty()) {
    codec::JsonWriter writer;
    writer.BeginObject().Member("kind", "DeleteOptions").Member("apiVersion", "v1");
    writer.Key("preconditions").BeginObject().Member("uid", uid).EndObject().EndObject();
    body = std::move(writer).Finish();
  }
  auto response = impl_->Run({.verb = "delete",
                              .method = "DELETE",
                              .path = path,
                              .body = body,
                              .content_type = body.empty() ? "" : "application/json"},
                             deadline);
  if (response.ok() || response.error().reason == Reason::kKubeNotFound) return Ok();
  return response.error();
}

Status Api::Watch(const std::string& path, const std::function<bool(std::string_view line)>& on_line,
                  const Deadline& deadline, Form form) {
  LineSplitter lines(on_line);
  auto response = impl_->Run({.verb = "watch",
                              .method = "GET",
                              .path = path,
                              .form = form,
                              .on_body = [&](std::string_view piece) { return lines.Take(piece); }},
                             deadline);
  if (!response.ok()) return response.error();
  std::string where = Printable(WithoutQuery(path), kPathBytes);
  if (lines.too_long()) {
    return Error{Reason::kKubeRejected, where,
                 "an event of the watch has more than " + std::to_string(limits::kKubeObjectBytes) + " bytes"};
  }
  if (!lines.stopped() && lines.within_line()) {
    return Error{Reason::kKubeUnavailable, where, "the watch ended within an event"};
  }
  return Ok();
}

void Api::OnRequest(std::function<void(std::string_view verb, std::string_view outcome)> observer) {
  std::scoped_lock lock(impl_->mutex);
  impl_->observer = std::make_shared<const Impl::RequestObserver>(std::move(observer));
}

Result<Api::Version> Api::ServerVersion(const Deadline& deadline) {
  {
    std::scoped_lock lock(impl_->mutex);
    if (impl_->version.has_value()) return *impl_->version;
  }
  ASSIGN_OR_RETURN(JsonDocument document, Get("/version", deadline));
  auto major = LeadingNumber(TextAt(document.root(), {"major"}));
  auto minor = LeadingNumber(TextAt(document.root(), {"minor"}));
  if (!major.has_value() || !minor.has_value()) {
    return Error{Reason::kKubeRejected, "/version", "the API server names no major and minor version"};
  }
  std::scoped_lock lock(impl_->mutex);
  impl_->version = Version{*major, *minor};
  return *impl_->version;
}

Result<bool> Api::Serves(const Resource& resource, const Deadline& deadline) {
  const std::string path = resource.group.empty()
                               ? "/api/" + Segment(resource.version)
                               : "/apis/" + Segment(resource.group) + "/" + Segment(resource.version);
  auto document = Get(path, deadline);
  if (!document.ok()) {
    if (document.error().reason == Reason::kKubeNotFound) return false;
    return document.error();
  }
  auto resources = document->root().Find("resources");
  for (std::size_t i = 0; resources.has_value() && resources->IsArray() && i < resources->size(); ++i) {
    if (TextAt(resources->at(i), {"name"}) == resource.plural) return true;
  }
  return false;
}

const Clock& Api::clock() const {
  return impl_->clock;
}

std::string PathOf(const Resource& resource, std::string_view namespace_name, std::string_view name,
                   std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api/" : "/apis/" + Segment(resource.group) + "/";
  path += Segment(resource.version);
  if (!namespace_name.empty()) path += "/namespaces/" + Segment(namespace_name);
  path += "/" + Segment(resource.plural);
  if (!name.empty()) path += "/" + Segment(name);
  if (!subresource.empty()) path += "/" + Segment(subresource);
  return path;
}

std::string_view TextAt(JsonView object, std::initializer_list<std::string_view> path) {
  std::optional<JsonView> at = object;
  for (std::string_view key : path) {
    at = at->Find(key);
    if (!at.has_value()) return {};
  }
  return at->AsString().value_or(std::string_view());
}

}  // namespace gatehouse::kube
