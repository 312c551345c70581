// What the referrers API of a registry answers (distribution-spec, "Listing Referrers"), read strictly.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/net/http.h"
#include "common/registry/source.h"

namespace gatehouse::registry {

// The target of the one link to a next page among the Link headers (RFC 8288), as written there; nothing if there is
// none. Errors: kRegistryProtocol for what is no Link header, and for two next pages.
[[nodiscard]] Result<std::optional<std::string>> NextLink(const net::Headers& headers);

// The inverse for one link.
[[nodiscard]] std::string FormatLink(std::string_view target, std::string_view relation);

// distribution-spec, "Referrers Tag Schema": <algorithm>-<encoded>, the latter cut to 64 characters.
[[nodiscard]] std::string ReferrersTag(const Digest& digest);

// Whether a wanted artifact type cannot be the beginning of another, so that a registry may be asked for it alone.
[[nodiscard]] bool IsWholeType(std::string_view artifact_type);

// Whether the body of a 404 is one of the distribution-spec's errors that speak of the repository or the manifest: then
// it is no sign that the registry lacks the API. Whoever names an image that is not there would otherwise take the
// API away from everybody's images.
[[nodiscard]] bool SaysWhatIsUnknown(std::string_view body);

// Gathers the referrers of one digest over pages: each digest once, in order, of the given artifact types (prefixes;
// empty: all), up to limits::kReferrers. Where the artifact type is absent or that of the empty config, a descriptor
// says nothing of its kind (so go-containerregistry writes the index under the fallback tag), and is kept.
class ReferrerCollector {
 public:
  ReferrerCollector(const Digest& subject, const std::vector<std::string>& artifact_types);

  // Errors: kContentUnsupported for what was not served as an OCI image index; kRegistryProtocol for what is no valid
  // one; kLimitExceeded. Whatever `content_type` says of a Docker list is unsupported as well.
  [[nodiscard]] Status AddPage(std::string_view bytes, std::string_view content_type);
  void Add(image::Descriptor descriptor);
  // There is more than was looked at.
  void Truncate() { list_.truncated = true; }
  [[nodiscard]] bool truncated() const { return list_.truncated; }
  [[nodiscard]] ReferrerList Take() && { return std::move(list_); }

 private:
  [[nodiscard]] bool IsWanted(const std::string& artifact_type) const;

  std::string subject_;
  std::vector<std::string> types_;
  std::set<std::string> seen_;
  ReferrerList list_;
};

}  // namespace gatehouse::registry
