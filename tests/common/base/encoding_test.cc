#include "common/base/encoding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/common/base/outcome.h"

namespace gatehouse {
namespace {

struct Codec {
  const char* name;
  std::string (*encode)(BytesView);
  Result<Bytes> (*decode)(std::string_view);
  std::string_view
      alphabet;  // for the exhaustive test: digits at the edges of the ranges, and what must not pass for one
};

class EncodingTest : public testing::TestWithParam<Codec> {};

TEST_P(EncodingTest, DecodingIsTheInverseOfEncoding) {
  std::mt19937 random(20261121);
  for (std::size_t size = 0; size < 300; ++size) {
    Bytes bytes(size);
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
    auto decoded = GetParam().decode(GetParam().encode(bytes));
    ASSERT_EQ(Explain(decoded), "ok");
    EXPECT_EQ(*decoded, bytes);
  }
}

// Every text of up to four characters: what decodes is the one spelling of its bytes, and nothing that encodes is
// refused.
TEST_P(EncodingTest, EachByteStringHasOneSpelling) {
  std::string_view alphabet = GetParam().alphabet;
  std::size_t accepted = 0;
  for (std::size_t length = 0; length <= 4; ++length) {
    std::size_t combinations = 1;
    for (std::size_t i = 0; i < length; ++i) combinations *= alphabet.size();
    for (std::size_t index = 0; index < combinations; ++index) {
      std::string text;
      for (std::size_t i = 0, rest = index; i < length; ++i, rest /= alphabet.size()) {
        text += alphabet[rest % alphabet.size()];
      }
      auto decoded = GetParam().decode(text);
      if (!decoded.ok()) {
        EXPECT_EQ(decoded.error().reason, Reason::kEncodingMalformed);
        continue;
      }
      ++accepted;
      EXPECT_EQ(GetParam().encode(*decoded), text);
    }
  }
  EXPECT_GT(accepted, 100U);
}

INSTANTIATE_TEST_SUITE_P(All, EncodingTest,
                         testing::Values(Codec{"Hex", EncodeHex, DecodeHex, "0189abefABFgx \n-"},
                                         Codec{"Base64", EncodeBase64, DecodeBase64, "ABQgwZaz09+/=-_ \n."},
                                         Codec{"Base64Url", EncodeBase64Url, DecodeBase64Url, "ABQgwZaz09+/=-_ \n."}),
                         [](const auto& test) { return test.param.name; });

TEST(Base64, Rfc4648Section10) {
  const std::pair<std::string, std::string> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(EncodeBase64(AsBytes(plain)), encoded);
    EXPECT_EQ(DecodeBase64(encoded).value(), ToBytes(plain));
    std::string unpadded = encoded.substr(0, encoded.find('='));
    EXPECT_EQ(EncodeBase64Url(AsBytes(plain)), unpadded);
    EXPECT_EQ(DecodeBase64Url(unpadded).value(), ToBytes(plain));
  }
  EXPECT_EQ(EncodeBase64(Bytes{0xfb, 0xff}), "+/8=");
  EXPECT_EQ(EncodeBase64Url(Bytes{0xfb, 0xff}), "-_8");
}

// EVP_DecodeBlock of OpenSSL accepts most of these, which would give one value many spellings.
TEST(Base64, RefusesWhatOpenSslAccepts) {
  const std::pair<const char*, const char*> texts[] = {
      {"LeadingSpace", " Zm9v"},
      {"FourLeadingSpaces", "    Zm9v"},
      {"TrailingNewline", "Zm9v\n"},
      {"TrailingWhiteSpaceOfAGroup", "Zm9v \t\r\n"},
      {"InnerNewline", "Zm9v\nZm9v"},
      {"InnerSpaces", "Zm 9v"},
      {"NonZeroBitsBeforeTwoPads", "Zh=="},
      {"NonZeroBitsBeforeOnePad", "Zm9="},
      {"MissingPadding", "Zg"},
      {"HalfPadding", "Zg="},
      {"SurplusPadding", "Zm9v===="},
      {"PaddingInTheMiddle", "Zg==Zg=="},
      {"ThreePads", "Z==="},
      {"OnlyPads", "===="},
      {"UrlAlphabet", "-_8="},
      {"MinusEndsOpenSslInput", "Zm9v-AAA"},
      {"NotAscii", "Zm9\xc3\xa9"},
      {"HighByte", "Zm9\xff"},
  };
  for (const auto& [name, text] : texts) EXPECT_EQ(Outcome(DecodeBase64(text)), "encoding-malformed") << name;
  EXPECT_EQ(Outcome(DecodeBase64(std::string_view("Zm9\0", 4))), "encoding-malformed");
}

TEST(Base64Url, RefusesOtherSpellings) {
  const std::pair<const char*, const char*> texts[] = {
      {"Padded", "Zg=="},
      {"StandardAlphabet", "+/8"},
      {"ImpossibleLength", "Zm9vY"},
      {"NonZeroBits", "Zh"},
      {"NonZeroBitsOfThree", "Zm9"},
      {"Space", "Zm 9"},
      {"TrailingNewline", "Zm9v\n"},
      {"Dot", "Zm9.Zm9v"},
  };
  for (const auto& [name, text] : texts) EXPECT_EQ(Outcome(DecodeBase64Url(text)), "encoding-malformed") << name;
}

TEST(Hex, RefusesOtherSpellings) {
  EXPECT_EQ(EncodeHex(Bytes{0x00, 0xab, 0xff}), "00abff");
  for (const char* text : {"0", "000", "AB", "aB", "0x00", "g0", " 00", "00 ", "0\n", "zz", "\xff\xff"}) {
    EXPECT_EQ(Outcome(DecodeHex(text)), "encoding-malformed") << text;
  }
}

void AppendUtf8(std::string& text, std::uint32_t point) {
  auto put = [&](std::uint32_t byte) { text.push_back(static_cast<char>(static_cast<std::uint8_t>(byte))); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | (point >> 6));
  } else {
    if (point < 0x10000) {
      put(0xE0 | (point >> 12));
    } else {
      put(0xF0 | (point >> 18));
      put(0x80 | ((point >> 12) & 0x3F));
    }
    put(0x80 | ((point >> 6) & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

TEST(Utf8, AcceptsEveryScalarValueAndNoSurrogate) {
  for (std::uint32_t point = 0; point <= 0x10FFFF; ++point) {
    std::string text;
    AppendUtf8(text, point);
    bool surrogate = point >= 0xD800 && point <= 0xDFFF;
    ASSERT_EQ(IsUtf8(text), !surrogate) << point;
  }
}

// All sequences of one to three bytes, against the table: whatever is accepted is the encoding of something.
TEST(Utf8, AcceptsNothingElseInThreeBytes) {
  std::vector<bool> valid(1U << 24, false);
  auto mark = [&](const std::string& text) {
    std::uint32_t index = 0;
    for (char c : text) index = (index << 8) | static_cast<std::uint8_t>(c);
    valid[index] = true;
  };
  for (std::uint32_t point = 0x800; point < 0x10000; ++point) {
    std::string text;
    AppendUtf8(text, point);
    if (point < 0xD800 || point > 0xDFFF) mark(text);
  }
  for (std::uint32_t index = 0x800000; index < (1U << 24); ++index) {  // a first byte that is not ASCII
    char text[] = {static_cast<char>(index >> 16), static_cast<char>(index >> 8), static_cast<char>(index)};
    bool two_and_one =
        (index >> 16) >= 0xC2 && (index >> 16) <= 0xDF && ((index >> 8) & 0xC0) == 0x80 && (index & 0x80) == 0;
    ASSERT_EQ(IsUtf8({text, 3}), valid[index] || two_and_one) << index;
  }
}

TEST(Utf8, Table) {
  const struct {
    const char* name;
    std::string text;
    bool valid;
  } cases[] = {
      {"Empty", "", true},
      {"Ascii", "abc", true},
      {"Nul", std::string(1, '\0'), true},
      {"TwoBytes", "\xc3\xa9", true},
      {"ThreeBytes", "\xe2\x82\xac", true},
      {"FourBytes", "\xf0\x9f\x98\x80", true},
      {"Last", "\xf4\x8f\xbf\xbf", true},
      {"AboveTheLast", "\xf4\x90\x80\x80", false},
      {"FirstByteF5", "\xf5\x80\x80\x80", false},
      {"FiveBytes", "\xf8\x88\x80\x80\x80", false},
      {"LoneContinuation", "\x80", false},
      {"OverlongSlash", "\xc0\xaf", false},
      {"OverlongTwo", "\xc1\xbf", false},
      {"OverlongThree", "\xe0\x9f\xbf", false},
      {"OverlongFour", "\xf0\x8f\xbf\xbf", false},
      {"HighSurrogate", "\xed\xa0\x80", false},
      {"LowSurrogate", "\xed\xbf\xbf", false},
      {"CutTwo", "\xc3", false},
      {"CutThree", "\xe2\x82", false},
      {"CutFour", "\xf0\x9f\x98", false},
      {"BadContinuation", "\xe2\x28\xa1", false},
      {"Latin1", "caf\xe9", false},
      {"Ff", "\xff", false},
      {"AfterGoodText", "abc\xc3\xa9\xfe", false},
  };
  for (const auto& test : cases) EXPECT_EQ(IsUtf8(test.text), test.valid) << test.name;
}

TEST(Printable, Table) {
  const std::pair<std::string, std::string> cases[] = {
      {"plain text 'x'", "plain text 'x'"},
      {"caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
      {"a\nb\tc", "a\\x0ab\\x09c"},
      {"\x1b[31mred", "\\x1b[31mred"},
      {"\x7f", "\\x7f"},
      {"\\", "\\x5c"},
      {"\xff\xc3", "\\xff\\xc3"},
      {"\xc2\x85", "\\xc2\\x85"},  // U+0085, a line break to some terminals
      {std::string(1, '\0'), "\\x00"},
      {"", ""},
  };
  for (const auto& [text, shown] : cases) EXPECT_EQ(Printable(text), shown);
}

TEST(Printable, CutsBetweenCharacters) {
  EXPECT_EQ(Printable("abcdef", 6), "abcdef");
  EXPECT_EQ(Printable("abcdef", 5), "abcde...");
  EXPECT_EQ(Printable("ab\xe2\x82\xac", 4), "ab...");
  EXPECT_EQ(Printable("ab\n", 5), "ab...");
  EXPECT_EQ(Printable("abc", 0), "...");
  EXPECT_EQ(Printable(std::string(300, 'x')).size(), 256 + 3U);
}

// Whatever goes in, one line of plain UTF-8 comes out, and different texts are shown differently.
TEST(Printable, NeverShowsWhatATerminalWouldObey) {
  for (int high = 0; high < 256; ++high) {
    for (int low = 0; low < 256; ++low) {
      std::string text{static_cast<char>(high), static_cast<char>(low)};
      std::string shown = Printable(text);
      ASSERT_TRUE(IsUtf8(shown));
      for (char c : shown) ASSERT_TRUE((c < 0 || c >= 0x20) && c != 0x7F) << high << ' ' << low;
      ASSERT_FALSE(shown.size() == 2 && shown[0] == '\xc2' && static_cast<std::uint8_t>(shown[1]) < 0xA0);
    }
  }
  EXPECT_NE(Printable("\\x0a"), Printable("\n"));
}

}  // namespace
}  // namespace gatehouse
