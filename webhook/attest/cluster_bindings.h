// Bindings in the cluster: one NodeAttestation for each node, its binding signed.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "common/kube/api.h"
#include "webhook/attest/node_records.h"

namespace gatehouse::webhook {

// Decides from memory; what it binds is in memory when Bind() returns. Two replicas that bind one TPM to two nodes at
// the same time both succeed: then the later of the two bindings is blocked, at every replica.
class ClusterBindings final : public BindingStore {
 public:
  struct Parts {
    kube::Api& api;
    NodeRecords& records;
    std::function<bool()> ready;  // all that the cluster has was seen once
    std::function<crypto::PrivateKey()> signing_key;
    bool owned;
    bool before_node;
  };
  explicit ClusterBindings(Parts parts) : parts_(std::move(parts)) {}

  [[nodiscard]] std::vector<Error> Problems() const override { return parts_.records.Problems(); }
  [[nodiscard]] Status Bind(Enrolment enrolment) override;
  [[nodiscard]] Result<Enrolment> Find(const std::string& node) override;
  [[nodiscard]] Status CheckBound(const std::string& node) override;
  [[nodiscard]] Status Advance(const std::string& node, const std::string& ak_name,
                               const claims::TpmClock& clock) override;
  [[nodiscard]] std::string NodeUid(const std::string& node) const override { return parts_.records.NodeUid(node); }
  [[nodiscard]] std::optional<WallTime> LastIssued(const std::string& node) const override {
    return parts_.records.LastIssued(node);
  }

 private:
  enum class Step : std::uint8_t { kBound, kLookAgain };
  [[nodiscard]] Result<Step> Try(Enrolment enrolment);
  [[nodiscard]] Result<Step> Store(const NodeRecords::BindingView& view, const Enrolment& enrolment);
  [[nodiscard]] Status LookAgain(const std::string& node);

  Parts parts_;
  // One at a time for each TPM (ClaimsOf): two nodes that claim it here at once must not both get it.
  class Turn;
  std::mutex mutex_;
  std::condition_variable turn_;
  std::set<std::string> enrolling_;
};

}  // namespace gatehouse::webhook
