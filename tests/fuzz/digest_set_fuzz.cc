// Files of reference digests: there is one file for each set, and each entry of it is found.
#include "common/appraisal/digest_set.h"
#include "tests/fuzz/check.h"

using gatehouse::BytesView;
using gatehouse::HashAlgorithm;
using gatehouse::Reason;
using gatehouse::appraisal::DigestSet;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView input(data, size);
  const auto set = DigestSet::Parse(input);
  if (!set.ok()) {
    FUZZ_CHECK(set.error().reason == Reason::kDigestMalformed || set.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK((*set)->Serialize() == gatehouse::ToBytes(input));
  // The first entry of the first algorithm that has any stands behind the header.
  constexpr std::size_t kHeader = 20;
  for (HashAlgorithm algorithm : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    const std::size_t bytes = gatehouse::DigestSize(algorithm);
    const std::size_t index = algorithm == HashAlgorithm::kSha256 ? 11 : algorithm == HashAlgorithm::kSha384 ? 15 : 19;
    if (data[index] == 0) continue;
    FUZZ_CHECK((*set)->Contains(algorithm, input.subspan(kHeader, bytes)));
    FUZZ_CHECK((*set)->Find(algorithm, input.subspan(kHeader, bytes), "/x") != DigestSet::Match::kNone);
    break;
  }
  return 0;
}
