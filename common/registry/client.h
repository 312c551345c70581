// OCI distribution client: tags, manifests and blobs, with Docker's token authentication.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/image/manifest.h"
#include "common/image/reference.h"
#include "common/net/http.h"
#include "common/registry/source.h"

namespace gatehouse::registry {

struct ClientOptions {
  // "host[:port]" as in an image's name, reached by plain HTTP; every other by HTTPS, with no fallback.
  std::vector<std::string> insecure_hosts = {};
  // "host[:port]" as in an image's name → where its content is asked for first, in order: "host[:port][/prefix]". The
  // registry itself is asked last. A mirror that cannot be reached or does not have it is passed over; one that refuses
  // access, too. Content by digest can come from anybody; a tag is resolved by the first that has it, as a node's
  // container runtime does. Credentials are those for the mirror's own name.
  std::map<std::string, std::vector<std::string>> mirrors = {};
  // How to wait for a registry that says when to come again; empty: sleep.
  std::function<void(Duration)> sleep = {};
};

// Thread-safe. Keeps bearer tokens per (registry, repository, credential) until shortly before they expire. Retries 429
// and 503 with Retry-After only while it fits in the deadline. A credential is sent to the registry's own origin and to
// the token realm it names only if that realm is HTTPS (or the registry itself is insecure and the realm is on the same
// host); a realm with userinfo is refused. Only the registry's own origin is answered with credentials, never a
// redirect's target. Tokens are asked for "pull" alone. 404 is an answer ("nothing there"); 401/403 are
// kRegistryDenied; 429, 5xx, transport faults are kRegistryUnavailable (a passed deadline kDeadlineExceeded, too many
// bytes kLimitExceeded, an encoded body kContentUnsupported, a refused address kAddressRefused); any other status is
// kRegistryProtocol. None of the latter ever means "nothing there".
class Client final : public ImageSource {
 public:
  Client(net::HttpTransport& transport, const Clock& clock, ClientOptions options);
  ~Client() override;

  // One GET of the manifest, hashed here. A Docker-Content-Digest header that differs is kContentMismatch. Errors:
  // kImageReferenceMalformed for what is no tag.
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetManifestByTag(const image::Reference& ref,
                                                                        std::string_view tag,
                                                                        const Credentials& credentials,
                                                                        const Deadline& deadline) override;
  // Errors: kContentMismatch if the bytes do not hash to `digest`.
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetManifest(const image::Reference& ref, const Digest& digest,
                                                                   const Credentials& credentials,
                                                                   const Deadline& deadline) override;
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetBlob(const image::Reference& ref, const Digest& digest,
                                                               std::size_t max_bytes, const Credentials& credentials,
                                                               const Deadline& deadline) override;
  // GET /v2/<name>/referrers/<digest>. One artifact type is asked for in the query, and whatever comes is filtered here
  // in any case. Pages by Link rel="next" on the registry's own origin, at most limits::kReferrerPages. 404: the
  // fallback tag sha256-<hex>; remembered for the registry for a while, so that the next image costs one request. An
  // index of another kind there, or none: no referrers. Errors: kRegistryProtocol for what is no image index.
  [[nodiscard]] Result<ReferrerList> Referrers(const image::Reference& ref, const Digest& digest,
                                               const std::vector<std::string>& artifact_types,
                                               const Credentials& credentials, const Deadline& deadline) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::registry
