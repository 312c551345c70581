// WWW-Authenticate: what is accepted reads the same when it is written again; a realm that may be asked is a safe one.
#include "common/registry/challenge.h"

#include "common/base/limits.h"
#include "common/registry/token.h"
#include "tests/fuzz/check.h"

namespace registry = gatehouse::registry;
using gatehouse::Reason;
using gatehouse::net::Url;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto challenges = registry::ParseChallenges(gatehouse::AsText({data, size}));
  if (!challenges.ok()) {
    FUZZ_CHECK(challenges.error().reason == Reason::kRegistryProtocol);
    return 0;
  }
  std::string text = registry::FormatChallenges(*challenges);
  if (text.size() <= gatehouse::limits::kHttpHeaderLineBytes) {  // quotes may make it longer than what came
    auto again = registry::ParseChallenges(text);
    FUZZ_CHECK(again.ok());
    FUZZ_CHECK(*again == *challenges);
  }
  for (const auto& challenge : *challenges) {
    auto url = registry::TokenUrl(challenge, Url{"https", "registry.test", 443, "/"}, "a/b");
    if (!url.ok()) continue;
    FUZZ_CHECK(url->scheme == "https");
    FUZZ_CHECK(url->target.ends_with("scope=repository%3Aa%2Fb%3Apull"));
  }
  return 0;
}
