#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/key.h"
#include "common/crypto/openssl_handles.h"

namespace gatehouse::crypto {
namespace {

using BigNum = std::unique_ptr<BIGNUM, FreeWith<BN_free>>;
using Pkcs8 = std::unique_ptr<PKCS8_PRIV_KEY_INFO, FreeWith<PKCS8_PRIV_KEY_INFO_free>>;
using SharedImpl = std::shared_ptr<const PublicKey::Impl>;

Error Malformed(std::string_view detail) {
  return {Reason::kKeyMalformed, "", std::string(detail)};
}

PkeyPtr Decode(const codec::PemBlock& block) {
  const unsigned char* at = block.der.data();
  const auto size = static_cast<long>(block.der.size());
  PkeyPtr key;
  const Pkcs8 info(d2i_PKCS8_PRIV_KEY_INFO(nullptr, &at, size));
  if (info) {
    // d2i_PrivateKey below would take PKCS#8 too, whatever the label says.
    if (block.label == "PRIVATE KEY") key.reset(EVP_PKCS82PKEY(info.get()));
    if (at != block.der.data() + block.der.size()) return nullptr;
    return key;
  }
  at = block.der.data();
  if (block.label == "EC PRIVATE KEY") {
    key.reset(d2i_PrivateKey(EVP_PKEY_EC, nullptr, &at, size));
  } else if (block.label == "RSA PRIVATE KEY") {
    key.reset(d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &at, size));
  }
  if (at != block.der.data() + block.der.size()) return nullptr;
  return key;
}

// The public half comes first, so that what is wrong with the key is said in the same words as for a public key.
Result<SharedImpl> WithPublic(PkeyPtr key) {
  ASSIGN_OR_RETURN(const SharedImpl half, NormalisedPublic(key.get()));
  return std::make_shared<const PublicKey::Impl>(
      PublicKey::Impl{std::move(key), half->type, half->bits, half->spki, half->fingerprint, half->order});
}

Scheme AnyScheme(KeyType type) {
  if (type == KeyType::kEd25519) return Scheme::kEd25519;
  return type == KeyType::kRsa ? Scheme::kRsaPkcs1v15 : Scheme::kEcdsaDer;
}

const char* GroupName(KeyType type) {
  if (type == KeyType::kEcP256) return "P-256";
  return type == KeyType::kEcP384 ? "P-384" : "P-521";
}

}  // namespace

Result<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  ErrorQueueGuard guard;
  ASSIGN_OR_RETURN(std::vector<codec::PemBlock> blocks, codec::ParsePem(pem, Reason::kKeyMalformed));
  PkeyPtr decoded;
  const std::size_t count = blocks.size();
  if (count == 1) decoded = Decode(blocks.front());
  for (codec::PemBlock& block : blocks) OPENSSL_cleanse(block.der.data(), block.der.size());
  if (count != 1) return Malformed("one private key is expected, not " + std::to_string(count) + " PEM blocks");
  if (!decoded) return Malformed("a PEM block that is no unencrypted PRIVATE KEY, EC PRIVATE KEY or RSA PRIVATE KEY");
  ASSIGN_OR_RETURN(SharedImpl impl, WithPublic(std::move(decoded)));
  PrivateKey key(std::move(impl));
  // The file states the public half beside the private one; they must belong together.
  const Scheme scheme = AnyScheme(key.impl_->type);
  const BytesView message = AsBytes("gatehouse");
  const Result<Bytes> signature = key.Sign(scheme, HashAlgorithm::kSha256, message);
  if (!signature.ok() || !key.Public().Verify(scheme, HashAlgorithm::kSha256, message, *signature)) {
    return Malformed("a private key whose public half is of another key");
  }
  return key;
}

Result<PrivateKey> PrivateKey::Generate(KeyType type, std::size_t rsa_bits) {
  ErrorQueueGuard guard;
  PkeyPtr key;
  switch (type) {
    case KeyType::kRsa:
      if (rsa_bits < 2048 || rsa_bits > 4096) return Malformed("an RSA key must have 2048 to 4096 bits");
      key.reset(EVP_RSA_gen(rsa_bits));
      break;
    case KeyType::kEd25519:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
      break;
    case KeyType::kEcP256:
    case KeyType::kEcP384:
    case KeyType::kEcP521:
      key.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", GroupName(type)));
      break;
  }
  Require(key != nullptr, "a new key");
  ASSIGN_OR_RETURN(SharedImpl impl, WithPublic(std::move(key)));
  return PrivateKey(std::move(impl));
}

PublicKey PrivateKey::Public() const {
  // Rebuilt, so that a public key never holds the private half.
  ErrorQueueGuard guard;
  return PublicKey(NormalisedPublic(impl_->key.get()).value());
}

std::string PrivateKey::Pem() const {
  ErrorQueueGuard guard;
  const Pkcs8 info(EVP_PKEY2PKCS8(impl_->key.get()));
  Require(info != nullptr, "a key's encoding");
  unsigned char* encoded = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info.get(), &encoded);
  Require(size > 0, "a key's encoding");
  std::string pem = codec::EncodePem("PRIVATE KEY", BytesView(encoded, static_cast<std::size_t>(size)));
  OPENSSL_clear_free(encoded, static_cast<std::size_t>(size));
  return pem;
}

Result<Bytes> PrivateKey::Ecdh(const PublicKey& peer) const {
  ErrorQueueGuard guard;
  if (impl_->order.empty() || peer.type() != impl_->type)
    return Malformed("two keys that are not on one elliptic curve");
  const std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, impl_->key.get(), nullptr));
  Bytes shared(impl_->order.size());
  std::size_t size = shared.size();
  if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer.impl().key.get()) != 1 ||
      EVP_PKEY_derive(context.get(), shared.data(), &size) != 1 || size != shared.size()) {
    return Error{Reason::kInternal, "", "ECDH failed: " + guard.Text()};
  }
  return shared;
}

Result<std::pair<Bytes, Bytes>> PrivateKey::EcPoint() const {
  ErrorQueueGuard guard;
  if (impl_->order.empty()) return Malformed("a key that is not on an elliptic curve");
  const auto coordinate = [&](const char* parameter) {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(impl_->key.get(), parameter, &number);
    const BigNum owned(number);
    Bytes bytes(impl_->order.size());
    Require(owned && BN_bn2binpad(owned.get(), bytes.data(), static_cast<int>(bytes.size())) >= 0,
            "a point's coordinates");
    return bytes;
  };
  return std::pair{coordinate(OSSL_PKEY_PARAM_EC_PUB_X), coordinate(OSSL_PKEY_PARAM_EC_PUB_Y)};
}

}  // namespace gatehouse::crypto
