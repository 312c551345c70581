#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/policy/match.h"

namespace gatehouse::policy {
namespace {

using ::testing::HasSubstr;
using Operator = LabelSelector::Operator;

TEST(LabelSelector, EachOperator) {
  struct Case {
    LabelSelector::Requirement requirement;
    bool present;  // {"env": "prod"}
    bool other;    // {"env": "test"}
    bool empty;    // {"env": ""}
    bool absent;   // {}
  };
  const Case kCases[] = {
      {{"env", Operator::kIn, {"prod"}}, true, false, false, false},
      {{"env", Operator::kIn, {"test", "prod"}}, true, true, false, false},
      {{"env", Operator::kIn, {""}}, false, false, true, false},
      {{"env", Operator::kNotIn, {"prod"}}, false, true, true, true},
      {{"env", Operator::kExists, {}}, true, true, true, false},
      {{"env", Operator::kDoesNotExist, {}}, false, false, false, true},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(static_cast<int>(c.requirement.op));
    LabelSelector selector({c.requirement});
    EXPECT_EQ(selector.Matches(Labels{{"env", "prod"}, {"x", "y"}}).value(), c.present);
    EXPECT_EQ(selector.Matches(Labels{{"env", "test"}}).value(), c.other);
    EXPECT_EQ(selector.Matches(Labels{{"env", ""}}).value(), c.empty);
    EXPECT_EQ(selector.Matches(Labels{}).value(), c.absent);
  }
}

TEST(LabelSelector, AllRequirementsMustHold) {
  LabelSelector selector({{"a", Operator::kExists, {}}, {"b", Operator::kIn, {"1"}}});
  EXPECT_TRUE(selector.Matches(Labels{{"a", ""}, {"b", "1"}}).value());
  EXPECT_FALSE(selector.Matches(Labels{{"a", ""}, {"b", "2"}}).value());
  EXPECT_FALSE(selector.Matches(Labels{{"b", "1"}}).value());
}

TEST(LabelSelector, AnEmptyOneMatchesEverythingEvenWithoutLabels) {
  EXPECT_TRUE(LabelSelector().Matches(std::nullopt).value());
  EXPECT_TRUE(LabelSelector().Matches(Labels{}).value());
  EXPECT_TRUE(LabelSelector().empty());
}

TEST(LabelSelector, WhatCannotBeEvaluatedIsAnErrorForEveryOperator) {
  for (Operator op : {Operator::kIn, Operator::kNotIn, Operator::kExists, Operator::kDoesNotExist}) {
    LabelSelector selector({{"env", op, {"prod"}}});
    auto result = selector.Matches(std::nullopt);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().reason, Reason::kLabelsUnknown);
    EXPECT_THAT(result.error().detail, HasSubstr("'env'"));
  }
}

TEST(LabelSelector, WhatIsKnownAnywayCanBeEvaluatedWithoutLabels) {
  const Labels kKnown = {{"kubernetes.io/metadata.name", "kube-system"}};
  LabelSelector not_system({{"kubernetes.io/metadata.name", Operator::kNotIn, {"kube-system"}}});
  EXPECT_FALSE(not_system.Matches(std::nullopt, kKnown).value());
  EXPECT_TRUE(not_system.Matches(std::nullopt, {{"kubernetes.io/metadata.name", "team-a"}}).value());
}

TEST(LabelSelector, OneThatFailsSettlesItWhateverTheUnknownOnesAre) {
  const Labels kKnown = {{"kubernetes.io/metadata.name", "kube-system"}};
  const LabelSelector::Requirement kUnknown{"env", Operator::kIn, {"prod"}};
  const LabelSelector::Requirement kFails{"kubernetes.io/metadata.name", Operator::kNotIn, {"kube-system"}};
  const LabelSelector::Requirement kHolds{"kubernetes.io/metadata.name", Operator::kIn, {"kube-system"}};
  EXPECT_FALSE(LabelSelector({kUnknown, kFails}).Matches(std::nullopt, kKnown).value());
  EXPECT_FALSE(LabelSelector({kFails, kUnknown}).Matches(std::nullopt, kKnown).value());
  EXPECT_FALSE(LabelSelector({kUnknown, kHolds}).Matches(std::nullopt, kKnown).ok());
}

TEST(Adversarial_A6, ALabelCannotClaimAnotherNamespacesName) {
  LabelSelector system({{"kubernetes.io/metadata.name", Operator::kIn, {"kube-system"}}});
  Labels forged = {{"kubernetes.io/metadata.name", "kube-system"}};
  EXPECT_FALSE(system.Matches(forged, {{"kubernetes.io/metadata.name", "team-a"}}).value());
}

}  // namespace
}  // namespace gatehouse::policy
