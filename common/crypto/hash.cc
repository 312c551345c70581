#include "common/crypto/hash.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <limits>
#include <stdexcept>

#include "common/base/encoding.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {

ErrorQueueGuard::ErrorQueueGuard() {
  ERR_set_mark();
}

ErrorQueueGuard::~ErrorQueueGuard() {
  ERR_pop_to_mark();
}

std::string ErrorQueueGuard::Text() const {
  const unsigned long code = ERR_peek_last_error();
  if (code == 0) return "";
  const char* reason = ERR_reason_error_string(code);
  return reason == nullptr ? "error " + std::to_string(code) : reason;
}

void Require(bool succeeded, const char* what) {
  if (!succeeded) throw std::runtime_error(std::string("OpenSSL cannot provide ") + what);
}

namespace {

const EVP_MD* Fetch(const char* name) {
  const EVP_MD* md = EVP_MD_fetch(nullptr, name, nullptr);
  Require(md != nullptr, name);
  return md;
}

}  // namespace

const EVP_MD* MessageDigest(HashAlgorithm algorithm) {
  // An explicit fetch is several times cheaper to use than EVP_sha256(), which OpenSSL 3 fetches anew in every call.
  switch (algorithm) {
    case HashAlgorithm::kSha1: {
      static const EVP_MD* const sha1 = Fetch("SHA1");
      return sha1;
    }
    case HashAlgorithm::kSha256: {
      static const EVP_MD* const sha256 = Fetch("SHA256");
      return sha256;
    }
    case HashAlgorithm::kSha384: {
      static const EVP_MD* const sha384 = Fetch("SHA384");
      return sha384;
    }
    case HashAlgorithm::kSha512: {
      static const EVP_MD* const sha512 = Fetch("SHA512");
      return sha512;
    }
  }
  Require(false, "an unknown hash algorithm");
  return nullptr;
}

Bytes Hash(HashAlgorithm algorithm, BytesView data) {
  ErrorQueueGuard guard;
  Bytes digest(DigestSize(algorithm));
  Require(EVP_Digest(data.data(), data.size(), digest.data(), nullptr, MessageDigest(algorithm), nullptr) == 1,
          "a digest");
  return digest;
}

Digest Sha256Digest(BytesView data) {
  return Digest::Make(HashAlgorithm::kSha256, Hash(HashAlgorithm::kSha256, data)).value();
}

bool Matches(const Digest& digest, BytesView data) {
  return EncodeHex(Hash(digest.algorithm(), data)) == digest.hex();
}

struct Hasher::Impl {
  std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>> context;
  std::size_t size;
};

Hasher::Hasher(HashAlgorithm algorithm) {
  ErrorQueueGuard guard;
  impl_ = std::make_unique<Impl>();
  impl_->context.reset(EVP_MD_CTX_new());
  impl_->size = DigestSize(algorithm);
  Require(impl_->context != nullptr, "memory");
  Require(EVP_DigestInit_ex2(impl_->context.get(), MessageDigest(algorithm), nullptr) == 1, "a digest");
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

Hasher& Hasher::Update(BytesView data) {
  ErrorQueueGuard guard;
  Require(EVP_DigestUpdate(impl_->context.get(), data.data(), data.size()) == 1, "a digest");
  return *this;
}

Bytes Hasher::Finish() && {
  ErrorQueueGuard guard;
  Bytes digest(impl_->size);
  Require(EVP_DigestFinal_ex(impl_->context.get(), digest.data(), nullptr) == 1, "a digest");
  return digest;
}

Bytes Hmac(HashAlgorithm algorithm, BytesView key, BytesView data) {
  ErrorQueueGuard guard;
  assert(key.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  Bytes mac(DigestSize(algorithm));
  unsigned int size = 0;
  // A null key means "the key of before" to OpenSSL, and there is none.
  constexpr std::uint8_t kNothing = 0;
  const std::uint8_t* key_bytes = key.empty() ? &kNothing : key.data();
  const unsigned char* result = HMAC(MessageDigest(algorithm), key_bytes, static_cast<int>(key.size()), data.data(),
                                     data.size(), mac.data(), &size);
  Require(result != nullptr && size == mac.size(), "an HMAC");
  return mac;
}

namespace {

// Both functions of TPM 2.0 Part 1 count blocks from 1, feed `label ‖ 00 ‖ first ‖ second`, and keep the leftmost bits:
// "Label ... a null-terminated string", and for both "the counter is incremented for each iteration".
template <typename Block>
Bytes DeriveByCounter(std::string_view label, BytesView first, BytesView second, std::size_t bits, const Block& block) {
  assert(bits % 8 == 0);
  ByteWriter fixed;
  fixed.Put(AsBytes(label));
  fixed.PutU8(0);
  fixed.Put(first);
  fixed.Put(second);
  Bytes derived;
  for (std::uint32_t counter = 1; derived.size() < bits / 8; ++counter) Append(derived, block(counter, fixed.bytes()));
  derived.resize(bits / 8);
  return derived;
}

}  // namespace

Bytes KdfA(HashAlgorithm algorithm, BytesView key, std::string_view label, BytesView context_u, BytesView context_v,
           std::size_t bits) {
  // KDFa is SP 800-108 in counter mode: K(i) = HMAC(K, [i] ‖ Label ‖ 00 ‖ Context ‖ [L]), [i] and [L] of 32 bits.
  return DeriveByCounter(label, context_u, context_v, bits, [&](std::uint32_t counter, const Bytes& fixed) {
    ByteWriter input;
    input.PutU32Be(counter);
    input.Put(fixed);
    input.PutU32Be(static_cast<std::uint32_t>(bits));
    return Hmac(algorithm, key, input.bytes());
  });
}

Bytes KdfE(HashAlgorithm algorithm, BytesView z, std::string_view label, BytesView party_u, BytesView party_v,
           std::size_t bits) {
  // KDFe is SP 800-56A's concatenation function: digest(i) = H(counter ‖ Z ‖ Use ‖ 00 ‖ PartyUInfo ‖ PartyVInfo).
  return DeriveByCounter(label, party_u, party_v, bits, [&](std::uint32_t counter, const Bytes& fixed) {
    ByteWriter input;
    input.PutU32Be(counter);
    input.Put(z);
    input.Put(fixed);
    return Hash(algorithm, input.bytes());
  });
}

namespace {

Bytes AesCfb(BytesView key, BytesView input, bool encrypt) {
  ErrorQueueGuard guard;
  Require(key.size() == 16 || key.size() == 32, "AES-CFB with a key that has neither 16 nor 32 bytes");
  Require(input.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()), "AES-CFB of so much data");
  const EVP_CIPHER* cipher = key.size() == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128();
  const std::array<std::uint8_t, 16> zero_iv{};
  std::unique_ptr<EVP_CIPHER_CTX, FreeWith<EVP_CIPHER_CTX_free>> context(EVP_CIPHER_CTX_new());
  Require(context != nullptr, "memory");
  Require(EVP_CipherInit_ex2(context.get(), cipher, key.data(), zero_iv.data(), encrypt ? 1 : 0, nullptr) == 1,
          "AES-CFB");
  Bytes output(input.size());
  int size = 0;
  // A stream mode: as many bytes come out as go in, and nothing at the end.
  Require(input.empty() ||
              EVP_CipherUpdate(context.get(), output.data(), &size, input.data(), static_cast<int>(input.size())) == 1,
          "AES-CFB");
  Require(static_cast<std::size_t>(size) == input.size(), "AES-CFB");
  return output;
}

}  // namespace

Bytes AesCfbEncrypt(BytesView key, BytesView plain) {
  return AesCfb(key, plain, true);
}

Bytes AesCfbDecrypt(BytesView key, BytesView cipher) {
  return AesCfb(key, cipher, false);
}

Random SystemRandom() {
  return [](std::size_t count) {
    ErrorQueueGuard guard;
    Require(count <= static_cast<std::size_t>(std::numeric_limits<int>::max()), "so much randomness");
    Bytes bytes(count);
    Require(RAND_bytes(bytes.data(), static_cast<int>(count)) == 1, "randomness");
    return bytes;
  };
}

}  // namespace gatehouse::crypto
