// Times and durations: what is accepted, is written in a form that is accepted and means the same.
#include "common/codec/time.h"

#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = gatehouse::AsText({data, size});
  if (auto time = gatehouse::codec::ParseTime(text); time.ok()) {
    auto again = gatehouse::codec::ParseTime(gatehouse::codec::FormatTime(*time));
    FUZZ_CHECK(again.ok() && *again == *time);
  }
  if (auto duration = gatehouse::codec::ParseDuration(text); duration.ok()) {
    FUZZ_CHECK(duration->count() >= 0);
    auto again = gatehouse::codec::ParseDuration(gatehouse::codec::FormatDuration(*duration));
    FUZZ_CHECK(again.ok() && *again == *duration);
  }
  return 0;
}
