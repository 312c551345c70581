#include "common/crypto/hash.h"

#include <gtest/gtest.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <set>

#include "common/base/encoding.h"

namespace gatehouse::crypto {
namespace {

constexpr HashAlgorithm kAll[] = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384,
                                  HashAlgorithm::kSha512};

Bytes Hex(std::string_view text) {
  return DecodeHex(text).value();
}

struct HashVector {
  HashAlgorithm algorithm;
  std::string message;
  std::string hex;
};

class HashVectors : public testing::TestWithParam<HashVector> {};

TEST_P(HashVectors, OneShotAndIncrementalAgreeWithFips180) {
  const HashVector& vector = GetParam();
  EXPECT_EQ(EncodeHex(Hash(vector.algorithm, AsBytes(vector.message))), vector.hex);
  Hasher whole(vector.algorithm);
  whole.Update(AsBytes(vector.message));
  EXPECT_EQ(EncodeHex(std::move(whole).Finish()), vector.hex);
  Hasher pieces(vector.algorithm);
  for (const char& c : vector.message) pieces.Update(AsBytes({&c, 1}));
  EXPECT_EQ(EncodeHex(std::move(pieces).Finish()), vector.hex);
}

// FIPS 180-4 examples ("abc", the two-block messages) and the digests of nothing.
INSTANTIATE_TEST_SUITE_P(
    Fips180, HashVectors,
    testing::Values(
        HashVector{HashAlgorithm::kSha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        HashVector{HashAlgorithm::kSha1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        HashVector{HashAlgorithm::kSha1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                   "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        HashVector{HashAlgorithm::kSha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        HashVector{HashAlgorithm::kSha256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        HashVector{HashAlgorithm::kSha256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                   "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        HashVector{HashAlgorithm::kSha384, "abc",
                   "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"},
        HashVector{HashAlgorithm::kSha384, "",
                   "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f14898b95b"},
        HashVector{HashAlgorithm::kSha512, "abc",
                   "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                   "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        HashVector{HashAlgorithm::kSha512, "",
                   "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                   "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"}));

TEST(Hash, AMovedHasherGoesOn) {
  Hasher first(HashAlgorithm::kSha256);
  first.Update(AsBytes("a"));
  Hasher second = std::move(first);
  second.Update(AsBytes("bc"));
  EXPECT_EQ(std::move(second).Finish(), Hash(HashAlgorithm::kSha256, AsBytes("abc")));
}

TEST(Hash, MatchesTheDigestOfTheDataOnly) {
  const Digest sha256 = Sha256Digest(AsBytes("abc"));
  EXPECT_EQ(sha256.text(), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_TRUE(Matches(sha256, AsBytes("abc")));
  EXPECT_FALSE(Matches(sha256, AsBytes("abd")));
  const Digest sha512 = Digest::Make(HashAlgorithm::kSha512, Hash(HashAlgorithm::kSha512, AsBytes("abc"))).value();
  EXPECT_TRUE(Matches(sha512, AsBytes("abc")));
  EXPECT_FALSE(Matches(sha512, AsBytes("")));
}

struct HmacVector {
  HashAlgorithm algorithm;
  Bytes key;
  Bytes data;
  std::string hex;
};

TEST(Hmac, AgreesWithRfc2202AndRfc4231) {
  const HmacVector vectors[] = {
      // RFC 2202 section 3, cases 1 and 2.
      {HashAlgorithm::kSha1, Bytes(20, 0x0b), ToBytes("Hi There"), "b617318655057264e28bc0b6fb378c8ef146be00"},
      {HashAlgorithm::kSha1, ToBytes("Jefe"), ToBytes("what do ya want for nothing?"),
       "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
      // RFC 4231, cases 1, 2 and 6 (a key longer than the block).
      {HashAlgorithm::kSha256, Bytes(20, 0x0b), ToBytes("Hi There"),
       "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {HashAlgorithm::kSha384, Bytes(20, 0x0b), ToBytes("Hi There"),
       "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"},
      {HashAlgorithm::kSha512, Bytes(20, 0x0b), ToBytes("Hi There"),
       "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
       "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
      {HashAlgorithm::kSha256, ToBytes("Jefe"), ToBytes("what do ya want for nothing?"),
       "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {HashAlgorithm::kSha256, Bytes(131, 0xaa), ToBytes("Test Using Larger Than Block-Size Key - Hash Key First"),
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      // No key and no data: RFC 2104 pads the key with zeros.
      {HashAlgorithm::kSha256, {}, {}, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
  };
  for (const HmacVector& vector : vectors) {
    EXPECT_EQ(EncodeHex(Hmac(vector.algorithm, vector.key, vector.data)), vector.hex);
  }
}

// OpenSSL's own SP 800-108 and SP 800-56A functions, which KDFa and KDFe are special cases of.
Bytes OpensslKdf(const char* kdf_name, HashAlgorithm algorithm, BytesView key, const Bytes& label, const Bytes& context,
                 std::size_t bytes) {
  EVP_KDF* kdf = EVP_KDF_fetch(nullptr, kdf_name, nullptr);
  EVP_KDF_CTX* kdf_context = EVP_KDF_CTX_new(kdf);
  std::string digest(Name(algorithm));
  std::string mac = "HMAC";
  Bytes key_copy = ToBytes(key);
  Bytes label_copy = label;
  Bytes context_copy = context;
  std::vector<OSSL_PARAM> parameters;
  parameters.push_back(OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest.data(), 0));
  parameters.push_back(OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key_copy.data(), key_copy.size()));
  parameters.push_back(
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, context_copy.data(), context_copy.size()));
  if (std::string_view(kdf_name) == "KBKDF") {
    parameters.push_back(OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, mac.data(), 0));
    parameters.push_back(OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, label_copy.data(), label_copy.size()));
  }
  parameters.push_back(OSSL_PARAM_construct_end());
  Bytes derived(bytes);
  EXPECT_EQ(EVP_KDF_derive(kdf_context, derived.data(), derived.size(), parameters.data()), 1);
  EVP_KDF_CTX_free(kdf_context);
  EVP_KDF_free(kdf);
  return derived;
}

TEST(Kdf, KdfAIsCounterModeOfSp800108) {
  const Bytes key = Hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  const Bytes u = ToBytes("the name of a key");
  const Bytes v = ToBytes("and another");
  Bytes both = u;
  Append(both, v);
  for (const HashAlgorithm algorithm : kAll) {
    // Less than a block, a block of SHA-256, and several of each.
    for (const std::size_t bytes : {std::size_t{16}, std::size_t{32}, std::size_t{200}}) {
      EXPECT_EQ(KdfA(algorithm, key, "STORAGE", u, v, bytes * 8),
                OpensslKdf("KBKDF", algorithm, key, ToBytes("STORAGE"), both, bytes));
    }
  }
}

TEST(Kdf, KdfEIsTheConcatenationFunctionOfSp80056a) {
  const Bytes z = Hex("0011223344556677889900112233445566778899001122334455667788990011");
  const Bytes u = ToBytes("party u");
  const Bytes v = ToBytes("party v");
  Bytes info = ToBytes("IDENTITY");
  info.push_back(0);
  Append(info, u);
  Append(info, v);
  for (const HashAlgorithm algorithm : kAll) {
    for (const std::size_t bytes : {std::size_t{16}, std::size_t{32}, std::size_t{200}}) {
      EXPECT_EQ(KdfE(algorithm, z, "IDENTITY", u, v, bytes * 8), OpensslKdf("SSKDF", algorithm, z, {}, info, bytes));
    }
  }
}

TEST(Kdf, EveryInputMatters) {
  const auto derive = [](std::string_view label, std::string_view u, std::string_view v, std::size_t bits) {
    return KdfA(HashAlgorithm::kSha256, AsBytes("key"), label, AsBytes(u), AsBytes(v), bits);
  };
  const Bytes good = derive("INTEGRITY", "u", "v", 128);
  EXPECT_EQ(good.size(), 16U);
  EXPECT_NE(derive("STORAGE", "u", "v", 128), good);
  EXPECT_NE(derive("INTEGRITY", "x", "v", 128), good);
  EXPECT_NE(derive("INTEGRITY", "u", "x", 128), good);
  // The length is part of what is hashed, so a longer output does not begin with the shorter one.
  Bytes longer = derive("INTEGRITY", "u", "v", 256);
  longer.resize(16);
  EXPECT_NE(longer, good);
}

// SP 800-38A F.3.13 and F.3.17 (CFB128) have an IV. With a zero IV the first block of ciphertext is E(0) xor plaintext,
// so a first block of E(0) xor IV makes the IV the first block of ciphertext, and NIST's blocks follow. E(0) for these
// two keys is in RFC 4493 section 4 (AES-128) and in NIST's CMAC examples (AES-256).
TEST(AesCfb, AgreesWithSp80038a) {
  const std::string plain =
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52ef"
      "f69f2445df4f9b17ad2b417be66c3710";
  const Bytes iv = Hex("000102030405060708090a0b0c0d0e0f");
  struct Vector {
    std::string key, zero_block, cipher;
  };
  for (const Vector& vector :
       {Vector{"2b7e151628aed2a6abf7158809cf4f3c", "7df76b0c1ab899b33e42f047b91b546f",
               "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b26751f67a3cbb140b1808cf187a4f4df"
               "c04b05357c5d1c0eeac4c66f9ff7f2e6"},
        Vector{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "e568f68194cf76d6174d4cc04310a854",
               "dc7e84bfda79164b7ecd8486985d386039ffed143b28b1c832113c6331e5407bdf10132415e54b92a13ed0a8267ae2f9"
               "75a385741ab9cef82031623d55b1e471"}}) {
    Bytes input = Hex(vector.zero_block);
    for (std::size_t i = 0; i < 16; ++i) input[i] ^= iv[i];
    Append(input, Hex(plain));
    Bytes expected = iv;
    Append(expected, Hex(vector.cipher));
    EXPECT_EQ(EncodeHex(AesCfbEncrypt(Hex(vector.key), input)), EncodeHex(expected));
    EXPECT_EQ(AesCfbDecrypt(Hex(vector.key), expected), input);
    // A stream: a part encrypts to a part.
    EXPECT_EQ(AesCfbEncrypt(Hex(vector.key), BytesView(input).first(17)), ToBytes(BytesView(expected).first(17)));
  }
}

TEST(AesCfb, NothingEncryptsToNothing) {
  EXPECT_TRUE(AesCfbEncrypt(Bytes(16), {}).empty());
}

TEST(AesCfb, AKeyOfAnotherLengthIsNeverPadded) {
  EXPECT_ANY_THROW(static_cast<void>(AesCfbEncrypt(Bytes(24), Bytes(16))));
  EXPECT_ANY_THROW(static_cast<void>(AesCfbDecrypt(Bytes(15), Bytes(16))));
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(SystemRandom, GivesWhatIsAskedForAndNeverTheSame) {
  const Random random = SystemRandom();
  EXPECT_TRUE(random(0).empty());
  std::set<Bytes> seen;
  for (int i = 0; i < 100; ++i) {
    Bytes bytes = random(16);
    EXPECT_EQ(bytes.size(), 16U);
    EXPECT_TRUE(seen.insert(std::move(bytes)).second);
  }
}

}  // namespace
}  // namespace gatehouse::crypto
