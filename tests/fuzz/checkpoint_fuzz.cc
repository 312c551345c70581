// Checkpoints: there is one spelling of each, so what is accepted is written again as it was.
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/signature/sigstore/transparency.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
namespace sigstore = gatehouse::signature::sigstore;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const sigstore::Log log =
      sigstore::MakeLog(gatehouse::crypto::PrivateKey::Generate(gatehouse::crypto::KeyType::kEd25519).value().Public(),
                        "https://log.example");
  const auto note = gatehouse::AsText({data, size});
  const auto checkpoint = sigstore::ParseCheckpoint(note);
  if (!checkpoint.ok()) {
    FUZZ_CHECK(checkpoint.error().reason == Reason::kLogEntryMalformed ||
               checkpoint.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(!checkpoint->signatures.empty());
  FUZZ_CHECK(checkpoint->signatures.size() <= gatehouse::limits::kCheckpointSignatures);
  FUZZ_CHECK(checkpoint->signed_text.starts_with(checkpoint->origin + "\n" + std::to_string(checkpoint->size) + "\n" +
                                                 gatehouse::EncodeBase64(checkpoint->root_hash) + "\n"));
  std::string again = checkpoint->signed_text + "\n";
  for (const auto& signature : checkpoint->signatures) {
    gatehouse::Bytes bytes = signature.key_id;
    gatehouse::Append(bytes, signature.signature);
    again += "\u2014 " + signature.name + " " + gatehouse::EncodeBase64(bytes) + "\n";
  }
  FUZZ_CHECK(again == note);
  // Nobody has signed anything with this key.
  FUZZ_CHECK(!sigstore::VerifyCheckpoint(*checkpoint, log).ok());
  return 0;
}
