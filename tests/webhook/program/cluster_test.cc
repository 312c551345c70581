// gatehouse-webhook in a cluster: the program as a pod runs it, in front of an API server in this process.
#include <csignal>

#include "common/base/encoding.h"
#include "tests/fakes/kube_api_server.h"
#include "tests/fakes/push.h"
#include "tests/webhook/program/support.h"

namespace gatehouse::webhook {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr const char* kConfig = R"(kubernetes:
  namespace: gatehouse-system
  kubeconfig: "{folder}/kubeconfig"
  identity: {identity}
  keyFolder: "{folder}/keys-{identity}"
  certificates: {dnsNames: [127.0.0.1], webhookConfigurations: {validating: gatehouse}}
admission: {listen: "127.0.0.1:0", mutate: {enabled: true}}
attestation: {listen: "127.0.0.1:0"}
metrics: {listen: "127.0.0.1:0"}
shutdownDelay: 0s
)";

std::string ImagePolicy(const std::string& action) {
  return R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicy","metadata":{"name":"fixed","generation":3},)"
         R"("spec":{"images":[{"glob":"**"}],"authorities":[{"name":"fixed","static":{"action":")" +
         action + R"("}}]}})";
}

class ClusterProgram : public ProgramTest {
 protected:
  ClusterProgram() {
    (void)folder_.Write("kubeconfig", server_.KubeConfig(ca_.pem()));
    (void)api_.Put(R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",)"
                   R"("metadata":{"name":"gatehouse"},"webhooks":[{"name":"validate.gatehouse.dev",)"
                   R"("clientConfig":{"service":{"name":"gatehouse-webhook","namespace":"gatehouse-system"}}}]})");
  }

  [[nodiscard]] std::unique_ptr<Webhook> Start(const std::string& identity, const std::string& more = "") const {
    std::string text = kConfig + more;
    for (std::size_t at = text.find("{identity}"); at != std::string::npos; at = text.find("{identity}", at))
      text.replace(at, 10, identity);
    return std::make_unique<Webhook>(folder_.Write(identity + ".yaml", Filled(text)));
  }
  // What the API server trusts: the bundle that is published.
  [[nodiscard]] Client ApiServer() const {
    auto published = api_.Find(kube::kConfigMaps, "gatehouse-public", "gatehouse-system");
    return Client{.ca_pem = published.has_value() ? published->TextAt({"data", "ca.crt"}) : ""};
  }
  [[nodiscard]] std::string Holder() const {
    auto lease = api_.Find(kube::kLeases, "gatehouse-leader", "gatehouse-system");
    return lease.has_value() ? lease->TextAt({"spec", "holderIdentity"}) : "";
  }
  [[nodiscard]] static std::string Unready(const Webhook& webhook) {
    auto answer = Client{}.Send("GET", webhook.Url("metrics", "/readyz"));
    return answer.ok() && answer->status == 503 ? answer->body : "";
  }

  fakes::KubeApi api_;
  fakes::KubeApiServer server_{api_, fakes::IssueServerTls(ca_, "IP:127.0.0.1")};
};

TEST_F(ClusterProgram, FirstStartMakesItsKeysAndDecidesByThePoliciesOfTheApi) {
  auto webhook = Start("pod-1");
  ASSERT_TRUE(webhook->Serves()) << webhook->program().err();
  for (const char* secret : {"gatehouse-ca", "gatehouse-tls", "gatehouse-attestation"})
    EXPECT_TRUE(api_.Find(kube::kSecrets, secret, "gatehouse-system").has_value()) << secret;
  EXPECT_EQ(Holder(), "pod-1");

  const Client api_server = ApiServer();
  EXPECT_THAT(webhook->Review(api_server, PodReview("registry.test/app:1")).message, HasSubstr("no-policy-matches"));
  (void)api_.Put(ImagePolicy("pass"));
  EXPECT_TRUE(fakes::Eventually([&] { return webhook->Review(api_server, PodReview("registry.test/app:1")).allowed; }))
      << webhook->program().err();
  (void)api_.Put(ImagePolicy("fail"));
  EXPECT_TRUE(fakes::Eventually([&] {
    return webhook->Review(api_server, PodReview("registry.test/app:1")).message.find("denied-by-policy") !=
           std::string::npos;
  }));
  EXPECT_TRUE(api_.Remove(kube::kImagePolicies, "fixed"));
  EXPECT_TRUE(fakes::Eventually([&] {
    return webhook->Review(api_server, PodReview("registry.test/app:1")).message.find("no-policy-matches") !=
           std::string::npos;
  }));
  EXPECT_THAT(webhook->Get("/readyz"), AllOf(HasSubstr(R"("ready":true)"), HasSubstr(R"("leading":true)")));
}

// Of a registry that lets nobody in without a password, which the pod names and Gatehouse does not have.
TEST_F(ClusterProgram, PullSecretsOfAPodAreReadIfThatIsAskedFor) {
  api_.Serve({.resource = {"", "v1", "serviceaccounts"}, .kind = "ServiceAccount"});
  fakes::FakeRegistry registry;
  auto key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  Digest image = fakes::PushImage(registry, "app", "signed", "one");
  fakes::PushSignatures(registry, "app", image, {fakes::SignPayload(key, image)});
  registry.RequireBasic("puller", "secret");
  const std::string config = R"({"auths":{")" + registry.host() + R"(":{"username":"puller","password":"secret"}}})";
  (void)api_.Put(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"pull","namespace":"default"},)"
                 R"("type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":")" +
                 EncodeBase64(AsBytes(config)) + "\"}}");
  std::string pem = key.Public().Pem();
  for (std::size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at)) pem.replace(at, 1, "\\n");
  (void)api_.Put(R"({"apiVersion":"gatehouse.dev/v1alpha1","kind":"ImagePolicy","metadata":{"name":"release"},)"
                 R"("spec":{"images":[{"glob":"**"}],"authorities":[{"name":"release","key":{"data":")" +
                 pem + R"("}}]}})");
  std::string review = PodReview(registry.host() + "/app:signed");
  const std::string spec = R"("spec":{)";
  review.replace(review.find(spec), spec.size(), spec + R"("imagePullSecrets":[{"name":"pull"}],)");

  const std::string more = LoopbackRegistry(registry.host());
  auto without = Start("pod-1", more);
  ASSERT_TRUE(without->Serves()) << without->program().err();
  EXPECT_THAT(without->Review(ApiServer(), review).message, HasSubstr("[registry-denied]"));
  EXPECT_EQ(api_.Count("GET", "/api/v1/namespaces/default/secrets"), 0U);
  without.reset();

  auto with = Start("pod-2", more.substr(0, more.rfind('}')) + ", podPullSecrets: true}\n");
  ASSERT_TRUE(with->Serves()) << with->program().err();
  Answer answer = with->Review(ApiServer(), review);
  EXPECT_TRUE(answer.allowed) << answer.message;
  EXPECT_EQ(api_.Count("GET", "/api/v1/namespaces/default/secrets/pull"), 1U);
  review.replace(review.find("\"pull\""), 6, "\"gone\"");
  answer = with->Review(ApiServer(), review);
  EXPECT_THAT(answer.message, AllOf(HasSubstr("[registry-denied]"), HasSubstr("the Secret default/gone was not read")));
}

TEST_F(ClusterProgram, CaBundleOfTheWebhookConfigurationIsThePublishedAuthority) {
  auto webhook = Start("pod-1");
  ASSERT_TRUE(webhook->Serves()) << webhook->program().err();
  const auto bundle = [&] {
    auto configuration = api_.Find(kube::kValidatingWebhooks, "gatehouse");
    const fakes::JsonValue* webhooks = configuration.has_value() ? configuration->Find("webhooks") : nullptr;
    return webhooks == nullptr ? "" : webhooks->elements.at(0).TextAt({"clientConfig", "caBundle"});
  };
  EXPECT_TRUE(fakes::Eventually([&] {
    auto decoded = DecodeBase64(bundle());
    return decoded.ok() && !decoded->empty() && AsText(*decoded) == ApiServer().ca_pem;
  })) << bundle();
}

TEST_F(ClusterProgram, StatusOfAPolicySaysThatItIsInForce) {
  (void)api_.Put(ImagePolicy("pass"));
  auto webhook = Start("pod-1");
  ASSERT_TRUE(webhook->Serves()) << webhook->program().err();
  EXPECT_TRUE(webhook->Review(ApiServer(), PodReview("registry.test/app:1")).allowed);
  EXPECT_TRUE(fakes::Eventually(
      [&] {
        auto policy = api_.Find(kube::kImagePolicies, "fixed");
        return policy->TextAt({"status", "replicas", "inForce"}) == "1" &&
               policy->TextAt({"status", "decisions", "allowed"}) == "1";
      },
      std::chrono::seconds(40)))
      << api_.Find(kube::kImagePolicies, "fixed")->Write();
}

TEST_F(ClusterProgram, WithoutTheDefinitionsItIsNotReadyAndSaysWhy) {
  api_.StopServing(kube::kImagePolicies);
  auto webhook = Start("pod-1");
  EXPECT_TRUE(fakes::Eventually([&] { return Unready(*webhook).find("imagepolicies") != std::string::npos; }))
      << Unready(*webhook) << webhook->program().err();
  webhook->program().Signal(SIGTERM);
  EXPECT_EQ(webhook->program().Wait(), 0) << webhook->program().err();
}

TEST_F(ClusterProgram, AnotherReplicaTakesOverAtOnceWhenTheLeaderEnds) {
  auto first = Start("pod-1");
  ASSERT_TRUE(first->Serves()) << first->program().err();
  auto second = Start("pod-2");
  ASSERT_TRUE(second->Serves()) << second->program().err();
  EXPECT_EQ(Holder(), "pod-1");
  first->program().Signal(SIGTERM);
  EXPECT_EQ(first->program().Wait(), 0);
  EXPECT_TRUE(fakes::Eventually([&] { return Holder() == "pod-2"; })) << Holder();
}

// DESIGN section 7: no API call on the hot path. What was known when the API server went decides on.
TEST_F(ClusterProgram, DecidesWhileTheApiServerIsAway) {
  (void)api_.Put(ImagePolicy("pass"));
  auto webhook = Start("pod-1");
  ASSERT_TRUE(webhook->Serves()) << webhook->program().err();
  const Client api_server = ApiServer();
  api_.Shutdown();
  EXPECT_TRUE(webhook->Review(api_server, PodReview("registry.test/app:1")).allowed);
  EXPECT_THAT(webhook->Review(api_server, BindingReview("node-1")).message, HasSubstr("no-policy-matches"));
}

}  // namespace
}  // namespace gatehouse::webhook
