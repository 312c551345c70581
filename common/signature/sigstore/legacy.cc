// cosign's legacy layout: what its bundle format holds in one document is spread over a layer's annotations (cosign
// specs/SIGNATURE_SPEC.md, "Properties"; pkg/oci/static/options.go).
#include <algorithm>
#include <iterator>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/signature/keyed/simple_signing.h"
#include "common/signature/sigstore/bundle.h"

namespace gatehouse::signature::sigstore {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;
using Annotations = std::map<std::string, std::string>;

constexpr std::string_view kCertificate = "dev.sigstore.cosign/certificate";
constexpr std::string_view kChain = "dev.sigstore.cosign/chain";
constexpr std::string_view kBundle = "dev.sigstore.cosign/bundle";
constexpr std::string_view kTimestamp = "dev.sigstore.cosign/rfc3161timestamp";
constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLastSecond = 253402300799;  // of the year 9999

// The annotation; nothing if it is absent. One that is there and empty was taken away by somebody.
Result<const std::string*> Get(const Annotations& annotations, std::string_view name) {
  const auto found = annotations.find(std::string(name));
  if (found == annotations.end()) return nullptr;
  if (found->second.empty()) return Error{Reason::kBundleMalformed, std::string(name), "the annotation is empty"};
  return &found->second;
}

Result<JsonDocument> ParseAnnotation(const std::string& text) {
  auto document = JsonDocument::Parse(text, {.max_bytes = limits::kBundleBytes});
  if (document.ok() || document.error().reason == Reason::kLimitExceeded) return document;
  return Error{Reason::kBundleMalformed, document.error().where, document.error().detail};
}

Result<std::variant<std::vector<crypto::Certificate>, Bundle::KeyHint>> ReadCertificates(
    const Annotations& annotations) {
  ASSIGN_OR_RETURN(const std::string* leaf, Get(annotations, kCertificate));
  // cosign pkg/oci/static/options.go writes this one wherever it writes a certificate, and writes it empty where there
  // is none but the leaf (`cosign sign --key K --certificate C`).
  const auto chain_found = annotations.find(std::string(kChain));
  const bool has_chain = chain_found != annotations.end() && !chain_found->second.empty();
  const std::string* const chain = has_chain ? &chain_found->second : nullptr;
  if (leaf == nullptr) {
    if (chain != nullptr) return Error{Reason::kBundleMalformed, std::string(kChain), "there is no certificate for it"};
    return {Bundle::KeyHint{}};
  }
  auto certificates = crypto::Certificate::ListFromPem(*leaf);
  if (!certificates.ok()) return certificates.error().In(kCertificate);
  if (certificates->size() != 1) {
    return Error{Reason::kBundleMalformed, std::string(kCertificate),
                 "holds " + std::to_string(certificates->size()) + " certificates, not one"};
  }
  if (chain != nullptr) {
    auto issuers = crypto::Certificate::ListFromPem(*chain);
    if (!issuers.ok()) return issuers.error().In(kChain);
    if (issuers->size() > limits::kChainCertificates) {
      return Error{Reason::kLimitExceeded, std::string(kChain), "holds more certificates than a chain may have"};
    }
    std::ranges::copy_if(*issuers, std::back_inserter(*certificates),
                         [](const crypto::Certificate& issuer) { return !(issuer.IsCa() && issuer.IsSelfIssued()); });
  }
  return {std::move(certificates).value()};
}

// cosign pkg/cosign/bundle/rekor.go: RekorBundle. The kind of the entry is in its body only.
Result<LogEntry> ReadLogEntry(const std::string& text) {
  ASSIGN_OR_RETURN(const JsonDocument document, ParseAnnotation(text));
  LogEntry entry;
  std::string log_id;
  ObjectReader reader(document, document.root(), Reason::kLogEntryMalformed);
  entry.promise = reader.Base64("SignedEntryTimestamp");
  reader.Object("Payload", Presence::kRequired, [&](ObjectReader& payload) {
    entry.body = std::string(AsText(payload.Base64("body")));
    entry.integrated_time = WallTime(std::chrono::seconds(payload.Int("integratedTime", 1, kLastSecond)));
    entry.log_index = payload.Int("logIndex", 0, kMaxInt64);
    log_id = payload.String("logID");
  });
  RETURN_IF_ERROR(reader.Finish());
  auto id = DecodeHex(log_id);
  if (!id.ok()) return Error{Reason::kLogEntryMalformed, "$.Payload.logID", id.error().detail};
  entry.log_id = std::move(id).value();
  return entry;
}

Result<Bytes> ReadTimestamp(const std::string& text) {
  ASSIGN_OR_RETURN(const JsonDocument document, ParseAnnotation(text));
  ObjectReader reader(document, document.root(), Reason::kBundleMalformed);
  Bytes token = reader.Base64("SignedRFC3161Timestamp");
  RETURN_IF_ERROR(reader.Finish());
  return token;
}

Result<MessageSignature> ReadSignature(const Annotations& annotations) {
  const auto found = annotations.find(std::string(keyed::kSignatureAnnotation));
  const std::string where(keyed::kSignatureAnnotation);
  if (found == annotations.end()) return Error{Reason::kBundleMalformed, where, "the layer has no such annotation"};
  if (found->second.empty()) return Error{Reason::kSignatureMalformed, where, "the signature is empty"};
  auto signature = DecodeBase64(found->second);
  if (!signature.ok()) return Error{Reason::kSignatureMalformed, where, signature.error().detail};
  return MessageSignature{.digest = {}, .signature = std::move(signature).value()};
}

}  // namespace

Result<Bundle> BundleOfLegacyLayer(std::string_view media_type, std::string_view payload,
                                   const Annotations& annotations) {
  Bundle bundle{.version = Bundle::Version::kLegacy, .key = {}, .entries = {}, .timestamps = {}, .content = {}};
  if (media_type == keyed::kSimpleSigningMediaType) {
    ASSIGN_OR_RETURN(bundle.content, ReadSignature(annotations));
  } else if (media_type == kEnvelopeMediaType) {
    auto envelope = ParseEnvelope(payload);
    if (!envelope.ok()) return std::move(envelope).error();
    if (envelope->signatures.size() != 1) {
      return Error{Reason::kEnvelopeMalformed, "$.signatures",
                   "must be exactly one, not " + std::to_string(envelope->signatures.size())};
    }
    bundle.content = std::move(envelope).value();
    bundle.stamped_blob = std::string(payload);
  } else {
    return Error{Reason::kContentUnsupported, "",
                 "'" + Printable(media_type, 100) + "' is no layer of a signature or an attestation of cosign"};
  }
  ASSIGN_OR_RETURN(bundle.key, ReadCertificates(annotations));
  ASSIGN_OR_RETURN(const std::string* log_bundle, Get(annotations, kBundle));
  if (log_bundle != nullptr) {
    auto entry = ReadLogEntry(*log_bundle);
    if (!entry.ok()) return entry.error().In(kBundle);
    bundle.entries.push_back(std::move(entry).value());
  }
  ASSIGN_OR_RETURN(const std::string* timestamp, Get(annotations, kTimestamp));
  if (timestamp != nullptr) {
    auto token = ReadTimestamp(*timestamp);
    if (!token.ok()) return token.error().In(kTimestamp);
    bundle.timestamps.push_back(std::move(token).value());
  }
  return bundle;
}

}  // namespace gatehouse::signature::sigstore
