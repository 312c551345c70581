// TPMS_ATTEST: a quote that is accepted is written again as the same bytes; what is not a quote has no selection.
#include "common/base/limits.h"
#include "common/evidence/tpm/structures.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto attest = gatehouse::evidence::tpm::ParseAttest({data, size});
  if (!attest.ok()) {
    FUZZ_CHECK(attest.error().reason == Reason::kEvidenceMalformed);
    return 0;
  }
  FUZZ_CHECK(attest->quote.has_value() == (attest->type == gatehouse::evidence::tpm::kAttestQuote));
  const Bytes written = gatehouse::fakes::Marshal(*attest);
  if (attest->quote) {
    FUZZ_CHECK(attest->quote->selections.size() <= gatehouse::limits::kPcrBanks);
    FUZZ_CHECK(written == Bytes(data, data + size));
  } else {
    FUZZ_CHECK(written.size() <= size && written == Bytes(data, data + written.size()));
  }
  return 0;
}
