#include "common/codec/json.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <tuple>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::codec {
namespace {

Result<JsonDocument> Parse(std::string_view text) {
  return JsonDocument::Parse(text, {.max_bytes = 64 * limits::kMiB});
}

// For tests that look into a valid document.
JsonDocument Read(std::string_view text) {
  auto document = Parse(text);
  EXPECT_EQ(Explain(document), "ok") << Printable(text);
  return std::move(document).value();
}

std::string Repeat(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

std::string Nested(std::size_t depth) {
  return Repeat("[", depth) + Repeat("]", depth);
}

// An object of `count` different keys, and `more` as further members.
std::string Object(std::size_t count, const std::string& more = "") {
  std::string text = "{";
  for (std::size_t i = 0; i < count; ++i)
    text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":" + std::to_string(i);
  return text + (count != 0 && !more.empty() ? "," : "") + more + "}";
}

TEST(JsonView, ReadsEveryKindOfValue) {
  JsonDocument document = Read(R"({"s":"x","n":-7,"f":1.5,"b":true,"z":null,"a":[1,"two"],"o":{"k":false}})");
  JsonView root = document.root();
  ASSERT_EQ(root.kind(), JsonView::Kind::kObject);
  EXPECT_EQ(root.size(), 7U);
  EXPECT_EQ(root.Find("s")->AsString(), "x");
  EXPECT_EQ(root.Find("n")->AsInt(), -7);
  EXPECT_EQ(root.Find("f")->AsDouble(), 1.5);
  EXPECT_EQ(root.Find("b")->AsBool(), true);
  EXPECT_TRUE(root.Find("z")->IsNull());
  JsonView array = *root.Find("a");
  ASSERT_TRUE(array.IsArray());
  ASSERT_EQ(array.size(), 2U);
  EXPECT_EQ(array.at(0).AsUint(), 1U);
  EXPECT_EQ(array.at(1).AsString(), "two");
  EXPECT_EQ(root.Find("o")->Find("k")->AsBool(), false);
}

TEST(JsonView, ReadsNothingAsAnotherKind) {
  JsonDocument document = Read(R"(["1",1,true,null,[],{}])");
  JsonView root = document.root();
  using Row = std::tuple<bool, bool, bool>;  // string, number, boolean
  const Row rows[] = {{true, false, false},  {false, true, false},  {false, false, true},
                      {false, false, false}, {false, false, false}, {false, false, false}};
  for (std::size_t i = 0; i < root.size(); ++i) {
    JsonView view = root.at(i);
    EXPECT_EQ((Row{view.AsString().has_value(), view.AsDouble().has_value(), view.AsBool().has_value()}), rows[i]) << i;
    EXPECT_EQ(view.AsInt().has_value(), view.AsDouble().has_value());
    EXPECT_EQ(view.AsUint().has_value(), view.AsDouble().has_value());
    EXPECT_FALSE(view.Find("x").has_value());
    EXPECT_EQ(view.size(), 0U);
  }
}

TEST(JsonView, MembersComeInDocumentOrder) {
  JsonDocument document = Read(R"({"b":1,"a":2,"":3})");
  EXPECT_EQ(document.root().member(0).key, "b");
  EXPECT_EQ(document.root().member(1).key, "a");
  EXPECT_EQ(document.root().member(2).key, "");
  EXPECT_EQ(document.root().member(2).value.AsInt(), 3);
  EXPECT_EQ(document.root().Serialize(), R"({"b":1,"a":2,"":3})");
}

TEST(JsonView, IndexBeyondTheEndThrowsInEveryBuild) {
  JsonDocument document = Read(R"({"a":[1]})");
  EXPECT_THROW(static_cast<void>(document.root().member(1)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(document.root().at(0)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(document.root().Find("a")->at(1)), std::out_of_range);
  EXPECT_THROW(static_cast<void>(document.root().Find("a")->member(0)), std::out_of_range);
}

TEST(JsonView, FindComparesWholeKeys) {
  JsonDocument document = Read(R"({"key":1,"ke\u0000":2})");
  EXPECT_EQ(document.root().Find("key")->AsInt(), 1);
  EXPECT_EQ(document.root().Find(std::string_view("ke\0", 3))->AsInt(), 2);
  for (const char* key : {"ke", "keyy", "Key", "KEY", " key", ""}) {
    EXPECT_FALSE(document.root().Find(key).has_value()) << key;
  }
}

TEST(JsonDocument, ViewsSurviveAMove) {
  JsonDocument document = Read(R"({"a":"short","b":"a string that is longer than any small buffer"})");
  JsonView a = *document.root().Find("a");
  JsonDocument moved = std::move(document);
  document = Read("1");
  EXPECT_EQ(a.AsString(), "short");
  EXPECT_EQ(moved.root().Find("b")->AsString(), "a string that is longer than any small buffer");
}

TEST(JsonDocument, TextMayGoAway) {
  auto text = std::make_unique<std::string>(R"({"key":["value",12.5]})");
  JsonDocument document = Read(*text);
  text->assign(text->size(), '#');
  text.reset();
  EXPECT_EQ(document.root().Serialize(), R"({"key":["value",12.5]})");
}

TEST(JsonDocument, SourceIsInTheError) {
  auto bad = JsonDocument::Parse("{", {.max_bytes = 10, .source = "config.json"});
  EXPECT_EQ(Explain(bad), "config.json: Missing a name for object member at byte 1 [json-malformed]");
  auto good = JsonDocument::Parse("{}", {.max_bytes = 10, .source = "config.json"});
  EXPECT_EQ(good->source(), "config.json");
  EXPECT_EQ(good->PositionOf(good->root()), "config.json");
  EXPECT_EQ(Read("{}").source(), "");
}

TEST(JsonParse, AcceptsWhatRfc8259Allows) {
  const struct {
    const char* name;
    std::string text;
    std::string serialized;
  } cases[] = {
      {"String", "\"x\"", "\"x\""},
      {"Number", "0", "0"},
      {"Null", "null", "null"},
      {"WhiteSpace", " \t\r\n[ 1 , 2 ]\n", "[1,2]"},
      {"Empty", "[{},[],\"\"]", "[{},[],\"\"]"},
      {"Escapes", R"("\"\\\/\b\f\n\r\t")", R"("\"\\/\b\f\n\r\t")"},
      {"EscapedLetter", R"("\u0041\u00e9\u20AC")", "\"A\xc3\xa9\xe2\x82\xac\""},
      {"SurrogatePair", R"("\ud83d\ude00")", "\"\xf0\x9f\x98\x80\""},
      {"HighestPair", R"("\udbff\udfff")", "\"\xf4\x8f\xbf\xbf\""},
      {"BesideSurrogates", R"("\ud7ff\ue000")", "\"\xed\x9f\xbf\xee\x80\x80\""},
      {"RawUtf8", "\"\xed\x9f\xbf\xf0\x9f\x98\x80\"", "\"\xed\x9f\xbf\xf0\x9f\x98\x80\""},
      {"NulEscape", R"("a\u0000b")", R"("a\u0000b")"},
      {"Delete", "\"\x7f\"", "\"\x7f\""},
      {"NoncharacterFfff", "\"\xef\xbf\xbf\"", "\"\xef\xbf\xbf\""},
      {"BomInsideAString", "\"\xef\xbb\xbf\"", "\"\xef\xbb\xbf\""},
      {"SameKeyInSiblings", R"([{"a":1},{"a":{"a":2}}])", R"([{"a":1},{"a":{"a":2}}])"},
  };
  for (const auto& test : cases) {
    auto document = Parse(test.text);
    ASSERT_EQ(Explain(document), "ok") << test.name;
    EXPECT_EQ(document->root().Serialize(), test.serialized) << test.name;
  }
}

TEST(JsonParse, RefusesWhatRfc8259DoesNotAllow) {
  const std::pair<const char*, std::string> cases[] = {
      {"Empty", ""},
      {"OnlyWhiteSpace", " \n"},
      {"TrailingWord", "{} x"},
      {"TrailingObject", "{}{}"},
      {"TrailingComma", "[1,]"},
      {"TrailingCommaInObject", R"({"a":1,})"},
      {"LeadingComma", "[,1]"},
      {"MissingComma", "[1 2]"},
      {"MissingColon", R"({"a" 1})"},
      {"MissingValue", R"({"a":})"},
      {"UnquotedKey", "{a:1}"},
      {"SingleQuotes", "{'a':1}"},
      {"NumberAsKey", "{1:1}"},
      {"UnclosedArray", "[1"},
      {"UnclosedString", "\"a"},
      {"WrongBracket", "[1}"},
      {"LineComment", "// x\n{}"},
      {"BlockComment", "/* x */{}"},
      {"UpperCaseTrue", "True"},
      {"Undefined", "undefined"},
      {"NaN", "NaN"},
      {"Infinity", "[-Infinity]"},
      {"LeadingZero", "01"},
      {"LeadingPlus", "+1"},
      {"LeadingPoint", ".5"},
      {"TrailingPoint", "1."},
      {"EmptyExponent", "1e"},
      {"OnlyMinus", "-"},
      {"Hexadecimal", "0x10"},
      {"Separator", "1_000"},
      {"NumberAboveADouble", "1e400"},
      {"NumberOf400Digits", std::string(400, '9')},
      {"UnknownEscape", R"("\x41")"},
      {"EscapedQuote", R"("\'")"},
      {"ShortUnicodeEscape", R"("\u12")"},
      {"BadUnicodeEscape", R"("\u12g4")"},
      {"RawNewline", "\"a\nb\""},
      {"RawTab", "\"a\tb\""},
      {"RawControl", "\"\x1f\""},
      {"FormFeedAsWhiteSpace", "\f1"},
      {"NoBreakSpaceAsWhiteSpace",
       "\xc2\xa0"
       "1"},
      {"LeadingBom", "\xef\xbb\xbf{}"},
      {"OnlyBom", "\xef\xbb\xbf"},
      {"TrailingBom", "{}\xef\xbb\xbf"},
      {"NulAtEnd", std::string("{}\0", 3)},
      {"NulAndMoreAtEnd", std::string("{}\0{\"a\":1}", 10)},
      {"NulInString", std::string("\"a\0b\"", 5)},
      {"OnlyNul", std::string(1, '\0')},
      {"Utf16", std::string("\xff\xfe{\0}\0", 6)},
      {"Utf16WithoutBom", std::string("{\0}\0", 4)},
      {"LoneHighSurrogate", R"("\ud800")"},
      {"LoneHighSurrogateBeforeText", R"("\ud800x")"},
      {"LoneLowSurrogate", R"("\udc00")"},
      {"LastLowSurrogate", R"("\udfff")"},
      {"LowBeforeHigh", R"("\ude00\ud83d")"},
      {"TwoHighSurrogates", R"("\ud83d\ud83d")"},
      {"HighAndLetter", R"("\ud83d\u0041")"},
      {"LoneSurrogateInAKey", R"({"\udc00":1})"},
      {"SurrogateAfterGoodText", "\"\xc3\xa9 and \\udc00\""},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(Outcome(Parse(text)), "json-malformed") << name;
}

// RapidJSON validates nothing outside of strings, and nothing at all without a flag.
TEST(JsonParse, RefusesBadUtf8Everywhere) {
  const std::pair<const char*, std::string> bytes[] = {
      {"LoneContinuation", "\x80"},
      {"Overlong", "\xc0\xaf"},
      {"OverlongThree", "\xe0\x80\xaf"},
      {"RawSurrogate", "\xed\xa0\x80"},
      {"RawSurrogatePair", "\xed\xa0\xbd\xed\xb8\x80"},
      {"CutSequence", "\xe2\x82"},
      {"AboveUnicode", "\xf4\x90\x80\x80"},
      {"Latin1", "\xe9"},
      {"Ff", "\xff"},
  };
  for (const auto& [name, bad] : bytes) {
    EXPECT_EQ(Explain(Parse("[\"" + bad + "\"]")), "is not UTF-8 [json-malformed]") << name;
    EXPECT_EQ(Explain(Parse("{\"" + bad + "\":1}")), "is not UTF-8 [json-malformed]") << name;
    // At each offset to a group of eight bytes, which are looked at together.
    for (std::size_t before = 0; before < 9; ++before) {
      EXPECT_EQ(Outcome(Parse("\"" + std::string(before, 'x') + "\xc3\xa9" + bad + "tail\"")), "json-malformed")
          << name;
      EXPECT_EQ(Outcome(Parse("\"" + std::string(before, 'x') + bad + "\xc3\xa9\"")), "json-malformed") << name;
    }
    EXPECT_EQ(Outcome(Parse("{}" + bad)), "json-malformed") << name;
  }
}

TEST(JsonParse, EveryTruncationIsRefused) {
  std::string text = R"({"a":[1.5e3,-2,true,false,null,"x\u00e9\ud83d\ude00\n"],"b":{"c":{}}})";
  ASSERT_EQ(Explain(Parse(text)), "ok");
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(Outcome(Parse(text.substr(0, size))), "json-malformed") << size;
  }
}

TEST(JsonParse, Numbers) {
  using Int = std::optional<std::int64_t>;
  using Uint = std::optional<std::uint64_t>;
  constexpr auto kNone = std::nullopt;
  const struct {
    const char* text;
    Int as_int;
    Uint as_uint;
    double as_double;
  } cases[] = {
      {"0", 0, 0U, 0},
      {"-0", 0, 0U, 0},
      {"1", 1, 1U, 1},
      {"-1", -1, kNone, -1},
      {"9223372036854775807", INT64_MAX, 9223372036854775807U, 9223372036854775807.0},
      {"9223372036854775808", kNone, 9223372036854775808U, 9223372036854775808.0},
      {"18446744073709551615", kNone, UINT64_MAX, 18446744073709551615.0},
      {"18446744073709551616", kNone, kNone, 18446744073709551616.0},
      {"-9223372036854775808", INT64_MIN, kNone, -9223372036854775808.0},
      {"-9223372036854775809", kNone, kNone, -9223372036854775809.0},
      {"1.0", kNone, kNone, 1},
      {"1e3", kNone, kNone, 1000},
      {"1E+3", kNone, kNone, 1000},
      {"-0.0", kNone, kNone, 0},
      {"0.1", kNone, kNone, 0.1},
      {"1.7976931348623157e308", kNone, kNone, std::numeric_limits<double>::max()},
      {"2.2250738585072011e-308", kNone, kNone, 2.2250738585072011e-308},
      {"0.30000000000000004", kNone, kNone, 0.1 + 0.2},
  };
  for (const auto& test : cases) {
    JsonDocument document = Read(test.text);
    EXPECT_EQ(document.root().AsInt(), test.as_int) << test.text;
    EXPECT_EQ(document.root().AsUint(), test.as_uint) << test.text;
    EXPECT_EQ(document.root().AsDouble(), test.as_double) << test.text;
  }
}

// A number's neighbours share its buffer: each must keep its own text.
TEST(JsonParse, NumbersBesideStrings) {
  JsonDocument document = Read(R"(["\u0041",1,"\u0042\u0043",-2.5,{"\u0044":3,"e":"\u0045"},4])");
  EXPECT_EQ(document.root().Serialize(), R"(["A",1,"BC",-2.5,{"D":3,"e":"E"},4])");
}

TEST(JsonParse, DepthLimit) {
  EXPECT_EQ(Explain(Parse(Nested(limits::kJsonDepth))), "ok");
  EXPECT_EQ(Explain(Parse(Nested(limits::kJsonDepth + 1))), "nested more than 64 deep at byte 64 [limit-exceeded]");
  std::string objects = Repeat("{\"a\":", limits::kJsonDepth);
  EXPECT_EQ(Outcome(Parse(objects + "1" + Repeat("}", limits::kJsonDepth))), "ok");
  EXPECT_EQ(Outcome(Parse(objects + "[]" + Repeat("}", limits::kJsonDepth))), "limit-exceeded");
  // Beside each other, not within: no depth.
  EXPECT_EQ(Outcome(Parse("[" + Repeat("[[]],", 1000) + "1]")), "ok");
}

// RapidJSON's own parser recurses on nesting: this would end the process.
TEST(JsonParse, MillionsOfBracketsDoNotRecurse) {
  EXPECT_EQ(Outcome(Parse(std::string(5'000'000, '['))), "limit-exceeded");
  EXPECT_EQ(Outcome(Parse(Repeat("{\"a\":", 1'000'000))), "limit-exceeded");
}

TEST(JsonParse, ByteLimit) {
  std::string text = "[12345678]";
  EXPECT_EQ(Outcome(JsonDocument::Parse(text, {.max_bytes = text.size()})), "ok");
  EXPECT_EQ(Explain(JsonDocument::Parse(text, {.max_bytes = text.size() - 1})),
            "the JSON has 10 bytes, more than the 9 accepted [limit-exceeded]");
}

TEST(JsonParse, NodeLimit) {
  EXPECT_EQ(Outcome(Parse("[" + Repeat("0,", limits::kJsonNodes - 2) + "0]")), "ok");
  EXPECT_EQ(Outcome(Parse("[" + Repeat("0,", limits::kJsonNodes - 1) + "0]")), "limit-exceeded");
  EXPECT_EQ(Outcome(Parse("[" + Repeat("{\"a\":0},", limits::kJsonNodes / 3) + "0]")), "limit-exceeded");
}

TEST(JsonParse, LengthOfANumberIsLimited) {
  EXPECT_EQ(Outcome(Parse("0." + std::string(126, '1'))), "ok");
  EXPECT_EQ(Outcome(Parse("0." + std::string(127, '1'))), "limit-exceeded");
}

TEST(JsonDuplicates, TwoMembers) {
  EXPECT_EQ(Explain(Parse(R"({"a":1,"b":2,"a":1})")),
            "the key 'a' appears twice in an object, again at byte 14 [json-malformed]");
}

TEST(JsonDuplicates, Table) {
  const std::pair<const char*, std::string> cases[] = {
      {"SameValue", R"({"a":1,"a":1})"},
      {"AfterUnescaping", R"({"a":1,"\u0061":2})"},
      {"BothEscaped", R"({"\u0061b":1,"a\u0062":2})"},
      {"EscapedSlash", R"({"a/b":1,"a\/b":2})"},
      {"EmptyKey", R"({"":1,"":2})"},
      {"KeyWithNul", R"({"a\u0000":1,"a\u0000":2})"},
      {"Nested", R"({"x":{"y":[{"a":1},{"a":1,"a":2}]}})"},
      {"InAnArray", R"([1,[{"a":1,"a":2}]])"},
      {"InTheLastOfMany", "[" + Repeat("{\"a\":1},", 100) + R"({"a":1,"a":2}])"},
      {"FirstAndLastOf16", Object(15, R"("k0":1)")},
      {"FirstAndLastOf17", Object(16, R"("k0":1)")},
      {"EscapedInLargeObject", Object(100, R"("\u006b50":1)")},
      {"InAChildOfALargeObject", Object(100, R"("x":{"a":1,"a":1})")},
      {"LargeInLarge", Object(50, R"("x":)" + Object(50, R"("k49":1)"))},
      {"ThreeTimes", R"({"a":1,"a":1,"a":1})"},
  };
  for (const auto& [name, text] : cases) EXPECT_EQ(Outcome(Parse(text)), "json-malformed") << name;
}

// The sizes on both sides of the change from pairs to sorting, and one that is large.
TEST(JsonDuplicates, DifferentKeysAreNoDuplicates) {
  for (std::size_t size : {0U, 1U, 2U, 15U, 16U, 17U, 18U, 1000U}) {
    EXPECT_EQ(Explain(Parse(Object(size))), "ok") << size;
    EXPECT_EQ(Explain(Parse(Object(size, R"("K0":1,"k":1,"k0 ":1)"))), "ok") << size;
  }
}

TEST(JsonDuplicates, AnyPairOfALargeObjectIsFound) {
  for (std::size_t key = 0; key < 40; ++key) {
    EXPECT_EQ(Outcome(Parse(Object(40, "\"k" + std::to_string(key) + "\":1"))), "json-malformed") << key;
  }
}

// A signature's payload, as C3 would bend it: what two readers could read differently is read by none.
class Adversarial_C3 : public testing::Test {
 protected:
  static std::string Payload(const std::string& image) {
    return R"({"critical":{"identity":{"docker-reference":"r/i"},"image":{)" + image +
           R"(},"type":"cosign container image signature"},"optional":null})";
  }
  inline static const std::string kGood = R"("docker-manifest-digest":"sha256:00")";
  inline static const std::string kEvil = R"("docker-manifest-digest":"sha256:ff")";
};

TEST_F(Adversarial_C3, GoodPayloadIsRead) {
  JsonDocument document = Read(Payload(kGood));
  EXPECT_EQ(document.root().Find("critical")->Find("image")->Find("docker-manifest-digest")->AsString(), "sha256:00");
}

TEST_F(Adversarial_C3, DuplicateDigestIsRefused) {
  EXPECT_EQ(Outcome(Parse(Payload(kGood + "," + kEvil))), "json-malformed");
  EXPECT_EQ(Outcome(Parse(Payload(kEvil + "," + kGood))), "json-malformed");
  EXPECT_EQ(Outcome(Parse(Payload(kGood + "," + kGood))), "json-malformed");
}

TEST_F(Adversarial_C3, DuplicateDigestBehindAnEscapeIsRefused) {
  EXPECT_EQ(Outcome(Parse(Payload(kGood + R"(,"docker-manifest-d\u0069gest":"sha256:ff")"))), "json-malformed");
}

TEST_F(Adversarial_C3, DuplicateCriticalIsRefused) {
  std::string text = Payload(kGood);
  text.insert(text.size() - 1, R"(,"critical":{})");
  EXPECT_EQ(Outcome(Parse(text)), "json-malformed");
}

TEST_F(Adversarial_C3, CaseVariantIsAnotherKeyAndNeverTheField) {
  JsonDocument both = Read(Payload(R"("Docker-manifest-digest":"sha256:ff",)" + kGood));
  EXPECT_EQ(both.root().Find("critical")->Find("image")->Find("docker-manifest-digest")->AsString(), "sha256:00");
  JsonDocument only = Read(Payload(R"("Docker-manifest-digest":"sha256:ff")"));
  JsonView image = *only.root().Find("critical")->Find("image");
  EXPECT_FALSE(image.Find("docker-manifest-digest").has_value());
  ObjectReader reader(only, image, Reason::kPayloadMalformed, "$.critical.image");
  EXPECT_EQ(reader.String("docker-manifest-digest"), "");
  EXPECT_EQ(Explain(reader.Finish()),
            "$.critical.image.docker-manifest-digest: is required; 'Docker-manifest-digest' is written here: did you "
            "mean 'docker-manifest-digest'? [payload-malformed]");
}

TEST_F(Adversarial_C3, BomIsRefused) {
  EXPECT_EQ(Outcome(Parse("\xef\xbb\xbf" + Payload(kGood))), "json-malformed");
}

TEST_F(Adversarial_C3, TrailingDataIsRefused) {
  for (const std::string& tail : {std::string("{}"), std::string("x"), std::string(","), Payload(kEvil),
                                  std::string(1, '\0'), '\0' + Payload(kEvil)}) {
    EXPECT_EQ(Outcome(Parse(Payload(kGood) + tail)), "json-malformed") << Printable(tail);
  }
}

TEST_F(Adversarial_C3, DeepNestingIsRefused) {
  EXPECT_EQ(Outcome(Parse(Payload(kGood + R"(,"x":)" + Nested(100'000)))), "limit-exceeded");
}

TEST_F(Adversarial_C3, InvalidUtf8IsRefused) {
  EXPECT_EQ(Outcome(Parse(Payload(kGood + ",\"x\":\"\xc0\x80\""))), "json-malformed");
  EXPECT_EQ(Outcome(Parse(Payload(kGood + R"(,"x":"\ud800")"))), "json-malformed");
  EXPECT_EQ(Outcome(Parse(Payload(kGood + R"(,"x":"\udc00")"))), "json-malformed");
}

TEST(JsonWriter, WritesEveryKind) {
  JsonWriter writer;
  writer.BeginObject()
      .Member("s", "a\"b\\\n\x01\xc3\xa9/")
      .Key("i")
      .Int(std::numeric_limits<std::int64_t>::min())
      .Key("u")
      .Uint(std::numeric_limits<std::uint64_t>::max())
      .Key("d")
      .Double(0.1)
      .Key("b")
      .Bool(true)
      .Key("z")
      .Null()
      .Key("r")
      .Raw(R"({"x":[1]})")
      .Key("a")
      .BeginArray()
      .Int(1)
      .BeginObject()
      .EndObject()
      .BeginArray()
      .EndArray()
      .EndArray()
      .EndObject();
  std::string text = std::move(writer).Finish();
  EXPECT_EQ(text, R"({"s":"a\"b\\\n\u0001)"
                  "\xc3\xa9"
                  R"(/","i":-9223372036854775808,"u":18446744073709551615,"d":0.1,"b":true,)"
                  R"("z":null,"r":{"x":[1]},"a":[1,{},[]]})");
  EXPECT_EQ(Read(text).root().Serialize(), text);
}

TEST(JsonWriter, BytesThatAreNotUtf8AreShown) {
  JsonWriter writer;
  writer.BeginObject().Member("k\xff", "a\xc3").EndObject();
  std::string text = std::move(writer).Finish();
  EXPECT_EQ(text, R"({"k\\xff":"a\\xc3"})");
  EXPECT_EQ(Read(text).root().Find("k\\xff")->AsString(), "a\\xc3");
}

TEST(JsonWriter, LongTextIsNotCut) {
  JsonWriter writer;
  writer.String(std::string(5000, 'x') + "\xff");
  EXPECT_EQ(std::move(writer).Finish().size(), 5000 + 5 + 2U);
}

TEST(JsonWriter, NumbersThatJsonLacksAreNull) {
  JsonWriter writer;
  writer.BeginArray()
      .Double(std::numeric_limits<double>::infinity())
      .Double(std::numeric_limits<double>::quiet_NaN())
      .Double(-1e300)
      .EndArray();
  EXPECT_EQ(std::move(writer).Finish(), "[null,null,-1e300]");
}

TEST(JsonWriter, EmptyStringAndKey) {
  JsonWriter writer;
  writer.BeginObject().Member({}, {}).EndObject();
  EXPECT_EQ(std::move(writer).Finish(), R"({"":""})");
}

}  // namespace
}  // namespace gatehouse::codec
