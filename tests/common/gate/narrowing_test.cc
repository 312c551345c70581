// Policies that tenants write in their own namespaces: they can only narrow.
#include <algorithm>

#include "tests/common/gate/fixture.h"

namespace gatehouse::gate {
namespace {

constexpr const char* kPass = "    - name: all\n      static: {action: pass}\n";
constexpr const char* kFail = "    - name: none\n      static: {action: fail, message: \"not here\"}\n";

std::string TenantPolicy(const std::string& space, const std::string& name, const std::string& glob,
                         const std::string& authorities, const std::string& more = "") {
  return "apiVersion: gatehouse.dev/v1alpha1\nkind: NamespacedImagePolicy\nmetadata: {name: " + name +
         ", namespace: " + space + "}\nspec:\n  images: [{glob: \"" + glob + "\"}]\n  authorities:\n" + authorities +
         more + "---\n";
}

class Narrowing : public GateFixture {
 protected:
  static admission::ReviewRequest PodIn(const std::string& space, const std::string& image) {
    auto request = Pod({image});
    request.namespace_name = space;
    return request;
  }
  [[nodiscard]] std::string Signed(const std::string& more = "") const {
    return ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()), more);
  }
  static std::vector<Reason> Reasons(const Decision& decision) {
    std::vector<Reason> reasons;
    for (const Finding& finding : decision.findings()) reasons.push_back(finding.error.reason);
    std::sort(reasons.begin(), reasons.end());
    return reasons;
  }

  Digest image = registry.PutImage("app", "1", "first");
};

TEST_F(Narrowing, APolicyOfTheNamespaceAddsItsCondition) {
  Load(Signed() + TenantPolicy("shop", "qa", "registry.example/**", KeyAuthority("qa", other_key.Public())));
  fakes::PutSignatures(registry, "app", image, {fakes::SignPayload(key, image)});
  Decision refused = Decide(PodIn("shop", "registry.example/app:1"));
  EXPECT_EQ(OnlyReason(refused), Reason::kSignatureInvalid);
  EXPECT_EQ(refused.findings()[0].policy, "shop/qa");
  EXPECT_EQ(refused.findings()[0].policy_kind, kNamespacedImagePolicy);
  ASSERT_EQ(refused.approvals().size(), 1U);
  EXPECT_EQ(refused.approvals()[0].policy_kind, kImagePolicy);

  fakes::PutSignatures(registry, "app", image, {fakes::SignPayload(key, image), fakes::SignPayload(other_key, image)});
  clock.Advance(Duration(4000));
  Decision admitted = Decide(PodIn("shop", "registry.example/app:1"));
  EXPECT_TRUE(admitted.allowed());
  ASSERT_EQ(admitted.approvals().size(), 2U);
  EXPECT_EQ(admitted.approvals()[1].policy, "shop/qa");
}

TEST_F(Narrowing, ItHoldsInItsNamespaceOnly) {
  Load(Signed() + TenantPolicy("shop", "closed", "**", kFail));
  fakes::Sign(registry, "app", image, key);
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kDeniedByPolicy);
  for (const char* other : {"sho", "shopp", "shop-2", "default", "a", "z"}) {
    Decision decision = Decide(PodIn(other, "registry.example/app:1"));
    EXPECT_TRUE(decision.allowed()) << other;
    EXPECT_EQ(decision.approvals().size(), 1U) << other;
  }
}

TEST_F(Narrowing, NeighboursInTheListOfPoliciesAreToldApart) {
  Load(Signed() + TenantPolicy("a", "p", "**", kFail) + TenantPolicy("b", "p", "**", kPass) +
       TenantPolicy("b", "q", "**", kPass) + TenantPolicy("c", "p", "**", kFail));
  fakes::Sign(registry, "app", image, key);
  EXPECT_FALSE(Decide(PodIn("a", "registry.example/app:1")).allowed());
  EXPECT_EQ(Decide(PodIn("b", "registry.example/app:1")).approvals().size(), 3U);
  EXPECT_FALSE(Decide(PodIn("c", "registry.example/app:1")).allowed());
}

TEST_F(Narrowing, ItsPodSelectorApplies) {
  Load(Signed() +
       TenantPolicy("shop", "web", "registry.example/**", kFail, "  podSelector: {matchLabels: {tier: web}}\n"));
  fakes::Sign(registry, "app", image, key);
  auto request = PodIn("shop", "registry.example/app:1");
  request.labels = policy::Labels{{"tier", "db"}};
  EXPECT_TRUE(Decide(request).allowed());
  request.labels = policy::Labels{{"tier", "web"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kDeniedByPolicy);
  request.labels = std::nullopt;  // kind EphemeralContainers
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kLabelsUnknown);
}

TEST_F(Narrowing, ItsModeIsItsOwn) {
  fakes::Sign(registry, "app", image, key);
  Load(Signed() + TenantPolicy("shop", "trial", "registry.example/**", kFail, "  mode: warn\n"));
  EXPECT_EQ(Decide(PodIn("shop", "registry.example/app:1")).outcome(), "warned");
  Load(Signed() + TenantPolicy("shop", "trial", "registry.example/**", kFail, "  mode: audit\n"));
  Decision audited = Decide(PodIn("shop", "registry.example/app:1"));
  EXPECT_EQ(audited.outcome(), "allowed");
  EXPECT_EQ(OnlyReason(audited), Reason::kDeniedByPolicy);
}

TEST_F(Narrowing, WhatUpdatesLeaveIsJudgedWhereNewLabelsBringItUnderThePolicy) {
  Load(Signed() +
       TenantPolicy("shop", "web", "registry.example/**", kFail, "  podSelector: {matchLabels: {tier: web}}\n"));
  auto request = PodIn("shop", "registry.example/app:1");
  request.operation = "UPDATE";
  request.images[0].unchanged = true;
  request.old_labels = policy::Labels{{"tier", "web"}};
  request.labels = policy::Labels{{"tier", "web"}, {"x", "y"}};
  EXPECT_TRUE(Decide(request).allowed());
  request.old_labels = policy::Labels{{"tier", "db"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kDeniedByPolicy);
}

// --- attacks. CVE-2024-48921: exceptions that anybody may write in a namespace of their own.

TEST_F(Narrowing, Adversarial_A6_AnOpenPolicyOfATenantAdmitsNothingThatNoPolicyCovers) {
  Load(Signed() + TenantPolicy("shop", "open", "**", kPass));
  Decision decision = Decide(PodIn("shop", "elsewhere.example/app:1"));
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(OnlyReason(decision), Reason::kNoPolicyMatches);
  ASSERT_EQ(decision.approvals().size(), 1U);  // said beside it
  EXPECT_EQ(decision.approvals()[0].policy, "shop/open");
}

TEST_F(Narrowing, Adversarial_A6_AnOpenPolicyOfATenantDoesNotStandInForTheClusters) {
  Load(Signed() + TenantPolicy("shop", "signed", "registry.example/**", kPass));
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kImageUnsigned);
}

TEST_F(Narrowing, Adversarial_A6_AnAuditingPolicyOfATenantRelaxesNothing) {
  Load(Signed() + TenantPolicy("shop", "signed", "**", kPass, "  mode: audit\n  onUnavailable: allow\n"));
  EXPECT_FALSE(Decide(PodIn("shop", "registry.example/app:1")).allowed());
  EXPECT_FALSE(Decide(PodIn("shop", "elsewhere.example/app:1")).allowed());
  EXPECT_FALSE(Decide(PodIn("shop", "NOT A REFERENCE")).allowed());
  clock.Advance(Duration(4000));
  registry.FailWith(-1);
  EXPECT_FALSE(Decide(PodIn("shop", "registry.example/app:1")).allowed());
}

TEST_F(Narrowing, Adversarial_A6_AFailingPolicyOfATenantHidesNoOtherFinding) {
  Load(Signed() + TenantPolicy("shop", "closed", "**", kFail));
  EXPECT_EQ(Reasons(Decide(PodIn("shop", "elsewhere.example/app:1"))),
            (std::vector<Reason>{Reason::kDeniedByPolicy, Reason::kNoPolicyMatches}));
}

TEST_F(Narrowing, ATenantMayRefuseWhatTheClusterWouldLetThrough) {
  options.unmatched_images = Unmatched::kAllow;
  Load(TenantPolicy("shop", "closed", "**", kFail));
  EXPECT_FALSE(Decide(PodIn("shop", "elsewhere.example/app:1")).allowed());
  EXPECT_FALSE(Decide(PodIn("shop", "NOT A REFERENCE")).allowed());
  EXPECT_TRUE(Decide(PodIn("other", "elsewhere.example/app:1")).allowed());
  options.unmatched_images = Unmatched::kWarn;
  Load(TenantPolicy("shop", "open", "**", kPass));
  EXPECT_EQ(Decide(PodIn("shop", "elsewhere.example/app:1")).outcome(), "warned");
}

// Policies of one name in two namespaces, of the same content but for the key: what one found is not the other's.
TEST_F(Narrowing, Adversarial_A16_AVerdictIsOfTheNamespaceWhosePolicyGaveIt) {
  Load(TenantPolicy("ours", "p", "registry.example/**", KeyAuthority("k", key.Public())) +
       TenantPolicy("theirs", "p", "registry.example/**", KeyAuthority("k", other_key.Public())));
  auto same = std::make_shared<policy::PolicySet>(*set);
  for (policy::ImagePolicy& policy : same->namespaced_policies) policy.generation = "1";
  set = same;
  options.unmatched_images = Unmatched::kAllow;
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(PodIn("ours", "registry.example/app:1")).allowed());
  EXPECT_EQ(OnlyReason(Decide(PodIn("theirs", "registry.example/app:1"))), Reason::kSignatureInvalid);
  EXPECT_TRUE(Decide(PodIn("ours", "registry.example/app:1")).allowed());
}

TEST_F(Narrowing, Adversarial_A16_TheClustersPolicyOfThatNameIsAnotherOne) {
  Load(ImagePolicyYaml("p", "registry.example/**", KeyAuthority("k", key.Public())));
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(PodIn("shop", "registry.example/app:1")).allowed());
  auto both = std::make_shared<policy::PolicySet>(*set);
  Load(TenantPolicy("shop", "p", "registry.example/**", KeyAuthority("k", other_key.Public())));
  both->namespaced_policies = set->namespaced_policies;
  both->namespaced_policies[0].generation = both->image_policies[0].generation;
  set = both;
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kSignatureInvalid);
}

// A tenant whose own policy takes long must not make the cluster's policy an outage, which onUnavailable relaxes.
TEST_F(Narrowing, Adversarial_A11_ATenantsPolicyCannotUseUpTheTimeOfTheClusters) {
  std::vector<fakes::SignedPayload> junk;
  for (int i = 0; i < 60; ++i) {
    junk.push_back(fakes::SignPayload(other_key, image, {.annotations = {{"n", std::to_string(i)}}}));
  }
  fakes::PutSignatures(registry, "app", image, junk);
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(100)); });
  auto tenant_key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  Load(ImagePolicyYaml("zz", "registry.example/**", KeyAuthority("release", key.Public()), "  onUnavailable: allow\n") +
       TenantPolicy("shop", "aa", "registry.example/**", KeyAuthority("k", tenant_key.Public()), "  mode: audit\n"));
  Decision decision = Decide(PodIn("shop", "registry.example/app@" + image.text()));
  EXPECT_FALSE(decision.allowed());
  ASSERT_EQ(decision.findings().size(), 2U);
  EXPECT_EQ(decision.findings()[0].policy, "zz");  // asked first, whatever the names are
  EXPECT_EQ(decision.findings()[0].error.reason, Reason::kLimitExceeded);
  EXPECT_EQ(decision.findings()[1].effect, policy::Effect::kAudit);
}

// --- the labels by which policies select a namespace are the API's (A6)

class NamespaceLabels : public Narrowing {
 protected:
  void SetUp() override {
    Load(Signed("  namespaceSelector: {matchLabels: {env: prod}}\n") +
         ImagePolicyYaml("open", "registry.example/**", kPass,
                         "  namespaceSelector: {matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}\n"));
  }
  void Label(const policy::Labels& labels) {
    auto changed = std::make_shared<policy::PolicySet>(*set);
    changed->namespaces["shop"] = labels;
    set = changed;
  }
};

TEST_F(NamespaceLabels, Adversarial_A6_ALabelThatIsRemovedOrAddedCountsFromTheNextDecisionOn) {
  Label({{"env", "prod"}});
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kImageUnsigned);
  Label({});
  EXPECT_TRUE(Decide(PodIn("shop", "registry.example/app:1")).allowed());
  Label({{"env", "prod"}});  // what was admitted in between says nothing now
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kImageUnsigned);
}

// A decision is made under one snapshot: a label that goes while the registry is asked does not leave an image between
// two policies, covered by neither.
TEST_F(NamespaceLabels, Adversarial_A6_ALabelRemovedInBetween) {
  Label({{"env", "prod"}});
  registry.OnRequest([&](const net::HttpRequest&) { Label({}); });
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kImageUnsigned);
}

TEST_F(NamespaceLabels, Adversarial_A6_LabelsOfAPodAreNotItsNamespaces) {
  Label({{"env", "prod"}});
  auto request = PodIn("shop", "registry.example/app:1");
  request.labels = policy::Labels{{"env", "test"}, {"kubernetes.io/metadata.name", "kube-system"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kImageUnsigned);
}

TEST_F(NamespaceLabels, Adversarial_A6_ALabelDoesNotRenameANamespace) {
  Load(Signed("  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}\n"));
  Label({{"kubernetes.io/metadata.name", "sandbox"}});
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kImageUnsigned);
}

// Exempt namespaces are the API server's matter, which does not call us for them. What does come here is judged, so
// that no label and no name exempts anything in this process.
TEST_F(NamespaceLabels, Adversarial_A18_NoLabelAndNoNameOfANamespaceExemptsWhatComesHere) {
  Load(Signed());
  Label({{"gatehouse.dev/admission", "exempt"}, {"kubernetes.io/metadata.name", "kube-system"}});
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kImageUnsigned);
  for (const char* space : {"kube-system", "gatehouse-system", "kube-public"}) {
    EXPECT_EQ(OnlyReason(Decide(PodIn(space, "registry.example/app:1"))), Reason::kImageUnsigned) << space;
  }
}

TEST_F(NamespaceLabels, Adversarial_G10_NoLabelOfAPodExemptsIt) {
  Load(Signed());
  auto request = PodIn("shop", "registry.example/app:1");
  request.labels = policy::Labels{{"gatehouse.dev/admission", "exempt"}, {"admission.gatehouse.dev/ignore", "true"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kImageUnsigned);
}

// A policy that was never right: what it covers is not known, so nothing passes for not being covered by it.
class UnreadPolicies : public Narrowing {
 protected:
  void AddUnread(const std::string& kind, const std::string& space) {
    auto changed = std::make_shared<policy::PolicySet>(*set);
    changed->unread.push_back({kind, space, "broken", "$.spec.images: is empty"});
    set = changed;
  }
};

TEST_F(UnreadPolicies, NoImageIsAdmittedBesideOneOfTheCluster) {
  options.unmatched_images = Unmatched::kAllow;
  AddUnread("ImagePolicy", "");
  Decision decision = Decide(PodIn("shop", "registry.example/app:1"));
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(OnlyReason(decision), Reason::kPolicyInvalid);
  EXPECT_EQ(decision.findings()[0].policy, "broken");
}

TEST_F(UnreadPolicies, NorOneThatAnotherPolicyVouchesFor) {
  Load(Signed());
  fakes::Sign(registry, "app", image, key);
  ASSERT_TRUE(Decide(PodIn("shop", "registry.example/app:1")).allowed());
  AddUnread("ImagePolicy", "");
  EXPECT_EQ(OnlyReason(Decide(PodIn("shop", "registry.example/app:1"))), Reason::kPolicyInvalid);
}

TEST_F(UnreadPolicies, OneOfANamespaceConcernsThatNamespaceOnly) {
  Load(Signed());
  fakes::Sign(registry, "app", image, key);
  AddUnread("NamespacedImagePolicy", "shop");
  Decision refused = Decide(PodIn("shop", "registry.example/app:1"));
  EXPECT_EQ(OnlyReason(refused), Reason::kPolicyInvalid);
  EXPECT_EQ(refused.findings()[0].policy, "shop/broken");
  EXPECT_TRUE(Decide(PodIn("till", "registry.example/app:1")).allowed());
}

TEST_F(UnreadPolicies, WhatRunsMayStillBeLabelled) {
  options.unmatched_images = Unmatched::kAllow;
  AddUnread("ImagePolicy", "");
  auto request = PodIn("shop", "registry.example/app:1");
  request.operation = "UPDATE";
  request.images[0].unchanged = true;
  request.old_labels = request.labels;
  EXPECT_TRUE(Decide(request).allowed());
}

TEST_F(UnreadPolicies, NoNodeIsTakenBesideANodePolicy) {
  options.unmatched_nodes = Unmatched::kAllow;
  ASSERT_TRUE(Decide(Binding("worker-1")).allowed());
  AddUnread("NodePolicy", "");
  EXPECT_EQ(OnlyReason(Decide(Binding("worker-1"))), Reason::kPolicyInvalid);
}

}  // namespace
}  // namespace gatehouse::gate
