// in-toto statements: what is accepted is about something, and is found by each digest that it names in full.
#include "common/base/limits.h"
#include "common/signature/intoto/statement.h"
#include "tests/fuzz/check.h"

using gatehouse::Digest;
using gatehouse::Reason;
namespace intoto = gatehouse::signature::intoto;
namespace limits = gatehouse::limits;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto statement = intoto::ParseStatement(gatehouse::AsText({data, size}));
  if (!statement.ok()) {
    FUZZ_CHECK(statement.error().reason == Reason::kStatementMalformed ||
               statement.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(!statement->predicate_type.empty() && statement->document->root().IsObject());
  FUZZ_CHECK(!statement->subjects.empty() && statement->subjects.size() <= limits::kSubjects);
  for (const intoto::Subject& subject : statement->subjects) {
    FUZZ_CHECK(!subject.digest.empty() && subject.digest.size() <= limits::kSubjectDigests);
    for (const auto& [algorithm, hex] : subject.digest) {
      const auto digest = Digest::Parse(algorithm + ":" + hex);
      if (!digest.ok()) continue;
      const intoto::Subject* found = statement->Find(*digest);
      FUZZ_CHECK(found != nullptr && found->digest.at(algorithm) == hex);
    }
  }
  return 0;
}
