// CRLs and OCSP responses for tests, made by OpenSSL.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/fakes/pki.h"

namespace gatehouse::fakes {

struct RevokedCertificate {
  crypto::Certificate certificate;
  WallTime at = kPkiNow;
  std::string reason = {};  // "keyCompromise", "cACompromise", "superseded", "cessationOfOperation", "certificateHold",
                            // "removeFromCRL", ... ; empty: no extension
  std::optional<WallTime> invalid_since = {};  // invalidityDate
};

struct CrlOptions {
  WallTime this_update = kPkiNow - std::chrono::hours(1);
  std::optional<WallTime> next_update = kPkiNow + std::chrono::hours(24);
  std::uint64_t number = 1;
  std::optional<std::uint64_t> base_number = {};  // makes it a delta CRL on top of that one
  std::string freshest_url = {};                  // where the delta is
  // Further extensions in OpenSSL's syntax: {"issuingDistributionPoint", "critical,onlyuser:TRUE"}, {"1.2.3",
  // "critical,DER:0500"}.
  std::map<std::string, std::string> extensions = {};
  const TestCa* signed_by = nullptr;       // another key than the issuer's, under the issuer's name
  const TestCa* issuer_name_of = nullptr;  // another name, with the issuer's key
  HashAlgorithm hash = HashAlgorithm::kSha256;
};
// DER.
[[nodiscard]] Bytes MakeCrl(const TestCa& issuer, const std::vector<RevokedCertificate>& revoked,
                            const CrlOptions& options = {});

struct OcspOptions {
  enum class Status : std::uint8_t { kGood, kRevoked, kUnknown };
  Status status = Status::kGood;
  WallTime revoked_at = kPkiNow;
  std::string reason = {};
  std::optional<WallTime> invalid_since = {};
  WallTime this_update = kPkiNow - std::chrono::hours(1);
  std::optional<WallTime> next_update = kPkiNow + std::chrono::hours(24);
  // Who signs; null: the issuer itself. A delegated responder is a leaf of the issuer with the extended key usage
  // OCSPSigning.
  const TestCertificate* responder = nullptr;
  bool embed_responder = true;
  bool by_key = false;                             // responderID by the key's hash, not by name
  bool sha256 = false;                             // the CertID's hash; else SHA-1
  const TestCertificate* about_instead = nullptr;  // the answer is about another certificate
  // Whose name and key the CertID has, in place of the issuer's.
  const TestCa* issuer_instead = nullptr;
  int response_status = 0;  // 6: unauthorized, 3: tryLater, ...: then without an answer
};
// DER of an OCSPResponse.
[[nodiscard]] Bytes MakeOcspResponse(const TestCa& issuer, const crypto::Certificate& certificate,
                                     const OcspOptions& options = {});
[[nodiscard]] CertificateSpec OcspResponderSpec(const std::string& common_name = "ocsp responder");
// The serial numbers (hex, upper case) that an OCSP request asks for; empty if it is none.
[[nodiscard]] std::vector<std::string> OcspRequestSerials(BytesView request);
[[nodiscard]] std::string SerialOf(const crypto::Certificate& certificate);

}  // namespace gatehouse::fakes
