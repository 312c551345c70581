#include "common/signature/sigstore/bundle.h"

#include <algorithm>
#include <array>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/signature/sigstore/protojson.h"

namespace gatehouse::signature::sigstore {
namespace {

using codec::JsonDocument;
using codec::ObjectReader;
using Presence = ObjectReader::Presence;
using Version = Bundle::Version;

constexpr std::int64_t kMaxInt64 = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLastSecond = 253402300799;  // of the year 9999, where X.509 and RFC 3339 end

struct MediaType {
  std::string_view name;
  Version version;
};
// sigstore_bundle.proto, Bundle.media_type: "MUST be application/vnd.dev.sigstore.bundle.v0.3+json ... Clients must to
// be able to accept media type using the previously defined formats", the three with a parameter.
constexpr std::array kMediaTypes = {
    MediaType{"application/vnd.dev.sigstore.bundle+json;version=0.1", Version::kV01},
    MediaType{"application/vnd.dev.sigstore.bundle+json;version=0.2", Version::kV02},
    MediaType{"application/vnd.dev.sigstore.bundle+json;version=0.3", Version::kV03},
    MediaType{"application/vnd.dev.sigstore.bundle.v0.3+json", Version::kV03},
};

std::optional<Version> VersionOf(std::string_view media_type) {
  const auto* const found = std::ranges::find(kMediaTypes, media_type, &MediaType::name);
  return found == kMediaTypes.end() ? std::nullopt : std::optional(found->version);
}

// --- who signed

void ReadCertificate(ObjectReader& reader, std::vector<crypto::Certificate>* certificates) {
  const Bytes der = protojson::BytesOf(reader, "rawBytes");
  if (!reader.ok()) return;
  auto certificate = crypto::Certificate::FromDer(der);
  if (!certificate.ok()) return reader.Fail(std::move(certificate).error());
  // sigstore_bundle.proto, VerificationMaterial.content: "Signers MUST NOT include root CA certificates in bundles".
  if (certificate->IsCa() && certificate->IsSelfIssued()) {
    return reader.Fail("rawBytes", "is a root certificate, which a bundle must not bring along");
  }
  certificates->push_back(std::move(certificate).value());
}

void ReadKey(ObjectReader& material, Version version, Bundle* bundle) {
  std::vector<crypto::Certificate> certificates;
  int found = 0;
  if (protojson::Object(material, "certificate",
                        [&](ObjectReader& reader) { ReadCertificate(reader, &certificates); })) {
    ++found;
  }
  const bool chain = protojson::Object(material, "x509CertificateChain", [&](ObjectReader& reader) {
    protojson::Each(reader, "certificates", limits::kChainCertificates, Reason::kBundleMalformed,
                    [&](ObjectReader& element) { ReadCertificate(element, &certificates); });
    if (certificates.empty()) reader.Fail("certificates", "must not be empty");
  });
  if (chain) ++found;
  Bundle::KeyHint hint;
  if (protojson::Object(material, "publicKey",
                        [&](ObjectReader& reader) { hint.hint = protojson::Text(reader, "hint"); })) {
    ++found;
  }
  // The same place: "When used in a `0.3` bundle with the PGI and "keyless" signing, form (3) MUST be used".
  if (chain && version == Version::kV03) {
    return material.Fail("x509CertificateChain",
                         "must not be used by a bundle of version 0.3, which has 'certificate'");
  }
  if (found != 1) material.Fail("", "must hold exactly one of 'certificate', 'x509CertificateChain' and 'publicKey'");
  if (!certificates.empty()) {
    bundle->key = std::move(certificates);
  } else {
    bundle->key = std::move(hint);
  }
}

// --- transparency logs

LogEntry::Proof ReadProof(ObjectReader& reader) {
  LogEntry::Proof proof;
  proof.log_index = protojson::Int64(reader, "logIndex", kMaxInt64);
  proof.root_hash = protojson::BytesOf(reader, "rootHash");
  proof.tree_size = protojson::Int64(reader, "treeSize", kMaxInt64);
  if (const auto hashes = protojson::Find(reader, "hashes")) {
    if (!hashes->IsArray()) reader.Fail("hashes", "must be an array");
    if (hashes->size() > limits::kProofHashes) {
      reader.Fail(Error{Reason::kLimitExceeded, reader.path(),
                        "has " + std::to_string(hashes->size()) + " hashes; " + std::to_string(limits::kProofHashes) +
                            " are allowed"});
    }
    for (std::size_t i = 0; hashes->IsArray() && i < hashes->size() && reader.ok(); ++i) {
      auto hash = DecodeBase64(hashes->at(i).AsString().value_or("-"));
      if (!hash.ok()) {
        reader.Fail("hashes", "must be strings in base64");
        break;
      }
      proof.hashes.push_back(std::move(hash).value());
    }
  }
  protojson::Object(reader, "checkpoint",
                    [&](ObjectReader& checkpoint) { proof.checkpoint = protojson::Text(checkpoint, "envelope"); });
  return proof;
}

// sigstore_rekor.proto, TransparencyLogEntry.inclusion_promise: "Required for v0.1 bundles, and MUST be verified.
// Optional for >= v0.2 bundles"; there the proof and its checkpoint are REQUIRED.
void CheckForVersion(ObjectReader& reader, Version version, const LogEntry& entry) {
  if (version == Version::kV01) {
    if (!entry.promise) reader.Fail("inclusionPromise", "is required in a bundle of version 0.1");
    return;
  }
  if (!entry.proof) return reader.Fail("inclusionProof", "is required from version 0.2 on");
  if (entry.proof->checkpoint.empty()) reader.Fail("inclusionProof", "must hold a checkpoint from version 0.2 on");
}

LogEntry ReadEntry(ObjectReader& reader, Version version) {
  LogEntry entry;
  entry.log_index = protojson::Int64(reader, "logIndex", kMaxInt64);
  if (!protojson::Object(reader, "logId", [&](ObjectReader& id) { entry.log_id = protojson::BytesOf(id, "keyId"); }) ||
      entry.log_id.empty()) {
    reader.Fail("logId", "is required");
  }
  if (!protojson::Object(reader, "kindVersion", [&](ObjectReader& kind) {
        entry.kind = kind.String("kind");
        entry.version = kind.String("version");
      })) {
    reader.Fail("kindVersion", "is required");
  }
  if (const std::int64_t seconds = protojson::Int64(reader, "integratedTime", kLastSecond); seconds != 0) {
    entry.integrated_time = WallTime(std::chrono::seconds(seconds));
  }
  protojson::Object(reader, "inclusionPromise", [&](ObjectReader& promise) {
    Bytes signature = protojson::BytesOf(promise, "signedEntryTimestamp");
    if (!signature.empty()) entry.promise = std::move(signature);
  });
  protojson::Object(reader, "inclusionProof", [&](ObjectReader& proof) { entry.proof = ReadProof(proof); });
  entry.body = std::string(AsText(protojson::BytesOf(reader, "canonicalizedBody")));
  CheckForVersion(reader, version, entry);
  return entry;
}

void ReadMaterial(ObjectReader& material, Bundle* bundle) {
  ReadKey(material, bundle->version, bundle);
  protojson::Each(material, "tlogEntries", limits::kLogEntries, Reason::kLogEntryMalformed, [&](ObjectReader& reader) {
    LogEntry entry = ReadEntry(reader, bundle->version);
    // One entry twice would be harmless, for thresholds count operators; but nobody writes it who means well.
    const bool twice = std::ranges::any_of(bundle->entries, [&](const LogEntry& other) {
      return other.log_id == entry.log_id && other.log_index == entry.log_index;
    });
    if (twice) reader.Fail("logIndex", "names an entry that the bundle has already");
    bundle->entries.push_back(std::move(entry));
  });
  protojson::Object(material, "timestampVerificationData", [&](ObjectReader& data) {
    protojson::Each(data, "rfc3161Timestamps", limits::kTimestamps, Reason::kBundleMalformed,
                    [&](ObjectReader& reader) {
                      Bytes token = protojson::BytesOf(reader, "signedTimestamp");
                      if (token.empty()) reader.Fail("signedTimestamp", "is required");
                      if (std::ranges::find(bundle->timestamps, token) != bundle->timestamps.end()) {
                        reader.Fail("signedTimestamp", "is one that the bundle has already");
                      }
                      bundle->timestamps.push_back(std::move(token));
                    });
  });
}

// --- what was signed

// sigstore_common.proto, HashAlgorithm: by name, or by number as protojson allows. Those that we do not compute give
// nothing: the digest is a hint only.
void ReadDigestHint(ObjectReader& reader, MessageSignature* signature) {
  struct Known {
    std::string_view name;
    std::int64_t number;
    std::optional<HashAlgorithm> algorithm;
  };
  static constexpr std::array kKnown = {
      Known{"HASH_ALGORITHM_UNSPECIFIED", 0, std::nullopt},
      Known{"SHA2_256", 1, HashAlgorithm::kSha256},
      Known{"SHA2_384", 2, HashAlgorithm::kSha384},
      Known{"SHA2_512", 3, HashAlgorithm::kSha512},
      Known{"SHA3_256", 4, std::nullopt},
      Known{"SHA3_384", 5, std::nullopt},
  };
  const auto value = protojson::Find(reader, "algorithm");
  Bytes digest = protojson::BytesOf(reader, "digest");
  const auto* const known = std::ranges::find_if(kKnown, [&](const Known& candidate) {
    return value ? value->AsString() == candidate.name || value->AsInt() == candidate.number : candidate.number == 0;
  });
  if (known == kKnown.end()) return reader.Fail("algorithm", "is no hash algorithm of Sigstore");
  if (!known->algorithm) return;
  if (digest.size() != DigestSize(*known->algorithm)) {
    return reader.Fail("digest", "does not have the length that its algorithm has");
  }
  signature->digest.emplace(*known->algorithm, std::move(digest));
}

void ReadContent(ObjectReader& reader, Bundle* bundle) {
  MessageSignature message;
  const bool has_message = protojson::Object(reader, "messageSignature", [&](ObjectReader& signature) {
    protojson::Object(signature, "messageDigest", [&](ObjectReader& digest) { ReadDigestHint(digest, &message); });
    message.signature = protojson::BytesOf(signature, "signature");
    if (message.signature.empty()) signature.Fail("signature", "is required");
  });
  const auto envelope_view = protojson::Find(reader, "dsseEnvelope");
  if (!reader.ok()) return;
  if (has_message == envelope_view.has_value()) {
    return reader.Fail("", "must hold exactly one of 'messageSignature' and 'dsseEnvelope'");
  }
  if (has_message) {
    bundle->content = std::move(message);
    return;
  }
  ObjectReader envelope_reader(reader.document(), *envelope_view, Reason::kEnvelopeMalformed, "$.dsseEnvelope");
  auto envelope = ReadEnvelope(envelope_reader);
  if (!envelope.ok()) return reader.Fail(std::move(envelope).error());
  if (auto status = envelope_reader.Finish(); !status.ok()) return reader.Fail(std::move(status).error());
  // sigstore_bundle.proto, Bundle.dsse_envelope: "During verification a client MUST reject an envelope if the number of
  // signatures is not equal to one."
  if (envelope->signatures.size() != 1) {
    envelope_reader.Fail("signatures", "must be exactly one in a bundle");
    return reader.Fail(envelope_reader.Finish().error());
  }
  bundle->content = std::move(envelope).value();
}

}  // namespace

Result<Bundle> ParseBundle(std::string_view json) {
  auto document = JsonDocument::Parse(json, {.max_bytes = limits::kBundleBytes});
  if (!document.ok()) {
    if (document.error().reason == Reason::kLimitExceeded) return std::move(document).error();
    return Error{Reason::kBundleMalformed, document.error().where, document.error().detail};
  }
  ObjectReader reader(*document, document->root(), Reason::kBundleMalformed);
  const std::string media_type = reader.String("mediaType");
  RETURN_IF_ERROR(reader.ok() ? Ok() : reader.Finish());
  const auto version = VersionOf(media_type);
  if (!version) {
    return Error{Reason::kContentUnsupported, "$.mediaType",
                 "'" + Printable(media_type, 100) + "' is no Sigstore bundle of version 0.1 to 0.3"};
  }
  Bundle bundle{.version = *version, .key = Bundle::KeyHint{}, .entries = {}, .timestamps = {}, .content = {}};
  ReadContent(reader, &bundle);
  if (!protojson::Object(reader, "verificationMaterial",
                         [&](ObjectReader& material) { ReadMaterial(material, &bundle); })) {
    reader.Fail("verificationMaterial", "is required");
  }
  RETURN_IF_ERROR(reader.Finish());
  return bundle;
}

bool IsBundleMediaType(std::string_view media_type) {
  return VersionOf(media_type).has_value();
}

}  // namespace gatehouse::signature::sigstore
