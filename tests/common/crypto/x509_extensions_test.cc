// What extensions and names say: every field asked, one thing broken at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/crypto/der.h"
#include "common/crypto/x509.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::CertificateSpec;
using fakes::LeafSpec;
using fakes::TestCa;
using fakes::TestCertificate;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;
using Kind = Certificate::AlternativeName::Kind;

class ExtensionsTest : public testing::Test {
 protected:
  [[nodiscard]] Certificate With(const std::string& extension, const std::string& value) const {
    return root_.Leaf(LeafSpec("leaf").With(extension, value)).certificate;
  }
  // subjectAltName with these bytes as its value.
  [[nodiscard]] Certificate WithNames(BytesView value) const {
    std::string hex = EncodeHex(value);
    return With("subjectAltName", "DER:" + hex);
  }

  const TestCa root_ = TestCa::Root(CaSpec("the root"));
};

// --- key usages

TEST_F(ExtensionsTest, ExtendedKeyUsagesInOrder) {
  const Certificate both = With("extendedKeyUsage", "critical,timeStamping,1.2.3.4");
  EXPECT_THAT(both.ExtendedKeyUsages(), ElementsAre("1.3.6.1.5.5.7.3.8", "1.2.3.4"));
  EXPECT_TRUE(both.HasCriticalExtendedKeyUsage());
  EXPECT_FALSE(With("extendedKeyUsage", "timeStamping").HasCriticalExtendedKeyUsage());
  EXPECT_THAT(root_.certificate().ExtendedKeyUsages(), IsEmpty());
  EXPECT_FALSE(root_.certificate().HasCriticalExtendedKeyUsage());
}

TEST_F(ExtensionsTest, CriticalExtensions) {
  EXPECT_TRUE(With("subjectAltName", "critical,DNS:a.example").HasCriticalExtension("2.5.29.17"));
  EXPECT_FALSE(With("subjectAltName", "DNS:a.example").HasCriticalExtension("2.5.29.17"));
  EXPECT_FALSE(root_.certificate().HasCriticalExtension("2.5.29.17"));
  EXPECT_TRUE(With("1.2.3.4", "critical,DER:0500").HasCriticalExtension("1.2.3.4"));
  EXPECT_FALSE(With("1.2.3.4", "critical,DER:0500").HasCriticalExtension("no oid"));
}

TEST_F(ExtensionsTest, KeyUsageBits) {
  const auto usage = [&](const char* value) { return With("keyUsage", value).Usage().value(); };
  const Certificate::KeyUsage sign = usage("critical,digitalSignature");
  EXPECT_TRUE(sign.critical && sign.digital_signature);
  EXPECT_FALSE(sign.key_cert_sign || sign.crl_sign || sign.other);
  EXPECT_FALSE(usage("digitalSignature").critical);
  EXPECT_FALSE(sign.key_encipherment || sign.key_agreement);
  const Certificate::KeyUsage encipherment = usage("keyEncipherment");
  EXPECT_TRUE(encipherment.key_encipherment && encipherment.other);
  EXPECT_FALSE(encipherment.key_agreement || encipherment.digital_signature);
  const Certificate::KeyUsage agreement = usage("keyAgreement");
  EXPECT_TRUE(agreement.key_agreement && agreement.other);
  EXPECT_FALSE(agreement.key_encipherment || agreement.digital_signature);
  const Certificate::KeyUsage ca = usage("keyCertSign,cRLSign");
  EXPECT_TRUE(ca.key_cert_sign && ca.crl_sign);
  EXPECT_FALSE(ca.digital_signature || ca.other);
  for (const char* name :
       {"nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "encipherOnly", "decipherOnly"}) {
    const Certificate::KeyUsage other = usage(name);
    EXPECT_TRUE(other.other) << name;
    EXPECT_FALSE(other.digital_signature || other.key_cert_sign || other.crl_sign) << name;
  }
  EXPECT_FALSE(root_.Leaf(LeafSpec("leaf").Without("keyUsage")).certificate.Usage().has_value());
}

TEST_F(ExtensionsTest, BasicConstraints) {
  const Certificate::BasicConstraints root = root_.certificate().Constraints().value();
  EXPECT_TRUE(root.critical && root.ca);
  EXPECT_FALSE(root.path_length.has_value());
  const Certificate::BasicConstraints ca =
      root_.Intermediate(CaSpec("ca").With("basicConstraints", "CA:TRUE,pathlen:3"))
          .certificate()
          .Constraints()
          .value();
  EXPECT_TRUE(ca.ca);
  EXPECT_FALSE(ca.critical);
  EXPECT_EQ(ca.path_length, std::optional<std::uint64_t>(3));
  EXPECT_FALSE(With("basicConstraints", "critical,CA:FALSE").Constraints().value().ca);
  EXPECT_FALSE(root_.Leaf(LeafSpec("leaf").Without("basicConstraints")).certificate.Constraints().has_value());
}

// --- Extension()

TEST_F(ExtensionsTest, TheValueOfAnExtensionByItsIdentifier) {
  const Certificate leaf = With("1.3.6.1.4.1.57264.1.8", "ASN1:UTF8String:https://issuer");
  const Bytes value = leaf.Extension("1.3.6.1.4.1.57264.1.8").value();
  EXPECT_EQ(value, der::Encode(der::kUtf8String, AsBytes("https://issuer")));
  for (const char* other : {"1.3.6.1.4.1.57264.1.80", "1.3.6.1.4.1.57264.1", "", "basicConstraints", "no oid"}) {
    EXPECT_FALSE(leaf.Extension(other).has_value()) << other;
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

// Trap of OpenSSL 3.0: X509_get_ext_d2i passes over what follows the value.
TEST_F(ExtensionsTest, Adversarial_B9_BytesAfterTheValueOfAKnownExtension) {
  const Bytes value = DecodeHex("30060101ff020100").value();  // CA:TRUE, pathlen 0
  const TestCa ca = root_.Intermediate(CaSpec("ca").With("basicConstraints", "critical,DER:" + EncodeHex(value)));
  Bytes der = ca.der();
  ASSERT_TRUE(Certificate::FromDer(der).ok());
  // SEQUENCE { BOOLEAN TRUE } and three bytes after it.
  const auto found = std::search(der.begin(), der.end(), value.begin(), value.end());
  ASSERT_NE(found, der.end());
  *(found + 1) = 0x03;
  const Result<Certificate> broken = Certificate::FromDer(der);
  ASSERT_FALSE(broken.ok());
  EXPECT_EQ(broken.error().reason, Reason::kCertificateMalformed);
  EXPECT_EQ(broken.error().detail, "bytes after the value of an extension");
}

// --- subjectAltName

TEST_F(ExtensionsTest, AlternativeNamesInOrder) {
  const auto names = With("subjectAltName", "URI:https://a/b,email:x@example.com,DNS:c").AlternativeNames().value();
  ASSERT_EQ(names.size(), 3U);
  EXPECT_EQ(names[0].kind, Kind::kUri);
  EXPECT_EQ(names[0].value, "https://a/b");
  EXPECT_EQ(names[1].kind, Kind::kEmail);
  EXPECT_EQ(names[1].value, "x@example.com");
  EXPECT_EQ(names[2].kind, Kind::kDns);
  EXPECT_EQ(names[2].value, "c");
}

TEST_F(ExtensionsTest, Adversarial_B9_NoAlternativeNameIsAnEmptyList) {
  EXPECT_THAT(root_.Leaf(LeafSpec("leaf")).certificate.AlternativeNames().value(), IsEmpty());
}

TEST_F(ExtensionsTest, Adversarial_B9_SeveralAlternativeNamesAreAllShown) {
  const auto names = With("subjectAltName", "email:a@example.com,email:b@example.com").AlternativeNames().value();
  ASSERT_EQ(names.size(), 2U);
  EXPECT_EQ(names[1].value, "b@example.com");
}

TEST_F(ExtensionsTest, Adversarial_B9_OtherNameOfFulcio) {
  const auto names = With("subjectAltName", "otherName:1.3.6.1.4.1.57264.1.7;UTF8:foo!bar").AlternativeNames().value();
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0].kind, Kind::kOther);
  EXPECT_EQ(names[0].value, "foo!bar");
}

Bytes Sequence(std::initializer_list<Bytes> parts, std::uint8_t tag = der::kSequence) {
  Bytes content;
  for (const Bytes& part : parts) Append(content, part);
  return der::Encode(tag, content);
}

const Bytes kFulcioOid = DecodeHex("060a2b0601040183bf300107").value();

Bytes OtherName(const Bytes& oid, const Bytes& value) {
  return Sequence({Sequence({oid, Sequence({value}, der::ContextConstructed(0))}, der::ContextConstructed(0))});
}

TEST_F(ExtensionsTest, Adversarial_B9_NamesThatAreRefused) {
  const Bytes text = der::Encode(der::kUtf8String, AsBytes("x"));
  const Bytes accent = der::Encode(der::kUtf8String, AsBytes("\xC3\xA9"));
  EXPECT_EQ(WithNames(OtherName(kFulcioOid, accent)).AlternativeNames().value().front().value, "\xC3\xA9");
  const auto uri = [](BytesView value) { return Sequence({der::Encode(der::Context(6), value)}); };
  ASSERT_TRUE(WithNames(uri(AsBytes("a:b"))).AlternativeNames().ok());
  const std::pair<const char*, Bytes> table[] = {
      {"an IP address", Sequence({der::Encode(der::Context(7), Bytes{127, 0, 0, 1})})},
      {"a directory name", Sequence({Sequence({Sequence({})}, der::ContextConstructed(4))})},
      {"a registered identifier", Sequence({der::Encode(der::Context(8), Bytes{0x2A})})},
      {"a good name, then an IP address",
       Sequence({der::Encode(der::Context(6), AsBytes("a:b")), der::Encode(der::Context(7), Bytes{127, 0, 0, 1})})},
      {"a NUL", uri(AsBytes(std::string_view("https://a\0.evil", 15)))},
      {"not ASCII", uri(AsBytes("https://\xC3\xA9"))},
      {"empty", uri({})},
      {"no name at all", Sequence({})},
      {"OtherName of another type", OtherName(DecodeHex("060a2b060104018237140203").value(), text)},
      {"OtherName of another string type", OtherName(kFulcioOid, der::Encode(0x13, AsBytes("x")))},
      {"OtherName that is not UTF-8", OtherName(kFulcioOid, der::Encode(der::kUtf8String, Bytes{0xC3}))},
      {"OtherName with a NUL", OtherName(kFulcioOid, der::Encode(der::kUtf8String, Bytes{'a', 0}))},
      {"OtherName that is empty", OtherName(kFulcioOid, der::Encode(der::kUtf8String, {}))},
      {"OtherName with two values", OtherName(kFulcioOid, Sequence({text, text}))},
  };
  for (const auto& [defect, value] : table) {
    const auto names = WithNames(value).AlternativeNames();
    ASSERT_FALSE(names.ok()) << defect;
    EXPECT_EQ(names.error().reason, Reason::kCertificateMalformed) << defect;
  }
}

TEST_F(ExtensionsTest, Adversarial_B9_BytesAfterAnOtherName) {
  const Bytes text = der::Encode(der::kUtf8String, AsBytes("x"));
  const Bytes more = der::Encode(der::kNull, {});
  for (const Bytes& value : {Sequence({Sequence({kFulcioOid, Sequence({text, more}, der::ContextConstructed(0))},
                                                der::ContextConstructed(0))}),
                             Sequence({Sequence({kFulcioOid, Sequence({text}, der::ContextConstructed(0)), more},
                                                der::ContextConstructed(0))})}) {
    // OpenSSL refuses the second while it reads the certificate, so it is put there behind its back.
    const Certificate leaf = With("1.2.3.4", "DER:" + EncodeHex(value));
    Bytes der = leaf.Der();
    const Bytes from = DecodeHex("06032a0304").value();
    const Bytes to = DecodeHex("0603551d11").value();
    const auto found = std::search(der.begin(), der.end(), from.begin(), from.end());
    ASSERT_NE(found, der.end());
    std::ranges::copy(to, found);
    const Result<Certificate> broken = Certificate::FromDer(der);
    if (!broken.ok()) {
      EXPECT_EQ(broken.error().reason, Reason::kCertificateMalformed);
      continue;
    }
    const auto names = broken->AlternativeNames();
    ASSERT_FALSE(names.ok());
    EXPECT_EQ(names.error().reason, Reason::kCertificateMalformed);
  }
}

TEST(RealWorldNames, OtherNameOfFulcio) {
  const std::filesystem::path file = Vectors() / "public/sigstore/othername-san.bundle.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no samples";
  const auto bundle = codec::JsonDocument::Parse(ReadFile(file), {.max_bytes = 1 << 20}).value();
  const Certificate leaf =
      Certificate::FromDer(
          DecodeBase64(
              bundle.root().Find("verificationMaterial")->Find("certificate")->Find("rawBytes")->AsString().value())
              .value())
          .value();
  const auto names = leaf.AlternativeNames().value();
  ASSERT_EQ(names.size(), 1U);
  EXPECT_EQ(names[0].kind, Kind::kOther);
  EXPECT_EQ(names[0].value, "foo!oidc.local");
}

// --- issuer and subject

TEST_F(ExtensionsTest, SelfIssuedIsByName) {
  EXPECT_TRUE(root_.certificate().IsSelfIssued());
  EXPECT_FALSE(root_.Leaf(LeafSpec("leaf")).certificate.IsSelfIssued());
  // RFC 5280 section 6.1: "A certificate is self-issued if the same DN appears in the subject and issuer fields",
  // whoever signed it.
  EXPECT_TRUE(root_.Intermediate(CaSpec("the root")).certificate().IsSelfIssued());
}

TEST_F(ExtensionsTest, IsSignedByItsIssuerOnly) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kRsa, KeyType::kEd25519}) {
    const TestCa ca = TestCa::Root({.common_name = "ca", .key_type = type});
    const Certificate leaf = ca.Leaf(LeafSpec("leaf")).certificate;
    EXPECT_TRUE(leaf.IsSignedBy(ca.certificate()));
    EXPECT_TRUE(ca.certificate().IsSignedBy(ca.certificate()));
    EXPECT_FALSE(leaf.IsSignedBy(leaf));
    EXPECT_FALSE(ca.certificate().IsSignedBy(leaf));
    EXPECT_FALSE(leaf.IsSignedBy(TestCa::Root({.common_name = "ca", .key_type = type}).certificate()))
        << "another key under the same name";
    EXPECT_FALSE(leaf.IsSignedBy(TestCa::Root({.common_name = "another", .key = ca.key()}).certificate()))
        << "the same key under another name";
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(ExtensionsTest, ASignatureOfSha1IsNone) {
  const TestCa ca = TestCa::Root(CaSpec("ca"));
  CertificateSpec spec = LeafSpec("leaf");
  spec.hash = HashAlgorithm::kSha1;
  EXPECT_FALSE(ca.Leaf(spec).certificate.IsSignedBy(ca.certificate()));
  spec.hash = HashAlgorithm::kSha512;
  EXPECT_TRUE(ca.Leaf(spec).certificate.IsSignedBy(ca.certificate()));
}

TEST_F(ExtensionsTest, ASignatureThatIsChangedIsNone) {
  Bytes der = root_.Leaf(LeafSpec("leaf")).der;
  der.back() ^= 1;
  EXPECT_FALSE(Certificate::FromDer(der).value().IsSignedBy(root_.certificate()));
}

TEST_F(ExtensionsTest, AKeyTooShortSignsNothing) {
  const Certificate weak = Certificate::ListFromPem(TestText("keys/rsa1024.crt.pem")).value().front();
  ASSERT_TRUE(weak.IsSelfIssued());
  EXPECT_FALSE(weak.IsSignedBy(weak));
}

TEST_F(ExtensionsTest, SubjectAttributesInOrder) {
  EXPECT_THAT(root_.certificate().SubjectAttributes(),
              ElementsAre(Pair("O", "Gatehouse tests"), Pair("CN", "the root")));
  EXPECT_THAT(root_.Leaf(LeafSpec("")).certificate.SubjectAttributes(), IsEmpty());
  EXPECT_THAT(root_.Leaf(LeafSpec("a=b,\n\xC3\xA9")).certificate.SubjectAttributes(),
              ElementsAre(Pair("CN", "a=b,\n\xC3\xA9")));
}

// CN=x, whose type and string type are replaced byte by byte.
TEST_F(ExtensionsTest, AttributesWithoutAShortNameOrText) {
  const Bytes der = root_.Leaf(LeafSpec("Qx")).der;
  const Bytes name = DecodeHex("06035504030c025178").value();
  const auto changed = [&](const char* to) {
    Bytes copy = der;
    const auto found = std::search(copy.begin(), copy.end(), name.begin(), name.end());
    EXPECT_NE(found, copy.end());
    std::ranges::copy(DecodeHex(to).value(), found);
    return Certificate::FromDer(copy).value().SubjectAttributes();
  };
  EXPECT_THAT(changed("06035504060c025178"), ElementsAre(Pair("C", "Qx")));
  EXPECT_THAT(changed("06035504080c025178"), ElementsAre(Pair("ST", "Qx")));
  EXPECT_THAT(changed("06032a03040c025178"), ElementsAre(Pair("1.2.3.4", "Qx")));
  EXPECT_THAT(changed("060355042d03020041"), ElementsAre(Pair("x500UniqueIdentifier", "#03020041")));
}

TEST_F(ExtensionsTest, UnknownCriticalExtensionsIgnoreTheKnown) {
  EXPECT_THAT(With("1.2.3.4", "critical,DER:0500").UnknownCriticalExtensions(), ElementsAre("1.2.3.4"));
  EXPECT_THAT(With("extendedKeyUsage", "critical,timeStamping").UnknownCriticalExtensions(), IsEmpty());
}

}  // namespace
}  // namespace gatehouse::crypto
