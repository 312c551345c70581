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
#include "common/base/types.h"
#include "common/claims/tpm.h"

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
// bring a new attestation key.
class EnrolmentStore {
 public:
  // `folder` empty: in memory only. Files that cannot be read or parsed are an error: a lost binding must not pass for
  // none.
  [[nodiscard]] static Result<std::unique_ptr<EnrolmentStore>> Open(std::string folder);

  // Checks and binds in one step (two agents that race for a node cannot both win). Errors: kNodeConflict,
  // kLimitExceeded, kInternal (disk).
  [[nodiscard]] Status Bind(Enrolment enrolment);
  // Nothing also after an admin released the binding.
  [[nodiscard]] std::optional<Enrolment> Find(const std::string& node);
  // Records the clock of a verified quote, unless the attestation key has been replaced meanwhile. Errors:
  // kClockRewound if another thread recorded a later clock in between, kInternal.
  [[nodiscard]] Status Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock);

 private:
  explicit EnrolmentStore(std::string folder) : folder_(std::move(folder)) {}
  [[nodiscard]] Status Save(const Enrolment& enrolment) const;
  [[nodiscard]] std::string PathOf(const std::string& node) const;
  void DropReleased(const std::string& node);

  std::string folder_;
  mutable std::mutex mutex_;
  std::map<std::string, Enrolment> by_node_;
  std::map<std::string, std::string> node_by_ek_;
};

[[nodiscard]] std::string EncodeEnrolment(const Enrolment& enrolment);
[[nodiscard]] Result<Enrolment> DecodeEnrolment(std::string_view json);

}  // namespace gatehouse::webhook
