// X.509 certificates (RFC 5280) and chains.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/key.h"

namespace gatehouse::crypto {

class Certificate {
 public:
  // One certificate, nothing after it. Errors: kCertificateMalformed, kLimitExceeded.
  [[nodiscard]] static Result<Certificate> FromDer(BytesView der);
  // Every "CERTIFICATE" block; another kind of block is an error.
  [[nodiscard]] static Result<std::vector<Certificate>> ListFromPem(std::string_view pem);

  [[nodiscard]] Bytes Der() const;
  [[nodiscard]] Digest Fingerprint() const;  // SHA-256 of the DER
  [[nodiscard]] Result<PublicKey> Key() const;
  [[nodiscard]] std::string Subject() const;  // RFC 2253, for messages
  [[nodiscard]] std::string Issuer() const;
  [[nodiscard]] std::vector<std::string> CommonNames() const;
  [[nodiscard]] std::vector<std::string> Organizations() const;
  [[nodiscard]] WallTime NotBefore() const;
  [[nodiscard]] WallTime NotAfter() const;
  [[nodiscard]] bool IsCa() const;                                     // basicConstraints CA:TRUE
  [[nodiscard]] bool HasExtendedKeyUsage(std::string_view oid) const;  // dotted; false when the extension is absent
  [[nodiscard]] bool HasAnyExtendedKeyUsageExtension() const;
  // Dotted OIDs, in order; empty when the extension is absent.
  [[nodiscard]] std::vector<std::string> ExtendedKeyUsages() const;
  [[nodiscard]] bool HasCriticalExtendedKeyUsage() const;
  // keyUsage: nothing when the extension is absent.
  struct KeyUsage {
    bool critical = false;
    bool digital_signature = false;
    bool key_cert_sign = false;
    bool crl_sign = false;
    bool other = false;  // any further bit, the next two among them
    bool key_encipherment = false;
    bool key_agreement = false;
  };
  [[nodiscard]] std::optional<KeyUsage> Usage() const;
  // basicConstraints: nothing when the extension is absent.
  struct BasicConstraints {
    bool critical = false;
    bool ca = false;
    std::optional<std::uint64_t> path_length = {};
  };
  [[nodiscard]] std::optional<BasicConstraints> Constraints() const;
  // Whether it has this extension (dotted OID), marked critical.
  [[nodiscard]] bool HasCriticalExtension(std::string_view oid) const;
  // The value of an extension (the content of its OCTET STRING) by dotted OID; nothing if there is none.
  [[nodiscard]] std::optional<Bytes> Extension(std::string_view oid) const;
  // subjectAltName, in order: emails, URIs, DNS names; OtherName with Fulcio's type 1.3.6.1.4.1.57264.1.7 and a
  // UTF8String. Errors: kCertificateMalformed for names of any other kind, or text that is not what its type allows
  // (a NUL, not IA5).
  struct AlternativeName {
    enum class Kind : std::uint8_t { kEmail, kUri, kDns, kOther };
    Kind kind;
    std::string value;
  };
  [[nodiscard]] Result<std::vector<AlternativeName>> AlternativeNames() const;
  [[nodiscard]] bool IsSelfIssued() const;  // subject equals issuer
  // Whether the certificate's signature is by `issuer`'s key, by an algorithm of at least 112 bits (no SHA-1), and the
  // names fit. Nothing else is checked.
  [[nodiscard]] bool IsSignedBy(const Certificate& issuer) const;
  // The subject's attributes in order: {"C", "US"}, {"CN", "x"}, ... with OpenSSL's short names; one without has its
  // dotted OID. Values are UTF-8; one that is no text is "#" and its DER in hex (RFC 4514).
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> SubjectAttributes() const;
  // Dotted OIDs of critical extensions that OpenSSL does not know.
  [[nodiscard]] std::vector<std::string> UnknownCriticalExtensions() const;

  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  explicit Certificate(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

struct ChainOptions {
  WallTime at;                                       // every certificate must be valid then (both ends included)
  std::string required_eku;                          // dotted OID that the leaf must carry; empty: not checked
  std::vector<std::string> tolerated_critical_oids;  // critical leaf extensions that the caller has checked itself
};

// Builds and checks the path leaf → intermediates → one of `roots` (RFC 5280 section 6): signatures (112 bits of
// security: no SHA-1, no RSA below 2048 bits), validity at `at` to the second, basicConstraints, path length,
// keyCertSign, name constraints, policy constraints, unknown critical extensions. A root need not be self-signed. An
// intermediate that has extended key usages must have `required_eku` among them, or anyExtendedKeyUsage. No revocation;
// never the roots of the machine. A leaf that is itself one of the roots is accepted only if it is not a CA. A CA
// certificate as the leaf is refused. Returns the path, leaf first, root last. Errors: kCertificateUntrusted,
// kCertificateExpired (also: not valid yet), kLimitExceeded.
[[nodiscard]] Result<std::vector<Certificate>> VerifyChain(const Certificate& leaf,
                                                           const std::vector<Certificate>& intermediates,
                                                           const std::vector<Certificate>& roots,
                                                           const ChainOptions& options);

}  // namespace gatehouse::crypto
