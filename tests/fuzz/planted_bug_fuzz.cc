// A target with a bug: it fails on the input "BUG". Its replay must fail, or no replay can be believed.
#include <cstdint>
#include <cstring>

#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FUZZ_CHECK(size != 3 || std::memcmp(data, "BUG", 3) != 0);
  return 0;
}
