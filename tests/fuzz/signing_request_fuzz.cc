// PKCS#10: what is read has one PEM spelling, and says the same again.
#include "common/codec/pem.h"
#include "common/crypto/issue.h"
#include "tests/fuzz/check.h"

using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::crypto::ReadSigningRequest;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string pem = gatehouse::codec::EncodePem("CERTIFICATE REQUEST", BytesView(data, size));
  const auto request = ReadSigningRequest(pem);
  if (!request.ok()) {
    const Reason reason = request.error().reason;
    FUZZ_CHECK(reason == Reason::kCertificateMalformed || reason == Reason::kKeyMalformed ||
               reason == Reason::kSignatureInvalid);
    return 0;
  }
  FUZZ_CHECK(!ReadSigningRequest(pem + pem).ok());
  FUZZ_CHECK(!ReadSigningRequest(gatehouse::codec::EncodePem("CERTIFICATE REQUEST", BytesView(data, size - 1))).ok());
  const auto again = ReadSigningRequest(pem);
  FUZZ_CHECK(again.ok() && again->key == request->key && again->common_names == request->common_names);
  for (const auto* names : {&request->common_names, &request->organizations}) {
    for (const std::string& name : *names) FUZZ_CHECK(name.find('\0') == std::string::npos);
  }
  return 0;
}
