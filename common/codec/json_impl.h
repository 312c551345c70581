// What a JsonDocument holds: shared by json.cc and yaml.cc only, so that rapidjson stays out of every other file.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "common/codec/json.h"

namespace gatehouse::codec {

struct JsonDocument::Impl {
  Impl(std::size_t chunk_bytes, std::size_t stack_bytes) : pool(chunk_bytes), root(&pool, stack_bytes) {}

  std::string source;
  std::unique_ptr<char[]> text;  // JSON: what the strings of `root` point into; YAML: empty, the strings are in `pool`
  rapidjson::MemoryPoolAllocator<> pool;
  rapidjson::Document root;
  std::unordered_map<const void*, std::size_t> lines;  // YAML: value to its line, the key's for a member
};

// "policy.yaml:12", or "line 12" without a name.
[[nodiscard]] std::string LinePosition(std::string_view source, std::size_t line);

}  // namespace gatehouse::codec
