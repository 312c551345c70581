// The report of a replica: what is read is written and read again as the same.
#include "common/base/limits.h"
#include "tests/fuzz/check.h"
#include "webhook/control/policy_status.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gatehouse;
  auto read = webhook::DecodeReport(AsText({data, size}));
  if (!read.ok()) return 0;
  std::string text = webhook::EncodeReport(*read);
  auto again = webhook::DecodeReport(text);
  FUZZ_CHECK(again.ok());
  for (const auto& [key, entry] : *again) {
    FUZZ_CHECK(read->contains(key));
    const auto& before = read->at(key);
    FUZZ_CHECK(entry.second == before.second);
    FUZZ_CHECK(entry.first.generation == before.first.generation && entry.first.in_force == before.first.in_force);
    FUZZ_CHECK(entry.first.in_force_generation == before.first.in_force_generation);
    FUZZ_CHECK(entry.first.kind == before.first.kind && entry.first.name == before.first.name &&
               entry.first.namespace_name == before.first.namespace_name);
  }
  FUZZ_CHECK(text.size() <= limits::kReplicaReportBytes);
  return 0;
}
