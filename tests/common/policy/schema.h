// As much of the structural schemas of custom resources as Gatehouse uses, for tests: what an API server would say of a
// document.
#pragma once

#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::policy {

using codec::JsonView;

inline std::string TextOf(JsonView object, std::string_view key) {
  auto value = object.Find(key);
  return value ? std::string(value->AsString().value_or("")) : "";
}

// Checks values against schemas; each problem is "path: what".
class SchemaChecker {
 public:
  std::vector<std::string> Check(JsonView schema, JsonView value) {
    problems_.clear();
    Visit(schema, value, "$");
    return problems_;
  }

 private:
  void Problem(const std::string& path, const std::string& what) { problems_.push_back(path + ": " + what); }

  static bool HasType(const std::string& type, JsonView value) {
    if (type == "object") return value.IsObject();
    if (type == "array") return value.IsArray();
    if (type == "string") return value.AsString().has_value();
    if (type == "integer") return value.AsInt().has_value();
    if (type == "boolean") return value.AsBool().has_value();
    return type.empty();
  }

  void Visit(JsonView schema, JsonView value, const std::string& path) {
    const std::string type = TextOf(schema, "type");
    if (!HasType(type, value)) return Problem(path, "must be of type " + type);
    if (auto allowed = schema.Find("enum")) {
      bool found = false;
      for (std::size_t i = 0; i < allowed->size(); ++i) found |= allowed->at(i).Serialize() == value.Serialize();
      if (!found) Problem(path, "is none of " + allowed->Serialize());
    }
    if (value.AsString()) VisitString(schema, std::string(*value.AsString()), path);
    if (value.AsInt()) VisitNumber(schema, *value.AsInt(), path);
    if (value.IsArray()) VisitArray(schema, value, path);
    if (value.IsObject()) VisitObject(schema, value, path);
  }

  static std::size_t Limit(JsonView schema, std::string_view key, std::size_t fallback) {
    auto limit = schema.Find(key);
    return limit ? limit->AsUint().value_or(fallback) : fallback;
  }

  void VisitString(JsonView schema, const std::string& text, const std::string& path) {
    if (text.size() < Limit(schema, "minLength", 0)) Problem(path, "is too short");
    if (text.size() > Limit(schema, "maxLength", SIZE_MAX)) Problem(path, "is too long");
    std::string pattern = TextOf(schema, "pattern");
    if (!pattern.empty() && !RE2::PartialMatch(text, pattern)) Problem(path, "does not match " + pattern);
    if (TextOf(schema, "format") == "date-time" && !codec::ParseTime(text).ok()) Problem(path, "is no time");
  }

  void VisitNumber(JsonView schema, std::int64_t number, const std::string& path) {
    auto min = schema.Find("minimum");
    auto max = schema.Find("maximum");
    if (min && number < min->AsInt().value_or(0)) Problem(path, "is too small");
    if (max && number > max->AsInt().value_or(0)) Problem(path, "is too large");
  }

  void VisitArray(JsonView schema, JsonView value, const std::string& path) {
    if (value.size() < Limit(schema, "minItems", 0)) Problem(path, "has too few items");
    if (value.size() > Limit(schema, "maxItems", SIZE_MAX)) Problem(path, "has too many items");
    std::set<std::string> keys;
    const std::string list_type = TextOf(schema, "x-kubernetes-list-type");
    for (std::size_t i = 0; i < value.size(); ++i) {
      Visit(*schema.Find("items"), value.at(i), path + "[" + std::to_string(i) + "]");
      std::string key;
      if (list_type == "set") key = value.at(i).Serialize();
      if (list_type == "map") key = TextOf(value.at(i), *schema.Find("x-kubernetes-list-map-keys")->at(0).AsString());
      if (!key.empty() && !keys.insert(key).second) Problem(path, "holds " + key + " twice");
    }
  }

  static bool HasAll(JsonView required, JsonView value) {
    for (std::size_t i = 0; i < required.size(); ++i) {
      if (!value.Find(*required.at(i).AsString())) return false;
    }
    return true;
  }

  void VisitObject(JsonView schema, JsonView value, const std::string& path) {
    if (value.size() < Limit(schema, "minProperties", 0)) Problem(path, "has too few members");
    if (value.size() > Limit(schema, "maxProperties", SIZE_MAX)) Problem(path, "has too many members");
    if (auto required = schema.Find("required"); required && !HasAll(*required, value))
      Problem(path, "lacks one of " + required->Serialize());
    for (const char* junctor : {"oneOf", "anyOf"}) {
      auto branches = schema.Find(junctor);
      std::size_t met = 0;
      for (std::size_t i = 0; branches && i < branches->size(); ++i)
        met += HasAll(*branches->at(i).Find("required"), value) ? 1U : 0U;
      bool one = std::string(junctor) == "oneOf";
      if (branches && (met == 0 || (one && met > 1))) Problem(path, "does not satisfy " + branches->Serialize());
    }
    auto properties = schema.Find("properties");
    auto additional = schema.Find("additionalProperties");
    if (!properties && !additional && schema.Find("x-kubernetes-preserve-unknown-fields")) return;  // of any form
    for (std::size_t i = 0; i < value.size(); ++i) {
      auto [key, member] = value.member(i);
      std::string inner = path + "." + std::string(key);
      auto known = properties ? properties->Find(key) : std::nullopt;
      // The metadata of an object has its schema from the API server itself.
      if (path == "$" && key == "metadata") continue;
      if (known) {
        Visit(*known, member, inner);
      } else if (additional) {
        Visit(*additional, member, inner);
      } else {
        Problem(inner, "is not known");
      }
    }
  }

  std::vector<std::string> problems_;
};

// Calls `visit` for each node of a schema, with a path such as "spec.images[].glob"; "{}" stands for any key.
inline void ForEachNode(JsonView schema, const std::string& path,
                        const std::function<void(const std::string&, JsonView)>& visit) {
  visit(path, schema);
  if (auto properties = schema.Find("properties")) {
    for (std::size_t i = 0; i < properties->size(); ++i) {
      auto [key, member] = properties->member(i);
      ForEachNode(member, path.empty() ? std::string(key) : path + "." + std::string(key), visit);
    }
  }
  if (auto items = schema.Find("items")) ForEachNode(*items, path + "[]", visit);
  if (auto additional = schema.Find("additionalProperties")) ForEachNode(*additional, path + "{}", visit);
}

}  // namespace gatehouse::policy
