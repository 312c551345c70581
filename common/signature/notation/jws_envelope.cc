// signature-envelope-jws.md: JWS in the flattened JSON serialisation (RFC 7515 section 7.2.2).
#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"
#include "common/signature/notation/envelope.h"

namespace gatehouse::signature::notation {
namespace {

using codec::JsonDocument;
using codec::JsonView;
using codec::ObjectReader;

struct Algorithm {
  std::string_view name;
  SigningAlgorithm algorithm;
};
// "alg header value MUST NOT be none or any symmetric-key algorithm such as HMAC": it is one of these.
constexpr std::array kAlgorithms = {
    Algorithm{"PS256", SigningAlgorithm::kPs256}, Algorithm{"PS384", SigningAlgorithm::kPs384},
    Algorithm{"PS512", SigningAlgorithm::kPs512}, Algorithm{"ES256", SigningAlgorithm::kEs256},
    Algorithm{"ES384", SigningAlgorithm::kEs384}, Algorithm{"ES512", SigningAlgorithm::kEs512},
};

Result<JsonDocument> ParseObject(std::string_view text, std::string_view name) {
  Result<JsonDocument> document = JsonDocument::Parse(text, {.max_bytes = limits::kNotationEnvelopeBytes});
  if (!document.ok() && document.error().reason == Reason::kLimitExceeded) return document.error();
  if (!document.ok()) return MalformedEnvelope(std::string(name) + " is not JSON: " + document.error().detail);
  if (!document->root().IsObject()) return MalformedEnvelope(std::string(name) + " is not a JSON object");
  return document;
}

Result<Bytes> Decode(std::string_view text, std::string_view name) {
  Result<Bytes> bytes = DecodeBase64Url(text);
  if (!bytes.ok()) return MalformedEnvelope(std::string(name) + " is not base64url: " + bytes.error().detail);
  return bytes;
}

std::optional<WallTime> ReadTime(ObjectReader& reader, std::string_view name) {
  const std::optional<std::string> text = reader.OptionalString(name);
  if (!text) return std::nullopt;
  const Result<WallTime> time = codec::ParseTime(*text);
  if (time.ok()) return *time;
  reader.Fail(name, time.error().detail);
  return std::nullopt;
}

// Further names may stand there: "Implementations ... MAY include additional signed attributes"; those that are
// critical are refused by CheckHeader().
Result<ProtectedHeader> ReadProtected(const JsonDocument& document, std::string& algorithm) {
  ObjectReader reader(document, document.root(), Reason::kEnvelopeMalformed, "$.protected");
  reader.IgnoreUnknown();
  ProtectedHeader header;
  algorithm = reader.String("alg");
  header.content_type = reader.String("cty");
  header.critical = reader.Strings("crit", ObjectReader::Presence::kRequired);
  header.scheme = reader.String(kSigningSchemeName);
  header.signing_time = ReadTime(reader, kSigningTimeName);
  header.authentic_signing_time = ReadTime(reader, kAuthenticSigningTimeName);
  header.expiry = ReadTime(reader, kExpiryName);
  for (std::size_t i = 0; reader.ok() && i < document.root().size(); ++i) {
    header.names.emplace(document.root().member(i).key);
  }
  RETURN_IF_ERROR(reader.Finish());
  // "It MUST only contain headers apart from registered headers (e.g. alg, cty) in JWS specification."
  for (const std::string_view name : {"alg", "cty", "crit"}) {
    if (std::ranges::find(header.critical, name) != header.critical.end()) {
      return MalformedEnvelope("'" + std::string(name) + "' must not be listed as critical");
    }
  }
  return header;
}

struct Unprotected {
  std::vector<Bytes> certificates;
  Bytes timestamp;
};

// Names that nobody knows may stand there: nothing is decided by what nobody signed.
void ReadUnprotected(ObjectReader& reader, const ProtectedHeader& header, Unprotected& unprotected) {
  reader.IgnoreUnknown();
  const std::vector<std::string> chain = reader.Strings("x5c", ObjectReader::Presence::kRequired);
  if (chain.size() > limits::kChainCertificates) {
    return reader.Fail(Error{Reason::kLimitExceeded, "",
                             "a chain of more than " + std::to_string(limits::kChainCertificates) + " certificates"});
  }
  for (const std::string& text : chain) {
    Result<Bytes> der = DecodeBase64(text);
    if (!der.ok()) return reader.Fail("x5c", der.error().detail);
    unprotected.certificates.push_back(std::move(der).value());
  }
  unprotected.timestamp = reader.OptionalBase64(kTimestampName).value_or(Bytes());
  for (std::size_t i = 0; i < reader.view().size(); ++i) {
    const std::string_view name = reader.view().member(i).key;
    // RFC 7515 section 7.2.1: "The Header Parameter names in the two locations MUST be disjoint."
    if (header.names.contains(name)) {
      return reader.Fail("", "'" + Printable(name, 64) + "' stands in the protected header as well");
    }
    if (name == "alg" || name == "crit" || name == "cty" || name == "b64" || IsProtectedName(name)) {
      return reader.Fail("", "'" + Printable(name, 64) + "' belongs into the protected header");
    }
  }
}

}  // namespace

Result<Envelope> ParseJwsEnvelope(std::string_view bytes) {
  ASSIGN_OR_RETURN(const JsonDocument document, ParseObject(bytes, "the envelope"));
  // "The final signature envelope comprises of Payload, ProtectedHeaders, UnprotectedHeaders, and Signature, no
  // additional top level fields are supported."
  ObjectReader reader(document, document.root(), Reason::kEnvelopeMalformed);
  const std::string payload = reader.String("payload");
  const std::string protected_text = reader.String("protected");
  const std::string signature = reader.String("signature");
  if (!reader.ok()) return reader.Finish().error();

  ASSIGN_OR_RETURN(const Bytes protected_bytes, Decode(protected_text, "the protected header"));
  ASSIGN_OR_RETURN(const JsonDocument protected_document, ParseObject(AsText(protected_bytes), "the protected header"));
  std::string algorithm;
  ASSIGN_OR_RETURN(const ProtectedHeader header, ReadProtected(protected_document, algorithm));
  const auto* known = std::ranges::find(kAlgorithms, algorithm, &Algorithm::name);
  if (known == kAlgorithms.end()) {
    return MalformedEnvelope("the algorithm '" + Printable(algorithm, 32) + "' is not accepted");
  }
  Unprotected unprotected;
  reader.Object("header", ObjectReader::Presence::kRequired,
                [&](ObjectReader& inner) { ReadUnprotected(inner, header, unprotected); });
  RETURN_IF_ERROR(reader.Finish());
  ASSIGN_OR_RETURN(const SigningScheme scheme, CheckHeader(header));

  Envelope envelope{};
  envelope.algorithm = known->algorithm;
  TakeTimes(header, scheme, envelope);
  ASSIGN_OR_RETURN(envelope.chain, ParseChain(unprotected.certificates));
  envelope.timestamp = std::move(unprotected.timestamp);
  ASSIGN_OR_RETURN(envelope.payload, Decode(payload, "the payload"));
  ASSIGN_OR_RETURN(envelope.signature, Decode(signature, "the signature"));
  // RFC 7515 section 5.1: ASCII(BASE64URL(UTF8(protected)) || '.' || BASE64URL(payload)), as they stand there.
  envelope.signed_bytes = ToBytes(protected_text + "." + payload);
  return envelope;
}

}  // namespace gatehouse::signature::notation
