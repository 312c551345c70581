#include "common/image/reference.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::image {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io";
constexpr std::string_view kLegacyDefaultDomain = "index.docker.io";
constexpr std::string_view kOfficialPrefix = "library/";
constexpr std::size_t kTagBytes = 128;
constexpr std::size_t kIdentifierDigits = 64;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsUpper(char c) {
  return c >= 'A' && c <= 'Z';
}
bool IsLowerAlnum(char c) {
  return IsDigit(c) || IsLower(c);
}
bool IsAlnum(char c) {
  return IsLowerAlnum(c) || IsUpper(c);
}
bool IsHex(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool AllOf(std::string_view text, bool (*is)(char)) {
  return std::all_of(text.begin(), text.end(), is);
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (IsUpper(c)) c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Error Malformed(std::string_view text, std::string_view why) {
  return {Reason::kImageReferenceMalformed, "", "'" + Printable(text, 200) + "': " + std::string(why)};
}

// Calls `is` for each piece of `text` between `separator`s, empty ones too, while it returns true.
template <typename Predicate>
bool EachPiece(std::string_view text, char separator, Predicate is) {
  while (true) {
    std::size_t end = text.find(separator);
    if (!is(text.substr(0, end))) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

// domain-component := /([a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])/
bool IsDomainComponent(std::string_view text) {
  return !text.empty() && IsAlnum(text.front()) && IsAlnum(text.back()) &&
         AllOf(text, [](char c) { return IsAlnum(c) || c == '-'; });
}

// domain := host [':' port-number]; host := domain-name | IPv4address | \[ IPv6address \]
bool IsDomain(std::string_view text) {
  std::string_view host = text;
  std::string_view port;
  std::size_t bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  if (text.starts_with('[') && bracket == std::string_view::npos) return false;
  std::size_t colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    host = text.substr(0, colon);
    port = text.substr(colon + 1);
    // Stricter than the grammar, which takes any digits: "0443" would be another name for 443 to a policy's glob.
    if (port.empty() || port.size() > 5 || port.front() == '0' || !AllOf(port, IsDigit)) return false;
  }
  if (bracket == std::string_view::npos) return EachPiece(host, '.', IsDomainComponent);
  std::string_view address = host.substr(1, bracket - 1);
  return bracket == host.size() - 1 && !address.empty() && AllOf(address, [](char c) { return IsHex(c) || c == ':'; });
}

// path-component := alpha-numeric [separator alpha-numeric]*; separator := /[_.]|__|[-]+/
bool IsPathComponent(std::string_view text) {
  std::size_t i = 0;
  while (true) {
    std::size_t start = i;
    while (i < text.size() && IsLowerAlnum(text[i])) ++i;
    if (i == start) return false;
    if (i == text.size()) return true;
    start = i;
    while (i < text.size() && text[i] == text[start] && !IsLowerAlnum(text[i])) ++i;
    char separator = text[start];
    std::size_t most = separator == '-' ? text.size() : separator == '_' ? 2 : separator == '.' ? 1 : 0;
    if (i - start > most) return false;
  }
}

// tag := /[\w][\w.-]{0,127}/
bool IsTagText(std::string_view text) {
  auto word = [](char c) { return IsAlnum(c) || c == '_'; };
  return !text.empty() && text.size() <= kTagBytes && word(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return word(c) || c == '.' || c == '-'; });
}

// splitDockerDomain of normalize.go: "If no valid domain is found, the default domain is used." What comes before the
// first
// '/' is a domain if it holds a '.' or ':', or is localhost. Go also takes it for a domain when it holds an upper-case
// letter; as domains are lower-cased here, "Team/app" would become "team/app", another image, so that is refused.
struct Split {
  std::string domain;
  std::string remainder;  // path[:tag], lower or upper case as written
};

Result<Split> SplitDomain(std::string_view name) {
  Split split{std::string(kDefaultDomain), std::string(name)};
  std::size_t slash = name.find('/');
  if (slash != std::string_view::npos) {
    std::string first = Lower(name.substr(0, slash));
    if (first == "localhost" || first.find_first_of(".:") != std::string::npos) {
      split = {first, std::string(name.substr(slash + 1))};
    } else if (first != name.substr(0, slash)) {
      return Malformed(name, "the repository name must be lower case");
    }
  }
  if (split.domain == kLegacyDefaultDomain) split.domain = kDefaultDomain;
  if (split.domain == kDefaultDomain && split.remainder.find('/') == std::string::npos) {
    split.remainder.insert(0, kOfficialPrefix);
  }
  return split;
}

}  // namespace

bool IsTag(std::string_view text) {
  return IsTagText(text);
}

Result<Reference> Reference::Parse(std::string_view text) {
  if (text.size() > limits::kImageReferenceBytes) return Malformed(text, "the name is too long");
  // normalize.go: "cannot specify 64-byte hexadecimal strings", which container runtimes take for an image's id.
  if (text.size() == kIdentifierDigits && AllOf(text, [](char c) { return IsDigit(c) || (c >= 'a' && c <= 'f'); })) {
    return Malformed(text, "64 hex digits name an image's id, not a repository");
  }
  Reference reference;
  std::string_view name = text;
  if (std::size_t at = name.find('@'); at != std::string_view::npos) {
    auto digest = Digest::Parse(name.substr(at + 1));
    if (!digest.ok()) return Malformed(text, digest.error().detail);
    reference.digest_ = *digest;
    name = name.substr(0, at);
  }
  ASSIGN_OR_RETURN(Split split, SplitDomain(name));
  std::string_view path = split.remainder;
  if (std::size_t colon = path.find(':'); colon != std::string_view::npos) {
    reference.tag_ = path.substr(colon + 1);
    path = path.substr(0, colon);
    if (!IsTagText(*reference.tag_))
      return Malformed(text, "the tag is empty, too long or has a character that a tag may not have");
  }
  if (!IsDomain(split.domain)) return Malformed(text, "the registry's name is not a valid host[:port]");
  if (std::any_of(path.begin(), path.end(), IsUpper)) return Malformed(text, "the repository name must be lower case");
  if (!EachPiece(path, '/', IsPathComponent)) return Malformed(text, "the repository name is not valid");
  reference.domain_ = std::move(split.domain);
  reference.path_ = path;
  // distribution-spec: "Many clients impose a limit of 255 characters on the length of the concatenation of the
  // registry hostname (and optional port), /, and <name> value."
  if (reference.Name().size() > limits::kRepositoryNameBytes)
    return Malformed(text, "the name has more than 255 characters");
  if (!reference.tag_.has_value() && !reference.digest_.has_value()) reference.tag_ = "latest";
  return reference;
}

std::string Reference::Canonical() const {
  std::string text = Name();
  if (tag_.has_value()) text += ":" + *tag_;
  if (digest_.has_value()) text += "@" + digest_->text();
  return text;
}

Reference Reference::WithDigest(const Digest& digest) const {
  Reference other = *this;
  other.tag_.reset();
  other.digest_ = digest;
  return other;
}

}  // namespace gatehouse::image
