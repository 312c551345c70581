// OAEP, ECDH, KDFa, KDFe, HMAC and AES-CFB together: a test opens credentials that tpm2-tools made
// (tests/testdata/credential), as a TPM would, and so holds what we compute against an implementation that is not ours.
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/crypto/key.h"
#include "tests/common/crypto/testdata.h"

namespace gatehouse::crypto {
namespace {

constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;

struct Credential {
  Bytes integrity;
  Bytes identity;
  Bytes encrypted_secret;
};

Credential ReadCredential(const std::string& file) {
  const Bytes blob = TestBytes(file);
  ByteReader reader(blob, Reason::kMessageMalformed, file);
  EXPECT_EQ(reader.TakeU32Be().value(), 0xBADCC0DEU);
  EXPECT_EQ(reader.TakeU32Be().value(), 1U);
  const BytesView id_object = reader.TakeSized16Be(1024).value();
  const BytesView secret = reader.TakeSized16Be(1024).value();
  EXPECT_TRUE(reader.ExpectEnd().ok());
  ByteReader inner(id_object, Reason::kMessageMalformed, file);
  const BytesView integrity = inner.TakeSized16Be(64).value();
  return {ToBytes(integrity), ToBytes(inner.Take(inner.remaining()).value()), ToBytes(secret)};
}

// TPM 2.0 Part 1 section 24.4 and 24.5: what a TPM does with the seed.
Bytes Open(const Credential& credential, const Bytes& seed) {
  const Bytes name = DecodeHex(TestText("credential/name.hex")).value();
  const Bytes integrity_key = KdfA(kSha256, seed, "INTEGRITY", {}, {}, 256);
  Bytes covered = credential.identity;
  Append(covered, name);
  EXPECT_EQ(Hmac(kSha256, integrity_key, covered), credential.integrity);
  const Bytes storage_key = KdfA(kSha256, seed, "STORAGE", name, {}, 128);
  const Bytes plain = AesCfbDecrypt(storage_key, credential.identity);
  EXPECT_EQ(AesCfbEncrypt(storage_key, plain), credential.identity);
  ByteReader reader(plain, Reason::kMessageMalformed, "identity");
  return ToBytes(reader.TakeSized16Be(64).value());
}

Bytes DecryptOaep(const std::string& private_pem, const char* hash, const Bytes& label, const Bytes& cipher) {
  BIO* in = BIO_new_mem_buf(private_pem.data(), static_cast<int>(private_pem.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(in, nullptr, nullptr, nullptr);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr);
  EXPECT_EQ(EVP_PKEY_decrypt_init(context), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_oaep_md_name(context, hash, nullptr), 1);
  EXPECT_EQ(EVP_PKEY_CTX_set_rsa_mgf1_md_name(context, hash, nullptr), 1);
  if (!label.empty()) {
    EXPECT_EQ(EVP_PKEY_CTX_set0_rsa_oaep_label(context, OPENSSL_memdup(label.data(), label.size()),
                                               static_cast<int>(label.size())),
              1);
  }
  Bytes plain(512);
  std::size_t size = plain.size();
  if (EVP_PKEY_decrypt(context, plain.data(), &size, cipher.data(), cipher.size()) != 1) size = 0;
  plain.resize(size);
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(key);
  BIO_free(in);
  ERR_clear_error();
  return plain;
}

// "IDENTITY" with its NUL: TPM 2.0 Part 1 section B.4, "the label ... is a null-terminated string".
Bytes IdentityLabel() {
  Bytes label = ToBytes("IDENTITY");
  label.push_back(0);
  return label;
}

TEST(Tpm2ToolsCredential, OpensWithTheRsaEndorsementKey) {
  const Credential credential = ReadCredential("credential/cred-rsa.blob");
  const Bytes seed =
      DecryptOaep(TestText("credential/ek-rsa.key"), "SHA256", IdentityLabel(), credential.encrypted_secret);
  ASSERT_EQ(seed.size(), 32U);
  EXPECT_EQ(Open(credential, seed), TestBytes("credential/secret.bin"));
}

TEST(Tpm2ToolsCredential, OpensWithTheEccEndorsementKey) {
  const Credential credential = ReadCredential("credential/cred-ecc.blob");
  ByteReader reader(credential.encrypted_secret, Reason::kMessageMalformed, "point");
  const Bytes x = ToBytes(reader.TakeSized16Be(32).value());
  const Bytes y = ToBytes(reader.TakeSized16Be(32).value());
  ASSERT_TRUE(reader.ExpectEnd().ok());
  const PrivateKey ek = PrivateKey::FromPem(TestText("credential/ek-ecc.key")).value();
  const Bytes z = ek.Ecdh(PublicKey::FromEc(KeyType::kEcP256, x, y).value()).value();
  // TPM 2.0 Part 1 section C.6.3: KDFe(hash, Z.x, "IDENTITY", ephemeral.x, public.x, bits).
  const Bytes seed = KdfE(kSha256, z, "IDENTITY", x, ek.EcPoint().value().first, 256);
  EXPECT_EQ(Open(credential, seed), TestBytes("credential/secret.bin"));
}

TEST(EncryptOaep, DecryptsWithTheSameHashAndLabelOnly) {
  const std::string pem = TestText("credential/ek-rsa.key");
  const PublicKey key = PrivateKey::FromPem(pem).value().Public();
  const Bytes plain = ToBytes("a seed of some length");
  const Bytes cipher = key.EncryptOaep(kSha256, IdentityLabel(), plain).value();
  EXPECT_EQ(cipher.size(), 256U);
  EXPECT_NE(key.EncryptOaep(kSha256, IdentityLabel(), plain).value(), cipher) << "OAEP is randomised";
  EXPECT_EQ(DecryptOaep(pem, "SHA256", IdentityLabel(), cipher), plain);
  EXPECT_TRUE(DecryptOaep(pem, "SHA256", ToBytes("IDENTITY"), cipher).empty()) << "the NUL is a part of the label";
  EXPECT_TRUE(DecryptOaep(pem, "SHA1", IdentityLabel(), cipher).empty());
  EXPECT_EQ(DecryptOaep(pem, "SHA384", {}, key.EncryptOaep(HashAlgorithm::kSha384, {}, plain).value()), plain);
}

TEST(EncryptOaep, RefusesOtherKeysAndTooMuch) {
  const PublicKey rsa = PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value();
  // RFC 8017 section 7.1.1: at most k - 2 hLen - 2 bytes.
  EXPECT_TRUE(rsa.EncryptOaep(kSha256, {}, Bytes(256 - 66)).ok());
  EXPECT_EQ(rsa.EncryptOaep(kSha256, {}, Bytes(256 - 65)).error().reason, Reason::kInternal);
  const PublicKey ec = PublicKey::FromPem(TestText("signatures/p256.pem")).value();
  EXPECT_EQ(ec.EncryptOaep(kSha256, {}, Bytes(16)).error().reason, Reason::kKeyMalformed);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

}  // namespace
}  // namespace gatehouse::crypto
