// Whether certificates were revoked, by OCSP first, then by CRL (Notation specification, "Certificate Revocation
// Evaluation"): asks, verifies, remembers.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/crypto/revocation.h"
#include "common/net/http.h"

namespace gatehouse::revocation {

struct Options {
  std::size_t cache_bytes;  // limits::kRevocationCacheBytes
  // Answers that could not be had are not asked for again for this time, so that a dead server costs one wait.
  Duration unavailable_ttl{30'000};
};

// Thread-safe; asks for one URL once at a time, others wait. Answers are remembered until their nextUpdate, at most a
// day. Plain HTTP GET (CRL) and POST (OCSP) as the specifications have it; what comes back is signed. Redirects are not
// followed. limits::kOcspTime and kCrlTime for each URL, within `deadline`.
class Checker {
 public:
  Checker(net::HttpTransport& transport, const Clock& clock, Options options);
  ~Checker();

  // `path`: leaf first, root last; the root is not asked about. A certificate without any pointer is good. OCSP for a
  // certificate that names it; where OCSP cannot tell, CRL. A revoked one is good all the same if an invalidity date is
  // given and `signed_at`, a time that somebody trusted vouches for, is before it.
  // Errors: kCertificateRevoked, kRevocationUnavailable (also: unknown), kRevocationMalformed.
  [[nodiscard]] Status Check(const std::vector<crypto::Certificate>& path, const std::optional<WallTime>& signed_at,
                             const Deadline& deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gatehouse::revocation
