// Signed certificate timestamps (RFC 6962 section 3), embedded in a certificate.
#pragma once

#include <vector>

#include "common/crypto/x509.h"

namespace gatehouse::crypto {

struct SignedCertificateTimestamp {
  Bytes log_id;  // 32 bytes: SHA-256 of the log's SubjectPublicKeyInfo
  WallTime at;
  Bytes extensions;
  HashAlgorithm hash;
  bool ecdsa;  // else RSA PKCS#1 v1.5
  Bytes signature;
};

// The list of extension 1.3.6.1.4.1.11129.2.4.2: version 1 only, nothing left over, at most limits::kScts. Nothing if
// the certificate has no such extension. Errors: kSctInvalid, kLimitExceeded.
[[nodiscard]] Result<std::vector<SignedCertificateTimestamp>> EmbeddedScts(const Certificate& certificate);

// Whether the log with `log_key` vouches by `sct` for `certificate`, which `issuer` has signed: the precertificate is
// rebuilt (RFC 6962 section 3.2: the TBSCertificate without the list, and the SHA-256 of the issuer's key). That
// `sct.log_id` is the log's, and that the log was to be trusted at sct.at, is the caller's to check.
// Errors: kSctInvalid.
[[nodiscard]] Status VerifyEmbeddedSct(const SignedCertificateTimestamp& sct, const Certificate& certificate,
                                       const Certificate& issuer, const PublicKey& log_key);

}  // namespace gatehouse::crypto
