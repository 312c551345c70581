// One attestation: challenge, quote, evidence; with an enrolment before it when the server does not know the
// attestation key (DESIGN.md section 5). A long IMA log travels ahead in pieces: then there is little to send between
// the quote and the evidence, and neither side has more than a piece in memory.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/collect/ima_log.h"
#include "agent/collect/log_file.h"
#include "agent/metrics/metrics.h"
#include "agent/tpm/device.h"
#include "common/base/clock.h"
#include "common/net/http.h"
#include "common/session/messages.h"
#include "common/telemetry/log.h"

namespace gatehouse::agent {

// A new connection to the server. Called once for each attestation, so that renewed certificates are used from then on.
using Connect = std::function<Result<std::unique_ptr<net::HttpTransport>>()>;
// The bearer token of the next request; empty: none. Called for each request, because tokens are renewed under our
// feet.
using ReadToken = std::function<Result<std::string>()>;

class Attester {
 public:
  // Everything referred to must outlive the attester.
  struct Parts {
    NodeName node;
    net::Url server;
    TpmDevice& tpm;
    LogFile& event_log;
    ImaLog& ima_log;
    LogFile& command_line;
    Metrics& metrics;
    Connect connect;
    ReadToken read_token;
    const Clock& clock;
    telemetry::Logger& log;
  };
  explicit Attester(Parts parts) : parts_(std::move(parts)) {}

  // What the server answers to our evidence, whatever its verdict. Enrols at most once, asks for a new challenge at
  // most once because the first one expired, and at most once because the IMA log was sent from a place that the server
  // does not want (another replica, a restart). The TPM is closed afterwards, in every case. Errors: those of the TPM
  // and of the transport; the reason that the server gave (where: "server"); kMessageMalformed (not an answer of this
  // protocol).
  [[nodiscard]] Result<session::EvidenceResponse> Attest();

 private:
  class Server;
  [[nodiscard]] Result<session::EvidenceResponse> TryOnce(Server& server);
  [[nodiscard]] Status Enroll(Server& server);
  // The challenge that is to be quoted, and what is new in the IMA log, of which no more is left than a piece.
  struct Begun {
    session::ChallengeResponse challenge;
    std::optional<ImaPiece> ima;
  };
  [[nodiscard]] Result<Begun> Begin(Server& server, const std::string& ak_name, std::vector<HashAlgorithm> banks);
  // Sends `ima` and what follows it, until `ima` is the last piece, which is not sent.
  [[nodiscard]] Status Upload(Server& server, const std::string& ak_name, std::optional<ImaPiece>& ima);
  [[nodiscard]] session::EvidenceRequest Collect(const std::string& ak_name, Begun begun, TpmQuote quote);
  Parts parts_;
};

}  // namespace gatehouse::agent
