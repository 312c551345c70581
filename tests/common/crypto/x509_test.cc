#include "common/crypto/x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::LeafSpec;
using fakes::TestCa;
using fakes::TestCertificate;
using testing::ElementsAre;
using testing::IsEmpty;

class CertificateTest : public testing::Test {
 protected:
  const TestCa root_ = TestCa::Root(CaSpec("the root"));
};

TEST_F(CertificateTest, SaysWhatItHolds) {
  const TestCertificate leaf =
      root_.Leaf({.common_name = "node-1",
                  .organization = "system:nodes",
                  .extensions = {{"extendedKeyUsage", "clientAuth,2.23.133.8.1"}, {"subjectAltName", "DNS:node-1"}}});
  const Certificate certificate = Certificate::FromDer(leaf.der).value();
  EXPECT_EQ(certificate.Der(), leaf.der);
  EXPECT_EQ(certificate.Fingerprint(), Sha256Digest(leaf.der));
  EXPECT_EQ(certificate.Key().value(), leaf.key->Public());
  EXPECT_EQ(certificate.Subject(), "CN=node-1,O=system:nodes");
  EXPECT_EQ(certificate.Issuer(), "CN=the root,O=Gatehouse tests");
  EXPECT_THAT(certificate.CommonNames(), ElementsAre("node-1"));
  EXPECT_THAT(certificate.Organizations(), ElementsAre("system:nodes"));
  EXPECT_EQ(certificate.NotBefore(), fakes::kPkiNotBefore);
  EXPECT_EQ(certificate.NotAfter(), fakes::kPkiNotAfter);
  EXPECT_FALSE(certificate.IsCa());
  EXPECT_TRUE(root_.certificate().IsCa());
  EXPECT_TRUE(certificate.HasExtendedKeyUsage("1.3.6.1.5.5.7.3.2"));
  EXPECT_TRUE(certificate.HasExtendedKeyUsage("2.23.133.8.1"));
  EXPECT_FALSE(certificate.HasExtendedKeyUsage("1.3.6.1.5.5.7.3.1"));
  EXPECT_FALSE(certificate.HasExtendedKeyUsage("not an oid"));
  EXPECT_FALSE(certificate.HasExtendedKeyUsage(""));
  EXPECT_FALSE(certificate.HasExtendedKeyUsage("clientAuth")) << "a dotted OID only";
  EXPECT_TRUE(certificate.HasAnyExtendedKeyUsageExtension());
  EXPECT_FALSE(root_.certificate().HasAnyExtendedKeyUsageExtension());
  EXPECT_FALSE(root_.certificate().HasExtendedKeyUsage("2.23.133.8.1"));
  EXPECT_THAT(certificate.UnknownCriticalExtensions(), IsEmpty());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(CertificateTest, HoldsEveryKindOfKey) {
  for (const KeyType type : {KeyType::kEcP256, KeyType::kEcP384, KeyType::kEcP521, KeyType::kRsa, KeyType::kEd25519}) {
    const TestCertificate leaf = root_.Leaf({.common_name = "leaf", .key_type = type});
    EXPECT_EQ(leaf.certificate.Key().value().type(), type);
    EXPECT_EQ(leaf.certificate.Key().value(), leaf.key->Public());
  }
}

TEST_F(CertificateTest, DatesBeyond2050AreGeneralizedTime) {
  const WallTime until{std::chrono::sys_days{std::chrono::year{9999} / 12 / 31} + std::chrono::hours(23) +
                       std::chrono::minutes(59) + std::chrono::seconds(59)};
  const TestCertificate leaf = root_.Leaf(LeafSpec("leaf").Valid(fakes::kPkiNotBefore, until));
  EXPECT_EQ(leaf.certificate.NotAfter(), until);
}

TEST_F(CertificateTest, ASubjectIsShownWithoutControlCharacters) {
  const TestCertificate leaf = root_.Leaf(LeafSpec("a\nb\x1b[31mc,d"));
  EXPECT_EQ(leaf.certificate.Subject(), "CN=a\\0Ab\\1B[31mc\\,d");
  EXPECT_THAT(leaf.certificate.CommonNames(), ElementsAre("a\nb\x1b[31mc,d"));
}

TEST_F(CertificateTest, UnknownCriticalExtensionsAreNamed) {
  const TestCertificate leaf =
      root_.Leaf(LeafSpec("leaf").With("1.2.3.4", "critical,DER:0500").With("1.2.3.5", "DER:0500"));
  EXPECT_THAT(leaf.certificate.UnknownCriticalExtensions(), ElementsAre("1.2.3.4"));
}

TEST_F(CertificateTest, EveryTruncationIsRefused) {
  const TestCertificate leaf = root_.Leaf(LeafSpec("leaf"));
  for (std::size_t size = 0; size < leaf.der.size(); ++size) {
    const Result<Certificate> certificate = Certificate::FromDer(BytesView(leaf.der).first(size));
    ASSERT_FALSE(certificate.ok()) << size;
    EXPECT_EQ(certificate.error().reason, Reason::kCertificateMalformed);
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(CertificateTest, BytesAfterItAreRefused) {
  const TestCertificate leaf = root_.Leaf(LeafSpec("leaf"));
  for (const Bytes& more : {Bytes(1), Bytes(1, 0xFF), Bytes{0x30, 0x00}, leaf.der}) {
    Bytes longer = leaf.der;
    Append(longer, more);
    EXPECT_EQ(Certificate::FromDer(longer).error().reason, Reason::kCertificateMalformed);
  }
}

// Trap of OpenSSL: d2i_X509 reads BER.
TEST_F(CertificateTest, LengthsThatAreNotDerAreRefused) {
  const Bytes der = root_.Leaf(LeafSpec("leaf")).der;
  ASSERT_EQ(der[1], 0x82);
  Bytes indefinite = der;
  indefinite[1] = 0x80;
  indefinite.erase(indefinite.begin() + 2, indefinite.begin() + 4);
  indefinite.insert(indefinite.end(), 2, 0);
  EXPECT_EQ(Certificate::FromDer(indefinite).error().reason, Reason::kCertificateMalformed);
  Bytes padded = der;
  padded[1] = 0x83;
  padded.insert(padded.begin() + 2, 0);
  EXPECT_EQ(Certificate::FromDer(padded).error().reason, Reason::kCertificateMalformed);
}

TEST_F(CertificateTest, NestingIsBounded) {
  Bytes der;
  for (int i = 0; i < 60; ++i) {
    Bytes outer{0x30, static_cast<std::uint8_t>(der.size())};
    Append(outer, der);
    der = outer;
  }
  EXPECT_EQ(Certificate::FromDer(der).error().detail, "nested too deeply");
}

TEST_F(CertificateTest, SizeIsBounded) {
  EXPECT_EQ(Certificate::FromDer(Bytes(limits::kCertificateBytes + 1, 0x30)).error().reason, Reason::kLimitExceeded);
}

TEST_F(CertificateTest, AnExtensionThatOccursTwiceIsRefused) {
  // The fake cannot make one twice by one name, so the identifier of the second is changed to that of the first.
  Bytes der = root_.Leaf(LeafSpec("leaf").With("1.2.3.4", "DER:0500").With("1.2.3.5", "DER:0500")).der;
  ASSERT_TRUE(Certificate::FromDer(der).ok());
  const Bytes second{0x06, 0x03, 0x2A, 0x03, 0x05};
  const auto found = std::search(der.begin(), der.end(), second.begin(), second.end());
  ASSERT_NE(found, der.end());
  found[static_cast<std::ptrdiff_t>(second.size()) - 1] = 0x04;
  const Result<Certificate> certificate = Certificate::FromDer(der);
  ASSERT_FALSE(certificate.ok());
  EXPECT_EQ(certificate.error().reason, Reason::kCertificateMalformed);
  EXPECT_EQ(certificate.error().detail, "an extension occurs twice");
}

TEST_F(CertificateTest, AMalformedKnownExtensionIsRefused) {
  // basicConstraints: SEQUENCE {} becomes SEQUENCE { with one byte missing.
  Bytes der = root_.Leaf(LeafSpec("leaf").Without("subjectKeyIdentifier")).der;
  const Bytes basic_constraints{0x06, 0x03, 0x55, 0x1D, 0x13, 0x01, 0x01, 0xFF, 0x04, 0x02, 0x30, 0x00};
  const auto found = std::search(der.begin(), der.end(), basic_constraints.begin(), basic_constraints.end());
  ASSERT_NE(found, der.end());
  found[static_cast<std::ptrdiff_t>(basic_constraints.size()) - 1] = 0x01;
  EXPECT_EQ(Certificate::FromDer(der).error().reason, Reason::kCertificateMalformed);
}

TEST_F(CertificateTest, AValidityThatIsNoDateIsRefused) {
  const Bytes der = root_.Leaf(LeafSpec("leaf")).der;
  const Bytes not_before = ToBytes("260101000000Z");
  for (const char* bad : {"261301000000Z", "260230000000Z", "260101240000Z", "260101000000+", "26010100000 Z"}) {
    Bytes broken = der;
    const auto found = std::search(broken.begin(), broken.end(), not_before.begin(), not_before.end());
    ASSERT_NE(found, broken.end());
    std::ranges::copy(std::string_view(bad), found);
    EXPECT_EQ(Certificate::FromDer(broken).error().reason, Reason::kCertificateMalformed) << bad;
  }
}

// RFC 5280 section 4.1.2.5.2: GeneralizedTime "MUST include seconds"; ASN.1 and OpenSSL allow to leave them out.
TEST_F(CertificateTest, AGeneralizedTimeWithoutSecondsIsRefused) {
  Bytes der = root_.Leaf(LeafSpec("leaf")).der;
  const Bytes not_before = ToBytes(
      "\x17\x0D"
      "260101000000Z");
  const auto found = std::search(der.begin(), der.end(), not_before.begin(), not_before.end());
  ASSERT_NE(found, der.end());
  std::ranges::copy(std::string_view("\x18\x0D"
                                     "202601010000Z"),
                    found);
  EXPECT_EQ(Certificate::FromDer(der).error().reason, Reason::kCertificateMalformed);
}

TEST_F(CertificateTest, ListFromPemTakesCertificatesOnly) {
  const TestCertificate leaf = root_.Leaf(LeafSpec("leaf"));
  const std::vector<Certificate> both = Certificate::ListFromPem(leaf.pem + root_.pem()).value();
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0].Der(), leaf.der);
  EXPECT_EQ(both[1].Der(), root_.der());
  const std::pair<const char*, std::string> table[] = {
      {"nothing", ""},
      {"a key beside it", leaf.pem + leaf.key->Pem()},
      {"a public key", leaf.key->Public().Pem()},
      {"OpenSSL's trusted form", codec::EncodePem("TRUSTED CERTIFICATE", leaf.der)},
      {"a broken second one", leaf.pem + codec::EncodePem("CERTIFICATE", BytesView(leaf.der).first(100))},
      {"two in one block", codec::EncodePem("CERTIFICATE",
                                            [&] {
                                              Bytes b = leaf.der;
                                              Append(b, root_.der());
                                              return b;
                                            }())},
  };
  for (const auto& [defect, pem] : table) {
    const Result<std::vector<Certificate>> list = Certificate::ListFromPem(pem);
    ASSERT_FALSE(list.ok()) << defect;
    EXPECT_EQ(list.error().reason, Reason::kCertificateMalformed) << defect;
  }
}

TEST_F(CertificateTest, AKeyThatWeDoNotAcceptIsAnErrorOfKeyOnly) {
  // A CA may have one; it is only refused where the key itself is asked for.
  const Result<std::vector<Certificate>> list = Certificate::ListFromPem(TestText("keys/rsa1024.crt.pem"));
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->front().Key().error().reason, Reason::kKeyMalformed);
}

TEST(SwtpmCertificate, EndorsementKeysAreRead) {
  const Certificate rsa = Certificate::FromDer(TestBytes("swtpm/ek-rsa2048.der")).value();
  EXPECT_EQ(rsa.Key().value().type(), KeyType::kRsa);
  EXPECT_TRUE(rsa.HasExtendedKeyUsage("2.23.133.8.1"));
  EXPECT_THAT(rsa.UnknownCriticalExtensions(), IsEmpty());
  EXPECT_EQ(rsa.NotAfter(), WallTime(std::chrono::seconds(253402300799)));
  const Certificate ecc = Certificate::FromDer(TestBytes("swtpm/ek-ecc384.der")).value();
  EXPECT_EQ(ecc.Key().value().type(), KeyType::kEcP384);
}

}  // namespace
}  // namespace gatehouse::crypto
