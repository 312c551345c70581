// A registry in memory, behind HttpTransport: what the gate's tests verify against without sockets.
// (tests/fakes/registry.h is one on a real port.)
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/crypto/key.h"
#include "common/net/http.h"

namespace gatehouse::fakes {

// A descriptor of what is stored.
struct StoredDescriptor {
  std::string media_type;
  Digest digest;
  std::size_t size;
};

// How referrers are answered (distribution-spec, "Listing Referrers").
struct ReferrersOptions {
  bool api = true;            // false: 404, as a registry before 1.1 has it
  int status = 0;             // not 0: every question for referrers gets this status
  std::size_t page_size = 0;  // descriptors in a page; 0: all in one
  bool filter = true;         // artifactType is applied, and OCI-Filters-Applied says so
  bool header = true;         // false: the filter is applied, but the header is missing
  std::string link = {};      // the Link header of every page instead
  std::string content_type = "application/vnd.oci.image.index.v1+json";
};

class MemoryRegistry final : public net::HttpTransport {
 public:
  // Stores a manifest under its digest, and under `tag` if not empty.
  Digest PutManifest(const std::string& repository, const std::string& tag, const std::string& json,
                     const std::string& media_type);
  Digest PutBlob(const std::string& repository, const std::string& bytes);
  // A one-layer image that differs by `content`.
  Digest PutImage(const std::string& repository, const std::string& tag, const std::string& content);
  // The blob of that digest is answered by other bytes.
  void Corrupt(const std::string& repository, const Digest& blob, const std::string& bytes);
  void Tag(const std::string& repository, const std::string& tag, const Digest& digest);
  void RemoveTag(const std::string& repository, const std::string& tag);

  // Of a manifest that is stored. Throws if there is none.
  [[nodiscard]] StoredDescriptor Describe(const std::string& repository, const Digest& digest) const;

  // Referrers: every stored manifest with a `subject` is one, in the order in which they came.
  void SetReferrers(const ReferrersOptions& options);
  // The index that is answered for this subject, in place of the true one.
  void OverrideReferrers(const std::string& repository, const Digest& subject, const std::string& index);
  // The index of the subject's referrers under the fallback tag "sha256-<hex>", as clients leave it in a registry
  // without the API; its digest. `as_cosign`: the artifact types are all "application/vnd.oci.empty.v1+json", the
  // config's media type, as cosign 2 and 3 write them there.
  Digest PutFallbackTag(const std::string& repository, const Digest& subject, bool as_cosign = false);
  // The present index of a subject's referrers; "" `artifact_type`: all.
  [[nodiscard]] std::string ReferrersIndex(const std::string& repository, const Digest& subject,
                                           const std::string& artifact_type = {}) const;

  // Every request is answered by this status until it is set to 0; -1: the connection is refused.
  void FailWith(int status);
  // Called for each request before it is answered, outside of the lock: to count, to wait, to change something in
  // between.
  void OnRequest(std::function<void(const net::HttpRequest&)> hook);
  // "user:password" that requests for the repository must carry (Basic).
  void Require(const std::string& repository, const std::string& user_and_password);

  [[nodiscard]] std::size_t requests() const;
  [[nodiscard]] std::vector<std::string> log() const;  // "GET /v2/app/manifests/1"

  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override;

 private:
  struct Stored {
    std::string bytes;
    std::string media_type;
  };
  struct Referrer {
    std::string subject;        // "repository@sha256:…"
    std::string artifact_type;  // artifactType, else config.mediaType
    std::string descriptor;     // JSON
  };
  [[nodiscard]] net::HttpResponse Answer(const net::HttpRequest& request) const;
  [[nodiscard]] net::HttpResponse AnswerReferrers(const std::string& repository, const std::string& rest) const;
  [[nodiscard]] std::vector<std::string> ReferrersOf(const std::string& subject,
                                                     const std::string& artifact_type) const;
  void Remember(const std::string& repository, const Digest& digest, const Stored& stored);

  mutable std::mutex mutex_;
  std::map<std::string, Stored> manifests_;   // "repository@sha256:…"
  std::map<std::string, std::string> tags_;   // "repository:tag" -> digest
  std::map<std::string, std::string> blobs_;  // "repository@sha256:…"
  std::map<std::string, std::string> required_;
  std::vector<Referrer> referrers_;
  std::map<std::string, std::string> referrers_instead_;  // by subject
  ReferrersOptions referrers_options_;
  std::vector<std::string> log_;
  int fail_status_ = 0;
  std::function<void(const net::HttpRequest&)> hook_;
};

// What `cosign sign --key` leaves in a registry, with every part open to be spoilt.
struct SignOptions {
  std::string type = "cosign container image signature";
  std::string claimed_digest{};  // what the payload says; empty: the image's
  std::map<std::string, std::string> annotations{};
  std::string payload_instead{};                              // signed in place of a payload made from the above
  std::map<std::string, std::string> unsigned_annotations{};  // of the layer, beside the signature
};
struct SignedPayload {
  std::string payload;
  std::string signature;  // base64
};
[[nodiscard]] SignedPayload SignPayload(const crypto::PrivateKey& key, const Digest& image,
                                        const SignOptions& options = {});
// Adds signatures to the image's signature manifest (replacing what was there).
void PutSignatures(MemoryRegistry& registry, const std::string& repository, const Digest& image,
                   const std::vector<SignedPayload>& signatures,
                   const std::map<std::string, std::string>& unsigned_annotations = {});
void Sign(MemoryRegistry& registry, const std::string& repository, const Digest& image, const crypto::PrivateKey& key,
          const SignOptions& options = {});

}  // namespace gatehouse::fakes
