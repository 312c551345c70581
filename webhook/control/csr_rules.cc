#include "webhook/control/csr_rules.h"

#include <algorithm>
#include <set>
#include <vector>

#include "common/base/encoding.h"
#include "common/base/types.h"
#include "common/codec/time.h"
#include "common/crypto/issue.h"
#include "common/kube/api.h"

namespace gatehouse::webhook {
namespace {

using codec::JsonView;

constexpr std::string_view kNodePrefix = "system:node:";
constexpr std::string_view kNodesGroup = "system:nodes";
constexpr std::string_view kBootstrappers = "system:bootstrappers";

std::optional<JsonView> Member(JsonView object, std::string_view outer, std::string_view inner) {
  auto found = object.Find(outer);
  return found.has_value() ? found->Find(inner) : std::nullopt;
}

std::vector<std::string> Texts(std::optional<JsonView> array) {
  std::vector<std::string> texts;
  if (!array.has_value() || !array->IsArray()) return texts;
  for (std::size_t i = 0; i < array->size(); ++i) texts.emplace_back(array->at(i).AsString().value_or(""));
  return texts;
}

// A condition of any type is a judgement by somebody (Approved, Denied), or an end (Failed).
bool IsPending(JsonView csr) {
  if (kube::TextAt(csr, {"spec", "signerName"}) != kKubeletClientSigner) return false;
  if (!kube::TextAt(csr, {"status", "certificate"}).empty()) return false;
  auto conditions = Member(csr, "status", "conditions");
  return !conditions.has_value() || conditions->size() == 0;
}

// Each once; key encipherment is for RSA keys, and kubelets since 1.27 leave it out for others.
bool UsagesAreAClients(const std::vector<std::string>& usages) {
  std::set<std::string> distinct(usages.begin(), usages.end());
  if (distinct.size() != usages.size()) return false;
  distinct.erase("key encipherment");
  return distinct == std::set<std::string>{"client auth", "digital signature"};
}

bool MayAskFor(const std::string& node, std::string_view user, const std::vector<std::string>& groups) {
  const auto member = [&](std::string_view group) {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  };
  if (user == std::string(kNodePrefix) + node) return member(kNodesGroup);
  // Another node is no bootstrapper, whatever groups it is in.
  return !user.starts_with(kNodePrefix) && member(kBootstrappers);
}

Result<crypto::SigningRequest> ReadRequest(JsonView csr) {
  ASSIGN_OR_RETURN(Bytes pem, DecodeBase64(kube::TextAt(csr, {"spec", "request"})));
  return crypto::ReadSigningRequest(AsText(pem));
}

CsrView Refused(std::string why) {
  return {.pending = true, .node = std::nullopt, .first = false, .refusal = std::move(why)};
}

}  // namespace

CsrView ReadCsr(JsonView csr) {
  if (!IsPending(csr)) return {};
  auto request = ReadRequest(csr);
  if (!request.ok()) return Refused(request.error().ToString());
  if (request->common_names.size() != 1 || !request->common_names[0].starts_with(kNodePrefix)) {
    return Refused("the subject's common name is not one system:node:NAME");
  }
  auto node = NodeName::Parse(std::string_view(request->common_names[0]).substr(kNodePrefix.size()));
  if (!node.ok()) return Refused("the subject's common name does not name a node");
  if (request->organizations != std::vector<std::string>{std::string(kNodesGroup)}) {
    return Refused("the subject's organization is not system:nodes alone");
  }
  if (request->other_subject_parts) return Refused("the subject has more than a common name and an organization");
  if (request->has_subject_alt_names) return Refused("the request has subject alternative names");
  if (request->has_other_extensions) return Refused("the request asks for extensions");
  if (!UsagesAreAClients(Texts(Member(csr, "spec", "usages")))) {
    return Refused("the usages are not exactly those of a client certificate");
  }
  std::string_view user = kube::TextAt(csr, {"spec", "username"});
  if (!MayAskFor(node->text(), user, Texts(Member(csr, "spec", "groups")))) {
    return Refused("who asks is neither that node nor in system:bootstrappers");
  }
  return {.pending = true, .node = node->text(), .first = !user.starts_with(kNodePrefix), .refusal = {}};
}

std::string ApprovalOf(JsonView csr, const std::string& message, WallTime now) {
  codec::JsonWriter json;
  json.BeginObject().Member("apiVersion", "certificates.k8s.io/v1").Member("kind", "CertificateSigningRequest");
  for (std::string_view key : {"metadata", "spec"}) {
    if (auto part = csr.Find(key); part.has_value()) json.Key(key).Raw(part->Serialize());
  }
  std::string time = codec::FormatTime(std::chrono::floor<std::chrono::seconds>(now));
  json.Key("status").BeginObject().Key("conditions").BeginArray().BeginObject();
  json.Member("type", "Approved").Member("status", "True").Member("reason", "GatehouseAttested");
  json.Member("message", message).Member("lastUpdateTime", time).Member("lastTransitionTime", time);
  json.EndObject().EndArray().EndObject().EndObject();
  return std::move(json).Finish();
}

}  // namespace gatehouse::webhook
