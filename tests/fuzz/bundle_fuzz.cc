// A bundle that parses is within its limits and has what its version asks for, and nobody's trust makes it good.
#include "common/base/limits.h"
#include "common/signature/sigstore/verifier.h"
#include "tests/fuzz/check.h"

namespace {

namespace sigstore = gatehouse::signature::sigstore;

void CheckVersion(const sigstore::Bundle& bundle) {
  using Version = sigstore::Bundle::Version;
  FUZZ_CHECK(bundle.version != Version::kLegacy && !bundle.stamped_blob);
  for (const sigstore::LogEntry& entry : bundle.entries) {
    FUZZ_CHECK(!entry.log_id.empty() && !entry.kind.empty() && entry.log_index >= 0);
    FUZZ_CHECK(bundle.version != Version::kV01 || entry.promise.has_value());
    FUZZ_CHECK(bundle.version == Version::kV01 || (entry.proof && !entry.proof->checkpoint.empty()));
    FUZZ_CHECK(!entry.proof || entry.proof->hashes.size() <= gatehouse::limits::kProofHashes);
  }
  if (const auto* chain = std::get_if<std::vector<gatehouse::crypto::Certificate>>(&bundle.key)) {
    FUZZ_CHECK(!chain->empty() && chain->size() <= gatehouse::limits::kChainCertificates);
    FUZZ_CHECK(bundle.version != Version::kV03 || chain->size() == 1);
    for (const auto& certificate : *chain) FUZZ_CHECK(!(certificate.IsCa() && certificate.IsSelfIssued()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bundle = sigstore::ParseBundle(gatehouse::AsText({data, size}));
  if (!bundle.ok()) return 0;
  CheckVersion(*bundle);
  FUZZ_CHECK(bundle->entries.size() <= gatehouse::limits::kLogEntries);
  FUZZ_CHECK(bundle->timestamps.size() <= gatehouse::limits::kTimestamps);
  if (const auto* envelope = std::get_if<sigstore::Envelope>(&bundle->content)) {
    FUZZ_CHECK(envelope->signatures.size() == 1);
  } else {
    FUZZ_CHECK(!sigstore::ClaimedPredicateType(*bundle));
  }
  const sigstore::TrustMaterial nobody;
  const gatehouse::Digest digest = *gatehouse::Digest::Parse("sha256:" + std::string(64, '0'));
  FUZZ_CHECK(
      !sigstore::VerifyBundle(*bundle, {.bytes = {}, .digest = digest}, {.material = &nobody, .key = {}, .logs = 0})
           .ok());
  return 0;
}
