// Conditions on attestations: the first line is a list of them, the rest the value. Negation turns what holds into what
// does not and leaves alone what could not be evaluated; nothing and its opposite are never both met; whatever is not
// met has a reason.
#include "common/policy/condition.h"

#include "common/base/bytes.h"
#include "common/base/limits.h"
#include "common/codec/yaml.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::WallTime;
using gatehouse::codec::JsonDocument;
using gatehouse::codec::JsonView;
using gatehouse::codec::ObjectReader;
using gatehouse::policy::ConditionList;
using gatehouse::policy::Truth;

namespace {

const WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 22}};

std::optional<ConditionList> Read(const std::string& list) {
  auto documents = gatehouse::codec::ParseYaml("where: " + list + "\n", "c.yaml");
  if (!documents.ok() || documents->size() != 1) return std::nullopt;
  ObjectReader reader(documents->front(), documents->front().root(), Reason::kPolicyInvalid);
  std::size_t left = gatehouse::limits::kPredicateConditions;
  ConditionList conditions = gatehouse::policy::ReadConditions(reader, "where", false, left);
  if (!reader.Finish().ok()) return std::nullopt;
  FUZZ_CHECK(!conditions.empty());
  for (const auto& condition : conditions) FUZZ_CHECK(condition != nullptr);
  return conditions;
}

// Nothing where the conditions are too many or too deep by now.
std::optional<Truth> Evaluate(const std::string& list, JsonView value) {
  auto conditions = Read(list);
  if (!conditions) return std::nullopt;
  gatehouse::policy::Work work{kNow, SIZE_MAX};
  Truth truth = EvaluateAll(*conditions, value, work);
  auto status = gatehouse::policy::Conditions(*conditions).Check(value, kNow);
  const bool cut_short = !status.ok() && status.error().detail.find("too large") != std::string::npos;
  FUZZ_CHECK(status.ok() == (truth == Truth::kTrue) || cut_short);
  FUZZ_CHECK(status.ok() || (status.error().reason == Reason::kPredicateMismatch && !status.error().detail.empty()));
  return truth;
}

Truth Negated(Truth truth) {
  if (truth == Truth::kUnknown) return truth;
  return truth == Truth::kTrue ? Truth::kFalse : Truth::kTrue;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(gatehouse::AsText({data, size}));
  auto line = text.find('\n');
  if (line == std::string::npos || size > 1 << 16) return 0;
  const std::string list = text.substr(0, line);
  auto document = JsonDocument::Parse(std::string_view(text).substr(line + 1), {.max_bytes = 1 << 16});
  if (!document.ok()) return 0;
  JsonView value = document->root();
  auto truth = Evaluate(list, value);
  if (!truth) return 0;
  auto negated = Evaluate("[{not: " + list + "}]", value);
  FUZZ_CHECK(!negated || *negated == Negated(*truth));
  auto twice = Evaluate("[{not: [{not: " + list + "}]}]", value);
  FUZZ_CHECK(!twice || *twice == *truth);
  auto either = Evaluate("[{anyOf: [" + list + ", " + list + "]}]", value);
  FUZZ_CHECK(!either || *either == *truth);
  auto both = Evaluate("[{anyOf: [" + list + "]}, {not: " + list + "}]", value);
  FUZZ_CHECK(!both || *both != Truth::kTrue);
  // Of the only element of a list the three quantifiers say the same.
  auto wrapped = JsonDocument::Parse("{\"l\":[" + value.Serialize() + "]}", {.max_bytes = 1 << 18});
  if (!wrapped.ok()) return 0;
  for (const char* quantifier : {"all", "any"}) {
    auto element = Evaluate("[{path: /l, " + std::string(quantifier) + ": " + list + "}]", wrapped->root());
    FUZZ_CHECK(!element || *element == *truth);
  }
  auto none = Evaluate("[{path: /l, none: " + list + "}]", wrapped->root());
  FUZZ_CHECK(!none || *none == Negated(*truth));
  return 0;
}
