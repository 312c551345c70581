// Trusted roots: what is accepted is complete: every log can be found, every window holds something, every chain leads
// from one certificate to the next.
#include "common/base/limits.h"
#include "common/signature/sigstore/trust.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
namespace sigstore = gatehouse::signature::sigstore;

namespace {

void CheckWindow(const sigstore::Validity& valid) {
  FUZZ_CHECK(!valid.from || valid.Contains(*valid.from));
  FUZZ_CHECK(!valid.until || valid.Contains(*valid.until));
}

void CheckLogs(const std::vector<sigstore::Log>& logs) {
  FUZZ_CHECK(logs.size() <= gatehouse::limits::kTrustedRootKeys);
  for (const sigstore::Log& log : logs) {
    FUZZ_CHECK(log.id.size() == 32 || log.id.size() == 4);
    FUZZ_CHECK(log.checkpoint_id.empty() || log.checkpoint_id.size() == 32 || log.checkpoint_id.size() == 4);
    FUZZ_CHECK(!log.operator_name.empty() && log.valid.from.has_value());
    CheckWindow(log.valid);
  }
}

void CheckAuthorities(const std::vector<sigstore::CertificateAuthority>& authorities) {
  FUZZ_CHECK(authorities.size() <= gatehouse::limits::kTrustedRootKeys);
  for (const sigstore::CertificateAuthority& authority : authorities) {
    FUZZ_CHECK(!authority.chain.empty() && !authority.operator_name.empty());
    for (std::size_t i = 0; i + 1 < authority.chain.size(); ++i) {
      FUZZ_CHECK(authority.chain[i].IsSignedBy(authority.chain[i + 1]));
    }
    CheckWindow(authority.valid);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto root = sigstore::ParseTrustedRoot(gatehouse::AsText({data, size}));
  if (!root.ok()) {
    FUZZ_CHECK(root.error().reason == Reason::kTrustRootMalformed || root.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  const sigstore::TrustMaterial& material = root->material;
  CheckLogs(material.logs);
  CheckLogs(material.ct_logs);
  CheckAuthorities(material.authorities);
  CheckAuthorities(material.timestamp_authorities);
  FUZZ_CHECK(!material.logs.empty() || !material.ct_logs.empty() || !material.authorities.empty() ||
             !material.timestamp_authorities.empty() || !root->ignored.empty());
  return 0;
}
