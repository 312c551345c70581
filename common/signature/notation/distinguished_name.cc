// RFC 4514 names as a trust policy writes them, from the one form that Notation accepts: attributes that are joined by
// commas, each once, none with several values.
#include <algorithm>

#include "common/base/encoding.h"
#include "common/signature/notation/trust_policy.h"

namespace gatehouse::signature::notation {
namespace {

using Attribute = std::pair<std::string, std::string>;

Error Invalid(std::string_view detail) {
  return {Reason::kPolicyInvalid, "", std::string(detail)};
}

bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return upper;
}

// One escape, behind its backslash (section 2.4: pair = ESC ( ESC / special / hexpair )).
Result<char> Unescape(std::string_view& rest) {
  constexpr std::string_view kSpecial = "\\\"+,;<>#= ";
  if (rest.empty()) return Invalid("a name ends in a backslash");
  if (kSpecial.find(rest.front()) != std::string_view::npos) {
    const char c = rest.front();
    rest.remove_prefix(1);
    return c;
  }
  const std::string_view digits = rest.substr(0, 2);
  std::string lower(digits);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  const Result<Bytes> byte = DecodeHex(lower);
  if (digits.size() != 2 || !byte.ok()) return Invalid("a name has a backslash before what needs none");
  if (byte->front() == 0) return Invalid("a name holds a NUL");
  rest.remove_prefix(2);
  return static_cast<char>(byte->front());
}

// attributeType, up to and with the '='.
Result<std::string> TakeType(std::string_view& rest) {
  const std::size_t equals = rest.find('=');
  if (equals == std::string_view::npos) return Invalid("a name's attribute has no '='; write C=US");
  std::string_view type = rest.substr(0, equals);
  rest.remove_prefix(equals + 1);
  while (type.starts_with(' ')) type.remove_prefix(1);
  while (type.ends_with(' ')) type.remove_suffix(1);
  // Section 2.3: descr (a letter, then letters, digits and hyphens) or numericoid.
  const bool descriptor = !type.empty() && IsLetter(type.front()) &&
                          std::ranges::all_of(type, [](char c) { return IsLetter(c) || IsDigit(c) || c == '-'; });
  const bool oid = !type.empty() && IsDigit(type.front()) && IsDigit(type.back()) &&
                   type.find("..") == std::string_view::npos &&
                   std::ranges::all_of(type, [](char c) { return IsDigit(c) || c == '.'; });
  if (!descriptor && !oid) return Invalid("'" + Printable(type, 64) + "' is not the name of an attribute");
  std::string upper = Upper(type);
  // stateOrProvinceName is ST in RFC 4514 and S in what Windows shows; Notation takes both.
  return upper == "S" ? std::string("ST") : upper;
}

// attributeValue, up to the next comma that is not escaped, which is taken too. The space around it is not part of it.
Result<std::string> TakeValue(std::string_view& rest, bool& more) {
  while (rest.starts_with(' ')) rest.remove_prefix(1);
  if (rest.starts_with('#')) return Invalid("a value in hex (#...) is not supported");
  std::string value;
  std::size_t significant = 0;  // what a space at the end, unless escaped, does not add to
  more = false;
  while (!rest.empty()) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c == ',') {
      more = true;
      break;
    }
    if (c == '\\') {
      ASSIGN_OR_RETURN(const char unescaped, Unescape(rest));
      value.push_back(unescaped);
      significant = value.size();
      continue;
    }
    // Notary Project trust-store-trust-policy.md: several values in one RDN have no meaning there; RFC 4514 section 2.4
    // wants the others escaped.
    if (c == '+')
      return Invalid("several values in one attribute ('+') are not supported; escape a literal '+' as \\+");
    if (c == ';' || c == '"' || c == '<' || c == '>' || c == '\0') {
      return Invalid("a character of a name must be escaped by a backslash: '" + Printable({&c, 1}, 4) + "'");
    }
    value.push_back(c);
    if (c != ' ') significant = value.size();
  }
  value.resize(significant);
  return value;
}

}  // namespace

Result<std::vector<Attribute>> ParseDistinguishedName(std::string_view text) {
  std::vector<Attribute> attributes;
  std::string_view rest = text;
  bool more = true;
  while (more) {
    ASSIGN_OR_RETURN(std::string type, TakeType(rest));
    ASSIGN_OR_RETURN(std::string value, TakeValue(rest, more));
    if (value.empty()) return Invalid("the attribute " + type + " is empty");
    if (!IsUtf8(value)) return Invalid("the attribute " + type + " is not UTF-8");
    if (std::ranges::find(attributes, type, &Attribute::first) != attributes.end()) {
      return Invalid("the attribute " + type + " is there twice");
    }
    attributes.emplace_back(std::move(type), std::move(value));
  }
  return attributes;
}

}  // namespace gatehouse::signature::notation
