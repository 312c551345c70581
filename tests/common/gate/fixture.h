// A gate over a registry in memory, policies written as a user writes them, and nodes whose state the test says.
#pragma once

#include <gtest/gtest.h>

#include <map>

#include "common/gate/gate.h"
#include "common/policy/loader.h"
#include "common/registry/client.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/memory_registry.h"

namespace gatehouse::gate {

// A PEM block, indented as the value of a YAML block scalar.
inline std::string Indent(const std::string& text, int columns) {
  std::string indented;
  std::size_t begin = 0;
  while (begin < text.size()) {
    std::size_t end = text.find('\n', begin);
    indented += std::string(static_cast<std::size_t>(columns), ' ') + text.substr(begin, end - begin) + "\n";
    begin = end == std::string::npos ? text.size() : end + 1;
  }
  return indented;
}

inline std::string KeyAuthority(const std::string& name, const crypto::PublicKey& key, const std::string& more = "") {
  return "    - name: " + name + "\n      key:\n        data: |\n" + Indent(key.Pem(), 10) + more;
}

inline std::string ImagePolicyYaml(const std::string& name, const std::string& glob, const std::string& authorities,
                                   const std::string& more = "") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: " + name +
         "}\nspec:\n  images: [{glob: \"" + glob + "\"}]\n  authorities:\n" + authorities + more + "---\n";
}

class NodesSaid final : public NodeTrustSource {
 public:
  std::map<std::string, NodeTrust> trust;
  [[nodiscard]] NodeTrust Lookup(const NodeName& node, const std::string&, const std::string&) const override {
    auto found = trust.find(node.text());
    return found == trust.end() ? NodeTrust{} : found->second;
  }
};

class GateFixture : public ::testing::Test {
 protected:
  void Load(const std::string& yaml) {
    policy::LoadOutcome outcome = policy::LoadPolicies({{"test.yaml", yaml}});
    for (const Error& error : outcome.errors) ADD_FAILURE() << error.ToString();
    ASSERT_NE(outcome.set, nullptr);
    set = outcome.set;
  }

  static admission::ReviewRequest Pod(const std::vector<std::string>& images) {
    admission::ReviewRequest request;
    request.uid = "u-1";
    request.operation = "CREATE";
    request.kind = "Pod";
    request.resource = "pods";
    request.name = "p";
    request.namespace_name = "default";
    request.subject = admission::Subject::kPod;
    request.labels.emplace();
    for (std::size_t i = 0; i < images.size(); ++i) {
      request.images.push_back({"spec.containers[" + std::to_string(i) + "] (c)", images[i]});
    }
    return request;
  }

  static admission::ReviewRequest Binding(const std::string& node) {
    admission::ReviewRequest request;
    request.uid = "u-2";
    request.operation = "CREATE";
    request.kind = "Binding";
    request.resource = "pods/binding";
    request.name = "p";
    request.namespace_name = "default";
    request.subject = admission::Subject::kBinding;
    request.node = node;
    return request;
  }

  Decision Decide(const admission::ReviewRequest& request, Duration budget = Duration(5000)) {
    Gate gate(
        verifier, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
    return gate.Decide(request, Deadline(clock, budget));
  }

  // The reason of the only finding; fails the test if there is not exactly one.
  static Reason OnlyReason(const Decision& decision) {
    EXPECT_EQ(decision.findings().size(), 1U);
    return decision.findings().empty() ? Reason::kInternal : decision.findings().front().error.reason;
  }

  fakes::FakeClock clock;
  fakes::MemoryRegistry registry;
  registry::Client client{registry, clock, {}};
  std::vector<std::string> cache_events;
  std::mutex cache_mutex;
  VerificationCache cache{clock, {}, [this](std::string_view event) {
                            std::lock_guard lock(cache_mutex);
                            cache_events.emplace_back(event);
                          }};
  ImageVerifier verifier{client, cache, clock, {}};
  NodesSaid nodes;
  std::shared_ptr<const policy::PolicySet> set = std::make_shared<policy::PolicySet>();
  std::shared_ptr<const registry::Credentials> credentials = std::make_shared<registry::Credentials>();
  GateOptions options;

  crypto::PrivateKey key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  crypto::PrivateKey other_key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
};

}  // namespace gatehouse::gate
