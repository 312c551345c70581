#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/policy/match.h"

namespace gatehouse::policy {
namespace {

using ::testing::HasSubstr;

TEST(TextMatcher, Matches) {
  enum class Form : std::uint8_t { kExact, kGlob, kRegex };
  struct Case {
    Form form;
    std::string pattern;
    std::string text;
    bool matches;
  };
  const Case kCases[] = {
      {Form::kExact, "a@example.com", "a@example.com", true},
      {Form::kExact, "a@example.com", "A@example.com", false},
      {Form::kExact, "a@example.com", "a@example.com\n", false},
      {Form::kExact, "a@example.com", std::string("a@example.com\0", 14), false},
      {Form::kExact, ".*", "a", false},
      {Form::kExact, "*", "a", false},
      {Form::kGlob, "*@example.com", "a@example.com", true},
      {Form::kGlob, "*@example.com", "a@example.com.evil", false},
      {Form::kGlob, "https://github.com/org/*", "https://github.com/org/app", true},
      {Form::kGlob, "https://github.com/org/*", "https://github.com/org/app/x", false},
      {Form::kGlob, "https://github.com/org/**", "https://github.com/org/app/x", true},
      {Form::kGlob, "https://*.example/a", "https://b.example/a", true},
      {Form::kGlob, "https://*.example/a", "https://evil.com/.example/a", false},
      {Form::kGlob, "https://host.example:*/a", "https://host.example:443/a", true},
      {Form::kGlob, "**", "anything at all", true},
      {Form::kGlob, "Release *", "Release build", true},
      {Form::kGlob, "Ünïcode *", "Ünïcode x", true},
      {Form::kRegex, "a.c", "abc", true},
      {Form::kRegex, "a.c", "abcd", false},
      {Form::kRegex, "a.c", "xabc", false},
      {Form::kRegex, "a|b", "ab", false},
      {Form::kRegex, "a|b", "b", true},
      {Form::kRegex, "^a$", "a", true},
      {Form::kRegex, "(?m)^a$", "a\nb", false},
      {Form::kRegex, "a.*", "a\nb", false},
      {Form::kRegex, "(?i)ABC", "abc", true},
      {Form::kRegex, "[a-z]+", "Abc", false},
      {Form::kRegex, "\\pL+", "Ünïcode", true},
      {Form::kRegex, "https://[a-z0-9.-]{1,255}/[A-Za-z0-9_.-]{1,255}", "https://host.example/" + std::string(255, 'a'),
       true},
  };
  for (const Case& c : kCases) {
    auto matcher = c.form == Form::kExact  ? TextMatcher::Exact(c.pattern)
                   : c.form == Form::kGlob ? TextMatcher::FromGlob(c.pattern)
                                           : TextMatcher::FromRegex(c.pattern);
    ASSERT_TRUE(matcher.ok()) << c.pattern;
    EXPECT_EQ(matcher->Matches(c.text), c.matches) << matcher->ToString() << " " << c.text;
  }
}

// CVE of this kind: policies of others search where authors believe that they compare.
TEST(Adversarial_B10, PatternsAreAnchoredAtBothEnds) {
  const std::string kMine = "https://github.com/org/app/.github/workflows/release.yml@refs/heads/main";
  const std::string kEvil[] = {
      "https://github.com/org-evil/app/.github/workflows/release.yml@refs/heads/main",
      "https://evil.example/?https://github.com/org/app/.github/workflows/release.yml@refs/heads/main",
      kMine + "-evil",
      "https://github.com.evil/org/app/.github/workflows/release.yml@refs/heads/main",
  };
  const TextMatcher kMatchers[] = {
      TextMatcher::Exact(kMine).value(),
      TextMatcher::FromGlob("https://github.com/org/*/.github/workflows/*@refs/heads/main").value(),
      TextMatcher::FromRegex("https://github\\.com/org/.*@refs/heads/main").value(),
  };
  for (const TextMatcher& matcher : kMatchers) {
    EXPECT_TRUE(matcher.Matches(kMine)) << matcher.ToString();
    for (const std::string& evil : kEvil) EXPECT_FALSE(matcher.Matches(evil)) << matcher.ToString() << " " << evil;
  }
  // What reads like a prefix is none.
  EXPECT_FALSE(TextMatcher::FromRegex("https://github.com/org/").value().Matches(kMine));
  EXPECT_FALSE(TextMatcher::FromRegex("github.com/org").value().Matches(kMine));
  EXPECT_FALSE(TextMatcher::FromGlob("https://github.com/org/").value().Matches(kMine));
}

TEST(TextMatcher, Refused) {
  struct Case {
    std::string pattern;
    std::string exact;  // the message; "" where it is accepted
    std::string glob;
    std::string regex;
  };
  const std::string kLong(limits::kPatternBytes + 1, 'a');
  const Case kCases[] = {
      {"", "is empty", "is empty", "is empty"},
      {"a\n", "control character", "control character", "control character"},
      {std::string("a\0b", 3), "control character", "control character", "control character"},
      {kLong, "more than 1024", "more than 1024", "more than 1024"},
      {"a?b", "", "holds '?'", ""},
      {"(a", "", "", "RE2"},
      {"a**", "", "", "RE2"},
      {"(a)\\1", "", "holds '\\'", "RE2"},
      {"(?=a)b", "", "holds '?'", "RE2"},
      {"((a{100}){100}){100}", "", "holds '{'", "RE2"},
      {"\\pL{25}", "", "holds '\\'", "RE2"},  // ten bytes that would cost 240 KiB
      {"https://**/a", "", "", "RE2"},
      {"https://a.**/a", "", "in its host", "RE2"},
      {"https://github.com*/org", "", "ends its host in *", ""},
      {"https://accounts.example*", "", "ends its host in *", ""},
  };
  for (const Case& c : kCases) {
    for (const auto& [result, wanted] : {std::pair(TextMatcher::Exact(c.pattern), c.exact),
                                         {TextMatcher::FromGlob(c.pattern), c.glob},
                                         {TextMatcher::FromRegex(c.pattern), c.regex}}) {
      EXPECT_EQ(result.ok(), wanted.empty()) << c.pattern;
      if (result.ok()) continue;
      EXPECT_EQ(result.error().reason, Reason::kPolicyInvalid);
      EXPECT_THAT(result.error().detail, HasSubstr(wanted));
    }
  }
}

TEST(TextMatcher, SaysWhatItIs) {
  EXPECT_EQ(TextMatcher::Exact("a").value().ToString(), "'a'");
  EXPECT_EQ(TextMatcher::FromGlob("a*").value().ToString(), "glob 'a*'");
  EXPECT_EQ(TextMatcher::FromRegex("a+").value().ToString(), "regex 'a+'");
}

// RE2 has no backtracking: what takes others for ever is quick.
TEST(TextMatcher, WorkIsBounded) {
  TextMatcher matcher = TextMatcher::FromRegex("(a*)*b").value();
  EXPECT_FALSE(matcher.Matches(std::string(100'000, 'a')));
}

}  // namespace
}  // namespace gatehouse::policy
