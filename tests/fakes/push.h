// What `docker push` and `cosign sign --key` leave behind, in a registry on a real port.
#pragma once

#include <string>
#include <vector>

#include "tests/fakes/memory_registry.h"
#include "tests/fakes/registry.h"

namespace gatehouse::fakes {

// A one-layer image that differs by `content`.
Digest PushImage(FakeRegistry& registry, const std::string& repository, const std::string& tag,
                 const std::string& content);
// The image's signatures, in place of those that it has.
void PushSignatures(FakeRegistry& registry, const std::string& repository, const Digest& image,
                    const std::vector<SignedPayload>& signatures);

}  // namespace gatehouse::fakes
