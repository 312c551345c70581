// A quote of the software TPM verifies; then one thing about its content is wrong.
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "tests/common/verify/quote_fixture.h"
#include "tests/fakes/tpm_marshal.h"

namespace gatehouse::verify::tpm {
namespace {

// The names of the test suites carry the ids of the attacks.
using Adversarial_Q1 = Quote;
using Adversarial_Q2 = Quote;
using Adversarial_Q3 = Quote;
using Adversarial_Q4 = Quote;
using Adversarial_Q9 = Quote;
using Adversarial_Q10 = Quote;

TEST_F(Quote, GoodQuoteGivesExactlyWhatWasSigned) {
  auto claims = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  ASSERT_EQ(claims->pcrs().size(), 1U);
  const auto& bank = claims->pcrs().at(kSha256);
  EXPECT_EQ(bank.size(), 9U);
  for (unsigned pcr : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 10U}) EXPECT_EQ(bank.at(pcr), tpm_.Pcr(kSha256, pcr));
  EXPECT_EQ(claims->clock(), (TpmClock{1'000'010, 10, 3, true, tpm_.firmware_version}));
  EXPECT_EQ(claims->firmware_version(), tpm_.firmware_version);
  EXPECT_EQ(claims->ak_name(), ak_.name());
}

TEST_F(Quote, PreparedKeyGivesTheSame) {
  const SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  auto key = AttestationKey::Make(ak_.area());
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(key->name(), ak_.name());
  auto claims = QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                      PreparedQuoteExpectation{*key, nonce_, expected_, std::nullopt});
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  auto plain = Verify(quote);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(claims->pcrs(), plain->pcrs());
  EXPECT_EQ(claims->ak_name(), plain->ak_name());
}

TEST_F(Quote, EverySchemeCurveAndHash) {
  std::vector<AkSpec> specs;
  for (HashAlgorithm hash : {kSha256, kSha384, kSha512}) {
    for (bool pss : {false, true}) {
      AkSpec rsa = RsaSpec(pss);
      rsa.scheme_hash = hash;
      specs.push_back(rsa);
    }
    for (crypto::KeyType type : {crypto::KeyType::kEcP256, crypto::KeyType::kEcP384, crypto::KeyType::kEcP521}) {
      AkSpec ecc;
      ecc.type = type;
      ecc.scheme_hash = hash;
      ecc.name_algorithm = hash;
      specs.push_back(ecc);
    }
  }
  expected_ = {{kSha1, 0xFF}, {kSha384, 0x400}};  // the digest is the scheme's, whatever the bank
  for (const AkSpec& spec : specs) {
    const TpmKey ak = tpm_.CreateAk(spec);
    auto claims = Verify(tpm_.Quote(ak, nonce_, expected_), ak);
    EXPECT_TRUE(claims.ok()) << claims.error().ToString();
  }
}

TEST_F(Quote, RsaPssWithAnySaltLength) {
  const TpmKey ak = tpm_.CreateAk(RsaSpec(/*pss=*/true));
  SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
  for (std::size_t salt : {0U, 1U, 32U, 222U}) {  // 222 is all that 2048 bits leave beside a SHA-256
    quote.signature = fakes::Marshal(SoftwareTpm::Sign(ak, quote.attest, salt));
    auto claims = Verify(quote, ak);
    EXPECT_TRUE(claims.ok()) << salt << ": " << claims.error().ToString();
  }
}

TEST_F(Quote, OrderOfBanksIsFree) {
  expected_ = {{kSha256, 0xFF}, {kSha384, 0x0F}};
  auto claims = Verify(tpm_.Quote(ak_, nonce_, {{kSha384, 0x0F}, {kSha256, 0xFF}}));
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  EXPECT_EQ(claims->pcrs().at(kSha384).size(), 4U);
}

// Later steps never speak before earlier ones: what is not signed is not looked at.
TEST_F(Quote, TheFirstStepThatFailsIsTheReason) {
  tpm_.clock.safe = false;
  const Bytes other_nonce(48, 1);
  const PcrSelections other_selection = {{kSha256, 0x0F}};
  SoftwareQuote quote = tpm_.Quote(ak_, other_nonce, other_selection, [](Attest& attest) {
    attest.type = 0x8017;
    attest.quote->pcr_digest.clear();
  });
  quote.pcrs[kSha256].erase(0);
  const Bytes good_signature = quote.signature;
  quote.signature.back() ^= 1;
  ExpectReason(Verify(quote), Reason::kSignatureInvalid);
  quote.signature = good_signature;
  ExpectReason(Verify(quote), Reason::kQuoteTypeMismatch);
  quote = tpm_.Quote(ak_, other_nonce, other_selection);
  quote.pcrs[kSha256].erase(0);
  ExpectReason(Verify(quote), Reason::kNonceMismatch);
  nonce_ = other_nonce;
  ExpectReason(Verify(quote), Reason::kPcrSelectionMismatch);
  expected_ = other_selection;
  ExpectReason(Verify(quote), Reason::kPcrMissing);
  quote.pcrs[kSha256][0] = Bytes(32, 9);
  ExpectReason(Verify(quote), Reason::kPcrDigestMismatch);
  quote.pcrs[kSha256][0] = tpm_.Pcr(kSha256, 0);
  ExpectReason(Verify(quote), Reason::kClockRewound);
}

// --- Q1: substitution of the selection

TEST_F(Adversarial_Q1, SignedPcr16RelabelledAsPcr10) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, {{kSha256, 0x0100FF}});
  auto& bank = quote.pcrs[kSha256];
  bank[10] = bank.at(16);
  bank.erase(16);
  ExpectReason(Verify(quote), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, RepeatedBankWithPcr16InThePlaceOfPcr10) {
  // The TPM signs {0-9}, {16}, {11-15}: 16 values in the order in which PCR 0 to 15 would be.
  expected_ = {{kSha256, 0xFFFF}};
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, {{kSha256, 0x3FF}, {kSha256, 0x10000}, {kSha256, 0xF800}});
  auto& bank = quote.pcrs[kSha256];
  bank[10] = bank.at(16);
  bank.erase(16);
  Bytes concatenated;
  for (const auto& [pcr, value] : bank) Append(concatenated, value);
  ASSERT_EQ(evidence::tpm::ParseAttest(quote.attest)->quote->pcr_digest, crypto::Hash(kSha256, concatenated))
      << "the digest alone does not tell";
  ExpectReason(Verify(quote), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, SameBankTwiceWithTheSameBitmap) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0x4FF}, {kSha256, 0x4FF}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, BankSplitInTwo) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0x0FF}, {kSha256, 0x400}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, OneBankTwiceInsteadOfTwoBanks) {
  expected_ = {{kSha256, 0xFF}, {kSha384, 0xFF}};
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0xFF}, {kSha256, 0xFF}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, FewerPcrsThanAsked) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0x00FF}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, MorePcrsThanAsked) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0x05FF}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, ExpectationWithAResettablePcr) {
  for (std::uint32_t pcr : {1U << 16, 1U << 23}) {
    expected_ = {{kSha256, 0xFF | pcr}};
    ExpectReason(Verify(tpm_.Quote(ak_, nonce_, expected_)), Reason::kPcrSelectionMismatch);
  }
}

TEST_F(Adversarial_Q1, ExpectationThatNamesABankTwice) {
  expected_ = {{kSha256, 0xFF}, {kSha256, 0xFF}};
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, expected_)), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q1, UnsignedValueBesideTheSignedOnes) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha256][14] = Bytes(32, 1);
  ExpectReason(Verify(quote), Reason::kPcrSelectionMismatch);
  quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha384][0] = Bytes(48, 1);
  ExpectReason(Verify(quote), Reason::kPcrSelectionMismatch);
  quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha384];
  ExpectReason(Verify(quote), Reason::kPcrSelectionMismatch);
}

// --- Q2: empty and impossible selections

TEST_F(Adversarial_Q2, NoBankSigned) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q2, BankWithoutPcrSigned) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q2, EmptyBankBesideTheOneAsked) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0x4FF}, {kSha384, 0}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q2, EmptyExpectationNeverPasses) {
  expected_ = {};
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {})), Reason::kPcrSelectionMismatch);
  expected_ = {{kSha256, 0}};
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, expected_)), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q2, ExpectationOfAPcrThatDoesNotExist) {
  expected_ = {{kSha256, 1U << 24 | 0xFF}};
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0xFF}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q2, Sha1BankInsteadOfTheOneAsked) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha1, 0x4FF}})), Reason::kPcrSelectionMismatch);
}

TEST_F(Adversarial_Q2, Sha1BankBesideTheOneAsked) {
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, {{kSha256, 0x4FF}, {kSha1, 0x4FF}})), Reason::kPcrSelectionMismatch);
}

// --- Q3: other structures that the same key signs

TEST_F(Adversarial_Q3, MagicThatIsNotATpms) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.attest[0] = 0x00;
  quote.signature = fakes::Marshal(SoftwareTpm::Sign(ak_, quote.attest));
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q3, EveryOtherAttestationWithTheContentOfAQuote) {
  for (unsigned type : {0x8014U, 0x8015U, 0x8016U, 0x8017U, 0x8019U, 0x801AU, 0x801CU}) {
    auto retype = [type](Attest& attest) { attest.type = static_cast<std::uint16_t>(type); };
    ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection, retype)), Reason::kQuoteTypeMismatch);
  }
}

TEST_F(Adversarial_Q3, UnknownType) {
  auto retype = [](Attest& attest) { attest.type = 0x8021; };
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection, retype)), Reason::kEvidenceMalformed);
}

// --- Q4: the nonce

TEST_F(Adversarial_Q4, EveryNonceThatIsNotTheOneAsked) {
  Bytes truncated = nonce_;
  truncated.pop_back();
  Bytes padded = nonce_;
  padded.push_back(0);
  Bytes one_bit = nonce_;
  one_bit.back() ^= 1;
  Bytes left_padded = nonce_;
  left_padded.insert(left_padded.begin(), 0);
  const Bytes short_nonce(24, 0xA5);
  for (const Bytes& other :
       {Bytes{}, truncated, padded, left_padded, one_bit, Bytes(48, 0), crypto::Hash(kSha256, nonce_)}) {
    ExpectReason(Verify(tpm_.Quote(ak_, other, kSelection)), Reason::kNonceMismatch);
  }
  nonce_ = short_nonce;
  ExpectReason(Verify(tpm_.Quote(ak_, ToBytes(EncodeBase64(short_nonce)), kSelection)), Reason::kNonceMismatch);
  ExpectReason(Verify(tpm_.Quote(ak_, ToBytes(EncodeHex(short_nonce)), kSelection)), Reason::kNonceMismatch);
}

TEST_F(Adversarial_Q4, QuoteOfTheChallengeBefore) {
  const SoftwareQuote before = tpm_.Quote(ak_, nonce_, kSelection);
  ASSERT_TRUE(Verify(before).ok());
  nonce_ = Bytes(48, 0xA6);
  ExpectReason(Verify(before), Reason::kNonceMismatch);
}

TEST_F(Adversarial_Q4, EmptyExpectationMatchesNothing) {
  nonce_.clear();
  ExpectReason(Verify(tpm_.Quote(ak_, {}, kSelection)), Reason::kNonceMismatch);
}

// --- Q9: the clock

TEST_F(Adversarial_Q9, UnsafeClock) {
  tpm_.clock.safe = false;
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection)), Reason::kClockRewound);
}

TEST_F(Adversarial_Q9, EveryWayThatTheClockGoesBack) {
  const TpmClock last = {1'000'000, 10, 3, true};
  struct Case {
    const char* name;
    evidence::tpm::ClockInfo now;
    bool good;
  };
  const Case cases[] = {
      {"a moment later", {1'000'001, 10, 3, true}, true},
      {"resumed", {1'000'500, 10, 4, true}, true},
      {"rebooted, restartCount starts again", {1'000'500, 11, 0, true}, true},
      {"the same moment", {1'000'000, 10, 3, true}, false},
      {"clock back: a clone or a snapshot of the same boot", {999'999, 10, 3, true}, false},
      {"resetCount back", {2'000'000, 9, 3, true}, false},
      {"resetCount back, restartCount ahead", {2'000'000, 9, 9, true}, false},
      {"restartCount back within one boot", {2'000'000, 10, 2, true}, false},
      {"clock back after a resume", {999'999, 10, 4, true}, false},
      {"clock back after a reboot: a snapshot started again", {999'999, 11, 0, true}, false},
      {"cleared: everything starts again", {5'000, 0, 0, true}, false},
      {"later but not safe", {1'000'001, 10, 3, false}, false},
  };
  last_ = last;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    auto claims = Verify(tpm_.Quote(ak_, nonce_, kSelection, [&c](Attest& attest) { attest.clock = c.now; }));
    if (c.good) {
      ASSERT_TRUE(claims.ok()) << claims.error().ToString();
      EXPECT_EQ(claims->clock().clock_ms, c.now.clock_ms);
    } else {
      ExpectReason(claims, Reason::kClockRewound);
    }
  }
}

TEST_F(Adversarial_Q9, ARebootOfTheSoftwareTpmIsNoRewind) {
  auto first = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(first.ok());
  last_ = first->clock();
  tpm_.Restart();
  EXPECT_TRUE(Verify(tpm_.Quote(ak_, nonce_, kSelection)).ok());
  tpm_.Reset();
  EXPECT_TRUE(Verify(tpm_.Quote(ak_, nonce_, kSelection)).ok());
}

// --- Q10: banks and values

TEST_F(Adversarial_Q10, ValueMissing) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha256].erase(10);
  ExpectReason(Verify(quote), Reason::kPcrMissing);
  quote.pcrs.clear();
  ExpectReason(Verify(quote), Reason::kPcrMissing);
}

TEST_F(Adversarial_Q10, ValueChanged) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha256][7][31] ^= 1;
  ExpectReason(Verify(quote), Reason::kPcrDigestMismatch);
}

TEST_F(Adversarial_Q10, ValuesSwapped) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  std::swap(quote.pcrs[kSha256][0], quote.pcrs[kSha256][7]);
  ExpectReason(Verify(quote), Reason::kPcrDigestMismatch);
}

TEST_F(Adversarial_Q10, ByteMovedToTheNextPcrUnderTheSameDigest) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  auto& bank = quote.pcrs[kSha256];
  bank[1].insert(bank[1].begin(), bank[0].back());
  bank[0].pop_back();
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q10, LeadingZeroStrippedFromAValue) {
  tpm_.SetPcr(kSha256, 0, Bytes(32, 0));
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha256][0].pop_back();
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q10, Sha256ValuesLabelledSha384) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.pcrs[kSha384] = quote.pcrs[kSha256];
  quote.pcrs.erase(kSha256);
  ExpectReason(Verify(quote), Reason::kPcrMissing);
}

TEST_F(Adversarial_Q10, Sha384BankWithSha256Values) {
  expected_ = {{kSha384, 0x01}};
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, expected_);
  quote.pcrs[kSha384][0] = tpm_.Pcr(kSha256, 0);
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q10, SignedDigestOfAnotherHashThanTheSchemes) {
  Bytes values;
  for (unsigned pcr : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 10U}) Append(values, tpm_.Pcr(kSha256, pcr));
  auto rehash = [&values](Attest& attest) { attest.quote->pcr_digest = crypto::Hash(kSha384, values); };
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection, rehash)), Reason::kPcrDigestMismatch);
}

TEST_F(Adversarial_Q10, SignedDigestTruncatedOrEmpty) {
  auto truncate = [](Attest& attest) { attest.quote->pcr_digest.pop_back(); };
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection, truncate)), Reason::kPcrDigestMismatch);
  auto clear = [](Attest& attest) { attest.quote->pcr_digest.clear(); };
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection, clear)), Reason::kPcrDigestMismatch);
}

}  // namespace
}  // namespace gatehouse::verify::tpm
