// What becomes of requests that write policies.
#include "tests/common/gate/fixture.h"

namespace gatehouse::gate {
namespace {

class PolicyObjects : public GateFixture {
 protected:
  static admission::ReviewRequest Write(const std::string& kind, const std::string& spec) {
    admission::ReviewRequest request;
    request.uid = "u-1";
    request.operation = "CREATE";
    request.kind = "gatehouse.dev/" + kind;
    request.name = "x";
    request.subject = admission::Subject::kPolicy;
    request.policy_object = R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":")" + kind +
                            R"(","metadata":{"name":"x","uid":"1","generation":1},"spec":)" + spec + "}";
    return request;
  }
};

constexpr const char* kOpen =
    R"({"images":[{"glob":"registry.example/**"}],"authorities":[{"name":"all","static":{"action":"pass"}}]})";

TEST_F(PolicyObjects, AGoodOneIsAllowed) {
  Decision decision = Decide(Write("ImagePolicy", kOpen));
  EXPECT_EQ(decision.outcome(), "allowed");
  EXPECT_TRUE(decision.findings().empty());
}

TEST_F(PolicyObjects, ABadOneIsRefusedWithThePathOfTheField) {
  std::string spec = kOpen;
  spec.replace(spec.find("registry.example/**"), 19, "nginx*");
  auto request = Write("ImagePolicy", spec);
  Decision decision = Decide(request);
  EXPECT_EQ(OnlyReason(decision), Reason::kPolicyInvalid);
  auto response = ToResponse(request, decision);
  EXPECT_FALSE(response.allowed);
  EXPECT_EQ(response.code, 400);
  EXPECT_NE(response.message.find("gatehouse: ImagePolicy x: "), std::string::npos) << response.message;
  EXPECT_NE(response.message.find("$.spec.images[0].glob"), std::string::npos) << response.message;
  EXPECT_NE(response.message.find("[policy-invalid]"), std::string::npos);
}

TEST_F(PolicyObjects, AMisspeltFieldIsRefusedAndNotDropped) {
  std::string spec = kOpen;
  spec.insert(1, R"("onUnavaliable":"allow",)");
  Decision decision = Decide(Write("ImagePolicy", spec));
  EXPECT_EQ(OnlyReason(decision), Reason::kPolicyInvalid);
  EXPECT_NE(Describe(decision.findings()[0]).find("onUnavaliable"), std::string::npos);
}

TEST_F(PolicyObjects, AKindThatWeDoNotHaveIsRefused) {
  EXPECT_FALSE(Decide(Write("WorkloadPolicy", "{}")).allowed());
}

TEST_F(PolicyObjects, TheNamespaceIsNamed) {
  auto request = Write("NamespacedImagePolicy", "{}");
  request.namespace_name = "shop";
  Decision decision = Decide(request);
  ASSERT_EQ(decision.findings().size(), 1U);
  EXPECT_EQ(decision.findings()[0].subject, "NamespacedImagePolicy shop/x");
}

TEST_F(PolicyObjects, WhatAnUpdateLeavesIsLet) {
  auto request = Write("ImagePolicy", "{}");
  ASSERT_FALSE(Decide(request).allowed());
  request.operation = "UPDATE";
  request.policy_object = "";  // the spec is as it was
  EXPECT_EQ(Decide(request).outcome(), "allowed");
}

// The policies in force have no say in what may be written beside them.
TEST_F(PolicyObjects, NeitherImagePoliciesNorRegistriesAreAsked) {
  Load(ImagePolicyYaml("closed", "**", "    - name: none\n      static: {action: fail, message: no}\n"));
  EXPECT_TRUE(Decide(Write("ImagePolicy", kOpen)).allowed());
  EXPECT_EQ(registry.requests(), 0U);
}

TEST_F(PolicyObjects, WhatItRefersToMayComeLaterAndIsAWarningUntilThen) {
  std::string spec =
      R"({"nodes":[{"glob":"worker-*"}],"tpm":{"trustRoots":["maker","second"],"referenceValues":["fleet"]}})";
  auto request = Write("NodePolicy", spec);
  Decision decision = Decide(request);
  for (const Finding& finding : decision.findings()) {
    ASSERT_EQ(finding.effect, policy::Effect::kWarn) << Describe(finding);
  }
  EXPECT_EQ(decision.outcome(), "warned");
  ASSERT_EQ(decision.findings().size(), 3U);
  EXPECT_EQ(decision.findings()[1].error.where, "$.spec.tpm.trustRoots[1]");
  EXPECT_EQ(decision.findings()[2].error.where, "$.spec.tpm.referenceValues[0]");
  auto known = std::make_shared<policy::PolicySet>();
  known->trust_roots.resize(2);
  known->trust_roots[0].name = "maker";
  known->trust_roots[1].name = "second";
  known->reference_values.push_back({.name = "fleet", .generation = "1", .source = "", .sets = {}});
  set = known;
  EXPECT_EQ(Decide(request).outcome(), "allowed");
}

}  // namespace
}  // namespace gatehouse::gate
