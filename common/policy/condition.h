// Conditions on JSON values: what an attestation's predicate must say. Internal to this room; docs/policies.md has the
// semantics for authors.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/codec/json.h"
#include "common/policy/match.h"
#include "common/policy/signer.h"

namespace gatehouse::policy {

// Kleene's three values. What could not be evaluated stays so under "not" and "none", and is never met.
enum class Truth : std::uint8_t { kFalse, kTrue, kUnknown };

// RFC 6901.
class JsonPointer {
 public:
  // "" is the whole value. Errors: kPolicyInvalid.
  [[nodiscard]] static Result<JsonPointer> Parse(std::string_view text);

  struct Found {
    std::optional<codec::JsonView> value;  // nothing: there is none
    // The way to it leads through something that has no members of that name: a text, a number, a list by a name. So
    // it is not what the author took it for, and even that it does not exist says nothing.
    bool astray = false;
  };
  // A member that is absent, an element past the end, and whatever is below null: does not exist.
  [[nodiscard]] Found Find(codec::JsonView value) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  JsonPointer(std::string text, std::vector<std::string> tokens) : text_(std::move(text)), tokens_(std::move(tokens)) {}
  std::string text_;
  std::vector<std::string> tokens_;
};

// A scalar that a policy names.
struct Scalar {
  std::variant<std::nullptr_t, bool, long double, std::string> value;     // 64-bit integers are exact in long double
  [[nodiscard]] static std::optional<Scalar> From(codec::JsonView view);  // nothing for arrays, objects, infinities
};

using ConditionList = std::vector<std::shared_ptr<const Condition>>;  // all of them

struct Equals {
  std::vector<Scalar> any;
  bool negated;
};
struct Matches {
  TextMatcher matcher;
};
struct InRange {  // each bound belongs to the range unless it is `open`
  std::optional<long double> low, high;
  bool low_open = false, high_open = false;
};
struct HasAge {
  Duration age;
  bool older;  // else: newer
};
struct IsBefore {
  WallTime time;
  bool before;  // else: after
};
struct Exists {
  bool wanted;
};
struct Elements {
  enum class Kind : std::uint8_t { kAll, kAny, kNone };
  Kind kind;
  ConditionList conditions;
};
struct AnyOf {
  std::vector<ConditionList> alternatives;
};
struct Not {
  ConditionList conditions;
};

// What is evaluated by, and how much of it there may be yet. When nothing is left, nothing more can be evaluated.
struct Work {
  WallTime now;
  std::size_t left;
  bool Spend(std::size_t steps) {
    left = steps < left ? left - steps : 0;
    return left > 0;
  }
};

class Condition {
 public:
  using Rule = std::variant<Equals, Matches, InRange, HasAge, IsBefore, Exists, Elements, AnyOf, Not>;
  // `asked`: the operator as it was written, for messages.
  Condition(JsonPointer path, Rule rule, std::string asked)
      : path_(std::move(path)), rule_(std::move(rule)), asked_(std::move(asked)) {}

  [[nodiscard]] Truth Evaluate(codec::JsonView value, Work& work) const;
  // Why it does not hold. `at`: where `value` is. Precondition: Evaluate() did not give kTrue.
  [[nodiscard]] std::string Explain(codec::JsonView value, Work& work, const std::string& at) const;

 private:
  JsonPointer path_;
  Rule rule_;
  std::string asked_;
};

[[nodiscard]] Truth EvaluateAll(const ConditionList& conditions, codec::JsonView value, Work& work);

// For messages: scalars as they are, and of what kind anything else is.
[[nodiscard]] std::string Shown(codec::JsonView value);

// --- reading (condition_reader.cc)

// Reads `key`, a list of conditions that is required and not empty. `left` counts down from
// limits::kPredicateConditions. `inside`: within an element, where `path` may be left out. Errors are reported to the
// reader.
[[nodiscard]] ConditionList ReadConditions(codec::ObjectReader& reader, std::string_view key, bool inside,
                                           std::size_t& left);
// TEXT | {glob: TEXT} | {regExp: TEXT}. Errors: kPolicyInvalid with position and path.
[[nodiscard]] Result<TextMatcher> ReadTextValue(const codec::JsonDocument& document, codec::JsonView value,
                                                const std::string& path);
// The same of a member; nothing if `key` is absent, or after an error, which is reported.
[[nodiscard]] std::optional<TextMatcher> ReadText(codec::ObjectReader& reader, std::string_view key);

}  // namespace gatehouse::policy
