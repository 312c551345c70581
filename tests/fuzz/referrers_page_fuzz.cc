// A page of referrers: whatever it lists, each digest comes once, of a kind that is wanted, and never the image itself.
#include <set>

#include "common/base/limits.h"
#include "common/registry/referrers.h"
#include "tests/fuzz/check.h"

namespace registry = gatehouse::registry;
using gatehouse::Digest;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view page = gatehouse::AsText({data, size});
  static const Digest kImage = Digest::Parse("sha256:" + std::string(64, 'a')).value();
  const std::string wanted = "application/vnd.dev.sigstore.bundle";
  registry::ReferrerCollector all(kImage, {});
  registry::ReferrerCollector some(kImage, {wanted});
  auto added = all.AddPage(page, gatehouse::image::kOciIndex);
  FUZZ_CHECK(added.ok() == some.AddPage(page, gatehouse::image::kOciIndex).ok());
  if (!added.ok()) {
    FUZZ_CHECK(added.error().reason == Reason::kRegistryProtocol || added.error().reason == Reason::kLimitExceeded);
    FUZZ_CHECK(std::move(all).Take().referrers.empty());
    return 0;
  }
  FUZZ_CHECK(all.AddPage(page, gatehouse::image::kOciIndex).ok());  // the same again adds nothing
  registry::ReferrerList list = std::move(all).Take();
  FUZZ_CHECK(list.referrers.size() <= gatehouse::limits::kReferrers);
  std::set<std::string> digests;
  for (const auto& each : list.referrers) {
    FUZZ_CHECK(digests.insert(each.digest.text()).second);
    FUZZ_CHECK(each.digest != kImage);
  }
  for (const auto& each : std::move(some).Take().referrers) {
    FUZZ_CHECK(list.truncated || digests.contains(each.digest.text()));
    FUZZ_CHECK(each.artifact_type.empty() || each.artifact_type == "application/vnd.oci.empty.v1+json" ||
               each.artifact_type.starts_with(wanted));
  }
  return 0;
}
