// What the documentation and the examples say is what the programs read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "agent/config/config.h"
#include "common/codec/yaml.h"
#include "common/policy/loader.h"
#include "common/telemetry/metrics.h"
#include "webhook/config/config.h"

namespace gatehouse {
namespace {

using testing::SizeIs;

const std::filesystem::path kSource = GATEHOUSE_SOURCE_DIR;

std::string ReadAll(const std::string& path) {
  std::ifstream stream(kSource / path, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << path;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

// The ```yaml blocks of a page, each named by the line that it begins on.
std::vector<policy::SourceFile> Blocks(const std::string& path) {
  std::vector<policy::SourceFile> blocks;
  std::istringstream lines(ReadAll(path));
  bool inside = false;
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with("```")) {
      if (!inside && line == "```yaml") blocks.push_back({path + " block at line " + std::to_string(number), ""});
      inside = !inside && line == "```yaml";
    } else if (inside) {
      blocks.back().text += line + "\n";
    }
  }
  EXPECT_FALSE(inside) << path;
  return blocks;
}

// The cells of the table under the row that begins with `header`, each as the list of its `quoted` texts.
std::vector<std::vector<std::vector<std::string>>> Table(const std::string& page, const std::string& header) {
  std::vector<std::vector<std::vector<std::string>>> rows;
  std::istringstream lines(page.substr(std::min(page.find("\n" + header), page.size() - 1) + 1));
  std::string line;
  std::getline(lines, line);
  std::getline(lines, line);
  while (std::getline(lines, line) && line.starts_with("|")) {
    std::vector<std::vector<std::string>> row;
    std::istringstream cells(line.substr(1));
    for (std::string cell; std::getline(cells, cell, '|');) {
      std::vector<std::string> texts;
      for (std::size_t at = cell.find('`'); at != std::string::npos; at = cell.find('`', at)) {
        std::size_t end = cell.find('`', at + 1);
        texts.push_back(cell.substr(at + 1, end - at - 1));
        at = end + 1;
      }
      row.push_back(std::move(texts));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Writes the value with one more member in the object number `target`, counted in document order.
void WriteWithExtra(codec::JsonWriter& json, codec::JsonView view, std::size_t& objects, std::size_t target) {
  if (view.IsArray()) {
    json.BeginArray();
    for (std::size_t i = 0; i < view.size(); ++i) WriteWithExtra(json, view.at(i), objects, target);
    json.EndArray();
  } else if (view.IsObject()) {
    json.BeginObject();
    if (objects++ == target) json.Member("zzz", "nobody reads this");
    for (std::size_t i = 0; i < view.size(); ++i) {
      WriteWithExtra(json.Key(view.member(i).key), view.member(i).value, objects, target);
    }
    json.EndObject();
  } else {
    json.Raw(view.Serialize());
  }
}

// Every field that a reader says it knows, when it is given one that it does not, in any object of a document that is
// good otherwise.
std::set<std::string> KnownFields(const std::string& yaml,
                                  const std::function<std::string(const std::string&)>& refusal) {
  std::set<std::string> known;
  auto documents = codec::ParseYaml(yaml, "block");
  EXPECT_TRUE(documents.ok());
  for (std::size_t d = 0; documents.ok() && d < documents->size(); ++d) {
    std::size_t objects = 1;
    for (std::size_t target = 0; target < objects; ++target) {
      codec::JsonWriter json;
      objects = 0;
      WriteWithExtra(json, (*documents)[d].root(), objects, target);
      std::string message = refusal(std::move(json).Finish());
      std::size_t at = message.find("allowed: ");
      if (at == std::string::npos) continue;  // a map of labels, say
      std::istringstream names(message.substr(at + 9, message.find(" [", at) - at - 9));
      for (std::string name; std::getline(names >> std::ws, name, ',');) known.insert(name);
    }
  }
  return known;
}

// The names that stand at the end of a `quoted.path` in a row of a table.
std::set<std::string> FieldsInTables(const std::string& page) {
  std::set<std::string> names;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| `")) continue;
    for (std::size_t at = line.find('`'); at != std::string::npos; at = line.find('`', at)) {
      std::size_t end = line.find('`', at + 1);
      std::string text = line.substr(at + 1, end - at - 1);
      if (text.ends_with("[]")) text.resize(text.size() - 2);
      names.insert(text.substr(text.rfind('.') + 1));
      at = end + 1;
    }
  }
  return names;
}

// Sections stand in the paths of their fields.
void ExpectListed(const std::set<std::string>& known, const std::string& page, const std::set<std::string>& sections) {
  std::set<std::string> listed = FieldsInTables(page);
  for (const std::string& name : known) {
    EXPECT_TRUE(listed.contains(name) || sections.contains(name)) << name << " is in no table";
  }
}

TEST(Documents, EveryFieldOfAPolicyIsInATable) {
  std::set<std::string> known;
  for (const policy::SourceFile& block : Blocks("docs/policies.md")) {
    known.merge(KnownFields(block.text, [](const std::string& text) {
      policy::LoadOutcome outcome = policy::LoadPolicies({{"p.yaml", text}});
      return outcome.errors.empty() ? "" : outcome.errors.front().ToString();
    }));
  }
  for (const char* name : {"onUnavailable", "rsaPadding", "matchExpressions", "bank", "certificates", "referenceValues",
                           "notAfter", "grace", "within", "namespace"})
    EXPECT_TRUE(known.contains(name)) << name;
  ExpectListed(known, ReadAll("docs/policies.md"),
               {"kind", "metadata", "spec", "images", "glob", "authorities", "key", "static", "nodes", "tpm", "pcrs",
                "matchLabels", "matchExpressions", "operator", "name", "sets", "untrusted", "maxEvicted", "minimum",
                "slsa", "tuf", "root", "secureBootKeys", "ignore",
                // Notation's own, documented there.
                "version", "trustPolicies", "registryScopes", "signatureVerification", "level", "override",
                "verifyTimestamp", "trustStores", "trustedIdentities"});
}

bool IsWebhooks(const std::string& text) {
  return text.find("admission:") != std::string::npos || text.find("kubernetes:") != std::string::npos;
}

TEST(Documents, EveryFieldOfAConfigurationIsInATable) {
  std::set<std::string> known;
  for (const policy::SourceFile& block : Blocks("docs/configuration.md")) {
    if (block.text.find("kind: ValidatingWebhookConfiguration") != std::string::npos) continue;
    known.merge(KnownFields(block.text, [&](const std::string& text) {
      bool webhook = IsWebhooks(block.text);
      auto refused = [](const auto& config) { return config.ok() ? std::string() : config.error().ToString(); };
      return webhook ? refused(webhook::ParseConfig(text, "c")) : refused(agent::ParseConfig(text, "c"));
    }));
  }
  for (const char* name : {"reloadInterval", "localAddressExceptions", "tokenFile", "tcti", "negativeTtl"})
    EXPECT_TRUE(known.contains(name)) << name;
  ExpectListed(known, ReadAll("docs/configuration.md"),
               {"admission", "agents", "cache", "certificates", "csr", "log", "metrics", "mutate", "nodes", "policies",
                "registry", "server", "tls", "tpm", "trust", "webhookConfigurations"});
}

TEST(Documents, PoliciesPageLoadsAsOneFolder) {
  std::vector<policy::SourceFile> blocks = Blocks("docs/policies.md");
  EXPECT_THAT(blocks, SizeIs(14));
  policy::LoadOutcome outcome = policy::LoadPolicies(blocks);
  for (const Error& error : outcome.errors) ADD_FAILURE() << error.ToString();
  ASSERT_NE(outcome.set, nullptr);
  EXPECT_THAT(outcome.set->image_policies, SizeIs(6));
  EXPECT_THAT(outcome.set->namespaced_policies, SizeIs(1));
  EXPECT_THAT(outcome.set->node_policies, SizeIs(5));
  EXPECT_THAT(outcome.set->reference_values, SizeIs(4));
  EXPECT_THAT(outcome.set->trust_roots, SizeIs(3));
  EXPECT_THAT(outcome.set->namespaces, SizeIs(1));
}

TEST(Documents, ExamplePoliciesLoadAsOneFolder) {
  auto files = policy::ReadPolicyFiles((kSource / "examples/policies").string());
  ASSERT_TRUE(files.ok()) << files.error().ToString();
  EXPECT_THAT(*files, SizeIs(testing::Ge(5U)));
  policy::LoadOutcome outcome = policy::LoadPolicies(*files);
  for (const Error& error : outcome.errors) ADD_FAILURE() << error.ToString();
  ASSERT_NE(outcome.set, nullptr);
  EXPECT_FALSE(outcome.set->image_policies.empty());
  EXPECT_FALSE(outcome.set->node_policies.empty());
}

TEST(Documents, TableOfImageGlobsIsTrue) {
  auto rows = Table(ReadAll("docs/policies.md"), "| image glob | matches |");
  EXPECT_THAT(rows, SizeIs(testing::Ge(9U)));
  for (const auto& row : rows) {
    ASSERT_THAT(row, SizeIs(testing::Ge(3U)));
    ASSERT_THAT(row[0], SizeIs(1));
    auto glob = policy::ImageGlob::Parse(row[0][0]);
    ASSERT_TRUE(glob.ok()) << glob.error().ToString();
    for (std::size_t column : {1U, 2U}) {
      for (const std::string& text : row[column]) {
        auto reference = image::Reference::Parse(text);
        ASSERT_TRUE(reference.ok()) << text;
        EXPECT_EQ(glob->Matches(*reference), column == 1) << row[0][0] << " and " << text;
      }
    }
  }
}

TEST(Documents, TableOfRefusedGlobsIsTrue) {
  auto rows = Table(ReadAll("docs/policies.md"), "| image glob | instead |");
  EXPECT_THAT(rows, SizeIs(testing::Ge(6U)));
  for (const auto& row : rows) {
    ASSERT_THAT(row[0], SizeIs(1));
    EXPECT_FALSE(policy::ImageGlob::Parse(row[0][0]).ok()) << row[0][0];
    if (row[1].empty()) continue;
    EXPECT_TRUE(policy::ImageGlob::Parse(row[1][0]).ok()) << row[1][0];
  }
}

TEST(Documents, ConfigurationsAreRead) {
  std::size_t webhooks = 0;
  std::size_t agents = 0;
  std::vector<policy::SourceFile> files = Blocks("docs/configuration.md");
  for (const char* example : {"examples/webhook.yaml", "examples/agent.yaml"})
    files.push_back({example, ReadAll(example)});
  for (const policy::SourceFile& file : files) {
    if (file.text.find("kind: ValidatingWebhookConfiguration") != std::string::npos) continue;
    if (IsWebhooks(file.text)) {
      ++webhooks;
      auto config = webhook::ParseConfig(file.text, file.name);
      EXPECT_TRUE(config.ok()) << config.error().ToString();
    } else {
      ++agents;
      auto config = agent::ParseConfig(file.text, file.name);
      EXPECT_TRUE(config.ok()) << config.error().ToString();
    }
  }
  EXPECT_GE(webhooks, 3U);
  EXPECT_GE(agents, 2U);
}

// Every family, and every label of it, is in the table of metrics.
TEST(Documents, MetricsAreListed) {
  telemetry::Metrics metrics;
  metrics.CountAdmission("pod", "allowed");
  metrics.ObserveAdmission("image", std::chrono::microseconds(1));
  metrics.CountFinding(Reason::kImageUnsigned, "deny");
  metrics.CountMutations("pinned", 1);
  metrics.CountPolicy("ImagePolicy", "p", "allow");
  metrics.CountCache("hit");
  metrics.CountRegistry("ok");
  metrics.CountAttestation("enroll", "ok");
  metrics.SetNodes("trusted", 1);
  metrics.CountReload(true);
  metrics.SetPolicyDocuments("ImagePolicy", 1);
  metrics.SetPolicyObjects("ImagePolicy", 1, 1);
  metrics.CountKube("get", "ok");
  metrics.SetWatchStale("imagepolicies", false);
  metrics.SetLeader(true);
  metrics.SetNodeAttestationWrites("written", 1);
  metrics.SetCertificateExpiry("admission", WallTime{});
  const std::string page = ReadAll("docs/configuration.md");
  std::set<std::string> exposed;
  std::istringstream lines(metrics.Expose());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) exposed.insert(line.substr(7, line.find(' ', 7) - 7));
  }
  std::set<std::string> listed;
  for (const auto& row : Table(page, "| family |")) listed.insert(row[0][0]);
  EXPECT_EQ(listed, exposed);
}

}  // namespace
}  // namespace gatehouse
