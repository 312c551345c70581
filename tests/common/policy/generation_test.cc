// Generations: what caches and attestation results hang on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::MatchesRegex;

std::string Renamed(const std::string& document, const std::string& from, const std::string& to) {
  return Edited(document, "name: " + from, "name: " + to);
}

TEST(Generation, OrderOfFilesAndDocumentsDoesNotMatter) {
  std::string other = Renamed(ImagePolicyYaml(), "release", "another");
  PolicySet one = Loaded({ImagePolicyYaml(), other, NodePolicyYaml(), TrustRootYaml(), NamespaceYaml()});
  PolicySet two = Loaded(
      {NamespaceYaml() + "---\n" + TrustRootYaml() + "---\n" + NodePolicyYaml(), other + "---\n" + ImagePolicyYaml()});
  EXPECT_EQ(one.policy_generation, two.policy_generation);
  EXPECT_EQ(one.trust_generation, two.trust_generation);
  ASSERT_EQ(one.image_policies.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(one.image_policies[i].name, two.image_policies[i].name);
    EXPECT_EQ(one.image_policies[i].generation, two.image_policies[i].generation);
  }
  EXPECT_EQ(one.image_policies[0].name, "another");
  EXPECT_THAT(one.policy_generation, MatchesRegex("[0-9a-f]{64}"));
}

TEST(Generation, SpellingDoesNotMatter) {
  PolicySet one = Loaded({ImagePolicyYaml()});
  std::string respelt = Edited(ImagePolicyYaml(), "  mode: enforce\n  onUnavailable: deny\n",
                               "  'onUnavailable': \"deny\"\n\n  mode: enforce # as before\n");
  respelt = Edited(respelt, "matchLabels: {env: prod}", "matchLabels:\n      env: prod");
  respelt = Edited(respelt, "labels: {team: a}", "labels: {team: b}");
  respelt = Edited(respelt, "note: hello", "kubectl.kubernetes.io/last-applied-configuration: '{}'");
  PolicySet two = Loaded({"# a comment\n" + respelt});
  EXPECT_EQ(one.image_policies[0].generation, two.image_policies[0].generation);
  EXPECT_EQ(one.policy_generation, two.policy_generation);
}

TEST(Generation, EveryFieldOfAnImagePolicyMatters) {
  std::string before = Loaded({ImagePolicyYaml()}).image_policies[0].generation;
  const std::pair<std::string, std::string> kEdits[] = {
      {"name: release\n", "name: other\n"},
      {"registry.example/**", "registry.example/*"},
      {"matchLabels: {env: prod}", "matchLabels: {env: test}"},
      {"operator: In", "operator: NotIn"},
      {"values: [a, b]", "values: [a]"},
      {"name: release-key", "name: other-key"},
      {Indented(kP256Pem, 10), Indented(kOtherP256Pem, 10)},
      {"hashAlgorithm: sha256", "hashAlgorithm: sha384"},
      {"annotations: {env: prod}", "annotations: {env: test}"},
      {"message: not this one", "message: another"},
      {"require: any", "require: all"},
      {"require: any", "require: {atLeast: 2}"},
      {"mode: enforce", "mode: warn"},
      {"onUnavailable: deny", "onUnavailable: allow"},
  };
  for (const auto& [from, to] : kEdits) {
    PolicySet set = Loaded({Edited(ImagePolicyYaml(), from, to)});
    ASSERT_EQ(set.image_policies.size(), 1U);
    EXPECT_NE(set.image_policies[0].generation, before) << to;
  }
}

TEST(Generation, EveryFieldOfANodePolicyMatters) {
  PolicySet before = Loaded({NodePolicyYaml(), TrustRootYaml()});
  const std::pair<std::string, std::string> kEdits[] = {
      {"name: workers", "name: others"},  {"worker-*", "node-*"},
      {"env: prod", "env: test"},         {"mode: enforce", "mode: audit"},
      {"validity: 10m", "validity: 11m"}, {"a7,", "c7,"},
      {"\"0\": [", "\"1\": ["},
  };
  for (const auto& [from, to] : kEdits) {
    PolicySet set = Loaded({Edited(NodePolicyYaml(), from, to), TrustRootYaml()});
    ASSERT_EQ(set.node_policies.size(), 1U);
    EXPECT_NE(set.node_policies[0].generation, before.node_policies[0].generation) << to;
    EXPECT_NE(set.policy_generation, before.policy_generation) << to;
    EXPECT_EQ(set.trust_generation, before.trust_generation) << to;
  }
}

TEST(Adversarial_A16, AnotherTrustRootIsAnotherGenerationOfTheNodePolicyToo) {
  PolicySet before = Loaded({NodePolicyYaml(), TrustRootYaml()});
  std::string other_ca = fakes::TestCa::Root(fakes::CaSpec("vendor")).pem();
  PolicySet after = Loaded({NodePolicyYaml(), TrustRootYaml(other_ca)});
  EXPECT_NE(after.trust_generation, before.trust_generation);
  EXPECT_NE(after.trust_roots[0].generation, before.trust_roots[0].generation);
  EXPECT_NE(after.node_policies[0].generation, before.node_policies[0].generation);
}

TEST(Adversarial_A16, NamespaceLabelsAreAmongWhatPoliciesDependOn) {
  PolicySet before = Loaded({NamespaceYaml()});
  EXPECT_NE(Loaded({Edited(NamespaceYaml(), "env: prod", "env: test")}).policy_generation, before.policy_generation);
  EXPECT_NE(Loaded({}).policy_generation, before.policy_generation);
  EXPECT_EQ(Loaded({Edited(NamespaceYaml(), "resourceVersion: \"516\"", "resourceVersion: \"517\"")}).policy_generation,
            before.policy_generation);
}

}  // namespace
}  // namespace gatehouse::policy
