#include "webhook/control/csr_approver.h"

#include <map>
#include <mutex>
#include <utility>

#include "common/base/limits.h"
#include "webhook/control/csr_rules.h"
#include "webhook/control/worker.h"

namespace gatehouse::webhook {
namespace {

constexpr std::chrono::seconds kTimeout{10};
constexpr std::chrono::seconds kLook{10};                // at what waits, though nobody said that trust changed
constexpr std::size_t kObjectBytes = 64 * limits::kKiB;  // a kubelet's has 2 KiB; the rest is somebody's annotations
constexpr std::size_t kWaiting = 2000;  // that are kept; kube-controller-manager removes old ones within a day

}  // namespace

struct CsrApprover::Impl final : kube::Observer {
  explicit Impl(Parts with)
      : parts(std::move(with)),
        worker(
            "certificate signing requests", [this] { return Round(); }, parts.log),
        informer(parts.api, {.resource = kube::kCsrs, .optional = true}, *this, parts.log, parts.random) {}

  struct Waiting {
    std::string json;
    CsrView view;
    std::string said;  // in the log
  };

  void OnObject(const kube::ObjectKey& key, codec::JsonView object) override {
    CsrView view = ReadCsr(object);
    std::lock_guard lock(mutex);
    if (!view.pending) {
      waiting.erase(key.name);
      return;
    }
    if (waiting.size() >= kWaiting && !waiting.contains(key.name)) {
      parts.log.Warn("too many certificate signing requests wait; one is passed over", {{"csr", key.name}});
      return;
    }
    Waiting& entry = waiting[key.name];
    entry.json.clear();
    entry.view = std::move(view);
    // What is not to be approved is kept by its name only.
    if (entry.view.node.has_value()) entry.json = object.Serialize();
    if (entry.json.size() > kObjectBytes) {
      entry.json.clear();
      entry.view.node.reset();
      entry.view.refusal = "the object is larger than a kubelet's";
    }
    worker.Wake();
  }
  void OnGone(const kube::ObjectKey& key) override {
    std::lock_guard lock(mutex);
    waiting.erase(key.name);
  }

  Duration Round();
  void Look(const std::string& name, const Waiting& entry);
  void Say(const std::string& name, const Waiting& entry, const std::string& why);
  [[nodiscard]] Result<bool> NodeExists(const std::string& node);
  [[nodiscard]] Status Approve(const std::string& name, const Waiting& entry);

  Parts parts;
  Worker worker;
  std::mutex mutex;
  std::map<std::string, Waiting> waiting;
  kube::Informer informer;
};

Duration CsrApprover::Impl::Round() {
  if (!parts.leading()) return std::chrono::seconds(1);
  std::map<std::string, Waiting> now;
  {
    std::lock_guard lock(mutex);
    now = waiting;
  }
  for (const auto& [name, entry] : now) {
    if (worker.Stopping() || !parts.leading()) break;
    Look(name, entry);
  }
  return kLook;
}

void CsrApprover::Impl::Look(const std::string& name, const Waiting& entry) {
  if (!entry.view.node.has_value()) return Say(name, entry, entry.view.refusal);
  if (!parts.trusted(*entry.view.node)) return Say(name, entry, "the machine of that name is not attested now");
  if (entry.view.first) {
    // Whoever has a bootstrap token could become any node that runs. A node that lost its certificate is an admin's
    // business: delete the Node, or approve by hand.
    auto exists = NodeExists(*entry.view.node);
    if (!exists.ok() || *exists) {
      return Say(name, entry, exists.ok() ? "a Node of that name exists" : exists.error().ToString());
    }
  }
  Status done = Approve(name, entry);
  if (!done.ok()) {
    // Changed meanwhile (kKubeConflict): the watch brings what it is now.
    parts.log.Failure(telemetry::Level::kWarn, "a certificate signing request was not approved", done.error(),
                      {{"csr", name}, {"node", *entry.view.node}});
    return;
  }
  parts.log.Info("certificate signing request approved", {{"csr", name}, {"node", *entry.view.node}});
  std::lock_guard lock(mutex);
  waiting.erase(name);
}

Result<bool> CsrApprover::Impl::NodeExists(const std::string& node) {
  auto found = parts.api.Get(kube::PathOf(kube::kNodes, {}, node), Deadline(parts.api.clock(), kTimeout));
  if (found.ok()) return true;
  if (found.error().reason == Reason::kKubeNotFound) return false;
  return found.error();
}

// Once for each reason.
void CsrApprover::Impl::Say(const std::string& name, const Waiting& entry, const std::string& why) {
  if (entry.said == why) return;
  parts.log.Info("certificate signing request left alone",
                 {{"csr", name}, {"node", entry.view.node.value_or("")}, {"why", why}});
  std::lock_guard lock(mutex);
  auto found = waiting.find(name);
  if (found != waiting.end()) found->second.said = why;
}

Status CsrApprover::Impl::Approve(const std::string& name, const Waiting& entry) {
  ASSIGN_OR_RETURN(auto document, codec::JsonDocument::Parse(entry.json, {.max_bytes = limits::kKubeObjectBytes}));
  std::string message = "the machine " + *entry.view.node + " is attested under every NodePolicy that covers it";
  std::string body = ApprovalOf(document.root(), message, parts.api.clock().Wall());
  if (!parts.leading()) return Error{Reason::kKubeUnavailable, name, "another process leads now"};
  auto written =
      parts.api.Replace(kube::PathOf(kube::kCsrs, {}, name, "approval"), body, Deadline(parts.api.clock(), kTimeout));
  if (!written.ok()) return written.error();
  return Ok();
}

CsrApprover::CsrApprover(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}

CsrApprover::~CsrApprover() {
  Stop();
}

void CsrApprover::Start() {
  impl_->informer.Start();
  impl_->worker.Start();
}

void CsrApprover::Stop() {
  impl_->worker.Stop();
  impl_->informer.Stop();
}

void CsrApprover::Kick() {
  impl_->worker.Wake();
}

}  // namespace gatehouse::webhook
