// What vouches for a TPM: inventories, pinned anchors, certificates of its attestation key, the profile of endorsement
// certificates, revocation. A good one, then one thing wrong.
#include <gtest/gtest.h>

#include "common/verify/tpm/identity.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::verify::tpm {
namespace {

using By = VerifiedEndorsement::By;
using fakes::CaSpec;
using fakes::CertificateSpec;
using fakes::EkTemplate;
using fakes::kPkiNow;
using fakes::SoftwareTpm;
using fakes::TestCa;
using fakes::TpmKey;

class EndorsementRulesTest : public testing::Test {
 protected:
  static const TestCa& Vendor() {
    static const TestCa ca = TestCa::Root(CaSpec("TPM vendor root"));
    return ca;
  }
  static const TestCa& Issuer() {
    static const TestCa ca = Vendor().Intermediate(CaSpec("TPM vendor issuer"));
    return ca;
  }
  EndorsementRulesTest() {
    rules_.roots = {Vendor().certificate()};
    rules_.now = kPkiNow;
    presented_.ek_certificate = Issuer().Leaf(tpm_.EkCertificateSpec()).certificate;
    presented_.intermediates = {Issuer().certificate()};
  }
  // As a cloud writes the certificate of an attestation key.
  [[nodiscard]] CertificateSpec AkCertificateSpec() const {
    CertificateSpec spec = fakes::LeafSpec("instance-1");
    spec.public_key = ak_.key().Public();
    return spec.With("extendedKeyUsage", "2.23.133.8.3");
  }
  void PresentAkOnly(const CertificateSpec& spec) {
    presented_.ek_certificate.reset();
    presented_.ak_certificate = Issuer().Leaf(spec).certificate;
    rules_.ak_certificates = true;
  }
  void PresentEk(const CertificateSpec& spec) { presented_.ek_certificate = Issuer().Leaf(spec).certificate; }

  void ExpectReason(Reason reason) {
    auto endorsement = VerifyEndorsement(presented_, rules_);
    ASSERT_FALSE(endorsement.ok());
    EXPECT_EQ(Token(endorsement.error().reason), Token(reason)) << endorsement.error().ToString();
  }
  void ExpectBy(By by) {
    auto endorsement = VerifyEndorsement(presented_, rules_);
    ASSERT_TRUE(endorsement.ok()) << endorsement.error().ToString();
    EXPECT_EQ(endorsement->by(), by);
    EXPECT_EQ(endorsement->fingerprint(), tpm_.ek().key().Public().Fingerprint());
  }

  const SoftwareTpm tpm_;
  const TpmKey ak_ = tpm_.CreateAk();
  PresentedEndorsement presented_{tpm_.ek().area(), ak_.area(), std::nullopt, std::nullopt, {}};
  EndorsementRules rules_;
  std::set<Digest> listed_ = {tpm_.ek().key().Public().Fingerprint()};
  std::set<Digest> others_ = {Vendor().certificate().Fingerprint()};
};
using Adversarial_Q5_Vouching = EndorsementRulesTest;

TEST_F(EndorsementRulesTest, GoodByItsCertificate) {
  ExpectBy(By::kEkCertificate);
}

// --- inventories

TEST_F(EndorsementRulesTest, ListedKeyNeedsNoCertificate) {
  presented_.ek_certificate.reset();
  ExpectReason(Reason::kCertificateUntrusted);
  rules_.ek_hashes = &listed_;
  ExpectBy(By::kInventory);
  rules_.roots.clear();
  ExpectBy(By::kInventory);
}

TEST_F(EndorsementRulesTest, KeyThatIsNotListedIsRefusedWhateverItsCertificate) {
  rules_.ek_hashes = &others_;
  ExpectReason(Reason::kEkUnlisted);
  const std::set<Digest> nobody;
  rules_.ek_hashes = &nobody;
  ExpectReason(Reason::kEkUnlisted);
}

TEST_F(EndorsementRulesTest, ListedKeyWithAWrongCertificateIsRefusedWhereThereAreAnchors) {
  rules_.ek_hashes = &listed_;
  ExpectBy(By::kEkCertificate);
  presented_.ek_certificate = TestCa::Root(CaSpec("somebody")).Leaf(tpm_.EkCertificateSpec()).certificate;
  ExpectReason(Reason::kCertificateUntrusted);
  rules_.roots.clear();
  rules_.pinned = {Vendor().certificate().Fingerprint()};
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(EndorsementRulesTest, WithoutAnchorsTheInventoryDecides) {
  rules_.roots.clear();
  ExpectReason(Reason::kCertificateUntrusted);
  rules_.ek_hashes = &listed_;
  ExpectBy(By::kInventory);
  const SoftwareTpm other;
  presented_.ek_certificate = Issuer().Leaf(other.EkCertificateSpec()).certificate;
  ExpectReason(Reason::kEkMismatch);
}

// --- anchors

TEST_F(EndorsementRulesTest, PinnedAnchorThatTheTpmBringsOrTheTrustRootHas) {
  rules_.roots.clear();
  rules_.pinned = {Issuer().certificate().Fingerprint()};
  ExpectBy(By::kEkCertificate);
  presented_.intermediates.clear();
  ExpectReason(Reason::kCertificateUntrusted);
  rules_.intermediates = {Issuer().certificate()};
  ExpectBy(By::kEkCertificate);
  rules_.pinned = {Vendor().certificate().Fingerprint()};
  ExpectReason(Reason::kCertificateUntrusted);
  presented_.intermediates = {Vendor().certificate()};
  ExpectBy(By::kEkCertificate);
}

TEST_F(Adversarial_Q5_Vouching, PinnedCertificateThatIsNoCaIsNoAnchor) {
  rules_.roots.clear();
  rules_.pinned = {presented_.ek_certificate->Fingerprint()};
  presented_.intermediates = {*presented_.ek_certificate};
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Vouching, UnpinnedRootThatTheTpmBringsIsNoAnchor) {
  const TestCa own = TestCa::Root(CaSpec("TPM vendor root"));
  rules_.roots.clear();
  rules_.pinned = {Vendor().certificate().Fingerprint()};
  presented_.ek_certificate = own.Leaf(tpm_.EkCertificateSpec()).certificate;
  presented_.intermediates = {own.certificate(), Vendor().certificate()};
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(EndorsementRulesTest, OfManyIssuersThoseOfTheChainAreTaken) {
  for (int i = 0; i < 20; ++i) {
    rules_.intermediates.push_back(Vendor().Intermediate(CaSpec("issuer " + std::to_string(i))).certificate());
  }
  rules_.intermediates.push_back(Issuer().certificate());
  presented_.intermediates.clear();
  ExpectBy(By::kEkCertificate);
}

TEST_F(Adversarial_Q5_Vouching, ExpiredIntermediate) {
  const TestCa expired =
      Vendor().Intermediate(CaSpec("TPM vendor issuer").Valid(fakes::kPkiNotBefore, kPkiNow - std::chrono::seconds{1}));
  presented_.ek_certificate = expired.Leaf(tpm_.EkCertificateSpec()).certificate;
  presented_.intermediates = {expired.certificate()};
  ExpectReason(Reason::kCertificateExpired);
}

// --- certificates of attestation keys

TEST_F(EndorsementRulesTest, CertificateOfTheAttestationKeyWhereThePolicyTakesIt) {
  PresentAkOnly(AkCertificateSpec());
  ExpectBy(By::kAkCertificate);
  PresentAkOnly(AkCertificateSpec().Without("extendedKeyUsage"));
  ExpectBy(By::kAkCertificate);
  rules_.ak_certificates = false;
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(EndorsementRulesTest, CertificateOfAnIakWithTheNameOfItsDevice) {
  CertificateSpec spec = AkCertificateSpec();
  spec.sections = "[hardware]\ntype=OID:1.3.6.1.4.1.1\nserial=FORMAT:HEX,OCT:0102\n";
  PresentAkOnly(spec.With("subjectAltName", "critical,otherName:1.3.6.1.5.5.7.8.4;SEQ:hardware"));
  ExpectBy(By::kAkCertificate);
  PresentAkOnly(spec.With("subjectAltName", "critical,otherName:1.2.3.4;SEQ:hardware"));
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(EndorsementRulesTest, BothCertificatesMustBeGood) {
  presented_.ak_certificate = Issuer().Leaf(AkCertificateSpec()).certificate;
  rules_.ak_certificates = true;
  ExpectBy(By::kEkCertificate);
  const TestCa somebody = TestCa::Root(CaSpec("somebody"));
  presented_.ak_certificate = somebody.Leaf(AkCertificateSpec()).certificate;
  ExpectReason(Reason::kCertificateUntrusted);
  rules_.ak_certificates = false;  // then nobody looks at it
  ExpectBy(By::kEkCertificate);
  rules_.ak_certificates = true;
  presented_.ak_certificate = Issuer().Leaf(AkCertificateSpec()).certificate;
  presented_.ek_certificate = somebody.Leaf(tpm_.EkCertificateSpec()).certificate;
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Vouching, AkCertificateOfAnotherKey) {
  CertificateSpec spec = AkCertificateSpec();
  spec.public_key = tpm_.CreateAk().key().Public();
  PresentAkOnly(spec);
  ExpectReason(Reason::kAkUnsuitable);
}

TEST_F(Adversarial_Q5_Vouching, AkCertificateOfAnUnrestrictedKey) {
  PresentAkOnly(AkCertificateSpec());
  presented_.ak.attributes &= ~evidence::tpm::attributes::kRestricted;
  ExpectReason(Reason::kAkUnsuitable);
}

TEST_F(Adversarial_Q5_Vouching, AkCertificateForSomethingElse) {
  PresentAkOnly(AkCertificateSpec().With("extendedKeyUsage", "clientAuth"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentAkOnly(AkCertificateSpec().With("extendedKeyUsage", "2.23.133.8.1"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentAkOnly(AkCertificateSpec().With("keyUsage", "critical,keyAgreement"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentAkOnly(AkCertificateSpec().With("basicConstraints", "critical,CA:TRUE").With("keyUsage", "keyCertSign"));
  ExpectReason(Reason::kCertificateUntrusted);
}

// --- the profile of endorsement certificates

TEST_F(Adversarial_Q5_Vouching, KeyUsageThatIsNotThatOfAnEndorsementKey) {
  PresentEk(tpm_.EkCertificateSpec().Without("keyUsage"));
  ExpectBy(By::kEkCertificate);
  for (const char* usage : {"critical,digitalSignature", "critical,keyEncipherment", "nonRepudiation"}) {
    PresentEk(tpm_.EkCertificateSpec().With("keyUsage", usage));
    ExpectReason(Reason::kCertificateUntrusted);
  }
}

TEST_F(Adversarial_Q5_Vouching, RsaEndorsementKeyThatMayOnlyAgreeOnKeys) {
  const SoftwareTpm rsa(EkTemplate::kRsa2048);
  presented_.ek = rsa.ek().area();
  PresentEk(rsa.EkCertificateSpec());
  EXPECT_TRUE(VerifyEndorsement(presented_, rules_).ok());
  PresentEk(rsa.EkCertificateSpec().With("keyUsage", "critical,keyAgreement"));
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Vouching, CriticalNamesThatAreNotUnderstood) {
  CertificateSpec spec = tpm_.EkCertificateSpec();
  PresentEk(spec.With("subjectAltName", "critical,DNS:tpm.example"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentEk(spec.With("subjectAltName", "critical,dirName:tpm,DNS:tpm.example"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentEk(spec.With("subjectAltName", "critical,otherName:1.3.6.1.4.1.57264.1.7;UTF8:x"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentEk(spec.With("subjectAltName", "DNS:tpm.example"));  // not critical: nobody has to understand it
  ExpectBy(By::kEkCertificate);
  spec.sections = "[tpm]\nCN=a TPM\n";
  PresentEk(spec);
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Vouching, SpecificationOfAnotherFamily) {
  const auto with = [&](const std::string& family) {
    CertificateSpec spec = tpm_.EkCertificateSpec().With("2.5.29.9", "ASN1:SEQUENCE:attributes");
    spec.sections +=
        "[attributes]\nspecification=SEQUENCE:attribute\n[attribute]\ntype=OID:2.23.133.2.16\nvalues=SET:values\n"
        "[values]\nvalue=SEQUENCE:specification\n[specification]\nfamily=UTF8:" +
        family + "\nlevel=INTEGER:0\nrevision=INTEGER:138\n";
    PresentEk(spec);
  };
  with("2.0");
  ExpectBy(By::kEkCertificate);
  with("1.2");
  ExpectReason(Reason::kCertificateUntrusted);
  with("2.00");
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Vouching, SpecificationThatIsNone) {
  PresentEk(tpm_.EkCertificateSpec().With("2.5.29.9", "DER:0500"));
  ExpectReason(Reason::kCertificateUntrusted);
  PresentEk(tpm_.EkCertificateSpec().With("2.5.29.9", "DER:300e300c06056781050210310330010a"));
  ExpectReason(Reason::kCertificateUntrusted);
}

// --- revocation

TEST_F(EndorsementRulesTest, RevocationIsAskedOfTheWholeVerifiedPath) {
  std::vector<crypto::Certificate> asked;
  rules_.check_revocation = [&](const std::vector<crypto::Certificate>& path) {
    asked = path;
    return Ok();
  };
  ExpectBy(By::kEkCertificate);
  ASSERT_EQ(asked.size(), 3U);
  EXPECT_EQ(asked[0].Fingerprint(), presented_.ek_certificate->Fingerprint());
  EXPECT_EQ(asked[1].Fingerprint(), Issuer().certificate().Fingerprint());
  EXPECT_EQ(asked[2].Fingerprint(), Vendor().certificate().Fingerprint());
  for (Reason reason : {Reason::kCertificateRevoked, Reason::kRevocationUnavailable}) {
    rules_.check_revocation = [&](const std::vector<crypto::Certificate>&) -> Status { return Error{reason, "", ""}; };
    ExpectReason(reason);
    rules_.ek_hashes = &listed_;  // no inventory makes up for it
    ExpectReason(reason);
  }
}

TEST_F(EndorsementRulesTest, RevocationIsNotAskedOfWhatIsNotVerified) {
  rules_.check_revocation = [](const std::vector<crypto::Certificate>&) {
    ADD_FAILURE() << "asked";
    return Ok();
  };
  rules_.roots = {TestCa::Root(CaSpec("somebody")).certificate()};
  ExpectReason(Reason::kCertificateUntrusted);
}

TEST_F(EndorsementRulesTest, EveryTemplateOfBothRanges) {
  for (EkTemplate each :
       {EkTemplate::kRsa2048, EkTemplate::kEccP256, EkTemplate::kEccP384, EkTemplate::kEccP521, EkTemplate::kRsa3072}) {
    const SoftwareTpm tpm(each);
    presented_.ek = tpm.ek().area();
    PresentEk(tpm.EkCertificateSpec());
    EXPECT_TRUE(VerifyEndorsement(presented_, rules_).ok());
  }
}

}  // namespace
}  // namespace gatehouse::verify::tpm
