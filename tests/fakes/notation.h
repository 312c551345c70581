// Notation for tests: certificates as its specification wants them, and envelopes (JWS, COSE) with every header open to
// be spoilt. CBOR is written here by hand, independent of common/codec.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/fakes/json_value.h"
#include "tests/fakes/pki.h"
#include "tests/fakes/timestamp_authority.h"

namespace gatehouse::fakes {

// Encoded CBOR items; shortest forms, definite lengths.
namespace cbor {
[[nodiscard]] Bytes Int(std::int64_t value);
[[nodiscard]] Bytes Text(std::string_view value);
[[nodiscard]] Bytes ByteString(BytesView value);
[[nodiscard]] Bytes Array(const std::vector<Bytes>& items);
using Members = std::vector<std::pair<Bytes, Bytes>>;
[[nodiscard]] Bytes Map(const Members& members);  // in the order given
[[nodiscard]] Bytes Tag(std::uint64_t number, const Bytes& value);
}  // namespace cbor

struct NotationTarget {
  std::string media_type = "application/vnd.oci.image.manifest.v1+json";
  std::string digest;
  std::uint64_t size = 0;
  std::map<std::string, std::string> annotations = {};  // user metadata
};

struct NotationOptions {
  bool cose = false;
  std::string scheme = "notary.x509";  // or "notary.x509.signingAuthority"
  WallTime signing_time = kPkiNow;     // authenticSigningTime with the second scheme
  std::optional<WallTime> expiry = {};
  std::optional<std::string> verification_plugin = {};
  std::string signing_agent = "gatehouse-tests/1.0";
  std::string content_type = "application/vnd.cncf.notary.payload.v1+json";
  // Nothing: what the leaf's key says.
  std::optional<std::string> algorithm = {};  // JWS: any text
  std::optional<std::int64_t> cose_algorithm = {};
  // Nothing: exactly those that must be critical.
  std::optional<std::vector<std::string>> critical = {};
  std::optional<std::string> payload_instead = {};
  // Nothing: the notary's chain. In x5c / x5chain, leaf first; the first one's key signs.
  std::optional<std::vector<TestCertificate>> chain = {};
  std::optional<crypto::PrivateKey> sign_with = {};  // another key than the leaf's
  // A timestamp over the signature; `stamp.at` is as it stands here, `stamp.bare` is set.
  const FakeTimestampAuthority* timestamp_authority = nullptr;
  StampOptions stamp = {};
  // Before they are signed.
  std::function<void(JsonValue& header)> edit_protected = {};  // JWS
  std::function<void(cbor::Members& header)> edit_cose_protected = {};
  // After.
  std::function<void(JsonValue& envelope)> edit_envelope = {};  // JWS: the flattened object
  std::function<void(cbor::Members& header)> edit_cose_unprotected = {};
  bool tagged = true;  // COSE: tag 18
};

struct NotationSignature {
  std::string envelope;
  std::string media_type;                // "application/jose+json", "application/cose"
  std::vector<std::string> thumbprints;  // hex SHA-256 of the chain, for the manifest's annotation
  Bytes signature;
};

class FakeNotary {
 public:
  struct Options {
    std::string organization = "acme";
    crypto::KeyType key_type = crypto::KeyType::kEcP256;
    std::size_t rsa_bits = 2048;
    bool intermediate = false;  // root, intermediate, leaf
    // Pointers in the leaf (and in the intermediate): "" leaves them out.
    std::string crl_url = {};
    std::string freshest_crl_url = {};
    std::string ocsp_url = {};
    WallTime not_before = kPkiNotBefore;  // of the CAs
    WallTime not_after = kPkiNotAfter;
    CertificateSpec leaf = LeafSpec("signer");  // its key's type and size are set from the above
  };
  FakeNotary() : FakeNotary(Options{}) {}
  explicit FakeNotary(const Options& options);

  // The subject of leaves is C=US, ST=WA, O=<organization>, CN=signer.
  [[nodiscard]] const TestCa& root() const { return root_; }
  [[nodiscard]] const TestCa& issuer() const { return issuer_; }  // the intermediate, or the root
  [[nodiscard]] const TestCertificate& leaf() const { return leaf_; }
  [[nodiscard]] std::vector<TestCertificate> Chain() const;  // leaf first, root last
  // A leaf by the issuer. What the spec leaves open is filled in: the subject, the extended key usage codeSigning, the
  // pointers of Options.
  [[nodiscard]] TestCertificate IssueLeaf(const CertificateSpec& spec) const;
  [[nodiscard]] NotationSignature Sign(const NotationTarget& target, const NotationOptions& options = {}) const;

 private:
  Options options_;
  TestCa root_;
  TestCa issuer_;
  TestCertificate leaf_;
};

[[nodiscard]] std::string NotationPayload(const NotationTarget& target);

}  // namespace gatehouse::fakes
