#include "common/crypto/fast_hasher.h"

#include <openssl/evp.h>

#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {

void FastHasher::ContextFree::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

FastHasher::FastHasher(HashAlgorithm algorithm)
    : context_(EVP_MD_CTX_new()),
      digest_(MessageDigest(algorithm)),
      algorithm_(algorithm),
      size_(DigestSize(algorithm)) {
  ErrorQueueGuard guard;
  Require(context_ != nullptr, "memory");
  Require(EVP_DigestInit_ex2(context_.get(), digest_, nullptr) == 1, "a digest");
}

// No ErrorQueueGuard below: it costs as much as hashing a block, and these put nothing into the queue but before they
// throw.
FastHasher& FastHasher::Begin() {
  // The same fetched digest again: the context is reset in place.
  Require(EVP_DigestInit_ex2(context_.get(), digest_, nullptr) == 1, "a digest");
  return *this;
}

FastHasher& FastHasher::Update(BytesView data) {
  Require(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1, "a digest");
  return *this;
}

void FastHasher::Finish(std::span<std::uint8_t> out) {
  Require(out.size() >= size_, "a digest in so little room");
  Require(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1, "a digest");
}

}  // namespace gatehouse::crypto
