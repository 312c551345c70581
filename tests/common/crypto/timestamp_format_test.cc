// Tokens put together by hand: each part of the format once as another one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <functional>

#include "common/crypto/timestamp.h"
#include "tests/common/crypto/token_maker.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::kPkiNow;
using fakes::LeafSpec;
using fakes::TestCa;
using fakes::TestCertificate;
using std::chrono::milliseconds;
using testing::HasSubstr;

using Edit = std::function<void(TokenParts&)>;

class TokenTest : public testing::Test {
 protected:
  [[nodiscard]] TokenParts Parts() const { return TokenParts(signer_, message_); }

  [[nodiscard]] Result<VerifiedTimestamp> Verify(BytesView token) const {
    return VerifyTimestamp(token, message_, {.roots = {ca_.certificate()}});
  }
  [[nodiscard]] Result<VerifiedTimestamp> With(const Edit& edit) const {
    TokenParts parts = Parts();
    edit(parts);
    return Verify(parts.Build());
  }
  [[nodiscard]] Result<VerifiedTimestamp> WithTime(const std::string& time) const {
    return With([&](TokenParts& parts) { parts.tst.time = time; });
  }
  // With these bytes after genTime.
  [[nodiscard]] Result<VerifiedTimestamp> WithMore(const Bytes& more) const {
    return With([&](TokenParts& parts) { parts.tst.more = more; });
  }

  [[nodiscard]] Result<VerifiedTimestamp> WithSigningCertificate(const Bytes& attribute) const {
    return With([&](TokenParts& parts) { parts.signing_certificate = attribute; });
  }
  [[nodiscard]] Result<VerifiedTimestamp> WithImprint(std::string_view oid, HashAlgorithm hash) const {
    return With([&](TokenParts& parts) {
      parts.tst.imprint_algorithm = Algorithm(oid);
      parts.tst.imprint = Hash(hash, message_);
    });
  }

  struct Row {
    const char* defect;
    Edit edit;
  };
  void ExpectAll(Reason reason, const std::vector<Row>& table) const {
    for (const Row& row : table) {
      const auto stamp = With(row.edit);
      ASSERT_FALSE(stamp.ok()) << row.defect;
      EXPECT_EQ(stamp.error().reason, reason) << row.defect << ": " << stamp.error().ToString();
    }
    EXPECT_EQ(ERR_peek_error(), 0UL);
  }

  const TestCa ca_ = TestCa::Root(CaSpec("timestamp root"));
  const TestCertificate signer_ = ca_.Leaf(LeafSpec("signer").With("extendedKeyUsage", "critical,timeStamping"));
  const TestCertificate other_ = ca_.Leaf(LeafSpec("other").With("extendedKeyUsage", "critical,timeStamping"));
  const Bytes message_ = ToBytes("a signature");
};

TEST_F(TokenTest, TheHandMadeOneVerifies) {
  const auto stamp = With([](TokenParts&) {});
  ASSERT_TRUE(stamp.ok()) << stamp.error().ToString();
  EXPECT_EQ(stamp->at, kPkiNow);
}

// --- TimeStampResp

TEST_F(TokenTest, AResponseMayExplainItsStatus) {
  const Bytes text = Seq({der::Encode(der::kUtf8String, AsBytes("fine"))});
  const Bytes token = Parts().Build();
  EXPECT_TRUE(Verify(Response(token, Seq({Integer(0), text}))).ok());
  const std::pair<const char*, Bytes> malformed[] = {
      {"nothing in it", Seq({})},
      {"granted without a token", Seq({Seq({Integer(0)})})},
      {"two tokens", Seq({Seq({Integer(0)}), token, token})},
      {"a status that is no number", Response(token, Seq({text}))},
      {"a negative status", Response(token, Seq({Integer(0xFF)}))},
      {"a status with more than the format has", Response(token, Seq({Integer(0), Integer(0)}))},
      {"a token in a list", Seq({Seq({Integer(0)}), Seq({token})})},
  };
  for (const auto& [defect, response] : malformed) {
    const auto stamp = Verify(response);
    ASSERT_FALSE(stamp.ok()) << defect;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << defect;
  }
  const auto refused = Verify(Seq({Seq({Integer(2)})}));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().reason, Reason::kTimestampInvalid);
}

// --- SignedData

TEST_F(TokenTest, WhatSignedDataMayHold) {
  const std::pair<const char*, Edit> fine[] = {
      {"version 1, as Go's libraries write it", [](TokenParts& p) { p.signed_data_version = Integer(1); }},
      {"the signer by its key identifier",
       [&](TokenParts& p) {
         const Bytes identifier = signer_.certificate.Extension("2.5.29.14").value();
         p.identifier = der::Encode(der::Context(0), BytesView(identifier).subspan(2));
         p.signer_version = Integer(3);
       }},
      {"NULL parameters",
       [](TokenParts& p) { p.digest_algorithm = Algorithm(kSha256Oid, der::Encode(der::kNull, {})); }},
      {"unsigned attributes",
       [](TokenParts& p) {
         p.unsigned_attributes = Seq({Attribute("1.2.3", {Integer(1)})}, der::ContextConstructed(1));
       }},
      {"CRLs", [](TokenParts& p) { p.crls = Seq({Seq({})}, der::ContextConstructed(1)); }},
      {"further signed attributes", [](TokenParts& p) { p.more_attributes = Attribute("1.2.3", {Integer(1)}); }},
      {"a digest by SHA-384, a signature by SHA-256",
       [](TokenParts& p) {
         p.digest_algorithm = Algorithm(kSha384Oid);
         p.digest = HashAlgorithm::kSha384;
       }},
  };
  for (const auto& [what, edit] : fine) {
    const auto stamp = With(edit);
    EXPECT_TRUE(stamp.ok()) << what << ": " << stamp.error().ToString();
  }
}

TEST_F(TokenTest, SignedDataThatIsMalformed) {
  ExpectAll(
      Reason::kTimestampMalformed,
      {
          {"EnvelopedData", [](TokenParts& p) { p.outer_type = "1.2.840.113549.1.7.3"; }},
          {"version 0", [](TokenParts& p) { p.signed_data_version = Integer(0); }},
          {"version 6", [](TokenParts& p) { p.signed_data_version = Integer(6); }},
          {"content of another type", [](TokenParts& p) { p.content_type = "1.2.840.113549.1.7.1"; }},
          {"a second signer", [](TokenParts& p) { p.after_signer = Seq({}); }},
          {"something after SignedData", [](TokenParts& p) { p.after_signed_data = Integer(0); }},
          {"an attribute certificate", [](TokenParts& p) { p.more_in_set = Seq({}, der::ContextConstructed(2)); }},
          {"a broken certificate", [](TokenParts& p) { p.more_in_set = Seq({Integer(1)}); }},
          {"SignerInfo version 2", [](TokenParts& p) { p.signer_version = Integer(2); }},
          {"no signed attributes", [](TokenParts& p) { p.no_attributes = true; }},
          {"an attribute twice", [](TokenParts& p) { p.more_attributes = p.content_type_attribute; }},
          {"an attribute with two values",
           [](TokenParts& p) {
             p.more_attributes = Attribute("1.2.3", {Integer(1), Integer(2)});
           }},
          {"an attribute without a value", [](TokenParts& p) { p.more_attributes = Attribute("1.2.3", {}); }},
          {"something after the signer's fields",
           [](TokenParts& p) {
             p.unsigned_attributes = Join({Seq({}, der::ContextConstructed(1)), Integer(0)});
           }},
          {"parameters of the digest", [](TokenParts& p) { p.digest_algorithm = Algorithm(kSha256Oid, Integer(1)); }},
          {"an identifier with more",
           [&](TokenParts& p) {
             const auto [issuer, serial] = IssuerAndSerial(signer_.der);
             p.identifier = Seq({issuer, serial, Integer(1)});
           }},
      });
}

TEST_F(TokenTest, ASecondSignerAlthoughTheFirstIsGood) {
  TokenParts parts = Parts();
  const auto info = [&](const TokenParts& of) {
    const Bytes token = of.Build();
    DerReader file(token, Reason::kInternal, "");
    DerReader data = file.Enter(der::kSequence).value();
    static_cast<void>(data.TakeOid());
    DerReader fields = data.Enter(der::ContextConstructed(0)).value().Enter(der::kSequence).value();
    DerElement last = fields.Take().value();
    while (!fields.AtEnd()) last = fields.Take().value();
    return ToBytes(last.content);
  };
  parts.after_signer = info(TokenParts(other_, message_));
  const auto stamp = Verify(parts.Build());
  ASSERT_FALSE(stamp.ok());
  EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed);
  EXPECT_THAT(stamp.error().detail, HasSubstr("more than one signer"));
}

TEST_F(TokenTest, SignedAttributesThatDoNotVouch) {
  ExpectAll(
      Reason::kTimestampInvalid,
      {
          {"no content type", [](TokenParts& p) { p.content_type_attribute = {}; }},
          {"another content type",
           [](TokenParts& p) { p.content_type_attribute = Attribute(kContentTypeOid, {Oid("1.2.840.113549.1.7.1")}); }},
          {"no message digest", [](TokenParts& p) { p.no_message_digest = true; }},
          {"the digest of other content",
           [](TokenParts& p) { p.message_digest_attribute = Attribute(kMessageDigestOid, {Octets(Bytes(32))}); }},
          {"an empty digest",
           [](TokenParts& p) { p.message_digest_attribute = Attribute(kMessageDigestOid, {Octets({})}); }},
          {"a digest by SHA-1",
           [](TokenParts& p) {
             p.digest_algorithm = Algorithm(kSha1Oid);
             p.digest = HashAlgorithm::kSha1;
           }},
          {"a digest by another algorithm than it says", [](TokenParts& p) { p.digest = HashAlgorithm::kSha384; }},
          {"no signing certificate", [](TokenParts& p) { p.signing_certificate = {}; }},
      });
}

// --- the signing certificate attributes

Bytes EssV2(const std::vector<Bytes>& fields) {
  return Attribute(kSigningCertificateV2Oid, {Seq({Seq({Seq(fields)})})});
}
Bytes EssV1(const std::vector<Bytes>& fields) {
  return Attribute(kSigningCertificateOid, {Seq({Seq({Seq(fields)})})});
}
Bytes IssuerSerial(const Bytes& certificate) {
  const auto [issuer, serial] = IssuerAndSerial(certificate);
  return Seq({Seq({Seq({issuer}, der::ContextConstructed(4))}), serial});
}

TEST_F(TokenTest, TheSigningCertificateInEverySpelling) {
  const Bytes der = signer_.der;
  const auto hash = [&](HashAlgorithm algorithm) { return Octets(Hash(algorithm, der)); };
  const std::pair<const char*, Bytes> fine[] = {
      {"v1", EssV1({hash(HashAlgorithm::kSha1)})},
      {"v1 with issuer and serial", EssV1({hash(HashAlgorithm::kSha1), IssuerSerial(der)})},
      {"v2 with issuer and serial", EssV2({hash(HashAlgorithm::kSha256), IssuerSerial(der)})},
      {"v2 that spells its default out", EssV2({Algorithm(kSha256Oid), hash(HashAlgorithm::kSha256)})},
      {"v2 by SHA-384", EssV2({Algorithm(kSha384Oid), hash(HashAlgorithm::kSha384)})},
      {"v2 by SHA-512", EssV2({Algorithm(kSha512Oid), hash(HashAlgorithm::kSha512)})},
      {"both", Join({EssV1({hash(HashAlgorithm::kSha1)}), EssV2({hash(HashAlgorithm::kSha256)})})},
      {"with policies",
       Attribute(kSigningCertificateV2Oid, {Seq({Seq({Seq({hash(HashAlgorithm::kSha256)})}), Seq({})})})},
      {"with the chain after it",
       Attribute(kSigningCertificateV2Oid,
                 {Seq({Seq({Seq({hash(HashAlgorithm::kSha256)}), Seq({Octets(Bytes(32))})})})})},
  };
  for (const auto& [what, attribute] : fine) {
    const auto stamp = WithSigningCertificate(attribute);
    EXPECT_TRUE(stamp.ok()) << what << ": " << stamp.error().ToString();
  }
}

TEST_F(TokenTest, ASigningCertificateThatIsNotTheSigner) {
  const auto hash = [](HashAlgorithm algorithm, const Bytes& of) { return Octets(Hash(algorithm, of)); };
  const Bytes der = signer_.der;
  const Bytes other = other_.der;
  const Bytes right = hash(HashAlgorithm::kSha256, der);
  const Bytes wrong = hash(HashAlgorithm::kSha256, other);
  const Bytes wrong_v1 = hash(HashAlgorithm::kSha1, other);
  const std::pair<const char*, Bytes> table[] = {
      {"v2 of another", EssV2({wrong})},
      {"v1 of another", EssV1({wrong_v1})},
      {"v2 right, v1 of another", Join({EssV2({right}), EssV1({wrong_v1})})},
      {"v1 right, v2 of another", Join({EssV1({hash(HashAlgorithm::kSha1, der)}), EssV2({wrong})})},
      {"the right one comes second", Attribute(kSigningCertificateV2Oid, {Seq({Seq({Seq({wrong}), Seq({right})})})})},
      {"v2 with another's serial", EssV2({right, IssuerSerial(other)})},
      {"v1 with another's serial", EssV1({hash(HashAlgorithm::kSha1, der), IssuerSerial(other)})},
      {"v2 by SHA-1", EssV2({Algorithm(kSha1Oid), hash(HashAlgorithm::kSha1, der)})},
      {"v2 by another hash than it says", EssV2({Algorithm(kSha384Oid), right})},
      {"v1 by SHA-256", EssV1({right})},
      {"a hash that is cut off", EssV2({Octets(BytesView(right).subspan(2, 20))})},
      {"an empty hash", EssV2({Octets({})})},
  };
  for (const auto& [defect, attribute] : table) {
    const auto stamp = WithSigningCertificate(attribute);
    ASSERT_FALSE(stamp.ok()) << defect;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampInvalid) << defect << ": " << stamp.error().ToString();
  }
  const std::pair<const char*, Bytes> malformed[] = {
      {"no certificate named", Attribute(kSigningCertificateV2Oid, {Seq({Seq({})})})},
      {"more after the names", EssV2({right, IssuerSerial(der), Integer(1)})},
      {"more after the policies",
       Attribute(kSigningCertificateV2Oid, {Seq({Seq({Seq({right})}), Seq({}), Integer(1)})})},
      {"a hash algorithm in v1", EssV1({Algorithm(kSha256Oid), right})},
      {"two names of the issuer",
       EssV2({right, Seq({Seq({Seq({Seq({})}, der::ContextConstructed(4)), Seq({Seq({})}, der::ContextConstructed(4))}),
                          Integer(1)})})},
  };
  for (const auto& [defect, attribute] : malformed) {
    const auto stamp = WithSigningCertificate(attribute);
    ASSERT_FALSE(stamp.ok()) << defect;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << defect << ": " << stamp.error().ToString();
  }
}

TEST_F(TokenTest, ASignerThatIsAnother) {
  ExpectAll(Reason::kTimestampInvalid, {
                                           {"another key", [&](TokenParts& p) { p.key = *other_.key; }},
                                           {"another's identifier",
                                            [&](TokenParts& p) {
                                              const auto [issuer, serial] = IssuerAndSerial(other_.der);
                                              p.identifier = Seq({issuer, serial});
                                              p.embedded.push_back(other_.der);
                                            }},
                                       });
  // An authority that nobody has named, so that a caller may go on with others.
  ExpectAll(Reason::kCertificateUntrusted,
            {
                {"another issuer's name",
                 [&](TokenParts& p) {
                   const auto [issuer, serial] = IssuerAndSerial(signer_.der);
                   p.identifier = Seq({Seq({}), serial});
                 }},
                {"another's key identifier",
                 [&](TokenParts& p) {
                   const Bytes identifier = other_.certificate.Extension("2.5.29.14").value();
                   p.identifier = der::Encode(der::Context(0), BytesView(identifier).subspan(2));
                 }},
                {"an empty key identifier", [&](TokenParts& p) { p.identifier = der::Encode(der::Context(0), {}); }},
            });
}

TEST_F(TokenTest, Adversarial_B6_AnIntermediateForAnotherPurpose) {
  for (const char* usage : {"timeStamping", "anyExtendedKeyUsage", "codeSigning"}) {
    const TestCa ca = ca_.Intermediate(CaSpec("ca").With("extendedKeyUsage", usage));
    const TestCertificate signer = ca.Leaf(LeafSpec("signer").With("extendedKeyUsage", "critical,timeStamping"));
    TokenParts parts(signer, message_);
    parts.embedded.push_back(ca.der());
    const auto stamp = Verify(parts.Build());
    if (usage != std::string_view("codeSigning")) {
      EXPECT_TRUE(stamp.ok()) << usage;
      continue;
    }
    ASSERT_FALSE(stamp.ok());
    EXPECT_EQ(stamp.error().reason, Reason::kCertificateUntrusted);
    EXPECT_THAT(stamp.error().detail, HasSubstr("does not chain"));
  }
}

// --- the signature

TEST_F(TokenTest, TheKeyDecidesTheAlgorithm) {
  ExpectAll(
      Reason::kTimestampInvalid,
      {
          {"says RSA, the key is ECDSA",
           [](TokenParts& p) { p.signature_algorithm = Algorithm("1.2.840.113549.1.1.11"); }},
          {"says Ed25519", [](TokenParts& p) { p.signature_algorithm = Algorithm("1.3.101.112"); }},
          {"says SHA-384, is SHA-256", [](TokenParts& p) { p.signature_algorithm = Algorithm("1.2.840.10045.4.3.3"); }},
          {"ECDSA with SHA-1", [](TokenParts& p) { p.signature_algorithm = Algorithm("1.2.840.10045.4.1"); }},
          {"raw ECDSA", [](TokenParts& p) { p.scheme = Scheme::kEcdsaRaw; }},
          {"unknown", [](TokenParts& p) { p.signature_algorithm = Algorithm("1.2.3.4"); }},
      });
}

TEST_F(TokenTest, RsaAndEd25519) {
  const auto verify = [&](KeyType type, const char* oid, Scheme scheme, HashAlgorithm hash) {
    const TestCertificate signer = ca_.Leaf(
        {.common_name = "signer", .key_type = type, .extensions = {{"extendedKeyUsage", "critical,timeStamping"}}});
    TokenParts parts(signer, message_);
    parts.signature_algorithm = Algorithm(oid);
    parts.scheme = scheme;
    parts.signature_hash = hash;
    return Verify(parts.Build());
  };
  constexpr Scheme kPkcs1 = Scheme::kRsaPkcs1v15;
  EXPECT_TRUE(verify(KeyType::kRsa, "1.2.840.113549.1.1.1", kPkcs1, HashAlgorithm::kSha256).ok());
  EXPECT_TRUE(verify(KeyType::kRsa, "1.2.840.113549.1.1.12", kPkcs1, HashAlgorithm::kSha384).ok());
  EXPECT_TRUE(verify(KeyType::kRsa, "1.2.840.113549.1.1.13", kPkcs1, HashAlgorithm::kSha512).ok());
  EXPECT_TRUE(verify(KeyType::kEd25519, "1.3.101.112", Scheme::kEd25519, HashAlgorithm::kSha512).ok());
  const auto pss = verify(KeyType::kRsa, "1.2.840.113549.1.1.10", Scheme::kRsaPss, HashAlgorithm::kSha256);
  ASSERT_FALSE(pss.ok());
  EXPECT_EQ(pss.error().reason, Reason::kTimestampInvalid);
  EXPECT_FALSE(verify(KeyType::kRsa, "1.2.840.113549.1.1.1", Scheme::kRsaPss, HashAlgorithm::kSha256).ok());
}

// --- TSTInfo

TEST_F(TokenTest, TheTimeToTheMillisecond) {
  const std::pair<const char*, Duration> table[] = {
      {"20270101000000Z", milliseconds(0)},        {"20270101000000.5Z", milliseconds(500)},
      {"20270101000000.04Z", milliseconds(40)},    {"20270101000000.123Z", milliseconds(123)},
      {"20270101000000.1239Z", milliseconds(123)}, {"20270101000000.000000001Z", milliseconds(0)},
      {"20270101000001Z", milliseconds(1000)},     {"20270101235959.999Z", milliseconds(86'399'999)},
  };
  for (const auto& [text, offset] : table) {
    const auto stamp = WithTime(text);
    ASSERT_TRUE(stamp.ok()) << text << ": " << stamp.error().ToString();
    EXPECT_EQ(stamp->at, kPkiNow + offset) << text;
  }
}

TEST_F(TokenTest, ATimeThatIsNotOfTheFormat) {
  for (const char* text : {"",
                           "Z",
                           "20270101000000",
                           "20270101000000z",
                           "20270101000000+0000",
                           "202701010000Z",
                           "2027010100Z",
                           "20270101000000.Z",
                           "20270101000000.0Z",
                           "20270101000000.50Z",
                           "20270101000000,5Z",
                           "20270101000000.5",
                           "20270101000000.5ZZ",
                           "20270101000000.-5Z",
                           "20270101000000Z0",
                           "270101000000Z",
                           "20271301000000Z",
                           "20270001000000Z",
                           "20270230000000Z",
                           "20270100000000Z",
                           "20270101240000Z",
                           "20270101006000Z",
                           "20270101000060Z",
                           "2027010100000 Z",
                           "-0270101000000Z",
                           "20270101000000.1234567890123456789Z"}) {
    const auto stamp = WithTime(text);
    ASSERT_FALSE(stamp.ok()) << text;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << text << ": " << stamp.error().ToString();
  }
}

Bytes Context(unsigned number, std::uint8_t value) {
  return der::Encode(der::Context(number), Bytes{value});
}

TEST_F(TokenTest, Adversarial_B6_Accuracy) {
  const std::pair<Bytes, Duration> fine[] = {
      {Seq({}), milliseconds(0)},
      {Seq({Integer(2)}), milliseconds(2000)},
      {Seq({Context(0, 5)}), milliseconds(5)},
      {Seq({Context(1, 5)}), milliseconds(1)},
      {Seq({Integer(1), Context(0, 2), Context(1, 3)}), milliseconds(1003)},
  };
  for (const auto& [accuracy, expected] : fine) {
    const auto stamp = WithMore(accuracy);
    ASSERT_TRUE(stamp.ok()) << stamp.error().ToString();
    EXPECT_EQ(stamp->accuracy, expected);
  }
  const std::pair<const char*, Bytes> malformed[] = {
      {"negative", Seq({Integer(0xFF)})},
      {"a year and more", Seq({der::Encode(der::kInteger, Bytes{0x7F, 0xFF, 0xFF, 0xFF})})},
      {"2^63", Seq({der::Encode(der::kInteger, Bytes{0, 0x80, 0, 0, 0, 0, 0, 0, 0})})},
      {"no milliseconds", Seq({Context(0, 0)})},
      {"1000 milliseconds", Seq({der::Encode(der::Context(0), Bytes{0x03, 0xE8})})},
      {"negative microseconds", Seq({Context(1, 0x80)})},
      {"milliseconds after microseconds", Seq({Context(1, 1), Context(0, 1)})},
      {"twice", Seq({Integer(1), Integer(1)})},
      {"two of them", Join({Seq({}), Seq({})})},
  };
  for (const auto& [defect, accuracy] : malformed) {
    const auto stamp = WithMore(accuracy);
    ASSERT_FALSE(stamp.ok()) << defect;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << defect;
  }
}

TEST_F(TokenTest, WhatMayFollowTheTime) {
  const Bytes accuracy = Seq({Integer(1)});
  const Bytes ordering = der::Encode(der::kBoolean, Bytes{0xFF});
  const Bytes nonce = der::Encode(der::kInteger, Bytes(20, 0x11));
  const Bytes name = Seq({der::Encode(der::Context(6), AsBytes("https://tsa"))}, der::ContextConstructed(0));
  const auto extensions = [](const std::vector<Bytes>& fields) {
    return Seq({Seq(fields)}, der::ContextConstructed(1));
  };
  const Bytes extension = extensions({Oid("1.2.3"), Octets({})});
  const auto all = WithMore(Join({accuracy, ordering, nonce, name, extension}));
  EXPECT_TRUE(all.ok()) << all.error().ToString();
  for (const Bytes& one : {accuracy, ordering, nonce, name, extension}) EXPECT_TRUE(WithMore(one).ok());

  const auto critical = WithMore(extensions({Oid("1.2.3"), ordering, Octets({})}));
  ASSERT_FALSE(critical.ok());
  EXPECT_EQ(critical.error().reason, Reason::kTimestampInvalid);
  const std::pair<const char*, Bytes> malformed[] = {
      {"in another order", Join({nonce, ordering})},
      {"a nonce twice", Join({nonce, nonce})},
      {"something unknown", der::Encode(der::kNull, {})},
      {"an ordering of two bytes", der::Encode(der::kBoolean, Bytes{0xFF, 0xFF})},
      {"an extension with more", extensions({Oid("1.2.3"), Octets({}), Integer(1)})},
      {"an extension without a value", extensions({Oid("1.2.3")})},
  };
  for (const auto& [defect, more] : malformed) {
    const auto stamp = WithMore(more);
    ASSERT_FALSE(stamp.ok()) << defect;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << defect;
  }
}

TEST_F(TokenTest, TstInfoThatIsMalformed) {
  ExpectAll(Reason::kTimestampMalformed,
            {
                {"version 2", [](TokenParts& p) { p.tst.version = Integer(2); }},
                {"no policy", [](TokenParts& p) { p.tst.policy = {}; }},
                {"bytes after it", [](TokenParts& p) { p.trailing_content = {0}; }},
                {"a second one after it", [](TokenParts& p) { p.trailing_content = p.tst.Der(); }},
                {"an imprint with more",
                 [](TokenParts& p) {
                   p.tst.imprint_algorithm = Join({Algorithm(kSha256Oid), Integer(1)});
                 }},
            });
}

TEST_F(TokenTest, AnImprintOfAnotherAlgorithmThanItSays) {
  ExpectAll(Reason::kTimestampInvalid,
            {
                {"says SHA-384", [](TokenParts& p) { p.tst.imprint_algorithm = Algorithm(kSha384Oid); }},
                {"says SHA-1", [](TokenParts& p) { p.tst.imprint_algorithm = Algorithm(kSha1Oid); }},
                {"SHA-1",
                 [&](TokenParts& p) {
                   p.tst.imprint_algorithm = Algorithm(kSha1Oid);
                   p.tst.imprint = Hash(HashAlgorithm::kSha1, message_);
                 }},
                {"unknown", [](TokenParts& p) { p.tst.imprint_algorithm = Algorithm("1.2.3"); }},
            });
  EXPECT_TRUE(WithImprint(kSha384Oid, HashAlgorithm::kSha384).ok());
  EXPECT_TRUE(WithImprint(kSha512Oid, HashAlgorithm::kSha512).ok());
}

}  // namespace
}  // namespace gatehouse::crypto
