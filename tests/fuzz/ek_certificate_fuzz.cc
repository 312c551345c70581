// Certificates of a TPM's keys: a critical subjectAltName that is accepted names the manufacturer of a TPM, and
// whatever else there is ends in one refusal.
#include <algorithm>

#include "common/verify/tpm/certificate_profile.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::crypto::Certificate;
using gatehouse::verify::tpm::CertifiedKey;

namespace {

bool Contains(BytesView bytes, const Bytes& part) {
  return std::search(bytes.begin(), bytes.end(), part.begin(), part.end()) != bytes.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto certificate = Certificate::FromDer(BytesView(data, size));
  if (!certificate.ok()) return 0;
  for (CertifiedKey kind : {CertifiedKey::kEndorsement, CertifiedKey::kAttestation}) {
    const auto checked = gatehouse::verify::tpm::CheckProfile(*certificate, kind);
    if (!checked.ok()) {
      FUZZ_CHECK(checked.error().reason == Reason::kCertificateUntrusted ||
                 checked.error().reason == Reason::kKeyMalformed);
      continue;
    }
    if (kind != CertifiedKey::kEndorsement || !certificate->HasCriticalExtension("2.5.29.17")) continue;
    const Bytes manufacturer = {0x06, 0x05, 0x67, 0x81, 0x05, 0x02, 0x01};  // 2.23.133.2.1
    FUZZ_CHECK(Contains(certificate->Extension("2.5.29.17").value(), manufacturer));
  }
  return 0;
}
