// What is known of the cluster's nodes, in memory: Nodes, and NodeAttestations of which everything that is believed was
// verified. No network.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/ear/ear.h"
#include "common/gate/node_trust.h"
#include "common/kube/node_attestation.h"
#include "common/policy/documents.h"
#include "webhook/attest/binding_store.h"

namespace gatehouse::webhook {

// How much a node's NodeAttestation wants to be written.
enum class Urgency : std::uint8_t {
  kVerdict,  // what is written says something else: a failure, another verdict, key or Node
  kContent,  // the same verdict by other policies or for other reasons
  kRefresh,  // the same, but what is written grows old
  kNone,
};

// Whoever may write NodeAttestations cannot make trust: what is believed carries the signature of one of `keys`, is
// about this node, and never goes back. A result gives way to a later one only (by the TPM's clock; by the time of its
// challenge where there is none to compare), a failure to a result whose challenge was issued after it, a binding to a
// later one; and of an object that was deleted nothing comes back.
class NodeRecords {
 public:
  using Keys = std::function<std::vector<crypto::PublicKey>()>;
  NodeRecords(Keys keys, const Clock& clock, bool before_node)
      : keys_(std::move(keys)), clock_(clock), before_node_(before_node) {}

  // --- what the cluster has
  void SetNode(const std::string& name, std::string uid);
  void DropNode(const std::string& name);
  // As the API gave it: by a watch, as the answer to our own writing, or to our own reading. What a watch says that has
  // not come to what we wrote is passed over. With `incarnation`: unless the object was deleted since Incarnation()
  // gave that. Returns how much the object wants to be written now.
  enum class Heard : std::uint8_t { kWatched, kWritten, kRead };
  Urgency Ingest(kube::NodeAttestation object, Heard heard, std::optional<std::uint64_t> incarnation = std::nullopt);
  // It is there, but is not what the resource's schema admits: blocked, since a lost binding must not pass for none.
  void Unreadable(const std::string& name, const Error& error);
  // With `uid`, unless the object has another one by now.
  void DropObject(const std::string& name, const std::string& uid = {});
  // What is held was written here, and no watch has come to it yet: one that says that an object of that name is gone
  // may mean the one before.
  [[nodiscard]] bool IsUnconfirmed(const std::string& name) const;
  [[nodiscard]] std::uint64_t Incarnation(const std::string& name) const;
  // Verifies again all that is held.
  void KeysChanged();

  // --- what this process found out
  // Errors: kNodeUnknown (no Node has the result's UID), kAkUnbound (the binding is another one by now); such a result
  // is neither trusted nor written.
  [[nodiscard]] Result<Urgency> Publish(const ear::VerifiedEar& result, const std::string& token);
  [[nodiscard]] Urgency PublishFailure(const std::string& node, const Error& error);
  [[nodiscard]] Urgency Due(const std::string& node) const;
  struct Write {
    kube::NodeAttestation object;
    std::optional<ear::VerifiedEar> verified;  // of object.ear
    std::optional<Enrolment> binding;          // of object.binding
    std::uint64_t incarnation;
  };
  // Nothing if nothing wants to be written.
  [[nodiscard]] std::optional<Write> MakeWrite(const std::string& node) const;

  // --- bindings
  struct BindingView {
    std::optional<std::string> node_uid;          // nothing: there is no such Node
    std::optional<kube::NodeAttestation> object;  // as the API has it
    std::optional<Enrolment> binding;             // that is believed, its last clock included
    std::optional<Error> blocked;                 // why it cannot be used
    std::optional<std::string> owner;             // of the TPM asked about: the other node that has it
    WallTime not_before{};                        // bindings until then were released, or replaced
    std::uint64_t incarnation = 0;
  };
  // `claims`: of the TPM that wants to be bound, as ClaimsOf gives them.
  [[nodiscard]] BindingView View(const std::string& node, const std::vector<std::string>& claims = {}) const;
  [[nodiscard]] std::size_t bindings() const;
  // As BindingStore::Find.
  [[nodiscard]] Result<Enrolment> FindBinding(const std::string& node) const;
  [[nodiscard]] Status CheckBound(const std::string& node) const;
  [[nodiscard]] Status Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock);
  [[nodiscard]] std::string NodeUid(const std::string& node) const;
  [[nodiscard]] std::optional<WallTime> LastIssued(const std::string& node) const;

  // --- what is to be thought of nodes
  [[nodiscard]] gate::NodeTrust Lookup(const std::string& node, const std::string& wanted) const;
  [[nodiscard]] bool TrustedMachine(const std::string& node, const policy::PolicySet& set) const;
  [[nodiscard]] std::map<gate::NodeState, std::size_t> Count(const policy::PolicySet& set) const;
  [[nodiscard]] std::vector<Error> Problems() const;

 private:
  // A result, and when its challenge was issued, to the millisecond.
  struct Known {
    ear::VerifiedEar ear;
    std::string token;
    WallTime issued;
    bool own = false;  // of this process
  };
  struct Record {
    std::optional<kube::NodeAttestation> object;
    std::uint64_t incarnation = 0;
    std::string written_version;           // of our own last write, until a watch has come to it
    MonoTime written_at{};                 // when that was
    std::optional<Enrolment> binding;      // of the object; believed
    std::string binding_text;              // that it is of
    std::vector<std::string> claims;       // of the binding
    std::optional<Error> binding_problem;  // why that of the object is not
    std::optional<WallTime> released;      // bindings made until then are over
    std::optional<Known> written;          // the object's result, if it is believed
    std::optional<Known> best;             // what counts
    std::optional<WallTime> floor;         // results of challenges issued before are over
    std::optional<kube::Failure> failure;  // the last one known
    bool own_failure = false;
  };
  // What verification made of an object's texts.
  struct Examined {
    std::string binding_text;
    Result<Enrolment> binding;
    std::optional<Known> result;
    std::optional<claims::TpmClock> clock;  // of a result that is no more than that: it has expired
    std::string clock_ek;
    std::string clock_ak;
  };
  [[nodiscard]] Examined Examine(const kube::NodeAttestation& object) const;
  // The mutex is held in all that follow.
  [[nodiscard]] bool IsStale(const Record& record, const std::string& version, Heard heard) const;
  [[nodiscard]] Status CheckBound(const std::string& node, const Record** bound) const;
  void Apply(const std::string& node, Record& record, Examined examined);
  void ApplyBinding(const std::string& node, Record& record, Examined& examined);
  void ApplyResult(Record& record, Examined& examined);
  void ApplyFailure(Record& record, const std::optional<kube::Failure>& failure) const;
  void Unbind(const std::string& node, Record& record);
  static void Adopt(Record& record, Known known);
  [[nodiscard]] std::optional<Error> Conflict(const std::string& node, const Record& record) const;
  [[nodiscard]] bool IsOfItsNode(const std::string& node, const Known& known) const;
  [[nodiscard]] Urgency DueOf(const std::string& node, const Record& record) const;
  [[nodiscard]] kube::Standing StandingOf(const std::string& node, const Record& record) const;

  Keys keys_;
  const Clock& clock_;
  const bool before_node_;
  mutable std::mutex mutex_;
  std::uint64_t key_changes_ = 0;
  std::unordered_map<std::string, Record> records_;
  std::unordered_map<std::string, std::string> uids_;  // of Nodes, by name
  void Claim(const std::string& node, Record& record);
  void Unclaim(const std::string& node, Record& record);
  // The node that has the TPM of a claim; nothing: no other than `node`.
  [[nodiscard]] std::optional<std::string> OwnerOf(const std::string& node,
                                                   const std::vector<std::string>& claims) const;
  // Who claims a TPM, by each of its claims (ClaimsOf): the first of them has it.
  std::map<std::string, std::set<std::pair<WallTime, std::string>>> claims_;
  std::size_t bound_ = 0;  // records with a binding
};

}  // namespace gatehouse::webhook
