#include "common/crypto/key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <array>
#include <limits>

#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {

void PkeyFree::operator()(EVP_PKEY* key) const {
  EVP_PKEY_free(key);
}

namespace {

using BigNum = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using SharedImpl = std::shared_ptr<const PublicKey::Impl>;

constexpr int kMinRsaBits = 2048;  // 112 bits of security, the least that NIST SP 800-131A still allows
// FIPS 186-5 A.1.1: "2^16 < e < 2^256". A TPM's exponent has 32 bits (Part 2, TPMS_RSA_PARMS), and nobody uses a longer
// one.
constexpr BN_ULONG kMinRsaExponent = 65537;
constexpr int kMaxRsaExponentBits = 32;

struct Curve {
  KeyType type;
  const char* group;  // as OpenSSL names it
  std::size_t bits;
  [[nodiscard]] std::size_t bytes() const { return (bits + 7) / 8; }
};

constexpr std::array<Curve, 3> kCurves{{
    {KeyType::kEcP256, "prime256v1", 256},
    {KeyType::kEcP384, "secp384r1", 384},
    {KeyType::kEcP521, "secp521r1", 521},
}};

const Curve* FindCurve(KeyType type) {
  for (const Curve& curve : kCurves) {
    if (curve.type == type) return &curve;
  }
  return nullptr;
}

Error Malformed(std::string_view detail) {
  return {Reason::kKeyMalformed, "", std::string(detail)};
}

// `encode` is an i2d_ function: called with no buffer it gives the size, with one it fills it.
template <typename Encode>
Bytes ToDer(const Encode& encode) {
  const int size = encode(nullptr);
  Require(size > 0, "a key's encoding");
  Bytes der(static_cast<std::size_t>(size));
  unsigned char* at = der.data();
  Require(encode(&at) == size, "a key's encoding");
  return der;
}

BigNum GetNumber(const EVP_PKEY* key, const char* parameter) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, parameter, &number);
  return BigNum(number);
}

PkeyPtr BuildPublic(const char* algorithm, OSSL_PARAM* parameters) {
  PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, algorithm, nullptr));
  Require(context != nullptr, algorithm);
  Require(EVP_PKEY_fromdata_init(context.get()) == 1, algorithm);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) return nullptr;
  return PkeyPtr(key);
}

SharedImpl Wrap(PkeyPtr key, KeyType type, std::size_t bits) {
  const EVP_PKEY* raw = key.get();
  Bytes spki = ToDer([&](unsigned char** out) { return i2d_PUBKEY(raw, out); });
  Digest fingerprint = Sha256Digest(spki);
  Bytes order;
  if (const Curve* curve = FindCurve(type)) {
    const BigNum number = GetNumber(raw, OSSL_PKEY_PARAM_EC_ORDER);
    order.resize(curve->bytes());
    Require(number && BN_bn2binpad(number.get(), order.data(), static_cast<int>(order.size())) > 0, "a curve's order");
  }
  return std::make_shared<const PublicKey::Impl>(
      PublicKey::Impl{std::move(key), type, bits, std::move(spki), std::move(fingerprint), std::move(order)});
}

Result<SharedImpl> MakeRsa(const BIGNUM* modulus, const BIGNUM* exponent) {
  const int bits = BN_num_bits(modulus);
  if (bits < kMinRsaBits || bits > limits::kRsaBits) {
    return Malformed("an RSA key of " + std::to_string(bits) + " bits; 2048 to 4096 are accepted");
  }
  if (BN_is_odd(modulus) == 0) return Malformed("an RSA modulus that is even");
  const BigNum least(BN_new());
  Require(least && BN_set_word(least.get(), kMinRsaExponent) == 1, "memory");
  if (BN_is_odd(exponent) == 0 || BN_cmp(exponent, least.get()) < 0 || BN_num_bits(exponent) > kMaxRsaExponentBits) {
    return Malformed("an RSA exponent that is even, below 65537 or above 32 bits");
  }
  const std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  Require(builder && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus) == 1 &&
              OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent) == 1,
          "memory");
  const std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>> parameters(OSSL_PARAM_BLD_to_param(builder.get()));
  Require(parameters != nullptr, "memory");
  PkeyPtr key = BuildPublic("RSA", parameters.get());
  if (!key) return Malformed("numbers that make no RSA key");
  return Wrap(std::move(key), KeyType::kRsa, static_cast<std::size_t>(bits));
}

void PutPadded(Bytes& to, BytesView number, std::size_t size) {
  to.insert(to.end(), size - number.size(), 0);
  Append(to, number);
}

Result<SharedImpl> MakeEc(const Curve& curve, BytesView x, BytesView y) {
  if (x.empty() || y.empty() || x.size() > curve.bytes() || y.size() > curve.bytes()) {
    return Malformed("coordinates of the wrong length for " + std::string(curve.group));
  }
  Bytes point{4};  // SEC 1 section 2.3.3: the uncompressed form
  PutPadded(point, x, curve.bytes());
  PutPadded(point, y, curve.bytes());
  std::string group = curve.group;
  std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), group.size()),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  // OpenSSL checks that the coordinates are below p and that the point is on the curve. The cofactor of these curves is
  // 1, so there is no further subgroup to be in.
  PkeyPtr key = BuildPublic("EC", parameters.data());
  if (!key) return Malformed("a point that is not on " + std::string(curve.group));
  return Wrap(std::move(key), curve.type, curve.bits);
}

Result<SharedImpl> NormalisedEc(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) {
    return Malformed("an elliptic curve without a name");
  }
  for (const Curve& curve : kCurves) {
    if (std::string_view(group.data()) != curve.group) continue;
    const BigNum x = GetNumber(key, OSSL_PKEY_PARAM_EC_PUB_X);
    const BigNum y = GetNumber(key, OSSL_PKEY_PARAM_EC_PUB_Y);
    if (!x || !y) return Malformed("an elliptic curve key without a public point");
    Bytes x_bytes(curve.bytes());
    Bytes y_bytes(curve.bytes());
    const int length = static_cast<int>(curve.bytes());
    if (BN_bn2binpad(x.get(), x_bytes.data(), length) < 0 || BN_bn2binpad(y.get(), y_bytes.data(), length) < 0) {
      return Malformed("a point beyond its field");
    }
    return MakeEc(curve, x_bytes, y_bytes);
  }
  return Malformed("the elliptic curve " + std::string(group.data()) + "; P-256, P-384 and P-521 are accepted");
}

Result<SharedImpl> NormalisedEd25519(const EVP_PKEY* key) {
  std::array<std::uint8_t, 32> raw{};
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key, raw.data(), &size) != 1 || size != raw.size()) {
    return Malformed("an Ed25519 key without 32 bytes");
  }
  PkeyPtr copy(EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, raw.data(), raw.size()));
  if (!copy) return Malformed("bytes that make no Ed25519 key");
  return Wrap(std::move(copy), KeyType::kEd25519, 256);
}

Result<SharedImpl> DecodeSpki(BytesView der) {
  if (der.empty() || der.size() > limits::kCertificateBytes) return Malformed("an empty or overlong public key");
  const unsigned char* at = der.data();
  const PkeyPtr key(d2i_PUBKEY(nullptr, &at, static_cast<long>(der.size())));
  if (!key) return Malformed("bytes that are no SubjectPublicKeyInfo of a supported key");
  ASSIGN_OR_RETURN(SharedImpl impl, NormalisedPublic(key.get()));
  // One key has one encoding, and so one fingerprint. This refuses trailing bytes, BER lengths, a compressed or hybrid
  // point, and curve parameters that are written out (RFC 5480 section 2.1.1: "specifiedCurve ... MUST NOT be used in
  // PKIX").
  if (!std::ranges::equal(impl->spki, der))
    return Malformed("a public key that is not in canonical DER, or bytes after it");
  return impl;
}

// RSAPublicKey of RFC 8017 appendix A.1.1.
Result<SharedImpl> DecodePkcs1(BytesView der) {
  if (der.empty() || der.size() > limits::kCertificateBytes) return Malformed("an empty or overlong public key");
  const unsigned char* at = der.data();
  const PkeyPtr key(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size())));
  if (!key) return Malformed("bytes that are no RSAPublicKey");
  ASSIGN_OR_RETURN(SharedImpl impl, NormalisedPublic(key.get()));
  const EVP_PKEY* raw = impl->key.get();
  if (!std::ranges::equal(ToDer([&](unsigned char** out) { return i2d_PublicKey(raw, out); }), der)) {
    return Malformed("an RSA public key that is not in canonical DER, or bytes after it");
  }
  return impl;
}

}  // namespace

Result<SharedImpl> NormalisedPublic(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: {
      const BigNum modulus = GetNumber(key, OSSL_PKEY_PARAM_RSA_N);
      const BigNum exponent = GetNumber(key, OSSL_PKEY_PARAM_RSA_E);
      if (!modulus || !exponent) return Malformed("an RSA key without modulus or exponent");
      return MakeRsa(modulus.get(), exponent.get());
    }
    case EVP_PKEY_EC:
      return NormalisedEc(key);
    case EVP_PKEY_ED25519:
      return NormalisedEd25519(key);
    default:
      return Malformed("a key that is neither ECDSA, RSA nor Ed25519");
  }
}

Result<PublicKey> PublicKey::FromPem(std::string_view pem) {
  ErrorQueueGuard guard;
  ASSIGN_OR_RETURN(std::vector<codec::PemBlock> blocks, codec::ParsePem(pem, Reason::kKeyMalformed));
  if (blocks.size() != 1)
    return Malformed("one public key is expected, not " + std::to_string(blocks.size()) + " PEM blocks");
  const codec::PemBlock& block = blocks.front();
  if (block.label == "PUBLIC KEY") return FromSpki(block.der);
  if (block.label == "RSA PUBLIC KEY") return FromPkcs1(block.der);
  if (block.label == "CERTIFICATE") return Malformed("a certificate where a public key belongs");
  if (block.label.ends_with("PRIVATE KEY"))
    return Malformed("a private key where a public key belongs; keep it secret");
  return Malformed("a PEM block with another label than PUBLIC KEY");
}

Result<PublicKey> PublicKey::FromSpki(BytesView der) {
  ErrorQueueGuard guard;
  ASSIGN_OR_RETURN(SharedImpl impl, DecodeSpki(der));
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::FromPkcs1(BytesView der) {
  ErrorQueueGuard guard;
  ASSIGN_OR_RETURN(SharedImpl impl, DecodePkcs1(der));
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::FromRsa(BytesView modulus, std::uint32_t exponent) {
  ErrorQueueGuard guard;
  if (modulus.size() > limits::kCertificateBytes) return Malformed("an overlong RSA modulus");
  const BigNum n(BN_bin2bn(modulus.data(), static_cast<int>(modulus.size()), nullptr));
  const BigNum e(BN_new());
  // TPM 2.0 Part 2, TPMS_RSA_PARMS: "When zero, indicates that the exponent is the default of 2^16 + 1".
  Require(n && e && BN_set_word(e.get(), exponent == 0 ? kMinRsaExponent : exponent) == 1, "memory");
  ASSIGN_OR_RETURN(SharedImpl impl, MakeRsa(n.get(), e.get()));
  return PublicKey(std::move(impl));
}

Result<PublicKey> PublicKey::FromEc(KeyType curve, BytesView x, BytesView y) {
  ErrorQueueGuard guard;
  const Curve* found = FindCurve(curve);
  if (found == nullptr) return Malformed("coordinates for a key that is not on an elliptic curve of ours");
  ASSIGN_OR_RETURN(SharedImpl impl, MakeEc(*found, x, y));
  return PublicKey(std::move(impl));
}

KeyType PublicKey::type() const {
  return impl_->type;
}

std::size_t PublicKey::bits() const {
  return impl_->bits;
}

Bytes PublicKey::Spki() const {
  return impl_->spki;
}

std::string PublicKey::Pem() const {
  return codec::EncodePem("PUBLIC KEY", impl_->spki);
}

Digest PublicKey::Fingerprint() const {
  return impl_->fingerprint;
}

bool operator==(const PublicKey& a, const PublicKey& b) {
  return a.impl_->spki == b.impl_->spki;
}

Result<Bytes> PublicKey::EncryptOaep(HashAlgorithm hash, BytesView label, BytesView plain) const {
  ErrorQueueGuard guard;
  if (impl_->type != KeyType::kRsa) return Malformed("only an RSA key encrypts");
  const PkeyContext context(EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
  Require(context != nullptr, "memory");
  bool ready = EVP_PKEY_encrypt_init(context.get()) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), MessageDigest(hash)) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), MessageDigest(hash)) == 1;
  if (ready && !label.empty()) {
    // OpenSSL takes the copy over if, and only if, the call succeeds.
    void* copy = OPENSSL_memdup(label.data(), label.size());
    Require(copy != nullptr, "memory");
    ready = EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), copy, static_cast<int>(label.size())) == 1;
    if (!ready) OPENSSL_free(copy);
  }
  Bytes cipher((impl_->bits + 7) / 8);
  std::size_t size = cipher.size();
  if (!ready || EVP_PKEY_encrypt(context.get(), cipher.data(), &size, plain.data(), plain.size()) != 1) {
    return Error{Reason::kInternal, "", "OAEP failed: " + guard.Text()};
  }
  cipher.resize(size);
  return cipher;
}

}  // namespace gatehouse::crypto
