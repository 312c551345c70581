#include "webhook/admission/handler.h"

#include <algorithm>

#include "common/codec/time.h"

namespace gatehouse::webhook {
namespace {

// kube-apiserver's own bounds of timeoutSeconds.
constexpr Duration kLongestTimeout{30'000};

class InFlight {
 public:
  explicit InFlight(std::atomic<std::size_t>& count) : count_(count), mine_(count.fetch_add(1) + 1) {}
  ~InFlight() { count_.fetch_sub(1); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;
  [[nodiscard]] std::size_t mine() const { return mine_; }

 private:
  std::atomic<std::size_t>& count_;
  std::size_t mine_;
};

std::string_view Half(const admission::ReviewRequest& request) {
  if (request.subject == admission::Subject::kOther) return "none";
  return request.node.has_value() && request.images.empty() ? "node" : "image";
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
  if (uid.empty()) return {.status = 400, .body = error.ToString() + "\n", .content_type = "text/plain; charset=utf-8"};
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
    if (!finding.policy.empty()) metrics_.CountPolicy(finding.policy, policy::Name(finding.effect));
  }
  for (const gate::Approval& approval : decision.approvals()) metrics_.CountPolicy(approval.policy, "allow");
  if (request.subject != admission::Subject::kOther && log_.Enabled(telemetry::Level::kInfo)) {
    log_.Line(gate::AuditLine(request, decision, clock_.Wall(), elapsed));
  }
}

HttpReply AdmissionHandler::Handle(const HttpCall& call) {
  admission::ReviewResult review = admission::ParseReview(call.body);
  if (!review.ok()) return Refuse(review.error().uid, review.error().error);
  const admission::ReviewRequest& request = review.request();
  if (request.images.empty()) return Decide(call, request);  // answered from memory
  InFlight in_flight(under_way_);
  if (in_flight.mine() > options_.max_concurrent) {
    gate::Decision refusal;
    refusal.Add(gate::Finding{"the request",
                              "",
                              policy::Effect::kDeny,
                              {Reason::kOverloaded, "",
                               "more than " + std::to_string(options_.max_concurrent) + " decisions are under way"}});
    refusal.Conclude();
    return Answer(call, request, refusal);
  }
  return Decide(call, request);
}

HttpReply AdmissionHandler::Decide(const HttpCall& call, const admission::ReviewRequest& request) {
  Deadline deadline(clock_, DecisionBudget(call.query_timeout, clock_.Mono() - call.received, options_));
  return Answer(call, request, gate_.Decide(request, deadline));
}

HttpReply AdmissionHandler::Answer(const HttpCall& call, const admission::ReviewRequest& request,
                                   const gate::Decision& decision) {
  Record(request, decision, call.received);
  return {.status = 200, .body = Encode(gate::ToResponse(request, decision))};
}

}  // namespace gatehouse::webhook
