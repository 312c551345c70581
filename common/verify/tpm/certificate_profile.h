// What the certificate of a TPM's key must say of itself, beside who signed it. Private to this room.
#pragma once

#include <string>
#include <vector>

#include "common/crypto/x509.h"

namespace gatehouse::verify::tpm {

enum class CertifiedKey : std::uint8_t { kEndorsement, kAttestation };

// See VerifyEndorsement for what is checked. Errors: kCertificateUntrusted, kKeyMalformed.
[[nodiscard]] Status CheckProfile(const crypto::Certificate& certificate, CertifiedKey kind);
// The extended key usage for crypto::VerifyChain; empty where the certificate of an attestation key names none.
[[nodiscard]] std::string RequiredUsage(const crypto::Certificate& certificate, CertifiedKey kind);
// Critical extensions that CheckProfile understands.
[[nodiscard]] std::vector<std::string> ToleratedExtensions();

}  // namespace gatehouse::verify::tpm
