#include "common/jose/jws.h"

#include <algorithm>
#include <optional>

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::jose {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;

constexpr std::string_view kEs256 = "ES256";  // RFC 7518 section 3.4: ECDSA with P-256 and SHA-256
// 9999-12-31T23:59:59Z: later dates are no dates, and their milliseconds may not fit.
constexpr std::int64_t kLatestDate = 253402300799;

Error Malformed(std::string_view detail) {
  return {Reason::kTokenMalformed, "", std::string(detail)};
}
Error Untrusted(std::string_view detail) {
  return {Reason::kTokenUntrusted, "", std::string(detail)};
}
Error Expired(std::string_view detail) {
  return {Reason::kTokenExpired, "", std::string(detail)};
}

struct Parts {
  std::string_view signed_text;  // header '.' payload
  Bytes header;
  Bytes payload;
  Bytes signature;
};

Result<Bytes> Decode(std::string_view part, std::string_view name) {
  Result<Bytes> bytes = DecodeBase64Url(part);
  if (!bytes.ok()) return Malformed("the " + std::string(name) + " is not base64url: " + bytes.error().detail);
  return bytes;
}

// RFC 7515 section 7.1: BASE64URL(header) '.' BASE64URL(payload) '.' BASE64URL(signature).
Result<Parts> Split(std::string_view token) {
  if (token.size() > limits::kTokenBytes)
    return Malformed("a token of more than " + std::to_string(limits::kTokenBytes) + " bytes");
  if (std::ranges::count(token, '.') != 2) return Malformed("a token has three parts, separated by dots");
  const std::size_t first = token.find('.');
  const std::size_t second = token.rfind('.');
  Parts parts;
  parts.signed_text = token.substr(0, second);
  ASSIGN_OR_RETURN(parts.header, Decode(token.substr(0, first), "header"));
  ASSIGN_OR_RETURN(parts.payload, Decode(token.substr(first + 1, second - first - 1), "payload"));
  ASSIGN_OR_RETURN(parts.signature, Decode(token.substr(second + 1), "signature"));
  return parts;
}

Result<JsonDocument> ParseObject(const Bytes& text, std::string_view name) {
  Result<JsonDocument> document = JsonDocument::Parse(AsText(text), {.max_bytes = limits::kTokenBytes});
  if (!document.ok()) return Malformed("the " + std::string(name) + " is not JSON: " + document.error().detail);
  if (!document->root().IsObject()) return Malformed("the " + std::string(name) + " is not a JSON object");
  return document;
}

// Gives the `kid`, if there is one.
Result<std::optional<std::string>> CheckHeader(const Bytes& text, std::string_view typ) {
  ASSIGN_OR_RETURN(const JsonDocument document, ParseObject(text, "header"));
  ObjectReader reader(document, document.root(), Reason::kTokenMalformed);
  const std::string algorithm = reader.String("alg");
  const std::string type = reader.String("typ");
  std::optional<std::string> kid = reader.OptionalString("kid");
  RETURN_IF_ERROR(reader.Finish());
  // RFC 8725 section 3.1: the library "MUST ensure that the "alg" ... specified in the header is one that the
  // application allows".
  if (algorithm != kEs256) return Malformed("the algorithm is '" + Printable(algorithm, 32) + "', not ES256");
  // RFC 8725 section 3.11: explicit typing keeps one kind of token from passing for another.
  if (type != typ) return Untrusted("the token is a '" + Printable(type, 64) + "', not a '" + std::string(typ) + "'");
  return kid;
}

Status CheckSignature(const Parts& parts, const std::optional<std::string>& kid,
                      const std::vector<crypto::PublicKey>& keys) {
  for (const crypto::PublicKey& key : keys) {
    if (key.type() != crypto::KeyType::kEcP256) continue;
    if (kid.has_value() && *kid != key.Fingerprint().hex()) continue;
    if (key.Verify(crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(parts.signed_text), parts.signature))
      return Ok();
  }
  return Untrusted("the token is not signed by a key that is trusted for it");
}

// RFC 7519 section 2, NumericDate, without its fractions. Nothing if the claim is absent.
Result<std::optional<WallTime>> Date(JsonView claims, std::string_view name) {
  const std::optional<JsonView> claim = claims.Find(name);
  if (!claim.has_value()) return std::optional<WallTime>();
  const std::optional<std::int64_t> seconds = claim->AsInt();
  if (!seconds.has_value() || *seconds < 0 || *seconds > kLatestDate) {
    return Malformed("the claim '" + std::string(name) + "' is not a date in whole seconds");
  }
  return std::optional(WallTime(std::chrono::seconds(*seconds)));
}

Status CheckDates(JsonView claims, const JwtExpectations& expectations) {
  ASSIGN_OR_RETURN(const std::optional<WallTime> issued, Date(claims, "iat"));
  ASSIGN_OR_RETURN(const std::optional<WallTime> expires, Date(claims, "exp"));
  ASSIGN_OR_RETURN(const std::optional<WallTime> not_before, Date(claims, "nbf"));
  if (!issued.has_value()) return Malformed("the claim 'iat' is missing");
  if (!expires.has_value()) return Malformed("the claim 'exp' is missing");
  // RFC 7519 section 4.1.4: "on or after which the JWT MUST NOT be accepted".
  if (expectations.now >= *expires && !expectations.allow_expired) return Expired("the token has expired");
  const WallTime latest = expectations.now + expectations.leeway;
  if (*issued > latest) return Expired("the token was issued in the future; check the clocks");
  if (not_before.has_value() && *not_before > latest) return Expired("the token is not valid yet");
  return Ok();
}

}  // namespace

Result<std::string> SignEs256(const crypto::PrivateKey& key, std::string_view typ, std::string_view claims_json) {
  const crypto::PublicKey public_key = key.Public();
  if (public_key.type() != crypto::KeyType::kEcP256) return Error{Reason::kKeyMalformed, "", "ES256 needs a P-256 key"};
  codec::JsonWriter header;
  header.BeginObject()
      .Member("alg", kEs256)
      .Member("kid", public_key.Fingerprint().hex())
      .Member("typ", typ)
      .EndObject();
  std::string token =
      EncodeBase64Url(AsBytes(std::move(header).Finish())) + "." + EncodeBase64Url(AsBytes(claims_json));
  ASSIGN_OR_RETURN(const Bytes signature, key.Sign(crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(token)));
  return token + "." + EncodeBase64Url(signature);
}

Result<VerifiedJwt> VerifyEs256(std::string_view token, const std::vector<crypto::PublicKey>& keys,
                                const JwtExpectations& expectations) {
  ASSIGN_OR_RETURN(const Parts parts, Split(token));
  ASSIGN_OR_RETURN(const std::optional<std::string> kid, CheckHeader(parts.header, expectations.typ));
  RETURN_IF_ERROR(CheckSignature(parts, kid, keys));
  ASSIGN_OR_RETURN(JsonDocument claims, ParseObject(parts.payload, "payload"));
  RETURN_IF_ERROR(CheckDates(claims.root(), expectations));
  return VerifiedJwt(std::move(claims));
}

}  // namespace gatehouse::jose
