// The fixture of the tests that talk to a real TPM implementation: one swtpm for each test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/tpm/esapi_device.h"
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "tests/agent/support.h"
#include "tests/fakes/swtpm.h"

namespace gatehouse::agent {

using evidence::tpm::ParseAttest;
using evidence::tpm::ParsePublic;
using evidence::tpm::PcrSelections;

inline const PcrSelections kSelection = {{HashAlgorithm::kSha256, 0x7FFF}, {HashAlgorithm::kSha384, 0x80}};

class SwtpmTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!fakes::Swtpm::Available()) GTEST_SKIP() << "swtpm and swtpm-tools are not installed";
    ::setenv("TSS2_LOG", "all+none", 0);
    auto tpm = fakes::Swtpm::Start();
    ASSERT_TRUE(tpm.ok()) << tpm.error().ToString();
    tpm_ = std::move(*tpm);
    std::filesystem::create_directory(state());
  }

  [[nodiscard]] std::filesystem::path state() const { return tpm_->folder() / "state"; }
  [[nodiscard]] std::unique_ptr<TpmDevice> Device(std::optional<EkKind> ek = EkKind::kRsa2048,
                                                  KeyKind ak = KeyKind::kEccP256) {
    return DeviceAt(tpm_->tcti(), ek, ak);
  }
  [[nodiscard]] std::unique_ptr<TpmDevice> DeviceAt(const std::string& tcti,
                                                    std::optional<EkKind> ek = EkKind::kRsa2048,
                                                    KeyKind ak = KeyKind::kEccP256) {
    return MakeEsapiDevice(
        {tcti, ek, ak, state()}, [](Duration) {}, captured_.log());
  }
  // The chain that the TPM's own manufacturer vouches with.
  [[nodiscard]] std::vector<crypto::Certificate> Chain() const {
    auto chain = *crypto::Certificate::ListFromPem(tpm_->root_pem());
    chain.push_back(crypto::Certificate::ListFromPem(tpm_->issuer_pem())->front());
    return chain;
  }
  [[nodiscard]] static Bytes Der(const std::string& pem) { return codec::ParsePem(pem, Reason::kUsage)->front().der; }
  [[nodiscard]] static Bytes Nonce(std::uint8_t byte) { return Bytes(48, byte); }

  // What a verifier makes of it that trusts `chain`'s first and knows the rest.
  [[nodiscard]] Result<verify::tpm::VerifiedEndorsement> Verified(const TpmIdentity& identity,
                                                                  const std::vector<crypto::Certificate>& chain) const {
    ASSIGN_OR_RETURN(auto ek, ParsePublic(identity.ek_public));
    ASSIGN_OR_RETURN(auto ak, ParsePublic(identity.ak_public));
    verify::tpm::PresentedEndorsement presented{ek, ak, std::nullopt, std::nullopt, {}};
    if (!identity.ek_certificate.empty()) {
      ASSIGN_OR_RETURN(presented.ek_certificate, crypto::Certificate::FromDer(identity.ek_certificate));
    }
    if (!identity.ak_certificate.empty()) {
      ASSIGN_OR_RETURN(presented.ak_certificate, crypto::Certificate::FromDer(identity.ak_certificate));
    }
    verify::tpm::EndorsementRules rules;
    rules.roots = {chain.front()};
    rules.intermediates = chain;
    rules.ak_certificates = true;
    rules.now = clock_.Wall();
    return verify::tpm::VerifyEndorsement(presented, rules);
  }

  // As a verifier: the endorsement key, the credential, a quote.
  void ExpectGenuine(TpmDevice& device, const std::vector<crypto::Certificate>& chain) {
    auto identity = device.ReadIdentity();
    ASSERT_TRUE(identity.ok()) << identity.error().ToString();
    auto ek_area = ParsePublic(identity->ek_public);
    ASSERT_TRUE(ek_area.ok()) << ek_area.error().ToString();
    auto ek = Verified(*identity, chain);
    auto ak = ParsePublic(identity->ak_public);
    ASSERT_TRUE(ek.ok()) << ek.error().ToString();
    ASSERT_TRUE(ak.ok()) << ak.error().ToString();
    ASSERT_TRUE(verify::tpm::CheckAttestationKey(*ak).ok());
    Bytes name = verify::tpm::ComputeName(*ak);
    EXPECT_EQ(*device.AkName(), name);
    Bytes secret(32, 0x77);
    auto credential = verify::tpm::MakeCredential(*ek, name, secret, crypto::SystemRandom());
    ASSERT_TRUE(credential.ok()) << credential.error().ToString();
    auto answer = device.Activate(credential->id_object, credential->encrypted_secret);
    ASSERT_TRUE(answer.ok()) << answer.error().ToString();
    EXPECT_EQ(*answer, secret);
    ExpectGoodQuote(device, *ak);
  }
  void ExpectGoodQuote(TpmDevice& device, const evidence::tpm::PublicArea& ak) {
    auto quote = device.Quote(Nonce(1), kSelection);
    ASSERT_TRUE(quote.ok()) << quote.error().ToString();
    auto claims = verify::tpm::QuoteVerifier::Verify({quote->attest, quote->signature, quote->pcrs},
                                                     {ak, Nonce(1), kSelection, std::nullopt});
    ASSERT_TRUE(claims.ok()) << claims.error().ToString();
    EXPECT_EQ(claims->pcrs().at(HashAlgorithm::kSha256).size(), 15U);
    EXPECT_EQ(claims->pcrs().at(HashAlgorithm::kSha384).size(), 1U);
  }
  void ExpectNothingLoaded() { EXPECT_THAT(*tpm_->LoadedHandles(), testing::IsEmpty()); }

  SystemClock clock_;
  CapturedLog captured_;
  std::unique_ptr<fakes::Swtpm> tpm_;
};

}  // namespace gatehouse::agent
