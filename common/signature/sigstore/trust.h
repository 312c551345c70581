// Trust material of Sigstore: which logs, certificate authorities and timestamp authorities are believed, and for which
// times (protobuf-specs, sigstore_trustroot.proto). Parsed once, shared, immutable.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/crypto/timestamp.h"
#include "common/crypto/x509.h"

namespace gatehouse::signature::sigstore {

// Both ends belong to it (client specification; sigstore_common.proto, TimeRange).
struct Validity {
  std::optional<WallTime> from = {};
  std::optional<WallTime> until = {};
  [[nodiscard]] bool Contains(WallTime time) const;
};

// A transparency log (Rekor), or a certificate transparency log.
struct Log {
  crypto::PublicKey key;
  HashAlgorithm hash = HashAlgorithm::kSha256;  // with which it signs
  Bytes id;                                     // logId.keyId: of v1 SHA-256 of the SPKI; of v2 the checkpoint key id
  Validity valid = {};
  std::string operator_name = {};  // thresholds count operators; never empty (its URL, if it names none)
  std::string base_url = {};
  std::string host = {};  // of base_url: the origin of a v2 log's checkpoints
  // By which checkpoints name the key, where that is not `id`: of Ed25519 and RSA keys SHA-256 over the host and the
  // key (C2SP signed-note), or checkpointKeyId of the trust document. Empty, or at least 4 bytes. Entries of v2 logs
  // may name the log by it.
  Bytes checkpoint_id = {};
};

// A log whose key an operator gives: id, hash, host and operator follow from the key and the URL (which may be empty:
// then only checkpoints of v1 can be verified). SHA-256 with RSA (PKCS#1 v1.5) and P-256, SHA-384 with P-384, SHA-512
// with P-521.
[[nodiscard]] Log MakeLog(const crypto::PublicKey& key, std::string_view base_url, std::string_view operator_name = {},
                          const Validity& valid = {});

struct CertificateAuthority {
  std::vector<crypto::Certificate> chain;  // as written: intermediates (or a leaf, of a TSA) first, the root last
  Validity valid = {};
  std::string uri = {};
  std::string operator_name = {};  // never empty, as above
};

// `chain`: as above; each certificate but the last must be signed by the next. At most limits::kChainCertificates.
// Errors: kTrustRootMalformed, kLimitExceeded.
[[nodiscard]] Result<CertificateAuthority> MakeCertificateAuthority(std::vector<crypto::Certificate> chain,
                                                                    std::string_view uri = {},
                                                                    std::string_view operator_name = {},
                                                                    const Validity& valid = {});

struct TrustMaterial {
  std::vector<Log> logs;
  std::vector<Log> ct_logs;
  std::vector<CertificateAuthority> authorities;
  std::vector<CertificateAuthority> timestamp_authorities;
};

// Trusted root JSON of media types "application/vnd.dev.sigstore.trustedroot+json;version=0.1" (and 0.2), ".v0.1+json"
// and ".v0.2+json". Keys of kinds that we cannot use (Ed25519ph, unknown keyDetails) are left out and named in
// `ignored`, as the client specification asks; a key that is malformed refuses the whole. Unknown members are ignored
// (protojson with a newer minor version). Errors: kTrustRootMalformed, kLimitExceeded.
struct TrustedRoot {
  TrustMaterial material;
  std::vector<std::string> ignored;  // for people
};
[[nodiscard]] Result<TrustedRoot> ParseTrustedRoot(std::string_view json);

}  // namespace gatehouse::signature::sigstore
