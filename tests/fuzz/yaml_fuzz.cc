// YAML: what is accepted is a JSON document: it serializes to a text that the strict JSON reader accepts as it is.
#include "common/codec/yaml.h"

#include "common/base/encoding.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::codec::JsonDocument;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = gatehouse::AsText({data, size});
  auto documents = gatehouse::codec::ParseYaml(text, "fuzz.yaml");
  if (!documents.ok()) {
    FUZZ_CHECK(documents.error().reason == Reason::kYamlMalformed ||
               documents.error().reason == Reason::kLimitExceeded);
    FUZZ_CHECK(documents.error().where.starts_with("fuzz.yaml"));
    FUZZ_CHECK(gatehouse::IsUtf8(documents.error().detail));
    return 0;
  }
  for (const JsonDocument& document : *documents) {
    FUZZ_CHECK(!document.root().IsNull());
    FUZZ_CHECK(document.PositionOf(document.root()).starts_with("fuzz.yaml:"));
    std::string json = document.root().Serialize();
    auto again = JsonDocument::Parse(json, {.max_bytes = 8 << 20});
    FUZZ_CHECK(again.ok());
    FUZZ_CHECK(again->root().Serialize() == json);
  }
  return 0;
}
