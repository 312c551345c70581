// Image references: what is accepted has one canonical form, which is accepted as itself and is safe in a URL's path.
#include "common/image/reference.h"

#include "common/base/limits.h"
#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::image::IsTag;
using gatehouse::image::Reference;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto reference = Reference::Parse(gatehouse::AsText({data, size}));
  if (!reference.ok()) {
    FUZZ_CHECK(reference.error().reason == Reason::kImageReferenceMalformed);
    return 0;
  }
  auto again = Reference::Parse(reference->Canonical());
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(*again == *reference);
  FUZZ_CHECK(again->Canonical() == reference->Canonical());
  FUZZ_CHECK(reference->Name().size() <= gatehouse::limits::kRepositoryNameBytes);
  FUZZ_CHECK(reference->tag().has_value() || reference->digest().has_value());
  FUZZ_CHECK(!reference->tag().has_value() || IsTag(*reference->tag()));
  for (char c : reference->path()) {
    FUZZ_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '.' || c == '_' || c == '-');
  }
  FUZZ_CHECK(("/" + reference->path() + "/").find("/../") == std::string::npos);
  return 0;
}
