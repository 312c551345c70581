// EAR: the input is never a token; as claims under the right signature, what is accepted is consistent, and encodes to
// a token that is read as the same result.
#include "common/ear/ear.h"

#include "common/jose/jws.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
namespace crypto = gatehouse::crypto;
namespace ear = gatehouse::ear;

namespace {

constexpr gatehouse::WallTime kNow{std::chrono::sys_days{std::chrono::year{2027} / 1 / 1}};

bool IsTokenReason(Reason reason) {
  return reason == Reason::kTokenMalformed || reason == Reason::kTokenUntrusted || reason == Reason::kTokenExpired;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  const std::vector<crypto::PublicKey> keys = {key.Public()};
  const auto text = gatehouse::AsText({data, size});
  FUZZ_CHECK(!ear::Verify(text, keys, kNow).ok());

  auto signed_token = gatehouse::jose::SignEs256(key, "eat+jwt", text);
  if (!signed_token.ok()) return 0;
  auto read = ear::Verify(*signed_token, keys, kNow);
  if (!read.ok()) {
    FUZZ_CHECK(IsTokenReason(read.error().reason));
    return 0;
  }
  const ear::AttestationResult& result = read->result();
  FUZZ_CHECK(result.expires > kNow);
  auto again = ear::Encode(result, key);
  if (!again.ok()) {
    FUZZ_CHECK(again.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  auto second = ear::Verify(*again, keys, kNow);
  FUZZ_CHECK(second.ok());
  FUZZ_CHECK(second->result().node == result.node && second->result().nonce == result.nonce);
  FUZZ_CHECK(second->result().tier() == result.tier());
  FUZZ_CHECK(second->result().clock == result.clock);
  FUZZ_CHECK(second->result().appraisals.size() == result.appraisals.size());
  for (const ear::PolicyAppraisal& appraisal : result.appraisals) {
    FUZZ_CHECK((appraisal.tier == ear::Tier::kAffirming) == appraisal.findings.empty());
  }
  return 0;
}
