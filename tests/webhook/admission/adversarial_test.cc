// Attacks on the gate as they arrive: whole AdmissionReviews, most of them as kube-apiserver sent them.
#include <condition_variable>
#include <thread>

#include "tests/webhook/admission/fixture.h"

namespace gatehouse::webhook {
namespace {

class AdversarialTest : public HandlerTest {
 protected:
  void SetUp() override {
    LoadPolicies("");
    fakes::Sign(registry, "app", good_, key);
    (void)registry.PutImage("evil", "1", "unsigned");
  }
  // "signed" over the registry of the tests, and a NodePolicy over every node, whose trust the test says.
  void LoadPolicies(const std::string& more) {
    Load(gate::ImagePolicyYaml("signed", "registry.example/**", gate::KeyAuthority("release", key.Public()), more));
    auto with_nodes = std::make_shared<policy::PolicySet>(*set);
    with_nodes->node_policies.push_back({.name = "workers",
                                         .generation = "1",
                                         .nodes = {*policy::Glob::Parse("*")},
                                         .namespace_selector = {},
                                         .mode = policy::Mode::kEnforce,
                                         .validity = Duration(60'000),
                                         .trust_roots = {},
                                         .tpm = {HashAlgorithm::kSha256, {}},
                                         .reference_values = {},
                                         .reference_sets = {},
                                         .untrusted = std::nullopt});
    set = with_nodes;
  }
  void Trust(const std::string& node) {
    nodes.trust[node] = {
        .state = gate::NodeState::kTrusted, .findings = {}, .expires = clock.Wall() + Duration(60'000)};
  }
  static std::string WithImage(const std::string& sample, const std::string& image) {
    return Replaced(Sample(sample), "registry.test:5000/bb:1", image);
  }

  Digest good_ = registry.PutImage("app", "1", "signed");
  const std::string kGood = "registry.example/app:1";
  const std::string kEvil = "registry.example/evil:1";
};

// The container runs on the node whatever is answered; but the record of it is judged like any pod, so that a refused
// one is missing from the API, and the audit log has it.
TEST_F(AdversarialTest, Adversarial_A14_AMirrorPodIsJudgedLikeAnyPod) {
  std::string evil = WithImage("pod-create-mirror-by-kubelet", kEvil);
  EXPECT_NE(Message(Post(evil)).find("[image-unsigned]"), std::string::npos);
  EXPECT_NE(Message(Post(evil)).find("[node-unknown]"), std::string::npos);
  std::string good = WithImage("pod-create-mirror-by-kubelet", kGood);
  EXPECT_EQ(Message(Post(good)).find("[image-unsigned]"), std::string::npos);
  EXPECT_FALSE(Allowed(Post(good)));
  Trust("node1");
  EXPECT_TRUE(Allowed(Post(good)));
}

TEST_F(AdversarialTest, Adversarial_G1_NodeNameSetAtCreation) {
  std::string body = WithImage("pod-create-by-user-generateName-nodeName", kGood);
  EXPECT_NE(Message(Post(body)).find("node node1: "), std::string::npos);
  Trust("node1");
  EXPECT_TRUE(Allowed(Post(body)));
}

TEST_F(AdversarialTest, Adversarial_G2_EveryDoorThatBinds) {
  for (const char* sample : {"bindings-legacy-by-user", "pods-binding-by-user", "pods-binding-by-scheduler",
                             "pods-binding-daemonset-pod-by-scheduler"}) {
    nodes.trust.clear();
    EXPECT_NE(Message(Post(Sample(sample))).find("[node-unknown]"), std::string::npos) << sample;
    Trust("node1");
    EXPECT_TRUE(Allowed(Post(Sample(sample)))) << sample;
  }
}

TEST_F(AdversarialTest, Adversarial_G3_WhatABindingSaysOfItselfIsNotBelieved) {
  std::string body = Replaced(Sample("pods-binding-by-user"), R"("metadata":{"name":"m1",)",
                              R"("metadata":{"name":"m1","annotations":{"gatehouse.dev/verdict":"trusted"},"labels":{)"
                              R"("attestation.node-restriction.kubernetes.io/trusted":"true"},)");
  EXPECT_NE(Message(Post(body)).find("[node-unknown]"), std::string::npos);
}

TEST_F(AdversarialTest, Adversarial_G7_AnythingToleratedIsNotAnythingTrusted) {
  std::string body = Review(kGood, R"(,"tolerations":[{"operator":"Exists"}],"nodeName":"node1")");
  EXPECT_NE(Message(Post(body)).find("[node-unknown]"), std::string::npos);
  Trust("node1");
  EXPECT_TRUE(Allowed(Post(body)));
}

// After it was bound, a pod's image can be changed without any Binding.
TEST_F(AdversarialTest, Adversarial_G9_AnImageChangedAfterTheBinding) {
  std::string body = Replaced(Sample("pod-update-image"), "registry.test:5000/bb:t1", kEvil);
  EXPECT_NE(Message(Post(body)).find("[image-unsigned]"), std::string::npos);
  EXPECT_TRUE(Allowed(Post(Replaced(Sample("pod-update-image"), "registry.test:5000/bb:t1", kGood))));
}

TEST_F(AdversarialTest, Adversarial_G9_AnImageBehindAResize) {
  std::string body = Replaced(Sample("pod-update-image"), "registry.test:5000/bb:t1", kEvil);
  std::string resize =
      Replaced(body, R"("requestKind":)", R"("subResource":"resize","requestSubResource":"resize","requestKind":)");
  EXPECT_EQ(admission::ParseReview(resize).request().resource, "pods/resize");
  EXPECT_NE(Message(Post(resize)).find("[image-unsigned]"), std::string::npos);
  // One that resizes is let, also while the registry is down.
  registry.FailWith(-1);
  std::string label = Replaced(WithImage("pod-update-label", kEvil), R"("requestKind":)",
                               R"("subResource":"resize","requestSubResource":"resize","requestKind":)");
  EXPECT_TRUE(Allowed(Post(label)));
}

TEST_F(AdversarialTest, Adversarial_G9_AnEphemeralContainer) {
  EXPECT_NE(Message(Post(WithImage("pods-ephemeralcontainers-update", kEvil))).find("[image-unsigned]"),
            std::string::npos);
  EXPECT_TRUE(Allowed(Post(WithImage("pods-ephemeralcontainers-update", kGood))));
}

TEST_F(AdversarialTest, Adversarial_G10_NeitherLabelsNorAnnotationsOfAPodLetItOut) {
  std::string exempt =
      R"("metadata":{"labels":{"gatehouse.dev/admission":"exempt","kubernetes.io/metadata.name":"kube-system"},)"
      R"("annotations":{"gatehouse.dev/admission":"exempt","kubernetes.io/config.mirror":"x"},)";
  std::string body = Replaced(Review(kEvil), R"("metadata":{)", exempt);
  EXPECT_NE(Message(Post(body)).find("[image-unsigned]"), std::string::npos);
}

// A name is used again for another pod while a Binding is under way: whichever pod it is, it is the node that is
// judged, and the API server holds the uid of the Binding against the pod's. The audit log says which pod was meant.
TEST_F(AdversarialTest, Adversarial_G13_ABindingOfAnotherPodOfThatName) {
  std::string body = Replaced(Sample("pods-binding-by-scheduler"), "8b08992d-e9e3-411e-9d82-1749201af144", "another");
  EXPECT_FALSE(Allowed(Post(body)));
  Trust("node1");
  EXPECT_TRUE(Allowed(Post(body)));
  auto review = admission::ParseReview(body);
  gate::Decision decision;
  std::string line = gate::AuditLine(review.request(), decision, clock.Wall(), std::chrono::microseconds(1));
  EXPECT_NE(line.find(R"("podUid":"another")"), std::string::npos) << line;
}

TEST_F(AdversarialTest, Adversarial_G14_ASchedulerOfATenant) {
  std::string body = Replaced(Sample("pods-binding-by-scheduler"), "system:kube-scheduler",
                              "system:serviceaccount:tenant:my-scheduler");
  EXPECT_NE(Message(Post(body)).find("[node-unknown]"), std::string::npos);
  EXPECT_EQ(Message(Post(body)), Message(Post(Sample("pods-binding-by-scheduler"))));
}

TEST_F(AdversarialTest, Adversarial_G17_ADryRunIsDecidedTheSame) {
  std::string binding = Sample("pods-binding-by-scheduler");
  EXPECT_EQ(Message(Post(Replaced(binding, R"("dryRun":false)", R"("dryRun":true)"))), Message(Post(binding)));
  std::string pod = WithImage("pod-create-dry-run", kEvil);
  ASSERT_TRUE(admission::ParseReview(pod).request().dry_run);
  EXPECT_NE(Message(Post(pod)).find("[image-unsigned]"), std::string::npos);
  EXPECT_TRUE(Allowed(Post(WithImage("pod-create-dry-run", kGood))));
}

// A tenant whose registry hangs holds up nobody else (A11, G11).
TEST_F(AdversarialTest, Adversarial_G11_ASlowRegistryOfOneNamespaceLeavesRoomForTheOthers) {
  Load(gate::ImagePolicyYaml("signed", "**", gate::KeyAuthority("release", key.Public())));
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t hanging = 0;
  bool released = false;
  registry.OnRequest([&](const net::HttpRequest& request) {
    if (request.url.host != "slow.example") return;
    std::unique_lock lock(mutex);
    ++hanging;
    changed.notify_all();
    changed.wait(lock, [&] { return released; });
  });
  gate::Gate gate = MakeGate();
  constexpr std::size_t kTotal = 8;
  AdmissionHandler handler(gate, clock, log, metrics, {.max_concurrent = kTotal});
  auto ask = [&](const std::string& space, const std::string& image) {
    std::string body = Replaced(Review(image), "\"namespace\":\"default\"", "\"namespace\":\"" + space + "\"");
    return Message(handler.Handle(Call("/validate", body, std::nullopt)));
  };
  std::vector<std::thread> tenant;
  for (std::size_t i = 0; i < kTotal / 2; ++i) {
    tenant.emplace_back([&, i] { (void)ask("tenant", "slow.example/app" + std::to_string(i) + ":1"); });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return hanging == kTotal / 2; });
  }
  EXPECT_NE(ask("tenant", "slow.example/more:1").find("[overloaded]"), std::string::npos);
  EXPECT_NE(ask("tenant", kGood).find("[overloaded]"), std::string::npos);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("other", kGood), "");
  {
    std::lock_guard lock(mutex);
    released = true;
    changed.notify_all();
  }
  for (std::thread& each : tenant) each.join();
  EXPECT_EQ(ask("tenant", kGood), "");
}

}  // namespace
}  // namespace gatehouse::webhook
