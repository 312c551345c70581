// CRLs and OCSP answers from anybody: one that its issuer did not sign is never believed.
#include "common/base/bytes.h"
#include "common/crypto/revocation.h"
#include "tests/fakes/pki.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gatehouse;
  static const fakes::TestCa issuer = fakes::TestCa::Root(fakes::CaSpec("issuer"));
  static const fakes::TestCertificate leaf = issuer.Leaf(fakes::LeafSpec("leaf"));
  const BytesView bytes(data, size);
  // The issuer's key was made just now: nothing that was written before can be signed by it.
  FUZZ_CHECK(!crypto::RevocationList::FromDer(bytes, issuer.certificate(), fakes::kPkiNow).ok());
  FUZZ_CHECK(!crypto::ReadOcspResponse(bytes, leaf.certificate, issuer.certificate(), fakes::kPkiNow).ok());
  return 0;
}
