#include "common/registry/referrers.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/net/ascii.h"

namespace gatehouse::registry {
namespace {

// A descriptor has more than 100 bytes, so that no page that fits its limit is refused for their number.
constexpr std::size_t kDescriptorsOfAPage = limits::kReferrerPageBytes / 100;
constexpr std::size_t kTagEncodedLength = 64;
constexpr std::string_view kEmptyConfig = "application/vnd.oci.empty.v1+json";
constexpr std::string_view kNotationSignature = "application/vnd.cncf.notary.signature";

Error BadLink(std::string_view why) {
  return {Reason::kRegistryProtocol, "Link header", std::string(why)};
}

// RFC 8288 section 3: Link = #( "<" URI-Reference ">" *( OWS ";" OWS link-param ) ), read from the front.
class LinkReader {
 public:
  explicit LinkReader(std::string_view text) : rest_(text) {}

  struct Link {
    std::string target;
    bool next = false;
  };

  // Nothing at the end.
  Result<std::optional<Link>> Read() {
    SkipSpaceAndCommas();
    if (rest_.empty()) return std::optional<Link>();
    if (rest_.front() != '<') return BadLink("does not begin with '<'");
    std::size_t end = rest_.find('>');
    if (end == std::string_view::npos) return BadLink("has no '>'");
    Link link{std::string(rest_.substr(1, end - 1)), false};
    rest_.remove_prefix(end + 1);
    bool has_relation = false;
    while (true) {
      SkipSpace();
      if (rest_.empty() || rest_.front() == ',') return std::optional<Link>(std::move(link));
      if (rest_.front() != ';') return BadLink("has text behind a link");
      rest_.remove_prefix(1);
      ASSIGN_OR_RETURN(auto parameter, ReadParameter());
      // "The rel parameter [...] MUST NOT appear more than once in a given link-value; occurrences after the first MUST
      // be ignored by parsers."
      if (parameter.first != "rel" || has_relation) continue;
      has_relation = true;
      link.next = HasRelation(parameter.second, "next");
    }
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
  }
  void SkipSpaceAndCommas() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == ','))
      rest_.remove_prefix(1);
  }

  // link-param = token BWS [ "=" BWS ( token / quoted-string ) ]; an empty one (";;") is passed over.
  Result<std::pair<std::string, std::string>> ReadParameter() {
    SkipSpace();
    std::size_t end = std::min(rest_.find_first_of("=;, \t"), rest_.size());
    std::string name = net::ToLower(rest_.substr(0, end));
    rest_.remove_prefix(end);
    SkipSpace();
    if (rest_.empty() || rest_.front() != '=') return std::pair(std::move(name), std::string());
    rest_.remove_prefix(1);
    SkipSpace();
    if (!rest_.empty() && rest_.front() == '"') {
      ASSIGN_OR_RETURN(std::string value, ReadQuoted());
      return std::pair(std::move(name), std::move(value));
    }
    end = std::min(rest_.find_first_of(";, \t"), rest_.size());
    std::string value(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return std::pair(std::move(name), std::move(value));
  }

  Result<std::string> ReadQuoted() {
    std::string value;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '"') {
        rest_.remove_prefix(i + 1);
        return value;
      }
      if (rest_[i] == '\\' && ++i == rest_.size()) break;
      value += rest_[i];
    }
    return BadLink("has a quote that is not closed");
  }

  // relation-type *( 1*SP relation-type ), compared without regard to case.
  static bool HasRelation(std::string_view relations, std::string_view wanted) {
    while (!relations.empty()) {
      std::size_t space = relations.find(' ');
      if (net::EqualsIgnoreCase(relations.substr(0, space), wanted)) return true;
      relations.remove_prefix(space == std::string_view::npos ? relations.size() : space + 1);
    }
    return false;
  }

  std::string_view rest_;
};

}  // namespace

Result<std::optional<std::string>> NextLink(const net::Headers& headers) {
  std::optional<std::string> next;
  for (const auto& [name, value] : headers) {
    if (!net::EqualsIgnoreCase(name, "Link")) continue;
    LinkReader reader(value);
    while (true) {
      ASSIGN_OR_RETURN(auto link, reader.Read());
      if (!link.has_value()) break;
      if (!link->next) continue;
      if (next.has_value() && *next != link->target) return BadLink("names two next pages");
      next = std::move(link->target);
    }
  }
  return next;
}

std::string FormatLink(std::string_view target, std::string_view relation) {
  return "<" + std::string(target) + ">; rel=\"" + std::string(relation) + "\"";
}

std::string ReferrersTag(const Digest& digest) {
  std::string text = digest.text();
  std::size_t colon = text.find(':');
  return text.substr(0, colon) + "-" + text.substr(colon + 1, kTagEncodedLength);
}

// RFC 6838 section 4.2.8: nothing follows a structured syntax suffix.
bool IsWholeType(std::string_view artifact_type) {
  return artifact_type.ends_with("+json") || artifact_type == kNotationSignature;
}

bool SaysWhatIsUnknown(std::string_view body) {
  auto document = codec::JsonDocument::Parse(body, {limits::kRegistryErrorBytes});
  if (!document.ok()) return false;
  auto errors = document->root().Find("errors");
  if (!errors.has_value() || !errors->IsArray()) return false;
  for (std::size_t i = 0; i < errors->size(); ++i) {
    auto code = errors->at(i).Find("code");
    auto text = code.has_value() ? code->AsString() : std::nullopt;
    for (std::string_view unknown : {"NAME_UNKNOWN", "NAME_INVALID", "MANIFEST_UNKNOWN"}) {
      if (text == unknown) return true;
    }
  }
  return false;
}

ReferrerCollector::ReferrerCollector(const Digest& subject, const std::vector<std::string>& artifact_types)
    : subject_(subject.text()), types_(artifact_types) {}

// The registry may have filtered, or not, or say so and not have (OCI-Filters-Applied proves nothing): looked at here.
bool ReferrerCollector::IsWanted(const std::string& artifact_type) const {
  if (types_.empty() || artifact_type.empty() || artifact_type == kEmptyConfig) return true;
  return std::any_of(types_.begin(), types_.end(),
                     [&](const std::string& prefix) { return artifact_type.starts_with(prefix); });
}

void ReferrerCollector::Add(image::Descriptor descriptor) {
  // What is its own referrer is none: no content names its own hash.
  if (!IsWanted(descriptor.artifact_type) || descriptor.digest.text() == subject_) return;
  if (seen_.contains(descriptor.digest.text())) return;
  if (list_.referrers.size() == limits::kReferrers) return Truncate();
  seen_.insert(descriptor.digest.text());
  list_.referrers.push_back(std::move(descriptor));
}

Status ReferrerCollector::AddPage(std::string_view bytes, std::string_view content_type) {
  auto index = image::ParseIndex(bytes, content_type, kDescriptorsOfAPage);
  if (!index.ok()) {
    Error error = std::move(index).error().In("referrers");
    if (error.reason == Reason::kManifestMalformed) error.reason = Reason::kRegistryProtocol;
    return error;
  }
  if (index->media_type != image::kOciIndex)
    return Error{Reason::kContentUnsupported, "referrers", "are listed in another format than an OCI image index"};
  for (image::Descriptor& descriptor : index->manifests) Add(std::move(descriptor));
  return Ok();
}

}  // namespace gatehouse::registry
