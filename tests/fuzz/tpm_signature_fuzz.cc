// TPMT_SIGNATURE: what is accepted is written again as the same bytes.
#include "common/evidence/tpm/structures.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto signature = gatehouse::evidence::tpm::ParseSignature({data, size});
  if (!signature.ok()) {
    FUZZ_CHECK(signature.error().reason == gatehouse::Reason::kEvidenceMalformed);
    return 0;
  }
  FUZZ_CHECK(gatehouse::fakes::Marshal(*signature) == gatehouse::Bytes(data, data + size));
  return 0;
}
