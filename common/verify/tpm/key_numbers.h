// Numbers of elliptic curve keys as the TPM's derivations want them: as long as the field. Private to this room.
#pragma once

#include "common/evidence/tpm/structures.h"

namespace gatehouse::verify::tpm {

[[nodiscard]] std::size_t FieldBytes(evidence::tpm::Curve curve);
// Zeros before a coordinate, up to the size of the field; a longer one is left as it is.
[[nodiscard]] Bytes PadToField(BytesView coordinate, evidence::tpm::Curve curve);

}  // namespace gatehouse::verify::tpm
