// The image half's coordinator: reference → digest → what signers left in the registry → verdict of each policy. The
// only place that knows registry, signature and policy at once.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/gate/authorities.h"
#include "common/gate/subjects.h"
#include "common/gate/verification_cache.h"
#include "common/image/reference.h"
#include "common/policy/documents.h"
#include "common/registry/source.h"

namespace gatehouse::gate {

struct VerifiedImage {
  image::Reference reference;                   // with the digest that was judged, where one was needed
  std::shared_ptr<const ImageVerdict> verdict;  // one entry for each policy asked about, in their order
};

class ImageVerifier {
 public:
  // As revocation::Checker::Check. Empty: whether a certificate was revoked can never be found out.
  using RevocationSource = std::function<Status(const std::vector<crypto::Certificate>& path,
                                                const std::optional<WallTime>& signed_at, const Deadline& deadline)>;
  struct Options {
    RevocationSource revocation = {};
    std::size_t helpers = 128;  // threads that fetch beside those that decide, over all decisions
  };
  ImageVerifier(registry::ImageSource& registry, VerificationCache& cache, const Clock& clock, Options options);

  // A tag is resolved to a digest once, here; everything after uses that digest. Remembered under (repository, digest,
  // generations of `policies`, trust generation, identity of the credential). `policies` must not be empty.
  // Thread-safe.
  [[nodiscard]] VerifiedImage Verify(const image::Reference& reference,
                                     const std::vector<const policy::ImagePolicy*>& policies,
                                     const std::string& trust_generation, const registry::Credentials& credentials,
                                     const Deadline& deadline) const;

 private:
  using Policies = std::vector<const policy::ImagePolicy*>;
  using Content = std::optional<registry::VerifiedContent>;

  // The digest, and what it stands for where a tag was asked for.
  struct Resolved {
    Digest digest;
    Content content;
  };
  [[nodiscard]] Result<Resolved> Resolve(const image::Reference& reference, const registry::Credentials& credentials,
                                         const Deadline& deadline) const;
  [[nodiscard]] ImageVerdict VerifyDigest(const image::Reference& pinned, const Content& content,
                                          const Policies& policies, const registry::Credentials& credentials,
                                          const Deadline& deadline) const;
  // Of those policies that ask for it, by their index.
  [[nodiscard]] std::map<std::size_t, PolicyVerdict> VerifySubject(const Access& access, const Subject& subject,
                                                                   const Policies& policies) const;
  // Static rules hold whatever becomes of the rest: they are evaluated also where nothing can be had of the image.
  [[nodiscard]] ImageVerdict Without(const image::Reference& reference, const Policies& policies,
                                     const Error& why) const;

  registry::ImageSource& registry_;
  VerificationCache& cache_;
  const Clock& clock_;
  Options options_;
  mutable Helpers helpers_;
  mutable ArtefactBudget budget_;
};

}  // namespace gatehouse::gate
