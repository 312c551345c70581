// The attestation result as an EAR (EAT Attestation Result, draft-ietf-rats-ear): an ES256 JWT. The only encoder and
// decoder of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/tpm.h"
#include "common/base/clock.h"
#include "common/claims/tpm.h"
#include "common/crypto/key.h"

namespace gatehouse::ear {

inline constexpr std::string_view kProfile = "tag:github.com,2023:veraison/ear";

// AR4SI trustworthiness tiers (draft-ietf-rats-ar4si section 2.3.2)
enum class Tier : std::uint8_t { kNone, kAffirming, kWarning, kContraindicated };
[[nodiscard]] std::string_view Name(Tier tier);  // "affirming"

// The appraisal of one node by one NodePolicy: a submodule of the EAR, so that a policy on trial (audit) and one in
// force are told apart.
struct PolicyAppraisal {
  std::string policy;  // the NodePolicy with its generation, "workers@3fa9…"
  Tier tier;           // kAffirming if and only if there is no finding
  std::vector<appraisal::Finding> findings;
  WallTime expires{};  // by that policy's validity: not after the result's own
};

struct AttestationResult {
  std::string node;      // Node name
  std::string node_uid;  // empty outside Kubernetes
  std::string ak_name;   // hex
  std::string ek;        // "sha256:..." fingerprint of the EK's public key
  std::vector<PolicyAppraisal>
      appraisals;     // one for each policy that matches the node, names distinct; none is "no policy": tier kNone
  std::string nonce;  // base64url of the challenge
  std::optional<claims::TpmClock> clock = std::nullopt;  // of the quote: what a later one must be ahead of
  WallTime issued;
  WallTime expires;  // the latest of the appraisals

  [[nodiscard]] Tier tier() const;  // the worst of the appraisals; kNone without any
};

// When the challenge that a result answers was issued: `issued` says it in whole seconds (a token's `iat`), the nonce,
// which is ours since the token is, to the millisecond. What happened is compared with this: something within the same
// second, but before the challenge, is over by it.
[[nodiscard]] WallTime IssuedOf(const AttestationResult& result);

// Claims: eat_profile, iat, exp, ear.verifier-id {build, developer}, eat_nonce, gatehouse.node {name, uid?, ak-name,
// ek, clock? {milliseconds, resets, restarts, safe, firmware?}}, and submods: one "tpm:<policy>" for each appraisal
// {ear.status, ear.trustworthiness-vector {instance-identity, configuration, executables, hardware},
// ear.appraisal-policy-id, gatehouse.findings [{reason, where, detail}], gatehouse.expires}; without any appraisal one
// "tpm" {ear.status "none"}, since an EAR has at least one. Times are cut to whole seconds. Header: typ "eat+jwt" (RFC
// 9782). `result` must be consistent: node, ak_name, ek and nonce (base64url) not empty; distinct policies; each
// affirming without findings, or warning or contraindicated with some, and expiring with the result at the latest.
// Errors: kInternal (it is not), kKeyMalformed, kLimitExceeded (longer than a token may be).
[[nodiscard]] Result<std::string> Encode(const AttestationResult& result, const crypto::PrivateKey& key);

// A result whose signature, profile, time and consistency (status agrees with the trustworthiness vector) were checked.
class VerifiedEar {
 public:
  [[nodiscard]] const AttestationResult& result() const { return result_; }

 private:
  friend Result<VerifiedEar> Verify(std::string_view, const std::vector<crypto::PublicKey>&, WallTime);
  friend Result<VerifiedEar> VerifyPossiblyExpired(std::string_view, const std::vector<crypto::PublicKey>&, WallTime);
  static Result<VerifiedEar> Read(std::string_view token, const std::vector<crypto::PublicKey>& keys, WallTime now,
                                  bool allow_expired);
  explicit VerifiedEar(AttestationResult result) : result_(std::move(result)) {}
  AttestationResult result_;
};
// Consistency is what Encode asks for, and that each status is the worst tier of its vector. Nothing beyond the claims
// above is accepted. A token issued within limits::kReplicaClockSkew of the future is good: replicas read each other's.
// Errors: kTokenMalformed, kTokenUntrusted, kTokenExpired.
[[nodiscard]] Result<VerifiedEar> Verify(std::string_view token, const std::vector<crypto::PublicKey>& keys,
                                         WallTime now);
// The same, except that the result's time may have passed: for who must tell a node whose result has expired from one
// of which nothing is known. `expires` is the caller's to compare. Errors: as Verify; kTokenExpired only for a token of
// the future.
[[nodiscard]] Result<VerifiedEar> VerifyPossiblyExpired(std::string_view token,
                                                        const std::vector<crypto::PublicKey>& keys, WallTime now);

}  // namespace gatehouse::ear
