// OCI distribution client: tags, manifests and blobs, with Docker's token authentication.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/image/manifest.h"
#include "common/image/reference.h"
#include "common/net/http.h"
#include "common/registry/credentials.h"

namespace gatehouse::registry {

struct ClientOptions {
  // "host[:port]" as in an image's name, reached by plain HTTP; every other by HTTPS, with no fallback.
  std::vector<std::string> insecure_hosts = {};
  // How to wait for a registry that says when to come again; empty: sleep.
  std::function<void(Duration)> sleep = {};
};

// Bytes that hash to their digest; made by Client only.
class VerifiedContent {
 public:
  [[nodiscard]] const Digest& digest() const { return digest_; }
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] const std::string& content_type() const { return content_type_; }

 private:
  friend class Client;
  VerifiedContent(Digest digest, std::string bytes, std::string content_type)
      : digest_(std::move(digest)), bytes_(std::move(bytes)), content_type_(std::move(content_type)) {}
  Digest digest_;
  std::string bytes_;
  std::string content_type_;
};

// Thread-safe. Keeps bearer tokens per (registry, repository, credential) until shortly before they expire. Retries 429
// and 503 with Retry-After only while it fits in the deadline. A credential is sent to the registry's own origin and to
// the token realm it names only if that realm is HTTPS (or the registry itself is insecure and the realm is on the same
// host); a realm with userinfo is refused. Only the registry's own origin is answered with credentials, never a
// redirect's target. Tokens are asked for "pull" alone. 404 is an answer ("nothing there"); 401/403 are
// kRegistryDenied; 429, 5xx, transport faults are kRegistryUnavailable (a passed deadline kDeadlineExceeded, too many
// bytes kLimitExceeded, an encoded body kContentUnsupported, a refused address kAddressRefused); any other status is
// kRegistryProtocol. None of the latter ever means "nothing there".
class Client {
 public:
  Client(net::HttpTransport& transport, const Clock& clock, ClientOptions options);
  ~Client();

  // What `tag` (not the tag or digest of `ref`) stands for now: one GET of the manifest, hashed here. A
  // Docker-Content-Digest header that differs is kContentMismatch. Nothing if the tag does not exist. Whoever needs the
  // bytes again asks for the digest, so that a tag that moves meanwhile changes nothing. Errors:
  // kImageReferenceMalformed for what is no tag.
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetManifestByTag(const image::Reference& ref,
                                                                        std::string_view tag,
                                                                        const Credentials& credentials,
                                                                        const Deadline& deadline);
  // Errors: kContentMismatch if the bytes do not hash to `digest`. Nothing on 404.
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetManifest(const image::Reference& ref, const Digest& digest,
                                                                   const Credentials& credentials,
                                                                   const Deadline& deadline);
  [[nodiscard]] Result<std::optional<VerifiedContent>> GetBlob(const image::Reference& ref, const Digest& digest,
                                                               std::size_t max_bytes, const Credentials& credentials,
                                                               const Deadline& deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::registry
