// What the verbs say agrees with what the gate does: modes, namespaces; and whose pods they touch.
#include <filesystem>

#include "common/base/limits.h"
#include "tests/cli/cluster_fixture.h"

namespace gatehouse::cli {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// --- policies that refuse nothing

class NotEnforced : public ClusterVerbs, public testing::WithParamInterface<const char*> {};

TEST_P(NotEnforced, ANodeThatTheGateAdmitsMayBeUsed) {
  PutPolicy(NodePolicyYaml("  mode: " + std::string(GetParam()) + "\n"));
  PutBad("worker-2");
  fakes::Ran ran = Ask({"why", "node", "worker-2"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("node worker-2: Untrusted (not enforced) since "));
  EXPECT_THAT(ran.out, HasSubstr("[pcr-mismatch]"));
  EXPECT_THAT(ran.out, HasSubstr("not enforced pods may be put on it: no NodePolicy in mode enforce refuses it\n"));
  EXPECT_THAT(ran.out, HasSubstr("to do        " + std::string(Sentence(Reason::kPcrMismatch))));
  auto document = AskJson({"why", "node", "worker-2"}, 0);
  EXPECT_EQ(Text(document.root(), "verdict"), "Untrusted");
  EXPECT_EQ(document.root().Find("mayBeUsed")->AsBool(), true);
}

TEST_P(NotEnforced, APodIsNotHeldBackByIt) {
  (void)PushSigned("app", "1", key_);
  PutPolicy(NodePolicyYaml("  mode: " + std::string(GetParam()) + "\n"));
  PutGood("worker-1");
  PutBad("worker-2");
  PutPod("{registry}/app:1");
  fakes::Ran ran = Ask({"why", "pod", "web", "-n", "shop", "--insecure-registry", "{registry}"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("nodes        2 of 2 may be used; not enforced: worker-2 (Untrusted)\n"));
  PutPod("{registry}/app:1", "worker-2");
  ran = Ask({"why", "pod", "web", "-n", "shop", "--insecure-registry", "{registry}"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
}

INSTANTIATE_TEST_SUITE_P(Mode, NotEnforced, testing::Values("audit", "warn"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(ClusterVerbs, OneEnforcingPolicyAmongOthersRefuses) {
  std::string trial = NodePolicyYaml("  mode: audit\n");
  trial.replace(trial.find("name: workers"), 13, "name: trial");
  PutPolicy(trial);
  PutBad("worker-2");  // under workers, which enforces
  EXPECT_EQ(Ask({"why", "node", "worker-2"}).exit_code, 1);
  EXPECT_THAT(Ask({"status"}).out, Not(HasSubstr("not enforced")));
}

TEST_F(ClusterVerbs, AnEnforcingPolicyThatIsContentIsEnough) {
  std::string trial = NodePolicyYaml("  mode: warn\n");
  trial.replace(trial.find("name: workers"), 13, "name: trial");
  PutGood("worker-1");
  PutPolicy(trial);  // no result under it
  fakes::Ran ran = Ask({"why", "node", "worker-1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out;
  EXPECT_THAT(ran.out, StartsWith("node worker-1: Unknown (not enforced)"));
}

TEST_F(ClusterVerbs, StatusSaysWhatIsNotEnforced) {
  PutPolicy(NodePolicyYaml("  mode: audit\n"));
  PutBad("worker-2");
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("  node worker-2 is Untrusted (not enforced): "));
}

TEST_F(ClusterVerbs, APolicyForOtherNamespacesDoesNotHoldAPodBack) {
  (void)PushSigned("app", "1", key_);
  PutPolicy(NodePolicyYaml("  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bank}}\n"));
  PutBad("worker-2");
  PutPod("{registry}/app:1");
  const std::vector<std::string> why = {"why", "pod", "web", "-n", "shop", "--insecure-registry", "{registry}"};
  fakes::Ran ran = Ask(why);
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("nodes        1 of 1 may be used; not enforced: worker-2 (Untrusted)\n"));
  // To the gate the node is one that no policy covers.
  PutWebhookConfig("{unmatchedImages: deny, unmatchedNodes: deny}");
  EXPECT_THAT(Ask(why).out, HasSubstr("nodes        0 of 1 may be used; not: worker-2 (Untrusted)\n"));
  EXPECT_EQ(Ask({"why", "node", "worker-2"}).exit_code, 1) << "pods of bank may not";
}

// --- who may not read pods

TEST_F(ClusterVerbs, ANodeIsToldOfToWhoMayNotReadPods) {
  PutBad("worker-2");
  api_.Intercept([](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.path.find("/pods") == std::string::npos) return std::nullopt;
    return fakes::KubeReply{.status = 403, .body = R"({"kind":"Status","message":"forbidden here","code":403})"};
  });
  fakes::Ran ran = Ask({"why", "worker-2"});
  EXPECT_EQ(ran.exit_code, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, StartsWith("node worker-2: Untrusted"));
  EXPECT_THAT(ran.out, HasSubstr("not read     pods: "));
  (void)AskJson({"why", "worker-2"}, 1);
  for (const std::vector<std::string>& verb : {std::vector<std::string>{"why", "pod", "worker-2"}, {"why", "web"}}) {
    ran = Ask(verb);
    EXPECT_EQ(ran.exit_code, 3) << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("kube-denied"));
  }
}

// --- pages that are too large

TEST_F(ClusterVerbs, AListThatIsTooLargeIsReadInSmallerPages) {
  for (const char* name : {"worker-1", "worker-2", "worker-3", "worker-4"}) PutGood(name);
  auto refused = std::make_shared<std::atomic<int>>(0);
  api_.Intercept([refused](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    const bool list = request.verb == "LIST" && request.path.find("nodeattestations") != std::string::npos;
    if (!list || std::stoi(request.Parameter("limit")) <= 2) return std::nullopt;
    ++*refused;
    return fakes::KubeReply{.body = R"({"items":[],"pad":")" + std::string(limits::kKubeResponseBytes, 'x') + "\"}"};
  });
  fakes::Ran ran = Ask({"status"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("worker-4"));
  EXPECT_GT(*refused, 0);
}

// --- a plugin that wants a login

TEST_F(ClusterVerbs, WhatACredentialPluginSaysIsShown) {
  Write("plugin", R"(#!/bin/sh
echo open the page >&2
echo '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"token-of-the-test"}}'
)");
  std::filesystem::permissions(Filled("{folder}/plugin"), std::filesystem::perms::owner_all);
  std::string config = server_.KubeConfig(root_.pem());
  const std::size_t token = config.find("token: ");
  ASSERT_NE(token, std::string::npos) << config;
  const std::size_t end = config.find_first_of(",}\n", token);
  config.replace(token, end - token, "exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin}");
  Write("kubeconfig", config);
  PutGood("worker-1");
  fakes::Ran ran = Ask({"why", "node", "worker-1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.out << ran.err << config;
  EXPECT_THAT(ran.err, HasSubstr("open the page\n"));
}

// --- whose agents are restarted

class WhoseAgent : public ClusterVerbs {
 protected:
  void PutAgent(const std::string& name, const std::string& labels, const std::string& owner = "") {
    Put(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
        R"(","namespace":"gatehouse-system","labels":{"app.kubernetes.io/component":"agent")" + labels + "}" +
        (owner.empty() ? std::string()
                       : R"(,"ownerReferences":[{"apiVersion":"apps/v1","kind":"DaemonSet","uid":"u","name":")" +
                             owner + "\"}]") +
        R"(},"spec":{"nodeName":"worker-1","containers":[]}})");
  }
  [[nodiscard]] bool Exists(const char* name) const {
    return api_.Find(kube::kPods, name, "gatehouse-system").has_value();
  }
};

TEST_F(WhoseAgent, OthersPodsAreLeftAlone) {
  PutGood("worker-1");
  PutAgent("vendor", "");
  PutAgent("other-vendor", R"(,"app.kubernetes.io/name":"datadog","app.kubernetes.io/instance":"gatehouse")");
  PutAgent("other-release", R"(,"app.kubernetes.io/name":"gatehouse","app.kubernetes.io/instance":"second")",
           "second-agent");
  fakes::Ran ran = Ask({"attest", "now", "worker-1", "--wait", "1"});
  EXPECT_EQ(ran.exit_code, 2) << ran.out << ran.err;
  EXPECT_EQ(api_.Count("DELETE", ""), 0U);
  PutAgent("ours", R"(,"app.kubernetes.io/name":"gatehouse","app.kubernetes.io/instance":"gatehouse")");
  PutAgent("ours-by-another-name", R"(,"app.kubernetes.io/name":"gatehouse","app.kubernetes.io/instance":"x")",
           "gatehouse-agent");
  ran = Ask({"attest", "now", "worker-1", "--wait", "1"});
  EXPECT_EQ(ran.exit_code, 3) << ran.out << ran.err;
  for (const char* name : {"vendor", "other-vendor", "other-release"}) EXPECT_TRUE(Exists(name)) << name;
  for (const char* name : {"ours", "ours-by-another-name"}) EXPECT_FALSE(Exists(name)) << name;
}

}  // namespace
}  // namespace gatehouse::cli
