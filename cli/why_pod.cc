// What `gatehouse why` says of a pod, or of one that was refused before there was any.
#include <algorithm>
#include <iostream>

#include "cli/show.h"
#include "cli/why.h"
#include "common/base/encoding.h"
#include "common/codec/json.h"

namespace gatehouse::cli {
namespace {

constexpr std::size_t kTextBytes = 2048;  // a refusal has 1 KiB, and what the scheduler writes around it
constexpr std::size_t kRefusals = 3;

// Both halves: that a webhook refused, and that it was this one (its messages begin with its name).
bool IsOurs(const std::string& message) {
  return message.find("denied the request: ") != std::string::npos && message.find("gatehouse") != std::string::npos;
}

struct Refusal {
  std::string time;
  std::string about;  // "ReplicaSet web-5d4f"
  std::string message;
};

// Newest first, each message once.
Result<std::vector<Refusal>> RefusalsOf(Cluster& cluster, const std::string& name, bool exactly) {
  ASSIGN_OR_RETURN(const auto events, cluster.List(kube::kEvents, cluster.namespace_name()));
  std::vector<Refusal> refusals;
  for (const KubeObject& event : events) {
    const std::string about = event.Text({"involvedObject", "name"});
    const std::string message = event.Text({"message"});
    if (!IsOurs(message) || !(about == name || (!exactly && about.starts_with(name + "-")))) continue;
    std::string time = event.Text({"series", "lastObservedTime"});
    if (time.empty()) time = event.Text({"lastTimestamp"});
    if (time.empty()) time = event.Text({"eventTime"});
    refusals.push_back({time, event.Text({"involvedObject", "kind"}) + " " + about, message});
  }
  std::stable_sort(refusals.begin(), refusals.end(),
                   [](const Refusal& a, const Refusal& b) { return a.time > b.time; });
  std::vector<Refusal> distinct;
  for (Refusal& refusal : refusals) {
    const bool known = std::any_of(distinct.begin(), distinct.end(),
                                   [&](const Refusal& one) { return one.message == refusal.message; });
    if (!known && distinct.size() < kRefusals) distinct.push_back(std::move(refusal));
  }
  return distinct;
}

struct PodFact {
  std::string name;
  std::string namespace_name;
  std::string phase;
  std::string node;       // on which it is; empty: on none yet
  std::string scheduler;  // why it is not scheduled
  std::vector<Refusal> refusals;
  std::optional<gate::Decision> decision;  // of its images, now
  std::optional<Error> not_judged;

  // An event may be older than what the scheduler says now.
  [[nodiscard]] bool held() const {
    return IsOurs(scheduler) || (scheduler.empty() && node.empty() && !refusals.empty());
  }
};

std::string SchedulerMessage(const KubeObject& pod) {
  const auto status = pod.view.Find("status");
  const auto conditions = status ? status->Find("conditions") : std::nullopt;
  for (std::size_t i = 0; conditions && i < conditions->size(); ++i) {
    const auto condition = conditions->at(i);
    if (kube::TextAt(condition, {"type"}) == "PodScheduled" && kube::TextAt(condition, {"status"}) == "False") {
      return std::string(kube::TextAt(condition, {"message"}));
    }
  }
  return "";
}

// Its images only: what its node is worth is known here from the cluster.
Result<gate::Decision> JudgeImages(const KubeObject& pod, const Facts& facts, const Options& options,
                                   const std::string& namespace_name) {
  const auto parsed = admission::ParseManifestObject(pod.view.Serialize(), namespace_name);
  if (!parsed.ok()) return parsed.error().error;
  admission::ReviewRequest request = parsed.request();
  request.node.reset();
  Options as_configured = options;
  as_configured.gate = facts.gate;
  ASSIGN_OR_RETURN(const auto gate, LocalGate::Make(as_configured, facts.set));
  return gate->Decide(request);
}

// "nodes 1 of 3 may be used; …": by what the gate would refuse.
std::string DescribeNodes(const Facts& facts) {
  constexpr std::size_t kShown = 5;
  std::size_t refused = 0;
  std::size_t moot = 0;
  std::string no;
  std::string not_enforced;
  for (const NodeFact& node : facts.nodes) {
    const bool trusted = node.policies.empty() || node.standing.verdict == kube::Verdict::kTrusted;
    if (node.may_be_used && trusted) continue;
    std::size_t& count = node.may_be_used ? moot : refused;
    std::string& names = node.may_be_used ? not_enforced : no;
    const std::string what = node.policies.empty() ? "not covered" : std::string(Name(node.standing.verdict));
    if (++count <= kShown) names += (names.empty() ? "" : ", ") + node.name + " (" + what + ")";
    if (count == kShown + 1) names += ", ...";
  }
  return "nodes        " + std::to_string(facts.nodes.size() - refused) + " of " + std::to_string(facts.nodes.size()) +
         " may be used" + (no.empty() ? "" : "; not: " + no) +
         (not_enforced.empty() ? "" : "; not enforced: " + not_enforced) + "\n";
}

std::string DescribePod(const PodFact& pod, const Facts& facts, const KubeOptions& options) {
  const std::string where = pod.node.empty() ? "on no node yet" : "on node " + Printable(pod.node);
  std::string text = "pod " + pod.namespace_name + "/" + pod.name + ": " + Printable(pod.phase) + ", " + where + "\n";
  if (!pod.scheduler.empty()) {
    text += std::string(IsOurs(pod.scheduler) ? "held back    " : "scheduler    ") +
            Printable(pod.scheduler, kTextBytes) + "\n";
    if (!IsOurs(pod.scheduler)) text += "             That is not Gatehouse's doing.\n";
  }
  for (const Refusal& refusal : pod.refusals) {
    if (refusal.message.find(pod.scheduler) != std::string::npos && !pod.scheduler.empty()) continue;
    text += "event        " + Printable(refusal.time) + " " + Printable(refusal.message, kTextBytes) + "\n";
  }
  if (pod.decision)
    text += "images now   " + std::string(pod.decision->outcome()) + "\n" + DescribeDecision(*pod.decision);
  if (pod.not_judged) text += "images now   not judged: " + pod.not_judged->ToString() + "\n";
  if (!pod.node.empty()) {
    if (!facts.nodes.empty()) return text + DescribeNode(facts.nodes.front(), facts, options);
    return text + "node " + Printable(pod.node) + ": there is no such Node\n";
  }
  return text + DescribeNodes(facts);
}

void PrintPodJson(const PodFact& pod, const Facts& facts, const KubeOptions& options) {
  codec::JsonWriter json;
  json.BeginObject().Member("pod", pod.name).Member("namespace", pod.namespace_name).Member("phase", pod.phase);
  json.Member("node", pod.node).Key("heldBack").Bool(pod.held()).Member("scheduler", pod.scheduler);
  json.Key("refusals").BeginArray();
  for (const Refusal& refusal : pod.refusals) {
    json.BeginObject().Member("time", refusal.time).Member("message", refusal.message).EndObject();
  }
  json.EndArray().Key("images").BeginObject();
  json.Member("outcome", pod.decision ? pod.decision->outcome() : "not judged");
  if (pod.decision) WriteDecision(json, *pod.decision);
  if (pod.not_judged) json.Member("detail", pod.not_judged->ToString());
  json.EndObject().Key("nodes").BeginArray();
  for (const NodeFact& node : facts.nodes) WriteNode(json, node, facts, options);
  json.EndArray().EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

int ExitCodeOfPod(const PodFact& pod, const Facts& facts) {
  const bool bad_node = !pod.node.empty() && !facts.nodes.empty() && ExitCodeOf(facts.nodes.front()) != kAdmitted;
  if (pod.held() || bad_node) return kRefused;
  if (!pod.decision) return kCouldNotCheck;
  return ExitCodeOf(*pod.decision);
}

}  // namespace

Result<std::optional<int>> WhyPod(Cluster& cluster, const std::string& name, const Options& options) {
  auto object = cluster.Get(kube::kPods, cluster.namespace_name(), name);
  if (!object.ok() && object.error().reason == Reason::kKubeNotFound) return std::optional<int>();
  if (!object.ok()) return object.error();
  PodFact pod;
  pod.name = name;
  pod.namespace_name = cluster.namespace_name();
  pod.phase = object->Text({"status", "phase"});
  pod.node = object->Text({"spec", "nodeName"});
  pod.scheduler = SchedulerMessage(*object);
  const auto only = pod.node.empty() ? std::nullopt : std::optional(pod.node);
  ASSIGN_OR_RETURN(Facts facts, ReadFacts(cluster, only, pod.namespace_name));
  auto refusals = RefusalsOf(cluster, name, true);
  if (refusals.ok()) {
    pod.refusals = std::move(*refusals);
  } else {
    facts.unread.push_back("events: " + refusals.error().ToString());
  }
  auto decision = JudgeImages(*object, facts, options, pod.namespace_name);
  if (decision.ok()) {
    pod.decision = std::move(*decision);
  } else {
    pod.not_judged = decision.error();
  }
  if (options.json) {
    PrintPodJson(pod, facts, options.kube);
  } else {
    std::cout << DescribePod(pod, facts, options.kube);
    for (const std::string& unread : facts.unread) std::cout << "not read     " << unread << "\n";
  }
  return std::optional<int>(ExitCodeOfPod(pod, facts));
}

Result<std::optional<int>> WhyRefused(Cluster& cluster, const std::string& name, const Options& options) {
  ASSIGN_OR_RETURN(const auto refusals, RefusalsOf(cluster, name, false));
  if (refusals.empty()) return std::optional<int>();
  if (options.json) {
    codec::JsonWriter json;
    json.BeginObject().Member("name", name).Member("namespace", cluster.namespace_name()).Key("refusals").BeginArray();
    for (const Refusal& refusal : refusals) {
      json.BeginObject().Member("time", refusal.time).Member("about", refusal.about);
      json.Member("message", refusal.message).EndObject();
    }
    json.EndArray().EndObject();
    std::cout << std::move(json).Finish() << "\n";
  } else {
    std::cout << name << ": there is no such pod; what events tell of it:\n";
    for (const Refusal& refusal : refusals) {
      std::cout << "  " << Printable(refusal.time) << " " << Printable(refusal.about) << ": "
                << Printable(refusal.message, kTextBytes) << "\n";
    }
  }
  return std::optional<int>(kRefused);
}

}  // namespace gatehouse::cli
