// A Notation signature envelope, from bytes: signature-envelope-jws.md and signature-envelope-cose.md of the Notary
// Project specifications. Internal to this folder, but for its tests.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/cose/sign1.h"
#include "common/crypto/x509.h"

namespace gatehouse::signature::notation {

enum class SigningScheme : std::uint8_t { kX509, kSigningAuthority };
enum class SigningAlgorithm : std::uint8_t { kPs256, kPs384, kPs512, kEs256, kEs384, kEs512 };

// The protected header of either format, before its rules are checked.
struct ProtectedHeader {
  std::string content_type;
  std::string scheme;
  std::vector<std::string> critical;         // COSE: integer labels in decimal
  std::set<std::string, std::less<>> names;  // all that are there, named likewise
  std::optional<WallTime> signing_time;
  std::optional<WallTime> authentic_signing_time;
  std::optional<WallTime> expiry;
};

// Parsed, and its header keeps the rules; nothing is verified.
struct Envelope {
  SigningAlgorithm algorithm;  // what the header says; the key decides
  SigningScheme scheme;
  WallTime signing_time;  // kX509: what the signer's clock said, proven by nobody. kSigningAuthority: the authentic one
  std::optional<WallTime> expiry;
  std::vector<crypto::Certificate> chain;  // of the unprotected header, in its order; not empty
  Bytes timestamp;                         // empty: none
  Bytes payload;
  Bytes signature;
  Bytes signed_bytes;                // JWS: what the signature is over
  std::optional<cose::Sign1> sign1;  // COSE
};

// Errors: kEnvelopeMalformed, kCriticalUnknown, kPayloadTypeMismatch, kLimitExceeded.
[[nodiscard]] Result<Envelope> ParseEnvelope(std::string_view media_type, std::string_view bytes);
[[nodiscard]] Result<Envelope> ParseJwsEnvelope(std::string_view bytes);
[[nodiscard]] Result<Envelope> ParseCoseEnvelope(std::string_view bytes);

// What both formats demand of the protected header: the content type, a known scheme with the times that belong to it,
// every critical name known and there, everything critical that must be, no verification plugin.
[[nodiscard]] Result<SigningScheme> CheckHeader(const ProtectedHeader& header);
// The envelope's part that follows from the header alone. Precondition: CheckHeader() was ok.
void TakeTimes(const ProtectedHeader& header, SigningScheme scheme, Envelope& envelope);
// DER certificates, in order. Errors: kEnvelopeMalformed, kLimitExceeded.
[[nodiscard]] Result<std::vector<crypto::Certificate>> ParseChain(const std::vector<Bytes>& certificates);

// The algorithm that goes with the leaf's key (signature-specification.md, "Algorithm Selection"); nothing for a key
// that may not sign.
[[nodiscard]] std::optional<SigningAlgorithm> AlgorithmOf(const crypto::PublicKey& key);
// The signature by `leaf`'s key with that key's algorithm, which the header must have named. Errors:
// kSignatureInvalid, kCertificateUntrusted (a key that may not sign), kEnvelopeMalformed.
[[nodiscard]] Status VerifySignature(const Envelope& envelope, const crypto::Certificate& leaf);

// Names of the header's members.
inline constexpr std::string_view kPayloadContentType = "application/vnd.cncf.notary.payload.v1+json";
inline constexpr std::string_view kSigningSchemeName = "io.cncf.notary.signingScheme";
inline constexpr std::string_view kSigningTimeName = "io.cncf.notary.signingTime";
inline constexpr std::string_view kAuthenticSigningTimeName = "io.cncf.notary.authenticSigningTime";
inline constexpr std::string_view kExpiryName = "io.cncf.notary.expiry";
inline constexpr std::string_view kVerificationPluginName = "io.cncf.notary.verificationPlugin";
inline constexpr std::string_view kVerificationPluginMinVersionName = "io.cncf.notary.verificationPluginMinVersion";
inline constexpr std::string_view kTimestampName = "io.cncf.notary.timestampSignature";
inline constexpr std::string_view kSigningAgentName = "io.cncf.notary.signingAgent";
// Whether it has its place in the protected header only.
[[nodiscard]] bool IsProtectedName(std::string_view name);

[[nodiscard]] Error MalformedEnvelope(std::string_view detail);

}  // namespace gatehouse::signature::notation
