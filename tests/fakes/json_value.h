// JSON that can be changed, as an API server changes objects: patches of the three kinds that Kubernetes knows.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/codec/json.h"

namespace gatehouse::fakes {

struct JsonValue {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  std::string text = {};  // of a string; the literal of a number or boolean
  std::vector<JsonValue> elements = {};
  std::vector<std::pair<std::string, JsonValue>> members = {};

  [[nodiscard]] static std::optional<JsonValue> Parse(std::string_view json);
  [[nodiscard]] static JsonValue From(codec::JsonView view);
  [[nodiscard]] static JsonValue Object() { return {.kind = Kind::kObject}; }
  [[nodiscard]] static JsonValue Array() { return {.kind = Kind::kArray}; }
  [[nodiscard]] static JsonValue String(std::string_view text) {
    return {.kind = Kind::kString, .text = std::string(text)};
  }
  [[nodiscard]] static JsonValue Number(std::uint64_t number) {
    return {.kind = Kind::kNumber, .text = std::to_string(number)};
  }
  [[nodiscard]] std::string Write() const;

  [[nodiscard]] const JsonValue* Find(std::string_view key) const;
  [[nodiscard]] JsonValue* Find(std::string_view key);
  [[nodiscard]] const JsonValue* At(std::initializer_list<std::string_view> path) const;
  // The string (or literal) there; "" if there is none.
  [[nodiscard]] std::string TextAt(std::initializer_list<std::string_view> path) const;
  // The member, made if it is absent; makes an object of what is none.
  JsonValue& Member(std::string_view key);
  void Erase(std::string_view key);
  friend bool operator==(const JsonValue&, const JsonValue&) = default;
};

// RFC 7386.
void ApplyMergePatch(JsonValue& target, const JsonValue& patch);
// Kubernetes' strategic merge patch, for the lists that `key_of_list` knows ("webhooks" -> "name"; "" replaces the
// list), with {"$patch": "delete"} and {"$patch": "replace"}.
void ApplyStrategicPatch(JsonValue& target, const JsonValue& patch, std::string_view (*key_of_list)(std::string_view));
// RFC 6902: add, replace, remove, test. False if it does not apply.
[[nodiscard]] bool ApplyJsonPatch(JsonValue& target, const JsonValue& patch);

}  // namespace gatehouse::fakes
