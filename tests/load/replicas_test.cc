// A swarm against two gatehouse-webhook processes and an API server in this process: the whole way of a result, and how
// many of them are written.
#include "common/codec/yaml.h"
#include "tests/fakes/kube_api_server.h"
#include "tests/load/swarm.h"
#include "tests/webhook/program/support.h"

namespace gatehouse::load {
namespace {

using namespace std::chrono_literals;

constexpr const char* kConfig = R"(kubernetes:
  namespace: gatehouse-system
  kubeconfig: "{folder}/kubeconfig"
  identity: {identity}
  keyFolder: "{folder}/keys-{identity}"
  certificates: {dnsNames: [127.0.0.1], webhookConfigurations: {validating: gatehouse}}
admission: {listen: "127.0.0.1:0"}
attestation: {listen: "127.0.0.1:0", tokens: "{folder}/swarm/tokens.yaml"}
metrics: {listen: "127.0.0.1:0"}
shutdownDelay: 0s
)";

class SwarmOverReplicas : public webhook::ProgramTest {
 protected:
  SwarmOverReplicas() {
    (void)folder_.Write("kubeconfig", server_.KubeConfig(ca_.pem()));
    (void)api_.Put(R"({"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingWebhookConfiguration",)"
                   R"("metadata":{"name":"gatehouse"},"webhooks":[]})");
  }
  [[nodiscard]] std::unique_ptr<webhook::Webhook> Start(const std::string& identity) const {
    std::string text = kConfig;
    for (std::size_t at = text.find("{identity}"); at != std::string::npos; at = text.find("{identity}", at))
      text.replace(at, 10, identity);
    return std::make_unique<webhook::Webhook>(folder_.Write(identity + ".yaml", Filled(text)));
  }
  void PutPolicies(const SwarmIdentity& identity, const std::string& prefix, Duration validity) {
    auto documents = codec::ParseYaml(identity.PolicyYaml(prefix, validity), "policy.yaml");
    ASSERT_TRUE(documents.ok());
    for (const codec::JsonDocument& document : *documents) (void)api_.Put(document.root().Serialize());
  }
  [[nodiscard]] std::size_t Trusted() const {
    std::size_t trusted = 0;
    for (const fakes::JsonValue& object : api_.All(kube::kNodeAttestations))
      trusted += object.TextAt({"status", "verdict"}) == "Trusted" ? 1U : 0U;
    return trusted;
  }

  fakes::KubeApi api_;
  fakes::KubeApiServer server_{api_, fakes::IssueServerTls(ca_, "IP:127.0.0.1")};
  SystemClock clock_;
};

TEST_F(SwarmOverReplicas, WritesWhatIsComputedAndTrustsAllOfThem) {
  SwarmOptions options;
  options.nodes = 20;
  options.interval = 1s;  // sixty times faster than usual, as is the validity
  options.rounds = 12;
  options.threads = 4;
  auto identity = SwarmIdentity::Open(folder_.At("swarm"));
  ASSERT_TRUE(identity.ok()) << identity.error().ToString();
  (void)folder_.Write("swarm/tokens.yaml", identity->TokensYaml(NodeNames(options)));
  PutPolicies(*identity, options.prefix, 10s);
  kube::Api api(api_.connections(), clock_, {.queries_per_second = 1'000});
  ASSERT_TRUE(CreateNodes(api, NodeNames(options)).ok());

  auto first = Start("pod-1");
  auto second = Start("pod-2");
  ASSERT_TRUE(first->Serves()) << first->program().err();
  ASSERT_TRUE(second->Serves()) << second->program().err();
  options.ca_pem = api_.Find(kube::kConfigMaps, "gatehouse-public", "gatehouse-system")->TextAt({"data", "ca.crt"});
  for (webhook::Webhook* each : {first.get(), second.get()})
    options.servers.push_back(*net::Url::Parse(each->Url("attestation", "/"), Reason::kUsage));
  options.writes = [&] { return WritesIn(first->Get("/metrics")) + WritesIn(second->Get("/metrics")); };

  const SwarmReport report = RunSwarm(*identity, options, clock_);
  for (const auto& [what, count] : report.failures) ADD_FAILURE() << count << " " << what;
  EXPECT_EQ(report.enrolled, 20U);
  EXPECT_EQ(report.attested, 240U);
  EXPECT_EQ(Trusted(), 20U);
  // Calls alternate between two replicas, each of which compares with what it has heard of.
  const double computed = WritesPerSecond(options.nodes, options.interval, 10s) * 12;
  EXPECT_GE(static_cast<double>(report.writes), computed * 0.7);
  EXPECT_LE(static_cast<double>(report.writes), computed * 1.5);
  std::printf("computed %.0f writes, measured %llu; p99 %.1f ms\n", computed,
              static_cast<unsigned long long>(report.writes), report.LatencyAt(0.99));
}

}  // namespace
}  // namespace gatehouse::load
