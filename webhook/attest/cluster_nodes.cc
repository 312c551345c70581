#include "webhook/attest/cluster_nodes.h"

#include <atomic>

#include "common/base/limits.h"
#include "common/codec/json.h"

#include "webhook/attest/cluster_bindings.h"
#include "webhook/attest/publisher.h"

namespace gatehouse::webhook {
namespace {

class NodeObserver final : public kube::Observer {
 public:
  explicit NodeObserver(NodeRecords& records) : records_(records) {}
  void OnObject(const kube::ObjectKey& key, codec::JsonView object) override {
    records_.SetNode(key.name, std::string(kube::TextAt(object, {"metadata", "uid"})));
  }
  void OnGone(const kube::ObjectKey& key) override { records_.DropNode(key.name); }

 private:
  NodeRecords& records_;
};

Result<kube::NodeAttestation> ReadView(codec::JsonView object) {
  // The reader wants the document that the view is of, for its messages.
  ASSIGN_OR_RETURN(auto document,
                   codec::JsonDocument::Parse(object.Serialize(), {.max_bytes = limits::kKubeObjectBytes}));
  return kube::ReadNodeAttestation(document, document.root());
}

class AttestationObserver final : public kube::Observer {
 public:
  AttestationObserver(kube::Api& api, NodeRecords& records, Publisher& publisher, telemetry::Logger& log)
      : api_(api), records_(records), publisher_(publisher), log_(log) {}
  void OnObject(const kube::ObjectKey& key, codec::JsonView object) override {
    auto attestation = ReadView(object);
    if (!attestation.ok()) {
      log_.Failure(telemetry::Level::kError, "NodeAttestation cannot be read: its node is blocked", attestation.error(),
                   {{"node", key.name}});
      records_.Unreadable(key.name, attestation.error());
      return;
    }
    // What was written may say less than this process knows: an older version, put in place of a newer one.
    publisher_.Enqueue(key.name, records_.Ingest(std::move(*attestation), NodeRecords::Heard::kWatched));
  }
  void OnGone(const kube::ObjectKey& key) override {
    if (records_.IsUnconfirmed(key.name) && IsThere(key.name)) return;
    records_.DropObject(key.name);
    log_.Info("binding released: its NodeAttestation was deleted", {{"node", key.name}});
  }

 private:
  // The one that was made here in place of the one that the watch speaks of. If the API does not say, it is gone: a
  // node that was released must not stay trusted.
  [[nodiscard]] bool IsThere(const std::string& name) {
    auto answer =
        api_.Get(kube::PathOf(kube::kNodeAttestations, {}, name), Deadline(api_.clock(), limits::kRequestTimeout));
    return answer.ok();
  }

  kube::Api& api_;
  NodeRecords& records_;
  Publisher& publisher_;
  telemetry::Logger& log_;
};

}  // namespace

struct ClusterNodes::Impl {
  Impl(kube::Api& api_in, Keys keys, const Clock& clock, telemetry::Logger& log_in, const Random& random,
       Options options_in)
      : api(api_in),
        log(log_in),
        options(options_in),
        records(std::move(keys), clock, options_in.before_node),
        publisher({.api = api_in, .records = records, .log = log_in, .random = random},
                  {.owned = options_in.owned,
                   .shortest_pause = options_in.shortest_pause,
                   .longest_pause = options_in.longest_pause}),
        node_observer(records),
        attestation_observer(api_in, records, publisher, log_in),
        nodes(api_in, {.resource = kube::kNodes, .metadata_only = true}, node_observer, log_in, random),
        attestations(api_in, {.resource = kube::kNodeAttestations}, attestation_observer, log_in, random) {}

  [[nodiscard]] bool Ready() const { return nodes.Synced() && attestations.Synced(); }

  kube::Api& api;
  telemetry::Logger& log;
  const Options options;
  NodeRecords records;
  Publisher publisher;
  NodeObserver node_observer;
  AttestationObserver attestation_observer;
  kube::Informer nodes;
  kube::Informer attestations;
  std::atomic<std::uint64_t> spared{0};
};

ClusterNodes::ClusterNodes(kube::Api& api, Keys keys, const Clock& clock, telemetry::Logger& log, Random random,
                           Options options)
    : impl_(std::make_unique<Impl>(api, std::move(keys), clock, log, random, options)) {}

ClusterNodes::~ClusterNodes() {
  Stop();
}

void ClusterNodes::Start() {
  impl_->nodes.Start();
  impl_->attestations.Start();
  impl_->publisher.Start();
}

void ClusterNodes::Stop() {
  impl_->publisher.Stop();
  impl_->attestations.Stop();
  impl_->nodes.Stop();
}

bool ClusterNodes::Ready() const {
  return impl_->Ready();
}

std::vector<std::string> ClusterNodes::Problems() const {
  std::vector<std::string> problems;
  for (const kube::Informer* informer : {&impl_->nodes, &impl_->attestations}) {
    const std::string& plural = informer->options().resource.plural;
    if (std::string problem = informer->Problem(); !problem.empty()) {
      problems.push_back(plural + ": " + problem);
    } else if (informer->Synced() && informer->SilentFor() > impl_->options.stale_after) {
      problems.push_back(plural + ": the watch is silent");
    }
  }
  for (const Error& problem : impl_->records.Problems()) problems.push_back(problem.ToString());
  return problems;
}

gate::NodeTrust ClusterNodes::Lookup(const NodeName& node, const std::string& policy,
                                     const std::string& generation) const {
  return impl_->records.Lookup(node.text(), policy + "@" + generation);
}

bool ClusterNodes::TrustedMachine(const std::string& node, const policy::PolicySet& set) const {
  return impl_->records.TrustedMachine(node, set);
}

std::map<gate::NodeState, std::size_t> ClusterNodes::Count(const policy::PolicySet& set) const {
  return impl_->records.Count(set);
}

void ClusterNodes::KeysChanged() {
  impl_->records.KeysChanged();
}

std::unique_ptr<BindingStore> ClusterNodes::MakeBindings(std::function<crypto::PrivateKey()> signing_key) {
  impl_->publisher.SignWith(signing_key);
  return std::make_unique<ClusterBindings>(
      ClusterBindings::Parts{.api = impl_->api,
                             .records = impl_->records,
                             .ready = [impl = impl_.get()] { return impl->Ready(); },
                             .signing_key = std::move(signing_key),
                             .owned = impl_->options.owned,
                             .before_node = impl_->options.before_node});
}

void ClusterNodes::Publish(const NodeName& node, const ear::VerifiedEar& result, const std::string& token) {
  Result<Urgency> urgency = impl_->records.Publish(result, token);
  if (!urgency.ok()) {
    impl_->log.Failure(telemetry::Level::kWarn, "result does not count", urgency.error(), {{"node", node.text()}});
  } else if (*urgency == Urgency::kNone) {
    ++impl_->spared;
  } else {
    impl_->publisher.Enqueue(node.text(), *urgency);
  }
}

void ClusterNodes::PublishFailure(const NodeName& node, const Error& error) {
  impl_->publisher.Enqueue(node.text(), impl_->records.PublishFailure(node.text(), error));
}

ClusterNodes::WriteCounts ClusterNodes::writes() const {
  const Publisher::Counts counts = impl_->publisher.counts();
  return {.written = counts.written, .spared = impl_->spared, .failed = counts.failed};
}

}  // namespace gatehouse::webhook
