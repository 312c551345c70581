// Whom a certificate names: text that every reader sees alike, one name where an issuer vouches for it, some otherwise.
#include "common/base/encoding.h"
#include "common/signature/sigstore/certificate.h"
#include "tests/fuzz/check.h"

namespace {

void CheckText(const std::string& text) {
  FUZZ_CHECK(gatehouse::IsUtf8(text) && text.find('\0') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto certificate = gatehouse::crypto::Certificate::FromDer({data, size});
  if (!certificate.ok()) return 0;
  const auto signer = gatehouse::signature::sigstore::ReadSigner(*certificate);
  if (!signer.ok()) return 0;
  FUZZ_CHECK(signer->fingerprint == certificate->Fingerprint());
  FUZZ_CHECK(signer->issuer.empty() ? !signer->names.empty() : signer->names.size() == 1);
  CheckText(signer->issuer);
  for (const auto& name : signer->names) {
    CheckText(name.value);
    FUZZ_CHECK(!name.value.empty());
  }
  for (const auto& [name, value] : signer->extensions) CheckText(value);
  // What is kept of an extension is in the certificate, byte for byte.
  const std::string_view der = gatehouse::AsText({data, size});
  for (const auto& [name, value] : signer->extensions) FUZZ_CHECK(der.find(value) != std::string_view::npos);
  return 0;
}
