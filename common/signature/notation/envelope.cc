#include "common/signature/notation/envelope.h"

#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/signature/notation/verifier.h"

namespace gatehouse::signature::notation {
namespace {

constexpr std::string_view kX509Scheme = "notary.x509";
constexpr std::string_view kSigningAuthorityScheme = "notary.x509.signingAuthority";

// What CheckHeader() understands, and so may be critical. The time that is only informational is not among them:
// "Claims which are informational and do not influence signature verification MUST NOT be marked critical."
constexpr std::array kUnderstood = {kSigningSchemeName, kAuthenticSigningTimeName, kExpiryName};

bool Holds(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// signature-specification.md, "Guidelines": an implementation that does not implement the plugin protocol "MUST fail
// signature verification if it cannot perform the equivalent verification logic". Whether it is critical or not: the
// signer counts on it.
Status CheckPlugin(const ProtectedHeader& header) {
  for (const std::string_view name : {kVerificationPluginName, kVerificationPluginMinVersionName}) {
    if (!header.names.contains(name) && !Holds(header.critical, name)) continue;
    return Error{Reason::kCriticalUnknown, "", "the signature demands a verification plugin, which is not supported"};
  }
  return Ok();
}

Status CheckCritical(const ProtectedHeader& header, SigningScheme scheme) {
  for (auto name = header.critical.begin(); name != header.critical.end(); ++name) {
    if (std::find(header.critical.begin(), name, *name) != name) return MalformedEnvelope("a critical name twice");
    // RFC 7515 section 4.1.11: "the names listed MUST ... be present"; RFC 9052 section 3.1 the same.
    if (!header.names.contains(*name)) {
      return MalformedEnvelope("'" + Printable(*name, 64) + "' is critical but not there");
    }
    if (*name == kSigningTimeName) return MalformedEnvelope("the signing time must not be critical");
    if (std::ranges::find(kUnderstood, *name) == kUnderstood.end()) {
      return Error{Reason::kCriticalUnknown, "", "'" + Printable(*name, 64) + "' is critical and not known"};
    }
  }
  std::vector<std::string_view> required = {kSigningSchemeName};
  if (scheme == SigningScheme::kSigningAuthority) required.push_back(kAuthenticSigningTimeName);
  if (header.expiry) required.push_back(kExpiryName);
  for (const std::string_view name : required) {
    if (!Holds(header.critical, name)) return MalformedEnvelope(std::string(name) + " must be critical");
  }
  return Ok();
}

// "Signing Time ... is REQUIRED and only valid when signing scheme is notary.x509", "Authentic Signing Time ... is
// REQUIRED and only valid when signing scheme is notary.x509.signingAuthority".
Status CheckTimes(const ProtectedHeader& header, SigningScheme scheme) {
  const bool authority = scheme == SigningScheme::kSigningAuthority;
  if (header.signing_time.has_value() == authority || header.authentic_signing_time.has_value() != authority) {
    return MalformedEnvelope(authority ? "the signing scheme wants the authentic signing time alone"
                                       : "the signing scheme wants the signing time alone");
  }
  const WallTime signed_at = authority ? *header.authentic_signing_time : *header.signing_time;
  if (header.expiry && *header.expiry <= signed_at) return MalformedEnvelope("it expires before it was signed");
  return Ok();
}

struct Suite {
  crypto::KeyType type;
  std::size_t bits;
  SigningAlgorithm algorithm;
  crypto::Scheme scheme;
  HashAlgorithm hash;
};
// signature-specification.md, "Algorithm Selection": "The signing certificate's public key algorithm and size MUST be
// used to determine the signature algorithm."
constexpr std::array kSuites = {
    Suite{crypto::KeyType::kRsa, 2048, SigningAlgorithm::kPs256, crypto::Scheme::kRsaPss, HashAlgorithm::kSha256},
    Suite{crypto::KeyType::kRsa, 3072, SigningAlgorithm::kPs384, crypto::Scheme::kRsaPss, HashAlgorithm::kSha384},
    Suite{crypto::KeyType::kRsa, 4096, SigningAlgorithm::kPs512, crypto::Scheme::kRsaPss, HashAlgorithm::kSha512},
    Suite{crypto::KeyType::kEcP256, 256, SigningAlgorithm::kEs256, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256},
    Suite{crypto::KeyType::kEcP384, 384, SigningAlgorithm::kEs384, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha384},
    Suite{crypto::KeyType::kEcP521, 521, SigningAlgorithm::kEs512, crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha512},
};

const Suite* SuiteOf(const crypto::PublicKey& key) {
  const auto* found = std::ranges::find_if(
      kSuites, [&](const Suite& suite) { return suite.type == key.type() && suite.bits == key.bits(); });
  return found == kSuites.end() ? nullptr : found;
}

}  // namespace

Error MalformedEnvelope(std::string_view detail) {
  return {Reason::kEnvelopeMalformed, "", std::string(detail)};
}

bool IsProtectedName(std::string_view name) {
  constexpr std::array kProtected = {kSigningSchemeName, kSigningTimeName,        kAuthenticSigningTimeName,
                                     kExpiryName,        kVerificationPluginName, kVerificationPluginMinVersionName};
  return std::ranges::find(kProtected, name) != kProtected.end();
}

Result<SigningScheme> CheckHeader(const ProtectedHeader& header) {
  if (header.scheme.empty()) return MalformedEnvelope("there is no signing scheme");
  // signing-scheme.md: "Any other value will fail signature verification".
  if (header.scheme != kX509Scheme && header.scheme != kSigningAuthorityScheme) {
    return Error{Reason::kCriticalUnknown, "",
                 "the signing scheme '" + Printable(header.scheme, 64) + "' is not known"};
  }
  const SigningScheme scheme = header.scheme == kX509Scheme ? SigningScheme::kX509 : SigningScheme::kSigningAuthority;
  RETURN_IF_ERROR(CheckPlugin(header));
  RETURN_IF_ERROR(CheckCritical(header, scheme));
  RETURN_IF_ERROR(CheckTimes(header, scheme));
  if (header.content_type != kPayloadContentType) {
    return Error{
        Reason::kPayloadTypeMismatch, "",
        "the content type is '" + Printable(header.content_type, 64) + "', not " + std::string(kPayloadContentType)};
  }
  return scheme;
}

void TakeTimes(const ProtectedHeader& header, SigningScheme scheme, Envelope& envelope) {
  envelope.scheme = scheme;
  envelope.expiry = header.expiry;
  envelope.signing_time =
      scheme == SigningScheme::kX509 ? header.signing_time.value() : header.authentic_signing_time.value();
}

Result<std::vector<crypto::Certificate>> ParseChain(const std::vector<Bytes>& certificates) {
  if (certificates.empty()) return MalformedEnvelope("there is no certificate");
  if (certificates.size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "",
                 "a chain of more than " + std::to_string(limits::kChainCertificates) + " certificates"};
  }
  std::vector<crypto::Certificate> chain;
  for (const Bytes& der : certificates) {
    Result<crypto::Certificate> certificate = crypto::Certificate::FromDer(der);
    if (certificate.ok()) {
      chain.push_back(std::move(certificate).value());
      continue;
    }
    if (certificate.error().reason == Reason::kLimitExceeded) return certificate.error();
    return MalformedEnvelope("certificate " + std::to_string(chain.size()) +
                             " of the chain: " + certificate.error().detail);
  }
  return chain;
}

std::optional<SigningAlgorithm> AlgorithmOf(const crypto::PublicKey& key) {
  const Suite* suite = SuiteOf(key);
  if (suite == nullptr) return std::nullopt;
  return suite->algorithm;
}

Status VerifySignature(const Envelope& envelope, const crypto::Certificate& leaf) {
  const Result<crypto::PublicKey> key = leaf.Key();
  const Suite* suite = key.ok() ? SuiteOf(*key) : nullptr;
  if (suite == nullptr) {
    return Error{Reason::kCertificateUntrusted, leaf.Subject(),
                 "its key is none that may sign: RSA of 2048, 3072 or 4096 bits, P-256, P-384 or P-521"};
  }
  // "verifier of the signature MUST match alg with signature algorithm of the signing key to mitigate algorithm
  // substitution attacks".
  if (envelope.algorithm != suite->algorithm) {
    return Error{Reason::kSignatureInvalid, "", "the algorithm is not the one of the signing certificate's key"};
  }
  if (envelope.sign1) return cose::VerifySign1(*envelope.sign1, *key);
  if (key->Verify(suite->scheme, suite->hash, envelope.signed_bytes, envelope.signature)) return Ok();
  return Error{Reason::kSignatureInvalid, "", "the signature does not verify with the signing certificate's key"};
}

Result<Envelope> ParseEnvelope(std::string_view media_type, std::string_view bytes) {
  if (bytes.size() > limits::kNotationEnvelopeBytes) {
    return Error{Reason::kLimitExceeded, "",
                 "an envelope of more than " + std::to_string(limits::kNotationEnvelopeBytes) + " bytes"};
  }
  if (media_type == kJwsMediaType) return ParseJwsEnvelope(bytes);
  if (media_type == kCoseMediaType) return ParseCoseEnvelope(bytes);
  return MalformedEnvelope("the media type '" + Printable(media_type, 64) + "' is neither of Notation's");
}

}  // namespace gatehouse::signature::notation
