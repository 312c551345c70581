// Pull secrets: what is presented can be sent in a header, and is named alike whenever it is the same.
#include "common/registry/credentials.h"

#include "tests/fuzz/check.h"

using gatehouse::Reason;
using gatehouse::image::Reference;
using gatehouse::registry::Credentials;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  auto credentials = Credentials::FromDockerConfig(gatehouse::AsText({data, size}), "fuzz");
  if (!credentials.ok()) {
    FUZZ_CHECK(credentials.error().reason == Reason::kConfigInvalid);
    return 0;
  }
  for (const char* text :
       {"nginx", "a.test/x", "localhost:5000/team/app", "[::1]:5000/a", "registry.example.com/team/sub/app"}) {
    auto image = Reference::Parse(text).value();
    auto found = credentials->Find(image);
    FUZZ_CHECK(found.has_value() == (credentials->IdentityFor(image) != "anonymous"));
    FUZZ_CHECK(credentials->IdentityFor(image) == credentials->With(*credentials).IdentityFor(image));
    if (!found.has_value()) continue;
    FUZZ_CHECK(!found->username.empty() && found->username.find(':') == std::string::npos);
    for (const std::string* part : {&found->username, &found->password}) {
      FUZZ_CHECK(!part->empty());
      for (char c : *part) FUZZ_CHECK(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
    }
  }
  return 0;
}
