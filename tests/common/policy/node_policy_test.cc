// NodePolicy, TrustRoot, Namespace, and how documents refer to each other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

NodePolicy Only(const std::string& document) {
  PolicySet set = Loaded({document, TrustRootYaml()});
  EXPECT_EQ(set.node_policies.size(), 1U);
  return set.node_policies.empty() ? NodePolicy{} : set.node_policies[0];
}

NodePolicy Edit(const std::string& from, const std::string& to) {
  return Only(Edited(NodePolicyYaml(), from, to));
}

// The one error of a NodePolicy beside a good TrustRoot.
Error RefusalOf(const std::string& document) {
  return Refusal(document + "---\n" + TrustRootYaml());
}

TEST(NodePolicy, EveryFieldArrives) {
  NodePolicy policy = Only(NodePolicyYaml());
  EXPECT_EQ(policy.name, "workers");
  ASSERT_THAT(policy.nodes, SizeIs(1));
  EXPECT_TRUE(policy.nodes[0].Matches("worker-3.example"));
  EXPECT_FALSE(policy.nodes[0].Matches("control-1"));
  EXPECT_TRUE(policy.namespace_selector.Matches(Labels{{"env", "prod"}}).value());
  EXPECT_FALSE(policy.namespace_selector.Matches(Labels{}).value());
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_EQ(policy.validity, std::chrono::minutes(10));
  EXPECT_THAT(policy.trust_roots, ElementsAre("vendors"));
  EXPECT_EQ(policy.tpm.bank, HashAlgorithm::kSha256);
  ASSERT_THAT(policy.tpm.pcrs, SizeIs(2));
  ASSERT_THAT(policy.tpm.pcrs.at(7), SizeIs(2));
  EXPECT_EQ(policy.tpm.pcrs.at(7)[0].back(), 0xA7);
  EXPECT_EQ(policy.tpm.pcrs.at(7)[1].back(), 0xB7);
  EXPECT_EQ(policy.tpm.pcrs.at(0)[0].size(), 32U);
}

TEST(NodePolicy, Defaults) {
  NodePolicy policy =
      Edit("  namespaceSelector:\n    matchLabels: {env: prod}\n  mode: enforce\n  validity: 10m\n", "");
  EXPECT_TRUE(policy.namespace_selector.empty());
  EXPECT_EQ(policy.mode, Mode::kEnforce);
  EXPECT_EQ(policy.validity, std::chrono::minutes(10));
  EXPECT_FALSE(policy.untrusted.has_value());
  EXPECT_THAT(policy.reference_values, IsEmpty());
}

TEST(NodePolicy, EveryValueOfEveryChoice) {
  EXPECT_EQ(Edit("mode: enforce", "mode: warn").mode, Mode::kWarn);
  EXPECT_EQ(Edit("mode: enforce", "mode: audit").mode, Mode::kAudit);
  EXPECT_EQ(Edit("validity: 10m", "validity: 10s").validity, std::chrono::seconds(10));
  EXPECT_EQ(Edit("validity: 10m", "validity: 24h").validity, std::chrono::hours(24));
  const std::pair<const char*, HashAlgorithm> kBanks[] = {{"sha384", HashAlgorithm::kSha384},
                                                          {"sha512", HashAlgorithm::kSha512}};
  for (const auto& [bank, algorithm] : kBanks) {
    std::string document = Edited(NodePolicyYaml(), "bank: sha256", std::string("bank: ") + bank);
    document = document.substr(0, document.find("        \"7\"")) + "        \"7\": [" +
               std::string(2 * DigestSize(algorithm), 'a') + "]\n";
    EXPECT_EQ(Only(document).tpm.bank, algorithm);
  }
}

TEST(NodePolicy, EveryPcrThatSoftwareCannotReset) {
  for (unsigned index = 0; index < 24; ++index) {
    std::string document = Edited(NodePolicyYaml(), "\"0\":", "\"" + std::to_string(index) + "\":");
    if (index == 16 || index == 23) {
      Error error = RefusalOf(document);
      EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
      EXPECT_THAT(error.detail, HasSubstr("reset"));
    } else if (index == 7) {
      EXPECT_EQ(RefusalOf(document).reason, Reason::kYamlMalformed) << "a duplicate key";
    } else {
      EXPECT_EQ(Only(document).tpm.pcrs.count(index), 1U) << index;
    }
  }
}

TEST(NodePolicy, PcrsThatAreNone) {
  for (const char* index : {"24", "99", "-1", "07", "+1", "0x1", "1 ", "", "a", "4294967296", "18446744073709551616"}) {
    Error error = RefusalOf(Edited(NodePolicyYaml(), "\"0\":", std::string("\"") + index + "\":"));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << index;
    EXPECT_THAT(error.detail, HasSubstr("from 0 to 23")) << index;
  }
  // Without quotes YAML makes a number of it, and codec refuses keys that are no strings.
  EXPECT_EQ(RefusalOf(Edited(NodePolicyYaml(), "\"0\":", "0:")).reason, Reason::kYamlMalformed);
}

TEST(NodePolicy, PcrValuesThatAreNone) {
  std::string good = std::string(62, '0') + "a0";
  for (const std::string& value :
       {good.substr(1), good.substr(2), good + "00", "A0" + good.substr(2), "0x" + good.substr(2),
        "g0" + good.substr(2), std::string(40, 'a'), std::string(96, 'a'), std::string("x")}) {
    Error error = RefusalOf(Edited(NodePolicyYaml(), "[" + good + "]", "[\"" + value + "\"]"));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << value;
    EXPECT_THAT(error.detail, HasSubstr("64 lower-case hex digits")) << value;
    EXPECT_THAT(error.where, HasSubstr("$.spec.tpm.pcrs.values.0"));
  }
}

TEST(Adversarial_Q2, AnEmptyReferenceIsNeverAPass) {
  std::string good = NodePolicyYaml();
  std::string values = good.substr(good.find("        \"7\""));
  EXPECT_EQ(RefusalOf(Edited(good, "      values:\n" + values, "      values: {}\n")).reason, Reason::kPolicyInvalid);
  EXPECT_EQ(RefusalOf(Edited(good, "[" + std::string(62, '0') + "a0]", "[]")).reason, Reason::kPolicyInvalid);
  EXPECT_EQ(RefusalOf(Edited(good, "      values:\n" + values, "")).reason, Reason::kPolicyInvalid);
  std::string pcrs = good.substr(good.find("    pcrs:"));
  EXPECT_EQ(RefusalOf(Edited(good, pcrs, "    pcrs: {}\n")).reason, Reason::kPolicyInvalid);
  EXPECT_EQ(RefusalOf(Edited(good, pcrs, "")).reason, Reason::kPolicyInvalid);
}

TEST(Adversarial_Q10, TheSha1BankIsRefused) {
  std::string document = Edited(NodePolicyYaml(), "bank: sha256", "bank: sha1");
  document = document.substr(0, document.find("        \"7\"")) + "        \"7\": [" + std::string(40, 'a') + "]\n";
  Error error = RefusalOf(document);
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_THAT(error.detail, HasSubstr("sha1 is broken"));
}

TEST(NodePolicy, FieldsOfTheWrongType) {
  struct Field {
    std::string line;
    std::string value;
    std::string path;
    std::vector<std::string> fine = {};
  };
  const std::vector<Field> kFields = {
      {"  name: ", "workers", ".metadata.name"},
      {"    - glob: ", "worker-*", ".spec.nodes[0].glob"},
      {"    matchLabels: ", "{env: prod}", ".spec.namespaceSelector.matchLabels", {"{}", "{x: y}"}},
      {"  mode: ", "enforce", ".spec.mode"},
      {"  validity: ", "10m", ".spec.validity"},
      {"    trustRoots: ", "[vendors]", ".spec.tpm.trustRoots"},
      {"      bank: ", "sha256", ".spec.tpm.pcrs.bank"},
      {"        \"0\": ", "[" + std::string(62, '0') + "a0]", ".spec.tpm.pcrs.values.0"},
  };
  for (const Field& field : kFields) {
    for (const std::string wrong : {"null", "7", "1.5", "true", "[]", "[x]", "{}", "{x: y}", "\"\""}) {
      if (std::find(field.fine.begin(), field.fine.end(), wrong) != field.fine.end()) continue;
      SCOPED_TRACE(field.path + " = " + wrong);
      Error error = RefusalOf(Edited(NodePolicyYaml(), field.line + field.value, field.line + wrong));
      EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
      EXPECT_THAT(error.where, HasSubstr("$" + field.path));
    }
  }
}

TEST(NodePolicy, UnknownFieldsAtEveryLevel) {
  const std::pair<std::string, std::string> kCases[] = {
      {"spec:\n", "spec:\n  images: []\n"},
      {"- glob: worker-*", "- {glob: worker-*, name: x}"},
      {"    trustRoots: [vendors]\n", "    trustRoots: [vendors]\n    tdx: {}\n"},
      {"      bank: sha256\n", "      bank: sha256\n      banks: []\n"},
  };
  for (const auto& [from, to] : kCases) {
    Error error = RefusalOf(Edited(NodePolicyYaml(), from, to));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << to;
    EXPECT_THAT(error.detail, HasSubstr("unknown field")) << to;
  }
}

TEST(NodePolicy, ValidityOutOfRange) {
  for (const char* validity : {"9s", "9999ms", "24h1s", "0s", "-5m", "5", "5 m", "forever", "1d"}) {
    Error error = RefusalOf(Edited(NodePolicyYaml(), "validity: 10m", std::string("validity: \"") + validity + "\""));
    EXPECT_EQ(error.reason, Reason::kPolicyInvalid) << validity;
    EXPECT_THAT(error.detail, HasSubstr("from 10s to 24h")) << validity;
  }
}

// --- trust roots

TEST(TrustRoot, ItsCertificatesArrive) {
  std::string other = fakes::TestCa::Root(fakes::CaSpec("other")).pem();
  PolicySet set = Loaded({NodePolicyYaml(), TrustRootYaml(VendorCa().pem() + other),
                          Edited(TrustRootYaml(), "name: vendors", "name: unused")});
  ASSERT_THAT(set.trust_roots, SizeIs(2));
  EXPECT_EQ(set.trust_roots[0].name, "unused");
  EXPECT_EQ(set.trust_roots[1].name, "vendors");
  EXPECT_THAT(set.trust_roots[1].tpm, SizeIs(2));
  auto roots = set.TpmRoots(set.node_policies[0]);
  ASSERT_THAT(roots, SizeIs(2)) << "those of the policy only";
  EXPECT_EQ(roots[0].Fingerprint(), VendorCa().certificate().Fingerprint());
}

TEST(Adversarial_Q5, ALeafIsNoTrustRoot) {
  auto leaf = VendorCa().Leaf(fakes::LeafSpec("ek-of-somebody"));
  Error error = Refusal(TrustRootYaml(VendorCa().pem() + leaf.pem));
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_THAT(error.detail, HasSubstr("certificate 2 (CN=ek-of-somebody) is not a CA's"));
}

TEST(TrustRoot, Refused) {
  struct Case {
    std::string document;
    Reason reason;
    std::string where;
  };
  std::string good = TrustRootYaml();
  std::string head = good.substr(0, good.find("spec:"));
  const Case kCases[] = {
      {TrustRootYaml("nonsense\n"), Reason::kCertificateMalformed, "$.spec.tpm"},
      {TrustRootYaml(kP256Pem), Reason::kCertificateMalformed, "$.spec.tpm"},
      {head + "spec: {tpm: {certificates: \"\"}}\n", Reason::kPolicyInvalid, "$.spec.tpm.certificates"},
      {head + "spec: {tpm: {certificates: []}}\n", Reason::kPolicyInvalid, "$.spec.tpm.certificates"},
      {head + "spec: {tpm: {}}\n", Reason::kPolicyInvalid, "$.spec.tpm.certificates"},
      {head + "spec: {tpm: []}\n", Reason::kPolicyInvalid, "$.spec.tpm"},
      {head + "spec: {}\n", Reason::kPolicyInvalid, "$.spec"},
      {head, Reason::kPolicyInvalid, "$.spec"},
      {good + "  sgx: {}\n", Reason::kPolicyInvalid, "$.spec"},
      {good + "    keys: []\n", Reason::kPolicyInvalid, "$.spec.tpm"},
  };
  for (const Case& c : kCases) {
    Error error = Refusal(c.document);
    EXPECT_EQ(error.reason, c.reason) << error.ToString();
    EXPECT_THAT(error.where, HasSubstr(c.where)) << error.ToString();
  }
}

TEST(Links, ATrustRootThatDoesNotExist) {
  Error error = Refusal(NodePolicyYaml());
  EXPECT_EQ(error.reason, Reason::kPolicyInvalid);
  EXPECT_EQ(error.where, "p.yaml:13 $.spec.tpm.trustRoots[0]");
  EXPECT_THAT(error.detail, HasSubstr("there is no TrustRoot 'vendors'"));
}

TEST(Links, AFaultyTrustRootIsReportedOnceAsItself) {
  Error error = Refusal(NodePolicyYaml() + "---\n" + TrustRootYaml("nonsense\n"));
  EXPECT_EQ(error.reason, Reason::kCertificateMalformed);
}

TEST(Links, NamesAreUniqueInTheirKind) {
  LoadOutcome outcome =
      LoadPolicies({{"a.yaml", TrustRootYaml()}, {"b.yaml", NodePolicyYaml() + "---\n" + TrustRootYaml()}});
  ASSERT_THAT(outcome.errors, SizeIs(1));
  EXPECT_EQ(outcome.errors[0].reason, Reason::kPolicyInvalid);
  EXPECT_THAT(outcome.errors[0].where, HasSubstr("b.yaml:"));
  EXPECT_THAT(outcome.errors[0].detail, HasSubstr("there is another TrustRoot 'vendors' at a.yaml:1"));
  // A NodePolicy may have the name of a TrustRoot.
  EXPECT_THAT(Loaded({Edited(NodePolicyYaml(), "name: workers", "name: vendors"), TrustRootYaml()}).node_policies,
              SizeIs(1));
}

TEST(Links, ErrorsStandInTheOrderOfTheirDocuments) {
  LoadOutcome outcome = LoadPolicies({{"a.yaml", NodePolicyYaml() + "---\nkind: Pod\n"},
                                      {"b.yaml", "a: [\n"},
                                      {"c.yaml", Edited(ImagePolicyYaml(), "mode: enforce", "mode: on")}});
  EXPECT_EQ(outcome.set, nullptr);
  ASSERT_THAT(outcome.errors, SizeIs(4));
  EXPECT_THAT(outcome.errors[0].where, HasSubstr("a.yaml:13"));
  EXPECT_THAT(outcome.errors[1].where, HasSubstr("a.yaml:20"));
  EXPECT_EQ(outcome.errors[2].reason, Reason::kYamlMalformed);
  EXPECT_THAT(outcome.errors[3].where, HasSubstr("c.yaml:"));
}

TEST(Links, NothingAtAllIsASetOfNothing) {
  LoadOutcome outcome = LoadPolicies({});
  ASSERT_NE(outcome.set, nullptr);
  EXPECT_THAT(outcome.set->image_policies, IsEmpty());
  EXPECT_THAT(Loaded({"", "---\n---\n", "# only a comment\n"}).image_policies, IsEmpty());
}

// --- namespaces

TEST(Namespaces, LabelsAsKubectlPrintsThem) {
  PolicySet set = Loaded({NamespaceYaml(), "apiVersion: v1\nkind: Namespace\nmetadata: {name: bare}\n"});
  EXPECT_EQ(set.NamespaceLabels("team-a"), (Labels{{"env", "prod"}, {"kubernetes.io/metadata.name", "team-a"}}));
  EXPECT_EQ(set.NamespaceLabels("bare"), (Labels{{"kubernetes.io/metadata.name", "bare"}}));
  EXPECT_EQ(set.NamespaceLabels("unknown"), std::nullopt) << "not known is not the same as none";
}

TEST(Adversarial_A6, ANamespaceDocumentCannotClaimAnotherName) {
  PolicySet set = Loaded({Edited(NamespaceYaml(), "metadata.name: team-a", "metadata.name: kube-system")});
  EXPECT_EQ(set.NamespaceLabels("team-a")->at("kubernetes.io/metadata.name"), "team-a");
}

TEST(Namespaces, Refused) {
  EXPECT_THAT(Refusal("apiVersion: v1\nkind: Namespace\nmetadata: {labels: {a: b}}\n").where,
              HasSubstr("$.metadata.name"));
  EXPECT_THAT(Refusal("apiVersion: v1\nkind: Namespace\nmetadata: {name: A}\n").where, HasSubstr("$.metadata.name"));
  EXPECT_THAT(Refusal("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: {a: 1}}\n").where,
              HasSubstr("$.metadata.labels.a"));
  EXPECT_THAT(Refusal("apiVersion: v1\nkind: Namespace\nmetadata: {name: a, labels: []}\n").where,
              HasSubstr("$.metadata.labels"));
  EXPECT_THAT(Refusal(NamespaceYaml() + "---\n" + NamespaceYaml()).detail, HasSubstr("another Namespace 'team-a'"));
}

}  // namespace
}  // namespace gatehouse::policy
