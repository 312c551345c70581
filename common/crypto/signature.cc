// Signatures: PublicKey::Verify, PrivateKey::Sign and the encodings of ECDSA.
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>

#include "common/base/limits.h"
#include "common/crypto/key.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

using KeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;

constexpr std::size_t kMaxFieldBytes = 66;  // P-521
constexpr std::uint8_t kDerSequence = 0x30;
constexpr std::uint8_t kDerInteger = 0x02;

BytesView WithoutLeadingZeros(BytesView number) {
  while (!number.empty() && number.front() == 0) number = number.subspan(1);
  return number;
}

// SEQUENCE { INTEGER r, INTEGER s } on the stack: verification is the hot path.
class EcdsaDerEncoding {
 public:
  // Precondition: both have 1 to kMaxFieldBytes bytes and no leading zero.
  EcdsaDerEncoding(BytesView r, BytesView s) {
    const std::size_t content = IntegerSize(r) + IntegerSize(s);
    Put(kDerSequence);
    if (content > 127) Put(0x81);
    Put(static_cast<std::uint8_t>(content));
    PutInteger(r);
    PutInteger(s);
  }
  [[nodiscard]] BytesView bytes() const { return BytesView(buffer_).first(size_); }

 private:
  static bool NeedsSignByte(BytesView number) { return (number.front() & 0x80) != 0; }
  static std::size_t IntegerSize(BytesView number) { return 2 + (NeedsSignByte(number) ? 1 : 0) + number.size(); }
  void Put(std::uint8_t byte) { buffer_[size_++] = byte; }
  void PutInteger(BytesView number) {
    Put(kDerInteger);
    Put(static_cast<std::uint8_t>(IntegerSize(number) - 2));
    if (NeedsSignByte(number)) Put(0);
    for (const std::uint8_t byte : number) Put(byte);
  }

  std::array<std::uint8_t, 3 + 2 * (3 + kMaxFieldBytes)> buffer_{};
  std::size_t size_ = 0;
};

// FIPS 186-5 section 6.4.2 step 1: "Verify that r and s are integers in the interval [1, n-1]." It is also what
// EcdsaDerEncoding has room for.
bool InRange(BytesView number, BytesView order) {
  if (number.empty() || number.size() > order.size()) return false;
  return number.size() < order.size() || std::ranges::lexicographical_compare(number, order);
}

struct EcdsaNumbers {
  BytesView r;
  BytesView s;
};

// Finds the two integers; whether what is around them is right shows when they are encoded again.
Result<EcdsaNumbers> FindNumbers(BytesView der) {
  ByteReader reader(der, Reason::kSignatureMalformed, "signature");
  ASSIGN_OR_RETURN([[maybe_unused]] BytesView tag, reader.Take(1));
  ASSIGN_OR_RETURN(const std::uint8_t length, reader.TakeU8());
  if (length == 0x81) RETURN_IF_ERROR(reader.Take(1));
  ASSIGN_OR_RETURN([[maybe_unused]] BytesView r_tag, reader.Take(1));
  ASSIGN_OR_RETURN(const std::uint8_t r_length, reader.TakeU8());
  ASSIGN_OR_RETURN(const BytesView r, reader.Take(r_length));
  ASSIGN_OR_RETURN([[maybe_unused]] BytesView s_tag, reader.Take(1));
  ASSIGN_OR_RETURN(const std::uint8_t s_length, reader.TakeU8());
  ASSIGN_OR_RETURN(const BytesView s, reader.Take(s_length));
  RETURN_IF_ERROR(reader.ExpectEnd());
  return EcdsaNumbers{WithoutLeadingZeros(r), WithoutLeadingZeros(s)};
}

// What is signed: a message, or only its hash.
struct Signed {
  const EVP_MD* md;  // nothing for Ed25519
  BytesView bytes;
  bool hashed = false;
};

// The digest of MGF1 is that of the message unless set otherwise.
bool SetPss(EVP_PKEY_CTX* settings) {
  return EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_AUTO) == 1;
}

bool VerifyWith(EVP_PKEY* key, const Signed& what, bool pss, BytesView signature) {
  if (what.hashed) {
    const KeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    return context && EVP_PKEY_verify_init(context.get()) == 1 && (!pss || SetPss(context.get())) &&
           EVP_PKEY_CTX_set_signature_md(context.get(), what.md) == 1 &&
           EVP_PKEY_verify(context.get(), signature.data(), signature.size(), what.bytes.data(), what.bytes.size()) ==
               1;
  }
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  return context && EVP_DigestVerifyInit(context.get(), &settings, what.md, nullptr, key) == 1 &&
         (!pss || SetPss(settings)) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), what.bytes.data(), what.bytes.size()) == 1;
}

bool VerifyEcdsa(const PublicKey::Impl& key, const Signed& what, bool raw, BytesView signature) {
  if (key.order.empty()) return false;
  EcdsaNumbers numbers;
  if (raw) {
    // RFC 7518 section 3.4: r and s "as octet sequences ... of the same length" as the field, never shorter.
    if (signature.size() != 2 * key.order.size()) return false;
    numbers = {WithoutLeadingZeros(signature.first(key.order.size())),
               WithoutLeadingZeros(signature.subspan(key.order.size()))};
  } else {
    const Result<EcdsaNumbers> found = FindNumbers(signature);
    if (!found.ok()) return false;
    numbers = *found;
  }
  if (!InRange(numbers.r, key.order) || !InRange(numbers.s, key.order)) return false;
  const EcdsaDerEncoding canonical(numbers.r, numbers.s);
  if (!raw && !std::ranges::equal(canonical.bytes(), signature)) return false;
  return VerifyWith(key.key.get(), what, false, canonical.bytes());
}

bool VerifyRsa(const PublicKey::Impl& key, const Signed& what, bool pss, BytesView signature) {
  // RFC 8017 sections 8.1.2 and 8.2.2, step 1: "If the length of the signature S is not k octets, output "invalid
  // signature"". OpenSSL takes a shorter one for PSS.
  if (key.type != KeyType::kRsa || signature.size() != (key.bits + 7) / 8) return false;
  return VerifyWith(key.key.get(), what, pss, signature);
}

bool VerifyScheme(const PublicKey::Impl& key, Scheme scheme, const Signed& what, BytesView signature) {
  switch (scheme) {
    case Scheme::kEcdsaDer:
      return VerifyEcdsa(key, what, false, signature);
    case Scheme::kEcdsaRaw:
      return VerifyEcdsa(key, what, true, signature);
    case Scheme::kRsaPkcs1v15:
      return VerifyRsa(key, what, false, signature);
    case Scheme::kRsaPss:
      return VerifyRsa(key, what, true, signature);
    case Scheme::kEd25519:
      break;
  }
  return false;
}

}  // namespace

bool PublicKey::Verify(Scheme scheme, HashAlgorithm hash, BytesView message, BytesView signature) const {
  ErrorQueueGuard guard;
  if (scheme == Scheme::kEd25519) {
    return impl_->type == KeyType::kEd25519 &&
           VerifyWith(impl_->key.get(), {.md = nullptr, .bytes = message}, false, signature);
  }
  if (hash == HashAlgorithm::kSha1) return false;
  return VerifyScheme(*impl_, scheme, {.md = MessageDigest(hash), .bytes = message}, signature);
}

bool PublicKey::VerifyHashed(Scheme scheme, HashAlgorithm hash, BytesView digest, BytesView signature) const {
  ErrorQueueGuard guard;
  if (hash == HashAlgorithm::kSha1 || digest.size() != DigestSize(hash)) return false;
  return VerifyScheme(*impl_, scheme, {.md = MessageDigest(hash), .bytes = digest, .hashed = true}, signature);
}

Result<Bytes> EcdsaDer(BytesView r, BytesView s, std::size_t field_bytes) {
  const auto malformed = [](std::string_view detail) {
    return Error{Reason::kSignatureMalformed, "", std::string(detail)};
  };
  if (field_bytes == 0 || field_bytes > kMaxFieldBytes) return malformed("no curve has a field of that length");
  if (r.size() > field_bytes || s.size() > field_bytes) return malformed("an ECDSA number longer than its field");
  r = WithoutLeadingZeros(r);
  s = WithoutLeadingZeros(s);
  if (r.empty() || s.empty()) return malformed("an ECDSA number that is empty or zero");
  return ToBytes(EcdsaDerEncoding(r, s).bytes());
}

Result<Bytes> PrivateKey::Sign(Scheme scheme, HashAlgorithm hash, BytesView message) const {
  ErrorQueueGuard guard;
  const auto failed = [](std::string_view detail) { return Error{Reason::kInternal, "", std::string(detail)}; };
  const bool ecdsa = scheme == Scheme::kEcdsaDer || scheme == Scheme::kEcdsaRaw;
  const bool ed25519 = scheme == Scheme::kEd25519;
  const bool fits = ecdsa     ? !impl_->order.empty()
                    : ed25519 ? impl_->type == KeyType::kEd25519
                              : impl_->type == KeyType::kRsa;
  if (!fits) return failed("the key does not have this signature scheme");
  if (!ed25519 && hash == HashAlgorithm::kSha1) return failed("SHA-1 is not signed");
  const DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* settings = nullptr;
  bool ready = context && EVP_DigestSignInit(context.get(), &settings, ed25519 ? nullptr : MessageDigest(hash), nullptr,
                                             impl_->key.get()) == 1;
  if (ready && scheme == Scheme::kRsaPss) {
    ready = EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1;
  }
  Bytes signature(limits::kSignatureBytes);
  std::size_t size = signature.size();
  if (!ready || EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return failed("signing failed: " + guard.Text());
  }
  signature.resize(size);
  if (scheme != Scheme::kEcdsaRaw) return signature;
  ASSIGN_OR_RETURN(const EcdsaNumbers numbers, FindNumbers(signature));
  const std::size_t field = impl_->order.size();
  Bytes raw(2 * field);
  std::ranges::copy(numbers.r, raw.begin() + static_cast<std::ptrdiff_t>(field - numbers.r.size()));
  std::ranges::copy(numbers.s, raw.begin() + static_cast<std::ptrdiff_t>(2 * field - numbers.s.size()));
  return raw;
}

}  // namespace gatehouse::crypto
