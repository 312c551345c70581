// A file signature as the extended attribute security.ima has it (linux: security/integrity/integrity.h, struct
// signature_v2_hdr): 03 02, hash algorithm, key id (4 bytes), length (2 bytes), signature.
#pragma once

#include <cstdint>

#include "common/base/types.h"

namespace gatehouse::appraisal {

struct ImaSignature {
  HashAlgorithm algorithm;
  std::uint32_t key_id;  // last four bytes of the subject key identifier: a hint, no proof
  BytesView signature;   // a view into what was parsed
};

// Refused: another type or version (the digest alone, an HMAC, version 3), hashes other than SHA-256, SHA-384 and
// SHA-512, a length that is not that of the rest. Errors: kSignatureMalformed. Allocates only for an error.
[[nodiscard]] Result<ImaSignature> ParseImaSignature(BytesView xattr);

}  // namespace gatehouse::appraisal
