// A quote of the software TPM verifies; then one thing about it is wrong.
#include "common/verify/tpm/quote.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "tests/fakes/software_tpm.h"
#include "tests/fakes/tpm_marshal.h"

namespace gatehouse::verify::tpm {
namespace {

using claims::TpmClock;
using claims::VerifiedTpmClaims;
using evidence::tpm::Attest;
using evidence::tpm::PcrSelections;
using evidence::tpm::PcrValues;
using evidence::tpm::Signature;
using fakes::AkSpec;
using fakes::SoftwareQuote;
using fakes::SoftwareTpm;
using fakes::TpmKey;

constexpr HashAlgorithm kSha1 = HashAlgorithm::kSha1;
constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;
constexpr HashAlgorithm kSha512 = HashAlgorithm::kSha512;
const PcrSelections kSelection = {{kSha256, 0x0004FF}};  // PCR 0 to 7 and 10

// RSA keys take a moment: one for the whole program.
const crypto::PrivateKey& RsaKey() {
  static const crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kRsa).value();
  return key;
}

AkSpec RsaSpec(bool pss) {
  AkSpec spec;
  spec.type = crypto::KeyType::kRsa;
  spec.pss = pss;
  spec.key = RsaKey();
  return spec;
}

class Quote : public testing::Test {
 protected:
  Quote() {
    for (unsigned pcr = 0; pcr < 24; ++pcr) {
      for (HashAlgorithm bank : {kSha1, kSha256, kSha384}) {
        tpm_.Extend(bank, pcr, Bytes(DigestSize(bank), static_cast<std::uint8_t>(pcr + 1)));
      }
    }
  }

  Result<VerifiedTpmClaims> Verify(const SoftwareQuote& quote) const { return Verify(quote, ak_); }
  Result<VerifiedTpmClaims> Verify(const SoftwareQuote& quote, const TpmKey& ak) const {
    return QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs}, {ak.area(), nonce_, expected_, last_});
  }

  void ExpectReason(const Result<VerifiedTpmClaims>& claims, Reason reason) {
    ASSERT_FALSE(claims.ok());
    EXPECT_EQ(Token(claims.error().reason), Token(reason)) << claims.error().ToString();
  }

  SoftwareTpm tpm_;
  TpmKey ak_ = tpm_.CreateAk();
  Bytes nonce_ = Bytes(48, 0xA5);
  PcrSelections expected_ = kSelection;
  std::optional<TpmClock> last_;
};

// The names of the test suites carry the ids of the attacks.
using Adversarial_Q1 = Quote;
using Adversarial_Q2 = Quote;
using Adversarial_Q3 = Quote;
using Adversarial_Q4 = Quote;
using Adversarial_Q5 = Quote;
using Adversarial_Q8 = Quote;
using Adversarial_Q9 = Quote;
using Adversarial_Q10 = Quote;

TEST_F(Quote, GoodQuoteGivesExactlyWhatWasSigned) {
  auto claims = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(claims.ok()) << claims.error().ToString();
  ASSERT_EQ(claims->pcrs().size(), 1U);
  const auto& bank = claims->pcrs().at(kSha256);
  EXPECT_EQ(bank.size(), 9U);
  for (unsigned pcr : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U, 10U}) EXPECT_EQ(bank.at(pcr), tpm_.Pcr(kSha256, pcr));
  EXPECT_EQ(claims->clock(), (TpmClock{1'000'010, 10, 3, true}));
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

// --- Q5: the key

TEST_F(Adversarial_Q5, SignedByAnotherKeyOfTheSameTpm) {
  const TpmKey other = tpm_.CreateAk();
  ExpectReason(Verify(tpm_.Quote(other, nonce_, kSelection), ak_), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q5, UnrestrictedKeyThatSignedAForgedAttest) {
  AkSpec spec;
  spec.attributes &= ~evidence::tpm::attributes::kRestricted;
  const TpmKey unrestricted = tpm_.CreateAk(spec);
  ExpectReason(Verify(tpm_.Quote(unrestricted, nonce_, kSelection), unrestricted), Reason::kAkUnsuitable);
}

// --- Q8: the signature

TEST_F(Adversarial_Q8, EveryByteOfTheAttestIsSigned) {
  const SoftwareQuote good = tpm_.Quote(ak_, nonce_, kSelection);
  for (std::size_t i = 0; i < good.attest.size(); ++i) {
    SoftwareQuote quote = good;
    quote.attest[i] ^= 0x01;
    ExpectReason(Verify(quote), Reason::kSignatureInvalid);
  }
}

TEST_F(Adversarial_Q8, HashDowngradeToSha1) {
  for (const AkSpec& spec : {AkSpec{}, RsaSpec(false), RsaSpec(true)}) {
    const TpmKey ak = tpm_.CreateAk(spec);
    AkSpec weak_spec = spec;
    weak_spec.key = ak.key();
    weak_spec.scheme_hash = kSha1;
    const TpmKey weak = tpm_.CreateAk(weak_spec);
    SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
    quote.signature = fakes::Marshal(SoftwareTpm::Sign(weak, quote.attest));
    ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
  }
}

TEST_F(Adversarial_Q8, HashOnlyRelabelled) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.signature[3] = 0x0C;  // SHA-384, made with SHA-256
  ExpectReason(Verify(quote), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, RsaPssWhereTheKeyHasRsaSsaAndTheOtherWayRound) {
  const TpmKey ssa = tpm_.CreateAk(RsaSpec(false));
  const TpmKey pss = tpm_.CreateAk(RsaSpec(true));
  const SoftwareQuote by_pss = tpm_.Quote(pss, nonce_, kSelection);
  ExpectReason(Verify(by_pss, ssa), Reason::kSignatureInvalid);
  const SoftwareQuote by_ssa = tpm_.Quote(ssa, nonce_, kSelection);
  ExpectReason(Verify(by_ssa, pss), Reason::kSignatureInvalid);
  SoftwareQuote relabelled = by_pss;
  relabelled.signature[1] = 0x14;
  ExpectReason(Verify(relabelled, ssa), Reason::kSignatureInvalid);
  relabelled = by_ssa;
  relabelled.signature[1] = 0x16;
  ExpectReason(Verify(relabelled, pss), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, EcdsaSignatureForAnRsaKeyAndTheOtherWayRound) {
  const TpmKey rsa = tpm_.CreateAk(RsaSpec(false));
  ExpectReason(Verify(tpm_.Quote(ak_, nonce_, kSelection), rsa), Reason::kSignatureInvalid);
  ExpectReason(Verify(tpm_.Quote(rsa, nonce_, kSelection), ak_), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, ShortNumbersAreGood) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  Signature signature = SoftwareTpm::Sign(ak_, quote.attest);
  for (int i = 0; i < 20000 && signature.r[0] != 0; ++i) signature = SoftwareTpm::Sign(ak_, quote.attest);
  ASSERT_EQ(signature.r[0], 0);
  quote.signature = fakes::Marshal(signature);
  EXPECT_TRUE(Verify(quote).ok()) << "padded to the field";
  signature.r.erase(signature.r.begin());
  quote.signature = fakes::Marshal(signature);
  EXPECT_TRUE(Verify(quote).ok()) << "31 bytes";
}

TEST_F(Adversarial_Q8, NumbersOfEcdsaThatAreNone) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  const Signature good = *evidence::tpm::ParseSignature(quote.signature);
  const Bytes order = *DecodeHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  Bytes with_zero = good.r;
  with_zero.insert(with_zero.begin(), 0);
  struct Case {
    const char* name;
    Bytes r, s;
    Reason reason;
  };
  const Case cases[] = {
      {"r empty", {}, good.s, Reason::kSignatureMalformed},
      {"s empty", good.r, {}, Reason::kSignatureMalformed},
      {"r zero", Bytes(32, 0), good.s, Reason::kSignatureMalformed},
      {"s zero", good.r, Bytes(32, 0), Reason::kSignatureMalformed},
      {"s one zero byte", good.r, Bytes(1, 0), Reason::kSignatureMalformed},
      {"r 33 bytes with a leading zero", with_zero, good.s, Reason::kSignatureMalformed},
      {"s 33 bytes", good.r, Bytes(33, 1), Reason::kSignatureMalformed},
      {"s = n", good.r, order, Reason::kSignatureInvalid},
      {"r = n", order, good.s, Reason::kSignatureInvalid},
      {"s all ones", good.r, Bytes(32, 0xFF), Reason::kSignatureInvalid},
      {"r and s swapped", good.s, good.r, Reason::kSignatureInvalid},
      {"r cut by a byte", Bytes(good.r.begin(), good.r.end() - 1), good.s, Reason::kSignatureInvalid},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Signature signature = good;
    signature.r = c.r;
    signature.s = c.s;
    quote.signature = fakes::Marshal(signature);
    ExpectReason(Verify(quote), c.reason);
  }
}

// s + n is the same number to a verifier that forgets the range; with P-521 it even fits into the field's bytes.
TEST_F(Adversarial_Q8, SPlusOrderOnP521) {
  AkSpec spec;
  spec.type = crypto::KeyType::kEcP521;
  const TpmKey ak = tpm_.CreateAk(spec);
  SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
  Signature signature = *evidence::tpm::ParseSignature(quote.signature);
  const Bytes order = *DecodeHex(
      "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c"
      "47"
      "aebb6fb71e91386409");
  ASSERT_EQ(order.size(), signature.s.size());
  unsigned carry = 0;
  for (std::size_t i = order.size(); i-- > 0;) {
    carry += unsigned{order[i]} + signature.s[i];
    signature.s[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  ASSERT_EQ(carry, 0U);
  quote.signature = fakes::Marshal(signature);
  ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
}

TEST_F(Adversarial_Q8, DerInsteadOfTheTpmsEncoding) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.signature = *ak_.key().Sign(crypto::Scheme::kEcdsaDer, kSha256, quote.attest);
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q8, TrailingByteAfterTheSignature) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.signature.push_back(0);
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q8, TrailingByteAfterTheAttestSignedWithIt) {
  SoftwareQuote quote = tpm_.Quote(ak_, nonce_, kSelection);
  quote.attest.push_back(0);
  ExpectReason(Verify(quote), Reason::kSignatureInvalid);
  quote.signature = fakes::Marshal(SoftwareTpm::Sign(ak_, quote.attest));
  ExpectReason(Verify(quote), Reason::kEvidenceMalformed);
}

TEST_F(Adversarial_Q8, RsaSignatureThatIsEmptyOrShort) {
  const TpmKey ak = tpm_.CreateAk(RsaSpec(false));
  SoftwareQuote quote = tpm_.Quote(ak, nonce_, kSelection);
  Signature signature = *evidence::tpm::ParseSignature(quote.signature);
  signature.rsa.pop_back();
  quote.signature = fakes::Marshal(signature);
  ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
  signature.rsa.clear();
  quote.signature = fakes::Marshal(signature);
  ExpectReason(Verify(quote, ak), Reason::kSignatureInvalid);
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

TEST_F(Adversarial_Q9, ChangeOfFirmwareIsSeenInTheClaims) {
  tpm_.firmware_version = 0xDEADBEEF;
  auto claims = Verify(tpm_.Quote(ak_, nonce_, kSelection));
  ASSERT_TRUE(claims.ok());
  EXPECT_EQ(claims->firmware_version(), 0xDEADBEEFU);
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
