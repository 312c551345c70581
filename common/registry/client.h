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
  // "host[:port]" as in an image's name, or as it is reached (registry-1.docker.io) → where its content is asked for
  // first, in order: "host[:port][/prefix]". The registry itself is asked last. A mirror that cannot be reached or does
  // not have it is passed over; one that refuses access, too. Content by digest can come from anybody; a tag is
  // resolved by the first that has it, as a node's container runtime does. Credentials are those for the mirror's own
  // name.
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
// kRegistryProtocol. None of the latter ever means "nothing there". What many ask for at the same time is fetched once:
// a manifest or blob by its digest (of one registry and repository, by those who have the same credentials for it and
// for its mirrors), a token. Nothing is kept.
//
// Not done, because nothing is gained: ranged requests (a signature, a bundle or a manifest is small, and its hash
// needs all of it); conditional requests (what is asked for by digest never changes, and what a tag stands for must
// come with its bytes, which are the next thing needed); HEAD before GET (it would be one more round trip). A blob that
// is served by a redirect to a store costs one more round trip on a connection that is kept as well.
class Client final : public ImageSource {
 public:
  Client(net::HttpTransport& transport, const Clock& clock, ClientOptions options);
  ~Client() override;

  [[nodiscard]] std::string IdentityOf(const image::Reference& ref, const Credentials& credentials) const override;

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
  // GET /v2/<name>/referrers/<digest>. One artifact type is asked for in the query where it is a whole one (it ends in
  // "+json", or is Notation's), and whatever comes is filtered here in any case. Pages by Link rel="next" on the
  // registry's own origin, at most limits::kReferrerPages; a page that leads back to another is kRegistryProtocol. 404:
  // the fallback tag sha256-<hex>; remembered for the repository and the credential for five minutes, so that its next
  // image costs one request, unless the 404 says that repository or manifest are unknown. Where nothing is known of the
  // registry, the tag is asked for beside the API, which saves a round trip, and does not count unless the API says
  // 404; that there is the API is remembered for an hour. Something under that tag that is no OCI index refers to
  // nothing. Errors: kRegistryProtocol for what is no image index, and for a broken one.
  [[nodiscard]] Result<ReferrerList> Referrers(const image::Reference& ref, const Digest& digest,
                                               const std::vector<std::string>& artifact_types,
                                               const Credentials& credentials, const Deadline& deadline) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::registry
