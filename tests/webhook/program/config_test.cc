// gatehouse-webhook with something wrong in what it is given: it ends with 2 and says what is wrong where.
#include <filesystem>
#include <functional>

#include "common/crypto/key.h"
#include "tests/webhook/program/support.h"

namespace gatehouse::webhook {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The good configuration has an attestation section as well, whose files are in the folder.
class BadInput : public ProgramTest {
 protected:
  BadInput() {
    config_ += R"(attestation:
  listen: "127.0.0.1:0"
  tls: {certificate: "{folder}/tls.crt", key: "{folder}/tls.key", clientCA: "{folder}/clients.pem"}
  nonceKey: "{folder}/nonce.key"
  signingKey: "{folder}/signing.pem"
  tokens: "{folder}/tokens.yaml"
  stateDir: "{folder}/state"
registry:
  ca: "{folder}/registries.pem"
  credentials: "{folder}/registries.json"
  hosts: [{host: "registry.example", certificate: "{folder}/client.crt", key: "{folder}/client.key"}]
)";
    WriteGoodFiles();
  }
  void WriteGoodFiles() {
    std::filesystem::remove_all(folder_.path() / "state");
    std::filesystem::create_directory(folder_.path() / "state");
    WriteServingCertificate(ca_);
    (void)folder_.Write("policies/images.yaml", StaticPolicy("pass"));
    (void)folder_.Write("clients.pem", client_ca_.pem());
    (void)folder_.Write("registries.pem", client_ca_.pem());
    (void)folder_.Write("client.crt", client_.chain_pem);
    (void)folder_.Write("client.key", client_.key_pem);
    (void)folder_.Write("nonce.key", std::string(32, 'n'));
    (void)folder_.Write("signing.pem", Key(crypto::KeyType::kEcP256));
    (void)folder_.Write("tokens.yaml", "worker-1: sha256:" + std::string(64, 'a') + "\n");
    (void)folder_.Write("registries.json", R"({"auths": {}})");
  }
  static std::string Key(crypto::KeyType type) { return crypto::PrivateKey::Generate(type)->Pem(); }

  // The good configuration with `from` replaced.
  [[nodiscard]] std::string With(const std::string& from, const std::string& to) const {
    std::string text = config_;
    std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  }
  [[nodiscard]] fakes::Ran Run(const std::string& config, const std::string& option = "") const {
    std::vector<std::string> arguments{fakes::BuiltProgram("gatehouse-webhook"), "--config", WriteConfig(config)};
    if (!option.empty()) arguments.push_back(option);
    return fakes::RunProgram(std::move(arguments));
  }

  fakes::TestCa client_ca_ = fakes::RootOfToday("clients");
  fakes::ServerTls client_ = fakes::IssueServerTls(client_ca_, "");
};

TEST_F(BadInput, NothingIsWrongBefore) {
  Webhook webhook(WriteConfig(config_));
  EXPECT_TRUE(webhook.Serves()) << webhook.program().err();
  EXPECT_NE(webhook.Port("attestation"), 0);
}

TEST_F(BadInput, ConfigurationNamesFileAndLine) {
  struct {
    std::string from;
    std::string to;
    std::string where;  // after the file's name
    std::string says;
  } const cases[] = {
      {"admission:\n  listen:", "admission:\n  listn:", ":", "listen"},
      {"metrics: {listen", "metrics: {lisen", ":4 ", "lisen"},
      {"reloadInterval: 100ms", "reloadInterval: 10ms", ":5 $.policies.reloadInterval", "write a duration from 100ms"},
      {"reloadInterval: 100ms", "reloadIntervall: 100ms", ":5 $.policies", "did you mean 'reloadInterval'?"},
      {"policies: {folder", "policys: {folder", "$.policies", "is required"},
      {"admission:\n", "admission:\n  unmatchedImages: maybe\n", ":2 $.admission.unmatchedImages", "deny"},
      {"admission:\n", "admission:\n  maxConcurrent: 0\n", ":2 $.admission.maxConcurrent", "1"},
      {"tls.key\"}", "tls.key\", requireClientCertificate: true}", ":3 $.admission.tls.requireClientCertificate",
       "clientCA"},
      {"metrics:", "log: {level: loud}\nmetrics:", ":4 $.log.level", "debug, info, warn, error, off"},
      {"metrics:", "drain: 1h\nmetrics:", ":4 $.drain", "10m"},
      {"metrics:", "cache: {entries: many}\nmetrics:", ":4 $.cache.entries", "integer"},
      {", key: \"{folder}/client.key\"}]", "}]", "$.registry.hosts[0].key", "both"},
      {"host: \"registry.example\"", "host: \"registry.example/team\"", "$.registry.hosts[0].host",
       "registry.example:5000"},
      {"\n  listen: \"127.0.0.1:0\"", "\n  listen: \"localhost:0\"", ":2 $.admission.listen", "IP address"},
      {"metrics: {listen: \"127.0.0.1:0\"", "metrics: {listen: \"127.0.0.1\"", ":4 $.metrics.listen", "lacks a port"},
      {"metrics:", "---\nmetrics:", "", "one document"},
      {"metrics:", "metrics: [\n#", ":", "[yaml-malformed]"},
      {"metrics:", "admission: {}\nmetrics:", ":4", "appears twice"},
  };
  for (const auto& c : cases) {
    for (const char* option : {"", "--check"}) {
      fakes::Ran ran = Run(With(c.from, c.to), option);
      EXPECT_EQ(ran.exit_code, 2) << c.to << ran.err;
      EXPECT_THAT(ran.err, AllOf(HasSubstr("gatehouse-webhook: " + folder_.At("config.yaml")), HasSubstr(c.where),
                                 HasSubstr(c.says)));
      EXPECT_THAT(ran.out, IsEmpty());
    }
  }
}

TEST_F(BadInput, FilesThatItNames) {
  const std::string foreign_key = Key(crypto::KeyType::kEcP256);
  struct {
    std::string file;  // that is replaced; its name must be in the message
    std::string content;
    std::string says;
  } const cases[] = {
      {"tls.crt", "no certificate", "[config-invalid]"},
      {"tls.key", "no key", "[config-invalid]"},
      {"tls.key", foreign_key, "[config-invalid]"},
      {"clients.pem", "no certificate", "[config-invalid]"},
      {"clients.pem", "", "[config-invalid]"},
      {"nonce.key", std::string(31, 'n'), "has 31 bytes; write 32 or more random ones"},
      {"nonce.key", "", "has 0 bytes"},
      {"signing.pem", Key(crypto::KeyType::kEcP384), "write an EC P-256 private key"},
      {"signing.pem", Key(crypto::KeyType::kRsa), "write an EC P-256 private key"},
      {"signing.pem", Key(crypto::KeyType::kEd25519), "write an EC P-256 private key"},
      {"signing.pem", "no key", "[key-malformed]"},
      {"signing.pem", crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public().Pem(), "[key-malformed]"},
      {"tokens.yaml", "worker-1: secret\n", ":1 "},
      {"tokens.yaml", "Worker: sha256:" + std::string(64, 'a') + "\n", ":1 "},
      {"registries.json", "{", "registries.json"},
      {"policies/images.yaml", StaticPolicy("maybe"), ":4 $.spec.authorities[0].static.action"},
  };
  for (const auto& c : cases) {
    WriteGoodFiles();
    (void)folder_.Write(c.file, c.content);
    fakes::Ran ran = Run(config_);
    EXPECT_EQ(ran.exit_code, 2) << c.file << ": " << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("gatehouse-webhook: "), HasSubstr(c.file), HasSubstr(c.says)));
    EXPECT_THAT(ran.err, Not(HasSubstr("\"msg\":\"serving\"")));
  }
}

TEST_F(BadInput, FilesThatAreNotThere) {
  for (const char* file : {"tls.crt", "tls.key", "clients.pem", "nonce.key", "signing.pem", "tokens.yaml",
                           "registries.json", "policies"}) {
    WriteGoodFiles();
    std::filesystem::remove_all(folder_.path() / file);
    fakes::Ran ran = Run(config_);
    EXPECT_EQ(ran.exit_code, 2) << file << ": " << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("gatehouse-webhook: "), HasSubstr(folder_.At(file))));
  }
}

// To the transport of registries an empty text would mean the system's authorities.
TEST_F(BadInput, RegistryFiles) {
  (void)folder_.Write("empty.pem", "");
  (void)folder_.Write("none.pem", "no certificate\n");
  struct {
    std::string from;
    std::string to;
    std::string says;
  } const cases[] = {
      {"{folder}/registries.pem", "{folder}/empty.pem", "empty.pem: the file is empty"},
      {"{folder}/registries.pem", "{folder}/none.pem", "registry: CA certificates: "},
      {"{folder}/client.crt", "{folder}/empty.pem", "empty.pem: the file is empty"},
      {"{folder}/client.key", "{folder}/none.pem", "registry: registry.example: client key: "},
      {"{folder}/client.key", "{folder}/tls.key", "registry: registry.example: client key: does not belong"},
      {"\"registry.example\"", "\"registry.example\", ca: \"{folder}/empty.pem\"", "empty.pem: the file is empty"},
      {"\"registry.example\"", "\"registry.example\", ca: \"{folder}/none.pem\"",
       "registry: registry.example: CA certificates: "},
      {"\"registry.example\"", "\"registry.example\", ca: \"{folder}/gone.pem\"", "gone.pem"},
  };
  for (const auto& c : cases) {
    fakes::Ran ran = Run(With(c.from, c.to));
    EXPECT_EQ(ran.exit_code, 2) << c.to << ran.err;
    EXPECT_THAT(ran.err, HasSubstr(c.says));
  }
}

TEST_F(BadInput, Addresses) {
  fakes::RawServer taken([](fakes::RawConnection&, std::size_t) {});
  struct {
    std::string address;
    std::string says;
  } const cases[] = {{"127.0.0.1:" + std::to_string(taken.port()), "127.0.0.1:" + std::to_string(taken.port())},
                     {"192.0.2.1:0", "192.0.2.1:0"}};  // TEST-NET-1: nobody's
  for (const char* listener : {"admission", "attestation", "metrics"}) {
    for (const auto& c : cases) {
      std::string text = config_;
      std::size_t at = text.find("127.0.0.1:0", text.find(std::string(listener) + ":"));
      text.replace(at, std::string("127.0.0.1:0").size(), c.address);
      fakes::Ran ran = Run(text);
      EXPECT_EQ(ran.exit_code, 2) << c.address << ran.err;
      EXPECT_THAT(ran.err, AllOf(HasSubstr("gatehouse-webhook: " + std::string(listener)), HasSubstr(c.says)));
    }
  }
}

TEST_F(BadInput, CheckSaysEverythingThatIsWrongWithPolicies) {
  fakes::Ran good = Run(config_, "--check");
  EXPECT_EQ(good.exit_code, 0) << good.err;
  EXPECT_THAT(good.err, IsEmpty());
  auto named = [](const std::string& name, std::string policy) {
    return policy.replace(policy.find("fixed"), 5, name);
  };
  (void)folder_.Write("policies/images.yaml", StaticPolicy("perhaps"));
  (void)folder_.Write("policies/other.yaml",
                      named("other", StaticPolicy("pass")) + "---\n" + named("third", StaticPolicy("maybe")));
  fakes::Ran bad = Run(config_, "--check");
  EXPECT_EQ(bad.exit_code, 2);
  EXPECT_THAT(bad.err, AllOf(HasSubstr("images.yaml:4 "), HasSubstr("other.yaml:9 ")));
}

}  // namespace
}  // namespace gatehouse::webhook
