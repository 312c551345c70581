// Embedded signed certificate timestamps: a log of our own vouches for a certificate of our own, and one thing is
// wrong.
#include "common/crypto/sct.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/crypto/der.h"
#include "common/crypto/hash.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::LeafSpec;
using fakes::TestCa;

constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;

struct SctSpec {
  std::uint8_t version = 0;
  Bytes log_id = Bytes(32, 0x11);
  std::uint64_t at = 1'800'000'000'123;
  Bytes extensions = {};
  std::uint8_t hash = 4;       // SHA-256
  std::uint8_t signature = 3;  // ECDSA
};

// RFC 6962 section 3.2, written out a second time.
Bytes ToBeSigned(const SctSpec& spec, BytesView issuer_spki, BytesView tbs) {
  ByteWriter writer;
  writer.PutU8(spec.version);
  writer.PutU8(0);
  writer.PutU64Be(spec.at);
  writer.PutU16Be(1);
  writer.Put(Hash(kSha256, issuer_spki));
  writer.PutU8(0);
  writer.PutU16Be(static_cast<std::uint16_t>(tbs.size()));
  writer.Put(tbs);
  writer.PutSized16Be(spec.extensions);
  return std::move(writer).Finish();
}

Bytes Serialise(const SctSpec& spec, BytesView signature) {
  ByteWriter writer;
  writer.PutU8(spec.version);
  writer.Put(spec.log_id);
  writer.PutU64Be(spec.at);
  writer.PutSized16Be(spec.extensions);
  writer.PutU8(spec.hash);
  writer.PutU8(spec.signature);
  writer.PutSized16Be(signature);
  return std::move(writer).Finish();
}

// The inner OCTET STRING: a list of serialised timestamps.
Bytes List(const std::vector<Bytes>& scts) {
  ByteWriter inner;
  for (const Bytes& sct : scts) inner.PutSized16Be(sct);
  ByteWriter list;
  list.PutSized16Be(inner.bytes());
  return der::Encode(der::kOctetString, list.bytes());
}

class SctTest : public testing::Test {
 protected:
  // The TBSCertificate of a certificate and the AlgorithmIdentifier after it.
  static std::pair<BytesView, BytesView> Parts(BytesView der) {
    DerReader file(der, Reason::kInternal, "");
    DerReader parts = file.Enter(der::kSequence).value();
    const BytesView tbs = parts.Take().value().whole;
    return {tbs, parts.Take().value().whole};
  }

  enum class Place : std::uint8_t { kLast, kFirst, kAlone };

  // The extension with the list put into a TBSCertificate.
  static Bytes Insert(BytesView tbs, const Bytes& extension, Place place) {
    DerReader outer(tbs, Reason::kInternal, "");
    DerReader fields = outer.Enter(der::kSequence).value();
    Bytes made;
    while (!fields.AtEnd()) {
      const DerElement field = fields.Take().value();
      if (field.tag != der::ContextConstructed(3)) {
        Append(made, field.whole);
        continue;
      }
      DerReader wrapped(field.content, Reason::kInternal, "");
      Bytes list = ToBytes(wrapped.Take().value().content);
      if (place == Place::kFirst) list.insert(list.begin(), extension.begin(), extension.end());
      if (place == Place::kLast) Append(list, extension);
      Append(made, der::Encode(der::ContextConstructed(3), der::Encode(der::kSequence, list)));
    }
    if (place == Place::kAlone) {
      Append(made, der::Encode(der::ContextConstructed(3), der::Encode(der::kSequence, extension)));
    }
    return der::Encode(der::kSequence, made);
  }

  // A certificate by ca_ with this value as its list.
  [[nodiscard]] Certificate WithList(BytesView list, Place place = Place::kLast) const {
    Bytes extension = DecodeHex("060a2b06010401d679020402").value();
    Append(extension, der::Encode(der::kOctetString, list));
    const auto [tbs, algorithm] = Parts(precertificate_);
    Bytes whole = Insert(tbs, der::Encode(der::kSequence, extension), place);
    Bytes bits{0};
    Append(bits, ca_.key().Sign(Scheme::kEcdsaDer, kSha256, whole).value());
    Append(whole, algorithm);
    Append(whole, der::Encode(der::kBitString, bits));
    return Certificate::FromDer(der::Encode(der::kSequence, whole)).value();
  }

  // What the log signs, by its key; `spki` is the issuer's unless given.
  [[nodiscard]] Bytes Signed(const SctSpec& spec, const PrivateKey& log, std::optional<Bytes> spki = {},
                             HashAlgorithm hash = kSha256) const {
    const bool rsa = log.Public().type() == KeyType::kRsa;
    const Bytes message = ToBeSigned(spec, spki.value_or(ca_.key().Public().Spki()), Parts(precertificate_).first);
    return Serialise(spec, log.Sign(rsa ? Scheme::kRsaPkcs1v15 : Scheme::kEcdsaDer, hash, message).value());
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
  const auto scts = EmbeddedScts(WithList(List({one, two}))).value();
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
  for (const Place place : {Place::kLast, Place::kFirst}) {
    const Status status = Check(WithList(List({Signed({}, log_)}), place), log_.Public());
    EXPECT_TRUE(status.ok()) << status.error().ToString();
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(SctTest, VerifiesWithExtensionsAndOtherKeys) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa}) {
    const PrivateKey log = PrivateKey::Generate(type).value();
    const SctSpec spec{.extensions = Bytes(300, 7),
                       .signature = static_cast<std::uint8_t>(type == KeyType::kRsa ? 1 : 3)};
    const Status status = Check(WithList(List({Signed(spec, log)})), log.Public());
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
  const auto [tbs, algorithm] = Parts(bare);
  const SctSpec sct;
  const Bytes signature =
      log_.Sign(Scheme::kEcdsaDer, kSha256, ToBeSigned(sct, ca_.key().Public().Spki(), tbs)).value();
  Bytes extension = DecodeHex("060a2b06010401d679020402").value();
  Append(extension, der::Encode(der::kOctetString, List({Serialise(sct, signature)})));
  Bytes whole = Insert(tbs, der::Encode(der::kSequence, extension), Place::kAlone);
  Append(whole, algorithm);
  Append(whole, der::Encode(der::kBitString, Bytes{0, 0x30, 0}));
  const Certificate certificate = Certificate::FromDer(der::Encode(der::kSequence, whole)).value();
  EXPECT_TRUE(Check(certificate, log_.Public()).ok());
}

TEST_F(SctTest, NoListIsNoTimestamp) {
  const Certificate certificate = Certificate::FromDer(precertificate_).value();
  EXPECT_TRUE(EmbeddedScts(certificate).value().empty());
  const auto scts = EmbeddedScts(WithList(List({Signed({}, log_)}))).value();
  ExpectInvalid(VerifyEmbeddedSct(scts.at(0), certificate, ca_.certificate(), log_.Public()),
                "a timestamp beside the certificate, not in it");
}

TEST_F(SctTest, Adversarial_B8_WhatTheLogDidNotSign) {
  const PrivateKey other = PrivateKey::Generate(KeyType::kEcP256).value();
  const auto refused = [&](const char* defect, const Bytes& sct) {
    ExpectInvalid(Check(WithList(List({sct})), log_.Public()), defect);
  };
  ASSERT_TRUE(Check(WithList(List({Signed({}, log_)})), log_.Public()).ok());
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
  const auto scts = EmbeddedScts(WithList(List({Signed({}, log_)}))).value();
  const Bytes another = ca_.Leaf(LeafSpec("another")).der;
  // The same list in a certificate with another key and name.
  Bytes extension = DecodeHex("060a2b06010401d679020402").value();
  Append(extension, der::Encode(der::kOctetString, List({Signed({}, log_)})));
  const auto [tbs, algorithm] = Parts(another);
  Bytes whole = Insert(tbs, der::Encode(der::kSequence, extension), Place::kLast);
  Append(whole, algorithm);
  Append(whole, der::Encode(der::kBitString, Bytes{0, 0x30, 0}));
  const Certificate stolen = Certificate::FromDer(der::Encode(der::kSequence, whole)).value();
  ExpectInvalid(VerifyEmbeddedSct(scts.at(0), stolen, ca_.certificate(), log_.Public()), "another certificate");
}

TEST_F(SctTest, Adversarial_B8_AnIssuerOfTheSameNameWithAnotherKey) {
  const Certificate certificate = WithList(List({Signed({}, log_)}));
  const auto scts = EmbeddedScts(certificate).value();
  const TestCa twin = TestCa::Root(CaSpec("ca"));
  ExpectInvalid(VerifyEmbeddedSct(scts.at(0), certificate, twin.certificate(), log_.Public()), "another issuer");
}

TEST_F(SctTest, TheKeyDecidesTheAlgorithm) {
  const PrivateKey rsa = PrivateKey::Generate(KeyType::kRsa).value();
  const PrivateKey ed25519 = PrivateKey::Generate(KeyType::kEd25519).value();
  const auto check = [&](const Bytes& sct, const PublicKey& key) { return Check(WithList(List({sct})), key); };
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
    return List({copy});
  };
  const Bytes content = [&] {
    const Bytes list = List({good});
    DerReader outer(list, Reason::kInternal, "");
    return ToBytes(outer.Take().value().content);
  }();
  ASSERT_TRUE(EmbeddedScts(WithList(raw(content))).ok());
  const std::pair<const char*, Bytes> table[] = {
      {"no OCTET STRING within", content},
      {"another type within", der::Encode(0x0C, content)},
      {"bytes after the OCTET STRING", longer(raw(content))},
      {"bytes after the list", raw(longer(content))},
      {"bytes after a timestamp", List({longer(good)})},
      {"empty", raw({})},
      {"a list without an entry", raw({0, 0})},
      {"an entry without a byte", raw({0, 2, 0, 0})},
      {"a good one, then an empty one", List({good, {}})},
      {"version 2", edited(0, 1)},
      {"MD5", edited(33 + 8 + 2, 1)},
      {"SHA-1", edited(33 + 8 + 2, 2)},
      {"SHA-224", edited(33 + 8 + 2, 3)},
      {"no hash", edited(33 + 8 + 2, 0)},
      {"DSA", edited(33 + 8 + 3, 2)},
      {"anonymous", edited(33 + 8 + 3, 0)},
      {"after the year 9999", edited(33, 0x80)},
      {"a signature beyond its limit", List({Serialise({}, Bytes(limits::kSignatureBytes + 1))})},
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
    const auto scts = EmbeddedScts(WithList(List({ToBytes(BytesView(good).first(size))})));
    ASSERT_FALSE(scts.ok()) << size;
    EXPECT_EQ(scts.error().reason, Reason::kSctInvalid) << size;
  }
}

TEST_F(SctTest, TheNumberOfTimestampsIsBounded) {
  const Bytes one = Signed({}, log_);
  EXPECT_EQ(EmbeddedScts(WithList(List(std::vector<Bytes>(limits::kScts, one)))).value().size(), limits::kScts);
  const auto more = EmbeddedScts(WithList(List(std::vector<Bytes>(limits::kScts + 1, one))));
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
