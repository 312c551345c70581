#include "common/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <variant>

#include "common/base/clock.h"
#include "tests/common/base/outcome.h"

namespace gatehouse {
namespace {

Error Bad() {
  return {Reason::kJsonMalformed, "$.a", "is wrong"};
}

Result<int> Half(int value) {
  if (value % 2 != 0) return Bad();
  return value / 2;
}

Result<int> Quarter(int value) {
  ASSIGN_OR_RETURN(int half, Half(value));
  ASSIGN_OR_RETURN(auto quarter, Half(half));
  return quarter;
}

Status IsEven(int value) {
  RETURN_IF_ERROR(Half(value));
  return Ok();
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(Half(8).value(), 4);
  EXPECT_TRUE(Half(8));
  EXPECT_EQ(Half(7).error(), Bad());
  EXPECT_FALSE(Half(7).ok());
}

TEST(Result, MacrosReturnTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Outcome(Quarter(6)), "json-malformed");
  EXPECT_EQ(Outcome(Quarter(7)), "json-malformed");
  EXPECT_EQ(Outcome(IsEven(2)), "ok");
  EXPECT_EQ(Outcome(IsEven(3)), "json-malformed");
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
  auto make = [](bool good) -> Result<std::unique_ptr<int>> {
    if (!good) return Bad();
    return std::make_unique<int>(5);
  };
  auto take = [&](bool good) -> Result<int> {
    ASSIGN_OR_RETURN(std::unique_ptr<int> number, make(good));
    return *number;
  };
  EXPECT_EQ(*take(true), 5);
  EXPECT_EQ(Outcome(take(false)), "json-malformed");
}

// The value of an error is never read, in any build: the exception ends in a refusal at a wall.
TEST(Result, ValueOfAnErrorThrows) {
  auto bad = Half(7);
  EXPECT_THROW(static_cast<void>(bad.value()), std::bad_variant_access);
  EXPECT_THROW(static_cast<void>(*bad), std::bad_variant_access);
  auto good = Half(8);
  EXPECT_THROW(static_cast<void>(good.error()), std::bad_variant_access);
  EXPECT_THROW(static_cast<void>(Ok().error()), std::bad_optional_access);
}

TEST(Error, ReadsAsOneLine) {
  EXPECT_EQ(Bad().ToString(), "$.a: is wrong [json-malformed]");
  EXPECT_EQ((Error{Reason::kUsage, "", "no file"}.ToString()), "no file [usage]");
  EXPECT_EQ((Error{Reason::kUsage, "x", ""}.ToString()), "x: The command was called wrongly; see --help. [usage]");
}

TEST(Error, InPutsTheOuterPlaceFirst) {
  EXPECT_EQ(Bad().In("policy.yaml").where, "policy.yaml: $.a");
  EXPECT_EQ(Bad().In("policy.yaml").detail, "is wrong");
  EXPECT_EQ((Error{Reason::kUsage, "", "x"}.In("here").where), "here");
}

class FixedClock final : public Clock {
 public:
  [[nodiscard]] WallTime Wall() const override { return WallTime(Duration(0)); }
  [[nodiscard]] MonoTime Mono() const override { return now; }
  MonoTime now{};
};

TEST(Deadline, RunsDownAndNeverBelowZero) {
  FixedClock clock;
  Deadline deadline(clock, Duration(100));
  EXPECT_EQ(deadline.Remaining(), Duration(100));
  clock.now += Duration(99);
  EXPECT_FALSE(deadline.Passed());
  clock.now += Duration(1);
  EXPECT_TRUE(deadline.Passed());
  clock.now += Duration(50);
  EXPECT_EQ(deadline.Remaining(), Duration(0));
}

TEST(Deadline, SoonerIsTheEarlier) {
  FixedClock clock;
  Deadline deadline(clock, Duration(100));
  EXPECT_EQ(deadline.Sooner(Duration(40)).Remaining(), Duration(40));
  EXPECT_EQ(deadline.Sooner(Duration(400)).Remaining(), Duration(100));
}

}  // namespace
}  // namespace gatehouse
