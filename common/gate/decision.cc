#include "common/gate/decision.h"

#include <algorithm>

#include "common/base/encoding.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::gate {
namespace {

// For the client: what is found of a node ends with its own reason, behind a path, a digest and what would accept it.
constexpr std::size_t kDetailBytes = 448;
constexpr std::size_t kAuditedEntries = 64;     // of each kind: a pod of 1,000 containers does not fill the log
constexpr std::size_t kAnnotationBytes = 2048;  // an audit annotation is for a reader; the audit log has everything

std::string Join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += separator;
    text += part;
  }
  return text;
}

// Several policies or containers may say the same thing: once is enough for a person.
std::vector<std::string> DescribeAll(const Decision& decision, policy::Effect effect) {
  std::vector<std::string> texts;
  for (const Finding& finding : decision.findings()) {
    if (finding.effect != effect) continue;
    std::string text = Describe(finding);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
  }
  return texts;
}

// The code that a client sees: 403 for a refusal; 503 tells a controller that trying again may help; 400 for a policy
// that is wrong in itself.
int StatusCode(const admission::ReviewRequest& request, const Decision& decision) {
  if (request.subject == admission::Subject::kPolicy) return 400;
  bool only_unavailable = true;
  for (const Finding& finding : decision.findings()) {
    if (finding.effect == policy::Effect::kDeny && ClassOf(finding.error.reason) != ReasonClass::kUnavailable) {
      only_unavailable = false;
    }
  }
  return only_unavailable ? 503 : 403;
}

// What was asked, by whom, and how long the answer took.
void WriteRequest(codec::JsonWriter& json, const admission::ReviewRequest& request, std::chrono::microseconds elapsed) {
  json.Member("operation", request.operation).Member("kind", request.kind).Member("resource", request.resource);
  json.Member("namespace", request.namespace_name).Member("name", request.name).Member("user", Printable(request.user));
  // A Binding names its pod by this, where it says so: names are used again.
  if (request.subject == admission::Subject::kBinding && !request.object_uid.empty())
    json.Member("podUid", Printable(request.object_uid));
  json.Key("dryRun").Bool(request.dry_run);
  json.Key("microseconds").Int(elapsed.count());
}

void WriteFinding(codec::JsonWriter& json, const Finding& finding) {
  json.BeginObject();
  json.Member("subject", finding.subject).Member("effect", policy::Name(finding.effect));
  if (!finding.policy.empty()) json.Member("policy", finding.policy).Member("policyKind", finding.policy_kind);
  json.Member("reason", Token(finding.error.reason)).Member("class", Token(ClassOf(finding.error.reason)));
  if (!finding.error.where.empty()) json.Member("where", Printable(finding.error.where, kAnnotationBytes));
  if (!finding.error.detail.empty()) json.Member("detail", Printable(finding.error.detail, kAnnotationBytes));
  json.EndObject();
}

}  // namespace

std::optional<policy::Effect> EffectOf(Unmatched unmatched) {
  switch (unmatched) {
    case Unmatched::kDeny:
      return policy::Effect::kDeny;
    case Unmatched::kWarn:
      return policy::Effect::kWarn;
    case Unmatched::kAllow:
      return std::nullopt;
  }
  return policy::Effect::kDeny;
}

void Decision::Conclude() {
  allowed_ = std::none_of(findings_.begin(), findings_.end(),
                          [](const Finding& finding) { return finding.effect == policy::Effect::kDeny; });
}

std::string_view Decision::outcome() const {
  if (!allowed_) return "denied";
  bool warned = std::any_of(findings_.begin(), findings_.end(),
                            [](const Finding& finding) { return finding.effect == policy::Effect::kWarn; });
  return warned ? "warned" : "allowed";
}

std::string Describe(const Finding& finding) {
  std::string text = finding.subject + ": ";
  if (!finding.error.where.empty()) text += Printable(finding.error.where) + ": ";
  if (!finding.error.detail.empty()) text += Printable(finding.error.detail, kDetailBytes) + " ";
  text += "[" + std::string(Token(finding.error.reason)) + "]";
  if (!finding.policy.empty()) text += " (policy '" + finding.policy + "')";
  return text + ". " + std::string(Sentence(finding.error.reason));
}

admission::ReviewResponse ToResponse(const admission::ReviewRequest& request, const Decision& decision) {
  admission::ReviewResponse response;
  response.uid = request.uid;
  response.allowed = decision.allowed();
  response.warnings = DescribeAll(decision, policy::Effect::kWarn);
  response.audit_annotations["decision"] = decision.outcome();
  if (!response.allowed) {
    response.code = StatusCode(request, decision);
    response.message = "gatehouse: " + Join(DescribeAll(decision, policy::Effect::kDeny), " ");
  }
  std::vector<std::string> reasons;
  for (const Finding& finding : decision.findings()) {
    std::string reason = std::string(policy::Name(finding.effect)) + ":" + std::string(Token(finding.error.reason));
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(std::move(reason));
  }
  if (!reasons.empty()) response.audit_annotations["reasons"] = Printable(Join(reasons, ","), kAnnotationBytes);
  std::vector<std::string> proven;
  for (const Approval& approval : decision.approvals()) proven.push_back(approval.subject + " by " + approval.by);
  if (!proven.empty()) response.audit_annotations["proven"] = Printable(Join(proven, "; "), kAnnotationBytes);
  return response;
}

std::string AuditLine(const admission::ReviewRequest& request, const Decision& decision, WallTime now,
                      std::chrono::microseconds elapsed) {
  codec::JsonWriter json;
  json.BeginObject();
  json.Member("time", codec::FormatTime(now)).Member("level", "audit").Member("msg", "admission");
  json.Member("uid", request.uid).Member("outcome", decision.outcome());
  WriteRequest(json, request, elapsed);
  if (!decision.approvals().empty()) {
    json.Key("proven").BeginArray();
    for (std::size_t i = 0; i < std::min(kAuditedEntries, decision.approvals().size()); ++i) {
      const Approval& approval = decision.approvals()[i];
      json.BeginObject()
          .Member("subject", approval.subject)
          .Member("policy", approval.policy)
          .Member("policyKind", approval.policy_kind)
          .Member("by", approval.by);
      json.EndObject();
    }
    json.EndArray();
  }
  if (!decision.findings().empty()) {
    json.Key("findings").BeginArray();
    for (std::size_t i = 0; i < std::min(kAuditedEntries, decision.findings().size()); ++i) {
      WriteFinding(json, decision.findings()[i]);
    }
    json.EndArray();
    json.Key("findingsInAll").Uint(decision.findings().size());
  }
  json.EndObject();
  return std::move(json).Finish();
}

std::string MutationLine(const admission::ReviewRequest& request, const Pinning& pinning, WallTime now,
                         std::chrono::microseconds elapsed) {
  codec::JsonWriter json;
  json.BeginObject();
  json.Member("time", codec::FormatTime(now)).Member("level", "audit").Member("msg", "mutation");
  json.Member("uid", request.uid);
  WriteRequest(json, request, elapsed);
  json.Key("pinned").BeginArray();
  for (std::size_t i = 0; i < std::min(kAuditedEntries, pinning.pins.size()); ++i) {
    const Pin& pin = pinning.pins[i];
    const admission::ImageUse& use = request.images[pin.image];
    json.BeginObject().Member("where", use.where).Member("from", Printable(use.image)).Member("to", pin.pinned);
    json.EndObject();
  }
  json.EndArray().Key("pinnedInAll").Uint(pinning.pins.size());
  json.Key("unchanged").Uint(pinning.unchanged).Key("unverified").Uint(pinning.unverified);
  json.EndObject();
  return std::move(json).Finish();
}

}  // namespace gatehouse::gate
