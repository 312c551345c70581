// What the .cc files of this room share. OpenSSL's types are only declared here, so that nothing outside of the room's
// .cc files sees its headers; include this from them only.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "common/crypto/key.h"
#include "common/crypto/x509.h"

struct evp_md_st;
struct evp_pkey_st;
struct x509_st;

namespace gatehouse::crypto {

// std::unique_ptr<BIGNUM, FreeWith<BN_free>>
template <auto kFree>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

struct PkeyFree {
  void operator()(evp_pkey_st* key) const;
};
using PkeyPtr = std::unique_ptr<evp_pkey_st, PkeyFree>;

struct X509Free {
  void operator()(x509_st* certificate) const;
};
using X509Ptr = std::unique_ptr<x509_st, X509Free>;

// Every public function of this room that calls OpenSSL holds one: whatever OpenSSL put into the thread's error queue
// meanwhile is gone afterwards, and what a caller (a TLS connection) had there before is left alone.
class ErrorQueueGuard {
 public:
  ErrorQueueGuard();
  ~ErrorQueueGuard();
  ErrorQueueGuard(const ErrorQueueGuard&) = delete;
  ErrorQueueGuard& operator=(const ErrorQueueGuard&) = delete;

  // OpenSSL's text for the newest error since construction; "" if there is none.
  [[nodiscard]] std::string Text() const;
};

// Fetched once per process; holds no state of the program.
[[nodiscard]] const evp_md_st* MessageDigest(HashAlgorithm algorithm);

// OpenSSL fails at these only for want of memory, or when the machine's configuration has removed an algorithm. An
// empty digest or unfilled random bytes must never reach a comparison, so this throws std::runtime_error, as a failing
// allocation does; the walls of the program turn it into a refusal.
void Require(bool succeeded, const char* what);

struct PublicKey::Impl {
  PkeyPtr key;
  KeyType type;
  std::size_t bits;
  Bytes spki;          // the one DER encoding of this key
  Digest fingerprint;  // of `spki`
  Bytes order;         // EC: n, as long as the field; empty otherwise
};

// The public half of `key`, which may hold a private half too, checked as PublicKey::FromPem says and rebuilt from its
// numbers, so that what comes out has one encoding only and holds nothing private. Errors: kKeyMalformed.
[[nodiscard]] Result<std::shared_ptr<const PublicKey::Impl>> NormalisedPublic(const evp_pkey_st* key);

// X.690 section 10.1, for what OpenSSL reads as BER: definite lengths in their shortest form, low tag numbers, `depth`
// 0 at first. Errors: kCertificateMalformed.
[[nodiscard]] Status CheckDerLengths(BytesView der, int depth);

// Whether checking a signature with the key of this certificate has a bounded cost: OpenSSL takes RSA keys of 16384
// bits, and curves of any parameters.
[[nodiscard]] bool HasBoundedKey(const Certificate& certificate);

struct Certificate::Impl {
  X509Ptr x509;
  Bytes der;
  WallTime not_before;
  WallTime not_after;
};

}  // namespace gatehouse::crypto
