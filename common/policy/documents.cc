#include "common/policy/documents.h"

#include <algorithm>

namespace gatehouse::policy {

std::string_view Name(Mode mode) {
  switch (mode) {
    case Mode::kEnforce:
      return "enforce";
    case Mode::kWarn:
      return "warn";
    case Mode::kAudit:
      return "audit";
  }
  return "";
}

std::string_view Name(Effect effect) {
  switch (effect) {
    case Effect::kDeny:
      return "deny";
    case Effect::kWarn:
      return "warn";
    case Effect::kAudit:
      return "audit";
  }
  return "";
}

Effect EffectOf(Reason reason, Mode mode, OnUnavailable on_unavailable) {
  switch (mode) {
    case Mode::kEnforce:
      break;
    case Mode::kWarn:
      return Effect::kWarn;
    case Mode::kAudit:
      return Effect::kAudit;
  }
  // Only what the registry of this very image brings about. Time that ran out, a decision that was not begun and labels
  // that are not known can be brought about by whoever writes the pod, with other images, or are no passing fault.
  bool outage = reason == Reason::kRegistryUnavailable || reason == Reason::kNetworkUnavailable;
  bool relaxed = on_unavailable == OnUnavailable::kAllow && outage;
  return relaxed ? Effect::kWarn : Effect::kDeny;
}

Error UnreadPolicy::ToError() const {
  return {Reason::kPolicyInvalid, "",
          "it may cover this, and cannot be read: " + problem + "; correct the object or delete it"};
}

Labels PolicySet::ImplicitNamespaceLabels(const std::string& name) {
  // Kubernetes 1.21 and later set it on every namespace and let nobody change it.
  return {{"kubernetes.io/metadata.name", name}};
}

std::optional<Labels> PolicySet::NamespaceLabels(const std::string& name) const {
  auto found = namespaces.find(name);
  if (found == namespaces.end()) return std::nullopt;
  Labels labels = ImplicitNamespaceLabels(name);
  labels.insert(found->second.begin(), found->second.end());
  return labels;
}

std::vector<crypto::Certificate> PolicySet::TpmRoots(const NodePolicy& policy) const {
  return TpmTrustOf(policy).roots;
}

namespace {

template <typename Value>
void Append(std::vector<Value>& all, const std::vector<Value>& more) {
  all.insert(all.end(), more.begin(), more.end());
}

}  // namespace

PolicySet::TpmTrust PolicySet::TpmTrustOf(const NodePolicy& policy) const {
  TpmTrust trust;
  for (const TrustRoot& root : trust_roots) {
    if (std::find(policy.trust_roots.begin(), policy.trust_roots.end(), root.name) == policy.trust_roots.end())
      continue;
    Append(trust.roots, root.tpm);
    Append(trust.pinned, root.tpm_pinned);
    Append(trust.intermediates, root.tpm_intermediates);
    Append(trust.crls, root.tpm_crls);
  }
  return trust;
}

}  // namespace gatehouse::policy
