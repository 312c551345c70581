// The node's TPM, as the attestation session uses it. EsapiDevice (esapi_device.h) is the real one; tests have fakes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/base/types.h"
#include "common/evidence/tpm/structures.h"

namespace gatehouse::agent {

enum class KeyKind : std::uint8_t { kRsa2048, kEccP256 };
[[nodiscard]] constexpr std::string_view Name(KeyKind kind) {
  return kind == KeyKind::kRsa2048 ? "rsa2048" : "ecc-p256";
}

// Endorsement keys by the templates of the TCG's EK Credential Profile: of the low range (L-1, L-2) and of the high one
// (H-1 to H-7; a P-256 key of the high range is not the one of the low).
enum class EkKind : std::uint8_t {
  kRsa2048,
  kEccP256,
  kRsa2048High,
  kEccP256High,
  kEccP384,
  kEccP521,
  kRsa3072,
  kRsa4096,
};
// In the order in which one with a certificate is looked for.
inline constexpr std::array kEkKinds = {EkKind::kRsa2048, EkKind::kEccP256, EkKind::kRsa2048High, EkKind::kEccP256High,
                                        EkKind::kEccP384, EkKind::kEccP521, EkKind::kRsa3072,     EkKind::kRsa4096};
[[nodiscard]] std::string_view Name(EkKind kind);  // "rsa2048", "ecc-p256", "rsa2048-high", ...
[[nodiscard]] std::optional<EkKind> ParseEkKind(std::string_view name);

struct TpmIdentity {
  Bytes ek_certificate;                 // DER; empty if the TPM holds none for this kind of endorsement key
  std::vector<Bytes> ek_intermediates;  // DER; the manufacturer's CA certificates, if the TPM holds any
  Bytes ek_public;                      // TPMT_PUBLIC
  Bytes ak_public;                      // TPMT_PUBLIC
  Bytes ak_certificate = {};            // DER; empty if none is configured
};

struct TpmQuote {
  Bytes attest;                   // TPMS_ATTEST
  Bytes signature;                // TPMT_SIGNATURE
  evidence::tpm::PcrValues pcrs;  // the values that were quoted
};

// Connects at the first call and stays connected, with its keys loaded, until Close, which leaves no object and no
// session behind in the TPM. Close before anything that takes long (a request to the server): a TPM without a resource
// manager has room for one user, and others wait. After an error, Close and begin again. One caller at a time. Errors
// of all: kTpmUnavailable, with what the TPM said, if not told otherwise.
class TpmDevice {
 public:
  virtual ~TpmDevice() = default;
  // The TPM name of the attestation key, which is created if there is none yet or if the TPM was cleared since, unless
  // a given one is configured. Also kFileUnreadable.
  [[nodiscard]] virtual Result<Bytes> AkName() = 0;
  // The banks of PCRs that the TPM has allocated and we know, at least one. Also kPcrMissing: none.
  [[nodiscard]] virtual Result<std::vector<HashAlgorithm>> PcrBanks() = 0;
  // What enrolment needs. Also kFileUnreadable, kCertificateMalformed.
  [[nodiscard]] virtual Result<TpmIdentity> ReadIdentity() = 0;
  // TPM2_ActivateCredential. Also kCredentialUnanswered: the credential was made for another EK or AK.
  [[nodiscard]] virtual Result<Bytes> Activate(BytesView id_object, BytesView encrypted_secret) = 0;
  // A quote of `selections` by the attestation key, with the values that it vouches for. Also kPcrMissing: a bank or
  // PCR that this TPM does not have.
  [[nodiscard]] virtual Result<TpmQuote> Quote(BytesView nonce, const evidence::tpm::PcrSelections& selections) = 0;
  virtual void Close() = 0;
};

}  // namespace gatehouse::agent
