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

// --- reference sets

class AppraisalBySets : public Appraisal {
 protected:
  static ReferenceSet Set(const std::string& name, std::map<unsigned, std::vector<Bytes>> pcrs) {
    return {.document = "linux", .name = name, .not_before = {}, .not_after = {}, .tpm = {kSha256, std::move(pcrs)}};
  }
  SetsAppraisal By(const TpmReference& base, const std::vector<ReferenceSet>& sets) {
    return AppraiseSets(base, {"linux"}, sets, Claims(), now_);
  }
  SetsAppraisal By(const std::vector<ReferenceSet>& sets) { return By({}, sets); }

  const WallTime now_{std::chrono::hours(500'000)};
  const Duration second_ = std::chrono::seconds(1);
};

TEST_F(AppraisalBySets, OneSetIsMetAsAWhole) {
  const auto result = By({Set("other", {{4, {Value(9)}}}), Set("good", {{4, {Value(4)}}, {7, {Value(7)}}})});
  EXPECT_TRUE(result.findings.empty());
  EXPECT_EQ(result.matched, "linux/good");
  EXPECT_EQ(result.holds_until, std::nullopt);
}

TEST_F(AppraisalBySets, Adversarial_Q2_PartsOfSeveralSetsAreNoSet) {
  const auto result = By({Set("a", {{4, {Value(4)}}, {7, {Value(9)}}}), Set("b", {{4, {Value(9)}}, {7, {Value(7)}}})});
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].reason, Reason::kPcrMismatch);
  EXPECT_EQ(result.findings[0].where, "pcr 7 (sha256) of linux/a") << "the first of the nearest";
  EXPECT_EQ(result.matched, "");
}

TEST_F(AppraisalBySets, TheNearestSetIsShown) {
  const auto result = By({Set("far", {{0, {Value(9)}}, {4, {Value(9)}}, {7, {Value(9)}}}),
                          Set("near", {{0, {Value(0)}}, {4, {Value(9)}}, {7, {Value(9)}}})});
  ASSERT_EQ(result.findings.size(), 2U);
  EXPECT_EQ(result.findings[0].where, "pcr 4 (sha256) of linux/near");
  EXPECT_EQ(result.findings[1].where, "pcr 7 (sha256) of linux/near");
}

TEST_F(AppraisalBySets, TheBaseHoldsInAnyCase) {
  const std::vector<ReferenceSet> sets = {Set("good", {{4, {Value(4)}}})};
  EXPECT_TRUE(By({kSha256, {{7, {Value(7)}}}}, sets).findings.empty());
  const auto result = By({kSha256, {{7, {Value(9)}}}}, sets);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].where, "pcr 7 (sha256)");
  const auto both = By({kSha256, {{7, {Value(9)}}}}, {Set("bad", {{4, {Value(9)}}})});
  EXPECT_EQ(both.findings.size(), 2U);
}

TEST_F(AppraisalBySets, ASetCountsFromItsBeginningUntilItsEnd) {
  ReferenceSet set = Set("timed", {{4, {Value(4)}}});
  const auto reason = [&] {
    const auto result = By({set});
    return result.findings.empty() ? std::optional<Reason>() : result.findings[0].reason;
  };
  set.not_before = now_;
  EXPECT_EQ(reason(), std::nullopt);
  set.not_before = now_ + Duration(1);
  EXPECT_EQ(reason(), Reason::kReferenceExpired);
  set.not_before = std::nullopt;
  set.not_after = now_ + Duration(1);
  EXPECT_EQ(reason(), std::nullopt);
  set.not_after = now_;
  EXPECT_EQ(reason(), Reason::kReferenceExpired);
}

TEST_F(AppraisalBySets, NothingHoldsLongerThanItsSet) {
  ReferenceSet brief = Set("brief", {{4, {Value(4)}}});
  brief.not_after = now_ + second_;
  ReferenceSet longer = Set("longer", {{7, {Value(7)}}});
  longer.not_after = now_ + 2 * second_;
  EXPECT_EQ(By({brief}).holds_until, now_ + second_);
  EXPECT_EQ(By({brief, longer}).holds_until, now_ + 2 * second_);
  EXPECT_EQ(By({longer, brief}).matched, "linux/longer");
  const auto for_ever = By({brief, Set("for-ever", {{0, {Value(0)}}}), longer});
  EXPECT_EQ(for_ever.matched, "linux/for-ever");
  EXPECT_EQ(for_ever.holds_until, std::nullopt);
}

TEST_F(AppraisalBySets, OnlySetsInTimeAreShown) {
  ReferenceSet old = Set("old", {{4, {Value(4)}}});
  old.not_after = now_;
  const auto result = By({old, Set("current", {{4, {Value(9)}}})});
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].where, "pcr 4 (sha256) of linux/current");
  const auto none = By({old});
  ASSERT_EQ(none.findings.size(), 1U);
  EXPECT_EQ(none.findings[0].where, "reference values linux");
  EXPECT_EQ(none.findings[0].detail, "not in its time: linux/old");
}

TEST_F(AppraisalBySets, Adversarial_E12_DocumentsWithoutASetAreNoPass) {
  for (const TpmReference& base : {TpmReference{}, TpmReference{kSha256, {{7, {Value(7)}}}}}) {
    const auto result = By(base, {});
    ASSERT_EQ(result.findings.size(), 1U);
    EXPECT_EQ(result.findings[0].reason, Reason::kReferenceExpired);
  }
  const auto empty_set = By({Set("empty", {})});
  ASSERT_EQ(empty_set.findings.size(), 1U);
  EXPECT_EQ(empty_set.findings[0].reason, Reason::kReferenceExpired);  // one that says nothing of PCRs is none
}

TEST_F(AppraisalBySets, WithoutDocumentsTheBaseAloneCounts) {
  EXPECT_TRUE(AppraiseSets({kSha256, {{7, {Value(7)}}}}, {}, {}, Claims(), now_).findings.empty());
  const auto result = AppraiseSets({}, {}, {}, Claims(), now_);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].reason, Reason::kPcrMissing);
}

TEST_F(AppraisalBySets, AQuoteIsAskedForOverAllOfThem) {
  ReferenceSet late = Set("late", {{9, {Value(9)}}});
  late.not_before = now_ + second_;
  late.tpm.bank = kSha384;
  const auto pcrs = PcrsAskedFor({kSha256, {{7, {Value(7)}}}}, {Set("a", {{0, {Value(0)}}, {4, {Value(4)}}}), late});
  const std::map<HashAlgorithm, std::uint32_t> expected = {{kSha256, 1U << 0 | 1U << 4 | 1U << 7}, {kSha384, 1U << 9}};
  EXPECT_EQ(pcrs, expected);
  EXPECT_TRUE(PcrsAskedFor({}, {}).empty());
}

// Of the hash that the kernel takes for boot_aggregate, and not of the bank that the policy replays the log in.
TEST(Sets, PcrsThatABootAggregateIsOf) {
  using Banks = std::map<HashAlgorithm, std::uint32_t>;
  ImaPolicy ima;
  EXPECT_EQ(PcrsAskedFor({}, {}, nullptr, &ima), (Banks{{kSha256, 0x7FF}}));
  ima.bank = kSha384;
  EXPECT_EQ(PcrsAskedFor({}, {}, nullptr, &ima), (Banks{{kSha256, 0x3FF}, {kSha384, 0x7FF}}));
  ima.allow_insecure_sha1_aggregate = true;
  EXPECT_EQ(PcrsAskedFor({}, {}, nullptr, &ima),
            (Banks{{HashAlgorithm::kSha1, 0x3FF}, {kSha256, 0x3FF}, {kSha384, 0x7FF}}));
}

}  // namespace
}  // namespace gatehouse::appraisal
