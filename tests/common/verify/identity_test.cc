// Endorsement keys with their certificates, and attestation keys: a good one, then one thing wrong.
#include "common/verify/tpm/identity.h"

#include <gtest/gtest.h>

#include <functional>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "tests/fakes/software_tpm.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::verify::tpm {
namespace {

using evidence::tpm::PublicArea;
using fakes::AkSpec;
using fakes::CertificateSpec;
using fakes::EkTemplate;
using fakes::kPkiNow;
using fakes::SoftwareTpm;
using fakes::TestCa;
using fakes::TpmKey;
namespace attributes = evidence::tpm::attributes;

Bytes TestData(const std::string& name) {
  auto bytes = fakes::ReadFileBytes(fakes::TpmTestData() / name);
  EXPECT_TRUE(bytes.has_value()) << name;
  return bytes.value_or(Bytes{});
}

// --- names

TEST(TpmName, IsTheOneThatTheTpmGave) {
  for (const char* ak : {"ak-rsassa", "ak-rsapss", "ak-ecdsa", "ak-owner"}) {
    auto area = evidence::tpm::ParsePublic2B(TestData(std::string("a1-baseline/") + ak + ".tpm2b_public"));
    ASSERT_TRUE(area.ok());
    EXPECT_EQ(ComputeName(*area), TestData(std::string("a1-baseline/") + ak + ".name"));
  }
}

TEST(Adversarial_Q7, NameIsAsLongAsItsAlgorithmSays) {
  SoftwareTpm tpm;
  for (auto [hash, size] :
       {std::pair{HashAlgorithm::kSha256, 34U}, {HashAlgorithm::kSha384, 50U}, {HashAlgorithm::kSha512, 66U}}) {
    AkSpec spec;
    spec.name_algorithm = hash;
    const Bytes name = ComputeName(tpm.CreateAk(spec).area());
    EXPECT_EQ(name.size(), size);
    EXPECT_EQ(name[1], evidence::tpm::AlgId(hash));
  }
}

TEST(TpmKeyNumbers, CoordinatesShorterThanTheFieldAreTheSameKey) {
  SoftwareTpm tpm;
  for (int i = 0; i < 20000; ++i) {
    PublicArea area = tpm.CreateAk().area();
    auto& ecc = std::get<PublicArea::Ecc>(area.key);
    if (ecc.x[0] != 0) continue;
    auto padded = ToPublicKey(area);
    ecc.x.erase(ecc.x.begin());
    auto stripped = ToPublicKey(area);
    ASSERT_TRUE(padded.ok() && stripped.ok());
    EXPECT_TRUE(*padded == *stripped);
    return;
  }
  FAIL() << "no key with a leading zero";
}

TEST(TpmKeyNumbers, PointNotOnItsCurve) {
  SoftwareTpm tpm;
  PublicArea area = tpm.CreateAk().area();
  std::get<PublicArea::Ecc>(area.key).y.back() ^= 1;
  auto key = ToPublicKey(area);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().reason, Reason::kKeyMalformed);
  EXPECT_EQ(AttestationKey::Make(area).error().reason, Reason::kKeyMalformed);
}

// --- attestation keys

TEST(AttestationKeyCheck, KeysOfARealTpm) {
  for (const char* ak : {"ak-rsassa", "ak-rsapss", "ak-ecdsa", "ak-owner"}) {
    auto area = evidence::tpm::ParsePublic2B(TestData(std::string("a1-baseline/") + ak + ".tpm2b_public"));
    ASSERT_TRUE(area.ok());
    EXPECT_TRUE(CheckAttestationKey(*area).ok()) << ak;
  }
}

TEST(Adversarial_Q5_AttestationKey, UnrestrictedSigningKeyOfARealTpm) {
  auto area = evidence::tpm::ParsePublic2B(TestData("a1-baseline/app.tpm2b_public"));
  ASSERT_TRUE(area.ok());
  auto status = CheckAttestationKey(*area);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().reason, Reason::kAkUnsuitable);
}

struct AkDefect {
  const char* name;
  std::function<void(PublicArea&)> apply;
};
class AkDefects : public testing::TestWithParam<AkDefect> {};

TEST_P(AkDefects, IsUnsuitable) {
  SoftwareTpm tpm;
  PublicArea area = tpm.CreateAk().area();
  ASSERT_TRUE(CheckAttestationKey(area).ok());
  GetParam().apply(area);
  auto status = CheckAttestationKey(area);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().reason, Reason::kAkUnsuitable);
  auto key = AttestationKey::Make(area);
  ASSERT_FALSE(key.ok());
  EXPECT_EQ(key.error().reason, Reason::kAkUnsuitable);
}

INSTANTIATE_TEST_SUITE_P(
    Adversarial_Q5, AkDefects,
    testing::Values(AkDefect{"NotRestricted", [](PublicArea& a) { a.attributes &= ~attributes::kRestricted; }},
                    AkDefect{"NotSigning", [](PublicArea& a) { a.attributes &= ~attributes::kSign; }},
                    AkDefect{"DecryptsToo", [](PublicArea& a) { a.attributes |= attributes::kDecrypt; }},
                    AkDefect{"NotFixedTpm", [](PublicArea& a) { a.attributes &= ~attributes::kFixedTpm; }},
                    AkDefect{"NotFixedParent", [](PublicArea& a) { a.attributes &= ~attributes::kFixedParent; }},
                    AkDefect{"ImportedPrivatePart",
                             [](PublicArea& a) { a.attributes &= ~attributes::kSensitiveDataOrigin; }},
                    AkDefect{"StClear", [](PublicArea& a) { a.attributes |= attributes::kStClear; }},
                    AkDefect{"NoScheme", [](PublicArea& a) { a.scheme.reset(); }},
                    AkDefect{"NoSchemeHash", [](PublicArea& a) { a.scheme_hash.reset(); }},
                    AkDefect{"Sha1Scheme", [](PublicArea& a) { a.scheme_hash = HashAlgorithm::kSha1; }},
                    AkDefect{"Sha1Name", [](PublicArea& a) { a.name_algorithm = HashAlgorithm::kSha1; }},
                    AkDefect{"Rsa1024",
                             [](PublicArea& a) {
                               a.key = PublicArea::Rsa{1024, 0, Bytes(128, 0xC1)};
                             }}),
    [](const auto& test) { return std::string(test.param.name); });

// --- endorsement keys

class Endorsement : public testing::Test {
 protected:
  static const TestCa& Vendor() {
    static const TestCa ca = TestCa::Root(fakes::CaSpec("TPM vendor root"));
    return ca;
  }
  static const TestCa& Issuer() {
    static const TestCa ca = Vendor().Intermediate(fakes::CaSpec("TPM vendor issuer"));
    return ca;
  }
  // One RSA key for the whole program.
  static const SoftwareTpm& RsaTpm() {
    static const SoftwareTpm tpm(EkTemplate::kRsa2048);
    return tpm;
  }

  static PresentedEndorsement Present(const PublicArea& area, std::optional<crypto::Certificate> certificate,
                                      std::vector<crypto::Certificate> intermediates = {}) {
    static const TpmKey ak = SoftwareTpm().CreateAk();
    return {.ek = area,
            .ak = ak.area(),
            .ek_certificate = std::move(certificate),
            .ak_certificate = std::nullopt,
            .intermediates = std::move(intermediates)};
  }
  static EndorsementRules Rules(std::vector<crypto::Certificate> roots, WallTime now = kPkiNow) {
    EndorsementRules rules;
    rules.roots = std::move(roots);
    rules.now = now;
    return rules;
  }
  static Result<VerifiedEndorsement> Verify(const PublicArea& area, const CertificateSpec& spec,
                                            WallTime now = kPkiNow) {
    return VerifyEndorsement(Present(area, Issuer().Leaf(spec).certificate, {Issuer().certificate()}),
                             Rules({Vendor().certificate()}, now));
  }
  void ExpectReason(const Result<VerifiedEndorsement>& endorsement, Reason reason) {
    ASSERT_FALSE(endorsement.ok());
    EXPECT_EQ(Token(endorsement.error().reason), Token(reason)) << endorsement.error().ToString();
  }

  SoftwareTpm tpm_;
};
using Adversarial_Q5_Endorsement = Endorsement;

TEST_F(Endorsement, EveryTemplateWithAManufacturersCertificate) {
  for (const SoftwareTpm& tpm : {RsaTpm(), SoftwareTpm(EkTemplate::kEccP256), SoftwareTpm(EkTemplate::kEccP384),
                                 SoftwareTpm(EkTemplate::kEccP521), SoftwareTpm(EkTemplate::kRsa3072)}) {
    auto endorsement = Verify(tpm.ek().area(), tpm.EkCertificateSpec());
    ASSERT_TRUE(endorsement.ok()) << endorsement.error().ToString();
    EXPECT_EQ(endorsement->fingerprint(), tpm.ek().key().Public().Fingerprint());
    EXPECT_TRUE(endorsement->key() == tpm.ek().key().Public());
    EXPECT_EQ(endorsement->area().bytes, tpm.ek().area().bytes);
  }
}

// The constants in endorsement.cc against what the profile defines, and against what a TPM has.
TEST_F(Endorsement, PoliciesAreThoseOfTheProfile) {
  EXPECT_EQ(EncodeHex(fakes::EkPolicyA(HashAlgorithm::kSha256)),
            "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa");
  for (const char* name : {"a1-baseline/ek-rsa.tpm2b_public", "a1-baseline/ek-ecc384.tpm2b_public"}) {
    auto area = evidence::tpm::ParsePublic2B(TestData(name));
    ASSERT_TRUE(area.ok());
    EXPECT_TRUE(area->auth_policy == fakes::EkPolicyA(area->name_algorithm) ||
                area->auth_policy == fakes::EkPolicyB(area->name_algorithm));
  }
  for (HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    PublicArea area = tpm_.ek().area();
    area.name_algorithm = hash;
    area.auth_policy = fakes::EkPolicyB(hash);
    EXPECT_TRUE(Verify(area, tpm_.EkCertificateSpec()).ok()) << Name(hash);
  }
}

TEST_F(Endorsement, ValidUntilTheYear9999) {
  EXPECT_TRUE(Verify(tpm_.ek().area(), tpm_.EkCertificateSpec(), fakes::kPkiNotAfter).ok());
}

TEST_F(Adversarial_Q5_Endorsement, CertificateOfAnotherTpm) {
  SoftwareTpm other;
  ExpectReason(Verify(tpm_.ek().area(), other.EkCertificateSpec()), Reason::kEkMismatch);
  ExpectReason(Verify(RsaTpm().ek().area(), other.EkCertificateSpec()), Reason::kEkMismatch);
}

TEST_F(Adversarial_Q5_Endorsement, SignedByANonVendor) {
  const TestCa self_made = TestCa::Root(fakes::CaSpec("TPM vendor root"));
  auto endorsement = VerifyEndorsement(
      Present(tpm_.ek().area(), tpm_.IssueEkCertificate(self_made).certificate, {self_made.certificate()}),
      Rules({Vendor().certificate()}));
  ExpectReason(endorsement, Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Endorsement, NoRootIsNoTrust) {
  auto endorsement = VerifyEndorsement(
      Present(tpm_.ek().area(), tpm_.IssueEkCertificate(Vendor()).certificate, {Vendor().certificate()}), Rules({}));
  ExpectReason(endorsement, Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Endorsement, UsageOfATlsServer) {
  ExpectReason(Verify(tpm_.ek().area(), tpm_.EkCertificateSpec().With("extendedKeyUsage", "serverAuth")),
               Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Endorsement, UsageOfAnAttestationKey) {  // tcg-kp-AIKCertificate
  ExpectReason(Verify(tpm_.ek().area(), tpm_.EkCertificateSpec().With("extendedKeyUsage", "2.23.133.8.3")),
               Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Endorsement, NoExtendedKeyUsage) {
  ExpectReason(Verify(tpm_.ek().area(), tpm_.EkCertificateSpec().Without("extendedKeyUsage")),
               Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Endorsement, CaCertificateAsTheLeaf) {
  CertificateSpec spec =
      tpm_.EkCertificateSpec().With("basicConstraints", "critical,CA:TRUE").With("keyUsage", "critical,keyCertSign");
  ExpectReason(Verify(tpm_.ek().area(), spec), Reason::kCertificateUntrusted);
}

TEST_F(Adversarial_Q5_Endorsement, ExpiredAndNotYetValid) {
  ExpectReason(
      Verify(tpm_.ek().area(), tpm_.EkCertificateSpec().Valid(fakes::kPkiNotBefore, kPkiNow - std::chrono::seconds{1})),
      Reason::kCertificateExpired);
  ExpectReason(Verify(tpm_.ek().area(), tpm_.EkCertificateSpec(), fakes::kPkiNotBefore - std::chrono::seconds{1}),
               Reason::kCertificateExpired);
}

TEST_F(Adversarial_Q5_Endorsement, UnknownCriticalExtension) {
  ExpectReason(Verify(tpm_.ek().area(), tpm_.EkCertificateSpec().With("1.2.3.4.5", "critical,DER:0500")),
               Reason::kCertificateUntrusted);
}

struct EkDefect {
  const char* name;
  std::function<void(PublicArea&)> apply;
};
class EkDefects : public Endorsement, public testing::WithParamInterface<EkDefect> {};

TEST_P(EkDefects, IsAnotherObjectThanTheEndorsementKey) {
  PublicArea area = tpm_.ek().area();
  GetParam().apply(area);
  ExpectReason(Verify(area, tpm_.EkCertificateSpec()), Reason::kEkMismatch);
}

INSTANTIATE_TEST_SUITE_P(
    Adversarial_Q5, EkDefects,
    testing::Values(
        EkDefect{"NotFixedTpm", [](PublicArea& a) { a.attributes &= ~attributes::kFixedTpm; }},
        EkDefect{"NotFixedParent", [](PublicArea& a) { a.attributes &= ~attributes::kFixedParent; }},
        EkDefect{"ImportedPrivatePart", [](PublicArea& a) { a.attributes &= ~attributes::kSensitiveDataOrigin; }},
        EkDefect{"ActivatedWithoutPolicy", [](PublicArea& a) { a.attributes &= ~attributes::kAdminWithPolicy; }},
        EkDefect{"NotRestricted", [](PublicArea& a) { a.attributes &= ~attributes::kRestricted; }},
        EkDefect{"NotDecrypting", [](PublicArea& a) { a.attributes &= ~attributes::kDecrypt; }},
        EkDefect{"SignsToo", [](PublicArea& a) { a.attributes |= attributes::kSign; }},
        EkDefect{"StClear", [](PublicArea& a) { a.attributes |= attributes::kStClear; }},
        EkDefect{"SignatureScheme", [](PublicArea& a) { a.scheme = evidence::tpm::Signature::Scheme::kEcdsa; }},
        EkDefect{"NoSymmetricCipher", [](PublicArea& a) { a.symmetric_bits = 0; }},
        EkDefect{"Aes192", [](PublicArea& a) { a.symmetric_bits = 192; }},
        EkDefect{"NoPolicy", [](PublicArea& a) { a.auth_policy.clear(); }},
        EkDefect{"AnotherPolicy", [](PublicArea& a) { a.auth_policy[0] ^= 1; }},
        EkDefect{"PolicyOfAnotherHash",
                 [](PublicArea& a) { a.auth_policy = fakes::EkPolicyB(HashAlgorithm::kSha384); }}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace gatehouse::verify::tpm
