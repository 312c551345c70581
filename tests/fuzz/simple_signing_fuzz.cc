// Simple signing: the input is a payload. Well signed, it is accepted only for the image that it names; with a
// signature of anything else never.
#include "common/signature/keyed/simple_signing.h"

#include "common/base/encoding.h"
#include "tests/fuzz/check.h"

using gatehouse::Digest;
using gatehouse::Reason;
using gatehouse::signature::keyed::SimpleSigning;

namespace {

const gatehouse::crypto::PrivateKey& Key() {
  static const auto kKey = gatehouse::crypto::PrivateKey::Generate(gatehouse::crypto::KeyType::kEd25519).value();
  return kKey;
}

std::string Sign(gatehouse::BytesView message) {
  return gatehouse::EncodeBase64(
      Key().Sign(gatehouse::crypto::Scheme::kEd25519, gatehouse::HashAlgorithm::kSha256, message).value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Digest kImage = Digest::Parse("sha256:" + std::string(64, 'a')).value();
  const Digest kOther = Digest::Parse("sha256:" + std::string(64, 'b')).value();
  const gatehouse::signature::keyed::Verifier kVerifier{.key = Key().Public()};
  auto payload = gatehouse::AsText({data, size});
  std::string signature = Sign({data, size});

  auto result = SimpleSigning::Verify(payload, signature, kImage, kVerifier);
  auto for_other = SimpleSigning::Verify(payload, signature, kOther, kVerifier);
  FUZZ_CHECK(!(result.ok() && for_other.ok()));
  if (result.ok()) {
    FUZZ_CHECK(result->image() == kImage &&
               std::get<gatehouse::claims::KeySigner>(result->signer()).fingerprint == kVerifier.key.Fingerprint());
    FUZZ_CHECK(for_other.error().reason == Reason::kPayloadDigestMismatch);
    FUZZ_CHECK(payload.size() > 64);
  } else {
    FUZZ_CHECK(result.error().reason != Reason::kSignatureInvalid &&
               result.error().reason != Reason::kSignatureMalformed);
  }

  gatehouse::Bytes changed(data, data + size);
  changed.push_back(' ');
  auto unsigned_result = SimpleSigning::Verify(payload, Sign(changed), kImage, kVerifier);
  FUZZ_CHECK(!unsigned_result.ok() && unsigned_result.error().reason == Reason::kSignatureInvalid);
  // The input as a signature.
  auto as_signature = SimpleSigning::Verify("payload", payload, kImage, kVerifier);
  FUZZ_CHECK(!as_signature.ok());
  return 0;
}
