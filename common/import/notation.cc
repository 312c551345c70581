// Notation's trustpolicy.json, which our policies hold as it is.
#include <set>

#include "common/import/documents.h"

namespace gatehouse::importer {

bool ImportNotation(codec::JsonView document, Draft& draft) {
  auto statements = document.Find("trustPolicies");
  if (!statements.has_value() || !statements->IsArray()) return false;
  std::vector<std::string> globs;
  std::set<std::string> stores;
  for (std::size_t i = 0; i < statements->size(); ++i) {
    auto texts = [&](const char* member) {
      std::vector<std::string> out;
      auto list = statements->at(i).Find(member);
      for (std::size_t j = 0; list.has_value() && list->IsArray() && j < list->size(); ++j) {
        out.emplace_back(list->at(j).AsString().value_or(""));
      }
      return out;
    };
    for (const std::string& scope : texts("registryScopes")) globs.push_back(scope == "*" ? "**" : scope);
    for (std::string& store : texts("trustStores")) stores.insert(std::move(store));
  }
  Node notation;
  for (const char* type : {"ca", "signingAuthority", "tsa"}) {
    Node of_type;
    for (const std::string& store : stores) {
      const std::string prefix = std::string(type) + ":";
      if (!store.starts_with(prefix)) continue;
      auto found = draft.options.trust_stores.find(store);
      if (found == draft.options.trust_stores.end()) {
        draft.report.Refuse("$.trustPolicies",
                            "the certificates of trust store " + store + " are not given (--trust-store)");
      } else {
        of_type.Set(store.substr(prefix.size()), Pem(found->second));
      }
    }
    if (!of_type.empty()) notation.Set(type, std::move(of_type));
  }
  Node authority;
  Node rule;
  rule.Set("trustPolicy", document.Serialize());
  authority.Set("name", "notation").Set("notation", std::move(rule));
  if (!notation.empty()) {
    Node spec;
    spec.Set("notation", std::move(notation));
    draft.documents.push_back(Document("TrustRoot", "notation", std::move(spec)));
    authority.Set("trustRoots", Node::Texts({"notation"}));
  }
  Node spec;
  spec.Set("images", Globs(globs)).Set("authorities", Node::List{std::move(authority)}).Set("mode", "enforce");
  draft.documents.push_back(Document("ImagePolicy", "notation", std::move(spec)));
  return true;
}

}  // namespace gatehouse::importer
