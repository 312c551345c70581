// A chunked body: decodes the same however it arrives, keeps its limit, takes nothing of what follows it, and what was
// decoded decodes to itself when it is written again.
#include "webhook/server/chunked_body.h"

#include <algorithm>

#include "common/base/bytes.h"
#include "tests/fuzz/check.h"

using gatehouse::webhook::ChunkedBody;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMax = 64;
  const std::string_view bytes = gatehouse::AsText({data, size});
  ChunkedBody whole(kMax);
  const std::size_t taken = whole.Feed(bytes);
  FUZZ_CHECK(taken <= size && whole.body().size() <= kMax);
  FUZZ_CHECK(whole.state() != ChunkedBody::State::kIncomplete || taken == size);

  ChunkedBody pieces(kMax);
  std::size_t pieced = 0;
  const std::size_t step = size == 0 ? 1 : data[size - 1] % 7U + 1;
  while (pieced < size && pieces.state() == ChunkedBody::State::kIncomplete) {
    pieced += pieces.Feed(bytes.substr(pieced, step));
  }
  FUZZ_CHECK(pieced == taken && pieces.state() == whole.state() && pieces.body() == whole.body());
  if (whole.state() != ChunkedBody::State::kComplete) return 0;

  FUZZ_CHECK(bytes.substr(0, taken).ends_with("\r\n\r\n"));
  std::string again;
  for (const char c : whole.body()) again += std::string("1\r\n") + c + "\r\n";
  again += "0\r\n\r\nrest";
  ChunkedBody second(kMax);
  FUZZ_CHECK(second.Feed(again) == again.size() - 4 && second.state() == ChunkedBody::State::kComplete);
  FUZZ_CHECK(second.body() == whole.body());
  return 0;
}
