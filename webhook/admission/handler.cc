#include "webhook/admission/handler.h"

#include <algorithm>

#include "common/codec/time.h"

namespace gatehouse::webhook {
namespace {

// kube-apiserver's own bounds of timeoutSeconds.
constexpr Duration kLongestTimeout{30'000};

constexpr std::string_view kMutate = "mutate";  // label of what /mutate does

std::string_view Half(const admission::ReviewRequest& request) {
  if (request.subject == admission::Subject::kOther || request.subject == admission::Subject::kPolicy) return "none";
  return request.node.has_value() && request.images.empty() ? "node" : "image";
}

// A body without a uid cannot be answered by a review.
HttpReply BadRequest(const Error& error) {
  return {.status = 400, .body = error.ToString() + "\n", .content_type = "text/plain; charset=utf-8"};
}

gate::Decision Overloaded(std::string detail) {
  gate::Decision refusal;
  refusal.Add(gate::Finding{"the request", "", policy::Effect::kDeny, {Reason::kOverloaded, "", std::move(detail)}});
  refusal.Conclude();
  return refusal;
}

}  // namespace

Duration DecisionBudget(const std::optional<std::string>& query_timeout, std::chrono::microseconds spent,
                        const AdmissionOptions& options) {
  Duration timeout = options.default_timeout;
  if (query_timeout.has_value()) {
    if (auto parsed = codec::ParseDuration(*query_timeout); parsed.ok() && *parsed > Duration::zero())
      timeout = *parsed;
  }
  timeout = std::min(timeout, kLongestTimeout);
  Duration kept = std::max(timeout - options.budget_margin, timeout / 5);
  return std::max(Duration::zero(), kept - std::chrono::ceil<Duration>(spent));
}

HttpReply AdmissionHandler::Refuse(const std::string& uid, const Error& error) {
  log_.Failure(telemetry::Level::kWarn, "admission request not judged", error, {{"uid", uid}});
  metrics_.CountAdmission("other", "error");
  metrics_.CountFinding(error.reason, "deny");
  if (uid.empty()) return BadRequest(error);
  admission::ReviewResponse response;
  response.uid = uid;
  response.code = ClassOf(error.reason) == ReasonClass::kUnavailable ? 503 : 400;
  response.message = "gatehouse: " + error.ToString() + ". " + std::string(Sentence(error.reason));
  response.audit_annotations["decision"] = "denied";
  return {.status = 200, .body = Encode(response)};
}

void AdmissionHandler::Record(const admission::ReviewRequest& request, const gate::Decision& decision,
                              MonoTime received) {
  auto elapsed = clock_.Mono() - received;
  metrics_.CountAdmission(admission::Name(request.subject), decision.outcome());
  metrics_.ObserveAdmission(Half(request), elapsed);
  for (const gate::Finding& finding : decision.findings()) {
    metrics_.CountFinding(finding.error.reason, policy::Name(finding.effect));
    if (!finding.policy.empty())
      metrics_.CountPolicy(finding.policy_kind, finding.policy, policy::Name(finding.effect));
  }
  for (const gate::Approval& approval : decision.approvals())
    metrics_.CountPolicy(approval.policy_kind, approval.policy, "allow");
  if (request.subject != admission::Subject::kOther && log_.Enabled(telemetry::Level::kInfo)) {
    log_.Line(gate::AuditLine(request, decision, clock_.Wall(), elapsed));
  }
}

Deadline AdmissionHandler::DeadlineOf(const HttpCall& call) const {
  return Deadline(clock_, DecisionBudget(call.query_timeout, clock_.Mono() - call.received, options_));
}

HttpReply AdmissionHandler::Handle(const HttpCall& call) {
  admission::ReviewResult review = admission::ParseReview(call.body);
  if (!review.ok()) return Refuse(review.error().uid, review.error().error);
  const admission::ReviewRequest& request = review.request();
  // Answered from memory.
  if (request.images.empty()) return Answer(call, request, gate_.Decide(request, DeadlineOf(call)));
  Share share(shares_, request.namespace_name);
  switch (share.entry()) {
    case Shares::Entry::kEntered:
      break;
    case Shares::Entry::kFull:
      return Answer(call, request,
                    Overloaded("more than " + std::to_string(options_.max_concurrent) + " decisions are under way"));
    case Shares::Entry::kShareUsedUp:
      return Answer(call, request,
                    Overloaded("this namespace has as many decisions under way as are free for all others"));
  }
  return Answer(call, request, gate_.Decide(request, DeadlineOf(call)));
}

HttpReply AdmissionHandler::Answer(const HttpCall& call, const admission::ReviewRequest& request,
                                   const gate::Decision& decision) {
  Record(request, decision, call.received);
  return {.status = 200, .body = Encode(gate::ToResponse(request, decision))};
}

gate::Pinning AdmissionHandler::Pin(const HttpCall& call, const admission::ReviewRequest& request) {
  if (request.images.empty()) return {};
  Share share(shares_, request.namespace_name);
  if (share.entry() == Shares::Entry::kEntered) return gate_.Pin(request, DeadlineOf(call));
  return {.pins = {}, .unchanged = 0, .unverified = request.images.size()};
}

HttpReply AdmissionHandler::HandleMutation(const HttpCall& call) {
  admission::ReviewResult review = admission::ParseReview(call.body);
  admission::ReviewResponse response;
  response.allowed = true;
  if (!review.ok()) {
    const auto& [error, uid] = review.error();
    log_.Failure(telemetry::Level::kWarn, "admission request not looked at for mutation", error, {{"uid", uid}});
    metrics_.CountAdmission(kMutate, "error");
    if (uid.empty()) return BadRequest(error);
    response.uid = uid;
    return {.status = 200, .body = Encode(response)};
  }
  const admission::ReviewRequest& request = review.request();
  gate::Pinning pinning = Pin(call, request);
  metrics_.CountAdmission(kMutate, "allowed");
  metrics_.CountMutations("pinned", pinning.pins.size());
  metrics_.CountMutations("unchanged", pinning.unchanged);
  metrics_.CountMutations("unverified", pinning.unverified);
  auto elapsed = clock_.Mono() - call.received;
  metrics_.ObserveAdmission(kMutate, elapsed);
  response.uid = request.uid;
  if (!pinning.pins.empty()) {
    response.patch = PatchOf(request, pinning);
    response.audit_annotations["pinned"] = std::to_string(pinning.pins.size());
    if (log_.Enabled(telemetry::Level::kInfo)) {
      log_.Line(gate::MutationLine(request, pinning, clock_.Wall(), elapsed));
    }
  }
  return {.status = 200, .body = Encode(response)};
}

}  // namespace gatehouse::webhook
