#include "common/measure/yaml_text.h"

#include <algorithm>
#include <cstdio>

#include "common/base/encoding.h"

namespace gatehouse::measure {

std::string YamlQuoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
      quoted += c;
    } else if (c == '\n') {
      quoted += "\\n";
    } else if (c == '\t') {
      quoted += "\\t";
    } else if ((c >= 0 && c < ' ') || c == '\x7F') {
      char escaped[8];
      std::snprintf(escaped, sizeof(escaped), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
      quoted += escaped;
    } else {
      quoted += c;
    }
  }
  return quoted + "\"";
}

std::string YamlComment(std::string_view text) {
  // What is printable already is not escaped again.
  std::string unescaped(text);
  std::replace(unescaped.begin(), unescaped.end(), '\\', '/');
  return Printable(unescaped, 120) == unescaped ? std::string(text) : Printable(text, 120);
}

}  // namespace gatehouse::measure
