#include "common/crypto/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include "common/base/encoding.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {
namespace {

using testing::HasSubstr;

Bytes SpkiOf(const std::string& file) {
  return codec::ParsePem(TestText(file), Reason::kKeyMalformed).value().front().der;
}

struct GoodKey {
  std::string file;
  KeyType type;
  std::size_t bits;
};

class GoodKeys : public testing::TestWithParam<GoodKey> {};

TEST_P(GoodKeys, LoadFromPemAndFromSpkiAndComeOutAsTheyWere) {
  const GoodKey& good = GetParam();
  const std::string pem = TestText(good.file);
  const Result<PublicKey> key = PublicKey::FromPem(pem);
  ASSERT_TRUE(key.ok()) << key.error().ToString();
  EXPECT_EQ(key->type(), good.type);
  EXPECT_EQ(key->bits(), good.bits);
  EXPECT_EQ(key->Pem(), pem);
  EXPECT_EQ(key->Spki(), SpkiOf(good.file));
  EXPECT_EQ(key->Fingerprint(), Sha256Digest(key->Spki()));
  EXPECT_EQ(PublicKey::FromSpki(key->Spki()).value(), *key);
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

INSTANTIATE_TEST_SUITE_P(Openssl, GoodKeys,
                         testing::Values(GoodKey{"signatures/p256.pem", KeyType::kEcP256, 256},
                                         GoodKey{"signatures/p384.pem", KeyType::kEcP384, 384},
                                         GoodKey{"signatures/p521.pem", KeyType::kEcP521, 521},
                                         GoodKey{"signatures/rsa2048.pem", KeyType::kRsa, 2048},
                                         GoodKey{"signatures/rsa3072.pem", KeyType::kRsa, 3072},
                                         GoodKey{"signatures/rsa4096.pem", KeyType::kRsa, 4096},
                                         GoodKey{"signatures/ed25519.pem", KeyType::kEd25519, 256}));

TEST(PublicKey, Pkcs1AndSpkiOfOneRsaKeyAreEqual) {
  EXPECT_EQ(PublicKey::FromPem(TestText("signatures/rsa2048.pkcs1.pem")).value(),
            PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value());
}

TEST(PublicKey, FromPkcs1TakesRsaInCanonicalDerOnly) {
  const Bytes der = SpkiOf("signatures/rsa2048.pkcs1.pem");
  EXPECT_EQ(PublicKey::FromPkcs1(der).value(), PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value());
  Bytes trailing = der;
  trailing.push_back(0);
  Bytes padded = der;  // 30 82 LL LL becomes 30 83 00 LL LL
  ASSERT_EQ(padded[1], 0x82);
  padded[1] = 0x83;
  padded.insert(padded.begin() + 2, 0);
  const std::pair<const char*, Bytes> table[] = {
      {"empty", {}},
      {"trailing bytes", trailing},
      {"a length that is not in its shortest form", padded},
      {"an SPKI of RSA", SpkiOf("signatures/rsa2048.pem")},
      {"an SPKI of ECDSA", SpkiOf("signatures/p256.pem")},
      {"a private key", SpkiOf("keys/rsa2048.pkcs1.key")},
  };
  for (const auto& [defect, bytes] : table) {
    const Result<PublicKey> key = PublicKey::FromPkcs1(bytes);
    ASSERT_FALSE(key.ok()) << defect;
    EXPECT_EQ(key.error().reason, Reason::kKeyMalformed) << defect;
  }
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_FALSE(PublicKey::FromPkcs1(BytesView(der).first(size)).ok()) << size;
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(PublicKey, TwoKeysDiffer) {
  EXPECT_FALSE(PublicKey::FromPem(TestText("signatures/rsa2048.pem")).value() ==
               PublicKey::FromPem(TestText("signatures/p256.pem")).value());
}

struct BadPem {
  std::string defect;
  std::string pem;
  std::string detail;
};

std::vector<BadPem> BadPems() {
  const std::string good = TestText("signatures/p256.pem");
  const fakes::TestCa ca = fakes::TestCa::Root(fakes::CaSpec("root"));
  return {
      {"Empty", "", ""},
      {"NotPem", "ecdsa-sha2-nistp256 AAAA", ""},
      {"TwoBlocks", good + TestText("signatures/p384.pem"), "one public key"},
      {"TheSameBlockTwice", good + good, "one public key"},
      {"TrailingText", good + "x\n", ""},
      {"CertificateWhereAKeyBelongs", ca.pem(), "certificate"},
      {"PrivateKeyPkcs8", TestText("keys/p384.pkcs8.key"), "private key"},
      {"PrivateKeySec1", TestText("keys/p256.sec1.key"), "private key"},
      {"PrivateKeyPkcs1", TestText("keys/rsa2048.pkcs1.key"), "private key"},
      {"PrivateKeyUnderThePublicLabel", codec::EncodePem("PUBLIC KEY", SpkiOf("keys/p384.pkcs8.key")), ""},
      {"Pkcs1UnderTheSpkiLabel", codec::EncodePem("PUBLIC KEY", SpkiOf("signatures/rsa2048.pkcs1.pem")), ""},
      {"SpkiUnderThePkcs1Label", codec::EncodePem("RSA PUBLIC KEY", SpkiOf("signatures/rsa2048.pem")), ""},
      {"UnknownLabel", codec::EncodePem("EC PUBLIC KEY", SpkiOf("signatures/p256.pem")), "label"},
      {"EmptyBlock", codec::EncodePem("PUBLIC KEY", {}), ""},
      {"Rsa1024", TestText("keys/rsa1024.pem"), "1024 bits"},
      {"Rsa8192", TestText("keys/rsa8192.pem"), "8192 bits"},
      {"RsaExponent3", TestText("keys/rsa2048-e3.pem"), "exponent"},
      {"RsaPssOnlyKey", TestText("keys/rsa-pss.pem"), "neither"},
      {"P224", TestText("keys/secp224r1.pem"), "secp224r1"},
      {"Secp256k1", TestText("keys/secp256k1.pem"), "secp256k1"},
      {"BrainpoolP256", TestText("keys/brainpoolP256r1.pem"), "brainpoolP256r1"},
      {"CurveWrittenOut", TestText("keys/p256-explicit.pem"), "canonical"},
      {"CompressedPoint", TestText("keys/p256-compressed.pem"), "canonical"},
      {"HybridPoint", TestText("keys/p256-hybrid.pem"), "canonical"},
      {"Ed448", TestText("keys/ed448.pem"), "neither"},
      {"X25519", TestText("keys/x25519.pem"), "neither"},
      {"Dsa", TestText("keys/dsa2048.pem"), "neither"},
  };
}

TEST(PublicKey, RefusesEveryOtherPem) {
  for (const BadPem& bad : BadPems()) {
    const Result<PublicKey> key = PublicKey::FromPem(bad.pem);
    ASSERT_FALSE(key.ok()) << bad.defect;
    EXPECT_EQ(key.error().reason, Reason::kKeyMalformed) << bad.defect;
    EXPECT_THAT(key.error().detail, HasSubstr(bad.detail)) << bad.defect;
    EXPECT_EQ(ERR_peek_error(), 0UL) << bad.defect;
  }
}

TEST(PublicKey, AnErrorOfAPrivateKeyDoesNotRepeatIt) {
  const Result<PublicKey> key = PublicKey::FromPem(TestText("keys/p384.pkcs8.key"));
  const std::string body = EncodeBase64(SpkiOf("keys/p384.pkcs8.key")).substr(40, 16);
  EXPECT_THAT(key.error().ToString(), testing::Not(HasSubstr(body)));
}

TEST(PublicKey, RefusesAPointThatIsNotOnItsCurve) {
  Bytes spki = SpkiOf("signatures/p256.pem");
  ASSERT_TRUE(PublicKey::FromSpki(spki).ok());
  spki.back() ^= 1;
  EXPECT_EQ(PublicKey::FromSpki(spki).error().reason, Reason::kKeyMalformed);
}

TEST(PublicKey, RefusesTrailingBytesAndEveryTruncation) {
  for (const char* file :
       {"signatures/p256.pem", "signatures/p384.pem", "signatures/rsa2048.pem", "signatures/ed25519.pem"}) {
    const Bytes spki = SpkiOf(file);
    Bytes longer = spki;
    longer.push_back(0);
    EXPECT_EQ(PublicKey::FromSpki(longer).error().reason, Reason::kKeyMalformed) << file;
    for (std::size_t size = 0; size < spki.size(); ++size) {
      const Result<PublicKey> key = PublicKey::FromSpki(BytesView(spki).first(size));
      ASSERT_FALSE(key.ok()) << file << " cut to " << size;
      EXPECT_EQ(key.error().reason, Reason::kKeyMalformed);
    }
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// Trap of OpenSSL: d2i_PUBKEY reads BER, so that one key would have many encodings and many fingerprints.
TEST(PublicKey, RefusesALengthThatIsNotInItsShortestForm) {
  Bytes spki = SpkiOf("signatures/p256.pem");
  ASSERT_EQ(spki[1], spki.size() - 2);
  spki.insert(spki.begin() + 1, 0x81);
  EXPECT_EQ(PublicKey::FromSpki(spki).error().reason, Reason::kKeyMalformed);
}

TEST(PublicKey, LeavesAnOlderErrorInTheQueueAlone) {
  ERR_clear_error();
  ERR_raise(ERR_LIB_USER, 42);
  const unsigned long before = ERR_peek_last_error();
  EXPECT_FALSE(PublicKey::FromSpki(Bytes(10)).ok());
  EXPECT_EQ(ERR_peek_last_error(), before);
  ERR_clear_error();
}

// --- numbers, as a TPM gives them

Bytes Modulus(std::size_t bits) {
  Bytes modulus(bits / 8, 0x5A);
  modulus.front() = 0xC3;
  modulus.back() = 0x01;
  return modulus;
}

TEST(PublicKey, RsaFromNumbersIsTheKeyOfItsSpki) {
  // SubjectPublicKeyInfo of RSA 2048 ends in INTEGER n (257 bytes with its sign) and INTEGER e (3 bytes).
  const Bytes spki = SpkiOf("signatures/rsa2048.pem");
  const BytesView modulus = BytesView(spki).subspan(spki.size() - 5 - 256, 256);
  const PublicKey expected = PublicKey::FromSpki(spki).value();
  EXPECT_EQ(PublicKey::FromRsa(modulus, 0).value(), expected);  // TPMS_RSA_PARMS: 0 is the default of 65537
  EXPECT_EQ(PublicKey::FromRsa(modulus, 65537).value(), expected);
  EXPECT_FALSE(PublicKey::FromRsa(modulus, 65539).value() == expected);
}

TEST(PublicKey, RsaFromNumbersRefusesWhatIsWeakOrAbsurd) {
  ASSERT_TRUE(PublicKey::FromRsa(Modulus(2048), 65537).ok());
  ASSERT_TRUE(PublicKey::FromRsa(Modulus(4096), 0xFFFFFFFF).ok());
  Bytes even = Modulus(2048);
  even.back() = 0x02;
  struct {
    const char* defect;
    Bytes modulus;
    std::uint32_t exponent;
  } const table[] = {
      {"exponent 1: every message is its own signature", Modulus(2048), 1},
      {"exponent 2", Modulus(2048), 2},
      {"exponent 3", Modulus(2048), 3},
      {"even exponent", Modulus(2048), 65538},
      {"exponent just too small", Modulus(2048), 65535},
      {"1024 bits", Modulus(1024), 65537},
      {"2040 bits", Modulus(2040), 65537},
      {"4104 bits", Modulus(4104), 65537},
      {"2048 bits by leading zeros only",
       [] {
         Bytes b(128);
         Append(b, Modulus(1024));
         return b;
       }(),
       65537},
      {"even modulus", even, 65537},
      {"zero modulus", Bytes(256), 65537},
      {"no modulus", {}, 65537},
      {"endless modulus", Bytes(1 << 20, 0xFF), 65537},
  };
  for (const auto& row : table) {
    const Result<PublicKey> key = PublicKey::FromRsa(row.modulus, row.exponent);
    ASSERT_FALSE(key.ok()) << row.defect;
    EXPECT_EQ(key.error().reason, Reason::kKeyMalformed) << row.defect;
  }
}

TEST(PublicKey, EcFromCoordinatesIsTheKeyOfItsSpki) {
  const struct {
    KeyType type;
    std::size_t field;
  } curves[] = {{KeyType::kEcP256, 32}, {KeyType::kEcP384, 48}, {KeyType::kEcP521, 66}};
  for (const auto& curve : curves) {
    const PrivateKey key = PrivateKey::Generate(curve.type).value();
    const auto [x, y] = key.EcPoint().value();
    EXPECT_EQ(x.size(), curve.field);
    EXPECT_EQ(y.size(), curve.field);
    EXPECT_EQ(PublicKey::FromEc(curve.type, x, y).value(), key.Public());
  }
}

TEST(PublicKey, EcCoordinatesMayLackLeadingZeros) {
  // A TPM2B has no leading zeros; about one point in 128 has a coordinate that begins with one.
  for (int attempt = 0; attempt < 20000; ++attempt) {
    const PrivateKey key = PrivateKey::Generate(KeyType::kEcP256).value();
    const auto [x, y] = key.EcPoint().value();
    if (x.front() != 0) continue;
    EXPECT_EQ(PublicKey::FromEc(KeyType::kEcP256, BytesView(x).subspan(1), y).value(), key.Public());
    return;
  }
  FAIL() << "no such point in 20000";
}

TEST(PublicKey, EcFromCoordinatesRefusesWhatIsNoPoint) {
  const auto [x, y] = PrivateKey::Generate(KeyType::kEcP256).value().EcPoint().value();
  ASSERT_TRUE(PublicKey::FromEc(KeyType::kEcP256, x, y).ok());
  Bytes off = y;
  off.back() ^= 1;
  Bytes longer{0};
  Append(longer, x);
  const struct {
    const char* defect;
    KeyType type;
    Bytes x, y;
  } table[] = {
      {"off the curve", KeyType::kEcP256, x, off},
      {"swapped", KeyType::kEcP256, y, x},
      {"another curve", KeyType::kEcP384, x, y},
      {"the point (0, 0)", KeyType::kEcP256, Bytes(32), Bytes(32)},
      {"a coordinate not below p", KeyType::kEcP256, Bytes(32, 0xFF), y},
      {"33 bytes", KeyType::kEcP256, longer, y},
      {"no x", KeyType::kEcP256, {}, y},
      {"no y", KeyType::kEcP256, x, {}},
      {"no curve", KeyType::kRsa, x, y},
      {"Ed25519 has no coordinates", KeyType::kEd25519, x, y},
  };
  for (const auto& row : table) {
    const Result<PublicKey> key = PublicKey::FromEc(row.type, row.x, row.y);
    ASSERT_FALSE(key.ok()) << row.defect;
    EXPECT_EQ(key.error().reason, Reason::kKeyMalformed) << row.defect;
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// --- private keys

TEST(PrivateKey, LoadsInEverySpelling) {
  const std::pair<const char*, const char*> table[] = {{"keys/p256.sec1.key", "signatures/p256.pem"},
                                                       {"keys/p384.pkcs8.key", "signatures/p384.pem"},
                                                       {"keys/rsa2048.pkcs1.key", "signatures/rsa2048.pem"},
                                                       {"keys/ed25519.pkcs8.key", "signatures/ed25519.pem"}};
  for (const auto& [private_file, public_file] : table) {
    const Result<PrivateKey> key = PrivateKey::FromPem(TestText(private_file));
    ASSERT_TRUE(key.ok()) << private_file << key.error().ToString();
    EXPECT_EQ(key->Public(), PublicKey::FromPem(TestText(public_file)).value());
    EXPECT_EQ(PrivateKey::FromPem(key->Pem()).value().Public(), key->Public());
    EXPECT_THAT(key->Pem(), testing::StartsWith("-----BEGIN PRIVATE KEY-----\n"));
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(PrivateKey, RefusesEverythingElse) {
  const Bytes pkcs8 = SpkiOf("keys/p384.pkcs8.key");
  Bytes trailing = pkcs8;
  trailing.push_back(0);
  // SEC 1 writes the public point at the end: this one belongs to another private key.
  Bytes mismatched = SpkiOf("keys/p256.sec1.key");
  const Bytes other = SpkiOf("signatures/p256.pem");
  const auto [x, y] = PrivateKey::Generate(KeyType::kEcP256).value().EcPoint().value();
  std::ranges::copy(x, mismatched.end() - 64);
  std::ranges::copy(y, mismatched.end() - 32);
  const std::pair<const char*, std::string> table[] = {
      {"empty", ""},
      {"a public key", TestText("signatures/p256.pem")},
      {"encrypted", TestText("keys/p256.encrypted.key")},
      {"two keys", TestText("keys/p384.pkcs8.key") + TestText("keys/p256.sec1.key")},
      {"trailing bytes", codec::EncodePem("PRIVATE KEY", trailing)},
      {"the wrong label", codec::EncodePem("EC PRIVATE KEY", pkcs8)},
      {"another key's public half", codec::EncodePem("EC PRIVATE KEY", mismatched)},
  };
  for (const auto& [defect, pem] : table) {
    const Result<PrivateKey> key = PrivateKey::FromPem(pem);
    ASSERT_FALSE(key.ok()) << defect;
    EXPECT_EQ(key.error().reason, Reason::kKeyMalformed) << defect;
  }
  for (std::size_t size = 0; size < pkcs8.size(); ++size) {
    EXPECT_FALSE(PrivateKey::FromPem(codec::EncodePem("PRIVATE KEY", BytesView(pkcs8).first(size))).ok()) << size;
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(PrivateKey, GeneratesOnlyRsaSizesThatItWouldAccept) {
  EXPECT_EQ(PrivateKey::Generate(KeyType::kRsa, 1024).error().reason, Reason::kKeyMalformed);
  EXPECT_EQ(PrivateKey::Generate(KeyType::kRsa, 8192).error().reason, Reason::kKeyMalformed);
  EXPECT_EQ(PrivateKey::Generate(KeyType::kRsa, 2048).value().Public().bits(), 2048U);
}

TEST(PrivateKey, EcdhIsCommutativeAndNeedsOneCurve) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521}) {
    const PrivateKey a = PrivateKey::Generate(type).value();
    const PrivateKey b = PrivateKey::Generate(type).value();
    const Bytes shared = a.Ecdh(b.Public()).value();
    EXPECT_EQ(shared, b.Ecdh(a.Public()).value());
    EXPECT_EQ(shared.size(), (a.Public().bits() + 7) / 8);
  }
  const PrivateKey p256 = PrivateKey::Generate(KeyType::kEcP256).value();
  const PrivateKey p384 = PrivateKey::Generate(KeyType::kEcP384).value();
  EXPECT_EQ(p256.Ecdh(p384.Public()).error().reason, Reason::kKeyMalformed);
  const PrivateKey ed25519 = PrivateKey::Generate(KeyType::kEd25519).value();
  EXPECT_EQ(ed25519.Ecdh(ed25519.Public()).error().reason, Reason::kKeyMalformed);
  EXPECT_EQ(ed25519.EcPoint().error().reason, Reason::kKeyMalformed);
}

}  // namespace
}  // namespace gatehouse::crypto
