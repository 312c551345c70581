#include "tests/fakes/push.h"

#include "common/codec/json.h"
#include "common/image/manifest.h"
#include "common/signature/keyed/simple_signing.h"

namespace gatehouse::fakes {
namespace {

struct Layer {
  std::string media_type;
  std::string content;
  std::string signature = {};  // empty: no annotation
};

void WriteDescriptor(codec::JsonWriter& json, const Layer& layer, const Digest& digest) {
  json.BeginObject().Member("mediaType", layer.media_type).Member("digest", digest.text());
  json.Key("size").Uint(layer.content.size());
  if (!layer.signature.empty()) {
    json.Key("annotations").BeginObject();
    json.Member(signature::keyed::kSignatureAnnotation, layer.signature).EndObject();
  }
  json.EndObject();
}

Digest Push(FakeRegistry& registry, const std::string& repository, const std::string& tag,
            const std::vector<Layer>& layers) {
  Layer config{"application/vnd.oci.image.config.v1+json", "{}"};
  codec::JsonWriter json;
  json.BeginObject().Key("schemaVersion").Int(2).Member("mediaType", image::kOciManifest).Key("config");
  WriteDescriptor(json, config, registry.PutBlob(repository, config.content));
  json.Key("layers").BeginArray();
  for (const Layer& layer : layers) WriteDescriptor(json, layer, registry.PutBlob(repository, layer.content));
  json.EndArray().EndObject();
  return registry.PutManifest(repository, tag, std::move(json).Finish(), std::string(image::kOciManifest));
}

}  // namespace

Digest PushImage(FakeRegistry& registry, const std::string& repository, const std::string& tag,
                 const std::string& content) {
  return Push(registry, repository, tag, {{"application/vnd.oci.image.layer.v1.tar", content}});
}

void PushSignatures(FakeRegistry& registry, const std::string& repository, const Digest& image,
                    const std::vector<SignedPayload>& signatures) {
  std::vector<Layer> layers;
  for (const SignedPayload& each : signatures) {
    layers.push_back({std::string(signature::keyed::kSimpleSigningMediaType), each.payload, each.signature});
  }
  Push(registry, repository, signature::keyed::SignatureTag(image), layers);
}

}  // namespace gatehouse::fakes
