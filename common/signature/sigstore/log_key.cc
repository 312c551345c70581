#include "common/signature/sigstore/log_key.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"

namespace gatehouse::signature::sigstore {
namespace {

using crypto::KeyType;
using crypto::Scheme;
constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;

// sigstore_common.proto, enum PublicKeyDetails. The last of each family without a size are deprecated there; a trusted
// root may still hold one. Its note on those: "SHA-256".
constexpr std::array<KeyDetails, 17> kKeyDetails = {{
    {"PKIX_ECDSA_P256_SHA_256", KeyType::kEcP256, kSha256, Scheme::kEcdsaDer},
    {"PKIX_ECDSA_P384_SHA_384", KeyType::kEcP384, HashAlgorithm::kSha384, Scheme::kEcdsaDer},
    {"PKIX_ECDSA_P384_SHA_256", KeyType::kEcP384, kSha256, Scheme::kEcdsaDer},
    {"PKIX_ECDSA_P521_SHA_512", KeyType::kEcP521, HashAlgorithm::kSha512, Scheme::kEcdsaDer},
    {"PKIX_ECDSA_P521_SHA_256", KeyType::kEcP521, kSha256, Scheme::kEcdsaDer},
    {"PKIX_ED25519", KeyType::kEd25519, kSha256, Scheme::kEd25519},
    {"PKIX_RSA_PKCS1V15_2048_SHA256", KeyType::kRsa, kSha256, Scheme::kRsaPkcs1v15, 2048},
    {"PKIX_RSA_PKCS1V15_3072_SHA256", KeyType::kRsa, kSha256, Scheme::kRsaPkcs1v15, 3072},
    {"PKIX_RSA_PKCS1V15_4096_SHA256", KeyType::kRsa, kSha256, Scheme::kRsaPkcs1v15, 4096},
    {"PKIX_RSA_PSS_2048_SHA256", KeyType::kRsa, kSha256, Scheme::kRsaPss, 2048},
    {"PKIX_RSA_PSS_3072_SHA256", KeyType::kRsa, kSha256, Scheme::kRsaPss, 3072},
    {"PKIX_RSA_PSS_4096_SHA256", KeyType::kRsa, kSha256, Scheme::kRsaPss, 4096},
    {"PKIX_ECDSA_P256_HMAC_SHA_256", KeyType::kEcP256, kSha256, Scheme::kEcdsaDer},
    {"PKIX_RSA_PKCS1V5", KeyType::kRsa, kSha256, Scheme::kRsaPkcs1v15},
    {"PKIX_RSA_PSS", KeyType::kRsa, kSha256, Scheme::kRsaPss},
    {"PKCS1_RSA_PKCS1V5", KeyType::kRsa, kSha256, Scheme::kRsaPkcs1v15, 0, true},
    {"PKCS1_RSA_PSS", KeyType::kRsa, kSha256, Scheme::kRsaPss, 0, true},
}};

// The algorithm comes from the key. No default branch: a new kind of key is a decision.
Scheme SchemeOf(KeyType type) {
  switch (type) {
    case KeyType::kEcP256:
    case KeyType::kEcP384:
    case KeyType::kEcP521:
      return Scheme::kEcdsaDer;
    case KeyType::kRsa:
      return Scheme::kRsaPkcs1v15;
    case KeyType::kEd25519:
      return Scheme::kEd25519;
  }
  return Scheme::kEcdsaDer;
}

}  // namespace

const KeyDetails* FindKeyDetails(std::string_view name) {
  const auto found = std::find_if(kKeyDetails.begin(), kKeyDetails.end(),
                                  [&](const KeyDetails& details) { return details.name == name; });
  return found == kKeyDetails.end() ? nullptr : &*found;
}

bool Describes(const KeyDetails& details, const crypto::PublicKey& key) {
  return details.type == key.type() && (details.rsa_bits == 0 || details.rsa_bits == key.bits());
}

bool VerifyByLog(const Log& log, BytesView message, BytesView signature) {
  return log.key.Verify(SchemeOf(log.key.type()), log.hash, message, signature);
}

std::string NameForPeople(const Log& log) {
  return "the log " + Printable(log.base_url.empty() ? log.operator_name : log.base_url, 128);
}

}  // namespace gatehouse::signature::sigstore
