// MakeCredential against ActivateCredential of the software TPM, which derives its keys by code of its own.
#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "common/verify/tpm/identity.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::verify::tpm {
namespace {

using fakes::EkTemplate;
using fakes::SoftwareTpm;
using fakes::TestCa;
using fakes::TpmKey;

Result<VerifiedEndorsement> EndorsedBy(const TestCa& vendor, const SoftwareTpm& tpm) {
  EndorsementRules rules;
  rules.roots = {vendor.certificate()};
  rules.now = fakes::kPkiNow;
  return VerifyEndorsement({.ek = tpm.ek().area(),
                            .ak = tpm.CreateAk().area(),
                            .ek_certificate = tpm.IssueEkCertificate(vendor).certificate,
                            .ak_certificate = std::nullopt,
                            .intermediates = {}},
                           rules);
}

class Credential : public testing::TestWithParam<EkTemplate> {
 protected:
  static const SoftwareTpm& Tpm(EkTemplate ek) {
    static std::map<EkTemplate, SoftwareTpm> tpms;  // RSA keys take a moment
    return tpms.try_emplace(ek, ek).first->second;
  }

  static VerifiedEndorsement Endorse(const SoftwareTpm& tpm) {
    static const TestCa vendor = TestCa::Root(fakes::CaSpec("TPM vendor"));
    auto endorsement = EndorsedBy(vendor, tpm);
    EXPECT_TRUE(endorsement.ok());
    return std::move(endorsement).value();
  }

  const SoftwareTpm& tpm_ = Tpm(GetParam());
  const VerifiedEndorsement endorsement_ = Endorse(tpm_);
  const TpmKey ak_ = tpm_.CreateAk();
  const Bytes secret_ = Bytes(32, 0x5C);
  const Random random_ = crypto::SystemRandom();
};

TEST_P(Credential, TheTpmThatHoldsBothKeysRecoversTheSecret) {
  auto challenge = MakeCredential(endorsement_, ak_.name(), secret_, random_);
  ASSERT_TRUE(challenge.ok()) << challenge.error().ToString();
  auto secret = tpm_.ActivateCredential(ak_.name(), challenge->id_object, challenge->encrypted_secret);
  ASSERT_TRUE(secret.ok()) << secret.error().ToString();
  EXPECT_EQ(*secret, secret_);
}

TEST_P(Credential, SecretsOfEveryLength) {
  for (std::size_t size : {std::size_t{1}, std::size_t{16}, DigestSize(tpm_.ek().area().name_algorithm)}) {
    const Bytes secret(size, 0x77);
    auto challenge = MakeCredential(endorsement_, ak_.name(), secret, random_);
    ASSERT_TRUE(challenge.ok()) << size;
    auto recovered = tpm_.ActivateCredential(ak_.name(), challenge->id_object, challenge->encrypted_secret);
    ASSERT_TRUE(recovered.ok()) << size;
    EXPECT_EQ(*recovered, secret);
  }
}

TEST_P(Credential, NoTwoChallengesAreAlike) {
  auto one = MakeCredential(endorsement_, ak_.name(), secret_, random_);
  auto two = MakeCredential(endorsement_, ak_.name(), secret_, random_);
  ASSERT_TRUE(one.ok() && two.ok());
  EXPECT_NE(one->id_object, two->id_object);
  EXPECT_NE(one->encrypted_secret, two->encrypted_secret);
}

TEST_P(Credential, Adversarial_Q5_MadeForAnotherAttestationKey) {
  auto challenge = MakeCredential(endorsement_, tpm_.CreateAk().name(), secret_, random_);
  ASSERT_TRUE(challenge.ok());
  auto secret = tpm_.ActivateCredential(ak_.name(), challenge->id_object, challenge->encrypted_secret);
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().reason, Reason::kCredentialUnanswered);
}

TEST_P(Credential, Adversarial_Q5_MadeForAnotherTpm) {
  auto challenge = MakeCredential(endorsement_, ak_.name(), secret_, random_);
  ASSERT_TRUE(challenge.ok());
  const SoftwareTpm other(GetParam());
  auto secret = other.ActivateCredential(ak_.name(), challenge->id_object, challenge->encrypted_secret);
  ASSERT_FALSE(secret.ok());
  EXPECT_EQ(secret.error().reason, Reason::kCredentialUnanswered);
}

TEST_P(Credential, EveryByteOfTheIdObjectIsProtected) {
  auto challenge = MakeCredential(endorsement_, ak_.name(), secret_, random_);
  ASSERT_TRUE(challenge.ok());
  for (std::size_t i = 0; i < challenge->id_object.size(); ++i) {
    Bytes changed = challenge->id_object;
    changed[i] ^= 1;
    EXPECT_FALSE(tpm_.ActivateCredential(ak_.name(), changed, challenge->encrypted_secret).ok()) << i;
  }
}

TEST_P(Credential, Adversarial_Q7_NamesOfEveryAlgorithm) {
  for (HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    fakes::AkSpec spec;
    spec.name_algorithm = hash;
    const TpmKey ak = tpm_.CreateAk(spec);
    auto challenge = MakeCredential(endorsement_, ak.name(), secret_, random_);
    ASSERT_TRUE(challenge.ok());
    EXPECT_TRUE(tpm_.ActivateCredential(ak.name(), challenge->id_object, challenge->encrypted_secret).ok());
  }
}

TEST_P(Credential, RefusesWhatIsNoNameAndWhatTheTpmDoesNotTake) {
  const auto reason = [&](BytesView name, BytesView secret) {
    auto challenge = MakeCredential(endorsement_, name, secret, random_);
    return challenge.ok() ? std::nullopt : std::optional(challenge.error().reason);
  };
  Bytes cut = ak_.name();
  cut.pop_back();
  EXPECT_EQ(reason({}, secret_), Reason::kInternal);
  EXPECT_EQ(reason(cut, secret_), Reason::kInternal);
  EXPECT_EQ(reason(Bytes{0x40, 0, 0, 0x0B}, secret_), Reason::kInternal);  // the name of a hierarchy
  EXPECT_EQ(reason(ak_.name(), {}), Reason::kInternal);
  EXPECT_EQ(reason(ak_.name(), Bytes(DigestSize(tpm_.ek().area().name_algorithm) + 1, 1)), Reason::kInternal);
}

INSTANTIATE_TEST_SUITE_P(, Credential,
                         testing::Values(EkTemplate::kRsa2048, EkTemplate::kEccP256, EkTemplate::kEccP384,
                                         EkTemplate::kEccP521),
                         [](const auto& test) {
                           switch (test.param) {
                             case EkTemplate::kRsa2048:
                               return "Rsa2048";
                             case EkTemplate::kEccP256:
                               return "EccP256";
                             case EkTemplate::kEccP384:
                               return "EccP384";
                             case EkTemplate::kEccP521:
                               return "EccP521";
                             case EkTemplate::kRsa3072:
                               return "Rsa3072";
                           }
                           return "";
                         });

TEST(CredentialRandom, AGeneratorThatGivesTooLittleIsAFault) {
  const SoftwareTpm tpm(EkTemplate::kRsa2048);
  const TestCa vendor = TestCa::Root(fakes::CaSpec("TPM vendor"));
  auto endorsement = EndorsedBy(vendor, tpm);
  ASSERT_TRUE(endorsement.ok());
  auto challenge =
      MakeCredential(*endorsement, tpm.CreateAk().name(), Bytes(16, 1), [](std::size_t) { return Bytes(8, 1); });
  ASSERT_FALSE(challenge.ok());
  EXPECT_EQ(challenge.error().reason, Reason::kInternal);
}

}  // namespace
}  // namespace gatehouse::verify::tpm
