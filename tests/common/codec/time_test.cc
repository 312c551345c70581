#include "common/codec/time.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/common/base/outcome.h"

namespace gatehouse::codec {
namespace {

WallTime At(std::int64_t milliseconds) {
  return WallTime(Duration(milliseconds));
}

TEST(Time, Parse) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"2026-11-21T20:40:36Z", 1'795'293'636'000},
      {"2026-11-21T20:40:36.5Z", 1'795'293'636'500},
      {"2026-11-21T20:40:36.05Z", 1'795'293'636'050},
      {"2026-11-21T20:40:36.123456789Z", 1'795'293'636'123},
      {"2026-11-21T20:40:36.000999Z", 1'795'293'636'000},
      {"2026-11-21T22:10:36+01:30", 1'795'293'636'000},
      {"2026-11-21T14:40:36-06:00", 1'795'293'636'000},
      {"2026-11-21T20:40:36+00:00", 1'795'293'636'000},
      {"2026-11-21T20:40:36-00:00", 1'795'293'636'000},
      {"2026-11-22T20:39:36+23:59", 1'795'293'636'000},
      {"2026-11-21t20:40:36z", 1'795'293'636'000},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000},
      {"2000-02-29T23:59:59.999Z", 951'868'799'999},
      {"1969-12-31T23:59:59.999Z", -1},
      {"0000-01-01T00:00:00Z", -62'167'219'200'000},
      {"9999-12-31T23:59:59.999Z", 253'402'300'799'999},
  };
  for (const auto& [text, milliseconds] : cases) {
    auto time = ParseTime(text);
    ASSERT_EQ(Explain(time), "ok") << text;
    EXPECT_EQ(time->time_since_epoch().count(), milliseconds) << text;
  }
}

TEST(Time, ParseRefuses) {
  const std::pair<const char*, const char*> cases[] = {
      {"Empty", ""},
      {"DateOnly", "2026-11-21"},
      {"NoOffset", "2026-11-21T20:40:36"},
      {"SpaceForT", "2026-11-21 20:40:36Z"},
      {"NoSeconds", "2026-11-21T20:40Z"},
      {"BasicFormat", "20261121T204036Z"},
      {"LeapSecond", "2016-12-31T23:59:60Z"},
      {"Second61", "2026-11-21T20:40:61Z"},
      {"Minute60", "2026-11-21T20:60:36Z"},
      {"Hour24", "2026-11-21T24:00:00Z"},
      {"Month0", "2026-00-21T20:40:36Z"},
      {"Month13", "2026-13-21T20:40:36Z"},
      {"Day0", "2026-11-00T20:40:36Z"},
      {"Day32", "2026-12-32T20:40:36Z"},
      {"ThirtyFirstOfNovember", "2026-11-31T20:40:36Z"},
      {"LeapDayOfACommonYear", "2026-02-29T20:40:36Z"},
      {"LeapDayOf1900", "1900-02-29T20:40:36Z"},
      {"FiveDigitYear", "12026-11-21T20:40:36Z"},
      {"TwoDigitYear", "26-11-21T20:40:36Z"},
      {"NegativeYear", "-2026-11-21T20:40:36Z"},
      {"OneDigitMonth", "2026-1-21T20:40:36Z"},
      {"OneDigitHour", "2026-11-21T2:40:36Z"},
      {"SignedMonth", "2026-+1-21T20:40:36Z"},
      {"EmptyFraction", "2026-11-21T20:40:36.Z"},
      {"CommaFraction", "2026-11-21T20:40:36,5Z"},
      {"OffsetWithoutColon", "2026-11-21T20:40:36+0130"},
      {"OffsetHourOnly", "2026-11-21T20:40:36+01"},
      {"OffsetHour24", "2026-11-21T20:40:36+24:00"},
      {"OffsetMinute60", "2026-11-21T20:40:36+01:60"},
      {"ZoneName", "2026-11-21T20:40:36UTC"},
      {"LeadingSpace", " 2026-11-21T20:40:36Z"},
      {"TrailingSpace", "2026-11-21T20:40:36Z "},
      {"TrailingNewline", "2026-11-21T20:40:36Z\n"},
      {"TwoZ", "2026-11-21T20:40:36ZZ"},
      {"ZAndOffset", "2026-11-21T20:40:36Z+01:00"},
      {"Letters", "2026-11-21Txx:40:36Z"},
      {"EpochSeconds", "1795293636"},
      {"BeforeTheYear0InUtc", "0000-01-01T00:00:00+00:01"},
      {"AfterTheYear9999InUtc", "9999-12-31T23:59:59-00:01"},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(Outcome(ParseTime(text)), "encoding-malformed") << name;
  EXPECT_EQ(Explain(ParseTime("soon\x1b")),
            "'soon\\x1b' is not an RFC 3339 time such as 2026-11-21T20:40:36Z [encoding-malformed]");
}

TEST(Time, EveryTruncationIsRefused) {
  std::string text = "2026-11-21T20:40:36.123+01:30";
  ASSERT_EQ(Explain(ParseTime(text)), "ok");
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(Outcome(ParseTime(text.substr(0, size))), "encoding-malformed") << size;
  }
}

TEST(Time, Format) {
  EXPECT_EQ(FormatTime(At(0)), "1970-01-01T00:00:00Z");
  EXPECT_EQ(FormatTime(At(1'795'293'636'000)), "2026-11-21T20:40:36Z");
  EXPECT_EQ(FormatTime(At(1'795'293'636'007)), "2026-11-21T20:40:36.007Z");
  EXPECT_EQ(FormatTime(At(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(FormatTime(At(-62'167'219'200'000)), "0000-01-01T00:00:00Z");
}

TEST(Time, ParsingIsTheInverseOfFormatting) {
  std::mt19937_64 random(7);
  std::uniform_int_distribution<std::int64_t> range(-62'167'219'200'000, 253'402'300'799'999);
  for (int i = 0; i < 20'000; ++i) {
    WallTime time = At(range(random));
    ASSERT_EQ(ParseTime(FormatTime(time)).value(), time);
  }
}

TEST(Duration, Parse) {
  const std::pair<const char*, std::int64_t> cases[] = {
      {"0", 0},
      {"0s", 0},
      {"90s", 90'000},
      {"250ms", 250},
      {"1h30m", 5'400'000},
      {"1.5s", 1500},
      {"1.5h", 5'400'000},
      {".5s", 500},
      {"5.s", 5000},
      {"0.001s", 1},
      {"1.0000000s", 1000},
      {"1h1m1s1ms", 3'661'001},
      {"30m1h", 5'400'000},
      {"1s1s", 2000},
      {"0001s", 1000},
      {"2562047h47m16.854s", 9'223'372'036'854},
      {"9223372036854ms", 9'223'372'036'854},
  };
  for (const auto& [text, milliseconds] : cases) {
    auto duration = ParseDuration(text);
    ASSERT_EQ(Explain(duration), "ok") << text;
    EXPECT_EQ(duration->count(), milliseconds) << text;
  }
}

TEST(Duration, ParseRefuses) {
  const std::pair<const char*, const char*> cases[] = {
      {"Empty", ""},
      {"NoUnit", "90"},
      {"NoUnitAtTheEnd", "1h30"},
      {"NoNumber", "s"},
      {"OnlyPoint", ".s"},
      {"TwoPoints", "1..5s"},
      {"Negative", "-1s"},
      {"Plus", "+1s"},
      {"Days", "1d"},
      {"Microseconds", "1us"},
      {"Nanoseconds", "1ns"},
      {"UpperCase", "1S"},
      {"Words", "1 second"},
      {"Space", "1h 30m"},
      {"LeadingSpace", " 1s"},
      {"TrailingSpace", "1s "},
      {"Exponent", "1e3s"},
      {"Comma", "1,5s"},
      {"LessThanAMillisecond", "0.5ms"},
      {"FractionOfAMillisecond", "1.0005s"},
      {"OneBeyondTheLongest", "9223372036855ms"},
      {"TooManyHours", "2562048h"},
      {"SumTooLong", "2562047h2562047h"},
      {"ManyDigits", "99999999999999999999s"},
      {"ManyFractionDigits", "1.00000000000000000000s"},
      {"Infinity", "infs"},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(Outcome(ParseDuration(text)), "encoding-malformed") << name;
}

TEST(Duration, Format) {
  const std::pair<std::int64_t, const char*> cases[] = {
      {0, "0s"},
      {1, "1ms"},
      {999, "999ms"},
      {1000, "1s"},
      {1500, "1.5s"},
      {1050, "1.05s"},
      {60'000, "1m0s"},
      {90'000, "1m30s"},
      {3'600'000, "1h0m0s"},
      {5'400'250, "1h30m0.25s"},
      {-1500, "-1.5s"},
      {90'000'000, "25h0m0s"},
  };
  for (const auto& [milliseconds, text] : cases) EXPECT_EQ(FormatDuration(gatehouse::Duration(milliseconds)), text);
}

TEST(Duration, ParsingIsTheInverseOfFormatting) {
  std::mt19937_64 random(7);
  for (std::int64_t most : {2000LL, 10'000'000LL, 9'223'372'036'854LL}) {
    std::uniform_int_distribution<std::int64_t> range(0, most);
    for (int i = 0; i < 5000; ++i) {
      gatehouse::Duration duration(range(random));
      ASSERT_EQ(ParseDuration(FormatDuration(duration)).value(), duration);
    }
  }
}

}  // namespace
}  // namespace gatehouse::codec
