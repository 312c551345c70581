#include "tests/fakes/registry.h"

#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"

namespace gatehouse::fakes {
namespace {

// What the referrers API tells of a manifest, and of which repository and digest it is a referrer.
struct Referrer {
  std::string subject;  // "repository@sha256:..."
  std::string artifact_type;
  std::string descriptor;  // JSON
};

std::string TextAt(const codec::JsonView& object, std::string_view key) {
  auto value = object.Find(key);
  return value.has_value() ? std::string(value->AsString().value_or("")) : "";
}

std::optional<Referrer> ReferrerOf(const std::string& repository, const std::string& bytes, const Digest& digest,
                                   const std::string& content_type) {
  auto document = codec::JsonDocument::Parse(bytes, {bytes.size()});
  if (!document.ok() || !document->root().IsObject()) return std::nullopt;
  auto subject = document->root().Find("subject");
  if (!subject.has_value()) return std::nullopt;
  Referrer referrer{repository + "@" + TextAt(*subject, "digest"), TextAt(document->root(), "artifactType"), ""};
  auto config = document->root().Find("config");
  if (referrer.artifact_type.empty() && config.has_value()) referrer.artifact_type = TextAt(*config, "mediaType");
  codec::JsonWriter json;
  json.BeginObject().Member("mediaType", content_type).Member("digest", digest.text());
  json.Key("size").Uint(bytes.size());
  if (!referrer.artifact_type.empty()) json.Member("artifactType", referrer.artifact_type);
  json.EndObject();
  referrer.descriptor = std::move(json).Finish();
  return referrer;
}

}  // namespace

struct FakeRegistry::Impl {
  struct Content {
    std::string bytes;
    std::string content_type;
  };

  std::string name;
  std::string scheme;
  mutable std::mutex mutex;
  std::map<std::string, Content> content;       // "repository@sha256:..."
  std::map<std::string, std::string> tags;      // "repository:tag" to a digest
  std::map<std::string, std::string> replaced;  // digest to other bytes
  std::map<std::string, HttpServer::Handler> overrides;
  std::optional<std::string> user_and_password;
  bool bearer = false;
  std::set<std::string> tokens;
  std::size_t token_count = 0;
  std::string realm;
  Reply failure;
  std::size_t failures_left = 0;
  std::string blob_origin;
  std::vector<Referrer> referrers;
  std::size_t referrers_page = 0;  // 0: no such API
  bool referrers_filter = true;
  Duration delay{0};
  net::Headers headers;
  std::unique_ptr<HttpServer> server;  // last: its threads use the rest

  std::string Origin() const { return scheme + "://" + name + ":" + std::to_string(server->port()); }

  Reply Answer(const ReceivedRequest& request) {
    HttpServer::Handler override;
    Duration wait{0};
    {
      std::scoped_lock lock(mutex);
      wait = delay;
      if (auto found = overrides.find(request.Path()); found != overrides.end()) override = found->second;
    }
    if (wait > Duration::zero()) std::this_thread::sleep_for(wait);
    if (override) return override(request);
    std::scoped_lock lock(mutex);
    if (request.Path() == "/token") return Token(request);
    if (failures_left > 0) {
      --failures_left;
      return failure;
    }
    if (!IsAuthorized(request)) return Unauthorized();
    return Serve(request);
  }

  bool IsUser(const ReceivedRequest& request) const {
    return *user_and_password == ":" ||
           request.Header("Authorization") == "Basic " + EncodeBase64(AsBytes(*user_and_password));
  }

  bool IsAuthorized(const ReceivedRequest& request) const {
    if (!user_and_password.has_value()) return true;
    if (!bearer) return IsUser(request);
    std::string given = request.Header("Authorization");
    return given.starts_with("Bearer ") && tokens.contains(given.substr(7));
  }

  Reply Unauthorized() const {
    std::string own = Origin() + "/token";
    std::string challenge =
        bearer ? "Bearer realm=\"" + (realm.empty() ? own : realm) + "\",service=\"fake registry\",scope=\"all\""
               : "Basic realm=\"fake registry\"";
    return Reply{.status = 401,
                 .body = R"({"errors":[{"code":"UNAUTHORIZED"}]})",
                 .content_type = "application/json",
                 .headers = {{"WWW-Authenticate", challenge}}};
  }

  Reply Token(const ReceivedRequest& request) {
    if (!user_and_password.has_value() || !bearer) return NotFound();
    if (!IsUser(request)) return Reply{.status = 401, .body = "wrong user or password"};
    std::string token = "token-" + std::to_string(++token_count);
    tokens.insert(token);
    return Reply{.body = R"({"token":")" + token + R"(","expires_in":300})", .content_type = "application/json"};
  }

  static Reply NotFound() {
    return Reply{.status = 404, .body = R"({"errors":[{"code":"NAME_UNKNOWN"}]})", .content_type = "application/json"};
  }

  Reply Referrers(const ReceivedRequest& request, const std::string& subject) const {
    const std::string type = request.Query("artifactType");
    const bool filtered = referrers_filter && !type.empty();
    std::vector<std::string> matching;
    for (const Referrer& each : referrers) {
      if (each.subject == subject && (!filtered || each.artifact_type == type)) matching.push_back(each.descriptor);
    }
    const std::string from = request.Query("from");
    std::size_t first = from.empty() ? 0 : std::stoul(from);
    std::string body = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
    std::size_t end = std::min(matching.size(), first + referrers_page);
    for (std::size_t i = first; i < end; ++i) body += (i > first ? "," : "") + matching[i];
    Reply reply{.body = body + "]}", .content_type = "application/vnd.oci.image.index.v1+json"};
    if (filtered) reply.headers.emplace_back("OCI-Filters-Applied", "artifactType");
    if (end < matching.size()) {
      std::string next = request.Path() + "?from=" + std::to_string(end);
      if (!type.empty()) next += "&artifactType=" + net::EncodeQueryValue(type);
      reply.headers.emplace_back("Link", "<" + next + ">; rel=\"next\"");
    }
    return reply;
  }

  Reply Serve(const ReceivedRequest& request) const {
    std::string path = request.Path();
    if (path == "/v2/") return Reply{.body = "{}", .content_type = "application/json"};
    if (request.method != "GET" && request.method != "HEAD") return Reply{.status = 405};
    if (std::size_t at = path.rfind("/referrers/"); at != std::string::npos) {
      if (referrers_page == 0) return Reply{.status = 404, .body = "404 page not found\n"};
      return Referrers(request,
                       path.substr(4, at - 4) + "@" + path.substr(at + std::string_view("/referrers/").size()));
    }
    for (const char* kind : {"/manifests/", "/blobs/"}) {
      std::size_t at = path.rfind(kind);
      if (!path.starts_with("/v2/") || at == std::string::npos) continue;
      std::string repository = path.substr(4, at - 4);
      std::string reference = path.substr(at + std::string_view(kind).size());
      bool blob = std::string_view(kind) == "/blobs/";
      if (auto tag = tags.find(repository + ":" + reference); !blob && tag != tags.end()) reference = tag->second;
      auto found = content.find(repository + "@" + reference);
      if (found == content.end() || found->second.content_type.empty() != blob) return NotFound();
      if (blob && !blob_origin.empty()) return Reply{.status = 307, .headers = {{"Location", blob_origin + path}}};
      Reply reply{.body = found->second.bytes, .content_type = found->second.content_type, .headers = headers};
      if (blob) reply.content_type = "application/octet-stream";
      if (auto other = replaced.find(reference); other != replaced.end()) reply.body = other->second;
      return reply;
    }
    return NotFound();
  }
};

FakeRegistry::FakeRegistry(std::optional<ServerTls> tls, std::string name, std::size_t threads)
    : impl_(std::make_unique<Impl>()) {
  impl_->name = std::move(name);
  impl_->scheme = tls.has_value() ? "https" : "http";
  Impl* impl = impl_.get();
  impl_->server = std::make_unique<HttpServer>([impl](const ReceivedRequest& request) { return impl->Answer(request); },
                                               std::move(tls), threads);
}
FakeRegistry::~FakeRegistry() = default;

std::string FakeRegistry::host() const {
  return impl_->name + ":" + std::to_string(impl_->server->port());
}
std::string FakeRegistry::origin() const {
  return impl_->Origin();
}

Digest FakeRegistry::PutManifest(const std::string& repository, const std::optional<std::string>& tag,
                                 const std::string& bytes, const std::string& content_type) {
  Digest digest = crypto::Sha256Digest(AsBytes(bytes));
  std::scoped_lock lock(impl_->mutex);
  impl_->content[repository + "@" + digest.text()] = {bytes, content_type};
  if (tag.has_value()) impl_->tags[repository + ":" + *tag] = digest.text();
  if (auto referrer = ReferrerOf(repository, bytes, digest, content_type)) impl_->referrers.push_back(*referrer);
  return digest;
}

Digest FakeRegistry::PutBlob(const std::string& repository, const std::string& bytes) {
  Digest digest = crypto::Sha256Digest(AsBytes(bytes));
  std::scoped_lock lock(impl_->mutex);
  impl_->content[repository + "@" + digest.text()] = {bytes, ""};
  return digest;
}

void FakeRegistry::RemoveTag(const std::string& repository, const std::string& tag) {
  std::scoped_lock lock(impl_->mutex);
  impl_->tags.erase(repository + ":" + tag);
}

void FakeRegistry::ReplaceContent(const Digest& digest, const std::string& bytes) {
  std::scoped_lock lock(impl_->mutex);
  impl_->replaced[digest.text()] = bytes;
}

void FakeRegistry::RequireToken(const std::string& user, const std::string& password) {
  std::scoped_lock lock(impl_->mutex);
  impl_->user_and_password = user + ":" + password;
  impl_->bearer = true;
}

void FakeRegistry::RequireBasic(const std::string& user, const std::string& password) {
  std::scoped_lock lock(impl_->mutex);
  impl_->user_and_password = user + ":" + password;
  impl_->bearer = false;
}

void FakeRegistry::RevokeTokens() {
  std::scoped_lock lock(impl_->mutex);
  impl_->tokens.clear();
}

void FakeRegistry::SetRealm(const std::string& realm) {
  std::scoped_lock lock(impl_->mutex);
  impl_->realm = realm;
}

void FakeRegistry::FailWith(Reply reply, std::size_t times) {
  std::scoped_lock lock(impl_->mutex);
  impl_->failure = std::move(reply);
  impl_->failures_left = times;
}

void FakeRegistry::Override(const std::string& path, HttpServer::Handler handler) {
  std::scoped_lock lock(impl_->mutex);
  impl_->overrides[path] = std::move(handler);
}

void FakeRegistry::Override(const std::string& path, const Reply& reply) {
  Override(path, [reply](const ReceivedRequest&) { return reply; });
}

void FakeRegistry::RedirectBlobs(const std::string& origin) {
  std::scoped_lock lock(impl_->mutex);
  impl_->blob_origin = origin;
}

void FakeRegistry::Delay(Duration time) {
  std::scoped_lock lock(impl_->mutex);
  impl_->delay = time;
}

void FakeRegistry::EnableReferrers(std::size_t page_size, bool filters) {
  std::scoped_lock lock(impl_->mutex);
  impl_->referrers_page = page_size;
  impl_->referrers_filter = filters;
}

void FakeRegistry::AddHeader(const std::string& name, const std::string& value) {
  std::scoped_lock lock(impl_->mutex);
  impl_->headers.emplace_back(name, value);
}

std::size_t FakeRegistry::CountOf(const std::string& path) const {
  return impl_->server->CountOf(path);
}
std::vector<ReceivedRequest> FakeRegistry::requests() const {
  return impl_->server->requests();
}
std::size_t FakeRegistry::connections() const {
  std::set<int> connections;
  for (const ReceivedRequest& request : requests()) connections.insert(request.connection);
  return connections.size();
}
std::size_t FakeRegistry::resumed_sessions() const {
  return impl_->server->ResumedSessions();
}

}  // namespace gatehouse::fakes
