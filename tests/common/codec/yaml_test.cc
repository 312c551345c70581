#include "common/codec/yaml.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::codec {
namespace {

// Every document as JSON, one a line; or the error.
std::string Read(std::string_view text) {
  auto documents = ParseYaml(text, "f.yaml");
  if (!documents.ok()) return Explain(documents);
  std::string json;
  for (const JsonDocument& document : *documents) json += document.root().Serialize() + "\n";
  return json;
}

std::string Repeat(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

TEST(Yaml, ReadsAPolicy) {
  EXPECT_EQ(Read("apiVersion: gatehouse.dev/v1alpha1\n"
                 "kind: ImagePolicy\n"
                 "metadata:\n"
                 "  name: release   # a comment\n"
                 "  labels: {app.kubernetes.io/name: \"x\"}\n"
                 "spec:\n"
                 "  images:\n"
                 "  - glob: registry.example/**\n"
                 "  - glob: 'docker.io/library/*'\n"
                 "  authorities:\n"
                 "    - name: it's\n"
                 "      key:\n"
                 "        data: |\n"
                 "          -----BEGIN PUBLIC KEY-----\n"
                 "          AAAA\n"
                 "      annotations: []\n"
                 "  required: 1\n"),
            R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicy","metadata":{"name":"release",)"
            R"("labels":{"app.kubernetes.io/name":"x"}},"spec":{"images":[{"glob":"registry.example/**"},)"
            R"({"glob":"docker.io/library/*"}],"authorities":[{"name":"it's","key":{"data":)"
            R"("-----BEGIN PUBLIC KEY-----\nAAAA\n"},"annotations":[]}],"required":1}})"
            "\n");
}

TEST(Yaml, Accepts) {
  const struct {
    const char* name;
    const char* text;
    const char* json;
  } cases[] = {
      {"Scalar", "hello\n", "\"hello\""},
      {"NoFinalNewline", "a: 1", R"({"a":1})"},
      {"WindowsLines", "a: 1\r\nb:\r\n  - x\r\n", R"({"a":1,"b":["x"]})"},
      {"Json", "{\"a\":1, \"b\":[true,null],\n\t\"c\" : \"x\\u00e9\"}\n",
       "{\"a\":1,\"b\":[true,null],\"c\":\"x\xc3\xa9\"}"},
      {"EmptyValue", "a:\nb: 1\n", R"({"a":null,"b":1})"},
      {"EmptyEntry", "-\n- 1\n", "[null,1]"},
      {"SequenceAtTheKeysIndent", "a:\n- 1\n- 2\nb: 3\n", R"({"a":[1,2],"b":3})"},
      {"SequenceInSequence", "- - 1\n  - 2\n- []\n", "[[1,2],[]]"},
      {"FlowOverLines", "a: [1,\n  2]\nb: {x: 1,\n  y: 2,}\n", R"({"a":[1,2],"b":{"x":1,"y":2}})"},
      {"PairInFlowSequence", "[a: 1, b: 2]\n", R"([{"a":1},{"b":2}])"},
      {"Literal", "a: |\n  x\n   y\n\nb: 1\n", R"({"a":"x\n y\n","b":1})"},
      {"LiteralStripped", "a: |-\n  x\n  y\n", R"({"a":"x\ny"})"},
      {"Folded", "a: >-\n  x\n  y\n\n  z\n", R"({"a":"x y\nz"})"},
      {"PlainOverLines", "a: x\n  y\n", R"({"a":"x y"})"},
      {"SingleQuotes", "a: 'it''s # \\n \"'\n", R"({"a":"it's # \\n \""})"},
      {"DoubleQuotes", "a: \"x\\n\\\"\\x41\\u00e9\\U0001F600'\"\n", "{\"a\":\"x\\n\\\"A\xc3\xa9\xf0\x9f\x98\x80'\"}"},
      {"QuotedKeyWithSpaces", "'a b' : 1\n\"c\": 2\n", R"({"a b":1,"c":2})"},
      {"ColonInsideAScalar", "a: b:c\nimage: r.io:5000/x:1.0@sha256:00\n",
       R"({"a":"b:c","image":"r.io:5000/x:1.0@sha256:00"})"},
      {"HashInsideAScalar", "a: b#c\n", R"({"a":"b#c"})"},
      {"IndicatorsInsideAScalar", "a: b*c&d!e%f@g\n", R"({"a":"b*c&d!e%f@g"})"},
      {"IndicatorsInQuotes", "a: '*x'\nb: '&x'\nc: '!x'\nd: '@x'\n'<<': 1\n",
       R"({"a":"*x","b":"&x","c":"!x","d":"@x","<<":1})"},
      {"Unicode", "\xc3\xa9: \xe2\x82\xac\n", "{\"\xc3\xa9\":\"\xe2\x82\xac\"}"},
      {"SameKeyInSiblings", "- a: 1\n- a: 2\n  b: {a: 3}\n", R"([{"a":1},{"a":2,"b":{"a":3}}])"},
      {"CaseVariantsAreDifferentKeys", "a: 1\nA: 2\n", R"({"a":1,"A":2})"},
  };
  for (const auto& test : cases) EXPECT_EQ(Read(test.text), std::string(test.json) + "\n") << test.name;
}

// YAML 1.2.2 section 10.3.2; the rows of YAML 1.1 that it dropped are strings ("the Norway problem").
TEST(Yaml, PlainScalarsFollowTheCoreSchema) {
  const std::pair<const char*, const char*> cases[] = {
      {"null", "null"},
      {"Null", "null"},
      {"NULL", "null"},
      {"~", "null"},
      {"nUll", "\"nUll\""},
      {"true", "true"},
      {"True", "true"},
      {"TRUE", "true"},
      {"false", "false"},
      {"False", "false"},
      {"FALSE", "false"},
      {"tRue", "\"tRue\""},
      {"yes", "\"yes\""},
      {"no", "\"no\""},
      {"on", "\"on\""},
      {"off", "\"off\""},
      {"y", "\"y\""},
      {"0", "0"},
      {"12", "12"},
      {"+12", "12"},
      {"-12", "-12"},
      {"9223372036854775807", "9223372036854775807"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"18446744073709551615", "18446744073709551615"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0xffffffffffffffff", "18446744073709551615"},
      {"0b1", "\"0b1\""},
      {"0o8", "\"0o8\""},
      {"0x", "\"0x\""},
      {"-0x1F", "\"-0x1F\""},
      {"1_000", "\"1_000\""},
      {"1.5", "1.5"},
      {"-1.5", "-1.5"},
      {"+.5", "0.5"},
      {"1.", "1.0"},
      {"1e3", "1000.0"},
      {"1.5E-3", "0.0015"},
      {"1e", "\"1e\""},
      {"1e+", "\"1e+\""},
      {".", "\".\""},
      {"+", "\"+\""},
      {"e5", "\"e5\""},
      {"1.2.3", "\"1.2.3\""},
      {"v1.0", "\"v1.0\""},
      {"12:30:45", "\"12:30:45\""},
      {"2026-11-21", "\"2026-11-21\""},
      {"007a", "\"007a\""},
      {"inf", "\"inf\""},
      {"nan", "\"nan\""},
      {"'12'", "\"12\""},
      {"\"true\"", "\"true\""},
      {"''", "\"\""},
      {"\"null\"", "\"null\""},
  };
  for (const auto& [text, json] : cases) {
    EXPECT_EQ(Read("a: " + std::string(text) + "\n"), "{\"a\":" + std::string(json) + "}\n") << text;
    EXPECT_EQ(Read("[" + std::string(text) + "]"), "[" + std::string(json) + "]\n") << text;
  }
}

TEST(Yaml, NumbersThatWouldChangeAreRefused) {
  for (const char* text : {"18446744073709551616", "-9223372036854775809", "0x10000000000000000", "1e400", ".inf",
                           "-.Inf", "+.INF", ".nan", ".NaN", "0644", "00", "-012"}) {
    EXPECT_EQ(Read("x: 1\na: " + std::string(text) + "\n"),
              "f.yaml:2: the number " + std::string(text) +
                  " is not one that JSON holds (or has leading zeros); put it "
                  "in quotes if it is text [yaml-malformed]");
  }
}

TEST(Yaml, DuplicateKeysAreRefused) {
  const struct {
    const char* name;
    const char* text;
    int line;
  } cases[] = {
      {"Block", "a: 1\nb: 2\na: 3\n", 3},
      {"SameValue", "a: 1\na: 1\n", 2},
      {"Flow", "x:\n  {a: 1, a: 2}\n", 2},
      {"QuotedAndPlain", "a: 1\n'a': 2\n", 2},
      {"Escaped", "a: 1\n\"\\x61\": 2\n", 2},
      {"Nested", "x:\n  - y:\n      a: 1\n      b: 2\n      a: 3\n", 5},
      {"FarApart", "a: 1\nb:\n  c: 1\nd: [1, 2]\na:\n  e: 1\n", 5},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Read(test.text), "f.yaml:" + std::to_string(test.line) + ": the key 'a' appears twice [yaml-malformed]")
        << test.name;
  }
}

constexpr const char* kAlias =
    "anchors and aliases (& and *) are not accepted; write the value out, or put it in quotes if it is text";
constexpr const char* kTag = "tags (!) are not accepted; put the value in quotes if it is text";
constexpr const char* kKey = "a key must be a string, and every bracket be closed";

TEST(Yaml, RefusesWithTheLine) {
  const struct {
    const char* name;
    std::string text;
    int line;
    std::string detail;
  } cases[] = {
      {"Anchor", "x: 1\na: &x 1\n", 2, kAlias},
      {"AnchorOnAMap", "a: &x\n  b: 1\n", 1, kAlias},
      {"AnchorOnASequence", "a: &x [1]\n", 1, kAlias},
      {"AnchorOnAKey", "&x a: 1\n", 1, kAlias},
      {"AnchorOnNothing", "a: &x\nb: 1\n", 1, kAlias},
      {"AnchorAndAlias", "a: &x 1\nb: *x\n", 1, kAlias},
      {"AliasOfNothing", "a: 1\nb: *x\n", 2, kAlias},
      {"AliasAsKey", "*x : 1\n", 1, kAlias},
      {"GlobWithoutQuotes", "images:\n- glob: *\n", 2, kAlias},
      {"LongGlobWithoutQuotes", "glob: **/x\n", 1, kAlias},
      {"BillionLaughs", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", 1, kAlias},
      {"MergeKey", "a: 1\n<<: {b: 2}\n", 2, "merge keys (<<) are not accepted; write the fields out"},
      {"StringTag", "a: !!str 1\n", 1, kTag},
      {"LocalTag", "a: !x 1\n", 1, kTag},
      {"TagOnAMap", "a: !x {b: 1}\n", 1, kTag},
      {"TagOnASequence", "a: !!set [b]\n", 1, kTag},
      {"TagOnTheDocument", "!x\na: 1\n", 1, kTag},
      {"TagOnAKey", "!x a: 1\n", 1, kTag},
      {"NonSpecificTag", "a: ! 12\n", 1, kTag},
      {"TagOnNothing", "a: !\nb: 1\n", 1, kTag},
      // Verbatim tags that yaml-cpp reports exactly as it reports no tag.
      {"VerbatimPlainTag", "a: !<?> '12'\n", 1, kTag},
      {"VerbatimQuotedTag", "a: !<!> 12\n", 1, kTag},
      {"TagAfterUnicodeAndCrLf", "\xc3\xa9: \xf0\x9f\x98\x80\r\nb: !<?> 'true'\r\n", 2, kTag},
      {"IntegerKey", "1: a\n", 1, "a key must be a string; put '1' in quotes"},
      {"BooleanKey", "a: 1\ntrue: b\n", 2, "a key must be a string; put 'true' in quotes"},
      {"NullKey", "~: a\n", 1, "a key is missing"},
      {"HugeNumberAsKey", "99999999999999999999: a\n", 1,
       "a key must be a string; put '99999999999999999999' in quotes"},
      {"EmptyKey", ": a\n", 1, "a key is missing"},
      {"EmptyFlowKey", "{,a: 1}\n", 1, "a key is missing"},
      {"MapAsKey", "? {a: 1}\n: b\n", 1, kKey},
      {"SequenceAsKey", "[a]: b\n", 1, kKey},
      {"ExplicitKey", "? a\n: b\n", 1, "the key 'a' is not followed by a colon, or a bracket is not closed"},
      {"LastLineWithoutColon", "a: 1\nfoo\n", 2,
       "the key 'foo' is not followed by a colon, or a bracket is not closed"},
      {"FlowKeyWithoutColon", "{a, b: 1}\n", 1, "the key 'a' is not followed by a colon, or a bracket is not closed"},
      {"FlowKeyWithoutSpace", "{a:1}\n", 1, "the key 'a:1' is not followed by a colon, or a bracket is not closed"},
      {"EmptyElement", "[a,,b]\n", 1, "an element is missing"},
      {"EmptyFirstElement", "[,a]\n", 1, "an element is missing"},
      {"UnclosedSingleQuote", "a: 1\nb: 'x\n", 2, "a quoted text has no end"},
      {"UnclosedDoubleQuote", "a: \"x\\\"\n", 1, "a quoted text has no end"},
      {"UnclosedQuotedKey", "'a\n", 1, "a quoted text has no end"},
      {"OnlyAQuote", "'", 1, "a quoted text has no end"},
      {"TextAfterADocument", "{a: 1} {b: 2}\n", 1, "something follows the end of the document"},
      {"MapAfterASequence", "[a]\nb: 1\n", 2, "something follows the end of the document"},
      {"TextAfterTheEndMarker", "a: 1\n...\nb: 2\n", 3, "something follows the end of the document"},
      {"LessIndentThanTheFirstLine", "  a: 1\nb: 2\n", 2, "something follows the end of the document"},
      {"SequenceThenMap", "- a\nb: 1\n", 2, "something follows the end of the document"},
      {"Directive", "%YAML 1.1\n---\na: 1\n", 1, "directives (%) are not accepted"},
      {"TagDirective", "a: 1\n...\n%TAG ! x\n---\nb: 1\n", 3, "directives (%) are not accepted"},
      {"Bom",
       "\xef\xbb\xbf"
       "a: 1\n",
       1, "begins with a byte order mark; save it as UTF-8 without one"},
      {"Nul", std::string("a: 1\nb: \0\n", 10), 2, "holds the control character \\x00"},
      // yaml-cpp takes this byte for the end of the stream.
      {"EndOfTransmission", "a: 1\n\x04\nb: 2\n", 2, "holds the control character \\x04"},
      {"Escape", "a: \x1b[31m\n", 1, "holds the control character \\x1b"},
      {"Delete", "a: \x7f\n", 1, "holds the control character \\x7f"},
      {"LoneCarriageReturn", "a: 1\rb: 2\n", 1, "holds the control character \\x0d"},
      {"Utf16", std::string("a\0:\0", 4), 1, "holds the control character \\x00"},
      {"LoneSurrogate", "a: \"\\ud800\"\n", 1, "invalid unicode: 55296"},
      {"AboveUnicode", "a: \"\\U00110000\"\n", 1, "invalid unicode: 1114112"},
      {"UnknownEscape", "a: \"\\q\"\n", 1, "unknown escape character: q"},
      {"TabAsIndent", "a:\n  b: 1\n\tc: 2\n", 3, "illegal tab when looking for indentation"},
      {"MoreIndent", "a: 1\n  b: 2\n", 2, "illegal map value"},
      {"LessIndentThanSiblings", "a:\n   b: 1\n  c: 2\n", 3, "end of map not found"},
      {"SequenceInAMap", "a: 1\n- b\n", 2, "end of map not found"},
      {"TwoValues", "a: 'x' 'y'\n", 1, "end of map not found"},
      {"TwoColons", "a: b: c\n", 1, "illegal map value"},
      {"WrongBracket", "a: [1}\n", 1, "illegal flow end"},
      {"StrayBracket", "a: 1\nb: ]\n", 2, "illegal flow end"},
      {"UnclosedBracketInAMap", "a: [1,\nb: 2\n", 3, "end of sequence flow not found"},
      {"ReservedIndicator", "a: @x\n", 1, "unknown token"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Read(test.text), "f.yaml:" + std::to_string(test.line) + ": " + test.detail + " [yaml-malformed]")
        << test.name;
  }
}

TEST(Yaml, RefusesBadUtf8) {
  for (const char* bytes : {"\xe9", "\xff\xfe", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82"}) {
    EXPECT_EQ(Read("a: \"" + std::string(bytes) + "\"\n"), "f.yaml: is not UTF-8 [yaml-malformed]") << Printable(bytes);
    EXPECT_EQ(Read("a: 1 # " + std::string(bytes)), "f.yaml: is not UTF-8 [yaml-malformed]") << Printable(bytes);
  }
}

TEST(Yaml, EveryTruncationOfABracketIsRefused) {
  std::string text = "{a: [1, 'x''y', \"z\\\"\"], b: {c: ~, d: 'e'}}";
  ASSERT_EQ(Read(text), "{\"a\":[1,\"x'y\",\"z\\\"\"],\"b\":{\"c\":null,\"d\":\"e\"}}\n");
  EXPECT_EQ(Read(""), "");
  for (std::size_t size = 1; size < text.size(); ++size) {
    auto cut = ParseYaml(text.substr(0, size), "f.yaml");
    EXPECT_EQ(Outcome(cut), "yaml-malformed") << size;
    EXPECT_EQ(Outcome(ParseYaml(text.substr(0, size) + "\n", "f.yaml")), "yaml-malformed") << size;
  }
}

TEST(Yaml, DocumentsAndEmptyOnes) {
  EXPECT_EQ(Read(""), "");
  EXPECT_EQ(Read("# only a comment\n"), "");
  EXPECT_EQ(Read("---\n---\n...\n"), "");
  EXPECT_EQ(Read("~\n"), "");
  EXPECT_EQ(Read("---\na: 1\n---\n# nothing\n---\nb: 2\n...\n---\nc: 3\n"), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
  EXPECT_EQ(Read("a: |\n  x\n---\n- y\n"), "{\"a\":\"x\\n\"}\n[\"y\"]\n");
  EXPECT_EQ(Read("\xc3\xa9: 1\r\n---\r\nb: 2\r\n"), "{\"\xc3\xa9\":1}\n{\"b\":2}\n");
}

TEST(Yaml, ErrorInALaterDocumentHasTheLineOfTheFile) {
  EXPECT_EQ(Read("a: 1\n---\nb: 1\nb: 2\n"), "f.yaml:4: the key 'b' appears twice [yaml-malformed]");
}

TEST(Yaml, PositionsAreThoseOfTheKeys) {
  auto documents = ParseYaml("a: 1\n---\n# c\nb:\n  c: |\n    x\n  d:\n    - 1\n    - e: 2\n", "f.yaml");
  ASSERT_EQ(Explain(documents), "ok");
  const JsonDocument& second = documents->at(1);
  EXPECT_EQ(second.source(), "f.yaml");
  EXPECT_EQ(second.PositionOf(second.root()), "f.yaml:4");
  JsonView b = *second.root().Find("b");
  EXPECT_EQ(second.PositionOf(b), "f.yaml:4");
  EXPECT_EQ(second.PositionOf(*b.Find("c")), "f.yaml:5");
  EXPECT_EQ(second.PositionOf(*b.Find("d")), "f.yaml:7");
  EXPECT_EQ(second.PositionOf(b.Find("d")->at(0)), "f.yaml:8");
  EXPECT_EQ(second.PositionOf(b.Find("d")->at(1)), "f.yaml:9");
  EXPECT_EQ(second.PositionOf(*b.Find("d")->at(1).Find("e")), "f.yaml:9");
}

TEST(Yaml, WithoutANameThePositionIsTheLine) {
  EXPECT_EQ(Explain(ParseYaml("a: 1\na: 2\n", "")), "line 2: the key 'a' appears twice [yaml-malformed]");
}

TEST(Yaml, DepthLimit) {
  auto flow = [](std::size_t depth) { return Repeat("[", depth) + Repeat("]", depth); };
  EXPECT_EQ(Read(flow(limits::kJsonDepth)), flow(limits::kJsonDepth) + "\n");
  EXPECT_EQ(Read(flow(limits::kJsonDepth + 1)), "f.yaml:1: nested more than 64 deep [limit-exceeded]");
  EXPECT_EQ(Outcome(ParseYaml(Repeat("- ", 64) + "x\n", "f")), "ok");
  EXPECT_EQ(Outcome(ParseYaml(Repeat("- ", 65) + "x\n", "f")), "limit-exceeded");
  std::string stairs;
  for (std::size_t i = 0; i < 70; ++i) stairs += std::string(i, ' ') + "a:\n";
  EXPECT_EQ(Read(stairs), "f.yaml:65: nested more than 64 deep [limit-exceeded]");
}

// yaml-cpp recurses on nesting: none of these may come near the end of the stack.
TEST(Yaml, LongNestingDoesNotRecurse) {
  for (const char* piece : {"[", "{", "- ", "? ", "- ? ", "a: [", "{a: ", "[a: ", "[[],"}) {
    std::string text = Repeat(piece, limits::kYamlBytes / 4 / std::string_view(piece).size());
    EXPECT_FALSE(ParseYaml(text, "f").ok()) << piece;
  }
}

TEST(Yaml, ByteLimit) {
  std::string text = "a: 1\n#" + std::string(limits::kYamlBytes - 6, 'x');
  EXPECT_EQ(Read(text), "{\"a\":1}\n");
  EXPECT_EQ(Read(text + "x"), "f.yaml: the YAML has 1048577 bytes, more than the 1048576 accepted [limit-exceeded]");
}

TEST(Yaml, DocumentLimit) {
  EXPECT_EQ(ParseYaml(Repeat("--- a\n", limits::kYamlDocuments), "f")->size(), limits::kYamlDocuments);
  EXPECT_EQ(Read(Repeat("--- a\n", limits::kYamlDocuments + 1)),
            "f.yaml:1001: more than 1000 documents [limit-exceeded]");
  EXPECT_EQ(Outcome(ParseYaml(Repeat("---\n", limits::kYamlDocuments + 1), "f")), "limit-exceeded");
}

}  // namespace
}  // namespace gatehouse::codec
