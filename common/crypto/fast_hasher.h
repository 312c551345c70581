// A digest that is computed again and again, as of the entries of a long log.
#pragma once

#include <memory>
#include <span>

#include "common/base/types.h"

struct evp_md_ctx_st;
struct evp_md_st;

namespace gatehouse::crypto {

// Nothing is allocated or looked up after the constructor. For one thread at a time; like Hash(), it throws if OpenSSL
// cannot provide a digest.
//
//   hasher.Begin().Update(a).Update(b).Finish(out);
class FastHasher {
 public:
  explicit FastHasher(HashAlgorithm algorithm);
  [[nodiscard]] HashAlgorithm algorithm() const { return algorithm_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  // Forgets what was hashed before.
  FastHasher& Begin();
  FastHasher& Update(BytesView data);
  // Precondition: out.size() >= size(). `out` may be what was given to Update.
  void Finish(std::span<std::uint8_t> out);

 private:
  struct ContextFree {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, ContextFree> context_;
  const evp_md_st* digest_;
  HashAlgorithm algorithm_;
  std::size_t size_;
};

}  // namespace gatehouse::crypto
