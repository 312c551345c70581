#include "cli/show.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/codec/time.h"

namespace gatehouse::cli {
namespace {

constexpr std::size_t kTextBytes = 1024;

std::string Shown(const std::string& text) {
  return Printable(text, kTextBytes);
}

std::string AgentPods(const NodeFact& node, const KubeOptions& options) {
  return "kubectl -n " + options.system +
         " get pods -l app.kubernetes.io/name=gatehouse,app.kubernetes.io/component=agent --field-selector "
         "spec.nodeName=" +
         node.name;
}

std::string KeepingOn(const policy::NodePolicy& policy) {
  return policy.name + " (" + std::string(policy::Name(policy.mode)) + ")";
}

std::string OnTheNode(const NodeFact& node) {
  if (node.uid.empty()) return "there is no Node of this name";
  std::string text = "label " + (node.label.empty() ? "absent" : "trusted=" + Shown(node.label));
  text += "; taint ";
  if (node.taints.empty()) text += "absent";
  for (std::size_t i = 0; i < node.taints.size(); ++i) text += (i == 0 ? "" : ", ") + Shown(node.taints[i]);
  text += "; condition " + std::string(kube::kNodeCondition) +
          (node.condition.empty() ? " absent" : "=" + Shown(node.condition));
  return text;
}

std::string PolicyLine(const policy::NodePolicy& policy, const NodeFact& node, WallTime now) {
  const std::string head = KeepingOn(policy) + ": ";
  if (!node.result) return head + "no result";
  for (const ear::PolicyAppraisal& appraisal : node.result->appraisals) {
    if (appraisal.policy != policy.name + "@" + policy.generation) continue;
    if (appraisal.tier != ear::Tier::kAffirming) return head + std::string(ear::Name(appraisal.tier));
    return head + std::string(ear::Name(appraisal.tier)) +
           (appraisal.expires > now ? ", holds until " : ", held until ") + codec::FormatTime(appraisal.expires) +
           " (" + Relative(appraisal.expires, now) + ")";
  }
  return head + "not appraised by this policy as it is now";
}

std::string Uncovered(gate::Unmatched unmatched) {
  if (unmatched == gate::Unmatched::kAllow) return "pods may be put on it (unmatchedNodes: allow)";
  return unmatched == gate::Unmatched::kWarn ? "pods may be put on it, with a warning (unmatchedNodes: warn)"
                                             : "no pod may be put on it (unmatchedNodes: deny)";
}

std::string Binding(const NodeFact& node) {
  const kube::NodeAttestation& attestation = *node.attestation;
  std::string text = "EK " + Shown(attestation.ek) + ", AK " + Shown(attestation.ak);
  if (attestation.enrolled != WallTime{}) text += ", enrolled " + codec::FormatTime(attestation.enrolled);
  return text;
}

}  // namespace

std::string Table::Text(const std::string& indent) const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line = indent;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::string Age(Duration age) {
  const std::int64_t seconds = std::max<std::int64_t>(age.count() / 1000, 0);
  if (seconds < 120) return std::to_string(seconds) + "s";
  if (seconds < 2 * 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 2 * 86400) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

std::string Relative(WallTime time, WallTime now) {
  return time > now ? "in " + Age(time - now) : Age(now - time) + " ago";
}

std::string Describe(const appraisal::Finding& finding) {
  return Shown(Error{finding.reason, finding.where, finding.detail}.ToString());
}

std::string ProgramName(std::string_view argv0) {
  const std::size_t slash = argv0.rfind('/');
  if (slash != std::string_view::npos) argv0.remove_prefix(slash + 1);
  return argv0 == "kubectl-gatehouse" ? "kubectl gatehouse" : "gatehouse";
}

std::string VerdictText(const NodeFact& node) {
  if (node.policies.empty()) return "not covered";
  const bool moot = node.may_be_used && node.standing.verdict != kube::Verdict::kTrusted;
  return std::string(Name(node.standing.verdict)) + (moot ? " (not enforced)" : "");
}

ExitCode ExitCodeOf(const NodeFact& node) {
  return node.may_be_used ? kAdmitted : kRefused;
}

std::vector<std::string> AdviceFor(const NodeFact& node, const KubeOptions& options) {
  std::vector<std::string> advice;
  if (node.policies.empty() && node.may_be_used) return advice;
  if (node.policies.empty()) return {std::string(Sentence(Reason::kNoPolicyMatches))};
  if (node.standing.verdict == kube::Verdict::kTrusted) return advice;
  bool agent = node.standing.verdict == kube::Verdict::kExpired || !node.attestation || node.attestation->ear.empty();
  bool values = false;
  bool conflict = false;
  for (const appraisal::Finding& finding : node.standing.findings) {
    const std::string sentence(Sentence(finding.reason));
    if (std::find(advice.begin(), advice.end(), sentence) == advice.end()) advice.push_back(sentence);
    agent = agent || finding.reason == Reason::kNodeUnknown || ClassOf(finding.reason) == ReasonClass::kStale;
    values = values || finding.reason == Reason::kPcrMismatch;
    conflict = conflict || finding.reason == Reason::kNodeConflict;
  }
  if (values) {
    advice.push_back(
        "If that is what the node is meant to boot, add the values to the ReferenceValues of its NodePolicy; "
        "else take the node out of service and look at it.");
  }
  if (conflict) {
    advice.push_back("If its TPM was replaced on purpose, release the binding: kubectl delete nodeattestation " +
                     node.name);
  }
  if (agent) advice.push_back("Whether its agent runs: " + AgentPods(node, options));
  if (node.uid.empty()) {
    advice.push_back("There is no Node of this name; if it is gone for good: kubectl delete nodeattestation " +
                     node.name);
  }
  return advice;
}

std::string DescribeNode(const NodeFact& node, const Facts& facts, const KubeOptions& options) {
  std::string text = "node " + Shown(node.name) + ": " + VerdictText(node);
  if (node.since) text += " since " + codec::FormatTime(*node.since) + " (" + Age(facts.now - *node.since) + ")";
  text += "\n";
  for (const appraisal::Finding& finding : node.standing.findings) text += "  " + Describe(finding) + "\n";
  if (!node.doubt.empty()) text += "  " + Shown(node.doubt) + "\n";
  if (node.policies.empty()) text += "  no NodePolicy covers it: " + Uncovered(node.uncovered) + "\n";
  for (std::size_t i = 0; i < node.policies.size(); ++i) {
    text += (i == 0 ? "by policy    " : "             ") + PolicyLine(*node.policies[i], node, facts.now) + "\n";
  }
  if (!node.policies.empty() && node.may_be_used && node.standing.verdict != kube::Verdict::kTrusted) {
    text += "not enforced pods may be put on it: no NodePolicy in mode enforce " +
            (facts.pods_of ? "for namespace " + Shown(*facts.pods_of) + " " : "") + "refuses it\n";
  }
  text += "on the Node  " + OnTheNode(node) + "\n";
  if (node.result) {
    text += "attested     " + codec::FormatTime(node.result->issued) + " (" + Relative(node.result->issued, facts.now) +
            ")\n";
  }
  if (node.attestation && node.attestation->failure) {
    const kube::Failure& failure = *node.attestation->failure;
    text += "failed       " + codec::FormatTime(failure.time) + ": " +
            Describe({failure.reason, failure.where, failure.detail}) + "\n";
  }
  text += "binding      " + (node.attestation ? Binding(node) : std::string("none: the node has not enrolled")) + "\n";
  const std::vector<std::string> advice = AdviceFor(node, options);
  for (std::size_t i = 0; i < advice.size(); ++i)
    text += (i == 0 ? "to do        " : "             ") + advice[i] + "\n";
  return text;
}

void WriteNode(codec::JsonWriter& json, const NodeFact& node, const Facts& facts, const KubeOptions& options) {
  json.BeginObject().Member("name", node.name).Key("covered").Bool(!node.policies.empty());
  json.Member("verdict", Name(node.standing.verdict)).Key("mayBeUsed").Bool(node.may_be_used);
  if (node.since) json.Member("since", codec::FormatTime(*node.since));
  if (node.standing.expires != WallTime{}) json.Member("expires", codec::FormatTime(node.standing.expires));
  json.Key("findings").BeginArray();
  for (const appraisal::Finding& finding : node.standing.findings) {
    json.BeginObject().Member("reason", Token(finding.reason)).Member("class", Token(ClassOf(finding.reason)));
    json.Member("where", finding.where).Member("detail", finding.detail).Member("advice", Sentence(finding.reason));
    json.EndObject();
  }
  json.EndArray().Key("policies").BeginArray();
  for (const policy::NodePolicy* policy : node.policies) {
    json.BeginObject().Member("name", policy->name).Member("mode", policy::Name(policy->mode));
    json.Member("says", PolicyLine(*policy, node, facts.now)).EndObject();
  }
  json.EndArray().Key("node").BeginObject().Key("exists").Bool(!node.uid.empty());
  json.Member("label", node.label).Member("condition", node.condition).Key("taints").BeginArray();
  for (const std::string& taint : node.taints) json.String(taint);
  json.EndArray().EndObject();
  if (!node.doubt.empty()) json.Member("doubt", node.doubt);
  if (node.result) json.Member("attested", codec::FormatTime(node.result->issued));
  if (node.attestation) json.Member("ek", node.attestation->ek).Member("ak", node.attestation->ak);
  json.Key("advice").BeginArray();
  for (const std::string& line : AdviceFor(node, options)) json.String(line);
  json.EndArray().EndObject();
}

}  // namespace gatehouse::cli
