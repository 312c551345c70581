// X.509: what parses has one spelling, can be asked everything, and chains to no root that did not issue it.
#include "common/codec/pem.h"
#include "common/crypto/hash.h"
#include "common/crypto/x509.h"
#include "tests/fakes/pki.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::crypto::Certificate;
using gatehouse::crypto::PublicKey;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const gatehouse::fakes::TestCa root = gatehouse::fakes::TestCa::Root(gatehouse::fakes::CaSpec("root"));
  static const auto good = root.Leaf(gatehouse::fakes::LeafSpec("leaf"));
  const BytesView input(data, size);
  const auto certificate = Certificate::FromDer(input);
  if (!certificate.ok()) {
    FUZZ_CHECK(certificate.error().reason == Reason::kCertificateMalformed ||
               certificate.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(certificate->Der() == Bytes(input.begin(), input.end()));
  const auto list = Certificate::ListFromPem(gatehouse::codec::EncodePem("CERTIFICATE", certificate->Der()));
  FUZZ_CHECK(list.ok() && list->size() == 1 && list->front().Der() == certificate->Der());
  static_cast<void>(certificate->Subject() + certificate->Issuer());
  static_cast<void>(certificate->CommonNames());
  static_cast<void>(certificate->Organizations());
  static_cast<void>(certificate->UnknownCriticalExtensions());
  if (certificate->HasExtendedKeyUsage("2.23.133.8.1")) FUZZ_CHECK(certificate->HasAnyExtendedKeyUsageExtension());
  if (const auto key = certificate->Key(); key.ok()) {
    const auto again = PublicKey::FromSpki(key->Spki());
    FUZZ_CHECK(again.ok() && *again == *key);
  }
  const gatehouse::crypto::ChainOptions options{
      .at = certificate->NotBefore(), .required_eku = "", .tolerated_critical_oids = {}};
  FUZZ_CHECK(!VerifyChain(*certificate, {root.certificate()}, {root.certificate()}, options).ok());
  FUZZ_CHECK(!VerifyChain(good.certificate, {root.certificate()}, {*certificate}, options).ok());
  const auto self = VerifyChain(*certificate, {}, {*certificate}, options);
  if (self.ok()) FUZZ_CHECK(self->size() == 1 && !certificate->IsCa());
  return 0;
}
