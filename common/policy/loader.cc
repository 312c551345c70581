#include "common/policy/loader.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/codec/yaml.h"
#include "common/policy/readers.h"

namespace gatehouse::policy {
namespace {

using codec::JsonDocument;

class Loader {
 public:
  void Load(const SourceFile& file) {
    auto documents = codec::ParseYaml(file.text, file.name);
    if (!documents.ok()) {
      ++documents_;
      return Report(std::move(documents).error());
    }
    for (const JsonDocument& document : *documents) {
      ++documents_;
      if (auto status = Load(document); !status.ok()) Report(std::move(status).error());
    }
  }

  LoadOutcome Finish() {
    LinkTrustRoots();
    LoadOutcome outcome;
    // References are checked last, but their errors stand where their documents do.
    std::stable_sort(errors_.begin(), errors_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [document, error] : errors_) outcome.errors.push_back(std::move(error));
    if (!outcome.errors.empty()) return outcome;
    SortByName(set_.image_policies);
    SortByName(set_.node_policies);
    SortByName(set_.trust_roots);
    SetGenerations();
    outcome.set = std::make_shared<const PolicySet>(std::move(set_));
    return outcome;
  }

 private:
  struct Pending {
    std::size_t document;
    std::size_t policy;  // its index in set_.node_policies
    std::vector<std::string> positions;
  };

  void Report(Error error) { errors_.emplace_back(documents_, std::move(error)); }

  Status Load(const JsonDocument& document) {
    ASSIGN_OR_RETURN(Head head, ReadHead(document));
    RETURN_IF_ERROR(Declare(document, head));
    if (head.kind == "ImagePolicy") {
      ASSIGN_OR_RETURN(ImagePolicy policy, ReadImagePolicy(document, head));
      set_.image_policies.push_back(std::move(policy));
    } else if (head.kind == "NodePolicy") {
      ASSIGN_OR_RETURN(UnlinkedNodePolicy read, ReadNodePolicy(document, head));
      pending_.push_back({documents_, set_.node_policies.size(), std::move(read.root_positions)});
      set_.node_policies.push_back(std::move(read.policy));
    } else if (head.kind == "TrustRoot") {
      ASSIGN_OR_RETURN(TrustRoot root, ReadTrustRoot(document, head));
      set_.trust_roots.push_back(std::move(root));
    } else {  // ReadHead() lets nothing else pass than a Namespace
      ASSIGN_OR_RETURN(Labels labels, ReadNamespace(document));
      set_.namespaces.emplace(head.name, std::move(labels));
    }
    return Ok();
  }

  // Names are unique in their kind, wherever the documents come from.
  Status Declare(const JsonDocument& document, const Head& head) {
    std::string position = document.PositionOf(document.root());
    auto [before, added] = declared_.emplace(head.kind + "/" + head.name, position);
    if (added) return Ok();
    return Error{Reason::kPolicyInvalid, position + " $.metadata.name",
                 "there is another " + head.kind + " '" + head.name + "' at " + before->second +
                     "; give one of them another name"};
  }

  void LinkTrustRoots() {
    for (const Pending& pending : pending_) {
      NodePolicy& policy = set_.node_policies[pending.policy];
      std::string generations = policy.generation;
      for (std::size_t i = 0; i < policy.trust_roots.size(); ++i) {
        const std::string& name = policy.trust_roots[i];
        auto root = std::find_if(set_.trust_roots.begin(), set_.trust_roots.end(),
                                 [&](const TrustRoot& r) { return r.name == name; });
        if (root != set_.trust_roots.end()) {
          generations += "\n" + root->generation;
          continue;
        }
        // One that is there but faulty has an error of its own.
        if (declared_.contains("TrustRoot/" + name)) continue;
        errors_.emplace_back(pending.document, Error{Reason::kPolicyInvalid, pending.positions[i],
                                                     "there is no TrustRoot '" + Printable(name, 64) +
                                                         "' in these documents; write one, or correct the name"});
        break;
      }
      // What was attested under a root that is trusted no longer must be attested again.
      policy.generation = HashText(generations);
    }
  }

  template <typename Document>
  static void SortByName(std::vector<Document>& documents) {
    std::sort(documents.begin(), documents.end(), [](const Document& a, const Document& b) { return a.name < b.name; });
  }

  void SetGenerations() {
    std::string policies;
    for (const ImagePolicy& policy : set_.image_policies)
      policies += "ImagePolicy " + policy.name + " " + policy.generation + "\n";
    for (const NodePolicy& policy : set_.node_policies)
      policies += "NodePolicy " + policy.name + " " + policy.generation + "\n";
    // Which policies apply depends on these too.
    for (const auto& [name, labels] : set_.namespaces) {
      policies += "Namespace " + name + "\n";
      for (const auto& [key, value] : labels) policies += " " + key + "=" + value + "\n";
    }
    set_.policy_generation = HashText(policies);
    std::string roots;
    for (const TrustRoot& root : set_.trust_roots) roots += "TrustRoot " + root.name + " " + root.generation + "\n";
    set_.trust_generation = HashText(roots);
  }

  PolicySet set_;
  std::size_t documents_ = 0;
  std::vector<std::pair<std::size_t, Error>> errors_;
  std::map<std::string, std::string> declared_;  // "kind/name" to its position, also of documents that have an error
  std::vector<Pending> pending_;
};

}  // namespace

LoadOutcome LoadPolicies(const std::vector<SourceFile>& files) {
  Loader loader;
  for (const SourceFile& file : files) loader.Load(file);
  return loader.Finish();
}

}  // namespace gatehouse::policy
