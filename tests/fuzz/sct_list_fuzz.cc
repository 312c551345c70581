// The list of signed certificate timestamps of a certificate: what is read is all that is there, and no stranger's
// key vouches by it.
#include "common/base/limits.h"
#include "common/crypto/key.h"
#include "common/crypto/sct.h"
#include "tests/common/crypto/sct_maker.h"
#include "tests/fakes/pki.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::crypto::Certificate;
using gatehouse::crypto::SignedCertificateTimestamp;

namespace {

struct Fixture {
  gatehouse::fakes::TestCa ca = gatehouse::fakes::TestCa::Root(gatehouse::fakes::CaSpec("ca"));
  Bytes precertificate = ca.Leaf(gatehouse::fakes::LeafSpec("leaf")).der;
  gatehouse::crypto::PublicKey stranger =
      gatehouse::crypto::PrivateKey::Generate(gatehouse::crypto::KeyType::kEcP256).value().Public();
};

Bytes Again(const SignedCertificateTimestamp& sct) {
  gatehouse::crypto::SctSpec spec;
  spec.log_id = sct.log_id;
  spec.at = static_cast<std::uint64_t>(sct.at.time_since_epoch().count());
  spec.extensions = sct.extensions;
  // RFC 5246: sha256 (4), sha384 (5), sha512 (6); rsa (1), ecdsa (3).
  spec.hash = sct.hash == gatehouse::HashAlgorithm::kSha256 ? 4 : sct.hash == gatehouse::HashAlgorithm::kSha384 ? 5 : 6;
  spec.signature = sct.ecdsa ? 3 : 1;
  return SerialiseSct(spec, sct.signature);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture fixture;
  const BytesView list(data, size);
  const auto [tbs, algorithm] = gatehouse::crypto::CertificateParts(fixture.precertificate);
  const Bytes whole = gatehouse::crypto::InsertExtension(tbs, gatehouse::crypto::SctExtension(list),
                                                         gatehouse::crypto::SctPlace::kLast);
  const auto certificate = Certificate::FromDer(gatehouse::crypto::AssembleCertificate(whole, algorithm));
  if (!certificate.ok()) {
    FUZZ_CHECK(certificate.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  const auto scts = EmbeddedScts(*certificate);
  if (!scts.ok()) {
    FUZZ_CHECK(scts.error().reason == Reason::kSctInvalid || scts.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(!scts->empty() && scts->size() <= gatehouse::limits::kScts);
  std::vector<Bytes> again;
  for (const SignedCertificateTimestamp& sct : *scts) {
    FUZZ_CHECK(sct.log_id.size() == 32);
    FUZZ_CHECK(!VerifyEmbeddedSct(sct, *certificate, fixture.ca.certificate(), fixture.stranger).ok());
    again.push_back(Again(sct));
  }
  FUZZ_CHECK(gatehouse::crypto::SctList(again) == Bytes(list.begin(), list.end()));
  return 0;
}
