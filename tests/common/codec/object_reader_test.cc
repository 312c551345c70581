#include <gtest/gtest.h>

#include "common/codec/json.h"
#include "common/codec/yaml.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::codec {
namespace {

using Presence = ObjectReader::Presence;
using Read = std::function<void(ObjectReader&)>;

JsonDocument Json(std::string_view text) {
  auto document = JsonDocument::Parse(text, {.max_bytes = 100'000});
  EXPECT_EQ(Explain(document), "ok");
  return std::move(document).value();
}

// How reading `text` as a schema ends.
std::string Ends(std::string_view text, const Read& read) {
  JsonDocument document = Json(text);
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  read(reader);
  return Explain(reader.Finish());
}

std::string EndsYaml(std::string_view text, const Read& read) {
  auto documents = ParseYaml(text, "policy.yaml");
  if (!documents.ok()) return Explain(documents);
  ObjectReader reader(documents->at(0), documents->at(0).root(), Reason::kPolicyInvalid);
  read(reader);
  return Explain(reader.Finish());
}

TEST(ObjectReader, ReadsASchema) {
  JsonDocument document = Json(R"({"name":"n","note":"","count":3,"limit":-5,"on":true,"list":["a","b"],
      "labels":{"app.kubernetes.io/name":"x","e":""},"key":"AAEC","mode":"warn","object":{"x":"1"},
      "each":[{"y":"2"},{"y":"3"}],"raw":null})");
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  EXPECT_EQ(reader.String("name"), "n");
  EXPECT_EQ(reader.Text("note"), "");
  EXPECT_EQ(reader.Int("count", 0, 3), 3);
  EXPECT_EQ(reader.OptionalInt("limit", -5, 5), -5);
  EXPECT_EQ(reader.OptionalBool("on"), true);
  EXPECT_EQ(reader.Strings("list", Presence::kRequired), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.StringMap("labels", Presence::kRequired),
            (std::vector<std::pair<std::string, std::string>>{{"app.kubernetes.io/name", "x"}, {"e", ""}}));
  EXPECT_EQ(reader.Base64("key"), (Bytes{0, 1, 2}));
  EXPECT_EQ(reader.OptionalEnum("mode", {"enforce", "warn"}), "warn");
  std::string text;
  EXPECT_TRUE(reader.Object("object", Presence::kRequired,
                            [&](ObjectReader& inner) { text += inner.path() + "=" + inner.String("x") + " "; }));
  reader.Each("each", Presence::kRequired,
              [&](ObjectReader& inner) { text += inner.path() + "=" + inner.String("y") + " "; });
  EXPECT_EQ(text, "$.object=1 $.each[0]=2 $.each[1]=3 ");
  EXPECT_TRUE(reader.Raw("raw")->IsNull());
  EXPECT_EQ(Explain(reader.Finish()), "ok");
}

TEST(ObjectReader, AbsentOptionalsAreNothing) {
  JsonDocument document = Json("{}");
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  EXPECT_EQ(reader.OptionalString("a"), std::nullopt);
  EXPECT_EQ(reader.OptionalInt("a", 0, 1), std::nullopt);
  EXPECT_EQ(reader.OptionalBool("a"), std::nullopt);
  EXPECT_EQ(reader.OptionalBase64("a"), std::nullopt);
  EXPECT_EQ(reader.OptionalEnum("a", {"x"}), std::nullopt);
  EXPECT_TRUE(reader.Strings("a", Presence::kOptional).empty());
  EXPECT_TRUE(reader.StringMap("a", Presence::kOptional).empty());
  EXPECT_FALSE(reader.Object("a", Presence::kOptional, [](ObjectReader&) { FAIL(); }));
  reader.Each("a", Presence::kOptional, [](ObjectReader&) { FAIL(); });
  EXPECT_FALSE(reader.Raw("a").has_value());
  EXPECT_FALSE(reader.Has("a"));
  EXPECT_EQ(Explain(reader.Finish()), "ok");
}

TEST(ObjectReader, AbsentRequiredIsAnError) {
  const std::pair<const char*, Read> cases[] = {
      {"String", [](ObjectReader& r) { EXPECT_EQ(r.String("a"), ""); }},
      {"Text", [](ObjectReader& r) { EXPECT_EQ(r.Text("a"), ""); }},
      {"Int", [](ObjectReader& r) { EXPECT_EQ(r.Int("a", 2, 3), 2); }},
      {"Strings", [](ObjectReader& r) { EXPECT_TRUE(r.Strings("a", Presence::kRequired).empty()); }},
      {"StringMap", [](ObjectReader& r) { EXPECT_TRUE(r.StringMap("a", Presence::kRequired).empty()); }},
      {"Base64", [](ObjectReader& r) { EXPECT_TRUE(r.Base64("a").empty()); }},
      {"Object", [](ObjectReader& r) { r.Object("a", Presence::kRequired, [](ObjectReader&) { FAIL(); }); }},
      {"Each", [](ObjectReader& r) { r.Each("a", Presence::kRequired, [](ObjectReader&) { FAIL(); }); }},
  };
  for (const auto& [name, read] : cases) EXPECT_EQ(Ends("{}", read), "$.a: is required [config-invalid]") << name;
}

TEST(ObjectReader, AbsentRequiredNamesTheMemberThatWasProbablyMeant) {
  Read read = [](ObjectReader& r) {
    std::ignore = r.String("mode");
    std::ignore = r.String("images");
  };
  EXPECT_EQ(Ends(R"({"mode":"a","imagse":"b"})", read),
            "$.images: is required; 'imagse' is written here: did you mean 'images'? [config-invalid]");
  EXPECT_EQ(Ends(R"({"mode":"a","other":"b"})", read), "$.images: is required [config-invalid]");
  EXPECT_EQ(Ends(R"({"modes":"a","mode":"a"})",
                 [](ObjectReader& r) {
                   std::ignore = r.String("mode");
                   std::ignore = r.String("model");
                 }),
            "$.model: is required; 'modes' is written here: did you mean 'model'? [config-invalid]");
}

TEST(ObjectReader, WrongKindsAndValues) {
  const struct {
    const char* text;
    Read read;
    const char* error;
  } cases[] = {
      {R"({"a":1})", [](ObjectReader& r) { std::ignore = r.String("a"); },
       "$.a: must be a string, not a number; put it in quotes"},
      {R"({"a":true})", [](ObjectReader& r) { std::ignore = r.OptionalString("a"); },
       "$.a: must be a string, not a boolean; put it in quotes"},
      {R"({"a":null})", [](ObjectReader& r) { std::ignore = r.OptionalString("a"); },
       "$.a: must be a string, not null"},
      {R"({"a":[]})", [](ObjectReader& r) { std::ignore = r.Text("a"); }, "$.a: must be a string, not an array"},
      {R"({"a":""})", [](ObjectReader& r) { std::ignore = r.String("a"); }, "$.a: must not be empty"},
      {R"({"a":""})", [](ObjectReader& r) { std::ignore = r.OptionalString("a"); }, "$.a: must not be empty"},
      {R"({"a":"1"})", [](ObjectReader& r) { std::ignore = r.Int("a", 0, 9); },
       "$.a: must be an integer from 0 to 9, not a string"},
      {R"({"a":1.0})", [](ObjectReader& r) { std::ignore = r.Int("a", 0, 9); }, "$.a: must be an integer from 0 to 9"},
      {R"({"a":10})", [](ObjectReader& r) { std::ignore = r.OptionalInt("a", 0, 9); },
       "$.a: must be an integer from 0 to 9"},
      {R"({"a":-1})", [](ObjectReader& r) { std::ignore = r.Int("a", 0, 9); }, "$.a: must be an integer from 0 to 9"},
      {R"({"a":"true"})", [](ObjectReader& r) { std::ignore = r.OptionalBool("a"); },
       "$.a: must be true or false, not a string"},
      {R"({"a":"x"})", [](ObjectReader& r) { std::ignore = r.Strings("a", Presence::kRequired); },
       "$.a: must be an array of strings, not a string"},
      {R"({"a":[]})", [](ObjectReader& r) { std::ignore = r.Strings("a", Presence::kRequired); },
       "$.a: must not be empty"},
      {R"({"a":["x",""]})", [](ObjectReader& r) { std::ignore = r.Strings("a", Presence::kRequired); },
       "$.a[1]: must not be empty"},
      {R"({"a":["x",1.5]})", [](ObjectReader& r) { std::ignore = r.Strings("a", Presence::kOptional); },
       "$.a[1]: must be a string, not a number; put it in quotes"},
      {R"({"a":["x"]})", [](ObjectReader& r) { std::ignore = r.StringMap("a", Presence::kOptional); },
       "$.a: must be an object of strings, not an array"},
      {R"({"a":{"b.c/d":1}})", [](ObjectReader& r) { std::ignore = r.StringMap("a", Presence::kOptional); },
       R"($.a["b.c/d"]: must be a string, not a number; put it in quotes)"},
      {R"({"a":{"":"x"}})", [](ObjectReader& r) { std::ignore = r.StringMap("a", Presence::kOptional); },
       R"($.a[""]: has an empty key)"},
      {R"({"a":"AA= ="})", [](ObjectReader& r) { std::ignore = r.Base64("a"); },
       "$.a: base64 is not padded to a multiple of four"},
      {R"({"a":"AB=="})", [](ObjectReader& r) { std::ignore = r.OptionalBase64("a"); },
       "$.a: base64 has non-zero bits after its end"},
      {R"({"a":"Warn"})",
       [](ObjectReader& r) {
         std::ignore = r.OptionalEnum("a", {"enforce", "warn", "audit"});
       },
       "$.a: must be one of enforce, warn, audit; not 'Warn'"},
      {R"({"a":[]})", [](ObjectReader& r) { r.Object("a", Presence::kOptional, [](ObjectReader&) { FAIL(); }); },
       "$.a: must be an object, not an array"},
      {R"({"a":null})", [](ObjectReader& r) { r.Object("a", Presence::kOptional, [](ObjectReader&) { FAIL(); }); },
       "$.a: must be an object, not null"},
      {R"({"a":{}})", [](ObjectReader& r) { r.Each("a", Presence::kOptional, [](ObjectReader&) { FAIL(); }); },
       "$.a: must be an array, not an object"},
      {R"({"a":[]})", [](ObjectReader& r) { r.Each("a", Presence::kRequired, [](ObjectReader&) { FAIL(); }); },
       "$.a: must not be empty"},
      {R"({"a":[{},1]})", [](ObjectReader& r) { r.Each("a", Presence::kRequired, [](ObjectReader&) {}); },
       "$.a[1]: must be an object, not a number"},
      {R"({"a":[{"b":{"c":1}}]})",
       [](ObjectReader& r) {
         r.Each("a", Presence::kRequired, [](ObjectReader& e) {
           e.Object("b", Presence::kRequired, [](ObjectReader& o) { std::ignore = o.String("c"); });
         });
       },
       "$.a[0].b.c: must be a string, not a number; put it in quotes"},
      {"[]", [](ObjectReader&) {}, "$: must be an object, not an array"},
      {"\"x\"", [](ObjectReader& r) { std::ignore = r.String("a"); }, "$: must be an object, not a string"},
  };
  for (const auto& test : cases) {
    EXPECT_EQ(Ends(test.text, test.read), std::string(test.error) + " [config-invalid]") << test.text;
  }
}

TEST(ObjectReader, EmptyOptionalArraysAreAllowed) {
  EXPECT_EQ(Ends(R"({"a":[],"b":[],"c":{}})",
                 [](ObjectReader& r) {
                   EXPECT_TRUE(r.Strings("a", Presence::kOptional).empty());
                   r.Each("b", Presence::kOptional, [](ObjectReader&) { FAIL(); });
                   EXPECT_TRUE(r.StringMap("c", Presence::kRequired).empty());
                 }),
            "ok");
}

TEST(ObjectReader, FirstErrorSticks) {
  EXPECT_EQ(Ends(R"({"a":1,"b":2,"c":3})",
                 [](ObjectReader& r) {
                   std::ignore = r.String("b");
                   EXPECT_FALSE(r.ok());
                   EXPECT_EQ(r.Int("c", 3, 3), 3);
                   std::ignore = r.String("a");
                   r.Fail("c", "later");
                   r.Fail(Error{Reason::kInternal, "", "later"});
                 }),
            "$.b: must be a string, not a number; put it in quotes [config-invalid]");
}

TEST(ObjectReader, NothingIsReadAfterAnError) {
  Ends(R"({"a":1,"o":{},"e":[{}]})", [](ObjectReader& r) {
    std::ignore = r.String("a");
    EXPECT_FALSE(r.Object("o", Presence::kRequired, [](ObjectReader&) { FAIL(); }));
    r.Each("e", Presence::kRequired, [](ObjectReader&) { FAIL(); });
  });
  // The second element is not reached after an error in the first.
  int calls = 0;
  Ends(R"({"e":[{},{}]})", [&](ObjectReader& r) {
    r.Each("e", Presence::kRequired, [&](ObjectReader& e) {
      ++calls;
      e.Fail("", "no");
    });
  });
  EXPECT_EQ(calls, 1);
}

TEST(ObjectReader, UnknownFieldNamesTheNearestAllowed) {
  auto read = [](ObjectReader& r) {
    std::ignore = r.OptionalString("images");
    std::ignore = r.OptionalString("authorities");
    std::ignore = r.OptionalString("mode");
  };
  const std::pair<const char*, const char*> cases[] = {
      {"athorities", "did you mean 'authorities'? "},
      {"authoritys", "did you mean 'authorities'? "},
      {"Authorities", "did you mean 'authorities'? "},
      {"MODE", "did you mean 'mode'? "},
      {"mdoe", "did you mean 'mode'? "},
      {"image", "did you mean 'images'? "},
      {"onUnavailable", ""},
      {"x", ""},
      {"", ""},
  };
  for (const auto& [key, advice] : cases) {
    EXPECT_EQ(Ends(R"({")" + std::string(key) + R"(":"x"})", read),
              "$: unknown field '" + std::string(key) + "'; " + advice +
                  "allowed: images, authorities, mode [config-invalid]");
  }
}

TEST(ObjectReader, UnknownFieldOfHostileLengthIsShownInPart) {
  std::string error =
      Ends(R"({")" + std::string(10'000, 'x') + R"(":1})", [](ObjectReader& r) { std::ignore = r.Raw("mode"); });
  EXPECT_EQ(error, "$: unknown field '" + std::string(64, 'x') + "...'; allowed: mode [config-invalid]");
  EXPECT_EQ(Ends("{\"a\\u001b[2J\":1}", [](ObjectReader&) {}),
            "$: unknown field 'a\\x1b[2J'; no field is allowed here [config-invalid]");
}

TEST(ObjectReader, UnknownFieldInsideIsFoundWithoutFinish) {
  EXPECT_EQ(Ends(R"({"o":{"x":1}})", [](ObjectReader& r) { r.Object("o", Presence::kRequired, [](ObjectReader&) {}); }),
            "$.o: unknown field 'x'; no field is allowed here [config-invalid]");
  EXPECT_EQ(Ends(R"({"e":[{"x":1}]})", [](ObjectReader& r) { r.Each("e", Presence::kRequired, [](ObjectReader&) {}); }),
            "$.e[0]: unknown field 'x'; no field is allowed here [config-invalid]");
}

TEST(ObjectReader, IgnoreUnknownIsForOneObjectOnly) {
  EXPECT_EQ(Ends(R"({"x":1,"a":"b"})",
                 [](ObjectReader& r) {
                   r.IgnoreUnknown();
                   EXPECT_EQ(r.String("a"), "b");
                 }),
            "ok");
  EXPECT_EQ(Ends(R"({"x":1,"o":{"y":1}})",
                 [](ObjectReader& r) {
                   r.IgnoreUnknown();
                   r.Object("o", Presence::kRequired, [](ObjectReader&) {});
                 }),
            "$.o: unknown field 'y'; no field is allowed here [config-invalid]");
}

TEST(ObjectReader, IgnoreUnknownKeepsOtherErrors) {
  EXPECT_EQ(Ends(R"({"x":1})",
                 [](ObjectReader& r) {
                   r.IgnoreUnknown();
                   std::ignore = r.String("a");
                 }),
            "$.a: is required [config-invalid]");
}

TEST(ObjectReader, HasDoesNotAskForTheField) {
  EXPECT_EQ(Ends(R"({"a":null})", [](ObjectReader& r) { EXPECT_TRUE(r.Has("a")); }),
            "$: unknown field 'a'; no field is allowed here [config-invalid]");
}

TEST(ObjectReader, YamlErrorsHaveTheLine) {
  const char* text =
      "kind: ImagePolicy\n"  // 1
      "metadata:\n"          // 2
      "  name: 12\n"         // 3
      "spec:\n"              // 4
      "  images:\n"          // 5
      "  - glob: a\n"        // 6
      "  - glib: b\n"        // 7
      "  mode: 1.0\n"        // 8
      "  list: [a,\n"        // 9
      "    1]\n";            // 10
  auto spec = [&](const Read& read) {
    return EndsYaml(text, [&](ObjectReader& r) { r.Object("spec", Presence::kRequired, read); });
  };
  EXPECT_EQ(EndsYaml(text, [](ObjectReader& r) { std::ignore = r.String("apiVersion"); }),
            "policy.yaml:1 $.apiVersion: is required [policy-invalid]");
  EXPECT_EQ(EndsYaml(text, [](ObjectReader& r) { std::ignore = r.Raw("kind"); }),
            "policy.yaml:2 $: unknown field 'metadata'; allowed: kind [policy-invalid]");
  EXPECT_EQ(EndsYaml(text,
                     [](ObjectReader& r) {
                       r.Object("metadata", Presence::kRequired,
                                [](ObjectReader& m) { std::ignore = m.String("name"); });
                     }),
            "policy.yaml:3 $.metadata.name: must be a string, not a number; put it in quotes [policy-invalid]");
  EXPECT_EQ(spec([](ObjectReader& s) { std::ignore = s.String("images"); }),
            "policy.yaml:5 $.spec.images: must be a string, not an array [policy-invalid]");
  EXPECT_EQ(spec([](ObjectReader& s) {
              s.Each("images", Presence::kRequired, [](ObjectReader& i) { std::ignore = i.String("glob"); });
            }),
            "policy.yaml:7 $.spec.images[1].glob: is required; 'glib' is written here: did you mean 'glob'? "
            "[policy-invalid]");
  EXPECT_EQ(
      spec([](ObjectReader& s) {
        s.Each("images", Presence::kRequired, [](ObjectReader& i) { std::ignore = i.OptionalString("glob"); });
      }),
      "policy.yaml:7 $.spec.images[1]: unknown field 'glib'; did you mean 'glob'? allowed: glob [policy-invalid]");
  EXPECT_EQ(spec([](ObjectReader& s) { std::ignore = s.OptionalEnum("mode", {"enforce"}); }),
            "policy.yaml:8 $.spec.mode: must be a string, not a number; put it in quotes [policy-invalid]");
  EXPECT_EQ(spec([](ObjectReader& s) { std::ignore = s.Strings("list", Presence::kRequired); }),
            "policy.yaml:10 $.spec.list[1]: must be a string, not a number; put it in quotes [policy-invalid]");
  EXPECT_EQ(spec([](ObjectReader& s) { s.Fail("", "is odd"); }), "policy.yaml:4 $.spec: is odd [policy-invalid]");
  EXPECT_EQ(spec([](ObjectReader& s) { s.Fail("mode", "is odd"); }),
            "policy.yaml:8 $.spec.mode: is odd [policy-invalid]");
}

TEST(ObjectReader, ForeignErrorIsPlacedHereAndKeepsItsReason) {
  EXPECT_EQ(EndsYaml("a:\n  b: 1\n",
                     [](ObjectReader& r) {
                       r.Object("a", Presence::kRequired, [](ObjectReader& a) {
                         std::ignore = a.Raw("b");
                         a.Fail(Error{Reason::kKeyMalformed, "line 2", "is no key"});
                       });
                     }),
            "policy.yaml:1 $.a: line 2: is no key [key-malformed]");
}

TEST(ObjectReader, ErrorOfTheSameDocumentIsNotPlacedTwice) {
  EXPECT_EQ(EndsYaml("a:\n  b: 1\n",
                     [](ObjectReader& r) {
                       auto a = *r.Raw("a");
                       ObjectReader inner(r.document(), a, Reason::kPolicyInvalid, "$.a");
                       std::ignore = inner.String("b");
                       r.Fail(inner.Finish().error());
                     }),
            "policy.yaml:2 $.a.b: must be a string, not a number; put it in quotes [policy-invalid]");
  EXPECT_EQ(Ends("{}",
                 [](ObjectReader& r) {
                   r.Fail(Error{Reason::kUsage, "$.x.y", "is odd"});
                 }),
            "$.x.y: is odd [usage]");
}

}  // namespace
}  // namespace gatehouse::codec
