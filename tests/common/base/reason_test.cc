#include "common/base/reason.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace gatehouse {
namespace {

TEST(Reasons, TokensAreUniqueAndPlain) {
  std::set<std::string_view> tokens;
  for (const ReasonInfo& info : AllReasons()) {
    EXPECT_TRUE(tokens.insert(info.token).second) << info.token;
    EXPECT_FALSE(info.token.empty());
    for (char c : info.token) EXPECT_TRUE((c >= 'a' && c <= 'z') || c == '-') << info.token;
  }
}

TEST(Reasons, SentencesAreSentences) {
  std::set<std::string_view> sentences;
  for (const ReasonInfo& info : AllReasons()) {
    ASSERT_GT(info.sentence.size(), 10U) << info.token;
    EXPECT_TRUE(info.sentence.ends_with('.')) << info.token;
    EXPECT_TRUE(info.sentence[0] >= 'A' && info.sentence[0] <= 'Z') << info.token;
    EXPECT_TRUE(sentences.insert(info.sentence).second) << info.token;
  }
}

TEST(Reasons, AreSortedByClassThenToken) {
  auto before = [](const ReasonInfo& a, const ReasonInfo& b) {
    return a.reason_class != b.reason_class ? a.reason_class < b.reason_class : a.token < b.token;
  };
  auto reasons = AllReasons();
  auto unsorted = std::is_sorted_until(reasons.begin(), reasons.end(), before);
  EXPECT_EQ(unsorted, reasons.end()) << "reasons.def: move " << unsorted->token << " up";
}

TEST(Reasons, LookUpsAgree) {
  auto reasons = AllReasons();
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    const ReasonInfo& info = reasons[i];
    EXPECT_EQ(static_cast<std::size_t>(info.reason), i);
    EXPECT_EQ(Token(info.reason), info.token);
    EXPECT_EQ(Sentence(info.reason), info.sentence);
    EXPECT_EQ(ClassOf(info.reason), info.reason_class);
    EXPECT_EQ(ReasonFromToken(info.token), info.reason);
  }
  EXPECT_EQ(ReasonFromToken(""), std::nullopt);
  EXPECT_EQ(ReasonFromToken("usage "), std::nullopt);
  EXPECT_EQ(ReasonFromToken("Usage"), std::nullopt);
}

// Tokens are what operators alert on and what policies relax by class: a change shows as a diff of the golden file.
TEST(Reasons, TokensAndClassesAreThoseOfTheGoldenFile) {
  std::string actual;
  for (const ReasonInfo& info : AllReasons()) {
    actual.append(Token(info.reason_class)).append(" ").append(info.token).append("\n");
  }
  std::string path = GATEHOUSE_SOURCE_DIR "/tests/common/base/reasons.golden";
  std::ifstream stream(path);
  std::string golden{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  EXPECT_EQ(actual, golden) << "if the change is meant, update " << path;
}

}  // namespace
}  // namespace gatehouse
