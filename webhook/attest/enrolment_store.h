// Which TPM each node is: node name <-> endorsement key <-> attestation key. Outlives the process, one file a node, so
// that a restart forgets no binding.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/limits.h"
#include "common/base/types.h"
#include "common/claims/tpm.h"
#include "webhook/attest/state_folder.h"

namespace gatehouse::webhook {

struct Enrolment {
  std::string node;
  Digest ek;             // fingerprint of the endorsement key
  Bytes ek_public;       // TPMT_PUBLIC
  Bytes ek_certificate;  // DER
  std::vector<Bytes> ek_intermediates;
  Bytes ak_public;      // TPMT_PUBLIC, activated by that endorsement key
  std::string ak_name;  // hex
  WallTime enrolled;
  std::optional<claims::TpmClock> last_clock;  // of the last quote that verified
};

// A node is bound to the first TPM that enrols for it, and a TPM to one node. Another TPM for a bound node, or a bound
// TPM for another node, is kNodeConflict until an admin releases the binding by removing its file. The same TPM may
// bring a new attestation key; the clock that it had reached stays, because that is the TPM's.
class EnrolmentStore {
 public:
  // `folder` empty: in memory only. A file that cannot be read, or does not agree with itself, its name or an earlier
  // file (two bindings of one TPM: the one enrolled later) blocks its own node: a lost binding must not pass for none.
  // Errors: those of StateFolder::Open and Files.
  [[nodiscard]] static Result<std::unique_ptr<EnrolmentStore>> Open(std::string folder,
                                                                    std::size_t max_nodes = limits::kNodes);
  // Why nodes are blocked since Open; for the log.
  [[nodiscard]] const std::vector<Error>& problems() const { return problems_; }

  // Checks and binds in one step (two agents that race for a node cannot both win). Errors: kNodeConflict (also for a
  // blocked node), kLimitExceeded, kInternal (disk, or an enrolment that does not agree with itself).
  [[nodiscard]] Status Bind(Enrolment enrolment);
  // Errors: kAkUnbound (never bound, or released by an admin), kNodeConflict (blocked).
  [[nodiscard]] Result<Enrolment> Find(const std::string& node);
  // Records the clock of a verified quote, unless the attestation key has been replaced meanwhile. Errors: those of
  // Find; kAkUnbound if the key was replaced, kClockRewound if another thread recorded a later clock in between,
  // kInternal (disk).
  [[nodiscard]] Status Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock);

 private:
  explicit EnrolmentStore(std::size_t max_nodes) : max_nodes_(max_nodes) {}
  [[nodiscard]] Status Load();
  void Block(const std::string& file, const Error& problem);
  // The mutex is held in all that follow.
  [[nodiscard]] Status CheckBlocked(const std::string& node);
  [[nodiscard]] Status CheckConflict(const Enrolment& enrolment) const;
  [[nodiscard]] Status Save(const Enrolment& enrolment) const;
  void DropReleased(const std::string& node);

  std::size_t max_nodes_;
  std::unique_ptr<StateFolder> folder_;  // none: in memory only
  std::vector<Error> problems_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> blocked_;  // file -> why: the node's name may be in its file only
  std::map<std::string, Enrolment> by_node_;
  std::map<std::string, std::string> node_by_ek_;
};

[[nodiscard]] std::string EncodeEnrolment(const Enrolment& enrolment);
[[nodiscard]] Result<Enrolment> DecodeEnrolment(std::string_view json);
// That the names in it are those of the keys in it. Errors: kConfigInvalid, those of parsing keys.
[[nodiscard]] Status CheckConsistent(const Enrolment& enrolment);

}  // namespace gatehouse::webhook
