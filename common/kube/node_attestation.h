// Our resource NodeAttestation: what Gatehouse writes of each node, and reads again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/appraisal/tpm.h"
#include "common/codec/json.h"
#include "common/crypto/key.h"
#include "common/ear/ear.h"

namespace gatehouse::kube {

inline constexpr std::string_view kTrustedLabel = "attestation.node-restriction.kubernetes.io/trusted";
inline constexpr std::string_view kUntrustedTaint = "attestation.node-restriction.kubernetes.io/untrusted";
inline constexpr std::string_view kNodeCondition = "GatehouseTrusted";
// An annotation of a NodeAttestation: somebody waits for a result newer than this time (of an earlier one, RFC 3339),
// even if it says the same.
inline constexpr std::string_view kNewerThan = "gatehouse.dev/newer-than";

enum class Verdict : std::uint8_t { kUnknown, kTrusted, kUntrusted, kExpired };
[[nodiscard]] std::string_view Name(Verdict verdict);  // "Trusted"

// Evidence that did not verify. Not signed: it can take trust away only.
struct Failure {
  Reason reason;
  std::string where;
  std::string detail;
  WallTime time;
  friend bool operator==(const Failure&, const Failure&) = default;
};

struct NodeAttestation {
  std::string name;  // of the object and of the Node
  std::string resource_version;
  std::string uid;
  std::string node_uid;
  std::string ek;
  std::string ak;
  WallTime enrolled{};
  std::string binding;  // JWS; who reads it verifies it
  std::string ear;      // JWT; empty before the first result
  std::optional<Failure> failure;
  std::optional<WallTime> newer_than;  // kNewerThan, if it is a time; not written
  // For people; derived from the above when it is written.
  Verdict verdict = Verdict::kUnknown;
  WallTime since{};     // of the verdict
  WallTime attested{};  // when the EAR was issued
  WallTime expires{};
  std::vector<std::string> reasons;  // tokens, distinct
  std::string message;
};

// Reads the object as the API serves it; members that another release wrote are ignored. Errors: kJsonMalformed (it is
// not what the schema of the resource admits).
[[nodiscard]] Result<NodeAttestation> ReadNodeAttestation(const codec::JsonDocument& document, codec::JsonView object);
// The whole object, as POST or PUT takes it (with resourceVersion if there is one), status included: policies and
// conditions are made from `verified` (of `attestation.ear`; nothing if there is none) and the members for people.
// `owner`: with an ownerReference to the Node.
[[nodiscard]] std::string WriteNodeAttestation(const NodeAttestation& attestation,
                                               const std::optional<ear::VerifiedEar>& verified, bool owner);

// What is to be thought of a node, from what is proven: the one place that says so, for the gate's metrics, for the
// columns and for the controllers. `verified` is the EAR of this object, whose node and node UID were compared by the
// caller; `policies` are "name@generation" of the NodePolicies in force that cover the node: all of them must be
// affirming and not expired. None in force: kUnknown, with no reason.
struct Standing {
  Verdict verdict = Verdict::kUnknown;
  std::vector<appraisal::Finding> findings;  // why not trusted; the first one is shown
  WallTime expires{};                        // the first of the policies to expire; of kTrusted and kExpired
};
[[nodiscard]] Standing Judge(const std::optional<ear::AttestationResult>& verified,
                             const std::optional<Failure>& failure, const std::vector<std::string>& policies,
                             WallTime now);

}  // namespace gatehouse::kube
