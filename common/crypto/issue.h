// Certificates that we issue ourselves: a CA of our own and server certificates under it. EC P-256, SHA-256.
#pragma once

#include <string>
#include <vector>

#include "common/crypto/key.h"
#include "common/crypto/x509.h"

namespace gatehouse::crypto {

struct CertificateRequest {
  std::string common_name;
  std::vector<std::string> dns_names = {};  // subjectAltName, with `addresses`
  std::vector<std::string> addresses = {};  // IPv4 or IPv6 as text
  WallTime not_before{};
  WallTime not_after{};
};

// Self-signed, CA:TRUE with path length 0, keyCertSign and cRLSign, subject key identifier. Serial numbers are 128
// random bits. Errors: kInternal.
[[nodiscard]] Result<Certificate> IssueCa(const CertificateRequest& request, const PrivateKey& key);
// Server authentication only. Errors: kInternal, kConfigInvalid (a name or address that cannot be one).
[[nodiscard]] Result<Certificate> IssueServer(const CertificateRequest& request, const PublicKey& subject_key,
                                              const Certificate& ca, const PrivateKey& ca_key);
[[nodiscard]] std::string ToPem(const Certificate& certificate);

// A PKCS#10 request whose own signature was checked.
struct SigningRequest {
  std::vector<std::string> common_names;
  std::vector<std::string> organizations;
  bool other_subject_parts = false;  // anything but CN and O
  bool has_subject_alt_names = false;
  Digest key;  // fingerprint of its public key
};
// PEM "CERTIFICATE REQUEST", one block. Errors: kCertificateMalformed, kKeyMalformed, kSignatureInvalid.
[[nodiscard]] Result<SigningRequest> ReadSigningRequest(std::string_view pem);

}  // namespace gatehouse::crypto
