#include "common/signature/intoto/statement.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::signature::intoto {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr std::string_view kTypeV01 = "https://in-toto.io/Statement/v0.1";
constexpr std::string_view kTypeV1 = "https://in-toto.io/Statement/v1";

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool SameButForCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return Lower(x) == Lower(y); });
}

// Parsing rules of the specification: "Consumers MUST ignore unrecognized fields". But a "Subject" beside "subject"
// would be the statement's for readers that do not mind the case, and is refused.
void RefuseOtherCase(ObjectReader& reader, std::initializer_list<std::string_view> names) {
  for (std::size_t i = 0; reader.view().IsObject() && i < reader.view().size(); ++i) {
    const std::string_view key = reader.view().member(i).key;
    for (std::string_view name : names) {
      if (key != name && SameButForCase(key, name)) reader.Fail(key, "differs from a member of the statement by case");
    }
  }
}

// "SHA-256", "sha256" and "sha_256" are one algorithm.
std::string Plain(std::string_view algorithm) {
  std::string plain;
  for (char c : algorithm) {
    if (c != '-' && c != '_') plain += Lower(c);
  }
  return plain;
}

void ReadDigests(ObjectReader& reader, Subject& subject) {
  const auto digest = reader.Raw("digest");
  if (digest && digest->size() > limits::kSubjectDigests) {
    return reader.Fail(Error{Reason::kLimitExceeded, reader.path(),
                             "more than " + std::to_string(limits::kSubjectDigests) + " digests"});
  }
  std::map<std::string, std::string> plain;
  for (auto& [algorithm, value] : reader.StringMap("digest", Presence::kRequired)) {
    const auto [other, added] = plain.emplace(Plain(algorithm), value);
    if (!added && !SameButForCase(other->second, value)) {
      return reader.Fail("digest", "has two values for one algorithm");
    }
    subject.digest.emplace(std::move(algorithm), std::move(value));
  }
  if (reader.ok() && subject.digest.empty()) reader.Fail("digest", "must not be empty");
}

Subject ReadSubject(ObjectReader& reader) {
  Subject subject;
  reader.IgnoreUnknown();
  RefuseOtherCase(reader, {"name", "digest", "annotations"});
  if (const auto name = reader.Raw("name"); name && !name->IsNull()) subject.name = reader.Text("name");
  ReadDigests(reader, subject);
  const auto annotations = reader.Raw("annotations");
  if (!annotations || annotations->IsNull()) return subject;
  if (!annotations->IsObject()) reader.Fail("annotations", "must be an object");
  // What is no string is no claim, for a policy could not be met by accident of a conversion.
  for (std::size_t i = 0; annotations->IsObject() && i < annotations->size(); ++i) {
    const JsonView::Member member = annotations->member(i);
    if (const auto text = member.value.AsString()) subject.annotations.emplace(member.key, *text);
  }
  return subject;
}

}  // namespace

const Subject* Statement::Find(const Digest& digest) const {
  const std::string algorithm(Name(digest.algorithm()));
  for (const Subject& subject : subjects) {
    const auto found = subject.digest.find(algorithm);
    if (found != subject.digest.end() && found->second == digest.hex()) return &subject;
  }
  return nullptr;
}

Result<Statement> ParseStatement(std::string_view payload) {
  auto parsed = JsonDocument::Parse(payload, {.max_bytes = limits::kBundleBytes});
  if (!parsed.ok()) {
    const bool limit = parsed.error().reason == Reason::kLimitExceeded;
    return Error{limit ? Reason::kLimitExceeded : Reason::kStatementMalformed, parsed.error().where,
                 parsed.error().detail};
  }
  Statement statement;
  statement.document = std::make_shared<const JsonDocument>(std::move(parsed).value());
  ObjectReader reader(*statement.document, statement.document->root(), Reason::kStatementMalformed);
  reader.IgnoreUnknown();
  RefuseOtherCase(reader, {"_type", "subject", "predicateType", "predicate"});
  statement.type = reader.String("_type");
  if (reader.ok() && statement.type != kTypeV01 && statement.type != kTypeV1) {
    reader.Fail("_type", "is not that of an in-toto statement of version 0.1 or 1");
  }
  statement.predicate_type = reader.String("predicateType");
  if (const auto list = reader.Raw("subject"); list && list->size() > limits::kSubjects) {
    reader.Fail(
        Error{Reason::kLimitExceeded, reader.path(), "more than " + std::to_string(limits::kSubjects) + " subjects"});
    return reader.Finish().error();
  }
  // Neither null nor absent nor empty: a statement about nothing must not be taken for one about everything.
  reader.Each("subject", Presence::kRequired,
              [&](ObjectReader& subject) { statement.subjects.push_back(ReadSubject(subject)); });
  RETURN_IF_ERROR(reader.Finish());
  return statement;
}

}  // namespace gatehouse::signature::intoto
