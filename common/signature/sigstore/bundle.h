// What a signer left, before anything of it is trusted: a Sigstore bundle (sigstore_bundle.proto, media types v0.1 to
// v0.3), or what cosign's legacy layout keeps in a layer's annotations, read into the same form.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/types.h"
#include "common/crypto/x509.h"
#include "common/signature/sigstore/dsse.h"

namespace gatehouse::signature::sigstore {

// An entry of a transparency log (rekor.proto TransparencyLogEntry), of either version.
struct LogEntry {
  std::string kind;     // "hashedrekord", "dsse", "intoto"; empty in a legacy annotation: the body says it
  std::string version;  // "0.0.1", "0.0.2"
  Bytes log_id;
  std::int64_t log_index = 0;                    // of the whole log, over all its shards
  std::optional<WallTime> integrated_time = {};  // means nothing without `promise`
  std::optional<Bytes> promise = {};             // signed entry timestamp
  struct Proof {
    std::int64_t log_index = 0;  // within the tree
    Bytes root_hash;
    std::int64_t tree_size = 0;
    std::vector<Bytes> hashes;
    std::string checkpoint;  // a signed note; empty: none (v0.1 allows that)
  };
  std::optional<Proof> proof = {};
  std::string body;  // canonicalizedBody, the bytes; empty: none
};

struct MessageSignature {
  std::optional<std::pair<HashAlgorithm, Bytes>> digest = {};  // a hint that nobody vouches for
  Bytes signature;
};

struct Bundle {
  enum class Version : std::uint8_t { kLegacy, kV01, kV02, kV03 };
  Version version;
  // Which key signed: a certificate chain (leaf first, without its root), or a hint at a key that the verifier has.
  struct KeyHint {
    std::string hint;
  };
  std::variant<std::vector<crypto::Certificate>, KeyHint> key;
  std::vector<LogEntry> entries;
  std::vector<Bytes> timestamps;  // RFC 3161, DER
  std::variant<MessageSignature, Envelope> content;
  // Of a legacy attestation: the blob. There cosign stamps the whole envelope in place of the signature's bytes.
  std::optional<std::string> stamped_blob = {};
};

// Strict protojson: lowerCamelCase, 64-bit integers as strings or numbers, standard base64. Unknown members are
// refused; null is absent. What its version asks for is checked: v0.1 an inclusion promise, from v0.2 on an inclusion
// proof with checkpoint, v0.3 a single certificate in place of a chain; a DSSE envelope with exactly one signature; at
// most limits::kLogEntries entries and limits::kTimestamps timestamps, none twice; a self-issued certificate authority
// is not accepted among the certificates. What says who signed (certificate, chain or public key) and what was signed
// is there exactly once. Errors: kBundleMalformed, kEnvelopeMalformed, kCertificateMalformed, kLogEntryMalformed,
// kContentUnsupported (a version that we do not know), kLimitExceeded (limits::kBundleBytes).
[[nodiscard]] Result<Bundle> ParseBundle(std::string_view json);

// One layer of cosign's legacy layout (.sig, .att). `payload`: the blob. A simple-signing payload becomes a message
// signature with the annotation dev.cosignproject.cosign/signature; an "application/vnd.dsse.envelope.v1+json" payload
// is the envelope itself. dev.sigstore.cosign/{certificate,chain,bundle,rfc3161timestamp} give the rest; one that is
// present and empty is refused, but for the chain's, which cosign leaves empty where there is none. `certificate` holds
// exactly one; of `chain` the root is dropped, which cosign puts there: roots come from trust material only. Members of
// the annotation "bundle": {"SignedEntryTimestamp", "Payload": {"body", "integratedTime", "logIndex", "logID"}}.
// Errors: as above, kSignatureMalformed; kContentUnsupported for another media type.
[[nodiscard]] Result<Bundle> BundleOfLegacyLayer(std::string_view media_type, std::string_view payload,
                                                 const std::map<std::string, std::string>& annotations);

inline constexpr std::string_view kEnvelopeMediaType = "application/vnd.dsse.envelope.v1+json";  // of a legacy layer
inline constexpr std::string_view kBundleMediaTypePrefix = "application/vnd.dev.sigstore.bundle";
// Whether it is one of the media types that ParseBundle takes; what a descriptor's artifactType is asked.
[[nodiscard]] bool IsBundleMediaType(std::string_view media_type);

}  // namespace gatehouse::signature::sigstore
