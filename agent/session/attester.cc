#include "agent/session/attester.h"

#include "common/base/encoding.h"
#include "common/base/limits.h"

namespace gatehouse::agent {
namespace {

// The verifier replays the logs before it answers.
constexpr Duration kEvidenceTimeout = std::chrono::seconds(60);
// A log to which more than a piece is added while it is sent is sent again from where that was; not for ever.
constexpr int kUploads = 3;
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
  bool begun_again = false;
  for (;;) {
    auto answer = TryOnce(server);
    if (answer.ok()) return answer;
    if (answer.error().reason == Reason::kAkUnbound && !enrolled) {
      enrolled = true;
      RETURN_IF_ERROR(Enroll(server));
    } else if (answer.error().reason == Reason::kNonceExpired && !renewed) {
      renewed = true;
      parts_.log.Failure(telemetry::Level::kInfo, "the challenge expired; asking for a new one", answer.error());
    } else if (answer.error().reason == Reason::kImaLogGap && !begun_again) {
      begun_again = true;
      parts_.log.Failure(telemetry::Level::kInfo, "the server wants the IMA log from another place", answer.error());
    } else {
      return answer;
    }
  }
}

Result<session::EvidenceResponse> Attester::TryOnce(Server& server) {
  ASSIGN_OR_RETURN(Bytes name, parts_.tpm.AkName());
  ASSIGN_OR_RETURN(std::vector<HashAlgorithm> banks, parts_.tpm.PcrBanks());
  parts_.tpm.Close();
  const std::string ak_name = EncodeHex(name);
  ASSIGN_OR_RETURN(Begun begun, Begin(server, ak_name, std::move(banks)));
  ASSIGN_OR_RETURN(TpmQuote quote, parts_.tpm.Quote(begun.challenge.nonce, begun.challenge.selection));
  parts_.tpm.Close();
  session::EvidenceRequest evidence = Collect(ak_name, std::move(begun), std::move(quote));
  std::size_t event_bytes = evidence.event_log ? evidence.event_log->size() : 0;
  std::size_t ima_bytes = evidence.ima_log ? evidence.ima_log->size() : 0;
  std::string body = Encode(evidence);
  evidence = {};  // in memory once only while the message travels
  auto answer =
      server.Post(session::kEvidencePath, std::move(body), &session::DecodeEvidenceResponse, kEvidenceTimeout);
  if (answer.ok()) {
    parts_.metrics.CountLogBytes("event", event_bytes);
    parts_.metrics.CountLogBytes("ima", ima_bytes);
  }
  return answer;
}

Result<Attester::Begun> Attester::Begin(Server& server, const std::string& ak_name, std::vector<HashAlgorithm> banks) {
  const session::ChallengeRequest request{parts_.node.text(), ak_name, std::move(banks)};
  std::optional<ImaPiece> ima;
  for (int uploads = 0;; ++uploads) {
    ASSIGN_OR_RETURN(session::ChallengeResponse challenge,
                     server.Post(session::kChallengePath, Encode(request), &session::DecodeChallengeResponse));
    if (!challenge.want_ima_log) return Begun{std::move(challenge), std::nullopt};
    if (!ima || ima->from != challenge.ima_from) ima = parts_.ima_log.Read(challenge.ima_from);
    // A log that has not so many entries is another one than the server knows: after a reboot that is for the quote to
    // say, so its beginning goes with it.
    if (!ima || !ima->more || ima->from != challenge.ima_from || uploads == kUploads) {
      return Begun{std::move(challenge), std::move(ima)};
    }
    RETURN_IF_ERROR(Upload(server, ak_name, ima));  // which takes time, so that the challenge would be old
  }
}

Status Attester::Upload(Server& server, const std::string& ak_name, std::optional<ImaPiece>& ima) {
  while (ima && ima->more) {
    session::LogRequest request{parts_.node.text(), ak_name, ima->from, std::string(ima->encoding),
                                std::move(ima->entries)};
    std::size_t bytes = request.entries.size();
    std::string body = Encode(request);
    request = {};
    ASSIGN_OR_RETURN(session::LogResponse taken,
                     server.Post(session::kLogPath, std::move(body), &session::DecodeLogResponse, kEvidenceTimeout));
    if (taken.next <= ima->from || taken.next > ima->next) {
      return Error{Reason::kMessageMalformed, "server", "took other entries of the IMA log than those that were sent"};
    }
    parts_.metrics.CountLogBytes("ima", bytes);
    const std::uint64_t next = taken.next;
    ima = parts_.ima_log.Read(next);
    if (ima && ima->from != next) return Ok();  // another log meanwhile
  }
  return Ok();
}

session::EvidenceRequest Attester::Collect(const std::string& ak_name, Begun begun, TpmQuote quote) {
  session::EvidenceRequest evidence;
  evidence.node = parts_.node.text();
  evidence.ak_name = ak_name;
  evidence.nonce = std::move(begun.challenge.nonce);
  evidence.quote = {std::move(quote.attest), std::move(quote.signature), std::move(quote.pcrs)};
  // After the quote: a log that was read before it could lack entries that the quote covers. Entries beyond it are no
  // harm, the verifier appraises the log up to where it matches.
  if (begun.challenge.want_event_log) evidence.event_log = parts_.event_log.Read();
  if (auto line = begun.challenge.want_event_log ? parts_.command_line.Read() : std::nullopt) {
    evidence.command_line = AsText(*line);
    if (evidence.command_line.ends_with('\n')) evidence.command_line.pop_back();  // /proc/cmdline adds one
  }
  if (std::optional<ImaPiece>& ima = begun.ima) {
    parts_.ima_log.Extend(*ima);
    evidence.ima_from = ima->from;
    evidence.ima_encoding = ima->encoding;
    evidence.ima_complete = ima->entries.empty();
    if (!ima->entries.empty()) evidence.ima_log = std::move(ima->entries);
  }
  return evidence;
}

Status Attester::Enroll(Server& server) {
  ASSIGN_OR_RETURN(TpmIdentity identity, parts_.tpm.ReadIdentity());
  if (identity.ek_certificate.empty() && identity.ak_certificate.empty()) {
    parts_.log.Warn(
        "the TPM holds no certificate: the server must have its endorsement key in an inventory (requireEkHash). If it "
        "has a certificate for another key, name that in tpm.ek; of a cloud's attestation key, in tpm.akCertificate",
        {{"node", parts_.node.text()}});
  }
  ASSIGN_OR_RETURN(Bytes name, parts_.tpm.AkName());
  parts_.tpm.Close();
  const session::EnrollRequest request{parts_.node.text(),
                                       std::move(identity.ek_certificate),
                                       std::move(identity.ek_intermediates),
                                       std::move(identity.ek_public),
                                       std::move(identity.ak_public),
                                       std::move(identity.ak_certificate)};
  ASSIGN_OR_RETURN(session::EnrollResponse challenge,
                   server.Post(session::kEnrollPath, Encode(request), &session::DecodeEnrollResponse));
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
