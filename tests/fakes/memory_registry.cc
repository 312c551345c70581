#include "tests/fakes/memory_registry.h"

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "common/image/manifest.h"
#include "common/signature/keyed/simple_signing.h"

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

}  // namespace

Digest MemoryRegistry::PutManifest(const std::string& repository, const std::string& tag, const std::string& json,
                                   const std::string& media_type) {
  Digest digest = crypto::Sha256Digest(AsBytes(json));
  std::lock_guard lock(mutex_);
  manifests_[repository + "@" + digest.text()] = {json, media_type};
  if (!tag.empty()) tags_[repository + ":" + tag] = digest.text();
  return digest;
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
  for (const std::string kind : {"/manifests/", "/blobs/"}) {
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
