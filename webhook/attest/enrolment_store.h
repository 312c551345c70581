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
#include "webhook/attest/binding_store.h"
#include "webhook/attest/state_folder.h"

namespace gatehouse::webhook {

// Bindings in a folder: for a verifier without a cluster.
class EnrolmentStore final : public BindingStore {
 public:
  // `folder` empty: in memory only. A file that cannot be read, or does not agree with itself, its name or an earlier
  // file (two bindings of one TPM: the one enrolled later) blocks its own node: a lost binding must not pass for none.
  // Errors: those of StateFolder::Open and Files.
  [[nodiscard]] static Result<std::unique_ptr<EnrolmentStore>> Open(std::string folder,
                                                                    std::size_t max_nodes = limits::kNodes);
  [[nodiscard]] std::vector<Error> Problems() const override { return problems_; }

  [[nodiscard]] Status Bind(Enrolment enrolment) override;
  [[nodiscard]] Result<Enrolment> Find(const std::string& node) override;
  [[nodiscard]] Status Advance(const std::string& node, const std::string& ak_name,
                               const claims::TpmClock& clock) override;
  [[nodiscard]] std::string NodeUid(const std::string&) const override { return ""; }

 private:
  explicit EnrolmentStore(std::size_t max_nodes) : max_nodes_(max_nodes) {}
  [[nodiscard]] Status Load();
  void Block(const std::string& file, const Error& problem);
  // The mutex is held in all that follow.
  [[nodiscard]] Status CheckBlocked(const std::string& node);
  [[nodiscard]] Status CheckConflict(const Enrolment& enrolment) const;
  [[nodiscard]] Status Save(const Enrolment& enrolment) const;
  void DropReleased(const std::string& node);
  // The other node that has the TPM.
  [[nodiscard]] std::optional<std::string> OwnerOf(const Enrolment& enrolment) const;
  void Keep(Enrolment enrolment);

  std::size_t max_nodes_;
  std::unique_ptr<StateFolder> folder_;  // none: in memory only
  std::vector<Error> problems_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> blocked_;  // file -> why: the node's name may be in its file only
  std::map<std::string, Enrolment> by_node_;
  std::map<std::string, std::string> node_by_claim_;  // of ClaimsOf: two for each binding
};

}  // namespace gatehouse::webhook
