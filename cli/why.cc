// gatehouse why [pod|node] NAME: what keeps a pod from running, or a node from being trusted.
#include <algorithm>
#include <iostream>

#include "cli/show.h"
#include "cli/why.h"
#include "common/codec/json.h"

namespace gatehouse::cli {
namespace {

int Fail(const Error& error, const Options& options, ExitCode code) {
  PrintError(error, options.json);
  return code;
}

struct Question {
  std::string kind;  // "pod", "node", or empty: whichever there is
  std::string name;
};

Result<Question> QuestionOf(std::vector<std::string> words) {
  if (words.size() == 1) {  // "pod/NAME", as kubectl takes it
    const std::size_t slash = words[0].find('/');
    if (slash == std::string::npos) return Question{"", words[0]};
    words = {words[0].substr(0, slash), words[0].substr(slash + 1)};
  }
  for (const auto& [kind, spellings] : {std::pair<std::string, std::vector<std::string>>{"pod", {"pod", "pods", "po"}},
                                        {"node", {"node", "nodes", "no"}}}) {
    if (std::find(spellings.begin(), spellings.end(), words[0]) != spellings.end() && !words[1].empty()) {
      return Question{kind, words[1]};
    }
  }
  return Error{Reason::kUsage, "why", "ask for a pod or a node: why pod NAME, why node NAME, why NAME"};
}

// Nothing if there is no Node and no NodeAttestation of that name.
Result<std::optional<int>> WhyNode(Cluster& cluster, const std::string& name, const Options& options) {
  ASSIGN_OR_RETURN(const Facts facts, ReadFacts(cluster, name));
  if (facts.nodes.empty()) return std::optional<int>();
  const NodeFact& node = facts.nodes.front();
  if (options.json) {
    codec::JsonWriter json;
    WriteNode(json, node, facts, options.kube);
    std::cout << std::move(json).Finish() << "\n";
  } else {
    std::cout << DescribeNode(node, facts, options.kube);
    for (const std::string& unread : facts.unread) std::cout << "not read     " << unread << "\n";
  }
  return std::optional<int>(ExitCodeOf(node));
}

Result<int> Answer(Cluster& cluster, const Question& question, const Options& options) {
  std::optional<int> code;
  std::optional<Error> denied;
  if (question.kind != "node") {
    auto pod = WhyPod(cluster, question.name, options);
    // Whoever may not read pods may be asking for a node.
    if (!pod.ok() && (question.kind == "pod" || pod.error().reason != Reason::kKubeDenied)) return pod.error();
    if (pod.ok()) {
      code = *pod;
    } else {
      denied = pod.error();
    }
  }
  if (question.kind != "pod" && !code) {
    ASSIGN_OR_RETURN(code, WhyNode(cluster, question.name, options));
    if (code && denied && !options.json) std::cout << "not read     pods: " << denied->ToString() << "\n";
  }
  if (denied && !code) return *denied;
  if (question.kind != "node" && !code) {
    ASSIGN_OR_RETURN(code, WhyRefused(cluster, question.name, options));
  }
  if (code) return *code;
  const std::string what = question.kind == "node" ? "there is no Node and no NodeAttestation of this name"
                                                   : "there is no such pod in namespace " + cluster.namespace_name() +
                                                         ", and no event says that one was refused";
  return Error{Reason::kUsage, question.name, what};
}

}  // namespace

int Why(const Options& options) {
  auto question = QuestionOf(options.subject);
  if (!question.ok()) return Fail(question.error(), options, kUsageOrPolicy);
  auto cluster = Cluster::Connect(options.kube);
  if (!cluster.ok()) return Fail(cluster.error(), options, kUsageOrPolicy);
  auto code = Answer(**cluster, *question, options);
  if (code.ok()) return *code;
  return Fail(code.error(), options, code.error().reason == Reason::kUsage ? kUsageOrPolicy : kCouldNotCheck);
}

}  // namespace gatehouse::cli
