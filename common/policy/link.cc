// What makes one set of documents that were read one by one.
#include <algorithm>
#include <tuple>

#include "common/base/encoding.h"
#include "common/policy/node_readers.h"

namespace gatehouse::policy {

Missing Link(NodePolicy& policy, const std::map<std::string, const TrustRoot*>& roots,
             const std::map<std::string, const ReferenceValues*>& references) {
  Missing missing;
  // What was attested under a root or by values that count no longer must be attested again.
  std::string generations = policy.generation;
  for (std::size_t i = 0; i < policy.trust_roots.size(); ++i) {
    auto root = roots.find(policy.trust_roots[i]);
    if (root == roots.end()) missing.trust_roots.push_back(i);
    if (root != roots.end() && !root->second->has_tpm()) missing.without_tpm.push_back(i);
    generations += "\n" + (root == roots.end() ? std::string("-") : root->second->generation);
  }
  policy.reference_sets.clear();
  for (std::size_t i = 0; i < policy.reference_values.size(); ++i) {
    auto values = references.find(policy.reference_values[i]);
    generations += "\n" + (values == references.end() ? std::string("-") : values->second->generation);
    if (values == references.end()) {
      missing.reference_values.push_back(i);
      continue;
    }
    const std::vector<ReferenceSet>& sets = values->second->sets;
    policy.reference_sets.insert(policy.reference_sets.end(), sets.begin(), sets.end());
  }
  policy.boot = WithWordsAlone(std::move(policy.boot), policy.reference_sets);
  policy.generation = HashText(generations);
  return missing;
}

namespace {

constexpr std::string_view kAwaited = "has no material yet: its TUF repository was not read";

std::string Quoted(const std::string& name) {
  return "'" + Printable(name, 64) + "'";
}

void Append(signature::sigstore::TrustMaterial& all, const signature::sigstore::TrustMaterial& more) {
  all.logs.insert(all.logs.end(), more.logs.begin(), more.logs.end());
  all.ct_logs.insert(all.ct_logs.end(), more.ct_logs.begin(), more.ct_logs.end());
  all.authorities.insert(all.authorities.end(), more.authorities.begin(), more.authorities.end());
  all.timestamp_authorities.insert(all.timestamp_authorities.end(), more.timestamp_authorities.begin(),
                                   more.timestamp_authorities.end());
}

}  // namespace

const std::vector<std::string>* NamesOf(const Authority& authority) {
  if (const auto* key = std::get_if<KeyAuthority>(&authority.rule)) return &key->vouching.trust_roots;
  if (const auto* keyless = std::get_if<KeylessAuthority>(&authority.rule)) return &keyless->vouching.trust_roots;
  if (const auto* notation = std::get_if<NotationAuthority>(&authority.rule)) return &notation->trust_roots;
  return nullptr;
}

TrustLinker::Found TrustLinker::Find(const std::vector<std::string>& names, std::size_t authority,
                                     const std::function<std::string(const TrustRoot&)>& lacks,
                                     std::vector<Dangling>& dangling) {
  Found found;
  auto miss = [&](std::string detail, Reason reason) {
    if (!found.missing.empty()) return;
    found.missing = std::move(detail);
    found.reason = reason;
  };
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto entry = roots_.find(names[i]);
    const TrustRoot* root = entry == roots_.end() ? nullptr : entry->second;
    found.roots.push_back(root);
    const bool unreadable = unreadable_.contains(names[i]);
    std::string lack = root != nullptr ? lacks(*root) : "";
    if (root != nullptr && lack.empty()) continue;
    std::string detail = root != nullptr ? "TrustRoot " + Quoted(names[i]) + " " + lack
                         : unreadable    ? "TrustRoot " + Quoted(names[i]) + " cannot be read"
                                         : "there is no TrustRoot " + Quoted(names[i]);
    // What its repository is yet to give is nothing that the document lacks.
    const bool awaited = root != nullptr && root->tuf && !root->sigstore && lack == kAwaited;
    miss(detail, unreadable ? Reason::kTrustRootMalformed : Reason::kTrustUnavailable);
    if (!awaited) dangling.push_back({authority, i, root != nullptr || unreadable, std::move(detail)});
  }
  return found;
}

TrustLinker::Material TrustLinker::Union(const std::vector<const TrustRoot*>& roots) {
  if (roots.size() == 1) return roots[0]->sigstore;
  Material& made = unions_[roots];
  if (made) return made;
  signature::sigstore::TrustMaterial all;
  for (const TrustRoot* root : roots) Append(all, *root->sigstore);
  made = std::make_shared<const signature::sigstore::TrustMaterial>(std::move(all));
  return made;
}

void TrustLinker::LinkVouching(Vouching& vouching, std::size_t authority, std::vector<Dangling>& dangling) {
  if (vouching.trust_roots.empty()) return;
  auto lacks = [](const TrustRoot& root) -> std::string {
    if (root.sigstore) return "";
    return root.tuf ? std::string(kAwaited) : "has nothing for Sigstore (spec.sigstore)";
  };
  Found found = Find(vouching.trust_roots, authority, lacks, dangling);
  vouching.material = found.missing.empty() ? Union(found.roots) : nullptr;
  vouching.missing = std::move(found.missing);
  vouching.missing_reason = found.reason;
}

void TrustLinker::LinkNotation(NotationAuthority& notation, std::size_t authority, std::vector<Dangling>& dangling) {
  auto lacks = [](const TrustRoot& root) -> std::string {
    return root.notation.empty() ? "has nothing for Notation (spec.notation)" : "";
  };
  Found found = Find(notation.trust_roots, authority, lacks, dangling);
  notation.stores.clear();
  for (const TrustRoot* root : found.roots) {
    if (root == nullptr) continue;
    for (const auto& [name, certificates] : root->notation) {
      auto& store = notation.stores[name];
      store.insert(store.end(), certificates.begin(), certificates.end());
    }
  }
  notation.missing_reason = found.reason;
  notation.missing = std::move(found.missing);
  if (!notation.missing.empty()) return;
  for (const auto& statement : notation.policy.statements) {
    for (const std::string& store : statement.trust_stores) {
      if (notation.stores.contains(store)) continue;
      std::string detail = "there is no trust store " + Quoted(store) + " in its TrustRoots";
      if (notation.missing.empty()) notation.missing = detail;
      dangling.push_back({authority, std::nullopt, true, std::move(detail)});
    }
  }
}

std::vector<Dangling> TrustLinker::Link(ImagePolicy& policy) {
  std::vector<Dangling> dangling;
  // What was decided under a root that counts no longer must be decided again.
  std::string generations = policy.generation;
  for (std::size_t i = 0; i < policy.authorities.size(); ++i) {
    Authority& authority = policy.authorities[i];
    if (auto* key = std::get_if<KeyAuthority>(&authority.rule)) LinkVouching(key->vouching, i, dangling);
    if (auto* keyless = std::get_if<KeylessAuthority>(&authority.rule)) LinkVouching(keyless->vouching, i, dangling);
    if (auto* notation = std::get_if<NotationAuthority>(&authority.rule)) LinkNotation(*notation, i, dangling);
    const auto* names = NamesOf(authority);
    for (std::size_t j = 0; names != nullptr && j < names->size(); ++j) {
      auto root = roots_.find((*names)[j]);
      generations += "\n" + (root == roots_.end() ? std::string("-") : root->second->generation);
    }
  }
  if (generations != policy.generation) policy.generation = HashText(generations);
  return dangling;
}

namespace {

bool NamesAny(const ImagePolicy& policy, const std::set<std::string>& roots) {
  return std::any_of(policy.authorities.begin(), policy.authorities.end(), [&](const Authority& authority) {
    const auto* names = NamesOf(authority);
    return names != nullptr &&
           std::any_of(names->begin(), names->end(), [&](const std::string& name) { return roots.contains(name); });
  });
}

template <typename Document>
void SortByName(std::vector<Document>& documents) {
  std::sort(documents.begin(), documents.end(), [](const Document& a, const Document& b) { return a.name < b.name; });
}

}  // namespace

void Complete(PolicySet& set) {
  SortByName(set.image_policies);
  SortByName(set.node_policies);
  SortByName(set.trust_roots);
  SortByName(set.reference_values);
  std::sort(set.namespaced_policies.begin(), set.namespaced_policies.end(),
            [](const ImagePolicy& a, const ImagePolicy& b) {
              return std::tie(a.namespace_name, a.name) < std::tie(b.namespace_name, b.name);
            });
  std::string policies;
  for (const ImagePolicy& policy : set.image_policies)
    policies += "ImagePolicy " + policy.name + " " + policy.generation + "\n";
  for (const ImagePolicy& policy : set.namespaced_policies) {
    policies += "NamespacedImagePolicy " + policy.namespace_name + "/" + policy.name + " " + policy.generation + "\n";
  }
  for (const NodePolicy& policy : set.node_policies)
    policies += "NodePolicy " + policy.name + " " + policy.generation + "\n";
  for (const ReferenceValues& values : set.reference_values)
    policies += "ReferenceValues " + values.name + " " + values.generation + "\n";
  for (const UnreadPolicy& policy : set.unread)
    policies += "unread " + policy.kind + " " + policy.namespace_name + "/" + policy.name + " " + policy.problem + "\n";
  // Which policies apply depends on these too.
  for (const auto& [name, labels] : set.namespaces) {
    policies += "Namespace " + name + "\n";
    for (const auto& [key, value] : labels) policies += " " + key + "=" + value + "\n";
  }
  set.policy_generation = HashText(policies);
  std::string roots;
  for (const TrustRoot& root : set.trust_roots) roots += "TrustRoot " + root.name + " " + root.generation + "\n";
  set.trust_generation = HashText(roots);
}

std::shared_ptr<const PolicySet> WithTrust(const PolicySet& set, const std::map<std::string, FetchedTrust>& fetched) {
  auto with = std::make_shared<PolicySet>(set);
  std::set<std::string> changed;
  std::map<std::string, const TrustRoot*> roots;
  for (TrustRoot& root : with->trust_roots) {
    roots.emplace(root.name, &root);
    auto found = fetched.find(root.name);
    if (found == fetched.end() || !root.tuf || !(found->second.source == *root.tuf) || !found->second.material)
      continue;
    root.sigstore = found->second.material;
    root.generation = HashText(root.generation + "\n" + found->second.version);
    changed.insert(root.name);
  }
  if (changed.empty()) return with;
  TrustLinker linker(roots, with->unread_trust_roots);
  for (auto* policies : {&with->image_policies, &with->namespaced_policies}) {
    for (ImagePolicy& policy : *policies) {
      if (NamesAny(policy, changed)) (void)linker.Link(policy);  // what is missing was said when the set was made
    }
  }
  Complete(*with);
  return with;
}

}  // namespace gatehouse::policy
