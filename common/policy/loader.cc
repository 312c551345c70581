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
    LinkImagePolicies();
    LinkNodePolicies();
    LoadOutcome outcome;
    // References are checked last, but their errors stand where their documents do.
    std::stable_sort(errors_.begin(), errors_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [document, error] : errors_) outcome.errors.push_back(std::move(error));
    if (!outcome.errors.empty()) return outcome;
    Complete(set_);
    outcome.set = std::make_shared<const PolicySet>(std::move(set_));
    return outcome;
  }

 private:
  struct Pending {
    std::size_t document;
    UnlinkedNodePolicy read;
  };
  struct PendingImages {
    std::size_t document;
    UnlinkedImagePolicy read;
  };

  void Report(Error error) { errors_.emplace_back(documents_, std::move(error)); }

  Status Load(const JsonDocument& document) {
    ASSIGN_OR_RETURN(Head head, ReadHead(document));
    RETURN_IF_ERROR(Declare(document, head));
    if (head.kind == "ImagePolicy" || head.kind == "NamespacedImagePolicy") {
      ASSIGN_OR_RETURN(UnlinkedImagePolicy read, ReadImagePolicy(document, head));
      pending_images_.push_back({documents_, std::move(read)});
    } else if (head.kind == "NodePolicy") {
      ASSIGN_OR_RETURN(UnlinkedNodePolicy read, ReadNodePolicy(document, head));
      pending_.push_back({documents_, std::move(read)});
    } else if (head.kind == "TrustRoot") {
      ASSIGN_OR_RETURN(TrustRoot root, ReadTrustRoot(document, head));
      set_.trust_roots.push_back(std::move(root));
    } else if (head.kind == "ReferenceValues") {
      ASSIGN_OR_RETURN(ReferenceValues values, ReadReferenceValues(document, head));
      set_.reference_values.push_back(std::move(values));
    } else {  // ReadHead() lets nothing else pass than a Namespace
      ASSIGN_OR_RETURN(Labels labels, ReadNamespace(document));
      set_.namespaces.emplace(head.name, std::move(labels));
    }
    return Ok();
  }

  // Names are unique in their kind, wherever the documents come from.
  Status Declare(const JsonDocument& document, const Head& head) {
    std::string position = document.PositionOf(document.root());
    std::string name = head.namespace_name.empty() ? head.name : head.namespace_name + "/" + head.name;
    auto [before, added] = declared_.emplace(head.kind + "/" + name, position);
    if (added) return Ok();
    return Error{
        Reason::kPolicyInvalid, position + " $.metadata.name",
        "there is another " + head.kind + " '" + name + "' at " + before->second + "; give one of them another name"};
  }

  [[nodiscard]] std::map<std::string, const TrustRoot*> Roots() const {
    std::map<std::string, const TrustRoot*> roots;
    for (const TrustRoot& root : set_.trust_roots) roots.emplace(root.name, &root);
    return roots;
  }

  void LinkImagePolicies() {
    const auto roots = Roots();
    const std::set<std::string> unreadable;
    TrustLinker linker(roots, unreadable);
    for (PendingImages& pending : pending_images_) {
      ImagePolicy& policy = pending.read.policy;
      for (const Dangling& dangling : linker.Link(policy)) {
        const auto& references = pending.read.references[dangling.authority];
        // A TrustRoot that is there but faulty has an error of its own, and so what it would hold.
        if (FaultyRoot(policy.authorities[dangling.authority])) continue;
        errors_.emplace_back(
            pending.document,
            Error{Reason::kPolicyInvalid, dangling.root ? references.roots[*dangling.root] : references.stores,
                  dangling.detail + (dangling.exists ? "; correct it, or the name"
                                                     : " in these documents; write one, or correct the name")});
        break;
      }
      auto& policies = policy.namespace_name.empty() ? set_.image_policies : set_.namespaced_policies;
      policies.push_back(std::move(policy));
    }
  }

  void LinkNodePolicies() {
    const auto roots = Roots();
    std::map<std::string, const ReferenceValues*> references;
    for (const ReferenceValues& values : set_.reference_values) references.emplace(values.name, &values);
    for (Pending& pending : pending_) {
      UnlinkedNodePolicy& read = pending.read;
      Missing missing = Link(read.policy, roots, references);
      bool reported = false;
      for (std::size_t i : missing.trust_roots) {
        if (!reported)
          reported = Dangle(pending.document, "TrustRoot", read.policy.trust_roots[i], read.root_positions[i]);
      }
      for (std::size_t i : missing.without_tpm) {
        if (reported) break;
        errors_.emplace_back(pending.document, Error{Reason::kPolicyInvalid, read.root_positions[i],
                                                     "TrustRoot '" + Printable(read.policy.trust_roots[i], 64) +
                                                         "' has nothing for TPMs (spec.tpm); correct it, or the name"});
        reported = true;
      }
      for (std::size_t i : missing.reference_values) {
        if (!reported)
          reported =
              Dangle(pending.document, "ReferenceValues", read.policy.reference_values[i], read.reference_positions[i]);
      }
      set_.node_policies.push_back(std::move(read.policy));
    }
  }

  [[nodiscard]] bool FaultyRoot(const Authority& authority) const {
    const auto roots = Roots();
    const auto* names = NamesOf(authority);
    return names != nullptr && std::any_of(names->begin(), names->end(), [&](const std::string& name) {
             return declared_.contains("TrustRoot/" + name) && !roots.contains(name);
           });
  }

  bool Dangle(std::size_t document, const std::string& kind, const std::string& name, const std::string& position) {
    // One that is there but faulty has an error of its own.
    if (declared_.contains(kind + "/" + name)) return false;
    errors_.emplace_back(document,
                         Error{Reason::kPolicyInvalid, position,
                               "there " + std::string(kind == "TrustRoot" ? "is" : "are") + " no " + kind + " '" +
                                   Printable(name, 64) + "' in these documents; write one, or correct the name"});
    return true;
  }

  PolicySet set_;
  std::size_t documents_ = 0;
  std::vector<std::pair<std::size_t, Error>> errors_;
  std::map<std::string, std::string> declared_;  // "kind/name" to its position, also of documents that have an error
  std::vector<Pending> pending_;
  std::vector<PendingImages> pending_images_;
};

}  // namespace

LoadOutcome LoadPolicies(const std::vector<SourceFile>& files) {
  Loader loader;
  for (const SourceFile& file : files) loader.Load(file);
  return loader.Finish();
}

}  // namespace gatehouse::policy
