// POST /validate and POST /mutate: AdmissionReview in, AdmissionReview out, within the API server's own timeout.
#pragma once

#include "common/gate/gate.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "webhook/admission/shares.h"
#include "webhook/server/http_server.h"

namespace gatehouse::webhook {

struct AdmissionOptions {
  Duration default_timeout{10'000};  // when the request names none
  Duration budget_margin{300};       // answered that much before the API server gives up: a late answer is no answer
  // Decisions over images under way; more are refused at once as overloaded, and so is what exceeds the share of its
  // namespace (Shares).
  std::size_t max_concurrent = 256;
};

// Thread-safe.
class AdmissionHandler {
 public:
  AdmissionHandler(const gate::Gate& gate, const Clock& clock, telemetry::Logger& log, telemetry::Metrics& metrics,
                   AdmissionOptions options)
      : gate_(gate), clock_(clock), log_(log), metrics_(metrics), options_(options), shares_(options.max_concurrent) {}

  // /validate: the decision.
  [[nodiscard]] HttpReply Handle(const HttpCall& call);
  // /mutate: names the images of pods by the digests that were verified (Gate::Pin). Refuses nothing: what could not be
  // verified, in time or at all, stays as it is, and /validate, which sees the object as it will be stored, decides.
  [[nodiscard]] HttpReply HandleMutation(const HttpCall& call);

 private:
  [[nodiscard]] Deadline DeadlineOf(const HttpCall& call) const;
  [[nodiscard]] HttpReply Answer(const HttpCall& call, const admission::ReviewRequest& request,
                                 const gate::Decision& decision);
  [[nodiscard]] HttpReply Refuse(const std::string& uid, const Error& error);
  void Record(const admission::ReviewRequest& request, const gate::Decision& decision, MonoTime received);
  [[nodiscard]] gate::Pinning Pin(const HttpCall& call, const admission::ReviewRequest& request);

  const gate::Gate& gate_;
  const Clock& clock_;
  telemetry::Logger& log_;
  telemetry::Metrics& metrics_;
  AdmissionOptions options_;
  Shares shares_;
};

// The time to decide in: the API server's timeout ("5s", "10s"; what cannot be read counts as
// `options.default_timeout`) less what has passed since the request was received and less the margin; at least a fifth
// of the timeout is kept where the margin would eat it all.
[[nodiscard]] Duration DecisionBudget(const std::optional<std::string>& query_timeout, std::chrono::microseconds spent,
                                      const AdmissionOptions& options);

}  // namespace gatehouse::webhook
