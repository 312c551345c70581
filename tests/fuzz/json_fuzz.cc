// JSON: what is accepted, serializes to a text that is accepted and serializes to itself.
#include "common/codec/json.h"

#include "common/base/encoding.h"
#include "tests/fuzz/check.h"

using gatehouse::IsUtf8;
using gatehouse::Reason;
using gatehouse::codec::JsonDocument;
using gatehouse::codec::JsonView;

namespace {

// Every reading of every value agrees with its kind.
void Walk(JsonView view) {
  FUZZ_CHECK(view.AsString().has_value() == (view.kind() == JsonView::Kind::kString));
  FUZZ_CHECK(view.AsDouble().has_value() == (view.kind() == JsonView::Kind::kNumber));
  FUZZ_CHECK(!view.AsString() || IsUtf8(*view.AsString()));
  for (std::size_t i = 0; i < view.size(); ++i) {
    if (view.IsArray()) {
      Walk(view.at(i));
      continue;
    }
    JsonView::Member member = view.member(i);
    FUZZ_CHECK(IsUtf8(member.key));
    FUZZ_CHECK(view.Find(member.key)->id() == member.value.id());  // no other member has its key
    Walk(member.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = gatehouse::AsText({data, size});
  auto document = JsonDocument::Parse(text, {.max_bytes = 1 << 16});
  if (!document.ok()) {
    FUZZ_CHECK(document.error().reason == Reason::kJsonMalformed || document.error().reason == Reason::kLimitExceeded);
    return 0;
  }
  FUZZ_CHECK(IsUtf8(text));
  Walk(document->root());
  std::string once = document->root().Serialize();
  auto again = JsonDocument::Parse(once, {.max_bytes = 1 << 20});
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->root().Serialize() == once);
  return 0;
}
