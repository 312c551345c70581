// POST /validate: AdmissionReview in, AdmissionReview out, within the API server's own timeout.
#pragma once

#include <atomic>

#include "common/gate/gate.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metrics.h"
#include "webhook/server/http_server.h"

namespace gatehouse::webhook {

struct AdmissionOptions {
  Duration default_timeout{10'000};  // when the request names none
  Duration budget_margin{300};       // answered that much before the API server gives up: a late answer is no answer
  std::size_t max_concurrent = 256;  // decisions under way; over images; more are refused at once as overloaded
};

class AdmissionHandler {
 public:
  AdmissionHandler(const gate::Gate& gate, const Clock& clock, telemetry::Logger& log, telemetry::Metrics& metrics,
                   AdmissionOptions options)
      : gate_(gate), clock_(clock), log_(log), metrics_(metrics), options_(options) {}

  [[nodiscard]] HttpReply Handle(const HttpCall& call);

 private:
  [[nodiscard]] HttpReply Decide(const HttpCall& call, const admission::ReviewRequest& request);
  [[nodiscard]] HttpReply Answer(const HttpCall& call, const admission::ReviewRequest& request,
                                 const gate::Decision& decision);
  [[nodiscard]] HttpReply Refuse(const std::string& uid, const Error& error);
  void Record(const admission::ReviewRequest& request, const gate::Decision& decision, MonoTime received);

  const gate::Gate& gate_;
  const Clock& clock_;
  telemetry::Logger& log_;
  telemetry::Metrics& metrics_;
  AdmissionOptions options_;
  std::atomic<std::size_t> under_way_{0};
};

// The time to decide in: the API server's timeout ("5s", "10s"; what cannot be read counts as
// `options.default_timeout`) less what has passed since the request was received and less the margin; at least a fifth
// of the timeout is kept where the margin would eat it all.
[[nodiscard]] Duration DecisionBudget(const std::optional<std::string>& query_timeout, std::chrono::microseconds spent,
                                      const AdmissionOptions& options);

}  // namespace gatehouse::webhook
