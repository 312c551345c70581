#include "tests/fakes/kube_api.h"

#include <algorithm>

#include "common/net/ascii.h"
#include "tests/fakes/kube_api_impl.h"
#include "tests/fakes/kube_schema.h"

namespace gatehouse::fakes {
namespace {

std::string Decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      decoded += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::vector<std::string> Segments(const std::string& path) {
  std::vector<std::string> segments;
  std::size_t begin = 1;
  while (begin < path.size()) {
    std::size_t end = std::min(path.find('/', begin), path.size());
    segments.push_back(Decoded(std::string_view(path).substr(begin, end - begin)));
    begin = end + 1;
  }
  return segments;
}

std::vector<KubeType> EverythingServed() {
  using namespace kube;
  std::vector<KubeType> types = {{kPods, "Pod", true, true},
                                 {kNodes, "Node", false, true},
                                 {kNamespaces, "Namespace", false, true},
                                 {kSecrets, "Secret"},
                                 {kConfigMaps, "ConfigMap"},
                                 {kEvents, "Event"},
                                 {kLeases, "Lease", true, false, true},
                                 {kTokenReviews, "TokenReview", false},
                                 {kCsrs, "CertificateSigningRequest", false, true},
                                 {kValidatingWebhooks, "ValidatingWebhookConfiguration", false},
                                 {kMutatingWebhooks, "MutatingWebhookConfiguration", false},
                                 {kImagePolicies, "ImagePolicy", false, true, true},
                                 {kNamespacedImagePolicies, "NamespacedImagePolicy", true, true, true},
                                 {kNodePolicies, "NodePolicy", false, true, true},
                                 {kReferenceValues, "ReferenceValues", false, true, true},
                                 {kTrustRoots, "TrustRoot", false, true, true},
                                 {kNodeAttestations, "NodeAttestation", false, false, true}};
  for (KubeType& type : types) type.schema = SchemaOf(type.resource);
  return types;
}

// What an API server of 1.20 built with Go 1.19 takes for null when it validates a custom resource.
bool HasEmptyText(const JsonValue& value) {
  if (value.kind == JsonValue::Kind::kString) return value.text.empty();
  for (const JsonValue& element : value.elements) {
    if (HasEmptyText(element)) return true;
  }
  return std::any_of(value.members.begin(), value.members.end(),
                     [](const auto& member) { return HasEmptyText(member.second); });
}

}  // namespace

bool MetadataOnly(const KubeRequest& request) {
  return request.Header("Accept").find("as=PartialObjectMetadata") != std::string::npos;
}

JsonValue Shown(const JsonValue& object, bool metadata_only) {
  if (!metadata_only) return object;
  JsonValue shown = JsonValue::Object();
  shown.Member("kind") = JsonValue::String("PartialObjectMetadata");
  shown.Member("apiVersion") = JsonValue::String("meta.k8s.io/v1");
  shown.Member("metadata") = *object.Find("metadata");
  return shown;
}

KubeReply ReplyOf(const KubeAnswer& answer) {
  return {answer.status, answer.body.Write(), answer.headers};
}

std::string KubeRequest::Parameter(const std::string& name) const {
  std::size_t begin = 0;
  while (begin < query.size()) {
    std::size_t end = std::min(query.find('&', begin), query.size());
    std::string_view pair = std::string_view(query).substr(begin, end - begin);
    std::size_t equals = std::min(pair.find('='), pair.size());
    if (pair.substr(0, equals) == name) return Decoded(pair.substr(std::min(equals + 1, pair.size())));
    begin = end + 1;
  }
  return "";
}

std::string KubeRequest::Header(const std::string& name) const {
  for (const auto& [key, value] : headers) {
    if (net::EqualsIgnoreCase(key, name)) return value;
  }
  return "";
}

std::optional<KubeTarget> KubeApi::Impl::TargetOf(const std::string& path) const {
  std::vector<std::string> parts = Segments(path);
  std::string group;
  std::string version;
  std::size_t at = 0;
  if (parts.size() > 2 && parts[0] == "api") {
    version = parts[1];
    at = 2;
  } else if (parts.size() > 3 && parts[0] == "apis") {
    group = parts[1];
    version = parts[2];
    at = 3;
  } else {
    return std::nullopt;
  }
  KubeTarget target;
  if (parts.size() > at + 2 && parts[at] == "namespaces" && TypeOf(group, version, parts[at + 2]) != nullptr) {
    target.namespace_name = parts[at + 1];
    at += 2;
  }
  target.type = TypeOf(group, version, parts[at]);
  if (target.type == nullptr) return std::nullopt;
  if (parts.size() > at + 1) target.name = parts[at + 1];
  if (parts.size() > at + 2) target.subresource = parts[at + 2];
  if (parts.size() > at + 3) return std::nullopt;
  if (!target.type->namespaced && !target.namespace_name.empty()) return std::nullopt;
  bool known = target.subresource.empty() || (target.subresource == "status" && target.type->status) ||
               (target.subresource == "approval" && target.type->kind == "CertificateSigningRequest");
  return known ? std::optional(target) : std::nullopt;
}

std::optional<KubeFault> KubeApi::Impl::TakeFault(const KubeRequest& request) {
  auto found = std::find_if(faults.begin(), faults.end(), [&](const KubeFault& fault) {
    return (fault.verb.empty() || fault.verb == request.verb) && request.path.starts_with(fault.path);
  });
  if (found == faults.end()) return std::nullopt;
  KubeFault fault = *found;
  if (--found->times == 0) faults.erase(found);
  return fault;
}

// Everything that comes before the request is looked at. Called without the lock.
std::optional<KubeReply> KubeApi::Impl::Befalls(const KubeRequest& request,
                                                const std::function<KubeReply()>& carry_out) {
  std::unique_lock lock(mutex);
  requests.push_back(request);
  changed.notify_all();
  if (down) return KubeReply{.status = 0};
  if (auto intercept = hook) {
    lock.unlock();
    if (auto reply = intercept(request)) return reply;
    lock.lock();
  }
  auto fault = TakeFault(request);
  if (fault && fault->delay > Duration::zero()) changed.wait_for(lock, fault->delay, [&] { return down; });
  if (fault && fault->status != 200) {
    if (fault->done_nevertheless) {
      lock.unlock();
      std::ignore = carry_out();
    }
    if (fault->status == 0) return KubeReply{.status = 0};
    KubeReply reply = ReplyOf(KubeFailure(fault->status, "TestFault", fault->message));
    if (fault->retry_after) reply.headers.emplace_back("Retry-After", std::to_string(*fault->retry_after));
    return reply;
  }
  if (!token.empty() && request.Header("Authorization") != "Bearer " + token) {
    return ReplyOf(KubeFailure(401, "Unauthorized", "Unauthorized"));
  }
  return std::nullopt;
}

std::optional<KubeAnswer> KubeApi::Impl::Discover(const std::string& path) const {
  KubeAnswer answer;
  if (path == "/version") {
    answer.body.Member("major") = JsonValue::String(major);
    answer.body.Member("minor") = JsonValue::String(minor);
    answer.body.Member("gitVersion") = JsonValue::String("v" + major + "." + minor);
    return answer;
  }
  std::vector<std::string> parts = Segments(path);
  bool core = parts.size() == 2 && parts[0] == "api";
  if (!core && !(parts.size() == 3 && parts[0] == "apis")) return std::nullopt;
  const std::string group = core ? "" : parts[1];
  answer.body.Member("kind") = JsonValue::String("APIResourceList");
  answer.body.Member("groupVersion") = JsonValue::String(core ? parts[1] : parts[1] + "/" + parts[2]);
  JsonValue& resources = answer.body.Member("resources");
  resources = JsonValue::Array();
  for (const KubeType& type : types) {
    if (type.resource.group != group || type.resource.version != parts.back()) continue;
    JsonValue entry = JsonValue::Object();
    entry.Member("name") = JsonValue::String(type.resource.plural);
    entry.Member("kind") = JsonValue::String(type.kind);
    entry.Member("namespaced") = {.kind = JsonValue::Kind::kBool, .text = type.namespaced ? "true" : "false"};
    resources.elements.push_back(std::move(entry));
  }
  if (resources.elements.empty())
    return KubeFailure(404, "NotFound", "the server could not find the requested resource");
  return answer;
}

KubeAnswer KubeApi::Impl::ReviewToken(const JsonValue& body) {
  KubeAnswer answer{.status = 201, .body = body};
  std::vector<std::string> audiences;
  if (const JsonValue* asked = body.At({"spec", "audiences"})) {
    for (const JsonValue& audience : asked->elements) audiences.push_back(audience.text);
  }
  std::string status = review ? review(body.TextAt({"spec", "token"}), audiences) : R"({"authenticated":false})";
  answer.body.Member("status") = JsonValue::Parse(status).value_or(JsonValue::Object());
  return answer;
}

KubeAnswer KubeApi::Impl::List(const KubeRequest& request, const KubeTarget& target) {
  Page page{store.version(), {}};
  if (std::string next = request.Parameter("continue"); !next.empty()) {
    auto found = pages.find(next);
    if (found == pages.end()) {
      return KubeFailure(410, "Expired",
                         "The provided continue parameter is too old to display a consistent list result.");
    }
    page = found->second;  // it can be asked for again, with another limit
  } else {
    page.rest = store.List(
        *target.type, {request.Parameter("fieldSelector"), request.Parameter("labelSelector"), target.namespace_name});
  }
  const std::string limit = request.Parameter("limit");
  std::size_t count = limit.empty() ? page.rest.size() : std::stoul(limit);
  if (!limit.empty() && page_size > 0) count = std::min(count, page_size);
  const bool metadata_only = MetadataOnly(request);
  KubeAnswer answer;
  answer.body.Member("kind") =
      JsonValue::String(metadata_only ? "PartialObjectMetadataList" : target.type->kind + "List");
  answer.body.Member("apiVersion") = JsonValue::String(metadata_only ? "meta.k8s.io/v1" : target.type->ApiVersion());
  JsonValue& metadata = answer.body.Member("metadata");
  metadata.Member("resourceVersion") = JsonValue::String(std::to_string(page.version));
  JsonValue& items = answer.body.Member("items");
  items = JsonValue::Array();
  for (std::size_t i = 0; i < std::min(count, page.rest.size()); ++i) {
    JsonValue item = Shown(page.rest[i], metadata_only);
    // The items of a list of a built-in type do not say what they are.
    if (!target.type->custom() && !metadata_only) {
      item.Erase("kind");
      item.Erase("apiVersion");
    }
    items.elements.push_back(std::move(item));
  }
  if (count < page.rest.size()) {
    page.rest.erase(page.rest.begin(), page.rest.begin() + static_cast<std::ptrdiff_t>(count));
    std::string next = "page-" + std::to_string(++page_number) + "=";
    answer.body.Member("metadata").Member("continue") = JsonValue::String(next);
    pages[next] = std::move(page);
  }
  return answer;
}

KubeAnswer KubeApi::Impl::Write(const KubeRequest& request, const KubeTarget& target) {
  auto body = JsonValue::Parse(request.body.empty() && request.verb == "DELETE" ? "{}" : request.body);
  if (!body) return KubeFailure(400, "BadRequest", "the object provided is not JSON");
  if (request.verb == "DELETE") return store.Delete(target, *body);
  if (target.type->custom() && HasEmptyText(*body)) {
    return KubeFailure(422, "Invalid", "Invalid value: \"null\": must be of type string: \"null\"");
  }
  if (request.verb == "PATCH") return store.Patch(target, request.content_type, *body);
  if (request.content_type != "application/json") return KubeFailure(415, "UnsupportedMediaType", request.content_type);
  if (request.verb == "PUT") return store.Replace(target, std::move(*body));
  if (target.type->kind == "TokenReview") return ReviewToken(*body);
  if (target.type->namespaced && target.namespace_name.empty()) {
    return KubeFailure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
  }
  return store.Create(target, std::move(*body));
}

KubeAnswer KubeApi::Impl::Answer(const KubeRequest& request) {
  if (auto discovered = Discover(request.path)) return *discovered;
  auto target = TargetOf(request.path);
  if (!target) return KubeFailure(404, "NotFound", "the server could not find the requested resource");
  if (request.verb == "LIST") return List(request, *target);
  if (request.verb == "GET") return store.Get(*target);
  const bool has_name = !target->name.empty();
  if ((request.verb == "POST") == has_name)
    return KubeFailure(405, "MethodNotAllowed", "the server does not allow this method on the requested resource");
  KubeAnswer answer = Write(request, *target);
  changed.notify_all();
  return answer;
}

KubeApi::KubeApi() : impl_(std::make_shared<Impl>()) {
  impl_->types = EverythingServed();
}

KubeApi::~KubeApi() {
  Shutdown();
}

void KubeApi::Shutdown() {
  std::scoped_lock lock(impl_->mutex);
  impl_->down = true;
  impl_->changed.notify_all();
}

void KubeApi::Serve(KubeType type) {
  std::scoped_lock lock(impl_->mutex);
  std::erase_if(impl_->types, [&](const KubeType& one) { return one.resource == type.resource; });
  impl_->types.push_back(std::move(type));
}

void KubeApi::StopServing(const kube::Resource& resource) {
  std::scoped_lock lock(impl_->mutex);
  std::erase_if(impl_->types, [&](const KubeType& one) { return one.resource == resource; });
}

std::string KubeApi::Put(const std::string& json) {
  std::scoped_lock lock(impl_->mutex);
  auto object = JsonValue::Parse(json);
  if (!object) std::abort();  // a mistake of the test
  auto type = std::find_if(impl_->types.begin(), impl_->types.end(), [&](const KubeType& one) {
    return one.kind == object->TextAt({"kind"}) && one.ApiVersion() == object->TextAt({"apiVersion"});
  });
  if (type == impl_->types.end()) std::abort();
  KubeTarget target{&*type, object->TextAt({"metadata", "namespace"}), object->TextAt({"metadata", "name"}), ""};
  if (type->namespaced && target.namespace_name.empty()) target.namespace_name = "default";
  object->Member("metadata").Erase("resourceVersion");
  KubeAnswer there = impl_->store.Get(target);
  KubeAnswer answer;
  if (!there.ok()) {
    answer = impl_->store.Create(target, *object);
  } else {
    for (std::string_view kept : {"uid", "resourceVersion"}) {
      object->Member("metadata").Member(kept) = *there.body.At({"metadata", kept});
    }
    answer = impl_->store.Replace(target, *object);
    if (answer.ok() && type->status) {
      object->Member("metadata").Erase("resourceVersion");
      object->Member("metadata").Member("resourceVersion") = *answer.body.At({"metadata", "resourceVersion"});
      target.subresource = "status";
      answer = impl_->store.Replace(target, *object);
    }
  }
  if (!answer.ok()) std::abort();
  impl_->changed.notify_all();
  return answer.body.TextAt({"metadata", "resourceVersion"});
}

bool KubeApi::Remove(const kube::Resource& resource, const std::string& name, const std::string& namespace_name) {
  std::scoped_lock lock(impl_->mutex);
  KubeTarget target{impl_->TypeOf(resource), namespace_name, name, ""};
  bool ok = impl_->store.Delete(target, JsonValue::Object()).ok();
  impl_->changed.notify_all();
  return ok;
}

std::optional<JsonValue> KubeApi::Find(const kube::Resource& resource, const std::string& name,
                                       const std::string& namespace_name) const {
  std::scoped_lock lock(impl_->mutex);
  KubeAnswer answer = impl_->store.Get({impl_->TypeOf(resource), namespace_name, name, ""});
  return answer.ok() ? std::optional(answer.body) : std::nullopt;
}

std::vector<JsonValue> KubeApi::All(const kube::Resource& resource) const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->store.List(*impl_->TypeOf(resource), {});
}

std::uint64_t KubeApi::version() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->store.version();
}

void KubeApi::ReviewTokens(std::function<std::string(const std::string&, const std::vector<std::string>&)> review) {
  std::scoped_lock lock(impl_->mutex);
  impl_->review = std::move(review);
}

void KubeApi::Intercept(std::function<std::optional<KubeReply>(const KubeRequest&)> hook) {
  std::scoped_lock lock(impl_->mutex);
  impl_->hook = std::move(hook);
}

void KubeApi::RequireToken(const std::string& token) {
  std::scoped_lock lock(impl_->mutex);
  impl_->token = token;
}

void KubeApi::SetVersion(const std::string& major, const std::string& minor) {
  std::scoped_lock lock(impl_->mutex);
  impl_->major = major;
  impl_->minor = minor;
}

void KubeApi::Fail(KubeFault fault) {
  std::scoped_lock lock(impl_->mutex);
  impl_->faults.push_back(std::move(fault));
}

void KubeApi::ClearFaults() {
  std::scoped_lock lock(impl_->mutex);
  impl_->faults.clear();
}

void KubeApi::EndWatches(bool in_order) {
  std::scoped_lock lock(impl_->mutex);
  impl_->ending = {impl_->ending.number + 1, in_order};
  impl_->changed.notify_all();
}

void KubeApi::EndWatchesAfter(std::size_t events) {
  std::scoped_lock lock(impl_->mutex);
  impl_->events_a_watch = events;
}

void KubeApi::Compact(bool in_stream) {
  std::scoped_lock lock(impl_->mutex);
  impl_->store.Compact();
  impl_->expired_in_stream = in_stream;
}

void KubeApi::ExpirePages() {
  std::scoped_lock lock(impl_->mutex);
  impl_->pages.clear();
}

void KubeApi::SetPageSize(std::size_t size) {
  std::scoped_lock lock(impl_->mutex);
  impl_->page_size = size;
}

void KubeApi::SendBookmark(const kube::Resource& resource) {
  std::scoped_lock lock(impl_->mutex);
  impl_->store.Bookmark(*impl_->TypeOf(resource));
  impl_->changed.notify_all();
}

void KubeApi::SendLine(const kube::Resource& resource, const std::string& line) {
  std::scoped_lock lock(impl_->mutex);
  impl_->store.Raw(*impl_->TypeOf(resource), line);
  impl_->changed.notify_all();
}

void KubeApi::SetPieceSize(std::size_t size) {
  std::scoped_lock lock(impl_->mutex);
  impl_->piece_size = size;
}

void KubeApi::SetTick(Duration tick) {
  std::scoped_lock lock(impl_->mutex);
  impl_->tick = tick;
}

std::vector<KubeRequest> KubeApi::requests() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->requests;
}

std::size_t KubeApi::Count(const std::string& verb, const std::string& path_prefix) const {
  std::scoped_lock lock(impl_->mutex);
  return static_cast<std::size_t>(
      std::count_if(impl_->requests.begin(), impl_->requests.end(), [&](const KubeRequest& request) {
        return (verb.empty() || request.verb == verb) && request.path.starts_with(path_prefix);
      }));
}

void KubeApi::ForgetRequests() {
  std::scoped_lock lock(impl_->mutex);
  impl_->requests.clear();
}

std::size_t KubeApi::open_watches() const {
  std::scoped_lock lock(impl_->mutex);
  return impl_->watches;
}

bool KubeApi::AwaitWatches(std::size_t count, Duration at_most) const {
  std::unique_lock lock(impl_->mutex);
  return impl_->changed.wait_for(lock, at_most, [&] { return impl_->watches >= count; });
}

KubeReply KubeApi::Handle(const KubeRequest& request) {
  auto carry_out = [&] {
    std::scoped_lock lock(impl_->mutex);
    return ReplyOf(impl_->Answer(request));
  };
  if (auto reply = impl_->Befalls(request, carry_out)) return *reply;
  return carry_out();
}

KubeRequest KubeApi::MakeRequest(const std::string& method, const std::string& target, std::string body,
                                 std::string content_type, net::Headers headers) {
  std::size_t question = std::min(target.find('?'), target.size());
  KubeRequest request{method,          target.substr(0, question), "",
                      std::move(body), std::move(content_type),    std::move(headers)};
  if (question < target.size()) request.query = target.substr(question + 1);
  if (method == "GET") {
    const std::string watch = request.Parameter("watch");
    std::vector<std::string> parts = Segments(request.path);
    // A collection: it ends in a resource and not in a name.
    std::size_t after = parts.empty() ? 0 : parts[0] == "api" ? 2 : 3;
    std::size_t named = parts.size() > after + 2 && parts[after] == "namespaces" ? after + 2 : after;
    bool collection = parts.size() == named + 1 && (parts[0] == "api" || parts[0] == "apis");
    if (watch == "1" || watch == "true") {
      request.verb = "WATCH";
    } else if (collection) {
      request.verb = "LIST";
    }
  }
  return request;
}

}  // namespace gatehouse::fakes
