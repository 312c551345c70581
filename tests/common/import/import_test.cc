#include "common/import/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/policy/loader.h"
#include "tests/fakes/pki.h"

namespace gatehouse::importer {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Indented(const std::string& text, std::size_t indent) {
  std::string out;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = text.find('\n', begin);
    out += std::string(indent, ' ') + text.substr(begin, end - begin) + "\n";
    begin = end + 1;
  }
  return out;
}

std::string KeyPem() {
  return crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public().Pem();
}

// The TrustRoot that the notes ask for.
const std::string& PublicGoodRoot() {
  static const std::string root = R"(apiVersion: gatehouse.dev/v1alpha1
kind: TrustRoot
metadata: {name: sigstore-public-good}
spec:
  sigstore:
    transparencyLogs:
    - url: https://rekor.example
      key: |
)" + Indented(KeyPem(), 8) + R"(    certificateAuthorities:
    - certificates: |
)" + Indented(fakes::TestCa::Root(fakes::CaSpec("fulcio")).pem(), 8);
  return root;
}

// What was imported, read by our own loader together with the TrustRoot that the notes ask for.
std::shared_ptr<const policy::PolicySet> Load(const Outcome& outcome) {
  auto loaded = policy::LoadPolicies({{"imported.yaml", outcome.yaml}, {"root.yaml", PublicGoodRoot()}});
  for (const Error& error : loaded.errors) ADD_FAILURE() << error.ToString() << "\n" << outcome.yaml;
  return loaded.set;
}

Outcome Accepted(const std::string& text, const Options& options = {}) {
  auto outcome = Import(text, "theirs.yaml", options);
  EXPECT_TRUE(outcome.ok()) << outcome.error().ToString();
  if (!outcome.ok()) return {};
  EXPECT_THAT(outcome->refused, IsEmpty());
  return *outcome;
}

std::vector<std::string> Refused(const std::string& text, const Options& options = {}) {
  auto outcome = Import(text, "theirs.yaml", options);
  EXPECT_TRUE(outcome.ok()) << outcome.error().ToString();
  if (!outcome.ok()) return {};
  EXPECT_THAT(outcome->yaml, IsEmpty()) << "nothing is given where something would be lost";
  return outcome->refused;
}

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// --- Sigstore policy-controller

std::string ClusterImagePolicy() {
  return R"(apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata:
  name: release-policy
spec:
  images:
  - glob: "gcr.io/example/**"
  - glob: "busybox*"
  - glob: "team/app"
  authorities:
  - name: key
    key:
      hashAlgorithm: sha256
      data: |
)" + Indented(KeyPem(), 8) +
         R"(  - name: ci
    keyless:
      url: https://fulcio.sigstore.dev
      identities:
      - issuer: https://token.actions.githubusercontent.com
        subjectRegExp: https://github.com/example/.*
    ctlog:
      url: https://rekor.sigstore.dev
    attestations:
    - name: provenance
      predicateType: slsaprovenance1
  mode: warn
)";
}

TEST(ImportTest, ClusterImagePolicy) {
  Outcome outcome = Accepted(ClusterImagePolicy());
  EXPECT_THAT(outcome.notes, Contains(HasSubstr("TrustRoot sigstore-public-good")));
  EXPECT_THAT(outcome.notes, Contains(HasSubstr("match the whole text")));
  auto set = Load(outcome);
  ASSERT_NE(set, nullptr);
  ASSERT_EQ(set->image_policies.size(), 1U);
  const auto& policy = set->image_policies[0];
  EXPECT_EQ(policy.name, "release-policy");
  EXPECT_EQ(policy.mode, policy::Mode::kWarn);
  EXPECT_EQ(policy.required, 1U);
  ASSERT_EQ(policy.images.size(), 3U);
  EXPECT_EQ(policy.images[1].pattern(), "docker.io/library/busybox*");
  EXPECT_EQ(policy.images[2].pattern(), "docker.io/team/app");
  ASSERT_EQ(policy.authorities.size(), 2U);
  const auto& key = std::get<policy::KeyAuthority>(policy.authorities[0].rule);
  EXPECT_EQ(key.vouching.material, nullptr) << "without ctlog the key alone vouches, there and here";
  const auto& keyless = std::get<policy::KeylessAuthority>(policy.authorities[1].rule);
  EXPECT_EQ(keyless.vouching.logs, 1U);
  EXPECT_EQ(keyless.vouching.scts, 1U);
  ASSERT_EQ(policy.authorities[1].attestations.size(), 1U);
}

struct Untranslatable {
  const char* what;
  const char* from;
  const char* to;
  const char* refused;
};

TEST(ImportTest, ClusterImagePolicyWithoutEquivalent) {
  const Untranslatable cases[] = {
      {"kind of workload", "  mode: warn", "  mode: warn\n  match: [{resource: pods, version: v1}]", "$.spec.match"},
      {"CUE over all", "  mode: warn", "  mode: warn\n  policy: {type: cue, data: x}", "$.spec.policy"},
      {"CUE over an attestation", "      predicateType: slsaprovenance1",
       "      predicateType: slsaprovenance1\n      policy: {type: cue, data: x}", "attestations[0].policy"},
      {"log of one's own", "url: https://rekor.sigstore.dev", "url: https://rekor.internal",
       "authorities[1].ctlog.url"},
      {"Fulcio of one's own", "url: https://fulcio.sigstore.dev", "url: https://fulcio.internal",
       "authorities[1].keyless.url"},
      {"signatures elsewhere", "  mode: warn", "    source: [{oci: registry.example/sigs}]\n  mode: warn",
       "source[0].oci"},
      {"something new", "  mode: warn", "  mode: warn\n  brandNew: {x: 1}", "$.spec.brandNew: has no equivalent"},
      {"key in a KMS", "      hashAlgorithm: sha256", "      kms: gcpkms://x", "authorities[0].key.kms"},
      {"key in a Secret", "      hashAlgorithm: sha256", "      secretRef: {name: x}", "authorities[0].key.secretRef"},
      {"mode that nobody knows", "mode: warn", "mode: sometimes", "mode"},
  };
  for (const Untranslatable& each : cases) {
    EXPECT_THAT(Refused(Replaced(ClusterImagePolicy(), each.from, each.to)), Contains(HasSubstr(each.refused)))
        << each.what;
  }
}

TEST(ImportTest, EverythingWithoutEquivalentIsListedAtOnce) {
  auto text =
      Replaced(ClusterImagePolicy(), "  mode: warn", "  mode: warn\n  match: [{resource: pods}]\n  brandNew: 1");
  EXPECT_THAT(Refused(text), ElementsAre(HasSubstr("$.spec.match"), HasSubstr("$.spec.brandNew")));
}

// Beside the TrustRoot of the public log, certificates of the public authority would do as well as those of one's own.
TEST(ImportTest, PrivateAuthorityBesideThePublicLogIsRefused) {
  auto text = Replaced(ClusterImagePolicy(), "      identities:",
                       "      insecureIgnoreSCT: true\n      ca-cert:\n        data: |\n" +
                           Indented(fakes::TestCa::Root(fakes::CaSpec("own")).pem(), 10) + "      identities:");
  EXPECT_THAT(Refused(text), ElementsAre(HasSubstr("authorities[1].keyless.ca-cert")));
}

TEST(ImportTest, TrustRootsAreNotPooled) {
  const std::string of_own = "      trustRootRef: own\n      identities:";
  const std::string log = "      url: https://rekor.sigstore.dev\n";
  const Untranslatable cases[] = {
      {"own authority, public log", "      identities:", of_own.c_str(), "authorities[1].ctlog: is of TrustRoot"},
      {"public authority, own log", "      url: https://rekor.sigstore.dev\n",
       "      url: https://rekor.sigstore.dev\n      trustRootRef: own\n", "authorities[1].ctlog: is of TrustRoot own"},
      {"timestamps of another", "    ctlog:\n", "    rfc3161timestamp: {trustRootRef: own}\n    ctlog:\n",
       "authorities[1].rfc3161timestamp: is of TrustRoot own"},
      {"a key's log and timestamps", "  - name: ci\n",
       "    ctlog: {trustRootRef: one}\n    rfc3161timestamp: {trustRootRef: two}\n  - name: ci\n",
       "authorities[0].rfc3161timestamp: is of TrustRoot two"},
  };
  for (const Untranslatable& each : cases) {
    EXPECT_THAT(Refused(Replaced(ClusterImagePolicy(), each.from, each.to)), ElementsAre(HasSubstr(each.refused)))
        << each.what;
  }
  auto text =
      Replaced(Replaced(ClusterImagePolicy(), "      identities:", of_own), log, log + "      trustRootRef: own\n");
  EXPECT_THAT(Accepted(text).yaml, AllOf(HasSubstr("- own"), Not(HasSubstr("- sigstore-public-good"))));
}

TEST(ImportTest, GlobsOfPolicyController) {
  EXPECT_THAT(Accepted(Replaced(ClusterImagePolicy(), "team/app", "*/*")).yaml, HasSubstr("\"docker.io/*/*\""));
  for (const char* glob : {"**/app", "gcr.io**", "*team/app"}) {
    EXPECT_THAT(Refused(Replaced(ClusterImagePolicy(), "team/app", glob)),
                ElementsAre(HasSubstr("images[2].glob: has a wildcard for a registry and more")))
        << glob;
  }
}

TEST(ImportTest, TwoDocumentsOfOneNameAreRefused) {
  const std::string other = Replaced(ClusterImagePolicy(), "name: release-policy", "name: release.policy");
  EXPECT_THAT(Refused(ClusterImagePolicy() + "---\n" + other),
              ElementsAre(HasSubstr("two documents would become ImagePolicy 'release-policy'")));
}

TEST(ImportTest, PolicyControllerTrustRoot) {
  const std::string key = EncodeBase64(AsBytes(KeyPem()));
  const std::string chain = EncodeBase64(AsBytes(fakes::TestCa::Root(fakes::CaSpec("own")).pem()));
  auto set = Load(Accepted(R"(apiVersion: policy.sigstore.dev/v1alpha1
kind: TrustRoot
metadata: {name: own}
spec:
  sigstoreKeys:
    certificateAuthorities:
    - {subject: {organization: o, commonName: c}, uri: "https://fulcio.example", certChain: )" +
                           chain + R"(}
    tLogs: [{baseURL: "https://rekor.example", hashAlgorithm: sha-256, publicKey: )" +
                           key + R"(}]
    ctLogs: [{baseURL: "https://ct.example", hashAlgorithm: sha-256, publicKey: )" +
                           key + R"(}]
)"));
  ASSERT_NE(set, nullptr);
  ASSERT_EQ(set->trust_roots.size(), 2U);
  const auto& material = *set->trust_roots[0].sigstore;
  EXPECT_EQ(material.logs.size(), 1U);
  EXPECT_EQ(material.ct_logs.size(), 1U);
  EXPECT_EQ(material.authorities.size(), 1U);
}

// --- Kyverno

std::string Kyverno() {
  return R"(apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: check-image}
spec:
  validationFailureAction: Enforce
  background: false
  rules:
  - name: signed
    match:
      any:
      - resources: {kinds: [Pod], namespaces: [shop]}
    verifyImages:
    - imageReferences: ["ghcr.io/example/*:*"]
      attestors:
      - count: 1
        entries:
        - keys:
            publicKeys: |
)" + Indented(KeyPem(), 14) +
         R"(            rekor: {ignoreTlog: true, url: "https://rekor.sigstore.dev"}
        - keyless:
            issuer: https://token.actions.githubusercontent.com
            subject: "https://github.com/example/*@refs/tags/*"
            rekor: {url: "https://rekor.sigstore.dev"}
      attestations:
      - type: https://cosign.sigstore.dev/attestation/vuln/v1
        conditions:
        - all:
          - {key: "{{ scanner.uri }}", operator: Equals, value: "https://scanner.example"}
          - {key: "{{ time_since('', '{{ metadata.scanFinishedOn }}', '') }}", operator: LessThanOrEquals, value: "168h"}
)";
}

TEST(ImportTest, Kyverno) {
  auto set = Load(Accepted(Kyverno()));
  ASSERT_NE(set, nullptr);
  ASSERT_EQ(set->image_policies.size(), 2U);
  const auto& policy = set->image_policies[0];
  EXPECT_EQ(policy.name, "check-image-signed");
  EXPECT_EQ(policy.mode, policy::Mode::kEnforce);
  EXPECT_EQ(policy.images[0].pattern(), "ghcr.io/example/**");
  EXPECT_EQ(policy.required, 1U);
  EXPECT_TRUE(*policy.namespace_selector.Matches(policy::Labels{{"kubernetes.io/metadata.name", "shop"}}));
  EXPECT_FALSE(*policy.namespace_selector.Matches(policy::Labels{{"kubernetes.io/metadata.name", "other"}}));
  ASSERT_EQ(policy.authorities.size(), 2U);
  EXPECT_EQ(std::get<policy::KeyAuthority>(policy.authorities[0].rule).vouching.logs, 0U);
  const auto& keyless = std::get<policy::KeylessAuthority>(policy.authorities[1].rule);
  EXPECT_TRUE(keyless.identities[0].subject->Matches("https://github.com/example/app/.github/w.yml@refs/tags/v1"));
  EXPECT_FALSE(keyless.identities[0].subject->Matches("https://github.com/example/app/.github/w.yml@refs/heads/main"));
}

// There the image must be signed and attested; an authority with attestations vouches by those alone.
TEST(ImportTest, KyvernoAttestationsDoNotReplaceTheSignature) {
  auto set = Load(Accepted(Replaced(Kyverno(), "      attestors:", "      annotations: {a: b}\n      attestors:")));
  ASSERT_NE(set, nullptr);
  ASSERT_EQ(set->image_policies.size(), 2U);
  const auto& [signatures, attestations] = std::tie(set->image_policies[0], set->image_policies[1]);
  EXPECT_EQ(attestations.name, "check-image-signed-attestations");
  EXPECT_EQ(attestations.mode, policy::Mode::kEnforce);
  EXPECT_EQ(attestations.images[0].pattern(), "ghcr.io/example/**");
  EXPECT_FALSE(*attestations.namespace_selector.Matches(policy::Labels{{"kubernetes.io/metadata.name", "other"}}));
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_THAT(signatures.authorities[i].attestations, IsEmpty());
    EXPECT_EQ(signatures.authorities[i].annotations.size(), 1U);
    EXPECT_EQ(attestations.authorities[i].attestations.size(), 1U);
    EXPECT_THAT(attestations.authorities[i].annotations, IsEmpty());
  }
}

TEST(ImportTest, KyvernoNotEqualsWithAWildcardIsNoLiteral) {
  const std::string yaml = Accepted(Replaced(Kyverno(), "operator: Equals, value: \"https://scanner.example\"",
                                             "operator: NotEquals, value: \"v1*\""))
                               .yaml;
  EXPECT_THAT(yaml, HasSubstr("- not:"));
  EXPECT_THAT(yaml, HasSubstr("glob: \"v1**\""));
  EXPECT_THAT(yaml, Not(HasSubstr("notEquals")));
}

TEST(ImportTest, KyvernoAsksForEverySignerUnlessItSaysHowMany) {
  auto set = Load(Accepted(Replaced(Kyverno(), "- count: 1\n        entries", "- entries")));
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->image_policies[0].required, 2U);
}

TEST(ImportTest, KyvernoAuditIsTheDefault) {
  auto set = Load(Accepted(Replaced(Kyverno(), "  validationFailureAction: Enforce\n", "")));
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(set->image_policies[0].mode, policy::Mode::kAudit);
}

TEST(ImportTest, KyvernoKeysAreLoggedUnlessItSaysOtherwise) {
  auto set = Load(Accepted(Replaced(Kyverno(), "ignoreTlog: true, ", "")));
  ASSERT_NE(set, nullptr);
  EXPECT_EQ(std::get<policy::KeyAuthority>(set->image_policies[0].authorities[0].rule).vouching.logs, 1U);
}

TEST(ImportTest, KyvernoWithoutEquivalent) {
  const Untranslatable cases[] = {
      {"image without a registry", "ghcr.io/example/*:*", "nginx*", "imageReferences"},
      {"question mark", "ghcr.io/example/*:*", "ghcr.io/example/v?", "imageReferences"},
      {"pattern of namespaces", "namespaces: [shop]", "namespaces: [\"shop-*\"]", "namespaces"},
      {"other kinds", "kinds: [Pod]", "kinds: [Deployment]", "kinds"},
      {"users", "- resources: {kinds: [Pod], namespaces: [shop]}",
       "- resources: {kinds: [Pod]}\n        subjects: [{kind: User, name: x}]", "subjects"},
      {"not required", "      attestors:", "      required: false\n      attestors:", "required"},
      {"JMESPath", "{{ scanner.uri }}", "{{ length(scanner.uri) }}", "conditions[0].all[0].key"},
      {"difference to a variable", "operator: Equals, value: \"https://scanner.example\"",
       "operator: NotEquals, value: \"{{ request.namespace }}\"", "conditions[0].all[0].value"},
      {"difference of durations", "operator: Equals, value: \"https://scanner.example\"",
       "operator: NotEquals, value: \"1h\"", "conditions[0].all[0].value"},
      {"no value", ", value: \"https://scanner.example\"", "", "conditions[0].all[0].value"},
      {"time since to another moment", "}}', '') }}", "}}', '{{ metadata.end }}') }}", "conditions[0].all[1].key"},
      {"sum of times", "{{ time_since('', '{{ metadata.scanFinishedOn }}', '') }}",
       "{{ sum([time_since('', '{{ metadata.scanFinishedOn }}', '')]) }}", "conditions[0].all[1].key"},
      {"subject in two forms",
       "            subject:", "            subjectRegExp: x\n            subject:", "keyless.subject: stands beside"},
      {"wildcard for a registry", "ghcr.io/example/*:*", "*/library/*", "imageReferences"},
      {"official image by its short name", "ghcr.io/example/*:*", "docker.io/nginx*", "imageReferences"},
      {"action that nobody knows", "Action: Enforce", "Action: Enforced", "failureAction"},
      {"two types", "      - type:", "      - predicateType: x\n        type:", "attestations[0].predicateType"},
      {"operator", "operator: Equals", "operator: AnyNotIn", "conditions[0].all[0].operator"},
      {"preconditions", "  - name: signed", "  - name: signed\n    preconditions: {all: []}", "preconditions"},
      {"mutation", "    verifyImages:", "    mutate: {x: 1}\n    verifyImages:", "mutate"},
      {"roots", "            subject:", "            roots: x\n            subject:", "roots"},
      {"skipped images", "      attestors:", "      skipImageReferences: [\"ghcr.io/example/x\"]\n      attestors:",
       "skipImageReferences"},
      {"namespaced policy", "kind: ClusterPolicy", "kind: Policy", "$.kind"},
  };
  for (const Untranslatable& each : cases) {
    EXPECT_THAT(Refused(Replaced(Kyverno(), each.from, each.to)), Contains(HasSubstr(each.refused))) << each.what;
  }
}

TEST(ImportTest, KyvernoRuleOfAnotherKindIsRefused) {
  EXPECT_THAT(Refused(Kyverno() + "  - name: other\n    validate: {message: x}\n"),
              Contains(HasSubstr("is no verifyImages rule")));
}

TEST(ImportTest, KyvernoNotary) {
  auto set = Load(Accepted(R"(apiVersion: kyverno.io/v2beta1
kind: ClusterPolicy
metadata: {name: notary}
spec:
  rules:
  - name: signed
    match: {any: [{resources: {kinds: [Pod]}}]}
    verifyImages:
    - type: Notary
      imageReferences: ["ghcr.io/example/app"]
      attestors:
      - entries:
        - certificates:
            cert: |
)" + Indented(fakes::TestCa::Root(fakes::CaSpec("own")).pem(), 14)));
  ASSERT_NE(set, nullptr);
  const auto& notation = std::get<policy::NotationAuthority>(set->image_policies[0].authorities[0].rule);
  EXPECT_THAT(notation.missing, IsEmpty());
  EXPECT_EQ(notation.stores.size(), 1U);
}

// --- Connaisseur

std::string Connaisseur() {
  return R"(application:
  validators:
  - name: allow
    type: static
    approve: true
  - name: deny
    type: static
    approve: false
  - name: release
    type: cosign
    trustRoots:
    - name: default
      key: |
)" + Indented(KeyPem(), 8) +
         R"(    - name: ci
      keyless: {issuer: "https://token.actions.githubusercontent.com", subjectRegex: "https://github.com/example/.*"}
  policy:
  - {pattern: "*:*", validator: deny}
  - {pattern: "registry.k8s.io/*:*", validator: allow}
  - pattern: "docker.io/example/app:*"
    validator: release
    with: {trustRoot: "*", threshold: 1}
  - pattern: "docker.io/example/tool"
    validator: release
    with: {verifyTLog: false}
)";
}

TEST(ImportTest, Connaisseur) {
  Outcome outcome = Accepted(Connaisseur());
  EXPECT_THAT(outcome.notes, Contains(HasSubstr("unmatchedImages")));
  auto set = Load(outcome);
  ASSERT_NE(set, nullptr);
  ASSERT_EQ(set->image_policies.size(), 3U);
  EXPECT_TRUE(std::get<policy::StaticAuthority>(set->image_policies[0].authorities[0].rule).pass);
  EXPECT_EQ(set->image_policies[0].images[0].pattern(), "registry.k8s.io/**") << "there * crosses /";
  EXPECT_EQ(set->image_policies[1].images[0].pattern(), "docker.io/example/app");
  EXPECT_EQ(set->image_policies[1].authorities.size(), 2U);
  EXPECT_EQ(set->image_policies[1].required, 1U);
  ASSERT_EQ(set->image_policies[2].authorities.size(), 1U);
  EXPECT_EQ(std::get<policy::KeyAuthority>(set->image_policies[2].authorities[0].rule).vouching.logs, 0U);
}

TEST(ImportTest, ConnaisseurWithoutEquivalent) {
  const Untranslatable cases[] = {
      {"best match", "{pattern: \"*:*\", validator: deny}", "{pattern: \"*:*\", validator: release}", "overlaps"},
      {"Notary v1", "type: cosign", "type: notaryv1", "validators[2].type"},
      {"unknown validator", "validator: allow", "validator: nobody", "policy[1].validator"},
      {"own log", "    trustRoots:", "    host: {rekorPubkey: x}\n    trustRoots:", "validators[2].host"},
      {"wildcard for a registry", "\"registry.k8s.io/*:*\"", "\"*:latest\"", "policy[1].pattern"},
      {"no pattern", "pattern: \"registry.k8s.io/*:*\"", "pattern: \"\"", "policy[1].pattern"},
      {"signer who is not there", "threshold: 1", "required: [nobody]", "no trust root nobody"},
      {"names without all", "trustRoot: \"*\", threshold: 1", "required: [ci]", "needs trustRoot"},
      {"key beside keyless", "    - name: ci\n", "    - name: ci\n      key: \"-----BEGIN x\"\n",
       "key: stands beside keyless"},
      {"number and names", "threshold: 1", "threshold: 1, required: [ci]", "required"},
  };
  for (const Untranslatable& each : cases) {
    EXPECT_THAT(Refused(Replaced(Connaisseur(), each.from, each.to)), Contains(HasSubstr(each.refused))) << each.what;
  }
}

// --- Notation

constexpr const char* kTrustPolicy = R"({"version": "1.0", "trustPolicies": [
  {"name": "wabbit", "registryScopes": ["registry.example/net-monitor"], "signatureVerification": {"level": "strict"},
   "trustStores": ["ca:acme"], "trustedIdentities": ["x509.subject: C=US, ST=WA, O=acme"]},
  {"name": "rest", "registryScopes": ["*"], "signatureVerification": {"level": "audit"},
   "trustStores": ["ca:acme"], "trustedIdentities": ["*"]}]})";

TEST(ImportTest, NotationTrustPolicy) {
  Options options;
  options.trust_stores["ca:acme"] = fakes::TestCa::Root(fakes::CaSpec("acme")).pem();
  auto set = Load(Accepted(kTrustPolicy, options));
  ASSERT_NE(set, nullptr);
  const auto& policy = set->image_policies[0];
  EXPECT_EQ(policy.images.size(), 2U);
  const auto& notation = std::get<policy::NotationAuthority>(policy.authorities[0].rule);
  EXPECT_EQ(notation.policy.For("registry.example/net-monitor")->name, "wabbit");
  EXPECT_EQ(notation.policy.For("registry.example/other")->name, "rest");
  EXPECT_THAT(notation.missing, IsEmpty());
}

TEST(ImportTest, NotationWithoutItsTrustStoreIsRefused) {
  EXPECT_THAT(Refused(kTrustPolicy), ElementsAre(HasSubstr("ca:acme")));
}

// What Notation itself would refuse.
TEST(ImportTest, NotationPolicyThatIsWrongIsRefused) {
  Options options;
  options.trust_stores["ca:acme"] = fakes::TestCa::Root(fakes::CaSpec("acme")).pem();
  EXPECT_THAT(Refused(Replaced(kTrustPolicy, "C=US, ST=WA, O=acme", "C=US"), options), Not(IsEmpty()));
}

// --- what is none of these

TEST(ImportTest, OtherDocuments) {
  EXPECT_EQ(Import("apiVersion: v1\nkind: Pod\n", "pod.yaml", {}).error().reason, Reason::kUsage);
  EXPECT_EQ(Import("{", "broken.yaml", {}).error().reason, Reason::kYamlMalformed);
  EXPECT_THAT(Refused(ClusterImagePolicy() + "---\napiVersion: v1\nkind: Pod\n"),
              Contains(HasSubstr("Pod is of no kind")));
}

}  // namespace
}  // namespace gatehouse::importer
