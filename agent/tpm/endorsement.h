// The endorsement key: the key itself, a session that may use it, and its certificates. Internal to this room: includes
// tss2.
#pragma once

#include "agent/tpm/connection.h"

namespace gatehouse::agent {

struct LoadedKey {
  Held handle;
  Bytes public_area;  // TPMT_PUBLIC
  Bytes name;
};

// A persistent key of the template if there is one, else the primary key. Errors: kTpmUnavailable.
[[nodiscard]] Result<LoadedKey> LoadEndorsementKey(const Connection& connection, KeyKind kind);

// A policy session that satisfies the endorsement key's policy once: TPM2_PolicySecret(TPM_RH_ENDORSEMENT). Errors:
// kTpmUnavailable.
[[nodiscard]] Result<Held> AuthorizeEndorsementKey(const Connection& connection);

struct EndorsementCertificates {
  Bytes certificate;  // DER; empty if there is none
  std::vector<Bytes> intermediates;
};
// From NV. Intermediates that cannot be read are left out, with a line in the log: the verifier may know them.
// Errors: kTpmUnavailable, kCertificateMalformed.
[[nodiscard]] Result<EndorsementCertificates> ReadEndorsementCertificates(const Connection& connection, KeyKind kind,
                                                                          telemetry::Logger& log);

}  // namespace gatehouse::agent
