#include "common/policy/condition.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/codec/yaml.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using ::testing::HasSubstr;

const WallTime kNow = codec::ParseTime("2026-11-22T12:00:00Z").value();

// `list`: conditions in YAML's flow form, "[{path: /a, equals: 1}]".
Result<ConditionList> Read(const std::string& list, bool inside = false) {
  auto documents = codec::ParseYaml("where: " + list + "\n", "c.yaml");
  if (!documents.ok()) return documents.error();
  ObjectReader reader(documents->front(), documents->front().root(), Reason::kPolicyInvalid);
  std::size_t left = limits::kPredicateConditions;
  ConditionList conditions = ReadConditions(reader, "where", inside, left);
  if (auto status = reader.Finish(); !status.ok()) return status.error();
  return conditions;
}

Truth Evaluate(const std::string& list, const std::string& json, bool inside = false) {
  auto conditions = Read(list, inside);
  EXPECT_TRUE(conditions.ok()) << list << ": " << (conditions.ok() ? "" : conditions.error().ToString());
  auto document = JsonDocument::Parse(json, {.max_bytes = 1 << 20});
  EXPECT_TRUE(document.ok()) << json;
  if (!conditions.ok() || !document.ok()) return Truth::kUnknown;
  Work work{kNow, SIZE_MAX};
  Truth truth = EvaluateAll(*conditions, document->root(), work);
  // What the outside sees: a match, or a reason.
  Status status = Conditions(*conditions).Check(document->root(), kNow);
  EXPECT_EQ(status.ok(), truth == Truth::kTrue) << list << " " << json;
  if (!status.ok()) {
    EXPECT_EQ(status.error().reason, Reason::kPredicateMismatch);
    EXPECT_FALSE(status.error().detail.empty());
  }
  return truth;
}

constexpr Truth T = Truth::kTrue;
constexpr Truth F = Truth::kFalse;
constexpr Truth U = Truth::kUnknown;

struct Case {
  std::string condition;  // without its path, which is /a
  std::string value;      // of the member a; "" if there is none
  Truth truth;
};

void Check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    std::string json = c.value.empty() ? "{}" : "{\"a\":" + c.value + "}";
    std::string condition = "{path: /a, " + c.condition + "}";
    EXPECT_EQ(Evaluate("[" + condition + "]", json), c.truth) << condition << " of " << json;
    // Kleene's negation: what could not be evaluated stays so.
    Truth negated = c.truth == T ? F : c.truth == F ? T : U;
    EXPECT_EQ(Evaluate("[{not: [" + condition + "]}]", json), negated) << "not " << condition << " of " << json;
    EXPECT_EQ(Evaluate("[{path: /l, none: [" + condition + "]}]", "{\"l\":[" + json + "]}"), negated)
        << "none " << condition << " of " << json;
    EXPECT_EQ(Evaluate("[{path: /l, all: [" + condition + "]}]", "{\"l\":[" + json + "]}"), c.truth);
    EXPECT_EQ(Evaluate("[{path: /l, any: [" + condition + "]}]", "{\"l\":[" + json + "]}"), c.truth);
    EXPECT_EQ(Evaluate("[{anyOf: [[" + condition + "]]}]", json), c.truth);
  }
}

TEST(Conditions, Scalars) {
  Check({
      {"equals: x", "\"x\"", T},
      {"equals: x", "\"y\"", F},
      {"equals: x", "\"X\"", F},
      {"equals: x", "1", U},
      {"equals: x", "null", U},
      {"equals: x", "[\"x\"]", U},
      {"equals: x", "{\"x\":\"x\"}", U},
      {"equals: x", "", U},
      {"equals: \"\"", "\"\"", T},
      {"equals: 1", "1", T},
      {"equals: 1", "1.0", T},
      {"equals: 1", "1e0", T},
      {"equals: 1", "2", F},
      {"equals: 1", "\"1\"", U},
      {"equals: 1", "true", U},
      {"equals: 9007199254740993", "9007199254740993", T},
      {"equals: 9007199254740993", "9007199254740992", F},
      {"equals: 18446744073709551615", "18446744073709551615", T},
      {"equals: 0.1", "0.1", T},
      {"equals: true", "true", T},
      {"equals: true", "false", F},
      {"equals: true", "\"true\"", U},
      {"equals: true", "1", U},
      {"equals: null", "null", T},
      {"equals: null", "\"x\"", F},
      {"equals: null", "[]", F},
      {"equals: null", "", U},
      {"notEquals: x", "\"y\"", T},
      {"notEquals: x", "\"x\"", F},
      {"notEquals: x", "1", U},
      {"notEquals: x", "null", U},
      {"notEquals: x", "", U},
      {"notEquals: null", "\"x\"", T},
      {"notEquals: null", "null", F},
      {"in: [x, 1]", "\"x\"", T},
      {"in: [x, 1]", "1", T},
      {"in: [x, 1]", "2", F},
      {"in: [x, 1]", "true", U},
      {"in: [x, 1]", "", U},
      {"in: [x, null]", "null", T},
      {"in: [x, null]", "true", F},
      {"exists: true", "0", T},
      {"exists: true", "null", T},
      {"exists: true", "", F},
      {"exists: false", "", T},
      {"exists: false", "null", F},
  });
}

TEST(Conditions, Patterns) {
  Check({
      {"glob: \"a/*\"", "\"a/b\"", T},
      {"glob: \"a/*\"", "\"a/b/c\"", F},
      {"glob: \"a/*\"", "7", U},
      {"glob: \"**\"", "null", U},
      {"glob: \"**\"", "", U},
      {"regExp: \"a+\"", "\"aa\"", T},
      {"regExp: \"a+\"", "\"aab\"", F},
      {"regExp: \".*\"", "[]", U},
      {"regExp: \".*\"", "", U},
  });
}

TEST(Conditions, Numbers) {
  Check({
      {"atLeast: 7", "7", T},
      {"atLeast: 7", "6.99", F},
      {"atLeast: 7", "\"8\"", U},
      {"atLeast: 7", "null", U},
      {"atLeast: 7", "true", U},
      {"atLeast: 7", "", U},
      {"atMost: 7", "7", T},
      {"atMost: 7", "7.01", F},
      {"greaterThan: 7", "7", F},
      {"greaterThan: 7", "7.01", T},
      {"lessThan: 7", "7", F},
      {"lessThan: 7", "-7", T},
      {"atLeast: 1, atMost: 9", "9", T},
      {"atLeast: 1, atMost: 9", "0", F},
      {"greaterThan: 1, lessThan: 9", "9", F},
      {"greaterThan: 1, lessThan: 9", "1", F},
      {"greaterThan: 1, lessThan: 9", "5", T},
      {"atMost: 9223372036854775807", "9223372036854775808", F},
      {"atLeast: 0", "1e308", T},
  });
}

TEST(Conditions, Times) {
  Check({
      {"olderThan: 720h", "\"2026-10-22T00:00:00Z\"", T},
      {"olderThan: 720h", "\"2026-10-23T12:00:00Z\"", F},
      {"olderThan: 720h", "\"2026-10-23T11:59:59.999Z\"", T},
      {"olderThan: 720h", "\"2026-11-22T12:00:00Z\"", F},
      {"olderThan: 720h", "\"2026-11-22T12:10:00Z\"", F},
      {"olderThan: 720h", "\"2026-11-22T12:10:01Z\"", U},
      {"olderThan: 720h", "\"2026-10-22\"", U},
      {"olderThan: 720h", "\"yesterday\"", U},
      {"olderThan: 720h", "1700000000", U},
      {"olderThan: 720h", "", U},
      {"newerThan: 24h", "\"2026-11-21T12:00:01Z\"", T},
      {"newerThan: 24h", "\"2026-11-21T12:00:00Z\"", F},
      {"newerThan: 24h", "\"2026-11-21T13:00:00+02:00\"", F},
      {"newerThan: 24h", "\"9999-01-01T00:00:00Z\"", U},
      {"before: \"2026-01-01T00:00:00Z\"", "\"2025-12-31T23:59:59Z\"", T},
      {"before: \"2026-01-01T00:00:00Z\"", "\"2026-01-01T00:00:00Z\"", F},
      {"before: \"2026-01-01T00:00:00Z\"", "\"2026-01-01T00:30:00+01:00\"", T},
      {"before: \"2026-01-01T00:00:00Z\"", "20260101", U},
      {"after: \"2026-01-01T00:00:00Z\"", "\"2026-01-01T00:00:01Z\"", T},
      {"after: \"2026-01-01T00:00:00Z\"", "\"2026-01-01T00:00:00Z\"", F},
      {"after: \"2026-01-01T00:00:00Z\"", "\"\"", U},
  });
}

TEST(Conditions, Lists) {
  Check({
      {"all: [{equals: 1}]", "[1,1]", T},
      {"all: [{equals: 1}]", "[1,2]", F},
      {"all: [{equals: 1}]", "[1,\"1\"]", U},
      {"all: [{equals: 1}]", "[2,\"1\"]", F},
      {"all: [{equals: 1}]", "[]", U},
      {"all: [{equals: 1}]", "{}", U},
      {"all: [{equals: 1}]", "null", U},
      {"all: [{equals: 1}]", "", U},
      {"any: [{equals: 1}]", "[2,1]", T},
      {"any: [{equals: 1}]", "[\"1\",1]", T},
      {"any: [{equals: 1}]", "[2,3]", F},
      {"any: [{equals: 1}]", "[2,\"1\"]", U},
      {"any: [{equals: 1}]", "[]", F},
      {"any: [{equals: 1}]", "1", U},
      {"none: [{equals: 1}]", "[2,3]", T},
      {"none: [{equals: 1}]", "[2,1]", F},
      {"none: [{equals: 1}]", "[2,\"1\"]", U},
      {"none: [{equals: 1}]", "[\"1\",1]", F},
      {"none: [{equals: 1}]", "[]", T},
      {"none: [{equals: 1}]", "null", U},
      {"none: [{equals: 1}]", "", U},
      {"any: [{path: /n, equals: x}, {path: /v, atLeast: 2}]", R"([{"n":"x","v":1},{"n":"y","v":3}])", F},
      {"any: [{path: /n, equals: x}, {path: /v, atLeast: 2}]", R"([{"n":"x","v":2},{"n":"y","v":3}])", T},
      {"all: [{path: /l, none: [{path: /x, equals: 1}]}]", R"([{"l":[{"x":2}]},{"l":[]}])", T},
      {"all: [{path: /l, none: [{path: /x, equals: 1}]}]", R"([{"l":[{"x":2}]},{"l":[{"x":1}]}])", F},
      {"all: [{path: /l, none: [{path: /x, equals: 1}]}]", R"([{"l":[{"x":2}]},{"l":[{}]}])", U},
  });
}

// An element of which the answer is not known is not one of which it is no.
TEST(Adversarial_K3, AnElementThatDoesNotSayIsNeverPassedOver) {
  const std::string kPlain = "[{path: /v, none: [{path: /severity, equals: CRITICAL}]}]";
  EXPECT_EQ(Evaluate(kPlain, R"({"v":[{"severity":"LOW"}]})"), T);
  EXPECT_EQ(Evaluate(kPlain, R"({"v":[{"severity":"LOW"},{}]})"), U);
  EXPECT_EQ(Evaluate(kPlain, R"({"v":[{"severity":"LOW"},{"severity":9}]})"), U);
  EXPECT_EQ(Evaluate(kPlain, R"({"v":[{"severity":"LOW"},{"severity":null}]})"), U);
  EXPECT_EQ(Evaluate(kPlain, R"({"v":[{"Severity":"CRITICAL"}]})"), U);
  // Unless the author says so.
  const std::string kGuarded =
      "[{path: /v, none: [{path: /severity, exists: true}, {path: /severity, equals: CRITICAL}]}]";
  EXPECT_EQ(Evaluate(kGuarded, R"({"v":[{"severity":"LOW"},{}]})"), T);
  EXPECT_EQ(Evaluate(kGuarded, R"({"v":[{"severity":"CRITICAL"},{}]})"), F);
  EXPECT_EQ(Evaluate(kGuarded, R"({"v":[{"severity":9},{}]})"), U);
  // Where another condition settles it, it is settled.
  const std::string kTwo =
      "[{path: /v, none: [{path: /severity, equals: CRITICAL}, {path: /published, olderThan: 720h}]}]";
  EXPECT_EQ(Evaluate(kTwo, R"({"v":[{"published":"2026-11-20T00:00:00Z"}]})"), T);
  EXPECT_EQ(Evaluate(kTwo, R"({"v":[{"published":"2025-11-20T00:00:00Z"}]})"), U);
  EXPECT_EQ(Evaluate(kTwo, R"({"v":[{"severity":"CRITICAL"}]})"), U);
  EXPECT_EQ(Evaluate(kTwo, R"({"v":[{"severity":"CRITICAL","published":"2025-11-20T00:00:00Z"}]})"), F);
}

TEST(Conditions, Groups) {
  const std::string kAnyOf = "[{anyOf: [[{path: /a, equals: 1}, {path: /b, equals: 1}], [{path: /c, equals: 1}]]}]";
  EXPECT_EQ(Evaluate(kAnyOf, R"({"a":1,"b":1})"), T);
  EXPECT_EQ(Evaluate(kAnyOf, R"({"a":1,"b":2,"c":2})"), F);
  EXPECT_EQ(Evaluate(kAnyOf, R"({"a":2,"b":1,"c":1})"), T);
  EXPECT_EQ(Evaluate(kAnyOf, R"({"a":1,"c":2})"), U);
  const std::string kNot = "[{not: [{path: /a, equals: 1}, {path: /b, equals: 1}]}]";
  EXPECT_EQ(Evaluate(kNot, R"({"a":1,"b":1})"), F);
  EXPECT_EQ(Evaluate(kNot, R"({"a":1,"b":2})"), T);
  EXPECT_EQ(Evaluate(kNot, R"({"a":2})"), T);
  EXPECT_EQ(Evaluate(kNot, R"({"a":1})"), U);
  // All of a list must hold.
  EXPECT_EQ(Evaluate("[{path: /a, equals: 1}, {path: /b, equals: 1}]", R"({"a":1,"b":2})"), F);
  EXPECT_EQ(Evaluate("[{path: /a, equals: 1}, {path: /b, equals: 1}]", R"({"a":1})"), U);
}

TEST(JsonPointer, Rfc6901) {
  const std::string kDocument =
      R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8,"n":null,"~1":9})";
  auto document = JsonDocument::Parse(kDocument, {.max_bytes = 4096});
  ASSERT_TRUE(document.ok());
  auto found = [&](const std::string& path) -> std::string {
    auto pointer = JsonPointer::Parse(path);
    if (!pointer.ok()) return "refused";
    auto result = pointer->Find(document->root());
    if (result.astray) return "astray";
    return result.value ? result.value->Serialize() : "none";
  };
  const std::pair<std::string, std::string> kCases[] = {
      {"/foo", R"(["bar","baz"])"},
      {"/foo/0", "\"bar\""},
      {"/", "0"},
      {"/a~1b", "1"},
      {"/c%d", "2"},
      {"/e^f", "3"},
      {"/g|h", "4"},
      {"/i\\j", "5"},
      {"/k\"l", "6"},
      {"/ ", "7"},
      {"/m~0n", "8"},
      {"/~01", "9"},
      {"/foo/1", "\"baz\""},
      {"/foo/2", "none"},
      {"/foo/-", "none"},
      {"/foo/01", "astray"},
      {"/foo/+1", "astray"},
      {"/foo/x", "astray"},
      {"/foo/", "astray"},
      {"/foo/0/x", "astray"},
      {"/a~1b/x", "astray"},
      {"/bar", "none"},
      {"/bar/x", "none"},
      {"/n/x/y", "none"},
      {"/n", "null"},
      {"foo", "refused"},
      {"/m~n", "refused"},
      {"/m~", "refused"},
      {"/m~2", "refused"},
      {"#/foo", "refused"},
      {"/foo/4294967296", "none"},
      {"/foo/99999999999999999999", "none"},
      {"/" + std::string(limits::kPatternBytes, 'a'), "refused"},
  };
  for (const auto& [path, value] : kCases) EXPECT_EQ(found(path), value) << path;
  EXPECT_EQ(JsonPointer::Parse("").value().Find(document->root()).value->size(), document->root().size());
}

// A way that leads through what is no object or list: nothing is known of what is there, not even that it is not.
TEST(Conditions, APathThatLeadsAstrayIsNeverAMatch) {
  for (const std::string condition : {"exists: false", "exists: true", "equals: null", "notEquals: 1"}) {
    EXPECT_EQ(Evaluate("[{path: /a/b, " + condition + "}]", R"({"a":"text"})"), U) << condition;
    EXPECT_EQ(Evaluate("[{path: /a/b, " + condition + "}]", R"({"a":[{"b":1}]})"), U) << condition;
    EXPECT_EQ(Evaluate("[{not: [{path: /a/b, " + condition + "}]}]", R"({"a":7})"), U) << condition;
  }
  EXPECT_EQ(Evaluate("[{path: /a/b, exists: false}]", R"({"a":{}})"), T);
  EXPECT_EQ(Evaluate("[{path: /a/b, exists: false}]", R"({"a":null})"), T);
  EXPECT_EQ(Evaluate("[{path: /a/b, exists: false}]", R"({})"), T);
}

TEST(Conditions, MessagesNameThePathAndBothSides) {
  struct Message {
    std::string conditions;
    std::string json;
    std::string message;
  };
  const Message kCases[] = {
      {"[{path: /a, equals: x}]", R"({"a":"y"})", "/a is 'y'; the policy wants equals 'x'"},
      {"[{path: /a, equals: x}]", R"({"a":1})", "/a is 1, which cannot be compared; the policy wants equals 'x'"},
      {"[{path: /a, equals: x}]", "{}", "/a does not exist; the policy wants equals 'x'"},
      {"[{path: /a/b, equals: x}]", R"({"a":"y"})",
       "/a/b leads through what has no such members; the policy wants equals 'x'"},
      {"[{path: /a, exists: false}]", R"({"a":[1,2]})", "/a is a list of 2; the policy wants exists false"},
      {"[{path: /a, atLeast: 1, atMost: 2}]", R"({"a":3})", "/a is 3; the policy wants atLeast 1, atMost 2"},
      {"[{path: /l, none: [{path: /s, equals: X}]}]", R"({"l":[{"s":"Y"},{"s":"X"}]})", "/l/1 is what must not be"},
      {"[{path: /l, none: [{path: /s, equals: X}]}]", R"({"l":[{"s":"Y"},{}]})",
       "/l/1/s does not exist; the policy wants equals 'X'"},
      {"[{path: /l, all: [{path: /s, equals: X}]}]", R"({"l":[{"s":"X"},{"s":"Y"}]})",
       "/l/1/s is 'Y'; the policy wants equals 'X'"},
      {"[{path: /l, all: [{equals: X}]}]", R"({"l":[]})", "/l is an empty list, of which all says nothing"},
      {"[{path: /l, any: [{equals: X}]}]", R"({"l":["Y","Z"]})", "none of the 2 elements of /l is as wanted"},
      {"[{path: /l, any: [{equals: X}]}]", R"({"l":{}})", "/l is an object, and a list is wanted"},
      {"[{anyOf: [[{path: /a, equals: 1}], [{path: /a, equals: 2}]]}]", R"({"a":3})",
       "none of the 2 alternatives holds; of the first, /a is 3; the policy wants equals 1"},
      {"[{not: [{path: /a, equals: 1}]}]", R"({"a":1})", " is what must not be"},
      {"[{path: /a, equals: x}]", "{\"a\":\"\\u001b[31m\"}", R"(/a is '\x1b[31m'; the policy wants equals 'x')"},
  };
  for (const Message& c : kCases) {
    auto conditions = Read(c.conditions);
    ASSERT_TRUE(conditions.ok()) << c.conditions;
    auto document = JsonDocument::Parse(c.json, {.max_bytes = 4096});
    Status status = Conditions(*conditions).Check(document->root(), kNow);
    ASSERT_FALSE(status.ok()) << c.conditions;
    EXPECT_THAT(status.error().detail, HasSubstr(c.message));
  }
}

TEST(Conditions, Refused) {
  struct Refusal {
    std::string list;
    std::string where;
    std::string detail;
  };
  const Refusal kCases[] = {
      {"[]", "$.where", "must not be empty"},
      {"{}", "$.where", "must be an array"},
      {"[x]", "$.where[0]", "must be an object"},
      {"[{}]", "$.where[0]", "lacks what must be so"},
      {"[{path: /a}]", "$.where[0]", "one of equals"},
      {"[{path: /a, equal: 1}]", "$.where[0]", "unknown field 'equal'; did you mean 'equals'?"},
      {"[{equals: 1}]", "$.where[0].path", "is required"},
      {"[{path: \"\", equals: 1}]", "$.where[0].path", "must not be empty"},
      {"[{path: a, equals: 1}]", "$.where[0].path", "write a / before each name"},
      {"[{path: 7, equals: 1}]", "$.where[0].path", "must be a string"},
      {"[{path: /a, equals: 1, glob: x}]", "$.where[0].glob", "stands beside equals"},
      {"[{path: /a, exists: true, all: [{equals: 1}]}]", "$.where[0].all", "stands beside exists"},
      {"[{path: /a, atLeast: 1, equals: 1}]", "$.where[0].atLeast", "stands beside equals"},
      {"[{path: /a, atLeast: 1, greaterThan: 1}]", "$.where[0].greaterThan", "stands beside atLeast"},
      {"[{path: /a, atMost: 1, lessThan: 1}]", "$.where[0].lessThan", "stands beside atMost"},
      {"[{path: /a, atLeast: 2, atMost: 1}]", "$.where[0]", "no number is in that range"},
      {"[{path: /a, atLeast: 1, lessThan: 1}]", "$.where[0]", "no number is in that range"},
      {"[{path: /a, atLeast: \"1\"}]", "$.where[0].atLeast", "must be a number"},
      {"[{path: /a, lessThan: true}]", "$.where[0].lessThan", "must be a number"},
      {"[{path: /a, equals: [1]}]", "$.where[0].equals", "must be a text, a number"},
      {"[{path: /a, notEquals: {a: 1}}]", "$.where[0].notEquals", "must be a text, a number"},
      {"[{path: /a, in: []}]", "$.where[0].in", "must be an array"},
      {"[{path: /a, in: x}]", "$.where[0].in", "must be an array"},
      {"[{path: /a, in: [[x]]}]", "$.where[0].in", "must be a text, a number"},
      {"[{path: /a, glob: \"a?\"}]", "$.where[0].glob", "holds '?'"},
      {"[{path: /a, glob: 7}]", "$.where[0].glob", "must be a string"},
      {"[{path: /a, regExp: \"(\"}]", "$.where[0].regExp", "RE2"},
      {"[{path: /a, olderThan: 30d}]", "$.where[0].olderThan", "must be a duration"},
      {"[{path: /a, olderThan: 0s}]", "$.where[0].olderThan", "must be a duration"},
      {"[{path: /a, newerThan: 24}]", "$.where[0].newerThan", "must be a string"},
      {"[{path: /a, newerThan: 900000h}]", "$.where[0].newerThan", "must be a duration"},
      {"[{path: /a, before: 2026-01-01}]", "$.where[0].before", "RFC 3339"},
      {"[{path: /a, after: soon}]", "$.where[0].after", "RFC 3339"},
      {"[{path: /a, exists: maybe}]", "$.where[0].exists", "must be true or false"},
      {"[{path: /a, all: []}]", "$.where[0].all", "must not be empty"},
      {"[{path: /a, any: {}}]", "$.where[0].any", "must be an array"},
      {"[{path: /a, none: [{path: /b}]}]", "$.where[0].none[0]", "one of equals"},
      {"[{path: /a, anyOf: [[{path: /a, equals: 1}]]}]", "$.where[0].path", "has no meaning beside anyOf"},
      {"[{path: /a, not: [{path: /a, equals: 1}]}]", "$.where[0].path", "has no meaning beside not"},
      {"[{anyOf: []}]", "$.where[0].anyOf", "array of arrays"},
      {"[{anyOf: [{path: /a, equals: 1}]}]", "$.where[0].anyOf", "alternative 1"},
      {"[{anyOf: [[]]}]", "$.where[0].anyOf", "alternative 1"},
      {"[{anyOf: [[{path: /a, equals: 1}], [{path: /a}]]}]", "$.where[0].anyOf[1][0]", "one of equals"},
      {"[{anyOf: [[{equals: 1}]]}]", "$.where[0].anyOf[0][0].path", "is required"},
      {"[{not: [{equals: 1}]}]", "$.where[0].not[0].path", "is required"},
      {"[{not: []}]", "$.where[0].not", "must not be empty"},
  };
  for (const Refusal& c : kCases) {
    auto conditions = Read(c.list);
    ASSERT_FALSE(conditions.ok()) << c.list;
    EXPECT_EQ(conditions.error().reason, Reason::kPolicyInvalid) << c.list;
    EXPECT_THAT(conditions.error().where, ::testing::EndsWith(" " + c.where)) << c.list;
    EXPECT_THAT(conditions.error().detail, HasSubstr(c.detail)) << c.list;
  }
}

TEST(Conditions, AreCountedNestedOnesToo) {
  auto list = [](std::size_t count) {
    std::string text = "{path: /a, all: [{equals: 1}";
    for (std::size_t i = 2; i < count; ++i) text += ", {equals: 1}";
    return "[" + text + "]}]";
  };
  EXPECT_TRUE(Read(list(limits::kPredicateConditions)).ok());
  auto more = Read(list(limits::kPredicateConditions + 1));
  ASSERT_FALSE(more.ok());
  EXPECT_EQ(more.error().reason, Reason::kLimitExceeded);
}

// As deep as a document may be.
// Whoever signs what it is about and writes the policy of a namespace has no core of ours for a minute. What was not
// evaluated is no match, whichever way it is asked.
TEST(Conditions, WorkIsBounded) {
  std::string list;
  for (int i = 0; i < 100'000; ++i) list += i == 0 ? "1" : ",1";
  const auto document = JsonDocument::Parse("{\"a\":[" + list + "]}", {.max_bytes = 1 << 20}).value();
  std::string each;
  for (int i = 0; i < 190; ++i) each += (i == 0 ? "" : ", ") + std::string("{atLeast: 1}");
  for (const std::string& condition : {"{path: /a, all: [" + each + "]}", "{not: [{path: /a, all: [" + each + "]}]}",
                                       "{path: /a, none: [" + each + ", {equals: 2}]}"}) {
    auto conditions = Read("[" + condition + "]");
    ASSERT_TRUE(conditions.ok());
    Status status = Conditions(*conditions).Check(document.root(), kNow);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().reason, Reason::kPredicateMismatch);
    EXPECT_THAT(status.error().detail, HasSubstr("too large for these conditions"));
  }
  EXPECT_TRUE(Conditions(*Read("[{path: /a, all: [{atLeast: 1}, {equals: 1}]}]")).Check(document.root(), kNow).ok());
}

TEST(Conditions, DepthIsThatOfTheDocument) {
  std::string nested = "{path: /a, equals: 1}";
  for (int i = 0; i < 25; ++i) nested = "{not: [" + nested + "]}";
  EXPECT_EQ(Evaluate("[" + nested + "]", R"({"a":1})"), F);
  EXPECT_EQ(Evaluate("[{not: [" + nested + "]}]", R"({"a":1})"), T);
  for (int i = 0; i < 10; ++i) nested = "{not: [" + nested + "]}";
  EXPECT_FALSE(Read("[" + nested + "]").ok());
}

}  // namespace
}  // namespace gatehouse::policy
