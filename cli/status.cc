// gatehouse status: one screen of what is in force, which nodes are trusted, and what wants looking at.
#include <algorithm>
#include <iostream>

#include "cli/show.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::cli {
namespace {

struct Attention {
  std::string what;
  std::string next;  // the command that says more; may be empty
};

std::vector<Attention> AttentionOf(const Facts& facts, const Options& options) {
  std::vector<Attention> list;
  const auto alive =
      std::count_if(facts.replicas.begin(), facts.replicas.end(), [](const auto& one) { return one.alive; });
  const bool leases_read = std::none_of(facts.unread.begin(), facts.unread.end(), [](const std::string& text) {
    return text.find("Leases") != std::string::npos;
  });
  if (leases_read && alive == 0) {
    list.push_back({"no replica of Gatehouse has reported for 30 seconds",
                    "kubectl -n " + options.kube.system + " get pods -l app.kubernetes.io/name=gatehouse"});
  } else if (leases_read && facts.leader.empty()) {
    list.push_back({"nobody leads: labels, taints, certificates and the status of policies are not kept", ""});
  }
  for (const PolicyFact& policy : facts.policies) {
    if (policy.in_force == "True" && policy.message.empty()) continue;
    const std::string what = policy.in_force == "True" ? "is in force, but: " : "is not in force everywhere: ";
    list.push_back({policy.kind + " " + policy.FullName() + " " + what +
                        (policy.message.empty() ? "nobody has said that it is" : Printable(policy.message, 512)),
                    ""});
  }
  for (const kube::Verdict verdict : {kube::Verdict::kUntrusted, kube::Verdict::kExpired, kube::Verdict::kUnknown}) {
    for (const NodeFact& node : facts.nodes) {
      if (node.policies.empty() || node.standing.verdict != verdict) continue;
      std::string what = "node " + node.name + " is " + VerdictText(node);
      if (!node.standing.findings.empty()) what += ": " + Describe(node.standing.findings.front());
      list.push_back({what, options.program + " why node " + node.name});
    }
  }
  for (const std::string& unread : facts.unread) list.push_back({"not read: " + Printable(unread, 512), ""});
  return list;
}

std::string PolicyTable(const Facts& facts) {
  Table table({"KIND", "NAME", "MODE", "IN FORCE", "REPLICAS", "ALLOWED", "DENIED", "WARNED", "AUDITED"});
  for (const PolicyFact& policy : facts.policies) {
    const bool decides = !policy.mode.empty();
    const auto count = [&](std::int64_t number) { return decides ? std::to_string(number) : "-"; };
    table.Add({policy.kind, policy.FullName(), decides ? policy.mode : "-", policy.in_force,
               std::to_string(policy.in_force_replicas) + "/" + std::to_string(policy.replicas), count(policy.allowed),
               count(policy.denied), count(policy.warned), count(policy.audited)});
  }
  return table.empty() ? "  none: what no policy covers is decided by unmatchedImages and unmatchedNodes\n"
                       : table.Text("  ");
}

std::string NodeTable(const Facts& facts) {
  Table table({"NAME", "VERDICT", "SINCE", "UNTIL", "REASON"});
  for (const NodeFact& node : facts.nodes) {
    const bool until = node.standing.expires != WallTime{};
    table.Add({node.name, VerdictText(node), node.since ? Age(facts.now - *node.since) : "-",
               until ? Relative(node.standing.expires, facts.now) : "-",
               node.standing.findings.empty() ? "" : std::string(Token(node.standing.findings.front().reason))});
  }
  return table.empty() ? "  none\n" : table.Text("  ");
}

std::string ReplicaTable(const Facts& facts) {
  Table table({"NAME", "REPORTED", "LEADS"});
  for (const ReplicaFact& replica : facts.replicas) {
    table.Add({replica.name, replica.renewed ? Relative(*replica.renewed, facts.now) : "never",
               replica.name == facts.leader ? "yes" : ""});
  }
  return table.empty() ? "  none\n" : table.Text("  ");
}

void PrintText(const Facts& facts, const std::vector<Attention>& attention) {
  if (attention.empty()) {
    std::cout << "Nothing needs attention.\n";
  } else {
    std::cout << "NEEDS ATTENTION\n";
    for (const Attention& one : attention) {
      std::cout << "  " << one.what << "\n";
      if (!one.next.empty()) std::cout << "    " << one.next << "\n";
    }
  }
  std::cout << "\nPOLICIES\n"
            << PolicyTable(facts) << "\nNODES\n"
            << NodeTable(facts) << "\nREPLICAS\n"
            << ReplicaTable(facts);
}

void PrintJson(const Facts& facts, const std::vector<Attention>& attention, const Options& options) {
  codec::JsonWriter json;
  json.BeginObject().Key("attention").BeginArray();
  for (const Attention& one : attention)
    json.BeginObject().Member("what", one.what).Member("next", one.next).EndObject();
  json.EndArray().Key("policies").BeginArray();
  for (const PolicyFact& policy : facts.policies) {
    json.BeginObject()
        .Member("kind", policy.kind)
        .Member("namespace", policy.namespace_name)
        .Member("name", policy.name);
    json.Member("mode", policy.mode).Member("inForce", policy.in_force).Member("message", policy.message);
    json.Key("replicas").BeginObject().Key("inForce").Int(policy.in_force_replicas).Key("total").Int(policy.replicas);
    json.EndObject().Key("decisions").BeginObject().Key("allowed").Int(policy.allowed).Key("denied").Int(policy.denied);
    json.Key("warned").Int(policy.warned).Key("audited").Int(policy.audited).EndObject().EndObject();
  }
  json.EndArray().Key("nodes").BeginArray();
  for (const NodeFact& node : facts.nodes) WriteNode(json, node, facts, options.kube);
  json.EndArray().Key("replicas").BeginArray();
  for (const ReplicaFact& replica : facts.replicas) {
    json.BeginObject().Member("name", replica.name).Key("alive").Bool(replica.alive);
    if (replica.renewed) json.Member("reported", codec::FormatTime(*replica.renewed));
    json.Key("leads").Bool(replica.name == facts.leader).EndObject();
  }
  json.EndArray().Member("leader", facts.leader).EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

}  // namespace

int ClusterStatus(const Options& options) {
  auto cluster = Cluster::Connect(options.kube);
  if (!cluster.ok()) {
    PrintError(cluster.error(), options.json);
    return kUsageOrPolicy;
  }
  auto facts = ReadFacts(**cluster);
  if (!facts.ok()) {
    PrintError(facts.error(), options.json);
    return kCouldNotCheck;
  }
  const std::vector<Attention> attention = AttentionOf(*facts, options);
  if (options.json) {
    PrintJson(*facts, attention, options);
  } else {
    PrintText(*facts, attention);
  }
  return attention.empty() ? kAdmitted : kRefused;
}

}  // namespace gatehouse::cli
