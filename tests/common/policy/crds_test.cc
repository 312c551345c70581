// The custom resource definitions and the loader say the same: what one lets pass as a field, a value or a default, so
// does the other. The loader alone knows the rest (globs, keys, which fields go together), and the definitions alone
// how much there may be of anything: folders are written by who writes the configuration.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/codec/yaml.h"
#include "common/policy/objects.h"
#include "tests/common/policy/policy_builder.h"
#include "tests/common/policy/schema.h"
#include "tests/common/policy/tpm_builder.h"
#include "tests/fakes/revocation.h"

namespace gatehouse::policy {
namespace {

namespace fs = std::filesystem;
using codec::JsonDocument;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const fs::path kSource = GATEHOUSE_SOURCE_DIR;

std::string ReadAll(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  EXPECT_TRUE(stream.is_open()) << path;
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

JsonDocument OnlyDocument(const std::string& yaml) {
  auto documents = codec::ParseYaml(yaml, "document");
  EXPECT_TRUE(documents.ok() && documents->size() == 1) << yaml;
  return std::move(documents->front());
}

struct Crd {
  std::string kind;
  std::string plural;
  JsonDocument document;
  [[nodiscard]] JsonView spec() const { return *document.root().Find("spec"); }
  [[nodiscard]] JsonView version() const { return spec().Find("versions")->at(0); }
  [[nodiscard]] JsonView schema() const { return *version().Find("schema")->Find("openAPIV3Schema"); }
};

Crd ReadCrd(const std::string& kind, const std::string& plural) {
  return {kind, plural, OnlyDocument(ReadAll(kSource / "deploy/helm/gatehouse/files/crds" / (plural + ".yaml")))};
}

const std::vector<Crd>& Crds() {
  static const auto* const kCrds = [] {
    auto* crds = new std::vector<Crd>;
    for (const auto& [kind, plural] : std::initializer_list<std::pair<const char*, const char*>>{
             {"ImagePolicy", "imagepolicies"},
             {"NamespacedImagePolicy", "namespacedimagepolicies"},
             {"NodePolicy", "nodepolicies"},
             {"ReferenceValues", "referencevalues"},
             {"TrustRoot", "trustroots"},
             {"NodeAttestation", "nodeattestations"}})
      crds->push_back(ReadCrd(kind, plural));
    return crds;
  }();
  return *kCrds;
}

const Crd* CrdOf(JsonView object) {
  for (const Crd& crd : Crds()) {
    if (TextOf(object, "kind") == crd.kind) return &crd;
  }
  return nullptr;
}

std::string AsNamespaced(const std::string& policy) {
  return Edited(policy, "kind: ImagePolicy\nmetadata:\n",
                "kind: NamespacedImagePolicy\nmetadata:\n  namespace: team-a\n");
}

// With every operator, every form of an identity, and what is unsafe.
std::string EveryCondition() {
  std::string policy =
      Edited(KeylessPolicyYaml(), "issuer: https://token.actions.githubusercontent.com", "noIssuer: true");
  policy = Edited(policy, "          - noIssuer",
                  "          - {issuerGlob: \"https://*.example\", subjectRegExp: \".*@example[.]com\"}\n"
                  "          - {issuerRegExp: \"https://(a|b)[.]example\", subject: a@example.com}\n"
                  "          - noIssuer");
  policy =
      Edited(policy, "      minimum: {transparencyLogs: 2, certificateLogs: 3, timestamps: 1, trustedTimes: 4}\n",
             "      unsafeIgnoreTransparencyLog: true\n      unsafeIgnoreSCT: true\n      minimum: {timestamps: 1}\n");
  return Edited(policy, "          where:\n", R"(          where:
            - {path: /a, equals: 1}
            - {path: /a, notEquals: x}
            - {path: /a, in: [1, x, true, null]}
            - {path: /a, regExp: x+}
            - {path: /a, atLeast: 1, lessThan: 9.5}
            - {path: /a, greaterThan: 1, atMost: 9}
            - {path: /a, newerThan: 24h}
            - {path: /a, before: "2026-01-01T00:00:00Z"}
            - {path: /a, after: "2026-01-01T00:00:00Z"}
            - {path: /a, exists: true}
            - {path: /a, all: [{equals: 1}]}
            - {path: /a, any: [{equals: 1}]}
            - {anyOf: [[{path: /a, equals: 1}], [{path: /b, equals: 1}]]}
            - {not: [{path: /a, equals: 1}]}
)");
}

// One good document or several of each kind, which together have every field.
std::vector<std::string> Samples() {
  const std::string rsa = Edited(ImagePolicyYaml(), Indented(kP256Pem, 10), Indented(kRsaPem, 10));
  const std::string team_rsa = Edited(NamespacedImagePolicyYaml(), Indented(kOtherP256Pem, 10), Indented(kRsaPem, 10));
  const std::string set = "    - name: kernel-1\n";
  return {
      Edited(rsa, "hashAlgorithm: sha256", "rsaPadding: pss"),
      Edited(ImagePolicyYaml(), "require: any", "require: {atLeast: 2}"),
      Edited(ImagePolicyYaml(), "    matchLabels: {env: prod}",
             "    matchExpressions: [{key: a, operator: DoesNotExist}]"),
      Edited(NamespacedImagePolicyYaml(), "require: all", "require: {atLeast: 1}"),
      Edited(team_rsa, "  require: all", "        hashAlgorithm: sha512\n        rsaPadding: pss\n  require: all"),
      Edited(NamespacedImagePolicyYaml(), "matchLabels: {app: web}",
             "matchExpressions: [{key: app, operator: Exists}]"),
      Edited(NamespacedImagePolicyYaml(), "      key:\n        data: |\n" + Indented(kOtherP256Pem, 10),
             "      static: {action: fail, message: no}\n"),
      Edited(NodePolicyYaml(), "[vendors]\n", "[vendors]\n    referenceValues: [linux]\n"),
      Edited(NodePolicyByReferenceYaml(), "spec:\n",
             "spec:\n  namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [b]}]}\n"),
      Edited(ReferenceValuesYaml(), set, set + "      notBefore: \"2026-01-01T00:00:00Z\"\n"),
      TrustRootYaml(),
      KeylessPolicyYaml(),
      AsNamespaced(KeylessPolicyYaml()),
      EveryCondition(),
      AsNamespaced(EveryCondition()),
      NotationPolicyYaml(),
      AsNamespaced(NotationPolicyYaml()),
      SigstoreRootYaml(),
      TufRootYaml(),
      NotationRootYaml(),
      MeasuredPolicyYaml(),
      EveryPartAtOnce(),
      MeasuredValuesYaml(),
      TpmRootYaml() + "    crls: [" + EncodeBase64(fakes::MakeCrl(VendorCa(), {})) + "]\n",
  };
}

// Writes a document with changes: `change` gives another text for a value, or more members for an object ("" for none).
struct Change {
  std::string replacement;  // JSON; empty: as it is
  std::string more;         // "\"key\":value"
};
std::string Rewritten(JsonView view, const std::string& path,
                      const std::function<Change(const std::string&, JsonView)>& change) {
  Change here = change(path, view);
  if (!here.replacement.empty()) return here.replacement;
  std::string text;
  if (view.IsArray()) {
    for (std::size_t i = 0; i < view.size(); ++i)
      text += (i == 0 ? "" : ",") + Rewritten(view.at(i), path + "[]", change);
    return "[" + text + "]";
  }
  if (!view.IsObject()) return view.Serialize();
  text = here.more;
  for (std::size_t i = 0; i < view.size(); ++i) {
    auto [key, member] = view.member(i);
    codec::JsonWriter name;
    name.String(key);
    text += (text.empty() ? "" : ",") + std::move(name).Finish() + ":" +
            Rewritten(member, path.empty() ? std::string(key) : path + "." + std::string(key), change);
  }
  return "{" + text + "}";
}

// "a, b, c" after `begin` and before `end`.
std::set<std::string> Listed(const std::string& message, const std::string& begin, const std::string& end) {
  std::set<std::string> names;
  auto at = message.find(begin);
  if (at == std::string::npos) return names;
  at += begin.size();
  std::istringstream list(message.substr(at, message.find(end, at) - at));
  for (std::string name; std::getline(list >> std::ws, name, ',');) names.insert(name);
  return names;
}

std::string RefusalOf(const std::string& json) {
  Status status = CheckObject(json);
  return status.ok() ? "" : status.error().ToString();
}

// --- what an API server asks of a definition

TEST(Crds, NamesAndScopes) {
  const std::map<std::string, std::string> short_names = {
      {"imagepolicies", "ipol"}, {"namespacedimagepolicies", "nipol"},
      {"nodepolicies", "npol"},  {"referencevalues", "refvals"},
      {"trustroots", "troot"},   {"nodeattestations", "natt"}};
  for (const Crd& crd : Crds()) {
    SCOPED_TRACE(crd.plural);
    EXPECT_EQ(TextOf(crd.document.root(), "apiVersion"), "apiextensions.k8s.io/v1");
    EXPECT_EQ(TextOf(*crd.document.root().Find("metadata"), "name"), crd.plural + ".gatehouse.dev");
    EXPECT_EQ(TextOf(crd.spec(), "group"), "gatehouse.dev");
    EXPECT_EQ(TextOf(crd.spec(), "scope"), crd.kind == "NamespacedImagePolicy" ? "Namespaced" : "Cluster");
    EXPECT_EQ(crd.spec().Find("preserveUnknownFields")->AsBool(), false);
    JsonView names = *crd.spec().Find("names");
    EXPECT_EQ(TextOf(names, "kind"), crd.kind);
    EXPECT_EQ(TextOf(names, "plural"), crd.plural);
    EXPECT_EQ(names.Find("shortNames")->Serialize(), "[\"" + short_names.at(crd.plural) + "\"]");
    EXPECT_EQ(names.Find("categories")->Serialize(), "[\"gatehouse\"]");
    EXPECT_EQ(TextOf(crd.version(), "name"), "v1alpha1");
    EXPECT_EQ(crd.version().Find("subresources").has_value(), crd.kind != "NodeAttestation");
  }
}

// https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ "Specifying a
// structural schema"; and nothing that 1.20 does not know.
TEST(Crds, SchemasAreStructural) {
  const std::set<std::string> known = {"type",
                                       "description",
                                       "properties",
                                       "additionalProperties",
                                       "items",
                                       "required",
                                       "enum",
                                       "pattern",
                                       "format",
                                       "minimum",
                                       "maximum",
                                       "minLength",
                                       "maxLength",
                                       "minItems",
                                       "maxItems",
                                       "default",
                                       "minProperties",
                                       "maxProperties",
                                       "oneOf",
                                       "anyOf",
                                       "x-kubernetes-list-type",
                                       "x-kubernetes-list-map-keys",
                                       "x-kubernetes-preserve-unknown-fields"};
  for (const Crd& crd : Crds()) {
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) {
      SCOPED_TRACE(crd.plural + " " + path);
      for (std::size_t i = 0; i < node.size(); ++i)
        EXPECT_TRUE(known.contains(std::string(node.member(i).key))) << node.member(i).key;
      const std::string type = TextOf(node, "type");
      if (type.empty()) {
        EXPECT_TRUE(node.Find("x-kubernetes-preserve-unknown-fields").has_value());
        // Server-side apply takes what has properties for a map: "expected map, got &{all}".
        EXPECT_FALSE(node.Find("properties").has_value());
      }
      if (type == "array") {
        EXPECT_TRUE(node.Find("items").has_value());
      }
      EXPECT_FALSE(node.Find("properties").has_value() && node.Find("additionalProperties").has_value());
      bool named = !path.empty() && path != "metadata" && !path.ends_with("[]") && !path.ends_with("{}");
      if (named) {
        EXPECT_THAT(TextOf(node, "description"), HasSubstr(".")) << "kubectl explain";
      }
      if (auto pattern = node.Find("pattern")) {
        EXPECT_TRUE(RE2(std::string(*pattern->AsString())).ok());
      }
      if (auto value = node.Find("default")) {
        EXPECT_THAT(SchemaChecker().Check(node, *value), IsEmpty());
      }
      for (std::size_t i = 0; node.Find("required") && i < node.Find("required")->size(); ++i)
        EXPECT_TRUE(node.Find("properties")->Find(*node.Find("required")->at(i).AsString()).has_value());
      if (TextOf(node, "x-kubernetes-list-type") != "map") return;
      JsonView key = node.Find("x-kubernetes-list-map-keys")->at(0);
      EXPECT_THAT(node.Find("items")->Find("required")->Serialize(), HasSubstr(key.Serialize()));
    });
  }
}

// An API server drops a field that the schema does not know, before any webhook sees it: `requires: all` would be
// stored as a policy without it, which one signature satisfies. Dropping begins again at each field that is specified,
// so every object of a policy says that it is not to; at its top, too (a field that is not indented). What Gatehouse
// writes itself may well be dropped.
TEST(Crds, WhatIsNotKnownIsKeptForTheWebhookToRefuse) {
  for (const Crd& crd : Crds()) {
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) {
      if (!node.Find("properties")) return;
      const bool ours = crd.kind == "NodeAttestation" || path.starts_with("status");
      auto kept = node.Find("x-kubernetes-preserve-unknown-fields");
      EXPECT_EQ(kept && kept->AsBool().value_or(false), !ours) << crd.plural << " " << path;
    });
  }
}

// So that one object is small, whoever writes it: the sum of them is what a replica has to read.
TEST(Crds, SpecsAreBounded) {
  for (const Crd& crd : Crds()) {
    if (crd.kind == "NodeAttestation") continue;
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) {
      if (!path.starts_with("spec")) return;
      const std::string type = TextOf(node, "type");
      const char* bound = type == "array" ? "maxItems" : type == "string" ? "maxLength" : "maxProperties";
      const bool needed = type == "array" || (type == "string" && !node.Find("enum")) ||
                          (type == "object" && node.Find("additionalProperties").has_value());
      EXPECT_EQ(node.Find(bound).has_value(), needed) << crd.plural << " " << path;
    });
  }
}

TEST(Crds, ColumnsShowWhatThereIs) {
  for (const Crd& crd : Crds()) {
    std::set<std::string> paths = {"metadata.creationTimestamp"};
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView) { paths.insert(path); });
    std::string columns;
    for (std::size_t i = 0; i < crd.version().Find("additionalPrinterColumns")->size(); ++i) {
      JsonView column = crd.version().Find("additionalPrinterColumns")->at(i);
      std::string path = TextOf(column, "jsonPath").substr(1);
      for (const char* index : {"[?(@.type==\"InForce\")]", "[0]"}) {
        if (auto at = path.find(index); at != std::string::npos) path.replace(at, std::string(index).size(), "[]");
      }
      EXPECT_TRUE(paths.contains(path)) << crd.plural << " " << path;
      // A time to come would be shown as <invalid> by type date.
      EXPECT_EQ(TextOf(column, "type") == "date", path == "metadata.creationTimestamp" || path == "status.since");
      if (!column.Find("priority")) columns += TextOf(column, "name") + " ";
    }
    if (crd.kind == "NodeAttestation") {
      EXPECT_EQ(columns, "Verdict Since Expires Reason Age ");
    }
    if (crd.kind == "ImagePolicy") {
      EXPECT_EQ(columns, "Mode Require In Force Replicas Denied Age ");
    }
    if (crd.kind == "NodePolicy") {
      EXPECT_EQ(columns, "Mode Validity Taint In Force Replicas Denied Age ");
    }
  }
}

TEST(Crds, BothKindsOfImagePoliciesAreAlike) {
  std::map<std::string, std::string> nodes[2];
  for (std::size_t i : {0U, 1U}) {
    ForEachNode(*Crds()[i].schema().Find("properties")->Find("spec"), "", [&](const std::string& path, JsonView node) {
      if (!path.empty() && !path.starts_with("namespaceSelector")) nodes[i].emplace(path, node.Serialize());
    });
  }
  EXPECT_EQ(nodes[0], nodes[1]);
}

// --- the schemas and the loader

void ExpectAdmitted(const std::string& yaml, const std::string& what) {
  auto documents = codec::ParseYaml(yaml, what);
  ASSERT_TRUE(documents.ok()) << what;
  for (const JsonDocument& document : *documents) {
    const Crd* crd = CrdOf(document.root());
    if (crd == nullptr) continue;  // a Namespace
    EXPECT_THAT(SchemaChecker().Check(crd->schema(), document.root()), IsEmpty()) << what;
  }
}

TEST(Crds, AdmitWhatTheLoaderAdmits) {
  for (const std::string& sample : Samples()) {
    EXPECT_EQ(RefusalOf(OnlyDocument(sample).root().Serialize()), "");
    ExpectAdmitted(sample, sample);
  }
  for (const auto& entry : fs::directory_iterator(kSource / "examples/policies"))
    ExpectAdmitted(ReadAll(entry.path()), entry.path().filename().string());
  std::istringstream page(ReadAll(kSource / "docs/policies.md"));
  std::string block;
  bool inside = false;
  std::size_t blocks = 0;
  for (std::string line; std::getline(page, line);) {
    if (line == "```yaml") {
      inside = true;
      block.clear();
    } else if (inside && line == "```") {
      inside = false;
      ++blocks;
      ExpectAdmitted(block, "docs/policies.md: " + block);
    } else if (inside) {
      block += line + "\n";
    }
  }
  EXPECT_GE(blocks, 5U);
}

TEST(Crds, HaveTheFieldsOfTheLoaderAndNoOthers) {
  std::map<std::string, std::set<std::string>> visited;  // kind -> paths of objects
  for (const std::string& sample : Samples()) {
    JsonDocument document = OnlyDocument(sample);
    const Crd& crd = *CrdOf(document.root());
    std::map<std::string, JsonView> nodes;
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) { nodes.emplace(path, node); });
    for (const auto& [target, node] : nodes) {
      if (!node.Find("properties") || !target.starts_with("spec")) continue;
      bool there = false;
      std::string json = Rewritten(document.root(), "", [&, &goal = target](const std::string& path, JsonView view) {
        if (path != goal || !view.IsObject()) return Change{};
        there = true;
        return Change{.replacement = "", .more = "\"zzz\":\"nobody reads this\""};
      });
      if (!there) continue;
      visited[crd.kind].insert(target);
      std::set<std::string> fields;
      for (std::size_t i = 0; i < node.Find("properties")->size(); ++i)
        fields.emplace(node.Find("properties")->member(i).key);
      EXPECT_EQ(Listed(RefusalOf(json), "allowed: ", " ["), fields) << crd.kind << " " << target;
      EXPECT_FALSE(SchemaChecker().Check(crd.schema(), JsonDocument::Parse(json, {1 << 20})->root()).empty());
    }
  }
  for (const Crd& crd : Crds()) {
    if (crd.kind == "NodeAttestation") continue;
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) {
      if (node.Find("properties") && path.starts_with("spec")) {
        EXPECT_TRUE(visited[crd.kind].contains(path)) << "no sample has " << crd.kind << " " << path;
      }
    });
  }
}

TEST(Crds, HaveTheChoicesOfTheLoaderAndNoOthers) {
  std::set<std::string> compared;
  for (const std::string& sample : Samples()) {
    JsonDocument document = OnlyDocument(sample);
    const Crd& crd = *CrdOf(document.root());
    ForEachNode(crd.schema(), "", [&](const std::string& target, JsonView node) {
      auto choices = node.Find("enum");
      if (!choices || !target.starts_with("spec")) return;
      bool there = false;
      std::string json = Rewritten(document.root(), "", [&](const std::string& path, JsonView) {
        there |= path == target;
        return path == target ? Change{.replacement = "\"zzz\"", .more = ""} : Change{};
      });
      if (!there) return;
      compared.insert(crd.kind + " " + target);
      std::set<std::string> expected;
      for (std::size_t i = 0; i < choices->size(); ++i) expected.emplace(*choices->at(i).AsString());
      EXPECT_EQ(Listed(RefusalOf(json), "must be one of ", ";"), expected) << crd.kind << " " << target;
    });
  }
  for (const Crd& crd : Crds()) {
    ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) {
      if (node.Find("enum") && path.starts_with("spec")) {
        EXPECT_TRUE(compared.contains(crd.kind + " " + path)) << "no sample has " << crd.kind << " " << path;
      }
    });
  }
}

// What the loader refuses for its type, the schema refuses as well, and the other way round for what a field must have.
TEST(Crds, TypesAreThoseOfTheLoader) {
  for (const std::string& sample : Samples()) {
    JsonDocument document = OnlyDocument(sample);
    const Crd& crd = *CrdOf(document.root());
    ForEachNode(crd.schema(), "", [&](const std::string& target, JsonView node) {
      const std::string type = TextOf(node, "type");
      if (!target.starts_with("spec") || target.find("{}") != std::string::npos || type.empty()) return;
      const std::string wrong = type == "string" ? "7" : "\"text\"";
      bool there = false;
      std::string json = Rewritten(document.root(), "", [&](const std::string& path, JsonView) {
        there |= path == target;
        return path == target ? Change{.replacement = wrong, .more = ""} : Change{};
      });
      if (!there) return;
      EXPECT_NE(RefusalOf(json), "") << crd.kind << " " << target;
      auto parsed = JsonDocument::Parse(json, {1 << 20});
      EXPECT_FALSE(SchemaChecker().Check(crd.schema(), parsed->root()).empty()) << crd.kind << " " << target;
    });
  }
}

// --- defaults

std::map<std::string, std::string> Defaults(const Crd& crd) {
  std::map<std::string, std::string> defaults;
  ForEachNode(crd.schema(), "", [&](const std::string& path, JsonView node) {
    if (auto value = node.Find("default")) defaults.emplace(path, value->Serialize());
  });
  return defaults;
}

std::string Describe(const ImagePolicy& policy) {
  return "mode " + std::string(Name(policy.mode)) + ", required " + std::to_string(policy.required) +
         (policy.on_unavailable == OnUnavailable::kAllow ? ", allow" : ", deny");
}

std::string Describe(const NodePolicy& policy) {
  std::string text = "mode " + std::string(Name(policy.mode)) + ", validity " + codec::FormatDuration(policy.validity);
  if (policy.untrusted) {
    text +=
        ", " + std::to_string(policy.untrusted->max_nodes) + " in " + codec::FormatDuration(policy.untrusted->within);
  }
  return text;
}

TEST(Crds, DefaultsAreThoseOfTheLoader) {
  using Map = std::map<std::string, std::string>;
  const Map image = {{"spec.mode", "\"enforce\""},
                     {"spec.onUnavailable", "\"deny\""},
                     {"spec.require", "\"any\""},
                     {"spec.subject", "\"Reference\""}};
  EXPECT_EQ(Defaults(Crds()[0]), image);
  EXPECT_EQ(Defaults(Crds()[1]), image);
  const Map node = {{"spec.mode", "\"enforce\""},
                    {"spec.validity", "\"10m\""},
                    {"spec.untrusted.maxEvicted.nodes", "1"},
                    {"spec.untrusted.maxEvicted.within", "\"1h\""},
                    {"spec.tpm.identity.revocation", "\"whereKnown\""},
                    {"spec.tpm.boot.bank", "\"sha256\""},
                    {"spec.tpm.ima.bank", "\"sha256\""},
                    {"spec.tpm.ima.containers.entries", "\"listed\""}};
  EXPECT_EQ(Defaults(Crds()[2]), node);
  const Map root = {{"spec.sigstore.tuf.refresh", "\"24h\""}, {"spec.sigstore.tuf.target", "\"trusted_root.json\""}};
  EXPECT_EQ(Defaults(Crds()[4]), root);
  EXPECT_EQ(Defaults(Crds()[3]), (Map{{"spec.sets[].tpm.ima.from", "\"packages\""}}));
  EXPECT_EQ(Defaults(Crds()[5]), Map());
  std::string tuf = Edited(TufRootYaml(), "      target: sub/trusted_root.json\n      refresh: 6h\n", "");
  TufSource source = *Loaded({tuf}).trust_roots.at(0).tuf;
  EXPECT_EQ(source.target, "trusted_root.json");
  EXPECT_EQ(source.refresh, std::chrono::hours(24));
  EXPECT_EQ(Loaded({ImagePolicyYaml()}).image_policies.at(0).subject, SubjectKind::kReference);

  const std::string spelt = "  require: any\n  mode: enforce\n  onUnavailable: deny\n";
  EXPECT_EQ(Describe(Loaded({ImagePolicyYaml()}).image_policies.at(0)),
            Describe(Loaded({Edited(ImagePolicyYaml(), spelt, "")}).image_policies.at(0)));
  const std::string without = Edited(NodePolicyByReferenceYaml(), "      nodes: 3\n      within: 30m\n", "      {}\n");
  const std::string with =
      Edited(Edited(NodePolicyByReferenceYaml(), "nodes: 3\n      within: 30m", "nodes: 1\n      within: 1h"),
             "spec:\n", "spec:\n  mode: enforce\n  validity: 10m\n");
  auto describe = [](const std::string& policy) {
    return Describe(Loaded({policy, ReferenceValuesYaml(), TrustRootYaml()}).node_policies.at(0));
  };
  EXPECT_EQ(describe(without), describe(with));
}

// Where a default would not go with another field (hashAlgorithm with an Ed25519 key, grace with NoSchedule), the API
// server must not fill one in.
TEST(Crds, WithEveryDefaultFilledInADocumentIsStillGood) {
  for (const std::string& sample : Samples()) {
    JsonDocument document = OnlyDocument(sample);
    std::map<std::string, std::string> defaults = Defaults(*CrdOf(document.root()));
    std::string json = Rewritten(document.root(), "", [&](const std::string& path, JsonView view) {
      Change change;
      for (const auto& [at, value] : defaults) {
        auto dot = at.rfind('.');
        std::string key = at.substr(dot + 1);
        if (at.substr(0, dot) != path || !view.IsObject() || view.Find(key)) continue;
        change.more += (change.more.empty() ? "\"" : ",\"") + key + "\":" + value;
      }
      return change;
    });
    EXPECT_EQ(RefusalOf(json), "") << json;
  }
}

TEST(SchemaChecker, SeesEachKindOfMistake) {
  struct Case {
    std::string from;
    std::string to;
    std::string problem;
  };
  std::string many;
  for (int i = 0; i < 1000; ++i) many += "    - glob: \"**\"\n";
  std::string labels;
  for (int i = 0; i < 100; ++i) labels += "l" + std::to_string(i) + ": x, ";
  const Case kCases[] = {
      {"  mode: enforce", "  mode: off", "$.spec.mode: is none of"},
      {"  mode: enforce", "  mode: true", "$.spec.mode: must be of type string"},
      {"spec:\n", "spec:\n  match: []\n", "$.spec.match: is not known"},
      {"glob: docker.io/library/*", "glob: \"a b\"", "$.spec.images[1].glob: does not match"},
      {"values: [a, b]", "values: [" + std::string(64, 'a') + "]",
       "$.spec.podSelector.matchExpressions[0].values[0]: is too long"},
      {"name: blocked", "name: release-key", "$.spec.authorities: holds release-key twice"},
      {"      static: {action: fail, message: not this one}\n", "", "$.spec.authorities[1]: does not satisfy"},
      {"{action: fail, message: not this one}", "{message: x}", "$.spec.authorities[1].static: lacks one of"},
      {"images:\n", "images:\n" + many, "$.spec.images: has too many items"},
      {"matchLabels: {env: prod}", "matchLabels: {" + labels + "env: prod}",
       "$.spec.namespaceSelector.matchLabels: has too many members"},
      {"require: any", "require: both", "$.spec.require: does not match"},
      {"matchLabels: {env: prod}", "matchLabels: {env: 1}",
       "$.spec.namespaceSelector.matchLabels.env: must be of type"},
  };
  for (const Case& c : kCases) {
    JsonDocument document = OnlyDocument(Edited(ImagePolicyYaml(), c.from, c.to));
    EXPECT_THAT(SchemaChecker().Check(Crds()[0].schema(), document.root()), ElementsAre(HasSubstr(c.problem))) << c.to;
  }
  JsonDocument document = OnlyDocument(Edited(NodePolicyByReferenceYaml(), "nodes: 3", "nodes: 0"));
  EXPECT_THAT(SchemaChecker().Check(Crds()[2].schema(), document.root()),
              ElementsAre(HasSubstr("$.spec.untrusted.maxEvicted.nodes: is too small")));
}

}  // namespace
}  // namespace gatehouse::policy
