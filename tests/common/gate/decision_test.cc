#include "common/gate/decision.h"

#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/gate/image_verifier.h"

namespace gatehouse::gate {
namespace {

Finding Denial(Reason reason) {
  return {"image a in c", "signed", policy::Effect::kDeny, {reason, "", "what was found"}};
}

TEST(DecisionTest, StartsAtDenyAndIsFlippedByConcludeOnly) {
  Decision decision;
  EXPECT_FALSE(decision.allowed());
  decision.Add(Approval{"image a", "signed", "release"});
  EXPECT_FALSE(decision.allowed());
  decision.Conclude();
  EXPECT_TRUE(decision.allowed());
}

TEST(DecisionTest, OneDenialOutweighsEverything) {
  Decision decision;
  decision.Add(Approval{"image a", "signed", "release"});
  decision.Add(Denial(Reason::kImageUnsigned));
  decision.Conclude();
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(decision.outcome(), "denied");
}

TEST(DecisionTest, TheMessageSaysWhichWhyAndWhatHelps) {
  Decision decision;
  decision.Add(Denial(Reason::kImageUnsigned));
  decision.Conclude();
  admission::ReviewRequest request;
  request.uid = "u";
  auto response = ToResponse(request, decision);
  EXPECT_EQ(response.code, 403);
  EXPECT_EQ(response.message, "gatehouse: image a in c: what was found [image-unsigned] (policy 'signed'). " +
                                  std::string(Sentence(Reason::kImageUnsigned)));
  EXPECT_EQ(response.audit_annotations.at("reasons"), "deny:image-unsigned");
  EXPECT_EQ(response.audit_annotations.at("decision"), "denied");
}

TEST(DecisionTest, WhatCouldNotBeCheckedIsAServerErrorThatIsWorthARetry) {
  Decision decision;
  decision.Add(Denial(Reason::kRegistryUnavailable));
  decision.Conclude();
  EXPECT_EQ(ToResponse({}, decision).code, 503);
  decision.Add(Denial(Reason::kImageUnsigned));
  decision.Conclude();
  EXPECT_EQ(ToResponse({}, decision).code, 403);
}

TEST(DecisionTest, WarningsCarryFindingsThatDoNotDeny) {
  Decision decision;
  decision.Add(Finding{"image a", "trial", policy::Effect::kWarn, {Reason::kSignatureInvalid, "", "no"}});
  decision.Add(Finding{"image b", "silent", policy::Effect::kAudit, {Reason::kSignatureInvalid, "", "no"}});
  decision.Conclude();
  auto response = ToResponse({}, decision);
  EXPECT_TRUE(response.allowed);
  EXPECT_EQ(response.warnings.size(), 1U);
  EXPECT_EQ(response.audit_annotations.at("reasons"), "warn:signature-invalid,audit:signature-invalid");
}

TEST(DecisionTest, TheAuditLineIsJsonWithEverything) {
  Decision decision;
  decision.Add(Approval{"image a", "signed", "release"});
  decision.Add(Denial(Reason::kPcrMismatch));
  decision.Conclude();
  admission::ReviewRequest request;
  request.uid = "u\n1";
  request.user = "system:serviceaccount:x:y";
  auto line = AuditLine(request, decision, WallTime(Duration(0)), std::chrono::microseconds(42));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  auto document = codec::JsonDocument::Parse(line, {.max_bytes = 10'000});
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().Find("outcome")->AsString(), "denied");
  EXPECT_EQ(document->root().Find("findings")->at(0).Find("reason")->AsString(), "pcr-mismatch");
  EXPECT_EQ(document->root().Find("microseconds")->AsInt(), 42);
}

TEST(DecisionTest, TheAuditLineTellsKindsOfPoliciesApart) {
  Decision decision;
  decision.Add(Approval{"image a", "signed", "release", kImagePolicy});
  decision.Add(Finding{
      "image a", "shop/signed", policy::Effect::kAudit, {Reason::kImageUnsigned, "", ""}, kNamespacedImagePolicy});
  decision.Conclude();
  auto line = AuditLine({}, decision, WallTime(Duration(0)), std::chrono::microseconds(1));
  auto document = codec::JsonDocument::Parse(line, {.max_bytes = 10'000});
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->root().Find("proven")->at(0).Find("policyKind")->AsString(), "ImagePolicy");
  EXPECT_EQ(document->root().Find("findings")->at(0).Find("policyKind")->AsString(), "NamespacedImagePolicy");
  EXPECT_EQ(document->root().Find("findings")->at(0).Find("policy")->AsString(), "shop/signed");
}

TEST(DecisionTest, WhatWasPinnedIsInTheAuditLog) {
  admission::ReviewRequest request;
  request.uid = "u-1";
  request.user = "alice\n";
  request.images = {{"spec.containers[0] (a)", "app:1"}, {"spec.containers[1] (b)", "app:2"}};
  Pinning pinning{.pins = {{1, "app:2@sha256:00"}}, .unchanged = 0, .unverified = 1};
  auto line = MutationLine(request, pinning, WallTime(Duration(0)), std::chrono::microseconds(42));
  EXPECT_EQ(line.find('\n'), std::string::npos);
  auto document = codec::JsonDocument::Parse(line, {.max_bytes = 10'000});
  ASSERT_TRUE(document.ok());
  auto root = document->root();
  EXPECT_EQ(root.Find("msg")->AsString(), "mutation");
  EXPECT_EQ(root.Find("uid")->AsString(), "u-1");
  ASSERT_EQ(root.Find("pinned")->size(), 1U);
  EXPECT_EQ(root.Find("pinned")->at(0).Find("where")->AsString(), "spec.containers[1] (b)");
  EXPECT_EQ(root.Find("pinned")->at(0).Find("from")->AsString(), "app:2");
  EXPECT_EQ(root.Find("pinned")->at(0).Find("to")->AsString(), "app:2@sha256:00");
  EXPECT_EQ(root.Find("unverified")->AsInt(), 1);
}

struct CountCase {
  const char* name;
  std::vector<std::optional<Reason>> verdicts;  // nothing: vouches
  std::size_t required;
  std::optional<Reason> expected;
};

class CountAuthoritiesTest : public ::testing::TestWithParam<CountCase> {};

TEST_P(CountAuthoritiesTest, Table) {
  std::vector<AuthorityVerdict> verdicts;
  for (const auto& reason : GetParam().verdicts) {
    verdicts.push_back(
        {"a" + std::to_string(verdicts.size()), reason.has_value() ? Status(Error{*reason, "", "x"}) : Ok()});
  }
  auto counted = CountAuthorities(verdicts, GetParam().required);
  EXPECT_EQ(counted.ok() ? std::nullopt : std::optional(counted.error().reason), GetParam().expected);
}

constexpr auto kBad = Reason::kSignatureInvalid;
constexpr auto kDown = Reason::kRegistryUnavailable;
const std::optional<Reason> kGood;

INSTANTIATE_TEST_SUITE_P(
    Golden, CountAuthoritiesTest,
    ::testing::Values(CountCase{"any_one_good", {kBad, kGood}, 1, std::nullopt},  //
                      CountCase{"any_none_good", {kBad, kBad}, 1, kBad},          //
                      CountCase{"any_good_beside_down", {kDown, kGood}, 1, std::nullopt},
                      CountCase{"any_bad_beside_down_may_yet_be_good", {kBad, kDown}, 1, kDown},
                      CountCase{
                          "all_with_one_bad_is_no_whatever_is_down", {kBad, kDown}, 2, Reason::kNotEnoughAuthorities},
                      CountCase{"all_with_one_down", {kGood, kDown}, 2, kDown},  //
                      CountCase{"all_good", {kGood, kGood}, 2, std::nullopt},    //
                      CountCase{"two_of_three", {kGood, kBad, kGood}, 2, std::nullopt},
                      CountCase{"two_of_three_missed", {kGood, kBad, kBad}, 2, Reason::kNotEnoughAuthorities},
                      CountCase{"single_bad_keeps_its_reason", {Reason::kImageUnsigned}, 1, Reason::kImageUnsigned},
                      CountCase{"none_required_is_never_a_pass", {kGood}, 0, Reason::kNotEnoughAuthorities},
                      CountCase{"no_authorities_is_never_a_pass", {}, 1, Reason::kNotEnoughAuthorities}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace gatehouse::gate
