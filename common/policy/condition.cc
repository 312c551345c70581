#include "common/policy/condition.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"

namespace gatehouse::policy {
namespace {

using codec::JsonView;

// By which the clock of whoever wrote a time may be ahead of ours.
constexpr Duration kClockSkew = std::chrono::minutes(10);

// For the conditions of one requirement over one predicate: a second of work, and forty conditions on each of 50,000
// packages. Nobody looks at the clock meanwhile, and whoever may write a policy of a namespace and sign may have 200
// conditions on each of a million elements.
constexpr std::size_t kSteps = 2'000'000;
constexpr std::size_t kBytesPerStep = 16;  // of a text that is matched by a pattern

Truth Of(bool holds) {
  return holds ? Truth::kTrue : Truth::kFalse;
}

Truth Negated(Truth truth) {
  if (truth == Truth::kUnknown) return truth;
  return Of(truth == Truth::kFalse);
}

// RFC 6901 section 4: digits without leading zeros. "-" is the element after the last: there is none.
std::optional<std::size_t> ArrayIndex(const std::string& token) {
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (token.empty() || !std::all_of(token.begin(), token.end(), digit) || (token.size() > 1 && token[0] == '0'))
    return std::nullopt;
  std::size_t index = 0;
  auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  return error == std::errc() ? index : SIZE_MAX;  // past the end of any list
}

}  // namespace

Result<JsonPointer> JsonPointer::Parse(std::string_view text) {
  auto invalid = [&](const std::string& detail) {
    return Error{Reason::kPolicyInvalid, "", "path '" + Printable(text, 128) + "' " + detail};
  };
  if (text.size() > limits::kPatternBytes)
    return invalid("has more than " + std::to_string(limits::kPatternBytes) + " bytes");
  if (!text.empty() && text[0] != '/')
    return invalid("is not a JSON pointer (RFC 6901); write a / before each name, such as /builder/id");
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '/') {
      tokens.emplace_back();
    } else if (text[i] != '~') {
      tokens.back() += text[i];
    } else {
      ++i;
      if (i == text.size() || (text[i] != '0' && text[i] != '1'))
        return invalid("holds a ~ that is neither ~0 (for ~) nor ~1 (for /)");
      tokens.back() += text[i] == '0' ? '~' : '/';
    }
  }
  return JsonPointer(std::string(text), std::move(tokens));
}

JsonPointer::Found JsonPointer::Find(JsonView value) const {
  for (const std::string& token : tokens_) {
    if (value.IsObject()) {
      auto member = value.Find(token);
      if (!member) return {};
      value = *member;
    } else if (value.IsArray() && token == "-") {
      return {};
    } else if (value.IsArray()) {
      auto index = ArrayIndex(token);
      if (!index) return {.value = {}, .astray = true};
      if (*index >= value.size()) return {};
      value = value.at(*index);
    } else {
      return {.value = {}, .astray = !value.IsNull()};
    }
  }
  return {.value = value, .astray = false};
}

std::optional<Scalar> Scalar::From(JsonView view) {
  if (view.IsNull()) return Scalar{nullptr};
  if (auto flag = view.AsBool()) return Scalar{*flag};
  if (auto text = view.AsString()) return Scalar{std::string(*text)};
  if (auto number = view.AsInt()) return Scalar{static_cast<long double>(*number)};
  if (auto number = view.AsUint()) return Scalar{static_cast<long double>(*number)};
  auto number = view.AsDouble();
  if (!number || !std::isfinite(*number)) return std::nullopt;
  return Scalar{static_cast<long double>(*number)};
}

namespace {

bool IsNull(const Scalar& scalar) {
  return std::holds_alternative<std::nullptr_t>(scalar.value);
}

// Whether something is null can be told of anything. Otherwise only values of one type are compared: "9" is not told
// from 9 but could not be evaluated.
Truth Apply(const Equals& rule, JsonView value) {
  auto found = Scalar::From(value);
  bool comparable = false;
  for (const Scalar& wanted : rule.any) {
    if (found && found->value == wanted.value) return Of(!rule.negated);
    comparable |= IsNull(wanted) || (found && found->value.index() == wanted.value.index());
  }
  return comparable ? Of(rule.negated) : Truth::kUnknown;
}

Truth Apply(const Matches& rule, JsonView value, Work& work) {
  auto text = value.AsString();
  if (text && !work.Spend(text->size() / kBytesPerStep)) return Truth::kUnknown;
  return text ? Of(rule.matcher.Matches(*text)) : Truth::kUnknown;
}

Truth Apply(const InRange& rule, JsonView value) {
  auto found = Scalar::From(value);
  const auto* number = found ? std::get_if<long double>(&found->value) : nullptr;
  if (number == nullptr) return Truth::kUnknown;
  if (rule.low && (*number < *rule.low || (rule.low_open && *number == *rule.low))) return Truth::kFalse;
  if (rule.high && (*number > *rule.high || (rule.high_open && *number == *rule.high))) return Truth::kFalse;
  return Truth::kTrue;
}

std::optional<WallTime> TimeOf(JsonView value) {
  auto text = value.AsString();
  if (!text) return std::nullopt;
  auto time = codec::ParseTime(*text);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

Truth Apply(const HasAge& rule, JsonView value, Work& work) {
  auto time = TimeOf(value);
  // What is still to come has no age: a scan of the year 9999 would be newer than anything for ever.
  if (!time || *time > work.now + kClockSkew) return Truth::kUnknown;
  return Of(rule.older ? *time < work.now - rule.age : *time > work.now - rule.age);
}

Truth Apply(const IsBefore& rule, JsonView value) {
  auto time = TimeOf(value);
  if (!time) return Truth::kUnknown;
  return Of(rule.before ? *time < rule.time : *time > rule.time);
}

Truth Any(Truth a, Truth b) {
  if (a == Truth::kTrue || b == Truth::kTrue) return Truth::kTrue;
  return a == Truth::kUnknown || b == Truth::kUnknown ? Truth::kUnknown : Truth::kFalse;
}

Truth Both(Truth a, Truth b) {
  return Negated(Any(Negated(a), Negated(b)));
}

Truth Apply(const Elements& rule, JsonView value, Work& work) {
  if (!value.IsArray()) return Truth::kUnknown;
  // That everything in an empty list is so says nothing ("all reviewers agreed"), whichever way it is asked.
  if (rule.kind == Elements::Kind::kAll && value.size() == 0) return Truth::kUnknown;
  const bool all = rule.kind == Elements::Kind::kAll;
  Truth truth = Of(all);
  for (std::size_t i = 0; i < value.size(); ++i) {
    Truth element = EvaluateAll(rule.conditions, value.at(i), work);
    truth = all ? Both(truth, element) : Any(truth, element);
    if (truth == (all ? Truth::kFalse : Truth::kTrue)) break;  // nothing changes that
    if (work.left == 0) return Truth::kUnknown;
  }
  return rule.kind == Elements::Kind::kNone ? Negated(truth) : truth;
}

Truth Apply(const AnyOf& rule, JsonView value, Work& work) {
  Truth truth = Truth::kFalse;
  for (const ConditionList& alternative : rule.alternatives) truth = Any(truth, EvaluateAll(alternative, value, work));
  return truth;
}

// The condition that is in the way of all: one that is not met, else one that could not be evaluated.
const Condition* Culprit(const ConditionList& conditions, JsonView value, Work& work) {
  const Condition* unknown = nullptr;
  for (const auto& condition : conditions) {
    Truth truth = condition->Evaluate(value, work);
    if (truth == Truth::kFalse) return condition.get();
    if (truth == Truth::kUnknown && unknown == nullptr) unknown = condition.get();
  }
  return unknown;
}

std::string ExplainAll(const ConditionList& conditions, JsonView value, Work& work, const std::string& at) {
  const Condition* culprit = Culprit(conditions, value, work);
  return culprit == nullptr ? at + " is what must not be" : culprit->Explain(value, work, at);
}

std::string ExplainElements(const Elements& rule, JsonView value, Work& work, const std::string& at) {
  if (!value.IsArray()) return at + " is " + Shown(value) + ", and a list is wanted";
  if (rule.kind == Elements::Kind::kAll && value.size() == 0)
    return at + " is an empty list, of which all says nothing";
  for (std::size_t i = 0; i < value.size(); ++i) {
    Truth element = EvaluateAll(rule.conditions, value.at(i), work);
    bool wrong = rule.kind == Elements::Kind::kAll ? element != Truth::kTrue : element != Truth::kFalse;
    if (rule.kind == Elements::Kind::kAny && element != Truth::kUnknown) continue;
    if (wrong) return ExplainAll(rule.conditions, value.at(i), work, at + "/" + std::to_string(i));
  }
  return "none of the " + std::to_string(value.size()) + " elements of " + at + " is as wanted";
}

}  // namespace

std::string Shown(JsonView value) {
  if (value.IsArray()) return "a list of " + std::to_string(value.size());
  if (value.IsObject()) return "an object";
  auto text = value.AsString();
  return text ? "'" + Printable(*text, 128) + "'" : value.Serialize();
}

Truth EvaluateAll(const ConditionList& conditions, JsonView value, Work& work) {
  Truth truth = Truth::kTrue;
  for (const auto& condition : conditions) {
    truth = Both(truth, condition->Evaluate(value, work));
    if (truth == Truth::kFalse) break;
    if (work.left == 0) return Truth::kUnknown;
  }
  return truth;
}

Truth Condition::Evaluate(JsonView value, Work& work) const {
  if (!work.Spend(1)) return Truth::kUnknown;
  if (const auto* any = std::get_if<AnyOf>(&rule_)) return Apply(*any, value, work);
  if (const auto* negation = std::get_if<Not>(&rule_)) return Negated(EvaluateAll(negation->conditions, value, work));
  auto [found, astray] = path_.Find(value);
  if (astray) return Truth::kUnknown;
  if (const auto* exists = std::get_if<Exists>(&rule_)) return Of(exists->wanted == found.has_value());
  if (!found) return Truth::kUnknown;
  if (const auto* equals = std::get_if<Equals>(&rule_)) return Apply(*equals, *found);
  if (const auto* matches = std::get_if<Matches>(&rule_)) return Apply(*matches, *found, work);
  if (const auto* range = std::get_if<InRange>(&rule_)) return Apply(*range, *found);
  if (const auto* age = std::get_if<HasAge>(&rule_)) return Apply(*age, *found, work);
  if (const auto* before = std::get_if<IsBefore>(&rule_)) return Apply(*before, *found);
  if (const auto* elements = std::get_if<Elements>(&rule_)) return Apply(*elements, *found, work);
  return Truth::kUnknown;
}

std::string Condition::Explain(JsonView value, Work& work, const std::string& at) const {
  if (const auto* any = std::get_if<AnyOf>(&rule_)) {
    return "none of the " + std::to_string(any->alternatives.size()) + " alternatives holds; of the first, " +
           ExplainAll(any->alternatives.front(), value, work, at);
  }
  if (const auto* negation = std::get_if<Not>(&rule_)) return ExplainAll(negation->conditions, value, work, at);
  std::string here = at + path_.text();
  auto [found, astray] = path_.Find(value);
  if (astray) return here + " leads through what has no such members; the policy wants " + asked_;
  if (!found) return here + " does not exist; the policy wants " + asked_;
  if (const auto* elements = std::get_if<Elements>(&rule_)) return ExplainElements(*elements, *found, work, here);
  if (std::holds_alternative<Exists>(rule_)) return here + " is " + Shown(*found) + "; the policy wants " + asked_;
  bool unknown = Evaluate(value, work) == Truth::kUnknown;
  return here + " is " + Shown(*found) + (unknown ? ", which cannot be compared" : "") + "; the policy wants " + asked_;
}

Status Conditions::Check(JsonView value, WallTime now) const {
  Work work{now, kSteps};
  if (EvaluateAll(all_, value, work) == Truth::kTrue) return Ok();
  if (work.left == 0) {
    return Error{
        Reason::kPredicateMismatch, "",
        "the predicate is too large for these conditions: " + std::to_string(kSteps) + " comparisons did not do"};
  }
  Work again{now, kSteps};
  return Error{Reason::kPredicateMismatch, "", ExplainAll(all_, value, again, "")};
}

}  // namespace gatehouse::policy
