// Claims of a real verification against reference values.
#include "common/appraisal/tpm.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/verify/tpm/quote.h"
#include "tests/fakes/software_tpm.h"

namespace gatehouse::appraisal {
namespace {

constexpr HashAlgorithm kSha256 = HashAlgorithm::kSha256;
constexpr HashAlgorithm kSha384 = HashAlgorithm::kSha384;

class Appraisal : public testing::Test {
 protected:
  // PCR n of SHA-256 has the bytes n, for 0, 4 and 7.
  claims::VerifiedTpmClaims Claims() {
    const evidence::tpm::PcrSelections selection = {{kSha256, 1U << 0 | 1U << 4 | 1U << 7}};
    for (unsigned pcr : {0U, 4U, 7U}) tpm_.SetPcr(kSha256, pcr, Value(pcr));
    const auto ak = tpm_.CreateAk();
    const Bytes nonce(32, 1);
    const auto quote = tpm_.Quote(ak, nonce, selection);
    auto claims = verify::tpm::QuoteVerifier::Verify({quote.attest, quote.signature, quote.pcrs},
                                                     {ak.area(), nonce, selection, std::nullopt});
    EXPECT_TRUE(claims.ok());
    return std::move(claims).value();
  }
  static Bytes Value(unsigned pcr) { return Bytes(32, static_cast<std::uint8_t>(pcr)); }

  fakes::SoftwareTpm tpm_;
};

TEST_F(Appraisal, EveryPcrHasOneOfItsValues) {
  const TpmReference reference = {kSha256, {{0, {Value(0)}}, {4, {Value(9), Value(4)}}, {7, {Value(7), Value(8)}}}};
  EXPECT_TRUE(Appraise(reference, Claims()).empty());
}

TEST_F(Appraisal, APolicyNeedNotNameEveryClaim) {
  EXPECT_TRUE(Appraise({kSha256, {{7, {Value(7)}}}}, Claims()).empty());
}

TEST_F(Appraisal, AnotherValue) {
  const auto findings = Appraise({kSha256, {{0, {Value(0)}}, {7, {Value(8)}}}}, Claims());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].reason, Reason::kPcrMismatch);
  EXPECT_EQ(findings[0].where, "pcr 7 (sha256)");
  EXPECT_EQ(findings[0].detail, "found " + EncodeHex(Value(7)) + ", expected " + EncodeHex(Value(8)));
}

TEST_F(Appraisal, EveryDeviationIsFound) {
  const auto findings = Appraise(
      {kSha256, {{0, {Value(1)}}, {4, {Value(1), Value(2), Value(3)}}, {5, {Value(5)}}, {7, {Value(7)}}}}, Claims());
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_EQ(findings[0].where, "pcr 0 (sha256)");
  EXPECT_EQ(findings[1].where, "pcr 4 (sha256)");
  EXPECT_NE(findings[1].detail.find("or one of 2 more"), std::string::npos);
  EXPECT_EQ(findings[2].reason, Reason::kPcrMissing);
  EXPECT_EQ(findings[2].where, "pcr 5 (sha256)");
}

TEST_F(Appraisal, EmptyPolicyIsNoPass) {
  const auto findings = Appraise({kSha256, {}}, Claims());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].reason, Reason::kPcrMissing);
}

TEST_F(Appraisal, PcrWithoutAllowedValues) {
  const auto findings = Appraise({kSha256, {{7, {}}}}, Claims());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].reason, Reason::kPcrMismatch);
}

TEST_F(Appraisal, PcrOfAnotherBank) {
  const auto findings = Appraise({kSha384, {{7, {Bytes(48, 7)}}}}, Claims());
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].reason, Reason::kPcrMissing);
  EXPECT_EQ(findings[0].where, "pcr 7 (sha384)");
}

TEST_F(Appraisal, Adversarial_Q1_ResettablePcrIsNeverFound) {
  for (unsigned pcr : {16U, 23U}) {
    const auto findings = Appraise({kSha256, {{pcr, {tpm_.Pcr(kSha256, pcr)}}}}, Claims());
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].reason, Reason::kPcrMissing);
  }
}

TEST_F(Appraisal, Adversarial_Q10_PrefixAndPaddingOfAValueAreOtherValues) {
  Bytes prefix = Value(7);
  prefix.pop_back();
  Bytes padded = Value(7);
  padded.push_back(0);
  for (const Bytes& value : {prefix, padded, Bytes{}}) {
    const auto findings = Appraise({kSha256, {{7, {value}}}}, Claims());
    ASSERT_EQ(findings.size(), 1U);
    EXPECT_EQ(findings[0].reason, Reason::kPcrMismatch);
  }
}

}  // namespace
}  // namespace gatehouse::appraisal
