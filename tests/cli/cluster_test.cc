// status, why and attest now: the real program against an API server at a port.
#include "tests/cli/cluster_fixture.h"

namespace gatehouse::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// --- status

TEST_F(ClusterVerbs, StatusOfAClusterWhereAllIsWell) {
  PutGood("worker-1");
  PutNode("control-plane");
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("Nothing needs attention.\n"));
  EXPECT_THAT(ran.out, HasSubstr("  ImagePolicy  release  enforce  True      2/2       41       7       0       0\n"));
  EXPECT_THAT(ran.out, HasSubstr("  TrustRoot    vendors  -        True      2/2       -        -       -       -\n"));
  EXPECT_THAT(ran.out, HasSubstr("  control-plane  not covered  -"));
  EXPECT_THAT(ran.out, HasSubstr("worker-1       Trusted"));
  EXPECT_THAT(ran.out, HasSubstr("  replica-a"));
  EXPECT_THAT(ran.out, HasSubstr("yes"));
  EXPECT_EQ(ran.err, "");
}

TEST_F(ClusterVerbs, StatusPutsFirstWhatWantsLookingAt) {
  PutGood("worker-1");
  PutBad("worker-2");
  PutNode("worker-3");
  PutPolicy(ImagePolicyYaml("trial", "{registry}/x/**", KeyAuthority(key_.Public())), "False",
            "replica-b has generation 0");
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("NEEDS ATTENTION\n"
                                  "  ImagePolicy trial is not in force everywhere: replica-b has generation 0\n"
                                  "  node worker-2 is Untrusted: pcr 7 (sha256): found bb, expected aa [pcr-mismatch]\n"
                                  "    gatehouse why node worker-2\n"
                                  "  node worker-3 is Unknown: "));
}

TEST_F(ClusterVerbs, StatusAsJson) {
  PutGood("worker-1");
  PutBad("worker-2");
  auto document = AskJson({"status"}, 1);
  const codec::JsonView root = document.root();
  EXPECT_EQ(root.Find("attention")->size(), 1U);
  EXPECT_EQ(root.Find("policies")->size(), 3U);
  EXPECT_EQ(root.Find("nodes")->size(), 2U);
  EXPECT_EQ(Text(root.Find("nodes")->at(0), "verdict"), "Trusted");
  EXPECT_EQ(Text(root.Find("nodes")->at(1), "verdict"), "Untrusted");
  EXPECT_EQ(root.Find("policies")->at(0).Find("decisions")->Find("allowed")->AsInt(), 41);
  EXPECT_EQ(root.Find("replicas")->size(), 2U);
  EXPECT_EQ(Text(root, "leader"), "replica-a");
}

TEST_F(ClusterVerbs, StatusWithoutLeaderOrReplicas) {
  PutLease("gatehouse-leader", "replica-a", Now() - kMinute);
  EXPECT_THAT(Ask({"status"}).out, HasSubstr("nobody leads"));
  PutLease("gatehouse-replica-replica-a", "replica-a", Now() - kMinute);
  PutLease("gatehouse-replica-replica-b", "replica-b", Now() - kMinute);
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("no replica of Gatehouse has reported"));
}

TEST_F(ClusterVerbs, AStatusOfAnEarlierGenerationSaysNothing) {
  PutPolicy(ImagePolicyYaml("release", "{registry}/other/**", KeyAuthority(key_.Public())));  // changed: generation 2
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("ImagePolicy release is not in force everywhere: not looked at since it was changed"));
}

TEST_F(ClusterVerbs, WhatMayNotBeReadIsSaid) {
  PutGood("worker-1");
  api_.Intercept([](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    const bool hidden =
        request.path.find("configmaps") != std::string::npos || request.path.find("leases") != std::string::npos;
    if (!hidden) return std::nullopt;
    return fakes::KubeReply{.status = 403, .body = R"({"kind":"Status","message":"forbidden here","code":403})"};
  });
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("not read: the public keys of Gatehouse: "));
  EXPECT_THAT(ran.out, HasSubstr("not read: the Leases of replicas: "));
  EXPECT_THAT(ran.out, HasSubstr("worker-1  Trusted")) << "as it is recorded";
  EXPECT_THAT(ran.out, Not(HasSubstr("nobody leads")));
}

TEST_F(ClusterVerbs, WithoutDefinitionsThereIsNothingToSay) {
  api_.StopServing(kube::kImagePolicies);
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.err, HasSubstr("kube-not-found"));
  EXPECT_EQ(ran.out, "");
}

TEST_F(ClusterVerbs, NoKubeconfigIsUsage) {
  fakes::Ran ran = Run({"status", "--kubeconfig", "{folder}/absent"});
  EXPECT_EQ(ran.exit_code, 2) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("absent"));
}

TEST_F(ClusterVerbs, AnotherTokenIsDenied) {
  Write("kubeconfig", server_.KubeConfig(root_.pem(), "another"));
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.err, HasSubstr("kube-denied"));
}

TEST_F(ClusterVerbs, TheKubeconfigOfTheEnvironment) {
  fakes::Ran ran =
      fakes::RunProgram({fakes::BuiltProgram("gatehouse"), "status"}, {{"KUBECONFIG", Filled("{folder}/kubeconfig")}});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
}

// --- why node

TEST_F(ClusterVerbs, WhyATrustedNode) {
  PutGood("worker-1");
  fakes::Ran ran = Ask({"why", "node", "worker-1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("node worker-1: Trusted since "));
  EXPECT_THAT(ran.out, HasSubstr("by policy    workers (enforce): affirming, holds until "));
  EXPECT_THAT(ran.out, HasSubstr("binding      EK sha256:bbbb"));
  EXPECT_THAT(ran.out, Not(HasSubstr("to do")));
}

TEST_F(ClusterVerbs, WhyAnUntrustedNode) {
  PutBad("worker-2");
  PutNode(
      "worker-2",
      R"(,"labels":{"attestation.node-restriction.kubernetes.io/trusted":"false"}},"spec":{"taints":[)"
      R"({"key":"attestation.node-restriction.kubernetes.io/untrusted","value":"untrusted","effect":"NoSchedule"}]},)"
      R"("status":{"conditions":[{"type":"GatehouseTrusted","status":"False","message":"x"}])");
  fakes::Ran ran = Ask({"why", "node", "worker-2"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("node worker-2: Untrusted since "));
  EXPECT_THAT(ran.out, HasSubstr("  pcr 7 (sha256): found bb, expected aa [pcr-mismatch]\n"));
  EXPECT_THAT(ran.out, HasSubstr("by policy    workers (enforce): contraindicated"));
  EXPECT_THAT(ran.out,
              HasSubstr("on the Node  label trusted=false; taint NoSchedule; condition GatehouseTrusted=False\n"));
  EXPECT_THAT(ran.out, HasSubstr("to do        " + std::string(Sentence(Reason::kPcrMismatch))));
  EXPECT_THAT(ran.out, HasSubstr("ReferenceValues"));
}

struct NodeCase {
  const char* name;
  std::function<void(ear::AttestationResult&)> change;
  bool own_key;
  const char* verdict;
  const char* says;
};

TEST_F(ClusterVerbs, WhatIsNotProvenIsNotTrusted) {
  const NodeCase cases[] = {{"signed by another", [](auto&) {}, false, "Unknown", "the result does not verify"},
                            {"of another node", [](auto& result) { result.node = "worker-9"; }, true, "Unknown",
                             "the result is of the node worker-9"},
                            {"of an earlier Node", [](auto& result) { result.node_uid = "uid-of-before"; }, true,
                             "Unknown", "was there before"},
                            {"by an older policy", [](auto& result) { result.appraisals[0].policy = "workers@0"; },
                             true, "Unknown", "not appraised by this policy as it is now"},
                            {"expired",
                             [](auto& result) {
                               result.issued -= 20 * kMinute;
                               result.expires -= 20 * kMinute;
                               result.appraisals[0].expires = result.expires;
                             },
                             true, "Expired", "attestation-expired"}};
  for (const NodeCase& c : cases) {
    ear::AttestationResult result = ResultFor("worker-1", true);
    c.change(result);
    PutNode("worker-1");
    PutAttestation(ResultFor("worker-1", true), signing_, kube::Verdict::kTrusted);
    fakes::JsonValue object = *api_.Find(kube::kNodeAttestations, "worker-1");
    object.Member("status").Member("ear") =
        fakes::JsonValue::String(*ear::Encode(result, c.own_key ? signing_ : other_key_));
    api_.Put(object.Write());
    fakes::Ran ran = Ask({"why", "node", "worker-1"});
    EXPECT_EQ(ran.exit_code, 1) << c.name << ran.out;
    EXPECT_THAT(ran.out, StartsWith("node worker-1: " + std::string(c.verdict))) << c.name;
    EXPECT_THAT(ran.out, HasSubstr(c.says)) << c.name;
    EXPECT_THAT(ran.out, HasSubstr("to do        ")) << c.name;
  }
}

TEST_F(ClusterVerbs, WhyANodeWhoseLastEvidenceFailed) {
  PutNode("worker-1");
  PutAttestation(ResultFor("worker-1", true), signing_, kube::Verdict::kUntrusted,
                 kube::Failure{Reason::kClockRewound, "clock", "resets went from 7 to 3", Now()});
  fakes::Ran ran = Ask({"why", "node/worker-1"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("  clock: resets went from 7 to 3 [clock-rewound]\n"));
  EXPECT_THAT(ran.out, HasSubstr("failed       "));
}

TEST_F(ClusterVerbs, WhyANodeThatNeverCame) {
  PutNode("worker-3");
  fakes::Ran ran = Ask({"why", "node", "worker-3"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, StartsWith("node worker-3: Unknown\n"));
  EXPECT_THAT(ran.out, HasSubstr("binding      none: the node has not enrolled"));
  EXPECT_THAT(ran.out, HasSubstr("get pods -l app.kubernetes.io/name=gatehouse,app.kubernetes.io/component=agent "
                                 "--field-selector spec.nodeName=worker-3"));
}

TEST_F(ClusterVerbs, ANodeThatNoPolicyCovers) {
  PutNode("control-plane");
  fakes::Ran ran = Ask({"why", "control-plane"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_THAT(ran.out, StartsWith("node control-plane: not covered\n"));
}

TEST_F(ClusterVerbs, WhatNoPolicyCoversIsAsTheWebhookIsConfigured) {
  PutNode("control-plane");
  EXPECT_THAT(Ask({"why", "node", "control-plane"}).out, HasSubstr("with a warning (unmatchedNodes: warn)"));
  PutWebhookConfig("{unmatchedNodes: deny}");
  fakes::Ran ran = Ask({"why", "node", "control-plane"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("no pod may be put on it (unmatchedNodes: deny)"));
  PutPod("docker.io/library/busybox:1");
  EXPECT_THAT(Ask({"why", "pod", "web", "-n", "shop"}).out, HasSubstr("[no-policy-matches]"));
  PutWebhookConfig("{unmatchedImages: allow, unmatchedNodes: allow}");
  EXPECT_EQ(Ask({"why", "pod", "web", "-n", "shop"}).exit_code, 0);
  // What cannot be read counts as the worst.
  api_.Remove(kube::kConfigMaps, "gatehouse-webhook", "gatehouse-system");
  ran = Ask({"why", "node", "control-plane"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("not read     the webhook's configuration"));
}

TEST_F(ClusterVerbs, ANodeThatHasGone) {
  PutBad("worker-2");
  api_.Remove(kube::kNodes, "worker-2");
  fakes::Ran ran = Ask({"why", "node", "worker-2"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("kubectl delete nodeattestation worker-2"));
}

TEST_F(ClusterVerbs, WhyNodeAsJson) {
  PutBad("worker-2");
  auto document = AskJson({"why", "node", "worker-2"}, 1);
  EXPECT_EQ(Text(document.root(), "verdict"), "Untrusted");
  EXPECT_EQ(Text(document.root().Find("findings")->at(0), "reason"), "pcr-mismatch");
  EXPECT_EQ(Text(document.root().Find("policies")->at(0), "name"), "workers");
}

// --- why pod

TEST_F(ClusterVerbs, WhyAPodThatRunsAsItShould) {
  (void)PushSigned("app", "1", key_);
  PutGood("worker-1");
  PutPod("{registry}/app:1", "worker-1");
  fakes::Ran ran = Ask({"why", "pod", "web", "-n", "shop", "--insecure-registry", "{registry}"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("pod shop/web: Running, on node worker-1\nimages now   allowed\n  ok    " +
                                  registry_.host() + "/app@sha256:"));
  EXPECT_THAT(ran.out, HasSubstr("node worker-1: Trusted"));
}

TEST_F(ClusterVerbs, WhyAPodThatTheNodeHalfHoldsBack) {
  (void)PushSigned("app", "1", key_);
  PutGood("worker-1");
  PutBad("worker-2");
  PutPod("{registry}/app:1", "", denied_);
  fakes::Ran ran = Ask({"why", "web", "-n", "shop", "--insecure-registry", "{registry}"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("pod shop/web: Pending, on no node yet\nheld back    binding rejected: "));
  EXPECT_THAT(ran.out, HasSubstr("denied the request: gatehouse: node worker-2"));
  EXPECT_THAT(ran.out, HasSubstr("images now   allowed\n"));
  EXPECT_THAT(ran.out, HasSubstr("nodes        1 of 2 may be used; not: worker-2 (Untrusted)\n"));
}

TEST_F(ClusterVerbs, WhyAPodWhoseImageIsNoLongerTrusted) {
  (void)PushSigned("app", "1", other_key_);
  PutGood("worker-1");
  PutPod("{registry}/app:1", "worker-1");
  fakes::Ran ran = Ask({"why", "pod/web", "-n", "shop", "--insecure-registry", "{registry}"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("images now   denied\n"));
  EXPECT_THAT(ran.out, HasSubstr("[signature-invalid]"));
}

TEST_F(ClusterVerbs, WhyAPodThatSomebodyElseHoldsBack) {
  (void)PushSigned("app", "1", key_);
  PutPod("{registry}/app:1", "", "0/2 nodes are available: 2 Insufficient cpu.");
  fakes::Ran ran = Ask({"why", "pod", "web", "-n", "shop", "--insecure-registry", "{registry}"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("Insufficient cpu"));
  EXPECT_THAT(ran.out, HasSubstr("not Gatehouse's doing"));
}

TEST_F(ClusterVerbs, WhyAPodWhoseRegistryDoesNotAnswer) {
  PutPolicy(ImagePolicyYaml("dead", "{dead}/**", KeyAuthority(key_.Public())));
  PutPod("{dead}/app:1");
  fakes::Ran ran = Ask({"why", "pod", "web", "-n", "shop", "--insecure-registry", "{dead}"});
  EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("[registry-unavailable]"));
}

TEST_F(ClusterVerbs, WhyAPodOnANodeThatIsNotTrusted) {
  (void)PushSigned("app", "1", key_);
  PutBad("worker-2");
  PutPod("{registry}/app:1", "worker-2");
  auto document = AskJson({"why", "pod", "web", "-n", "shop", "--insecure-registry", "{registry}"}, 1);
  EXPECT_EQ(Text(document.root(), "node"), "worker-2");
  EXPECT_EQ(Text(*document.root().Find("images"), "outcome"), "allowed");
  EXPECT_EQ(Text(document.root().Find("nodes")->at(0), "verdict"), "Untrusted");
  EXPECT_EQ(document.root().Find("heldBack")->AsBool(), false);
}

TEST_F(ClusterVerbs, WhyAWorkloadWhosePodsAreRefused) {
  PutEvent(
      "ReplicaSet", "web-5d4f",
      R"(Error creating: admission webhook \"validate.gatehouse.dev\" denied the request: gatehouse: image x: no signature [image-unsigned])");
  PutEvent("ReplicaSet", "website-1",
           R"(admission webhook \"validate.gatehouse.dev\" denied the request: gatehouse: other)");
  PutEvent("ReplicaSet", "web-7", R"(admission webhook \"quota.example\" denied the request: too much)");
  fakes::Ran ran = Ask({"why", "web", "-n", "shop"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_EQ(
      ran.out,
      "web: there is no such pod; what events tell of it:\n  2026-11-21T12:00:00Z ReplicaSet web-5d4f: Error creating: "
      "admission webhook \"validate.gatehouse.dev\" denied the request: gatehouse: image x: no signature "
      "[image-unsigned]\n");
}

TEST_F(ClusterVerbs, WhyWhatDoesNotExist) {
  fakes::Ran ran = Ask({"why", "nothing"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no such pod in namespace default"));
  ran = Ask({"why", "node", "nothing"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no Node and no NodeAttestation"));
  EXPECT_EQ(Ask({"why", "policy", "x"}).exit_code, 2);
  EXPECT_EQ(Ask({"why", "node/"}).exit_code, 2);
}

TEST_F(ClusterVerbs, AnApiServerThatFailsIsNotJudged) {
  api_.Fail({.status = 503, .times = 1000});
  for (const std::vector<std::string>& verb :
       {std::vector<std::string>{"status"}, {"why", "node", "x"}, {"why", "pod", "x"}, {"attest", "now", "x"}}) {
    fakes::Ran ran = Ask(verb);
    EXPECT_EQ(ran.exit_code, 3) << verb[0];
    EXPECT_THAT(ran.err, HasSubstr("kube-unavailable")) << verb[0];
  }
}

// --- attest now

class AttestNowVerb : public ClusterVerbs {
 protected:
  AttestNowVerb() {
    for (const char* node : {"worker-1", "worker-2"}) {
      Put(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"agent-of-)" + std::string(node) +
          R"(","namespace":"gatehouse-system","labels":{"app.kubernetes.io/component":"agent",)"
          R"("app.kubernetes.io/name":"gatehouse","app.kubernetes.io/instance":"gatehouse"}},"spec":{"nodeName":")" +
          node + R"(","containers":[]}})");
    }
  }
  // What the agent's successor brings about, once its pod was deleted.
  void WhenRestarted(std::function<void()> then) {
    api_.Intercept([this, then](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
      if (request.verb == "DELETE" && !restarted_.exchange(true)) then();
      return std::nullopt;
    });
  }
  std::atomic<bool> restarted_ = false;
};

TEST_F(AttestNowVerb, TheNewResultIsAwaited) {
  PutBad("worker-1");
  const std::string before = api_.Find(kube::kNodeAttestations, "worker-1")->TextAt({"status", "attested"});
  std::string annotated;
  WhenRestarted([&] {
    annotated = api_.Find(kube::kNodeAttestations, "worker-1")->TextAt({"metadata", "annotations", kube::kNewerThan});
    ear::AttestationResult result = ResultFor("worker-1", true);
    result.issued = Now();
    PutAttestation(result, signing_, kube::Verdict::kTrusted);
  });
  fakes::Ran ran = Ask({"attest", "now", "worker-1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("node worker-1: Trusted"));
  EXPECT_EQ(annotated, before);
  EXPECT_FALSE(api_.Find(kube::kPods, "agent-of-worker-1", "gatehouse-system").has_value());
  EXPECT_TRUE(api_.Find(kube::kPods, "agent-of-worker-2", "gatehouse-system").has_value()) << "another node's";
}

TEST_F(AttestNowVerb, AFailureIsAResultToo) {
  PutGood("worker-1");
  WhenRestarted([&] {
    PutAttestation(ResultFor("worker-1", true), signing_, kube::Verdict::kUntrusted,
                   kube::Failure{Reason::kClockRewound, "clock", "rewound", Now()});
  });
  fakes::Ran ran = Ask({"attest", "now", "worker-1"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("[clock-rewound]"));
}

TEST_F(AttestNowVerb, ANodeThatNeverAttested) {
  PutNode("worker-1");
  WhenRestarted([&] { PutAttestation(ResultFor("worker-1", true), signing_, kube::Verdict::kTrusted); });
  EXPECT_EQ(Ask({"attest", "now", "worker-1"}).exit_code, 0);
}

TEST_F(AttestNowVerb, NoResultInTime) {
  PutGood("worker-1");
  fakes::Ran ran = Ask({"attest", "now", "worker-1", "--wait", "1"});
  EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("no result in 1 s"));
}

TEST_F(AttestNowVerb, WithoutAnAgentNothingIsDone) {
  PutGood("worker-3");
  fakes::Ran ran = Ask({"attest", "now", "worker-3"});
  EXPECT_EQ(ran.exit_code, 2) << ran.out << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("no pod of the agent of release gatehouse is on it in namespace gatehouse-system"));
  EXPECT_EQ(api_.Count("DELETE", ""), 0U);
}

// --- as a plugin

TEST(KubectlPlugin, SaysHowItIsCalled) {
  fakes::Ran ran = fakes::RunProgram({fakes::BuiltProgram("kubectl-gatehouse"), "--help"});
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_THAT(ran.out, HasSubstr("Usage: kubectl gatehouse "));
  ran = fakes::RunProgram({fakes::BuiltProgram("gatehouse"), "--help"});
  EXPECT_THAT(ran.out, HasSubstr("Usage: gatehouse "));
}

}  // namespace
}  // namespace gatehouse::cli
