// What the two forms of revocation share. Internal to this room's .cc files.
#pragma once

#include <openssl/x509.h>

#include <optional>
#include <string>

#include "common/crypto/openssl_handles.h"
#include "common/crypto/revocation.h"

namespace gatehouse::crypto {

inline constexpr std::chrono::minutes kRevocationSkew{5};  // by which a responder's clock may be ahead of ours

// A time of a CRL or an OCSP answer; nothing if it is none.
[[nodiscard]] std::optional<WallTime> RevocationTime(const ASN1_TIME* time);
// "keyCompromise" for a CRLReason (RFC 5280 section 5.3.1); "" for one that is not assigned.
[[nodiscard]] std::string ReasonName(long code);
// Whether the algorithm signs with at least 112 bits: no SHA-1, no MD5.
[[nodiscard]] bool IsStrongSignature(const X509_ALGOR* algorithm);
// The issuer's key if it may be used: of a size that we work with.
[[nodiscard]] EVP_PKEY* UsableKey(const Certificate& issuer);
[[nodiscard]] Error RevocationMalformed(std::string_view where, std::string_view detail);

}  // namespace gatehouse::crypto
