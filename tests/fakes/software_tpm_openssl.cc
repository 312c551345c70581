#include "tests/fakes/software_tpm_openssl.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <memory>
#include <stdexcept>

namespace gatehouse::fakes {
namespace {

struct Free {
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(EVP_PKEY_CTX* p) const { EVP_PKEY_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(EVP_CIPHER_CTX* p) const { EVP_CIPHER_CTX_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(BIGNUM* p) const { BN_free(p); }
  void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

// A fault of a fake ends its test.
void Must(bool done) {
  if (!done) throw std::runtime_error("OpenSSL failed in the software TPM");
}

const EVP_MD* Md(HashAlgorithm hash) {
  switch (hash) {
    case HashAlgorithm::kSha1:
      return EVP_sha1();
    case HashAlgorithm::kSha256:
      return EVP_sha256();
    case HashAlgorithm::kSha384:
      return EVP_sha384();
    case HashAlgorithm::kSha512:
      return EVP_sha512();
  }
  return nullptr;
}

Owned<EVP_PKEY> Load(const crypto::PrivateKey& key) {
  const std::string pem = key.Pem();
  Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Owned<EVP_PKEY> loaded(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  Must(loaded != nullptr);
  return loaded;
}

Bytes Number(std::uint32_t value) {
  ByteWriter writer;
  writer.PutU32Be(value);
  return std::move(writer).Finish();
}

Bytes WithNul(std::string_view label) {
  Bytes bytes = ToBytes(label);
  bytes.push_back(0);
  return bytes;
}

}  // namespace

Bytes RsaModulus(const crypto::PublicKey& key) {
  const Bytes spki = key.Spki();
  const std::uint8_t* at = spki.data();
  Owned<EVP_PKEY> loaded(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
  Must(loaded != nullptr);
  BIGNUM* modulus = nullptr;
  Must(EVP_PKEY_get_bn_param(loaded.get(), OSSL_PKEY_PARAM_RSA_N, &modulus) == 1);
  Owned<BIGNUM> owned(modulus);
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(modulus)));
  BN_bn2bin(modulus, bytes.data());
  return bytes;
}

Bytes SignAny(const crypto::PrivateKey& key, HashAlgorithm hash, BytesView message,
              std::optional<std::size_t> pss_salt) {
  Owned<EVP_PKEY> loaded = Load(key);
  Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* parameters = nullptr;
  Must(EVP_DigestSignInit(context.get(), &parameters, Md(hash), nullptr, loaded.get()) == 1);
  if (pss_salt) {
    Must(EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1);
    Must(EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, static_cast<int>(*pss_salt)) == 1);
  }
  std::size_t size = 0;
  Must(EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) == 1);
  Bytes signature(size);
  Must(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1);
  signature.resize(size);
  return signature;
}

std::pair<Bytes, Bytes> EcdsaNumbers(BytesView der, std::size_t field_bytes) {
  const std::uint8_t* at = der.data();
  Owned<ECDSA_SIG> signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  Must(signature != nullptr);
  Bytes r(field_bytes);
  Bytes s(field_bytes);
  const int width = static_cast<int>(field_bytes);
  Must(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), r.data(), width) == width);
  Must(BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), s.data(), width) == width);
  return {std::move(r), std::move(s)};
}

std::optional<Bytes> DecryptOaep(const crypto::PrivateKey& key, HashAlgorithm hash, BytesView label, BytesView cipher) {
  Owned<EVP_PKEY> loaded = Load(key);
  Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new(loaded.get(), nullptr));
  Must(EVP_PKEY_decrypt_init(context.get()) == 1);
  Must(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_OAEP_PADDING) == 1);
  Must(EVP_PKEY_CTX_set_rsa_oaep_md(context.get(), Md(hash)) == 1);
  Must(EVP_PKEY_CTX_set_rsa_mgf1_md(context.get(), Md(hash)) == 1);
  void* copy = OPENSSL_memdup(label.data(), label.size());
  Must(EVP_PKEY_CTX_set0_rsa_oaep_label(context.get(), copy, static_cast<int>(label.size())) == 1);
  std::size_t size = 0;
  Must(EVP_PKEY_decrypt(context.get(), nullptr, &size, cipher.data(), cipher.size()) == 1);
  Bytes plain(size);
  if (EVP_PKEY_decrypt(context.get(), plain.data(), &size, cipher.data(), cipher.size()) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  plain.resize(size);
  return plain;
}

Bytes DecryptCfb(BytesView key, BytesView cipher) {
  const Bytes iv(16, 0);
  Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  const EVP_CIPHER* aes = key.size() == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128();
  Must(EVP_DecryptInit_ex(context.get(), aes, nullptr, key.data(), iv.data()) == 1);
  Bytes plain(cipher.size());
  int size = 0;
  Must(EVP_DecryptUpdate(context.get(), plain.data(), &size, cipher.data(), static_cast<int>(cipher.size())) == 1);
  return plain;
}

Bytes OtherHmac(HashAlgorithm hash, BytesView key, BytesView data) {
  Bytes mac(DigestSize(hash));
  unsigned size = 0;
  Must(HMAC(Md(hash), key.data(), static_cast<int>(key.size()), data.data(), data.size(), mac.data(), &size) !=
       nullptr);
  return mac;
}

// K(i) = HMAC(K, [i] ‖ Label ‖ 00 ‖ Context ‖ [L])
Bytes OtherKdfA(HashAlgorithm hash, BytesView key, std::string_view label, BytesView context, std::size_t bits) {
  Bytes made;
  for (std::uint32_t i = 1; made.size() < bits / 8; ++i) {
    Bytes input = Number(i);
    Append(input, WithNul(label));
    Append(input, context);
    Append(input, Number(static_cast<std::uint32_t>(bits)));
    Append(made, OtherHmac(hash, key, input));
  }
  made.resize(bits / 8);
  return made;
}

// H(i) = H([i] ‖ Z ‖ Use ‖ 00 ‖ PartyUInfo ‖ PartyVInfo)
Bytes OtherKdfE(HashAlgorithm hash, BytesView z, std::string_view label, BytesView party_u, BytesView party_v,
                std::size_t bits) {
  Bytes made;
  for (std::uint32_t i = 1; made.size() < bits / 8; ++i) {
    Bytes input = Number(i);
    Append(input, z);
    Append(input, WithNul(label));
    Append(input, party_u);
    Append(input, party_v);
    Bytes digest(DigestSize(hash));
    unsigned size = 0;
    Must(EVP_Digest(input.data(), input.size(), digest.data(), &size, Md(hash), nullptr) == 1);
    Append(made, digest);
  }
  made.resize(bits / 8);
  return made;
}

}  // namespace gatehouse::fakes
