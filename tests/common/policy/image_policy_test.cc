#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/codec/pem.h"
#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

ImagePolicy Only(const std::string& document) {
  PolicySet set = Loaded({document});
  EXPECT_EQ(set.image_policies.size(), 1U);
  return set.image_policies.empty() ? ImagePolicy{} : set.image_policies[0];
}

ImagePolicy Edit(const std::string& from, const std::string& to) {
  return Only(Edited(ImagePolicyYaml(), from, to));
}

const KeyAuthority& Key(const ImagePolicy& policy, std::size_t index = 0) {
  return std::get<KeyAuthority>(policy.authorities.at(index).rule);
}

TEST(ImagePolicy, EveryFieldArrives) {
  ImagePolicy policy = Only(ImagePolicyYaml());
  EXPECT_EQ(policy.name, "release");
  ASSERT_THAT(policy.images, SizeIs(2));
  EXPECT_EQ(policy.images[0].pattern(), "registry.example/**");
  EXPECT_EQ(policy.images[1].pattern(), "docker.io/library/*");
  EXPECT_TRUE(policy.namespace_selector.Matches(Labels{{"env", "prod"}}).value());
  EXPECT_FALSE(policy.namespace_selector.Matches(Labels{{"env", "test"}}).value());
  EXPECT_TRUE(policy.pod_selector.Matches(Labels{{"app", "b"}}).value());
  EXPECT_FALSE(policy.pod_selector.Matches(Labels{{"app", "c"}}).value());
  ASSERT_THAT(policy.authorities, SizeIs(2));
  EXPECT_EQ(policy.authorities[0].name, "release-key");
  EXPECT_EQ(Key(policy).verifier.key.Pem(), kP256Pem);
  EXPECT_EQ(Key(policy).verifier.hash, HashAlgorithm::kSha256);
  EXPECT_FALSE(Key(policy).verifier.rsa_pss);
  EXPECT_THAT(policy.authorities.at(0).annotations, ElementsAre(Pair("env", "prod")));
  EXPECT_EQ(policy.authorities[1].name, "blocked");
  const auto& fixed = std::get<StaticAuthority>(policy.authorities[1].rule);
  EXPECT_FALSE(fixed.pass);
  EXPECT_EQ(fixed.message, "not this one");
  EXPECT_EQ(policy.required, 1U);
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_EQ(policy.on_unavailable, OnUnavailable::kDeny);
}

TEST(ImagePolicy, DefaultsAreTheStrictOnes) {
  ImagePolicy policy = Only(R"(
apiVersion: gatehouse.dev/v1alpha1
kind: ImagePolicy
metadata: {name: least}
spec:
  images: [{glob: "**"}]
  authorities:
    - name: key
      key:
        data: |
)" + Indented(kP256Pem, 10));
  EXPECT_TRUE(policy.namespace_selector.empty());
  EXPECT_TRUE(policy.pod_selector.empty());
  EXPECT_EQ(Key(policy).verifier.hash, HashAlgorithm::kSha256);
  EXPECT_THAT(policy.authorities.at(0).annotations, IsEmpty());
  EXPECT_EQ(policy.required, 1U);
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_EQ(policy.on_unavailable, OnUnavailable::kDeny);
}

TEST(ImagePolicy, EveryValueOfEveryChoice) {
  EXPECT_EQ(Edit("mode: enforce", "mode: warn").mode, Mode::kWarn);
  EXPECT_EQ(Edit("mode: enforce", "mode: audit").mode, Mode::kAudit);
  EXPECT_EQ(Edit("onUnavailable: deny", "onUnavailable: allow").on_unavailable, OnUnavailable::kAllow);
  EXPECT_EQ(Edit("require: any", "require: all").required, 2U);
  EXPECT_EQ(Edit("require: any", "require: {atLeast: 1}").required, 1U);
  EXPECT_EQ(Edit("require: any", "require: {atLeast: 2}").required, 2U);
  EXPECT_EQ(Key(Edit("hashAlgorithm: sha256", "hashAlgorithm: sha384")).verifier.hash, HashAlgorithm::kSha384);
  EXPECT_EQ(Key(Edit("hashAlgorithm: sha256", "hashAlgorithm: sha512")).verifier.hash, HashAlgorithm::kSha512);
  ImagePolicy silent = Edit("{action: fail, message: not this one}", "{action: fail}");
  EXPECT_EQ(std::get<StaticAuthority>(silent.authorities[1].rule).message, "");
}

TEST(ImagePolicy, AStaticPassIsTheOnlyAuthority) {
  const std::string head =
      "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: a}\nspec:\n  images: [{glob: \"**\"}]\n "
      " authorities:\n";
  const std::string pass = "    - {name: open, static: {action: pass}}\n";
  LoadOutcome alone = LoadPolicies({{"a.yaml", head + pass}});
  ASSERT_NE(alone.set, nullptr);
  EXPECT_TRUE(std::get<StaticAuthority>(alone.set->image_policies[0].authorities[0].rule).pass);
  LoadOutcome beside = LoadPolicies({{"a.yaml", head + pass + "    - {name: no, static: {action: fail}}\n"}});
  ASSERT_EQ(beside.errors.size(), 1U);
  EXPECT_EQ(beside.errors[0].reason, Reason::kPolicyInvalid);
  EXPECT_THAT(beside.errors[0].detail, HasSubstr("'open' always passes"));
}

TEST(ImagePolicy, OperatorsOfSelectors) {
  auto selector = [](const std::string& expression) {
    return Edit("{key: app, operator: In, values: [a, b]}", expression).pod_selector;
  };
  EXPECT_TRUE(selector("{key: app, operator: NotIn, values: [a]}").Matches(Labels{}).value());
  EXPECT_TRUE(selector("{key: app, operator: Exists}").Matches(Labels{{"app", ""}}).value());
  EXPECT_TRUE(selector("{key: app, operator: DoesNotExist, values: []}").Matches(Labels{}).value());
  EXPECT_TRUE(selector("{key: app, operator: In, values: [\"\"]}").Matches(Labels{{"app", ""}}).value());
  EXPECT_TRUE(
      selector("{key: example.com/app_1.x, operator: Exists}").Matches(Labels{{"example.com/app_1.x", ""}}).value());
  EXPECT_TRUE(Edit("matchLabels: {env: prod}", "matchLabels: {env: \"\"}")
                  .namespace_selector.Matches(Labels{{"env", ""}})
                  .value());
  EXPECT_TRUE(Edit("    matchLabels: {env: prod}\n", "    {}\n").namespace_selector.empty());
}

TEST(ImagePolicy, SchemesOfKeys) {
  ImagePolicy rsa = Only(Edited(Edited(ImagePolicyYaml(), Indented(kP256Pem, 10), Indented(kRsaPem, 10)),
                                "hashAlgorithm: sha256", "rsaPadding: pss"));
  EXPECT_TRUE(Key(rsa).verifier.rsa_pss);
  ImagePolicy pkcs1 = Only(Edited(Edited(ImagePolicyYaml(), Indented(kP256Pem, 10), Indented(kRsaPem, 10)),
                                  "hashAlgorithm: sha256", "rsaPadding: pkcs1v15"));
  EXPECT_FALSE(Key(pkcs1).verifier.rsa_pss);
  ImagePolicy ed25519 = Only(Edited(Edited(ImagePolicyYaml(), Indented(kP256Pem, 10), Indented(kEd25519Pem, 10)),
                                    "        hashAlgorithm: sha256\n", ""));
  EXPECT_EQ(Key(ed25519).verifier.key.type(), crypto::KeyType::kEd25519);
}

TEST(ImagePolicy, SeveralKeysUnderOneNumber) {
  std::string second = "    - name: second-key\n      key:\n        data: |\n" + Indented(kOtherP256Pem, 10);
  ImagePolicy policy = Only(Edited(
      Edited(ImagePolicyYaml(), "    - name: blocked\n      static: {action: fail, message: not this one}\n", second),
      "require: any", "require: {atLeast: 2}"));
  EXPECT_EQ(policy.required, 2U);
  EXPECT_THAT(policy.authorities, SizeIs(2));
}

// Each field that has a type, given every other.
TEST(ImagePolicy, FieldsOfTheWrongType) {
  struct Field {
    std::string line;  // up to the value
    std::string value;
    std::string path;
    std::vector<std::string> fine = {};  // what is of the right type among the wrong values
  };
  const std::vector<Field> kFields = {
      {"apiVersion: ", "gatehouse.dev/v1alpha1", ".apiVersion"},
      {"kind: ", "ImagePolicy", ".kind"},
      {"  name: ", "release", ".metadata.name"},
      {"  labels: ", "{team: a}", ".metadata.labels", {"{}", "{x: y}"}},
      {"  annotations: ", "{note: hello}", ".metadata.annotations", {"{}", "{x: y}"}},
      {"    - glob: ", "registry.example/**", ".spec.images[0].glob"},
      {"    matchLabels: ", "{env: prod}", ".spec.namespaceSelector.matchLabels", {"{}", "{x: y}"}},
      {"    matchExpressions:",
       "\n      - {key: app, operator: In, values: [a, b]}",
       ".spec.podSelector.matchExpressions",
       {"[]"}},
      {"{key: ", "app", ".spec.podSelector.matchExpressions[0].key"},
      {"operator: ", "In", ".spec.podSelector.matchExpressions[0].operator"},
      {"values: ", "[a, b]", ".spec.podSelector.matchExpressions[0].values", {"[x]"}},
      {"    - name: ", "release-key", ".spec.authorities[0].name"},
      {"        hashAlgorithm: ", "sha256", ".spec.authorities[0].key.hashAlgorithm"},
      {"      annotations: ", "{env: prod}", ".spec.authorities[0].annotations", {"{}", "{x: y}"}},
      {"      static: ", "{action: fail, message: not this one}", ".spec.authorities[1].static"},
      {"action: ", "fail", ".spec.authorities[1].static.action"},
      {"message: ", "not this one", ".spec.authorities[1].static.message", {"x"}},
      {"  require: ", "any", ".spec.require"},
      {"  mode: ", "enforce", ".spec.mode"},
      {"  onUnavailable: ", "deny", ".spec.onUnavailable"},
  };
  for (const Field& field : kFields) {
    for (const std::string wrong : {"null", "7", "1.5", "true", "[]", "[x]", "{}", "{x: y}", "\"\""}) {
      if (std::find(field.fine.begin(), field.fine.end(), wrong) != field.fine.end()) continue;
      SCOPED_TRACE(field.path + " = " + wrong);
      Error error = Refusal(Edited(ImagePolicyYaml(), field.line + field.value,
                                   field.line + (field.line.ends_with(":") ? " " : "") + wrong));
      EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
      EXPECT_THAT(error.where, HasSubstr("p.yaml:"));
      EXPECT_THAT(error.where, HasSubstr("$" + field.path));
    }
  }
}

TEST(ImagePolicy, BlocksOfTheWrongType) {
  for (const char* block : {"metadata", "spec"}) {
    for (const char* wrong : {"null", "7", "[]", "text"}) {
      std::string document = "apiVersion: gatehouse.dev/v1alpha1\nkind: ImagePolicy\n";
      document += std::string(block) == "metadata" ? "spec: {}\n" : "metadata: {name: x}\n";
      Error error = Refusal(document + block + ": " + wrong + "\n");
      EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
      EXPECT_THAT(error.where, HasSubstr(std::string("$.") + block)) << wrong;
    }
  }
}

TEST(ImagePolicy, RequiredFieldsThatAreMissing) {
  const std::pair<std::string, std::string> kCases[] = {
      {"apiVersion: gatehouse.dev/v1alpha1\n", "$.apiVersion"},
      {"kind: ImagePolicy\n", "$.kind"},
      {"  name: release\n", "$.metadata.name"},
      {"  images:\n    - glob: registry.example/**\n    - glob: docker.io/library/*\n", "$.spec.images"},
      {"operator: In, ", "matchExpressions[0].operator"},
      {"key: app, ", "matchExpressions[0].key"},
      {", values: [a, b]", "matchExpressions[0].values"},
      {"action: fail, ", "static.action"},
      {"        data: |\n" + Indented(kP256Pem, 10), "key.data"},
  };
  for (const auto& [removed, where] : kCases) {
    Error error = Refusal(Edited(ImagePolicyYaml(), removed, ""));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << removed;
    EXPECT_THAT(error.where, HasSubstr(where)) << error.ToString();
    EXPECT_THAT(error.detail, HasSubstr("is required"));
  }
}

TEST(ImagePolicy, UnknownFieldsAtEveryLevel) {
  const std::pair<std::string, std::string> kCases[] = {
      {"kind: ImagePolicy", "kind: ImagePolicy\nstatus: {}"},
      {"  name: release\n", "  name: release\n  uid: x\n"},
      {"spec:\n", "spec:\n  match: {}\n"},
      {"- glob: registry.example/**", "- {glob: registry.example/**, regex: x}"},
      {"matchLabels: {env: prod}", "matchlabels: {env: prod}"},
      {"values: [a, b]}", "values: [a, b], value: a}"},
      {"    - name: release-key\n", "    - name: release-key\n      keyles: {}\n"},
      {"        hashAlgorithm: sha256\n", "        kms: x\n"},
      {"message: not this one}", "message: not this one, reason: x}"},
      {"require: any", "require: {atLeast: 1, atMost: 2}"},
  };
  for (const auto& [from, to] : kCases) {
    Error error = Refusal(Edited(ImagePolicyYaml(), from, to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << to;
    EXPECT_THAT(error.detail, HasSubstr("unknown field")) << to;
    EXPECT_THAT(error.detail, HasSubstr("allowed: ")) << to;
  }
}

TEST(ImagePolicy, KeysThatAreNone) {
  std::string private_pem = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Pem();
  for (const std::string& pem :
       {std::string("nonsense\n"), private_pem, VendorCa().pem(), std::string(kP256Pem) + kOtherP256Pem}) {
    Error error = Refusal(Edited(ImagePolicyYaml(), Indented(kP256Pem, 10), Indented(pem, 10)));
    EXPECT_EQ(error.reason, Reason::kKeyMalformed) << pem;
    EXPECT_THAT(error.where, HasSubstr("p.yaml:19 $.spec.authorities[0].key.data"));
  }
}

TEST(Adversarial_C9, OneSignerTwiceTowardsANumber) {
  std::string again =
      "    - name: again\n      key:\n        data: |\n" + Indented(kP256Pem, 10) + "      annotations: {other: one}\n";
  Error error = Refusal(Edited(Edited(ImagePolicyYaml(), "  require: any", again + "  require: {atLeast: 2}"),
                               "hashAlgorithm: sha256", "hashAlgorithm: sha512"));
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_THAT(error.detail, HasSubstr("'again' has the same key as 'release-key'"));
}

TEST(Adversarial_C9, TheSameKeyInOtherWordsIsTheSameKey) {
  // A SubjectPublicKeyInfo of a 2048-bit RSA key has 24 bytes in front of the PKCS#1 form ("RSA PUBLIC KEY") of that
  // key.
  Bytes spki = crypto::PublicKey::FromPem(kRsaPem)->Spki();
  std::string respelt = codec::EncodePem("RSA PUBLIC KEY", BytesView(spki).subspan(24));
  std::string again = "    - name: again\n      key:\n        data: |\n" + Indented(respelt, 10);
  std::string with_rsa = Edited(ImagePolicyYaml(), Indented(kP256Pem, 10), Indented(kRsaPem, 10));
  Error error = Refusal(Edited(with_rsa, "  require: any", again + "  require: all"));
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_THAT(error.detail, HasSubstr("'again' has the same key as 'release-key'"));
}

}  // namespace
}  // namespace gatehouse::policy
