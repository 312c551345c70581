#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "common/policy/condition.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonView;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;

constexpr Duration kMaxAge = std::chrono::hours(24 * 365 * 100);

// A condition has one of these; of the four bounds of a number two.
constexpr std::array<std::string_view, 19> kOperators = {
    "equals",    "notEquals", "in",    "glob",   "regExp", "atLeast", "atMost", "greaterThan", "lessThan", "olderThan",
    "newerThan", "before",    "after", "exists", "all",    "any",     "none",   "anyOf",       "not"};

bool IsBound(std::string_view key) {
  return key == "atLeast" || key == "atMost" || key == "greaterThan" || key == "lessThan";
}

std::string Listed() {
  std::string text;
  for (std::string_view key : kOperators) text.append(text.empty() ? "" : ", ").append(key);
  return text;
}

std::optional<Scalar> ReadScalar(ObjectReader& reader, std::string_view key, JsonView view) {
  auto scalar = Scalar::From(view);
  if (!scalar) reader.Fail(key, "must be a text, a number, true, false or null");
  return scalar;
}

Condition::Rule ReadEquals(ObjectReader& reader, std::string_view key) {
  Equals rule{{}, key == "notEquals"};
  JsonView value = *reader.Raw(key);
  if (key != "in") {
    if (auto scalar = ReadScalar(reader, key, value)) rule.any.push_back(*std::move(scalar));
    return rule;
  }
  if (!value.IsArray() || value.size() == 0)
    reader.Fail(key, "must be an array of texts, numbers, true, false or null");
  for (std::size_t i = 0; value.IsArray() && i < value.size() && reader.ok(); ++i) {
    if (auto scalar = ReadScalar(reader, key, value.at(i))) rule.any.push_back(*std::move(scalar));
  }
  return rule;
}

std::optional<Condition::Rule> ReadMatches(ObjectReader& reader, std::string_view key) {
  std::string pattern = reader.String(key);
  if (!reader.ok()) return std::nullopt;
  auto matcher = key == "glob" ? TextMatcher::FromGlob(pattern) : TextMatcher::FromRegex(pattern);
  if (matcher.ok()) return Matches{std::move(matcher).value()};
  reader.Fail(key, matcher.error().detail);
  return std::nullopt;
}

void ReadBound(ObjectReader& reader, std::string_view key, std::optional<long double>& bound) {
  auto value = reader.view().Find(key);
  if (!value) return;
  auto scalar = Scalar::From(*value);
  const auto* number = scalar ? std::get_if<long double>(&scalar->value) : nullptr;
  if (number == nullptr) return reader.Fail(key, "must be a number");
  bound = *number;
}

InRange ReadRange(ObjectReader& reader) {
  InRange range;
  for (auto [one, other] : {std::pair("atLeast", "greaterThan"), std::pair("atMost", "lessThan")}) {
    if (reader.Has(one) && reader.Has(other))
      reader.Fail(other, "stands beside " + std::string(one) + "; keep one of them");
  }
  ReadBound(reader, "atLeast", range.low);
  ReadBound(reader, "greaterThan", range.low);
  ReadBound(reader, "atMost", range.high);
  ReadBound(reader, "lessThan", range.high);
  range.low_open = reader.Has("greaterThan");
  range.high_open = reader.Has("lessThan");
  const bool open = range.low_open || range.high_open;
  if (range.low && range.high && (*range.low > *range.high || (open && *range.low == *range.high)))
    reader.Fail("", "no number is in that range");
  return range;
}

Elements ReadElements(ObjectReader& reader, std::string_view key, std::size_t& left) {
  auto kind = key == "all" ? Elements::Kind::kAll : key == "any" ? Elements::Kind::kAny : Elements::Kind::kNone;
  return {kind, ReadConditions(reader, key, true, left)};
}

std::shared_ptr<const Condition> ReadCondition(ObjectReader& reader, bool inside, std::size_t& left);

// A list of lists: each alternative is one of conditions that must all hold.
AnyOf ReadAnyOf(ObjectReader& reader, bool inside, std::size_t& left) {
  AnyOf rule;
  JsonView lists = *reader.Raw("anyOf");
  if (!lists.IsArray() || lists.size() == 0) reader.Fail("anyOf", "must be an array of arrays of conditions");
  for (std::size_t i = 0; lists.IsArray() && i < lists.size() && reader.ok(); ++i) {
    JsonView list = lists.at(i);
    std::string path = reader.path() + ".anyOf[" + std::to_string(i) + "]";
    if (!list.IsArray() || list.size() == 0) {
      reader.Fail("anyOf", "alternative " + std::to_string(i + 1) + " must be an array of conditions, and not empty");
      break;
    }
    ConditionList& alternative = rule.alternatives.emplace_back();
    for (std::size_t j = 0; j < list.size() && reader.ok(); ++j) {
      ObjectReader inner(reader.document(), list.at(j), Reason::kPolicyInvalid, path + "[" + std::to_string(j) + "]");
      if (inner.ok()) alternative.push_back(ReadCondition(inner, inside, left));
      if (auto status = inner.Finish(); !status.ok()) reader.Fail(std::move(status).error());
    }
  }
  return rule;
}

std::optional<Condition::Rule> ReadRule(ObjectReader& reader, std::string_view key, bool inside, std::size_t& left) {
  if (key == "equals" || key == "notEquals" || key == "in") return ReadEquals(reader, key);
  if (key == "glob" || key == "regExp") return ReadMatches(reader, key);
  if (IsBound(key)) return ReadRange(reader);
  if (key == "olderThan" || key == "newerThan")
    return HasAge{ReadDuration(reader, key, Duration(1), kMaxAge, Duration(0), "720h"), key == "olderThan"};
  if (key == "before" || key == "after") {
    auto moment = ReadMoment(reader, key);
    return IsBefore{moment.value_or(WallTime()), key == "before"};
  }
  if (key == "exists") return Exists{reader.OptionalBool(key).value_or(true)};
  if (key == "anyOf") return ReadAnyOf(reader, inside, left);
  if (key == "not") return Not{ReadConditions(reader, key, inside, left)};
  return ReadElements(reader, key, left);
}

// The operator that the condition has; "" after an error.
std::string_view OperatorOf(ObjectReader& reader) {
  std::string_view first;
  for (std::string_view key : kOperators) {
    // Asked for all the same, so that an unknown field is told from these.
    if (!reader.Has(key) || IsBound(key)) (void)reader.Raw(key);
    if (!reader.Has(key)) continue;
    if (!first.empty() && !(IsBound(first) && IsBound(key))) {
      reader.Fail(key, "stands beside " + std::string(first) + "; write a condition of its own for each of them");
      return "";
    }
    if (first.empty()) first = key;
  }
  return first;
}

std::string Asked(ObjectReader& reader) {
  std::string text;
  for (std::string_view key : kOperators) {
    auto value = reader.view().Find(key);
    if (!value) continue;
    text += (text.empty() ? "" : ", ") + std::string(key) + " ";
    text += key == "in" ? Printable(value->Serialize(), 128) : Shown(*value);
  }
  return text;
}

std::shared_ptr<const Condition> ReadCondition(ObjectReader& reader, bool inside, std::size_t& left) {
  if (left == 0) {
    reader.Fail(Error{
        Reason::kLimitExceeded, "",
        "is one condition more than the " + std::to_string(limits::kPredicateConditions) + " that a policy may have"});
    return nullptr;
  }
  --left;
  auto text = reader.OptionalString("path");
  std::string_view key = OperatorOf(reader);
  if (!reader.ok()) return nullptr;
  if (key.empty()) {
    // A misspelt one is better named by Finish().
    if (reader.view().size() == (text ? 1U : 0U)) reader.Fail("", "lacks what must be so: one of " + Listed());
    return nullptr;
  }
  const bool grouping = key == "anyOf" || key == "not";
  if (grouping && text)
    reader.Fail("path", "has no meaning beside " + std::string(key) + ": write it in the conditions");
  if (!grouping && !text && !inside) reader.Fail("path", "is required: a JSON pointer such as /builder/id");
  auto pointer = JsonPointer::Parse(text.value_or(""));
  if (!pointer.ok()) reader.Fail("path", pointer.error().detail);
  auto rule = ReadRule(reader, key, inside, left);
  if (!rule || !reader.ok()) return nullptr;
  return std::make_shared<const Condition>(std::move(pointer).value(), *std::move(rule), Asked(reader));
}

}  // namespace

ConditionList ReadConditions(ObjectReader& reader, std::string_view key, bool inside, std::size_t& left) {
  ConditionList conditions;
  reader.Each(key, Presence::kRequired,
              [&](ObjectReader& condition) { conditions.push_back(ReadCondition(condition, inside, left)); });
  return conditions;
}

Result<TextMatcher> ReadTextValue(const codec::JsonDocument& document, JsonView value, const std::string& path) {
  std::string where = document.PositionOf(value);
  where += (where.empty() ? "" : " ") + path;
  if (auto text = value.AsString()) {
    auto matcher = TextMatcher::Exact(*text);
    return matcher.ok() ? std::move(matcher) : Result<TextMatcher>(matcher.error().In(where));
  }
  if (!value.IsObject()) {
    return Error{Reason::kPolicyInvalid, where,
                 "must be a text, {glob: TEXT} or {regExp: TEXT}; put numbers and true or false in quotes"};
  }
  ObjectReader form(document, value, Reason::kPolicyInvalid, path);
  auto glob = form.OptionalString("glob");
  auto regex = form.OptionalString("regExp");
  if (glob.has_value() == regex.has_value()) form.Fail("", "must have one of glob and regExp, and not both");
  RETURN_IF_ERROR(form.Finish());
  auto matcher = glob ? TextMatcher::FromGlob(*glob) : TextMatcher::FromRegex(*regex);
  if (matcher.ok()) return matcher;
  form.Fail(glob ? "glob" : "regExp", matcher.error().detail);
  return form.Finish().error();
}

std::optional<TextMatcher> ReadText(ObjectReader& reader, std::string_view key) {
  auto value = reader.Raw(key);
  if (!value || !reader.ok()) return std::nullopt;
  auto matcher = ReadTextValue(reader.document(), *value, reader.path() + "." + std::string(key));
  if (matcher.ok()) return std::move(matcher).value();
  reader.Fail(matcher.error());
  return std::nullopt;
}

}  // namespace gatehouse::policy
