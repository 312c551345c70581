// TPMS_ATTEST and TPMT_SIGNATURE: what a TPM wrote, what we wrote, and every way to be neither.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "common/base/encoding.h"
#include "common/evidence/tpm/structures.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fakes/tpm_vectors.h"

namespace gatehouse::evidence::tpm {
namespace {

using fakes::Marshal;

Bytes TestData(const std::string& name) {
  auto bytes = fakes::ReadFileBytes(fakes::TpmTestData() / name);
  EXPECT_TRUE(bytes.has_value()) << name;
  return bytes.value_or(Bytes{});
}

Bytes KeyName(HashAlgorithm algorithm) {
  ByteWriter writer;
  writer.PutU16Be(AlgId(algorithm));
  writer.Put(Bytes(DigestSize(algorithm), 0x5A));
  return std::move(writer).Finish();
}

Attest SampleQuote() {
  return {kAttestQuote,
          KeyName(HashAlgorithm::kSha256),
          Bytes(32, 0x11),
          {1234567, 7, 2, true},
          0x2019'1023'0016'3636,
          QuoteInfo{{{HashAlgorithm::kSha256, 0x0000'03FF}, {HashAlgorithm::kSha384, 0x0000'0400}}, Bytes(32, 0x22)}};
}

// Offsets within SampleQuote's bytes.
constexpr std::size_t kTypeAt = 4;
constexpr std::size_t kNameAt = 6;
constexpr std::size_t kExtraAt = kNameAt + 2 + 34;
constexpr std::size_t kSafeAt = kExtraAt + 2 + 32 + 16;
constexpr std::size_t kCountAt = kSafeAt + 1 + 8;
constexpr std::size_t kSizeofSelectAt = kCountAt + 4 + 2;

void ExpectMalformed(const Result<Attest>& attest) {
  ASSERT_FALSE(attest.ok());
  EXPECT_EQ(attest.error().reason, Reason::kEvidenceMalformed) << attest.error().ToString();
}

TEST(TpmAttest, ReadsAQuoteOfTwoBanks) {
  auto attest = ParseAttest(TestData("a1-baseline/quote-ecdsa-3.msg"));
  ASSERT_TRUE(attest.ok()) << attest.error().ToString();
  EXPECT_EQ(attest->type, kAttestQuote);
  EXPECT_EQ(attest->qualified_signer.size(), 34U);
  EXPECT_EQ(attest->extra_data, TestData("a1-baseline/nonce-ecdsa-3.bin"));
  EXPECT_EQ(attest->clock, (ClockInfo{36680, 2, 0, true}));
  EXPECT_EQ(attest->firmware_version, 0x2019'1023'0016'3636U);
  ASSERT_TRUE(attest->quote.has_value());
  EXPECT_EQ(attest->quote->selections,
            (PcrSelections{{HashAlgorithm::kSha256, 0x0047FF}, {HashAlgorithm::kSha384, 0x000481}}));
  EXPECT_EQ(EncodeHex(attest->quote->pcr_digest), "e543f5265ec94f9a447e62ccb46276f4f6f421432852c25cc38822d01fcab44b");
}

TEST(TpmAttest, ReadsTheUnsafeClock) {
  auto attest = ParseAttest(TestData("host-unsafe-clock/quote.msg"));
  ASSERT_TRUE(attest.ok()) << attest.error().ToString();
  EXPECT_FALSE(attest->clock.safe);
}

TEST(TpmAttest, RecognisesACertifyWithoutReadingIt) {
  auto attest = ParseAttest(TestData("a1-baseline/app-certify.attest"));
  ASSERT_TRUE(attest.ok()) << attest.error().ToString();
  EXPECT_EQ(attest->type, 0x8017);
  EXPECT_FALSE(attest->quote.has_value());
}

TEST(TpmAttest, RecognisesEveryTypeThatATpmSigns) {
  for (unsigned type : {0x8014U, 0x8015U, 0x8016U, 0x8017U, 0x8019U, 0x801AU, 0x801CU}) {
    Bytes bytes = Marshal(SampleQuote());
    bytes[kTypeAt + 1] = static_cast<std::uint8_t>(type);
    auto attest = ParseAttest(bytes);
    ASSERT_TRUE(attest.ok()) << type;
    EXPECT_EQ(attest->type, type);
    EXPECT_FALSE(attest->quote.has_value()) << type;
  }
}

TEST(TpmAttest, TruncatedAtEveryByteOffset) {
  for (const Bytes& whole : {Marshal(SampleQuote()), TestData("a1-baseline/quote-rsassa-1.msg")}) {
    ASSERT_TRUE(ParseAttest(whole).ok());
    for (std::size_t size = 0; size < whole.size(); ++size) ExpectMalformed(ParseAttest(BytesView(whole).first(size)));
  }
}

// ADVERSARIAL Q8: trailing bytes after the attestation.
TEST(Adversarial_Q8, TrailingByteAfterTheAttest) {
  Bytes bytes = Marshal(SampleQuote());
  bytes.push_back(0);
  ExpectMalformed(ParseAttest(bytes));
}

struct AttestDefect {
  const char* name;
  std::function<void(Attest&)> before;  // of the structure
  std::function<void(Bytes&)> after;    // of its bytes
};

class TpmAttestDefect : public testing::TestWithParam<AttestDefect> {};

TEST_P(TpmAttestDefect, IsMalformed) {
  Attest attest = SampleQuote();
  if (GetParam().before) GetParam().before(attest);
  Bytes bytes = Marshal(attest);
  if (GetParam().after) GetParam().after(bytes);
  ExpectMalformed(ParseAttest(bytes));
}

INSTANTIATE_TEST_SUITE_P(
    , TpmAttestDefect,
    testing::Values(
        AttestDefect{"Adversarial_Q1_MoreSelectionsThanBanks",
                     [](Attest& a) {
                       a.quote->selections.assign(5, {HashAlgorithm::kSha256, 1});
                     },
                     nullptr},
        AttestDefect{"Adversarial_Q2_SelectionCountHuge", nullptr, [](Bytes& b) { b[kCountAt] = 0xFF; }},
        AttestDefect{"Adversarial_Q2_SizeofSelectTwo", nullptr, [](Bytes& b) { b[kSizeofSelectAt] = 2; }},
        AttestDefect{"Adversarial_Q2_SizeofSelectFourWithABitAbove23", nullptr,
                     [](Bytes& b) {
                       b[kSizeofSelectAt] = 4;
                       b.insert(b.begin() + static_cast<std::ptrdiff_t>(kSizeofSelectAt) + 4, 0x01);
                     }},
        AttestDefect{"Adversarial_Q2_SizeofSelectZero", nullptr, [](Bytes& b) { b[kSizeofSelectAt] = 0; }},
        AttestDefect{"Adversarial_Q2_UnknownBankSm3", nullptr, [](Bytes& b) { b[kSizeofSelectAt - 1] = 0x12; }},
        AttestDefect{"Adversarial_Q2_BankNull", nullptr, [](Bytes& b) { b[kSizeofSelectAt - 1] = 0x10; }},
        AttestDefect{"Adversarial_Q3_MagicOneBitOff", nullptr, [](Bytes& b) { b[0] = 0xFE; }},
        AttestDefect{"Adversarial_Q3_TypeUnknown", nullptr, [](Bytes& b) { b[kTypeAt + 1] = 0x1B; }},
        AttestDefect{"Adversarial_Q3_TypeIsACommandTag", nullptr, [](Bytes& b) { b[kTypeAt + 1] = 0x01; }},
        AttestDefect{"Adversarial_Q3_TypeIsCreationTicket", nullptr, [](Bytes& b) { b[kTypeAt + 1] = 0x21; }},
        AttestDefect{"Adversarial_Q7_NameEmpty", [](Attest& a) { a.qualified_signer.clear(); }, nullptr},
        AttestDefect{"Adversarial_Q7_NameIsAHandle",
                     [](Attest& a) {
                       a.qualified_signer = {0x40, 0, 0, 0x0B};
                     },
                     nullptr},
        AttestDefect{"Adversarial_Q7_NameOneByteShort", [](Attest& a) { a.qualified_signer.pop_back(); }, nullptr},
        AttestDefect{"Adversarial_Q7_NameOneByteLong", [](Attest& a) { a.qualified_signer.push_back(0); }, nullptr},
        AttestDefect{"Adversarial_Q7_NameSha256LabelledSha384", [](Attest& a) { a.qualified_signer[1] = 0x0C; },
                     nullptr},
        AttestDefect{"Adversarial_Q7_NameOfUnknownAlgorithm", [](Attest& a) { a.qualified_signer[1] = 0x12; }, nullptr},
        AttestDefect{"Adversarial_Q4_ExtraDataLongerThanTpm2bData", [](Attest& a) { a.extra_data.assign(67, 0x11); },
                     nullptr},
        AttestDefect{"Adversarial_Q9_SafeIsTwo", nullptr, [](Bytes& b) { b[kSafeAt] = 2; }},
        AttestDefect{"Adversarial_Q10_DigestLongerThanAnyHash", [](Attest& a) { a.quote->pcr_digest.assign(65, 0); },
                     nullptr}),
    [](const auto& test) { return std::string(test.param.name); });

// ADVERSARIAL Q7: a TPM2B_NAME is not always 34 bytes.
TEST(Adversarial_Q7, NamesOfEveryAlgorithmAreRead) {
  for (HashAlgorithm algorithm :
       {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    Attest sample = SampleQuote();
    sample.qualified_signer = KeyName(algorithm);
    auto attest = ParseAttest(Marshal(sample));
    ASSERT_TRUE(attest.ok()) << attest.error().ToString();
    EXPECT_EQ(attest->qualified_signer, sample.qualified_signer);
    EXPECT_EQ(attest->extra_data, sample.extra_data);
  }
}

// ADVERSARIAL Q1: a TPM accepts the same bank again. The parser reports it as it is; refusing it is the verifier's
// part.
TEST(Adversarial_Q1, RepeatedBankIsKeptByTheParser) {
  Attest sample = SampleQuote();
  sample.quote->selections = {
      {HashAlgorithm::kSha256, 0x3FF}, {HashAlgorithm::kSha256, 0x10000}, {HashAlgorithm::kSha256, 0xF800}};
  auto attest = ParseAttest(Marshal(sample));
  ASSERT_TRUE(attest.ok()) << attest.error().ToString();
  EXPECT_EQ(attest->quote->selections, sample.quote->selections);
}

Attest RandomQuote(std::mt19937& random) {
  auto any = [&random](std::uint32_t below) {
    return std::uniform_int_distribution<std::uint32_t>(0, below - 1)(random);
  };
  auto bytes = [&](std::size_t size) {
    Bytes made(size);
    for (auto& byte : made) byte = static_cast<std::uint8_t>(any(256));
    return made;
  };
  constexpr HashAlgorithm kAll[] = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384,
                                    HashAlgorithm::kSha512};
  Attest attest = SampleQuote();
  attest.qualified_signer = KeyName(kAll[any(4)]);
  attest.extra_data = bytes(any(67));
  attest.clock = {std::uint64_t{random()} << 32 | random(), static_cast<std::uint32_t>(random()),
                  static_cast<std::uint32_t>(random()), any(2) == 1};
  attest.firmware_version = std::uint64_t{random()} << 32 | random();
  attest.quote->selections.clear();
  for (std::uint32_t i = any(5); i > 0; --i) attest.quote->selections.push_back({kAll[any(4)], any(1U << 24)});
  attest.quote->pcr_digest = bytes(any(65));
  return attest;
}

TEST(TpmAttest, ParsesWhatWasWritten) {
  std::mt19937 random(20261121);
  for (int i = 0; i < 500; ++i) {
    const Attest wrote = RandomQuote(random);
    auto read = ParseAttest(Marshal(wrote));
    ASSERT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(read->type, wrote.type);
    EXPECT_EQ(read->qualified_signer, wrote.qualified_signer);
    EXPECT_EQ(read->extra_data, wrote.extra_data);
    EXPECT_EQ(read->clock, wrote.clock);
    EXPECT_EQ(read->firmware_version, wrote.firmware_version);
    EXPECT_EQ(read->quote->selections, wrote.quote->selections);
    EXPECT_EQ(read->quote->pcr_digest, wrote.quote->pcr_digest);
  }
}

TEST(TpmSignature, ReadsWhatATpmWrote) {
  auto rsa = ParseSignature(TestData("a1-baseline/quote-rsassa-1.sig"));
  ASSERT_TRUE(rsa.ok()) << rsa.error().ToString();
  EXPECT_EQ(rsa->scheme, Signature::Scheme::kRsaSsa);
  EXPECT_EQ(rsa->hash, HashAlgorithm::kSha256);
  EXPECT_EQ(rsa->rsa.size(), 256U);

  auto pss = ParseSignature(TestData("a1-baseline/quote-rsapss-1.sig"));
  ASSERT_TRUE(pss.ok()) << pss.error().ToString();
  EXPECT_EQ(pss->scheme, Signature::Scheme::kRsaPss);

  auto ecdsa = ParseSignature(TestData("a1-baseline/quote-ecdsa-1.sig"));
  ASSERT_TRUE(ecdsa.ok()) << ecdsa.error().ToString();
  EXPECT_EQ(ecdsa->scheme, Signature::Scheme::kEcdsa);
  EXPECT_EQ(ecdsa->r.size(), 32U);
  EXPECT_EQ(ecdsa->s.size(), 32U);
  EXPECT_TRUE(ecdsa->rsa.empty());
}

void ExpectMalformed(const Result<Signature>& signature) {
  ASSERT_FALSE(signature.ok());
  EXPECT_EQ(signature.error().reason, Reason::kEvidenceMalformed) << signature.error().ToString();
}

TEST(TpmSignature, TruncatedAtEveryByteOffset) {
  for (const char* name : {"a1-baseline/quote-rsassa-1.sig", "a1-baseline/quote-ecdsa-1.sig"}) {
    const Bytes whole = TestData(name);
    ASSERT_TRUE(ParseSignature(whole).ok());
    for (std::size_t size = 0; size < whole.size(); ++size)
      ExpectMalformed(ParseSignature(BytesView(whole).first(size)));
  }
}

TEST(Adversarial_Q8, TrailingByteAfterTheSignature) {
  for (const char* name : {"a1-baseline/quote-rsassa-1.sig", "a1-baseline/quote-ecdsa-1.sig"}) {
    Bytes bytes = TestData(name);
    bytes.push_back(0);
    ExpectMalformed(ParseSignature(bytes));
  }
}

TEST(Adversarial_Q8, PlainSignaturesAreNotTpmSignatures) {
  ExpectMalformed(ParseSignature(TestData("a1-baseline/quote-ecdsa-3.sig")));
}

TEST(Adversarial_Q8, UnknownSchemesAndHashes) {
  const Bytes good = TestData("a1-baseline/quote-ecdsa-1.sig");
  constexpr std::uint8_t kSchemes[] = {0x05, 0x10, 0x15, 0x17,
                                       0x1A, 0x1B, 0x1C};  // HMAC NULL RSAES OAEP ECDAA SM2 Schnorr
  for (std::uint8_t scheme : kSchemes) {
    Bytes bytes = good;
    bytes[1] = scheme;
    ExpectMalformed(ParseSignature(bytes));
  }
  constexpr std::uint8_t kHashes[] = {0x10, 0x12, 0x27};  // NULL SM3 SHA3-256
  for (std::uint8_t hash : kHashes) {
    Bytes bytes = good;
    bytes[3] = hash;
    ExpectMalformed(ParseSignature(bytes));
  }
}

TEST(Adversarial_Q8, NumbersLongerThanAnyKey) {
  ExpectMalformed(
      ParseSignature(Marshal(Signature{Signature::Scheme::kRsaSsa, HashAlgorithm::kSha256, Bytes(513, 1), {}, {}})));
  ExpectMalformed(ParseSignature(
      Marshal(Signature{Signature::Scheme::kEcdsa, HashAlgorithm::kSha256, {}, Bytes(67, 1), Bytes(32, 1)})));
}

}  // namespace
}  // namespace gatehouse::evidence::tpm
