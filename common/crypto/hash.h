// Digests, HMAC, and the TPM's key derivation functions over OpenSSL.
#pragma once

#include <memory>

#include "common/base/clock.h"
#include "common/base/types.h"

namespace gatehouse::crypto {

[[nodiscard]] Bytes Hash(HashAlgorithm algorithm, BytesView data);
[[nodiscard]] Digest Sha256Digest(BytesView data);
// Whether `data` hashes to `digest`.
[[nodiscard]] bool Matches(const Digest& digest, BytesView data);

// An incremental digest, for streams.
class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  Hasher& Update(BytesView data);
  [[nodiscard]] Bytes Finish() &&;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

[[nodiscard]] Bytes Hmac(HashAlgorithm algorithm, BytesView key, BytesView data);

// TPM 2.0 Part 1 section 11.4.10.2 KDFa and 11.4.10.3 KDFe; `bits` is a multiple of 8; the label is given without its
// NUL.
[[nodiscard]] Bytes KdfA(HashAlgorithm algorithm, BytesView key, std::string_view label, BytesView context_u,
                         BytesView context_v, std::size_t bits);
[[nodiscard]] Bytes KdfE(HashAlgorithm algorithm, BytesView z, std::string_view label, BytesView party_u,
                         BytesView party_v, std::size_t bits);

// AES-CFB128 with a zero IV (TPM 2.0 Part 1 section 24.5); the key has 16 or 32 bytes.
[[nodiscard]] Bytes AesCfbEncrypt(BytesView key, BytesView plain);
[[nodiscard]] Bytes AesCfbDecrypt(BytesView key, BytesView cipher);

// Cryptographic randomness of the operating system.
[[nodiscard]] Random SystemRandom();

}  // namespace gatehouse::crypto
