// COSE_Sign1 (RFC 9052 section 4.2): untrusted bytes become a verified payload by one function.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/codec/cbor.h"
#include "common/crypto/key.h"

namespace gatehouse::cose {

enum class Tag : std::uint8_t { kRequired, kForbidden, kOptional };  // 18

// Parsed, not trusted.
struct Sign1 {
  Bytes protected_bytes;           // the content of the byte string, as it was signed
  codec::CborValue protected_map;  // a map; an empty one for an empty byte string
  codec::CborValue unprotected_map;
  Bytes payload;
  Bytes signature;
};
// Definite lengths, deterministic integers, no duplicate keys, a payload that is there (not detached), nothing after
// it. A label must not be in both maps. Errors: kEnvelopeMalformed, kLimitExceeded.
[[nodiscard]] Result<Sign1> ParseSign1(BytesView bytes, Tag tag);

// Label 1 of the protected map: the COSE algorithm. Errors: kEnvelopeMalformed.
[[nodiscard]] Result<std::int64_t> AlgorithmOf(const Sign1& message);
// The signature over ["Signature1", protected, external_aad = h'', payload] by `key`, whose algorithm must be the
// header's: -7/-35/-36 (ES256/384/512 with P-256/P-384/P-521), -37/-38/-39 (PS256/384/512 with RSA).
// Errors: kSignatureInvalid, kEnvelopeMalformed.
[[nodiscard]] Status VerifySign1(const Sign1& message, const crypto::PublicKey& key);

}  // namespace gatehouse::cose
