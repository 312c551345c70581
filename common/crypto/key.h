// Public and private keys: ECDSA P-256/P-384/P-521, RSA 2048 to 4096, Ed25519. The scheme of a verification comes from
// the key and from the trust document, never from the message.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "common/base/types.h"

namespace gatehouse::crypto {

enum class KeyType : std::uint8_t { kEcP256, kEcP384, kEcP521, kRsa, kEd25519 };

enum class Scheme : std::uint8_t {
  kEcdsaDer,  // SEQUENCE { r, s }, as X.509 and cosign use it
  kEcdsaRaw,  // r ‖ s, each as long as the field, as JWS uses it (RFC 7518 section 3.4)
  kRsaPkcs1v15,
  kRsaPss,   // MGF1 with the same hash; any salt length up to the maximum
  kEd25519,  // the pure form: signs the message, the hash argument is ignored
};

class PublicKey {
 public:
  // One "PUBLIC KEY" block (SubjectPublicKeyInfo), or "RSA PUBLIC KEY". Errors: kKeyMalformed (also for other curves,
  // RSA below 2048 or above 4096 bits, an even or small exponent, a point not on its curve, a certificate where a key
  // belongs).
  [[nodiscard]] static Result<PublicKey> FromPem(std::string_view pem);
  [[nodiscard]] static Result<PublicKey> FromSpki(BytesView der);
  // PKCS#1 RSAPublicKey in DER, as a trusted root may hold it.
  [[nodiscard]] static Result<PublicKey> FromPkcs1(BytesView der);
  // Big-endian numbers, as a TPM gives them. `exponent` 0 means 65537.
  [[nodiscard]] static Result<PublicKey> FromRsa(BytesView modulus, std::uint32_t exponent);
  [[nodiscard]] static Result<PublicKey> FromEc(KeyType curve, BytesView x, BytesView y);

  [[nodiscard]] KeyType type() const;
  [[nodiscard]] std::size_t bits() const;  // RSA modulus or EC field size
  [[nodiscard]] Bytes Spki() const;        // DER
  [[nodiscard]] std::string Pem() const;
  // SHA-256 of the SubjectPublicKeyInfo: how a key is named in logs, caches and policies.
  [[nodiscard]] Digest Fingerprint() const;
  friend bool operator==(const PublicKey& a, const PublicKey& b);

  // Whether `signature` is over `message` with this key. false for anything that does not verify, also for a scheme
  // that the key does not have, and always for SHA-1. Never throws, never leaves errors in OpenSSL's queue. ECDSA: r
  // and s in [1, n-1]; DER must be canonical. A high s is accepted: cosign, TPMs and X.509 CAs make no difference
  // between s and n-s, so a signature is not an identity: two signatures that differ may be one.
  [[nodiscard]] bool Verify(Scheme scheme, HashAlgorithm hash, BytesView message, BytesView signature) const;

  // The same where the message is known by its hash only. false for kEd25519, which signs the message itself.
  [[nodiscard]] bool VerifyHashed(Scheme scheme, HashAlgorithm hash, BytesView digest, BytesView signature) const;

  // RSA only: OAEP with MGF1 of the same hash and a label (its final NUL included by the caller if wanted).
  [[nodiscard]] Result<Bytes> EncryptOaep(HashAlgorithm hash, BytesView label, BytesView plain) const;

  struct Impl;  // holds the EVP_PKEY
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  friend class PrivateKey;
  friend class Certificate;
  explicit PublicKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// ECDSA r, s as big-endian numbers (TPM2B, each possibly shorter than the field) to canonical DER. Errors:
// kSignatureMalformed when one is empty, zero or longer than `field_bytes`.
[[nodiscard]] Result<Bytes> EcdsaDer(BytesView r, BytesView s, std::size_t field_bytes);

class PrivateKey {
 public:
  // "PRIVATE KEY" (PKCS#8), "EC PRIVATE KEY" or "RSA PRIVATE KEY", not encrypted. Errors: kKeyMalformed.
  [[nodiscard]] static Result<PrivateKey> FromPem(std::string_view pem);
  [[nodiscard]] static Result<PrivateKey> Generate(KeyType type, std::size_t rsa_bits = 2048);

  [[nodiscard]] PublicKey Public() const;
  [[nodiscard]] std::string Pem() const;  // PKCS#8
  // Errors: kInternal.
  [[nodiscard]] Result<Bytes> Sign(Scheme scheme, HashAlgorithm hash, BytesView message) const;
  // EC only: the x coordinate of the shared point, as long as the field. Errors: kKeyMalformed for other curves.
  [[nodiscard]] Result<Bytes> Ecdh(const PublicKey& peer) const;
  // EC only: the affine coordinates of the public point, as long as the field each.
  [[nodiscard]] Result<std::pair<Bytes, Bytes>> EcPoint() const;

  [[nodiscard]] const PublicKey::Impl& impl() const { return *impl_; }

 private:
  explicit PrivateKey(std::shared_ptr<const PublicKey::Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const PublicKey::Impl> impl_;
};

}  // namespace gatehouse::crypto
