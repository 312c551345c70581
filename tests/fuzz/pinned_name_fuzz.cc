// What /mutate writes in place of an image's name is, to whoever reads it, the same image under the same tag, with the
// digest that was verified.
#include "common/base/bytes.h"
#include "common/base/limits.h"
#include "common/gate/pinning.h"
#include "tests/fuzz/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(gatehouse::AsText({data, size}));
  auto reference = gatehouse::image::Reference::Parse(text);
  if (!reference.ok()) return 0;
  const auto digest = *gatehouse::Digest::Parse("sha256:" + std::string(64, 'd'));
  auto pinned = gatehouse::gate::PinnedName(text, *reference, digest);
  if (!pinned.has_value()) {
    // Named by a digest already, or so long that the digest would make it longer than a name may be.
    FUZZ_CHECK(reference->digest().has_value() || text.size() + 256 > gatehouse::limits::kImageReferenceBytes);
    return 0;
  }
  FUZZ_CHECK(!reference->digest().has_value());
  FUZZ_CHECK(pinned->starts_with(text) && pinned->ends_with("@" + digest.text()));
  auto again = gatehouse::image::Reference::Parse(*pinned);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(again->Name() == reference->Name() && again->tag() == reference->tag() && again->digest() == digest);
  FUZZ_CHECK(!gatehouse::gate::PinnedName(*pinned, *again, digest).has_value());
  return 0;
}
