// A Sigstore of our own, in memory: a CA like Fulcio with its CT log, Rekor of both versions, a timestamp authority,
// and what cosign makes with them. Valid unless an option says otherwise; and everything that comes out is an editable
// tree or plain bytes, so that one thing can be broken:
//
//   FakeSigstore sigstore;                                             // at kPkiNow
//   SignedBundle good = sigstore.SignMessage("artefact");
//   At(good.json, "/messageSignature/signature") = JsonValue::String("AAAA");
//   ParseBundle(good.Text()); ... sigstore.Trust(), sigstore.TrustedRoot().Write()
//
// Nothing here uses the code under test to build what is verified (canonical JSON, PAE, notes and trees are made by
// hand); only keys, certificates, hashes and base64 come from common/.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/signature/sigstore/trust.h"
#include "tests/fakes/json_value.h"
#include "tests/fakes/pki.h"
#include "tests/fakes/sigstore_log.h"
#include "tests/fakes/timestamp_authority.h"

namespace gatehouse::fakes {

inline constexpr std::string_view kFulcioOid = "1.3.6.1.4.1.57264.1.";
inline constexpr std::string_view kInTotoType = "application/vnd.in-toto+json";

// The place of an RFC 6901 pointer, made where it is absent ("-" and the next index append to an array).
[[nodiscard]] JsonValue& At(JsonValue& root, std::string_view pointer);
void Remove(JsonValue& root, std::string_view pointer);

struct SctOptions {
  const FakeCtLog* log = nullptr;  // null: the Sigstore's own
  std::optional<WallTime> at = {};
  bool wrong_issuer = false;  // the hash of another key than the issuer's
  bool wrong_tbs = false;     // over another certificate
  Bytes extensions = {};
  std::function<void(Bytes&)> edit = {};  // the serialised SCT
};

struct LeafOptions {
  // OpenSSL's syntax: "email:a@b", "URI:https://x", "DNS:x", "otherName:1.3.6.1.4.1.57264.1.7;UTF8:x", several with
  // commas; "" leaves the extension out.
  std::string names = "email:dev@example.com";
  // In .1.8 (a UTF8String) and in .1.1 (raw); "" leaves both out.
  std::string issuer = "https://issuer.example";
  std::optional<std::string> issuer_v1 = {};  // .1.1 says this instead; "" leaves only it out
  // 1.3.6.1.4.1.57264.1.N by N: raw text for 2 to 6, a UTF8String otherwise.
  std::map<int, std::string> claims = {};
  std::string extended_key_usage = "codeSigning";
  // As CertificateSpec::extensions: any other, or in place of the above (by name or dotted OID).
  std::map<std::string, std::string> extensions = {};
  std::optional<WallTime> at = {};  // of issue; nothing: the Sigstore's time
  Duration lifetime = std::chrono::minutes(10);
  crypto::KeyType key_type = crypto::KeyType::kEcP256;
  std::optional<crypto::PrivateKey> key = {};
  // Nothing: one by the CT log (none for a private CA). An empty list: no extension.
  std::optional<std::vector<SctOptions>> scts = {};
  bool sct_first = false;                      // the list stands before the other extensions, not after
  std::function<void(Bytes&)> edit_list = {};  // the content of the extension's inner OCTET STRING
  const TestCa* issuer_ca = nullptr;           // null: the intermediate
};

struct BundleOptions {
  // "0.1", "0.2", "0.3"; "0.3+json;version" writes the old spelling of 0.3. Anything with a "/" is the media type.
  std::string version = "0.3";
  // With a key; nothing: with a certificate made from `leaf`, or `certificate`.
  std::optional<crypto::PrivateKey> key = {};
  std::string key_hint = "hint";
  LeafOptions leaf = {};
  std::optional<TestCertificate> certificate = {};
  HashAlgorithm hash = HashAlgorithm::kSha256;
  std::optional<crypto::Scheme> scheme = {};  // nothing: the usual of the key
  // Which logs get an entry; nothing: Rekor v1. Empty: none.
  std::optional<std::vector<FakeRekor*>> logs = {};
  // "hashedrekord", "dsse", "intoto". Nothing: hashedrekord for a message; for an envelope dsse in v1, hashedrekord in
  // v2 (over the PAE, as the client specification has it).
  std::optional<std::string> entry_kind = {};
  EntryOptions entry = {};  // `at` is set to the signing time unless `entry_at`
  std::optional<WallTime> entry_at = {};
  std::function<void(JsonValue& body)> edit_body = {};  // before it becomes canonical and is logged
  // Who stamps; nothing: the Sigstore's TSA if there is a v2 log among the logs, or no log at all. Empty: nobody.
  std::optional<std::vector<const FakeTimestampAuthority*>> authorities = {};
  StampOptions stamp = {};  // `at` is set to the signing time unless `stamp_at`
  std::optional<WallTime> stamp_at = {};
  std::optional<WallTime> at = {};  // of everything; nothing: the Sigstore's time
  std::string payload_type = std::string(kInTotoType);
};

struct SignedBundle {
  JsonValue json;
  std::optional<TestCertificate> certificate;  // nothing if a key signed
  crypto::PrivateKey key;
  Bytes signature;
  [[nodiscard]] std::string Text() const { return json.Write(); }
};

// A layer of cosign's legacy layout.
struct LegacyLayer {
  std::string media_type = {};
  std::string payload = {};
  std::map<std::string, std::string> annotations = {};
};

// An in-toto statement about images.
struct StatementOptions {
  std::string type = "https://in-toto.io/Statement/v1";
  std::string predicate_type = "https://slsa.dev/provenance/v1";
  std::string predicate = "{}";  // JSON
  std::string name = {};
  std::map<std::string, std::string> annotations = {};  // of the subject
};
[[nodiscard]] std::string Statement(const Digest& subject, const StatementOptions& options = {});
// What cosign 3 signs for `cosign sign -a key=value`.
[[nodiscard]] std::string CosignSignStatement(const Digest& image,
                                              const std::map<std::string, std::string>& annotations = {});

class FakeSigstore {
 public:
  struct Options {
    WallTime now = kPkiNow;
    bool private_ca = false;  // no CT log: neither in certificates nor in the trust material
    std::string fulcio_url = "https://fulcio.example";
    std::string operator_name = {};
    WallTime not_before = kPkiNotBefore;  // of root and intermediate
    WallTime not_after = kPkiNotAfter;
    std::optional<CertificateSpec> root = {};
    std::optional<CertificateSpec> intermediate = {};
    signature::sigstore::Validity valid = {.from = kPkiNotBefore};  // of the authority in the trust material
    FakeRekor::Options rekor_v1 = {};
    FakeRekor::Options rekor_v2 = {.version = 2, .url = "https://log2027-1.rekor.example", .offset = 0};
    FakeCtLog::Options ct_log = {};
    FakeTimestampAuthority::Options timestamp_authority = {};
  };
  FakeSigstore() : FakeSigstore(Options{}) {}
  explicit FakeSigstore(const Options& options);

  WallTime now;  // may be set
  [[nodiscard]] FakeRekor& rekor_v1() { return rekor_v1_; }
  [[nodiscard]] FakeRekor& rekor_v2() { return rekor_v2_; }
  [[nodiscard]] const FakeCtLog& ct_log() const { return ct_log_; }
  [[nodiscard]] const FakeTimestampAuthority& timestamp_authority() const { return timestamp_authority_; }
  [[nodiscard]] const TestCa& root() const { return root_; }
  [[nodiscard]] const TestCa& intermediate() const { return intermediate_; }

  [[nodiscard]] TestCertificate Issue(const LeafOptions& options = {}) const;

  // A message signature over these bytes.
  [[nodiscard]] SignedBundle SignMessage(std::string_view artifact, const BundleOptions& options = {});
  // A DSSE envelope.
  [[nodiscard]] SignedBundle SignEnvelope(std::string_view payload, const BundleOptions& options = {});
  // cosign 3: SignEnvelope of CosignSignStatement; and an attestation.
  [[nodiscard]] SignedBundle SignImage(const Digest& image, const BundleOptions& options = {},
                                       const std::map<std::string, std::string>& annotations = {});
  [[nodiscard]] SignedBundle Attest(const Digest& image, const StatementOptions& statement = {},
                                    const BundleOptions& options = {});

  // A layer of the .sig tag over `payload` (a simple-signing payload: see SimpleSigning). The options are those of a
  // bundle; a certificate comes with its chain. With a log, the entry is v1's.
  [[nodiscard]] LegacyLayer LegacySignature(const std::string& payload, const BundleOptions& options = {});
  // A layer of the .att tag: an envelope. Its timestamp, if any, is over the whole envelope, as cosign does it.
  [[nodiscard]] LegacyLayer LegacyAttestation(const std::string& payload, const BundleOptions& options = {});

  // {mediaType "…;version=0.1", tlogs, certificateAuthorities, ctlogs, timestampAuthorities}
  [[nodiscard]] JsonValue TrustedRoot() const;
  [[nodiscard]] signature::sigstore::TrustMaterial Trust() const;

 private:
  struct Signed;
  [[nodiscard]] Signed MakeSignature(std::string_view to_be_signed, const BundleOptions& options);
  [[nodiscard]] JsonValue Material(const Signed& made, const BundleOptions& options,
                                   const std::function<JsonValue(FakeRekor&)>& add);
  [[nodiscard]] std::vector<Bytes> Stamps(BytesView over, const BundleOptions& options) const;
  void Annotate(LegacyLayer& layer, const SignedBundle& bundle, BytesView stamped, const BundleOptions& options) const;

  Options options_;
  TestCa root_;
  TestCa intermediate_;
  FakeCtLog ct_log_;
  FakeRekor rekor_v1_;
  FakeRekor rekor_v2_;
  FakeTimestampAuthority timestamp_authority_;
};

// {"critical": {"identity", "image", "type"}, "optional": annotations}
[[nodiscard]] std::string SimpleSigning(const Digest& image,
                                        const std::map<std::string, std::string>& annotations = {});

}  // namespace gatehouse::fakes
