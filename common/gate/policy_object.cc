#include "common/gate/policy_object.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/policy/loader.h"

namespace gatehouse::gate {
namespace {

using codec::JsonView;

// "NamespacedImagePolicy shop/extra"
std::string SubjectOf(const admission::ReviewRequest& request) {
  std::string subject = request.kind.substr(request.kind.find('/') + 1) + " ";
  if (!request.namespace_name.empty()) subject += Printable(request.namespace_name) + "/";
  return subject + Printable(request.name);
}

// A member by its path; nothing if there is none.
std::optional<JsonView> At(JsonView view, std::initializer_list<std::string_view> path) {
  std::optional<JsonView> found = view;
  for (std::string_view key : path) {
    if (found) found = found->Find(key);
  }
  return found;
}

template <typename Document>
bool Has(const std::vector<Document>& documents, std::string_view name) {
  return std::any_of(documents.begin(), documents.end(),
                     [&](const Document& document) { return document.name == name; });
}

// One warning for each name in the list at `where` that `documents` does not have.
template <typename Document>
void WarnOfMissing(const std::string& subject, std::string_view kind, std::optional<JsonView> list,
                   const std::string& where, const std::vector<Document>& documents, std::string_view until,
                   Decision& decision) {
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    auto name = list->at(i).AsString();
    if (!name || Has(documents, *name)) continue;
    decision.Add(Finding{subject,
                         "",
                         policy::Effect::kWarn,
                         {Reason::kPolicyInvalid, where + "[" + std::to_string(i) + "]",
                          "there is no " + std::string(kind) + " '" + std::string(*name) + "' yet; until there is, " +
                              std::string(until)}});
  }
}

void WarnOfNodePolicy(const std::string& subject, JsonView root, const policy::PolicySet& set, Decision& decision) {
  constexpr std::string_view kUntil = "it makes no node trusted";
  auto roots = At(root, {"spec", "tpm", "trustRoots"});
  WarnOfMissing(subject, "TrustRoot", roots, "$.spec.tpm.trustRoots", set.trust_roots, kUntil, decision);
  auto values = At(root, {"spec", "tpm", "referenceValues"});
  WarnOfMissing(subject, "ReferenceValues", values, "$.spec.tpm.referenceValues", set.reference_values, kUntil,
                decision);
}

void WarnOfImagePolicy(const std::string& subject, JsonView root, const policy::PolicySet& set, Decision& decision) {
  auto authorities = At(root, {"spec", "authorities"});
  for (std::size_t i = 0; authorities && i < authorities->size(); ++i) {
    WarnOfMissing(subject, "TrustRoot", authorities->at(i).Find("trustRoots"),
                  "$.spec.authorities[" + std::to_string(i) + "].trustRoots", set.trust_roots,
                  "the authority vouches for nothing", decision);
  }
}

}  // namespace

void JudgePolicyObject(const admission::ReviewRequest& request, const policy::PolicySet& set, Decision& decision) {
  if (request.policy_object.empty()) return;
  std::string subject = SubjectOf(request);
  if (Status checked = policy::CheckObject(request.policy_object); !checked.ok()) {
    decision.Add(Finding{subject, "", policy::Effect::kDeny, checked.error()});
    return;
  }
  auto document = codec::JsonDocument::Parse(request.policy_object, {.max_bytes = limits::kKubeObjectBytes});
  if (!document.ok()) return;
  auto kind = At(document->root(), {"kind"})->AsString();
  if (kind == kNodePolicy) WarnOfNodePolicy(subject, document->root(), set, decision);
  if (kind == kImagePolicy || kind == kNamespacedImagePolicy)
    WarnOfImagePolicy(subject, document->root(), set, decision);
}

}  // namespace gatehouse::gate
