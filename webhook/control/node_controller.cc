#include "webhook/control/node_controller.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/time.h"
#include "webhook/control/node_events.h"
#include "webhook/control/node_table.h"
#include "webhook/control/standing.h"
#include "webhook/control/worker.h"

namespace gatehouse::webhook {
namespace {

using Effect = policy::UntrustedTaint::Effect;

constexpr std::chrono::seconds kTimeout{10};
constexpr std::chrono::milliseconds kTick{500};  // between looks at who leads
constexpr std::chrono::seconds kRetry{5};        // after a write that failed
constexpr unsigned kMostDoublings = 6;
constexpr std::chrono::minutes kSweep{5};  // everything is looked at again that often, though nothing happened
constexpr std::chrono::minutes kConditionWindow{1};  // within which a condition is written so often at most, and its
constexpr std::size_t kConditionWrites = 5;          // message alone once
constexpr std::chrono::hours kEvictionKept{24};      // kEvictedLabel, or for the longest window of a policy
constexpr int kAttempts = 4;                         // of a write that finds the Node changed
constexpr std::size_t kMessageBytes = 1024;

class NodeObserver final : public kube::Observer {
 public:
  NodeObserver(NodeTable& table, NodeQueue& queue, Worker& worker) : table_(table), queue_(queue), worker_(worker) {}
  void OnObject(const kube::ObjectKey&, codec::JsonView object) override {
    auto node = ReadNode(object);
    if (!node.has_value()) return;
    std::string name = node->name;
    if (table_.Put(std::move(*node))) Look(name);
  }
  void OnGone(const kube::ObjectKey& key) override {
    table_.RemoveNode(key.name);
    Look(key.name);
  }

 private:
  void Look(const std::string& name) {
    queue_.Add(name);
    worker_.Wake();
  }
  NodeTable& table_;
  NodeQueue& queue_;
  Worker& worker_;
};

class AttestationObserver final : public kube::Observer {
 public:
  AttestationObserver(NodeTable& table, NodeQueue& queue, Worker& worker, telemetry::Logger& log)
      : table_(table), queue_(queue), worker_(worker), log_(log) {}
  void OnObject(const kube::ObjectKey& key, codec::JsonView object) override {
    auto known = Read(object);
    if (!known.ok()) {
      // It proves nothing, and must not stay as what it was.
      log_.Failure(telemetry::Level::kError, "a NodeAttestation cannot be read", known.error(), {{"node", key.name}});
      OnGone(key);
      return;
    }
    if (!table_.Put(std::move(*known))) return;
    queue_.Add(key.name);
    worker_.Wake();
  }
  void OnGone(const kube::ObjectKey& key) override {
    table_.RemoveAttestation(key.name);
    queue_.Add(key.name);
    worker_.Wake();
  }

 private:
  static Result<KnownAttestation> Read(codec::JsonView object) {
    ASSIGN_OR_RETURN(auto document,
                     codec::JsonDocument::Parse(object.Serialize(), {.max_bytes = limits::kKubeObjectBytes}));
    KnownAttestation known;
    ASSIGN_OR_RETURN(known.attestation, kube::ReadNodeAttestation(document, document.root()));
    auto metadata = document.root().Find("metadata");
    auto annotations = metadata.has_value() ? metadata->Find("annotations") : std::nullopt;
    auto gone = annotations.has_value() ? annotations->Find(kGoneAnnotation) : std::nullopt;
    if (gone.has_value()) known.gone = std::string(gone->AsString().value_or(""));
    return known;
  }
  NodeTable& table_;
  NodeQueue& queue_;
  Worker& worker_;
  telemetry::Logger& log_;
};

std::string KeysId(const std::vector<crypto::PublicKey>& keys) {
  std::string id;
  for (const crypto::PublicKey& key : keys) id += key.Fingerprint().text() + '\n';
  return id;
}

std::string MessageOf(const kube::Standing& standing) {
  if (standing.findings.empty()) return "meets every NodePolicy that covers it";
  const appraisal::Finding& first = standing.findings.front();
  return Printable(Error{first.reason, first.where, first.detail}.ToString(), kMessageBytes);
}

}  // namespace

struct NodeController::Impl {
  Impl(Parts with, Options opts)
      : parts(std::move(with)),
        options(opts),
        worker(
            "nodes", [this] { return Round(); }, parts.log),
        node_observer(table, queue, worker),
        attestation_observer(table, queue, worker, parts.log),
        nodes(parts.api, {.resource = kube::kNodes}, node_observer, parts.log, parts.random),
        attestations(parts.api, {.resource = kube::kNodeAttestations}, attestation_observer, parts.log, parts.random),
        events(parts.api, parts.clock, parts.log) {}

  // What the leader remembers of a node. Of the worker's thread only.
  struct Memory {
    std::string node_uid;
    NodeEvidence evidence;
    std::string problem;  // of the evidence, as last logged
    std::optional<WallTime> since;
    std::optional<std::optional<kube::Verdict>> announced;
    bool capped = false;
    std::deque<MonoTime> condition_written;  // of late
    std::optional<MonoTime> disbelieved;     // since when
    unsigned failures = 0;                   // of writes, one after another
    std::optional<MonoTime> settling;        // since when its result is not of the policies as they are now
  };
  struct Moment {
    std::shared_ptr<const policy::PolicySet> policies;
    std::vector<crypto::PublicKey> keys;
    std::string keys_id;
    WallTime now;
  };

  Duration Round();
  bool MayWork();
  Duration Work();
  std::optional<Moment> Now() const;
  Status Reconcile(const std::string& name, const Moment& moment);
  Status Bring(NodeState node, const std::optional<KnownAttestation>& attestation, const Moment& moment);
  NodeStanding Judge(const NodeState& node, const std::optional<KnownAttestation>& attestation, const Moment& moment,
                     Memory& memory);
  void LookAgain(const std::string& name, const Moment& moment, Memory& of_node);
  bool Settling(const NodeState& node, const NodeStanding& standing, const Moment& moment, Memory& memory);
  [[nodiscard]] std::optional<WallTime> EvictedByUs(const NodeState& node, const Moment& moment) const;
  Status WriteMarks(NodeState& node, const WantedMarks& wanted, WallTime now);
  Status WriteCondition(NodeState& node, const WantedMarks& wanted, WallTime now, Memory& memory);
  Status Send(NodeState& node, std::string_view subresource, kube::PatchType type, const std::string& patch);
  void Announce(const std::string& name, const NodeStanding& standing, const WantedMarks& wanted, Memory& memory);
  Status Refresh(const std::string& name, const std::string& known_version);
  Status Collect(const std::string& name, const KnownAttestation& known, WallTime now);
  Status Annotate(const KnownAttestation& known, std::optional<WallTime> gone);
  void Forget();

  Parts parts;
  Options options;
  NodeTable table;
  NodeQueue queue;
  Worker worker;
  NodeObserver node_observer;
  AttestationObserver attestation_observer;
  kube::Informer nodes;
  kube::Informer attestations;
  NodeEvents events;
  std::atomic<bool> kicked{false};

  std::map<std::string, Memory> memory;
  bool led = false;
  MonoTime swept{};

  mutable std::mutex mutex;
  std::string problem;  // of the last write
};

// --- when

// Whether this process may write now, and knows enough to do so.
bool NodeController::Impl::MayWork() {
  if (!parts.leading()) {
    if (led) Forget();
    led = false;
    return false;
  }
  return nodes.Synced() && attestations.Synced() && nodes.SilentFor() <= options.stale_after &&
         attestations.SilentFor() <= options.stale_after;
}

// What a leader remembers of a time after which another may have led is of no use to it.
void NodeController::Impl::Forget() {
  queue.Clear();
  for (auto& [name, of_node] : memory) {
    of_node.since.reset();
    of_node.announced.reset();
    of_node.capped = false;
    of_node.settling.reset();
  }
}

std::optional<NodeController::Impl::Moment> NodeController::Impl::Now() const {
  Moment moment{.policies = parts.policies(), .keys = parts.keys(), .keys_id = {}, .now = parts.clock.Wall()};
  if (moment.policies == nullptr || moment.keys.empty()) return std::nullopt;
  moment.keys_id = KeysId(moment.keys);
  return moment;
}

Duration NodeController::Impl::Round() {
  if (!MayWork()) return kTick;
  MonoTime mono = parts.clock.Mono();
  bool all = kicked.exchange(false) || !led || mono - swept >= kSweep;
  if (all) {
    if (!Now().has_value()) {
      kicked = true;
      return kTick;
    }
    led = true;
    swept = mono;
    queue.Sweep(table.Names());
  }
  return Work();
}

Duration NodeController::Impl::Work() {
  while (!worker.Stopping() && parts.leading()) {
    auto moment = Now();
    if (!moment.has_value()) return kTick;
    auto name = queue.Pop(moment->now);
    if (!name.has_value()) break;
    Status done = Reconcile(*name, *moment);
    {
      std::lock_guard lock(mutex);
      problem = done.ok() ? "" : done.error().ToString();
    }
    Memory* of_node = memory.contains(*name) ? &memory[*name] : nullptr;
    if (done.ok()) {
      if (of_node != nullptr) of_node->failures = 0;
      continue;
    }
    parts.log.Failure(telemetry::Level::kWarn, "a node could not be written; it is tried again", done.error(),
                      {{"node", *name}});
    bool unavailable = ClassOf(done.error().reason) == ReasonClass::kUnavailable;
    // What the server refuses it will refuse again: seldom and seldomer.
    unsigned failures = of_node == nullptr || unavailable ? 0 : std::min(of_node->failures++, kMostDoublings);
    queue.AddAt(*name, moment->now + kRetry * (1U << failures));
    if (unavailable) return kTick;
  }
  auto next = queue.Next();
  if (!next.has_value()) return kTick;
  return std::clamp<Duration>(*next - parts.clock.Wall(), Duration(1), kTick);
}

// --- one node

Status NodeController::Impl::Reconcile(const std::string& name, const Moment& moment) {
  Status done = Ok();
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto node = table.Node(name);
    auto attestation = table.Attestation(name);
    if (!node.has_value()) {
      memory.erase(name);
      return attestation.has_value() ? Collect(name, *attestation, moment.now) : Ok();
    }
    std::string version = node->resource_version;
    done = Bring(std::move(*node), attestation, moment);
    if (done.ok()) return done;
    if (done.error().reason != Reason::kKubeConflict && done.error().reason != Reason::kKubeNotFound) return done;
    RETURN_IF_ERROR(Refresh(name, version));
  }
  return done;
}

// What the server has now, which the watch may bring later.
Status NodeController::Impl::Refresh(const std::string& name, const std::string& known_version) {
  auto fresh = parts.api.Get(kube::PathOf(kube::kNodes, {}, name), Deadline(parts.clock, kTimeout));
  if (!fresh.ok() && fresh.error().reason != Reason::kKubeNotFound) return fresh.error();
  table.Learn(name, known_version, fresh.ok() ? ReadNode(fresh->root()) : std::nullopt);
  return Ok();
}

NodeStanding NodeController::Impl::Judge(const NodeState& node, const std::optional<KnownAttestation>& attestation,
                                         const Moment& moment, Memory& of_node) {
  if (of_node.node_uid != node.uid) {
    of_node = Memory();
    of_node.node_uid = node.uid;
  }
  if (attestation.has_value()) {
    of_node.evidence.Observe(attestation->attestation, moment.keys, moment.keys_id, moment.now);
  } else {
    of_node.evidence.Forget();
  }
  if (of_node.problem != of_node.evidence.problem()) {
    of_node.problem = of_node.evidence.problem();
    if (!of_node.problem.empty()) {
      parts.log.Warn("an attestation result does not count", {{"node", node.name}, {"problem", of_node.problem}});
    }
  }
  NodeStanding standing = StandingOf(node.name, *moment.policies, of_node.evidence.ResultFor(node.uid),
                                     of_node.evidence.failure(), moment.now, parts.believes);
  if (standing.disbelieved) {
    LookAgain(node.name, moment, of_node);
  } else {
    of_node.disbelieved.reset();
  }
  bool untrusted = std::any_of(standing.enforced.begin(), standing.enforced.end(),
                               [](const auto& under) { return under.first.verdict != kube::Verdict::kTrusted; });
  if (!untrusted) {
    of_node.since.reset();
  } else {
    // The taint has the time at which an earlier leader found out.
    bool ours = !options.label || node.Marks().label == false;  // which nobody but us can have written
    of_node.since =
        std::min(of_node.since.value_or(moment.now), ours ? node.Tainted().value_or(moment.now) : moment.now);
  }
  return standing;
}

// The gate may be about to learn what the watch has told here already; or it knows better.
void NodeController::Impl::LookAgain(const std::string& name, const Moment& moment, Memory& of_node) {
  MonoTime mono = parts.clock.Mono();
  of_node.disbelieved = of_node.disbelieved.value_or(mono);
  auto since = mono - *of_node.disbelieved;
  Duration pause = std::chrono::seconds(30);
  if (since < std::chrono::seconds(30)) pause = std::chrono::seconds(1);
  if (since < std::chrono::seconds(2)) pause = Duration(50);
  queue.AddAt(name, moment.now + pause);
}

// A policy that was edited leaves every node unknown until the replicas have judged again what they hold. To mark a
// whole cluster for that moment, and unmark it again, helps nobody: the gate decides by itself. A node that was trusted
// keeps its marks meanwhile, but not for long.
bool NodeController::Impl::Settling(const NodeState& node, const NodeStanding& standing, const Moment& moment,
                                    Memory& of_node) {
  // Unknown without a finding: no policy covers the node any more, and nobody will judge it anew.
  bool unsettled = standing.overall.verdict == kube::Verdict::kUnknown && !standing.overall.findings.empty() &&
                   node.Announced() == kube::Verdict::kTrusted && of_node.evidence.ResultFor(node.uid).has_value();
  if (!unsettled) {
    of_node.settling.reset();
    return false;
  }
  MonoTime mono = parts.clock.Mono();
  of_node.settling = of_node.settling.value_or(mono);
  auto left = std::chrono::ceil<Duration>(*of_node.settling + options.settle - mono);
  if (left <= Duration::zero()) return false;
  queue.AddAt(node.name, moment.now + left);
  return true;
}

// By the label, or as this process remembers though somebody took the label away.
std::optional<WallTime> NodeController::Impl::EvictedByUs(const NodeState& node, const Moment& moment) const {
  std::optional<WallTime> at = node.Evicted();
  if (at.has_value() && *at <= moment.now + limits::kReplicaClockSkew) return at;
  return table.Eviction(node.name);
}

Status NodeController::Impl::Bring(NodeState node, const std::optional<KnownAttestation>& attestation,
                                   const Moment& moment) {
  Memory& of_node = memory[node.name];
  NodeStanding standing = Judge(node, attestation, moment, of_node);
  if (Settling(node, standing, moment, of_node)) return Ok();
  Duration kept = std::max<Duration>(kEvictionKept, LongestWindow(*moment.policies));
  table.KeepEvictions(moment.now - kept, moment.now + limits::kReplicaClockSkew);
  std::optional<WallTime> evicted = EvictedByUs(node, moment);
  NodeMarks on_it = node.Marks();
  // A kubelet may make its Node with any taint. It is not ours then, and not to be counted as an eviction.
  bool executing = on_it.taint == Effect::kNoExecute && evicted.has_value();
  if (!executing && on_it.taint.has_value()) on_it.taint = Effect::kNoSchedule;
  MarkDecision decision = DecideMarks(on_it, standing.overall, standing.enforced, of_node.since,
                                      table.EvictionsOfOthers(node.name), moment.now);
  if (!of_node.announced.has_value()) of_node.announced = node.Announced();
  WantedMarks wanted{.marks = decision.marks,
                     .verdict = standing.overall.verdict,
                     .since = of_node.since.value_or(moment.now),
                     .evicted = executing ? evicted : std::nullopt,
                     .message = MessageOf(standing.overall),
                     .forget_eviction = !evicted.has_value() || *evicted < moment.now - kept};
  bool covered = decision.marks.condition.has_value();
  if (!options.label) wanted.marks.label.reset();

  RETURN_IF_ERROR(WriteMarks(node, wanted, moment.now));
  // Switched off, it is let alone: the right to write it may have gone with it.
  if (options.condition) RETURN_IF_ERROR(WriteCondition(node, wanted, moment.now, of_node));
  if (covered) {
    Announce(node.name, standing, wanted, of_node);
  } else {
    of_node.announced.emplace();
  }
  if (options.events && decision.capped && !of_node.capped) {
    events.Say(node.name, "EvictionCapReached",
               "pods stay on the node, which is not trusted, since as many nodes as maxEvicted admits were evicted "
               "already: " +
                   wanted.message,
               true);
  }
  of_node.capped = decision.capped;
  if (decision.next.has_value()) queue.AddAt(node.name, moment.now + *decision.next);
  if (attestation.has_value() && attestation->gone.has_value()) return Annotate(*attestation, std::nullopt);
  return Ok();
}

// --- writes

Status NodeController::Impl::Send(NodeState& node, std::string_view subresource, kube::PatchType type,
                                  const std::string& patch) {
  if (!parts.leading()) return Error{Reason::kKubeUnavailable, node.name, "another process leads now"};
  ASSIGN_OR_RETURN(auto written, parts.api.Patch(kube::PathOf(kube::kNodes, {}, node.name, subresource), type, patch,
                                                 Deadline(parts.clock, kTimeout)));
  auto after = ReadNode(written.root());
  if (!after.has_value()) return Error{Reason::kKubeRejected, node.name, "the answer to a patch is no Node"};
  table.Learn(node.name, node.resource_version, *after);
  node = std::move(*after);
  return Ok();
}

Status NodeController::Impl::WriteMarks(NodeState& node, const WantedMarks& wanted, WallTime now) {
  auto patch = MarksPatch(node, wanted, now);
  if (!patch.has_value()) return Ok();
  bool evicts = wanted.marks.taint == Effect::kNoExecute && !wanted.evicted.has_value();
  std::optional<WallTime> before = table.Eviction(node.name);
  // Counted before it is tried: of a write whose answer is lost nobody knows whether it was made.
  if (evicts) table.SetEviction(node.name, now);
  Status sent = Send(node, {}, kube::PatchType::kMerge, *patch);
  if (!sent.ok()) {
    if (evicts && ClassOf(sent.error().reason) != ReasonClass::kUnavailable) table.SetEviction(node.name, before);
    return sent;
  }
  parts.log.Info("node marked", {{"node", node.name},
                                 {"verdict", kube::Name(wanted.verdict)},
                                 {"label", node.label.value_or("")},
                                 {"taint", node.taints.empty() ? "" : node.taints[0].effect},
                                 {"message", wanted.message}});
  if (evicts && options.events) {
    events.Say(node.name, "TaintedNoExecute", "pods are evicted, since the node is not trusted: " + wanted.message,
               true);
  }
  return Ok();
}

Status NodeController::Impl::WriteCondition(NodeState& node, const WantedMarks& wanted, WallTime now, Memory& of_node) {
  auto patch = ConditionPatch(node, wanted, now);
  if (!patch.has_value()) return Ok();
  MonoTime mono = parts.clock.Mono();
  auto& written = of_node.condition_written;
  while (!written.empty() && mono - written.front() >= kConditionWindow) written.pop_front();
  // What an agent sends can make the message another one each time; that is not worth a write each time. And a kubelet
  // may write any condition of its Node: one that writes ours again and again is not to use up what all nodes share.
  bool only_message = node.condition.has_value() && node.Marks().condition == wanted.marks.condition;
  if (written.size() >= (only_message ? 1 : kConditionWrites)) {
    queue.AddAt(node.name, now + std::chrono::ceil<Duration>(written.front() + kConditionWindow - mono));
    return Ok();
  }
  Status sent = Send(node, "status", kube::PatchType::kStrategic, *patch);
  if (sent.ok() || ClassOf(sent.error().reason) != ReasonClass::kUnavailable) written.push_back(mono);
  return sent;
}

void NodeController::Impl::Announce(const std::string& name, const NodeStanding& standing, const WantedMarks& wanted,
                                    Memory& of_node) {
  kube::Verdict verdict = standing.overall.verdict;
  std::optional<kube::Verdict> before = *of_node.announced;
  of_node.announced = verdict;
  if (!options.events || before == verdict) return;
  switch (verdict) {
    case kube::Verdict::kTrusted:
      events.Say(name, "AttestationTrusted", "the node " + wanted.message, false);
      return;
    case kube::Verdict::kExpired:
      events.Say(name, "AttestationExpired", wanted.message, true);
      return;
    case kube::Verdict::kUntrusted:
      events.Say(name, "AttestationUntrusted", wanted.message, true);
      return;
    case kube::Verdict::kUnknown:
      // A new node is unknown to begin with; that is no event.
      if (before.has_value()) events.Say(name, "AttestationUntrusted", wanted.message, true);
      return;
  }
}

// --- of nodes that are gone

Status NodeController::Impl::Annotate(const KnownAttestation& known, std::optional<WallTime> gone) {
  if (!parts.leading()) return Error{Reason::kKubeUnavailable, known.attestation.name, "another process leads now"};
  codec::JsonWriter json;
  json.BeginObject().Key("metadata").BeginObject();
  json.Member("resourceVersion", known.attestation.resource_version).Key("annotations").BeginObject();
  json.Key(kGoneAnnotation);
  gone.has_value() ? json.String(codec::FormatTime(std::chrono::floor<std::chrono::seconds>(*gone))) : json.Null();
  json.EndObject().EndObject().EndObject();
  auto written = parts.api.Patch(kube::PathOf(kube::kNodeAttestations, {}, known.attestation.name),
                                 kube::PatchType::kMerge, std::move(json).Finish(), Deadline(parts.clock, kTimeout));
  // Changed or gone meanwhile: the watch brings it, and it is looked at again.
  if (!written.ok() && written.error().reason != Reason::kKubeConflict &&
      written.error().reason != Reason::kKubeNotFound) {
    return written.error();
  }
  return Ok();
}

Status NodeController::Impl::Collect(const std::string& name, const KnownAttestation& known, WallTime now) {
  if (options.keep_bindings == Duration::zero()) return Ok();
  auto gone = known.gone.has_value() ? codec::ParseTime(*known.gone) : Result<WallTime>(now + Duration(1));
  if (!gone.ok() || *gone > now) {
    queue.AddAt(name, now + options.keep_bindings);
    return Annotate(known, now);
  }
  // A machine that attests, though there is no Node of its name, is in use.
  WallTime until = std::max(*gone, known.attestation.attested) + options.keep_bindings;
  if (now < until) {
    queue.AddAt(name, until);
    return Ok();
  }
  if (!parts.leading()) return Error{Reason::kKubeUnavailable, name, "another process leads now"};
  Deadline deadline(parts.clock, kTimeout);
  auto node = parts.api.Get(kube::PathOf(kube::kNodes, {}, name), deadline);
  if (node.ok()) return Ok();  // it has come back this moment; the watch brings it
  if (node.error().reason != Reason::kKubeNotFound) return node.error();
  RETURN_IF_ERROR(parts.api.Delete(kube::PathOf(kube::kNodeAttestations, {}, name), known.attestation.uid, deadline));
  parts.log.Info("a binding was given up, since its node is long gone", {{"node", name}, {"ek", known.attestation.ek}});
  return Ok();
}

// --- the room's face

NodeController::NodeController(Parts parts, Options options)
    : impl_(std::make_unique<Impl>(std::move(parts), options)) {}

NodeController::~NodeController() {
  Stop();
}

void NodeController::Start() {
  impl_->nodes.Start();
  impl_->attestations.Start();
  impl_->worker.Start();
}

void NodeController::Stop() {
  impl_->worker.Stop();
  impl_->attestations.Stop();
  impl_->nodes.Stop();
}

void NodeController::Kick() {
  impl_->kicked = true;
  impl_->worker.Wake();
}

bool NodeController::Ready() const {
  return impl_->nodes.Synced() && impl_->attestations.Synced();
}

std::vector<std::string> NodeController::Problems() const {
  std::vector<std::string> problems;
  for (const kube::Informer* informer : {&impl_->nodes, &impl_->attestations}) {
    if (std::string problem = informer->Problem(); !problem.empty()) {
      problems.push_back(informer->options().resource.plural + ": " + problem);
    } else if (informer->Synced() && informer->SilentFor() > impl_->options.stale_after) {
      problems.push_back(informer->options().resource.plural + ": the watch is silent");
    }
  }
  std::lock_guard lock(impl_->mutex);
  if (!impl_->problem.empty()) problems.push_back("marks of nodes: " + impl_->problem);
  return problems;
}

}  // namespace gatehouse::webhook
