// A timestamp authority (RFC 3161) for tests: a root, an intermediate and a signer, with every part of a token open to
// be spoilt.
//
//   FakeTimestampAuthority authority({.url = "https://timestamp.example"});
//   Bytes token = authority.Stamp(signature, {.at = kPkiNow});
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/crypto/timestamp.h"
#include "tests/fakes/pki.h"

namespace gatehouse::fakes {

struct StampOptions {
  WallTime at = kPkiNow;                           // genTime, with its milliseconds
  HashAlgorithm imprint = HashAlgorithm::kSha256;  // SHA-1 too
  HashAlgorithm hash = HashAlgorithm::kSha256;     // of the signature and its message digest
  bool bare = false;                               // the ContentInfo alone, as Notation keeps it; else a TimeStampResp
  int status = 0;                                  // PKIStatus: 0 granted, 1 grantedWithMods, 2 rejection
  bool embed_certificates = true;                  // the signer's and the intermediate's
  std::vector<Bytes> more_certificates = {};       // DER, embedded beside (or without) them
  std::optional<std::uint64_t> nonce = {};
  std::optional<int> accuracy_seconds = {};
  std::optional<Bytes> imprint_instead = {};  // in place of the message's hash
  enum class SigningCertificate : std::uint8_t { kV2, kV1, kNone, kOfAnother };
  SigningCertificate signing_certificate = SigningCertificate::kV2;
  std::string content_type = "1.2.840.113549.1.9.16.1.4";  // id-ct-TSTInfo
  int version = 1;                                         // of the TSTInfo
  bool two_signers = false;
  // Changes the DER of the TSTInfo before it is signed.
  std::function<void(Bytes&)> edit = {};
};

class FakeTimestampAuthority {
 public:
  struct Options {
    std::string url = "https://timestamp.example/api/v1/timestamp";
    std::string operator_name = {};
    crypto::KeyType key_type = crypto::KeyType::kEcP256;
    std::string extended_key_usage = "critical,timeStamping";  // "" leaves it out
    CertificateSpec signer = LeafSpec("timestamp signer");     // its key_type and extendedKeyUsage are set from above
    WallTime not_before = kPkiNotBefore;                       // of the CAs
    WallTime not_after = kPkiNotAfter;
  };
  FakeTimestampAuthority() : FakeTimestampAuthority(Options{}) {}
  explicit FakeTimestampAuthority(const Options& options);

  [[nodiscard]] Bytes Stamp(BytesView message, const StampOptions& options = {}) const;
  [[nodiscard]] const TestCa& root() const { return root_; }
  [[nodiscard]] const TestCa& intermediate() const { return intermediate_; }
  [[nodiscard]] const TestCertificate& signer() const { return signer_; }
  [[nodiscard]] const Options& options() const { return options_; }
  // What a trust document would hold: root and intermediate, and the signer if `pinned`.
  [[nodiscard]] crypto::TimestampAuthority Trust(bool pinned = false) const;

 private:
  Options options_;
  TestCa root_;
  TestCa intermediate_;
  TestCertificate signer_;
};

}  // namespace gatehouse::fakes
