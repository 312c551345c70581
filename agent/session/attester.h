// One attestation: challenge, quote, evidence; with an enrolment before it when the server does not know the
// attestation key (DESIGN.md section 5).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/collect/log_file.h"
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
    LogFile& ima_log;
    Connect connect;
    ReadToken read_token;
    const Clock& clock;
    telemetry::Logger& log;
  };
  explicit Attester(Parts parts) : parts_(std::move(parts)) {}

  // What the server answers to our evidence, whatever its verdict. Enrols at most once and asks for a new challenge at
  // most once. The TPM is closed afterwards, in every case. Errors: those of the TPM and of the transport; the reason
  // that the server gave (where: "server"); kMessageMalformed (not an answer of this protocol).
  [[nodiscard]] Result<session::EvidenceResponse> Attest();

 private:
  class Server;
  [[nodiscard]] Result<session::EvidenceResponse> TryOnce(Server& server);
  [[nodiscard]] Status Enroll(Server& server);
  Parts parts_;
};

}  // namespace gatehouse::agent
