// Strict YAML: the subset that Kubernetes documents use. Duplicate keys, anchors, aliases, tags, merge keys and
// non-string keys are refused; plain scalars follow the YAML 1.2 core schema (so `no` and `on` are strings), quoted
// scalars are strings.
#pragma once

#include <string_view>
#include <vector>

#include "common/codec/json.h"

namespace gatehouse::codec {

// Every document of the stream, empty ones left out. `source` is the file's name for positions. Errors: kYamlMalformed
// with "source:line", kLimitExceeded.
[[nodiscard]] Result<std::vector<JsonDocument>> ParseYaml(std::string_view text, std::string_view source);

}  // namespace gatehouse::codec
