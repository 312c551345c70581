// Matchers of policy documents: image and name globs, label selectors. All anchored; "could not evaluate" is an error,
// never "no match".
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/image/reference.h"

namespace gatehouse::policy {

// `*` stands for any run of characters other than '/', `**` for any run. `?` is not special and no name holds one, so
// it is refused, as are [ ] { } \ and whatever is not printable ASCII: a pattern that cannot mean what it says must not
// stay silent. The whole text must match. The time is at most the product of both lengths, and a pattern's is limited:
// no backtracking.
class Glob {
 public:
  // Errors: kPolicyInvalid, with what to write instead.
  [[nodiscard]] static Result<Glob> Parse(std::string_view pattern);
  // For texts that are no names: spaces and characters outside of ASCII stand for themselves.
  [[nodiscard]] static Result<Glob> ParseForText(std::string_view pattern);
  [[nodiscard]] bool Matches(std::string_view text) const;
  [[nodiscard]] const std::string& pattern() const { return pattern_; }

 private:
  Glob(std::string pattern, std::string tokens) : pattern_(std::move(pattern)), tokens_(std::move(tokens)) {}
  std::string pattern_;
  std::string tokens_;  // the pattern with each wildcard as one control character
};

// A glob over image references in canonical form ("docker.io/library/nginx"). It is tried against name, name:tag,
// name@digest and name:tag@digest, whichever of them the reference has; so "registry.example/app" and
// "registry.example/**" match any tag or digest.
class ImageGlob {
 public:
  // The pattern must name a registry ("nginx*" is refused: write "docker.io/library/nginx*"). "**" alone matches every
  // image. "index.docker.io/" is read as "docker.io/", and the registry in lower case. In the registry `**` is refused,
  // and so is a
  // `*` at its end unless it stands for the whole registry or its port: "trusted.com*/x" would match a host of somebody
  // else. What can match no canonical reference is refused: "docker.io/nginx", upper-case repositories. Errors:
  // kPolicyInvalid.
  [[nodiscard]] static Result<ImageGlob> Parse(std::string_view pattern);
  [[nodiscard]] bool Matches(const image::Reference& reference) const;
  [[nodiscard]] const std::string& pattern() const { return glob_.pattern(); }

 private:
  explicit ImageGlob(Glob glob) : glob_(std::move(glob)) {}
  Glob glob_;
};

// One text against what a policy wrote: exactly, by glob, or by RE2 regular expression. Each must match the whole text:
// "https://github.com/org/.*" does not match what merely contains it. At most limits::kPatternBytes, not empty, no
// control characters.
class TextMatcher {
 public:
  // Errors: kPolicyInvalid.
  [[nodiscard]] static Result<TextMatcher> Exact(std::string_view text);
  // `*` stands for any run of characters other than '/', `**` for any run. In the host of a URL `**` is refused, and a
  // `*` at its end: "https://github.com*/org" would match a host of somebody else.
  [[nodiscard]] static Result<TextMatcher> FromGlob(std::string_view pattern);
  // RE2's syntax. What would need more than 64 KiB is refused.
  [[nodiscard]] static Result<TextMatcher> FromRegex(std::string_view pattern);
  [[nodiscard]] bool Matches(std::string_view text) const;
  // "'https://…'", "glob '…'", "regex '…'": for messages.
  [[nodiscard]] std::string ToString() const;

 private:
  struct Impl;
  explicit TextMatcher(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

using Labels = std::map<std::string, std::string>;

// metav1.LabelSelector: matchLabels and matchExpressions (In, NotIn, Exists, DoesNotExist), all of which must hold. An
// empty selector matches everything.
class LabelSelector {
 public:
  enum class Operator : std::uint8_t { kIn, kNotIn, kExists, kDoesNotExist };
  struct Requirement {
    std::string key;
    Operator op;
    std::vector<std::string> values;
  };
  LabelSelector() = default;
  explicit LabelSelector(std::vector<Requirement> requirements) : requirements_(std::move(requirements)) {}

  [[nodiscard]] bool empty() const { return requirements_.empty(); }
  // `labels`: nothing when they are not known here. `known`: labels that hold whatever the others are
  // (kubernetes.io/metadata.name of a namespace); a requirement on such a key can always be evaluated. Errors:
  // kLabelsUnknown.
  [[nodiscard]] Result<bool> Matches(const std::optional<Labels>& labels, const Labels& known = {}) const;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace gatehouse::policy
