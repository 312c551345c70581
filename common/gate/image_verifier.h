// The image half's coordinator: reference → digest → signatures from the registry → verdict of each policy. The only
// place that knows registry, signature and policy at once.
#pragma once

#include <string>
#include <vector>

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
  ImageVerifier(registry::ImageSource& registry, VerificationCache& cache) : registry_(registry), cache_(cache) {}

  // A tag is resolved to a digest once, here; everything after uses that digest. Remembered under (repository, digest,
  // generations of `policies`, trust generation, identity of the credential). `policies` must not be empty.
  // Thread-safe.
  [[nodiscard]] VerifiedImage Verify(const image::Reference& reference,
                                     const std::vector<const policy::ImagePolicy*>& policies,
                                     const std::string& trust_generation, const registry::Credentials& credentials,
                                     const Deadline& deadline) const;

 private:
  [[nodiscard]] Result<Digest> Resolve(const image::Reference& reference, const registry::Credentials& credentials,
                                       const Deadline& deadline) const;
  registry::ImageSource& registry_;
  VerificationCache& cache_;
};

// Whether enough of the policy's authorities vouch, given what each of them said. "Could not evaluate" is never "no":
// as long as those that could not be evaluated might make up the number, the answer is their error. Exposed for its
// table test.
struct AuthorityVerdict {
  std::string authority;
  Status status;
};
[[nodiscard]] Result<std::string> CountAuthorities(const std::vector<AuthorityVerdict>& verdicts, std::size_t required);

}  // namespace gatehouse::gate
