// Simple-signing payloads as cosign writes them, and their signatures.
#pragma once

#include <string>

#include "common/base/encoding.h"
#include "common/signature/keyed/simple_signing.h"

namespace gatehouse::signature::keyed {

inline const Digest& ImageDigest() {
  static const Digest kDigest = Digest::Parse("sha256:" + std::string(64, 'a')).value();
  return kDigest;
}

// cosign's own spelling, byte for byte.
inline std::string PayloadFor(const Digest& image, const std::string& optional = "null") {
  return R"({"critical":{"identity":{"docker-reference":"registry.example/app"},"image":{"docker-manifest-digest":")" +
         image.text() + R"("},"type":"cosign container image signature"},"optional":)" + optional + "}";
}

// One key of each type for the whole test program.
inline const crypto::PrivateKey& TestKey(crypto::KeyType type) {
  static const auto* const kKeys = new std::map<crypto::KeyType, crypto::PrivateKey>{
      {crypto::KeyType::kEcP256, crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value()},
      {crypto::KeyType::kEcP384, crypto::PrivateKey::Generate(crypto::KeyType::kEcP384).value()},
      {crypto::KeyType::kEcP521, crypto::PrivateKey::Generate(crypto::KeyType::kEcP521).value()},
      {crypto::KeyType::kRsa, crypto::PrivateKey::Generate(crypto::KeyType::kRsa, 2048).value()},
      {crypto::KeyType::kEd25519, crypto::PrivateKey::Generate(crypto::KeyType::kEd25519).value()}};
  return kKeys->at(type);
}

inline std::string SignBase64(const std::string& payload, crypto::KeyType type, crypto::Scheme scheme,
                              HashAlgorithm hash = HashAlgorithm::kSha256) {
  return EncodeBase64(TestKey(type).Sign(scheme, hash, AsBytes(payload)).value());
}

// The key that most tests use, for its speed.
inline Verifier EdVerifier() {
  return {.key = TestKey(crypto::KeyType::kEd25519).Public()};
}
inline std::string EdSign(const std::string& payload) {
  return SignBase64(payload, crypto::KeyType::kEd25519, crypto::Scheme::kEd25519);
}

// The reason for which a payload that is well signed is refused.
inline Reason RefusalOf(const std::string& payload, const Digest& image = ImageDigest()) {
  auto result = SimpleSigning::Verify(payload, EdSign(payload), image, EdVerifier());
  return result.ok() ? Reason::kInternal : result.error().reason;
}

}  // namespace gatehouse::signature::keyed
