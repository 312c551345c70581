// Embedded signed certificate timestamps: a log of our own vouches for a certificate of our own, and one thing is
// wrong.
#include "common/crypto/sct.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "tests/common/crypto/sct_maker.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::LeafSpec;
using fakes::TestCa;

constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;

class SctTest : public testing::Test {
 protected:
  // A certificate by ca_ with this value as its list.
  [[nodiscard]] Certificate WithList(BytesView list, SctPlace place = SctPlace::kLast) const {
    const auto [tbs, algorithm] = CertificateParts(precertificate_);
    const Bytes whole = InsertExtension(tbs, SctExtension(list), place);
    const Bytes signature = ca_.key().Sign(Scheme::kEcdsaDer, kSha256, whole).value();
    return Certificate::FromDer(AssembleCertificate(whole, algorithm, signature)).value();
  }

  // What the log signs, by its key; `spki` is the issuer's unless given.
  [[nodiscard]] Bytes Signed(const SctSpec& spec, const PrivateKey& log, std::optional<Bytes> spki = {},
                             HashAlgorithm hash = kSha256) const {
    const bool rsa = log.Public().type() == KeyType::kRsa;
    const Bytes message =
        SctToBeSigned(spec, spki.value_or(ca_.key().Public().Spki()), CertificateParts(precertificate_).first);
    return SerialiseSct(spec, log.Sign(rsa ? Scheme::kRsaPkcs1v15 : Scheme::kEcdsaDer, hash, message).value());
  }

  [[nodiscard]] Status Check(const Certificate& certificate, const PublicKey& log) const {
    ASSIGN_OR_RETURN(const std::vector<SignedCertificateTimestamp> scts, EmbeddedScts(certificate));
    return VerifyEmbeddedSct(scts.at(0), certificate, ca_.certificate(), log);
  }

  static void ExpectInvalid(const Status& status, const char* defect) {
    ASSERT_FALSE(status.ok()) << defect;
    EXPECT_EQ(status.error().reason, Reason::kSctInvalid) << defect;
  }

  const TestCa ca_ = TestCa::Root(CaSpec("ca"));
  const Bytes precertificate_ = ca_.Leaf(LeafSpec("leaf").With("extendedKeyUsage", "codeSigning")).der;
  const PrivateKey log_ = PrivateKey::Generate(KeyType::kEcP256).value();
};

TEST_F(SctTest, TheFieldsOfATimestamp) {
  const Bytes one = Signed({.extensions = {1, 2, 3}}, log_);
  const Bytes two = Signed({.log_id = Bytes(32, 0x22), .at = 0}, log_);
  const auto scts = EmbeddedScts(WithList(SctList({one, two}))).value();
  ASSERT_EQ(scts.size(), 2U);
  EXPECT_EQ(scts[0].log_id, Bytes(32, 0x11));
  EXPECT_EQ(scts[0].at, WallTime(std::chrono::milliseconds(1'800'000'000'123)));
  EXPECT_EQ(scts[0].extensions, (Bytes{1, 2, 3}));
  EXPECT_EQ(scts[0].hash, kSha256);
  EXPECT_TRUE(scts[0].ecdsa);
  EXPECT_TRUE(std::ranges::equal(scts[0].signature, BytesView(one).last(scts[0].signature.size())));
  EXPECT_EQ(scts[1].log_id, Bytes(32, 0x22));
  EXPECT_EQ(scts[1].at, WallTime{});
}

TEST_F(SctTest, VerifiesWhereverTheListStands) {
  for (const SctPlace place : {SctPlace::kLast, SctPlace::kFirst}) {
    const Status status = Check(WithList(SctList({Signed({}, log_)}), place), log_.Public());
    EXPECT_TRUE(status.ok()) << status.error().ToString();
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(SctTest, VerifiesWithExtensionsAndOtherKeys) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa}) {
    const PrivateKey log = PrivateKey::Generate(type).value();
    const SctSpec spec{.extensions = Bytes(300, 7),
                       .signature = static_cast<std::uint8_t>(type == KeyType::kRsa ? 1 : 3)};
    const Status status = Check(WithList(SctList({Signed(spec, log)})), log.Public());
    EXPECT_TRUE(status.ok()) << status.error().ToString();
  }
}

TEST_F(SctTest, TheListIsTheOnlyExtension) {
  // The precertificate then has none at all.
  const auto spec = LeafSpec("leaf")
                        .Without("basicConstraints")
                        .Without("keyUsage")
                        .Without("subjectKeyIdentifier")
                        .Without("authorityKeyIdentifier");
  const Bytes bare = ca_.Leaf(spec).der;
  const auto [tbs, algorithm] = CertificateParts(bare);
  const SctSpec sct;
  const Bytes signature =
      log_.Sign(Scheme::kEcdsaDer, kSha256, SctToBeSigned(sct, ca_.key().Public().Spki(), tbs)).value();
  const Bytes extension = SctExtension(SctList({SerialiseSct(sct, signature)}));
  const Bytes whole = InsertExtension(tbs, extension, SctPlace::kAlone);
  const Certificate certificate = Certificate::FromDer(AssembleCertificate(whole, algorithm)).value();
  EXPECT_TRUE(Check(certificate, log_.Public()).ok());
}

TEST_F(SctTest, NoListIsNoTimestamp) {
  const Certificate certificate = Certificate::FromDer(precertificate_).value();
  EXPECT_TRUE(EmbeddedScts(certificate).value().empty());
  const auto scts = EmbeddedScts(WithList(SctList({Signed({}, log_)}))).value();
  ExpectInvalid(VerifyEmbeddedSct(scts.at(0), certificate, ca_.certificate(), log_.Public()),
                "a timestamp beside the certificate, not in it");
}

TEST_F(SctTest, Adversarial_B8_WhatTheLogDidNotSign) {
  const PrivateKey other = PrivateKey::Generate(KeyType::kEcP256).value();
  const auto refused = [&](const char* defect, const Bytes& sct) {
    ExpectInvalid(Check(WithList(SctList({sct})), log_.Public()), defect);
  };
  ASSERT_TRUE(Check(WithList(SctList({Signed({}, log_)})), log_.Public()).ok());
  refused("wrong issuer key hash", Signed({}, log_, other.Public().Spki()));
  refused("another log's key", Signed({}, other));
  Bytes later = Signed({}, log_);
  later[33 + 7] ^= 1;  // the last byte of the time
  refused("another time", later);
  Bytes signature = Signed({}, log_);
  signature.back() ^= 1;
  refused("a changed signature", signature);
  SctSpec longer{.extensions = {1}};
  Bytes swapped = Signed(longer, log_);
  swapped[33 + 8 + 2] = 2;
  refused("another extension", swapped);
}

TEST_F(SctTest, Adversarial_B8_TheTimestampOfAnotherCertificate) {
  const auto scts = EmbeddedScts(WithList(SctList({Signed({}, log_)}))).value();
  const Bytes another = ca_.Leaf(LeafSpec("another")).der;
  // The same list in a certificate with another key and name.
  const auto [tbs, algorithm] = CertificateParts(another);
  const Bytes whole = InsertExtension(tbs, SctExtension(SctList({Signed({}, log_)})), SctPlace::kLast);
  const Certificate stolen = Certificate::FromDer(AssembleCertificate(whole, algorithm)).value();
  ExpectInvalid(VerifyEmbeddedSct(scts.at(0), stolen, ca_.certificate(), log_.Public()), "another certificate");
}

TEST_F(SctTest, Adversarial_B8_AnIssuerOfTheSameNameWithAnotherKey) {
  const Certificate certificate = WithList(SctList({Signed({}, log_)}));
  const auto scts = EmbeddedScts(certificate).value();
  const TestCa twin = TestCa::Root(CaSpec("ca"));
  ExpectInvalid(VerifyEmbeddedSct(scts.at(0), certificate, twin.certificate(), log_.Public()), "another issuer");
}

TEST_F(SctTest, TheKeyDecidesTheAlgorithm) {
  const PrivateKey rsa = PrivateKey::Generate(KeyType::kRsa).value();
  const PrivateKey ed25519 = PrivateKey::Generate(KeyType::kEd25519).value();
  const auto check = [&](const Bytes& sct, const PublicKey& key) { return Check(WithList(SctList({sct})), key); };
  ExpectInvalid(check(Signed({.signature = 1}, log_), log_.Public()), "says RSA, is ECDSA");
  ExpectInvalid(check(Signed({.signature = 3}, rsa), rsa.Public()), "says ECDSA, is RSA");
  ExpectInvalid(check(Signed({}, log_), rsa.Public()), "an RSA log, an ECDSA signature");
  ExpectInvalid(check(Signed({}, log_), ed25519.Public()), "a log with a key that no log has");
  ExpectInvalid(check(Signed({.hash = 5}, log_, {}, HashAlgorithm::kSha384), log_.Public()), "SHA-384");
  ExpectInvalid(check(Signed({.hash = 6}, log_, {}, HashAlgorithm::kSha512), log_.Public()), "SHA-512");
  ExpectInvalid(check(Signed({.hash = 5}, log_), log_.Public()), "says SHA-384, is SHA-256");
}

// --- the list

TEST_F(SctTest, Adversarial_B8_ListsThatAreRefused) {
  const Bytes good = Signed({}, log_);
  const auto raw = [](const Bytes& content) { return der::Encode(der::kOctetString, content); };
  const auto longer = [](Bytes bytes) {
    bytes.push_back(0);
    return bytes;
  };
  const auto edited = [&](std::size_t at, std::uint8_t value) {
    Bytes copy = good;
    copy.at(at) = value;
    return SctList({copy});
  };
  const Bytes content = [&] {
    const Bytes list = SctList({good});
    DerReader outer(list, Reason::kInternal, "");
    return ToBytes(outer.Take().value().content);
  }();
  ASSERT_TRUE(EmbeddedScts(WithList(raw(content))).ok());
  const std::pair<const char*, Bytes> table[] = {
      {"no OCTET STRING within", content},
      {"another type within", der::Encode(0x0C, content)},
      {"bytes after the OCTET STRING", longer(raw(content))},
      {"bytes after the list", raw(longer(content))},
      {"bytes after a timestamp", SctList({longer(good)})},
      {"empty", raw({})},
      {"a list without an entry", raw({0, 0})},
      {"an entry without a byte", raw({0, 2, 0, 0})},
      {"a good one, then an empty one", SctList({good, {}})},
      {"version 2", edited(0, 1)},
      {"MD5", edited(33 + 8 + 2, 1)},
      {"SHA-1", edited(33 + 8 + 2, 2)},
      {"SHA-224", edited(33 + 8 + 2, 3)},
      {"no hash", edited(33 + 8 + 2, 0)},
      {"DSA", edited(33 + 8 + 3, 2)},
      {"anonymous", edited(33 + 8 + 3, 0)},
      {"after the year 9999", edited(33, 0x80)},
      {"a signature beyond its limit", SctList({SerialiseSct({}, Bytes(limits::kSignatureBytes + 1))})},
  };
  for (const auto& [defect, list] : table) {
    const auto scts = EmbeddedScts(WithList(list));
    ASSERT_FALSE(scts.ok()) << defect;
    EXPECT_EQ(scts.error().reason, Reason::kSctInvalid) << defect;
  }
}

TEST_F(SctTest, EveryTruncationIsRefused) {
  const Bytes good = Signed({.extensions = {1, 2}}, log_);
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto scts = EmbeddedScts(WithList(SctList({ToBytes(BytesView(good).first(size))})));
    ASSERT_FALSE(scts.ok()) << size;
    EXPECT_EQ(scts.error().reason, Reason::kSctInvalid) << size;
  }
}

TEST_F(SctTest, TheNumberOfTimestampsIsBounded) {
  const Bytes one = Signed({}, log_);
  EXPECT_EQ(EmbeddedScts(WithList(SctList(std::vector<Bytes>(limits::kScts, one)))).value().size(), limits::kScts);
  const auto more = EmbeddedScts(WithList(SctList(std::vector<Bytes>(limits::kScts + 1, one))));
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().reason, Reason::kLimitExceeded);
}

// --- the public good instance

TEST(RealWorldSct, FulcioCertificatesWereLogged) {
  const std::filesystem::path folder = Vectors() / "public/sigstore";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no samples";
  using codec::JsonDocument;
  using codec::JsonView;
  const auto parse = [&](const std::string& name) {
    return JsonDocument::Parse(ReadFile(folder / name), {.max_bytes = 1 << 20}).value();
  };
  const auto decoded = [](JsonView view, const char* name) {
    return DecodeBase64(view.Find(name)->AsString().value()).value();
  };
  const JsonDocument bundle = parse("sigstore-js-2.0.0-provenance.bundle.json");
  const Certificate leaf =
      Certificate::FromDer(
          decoded(bundle.root().Find("verificationMaterial")->Find("x509CertificateChain")->Find("certificates")->at(0),
                  "rawBytes"))
          .value();
  const JsonDocument trust = parse("trusted_root.public-good.json");
  const JsonView chain = *trust.root().Find("certificateAuthorities")->at(1).Find("certChain")->Find("certificates");
  const Certificate issuer = Certificate::FromDer(decoded(chain.at(0), "rawBytes")).value();
  const Certificate root = Certificate::FromDer(decoded(chain.at(1), "rawBytes")).value();
  EXPECT_TRUE(leaf.IsSignedBy(issuer));

  const auto scts = EmbeddedScts(leaf).value();
  ASSERT_EQ(scts.size(), 1U);
  int verified = 0;
  const JsonView logs = *trust.root().Find("ctlogs");
  for (std::size_t i = 0; i < logs.size(); ++i) {
    const Bytes spki = decoded(*logs.at(i).Find("publicKey"), "rawBytes");
    const PublicKey key = PublicKey::FromSpki(spki).value();
    const bool named = scts[0].log_id == Hash(kSha256, spki);
    EXPECT_EQ(VerifyEmbeddedSct(scts[0], leaf, issuer, key).ok(), named);
    EXPECT_FALSE(VerifyEmbeddedSct(scts[0], leaf, root, key).ok());
    if (named) ++verified;
  }
  EXPECT_EQ(verified, 1);
  EXPECT_LT(scts[0].at - leaf.NotBefore(), std::chrono::minutes(1));
}

}  // namespace
}  // namespace gatehouse::crypto
