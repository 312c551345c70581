// gatehouse attest now NODE: has the node attest again, and says what came of it.
#include <iostream>
#include <thread>

#include "cli/show.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::cli {
namespace {

constexpr Duration kBetween{500};

struct Record {
  WallTime attested{};
  std::optional<kube::Failure> failure;
};

Result<Record> ReadRecord(Cluster& cluster, const std::string& node) {
  auto object = cluster.Get(kube::kNodeAttestations, {}, node);
  if (!object.ok() && object.error().reason == Reason::kKubeNotFound) return Record{};
  if (!object.ok()) return object.error();
  ASSIGN_OR_RETURN(const auto attestation, kube::ReadNodeAttestation(*object->document, object->view));
  return Record{attestation.attested, attestation.failure};
}

// A result that says the same is otherwise written only when the one that is there has grown old.
Status AskForNewer(Cluster& cluster, const std::string& node, WallTime than) {
  codec::JsonWriter json;
  json.BeginObject().Key("metadata").BeginObject().Key("annotations").BeginObject();
  json.Member(kube::kNewerThan, codec::FormatTime(than)).EndObject().EndObject().EndObject();
  return cluster.Patch(kube::kNodeAttestations, node, std::move(json).Finish());
}

// The agent of this release, not another vendor's or release's: by the chart's labels, and by the release's name as
// label or, with fullnameOverride, in the name of its DaemonSet.
bool IsOfRelease(const KubeObject& pod, const std::string& release) {
  if (pod.Text({"metadata", "labels", "app.kubernetes.io/instance"}) == release) return true;
  const auto metadata = pod.view.Find("metadata");
  const auto owners = metadata ? metadata->Find("ownerReferences") : std::nullopt;
  for (std::size_t i = 0; owners && owners->IsArray() && i < owners->size(); ++i) {
    if (kube::TextAt(owners->at(i), {"kind"}) == "DaemonSet" &&
        kube::TextAt(owners->at(i), {"name"}) == release + "-agent") {
      return true;
    }
  }
  return false;
}

// An agent attests when it starts.
Status RestartAgents(Cluster& cluster, const std::string& node) {
  const std::string& system = cluster.options().system;
  const std::string query =
      "labelSelector=" + net::EncodeQueryValue("app.kubernetes.io/name=gatehouse,app.kubernetes.io/component=agent") +
      "&fieldSelector=" + net::EncodeQueryValue("spec.nodeName=" + node);
  ASSIGN_OR_RETURN(auto pods, cluster.List(kube::kPods, system, query));
  std::erase_if(pods, [&](const KubeObject& pod) { return !IsOfRelease(pod, cluster.options().release); });
  if (pods.empty()) {
    return Error{Reason::kUsage, "node " + node,
                 "no pod of the agent of release " + cluster.options().release + " is on it in namespace " + system +
                     " (--release and --system name others; an agent that is no "
                     "pod is restarted on the machine: systemctl restart gatehouse-agent)"};
  }
  for (const KubeObject& pod : pods) {
    RETURN_IF_ERROR(cluster.Delete(kube::kPods, system, pod.Text({"metadata", "name"}), pod.Text({"metadata", "uid"})));
  }
  return Ok();
}

// Whether something newer came in time.
Result<bool> Await(Cluster& cluster, const std::string& node, const Record& before, Duration at_most) {
  const Deadline deadline(cluster.clock(), at_most);
  for (;;) {
    ASSIGN_OR_RETURN(const Record now, ReadRecord(cluster, node));
    const bool failed = now.failure && (!before.failure || now.failure->time > before.failure->time);
    if (now.attested > before.attested || failed) return true;
    if (deadline.Remaining() < kBetween) return false;
    std::this_thread::sleep_for(kBetween);
  }
}

Result<int> Run(Cluster& cluster, const Options& options) {
  ASSIGN_OR_RETURN(const Record before, ReadRecord(cluster, options.node));
  if (before.attested != WallTime{}) RETURN_IF_ERROR(AskForNewer(cluster, options.node, before.attested));
  RETURN_IF_ERROR(RestartAgents(cluster, options.node));
  if (!options.json) std::cerr << "the agent on " << options.node << " is restarted; waiting for its attestation\n";
  ASSIGN_OR_RETURN(const bool came, Await(cluster, options.node, before, std::chrono::seconds(options.wait_seconds)));
  if (!came) {
    return Error{Reason::kDeadlineExceeded, "node " + options.node,
                 "no result in " + std::to_string(options.wait_seconds) + " s; " + options.program + " why node " +
                     options.node + " says what is known"};
  }
  ASSIGN_OR_RETURN(const Facts facts, ReadFacts(cluster, options.node));
  if (facts.nodes.empty()) return Error{Reason::kUsage, options.node, "there is no Node of this name"};
  const NodeFact& node = facts.nodes.front();
  if (options.json) {
    codec::JsonWriter json;
    WriteNode(json, node, facts, options.kube);
    std::cout << std::move(json).Finish() << "\n";
  } else {
    std::cout << DescribeNode(node, facts, options.kube);
  }
  return static_cast<int>(ExitCodeOf(node));
}

}  // namespace

int AttestNow(const Options& options) {
  auto cluster = Cluster::Connect(options.kube);
  if (!cluster.ok()) {
    PrintError(cluster.error(), options.json);
    return kUsageOrPolicy;
  }
  auto code = Run(**cluster, options);
  if (code.ok()) return *code;
  PrintError(code.error(), options.json);
  return code.error().reason == Reason::kUsage ? kUsageOrPolicy : kCouldNotCheck;
}

}  // namespace gatehouse::cli
