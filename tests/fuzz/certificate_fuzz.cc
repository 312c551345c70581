// X.509: what parses has one spelling, can be asked everything, and chains to no root that did not issue it.
#include "common/base/encoding.h"
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

namespace {

void CheckExtensions(const Certificate& certificate) {
  FUZZ_CHECK(certificate.ExtendedKeyUsages().empty() || certificate.HasAnyExtendedKeyUsageExtension());
  FUZZ_CHECK(!certificate.HasCriticalExtendedKeyUsage() || certificate.HasAnyExtendedKeyUsageExtension());
  FUZZ_CHECK(certificate.Usage().has_value() == certificate.Extension("2.5.29.15").has_value());
  const auto names = certificate.AlternativeNames();
  if (!names.ok()) {
    FUZZ_CHECK(names.error().reason == Reason::kCertificateMalformed);
  } else {
    FUZZ_CHECK(names->empty() != certificate.Extension("2.5.29.17").has_value());
    for (const auto& name : *names) {
      FUZZ_CHECK(!name.value.empty() && name.value.find('\0') == std::string::npos && gatehouse::IsUtf8(name.value));
    }
  }
  for (const auto& [type, value] : certificate.SubjectAttributes()) {
    FUZZ_CHECK(!type.empty() && gatehouse::IsUtf8(value));
  }
}

}  // namespace

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
  CheckExtensions(*certificate);
  FUZZ_CHECK(!certificate->IsSignedBy(root.certificate()));
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
