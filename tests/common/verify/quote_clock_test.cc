// What a TPM's clock, counters and firmware version say over time: rewinds, clones, cleared TPMs; and quotes that
// somebody else looks at.
#include <gtest/gtest.h>

#include "tests/common/verify/quote_fixture.h"

namespace gatehouse::verify::tpm {
namespace {

using Adversarial_Q1 = Quote;
using Adversarial_Q9 = Quote;

TEST_F(Adversarial_Q9, ChangeOfFirmwareIsSeenInTheClaims) {
  tpm_.firmware_version = 0xDEADBEEF;
  auto claims = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(claims.ok());
  EXPECT_EQ(claims->firmware_version(), 0xDEADBEEFU);
  EXPECT_EQ(claims->clock().firmware_version, 0xDEADBEEFU);
}

TEST_F(Adversarial_Q9, FirmwareChangedWithoutARestart) {
  auto first = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(first.ok());
  last_ = first->clock();
  ASSERT_TRUE(Verify(tpm_.Quote(ak_, nonce_, kSelection)).ok());
  tpm_.firmware_version += 1;
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection)), Reason::kFirmwareChanged);
  tpm_.Reset();
  EXPECT_TRUE(Verify(tpm_.Quote(ak_, nonce_, kSelection)).ok()) << "an update with a reset is none of that";
}

TEST_F(Adversarial_Q9, FirmwareThatWasNotKnownBeforeDidNotChange) {
  auto first = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(first.ok());
  last_ = first->clock();
  last_->firmware_version = 0;  // a release before this one wrote it down
  tpm_.firmware_version += 1;
  EXPECT_TRUE(Verify(tpm_.Quote(ak_, nonce_, kSelection)).ok());
}

// A virtual TPM is copied while it runs: both copies have the keys, and both clocks go on. Each may be ahead for a
// while, but whenever the one that was behind quotes, it is seen.
TEST_F(Adversarial_Q9, OfACloneAndItsOriginalTheOneThatFallsBehindIsRefused) {
  auto first = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(first.ok());
  last_ = first->clock();
  SoftwareTpm clone = tpm_;
  clone.clock.clock_ms += 5'000;
  auto by_clone = Verify(clone.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(by_clone.ok()) << "nothing tells it from the original yet";
  last_ = by_clone->clock();
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection)), Reason::kClockRewound);
  // The original overtakes: now it is the clone that falls behind.
  tpm_.clock.clock_ms += 10'000;
  auto by_original = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(by_original.ok());
  last_ = by_original->clock();
  ExpectReason(Verify(clone.Quote(ak_, nonce_, kSelection)), Reason::kClockRewound);
}

TEST_F(Adversarial_Q9, ACloneThatWasRebootedOutdatesItsOriginal) {
  SoftwareTpm clone = tpm_;
  clone.Reset();
  auto by_clone = Verify(clone.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(by_clone.ok());
  last_ = by_clone->clock();
  tpm_.clock.clock_ms += 60'000;  // its clock is ahead, its resetCount is not
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection)), Reason::kClockRewound);
}

TEST_F(Adversarial_Q9, SnapshotStartedAgain) {
  const SoftwareTpm snapshot = tpm_;
  tpm_.Restart();
  tpm_.clock.clock_ms += 30'000;
  auto before = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(before.ok());
  last_ = before->clock();
  SoftwareTpm restored = snapshot;
  ExpectReason(Verify(restored.Quote(ak_, nonce_, kSelection)), Reason::kClockRewound);
  restored.Restart();  // the same restartCount as the state that it replaces
  ExpectReason(Verify(restored.Quote(ak_, nonce_, kSelection)), Reason::kClockRewound);
}

// --- a TPM that was cleared

class ClearedTpm : public Quote {
 protected:
  Result<VerifiedTpmClaims> Verify(const evidence::tpm::ClockInfo& now, bool other_key) {
    const SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection, [&now](Attest& attest) { attest.clock = now; });
    auto key = AttestationKey::Make(ak_.area());
    PreparedQuoteExpectation expectation{*key, nonce_, kSelection, TpmClock{1'000'000, 10, 3, true}};
    expectation.last_clock_of_other_key = other_key;
    return QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs}, expectation);
  }
};

TEST_F(ClearedTpm, BeginsAnewUnderAnotherKey) {
  ExpectReason(Verify({5'000, 0, 0, true}, true), Reason::kTpmCleared);
  ExpectReason(Verify({999'999, 9, 0, true}, true), Reason::kTpmCleared);
}

TEST_F(ClearedTpm, IsARewindUnderTheSameKey) {
  ExpectReason(Verify({5'000, 0, 0, true}, false), Reason::kClockRewound);
}

TEST_F(ClearedTpm, IsARewindWhereOnlyOneOfThemIsBehind) {
  ExpectReason(Verify({2'000'000, 0, 0, true}, true), Reason::kClockRewound);
  ExpectReason(Verify({5'000, 10, 3, true}, true), Reason::kClockRewound);
  ExpectReason(Verify({5'000, 11, 0, true}, true), Reason::kClockRewound);
}

TEST_F(ClearedTpm, IsNotOneWhoseClockIsAhead) {
  EXPECT_TRUE(Verify({1'000'001, 10, 3, true}, true).ok());
  EXPECT_TRUE(Verify({1'000'001, 11, 0, true}, true).ok());
}

TEST_F(ClearedTpm, UnsafeClockSaysNothingYet) {
  ExpectReason(Verify({5'000, 0, 0, false}, true), Reason::kClockRewound);
}

// --- quotes that somebody else looks at

TEST_F(Adversarial_Q1, NoClaimComesOfResettablePcrsThatAreTolerated) {
  const PcrSelections selection = {{kSha256, 1U << 7 | 1U << 16 | 1U << 23}, {kSha384, 1U << 16}};
  const SoftwareQuote quote = tpm_.Quote(ak_, nonce_, selection);
  auto key = AttestationKey::Make(ak_.area());
  PreparedQuoteExpectation expectation{*key, nonce_, selection, std::nullopt};
  const QuoteEvidence evidence{quote.attest, quote.signature, quote.pcrs};
  ExpectReason(QuoteVerifier::Verify(evidence, expectation), Reason::kPcrSelectionMismatch);
  expectation.tolerate_resettable = true;
  auto claims = QuoteVerifier::Verify(evidence, expectation);
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  EXPECT_EQ(claims->pcrs(), (PcrValues{{kSha256, {{7, tpm_.Pcr(kSha256, 7)}}}}));
  // What is tolerated is still hashed.
  PcrValues changed = quote.pcrs;
  changed[kSha256][16][0] ^= 1;
  ExpectReason(QuoteVerifier::Verify({quote.attest, quote.signature, changed}, expectation),
               Reason::kPcrDigestMismatch);
}

TEST_F(Quote, WithoutValuesEverythingElseIsChecked) {
  const SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  auto key = AttestationKey::Make(ak_.area());
  const PreparedQuoteExpectation expectation{*key, nonce_, kSelection, std::nullopt};
  auto claims = QuoteVerifier::VerifyWithoutValues(quote.attest, quote.signature, expectation);
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  EXPECT_TRUE(claims->pcrs().empty());
  EXPECT_EQ(claims->clock().clock_ms, 1'000'010U);
  const Bytes other_nonce(48, 0xA6);
  ExpectReason(
      QuoteVerifier::VerifyWithoutValues(quote.attest, quote.signature, {*key, other_nonce, kSelection, std::nullopt}),
      Reason::kNonceMismatch);
  ExpectReason(QuoteVerifier::VerifyWithoutValues(quote.attest, quote.signature,
                                                  {*key, nonce_, {{kSha256, 0xFF}}, std::nullopt}),
               Reason::kPcrSelectionMismatch);
  ExpectReason(QuoteVerifier::VerifyWithoutValues(quote.attest, quote.signature,
                                                  {*key, nonce_, kSelection, TpmClock{1'000'010, 10, 3, true}}),
               Reason::kClockRewound);
  Bytes forged = quote.attest;
  forged.back() ^= 1;
  ExpectReason(QuoteVerifier::VerifyWithoutValues(forged, quote.signature, expectation), Reason::kSignatureInvalid);
}

TEST_F(Quote, KeyOfWhichOnlyTheKeyIsKnown) {
  const SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  auto key = AttestationKey::UnsafeFromKey(ak_.key().Public(), Signature::Scheme::kEcdsa, kSha256);
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(key->name().empty());
  auto claims = QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                      PreparedQuoteExpectation{*key, nonce_, kSelection, std::nullopt});
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  EXPECT_TRUE(claims->ak_name().empty());
}

TEST_F(Quote, KeyWithASchemeThatItDoesNotHave) {
  const auto reason = [](const crypto::PublicKey& key, Signature::Scheme scheme, HashAlgorithm hash) {
    auto made = AttestationKey::UnsafeFromKey(key, scheme, hash);
    return made.ok() ? std::string_view("good") : Token(made.error().reason);
  };
  const crypto::PublicKey ecc = ak_.key().Public();
  const crypto::PublicKey rsa = RsaKey().Public();
  const crypto::PublicKey ed25519 = crypto::PrivateKey::Generate(crypto::KeyType::kEd25519)->Public();
  EXPECT_EQ(reason(rsa, Signature::Scheme::kRsaPss, kSha384), "good");
  EXPECT_EQ(reason(ecc, Signature::Scheme::kRsaSsa, kSha256), "ak-unsuitable");
  EXPECT_EQ(reason(rsa, Signature::Scheme::kEcdsa, kSha256), "ak-unsuitable");
  EXPECT_EQ(reason(ecc, Signature::Scheme::kEcdsa, kSha1), "ak-unsuitable");
  EXPECT_EQ(reason(rsa, Signature::Scheme::kRsaSsa, kSha1), "ak-unsuitable");
  EXPECT_EQ(reason(ed25519, Signature::Scheme::kEcdsa, kSha256), "ak-unsuitable");
}

}  // namespace
}  // namespace gatehouse::verify::tpm
