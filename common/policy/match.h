// Matchers of policy documents: image and name globs, label selectors. All anchored; "could not evaluate" is an error, never "no match".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/image/reference.h"

namespace gatehouse::policy {

// `*` stands for any run of characters other than '/', `**` for any run, `?` for nothing special: it is refused, as are [ ] { } and \.
// The whole text must match. Linear time (no backtracking explosion).
class Glob {
 public:
  // Errors: kPolicyInvalid, with what to write instead.
  [[nodiscard]] static Result<Glob> Parse(std::string_view pattern);
  [[nodiscard]] bool Matches(std::string_view text) const;
  [[nodiscard]] const std::string& pattern() const { return pattern_; }

 private:
  explicit Glob(std::string pattern) : pattern_(std::move(pattern)) {}
  std::string pattern_;
};

// A glob over image references in canonical form ("docker.io/library/nginx"). It is tried against name, name:tag, name@digest and
// name:tag@digest, whichever of them the reference has; so "registry.example/app" and "registry.example/**" match any tag or digest.
class ImageGlob {
 public:
  // The pattern must name a registry ("nginx*" is refused: write "docker.io/library/nginx*"). "**" alone matches every image.
  // "index.docker.io/" is read as "docker.io/". Errors: kPolicyInvalid.
  [[nodiscard]] static Result<ImageGlob> Parse(std::string_view pattern);
  [[nodiscard]] bool Matches(const image::Reference& reference) const;
  [[nodiscard]] const std::string& pattern() const { return glob_.pattern(); }

 private:
  explicit ImageGlob(Glob glob) : glob_(std::move(glob)) {}
  Glob glob_;
};

using Labels = std::map<std::string, std::string>;

// metav1.LabelSelector: matchLabels and matchExpressions (In, NotIn, Exists, DoesNotExist), all of which must hold. An empty selector
// matches everything.
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
  // `labels`: nothing when they are not known here. `known`: labels that hold whatever the others are (kubernetes.io/metadata.name of a namespace);
  // a requirement on such a key can always be evaluated. Errors: kLabelsUnknown.
  [[nodiscard]] Result<bool> Matches(const std::optional<Labels>& labels, const Labels& known = {}) const;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace gatehouse::policy
