#include "tests/fakes/json_value.h"

#include <algorithm>
#include <charconv>

namespace gatehouse::fakes {
namespace {

void WriteTo(codec::JsonWriter& json, const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      json.Null();
      return;
    case JsonValue::Kind::kBool:
    case JsonValue::Kind::kNumber:
      json.Raw(value.text);
      return;
    case JsonValue::Kind::kString:
      json.String(value.text);
      return;
    case JsonValue::Kind::kArray:
      json.BeginArray();
      for (const JsonValue& element : value.elements) WriteTo(json, element);
      json.EndArray();
      return;
    case JsonValue::Kind::kObject:
      json.BeginObject();
      for (const auto& [key, member] : value.members) {
        json.Key(key);
        WriteTo(json, member);
      }
      json.EndObject();
      return;
  }
}

bool Deletes(const JsonValue& patch) {
  return patch.TextAt({"$patch"}) == "delete";
}

void PatchList(JsonValue& target, const JsonValue& patch, std::string_view merge_key,
               std::string_view (*key_of_list)(std::string_view)) {
  if (target.kind != JsonValue::Kind::kArray) target = JsonValue::Array();
  for (const JsonValue& element : patch.elements) {
    const std::string key = element.TextAt({merge_key});
    auto found = std::find_if(target.elements.begin(), target.elements.end(),
                              [&](const JsonValue& one) { return one.TextAt({merge_key}) == key; });
    if (Deletes(element)) {
      if (found != target.elements.end()) target.elements.erase(found);
    } else if (found == target.elements.end()) {
      target.elements.push_back(element);
    } else {
      ApplyStrategicPatch(*found, element, key_of_list);
    }
  }
}

std::vector<std::string> PointerParts(std::string_view pointer) {
  std::vector<std::string> parts;
  while (!pointer.empty()) {
    pointer.remove_prefix(1);
    std::size_t end = std::min(pointer.find('/'), pointer.size());
    std::string part;
    for (std::size_t i = 0; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end) {
        part += pointer[++i] == '1' ? '/' : '~';
      } else {
        part += pointer[i];
      }
    }
    parts.push_back(std::move(part));
    pointer.remove_prefix(end);
  }
  return parts;
}

std::optional<std::size_t> IndexIn(const JsonValue& array, const std::string& part) {
  std::size_t index = 0;
  auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), index);
  if (error != std::errc() || end != part.data() + part.size() || index >= array.elements.size()) return std::nullopt;
  return index;
}

JsonValue* Child(JsonValue& parent, const std::string& part) {
  if (parent.kind == JsonValue::Kind::kObject) return parent.Find(part);
  if (parent.kind != JsonValue::Kind::kArray) return nullptr;
  auto index = IndexIn(parent, part);
  return index ? &parent.elements[*index] : nullptr;
}

bool Add(JsonValue& parent, const std::string& part, const JsonValue& value) {
  if (parent.kind == JsonValue::Kind::kObject) {
    parent.Member(part) = value;
    return true;
  }
  if (parent.kind != JsonValue::Kind::kArray) return false;
  if (part == "-" || part == std::to_string(parent.elements.size())) {
    parent.elements.push_back(value);
    return true;
  }
  auto index = IndexIn(parent, part);
  if (!index) return false;
  parent.elements.insert(parent.elements.begin() + static_cast<std::ptrdiff_t>(*index), value);
  return true;
}

bool Remove(JsonValue& parent, const std::string& part) {
  if (Child(parent, part) == nullptr) return false;
  if (parent.kind == JsonValue::Kind::kObject) {
    parent.Erase(part);
  } else {
    parent.elements.erase(parent.elements.begin() + static_cast<std::ptrdiff_t>(*IndexIn(parent, part)));
  }
  return true;
}

bool ApplyOperation(JsonValue& target, const JsonValue& operation) {
  std::vector<std::string> parts = PointerParts(operation.TextAt({"path"}));
  if (parts.empty()) return false;
  JsonValue* parent = &target;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    parent = Child(*parent, parts[i]);
    if (parent == nullptr) return false;
  }
  const std::string verb = operation.TextAt({"op"});
  const JsonValue* value = operation.Find("value");
  JsonValue* child = Child(*parent, parts.back());
  if (verb == "remove") return Remove(*parent, parts.back());
  if (value == nullptr) return false;
  if (verb == "add") return Add(*parent, parts.back(), *value);
  if (child == nullptr) return false;
  if (verb == "test") return *child == *value;
  if (verb != "replace") return false;
  *child = *value;
  return true;
}

}  // namespace

std::optional<JsonValue> JsonValue::Parse(std::string_view json) {
  auto document = codec::JsonDocument::Parse(json, {.max_bytes = 64U << 20U});
  if (!document.ok()) return std::nullopt;
  return From(document->root());
}

JsonValue JsonValue::From(codec::JsonView view) {
  JsonValue value;
  switch (view.kind()) {
    case codec::JsonView::Kind::kNull:
      break;
    case codec::JsonView::Kind::kBool:
      value = {.kind = Kind::kBool, .text = view.Serialize()};
      break;
    case codec::JsonView::Kind::kNumber:
      value = {.kind = Kind::kNumber, .text = view.Serialize()};
      break;
    case codec::JsonView::Kind::kString:
      value = String(*view.AsString());
      break;
    case codec::JsonView::Kind::kArray:
      value.kind = Kind::kArray;
      for (std::size_t i = 0; i < view.size(); ++i) value.elements.push_back(From(view.at(i)));
      break;
    case codec::JsonView::Kind::kObject:
      value.kind = Kind::kObject;
      for (std::size_t i = 0; i < view.size(); ++i) {
        value.members.emplace_back(view.member(i).key, From(view.member(i).value));
      }
      break;
  }
  return value;
}

std::string JsonValue::Write() const {
  codec::JsonWriter json;
  WriteTo(json, *this);
  return std::move(json).Finish();
}

const JsonValue* JsonValue::Find(std::string_view key) const {
  for (const auto& [name, member] : members) {
    if (name == key) return &member;
  }
  return nullptr;
}

JsonValue* JsonValue::Find(std::string_view key) {
  for (auto& [name, member] : members) {
    if (name == key) return &member;
  }
  return nullptr;
}

const JsonValue* JsonValue::At(std::initializer_list<std::string_view> path) const {
  const JsonValue* value = this;
  for (std::string_view key : path) {
    value = value->Find(key);
    if (value == nullptr) return nullptr;
  }
  return value;
}

std::string JsonValue::TextAt(std::initializer_list<std::string_view> path) const {
  const JsonValue* value = At(path);
  return value == nullptr ? "" : value->text;
}

JsonValue& JsonValue::Member(std::string_view key) {
  if (kind != Kind::kObject) *this = Object();
  if (JsonValue* found = Find(key)) return *found;
  return members.emplace_back(key, JsonValue{}).second;
}

void JsonValue::Erase(std::string_view key) {
  std::erase_if(members, [&](const auto& member) { return member.first == key; });
}

void ApplyMergePatch(JsonValue& target, const JsonValue& patch) {
  if (patch.kind != JsonValue::Kind::kObject) {
    target = patch;
    return;
  }
  if (target.kind != JsonValue::Kind::kObject) target = JsonValue::Object();
  for (const auto& [key, value] : patch.members) {
    if (value.kind == JsonValue::Kind::kNull) {
      target.Erase(key);
    } else {
      ApplyMergePatch(target.Member(key), value);
    }
  }
}

void ApplyStrategicPatch(JsonValue& target, const JsonValue& patch, std::string_view (*key_of_list)(std::string_view)) {
  if (patch.kind != JsonValue::Kind::kObject) {
    target = patch;
    return;
  }
  if (target.kind != JsonValue::Kind::kObject || patch.TextAt({"$patch"}) == "replace") target = JsonValue::Object();
  for (const auto& [key, value] : patch.members) {
    if (key.starts_with("$")) continue;
    if (value.kind == JsonValue::Kind::kNull || Deletes(value)) {
      target.Erase(key);
    } else if (value.kind == JsonValue::Kind::kArray && !key_of_list(key).empty()) {
      PatchList(target.Member(key), value, key_of_list(key), key_of_list);
    } else {
      ApplyStrategicPatch(target.Member(key), value, key_of_list);
    }
  }
}

bool ApplyJsonPatch(JsonValue& target, const JsonValue& patch) {
  return std::all_of(patch.elements.begin(), patch.elements.end(),
                     [&](const JsonValue& operation) { return ApplyOperation(target, operation); });
}

}  // namespace gatehouse::fakes
