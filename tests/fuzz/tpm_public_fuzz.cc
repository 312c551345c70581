// TPMT_PUBLIC: what is accepted is written again as the same bytes, and a key that may attest is strong enough.
#include "common/evidence/tpm/structures.h"
#include "common/verify/tpm/identity.h"
#include "tests/fakes/tpm_marshal.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::Reason;
namespace verify = gatehouse::verify::tpm;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto area = gatehouse::evidence::tpm::ParsePublic({data, size});
  if (!area.ok()) {
    FUZZ_CHECK(area.error().reason == Reason::kEvidenceMalformed);
    return 0;
  }
  FUZZ_CHECK(area->bytes == Bytes(data, data + size));
  FUZZ_CHECK(gatehouse::fakes::Marshal(*area) == area->bytes);
  auto ak = verify::AttestationKey::Make(*area);
  if (!ak.ok()) {
    FUZZ_CHECK(ak.error().reason == Reason::kAkUnsuitable || ak.error().reason == Reason::kKeyMalformed);
    return 0;
  }
  FUZZ_CHECK(ak->name() == verify::ComputeName(*area));
  FUZZ_CHECK(ak->hash() != gatehouse::HashAlgorithm::kSha1);
  FUZZ_CHECK(ak->key().bits() >= 256 &&
             (ak->key().type() != gatehouse::crypto::KeyType::kRsa || ak->key().bits() >= 2048));
  return 0;
}
