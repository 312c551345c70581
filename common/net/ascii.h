// ASCII character classes that do not ask the locale.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace gatehouse::net {

[[nodiscard]] constexpr bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
[[nodiscard]] constexpr bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}
[[nodiscard]] constexpr bool IsAlnum(char c) {
  return IsDigit(c) || IsLower(c) || IsUpper(c);
}
[[nodiscard]] constexpr bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
[[nodiscard]] constexpr char ToLower(char c) {
  return IsUpper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

// A character of an RFC 9110 token (header names, authentication schemes and parameters).
[[nodiscard]] constexpr bool IsTokenChar(char c) {
  return IsAlnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
[[nodiscard]] inline bool IsToken(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), IsTokenChar);
}

[[nodiscard]] inline std::string ToLower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = ToLower(c);
  return lower;
}

[[nodiscard]] inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return ToLower(x) == ToLower(y); });
}

// Without spaces and tabs at either end (RFC 9110 section 5.6.3, OWS).
[[nodiscard]] inline std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace gatehouse::net
