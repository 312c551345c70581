// A gate with one signed image, already verified: what both benchmarks measure against.
#pragma once

#include <memory>
#include <string>

#include "common/gate/gate.h"
#include "common/registry/client.h"
#include "tests/fakes/memory_registry.h"

namespace gatehouse::bench {

class NoNodes final : public gate::NodeTrustSource {
 public:
  [[nodiscard]] gate::NodeTrust Lookup(const NodeName&, const std::string&, const std::string&) const override {
    return {};
  }
};

// Everything from the policy document to the cache, with the system's clock.
struct WarmGate {
  WarmGate();
  [[nodiscard]] Deadline Soon() const { return Deadline(clock, Duration(5'000)); }

  SystemClock clock;
  fakes::MemoryRegistry registry;
  registry::Client client{registry, clock, {}};
  gate::VerificationCache cache{clock, {}, [](std::string_view) {}};
  gate::ImageVerifier verifier{client, cache, clock, {}};
  NoNodes nodes;
  crypto::PrivateKey key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  Digest image = registry.PutImage("app", "1", "content");
  std::shared_ptr<const policy::PolicySet> set;
  std::shared_ptr<const registry::Credentials> credentials = std::make_shared<registry::Credentials>();
  gate::Gate gate{verifier, nodes, [this] { return set; }, gate::SameForAll([this] { return credentials; }), {}};
  // An AdmissionReview of about 6 kB, as the API server sent it for a Deployment's pod, whose image is the signed one
  // by digest.
  std::string review;
};

}  // namespace gatehouse::bench
