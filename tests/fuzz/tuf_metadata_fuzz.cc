// TUF metadata: what nobody signed is never believed, whatever it says; what is read stays within its limits.
#include "common/tuf/metadata.h"

#include "common/base/bytes.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gatehouse::tuf;
  const std::string_view text = gatehouse::AsText({data, size});
  for (const char* type : {"root", "timestamp", "snapshot", "targets"}) {
    auto metadata = Signed::Parse(text, type);
    if (!metadata.ok()) continue;
    FUZZ_CHECK(metadata->header().version >= 1);
    FUZZ_CHECK(!metadata->VerifiedBy({.key_ids = {}, .threshold = 1}, {}, "nobody").ok());
    if (auto root = ReadRoot(*metadata); root.ok()) {
      FUZZ_CHECK(root->roles.size() == 4);
      for (const auto& [name, role] : root->roles) FUZZ_CHECK(role.threshold >= 1 && !role.key_ids.empty());
    }
    if (auto files = ReadMeta(*metadata); files.ok()) {
      for (const auto& [name, info] : *files) FUZZ_CHECK(info.version >= 1);
    }
    if (auto targets = ReadTargets(*metadata); targets.ok()) {
      for (const auto& [name, target] : targets->targets) FUZZ_CHECK(!target.hashes.empty());
      for (const auto& delegation : targets->delegations) {
        FUZZ_CHECK(delegation.name.find('/') == std::string::npos && delegation.role.threshold >= 1);
        static_cast<void>(Covers(delegation, "a/b"));
      }
    }
  }
  return 0;
}
