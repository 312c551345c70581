// Which TPM each node is: node name <-> endorsement key <-> attestation key, wherever it is kept: in a folder
// (EnrolmentStore) or in the cluster (ClusterBindings).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/types.h"
#include "common/claims/tpm.h"

namespace gatehouse::webhook {

struct Enrolment {
  std::string node;
  Digest ek;             // fingerprint of the endorsement key
  Bytes ek_public;       // TPMT_PUBLIC
  Bytes ek_certificate;  // DER; may be empty
  std::vector<Bytes> ek_intermediates;
  Bytes ak_public;      // TPMT_PUBLIC, activated by that endorsement key
  std::string ak_name;  // hex
  WallTime enrolled;
  std::optional<claims::TpmClock> last_clock;  // of the last quote that verified
  std::string node_uid = {};                   // of the Node at the time; empty outside of Kubernetes
  Bytes ak_certificate = {};                   // DER; empty: none
  std::string clock_ak = {};  // name (hex) of the attestation key that last_clock is of; empty: not known

  // Whether last_clock is of a key that ak_name replaced: what PreparedQuoteExpectation::last_clock_of_other_key wants.
  [[nodiscard]] bool IsClockOfOtherKey() const {
    return last_clock.has_value() && !clock_ak.empty() && clock_ak != ak_name;
  }
};

// A node is bound to the first TPM that enrols for it, and a TPM to one node. Another TPM for a bound node is
// kNodeConflict, a bound TPM for another node kTpmInUse, until an admin releases the binding. A TPM is told by its
// endorsement key, and by the key of its attestation key as well: where only a certificate of the latter vouches, any
// endorsement key could be presented with it. The same TPM may bring a new attestation key; the clock that it had
// reached stays, because that is the TPM's.
class BindingStore {
 public:
  virtual ~BindingStore() = default;
  // Why nodes are blocked; for the log.
  [[nodiscard]] virtual std::vector<Error> Problems() const = 0;
  // Checks and binds in one step (two agents that race for a node cannot both win). Errors: kNodeConflict (also for a
  // blocked node), kTpmInUse, kNodeUnknown (there is no such Node in the cluster), kLimitExceeded, kKubeUnavailable,
  // kInternal (disk, or an enrolment that does not agree with itself).
  [[nodiscard]] virtual Status Bind(Enrolment enrolment) = 0;
  // Errors: kAkUnbound (never bound, or released by an admin), kNodeConflict (blocked), kTpmInUse (blocked: two
  // bindings of one TPM), kNodeUnknown (there is no such Node in the cluster), kKubeUnavailable (nothing is known yet).
  [[nodiscard]] virtual Result<Enrolment> Find(const std::string& node) = 0;
  // Find, for who wants to know only whether.
  [[nodiscard]] virtual Status CheckBound(const std::string& node) {
    auto found = Find(node);
    return found.ok() ? Status() : Status(found.error());
  }
  // Records the clock of a verified quote, unless the attestation key has been replaced meanwhile. Errors: those of
  // Find; kAkUnbound if the key was replaced, kClockRewound if another thread recorded a later clock in between,
  // kInternal (disk).
  [[nodiscard]] virtual Status Advance(const std::string& node, const std::string& ak_name,
                                       const claims::TpmClock& clock) = 0;
  // The UID of the Node that has this name now: what results are bound to. Empty outside of Kubernetes.
  [[nodiscard]] virtual std::string NodeUid(const std::string& node) const = 0;
  // When the challenge of the last result of the node was issued, if another replica may have got it.
  [[nodiscard]] virtual std::optional<WallTime> LastIssued(const std::string&) const { return std::nullopt; }
};

[[nodiscard]] std::string EncodeEnrolment(const Enrolment& enrolment);
[[nodiscard]] Result<Enrolment> DecodeEnrolment(std::string_view json);
// That the names in it are those of the keys in it. Errors: kConfigInvalid, those of parsing keys.
[[nodiscard]] Status CheckConsistent(const Enrolment& enrolment);
// What a TPM is told by: the fingerprints of its endorsement key and of its attestation key ("ak:sha256:...").
// `enrolment` is consistent.
[[nodiscard]] std::vector<std::string> ClaimsOf(const Enrolment& enrolment);

}  // namespace gatehouse::webhook
