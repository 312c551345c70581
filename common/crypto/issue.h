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
// random bits. The subject is the common name of 1 to 64 characters (RFC 5280 appendix A.1, ub-common-name) alone.
// Errors: kInternal.
[[nodiscard]] Result<Certificate> IssueCa(const CertificateRequest& request, const PrivateKey& key);
// Server authentication only. Errors: kInternal (also for a CA that could not vouch for it: another key, no CA, a
// validity that is not within its own), kConfigInvalid (a name or address that cannot be one, or none at all).
[[nodiscard]] Result<Certificate> IssueServer(const CertificateRequest& request, const PublicKey& subject_key,
                                              const Certificate& ca, const PrivateKey& ca_key);
[[nodiscard]] std::string ToPem(const Certificate& certificate);
// The DNS names and addresses of subjectAltName as text (addresses in the form of inet_ntop), sorted; other kinds of
// name are left out.
[[nodiscard]] std::vector<std::string> ServerNames(const Certificate& certificate);
// The form in which ServerNames gives `name`: a DNS name in lower case, an address in its shortest form. Errors:
// kConfigInvalid (neither).
[[nodiscard]] Result<std::string> NormalServerName(std::string_view name);

// A PKCS#10 request whose own signature was checked.
struct SigningRequest {
  std::vector<std::string> common_names = {};
  std::vector<std::string> organizations = {};
  bool other_subject_parts = false;  // anything but CN and O, also several attributes in one RDN
  bool has_subject_alt_names = false;
  bool has_other_extensions = false;  // any requested extension but subjectAltName
  Digest key;                         // fingerprint of its public key
};
// PEM "CERTIFICATE REQUEST", one block. What signers of the cluster might read in another way is malformed: BER, names
// that are not UTF8String or PrintableString, extension requests in two attributes. Errors: kCertificateMalformed,
// kKeyMalformed, kSignatureInvalid.
[[nodiscard]] Result<SigningRequest> ReadSigningRequest(std::string_view pem);

}  // namespace gatehouse::crypto
