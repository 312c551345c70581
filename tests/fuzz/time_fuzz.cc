// Times and durations: what is accepted, is written in a form that is accepted and means the same.
#include "common/codec/time.h"

#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = gatehouse::AsText({data, size});
  if (auto time = gatehouse::codec::ParseTime(text); time.ok()) {
    std::string written = gatehouse::codec::FormatTime(*time);
    auto again = gatehouse::codec::ParseTime(written);
    // An offset can carry the first or last day of the four-digit years beyond them, which RFC 3339 cannot write.
    bool representable = written.size() <= 24 && written[0] != '-';
    FUZZ_CHECK(!representable || (again.ok() && *again == *time));
  }
  if (auto duration = gatehouse::codec::ParseDuration(text); duration.ok()) {
    FUZZ_CHECK(duration->count() >= 0);
    auto again = gatehouse::codec::ParseDuration(gatehouse::codec::FormatDuration(*duration));
    FUZZ_CHECK(again.ok() && *again == *duration);
  }
  return 0;
}
