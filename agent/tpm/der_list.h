// Certificates as TPM NV indices hold them: DER, one after the other, the rest of the index padded.
#pragma once

#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace gatehouse::agent {

// Each outermost SEQUENCE of `bytes`, not looked into. Only 00 or only FF bytes may follow the last. None if there is
// nothing but padding. At most limits::kChainCertificates. Errors: kCertificateMalformed, kLimitExceeded.
[[nodiscard]] Result<std::vector<Bytes>> SplitDer(BytesView bytes, std::string_view where);

}  // namespace gatehouse::agent
