// A signature with its log entries, as the bundle parser would hand them to VerifyEntry: valid, to be broken in one
// place.
#pragma once

#include <charconv>
#include <deque>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"
#include "common/signature/sigstore/transparency.h"
#include "tests/common/base/outcome.h"
#include "tests/fakes/sigstore.h"

namespace gatehouse::signature::sigstore {

inline std::int64_t NumberOf(const fakes::JsonValue* value) {
  std::int64_t number = 0;
  std::from_chars(value->text.data(), value->text.data() + value->text.size(), number);
  return number;
}

inline Bytes BytesOf(const fakes::JsonValue* value) {
  return DecodeBase64(value->text).value();
}

inline constexpr std::string_view kArtifact = "an artefact";
inline constexpr std::string_view kPayload = R"({"_type":"https://in-toto.io/Statement/v1"})";

// The reason's token if the detail holds `detail`, for where several defects have one reason; else the whole error.
inline std::string Outcome(const Result<VerifiedEntry>& result, std::string_view detail) {
  if (result.ok() || result.error().detail.find(detail) != std::string::npos) return gatehouse::Outcome(result);
  return result.error().ToString();
}

// TransparencyLogEntry in protojson, as written by the fakes and by others; nothing is checked.
inline LogEntry EntryOf(const fakes::JsonValue& json) {
  LogEntry entry;
  entry.kind = json.TextAt({"kindVersion", "kind"});
  entry.version = json.TextAt({"kindVersion", "version"});
  entry.log_id = BytesOf(json.At({"logId", "keyId"}));
  entry.log_index = NumberOf(json.Find("logIndex"));
  if (const auto* time = json.Find("integratedTime")) {
    entry.integrated_time = WallTime(std::chrono::seconds(NumberOf(time)));
  }
  if (const auto* promise = json.At({"inclusionPromise", "signedEntryTimestamp"})) entry.promise = BytesOf(promise);
  if (const auto* json_proof = json.Find("inclusionProof")) {
    LogEntry::Proof proof;
    proof.log_index = NumberOf(json_proof->Find("logIndex"));
    proof.root_hash = BytesOf(json_proof->Find("rootHash"));
    proof.tree_size = NumberOf(json_proof->Find("treeSize"));
    for (const fakes::JsonValue& hash : json_proof->Find("hashes")->elements) proof.hashes.push_back(BytesOf(&hash));
    proof.checkpoint = json_proof->TextAt({"checkpoint", "envelope"});
    entry.proof = std::move(proof);
  }
  entry.body = std::string(AsText(BytesOf(json.Find("canonicalizedBody"))));
  return entry;
}

// What was signed and by whom, owned; Content() borrows it.
class Signed {
 public:
  static Signed Message(fakes::FakeSigstore& sigstore, std::string_view artifact, const fakes::BundleOptions& options) {
    Signed out(sigstore.SignMessage(artifact, options));
    out.message_ = MessageSignature{.signature = out.bundle.signature};
    out.hash_ = options.hash;
    out.digest_ = crypto::Hash(options.hash, AsBytes(artifact));
    return out;
  }

  static Signed Dsse(fakes::FakeSigstore& sigstore, std::string_view payload, const fakes::BundleOptions& options) {
    Signed out(sigstore.SignEnvelope(payload, options));
    out.envelope_ = ParseEnvelope(out.bundle.json.Find("dsseEnvelope")->Write()).value();
    return out;
  }

  [[nodiscard]] SignedContent Content() const {
    SignedContent content;
    content.message = message_ ? &*message_ : nullptr;
    content.envelope = envelope_ ? &*envelope_ : nullptr;
    content.hash = hash_;
    content.digest = digest_;
    content.certificate = bundle.certificate ? &bundle.certificate->certificate : nullptr;
    content.key = &key_;
    return content;
  }
  [[nodiscard]] LogEntry Entry(std::size_t index = 0) const {
    return EntryOf(bundle.json.At({"verificationMaterial", "tlogEntries"})->elements.at(index));
  }

  fakes::SignedBundle bundle;

 private:
  explicit Signed(fakes::SignedBundle made) : bundle(std::move(made)), key_(bundle.key.Public()) {}
  crypto::PublicKey key_;
  std::optional<MessageSignature> message_;
  std::optional<Envelope> envelope_;
  HashAlgorithm hash_ = HashAlgorithm::kSha256;
  Bytes digest_;
};

}  // namespace gatehouse::signature::sigstore
