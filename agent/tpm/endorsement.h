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
[[nodiscard]] Result<LoadedKey> LoadEndorsementKey(const Connection& connection, EkKind kind);
// The kinds that the TPM has a certificate for, in the order of kEkKinds. Errors: kTpmUnavailable.
[[nodiscard]] Result<std::vector<EkKind>> CertifiedEndorsementKeys(const Connection& connection);

// Attestation keys that others made: a persistent one (Azure's, an IAK), or the primary key of the endorsement
// hierarchy by a template in NV (Google's). Errors: kTpmUnavailable, kFileUnreadable (no template).
[[nodiscard]] Result<LoadedKey> LoadGivenKey(const Connection& connection, TPM2_HANDLE handle);
[[nodiscard]] Result<LoadedKey> CreateFromTemplate(const Connection& connection, TPM2_HANDLE index);

// What lets the endorsement key be used once: a session, or its empty password.
class Authorization {
 public:
  Authorization() = default;
  explicit Authorization(Held session) : session_(std::move(session)) {}
  [[nodiscard]] ESYS_TR get() const { return session_.get() == ESYS_TR_NONE ? ESYS_TR_PASSWORD : session_.get(); }

 private:
  Held session_;
};
// Of the low range, a policy session that satisfies the key's policy: TPM2_PolicySecret(TPM_RH_ENDORSEMENT). Errors:
// kTpmUnavailable.
[[nodiscard]] Result<Authorization> AuthorizeEndorsementKey(const Connection& connection, EkKind kind);

struct EndorsementCertificates {
  Bytes certificate;  // DER; empty if there is none
  std::vector<Bytes> intermediates;
};
// From NV. Intermediates that cannot be read are left out, with a line in the log: the verifier may know them.
// Errors: kTpmUnavailable, kCertificateMalformed.
[[nodiscard]] Result<EndorsementCertificates> ReadEndorsementCertificates(const Connection& connection, EkKind kind,
                                                                          telemetry::Logger& log);

}  // namespace gatehouse::agent
