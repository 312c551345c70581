// RFC 3161 tokens. The first byte says what the rest is: a whole token, of which only what an authority has signed
// verifies; or a TSTInfo or a signing certificate attribute, which is then signed by an authority of ours, so that the
// readers behind the signature are reached.
#include "common/crypto/timestamp.h"
#include "tests/common/crypto/token_maker.h"
#include "tests/fuzz/check.h"

using gatehouse::Bytes;
using gatehouse::BytesView;
using gatehouse::Reason;
using gatehouse::crypto::Certificate;
using gatehouse::crypto::TokenParts;
using gatehouse::crypto::VerifyTimestamp;

namespace {

// tests/testdata/timestamp, whose keys nobody has.
constexpr std::string_view kRoot = R"(-----BEGIN CERTIFICATE-----
MIIBrDCCAVKgAwIBAgIUBXa0WT3FpyNk4f9RlnPblMKBVZIwCgYIKoZIzj0EAwIw
MzEYMBYGA1UECgwPR2F0ZWhvdXNlIHRlc3RzMRcwFQYDVQQDDA50aW1lc3RhbXAg
cm9vdDAgFw0yNjExMjIwMzI0MjVaGA8yMTI2MTAyOTAzMjQyNVowMzEYMBYGA1UE
CgwPR2F0ZWhvdXNlIHRlc3RzMRcwFQYDVQQDDA50aW1lc3RhbXAgcm9vdDBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABH5WEC9t/rruzI8BmawlPs4etEB6L1BwcYg7
d3z/mgckR/+55TE59JU3aS149gyHff+/w0T+WpuGn68u8XL3p5KjQjBAMA8GA1Ud
EwEB/wQFMAMBAf8wDgYDVR0PAQH/BAQDAgEGMB0GA1UdDgQWBBSN//Ebwt5IIIJA
dw5rEq9jDziE3TAKBggqhkjOPQQDAgNIADBFAiEA6Y65BriWlM44s4ncmBXpfO+7
woRU8QDNApvN57+i8pACIC4RPA4JN4X85EzT5/tEj5ANzy/F+7LD/8pXy8HEEVx8
-----END CERTIFICATE-----
)";
constexpr std::string_view kSigner = R"(-----BEGIN CERTIFICATE-----
MIIB5DCCAYqgAwIBAgIUInrRaC2Nqc1ylz9QmpV3gdehqRYwCgYIKoZIzj0EAwIw
MzEYMBYGA1UECgwPR2F0ZWhvdXNlIHRlc3RzMRcwFQYDVQQDDA50aW1lc3RhbXAg
cm9vdDAgFw0yNjExMjIwMzI0MjVaGA8yMTI2MTAyOTAzMjQyNVowNTEYMBYGA1UE
CgwPR2F0ZWhvdXNlIHRlc3RzMRkwFwYDVQQDDBB0aW1lc3RhbXAgc2lnbmVyMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpmHenA0ugNySrY6cJV0nqmyQopVgcAr6
Sj9M4G6bXyX5jMF/g1VxJGltySE7K6Y2GUbLdWGKc8wN37fBR2fA2qN4MHYwDAYD
VR0TAQH/BAIwADAOBgNVHQ8BAf8EBAMCB4AwFgYDVR0lAQH/BAwwCgYIKwYBBQUH
AwgwHQYDVR0OBBYEFHgGQo1dfpZYx++rWHjv2P8Gqm/LMB8GA1UdIwQYMBaAFI3/
8RvC3kgggkB3DmsSr2MPOITdMAoGCCqGSM49BAMCA0gAMEUCIQCA8BUGdv/FKNW4
TgH7EKD8r50DgqsNxe7t6wXWZj+7JAIgGQefW1qSShE8sCJx6NBNlNXixhQr0/hZ
OwupGkq4vQs=
-----END CERTIFICATE-----
)";
const Bytes kMessage = gatehouse::ToBytes("a message that was stamped");

struct Authority {
  gatehouse::fakes::TestCa ca = gatehouse::fakes::TestCa::Root(gatehouse::fakes::CaSpec("ca"));
  gatehouse::fakes::TestCertificate signer =
      ca.Leaf(gatehouse::fakes::LeafSpec("signer").With("extendedKeyUsage", "critical,timeStamping"));
};

Certificate One(std::string_view pem) {
  return Certificate::ListFromPem(pem).value().front();
}

void CheckReason(const gatehouse::Error& error) {
  FUZZ_CHECK(error.reason == Reason::kTimestampMalformed || error.reason == Reason::kTimestampInvalid ||
             error.reason == Reason::kCertificateUntrusted || error.reason == Reason::kLimitExceeded);
}

void CheckToken(BytesView token) {
  static const gatehouse::crypto::TimestampAuthority authority{
      .roots = {One(kRoot)}, .intermediates = {}, .leaf = One(kSigner)};
  static const gatehouse::WallTime first =
      std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + std::chrono::hours(3) + std::chrono::minutes(24);
  const auto stamp = VerifyTimestamp(token, kMessage, authority);
  if (!stamp.ok()) return CheckReason(stamp.error());
  // Both were made within that minute, and nothing else was ever signed with that key.
  FUZZ_CHECK(stamp->at >= first && stamp->at < first + std::chrono::minutes(1));
  FUZZ_CHECK(stamp->signer.Der() == authority.leaf->Der());
  FUZZ_CHECK(!VerifyTimestamp(token, gatehouse::AsBytes("another message"), authority).ok());
  Bytes longer(token.begin(), token.end());
  longer.push_back(0);
  FUZZ_CHECK(!VerifyTimestamp(longer, kMessage, authority).ok());
}

void CheckParts(const TokenParts& parts, const Authority& authority) {
  const Bytes token = parts.Build();
  const auto stamp = VerifyTimestamp(token, kMessage, {.roots = {authority.ca.certificate()}});
  if (!stamp.ok()) return CheckReason(stamp.error());
  FUZZ_CHECK(stamp->at >= authority.signer.certificate.NotBefore());
  FUZZ_CHECK(stamp->at < authority.signer.certificate.NotAfter() + std::chrono::seconds(1));
  FUZZ_CHECK(stamp->accuracy >= gatehouse::Duration::zero());
  FUZZ_CHECK(
      !VerifyTimestamp(token, gatehouse::AsBytes("another message"), {.roots = {authority.ca.certificate()}}).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Authority authority;
  if (size == 0) return 0;
  const BytesView rest = BytesView(data, size).subspan(1);
  if (data[0] == 'T') {
    CheckToken(rest);
    return 0;
  }
  TokenParts parts(authority.signer, kMessage);
  if (data[0] == 'I') parts.content_instead = Bytes(rest.begin(), rest.end());
  if (data[0] == 'A') {
    parts.more_attributes =
        gatehouse::crypto::Attribute(gatehouse::crypto::kSigningCertificateOid, {Bytes(rest.begin(), rest.end())});
  }
  CheckParts(parts, authority);
  return 0;
}
