// NamespacedImagePolicy: an ImagePolicy that is for one namespace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ImagePolicy Only(const std::string& document) {
  PolicySet set = Loaded({document});
  EXPECT_THAT(set.image_policies, IsEmpty()) << "it must not count as a policy of the cluster";
  EXPECT_THAT(set.namespaced_policies, SizeIs(1));
  return set.namespaced_policies.empty() ? ImagePolicy{} : set.namespaced_policies[0];
}

ImagePolicy Edit(const std::string& from, const std::string& to) {
  return Only(Edited(NamespacedImagePolicyYaml(), from, to));
}

TEST(NamespacedImagePolicy, EveryFieldArrives) {
  ImagePolicy policy = Only(NamespacedImagePolicyYaml());
  EXPECT_EQ(policy.name, "release");
  EXPECT_EQ(policy.namespace_name, "team-a");
  ASSERT_THAT(policy.images, SizeIs(1));
  EXPECT_EQ(policy.images[0].pattern(), "registry.example/team-a/*");
  EXPECT_TRUE(policy.namespace_selector.empty());
  EXPECT_TRUE(policy.pod_selector.Matches(Labels{{"app", "web"}}).value());
  EXPECT_FALSE(policy.pod_selector.Matches(Labels{}).value());
  ASSERT_THAT(policy.authorities, SizeIs(1));
  EXPECT_EQ(policy.authorities[0].name, "team-key");
  EXPECT_EQ(std::get<KeyAuthority>(policy.authorities[0].rule).verifier.key.Pem(), kOtherP256Pem);
  EXPECT_EQ(policy.required, 1U);
  EXPECT_EQ(policy.mode, Mode::kWarn);
  EXPECT_EQ(policy.on_unavailable, OnUnavailable::kAllow);
}

TEST(NamespacedImagePolicy, DefaultsAreTheStrictOnes) {
  ImagePolicy policy = Edit("  require: all\n  mode: warn\n  onUnavailable: allow\n", "");
  EXPECT_EQ(policy.required, 1U);
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_EQ(policy.on_unavailable, OnUnavailable::kDeny);
}

TEST(NamespacedImagePolicy, EveryFieldMattersToItsGeneration) {
  std::string before = Only(NamespacedImagePolicyYaml()).generation;
  const std::pair<std::string, std::string> kEdits[] = {
      {"name: release", "name: other"},
      {"namespace: team-a", "namespace: team-b"},
      {"registry.example/team-a/*", "registry.example/team-a/**"},
      {"matchLabels: {app: web}", "matchLabels: {app: api}"},
      {"name: team-key", "name: other-key"},
      {Indented(kOtherP256Pem, 10), Indented(kP256Pem, 10)},
      {"require: all", "require: any"},
      {"mode: warn", "mode: enforce"},
      {"onUnavailable: allow", "onUnavailable: deny"},
  };
  for (const auto& [from, to] : kEdits) EXPECT_NE(Edit(from, to).generation, before) << to;
}

TEST(NamespacedImagePolicy, OneNameInSeveralNamespacesAndKinds) {
  std::string other = Edited(NamespacedImagePolicyYaml(), "namespace: team-a", "namespace: a-team");
  PolicySet set = Loaded({NamespacedImagePolicyYaml(), other, ImagePolicyYaml()});
  ASSERT_THAT(set.namespaced_policies, SizeIs(2));
  EXPECT_EQ(set.namespaced_policies[0].namespace_name, "a-team");
  EXPECT_EQ(set.namespaced_policies[1].namespace_name, "team-a");
  EXPECT_THAT(set.image_policies, SizeIs(1));
  EXPECT_NE(set.policy_generation, Loaded({NamespacedImagePolicyYaml(), ImagePolicyYaml()}).policy_generation);
  EXPECT_THAT(Refusal(NamespacedImagePolicyYaml() + "---\n" + NamespacedImagePolicyYaml()).detail,
              HasSubstr("another NamespacedImagePolicy 'team-a/release'"));
}

TEST(NamespacedImagePolicy, Refused) {
  struct Case {
    std::string from;
    std::string to;
    std::string where;
    std::string detail;
  };
  const Case kCases[] = {
      {"  namespace: team-a\n", "", "$.metadata.namespace", "is required"},
      {"namespace: team-a", "namespace: Team", "$.metadata.namespace", "is not a name"},
      {"namespace: team-a", "namespace: \"\"", "$.metadata.namespace", "must not be empty"},
      {"namespace: team-a", "namespace: [a]", "$.metadata.namespace", "must be a string"},
      {"spec:\n", "spec:\n  namespaceSelector: {}\n", "$.spec.namespaceSelector", "for its own namespace"},
      {"spec:\n", "spec:\n  nodes: []\n", "$.spec", "unknown field 'nodes'"},
      {"glob: registry.example/team-a/*", "glob: nginx*", "$.spec.images[0].glob", "does not name a registry"},
      {"mode: warn", "mode: off", "$.spec.mode", "must be one of"},
      {"require: all", "require: {atLeast: 2}", "$.spec.require.atLeast", "from 1 to 1"},
      {"onUnavailable: allow", "onUnavailable: 1", "$.spec.onUnavailable", "must be a string"},
      {"matchLabels", "matchLabel", "$.spec.podSelector", "unknown field"},
      {"name: team-key", "name: Team", "$.spec.authorities[0].name", "is not a name"},
  };
  for (const Case& c : kCases) {
    Error error = Refusal(Edited(NamespacedImagePolicyYaml(), c.from, c.to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << c.to;
    EXPECT_THAT(error.where, HasSubstr(c.where)) << c.to;
    EXPECT_THAT(error.detail, HasSubstr(c.detail)) << c.to;
  }
}

TEST(Adversarial_A6, ANamespaceOfAClusterWidePolicyIsRefusedRatherThanIgnored) {
  for (const std::string& document :
       {ImagePolicyYaml(), NodePolicyByReferenceYaml(), TrustRootYaml(), ReferenceValuesYaml()}) {
    Error error = Refusal(Edited(document, "metadata:\n", "metadata:\n  namespace: team-a\n"));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
    EXPECT_THAT(error.where, HasSubstr("$.metadata.namespace"));
  }
}

}  // namespace
}  // namespace gatehouse::policy
