// Notation signatures (notaryproject specifications/specs): envelopes (JWS, COSE), certificate requirements, signing
// schemes, timestamps, trust policy. Pure: revocation is asked through a function.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/claims/image.h"
#include "common/image/manifest.h"
#include "common/signature/notation/trust_policy.h"

namespace gatehouse::signature::notation {

inline constexpr std::string_view kArtifactType = "application/vnd.cncf.notary.signature";
inline constexpr std::string_view kJwsMediaType = "application/jose+json";
inline constexpr std::string_view kCoseMediaType = "application/cose";
inline constexpr std::string_view kThumbprintAnnotation = "io.cncf.notary.x509chain.thumbprint#S256";

// Whether any certificate of the path (leaf first, root last) was revoked. `signed_at`: the authentic signing time, if
// there is one: a certificate that was revoked only after it, for another reason than key compromise with an earlier
// invalidity date, was good. Errors: kCertificateRevoked, kRevocationUnavailable, kRevocationMalformed.
using RevocationCheck =
    std::function<Status(const std::vector<crypto::Certificate>& path, const std::optional<WallTime>& signed_at)>;

struct Context {
  const TrustPolicyStatement& statement;
  const TrustStores& stores;
  const RevocationCheck& revocation;  // not asked where the statement skips it
  WallTime now;
};

// What a check found that the statement only logs; for warnings and the audit log.
struct Logged {
  Check check;
  Error error;
};

class Verifier {
 public:
  struct Verified {
    claims::VerifiedImageSignature signature;
    std::vector<Logged> logged;
  };
  // `image`: the descriptor of what is judged (media type, digest, size), from the registry's verified bytes;
  // `signature_manifest`: the referrer that holds the envelope, whose thumbprint annotation must name the envelope's
  // chain. Steps: parse → protected headers (algorithm of the leaf's key, content type, scheme, critical headers known
  // and those that must be critical are) → certificate requirements of the specification → signature (integrity) →
  // payload is this very descriptor → trust store and identities (authenticity) → authentic timestamp → expiry →
  // revocation; each under the statement's action.
  // Precondition: the statement's level is not skip (kInternal). Nobody is asked for revocation where no trust store
  // vouches for the chain, as the addresses are in the certificates: the finding is then kCertificateUntrusted again.
  // Errors: kEnvelopeMalformed, kCriticalUnknown, kPayloadTypeMismatch (another content type), kSignatureInvalid,
  // kPayloadMalformed, kPayloadDigestMismatch (media type and size too),
  // kCertificateUntrusted, kCertificateExpired, kCertificateRevoked, kSignerMismatch, kTimestampMissing,
  // kTimestampInvalid, kTimestampMalformed, kSignatureExpired, kRevocationUnavailable, kLimitExceeded.
  [[nodiscard]] static Result<Verified> Verify(std::string_view media_type, std::string_view envelope,
                                               const image::Manifest& signature_manifest,
                                               const image::Descriptor& image, const Context& context);
};

}  // namespace gatehouse::signature::notation
