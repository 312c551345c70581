// Sigstore's logs for tests: certificate transparency, and Rekor of both versions with real Merkle trees.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/signature/sigstore/trust.h"
#include "tests/fakes/json_value.h"
#include "tests/fakes/pki.h"

namespace gatehouse::fakes {

class FakeCtLog {
 public:
  struct Options {
    std::string url = "https://ctfe.example/test";
    std::string operator_name = {};
    crypto::KeyType key_type = crypto::KeyType::kEcP256;
    signature::sigstore::Validity valid = {.from = kPkiNotBefore};
  };
  FakeCtLog() : FakeCtLog(Options{}) {}
  explicit FakeCtLog(const Options& options);
  // One SignedCertificateTimestamp (RFC 6962 section 3.2) over a precertificate: `tbs` is the TBSCertificate without
  // poison and list, `issuer_spki` the key whose hash is signed.
  [[nodiscard]] Bytes Sign(BytesView tbs, BytesView issuer_spki, WallTime at, BytesView extensions = {}) const;

  [[nodiscard]] const crypto::PrivateKey& key() const { return key_; }
  [[nodiscard]] Bytes Id() const;  // SHA-256 of the SPKI
  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] signature::sigstore::Log Trust() const;
  [[nodiscard]] JsonValue TrustJson() const;  // a member of "ctlogs"

 private:
  Options options_;
  crypto::PrivateKey key_;
};

// What one entry is made with.
struct EntryOptions {
  WallTime at = kPkiNow;
  bool promise = true;  // v1
  bool proof = true;
  bool checkpoint = true;
  std::size_t later = 0;  // further entries, that the tree has by the time of the proof
  // The promise is over this body in place of the entry's.
  std::optional<std::string> promise_over = {};
  // What the entry claims in place of the truth.
  std::optional<std::int64_t> log_index = {};        // the global one; the promise is over it
  std::optional<std::int64_t> integrated_time = {};  // seconds; the promise is over it
  // The checkpoint's text ("origin\nsize\nroot\n") before it is signed.
  std::function<void(std::string&)> edit_checkpoint = {};
  // The whole note after it was signed.
  std::function<void(std::string&)> edit_note = {};
  // Lines of witnesses' signatures ("— name base64"), before or after the log's own.
  std::vector<std::string> witnesses_before = {};
  std::vector<std::string> witnesses_after = {};
};

class FakeRekor {
 public:
  struct Options {
    int version = 1;
    std::string url = "https://rekor.example";
    std::string operator_name = {};
    // v1 signs with ECDSA P-256. v2: Ed25519, or ECDSA P-256.
    std::optional<crypto::KeyType> key_type = {};
    std::int64_t offset = 4'163'431;  // v1: the global index of the tree's entry 0 (what older shards hold)
    std::string tree_id = "2605736670972794746";
    std::size_t earlier = 5;  // entries of others, before the first of ours
    signature::sigstore::Validity valid = {.from = kPkiNotBefore};
  };
  FakeRekor() : FakeRekor(Options{}) {}
  explicit FakeRekor(const Options& options);

  // Appends the canonical body; a TransparencyLogEntry in protojson.
  JsonValue Add(const std::string& kind, const std::string& version, const std::string& body,
                const EntryOptions& options = {});
  // The signed entry timestamp of v1 (DER signature).
  [[nodiscard]] Bytes Promise(std::string_view body, std::int64_t integrated_time, std::int64_t log_index) const;
  // The text signed as a note, with one line of this log's signature.
  [[nodiscard]] std::string SignNote(const std::string& text) const;
  [[nodiscard]] std::string SignatureLine(const std::string& text) const;  // "— name base64\n"

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] const crypto::PrivateKey& key() const { return key_; }
  [[nodiscard]] std::string Host() const;    // of the URL: the origin and key name of v2
  [[nodiscard]] std::string Origin() const;  // v1: "rekor.example - <tree id>"
  [[nodiscard]] Bytes KeyId() const;         // of the trust root: 32 bytes; its first 4 are the note's
  [[nodiscard]] signature::sigstore::Log Trust() const;
  [[nodiscard]] JsonValue TrustJson() const;  // a member of "tlogs"
  [[nodiscard]] std::size_t size() const { return leaves_.size(); }

 private:
  Options options_;
  crypto::PrivateKey key_;
  std::vector<Bytes> leaves_;  // hashes
};

// RFC 6962 section 2.1, for tests of their own: `leaves` are hashes.
[[nodiscard]] Bytes MerkleLeaf(BytesView entry);
[[nodiscard]] Bytes MerkleRoot(const std::vector<Bytes>& leaves);
[[nodiscard]] std::vector<Bytes> MerklePath(const std::vector<Bytes>& leaves, std::size_t index);

// JSON with members in order of their names, as Rekor hashes it.
[[nodiscard]] std::string CanonicalJson(JsonValue value);
// RFC 3339 with milliseconds if there are any.
[[nodiscard]] std::string TimeText(WallTime time);

}  // namespace gatehouse::fakes
