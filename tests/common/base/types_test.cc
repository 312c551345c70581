#include "common/base/types.h"

#include <gtest/gtest.h>

#include <unordered_set>

#include "common/base/encoding.h"
#include "tests/common/base/outcome.h"

namespace gatehouse {
namespace {

std::string Hex(std::size_t bytes) {
  return EncodeHex(Bytes(bytes, 0xab));
}

TEST(HashAlgorithm, NamesAndSizes) {
  const struct {
    HashAlgorithm algorithm;
    std::string_view name;
    std::size_t size;
  } cases[] = {{HashAlgorithm::kSha1, "sha1", 20},
               {HashAlgorithm::kSha256, "sha256", 32},
               {HashAlgorithm::kSha384, "sha384", 48},
               {HashAlgorithm::kSha512, "sha512", 64}};
  for (const auto& test : cases) {
    EXPECT_EQ(Name(test.algorithm), test.name);
    EXPECT_EQ(DigestSize(test.algorithm), test.size);
    EXPECT_EQ(ParseHashAlgorithm(test.name).value(), test.algorithm);
  }
  for (const char* name : {"", "md5", "SHA256", "sha-256", "sha256 ", "sha2"}) {
    EXPECT_EQ(Outcome(ParseHashAlgorithm(name)), "digest-malformed") << name;
  }
}

TEST(Digest, ReadsWhatOciWrites) {
  for (const auto& [name, size] : {std::pair{"sha256", 32}, {"sha384", 48}, {"sha512", 64}}) {
    std::string text = std::string(name) + ":" + Hex(static_cast<std::size_t>(size));
    auto digest = Digest::Parse(text);
    ASSERT_EQ(Explain(digest), "ok");
    EXPECT_EQ(digest->text(), text);
    EXPECT_EQ(digest->hex(), Hex(static_cast<std::size_t>(size)));
    EXPECT_EQ(Name(digest->algorithm()), name);
    EXPECT_EQ(Digest::Make(digest->algorithm(), Bytes(static_cast<std::size_t>(size), 0xab)).value(), *digest);
  }
}

TEST(Digest, RefusesEveryOtherForm) {
  const std::pair<const char*, std::string> cases[] = {
      {"Empty", ""},
      {"NoAlgorithm", Hex(32)},
      {"NoHex", "sha256:"},
      {"OneDigitTooFew", "sha256:" + Hex(32).substr(1)},
      {"OneByteTooFew", "sha256:" + Hex(31)},
      {"OneByteTooMany", "sha256:" + Hex(33)},
      {"HexOfAnotherAlgorithm", "sha256:" + Hex(64)},
      {"UpperCaseHex", "sha256:" + Hex(31) + "AB"},
      {"UpperCaseAlgorithm", "SHA256:" + Hex(32)},
      {"Sha1", "sha1:" + Hex(20)},
      {"Md5", "md5:" + Hex(16)},
      {"LeadingSpace", " sha256:" + Hex(32)},
      {"TrailingNewline", "sha256:" + Hex(32) + "\n"},
      {"TwoColons", "sha256::" + Hex(32)},
      {"Prefixed", "x@sha256:" + Hex(32)},
      {"Dash", "sha256-" + Hex(32)},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(Outcome(Digest::Parse(text)), "digest-malformed") << name;
}

TEST(Digest, EveryTruncationIsRefused) {
  std::string text = "sha256:" + Hex(32);
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(Outcome(Digest::Parse(text.substr(0, size))), "digest-malformed") << size;
  }
}

TEST(Digest, MakeRefusesAnotherSizeAndSha1) {
  EXPECT_EQ(Outcome(Digest::Make(HashAlgorithm::kSha256, Bytes(31))), "digest-malformed");
  EXPECT_EQ(Outcome(Digest::Make(HashAlgorithm::kSha256, Bytes(48))), "digest-malformed");
  EXPECT_EQ(Outcome(Digest::Make(HashAlgorithm::kSha1, Bytes(20))), "digest-malformed");
}

TEST(Digest, IsAKey) {
  auto a = Digest::Make(HashAlgorithm::kSha256, Bytes(32, 1)).value();
  auto b = Digest::Make(HashAlgorithm::kSha256, Bytes(32, 2)).value();
  EXPECT_LT(a, b);
  EXPECT_NE(a, b);
  std::unordered_set<Digest> set{a, b, a};
  EXPECT_EQ(set.size(), 2U);
}

TEST(NodeName, AcceptsSubdomains) {
  std::string longest = std::string(253, 'a');
  for (const std::string& name :
       {std::string("n"), std::string("node-1"), std::string("ip-10-0-0-1.eu-west-1.compute.internal"),
        std::string("1"), std::string("a.b.c"), std::string("a--b"), longest}) {
    auto node = NodeName::Parse(name);
    ASSERT_EQ(Explain(node), "ok");
    EXPECT_EQ(node->text(), name);
  }
}

TEST(NodeName, RefusesEveryOtherForm) {
  const std::pair<const char*, std::string> cases[] = {
      {"Empty", ""},
      {"UpperCase", "Node"},
      {"LeadingDash", "-a"},
      {"TrailingDash", "a-"},
      {"LeadingDot", ".a"},
      {"TrailingDot", "a."},
      {"TwoDots", "a..b"},
      {"DashBeforeDot", "a-.b"},
      {"DashAfterDot", "a.-b"},
      {"Underscore", "a_b"},
      {"Slash", "a/b"},
      {"Space", "a b"},
      {"Newline", "a\n"},
      {"NotAscii", "n\xc3\xb6"},
      {"Nul", std::string("a\0b", 3)},
      {"OnlyDot", "."},
      {"OnlyDash", "-"},
      {"Wildcard", "*"},
      {"TooLong", std::string(254, 'a')},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(Outcome(NodeName::Parse(text)), "message-malformed") << name;
}

TEST(NodeName, ErrorShowsNoControlCharacters) {
  EXPECT_EQ(NodeName::Parse("a\x1b[2J").error().detail, "'a\\x1b[2J' is not a node name (RFC 1123 subdomain)");
}

}  // namespace
}  // namespace gatehouse
