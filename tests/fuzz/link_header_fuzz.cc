// Link headers: what is taken for the next page reads the same when it is written again; other text around it does not
// change which one it is.
#include "common/base/limits.h"
#include "common/registry/referrers.h"
#include "tests/fuzz/check.h"

namespace registry = gatehouse::registry;
using gatehouse::Reason;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > gatehouse::limits::kHttpHeaderLineBytes) return 0;  // the transport takes no longer line
  const std::string text(gatehouse::AsText({data, size}));
  auto next = registry::NextLink({{"Link", text}});
  if (!next.ok()) {
    FUZZ_CHECK(next.error().reason == Reason::kRegistryProtocol);
    return 0;
  }
  auto beside =
      registry::NextLink({{"Link", registry::FormatLink("/before", "prev")}, {"link", text}, {"X", "</x>; rel=next"}});
  FUZZ_CHECK(beside.ok() && *beside == *next);
  if (!next->has_value()) return 0;
  FUZZ_CHECK((*next)->find('>') == std::string::npos);
  auto again = registry::NextLink({{"Link", registry::FormatLink(**next, "next")}});
  FUZZ_CHECK(again.ok() && *again == *next);
  auto two = registry::NextLink({{"Link", text}, {"Link", registry::FormatLink(**next + "x", "next")}});
  FUZZ_CHECK(!two.ok());
  return 0;
}
