#include "common/registry/challenge.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/net/ascii.h"

namespace gatehouse::registry {
namespace {

bool IsToken68Char(char c) {
  return net::IsAlnum(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
}

// WWW-Authenticate = [ challenge *( OWS "," OWS challenge ) ]
// challenge        = auth-scheme [ 1*SP ( token68 / [ auth-param *( OWS "," OWS auth-param ) ] ) ]
// auth-param       = token BWS "=" BWS ( token / quoted-string )
class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  Result<std::vector<Challenge>> Run() {
    std::vector<Challenge> challenges;
    SkipCommas();
    while (!rest_.empty()) {
      Challenge challenge;
      ASSIGN_OR_RETURN(std::string_view scheme, TakeToken());
      challenge.scheme = net::ToLower(scheme);
      if (!rest_.empty() && rest_[0] != ' ' && rest_[0] != ',' && rest_[0] != '\t')
        return Bad("has no space after a scheme");
      std::size_t spaces = SkipSpace();
      if (spaces > 0 && !rest_.empty() && rest_[0] != ',') RETURN_IF_ERROR(TakeCredentials(challenge));
      challenges.push_back(std::move(challenge));
      if (!rest_.empty() && rest_[0] != ',') return Bad("has no comma between two challenges");
      SkipCommas();
    }
    return challenges;
  }

 private:
  static Error Bad(std::string_view why) {
    return {Reason::kRegistryProtocol, "WWW-Authenticate", "the header " + std::string(why)};
  }

  std::size_t SkipSpace() {
    std::size_t count = 0;
    while (count < rest_.size() && (rest_[count] == ' ' || rest_[count] == '\t')) ++count;
    rest_.remove_prefix(count);
    return count;
  }

  // RFC 9110 section 5.6.1: "A recipient MUST parse and ignore a reasonable number of empty list elements".
  void SkipCommas() {
    SkipSpace();
    while (rest_.starts_with(',')) {
      rest_.remove_prefix(1);
      SkipSpace();
    }
  }

  std::size_t TokenLength() const {
    std::size_t length = 0;
    while (length < rest_.size() && net::IsTokenChar(rest_[length])) ++length;
    return length;
  }

  Result<std::string_view> TakeToken() {
    std::size_t length = TokenLength();
    if (length == 0) return Bad("has something else where a word is due");
    std::string_view token = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return token;
  }

  Result<std::string> TakeValue() {
    if (!rest_.starts_with('"')) {
      ASSIGN_OR_RETURN(std::string_view token, TakeToken());
      return std::string(token);
    }
    std::string value;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return value;
      }
      if (rest_[i] == '\\' && ++i == rest_.size()) break;
      value += rest_[i];
    }
    return Bad("has a quote that does not end");
  }

  // Whether what comes is a parameter, and not the next challenge's scheme.
  bool AtParameter() const {
    std::string_view after = net::Trim(rest_.substr(TokenLength()));
    return TokenLength() > 0 && after.starts_with('=');
  }

  // token68 = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="; what a parameter is not is one, when a
  // comma or the end follows.
  bool TakeToken68(Challenge& challenge) {
    std::size_t length = 0;
    while (length < rest_.size() && IsToken68Char(rest_[length])) ++length;
    std::size_t end = length;
    while (end < rest_.size() && rest_[end] == '=') ++end;
    std::string_view after = net::Trim(rest_.substr(end));
    if (length == 0 || (!after.empty() && after[0] != ',')) return false;
    challenge.token68 = rest_.substr(0, end);
    rest_.remove_prefix(end);
    SkipSpace();
    return true;
  }

  Status TakeCredentials(Challenge& challenge) {
    if (TakeToken68(challenge)) return Ok();
    while (true) {
      ASSIGN_OR_RETURN(std::string_view name, TakeToken());
      SkipSpace();
      if (!rest_.starts_with('=')) return Bad("has a parameter without a value");
      rest_.remove_prefix(1);
      SkipSpace();
      ASSIGN_OR_RETURN(std::string value, TakeValue());
      std::string lower = net::ToLower(name);
      for (const auto& [known, unused] : challenge.parameters) {
        if (known == lower) return Bad("has the parameter '" + Printable(lower, 40) + "' twice");
      }
      challenge.parameters.emplace_back(std::move(lower), std::move(value));
      SkipSpace();
      std::string_view before = rest_;
      if (!rest_.starts_with(',')) return Ok();
      SkipCommas();
      if (AtParameter()) continue;
      rest_ = before;  // the comma is the one between two challenges
      return Ok();
    }
  }

  std::string_view rest_;
};

}  // namespace

std::string_view Challenge::Parameter(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return "";
}

Result<std::vector<Challenge>> ParseChallenges(std::string_view text) {
  Error bad{Reason::kRegistryProtocol, "WWW-Authenticate", ""};
  if (text.size() > limits::kHttpHeaderLineBytes) return Error{bad.reason, bad.where, "the header is too long"};
  for (char c : text) {
    if ((c < 0x20 && c != '\t') || c >= 0x7F)
      return Error{bad.reason, bad.where, "the header holds a byte that is not printable ASCII"};
  }
  return Parser(text).Run();
}

std::string FormatChallenges(const std::vector<Challenge>& challenges) {
  std::string text;
  for (const Challenge& challenge : challenges) {
    if (!text.empty()) text += ", ";
    text += challenge.scheme;
    if (!challenge.token68.empty()) text += " " + challenge.token68;
    const char* separator = " ";
    for (const auto& [name, value] : challenge.parameters) {
      text += separator + name + "=\"";
      for (char c : value) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
      }
      text += '"';
      separator = ", ";
    }
  }
  return text;
}

}  // namespace gatehouse::registry
