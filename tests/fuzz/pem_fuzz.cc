// PEM: what is accepted, encodes to a text that is accepted and means the same.
#include "common/codec/pem.h"

#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::codec::EncodePem;
using gatehouse::codec::ParsePem;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto blocks = ParsePem(gatehouse::AsText({data, size}), Reason::kKeyMalformed);
  if (!blocks.ok()) {
    FUZZ_CHECK(blocks.error().reason == Reason::kKeyMalformed || blocks.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(!blocks->empty());
  std::string text;
  for (const auto& block : *blocks) text += EncodePem(block.label, block.der);
  auto again = ParsePem(text, Reason::kKeyMalformed);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->size() == blocks->size());
  for (std::size_t i = 0; i < blocks->size(); ++i) {
    FUZZ_CHECK((*again)[i].label == (*blocks)[i].label);
    FUZZ_CHECK((*again)[i].der == (*blocks)[i].der);
  }
  return 0;
}
