// Internal to this folder: what kinds of keys there are, and how a log signs with its own.
#pragma once

#include <string>
#include <string_view>

#include "common/signature/sigstore/trust.h"

namespace gatehouse::signature::sigstore {

// A value of PublicKeyDetails (sigstore_common.proto): a kind of key, its encoding, and how it signs.
struct KeyDetails {
  std::string_view name;
  crypto::KeyType type;
  HashAlgorithm hash;
  crypto::Scheme scheme;
  std::size_t rsa_bits = 0;  // 0: of any size that is supported
  bool pkcs1 = false;        // the key is an RSAPublicKey, not a SubjectPublicKeyInfo
};
// Null for those that we do not know or cannot use (Ed25519ph, LMS, ML-DSA).
[[nodiscard]] const KeyDetails* FindKeyDetails(std::string_view name);
// Whether it says of this key what it is.
[[nodiscard]] bool Describes(const KeyDetails& details, const crypto::PublicKey& key);

// Whether the log's key has signed `message`, by the scheme of its type (ECDSA in DER, RSA PKCS#1 v1.5) and log.hash.
[[nodiscard]] bool VerifyByLog(const Log& log, BytesView message, BytesView signature);

// Whether it has the form of Rekor v1, "NAME - TREE-ID".
[[nodiscard]] bool IsTreeOrigin(std::string_view origin);

[[nodiscard]] std::string NameForPeople(const Log& log);

}  // namespace gatehouse::signature::sigstore
