#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/codec/json.h"

namespace gatehouse::codec {
namespace {

// Names longer than this are not compared for likeness: no field of ours is, and the work grows with the square.
constexpr std::size_t kComparableName = 64;
constexpr std::size_t kShownName = 64;

std::string_view KindName(JsonView view) {
  switch (view.kind()) {
    case JsonView::Kind::kNull:
      return "null";
    case JsonView::Kind::kBool:
      return "a boolean";
    case JsonView::Kind::kNumber:
      return "a number";
    case JsonView::Kind::kString:
      return "a string";
    case JsonView::Kind::kArray:
      return "an array";
    case JsonView::Kind::kObject:
      return "an object";
  }
  return "null";
}

// "must be a string, not a number"; the usual slip of YAML, a version or a date without quotes, gets its own advice.
std::string WrongKind(std::string_view wanted, JsonView found) {
  std::string detail = "must be " + std::string(wanted) + ", not " + std::string(KindName(found));
  bool scalar = found.kind() == JsonView::Kind::kBool || found.kind() == JsonView::Kind::kNumber;
  if (scalar && wanted.ends_with("string")) detail += "; put it in quotes";
  return detail;
}

// ".name", or ["a.b/c"] for a key that would be misread.
std::string Segment(std::string_view key) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  };
  if (key.size() <= kShownName && !key.empty() && std::all_of(key.begin(), key.end(), plain)) {
    return "." + std::string(key);
  }
  return "[\"" + Printable(key, kShownName) + "\"]";
}

std::string Segment(std::size_t index) {
  return "[" + std::to_string(index) + "]";
}

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Levenshtein distance without regard to case.
std::size_t Distance(std::string_view a, std::string_view b) {
  std::array<std::size_t, kComparableName + 1> row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t replaced = diagonal + (Lower(a[i - 1]) == Lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

// The allowed name that was probably meant, or "" if none is near.
std::string_view Nearest(std::string_view name, const std::vector<std::string>& allowed) {
  std::string_view nearest;
  std::size_t best = name.size() / 4 + 2;
  if (name.size() > kComparableName) return nearest;
  for (const std::string& candidate : allowed) {
    if (candidate.size() > kComparableName) continue;
    if (std::size_t distance = Distance(name, candidate); distance < best) {
      best = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace

ObjectReader::ObjectReader(const JsonDocument& document, JsonView view, Reason reason, std::string path)
    : document_(&document), view_(view), reason_(reason), path_(std::move(path)) {
  if (!view_.IsObject()) error_ = MakeError("", WrongKind("an object", view_), view_);
}

Error ObjectReader::MakeError(std::string_view key, std::string_view detail, std::optional<JsonView> at) const {
  std::string where = document_->PositionOf(at.value_or(view_));
  if (!where.empty()) where += ' ';
  where += path_;
  if (!key.empty()) where += Segment(key);
  return {reason_, std::move(where), std::string(detail)};
}

void ObjectReader::Fail(std::string_view key, std::string_view detail) {
  if (error_.has_value()) return;
  error_ = MakeError(key, detail, key.empty() ? std::nullopt : view_.Find(key));
}

void ObjectReader::Fail(Error error) {
  if (error_.has_value()) return;
  // An error of a reader over the same document says where it is; any other is placed at this object.
  std::string source = document_->PositionOf(document_->root());
  source = source.substr(0, source.rfind(':'));
  bool placed = error.where.starts_with('$') || (!source.empty() && error.where.starts_with(source));
  error_ = placed ? std::move(error) : error.In(MakeError("", "", view_).where);
}

std::optional<JsonView> ObjectReader::Raw(std::string_view key) {
  if (!ignore_unknown_) asked_.emplace_back(key);
  return view_.Find(key);
}

bool ObjectReader::Has(std::string_view key) const {
  return view_.Find(key).has_value();
}

// "is required", and if a member that nobody asked for resembles it, that one is probably what was meant.
std::string ObjectReader::Missing(std::string_view key) const {
  std::vector<std::string> others;
  for (std::size_t i = 0; !ignore_unknown_ && view_.IsObject() && i < view_.size(); ++i) {
    std::string other(view_.member(i).key);
    if (std::find(asked_.begin(), asked_.end(), other) == asked_.end()) others.push_back(std::move(other));
  }
  std::string_view nearest = Nearest(key, others);
  if (nearest.empty()) return "is required";
  return "is required; '" + Printable(nearest, kShownName) + "' is written here: did you mean '" + std::string(key) +
         "'?";
}

std::optional<JsonView> ObjectReader::Take(std::string_view key, Presence presence) {
  auto value = Raw(key);
  if (!ok()) return std::nullopt;
  if (!value && presence == Presence::kRequired) Fail(key, Missing(key));
  return value;
}

std::optional<std::string> ObjectReader::OptionalString(std::string_view key) {
  auto value = Take(key, Presence::kOptional);
  if (!value) return std::nullopt;
  auto text = value->AsString();
  if (!text) {
    Fail(key, WrongKind("a string", *value));
    return std::nullopt;
  }
  if (text->empty()) {
    Fail(key, "must not be empty");
    return std::nullopt;
  }
  return std::string(*text);
}

std::string ObjectReader::String(std::string_view key) {
  auto text = OptionalString(key);
  if (!text) Fail(key, Missing(key));
  return std::move(text).value_or("");
}

std::string ObjectReader::Text(std::string_view key) {
  auto value = Take(key, Presence::kRequired);
  if (!value) return {};
  auto text = value->AsString();
  if (!text) Fail(key, WrongKind("a string", *value));
  return std::string(text.value_or(""));
}

std::optional<std::int64_t> ObjectReader::OptionalInt(std::string_view key, std::int64_t min, std::int64_t max) {
  auto value = Take(key, Presence::kOptional);
  if (!value) return std::nullopt;
  auto number = value->AsInt();
  if (number && *number >= min && *number <= max) return number;
  std::string wanted = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  Fail(key, value->kind() == JsonView::Kind::kNumber ? "must be " + wanted : WrongKind(wanted, *value));
  return std::nullopt;
}

std::int64_t ObjectReader::Int(std::string_view key, std::int64_t min, std::int64_t max) {
  auto number = OptionalInt(key, min, max);
  if (!number) Fail(key, Missing(key));
  return number.value_or(min);
}

std::optional<bool> ObjectReader::OptionalBool(std::string_view key) {
  auto value = Take(key, Presence::kOptional);
  if (!value) return std::nullopt;
  auto flag = value->AsBool();
  if (!flag) Fail(key, WrongKind("true or false", *value));
  return flag;
}

std::vector<std::string> ObjectReader::Strings(std::string_view key, Presence presence) {
  auto value = Take(key, presence);
  if (!value) return {};
  if (!value->IsArray()) {
    Fail(key, WrongKind("an array of strings", *value));
    return {};
  }
  if (presence == Presence::kRequired && value->size() == 0) Fail(key, "must not be empty");
  std::vector<std::string> strings;
  strings.reserve(value->size());
  for (std::size_t i = 0; i < value->size() && ok(); ++i) {
    JsonView element = value->at(i);
    auto text = element.AsString();
    if (text && !text->empty()) {
      strings.emplace_back(*text);
      continue;
    }
    error_ = MakeError(key, text ? "must not be empty" : WrongKind("a string", element), element);
    error_->where += Segment(i);
  }
  return strings;
}

std::vector<std::pair<std::string, std::string>> ObjectReader::StringMap(std::string_view key, Presence presence) {
  auto value = Take(key, presence);
  if (!value) return {};
  if (!value->IsObject()) {
    Fail(key, WrongKind("an object of strings", *value));
    return {};
  }
  std::vector<std::pair<std::string, std::string>> map;
  map.reserve(value->size());
  for (std::size_t i = 0; i < value->size() && ok(); ++i) {
    JsonView::Member member = value->member(i);
    auto text = member.value.AsString();
    if (text && !member.key.empty()) {
      map.emplace_back(member.key, *text);
      continue;
    }
    error_ = MakeError(key, text ? "has an empty key" : WrongKind("a string", member.value), member.value);
    error_->where += Segment(member.key);
  }
  return map;
}

std::optional<Bytes> ObjectReader::OptionalBase64(std::string_view key) {
  auto text = OptionalString(key);
  if (!text) return std::nullopt;
  auto bytes = DecodeBase64(*text);
  if (bytes.ok()) return std::move(bytes).value();
  Fail(key, bytes.error().detail);
  return std::nullopt;
}

Bytes ObjectReader::Base64(std::string_view key) {
  auto bytes = OptionalBase64(key);
  if (!bytes) Fail(key, Missing(key));
  return std::move(bytes).value_or(Bytes());
}

std::optional<std::string> ObjectReader::OptionalEnum(std::string_view key,
                                                      std::initializer_list<std::string_view> allowed) {
  auto text = OptionalString(key);
  if (!text || std::find(allowed.begin(), allowed.end(), *text) != allowed.end()) return text;
  std::string detail = "must be one of";
  for (std::string_view name : allowed) detail.append(name == *allowed.begin() ? " " : ", ").append(name);
  Fail(key, detail + "; not '" + Printable(*text, kShownName) + "'");
  return std::nullopt;
}

bool ObjectReader::Object(std::string_view key, Presence presence, const std::function<void(ObjectReader&)>& read) {
  auto value = Take(key, presence);
  if (!value) return false;
  ObjectReader inner(*document_, *value, reason_, path_ + Segment(key));
  if (inner.ok()) read(inner);
  auto status = inner.Finish();
  if (!status.ok()) error_ = std::move(status).error();
  return status.ok();
}

void ObjectReader::Each(std::string_view key, Presence presence, const std::function<void(ObjectReader&)>& read) {
  auto value = Take(key, presence);
  if (!value) return;
  if (!value->IsArray()) return Fail(key, WrongKind("an array", *value));
  if (presence == Presence::kRequired && value->size() == 0) return Fail(key, "must not be empty");
  for (std::size_t i = 0; i < value->size() && ok(); ++i) {
    ObjectReader inner(*document_, value->at(i), reason_, path_ + Segment(key) + Segment(i));
    if (inner.ok()) read(inner);
    if (auto status = inner.Finish(); !status.ok()) error_ = std::move(status).error();
  }
}

Status ObjectReader::Finish() {
  if (error_.has_value()) return *error_;
  if (ignore_unknown_) return Ok();
  for (std::size_t i = 0; i < view_.size(); ++i) {
    JsonView::Member member = view_.member(i);
    if (std::find(asked_.begin(), asked_.end(), member.key) != asked_.end()) continue;
    std::string detail = "unknown field '" + Printable(member.key, kShownName) + "'; ";
    if (auto nearest = Nearest(member.key, asked_); !nearest.empty()) {
      detail.append("did you mean '").append(nearest).append("'? ");
    }
    detail += asked_.empty() ? "no field is allowed here" : "allowed: ";
    for (const std::string& name : asked_) {
      if (&name != &asked_.front()) detail += ", ";
      detail += name;
    }
    error_ = MakeError("", detail, member.value);
    return *error_;
  }
  return Ok();
}

}  // namespace gatehouse::codec
