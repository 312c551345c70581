#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/limits.h"
#include "common/policy/match.h"

namespace gatehouse::policy {
namespace {

using ::testing::HasSubstr;

bool Matches(const std::string& pattern, const std::string& text) {
  auto glob = Glob::Parse(pattern);
  EXPECT_TRUE(glob.ok()) << pattern;
  return glob.ok() && glob->Matches(text);
}

TEST(Glob, MatchesTheWholeText) {
  struct Case {
    std::string pattern;
    std::string text;
    bool matches;
  };
  const Case kCases[] = {
      {"a", "a", true},
      {"a", "", false},
      {"a", "ab", false},
      {"a", "ba", false},
      {"*", "", true},
      {"*", "abc", true},
      {"*", "a/c", false},
      {"**", "", true},
      {"**", "a/b/c", true},
      {"a/**", "a/", true},
      {"a/**", "a/b/c", true},
      {"a/**", "a", false},
      {"a/**", "b/a/c", false},
      {"a/*", "a/b", true},
      {"a/*", "a/b/c", false},
      {"a/*/c", "a/b/c", true},
      {"a/*/c", "a//c", true},
      {"a/*/c", "a/b/b/c", false},
      {"a/**/c", "a/b/b/c", true},
      {"a/**/c", "a/c", false},
      {"*-a*", "x-a", true},
      {"*-a*", "x-b-a-c", true},
      {"*-a*", "xa", false},
      {"a**b*c", "a/x/b-c", true},
      {"a**b*c", "a/x/b/c", false},
      {"a**b*c", "a/b/b/bc", true},
      {"worker-*.example", "worker-1.example", true},
      {"worker-*.example", "worker-1xexample", false},
      {"a.b", "axb", false},
      {"a+", "aa", false},
      {"^a$", "a", false},
      {"a|b", "a", false},
      {"(a)", "a", false},
  };
  for (const Case& c : kCases) EXPECT_EQ(Matches(c.pattern, c.text), c.matches) << c.pattern << " and " << c.text;
}

// The definition, word by word, without any thought of time.
bool Defined(const std::vector<std::string>& tokens, std::size_t at, std::string_view text) {
  if (at == tokens.size()) return text.empty();
  const std::string& token = tokens[at];
  if (token == "*" || token == "**") {
    for (std::size_t taken = 0;; ++taken) {
      if (Defined(tokens, at + 1, text.substr(taken))) return true;
      if (taken == text.size() || (token == "*" && text[taken] == '/')) return false;
    }
  }
  return text.starts_with(token) && Defined(tokens, at + 1, text.substr(token.size()));
}

// Every sequence of at most `length` of the pieces.
std::vector<std::vector<std::string>> Sequences(const std::vector<std::string>& pieces, std::size_t length) {
  std::vector<std::vector<std::string>> all = {{}};
  for (std::size_t begin = 0, round = 0; round < length; ++round) {
    std::size_t end = all.size();
    for (; begin < end; ++begin) {
      for (const std::string& piece : pieces) {
        all.push_back(all[begin]);
        all.back().push_back(piece);
      }
    }
  }
  return all;
}

std::string Join(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces) text += piece;
  return text;
}

// Two together read as another one, or are refused.
bool HasAdjacentWildcards(const std::vector<std::string>& tokens) {
  auto both = [](const std::string& a, const std::string& b) { return a[0] == '*' && b[0] == '*'; };
  return std::adjacent_find(tokens.begin(), tokens.end(), both) != tokens.end();
}

TEST(Glob, AgreesWithItsDefinitionOnEverySmallCase) {
  auto texts = Sequences({"a", "b", "/"}, 5);
  for (const auto& tokens : Sequences({"a", "/", "*", "**"}, 5)) {
    std::string pattern = Join(tokens);
    if (pattern.empty() || HasAdjacentWildcards(tokens)) continue;
    auto glob = Glob::Parse(pattern);
    ASSERT_TRUE(glob.ok()) << pattern;
    for (const auto& pieces : texts) {
      std::string text = Join(pieces);
      ASSERT_EQ(glob->Matches(text), Defined(tokens, 0, text)) << pattern << " and " << text;
    }
  }
}

TEST(Glob, ALiteralPatternMatchesOnlyItself) {
  const std::string kText = "registry.example:5000/team/app:v1@sha256:0123";
  EXPECT_TRUE(Matches(kText, kText));
  for (std::size_t i = 0; i < kText.size(); ++i) {
    std::string other = kText;
    other[i] = other[i] == 'x' ? 'y' : 'x';
    EXPECT_FALSE(Matches(kText, other)) << i;
    EXPECT_FALSE(Matches(kText, kText.substr(0, i))) << i;
  }
}

TEST(Glob, ManyWildcardsTakeNoMoreThanTheProductOfTheLengths) {
  // With backtracking each of these would outlast the machine.
  std::string pattern;
  for (int i = 0; i < 100; ++i) pattern += "*a";
  EXPECT_FALSE(Matches(pattern + "b", std::string(4096, 'a')));
  pattern.clear();
  for (int i = 0; i < 100; ++i) pattern += "**a*a";
  EXPECT_FALSE(Matches(pattern + "b", std::string(4096, 'a')));
  EXPECT_TRUE(Matches(pattern, std::string(4096, 'a')));
}

TEST(Glob, RefusedWithWhatToWriteInstead) {
  const std::pair<std::string, std::string> kCases[] = {
      {"", "write **"},
      {"a?", "'?'"},
      {"[ab]", "'['"},
      {"a]", "']'"},
      {"{a,b}", "one glob for each alternative"},
      {"a}", "'}'"},
      {"a\\*", "'\\'"},
      {"***", "write **"},
      {"a b", "space"},
      {"a\tb", "space"},
      {"a\n", "space"},
      {std::string("a\0b", 3), "space"},
      {"\x7f", "ASCII"},
      {"\xC3\xA9", "ASCII"},
      {std::string(limits::kGlobBytes + 1, 'a'), "more than 1024 characters"},
  };
  for (const auto& [pattern, wanted] : kCases) {
    auto glob = Glob::Parse(pattern);
    ASSERT_FALSE(glob.ok()) << pattern;
    EXPECT_EQ(glob.error().reason, Reason::kPolicyInvalid);
    EXPECT_THAT(glob.error().detail, HasSubstr(wanted)) << pattern;
  }
  EXPECT_TRUE(Glob::Parse(std::string(limits::kGlobBytes, 'a')).ok());
  EXPECT_TRUE(Matches(std::string(limits::kGlobBytes - 2, 'a') + "**", std::string(limits::kGlobBytes, 'a')));
}

// --- image globs

const std::string kHex(64, 'c');

bool MatchesImage(const std::string& pattern, const std::string& image) {
  auto glob = ImageGlob::Parse(pattern);
  EXPECT_TRUE(glob.ok()) << pattern << (glob.ok() ? "" : ": " + glob.error().detail);
  auto reference = image::Reference::Parse(image);
  EXPECT_TRUE(reference.ok()) << image;
  return glob.ok() && reference.ok() && glob->Matches(*reference);
}

TEST(ImageGlob, TriesNameTagAndDigest) {
  struct Case {
    std::string pattern;
    std::string image;
    bool matches;
  };
  const std::string kDigest = "@sha256:" + kHex;
  const Case kCases[] = {
      {"**", "nginx", true},
      {"**", "registry.example:5000/a/b:c" + kDigest, true},
      {"registry.example/app", "registry.example/app", true},
      {"registry.example/app", "registry.example/app:v1", true},
      {"registry.example/app", "registry.example/app" + kDigest, true},
      {"registry.example/app", "registry.example/app:v1" + kDigest, true},
      {"registry.example/app", "registry.example/app2", false},
      // Other spellings of the same registry.
      {"registry.example/app", "registry.example:443/app", true},
      {"registry.example:443/app", "registry.example:443/app", true},
      {"registry.example:443/app", "registry.example/app", false},
      {"registry.example/app", "registry.example:8443/app", false},
      {"docker.io/library/nginx", "registry-1.docker.io/library/nginx", true},
      {"docker.io/library/nginx", "docker.io:443/library/nginx", true},
      {"registry.example/app", "registry.example/app/x", false},
      {"registry.example/app:v1", "registry.example/app:v1", true},
      {"registry.example/app:v1", "registry.example/app:v2", false},
      {"registry.example/app:v*", "registry.example/app:v2", true},
      {"registry.example/app:latest", "registry.example/app", true},
      {"registry.example/app:latest", "registry.example/app" + kDigest, false},
      {"registry.example/app" + kDigest, "registry.example/app" + kDigest, true},
      {"registry.example/app" + kDigest, "registry.example/app:v1" + kDigest, true},
      {"registry.example/app" + kDigest, "registry.example/app", false},
      {"registry.example/app@sha256:*", "registry.example/app:v1" + kDigest, true},
      {"registry.example/app:v1" + kDigest, "registry.example/app:v1" + kDigest, true},
      {"registry.example/app:v1" + kDigest, "registry.example/app:v2" + kDigest, false},
      {"registry.example/*", "registry.example/app:v1", true},
      {"registry.example/*", "registry.example/team/app", false},
      {"registry.example/**", "registry.example/team/app", true},
      {"registry.example/*/app", "registry.example/team/app", true},
      {"registry.example:*/app", "registry.example:5000/app", true},
      {"registry.example:*/app", "registry.example/app", false},
      {"registry.example/app", "registry.example:5000/app", false},
      {"localhost/x", "localhost/x", true},
      {"localhost:5000/x", "localhost:5000/x", true},
      {"*/team/app", "any.example/team/app", true},
      {"docker.io/library/*", "nginx", true},
      {"docker.io/**", "bitnami/redis", true},
  };
  for (const Case& c : kCases)
    EXPECT_EQ(MatchesImage(c.pattern, c.image), c.matches) << c.pattern << " and " << c.image;
}

TEST(ImageGlob, RefusedWithWhatToWriteInstead) {
  const std::pair<std::string, std::string> kCases[] = {
      {"nginx*", "write docker.io/library/nginx*"},
      {"nginx", "write docker.io/library/nginx"},
      {"registry.example", "or registry.example/**"},
      {"*", "write **"},
      {"library/nginx", "write docker.io/library/nginx"},
      {"team/**", "write docker.io/team/**"},
      {"lib*/nginx", "does not name a registry"},
      {"/nginx", "does not name a registry"},
      {"docker.io/nginx", "docker.io/library/nginx"},
      {"docker.io/*", "docker.io/library/*"},
      {"index.docker.io/nginx", "docker.io/library/nginx"},
      {"**/app", "holds ** in its registry"},
      {"**.example/app", "holds ** in its registry"},
      {"registry.example*/app", "host of somebody else"},
      {"10.0.0.*/app", "host of somebody else"},
      {"registry.example_/app", "no registry's name"},
      {"registry.example/", "write registry.example/**"},
      {"registry.example//app", "empty path component"},
      {"registry.example/app/", "empty path component"},
      {"registry.example/App", "lower case"},
      {"registry.example/a+b", "no repository's name"},
      {"registry.example/app:", "tag"},
      {"registry.example/app:a/b", "tag"},
      {"registry.example/app:a:b", "tag"},
      {"registry.example/app@", "digest"},
      {"registry.example/app@sha256:ABC", "digest"},
      {"registry.example/app@sha256:a@b", "digest"},
      {"user@registry.example/app", "does not name a registry"},
      {"registry.example/[ab]", "'['"},
      {"[::1]:5000/app", "'['"},
      {"", "write **"},
  };
  for (const auto& [pattern, wanted] : kCases) {
    auto glob = ImageGlob::Parse(pattern);
    ASSERT_FALSE(glob.ok()) << pattern;
    EXPECT_EQ(glob.error().reason, Reason::kPolicyInvalid);
    EXPECT_THAT(glob.error().detail, HasSubstr(wanted)) << pattern;
  }
}

TEST(Adversarial_N1, OneImageUnderAllItsNames) {
  for (const char* pattern :
       {"docker.io/library/nginx", "index.docker.io/library/nginx", "Docker.IO/library/nginx", "docker.io/library/*"}) {
    for (const char* image : {"nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx",
                              "index.docker.io/library/nginx", "Docker.IO/library/nginx"}) {
      EXPECT_TRUE(MatchesImage(pattern, image)) << pattern << " and " << image;
    }
  }
  EXPECT_EQ(ImageGlob::Parse("Index.Docker.IO/library/nginx")->pattern(), "docker.io/library/nginx");
}

TEST(Adversarial_N3, TagAndDigestAreBothSeen) {
  std::string image = "registry.example/app:v1@sha256:" + kHex;
  EXPECT_TRUE(MatchesImage("registry.example/app:v1", image));
  EXPECT_TRUE(MatchesImage("registry.example/app@sha256:" + kHex, image));
  EXPECT_TRUE(MatchesImage("registry.example/app:v1@sha256:" + kHex, image));
  EXPECT_FALSE(MatchesImage("registry.example/app@sha256:" + std::string(64, 'd'), image));
}

TEST(Adversarial_N5, GlobsAreAnchored) {
  struct Case {
    std::string pattern;
    std::string image;
  };
  const Case kCases[] = {
      {"*.trusted.com/*", "attacker.com/trusted.com/x"},
      {"*.trusted.com/*", "attacker.com/a.trusted.com/x"},
      {"*.trusted.com/**", "attacker.com/a.trusted.com/x"},
      {"trusted.com/*", "trusted.com.evil/x"},
      {"trusted.com/*", "evil-trusted.com/x"},
      {"trusted.com/**", "evil.com/trusted.com/x"},
      {"trusted.com/app", "trusted.com/app-evil"},
      {"trusted.com/app", "trusted.com/evil/app"},
      {"trusted.com:*/app", "trusted.com.evil:5000/app"},
      {"*.trusted.com/x", "trusted.com/x"},
      {"trusted.com/x", "trusted-com/x"},
      {"trusted.com/team/*", "trusted.com/team/sub/x"},
  };
  for (const Case& c : kCases) EXPECT_FALSE(MatchesImage(c.pattern, c.image)) << c.pattern << " and " << c.image;
  EXPECT_TRUE(MatchesImage("*.trusted.com/*", "a.trusted.com/x"));
}

}  // namespace
}  // namespace gatehouse::policy
