// What the Notary Project demands of certificates (signature-specification.md, "Certificate Requirements"), whoever
// trusts them. Internal to this folder, but for its tests.
#pragma once

#include <vector>

#include "common/crypto/x509.h"

namespace gatehouse::signature::notation {

enum class Purpose : std::uint8_t { kCodeSigning, kTimestamping };

// `chain` is ordered, leaf first, each certificate signed by the next one, the last one by itself, no other by itself;
// a chain of one is a leaf that signed itself. "These validations are independent of certificate chain validation
// against a trust store", and of time. Only basic constraints, key usage and extended key usage count: "rest of the
// extensions MUST NOT be evaluated or honored". Errors: kCertificateUntrusted.
[[nodiscard]] Status CheckCertificates(const std::vector<crypto::Certificate>& chain, Purpose purpose);

// Whether every certificate of `chain` is valid from `from` until `until`, both included. Errors: kCertificateExpired.
[[nodiscard]] Status CheckValidity(const std::vector<crypto::Certificate>& chain, WallTime from, WallTime until);

}  // namespace gatehouse::signature::notation
