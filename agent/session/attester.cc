#include "agent/session/attester.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::agent {
namespace {

// An IMA log has tens of megabytes on a busy node, and the verifier replays it before it answers.
constexpr Duration kEvidenceTimeout = std::chrono::seconds(60);
constexpr std::size_t kShownDetail = 1024;

// What an answer other than 200 means. A proxy or another program on that port answers without our error body.
Error Refusal(const net::HttpResponse& response, std::string_view path) {
  std::string where = "server";
  auto body = session::DecodeErrorResponse(response.body);
  if (!body.ok()) {
    return {Reason::kNetworkUnavailable, where,
            "status " + std::to_string(response.status) + " to " + std::string(path) +
                " without a Gatehouse error; is server.url the attestation service?"};
  }
  auto reason = ReasonFromToken(body->reason);
  std::string detail = Printable(body->detail, kShownDetail);
  if (reason) return {*reason, where, std::move(detail)};
  // A newer server has reasons that we do not know.
  return {response.status >= 500 ? Reason::kNetworkUnavailable : Reason::kMessageMalformed, where,
          "refused for '" + Printable(body->reason, 64) + "': " + detail};
}

}  // namespace

// The calls of one attestation. The TPM is closed before each, for others may want it meanwhile.
class Attester::Server {
 public:
  Server(const Parts& parts, std::unique_ptr<net::HttpTransport> transport)
      : parts_(parts), transport_(std::move(transport)) {}

  template <typename Response>
  [[nodiscard]] Result<Response> Post(std::string_view path, std::string body,
                                      Result<Response> (*decode)(std::string_view),
                                      Duration timeout = limits::kRequestTimeout) {
    net::HttpRequest request;
    request.method = "POST";
    request.url = parts_.server;
    request.url.target = path;
    request.content_type = "application/json";
    request.body = std::move(body);
    request.max_response_bytes = limits::kAttestationBytes;
    ASSIGN_OR_RETURN(std::string token, parts_.read_token());
    if (!token.empty()) request.headers.emplace_back("Authorization", "Bearer " + token);
    ASSIGN_OR_RETURN(net::HttpResponse response, transport_->Send(request, Deadline(parts_.clock, timeout)));
    if (response.status != 200) return Refusal(response, path);
    auto decoded = decode(response.body);
    if (!decoded.ok()) return decoded.error().In("server: answer to " + std::string(path));
    return decoded;
  }

 private:
  const Parts& parts_;
  std::unique_ptr<net::HttpTransport> transport_;
};

Result<session::EvidenceResponse> Attester::Attest() {
  struct CloseAtEnd {
    TpmDevice& tpm;
    ~CloseAtEnd() { tpm.Close(); }
  } close_at_end{parts_.tpm};
  ASSIGN_OR_RETURN(auto transport, parts_.connect());
  Server server(parts_, std::move(transport));
  bool enrolled = false;
  bool renewed = false;
  for (;;) {
    auto answer = TryOnce(server);
    if (answer.ok()) return answer;
    if (answer.error().reason == Reason::kAkUnbound && !enrolled) {
      enrolled = true;
      RETURN_IF_ERROR(Enroll(server));
    } else if (answer.error().reason == Reason::kNonceExpired && !renewed) {
      renewed = true;
      parts_.log.Failure(telemetry::Level::kInfo, "the challenge expired; asking for a new one", answer.error());
    } else {
      return answer;
    }
  }
}

Result<session::EvidenceResponse> Attester::TryOnce(Server& server) {
  session::EvidenceRequest evidence;
  evidence.node = parts_.node.text();
  ASSIGN_OR_RETURN(Bytes name, parts_.tpm.AkName());
  ASSIGN_OR_RETURN(std::vector<HashAlgorithm> banks, parts_.tpm.PcrBanks());
  parts_.tpm.Close();
  evidence.ak_name = EncodeHex(name);
  ASSIGN_OR_RETURN(session::ChallengeResponse challenge,
                   server.Post(session::kChallengePath,
                               Encode(session::ChallengeRequest{evidence.node, evidence.ak_name, std::move(banks)}),
                               &session::DecodeChallengeResponse));
  ASSIGN_OR_RETURN(TpmQuote quote, parts_.tpm.Quote(challenge.nonce, challenge.selection));
  parts_.tpm.Close();
  evidence.nonce = std::move(challenge.nonce);
  evidence.quote = {std::move(quote.attest), std::move(quote.signature), std::move(quote.pcrs)};
  // After the quote: a log that was read before it could lack entries that the quote covers. Entries beyond it are no
  // harm, the verifier appraises the log up to where it matches. The whole log, whatever the challenge asks for:
  // ima_from says so.
  evidence.event_log = parts_.event_log.Read();
  evidence.ima_log = parts_.ima_log.Read();
  evidence.ima_from = 0;
  std::string body = Encode(evidence);
  evidence = {};  // the logs, in memory once only while the message travels
  return server.Post(session::kEvidencePath, std::move(body), &session::DecodeEvidenceResponse, kEvidenceTimeout);
}

Status Attester::Enroll(Server& server) {
  ASSIGN_OR_RETURN(TpmIdentity identity, parts_.tpm.ReadIdentity());
  if (identity.ek_certificate.empty()) {
    return Error{Reason::kTpmUnavailable, "tpm",
                 "the TPM holds no certificate for the endorsement key that tpm.ek names; configure the other kind, or "
                 "write the manufacturer's certificate to NV index 0x01C00002 (rsa2048) or 0x01C0000A (ecc-p256)"};
  }
  ASSIGN_OR_RETURN(Bytes name, parts_.tpm.AkName());
  parts_.tpm.Close();
  ASSIGN_OR_RETURN(
      session::EnrollResponse challenge,
      server.Post(session::kEnrollPath,
                  Encode(session::EnrollRequest{parts_.node.text(), identity.ek_certificate, identity.ek_intermediates,
                                                identity.ek_public, identity.ak_public}),
                  &session::DecodeEnrollResponse));
  ASSIGN_OR_RETURN(Bytes secret, parts_.tpm.Activate(challenge.id_object, challenge.encrypted_secret));
  parts_.tpm.Close();
  ASSIGN_OR_RETURN(session::ActivateResponse bound,
                   server.Post(session::kActivatePath,
                               Encode(session::ActivateRequest{parts_.node.text(), challenge.ticket, secret}),
                               &session::DecodeActivateResponse));
  if (bound.ak_name != EncodeHex(name)) {
    return Error{Reason::kMessageMalformed, "server", "bound another key than the one that was enrolled"};
  }
  parts_.log.Info("the attestation key is enrolled", {{"node", parts_.node.text()}, {"akName", bound.ak_name}});
  return Ok();
}

}  // namespace gatehouse::agent
