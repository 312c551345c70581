// Public keys: what loads is of a kind that we accept, has one encoding, and verifies no signature made of nothing.
#include "common/crypto/key.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;
using gatehouse::crypto::KeyType;
using gatehouse::crypto::PublicKey;
using gatehouse::crypto::Scheme;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto key = PublicKey::FromPem(gatehouse::AsText({data, size}));
  if (!key.ok()) {
    FUZZ_CHECK(key.error().reason == Reason::kKeyMalformed || key.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  const auto from_pem = PublicKey::FromPem(key->Pem());
  const auto from_spki = PublicKey::FromSpki(key->Spki());
  FUZZ_CHECK(from_pem.ok() && *from_pem == *key);
  FUZZ_CHECK(from_spki.ok() && *from_spki == *key);
  FUZZ_CHECK(from_spki->Fingerprint() == key->Fingerprint());
  if (key->type() == KeyType::kRsa) FUZZ_CHECK(key->bits() >= 2048 && key->bits() <= 4096);
  const Bytes message{1};
  for (const Bytes& signature : {Bytes{}, Bytes(64), Bytes(key->bits() / 8), Bytes{0x30, 6, 2, 1, 0, 2, 1, 0}}) {
    for (const Scheme scheme : {Scheme::kEcdsaDer, Scheme::kEcdsaRaw, Scheme::kRsaPkcs1v15, Scheme::kRsaPss}) {
      FUZZ_CHECK(!key->Verify(scheme, HashAlgorithm::kSha256, message, signature));
    }
  }
  return 0;
}
