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
commandLine: /cmdline
metrics: {listen: "127.0.0.1:9101"}
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
  EXPECT_EQ(config->tpm.ek, EkKind::kEccP256);
  EXPECT_EQ(config->tpm.ak, KeyKind::kRsa2048);
  EXPECT_EQ(config->tpm.state_folder, "/var/lib/x");
  EXPECT_EQ(config->event_log, "/events");
  EXPECT_EQ(config->ima_log, "/ima");
  EXPECT_FALSE(config->ima_encoding.has_value());
  EXPECT_EQ(config->command_line, "/cmdline");
  EXPECT_EQ(config->metrics_listen, "127.0.0.1:9101");
  EXPECT_EQ(config->interval, std::chrono::seconds(90));
  EXPECT_EQ(config->level, telemetry::Level::kDebug);
}

TEST(Config, TheRestHasDefaults) {
  auto config = ParseConfig("node: n\nserver: {url: \"https://a\", ca: ca, tokenFile: t}\n", "agent.yaml");
  ASSERT_TRUE(config.ok()) << config.error().ToString();
  EXPECT_FALSE(config->server.certificate.has_value());
  EXPECT_EQ(config->tpm.tcti, "device:/dev/tpmrm0");
  EXPECT_FALSE(config->tpm.ek.has_value());  // auto
  EXPECT_FALSE(config->tpm.given_ak.given());
  EXPECT_EQ(config->command_line, "/proc/cmdline");
  EXPECT_FALSE(config->metrics_listen.has_value());
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
      {"unknown key kind", Replaced("ecc-p256", "ecc-p192"), "agent.yaml:10", "rsa2048, ecc-p256, rsa2048-high"},
      {"interval without a unit", Replaced("90s", "90"), "agent.yaml:17", "string"},
      {"interval in words", Replaced("90s", "often"), "agent.yaml:17", "60s or 5m"},
      {"interval too short", Replaced("90s", "10ms"), "agent.yaml:17", "1s to 24h"},
      {"interval too long", Replaced("90s", "48h"), "agent.yaml:17", "1s to 24h"},
      {"unknown level", Replaced("level: debug", "level: loud"), "agent.yaml:18", "debug, info"},
      {"metrics without an address", Replaced("{listen: \"127.0.0.1:9101\"}", "{}"), "agent.yaml:16", "127.0.0.1:9101"},
      {"metrics at a name", Replaced("127.0.0.1:9101", "localhost:9101"), "agent.yaml:16", "numeric address"},
      {"metrics without a port", Replaced("127.0.0.1:9101", "127.0.0.1"), "agent.yaml:16", "numeric address"},
      {"metrics at a large port", Replaced(":9101", ":65536"), "agent.yaml:16", "numeric address"},
      {"IMA log of an unknown encoding", Replaced("imaLog: /ima", "imaLog: {path: /ima, encoding: utf-8}"),
       "agent.yaml:14", "little-endian"},
      {"IMA log as a list", Replaced("imaLog: /ima", "imaLog: [/ima]"), "agent.yaml:14", "must be an object"},
      {"empty command line", Replaced("commandLine: /cmdline", "commandLine: \"\""), "agent.yaml:15",
       "must not be empty"},
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

TEST(Config, KindsOfEndorsementKeys) {
  EXPECT_FALSE(ParseConfig(Replaced("ek: ecc-p256", "ek: auto"), "agent.yaml")->tpm.ek.has_value());
  for (EkKind kind : kEkKinds) {
    auto config = ParseConfig(Replaced("ek: ecc-p256", "ek: " + std::string(Name(kind))), "agent.yaml");
    ASSERT_TRUE(config.ok()) << config.error().ToString();
    EXPECT_EQ(config->tpm.ek, kind);
  }
}

TEST(Config, EncodingsOfTheImaLog) {
  auto encoding = [](std::string_view text) {
    auto config = ParseConfig(Replaced("imaLog: /ima", text), "agent.yaml");
    EXPECT_TRUE(config.ok()) << config.error().ToString();
    EXPECT_EQ(config->ima_log, "/ima") << text;
    return config->ima_encoding;
  };
  using evidence::ima::Encoding;
  EXPECT_EQ(encoding("imaLog: {path: /ima}"), std::nullopt);
  EXPECT_EQ(encoding("imaLog: {path: /ima, encoding: auto}"), std::nullopt);
  EXPECT_EQ(encoding("imaLog: {path: /ima, encoding: ascii}"), Encoding::kAscii);
  EXPECT_EQ(encoding("imaLog: {path: /ima, encoding: big-endian}"), Encoding::kBigEndian);
  EXPECT_EQ(encoding("imaLog: {path: /ima, encoding: little-endian}"), Encoding::kLittleEndian);
  auto only = ParseConfig(Replaced("imaLog: /ima", "imaLog: {encoding: ascii}"), "agent.yaml");
  EXPECT_EQ(only->ima_log, "/sys/kernel/security/ima/binary_runtime_measurements");
}

TEST(Config, GivenAttestationKeys) {
  auto with = [](std::string_view lines) { return ParseConfig(Replaced("  ak: rsa2048\n", lines), "agent.yaml"); };
  auto azure = with("  akHandle: 0x81000003\n  akCertificate: {nvIndex: 0x01C101D0}\n");
  ASSERT_TRUE(azure.ok()) << azure.error().ToString();
  EXPECT_EQ(azure->tpm.given_ak.handle, 0x81000003);
  EXPECT_EQ(azure->tpm.given_ak.certificate_index, 0x01C101D0);
  EXPECT_FALSE(azure->tpm.given_ak.template_index.has_value());
  auto google = with("  akTemplate: \"0x01C10001\"\n  akCertificate: {file: /ak.pem}\n");
  ASSERT_TRUE(google.ok()) << google.error().ToString();
  EXPECT_EQ(google->tpm.given_ak.template_index, 0x01C10001);
  EXPECT_EQ(google->tpm.given_ak.certificate_file, "/ak.pem");
  auto bare = with("  akHandle: 2164260867\n");
  ASSERT_TRUE(bare.ok()) << bare.error().ToString();
  EXPECT_EQ(bare->tpm.given_ak.handle, 0x81000003);
  struct {
    const char* name;
    const char* lines;
    const char* advice;
  } table[] = {
      {"a transient handle", "  akHandle: 0x80000001\n", "0x81000000 to 0x81FFFFFF"},
      {"an NV index as a handle", "  akHandle: 0x01C101D0\n", "0x81000000 to 0x81FFFFFF"},
      {"a handle of nine digits", "  akHandle: \"0x181000003\"\n", "0x81000000 to 0x81FFFFFF"},
      {"no handle", "  akHandle: azure\n", "0x81000000 to 0x81FFFFFF"},
      {"a handle with more behind it", "  akHandle: \"0x81000003h\"\n", "0x81000000 to 0x81FFFFFF"},
      {"a template that is no NV index", "  akTemplate: 0x81000003\n", "an NV index"},
      {"both", "  akHandle: 0x81000003\n  akTemplate: 0x01C10001\n", "one of them"},
      {"a kind for a key that is there", "  akHandle: 0x81000003\n  ak: rsa2048\n", "a key that is made"},
      {"a certificate of no key", "  akCertificate: {nvIndex: 0x01C101D0}\n", "whose is it"},
      {"a certificate in two places", "  akHandle: 0x81000003\n  akCertificate: {nvIndex: 0x01C101D0, file: /a}\n",
       "one of them"},
      {"a certificate nowhere", "  akHandle: 0x81000003\n  akCertificate: {}\n", "one of them"},
  };
  for (const auto& row : table) {
    auto config = with(row.lines);
    ASSERT_FALSE(config.ok()) << row.name;
    EXPECT_EQ(config.error().reason, Reason::kConfigInvalid) << row.name;
    EXPECT_THAT(config.error().detail, HasSubstr(row.advice)) << row.name;
  }
}

TEST(Config, DuplicateMemberIsRefused) {
  auto config = ParseConfig(std::string(kWhole) + "node: node2\n", "agent.yaml");
  EXPECT_EQ(config.error().reason, Reason::kYamlMalformed);
  EXPECT_THAT(config.error().where, StartsWith("agent.yaml:19"));
}

}  // namespace
}  // namespace gatehouse::agent
