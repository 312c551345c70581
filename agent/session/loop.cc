#include "agent/session/loop.h"

#include <algorithm>
#include <array>

#include "common/codec/time.h"

namespace gatehouse::agent {
namespace {

constexpr std::size_t kFindingsLogged = 20;
// EAR, draft-ietf-rats-ear: the tiers. A label of a metric is never a text that somebody else chose.
constexpr std::array<std::string_view, 4> kStatuses = {"none", "affirming", "warning", "contraindicated"};

}  // namespace

bool Report(const Result<session::EvidenceResponse>& outcome, telemetry::Logger& log, Metrics& metrics, WallTime now) {
  if (!outcome.ok()) {
    metrics.CountAttestation(Token(outcome.error().reason));
    log.Failure(telemetry::Level::kError, "not attested", outcome.error());
    return false;
  }
  bool affirming = outcome->status == "affirming";
  auto known = std::find(kStatuses.begin(), kStatuses.end(), outcome->status);
  metrics.CountAttestation(known == kStatuses.end() ? "other" : *known);
  if (affirming) metrics.SetLastSuccess(now);
  log.Log(affirming ? telemetry::Level::kInfo : telemetry::Level::kWarn, "attested",
          {{"status", outcome->status}, {"findings", std::to_string(outcome->findings.size())}});
  for (std::size_t i = 0; i < outcome->findings.size() && i < kFindingsLogged; ++i) {
    log.Warn("finding", {{"finding", outcome->findings[i]}});
  }
  return affirming;
}

void AttestForever(Attester& attester, Pace& pace, const Wait& wait, telemetry::Logger& log, Metrics& metrics,
                   const Clock& clock) {
  Duration pause{};
  do {
    auto outcome = attester.Attest();
    Report(outcome, log, metrics, clock.Wall());
    pause = outcome.ok() ? pace.AfterSuccess(Duration(outcome->next_ms)) : pace.AfterFailure(outcome.error().reason);
    log.Debug("waiting", {{"for", codec::FormatDuration(pause)}});
  } while (wait(pause));
}

}  // namespace gatehouse::agent
