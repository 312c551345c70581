// Who signed something, and when: what a verified signature proves of its maker. Plain values; they mean something only
// inside of a claim (claims/image.h), which signature/ alone can make.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"

namespace gatehouse::claims {

// A subject alternative name of a signing certificate.
struct SubjectName {
  enum class Kind : std::uint8_t { kEmail, kUri, kDns, kOther };
  Kind kind;
  std::string value;  // UTF-8
  friend bool operator==(const SubjectName&, const SubjectName&) = default;
};

// A key that the trust document names.
struct KeySigner {
  Digest fingerprint;  // SHA-256 of the SubjectPublicKeyInfo
  friend bool operator==(const KeySigner&, const KeySigner&) = default;
};

// A certificate that chains to a root that the trust document names.
struct CertificateSigner {
  Digest fingerprint;              // SHA-256 of the DER
  std::string subject;             // RFC 2253
  std::vector<SubjectName> names;  // subjectAltName; not empty for Sigstore
  // Sigstore: who vouched for the identity (OpenID Connect issuer): 1.3.6.1.4.1.57264.1.8, else .1.1. If both are
  // there they are equal. Empty if there is none (a private CA).
  std::string issuer;
  // Sigstore: every other known 1.3.6.1.4.1.57264.1.* extension, by its name in Fulcio's documentation with a small
  // first letter: "buildSignerURI", "sourceRepositoryRef", "githubWorkflowTrigger", ...
  std::map<std::string, std::string> extensions;
  friend bool operator==(const CertificateSigner&, const CertificateSigner&) = default;
};

using Signer = std::variant<KeySigner, CertificateSigner>;

// A time before which the signature was made, and who says so.
struct TrustedTime {
  enum class Source : std::uint8_t { kTransparencyLog, kTimestampAuthority };
  Source source;
  WallTime at;
  std::string authority;  // the operator, or the URL, as the trust root has it
  friend bool operator==(const TrustedTime&, const TrustedTime&) = default;
};

}  // namespace gatehouse::claims
