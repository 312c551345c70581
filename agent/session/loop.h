// Attests again and again.
#pragma once

#include <functional>

#include "agent/metrics/metrics.h"
#include "agent/session/attester.h"
#include "agent/session/pace.h"

namespace gatehouse::agent {

// Waits so long; false if the program is to end, then without waiting further.
using Wait = std::function<bool(Duration)>;

// Logs and counts the outcome of one attestation; true if the verdict is affirming.
bool Report(const Result<session::EvidenceResponse>& outcome, telemetry::Logger& log, Metrics& metrics, WallTime now);

// Until `wait` says that it is enough.
void AttestForever(Attester& attester, Pace& pace, const Wait& wait, telemetry::Logger& log, Metrics& metrics,
                   const Clock& clock);

}  // namespace gatehouse::agent
