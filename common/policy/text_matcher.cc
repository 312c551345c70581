#include <re2/re2.h>

#include <algorithm>
#include <variant>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/policy/match.h"

namespace gatehouse::policy {
namespace {

// RE2's own bound of what one pattern may cost, program and states together. "\pL+" and "[a-z0-9.-]{1,255}" fit;
// "\pL{25}", ten bytes of a policy that a tenant may write, would cost 240 KiB and 10 ms.
constexpr std::int64_t kRegexMemory = 1 << 16;

struct Regex {
  explicit Regex(const std::string& text, const RE2::Options& options) : pattern(text, options) {}
  RE2 pattern;
};

Error Invalid(std::string_view kind, std::string_view pattern, std::string_view detail) {
  return {Reason::kPolicyInvalid, "", std::string(kind) + " '" + Printable(pattern, 128) + "' " + std::string(detail)};
}

std::optional<Error> CheckText(std::string_view kind, std::string_view pattern) {
  if (pattern.empty()) return Invalid(kind, pattern, "is empty, which no signer and no value is");
  if (pattern.size() > limits::kPatternBytes)
    return Invalid(kind, pattern, "has more than " + std::to_string(limits::kPatternBytes) + " bytes");
  auto control = [](char c) { return c == '\x7f' || (c >= 0 && c < ' '); };
  if (std::any_of(pattern.begin(), pattern.end(), control))
    return Invalid(kind, pattern, "holds a control character (a line break at its end?)");
  return std::nullopt;
}

// As of an image's registry: what a wildcard in a host matches must not be a host of somebody else.
std::optional<Error> CheckHost(std::string_view pattern) {
  auto scheme = pattern.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  std::string_view host = pattern.substr(scheme + 3);
  host = host.substr(0, host.find('/'));
  if (host == "*" || host == "**") return std::nullopt;
  if (host.find("**") != std::string_view::npos) {
    return Invalid("glob", pattern,
                   "holds ** in its host, which would match a path on a host of somebody else; write * there");
  }
  if (host.ends_with('*') && !host.ends_with(":*")) {
    return Invalid("glob", pattern, "ends its host in *, which would match a host of somebody else; write it out");
  }
  return std::nullopt;
}

RE2::Options RegexOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kRegexMemory);
  return options;
}

}  // namespace

struct TextMatcher::Impl {
  std::variant<std::string, Glob, std::unique_ptr<Regex>> form;
};

Result<TextMatcher> TextMatcher::Exact(std::string_view text) {
  if (auto error = CheckText("text", text)) return *std::move(error);
  return TextMatcher(std::make_shared<const Impl>(Impl{std::string(text)}));
}

Result<TextMatcher> TextMatcher::FromGlob(std::string_view pattern) {
  if (auto error = CheckText("glob", pattern)) return *std::move(error);
  if (auto error = CheckHost(pattern)) return *std::move(error);
  ASSIGN_OR_RETURN(Glob glob, Glob::ParseForText(pattern));
  return TextMatcher(std::make_shared<const Impl>(Impl{std::move(glob)}));
}

Result<TextMatcher> TextMatcher::FromRegex(std::string_view pattern) {
  if (auto error = CheckText("regular expression", pattern)) return *std::move(error);
  auto regex = std::make_unique<Regex>(std::string(pattern), RegexOptions());
  if (!regex->pattern.ok()) {
    return Invalid("regular expression", pattern,
                   "is not one that RE2 takes: " + Printable(regex->pattern.error(), 128));
  }
  return TextMatcher(std::make_shared<const Impl>(Impl{std::move(regex)}));
}

bool TextMatcher::Matches(std::string_view text) const {
  if (const auto* exact = std::get_if<std::string>(&impl_->form)) return text == *exact;
  if (const auto* glob = std::get_if<Glob>(&impl_->form)) return glob->Matches(text);
  // Anchored at both ends, whatever the pattern says of ends itself.
  return RE2::FullMatch(text, std::get<std::unique_ptr<Regex>>(impl_->form)->pattern);
}

std::string TextMatcher::ToString() const {
  auto quoted = [](std::string_view text) { return "'" + Printable(text, 128) + "'"; };
  if (const auto* exact = std::get_if<std::string>(&impl_->form)) return quoted(*exact);
  if (const auto* glob = std::get_if<Glob>(&impl_->form)) return "glob " + quoted(glob->pattern());
  return "regex " + quoted(std::get<std::unique_ptr<Regex>>(impl_->form)->pattern.pattern());
}

}  // namespace gatehouse::policy
