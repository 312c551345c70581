// URLs: what is accepted is written in one way, which is accepted as itself; a reference never leads out of the two
// schemes.
#include "common/net/http.h"

#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::net::Url;

namespace {

void Check(const Url& url) {
  FUZZ_CHECK(url.scheme == "http" || url.scheme == "https");
  FUZZ_CHECK(!url.host.empty() && url.port > 0 && url.port < 65536 && url.target.starts_with('/'));
  auto again = Url::Parse(url.ToString(), Reason::kInternal);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(*again == url);
  for (char c : url.ToString()) FUZZ_CHECK(c > 0x20 && c < 0x7F && c != '\\' && c != '#');
  FUZZ_CHECK(url.Authority().find('@') == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto text = gatehouse::AsText({data, size});
  auto url = Url::Parse(text, Reason::kRegistryProtocol);
  if (url.ok()) {
    Check(*url);
  } else {
    FUZZ_CHECK(url.error().reason == Reason::kRegistryProtocol);
  }
  Url base{"https", "host.test", 5000, "/v2/a/tags?n=1"};
  auto resolved = base.Resolve(text, Reason::kRegistryProtocol);
  if (!resolved.ok()) return 0;
  Check(*resolved);
  // Only a reference with a scheme of its own leaves the origin.
  FUZZ_CHECK(resolved->Origin() == base.Origin() || url.ok() || text.find('#') != std::string_view::npos);
  return 0;
}
