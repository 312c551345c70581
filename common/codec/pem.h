// PEM (RFC 7468), strict: one label per block, base64 lines, nothing but white space between blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace gatehouse::codec {

struct PemBlock {
  std::string label;  // "CERTIFICATE", "PUBLIC KEY", ...
  Bytes der;
};

// At least one block. `reason` is that of every error: what the caller expected to find. Explanatory text before a
// BEGIN line (RFC 7468 section 2 allows it) is refused unless it is a comment line starting with '#'.
[[nodiscard]] Result<std::vector<PemBlock>> ParsePem(std::string_view text, Reason reason);
[[nodiscard]] std::string EncodePem(std::string_view label, BytesView der);

}  // namespace gatehouse::codec
