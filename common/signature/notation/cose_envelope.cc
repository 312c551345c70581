// signature-envelope-cose.md: COSE_Sign1_Tagged.
#include <algorithm>
#include <array>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/signature/notation/envelope.h"

namespace gatehouse::signature::notation {
namespace {

using codec::CborValue;

// RFC 9052 section 3.1, RFC 9360 section 2.
constexpr std::int64_t kCriticalLabel = 2;
constexpr std::int64_t kContentTypeLabel = 3;
constexpr std::int64_t kChainLabel = 33;
constexpr std::uint64_t kEpochTag = 1;  // RFC 8949 section 3.4.2
// "It MUST only contain parameters apart from integer labels in the range of 0 to 8."
constexpr std::int64_t kLastUncriticalLabel = 8;
// 9999-12-31T23:59:59Z: later times are none that a certificate could be judged at.
constexpr std::int64_t kLatestTime = 253402300799;

struct Algorithm {
  std::int64_t id;
  SigningAlgorithm algorithm;
};
constexpr std::array kAlgorithms = {
    Algorithm{-37, SigningAlgorithm::kPs256}, Algorithm{-38, SigningAlgorithm::kPs384},
    Algorithm{-39, SigningAlgorithm::kPs512}, Algorithm{-7, SigningAlgorithm::kEs256},
    Algorithm{-35, SigningAlgorithm::kEs384}, Algorithm{-36, SigningAlgorithm::kEs512},
};

std::string NameOf(const CborValue& label) {
  return label.AsInt() ? std::to_string(*label.AsInt()) : std::string(label.AsText().value_or(""));
}

Result<std::string> TextOf(const CborValue* value, std::string_view name) {
  if (value == nullptr) return MalformedEnvelope(std::string(name) + " is missing");
  const std::optional<std::string_view> text = value->AsText();
  if (!text || text->empty()) return MalformedEnvelope(std::string(name) + " is not a text");
  return std::string(*text);
}

// "Its value is an Epoch-Based Date/Time"; "the optional fractional seconds SHOULD NOT be used", and are not taken.
Result<std::optional<WallTime>> TimeOf(const CborValue& header, std::string_view name) {
  const CborValue* value = header.Find(name);
  if (value == nullptr) return std::optional<WallTime>();
  if (value->kind() != CborValue::Kind::kTag || value->tag() != kEpochTag) {
    return MalformedEnvelope(std::string(name) + " is not a time of the tag 1");
  }
  const std::optional<std::int64_t> seconds = value->tagged().AsInt();
  if (!seconds || *seconds < 0 || *seconds > kLatestTime) {
    return MalformedEnvelope(std::string(name) + " is not a time in whole seconds");
  }
  return std::optional(WallTime(std::chrono::seconds(*seconds)));
}

Result<std::vector<std::string>> CriticalOf(const CborValue& header) {
  const CborValue* value = header.Find(kCriticalLabel);
  if (value == nullptr || value->kind() != CborValue::Kind::kArray || value->items().empty()) {
    return MalformedEnvelope("the list of critical headers is missing or empty");
  }
  std::vector<std::string> critical;
  for (const CborValue& label : value->items()) {
    if (label.AsInt() && *label.AsInt() >= 0 && *label.AsInt() <= kLastUncriticalLabel) {
      return MalformedEnvelope("the label " + NameOf(label) + " must not be listed as critical");
    }
    if (!label.AsInt() && !label.AsText()) return MalformedEnvelope("a critical label is no label");
    critical.push_back(NameOf(label));
  }
  return critical;
}

Result<ProtectedHeader> ReadProtected(const CborValue& map) {
  ProtectedHeader header;
  ASSIGN_OR_RETURN(header.content_type, TextOf(map.Find(kContentTypeLabel), "the content type"));
  ASSIGN_OR_RETURN(header.critical, CriticalOf(map));
  ASSIGN_OR_RETURN(header.scheme, TextOf(map.Find(kSigningSchemeName), "the signing scheme"));
  ASSIGN_OR_RETURN(header.signing_time, TimeOf(map, kSigningTimeName));
  ASSIGN_OR_RETURN(header.authentic_signing_time, TimeOf(map, kAuthenticSigningTimeName));
  ASSIGN_OR_RETURN(header.expiry, TimeOf(map, kExpiryName));
  for (const auto& [label, value] : map.members()) header.names.insert(NameOf(label));
  return header;
}

// x5chain of RFC 9360 may be one byte string for one certificate; here it is "array of bstr" always. "Optionally, this
// header can be presented in the protected header."
Result<std::vector<Bytes>> ChainOf(const cose::Sign1& message) {
  const CborValue* value = message.protected_map.Find(kChainLabel);
  if (value == nullptr) value = message.unprotected_map.Find(kChainLabel);
  if (value == nullptr || value->kind() != CborValue::Kind::kArray) {
    return MalformedEnvelope("the certificate chain is missing or no array");
  }
  if (value->items().size() > limits::kChainCertificates) {
    return Error{Reason::kLimitExceeded, "",
                 "a chain of more than " + std::to_string(limits::kChainCertificates) + " certificates"};
  }
  std::vector<Bytes> chain;
  for (const CborValue& item : value->items()) {
    const std::optional<BytesView> der = item.AsBytes();
    if (!der) return MalformedEnvelope("a certificate of the chain is not a byte string");
    chain.push_back(ToBytes(*der));
  }
  return chain;
}

Result<Bytes> ReadUnprotected(const CborValue& map) {
  // Algorithm, critical list and content type are in the protected header, so ParseSign1() has let none of them stand
  // here; the names of Notation that are optional there are nobody's word here.
  for (const auto& [label, value] : map.members()) {
    if (IsProtectedName(label.AsText().value_or(""))) {
      return MalformedEnvelope("'" + Printable(NameOf(label), 64) + "' belongs into the protected header");
    }
  }
  const CborValue* timestamp = map.Find(kTimestampName);
  if (timestamp == nullptr) return Bytes();
  const std::optional<BytesView> token = timestamp->AsBytes();
  if (!token || token->empty()) return MalformedEnvelope("the timestamp is not a byte string, or empty");
  return ToBytes(*token);
}

}  // namespace

Result<Envelope> ParseCoseEnvelope(std::string_view bytes) {
  ASSIGN_OR_RETURN(cose::Sign1 message, cose::ParseSign1(AsBytes(bytes), cose::Tag::kRequired));
  ASSIGN_OR_RETURN(const std::int64_t algorithm, cose::AlgorithmOf(message));
  const auto* known = std::ranges::find(kAlgorithms, algorithm, &Algorithm::id);
  if (known == kAlgorithms.end()) {
    return MalformedEnvelope("the algorithm " + std::to_string(algorithm) + " is not accepted");
  }
  ASSIGN_OR_RETURN(const ProtectedHeader header, ReadProtected(message.protected_map));
  ASSIGN_OR_RETURN(Bytes timestamp, ReadUnprotected(message.unprotected_map));
  ASSIGN_OR_RETURN(const SigningScheme scheme, CheckHeader(header));

  Envelope envelope{};
  envelope.algorithm = known->algorithm;
  TakeTimes(header, scheme, envelope);
  ASSIGN_OR_RETURN(const std::vector<Bytes> chain, ChainOf(message));
  ASSIGN_OR_RETURN(envelope.chain, ParseChain(chain));
  envelope.timestamp = std::move(timestamp);
  envelope.payload = message.payload;
  envelope.signature = message.signature;
  envelope.sign1 = std::move(message);
  return envelope;
}

}  // namespace gatehouse::signature::notation
