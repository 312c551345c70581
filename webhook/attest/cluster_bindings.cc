#include "webhook/attest/cluster_bindings.h"

#include <algorithm>

#include "common/base/limits.h"
#include "webhook/attest/binding_token.h"

namespace gatehouse::webhook {
namespace {

constexpr Duration kPatience{8'000};  // an agent waits for the answer
constexpr Duration kTurn{2'000};      // to wait for another enrolment of the same TPM
constexpr int kAttempts = 5;          // when others write the same object

std::string PathOf(const std::string& node) {
  return kube::PathOf(kube::kNodeAttestations, {}, node);
}

// What the API says of our own writing is no fault of the node's.
Error AsFault(const Error& error) {
  if (error.reason == Reason::kKubeUnavailable || error.reason == Reason::kKubeConflict)
    return {Reason::kKubeUnavailable, error.where, error.detail};
  return {Reason::kInternal, error.where, error.ToString()};
}

}  // namespace

Result<Enrolment> ClusterBindings::Find(const std::string& node) {
  if (!parts_.ready()) return Error{Reason::kKubeUnavailable, node, "the nodes of the cluster were not read yet"};
  return parts_.records.FindBinding(node);
}

Status ClusterBindings::CheckBound(const std::string& node) {
  if (!parts_.ready()) return Error{Reason::kKubeUnavailable, node, "the nodes of the cluster were not read yet"};
  return parts_.records.CheckBound(node);
}

Status ClusterBindings::Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock) {
  return parts_.records.Advance(node, ak_name, clock);
}

// While it lives nobody else enrols a TPM with one of these claims.
class ClusterBindings::Turn {
 public:
  Turn(ClusterBindings& bindings, std::vector<std::string> claims) : bindings_(bindings), claims_(std::move(claims)) {
    std::unique_lock lock(bindings_.mutex_);
    taken_ = bindings_.turn_.wait_for(lock, kTurn, [&] {
      return std::ranges::none_of(claims_, [&](const auto& claim) { return bindings_.enrolling_.contains(claim); });
    });
    if (taken_) bindings_.enrolling_.insert(claims_.begin(), claims_.end());
  }
  ~Turn() {
    if (!taken_) return;
    {
      std::lock_guard lock(bindings_.mutex_);
      for (const std::string& claim : claims_) bindings_.enrolling_.erase(claim);
    }
    bindings_.turn_.notify_all();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  [[nodiscard]] bool taken() const { return taken_; }

 private:
  ClusterBindings& bindings_;
  const std::vector<std::string> claims_;
  bool taken_;
};

Status ClusterBindings::Bind(Enrolment enrolment) {
  if (Status consistent = CheckConsistent(enrolment); !consistent.ok())
    return Error{Reason::kInternal, enrolment.node, consistent.error().ToString()};
  if (!parts_.ready())
    return Error{Reason::kKubeUnavailable, enrolment.node, "the nodes of the cluster were not read yet"};
  const Turn turn(*this, ClaimsOf(enrolment));
  if (!turn.taken()) return Error{Reason::kOverloaded, enrolment.node, "its TPM is being enrolled already"};
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    ASSIGN_OR_RETURN(Step step, Try(enrolment));
    if (step == Step::kBound) return Ok();
  }
  return Error{Reason::kKubeUnavailable, enrolment.node, "others go on writing its NodeAttestation"};
}

Result<ClusterBindings::Step> ClusterBindings::Try(Enrolment enrolment) {
  const std::string& node = enrolment.node;
  NodeRecords::BindingView view = parts_.records.View(node, ClaimsOf(enrolment));
  if (!view.node_uid.has_value() && !parts_.before_node)
    return Error{Reason::kNodeUnknown, node, "the cluster has no Node of that name"};
  if (view.blocked.has_value()) return *view.blocked;
  // Q6: another TPM for a known node, whatever the Node's UID; one TPM for two nodes.
  if (view.binding.has_value() && view.binding->ek != enrolment.ek)
    return Error{Reason::kNodeConflict, node, "the node is bound to the TPM " + view.binding->ek.text()};
  if (view.owner.has_value()) return Error{Reason::kTpmInUse, node, "its TPM is bound to the node " + *view.owner};
  if (!view.binding.has_value() && parts_.records.bindings() >= limits::kNodes)
    return Error{Reason::kLimitExceeded, node, "too many nodes are enrolled"};
  enrolment.node_uid = view.node_uid.value_or("");
  if (view.binding.has_value()) {
    // The clock is the TPM's, whichever of its keys signs.
    enrolment.last_clock = view.binding->last_clock;
    enrolment.clock_ak = view.binding->clock_ak;
    const Enrolment& known = *view.binding;
    if (known.ak_name == enrolment.ak_name && known.node_uid == enrolment.node_uid &&
        known.ek_certificate == enrolment.ek_certificate && known.ek_intermediates == enrolment.ek_intermediates &&
        known.ak_certificate == enrolment.ak_certificate)
      return Step::kBound;
  }
  // A later binding than any that was there, also where another replica's clock is ahead of ours.
  enrolment.enrolled = std::max(enrolment.enrolled, view.not_before + Duration(1));
  return Store(view, enrolment);
}

Result<ClusterBindings::Step> ClusterBindings::Store(const NodeRecords::BindingView& view, const Enrolment& enrolment) {
  ASSIGN_OR_RETURN(std::string jws, SignBinding(enrolment, parts_.signing_key(), parts_.api.clock().Wall()));
  // Anew, also in place of another: no result of the key before it is one of this key's.
  kube::NodeAttestation object;
  object.name = enrolment.node;
  if (view.object.has_value()) {
    object.resource_version = view.object->resource_version;
    object.uid = view.object->uid;
  }
  object.node_uid = enrolment.node_uid;
  object.ek = enrolment.ek.text();
  object.ak = enrolment.ak_name;
  object.enrolled = enrolment.enrolled;
  object.binding = std::move(jws);
  object.since = parts_.api.clock().Wall();
  const std::string json = kube::WriteNodeAttestation(object, std::nullopt, parts_.owned && !object.node_uid.empty());
  const Deadline deadline(parts_.api.clock(), kPatience);
  auto answer = view.object.has_value() ? parts_.api.Replace(PathOf(enrolment.node), json, deadline)
                                        : parts_.api.Create(kube::PathOf(kube::kNodeAttestations), json, deadline);
  if (!answer.ok()) {
    const Reason reason = answer.error().reason;
    // Somebody was faster, here or at another replica; or we were, and the answer got lost.
    if (reason == Reason::kKubeConflict || (reason == Reason::kKubeNotFound && view.object.has_value())) {
      RETURN_IF_ERROR(LookAgain(enrolment.node));
      return Step::kLookAgain;
    }
    return AsFault(answer.error());
  }
  auto written = kube::ReadNodeAttestation(*answer, answer->root());
  if (!written.ok()) return AsFault(written.error());
  std::ignore = parts_.records.Ingest(std::move(*written), NodeRecords::Heard::kWritten, view.incarnation);
  return Step::kLookAgain;  // what is in memory now says whether we are bound
}

Status ClusterBindings::LookAgain(const std::string& node) {
  const std::uint64_t incarnation = parts_.records.Incarnation(node);
  auto answer = parts_.api.Get(PathOf(node), Deadline(parts_.api.clock(), kPatience));
  if (!answer.ok() && answer.error().reason == Reason::kKubeNotFound) {
    parts_.records.DropObject(node);
    return Ok();
  }
  if (!answer.ok()) return AsFault(answer.error());
  auto object = kube::ReadNodeAttestation(*answer, answer->root());
  if (!object.ok()) {
    parts_.records.Unreadable(node, object.error());
    return Ok();
  }
  std::ignore = parts_.records.Ingest(std::move(*object), NodeRecords::Heard::kRead, incarnation);
  return Ok();
}

}  // namespace gatehouse::webhook
