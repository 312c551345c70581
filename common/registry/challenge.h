// WWW-Authenticate (RFC 9110 section 11.6.1), strictly.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace gatehouse::registry {

struct Challenge {
  std::string scheme;                                           // lower case
  std::string token68;                                          // what stands there in place of parameters
  std::vector<std::pair<std::string, std::string>> parameters;  // names in lower case, each once; values unquoted

  // The value of a parameter, or "".
  [[nodiscard]] std::string_view Parameter(std::string_view name) const;
  friend bool operator==(const Challenge&, const Challenge&) = default;
};

// The challenges of one or several headers joined by commas. Refused: a parameter given twice, control characters,
// bytes that are not ASCII, an unclosed quote, anything left over. Errors: kRegistryProtocol.
[[nodiscard]] Result<std::vector<Challenge>> ParseChallenges(std::string_view text);

// The inverse, every value quoted.
[[nodiscard]] std::string FormatChallenges(const std::vector<Challenge>& challenges);

}  // namespace gatehouse::registry
