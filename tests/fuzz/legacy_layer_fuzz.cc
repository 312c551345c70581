// A layer of cosign's legacy layout, as {"mediaType", "payload", "annotations"}: what parses has a signature, one entry
// and one timestamp at most, no root among its certificates, and nobody's trust makes it good.
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/signature/sigstore/verifier.h"
#include "tests/fuzz/check.h"

namespace sigstore = gatehouse::signature::sigstore;
using gatehouse::codec::ObjectReader;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = gatehouse::codec::JsonDocument::Parse(gatehouse::AsText({data, size}),
                                                              {.max_bytes = gatehouse::limits::kBundleBytes});
  if (!document.ok()) return 0;
  ObjectReader reader(*document, document->root(), gatehouse::Reason::kBundleMalformed);
  const std::string media_type = reader.Text("mediaType");
  const std::string payload = reader.Text("payload");
  std::map<std::string, std::string> annotations;
  for (auto& [key, value] : reader.StringMap("annotations", ObjectReader::Presence::kRequired)) {
    annotations.emplace(std::move(key), std::move(value));
  }
  if (!reader.Finish().ok()) return 0;
  const auto bundle = sigstore::BundleOfLegacyLayer(media_type, payload, annotations);
  if (!bundle.ok()) return 0;
  FUZZ_CHECK(bundle->version == sigstore::Bundle::Version::kLegacy);
  FUZZ_CHECK(bundle->entries.size() <= 1 && bundle->timestamps.size() <= 1);
  for (const sigstore::LogEntry& entry : bundle->entries) FUZZ_CHECK(entry.promise && entry.integrated_time);
  if (const auto* envelope = std::get_if<sigstore::Envelope>(&bundle->content)) {
    FUZZ_CHECK(envelope->signatures.size() == 1 && bundle->stamped_blob == payload);
  } else {
    FUZZ_CHECK(!std::get<sigstore::MessageSignature>(bundle->content).signature.empty());
  }
  if (const auto* chain = std::get_if<std::vector<gatehouse::crypto::Certificate>>(&bundle->key)) {
    for (std::size_t i = 1; i < chain->size(); ++i) FUZZ_CHECK(!((*chain)[i].IsCa() && (*chain)[i].IsSelfIssued()));
  }
  const sigstore::TrustMaterial nobody;
  const gatehouse::Digest image = *gatehouse::Digest::Parse("sha256:" + std::string(64, 'a'));
  const sigstore::Requirements requirements{.material = &nobody, .key = {}, .logs = 0, .scts = 0};
  FUZZ_CHECK(!sigstore::ImageClaims::Signature(*bundle, payload, image, requirements).ok());
  FUZZ_CHECK(!sigstore::ImageClaims::Attestation(*bundle, image, requirements).ok());
  return 0;
}
