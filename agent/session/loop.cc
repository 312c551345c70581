#include "agent/session/loop.h"

#include "common/codec/time.h"

namespace gatehouse::agent {
namespace {

constexpr std::size_t kFindingsLogged = 20;

}  // namespace

bool Report(const Result<session::EvidenceResponse>& outcome, telemetry::Logger& log) {
  if (!outcome.ok()) {
    log.Failure(telemetry::Level::kError, "not attested", outcome.error());
    return false;
  }
  bool affirming = outcome->status == "affirming";
  log.Log(affirming ? telemetry::Level::kInfo : telemetry::Level::kWarn, "attested",
          {{"status", outcome->status}, {"findings", std::to_string(outcome->findings.size())}});
  for (std::size_t i = 0; i < outcome->findings.size() && i < kFindingsLogged; ++i) {
    log.Warn("finding", {{"finding", outcome->findings[i]}});
  }
  return affirming;
}

void AttestForever(Attester& attester, Pace& pace, const Wait& wait, telemetry::Logger& log) {
  Duration pause{};
  do {
    auto outcome = attester.Attest();
    Report(outcome, log);
    pause = outcome.ok() ? pace.AfterSuccess(Duration(outcome->next_ms)) : pace.AfterFailure(outcome.error().reason);
    log.Debug("waiting", {{"for", codec::FormatDuration(pause)}});
  } while (wait(pause));
}

}  // namespace gatehouse::agent
