// RFC 3161 timestamps (RFC 5652 SignedData over TSTInfo, RFC 5816 signing certificates).
#pragma once

#include <optional>
#include <vector>

#include "common/crypto/x509.h"

namespace gatehouse::crypto {

struct TimestampAuthority {
  // Of the trust document: root(s), intermediates and, if it pins one, the leaf. A token's own certificates are never
  // trusted; they serve to build the path only, and only where no intermediates are named here.
  std::vector<Certificate> roots;
  std::vector<Certificate> intermediates = {};
  std::optional<Certificate> leaf = {};
};

struct VerifiedTimestamp {
  WallTime at;          // genTime, to the millisecond
  Duration accuracy{};  // 0 if the token says none
  Certificate signer;
  std::vector<Certificate> path = {};  // signer first, root last
};

// `token`: the DER of a TimeStampResp (status granted or grantedWithMods) or of the bare ContentInfo, nothing after it.
// `signed_bytes`: what was stamped: the imprint must be its hash by SHA-256, SHA-384 or SHA-512. Verified: content
// type, exactly one signer, the signed attributes (content type, message digest, signing certificate v1 or v2 that
// names the signer's), signature, path to one of the roots with every certificate valid at genTime, the signer's
// extended key usage: timeStamping alone and critical (RFC 3161 section 2.3). SHA-1 nowhere but in the signing
// certificate attribute v1. Several authorities: the caller tries each.
// Errors: kTimestampMalformed, kTimestampInvalid, kLimitExceeded (limits::kTimestampTokenBytes); kCertificateUntrusted
// if it is by another authority than this one: its signer is not the leaf, has no path to the roots, or is not known.
[[nodiscard]] Result<VerifiedTimestamp> VerifyTimestamp(BytesView token, BytesView signed_bytes,
                                                        const TimestampAuthority& authority);

}  // namespace gatehouse::crypto
