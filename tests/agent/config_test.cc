#include "agent/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gatehouse::agent {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kWhole = R"(node: node1
server:
  url: "https://10.240.0.1:8444"
  ca: /etc/ca.pem
  certificate: /etc/cert.pem
  key: /etc/key.pem
  tokenFile: /var/run/token
tpm:
  tcti: "swtpm:path=/run/s"
  ek: ecc-p256
  ak: rsa2048
  stateDir: /var/lib/x
eventLog: /events
imaLog: /ima
interval: 90s
log: {level: debug}
)";

std::string Replaced(std::string_view from, std::string_view to) {
  std::string text(kWhole);
  auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(Config, EveryFieldIsRead) {
  auto config = ParseConfig(kWhole, "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_EQ(config->node.text(), "node1");
  EXPECT_EQ(config->server.url.Origin(), "https://10.240.0.1:8444");
  EXPECT_EQ(config->server.ca, "/etc/ca.pem");
  EXPECT_EQ(config->server.certificate, "/etc/cert.pem");
  EXPECT_EQ(config->server.key, "/etc/key.pem");
  EXPECT_EQ(config->server.token_file, "/var/run/token");
  EXPECT_EQ(config->tpm.tcti, "swtpm:path=/run/s");
  EXPECT_EQ(config->tpm.ek, KeyKind::kEccP256);
  EXPECT_EQ(config->tpm.ak, KeyKind::kRsa2048);
  EXPECT_EQ(config->tpm.state_folder, "/var/lib/x");
  EXPECT_EQ(config->event_log, "/events");
  EXPECT_EQ(config->ima_log, "/ima");
  EXPECT_EQ(config->interval, std::chrono::seconds(90));
  EXPECT_EQ(config->level, telemetry::Level::kDebug);
}

TEST(Config, TheRestHasDefaults) {
  auto config = ParseConfig("node: n\nserver: {url: \"https://a\", ca: ca, tokenFile: t}\n", "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_FALSE(config->server.certificate.has_value());
  EXPECT_EQ(config->tpm.tcti, "device:/dev/tpmrm0");
  EXPECT_EQ(config->tpm.ek, KeyKind::kRsa2048);
  EXPECT_EQ(config->tpm.ak, KeyKind::kEccP256);
  EXPECT_EQ(config->tpm.state_folder, "/var/lib/gatehouse-agent");
  EXPECT_EQ(config->event_log, "/sys/kernel/security/tpm0/binary_bios_measurements");
  EXPECT_EQ(config->ima_log, "/sys/kernel/security/ima/binary_runtime_measurements");
  EXPECT_EQ(config->interval, std::chrono::seconds(60));
  EXPECT_EQ(config->level, telemetry::Level::kInfo);
}

TEST(Config, NodeOfTheCommandLineComesFirst) {
  EXPECT_EQ(ParseConfig(kWhole, "agent.yaml", "node2")->node.text(), "node2");
  EXPECT_EQ(ParseConfig(Replaced("node: node1\n", ""), "agent.yaml", "node2")->node.text(), "node2");
  EXPECT_EQ(ParseConfig(kWhole, "agent.yaml", "Node_2").error().reason, Reason::kConfigInvalid);
}

// Each error says where it is and what to write instead.
TEST(Config, Refusals) {
  struct {
    const char* name;
    std::string yaml;
    const char* where;
    const char* advice;
  } table[] = {
      {"no node", Replaced("node: node1\n", ""), "agent.yaml:1", "--node"},
      {"a node that is none", Replaced("node: node1", "node: Node_1"), "agent.yaml:1", "RFC 1123"},
      {"misspelt member", Replaced("imaLog", "imalog"), "agent.yaml:14", "did you mean 'imaLog'"},
      {"misspelt member of the server", Replaced("  tokenFile", "  tokenfile"), "agent.yaml:7", "tokenFile"},
      {"plain HTTP", Replaced("https://", "http://"), "agent.yaml:3", "https://"},
      {"no scheme", Replaced("https://10", "10"), "agent.yaml:3", "https://host:port"},
      {"a path", Replaced(":8444", ":8444/v1"), "agent.yaml:3", "must not have a path"},
      {"no CA", Replaced("  ca: /etc/ca.pem\n", ""), "agent.yaml", "is required"},
      {"empty CA", Replaced("/etc/ca.pem", "\"\""), "agent.yaml:4", "must not be empty"},
      {"certificate without key", Replaced("  key: /etc/key.pem\n", ""), "agent.yaml", "is required with certificate"},
      {"key without certificate", Replaced("  certificate: /etc/cert.pem\n", ""), "agent.yaml", "is required with key"},
      {"no credential",
       Replaced("  certificate: /etc/cert.pem\n  key: /etc/key.pem\n  tokenFile: /var/run/token\n", ""), "agent.yaml",
       "needs certificate and key, or tokenFile"},
      {"unknown key kind", Replaced("ecc-p256", "ecc-p384"), "agent.yaml:10", "rsa2048, ecc-p256"},
      {"interval without a unit", Replaced("90s", "90"), "agent.yaml:15", "string"},
      {"interval in words", Replaced("90s", "often"), "agent.yaml:15", "60s or 5m"},
      {"interval too short", Replaced("90s", "10ms"), "agent.yaml:15", "1s to 24h"},
      {"interval too long", Replaced("90s", "48h"), "agent.yaml:15", "1s to 24h"},
      {"unknown level", Replaced("level: debug", "level: loud"), "agent.yaml:16", "debug, info"},
      {"server as text", "node: n\nserver: https://a\n", "agent.yaml:2", "must be an object"},
      {"no server", "node: n\n", "agent.yaml", "is required"},
      {"nothing", "", "agent.yaml", "one YAML document"},
      {"two documents", std::string(kWhole) + "---\n" + std::string(kWhole), "agent.yaml", "one YAML document"},
      {"a list", "- a\n", "agent.yaml", "object"},
  };
  for (const auto& row : table) {
    auto config = ParseConfig(row.yaml, "agent.yaml");
    ASSERT_FALSE(config.ok()) << row.name;
    EXPECT_EQ(config.error().reason, Reason::kConfigInvalid) << row.name << ": " << config.error().ToString();
    EXPECT_THAT(config.error().where, StartsWith(row.where)) << row.name;
    EXPECT_THAT(config.error().detail, HasSubstr(row.advice)) << row.name;
  }
}

TEST(Config, DuplicateMemberIsRefused) {
  auto config = ParseConfig(std::string(kWhole) + "node: node2\n", "agent.yaml");
  EXPECT_EQ(config.error().reason, Reason::kYamlMalformed);
  EXPECT_THAT(config.error().where, StartsWith("agent.yaml:17"));
}

}  // namespace
}  // namespace gatehouse::agent
