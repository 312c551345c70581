// Three processes and a TPM: gatehouse-webhook, gatehouse-agent and swtpm, over mutual TLS. What a node's trust is seen
// by is what it is for: whether a pod may be bound to the node.
#include <csignal>
#include <fstream>
#include <iterator>

#include "common/crypto/hash.h"
#include "tests/fakes/swtpm.h"
#include "tests/webhook/program/support.h"
#include "tests/webhook/server/test_client.h"

namespace gatehouse::webhook {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::size_t CountOf(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class Attestation : public ProgramTest {
 protected:
  // One TPM for all tests, which needs seconds to be manufactured.
  static void SetUpTestSuite() {
    if (!fakes::Swtpm::Available()) return;
    auto started = fakes::Swtpm::Start();
    ASSERT_TRUE(started.ok()) << started.error().ToString();
    tpm_ = std::move(*started);
  }
  static void TearDownTestSuite() { tpm_.reset(); }

  void SetUp() override {
    if (!fakes::Swtpm::Available()) GTEST_SKIP() << "swtpm and swtpm-tools are not installed";
    ASSERT_NE(tpm_, nullptr);
    ASSERT_TRUE(Reboot());
    (void)folder_.Write("clients.pem", client_ca_.pem());
    (void)folder_.Write("server.pem", ca_.pem());
    (void)folder_.Write("nonce.key", std::string(32, 'n'));
    (void)folder_.Write("signing.pem", crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Pem());
    (void)folder_.Write("policies/nodes.yaml", NodesYaml());
    // The same port before and after a restart: the agent knows the server by it.
    attestation_port_ = fakes::UnusedPort();
    config_ += "attestation:\n  listen: \"127.0.0.1:" + std::to_string(attestation_port_) + R"("
  tls: {certificate: "{folder}/tls.crt", key: "{folder}/tls.key", clientCA: "{folder}/clients.pem"}
  nonceKey: "{folder}/nonce.key"
  signingKey: "{folder}/signing.pem"
  stateDir: "{folder}/state"
  interval: 5s
)";
  }

  // As an operating system does it: TPM2_Shutdown(CLEAR), then power off and on. The PCRs begin anew.
  [[nodiscard]] static bool Reboot() {
    ByteWriter shutdown;
    shutdown.PutU16Be(0x8001);  // TPM_ST_NO_SESSIONS
    shutdown.PutU32Be(12);
    shutdown.PutU32Be(0x145);
    shutdown.PutU16Be(0);
    return tpm_->MustCommand(shutdown.bytes()).ok() && tpm_->PowerCycle().ok();
  }

  // PCR 7 must be as it is after a start of the TPM.
  static std::string NodesYaml() {
    return "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: workers}\nspec:\n"
           "  nodes: [{glob: \"worker-*\"}]\n  validity: 1m\n  tpm:\n    trustRoots: [vendor]\n"
           "    pcrs: {bank: sha256, values: {\"7\": [\"" +
           std::string(64, '0') +
           "\"]}}\n---\napiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: vendor}\nspec:\n"
           "  tpm:\n    certificates: |\n" +
           fakes::IndentedPem(tpm_->root_pem() + tpm_->issuer_pem(), 6);
  }

  // What a kubelet's client certificate looks like.
  [[nodiscard]] fakes::TestCertificate NodeCertificate(const std::string& node) const {
    auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
    fakes::CertificateSpec spec = fakes::LeafSpec("system:node:" + node);
    spec.organization = "system:nodes";
    return client_ca_.Leaf(
        spec.With("extendedKeyUsage", "clientAuth").Valid(now - std::chrono::hours(1), now + std::chrono::hours(1)));
  }

  // The arguments of an agent with a state of its own, that shows the certificate of `certified`.
  [[nodiscard]] std::vector<std::string> Agent(const std::string& node, const std::string& certified) const {
    fakes::TestCertificate certificate = NodeCertificate(certified);
    // One file with both, as a kubelet keeps its own.
    (void)folder_.Write(node + "/client.pem", certificate.pem + certificate.key->Pem());
    std::string file = "\"{folder}/" + node + "/client.pem\"";
    return AgentWith(node, "certificate: " + file + "\n  key: " + file);
  }
  [[nodiscard]] std::vector<std::string> AgentWith(const std::string& node, const std::string& credential) const {
    std::string config = "node: " + node +
                         "\nserver:\n  url: \"https://127.0.0.1:" + std::to_string(attestation_port_) +
                         "\"\n  ca: \"{folder}/server.pem\"\n  " + credential + "\ntpm:\n  tcti: \"" + tpm_->tcti() +
                         "\"\n  stateDir: \"{folder}/" + node +
                         "/state\"\neventLog: \"{folder}/absent\"\nimaLog: \"{folder}/absent\"\ninterval: 1s\n";
    return {fakes::BuiltProgram("gatehouse-agent"), "--config", folder_.Write(node + "/agent.yaml", Filled(config))};
  }
  [[nodiscard]] static std::vector<std::string> Once(std::vector<std::string> agent) {
    agent.emplace_back("--once");
    return agent;
  }

  [[nodiscard]] Answer Bind(const Webhook& webhook, const std::string& node = "worker-1") const {
    return webhook.Review(api_server_, BindingReview(node));
  }
  [[nodiscard]] bool BecomesTrusted(const Webhook& webhook) const {
    return fakes::Eventually([&] { return Bind(webhook).allowed; });
  }
  [[nodiscard]] std::string StateFile(const std::string& path) const {
    std::ifstream file(folder_.path() / path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::string BoundAk() const {
    auto document = codec::JsonDocument::Parse(StateFile("state/worker-1.json"), {100'000});
    return document.ok() ? std::string(document->root().Find("akName")->AsString().value_or("")) : "";
  }

  static std::unique_ptr<fakes::Swtpm> tpm_;
  fakes::TestCa client_ca_ = fakes::RootOfToday("clients");
  int attestation_port_ = 0;
};

std::unique_ptr<fakes::Swtpm> Attestation::tpm_;

TEST_F(Attestation, NodeBecomesTrustedAndLosesItWithAnotherState) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer unknown = Bind(webhook);
  EXPECT_FALSE(unknown.allowed);
  EXPECT_EQ(unknown.code, 403);
  EXPECT_THAT(unknown.message, AllOf(HasSubstr("node worker-1"), HasSubstr("[node-unknown] (policy 'workers')")));

  fakes::Program agent(Agent("worker-1", "worker-1"));
  ASSERT_TRUE(BecomesTrusted(webhook)) << agent.err() << webhook.program().err();
  EXPECT_THAT(Bind(webhook, "worker-2").message, HasSubstr("[node-unknown]"));
  EXPECT_TRUE(fakes::Eventually(
      [&] { return webhook.Get("/metrics").find("gatehouse_nodes{state=\"trusted\"} 1") != std::string::npos; }));

  // Something else than the policy's reference booted: one more measurement.
  ASSERT_TRUE(tpm_->Extend(7, {{HashAlgorithm::kSha256, Bytes(32, 1)}}).ok());
  ASSERT_TRUE(fakes::Eventually([&] { return !Bind(webhook).allowed; })) << agent.err();
  Answer untrusted = Bind(webhook);
  EXPECT_THAT(untrusted.message, AllOf(HasSubstr("[node-untrusted] (policy 'workers')"),
                                       HasSubstr("pcr 7 (sha256): found 5c85955f"), HasSubstr("[pcr-mismatch]")));
  EXPECT_THAT(agent.err(), HasSubstr("pcr-mismatch"));

  // A reboot into the good state.
  ASSERT_TRUE(Reboot());
  EXPECT_TRUE(BecomesTrusted(webhook)) << agent.err();

  std::string metrics = webhook.Get("/metrics");
  for (const char* call : {"activate", "challenge", "enroll", "evidence"}) {
    EXPECT_THAT(metrics,
                HasSubstr("gatehouse_attestation_requests_total{call=\"" + std::string(call) + "\",outcome=\"ok\"}"));
  }

  agent.Signal(SIGTERM);
  EXPECT_EQ(agent.Wait(), 0) << agent.err();
  webhook.program().Signal(SIGTERM);
  EXPECT_EQ(webhook.program().Wait(), 0);
}

TEST_F(Attestation, Adversarial_Q9_PowerLossWithoutShutdownLosesTrust) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  std::vector<std::string> agent = Agent("worker-1", "worker-1");
  ASSERT_EQ(fakes::RunProgram(Once(agent)).exit_code, 0);
  fakes::Ran ran{};
  for (int i = 0; i < 2 && ran.exit_code == 0; ++i) {  // again if the clock passed a multiple of 2^12 ms just then
    ASSERT_TRUE(tpm_->PowerCycle().ok());
    ran = fakes::RunProgram(Once(agent));
  }
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, HasSubstr("\"reason\":\"clock-rewound\""));
  EXPECT_THAT(Bind(webhook).message, AllOf(HasSubstr("[node-untrusted]"), HasSubstr("[clock-rewound]")));
  // The TPM vouches for its clock again once that has passed what may have been lost: here 2^12 ms.
  fakes::Program daemon(agent);
  EXPECT_TRUE(BecomesTrusted(webhook)) << daemon.err();
}

TEST_F(Attestation, RestartOfTheAgentKeepsItsKey) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  std::vector<std::string> arguments = Agent("worker-1", "worker-1");
  fakes::Ran first = fakes::RunProgram(Once(arguments));
  ASSERT_EQ(first.exit_code, 0) << first.err;
  std::string ak = BoundAk();
  EXPECT_EQ(ak.size(), 68U);
  fakes::Ran second = fakes::RunProgram(Once(arguments));
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(BoundAk(), ak);
  EXPECT_EQ(CountOf(webhook.program().err(), "\"msg\":\"node enrolled\""), 1U);
  EXPECT_EQ(CountOf(webhook.program().err(), "\"msg\":\"node attested\""), 2U);

  // An agent that lost its state has another key, which the same TPM vouches for.
  std::filesystem::remove_all(folder_.path() / "worker-1/state");
  fakes::Ran third = fakes::RunProgram(Once(arguments));
  EXPECT_EQ(third.exit_code, 0) << third.err;
  EXPECT_NE(BoundAk(), ak);
  EXPECT_EQ(CountOf(webhook.program().err(), "\"msg\":\"node enrolled\""), 2U);
}

TEST_F(Attestation, Adversarial_G20_RestartOfTheVerifierKnowsNoNode) {
  std::string config_path = WriteConfig(config_);
  std::vector<std::string> agent = Agent("worker-1", "worker-1");
  std::string ak;
  {
    Webhook webhook(config_path);
    ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
    fakes::Ran ran = fakes::RunProgram(Once(agent));
    ASSERT_EQ(ran.exit_code, 0) << ran.err;
    EXPECT_TRUE(Bind(webhook).allowed);
    ak = BoundAk();
    webhook.program().Signal(SIGTERM);
    EXPECT_EQ(webhook.program().Wait(), 0);
  }
  Webhook webhook(config_path);
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  Answer unknown = Bind(webhook);
  EXPECT_FALSE(unknown.allowed);
  EXPECT_THAT(unknown.message, HasSubstr("[node-unknown]"));
  EXPECT_EQ(fakes::RunProgram(Once(agent)).exit_code, 0);
  EXPECT_TRUE(Bind(webhook).allowed);
  // What the node's TPM is outlives the process.
  EXPECT_EQ(BoundAk(), ak);
  EXPECT_THAT(webhook.program().err(), Not(HasSubstr("\"msg\":\"node enrolled\"")));
}

TEST_F(Attestation, PolicyChangeJudgesTheNodeAgainWithoutNewEvidence) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  ASSERT_EQ(fakes::RunProgram(Once(Agent("worker-1", "worker-1"))).exit_code, 0);
  ASSERT_TRUE(Bind(webhook).allowed);
  std::string other = NodesYaml();
  (void)folder_.Write("policies/nodes.yaml", other.replace(other.find(std::string(64, '0')), 64, std::string(64, 'f')));
  ASSERT_TRUE(fakes::Eventually([&] { return !Bind(webhook).allowed; }));
  EXPECT_THAT(Bind(webhook).message, HasSubstr("[pcr-mismatch]"));
  (void)folder_.Write("policies/nodes.yaml", NodesYaml());
  EXPECT_TRUE(BecomesTrusted(webhook));
}

TEST_F(Attestation, AgentSpeaksForItsOwnNodeOnly) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  fakes::Ran ran = fakes::RunProgram(Once(Agent("worker-1", "worker-2")));
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("\"reason\":\"identity-mismatch\""));
  EXPECT_THAT(Bind(webhook).message, HasSubstr("[node-unknown]"));
  EXPECT_TRUE(StateFile("state/worker-1.json").empty());
}

// A body may have 64 MiB; nothing of it is waited for.
TEST_F(Attestation, StrangerIsTurnedAwayBeforeItsEvidence) {
  (void)folder_.Write("tokens.yaml", "worker-1: " + crypto::Sha256Digest(AsBytes("known")).text() + "\n");
  Webhook webhook(WriteConfig(config_ + "  tokens: \"{folder}/tokens.yaml\"\n"));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  const std::string head =
      "POST /v1/evidence HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 60000000\r\n";
  for (const char* more : {"", "Authorization: Bearer guessed\r\n"}) {
    TestClient client(attestation_port_, ClientTls{.ca_pem = ca_.pem()});
    auto response = client.Exchange(head + more + "\r\n");
    ASSERT_TRUE(response) << more;
    EXPECT_EQ(response->status, 401) << more;
    EXPECT_THAT(response->body, HasSubstr("\"reason\":\"identity-unauthenticated\"")) << more;
  }
  TestClient client(attestation_port_, ClientTls{.ca_pem = ca_.pem()});
  auto response = client.Exchange(head + "Authorization: Bearer known\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 100);
  EXPECT_THAT(webhook.Get("/metrics"), HasSubstr("identity-unauthenticated\"} 2"));
}

// One machine's TPM enrolled for two nodes: a quote relayed for a node that has no TPM of its own.
TEST_F(Attestation, Adversarial_G19_OneTpmIsOneNode) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  ASSERT_EQ(fakes::RunProgram(Once(Agent("worker-1", "worker-1"))).exit_code, 0);
  fakes::Ran ran = fakes::RunProgram(Once(Agent("worker-2", "worker-2")));
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  EXPECT_THAT(ran.err, AllOf(HasSubstr("\"reason\":\"tpm-in-use\""), Not(HasSubstr("worker-1"))));
  EXPECT_THAT(webhook.program().err(), HasSubstr("its TPM is bound to the node worker-1"));
  EXPECT_TRUE(Bind(webhook, "worker-1").allowed);
  EXPECT_THAT(Bind(webhook, "worker-2").message, HasSubstr("[node-unknown]"));

  // An admin releases the TPM by deleting the first node's file.
  std::filesystem::remove(folder_.path() / "state/worker-1.json");
  EXPECT_EQ(fakes::RunProgram(Once(Agent("worker-2", "worker-2"))).exit_code, 0);
  EXPECT_TRUE(Bind(webhook, "worker-2").allowed);
}

TEST_F(Attestation, TokenInPlaceOfACertificate) {
  std::string token = "a-token-of-worker-1";
  (void)folder_.Write("tokens.yaml", "worker-1: " + crypto::Sha256Digest(AsBytes(token)).text() + "\n");
  (void)folder_.Write("worker-1/token", token + "\n");
  (void)folder_.Write("stranger/token", "guessed");
  Webhook webhook(WriteConfig(config_ + "  tokens: \"{folder}/tokens.yaml\"\n"));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  fakes::Ran stranger = fakes::RunProgram(Once(AgentWith("worker-1", "tokenFile: \"{folder}/stranger/token\"")));
  EXPECT_EQ(stranger.exit_code, 1);
  EXPECT_THAT(stranger.err, HasSubstr("\"reason\":\"identity-unauthenticated\""));
  fakes::Ran ran = fakes::RunProgram(Once(AgentWith("worker-1", "tokenFile: \"{folder}/worker-1/token\"")));
  EXPECT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_TRUE(Bind(webhook).allowed);
  for (const std::string& log : {webhook.program().err(), webhook.program().out(), ran.err, stranger.err}) {
    EXPECT_THAT(log, AllOf(Not(HasSubstr(token)), Not(HasSubstr("guessed"))));
  }
}

TEST_F(Attestation, ServerOfAnotherAuthorityIsNotTalkedTo) {
  Webhook webhook(WriteConfig(config_));
  ASSERT_TRUE(webhook.Serves()) << webhook.program().err();
  std::vector<std::string> agent = Agent("worker-1", "worker-1");
  (void)folder_.Write("server.pem", fakes::RootOfToday("somebody else").pem());
  fakes::Ran ran = fakes::RunProgram(Once(agent));
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.err, HasSubstr("\"reason\":\"network-unavailable\""));
  EXPECT_THAT(webhook.Get("/metrics"), Not(HasSubstr("gatehouse_attestation_requests_total{")));
}

}  // namespace
}  // namespace gatehouse::webhook
