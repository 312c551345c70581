// PublicKey::Verify, PrivateKey::Sign, EcdsaDer: every key type and scheme, and every way to spell a signature wrongly.
#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/err.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/crypto/key.h"
#include "tests/common/crypto/testdata.h"

namespace gatehouse::crypto {
namespace {

constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;

// The order of P-256 (FIPS 186-4 D.1.2.3).
Bytes OrderP256() {
  return DecodeHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").value();
}

Bytes Joined(BytesView a, BytesView b) {
  Bytes both = ToBytes(a);
  Append(both, b);
  return both;
}

// --- signatures of the OpenSSL command line

struct CliSignature {
  std::string key;
  std::string signature;
  Scheme scheme;
  HashAlgorithm hash;
};

class CliSignatures : public testing::TestWithParam<CliSignature> {};

TEST_P(CliSignatures, VerifyOverTheirMessageOnly) {
  const CliSignature& row = GetParam();
  const PublicKey key = PublicKey::FromPem(TestText("signatures/" + row.key)).value();
  const Bytes signature = TestBytes("signatures/" + row.signature);
  Bytes message = TestBytes("signatures/message.txt");
  EXPECT_TRUE(key.Verify(row.scheme, row.hash, message, signature));
  for (std::size_t i = 0; i < signature.size(); i += 7) {
    Bytes broken = signature;
    broken[i] ^= 0x10;
    EXPECT_FALSE(key.Verify(row.scheme, row.hash, message, broken)) << "byte " << i;
  }
  for (std::size_t size = 0; size < signature.size(); ++size) {
    EXPECT_FALSE(key.Verify(row.scheme, row.hash, message, BytesView(signature).first(size))) << "cut to " << size;
  }
  EXPECT_FALSE(key.Verify(row.scheme, row.hash, message, Joined(signature, Bytes(1)))) << "a byte too many";
  message.back() ^= 1;
  EXPECT_FALSE(key.Verify(row.scheme, row.hash, message, signature));
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

INSTANTIATE_TEST_SUITE_P(
    Openssl, CliSignatures,
    testing::Values(
        CliSignature{"p256.pem", "p256-sha256.sig", Scheme::kEcdsaDer, HashAlgorithm::kSha256},
        CliSignature{"p384.pem", "p384-sha384.sig", Scheme::kEcdsaDer, HashAlgorithm::kSha384},
        CliSignature{"p384.pem", "p384-sha256.sig", Scheme::kEcdsaDer, HashAlgorithm::kSha256},
        CliSignature{"p521.pem", "p521-sha512.sig", Scheme::kEcdsaDer, HashAlgorithm::kSha512},
        CliSignature{"rsa2048.pem", "rsa2048-pkcs1-sha256.sig", Scheme::kRsaPkcs1v15, HashAlgorithm::kSha256},
        CliSignature{"rsa3072.pem", "rsa3072-pkcs1-sha384.sig", Scheme::kRsaPkcs1v15, HashAlgorithm::kSha384},
        CliSignature{"rsa4096.pem", "rsa4096-pkcs1-sha512.sig", Scheme::kRsaPkcs1v15, HashAlgorithm::kSha512},
        CliSignature{"rsa2048.pem", "rsa2048-pss-sha256-salt0.sig", Scheme::kRsaPss, HashAlgorithm::kSha256},
        CliSignature{"rsa2048.pem", "rsa2048-pss-sha256-salt20.sig", Scheme::kRsaPss, HashAlgorithm::kSha256},
        CliSignature{"rsa2048.pem", "rsa2048-pss-sha256-salt32.sig", Scheme::kRsaPss, HashAlgorithm::kSha256},
        CliSignature{"rsa2048.pem", "rsa2048-pss-sha256-saltmax.sig", Scheme::kRsaPss, HashAlgorithm::kSha256},
        CliSignature{"ed25519.pem", "ed25519.sig", Scheme::kEd25519, HashAlgorithm::kSha256}));

// --- our own signatures, every scheme against every key

constexpr Scheme kSchemes[] = {Scheme::kEcdsaDer, Scheme::kEcdsaRaw, Scheme::kRsaPkcs1v15, Scheme::kRsaPss,
                               Scheme::kEd25519};

bool Has(KeyType type, Scheme scheme) {
  if (type == KeyType::kRsa) return scheme == Scheme::kRsaPkcs1v15 || scheme == Scheme::kRsaPss;
  if (type == KeyType::kEd25519) return scheme == Scheme::kEd25519;
  return scheme == Scheme::kEcdsaDer || scheme == Scheme::kEcdsaRaw;
}

class EveryKeyType : public testing::TestWithParam<KeyType> {};

TEST_P(EveryKeyType, SignsAndVerifiesWithItsOwnSchemesOnly) {
  const PrivateKey key = PrivateKey::Generate(GetParam()).value();
  const PublicKey other = PrivateKey::Generate(GetParam()).value().Public();
  const Bytes message = ToBytes("a message");
  for (const Scheme scheme : kSchemes) {
    for (const HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
      const Result<Bytes> signature = key.Sign(scheme, hash, message);
      if (!Has(GetParam(), scheme)) {
        ASSERT_FALSE(signature.ok());
        EXPECT_EQ(signature.error().reason, Reason::kInternal);
        continue;
      }
      ASSERT_TRUE(signature.ok()) << signature.error().ToString();
      for (const Scheme as : kSchemes) {
        EXPECT_EQ(key.Public().Verify(as, hash, message, *signature), as == scheme);
      }
      EXPECT_FALSE(other.Verify(scheme, hash, message, *signature));
      EXPECT_FALSE(key.Public().Verify(scheme, hash, {}, *signature));
      const HashAlgorithm another = hash == HashAlgorithm::kSha256 ? HashAlgorithm::kSha512 : HashAlgorithm::kSha256;
      // Ed25519 hashes by itself; the argument says nothing.
      EXPECT_EQ(key.Public().Verify(scheme, another, message, *signature), scheme == Scheme::kEd25519);
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_P(EveryKeyType, SignsTheEmptyMessage) {
  const PrivateKey key = PrivateKey::Generate(GetParam()).value();
  for (const Scheme scheme : kSchemes) {
    if (!Has(GetParam(), scheme)) continue;
    const Bytes signature = key.Sign(scheme, kSha256, {}).value();
    EXPECT_TRUE(key.Public().Verify(scheme, kSha256, {}, signature));
    EXPECT_FALSE(key.Public().Verify(scheme, kSha256, Bytes(1), signature));
    EXPECT_FALSE(key.Public().Verify(scheme, kSha256, {}, {})) << "an empty signature";
  }
}

TEST_P(EveryKeyType, MayBeSharedByThreads) {
  const PrivateKey key = PrivateKey::Generate(GetParam()).value();
  const PublicKey shared = key.Public();
  const Bytes message = ToBytes("a message");
  for (const Scheme scheme : kSchemes) {
    if (!Has(GetParam(), scheme)) continue;
    const Bytes signature = key.Sign(scheme, kSha256, message).value();
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 10; ++n) good += shared.Verify(scheme, kSha256, message, signature) ? 1 : 0;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 40);
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryKeyType,
                         testing::Values(KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521, KeyType::kRsa,
                                         KeyType::kEd25519));

// --- B14: the ways in which ECDSA signatures are confused

class Adversarial_B14 : public testing::Test {
 protected:
  const PrivateKey key_ = PrivateKey::Generate(KeyType::kEcP256).value();
  const PublicKey public_ = key_.Public();
  const Bytes message_ = ToBytes("a message");
  const Bytes raw_ = key_.Sign(Scheme::kEcdsaRaw, kSha256, message_).value();
};

// The policy: a high s is as good as a low one, because cosign, TPMs and CAs produce both.
TEST_F(Adversarial_B14, HighAndLowSAreBothAccepted) {
  BIGNUM* n = BN_bin2bn(OrderP256().data(), 32, nullptr);
  BIGNUM* s = BN_bin2bn(raw_.data() + 32, 32, nullptr);
  ASSERT_EQ(BN_sub(s, n, s), 1);
  BN_set_negative(s, 0);
  Bytes twin = raw_;
  ASSERT_EQ(BN_bn2binpad(s, twin.data() + 32, 32), 32);
  BN_free(n);
  BN_free(s);
  // s became s - n, and without its sign n - s: one of the two is above n/2.
  EXPECT_NE(twin, raw_);
  EXPECT_TRUE(public_.Verify(Scheme::kEcdsaRaw, kSha256, message_, raw_));
  EXPECT_TRUE(public_.Verify(Scheme::kEcdsaRaw, kSha256, message_, twin));
  const Bytes der = EcdsaDer(BytesView(twin).first(32), BytesView(twin).subspan(32), 32).value();
  EXPECT_TRUE(public_.Verify(Scheme::kEcdsaDer, kSha256, message_, der));
}

TEST_F(Adversarial_B14, DerIsNotTakenForRawNorRawForDer) {
  const Bytes der = EcdsaDer(BytesView(raw_).first(32), BytesView(raw_).subspan(32), 32).value();
  ASSERT_TRUE(public_.Verify(Scheme::kEcdsaDer, kSha256, message_, der));
  EXPECT_FALSE(public_.Verify(Scheme::kEcdsaRaw, kSha256, message_, der));
  EXPECT_FALSE(public_.Verify(Scheme::kEcdsaDer, kSha256, message_, raw_));
}

TEST_F(Adversarial_B14, TheHashIsTheVerifiersChoice) {
  const PrivateKey p384 = PrivateKey::Generate(KeyType::kEcP384).value();
  const Bytes signature = p384.Sign(Scheme::kEcdsaDer, HashAlgorithm::kSha256, message_).value();
  EXPECT_TRUE(p384.Public().Verify(Scheme::kEcdsaDer, HashAlgorithm::kSha256, message_, signature));
  EXPECT_FALSE(p384.Public().Verify(Scheme::kEcdsaDer, HashAlgorithm::kSha384, message_, signature));
}

TEST_F(Adversarial_B14, Ed25519IsThePureForm) {
  const PrivateKey ed25519 = PrivateKey::Generate(KeyType::kEd25519).value();
  const Bytes over_digest = ed25519.Sign(Scheme::kEd25519, kSha256, Hash(HashAlgorithm::kSha512, message_)).value();
  EXPECT_FALSE(ed25519.Public().Verify(Scheme::kEd25519, HashAlgorithm::kSha512, message_, over_digest));
}

// --- the same where only the hash is known

TEST_P(EveryKeyType, VerifiesAHashAsItsMessage) {
  const PrivateKey key = PrivateKey::Generate(GetParam()).value();
  const PublicKey other = PrivateKey::Generate(GetParam()).value().Public();
  const Bytes message = ToBytes("a message");
  for (const HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    const Bytes digest = Hash(hash, message);
    for (const Scheme scheme : kSchemes) {
      if (!Has(GetParam(), scheme)) continue;
      Bytes signature = key.Sign(scheme, hash, message).value();
      for (const Scheme as : kSchemes) {
        // Ed25519 signs the message itself, so that a hash says nothing.
        EXPECT_EQ(key.Public().VerifyHashed(as, hash, digest, signature), as == scheme && as != Scheme::kEd25519);
      }
      EXPECT_FALSE(other.VerifyHashed(scheme, hash, digest, signature));
      EXPECT_FALSE(key.Public().VerifyHashed(scheme, hash, Hash(hash, Bytes(1)), signature));
      EXPECT_FALSE(key.Public().VerifyHashed(scheme, hash, message, signature)) << "the message for its hash";
      for (const std::size_t size : {std::size_t{0}, digest.size() - 1}) {
        EXPECT_FALSE(key.Public().VerifyHashed(scheme, hash, BytesView(digest).first(size), signature)) << size;
      }
      EXPECT_FALSE(key.Public().VerifyHashed(scheme, hash, Joined(digest, Bytes(1)), signature));
      signature[signature.size() / 2] ^= 1;
      EXPECT_FALSE(key.Public().VerifyHashed(scheme, hash, digest, signature));
      EXPECT_FALSE(key.Public().VerifyHashed(scheme, hash, digest, {}));
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(VerifyHashed, Sha1IsNeverVerified) {
  const PublicKey key = PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value();
  const Bytes digest = Hash(HashAlgorithm::kSha1, TestBytes("signatures/message.txt"));
  EXPECT_FALSE(key.VerifyHashed(Scheme::kRsaPkcs1v15, HashAlgorithm::kSha1, digest,
                                TestBytes("signatures/rsa2048-pkcs1-sha1.sig")));
}

TEST(VerifyHashed, PssOfTheOpenSslCommandLine) {
  const PublicKey key = PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value();
  const Bytes digest = Hash(kSha256, TestBytes("signatures/message.txt"));
  for (const char* salt : {"0", "20", "32", "max"}) {
    const Bytes signature = TestBytes(std::string("signatures/rsa2048-pss-sha256-salt") + salt + ".sig");
    EXPECT_TRUE(key.VerifyHashed(Scheme::kRsaPss, kSha256, digest, signature)) << salt;
    EXPECT_FALSE(key.VerifyHashed(Scheme::kRsaPkcs1v15, kSha256, digest, signature)) << salt;
  }
}

TEST_F(Adversarial_B14, OfAHashTooDerIsNotRawAndAHighSIsAccepted) {
  const Bytes digest = Hash(kSha256, message_);
  Bytes twin = raw_;
  BIGNUM* n = BN_bin2bn(OrderP256().data(), 32, nullptr);
  BIGNUM* s = BN_bin2bn(raw_.data() + 32, 32, nullptr);
  ASSERT_EQ(BN_sub(s, n, s), 1);
  ASSERT_EQ(BN_bn2binpad(s, twin.data() + 32, 32), 32);
  BN_free(n);
  BN_free(s);
  EXPECT_TRUE(public_.VerifyHashed(Scheme::kEcdsaRaw, kSha256, digest, raw_));
  EXPECT_TRUE(public_.VerifyHashed(Scheme::kEcdsaRaw, kSha256, digest, twin));
  const Bytes der = EcdsaDer(BytesView(raw_).first(32), BytesView(raw_).subspan(32), 32).value();
  EXPECT_TRUE(public_.VerifyHashed(Scheme::kEcdsaDer, kSha256, digest, der));
  EXPECT_FALSE(public_.VerifyHashed(Scheme::kEcdsaRaw, kSha256, digest, der));
  EXPECT_FALSE(public_.VerifyHashed(Scheme::kEcdsaDer, kSha256, digest, raw_));
}

TEST_F(Adversarial_B14, AHashOfAnotherAlgorithmForP384) {
  const PrivateKey p384 = PrivateKey::Generate(KeyType::kEcP384).value();
  const Bytes signature = p384.Sign(Scheme::kEcdsaDer, HashAlgorithm::kSha256, message_).value();
  const Bytes digest = Hash(kSha256, message_);
  EXPECT_TRUE(p384.Public().VerifyHashed(Scheme::kEcdsaDer, kSha256, digest, signature));
  EXPECT_FALSE(p384.Public().VerifyHashed(Scheme::kEcdsaDer, HashAlgorithm::kSha384, digest, signature));
  EXPECT_FALSE(p384.Public().VerifyHashed(Scheme::kEcdsaDer, HashAlgorithm::kSha384,
                                          Hash(HashAlgorithm::kSha384, message_), signature));
}

// --- Q8: lengths, ranges and encodings

class Adversarial_Q8 : public testing::Test {
 protected:
  [[nodiscard]] bool Raw(BytesView signature) const {
    return public_.Verify(Scheme::kEcdsaRaw, kSha256, message_, signature);
  }
  [[nodiscard]] bool Der(BytesView signature) const {
    return public_.Verify(Scheme::kEcdsaDer, kSha256, message_, signature);
  }
  // A signature whose r begins with a zero byte: one in 256.
  [[nodiscard]] Bytes ShortR() const {
    for (int attempt = 0; attempt < 20000; ++attempt) {
      Bytes raw = key_.Sign(Scheme::kEcdsaRaw, kSha256, message_).value();
      if (raw[0] == 0 && raw[1] != 0) return raw;
    }
    ADD_FAILURE() << "no such signature in 20000";
    return raw_;
  }

  const PrivateKey key_ = PrivateKey::Generate(KeyType::kEcP256).value();
  const PublicKey public_ = key_.Public();
  const Bytes message_ = ToBytes("a message");
  const Bytes raw_ = key_.Sign(Scheme::kEcdsaRaw, kSha256, message_).value();
  const Bytes r_ = ToBytes(BytesView(raw_).first(32));
  const Bytes s_ = ToBytes(BytesView(raw_).subspan(32));
  const Bytes der_ = EcdsaDer(r_, s_, 32).value();
};

TEST_F(Adversarial_Q8, RawNumbersOf31And33BytesAreRefused) {
  const Bytes raw = ShortR();
  ASSERT_TRUE(Raw(raw));
  EXPECT_FALSE(Raw(BytesView(raw).subspan(1))) << "r of 31 bytes";
  EXPECT_FALSE(Raw(Joined(Bytes(1), raw))) << "r of 33 bytes";
  Bytes both = Joined(Bytes(1), r_);
  both.push_back(0);
  EXPECT_FALSE(Raw(Joined(both, s_))) << "r and s of 33 bytes";
}

TEST_F(Adversarial_Q8, DerOfAShortNumberIsShort) {
  const Bytes raw = ShortR();
  const BytesView r = BytesView(raw).first(32);
  const BytesView s = BytesView(raw).subspan(32);
  const Bytes der = EcdsaDer(r, s, 32).value();
  EXPECT_TRUE(Der(der));
  EXPECT_EQ(EcdsaDer(r.subspan(1), s, 32).value(), der) << "a TPM2B has no leading zeros";
}

TEST_F(Adversarial_Q8, NumbersOutOfRangeAreRefused) {
  const Bytes zero(32);
  const Bytes order = OrderP256();
  Bytes above = order;
  above.back() += 1;
  const Bytes ones(32, 0xFF);
  for (const Bytes& bad : {zero, order, above, ones}) {
    EXPECT_FALSE(Raw(Joined(bad, s_)));
    EXPECT_FALSE(Raw(Joined(r_, bad)));
    EXPECT_FALSE(Raw(Joined(bad, bad)));
    if (bad == zero) continue;
    EXPECT_FALSE(Der(EcdsaDer(bad, s_, 32).value()));
    EXPECT_FALSE(Der(EcdsaDer(r_, bad, 32).value()));
  }
  EXPECT_FALSE(Der(DecodeHex("3006020100020100").value())) << "r and s of zero in DER";
  EXPECT_FALSE(Der(DecodeHex("3006020101020100").value()));
}

// r + n is the same number modulo n, and fits in 33 bytes.
TEST_F(Adversarial_Q8, RPlusTheOrderIsRefused) {
  BIGNUM* n = BN_bin2bn(OrderP256().data(), 32, nullptr);
  BIGNUM* r = BN_bin2bn(r_.data(), 32, nullptr);
  ASSERT_EQ(BN_add(r, r, n), 1);
  Bytes sum(33);
  ASSERT_EQ(BN_bn2binpad(r, sum.data(), 33), 33);
  BN_free(n);
  BN_free(r);
  EXPECT_FALSE(Der(EcdsaDer(sum, s_, 66).value()));
}

TEST_F(Adversarial_Q8, DerMustBeCanonical) {
  ASSERT_TRUE(Der(der_));
  // Taken apart: 30 len 02 rlen r 02 slen s.
  const std::size_t r_length = der_[3];
  const Bytes r_tlv(der_.begin() + 2, der_.begin() + 4 + static_cast<std::ptrdiff_t>(r_length));
  const Bytes s_tlv(der_.begin() + 4 + static_cast<std::ptrdiff_t>(r_length), der_.end());
  const auto sequence = [](const Bytes& content) {
    return Joined(Bytes{0x30, static_cast<std::uint8_t>(content.size())}, content);
  };
  ASSERT_EQ(sequence(Joined(r_tlv, s_tlv)), der_);
  Bytes padded_r = r_tlv;
  padded_r[1] += 1;
  padded_r.insert(padded_r.begin() + 2, 0);
  Bytes long_length = Joined(Bytes{0x30, 0x81}, BytesView(der_).subspan(1));
  Bytes long_integer_length = r_tlv;
  long_integer_length.insert(long_integer_length.begin() + 1, 0x81);
  Bytes indefinite = Joined(Bytes{0x30, 0x80}, BytesView(der_).subspan(2));
  indefinite.insert(indefinite.end(), 2, 0);
  Bytes set = der_;
  set[0] = 0x31;
  Bytes octets = der_;
  octets[2] = 0x04;
  Bytes lying = der_;
  lying[1] -= 1;
  const std::pair<const char*, Bytes> table[] = {
      {"a leading zero in r", sequence(Joined(padded_r, s_tlv))},
      {"a long form of the sequence's length", long_length},
      {"a long form of an integer's length", sequence(Joined(long_integer_length, s_tlv))},
      {"an indefinite length", indefinite},
      {"a SET", set},
      {"an OCTET STRING for r", octets},
      {"a length that is too small", lying},
      {"three numbers", sequence(Joined(Joined(r_tlv, s_tlv), r_tlv))},
      {"one number", sequence(r_tlv)},
      {"no number", sequence({})},
      {"bytes after the sequence", Joined(der_, Bytes{0})},
      {"a second signature after it", Joined(der_, der_)},
      {"empty integers", DecodeHex("300402000200").value()},
      {"numbers far longer than any field",
       sequence(Joined(Joined(Bytes{0x02, 60}, Bytes(60, 1)), Joined(Bytes{0x02, 60}, Bytes(60, 1))))},
      {"numbers as long as a length can say",
       Joined(Joined(Bytes{0x30, 0x81, 0xFF, 0x02, 0xFF}, Bytes(255, 1)), Joined(Bytes{0x02, 0xFF}, Bytes(255, 1)))},
      {"a number that says more than there is", DecodeHex("300602ff01020101").value()},
  };
  for (const auto& [defect, signature] : table) EXPECT_FALSE(Der(signature)) << defect;
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// DER: an INTEGER whose first bit is set is negative, so a number of 32 bytes often needs a 33rd.
TEST_F(Adversarial_Q8, ANegativeNumberIsRefused) {
  for (int attempt = 0; attempt < 20000; ++attempt) {
    const Bytes raw = key_.Sign(Scheme::kEcdsaRaw, kSha256, message_).value();
    if ((raw[0] & 0x80) == 0) continue;
    Bytes der = EcdsaDer(BytesView(raw).first(32), BytesView(raw).subspan(32), 32).value();
    ASSERT_TRUE(Der(der));
    ASSERT_EQ(der[4], 0);
    der.erase(der.begin() + 4);
    der[3] -= 1;
    der[1] -= 1;
    EXPECT_FALSE(Der(der));
    return;
  }
  FAIL() << "no such signature in 20000";
}

TEST_F(Adversarial_Q8, Sha1IsNeverVerifiedAndNeverSigned) {
  const PublicKey rsa = PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value();
  const Bytes message = TestBytes("signatures/message.txt");
  // A good signature in every other respect, made by the OpenSSL command line.
  EXPECT_FALSE(
      rsa.Verify(Scheme::kRsaPkcs1v15, HashAlgorithm::kSha1, message, TestBytes("signatures/rsa2048-pkcs1-sha1.sig")));
  EXPECT_EQ(key_.Sign(Scheme::kEcdsaDer, HashAlgorithm::kSha1, message_).error().reason, Reason::kInternal);
}

TEST_F(Adversarial_Q8, PssIsNotTakenForPkcs1NorTheOtherWay) {
  const PublicKey rsa = PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value();
  const Bytes message = TestBytes("signatures/message.txt");
  EXPECT_FALSE(
      rsa.Verify(Scheme::kRsaPkcs1v15, kSha256, message, TestBytes("signatures/rsa2048-pss-sha256-salt32.sig")));
  EXPECT_FALSE(rsa.Verify(Scheme::kRsaPss, kSha256, message, TestBytes("signatures/rsa2048-pkcs1-sha256.sig")));
}

// Trap of OpenSSL: its PSS takes a signature without its leading zeros, so that one signature would have two spellings.
TEST_F(Adversarial_Q8, AnRsaSignatureIsAsLongAsItsModulus) {
  const PrivateKey rsa = PrivateKey::FromPem(TestText("keys/rsa2048.pkcs1.key")).value();
  for (int attempt = 0; attempt < 20000; ++attempt) {
    const Bytes signature = rsa.Sign(Scheme::kRsaPss, kSha256, message_).value();
    if (signature[0] != 0) continue;
    EXPECT_TRUE(rsa.Public().Verify(Scheme::kRsaPss, kSha256, message_, signature));
    EXPECT_FALSE(rsa.Public().Verify(Scheme::kRsaPss, kSha256, message_, BytesView(signature).subspan(1)));
    return;
  }
  FAIL() << "no such signature in 20000";
}

TEST(EcdsaDer, RefusesWhatIsNoNumberOfTheField) {
  const Bytes one{1};
  const Bytes too_long(33, 1);
  ASSERT_EQ(EcdsaDer(one, one, 32).value(), DecodeHex("3006020101020101").value());
  EXPECT_EQ(EcdsaDer(Bytes{0x80}, one, 32).value(), DecodeHex("300702020080020101").value());
  for (const Bytes& bad : {Bytes{}, Bytes(1), Bytes(32), too_long}) {
    EXPECT_EQ(EcdsaDer(bad, one, 32).error().reason, Reason::kSignatureMalformed);
    EXPECT_EQ(EcdsaDer(one, bad, 32).error().reason, Reason::kSignatureMalformed);
  }
  EXPECT_EQ(EcdsaDer(one, one, 0).error().reason, Reason::kSignatureMalformed);
  EXPECT_EQ(EcdsaDer(one, one, 67).error().reason, Reason::kSignatureMalformed);
  // The largest: P-521 needs the long form of the sequence's length.
  const Bytes large(66, 0xFF);
  const Bytes der = EcdsaDer(large, large, 66).value();
  EXPECT_EQ(der.size(), 3U + 2 * (2 + 67));
  EXPECT_EQ(der[1], 0x81);
}

}  // namespace
}  // namespace gatehouse::crypto
