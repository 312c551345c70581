// YAML that we write, for people to read and edit.
#pragma once

#include <string>
#include <string_view>

namespace gatehouse::measure {

// A double-quoted scalar. Precondition: IsUtf8(text).
[[nodiscard]] std::string YamlQuoted(std::string_view text);
// What a comment may hold: printable, on one line.
[[nodiscard]] std::string YamlComment(std::string_view text);

}  // namespace gatehouse::measure
