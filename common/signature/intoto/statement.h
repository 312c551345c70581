// in-toto statements (in-toto/attestation spec v0.1 and v1), from a payload whose signature was verified.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/types.h"
#include "common/codec/json.h"

namespace gatehouse::signature::intoto {

struct Subject {
  std::string name;                                // may be empty
  std::map<std::string, std::string> digest;       // algorithm → hex, as written; not empty
  std::map<std::string, std::string> annotations;  // string values only
};

struct Statement {
  std::string type;  // "https://in-toto.io/Statement/v0.1" or ".../v1"
  std::vector<Subject> subjects;
  std::string predicate_type;
  std::shared_ptr<const codec::JsonDocument> document;

  // The subject with this digest, under the algorithm's own name and by all its hex digits. A subject that has another
  // value for the same algorithm under another spelling is refused when parsed.
  [[nodiscard]] const Subject* Find(const Digest& digest) const;
};

// At least one subject, at most limits::kSubjects with limits::kSubjectDigests each; null or absent subjects, a subject
// without digest, another _type, an empty predicateType are refused. Errors: kStatementMalformed, kLimitExceeded.
[[nodiscard]] Result<Statement> ParseStatement(std::string_view payload);

}  // namespace gatehouse::signature::intoto
