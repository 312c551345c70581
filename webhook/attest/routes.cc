#include "webhook/attest/routes.h"

#include <memory>

#include "common/base/limits.h"
#include "webhook/attest/node_turns.h"

namespace gatehouse::webhook {
namespace {

// An agent that gave a call up may begin another one before we have noticed.
constexpr std::size_t kCallsAtOnce = 3;

bool IsWithheld(const Error& error) {
  ReasonClass kind = ClassOf(error.reason);
  return kind == ReasonClass::kUsage || kind == ReasonClass::kInternal || error.reason == Reason::kNodeConflict ||
         error.reason == Reason::kTpmInUse;
}

HttpReply Refuse(const Error& error, std::string_view call, telemetry::Logger& log) {
  if (IsWithheld(error)) log.Failure(telemetry::Level::kWarn, "attestation call refused", error, {{"call", call}});
  return {.status = StatusOf(error), .body = session::Encode(RefusalOf(error))};
}

// The one shape of the calls. `Request` names its node; the caller must be that node's agent.
template <typename Request, typename Response>
struct Call {
  std::string_view name;
  std::string_view path;
  std::size_t max_body_bytes;
  Result<Request> (*decode)(std::string_view);
  Result<Response> (AttestationService::*serve)(const NodeName&, const Request&);
};

template <typename Request, typename Response>
Result<Response> Serve(const Call<Request, Response>& call, AttestationService& service,
                       const AgentAuthenticator& authenticator, NodeTurns& turns, const HttpCall& http) {
  ASSIGN_OR_RETURN(Request request, call.decode(http.body));
  ASSIGN_OR_RETURN(NodeName node, NodeName::Parse(request.node));
  RETURN_IF_ERROR(authenticator.Authorize(http, node));
  const NodeTurns::Turn turn = turns.Take(node);
  if (!turn.taken()) return Error{Reason::kOverloaded, node.text(), "too many calls of the node are under way"};
  return (service.*call.serve)(node, request);
}

template <typename Request, typename Response>
void Add(HttpServer& server, AttestationService& service, const AgentAuthenticator& authenticator,
         telemetry::Metrics& metrics, const std::shared_ptr<NodeTurns>& turns, Call<Request, Response> call) {
  server.Route({.method = "POST",
                .path = std::string(call.path),
                .max_body_bytes = call.max_body_bytes,
                .content_type = "application/json",
                // Evidence may have limits::kEvidenceBytes: not from just anybody.
                .admit = [call, &service, &authenticator, &metrics](const HttpCall& head) -> std::optional<HttpReply> {
                  Status known = authenticator.MaySpeak(head);
                  if (known.ok()) return std::nullopt;
                  metrics.CountAttestation(call.name, Token(known.error().reason));
                  return Refuse(known.error(), call.name, service.log());
                }},
               [call, &service, &authenticator, &metrics, turns](const HttpCall& http) -> HttpReply {
                 Result<Response> response = Serve(call, service, authenticator, *turns, http);
                 metrics.CountAttestation(call.name, response.ok() ? "ok" : Token(response.error().reason));
                 if (!response.ok()) return Refuse(response.error(), call.name, service.log());
                 return {.status = 200, .body = session::Encode(*response)};
               });
}

}  // namespace

int StatusOf(const Error& error) {
  if (error.reason == Reason::kIdentityUnauthenticated) return 401;
  if (error.reason == Reason::kNodeConflict || error.reason == Reason::kTpmInUse || error.reason == Reason::kAkUnbound)
    return 409;
  switch (ClassOf(error.reason)) {
    case ReasonClass::kMalformed:
      return 400;
    case ReasonClass::kUntrusted:
      return 403;
    case ReasonClass::kPolicy:
      return 403;
    case ReasonClass::kStale:
      return 409;
    case ReasonClass::kUnavailable:
      return 503;
    case ReasonClass::kUsage:
      return 500;
    case ReasonClass::kInternal:
      return 500;
  }
  return 500;
}

session::ErrorResponse RefusalOf(const Error& error) {
  std::string token(Token(error.reason));
  std::string detail = IsWithheld(error) ? std::string(Sentence(error.reason)) + " [" + token + "]" : error.ToString();
  return {.reason = std::move(token), .detail = std::move(detail)};
}

void AddAttestationRoutes(HttpServer& server, AttestationService& service, const AgentAuthenticator& authenticator,
                          telemetry::Metrics& metrics) {
  using session::ActivateRequest, session::ActivateResponse, session::ChallengeRequest, session::ChallengeResponse;
  using session::EnrollRequest, session::EnrollResponse, session::EvidenceRequest, session::EvidenceResponse;
  using session::LogRequest, session::LogResponse;
  const auto turns = std::make_shared<NodeTurns>(kCallsAtOnce);
  constexpr std::size_t kSmall = limits::kAttestationBytes;
  Add(server, service, authenticator, metrics, turns,
      Call<EnrollRequest, EnrollResponse>{"enroll", session::kEnrollPath, kSmall, session::DecodeEnrollRequest,
                                          &AttestationService::Enroll});
  Add(server, service, authenticator, metrics, turns,
      Call<ActivateRequest, ActivateResponse>{"activate", session::kActivatePath, kSmall,
                                              session::DecodeActivateRequest, &AttestationService::Activate});
  Add(server, service, authenticator, metrics, turns,
      Call<ChallengeRequest, ChallengeResponse>{"challenge", session::kChallengePath, kSmall,
                                                session::DecodeChallengeRequest, &AttestationService::Challenge});
  Add(server, service, authenticator, metrics, turns,
      Call<LogRequest, LogResponse>{"log", session::kLogPath, session::kLogRequestBytes, session::DecodeLogRequest,
                                    &AttestationService::Log});
  Add(server, service, authenticator, metrics, turns,
      Call<EvidenceRequest, EvidenceResponse>{"evidence", session::kEvidencePath, limits::kEvidenceBytes,
                                              session::DecodeEvidenceRequest, &AttestationService::Evidence});
}

}  // namespace gatehouse::webhook
