#include "common/policy/match.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::policy {
namespace {

// How `*` and `**` are kept among the tokens of a glob, whose other characters are printable.
constexpr char kStar = '\x01';
constexpr char kDoubleStar = '\x02';

bool IsWildcard(char token) {
  return token == kStar || token == kDoubleStar;
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

Error Invalid(std::string_view pattern, std::string_view detail) {
  return {Reason::kPolicyInvalid, "", "glob '" + Printable(pattern, 128) + "' " + std::string(detail)};
}

enum class Alphabet : std::uint8_t { kNames, kTexts };

std::optional<Error> CheckCharacters(std::string_view pattern, Alphabet alphabet = Alphabet::kNames) {
  if (pattern.empty()) return Invalid(pattern, "is empty; write ** for everything");
  if (pattern.size() > limits::kGlobBytes) {
    return Invalid(pattern, "has more than " + std::to_string(limits::kGlobBytes) + " characters");
  }
  for (char c : pattern) {
    if (std::string_view("?[]{}\\").find(c) != std::string_view::npos) {
      return Invalid(pattern, std::string("holds '") + c +
                                  "', which is not a wildcard here; use * within a path component, " +
                                  "** across them, and one glob for each alternative");
    }
    bool printable = c > ' ' && c <= '~';
    if (!printable && alphabet == Alphabet::kNames)
      return Invalid(pattern, "holds a space or a character outside of ASCII; no name has one");
    // Wildcards are kept as control characters.
    if (c == '\x7f' || (c >= 0 && c < ' ')) return Invalid(pattern, "holds a control character");
  }
  if (Contains(pattern, "***")) return Invalid(pattern, "holds ***; write ** for any run of characters");
  return std::nullopt;
}

// Which prefixes of the tokens match what was read of the text. Every `**` reached makes the states before it
// redundant: whatever they could still reach passes that `**`, which holds already and keeps holding.
class GlobStates {
 public:
  explicit GlobStates(std::string_view tokens) : tokens_(tokens) { Add(0); }

  // False when no state is left.
  bool Step(char c) {
    std::size_t low = low_;
    std::size_t high = high_;
    high_ = low_;
    bool any = false;
    // From the highest state down, so that each reads the one below it as it was before this character.
    for (std::size_t state = std::min(high + 1, tokens_.size()) + 1; state-- > low;) {
      bool stays = state < tokens_.size() && active_[state] &&
                   (tokens_[state] == kDoubleStar || (tokens_[state] == kStar && c != '/'));
      bool comes = state > low && active_[state - 1] && tokens_[state - 1] == c;
      active_[state] = stays || comes;
      if (active_[state]) {
        high_ = std::max(high_, state);
        any = true;
      }
    }
    if (any) Close(low);
    return any;
  }

  [[nodiscard]] bool Accepts() const { return active_[tokens_.size()]; }
  // Nothing that follows can undo the match.
  [[nodiscard]] bool AcceptsAnyRest() const { return Accepts() && tokens_.ends_with(kDoubleStar); }

 private:
  void Add(std::size_t state) {
    active_[state] = true;
    high_ = state;
    Close(state);
  }

  // A wildcard also stands for nothing.
  void Close(std::size_t from) {
    for (std::size_t state = from; state <= high_ && state < tokens_.size(); ++state) {
      if (!active_[state]) continue;
      if (tokens_[state] == kDoubleStar) low_ = state;
      if (IsWildcard(tokens_[state])) {
        active_[state + 1] = true;
        high_ = std::max(high_, state + 1);
      }
    }
  }

  std::string_view tokens_;
  std::array<bool, limits::kGlobBytes + 1> active_{};
  std::size_t low_ = 0;   // no state below matters
  std::size_t high_ = 0;  // no state above is active
};

}  // namespace

namespace {

std::string Tokens(std::string_view pattern) {
  std::string tokens;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.substr(i, 2) == "**") {
      tokens += kDoubleStar;
      ++i;
    } else {
      tokens += pattern[i] == '*' ? kStar : pattern[i];
    }
  }
  return tokens;
}

}  // namespace

Result<Glob> Glob::Parse(std::string_view pattern) {
  if (auto error = CheckCharacters(pattern)) return *std::move(error);
  return Glob(std::string(pattern), Tokens(pattern));
}

Result<Glob> Glob::ParseForText(std::string_view pattern) {
  if (auto error = CheckCharacters(pattern, Alphabet::kTexts)) return *std::move(error);
  return Glob(std::string(pattern), Tokens(pattern));
}

bool Glob::Matches(std::string_view text) const {
  std::string_view tokens = tokens_;
  // Most patterns are told apart by what stands before their first wildcard.
  auto wildcard = std::find_if(tokens.begin(), tokens.end(), IsWildcard);
  auto literal = static_cast<std::size_t>(wildcard - tokens.begin());
  if (wildcard == tokens.end()) return text == tokens;
  if (!text.starts_with(tokens.substr(0, literal))) return false;
  GlobStates states(tokens.substr(literal));
  for (char c : text.substr(literal)) {
    if (states.AcceptsAnyRest()) return true;
    if (!states.Step(c)) return false;
  }
  return states.Accepts();
}

namespace {

// The parts of an image glob: registry / path [: tag] [@ digest].
struct ImagePattern {
  std::string registry;
  std::string_view path;
  std::string_view tag;
  std::string_view digest;
  bool has_tag = false;
  bool has_digest = false;
};

ImagePattern Split(std::string_view pattern) {
  ImagePattern parts;
  if (auto at = pattern.find('@'); at != std::string_view::npos) {
    parts.has_digest = true;
    parts.digest = pattern.substr(at + 1);
    pattern = pattern.substr(0, at);
  }
  auto slash = pattern.find('/');
  if (slash == std::string_view::npos) return parts;
  parts.registry = pattern.substr(0, slash);
  std::transform(parts.registry.begin(), parts.registry.end(), parts.registry.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  parts.path = pattern.substr(slash + 1);
  if (auto colon = parts.path.find(':'); colon != std::string_view::npos) {
    parts.has_tag = true;
    parts.tag = parts.path.substr(colon + 1);
    parts.path = parts.path.substr(0, colon);
  }
  return parts;
}

bool OnlyHolds(std::string_view text, std::string_view alphabet) {
  return text.find_first_not_of(alphabet) == std::string_view::npos;
}

constexpr std::string_view kPathCharacters = "abcdefghijklmnopqrstuvwxyz0123456789._-/*";
constexpr std::string_view kTagCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-*";
constexpr std::string_view kDigestCharacters = "abcdefghijklmnopqrstuvwxyz0123456789:*";
constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-:*";

Error WithoutRegistry(std::string_view pattern) {
  if (pattern == "*") return Invalid(pattern, "does not cross path components; write ** for every image");
  std::string detail = "does not name a registry; write docker.io/library/" + std::string(pattern);
  // It may have been meant for a registry's name.
  if (Contains(pattern, ".") && !Contains(pattern, "*")) {
    detail += ", or " + std::string(pattern) + "/** for everything in a registry of that name";
  }
  return Invalid(pattern, detail);
}

std::optional<Error> CheckRegistry(std::string_view pattern, std::string_view registry) {
  if (registry == "*") return std::nullopt;
  if (Contains(registry, "**")) {
    return Invalid(
        pattern, "holds ** in its registry, which would match a path of another registry; write * there, or ** alone");
  }
  if (!OnlyHolds(registry, kHostCharacters)) return Invalid(pattern, "holds a character that no registry's name has");
  // distribution/reference, normalize.go splitDockerDomain: the first component is a registry only if it holds '.' or
  // ':' or is localhost.
  if (registry != "localhost" && registry.find_first_of(".:") == std::string_view::npos) {
    return Invalid(pattern,
                   "does not name a registry; write docker.io/" + std::string(pattern) + ", or ** for every image");
  }
  if (registry.ends_with('*') && !registry.ends_with(":*")) {
    return Invalid(pattern, "ends its registry in *, which would match a host of somebody else (" +
                                std::string(registry.substr(0, registry.find('*'))) +
                                ".example); write the name out, or :* for any port");
  }
  return std::nullopt;
}

std::optional<Error> CheckPath(std::string_view pattern, const ImagePattern& parts) {
  if (parts.path.empty() || parts.path.starts_with('/') || parts.path.ends_with('/') || Contains(parts.path, "//")) {
    return Invalid(pattern,
                   "has an empty path component; write " + parts.registry + "/** for everything in the registry");
  }
  if (!OnlyHolds(parts.path, kPathCharacters)) {
    return Invalid(pattern, "holds a character that no repository's name has (they are lower case)");
  }
  // Docker Hub's official images: "docker.io/nginx" is docker.io/library/nginx in canonical form.
  if (parts.registry == "docker.io" && !Contains(parts.path, "/") && !Contains(parts.path, "**")) {
    return Invalid(pattern, "matches no image: in canonical form this is docker.io/library/" + std::string(parts.path));
  }
  return std::nullopt;
}

std::optional<Error> CheckTagAndDigest(std::string_view pattern, const ImagePattern& parts) {
  if (parts.has_tag && (parts.tag.empty() || !OnlyHolds(parts.tag, kTagCharacters))) {
    return Invalid(pattern, "has no valid tag after the colon");
  }
  if (parts.has_digest && (parts.digest.empty() || !OnlyHolds(parts.digest, kDigestCharacters))) {
    return Invalid(pattern, "has no valid digest after the @; write @sha256: and lower-case hex, or leave it out");
  }
  return std::nullopt;
}

}  // namespace

Result<ImageGlob> ImageGlob::Parse(std::string_view pattern) {
  if (auto error = CheckCharacters(pattern)) return *std::move(error);
  if (pattern == "**") {
    ASSIGN_OR_RETURN(Glob everything, Glob::Parse(pattern));
    return ImageGlob(std::move(everything));
  }
  if (pattern.find('/') == std::string_view::npos) return WithoutRegistry(pattern);
  ImagePattern parts = Split(pattern);
  if (parts.registry == "index.docker.io") parts.registry = "docker.io";
  if (auto error = CheckRegistry(pattern, parts.registry)) return *std::move(error);
  if (auto error = CheckPath(pattern, parts)) return *std::move(error);
  if (auto error = CheckTagAndDigest(pattern, parts)) return *std::move(error);
  std::string canonical = parts.registry + std::string(pattern.substr(pattern.find('/')));
  ASSIGN_OR_RETURN(Glob glob, Glob::Parse(canonical));
  return ImageGlob(std::move(glob));
}

namespace {

// One registry has one name here, whatever spelling of it an image uses: the port that HTTPS has anyway, and the host
// behind docker.io.
std::string NameFor(const image::Reference& reference, std::string_view pattern) {
  std::string_view domain = reference.domain();
  bool written = pattern.substr(0, pattern.find('/')).ends_with(":443");
  if (domain.ends_with(":443") && !written) domain.remove_suffix(4);
  if (domain == "registry-1.docker.io") domain = "docker.io";
  return std::string(domain).append("/").append(reference.path());
}

}  // namespace

bool ImageGlob::Matches(const image::Reference& reference) const {
  std::string name = NameFor(reference, glob_.pattern());
  if (glob_.Matches(name)) return true;
  if (reference.digest() && glob_.Matches(name + "@" + reference.digest()->text())) return true;
  if (!reference.tag()) return false;
  name += ":" + *reference.tag();
  if (glob_.Matches(name)) return true;
  return reference.digest() && glob_.Matches(name + "@" + reference.digest()->text());
}

namespace {

// `value` is the label's, null where it is absent.
bool Holds(const LabelSelector::Requirement& requirement, const std::string* value) {
  auto listed = [&] {
    return value != nullptr &&
           std::find(requirement.values.begin(), requirement.values.end(), *value) != requirement.values.end();
  };
  switch (requirement.op) {
    case LabelSelector::Operator::kIn:
      return listed();
    case LabelSelector::Operator::kNotIn:  // also of objects without the label (labels.Requirement of apimachinery)
      return !listed();
    case LabelSelector::Operator::kExists:
      return value != nullptr;
    case LabelSelector::Operator::kDoesNotExist:
      return value == nullptr;
  }
  return false;
}

const std::string* Lookup(const Labels& labels, const std::string& key) {
  auto found = labels.find(key);
  return found == labels.end() ? nullptr : &found->second;
}

}  // namespace

Result<bool> LabelSelector::Matches(const std::optional<Labels>& labels, const Labels& known) const {
  const Requirement* unknown = nullptr;
  for (const Requirement& requirement : requirements_) {
    const std::string* value = Lookup(known, requirement.key);
    if (value == nullptr && !labels) {
      unknown = &requirement;
      continue;
    }
    // What is known otherwise goes before what the labels claim.
    if (value == nullptr) value = Lookup(*labels, requirement.key);
    // All must hold, so one that does not settles it, whatever the unknown ones are.
    if (!Holds(requirement, value)) return false;
  }
  if (unknown == nullptr) return true;
  return Error{Reason::kLabelsUnknown, "",
               "the policy selects by label '" + Printable(unknown->key, 64) + "', and the labels are not known here"};
}

}  // namespace gatehouse::policy
