// in-toto statements.
#include "common/signature/intoto/statement.h"

#include <gtest/gtest.h>

#include "common/crypto/hash.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::signature::intoto {
namespace {

const std::string kHex(64, 'a');
const std::string kOtherHex(64, 'b');
const Digest kDigest = Digest::Parse("sha256:" + kHex).value();

std::string Good(std::string_view subject = "") {
  return R"({"_type":"https://in-toto.io/Statement/v1","subject":[)" +
         (subject.empty() ? R"({"name":"app","digest":{"sha256":")" + kHex + R"("}})" : std::string(subject)) +
         R"(],"predicateType":"https://slsa.dev/provenance/v1","predicate":{"x":[1]}})";
}

std::string With(std::string_view from, std::string_view to) {
  std::string text = Good();
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

std::string SubjectOf(std::string_view digests) {
  return R"({"digest":{)" + std::string(digests) + "}}";
}

TEST(Statement, Parsed) {
  for (const char* version : {"v1", "v0.1"}) {
    const auto statement = ParseStatement(With("Statement/v1", std::string("Statement/") + version));
    ASSERT_TRUE(statement.ok()) << statement.error().ToString();
    EXPECT_EQ(statement->type, std::string("https://in-toto.io/Statement/") + version);
    EXPECT_EQ(statement->predicate_type, "https://slsa.dev/provenance/v1");
    ASSERT_EQ(statement->subjects.size(), 1U);
    EXPECT_EQ(statement->subjects[0].name, "app");
    EXPECT_EQ(statement->Find(kDigest), &statement->subjects[0]);
    EXPECT_EQ(statement->document->root().Find("predicate")->Serialize(), R"({"x":[1]})");
  }
}

// The document outlives the statement that it came with, and a moved one.
TEST(Statement, DocumentIsShared) {
  std::shared_ptr<const codec::JsonDocument> document;
  {
    auto statement = ParseStatement(Good());
    ASSERT_TRUE(statement.ok());
    document = std::move(statement).value().document;
  }
  EXPECT_EQ(document->root().Find("predicateType")->AsString(), "https://slsa.dev/provenance/v1");
}

TEST(Statement, SubjectOfSeveral) {
  const auto statement = ParseStatement(Good(SubjectOf(R"("sha256":")" + kOtherHex + R"(")") + "," +
                                             SubjectOf(R"("sha1":"x","sha256":")" + kHex + R"(")")));
  ASSERT_TRUE(statement.ok()) << statement.error().ToString();
  EXPECT_EQ(statement->Find(kDigest), &statement->subjects[1]);
  EXPECT_EQ(statement->Find(Digest::Parse("sha256:" + std::string(64, 'c')).value()), nullptr);
}

TEST(Statement, AnnotationsAreStrings) {
  const auto statement = ParseStatement(
      Good(R"({"digest":{"sha256":")" + kHex + R"("},"annotations":{"a":"1","b":2,"c":{"d":"e"},"f":null,"":"g"}})"));
  ASSERT_TRUE(statement.ok()) << statement.error().ToString();
  EXPECT_EQ(statement->subjects[0].annotations, (std::map<std::string, std::string>{{"a", "1"}, {"", "g"}}));
}

TEST(Adversarial_B12, NullAndAbsentSubjects) {
  const std::string subject = R"("subject":[{"name":"app","digest":{"sha256":")" + kHex + R"("}}],)";
  for (const char* text : {"", R"("subject":null,)", R"("subject":[],)", R"("subject":{},)", R"("subject":[null],)",
                           R"("subject":["sha256"],)", R"("subject":[{}],)", R"("subject":[{"name":"app"}],)",
                           R"("subject":[{"digest":null}],)", R"("subject":[{"digest":{}}],)",
                           R"("subject":[{"digest":[]}],)", R"("subject":[{"digest":{"sha256":null}}],)",
                           R"("subject":[{"digest":{"sha256":7}}],)", R"("subject":[{"digest":{"":"x"}}],)"}) {
    EXPECT_EQ(Outcome(ParseStatement(With(subject, text))), "statement-malformed") << text;
  }
}

// One bad subject among good ones.
TEST(Adversarial_B12, OneSubjectWithoutDigest) {
  const std::string good = SubjectOf(R"("sha256":")" + kHex + R"(")");
  EXPECT_EQ(Outcome(ParseStatement(Good(good + R"(,{"name":"x","digest":{}})"))), "statement-malformed");
}

TEST(Adversarial_B12, Subjects1025) {
  std::string subjects;
  for (int i = 0; i < 1024; ++i) subjects += (i == 0 ? "" : ",") + SubjectOf(R"("sha256":")" + kHex + R"(")");
  EXPECT_EQ(Outcome(ParseStatement(Good(subjects))), "ok");
  subjects += "," + SubjectOf(R"("sha256":")" + kHex + R"(")");
  EXPECT_EQ(Outcome(ParseStatement(Good(subjects))), "limit-exceeded");
}

TEST(Adversarial_B12, Digests33) {
  std::string digests;
  for (int i = 0; i < 32; ++i) digests += (i == 0 ? "" : ",") + ("\"x" + std::to_string(i) + "\":\"00\"");
  EXPECT_EQ(Outcome(ParseStatement(Good(SubjectOf(digests)))), "ok");
  EXPECT_EQ(Outcome(ParseStatement(Good(SubjectOf(digests + R"(,"y":"00")")))), "limit-exceeded");
}

// A digest of another algorithm is not the one asked for, however it is spelt.
TEST(Adversarial_B12, DigestUnderAnotherName) {
  const std::string long_hex(128, 'a');
  const Digest sha512 = Digest::Parse("sha512:" + long_hex).value();
  struct Row {
    const char* name;
    std::string digests;
    bool sha256;
    bool sha512;
  };
  const Row rows[] = {
      {"sha256", R"("sha256":")" + kHex + R"(")", true, false},
      {"sha512 only", R"("sha512":")" + long_hex + R"(")", false, true},
      {"both", R"("sha256":")" + kHex + R"(","sha512":")" + long_hex + R"(")", true, true},
      {"sha256's digits as sha512", R"("sha512":")" + kHex + R"(")", false, false},
      {"sha512's digits as sha256", R"("sha256":")" + long_hex + R"(")", false, false},
      {"another case", R"("SHA256":")" + kHex + R"(")", false, false},
      {"with a hyphen", R"("sha-256":")" + kHex + R"(")", false, false},
      {"another hash", R"("sha3_256":")" + kHex + R"(")", false, false},
      {"with its prefix", R"("sha256":"sha256:)" + kHex + R"(")", false, false},
      {"upper case", R"("sha256":")" + std::string(64, 'A') + R"(")", false, false},
      {"cut", R"("sha256":")" + kHex.substr(1) + R"(")", false, false},
      {"longer", R"("sha256":")" + kHex + R"(a")", false, false},
      {"empty", R"("sha256":"")", false, false},
  };
  for (const Row& row : rows) {
    const auto statement = ParseStatement(Good(SubjectOf(row.digests)));
    ASSERT_TRUE(statement.ok()) << row.name << statement.error().ToString();
    EXPECT_EQ(statement->Find(kDigest) != nullptr, row.sha256) << row.name;
    EXPECT_EQ(statement->Find(sha512) != nullptr, row.sha512) << row.name;
  }
}

// Two readers of one statement must not see two digests.
TEST(Adversarial_B12, TwoValuesForOneAlgorithm) {
  for (const char* other : {"SHA256", "Sha256", "sha-256", "sha_256", "SHA-256"}) {
    const std::string first = R"("sha256":")" + kHex + R"(",")" + other + R"(":")";
    EXPECT_EQ(Outcome(ParseStatement(Good(SubjectOf(first + kOtherHex + R"(")")))), "statement-malformed") << other;
    EXPECT_EQ(Outcome(ParseStatement(Good(SubjectOf(first + std::string(64, 'A') + R"(")")))), "ok") << other;
  }
  EXPECT_EQ(Outcome(ParseStatement(Good(SubjectOf(R"("sha256":")" + kHex + R"(","sha256":")" + kHex + R"(")")))),
            "statement-malformed");
}

TEST(Statement, Defects) {
  struct Row {
    const char* from;
    const char* to;
  };
  const Row rows[] = {
      {R"("_type":"https://in-toto.io/Statement/v1",)", ""},
      {"Statement/v1", "Statement/v2"},
      {"Statement/v1", "Statement/v1/"},
      {"Statement/v1", "statement/v1"},
      {"https://in-toto.io/Statement/v1", ""},
      {R"("https://in-toto.io/Statement/v1")", "null"},
      {R"("predicateType":"https://slsa.dev/provenance/v1",)", ""},
      {"https://slsa.dev/provenance/v1", ""},
      {R"("https://slsa.dev/provenance/v1")", "1"},
      {R"("predicateType")", R"("predicateType":"a","predicateType")"},
      {R"("subject")", R"("Subject":[],"subject")"},
      {R"("predicateType")", R"("PredicateType":"a","predicateType")"},
      {R"("_type")", R"("_Type":"a","_type")"},
      {R"("digest")", R"("Digest":{"sha256":"x"},"digest")"},
      {R"("app")", "1"},
      {"{", "[{"},
      {"}}", "}} x"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Outcome(ParseStatement(With(row.from, row.to))), "statement-malformed") << row.from << " → " << row.to;
  }
  EXPECT_EQ(Outcome(ParseStatement(Good(R"({"digest":{"sha256":"x"},"annotations":[]})"))), "statement-malformed");
}

TEST(Statement, NoObject) {
  for (const char* text : {"[0]", "[[]]", "null", "1", "true", R"("_type")", "[", "", " "}) {
    EXPECT_EQ(Outcome(ParseStatement(text)), "statement-malformed") << text;
  }
}

TEST(Statement, WhatIsTolerated) {
  for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
           {R"("name":"app",)", ""},
           {R"("app")", R"("")"},
           {R"("app")", "null"},
           {R"("predicate":{"x":[1]})", R"("predicate":null)"},
           {"{", R"({"extra":1,)"},
           {R"("name")", R"("uri":"pkg:oci/app","mediaType":"x","annotations":null,"name")"},
       }) {
    EXPECT_EQ(Explain(ParseStatement(With(from, to))), "ok") << from << " → " << to;
  }
}

TEST(Statement, TruncatedAtEveryByte) {
  const std::string good = Good();
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(Outcome(ParseStatement(good.substr(0, size))), "statement-malformed") << size;
  }
}

TEST(Statement, TooLarge) {
  EXPECT_EQ(Outcome(ParseStatement(std::string(16 * 1024 * 1024 + 1, ' '))), "limit-exceeded");
}

TEST(Statement, NestedTooDeeply) {
  const std::string deep = std::string(80, '[') + std::string(80, ']');
  EXPECT_EQ(Outcome(ParseStatement(With(R"({"x":[1]})", deep))), "limit-exceeded");
}

}  // namespace
}  // namespace gatehouse::signature::intoto
