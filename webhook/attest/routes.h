// The attestation API over HTTP: decodes, authorises, calls the service, encodes.
#pragma once

#include "common/telemetry/metrics.h"
#include "webhook/attest/identity.h"
#include "webhook/attest/service.h"

namespace gatehouse::webhook {

// Adds POST /v1/enroll, /v1/enroll/activate, /v1/challenge, /v1/log and /v1/evidence. Errors are answered as
// session::ErrorResponse: 401 unauthenticated, 403 for what is not trusted, 400 malformed, 409 stale or conflicting,
// 503 unavailable (also for a node that makes too many calls at once), 500 internal. The parts must outlive the server.
void AddAttestationRoutes(HttpServer& server, AttestationService& service, const AgentAuthenticator& authenticator,
                          telemetry::Metrics& metrics);

[[nodiscard]] int StatusOf(const Error& error);
// What the caller is told. A fault of ours or of our configuration: the reason alone, since the rest names our files; a
// conflict: not which other node or TPM it is with. The log has all of it.
[[nodiscard]] session::ErrorResponse RefusalOf(const Error& error);

}  // namespace gatehouse::webhook
