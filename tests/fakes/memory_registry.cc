#include "tests/fakes/memory_registry.h"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "common/image/manifest.h"
#include "common/signature/keyed/simple_signing.h"
#include "tests/fakes/json_value.h"

namespace gatehouse::fakes {
namespace {

constexpr std::string_view kConfig = "{}";
constexpr std::string_view kConfigType = "application/vnd.oci.image.config.v1+json";

struct Layer {
  std::string media_type;
  Digest digest;
  std::size_t size;
  std::map<std::string, std::string> annotations;
};

void WriteDescriptor(codec::JsonWriter& json, const Layer& layer) {
  json.BeginObject()
      .Member("mediaType", layer.media_type)
      .Member("digest", layer.digest.text())
      .Key("size")
      .Uint(layer.size);
  if (!layer.annotations.empty()) {
    json.Key("annotations").BeginObject();
    for (const auto& [key, value] : layer.annotations) json.Member(key, value);
    json.EndObject();
  }
  json.EndObject();
}

std::string ManifestJson(const Layer& config, const std::vector<Layer>& layers) {
  codec::JsonWriter json;
  json.BeginObject().Key("schemaVersion").Int(2).Member("mediaType", image::kOciManifest).Key("config");
  WriteDescriptor(json, config);
  json.Key("layers").BeginArray();
  for (const Layer& layer : layers) WriteDescriptor(json, layer);
  json.EndArray().EndObject();
  return std::move(json).Finish();
}

std::string DecodePercent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16).ec == std::errc()) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Of "a?name=value&…".
std::string QueryValue(std::string_view target, const std::string& name) {
  std::size_t at = target.find('?');
  while (at != std::string_view::npos) {
    target.remove_prefix(at + 1);
    if (target.rfind(name + "=", 0) == 0) {
      target.remove_prefix(name.size() + 1);
      return DecodePercent(target.substr(0, target.find('&')));
    }
    at = target.find('&');
  }
  return "";
}

std::string IndexJson(const std::vector<std::string>& descriptors) {
  codec::JsonWriter json;
  json.BeginObject().Key("schemaVersion").Int(2).Member("mediaType", image::kOciIndex).Key("manifests").BeginArray();
  for (const std::string& descriptor : descriptors) json.Raw(descriptor);
  json.EndArray().EndObject();
  return std::move(json).Finish();
}

}  // namespace

Digest MemoryRegistry::PutManifest(const std::string& repository, const std::string& tag, const std::string& json,
                                   const std::string& media_type) {
  Digest digest = crypto::Sha256Digest(AsBytes(json));
  std::lock_guard lock(mutex_);
  const std::string key = repository + "@" + digest.text();
  if (manifests_.count(key) == 0) Remember(repository, digest, {json, media_type});
  manifests_[key] = {json, media_type};
  if (!tag.empty()) tags_[repository + ":" + tag] = digest.text();
  return digest;
}

// The lock is held. A manifest that names a subject is its referrer (distribution-spec, "Pushing Manifests with
// Subject").
void MemoryRegistry::Remember(const std::string& repository, const Digest& digest, const Stored& stored) {
  const std::optional<JsonValue> manifest = JsonValue::Parse(stored.bytes);
  if (!manifest || manifest->TextAt({"subject", "digest"}).empty()) return;
  std::string type = manifest->TextAt({"artifactType"});
  if (type.empty()) type = manifest->TextAt({"config", "mediaType"});
  JsonValue descriptor = JsonValue::Object();
  descriptor.Member("mediaType") = JsonValue::String(stored.media_type);
  descriptor.Member("digest") = JsonValue::String(digest.text());
  descriptor.Member("size") = JsonValue::Number(stored.bytes.size());
  descriptor.Member("artifactType") = JsonValue::String(type);
  if (const JsonValue* annotations = manifest->Find("annotations")) descriptor.Member("annotations") = *annotations;
  referrers_.push_back({repository + "@" + manifest->TextAt({"subject", "digest"}), type, descriptor.Write()});
}

StoredDescriptor MemoryRegistry::Describe(const std::string& repository, const Digest& digest) const {
  std::lock_guard lock(mutex_);
  const auto found = manifests_.find(repository + "@" + digest.text());
  if (found == manifests_.end()) throw std::out_of_range("no manifest " + digest.text() + " in " + repository);
  return {found->second.media_type, digest, found->second.bytes.size()};
}

void MemoryRegistry::SetReferrers(const ReferrersOptions& options) {
  std::lock_guard lock(mutex_);
  referrers_options_ = options;
}

void MemoryRegistry::OverrideReferrers(const std::string& repository, const Digest& subject, const std::string& index) {
  std::lock_guard lock(mutex_);
  referrers_instead_[repository + "@" + subject.text()] = index;
}

Digest MemoryRegistry::PutFallbackTag(const std::string& repository, const Digest& subject, bool as_cosign) {
  // "sha256:<hex>" with what a tag cannot hold as "-" (distribution-spec, "Referrers Tag Schema").
  const std::string tag = std::string(Name(subject.algorithm())) + "-" + std::string(subject.hex());
  JsonValue index = JsonValue::Parse(ReferrersIndex(repository, subject)).value();
  for (JsonValue& each : index.Member("manifests").elements) {
    if (as_cosign) each.Member("artifactType") = JsonValue::String("application/vnd.oci.empty.v1+json");
  }
  return PutManifest(repository, tag, index.Write(), std::string(image::kOciIndex));
}

std::string MemoryRegistry::ReferrersIndex(const std::string& repository, const Digest& subject,
                                           const std::string& artifact_type) const {
  std::lock_guard lock(mutex_);
  return IndexJson(ReferrersOf(repository + "@" + subject.text(), artifact_type));
}

std::vector<std::string> MemoryRegistry::ReferrersOf(const std::string& subject,
                                                     const std::string& artifact_type) const {
  std::vector<std::string> descriptors;
  for (const Referrer& each : referrers_) {
    if (each.subject == subject && (artifact_type.empty() || each.artifact_type == artifact_type)) {
      descriptors.push_back(each.descriptor);
    }
  }
  return descriptors;
}

// `rest`: "sha256:…?artifactType=…&page=…". The lock is held.
net::HttpResponse MemoryRegistry::AnswerReferrers(const std::string& repository, const std::string& rest) const {
  const ReferrersOptions& options = referrers_options_;
  if (options.status != 0) return {.status = options.status, .headers = {}, .body = ""};
  if (!options.api) return {.status = 404, .headers = {}, .body = ""};
  const std::string digest = DecodePercent(rest.substr(0, rest.find('?')));
  const std::string wanted = options.filter ? QueryValue(rest, "artifactType") : "";
  net::HttpResponse response{.status = 200, .headers = {{"Content-Type", options.content_type}}, .body = ""};
  if (!wanted.empty() && options.header) response.headers.emplace_back("OCI-Filters-Applied", "artifactType");
  if (!options.link.empty()) response.headers.emplace_back("Link", options.link);
  if (auto instead = referrers_instead_.find(repository + "@" + digest); instead != referrers_instead_.end()) {
    response.body = instead->second;
    return response;
  }
  std::vector<std::string> all = ReferrersOf(repository + "@" + digest, wanted);
  if (options.page_size == 0) {
    response.body = IndexJson(all);
    return response;
  }
  const std::string page_text = QueryValue(rest, "page");
  const std::size_t page = page_text.empty() ? 0 : std::stoul(page_text);
  const std::size_t begin = std::min(page * options.page_size, all.size());
  const std::size_t end = std::min(begin + options.page_size, all.size());
  if (end < all.size() && options.link.empty()) {
    std::string next = "/v2/" + repository + "/referrers/" + digest + "?page=" + std::to_string(page + 1);
    if (!wanted.empty()) next += "&artifactType=" + net::EncodeQueryValue(wanted);
    response.headers.emplace_back("Link", "<" + next + ">; rel=\"next\"");
  }
  const auto at = [&](std::size_t i) { return all.begin() + static_cast<std::ptrdiff_t>(i); };
  response.body = IndexJson({at(begin), at(end)});
  return response;
}

Digest MemoryRegistry::PutBlob(const std::string& repository, const std::string& bytes) {
  Digest digest = crypto::Sha256Digest(AsBytes(bytes));
  std::lock_guard lock(mutex_);
  blobs_[repository + "@" + digest.text()] = bytes;
  return digest;
}

Digest MemoryRegistry::PutImage(const std::string& repository, const std::string& tag, const std::string& content) {
  Layer config{std::string(kConfigType), PutBlob(repository, std::string(kConfig)), kConfig.size(), {}};
  Layer layer{"application/vnd.oci.image.layer.v1.tar", PutBlob(repository, content), content.size(), {}};
  return PutManifest(repository, tag, ManifestJson(config, {layer}), std::string(image::kOciManifest));
}

void MemoryRegistry::Corrupt(const std::string& repository, const Digest& blob, const std::string& bytes) {
  std::lock_guard lock(mutex_);
  blobs_[repository + "@" + blob.text()] = bytes;
}

void MemoryRegistry::Tag(const std::string& repository, const std::string& tag, const Digest& digest) {
  std::lock_guard lock(mutex_);
  tags_[repository + ":" + tag] = digest.text();
}

void MemoryRegistry::RemoveTag(const std::string& repository, const std::string& tag) {
  std::lock_guard lock(mutex_);
  tags_.erase(repository + ":" + tag);
}

void MemoryRegistry::FailWith(int status) {
  std::lock_guard lock(mutex_);
  fail_status_ = status;
}

void MemoryRegistry::OnRequest(std::function<void(const net::HttpRequest&)> hook) {
  std::lock_guard lock(mutex_);
  hook_ = std::move(hook);
}

void MemoryRegistry::Require(const std::string& repository, const std::string& user_and_password) {
  std::lock_guard lock(mutex_);
  required_[repository] = "Basic " + EncodeBase64(AsBytes(user_and_password));
}

std::size_t MemoryRegistry::requests() const {
  std::lock_guard lock(mutex_);
  return log_.size();
}

std::vector<std::string> MemoryRegistry::log() const {
  std::lock_guard lock(mutex_);
  return log_;
}

// The lock is held.
net::HttpResponse MemoryRegistry::Answer(const net::HttpRequest& request) const {
  if (fail_status_ > 0) return {.status = fail_status_, .headers = {}, .body = ""};
  std::string path = request.url.target.substr(std::string("/v2/").size());
  for (const std::string kind : {"/manifests/", "/blobs/", "/referrers/"}) {
    auto at = path.find(kind);
    if (at == std::string::npos) continue;
    std::string repository = path.substr(0, at);
    std::string name = path.substr(at + kind.size());
    if (auto secret = required_.find(repository); secret != required_.end()) {
      bool authorised = false;
      for (const auto& [key, value] : request.headers)
        authorised = authorised || (key == "Authorization" && value == secret->second);
      if (!authorised) return {.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"memory\""}}, .body = ""};
    }
    if (kind == "/referrers/") return AnswerReferrers(repository, name);
    if (auto tag = tags_.find(repository + ":" + name); tag != tags_.end()) name = tag->second;
    if (kind == "/blobs/") {
      auto blob = blobs_.find(repository + "@" + name);
      if (blob != blobs_.end())
        return {.status = 200, .headers = {{"Content-Type", "application/octet-stream"}}, .body = blob->second};
    } else if (auto manifest = manifests_.find(repository + "@" + name); manifest != manifests_.end()) {
      return {
          .status = 200, .headers = {{"Content-Type", manifest->second.media_type}}, .body = manifest->second.bytes};
    }
  }
  return {.status = 404, .headers = {}, .body = ""};
}

Result<net::HttpResponse> MemoryRegistry::Send(const net::HttpRequest& request, const Deadline& deadline) {
  std::function<void(const net::HttpRequest&)> hook;
  {
    std::lock_guard lock(mutex_);
    log_.push_back(request.method + " " + request.url.target);
    hook = hook_;
  }
  if (hook) hook(request);
  if (deadline.Passed()) return Error{Reason::kDeadlineExceeded, request.url.host, "the deadline has passed"};
  std::lock_guard lock(mutex_);
  if (fail_status_ == -1) return Error{Reason::kNetworkUnavailable, request.url.host, "connection refused"};
  return Answer(request);
}

SignedPayload SignPayload(const crypto::PrivateKey& key, const Digest& image, const SignOptions& options) {
  codec::JsonWriter json;
  json.BeginObject().Key("critical").BeginObject();
  json.Key("identity").BeginObject().Member("docker-reference", "registry.example/app").EndObject();
  json.Key("image").BeginObject();
  json.Member("docker-manifest-digest", options.claimed_digest.empty() ? image.text() : options.claimed_digest)
      .EndObject();
  json.Member("type", options.type).EndObject().Key("optional");
  if (options.annotations.empty()) {
    json.Null();
  } else {
    json.BeginObject();
    for (const auto& [name, value] : options.annotations) json.Member(name, value);
    json.EndObject();
  }
  json.EndObject();
  std::string payload = options.payload_instead.empty() ? std::move(json).Finish() : options.payload_instead;
  auto scheme = key.Public().type() == crypto::KeyType::kEd25519 ? crypto::Scheme::kEd25519
                : key.Public().type() == crypto::KeyType::kRsa   ? crypto::Scheme::kRsaPkcs1v15
                                                                 : crypto::Scheme::kEcdsaDer;
  return {payload, EncodeBase64(*key.Sign(scheme, HashAlgorithm::kSha256, AsBytes(payload)))};
}

void PutSignatures(MemoryRegistry& registry, const std::string& repository, const Digest& image,
                   const std::vector<SignedPayload>& signatures,
                   const std::map<std::string, std::string>& unsigned_annotations) {
  Layer config{std::string(kConfigType), registry.PutBlob(repository, std::string(kConfig)), kConfig.size(), {}};
  std::vector<Layer> layers;
  for (const SignedPayload& each : signatures) {
    Layer layer{std::string(signature::keyed::kSimpleSigningMediaType), registry.PutBlob(repository, each.payload),
                each.payload.size(), unsigned_annotations};
    layer.annotations[std::string(signature::keyed::kSignatureAnnotation)] = each.signature;
    layers.push_back(std::move(layer));
  }
  registry.PutManifest(repository, signature::keyed::SignatureTag(image), ManifestJson(config, layers),
                       std::string(image::kOciManifest));
}

void Sign(MemoryRegistry& registry, const std::string& repository, const Digest& image, const crypto::PrivateKey& key,
          const SignOptions& options) {
  PutSignatures(registry, repository, image, {SignPayload(key, image, options)}, options.unsigned_annotations);
}

}  // namespace gatehouse::fakes
