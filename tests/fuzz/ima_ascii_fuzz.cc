// The ASCII form of an IMA log: what can be put back gives a binary log of as many entries, whose ASCII form is the
// input to the byte.
#include "common/evidence/ima/log.h"
#include "tests/fakes/ima_log.h"
#include "tests/fuzz/check.h"

using gatehouse::BytesView;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView text(data, size);
  auto binary = gatehouse::evidence::ima::AsciiToBinary(text);
  if (!binary.ok()) {
    FUZZ_CHECK(binary.error().reason == Reason::kImaLogMalformed);
    return 0;
  }
  gatehouse::evidence::ima::FrameReader frames;
  std::size_t lines = 0;
  for (const std::uint8_t byte : text) lines += byte == '\n' ? 1U : 0U;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < lines; ++i) {
    auto found = frames.Next(BytesView(*binary).subspan(offset));
    if (!found.ok()) {  // a name or an entry that is longer than we read
      FUZZ_CHECK(found.error().reason == Reason::kLimitExceeded || found.error().reason == Reason::kImaLogMalformed);
      return 0;
    }
    FUZZ_CHECK(found->has_value());
    offset += (*found)->size;
  }
  FUZZ_CHECK(offset == binary->size());
  FUZZ_CHECK(gatehouse::fakes::ImaAscii(*binary) == gatehouse::AsText(text));
  return 0;
}
