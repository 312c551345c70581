// The swarm against a verifier in this process.
#include "tests/load/swarm.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "common/crypto/hash.h"
#include "common/policy/loader.h"
#include "tests/fakes/kube_api.h"
#include "webhook/attest/enrolment_store.h"
#include "webhook/attest/routes.h"

namespace gatehouse::load {
namespace {

using namespace std::chrono_literals;

class SwarmTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = ::testing::TempDir() + "/swarm-" + std::to_string(::getpid());
    std::filesystem::remove_all(folder);
    auto made = SwarmIdentity::Open(folder);
    ASSERT_TRUE(made.ok()) << made.error().ToString();
    identity.emplace(std::move(*made));
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string folder;
  std::optional<SwarmIdentity> identity;
  SystemClock clock;
};

TEST_F(SwarmTest, AllNodesEnrolAndAttestAtTheirPace) {
  SwarmOptions options;
  options.nodes = 6;
  options.rounds = 3;
  options.interval = 60ms;
  options.threads = 3;
  auto again = SwarmIdentity::Open(folder);  // as the second program does it
  ASSERT_TRUE(again.ok()) << again.error().ToString();

  auto loaded = policy::LoadPolicies({{"policy.yaml", again->PolicyYaml(options.prefix, 10min)}});
  ASSERT_TRUE(loaded.errors.empty()) << loaded.errors[0].ToString();
  auto tokens = webhook::AgentAuthenticator::ParseTokens(again->TokensYaml(NodeNames(options)), "tokens.yaml");
  ASSERT_TRUE(tokens.ok()) << tokens.error().ToString();
  telemetry::Logger log(-1, telemetry::Level::kOff, clock);
  telemetry::Metrics metrics;
  webhook::AgentAuthenticator authenticator;
  authenticator.SetTokens(*tokens);
  session::Challenger challenger(Bytes(32, 7), clock, crypto::SystemRandom());
  auto enrolments = *webhook::EnrolmentStore::Open("");
  webhook::NodeStore nodes(clock);
  webhook::EndorsementJudge endorsements({.clock = clock});
  webhook::ReferenceFiles reference_files("");
  webhook::AttestationService service({.clock = clock,
                                       .random = crypto::SystemRandom(),
                                       .challenger = challenger,
                                       .enrolments = *enrolments,
                                       .nodes = nodes,
                                       .endorsements = endorsements,
                                       .reference_files = reference_files,
                                       .signing_key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256),
                                       .policies = [&] { return loaded.set; },
                                       .log = log},
                                      {});
  auto server = webhook::HttpServer::Make(
      {.name = "attestation", .address = "127.0.0.1:0", .tls = std::nullopt, .max_connections = 64}, clock, log);
  ASSERT_TRUE(server.ok());
  webhook::AddAttestationRoutes(**server, service, authenticator, metrics);
  ASSERT_TRUE((*server)->Start().ok());
  options.servers = {*net::Url::Parse("http://127.0.0.1:" + std::to_string((*server)->port()) + "/", Reason::kUsage)};

  const SwarmReport report = RunSwarm(*again, options, clock);
  for (const auto& [what, count] : report.failures) ADD_FAILURE() << count << " " << what;
  EXPECT_EQ(report.enrolled, 6U);
  EXPECT_EQ(report.attested, 18U);
  EXPECT_EQ(report.latencies_ms.size(), 18U);
  EXPECT_GE(report.span, 170ms);  // the last is due after 17/18 of three intervals
  EXPECT_EQ(nodes.Names().size(), 6U);
  EXPECT_GE(report.LatencyAt(1), report.LatencyAt(0.5));

  // A node that the verifier does not know is a failure by its reason.
  options.prefix = "stranger-";
  options.rounds = 1;
  const SwarmReport strangers = RunSwarm(*again, options, clock);
  EXPECT_EQ(strangers.enrolled, 0U);
  EXPECT_EQ(strangers.attested, 0U);
  EXPECT_EQ(strangers.failures, (std::map<std::string, std::uint64_t>{{"identity-unauthenticated", 12}}));

  // Nor is one enrolled by a server that does not answer.
  (*server)->Drain(100ms);
  options.nodes = 1;
  options.attempts = 2;
  const SwarmReport nobody = RunSwarm(*again, options, clock);
  EXPECT_EQ(nobody.enrolled, 0U);
  EXPECT_EQ(nobody.failures, (std::map<std::string, std::uint64_t>{{"network-unavailable", 2}}));
}

TEST(WritesTest, AreComputedFromIntervalAndValidity) {
  EXPECT_DOUBLE_EQ(WritesPerSecond(2'000, 60s, 10min), 2'000.0 / 240);  // each fourth attestation
  EXPECT_DOUBLE_EQ(WritesPerSecond(10'000, 60s, 10min), 10'000.0 / 240);
  EXPECT_DOUBLE_EQ(WritesPerSecond(2'000, 60s, 60s), 2'000.0 / 30);  // agents come at half of the validity, each counts
  EXPECT_DOUBLE_EQ(WritesPerSecond(2'000, 60s, 5min), 2'000.0 / 120);
}

TEST(WritesTest, AreReadFromMetrics) {
  EXPECT_EQ(WritesIn("# HELP x\ngatehouse_node_attestation_writes_total{outcome=\"spared\"} 9\n"
                     "gatehouse_node_attestation_writes_total{outcome=\"written\"} 1234567\n"),
            1'234'567U);
  EXPECT_EQ(WritesIn(""), 0U);
}

TEST(NodesTest, AreMadeAndRemoved) {
  SystemClock clock;
  fakes::KubeApi kube;
  kube::Api api(kube.connections(), clock, {});
  SwarmOptions options;
  options.nodes = 3;
  ASSERT_TRUE(CreateNodes(api, NodeNames(options)).ok());
  ASSERT_TRUE(CreateNodes(api, NodeNames(options)).ok());  // again
  EXPECT_EQ(kube.All(kube::kNodes).size(), 3U);
  ASSERT_TRUE(RemoveNodes(api, NodeNames(options)).ok());
  EXPECT_TRUE(kube.All(kube::kNodes).empty());
}

}  // namespace
}  // namespace gatehouse::load
