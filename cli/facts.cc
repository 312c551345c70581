#include "cli/facts.h"

#include <algorithm>
#include <map>

#include "common/base/limits.h"
#include "common/codec/pem.h"
#include "common/codec/time.h"
#include "common/codec/yaml.h"

namespace gatehouse::cli {
namespace {

constexpr Duration kAlive{30'000};    // since a replica's last sign of life
constexpr Duration kLeading{15'000};  // since the leader's

struct Kind {
  std::string_view name;
  const kube::Resource& resource;
  bool mode;
};
const Kind kKinds[] = {{"ImagePolicy", kube::kImagePolicies, true},
                       {"NamespacedImagePolicy", kube::kNamespacedImagePolicies, true},
                       {"NodePolicy", kube::kNodePolicies, true},
                       {"ReferenceValues", kube::kReferenceValues, false},
                       {"TrustRoot", kube::kTrustRoots, false}};

std::int64_t NumberAt(codec::JsonView object, std::initializer_list<std::string_view> path) {
  std::optional<codec::JsonView> at = object;
  for (std::string_view key : path) {
    at = at->Find(key);
    if (!at) return 0;
  }
  return at->AsInt().value_or(0);
}

// The element of an array of objects whose `key` is `value`.
std::optional<codec::JsonView> ElementOf(codec::JsonView object, std::initializer_list<std::string_view> path,
                                         std::string_view key, std::string_view value) {
  std::optional<codec::JsonView> at = object;
  for (std::string_view member : path) {
    at = at->Find(member);
    if (!at) return std::nullopt;
  }
  for (std::size_t i = 0; at->IsArray() && i < at->size(); ++i) {
    if (kube::TextAt(at->at(i), {key}) == value) return at->at(i);
  }
  return std::nullopt;
}

std::optional<WallTime> TimeOf(const std::string& text) {
  const auto time = codec::ParseTime(text);
  return time.ok() ? std::optional(*time) : std::nullopt;
}

std::string KeyOf(std::string_view kind, const std::string& namespace_name, const std::string& name) {
  return std::string(kind) + "/" + namespace_name + "/" + name;
}

PolicyFact FactOf(const Kind& kind, const KubeObject& object) {
  PolicyFact fact;
  fact.kind = kind.name;
  fact.namespace_name = object.Text({"metadata", "namespace"});
  fact.name = object.Text({"metadata", "name"});
  if (kind.mode) {
    fact.mode = object.Text({"spec", "mode"});
    if (fact.mode.empty()) fact.mode = policy::Name(policy::Mode::kEnforce);
  }
  fact.in_force = "Unknown";
  if (const auto condition = ElementOf(object.view, {"status", "conditions"}, "type", "InForce")) {
    // What was said of an earlier generation says nothing of this one.
    const bool current =
        NumberAt(object.view, {"status", "observedGeneration"}) == NumberAt(object.view, {"metadata", "generation"});
    if (current) fact.in_force = kube::TextAt(*condition, {"status"});
    fact.message = current ? std::string(kube::TextAt(*condition, {"message"})) : "not looked at since it was changed";
    // "in force on 2 of 2 replicas" is what is wanted; what follows it is worth a look.
    if (fact.in_force == "True") {
      const std::size_t remark = fact.message.find("; ");
      fact.message = remark == std::string::npos ? "" : fact.message.substr(remark + 2);
    }
  }
  fact.in_force_replicas = NumberAt(object.view, {"status", "replicas", "inForce"});
  fact.replicas = NumberAt(object.view, {"status", "replicas", "total"});
  fact.allowed = NumberAt(object.view, {"status", "decisions", "allowed"});
  fact.denied = NumberAt(object.view, {"status", "decisions", "denied"});
  fact.warned = NumberAt(object.view, {"status", "decisions", "warned"});
  fact.audited = NumberAt(object.view, {"status", "decisions", "audited"});
  return fact;
}

std::map<std::string, policy::Labels> ReadNamespaces(Cluster& cluster, std::vector<std::string>& unread) {
  std::map<std::string, policy::Labels> namespaces;
  auto objects = cluster.List(kube::kNamespaces);
  if (!objects.ok()) {
    unread.push_back("the labels of namespaces: " + objects.error().ToString());
    return namespaces;
  }
  for (const KubeObject& object : *objects) {
    policy::Labels& labels = namespaces[object.Text({"metadata", "name"})];
    const auto metadata = object.view.Find("metadata");
    const auto written = metadata ? metadata->Find("labels") : std::nullopt;
    for (std::size_t i = 0; written && i < written->size(); ++i) {
      const auto member = written->member(i);
      labels[std::string(member.key)] = member.value.AsString().value_or("");
    }
  }
  return namespaces;
}

Result<std::vector<crypto::PublicKey>> ReadKeys(Cluster& cluster) {
  const KubeOptions& options = cluster.options();
  ASSIGN_OR_RETURN(const KubeObject map, cluster.Get(kube::kConfigMaps, options.system, options.release + "-public"));
  ASSIGN_OR_RETURN(const auto blocks, codec::ParsePem(map.Text({"data", "signing-keys.pem"}), Reason::kKeyMalformed));
  std::vector<crypto::PublicKey> keys;
  for (const codec::PemBlock& block : blocks) {
    ASSIGN_OR_RETURN(auto key, crypto::PublicKey::FromSpki(block.der));
    keys.push_back(std::move(key));
  }
  return keys;
}

gate::Unmatched UnmatchedAt(const codec::JsonDocument& config, std::string_view key) {
  const std::string_view text = kube::TextAt(config.root(), {"admission", key});
  if (text == "allow") return gate::Unmatched::kAllow;
  return text == "warn" ? gate::Unmatched::kWarn : gate::Unmatched::kDeny;
}

// What the webhook does with what no policy covers.
Result<gate::GateOptions> ReadGateOptions(Cluster& cluster) {
  const KubeOptions& options = cluster.options();
  auto map = cluster.Get(kube::kConfigMaps, options.system, options.release + "-webhook");
  if (!map.ok() && map.error().reason == Reason::kKubeNotFound) {  // roles in Deployments of their own
    map = cluster.Get(kube::kConfigMaps, options.system, options.release + "-admission");
  }
  if (!map.ok()) return map.error();
  ASSIGN_OR_RETURN(const auto documents, codec::ParseYaml(map->Text({"data", "webhook.yaml"}), "webhook.yaml"));
  if (documents.empty()) return Error{Reason::kConfigInvalid, "webhook.yaml", "the ConfigMap does not hold it"};
  return gate::GateOptions{UnmatchedAt(documents.front(), "unmatchedImages"),
                           UnmatchedAt(documents.front(), "unmatchedNodes")};
}

void ReadReplicas(Cluster& cluster, Facts& facts) {
  const KubeOptions& options = cluster.options();
  auto leases = cluster.List(kube::kLeases, options.system);
  if (!leases.ok()) {
    facts.unread.push_back("the Leases of replicas: " + leases.error().ToString());
    return;
  }
  const std::string prefix = options.release + "-replica-";
  for (const KubeObject& lease : *leases) {
    const std::string name = lease.Text({"metadata", "name"});
    const auto renewed = TimeOf(lease.Text({"spec", "renewTime"}));
    const auto within = [&](Duration limit) { return renewed && facts.now - *renewed <= limit; };
    if (name.starts_with(prefix)) {
      facts.replicas.push_back({name.substr(prefix.size()), renewed, within(kAlive)});
    } else if (name == options.release + "-leader" && within(kLeading)) {
      facts.leader = lease.Text({"spec", "holderIdentity"});
    }
  }
}

void ReadNode(const KubeObject& object, NodeFact& fact) {
  fact.uid = object.Text({"metadata", "uid"});
  fact.label = object.Text({"metadata", "labels", kube::kTrustedLabel});
  const auto spec = object.view.Find("spec");
  const auto taints = spec ? spec->Find("taints") : std::nullopt;
  for (std::size_t i = 0; taints && taints->IsArray() && i < taints->size(); ++i) {
    if (kube::TextAt(taints->at(i), {"key"}) == kube::kUntrustedTaint) {
      fact.taints.emplace_back(kube::TextAt(taints->at(i), {"effect"}));
    }
  }
  if (const auto condition = ElementOf(object.view, {"status", "conditions"}, "type", kube::kNodeCondition)) {
    fact.condition = kube::TextAt(*condition, {"status"});
    fact.condition_message = kube::TextAt(*condition, {"message"});
  }
}

// The EAR is believed only if Gatehouse signed it, of this Node and for the keys that are bound.
void VerifyResult(NodeFact& fact, const Facts& facts) {
  if (!fact.attestation || fact.attestation->ear.empty()) return;
  if (facts.keys.empty()) {
    fact.doubt = "the result was not verified: the public keys of Gatehouse could not be read";
    return;
  }
  auto verified = ear::VerifyPossiblyExpired(fact.attestation->ear, facts.keys, facts.now);
  if (!verified.ok()) {
    fact.doubt = "the result does not verify: " + verified.error().ToString();
    return;
  }
  const ear::AttestationResult& result = verified->result();
  if (result.node != fact.name) {
    fact.doubt = "the result is of the node " + Printable(result.node);
  } else if (result.node_uid != fact.uid) {
    fact.doubt = "the result is of a Node of this name that was there before (UID " + Printable(result.node_uid) + ")";
  } else if (result.ek != fact.attestation->ek || result.ak_name != fact.attestation->ak) {
    fact.doubt = "the result is of other keys than those that are bound";
  } else {
    fact.result = result;
  }
}

// Whether the policy is about pods of the namespace that was asked for.
Result<bool> IsAbout(const policy::NodePolicy& policy, const Facts& facts) {
  if (!facts.pods_of) return true;
  return policy.namespace_selector.Matches(facts.set->NamespaceLabels(*facts.pods_of),
                                           policy::PolicySet::ImplicitNamespaceLabels(*facts.pods_of));
}

// The verdict as the controller judges: policies on trial count only where no others cover the node. Whether it may be
// used as the gate does.
void JudgeNode(NodeFact& fact, const Facts& facts) {
  fact.uncovered = facts.gate.unmatched_nodes;
  std::vector<std::string> effective;
  std::vector<std::string> on_trial;
  std::vector<std::string> enforced;
  bool about = false;
  bool unknown = false;
  for (const policy::NodePolicy& policy : facts.set->node_policies) {
    const bool covers = std::any_of(policy.nodes.begin(), policy.nodes.end(),
                                    [&](const policy::Glob& glob) { return glob.Matches(fact.name); });
    if (!covers) continue;
    fact.policies.push_back(&policy);
    auto& names = policy.mode == policy::Mode::kAudit ? on_trial : effective;
    names.push_back(policy.name + "@" + policy.generation);
    const Result<bool> selected = IsAbout(policy, facts);
    if (selected.ok() && !*selected) continue;
    about = true;
    if (policy.mode != policy::Mode::kEnforce) continue;
    enforced.push_back(policy.name + "@" + policy.generation);
    unknown = unknown || !selected.ok();
  }
  const std::optional<kube::Failure> failure = fact.attestation ? fact.attestation->failure : std::nullopt;
  fact.standing = kube::Judge(fact.result, failure, effective.empty() ? on_trial : effective, facts.now);
  kube::Verdict at_the_gate = kube::Judge(fact.result, failure, enforced, facts.now).verdict;
  if (!fact.doubt.empty() && !fact.result && facts.keys.empty() && fact.attestation && !fact.policies.empty()) {
    // As it is recorded: better than nothing, and it is said beside.
    fact.standing.verdict = fact.attestation->verdict;
    fact.standing.expires = fact.attestation->expires;
    at_the_gate = fact.attestation->verdict;
  }
  fact.may_be_used = about ? enforced.empty() || (!unknown && at_the_gate == kube::Verdict::kTrusted)
                           : fact.uncovered != gate::Unmatched::kDeny;
  const bool written = fact.attestation && fact.attestation->verdict == fact.standing.verdict;
  if (written && fact.attestation->since != WallTime{}) fact.since = fact.attestation->since;
}

Status ReadNodes(Cluster& cluster, const std::optional<std::string>& only, Facts& facts) {
  std::map<std::string, NodeFact> nodes;
  const auto take = [&](const kube::Resource& resource, const auto& read) -> Status {
    const std::string query = only ? "fieldSelector=" + net::EncodeQueryValue("metadata.name=" + *only) : "";
    ASSIGN_OR_RETURN(const auto objects, cluster.List(resource, {}, query));
    for (const KubeObject& object : objects) {
      const std::string name = object.Text({"metadata", "name"});
      if (only && name != *only) continue;
      NodeFact& fact = nodes[name];
      fact.name = name;
      read(object, fact);
    }
    return Ok();
  };
  RETURN_IF_ERROR(take(kube::kNodes, ReadNode));
  RETURN_IF_ERROR(take(kube::kNodeAttestations, [](const KubeObject& object, NodeFact& fact) {
    auto attestation = kube::ReadNodeAttestation(*object.document, object.view);
    if (attestation.ok()) {
      fact.attestation = std::move(*attestation);
    } else {
      fact.doubt = "the NodeAttestation cannot be read: " + attestation.error().ToString();
    }
  }));
  for (auto& [name, fact] : nodes) {
    VerifyResult(fact, facts);
    JudgeNode(fact, facts);
    facts.nodes.push_back(std::move(fact));
  }
  return Ok();
}

}  // namespace

Result<Policies> ReadPolicies(Cluster& cluster, std::vector<std::string>& unread) {
  Policies read;
  std::vector<policy::ApiObject> objects;
  for (const Kind& kind : kKinds) {
    auto listed = cluster.List(kind.resource);
    if (!listed.ok()) return listed.error().In(std::string(kind.name));
    for (const KubeObject& object : *listed) {
      read.facts.push_back(FactOf(kind, object));
      objects.push_back({.kind = std::string(kind.name),
                         .namespace_name = read.facts.back().namespace_name,
                         .name = read.facts.back().name,
                         .generation = NumberAt(object.view, {"metadata", "generation"}),
                         .json = object.view.Serialize()});
    }
  }
  std::map<std::string, policy::ApiObject> last_good;
  policy::ObjectsOutcome outcome = policy::LoadObjects(objects, ReadNamespaces(cluster, unread), last_good);
  read.set = outcome.set;
  std::map<std::string, const policy::ObjectState*> states;
  for (const policy::ObjectState& state : outcome.states) {
    states[KeyOf(state.kind, state.namespace_name, state.name)] = &state;
  }
  for (PolicyFact& fact : read.facts) {
    const auto state = states.find(KeyOf(fact.kind, fact.namespace_name, fact.name));
    if (state == states.end() || !fact.message.empty()) continue;
    fact.message = state->second->message;
    if (!state->second->in_force) fact.in_force = "False";
  }
  return read;
}

Result<Facts> ReadFacts(Cluster& cluster, const std::optional<std::string>& only_node,
                        const std::optional<std::string>& pods_of) {
  Facts facts;
  facts.pods_of = pods_of;
  facts.now = cluster.clock().Wall();
  ASSIGN_OR_RETURN(Policies policies, ReadPolicies(cluster, facts.unread));
  facts.policies = std::move(policies.facts);
  facts.set = std::move(policies.set);
  auto keys = ReadKeys(cluster);
  if (keys.ok()) {
    facts.keys = std::move(*keys);
  } else {
    facts.unread.push_back("the public keys of Gatehouse: " + keys.error().ToString());
  }
  auto gate = ReadGateOptions(cluster);
  if (gate.ok()) {
    facts.gate = *gate;
  } else {
    facts.unread.push_back("the webhook's configuration, so that what no policy covers counts as refused: " +
                           gate.error().ToString());
  }
  ReadReplicas(cluster, facts);
  RETURN_IF_ERROR(ReadNodes(cluster, only_node, facts));
  return facts;
}

}  // namespace gatehouse::cli
