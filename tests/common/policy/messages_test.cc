// What an author of policies reads: file, line, path, and what to write instead. Every message is in messages.golden.
#include <gtest/gtest.h>

#include "tests/common/policy/golden.h"
#include "tests/common/policy/tpm_builder.h"

namespace gatehouse::policy {
namespace {

struct Mistake {
  std::string document;
  std::string from;
  std::string to;
};

std::vector<Mistake> MistakesOfImagePolicies() {
  const std::string kGood = ImagePolicyYaml();
  auto with_key = [&](const char* pem) { return Edited(kGood, Indented(kP256Pem, 10), Indented(pem, 10)); };
  return {
      {kGood, "gatehouse.dev/v1alpha1", "gatehouse.dev/v1"},
      {kGood, "kind: ImagePolicy", "kind: ClusterImagePolicy"},
      {kGood, "name: release", "name: Release"},
      {kGood, "  labels: {team: a}", "  namespace: default"},
      {kGood, "glob: registry.example/**", "glob: nginx*"},
      {kGood, "glob: registry.example/**", "glob: docker.io/nginx"},
      {kGood, "glob: registry.example/**", "glob: registry.example*/app"},
      {kGood, "glob: registry.example/**", "glob: \"**.example/app\""},
      {kGood, "glob: registry.example/**", "glob: registry.example/App"},
      {kGood, "glob: registry.example/**", "glob: registry.example/{a,b}"},
      {kGood, "  images:\n    - glob: registry.example/**\n    - glob: docker.io/library/*\n", "  images: []\n"},
      {kGood, "matchLabels: {env: prod}", "matchLabels: {env: 1}"},
      {kGood, "matchLabels: {env: prod}", "matchLabels: {\"-env\": prod}"},
      {kGood, "matchLabels: {env: prod}", "matchLabels: {env: not a value}"},
      {kGood, "matchLabels: {env: prod}", "matchLabel: {env: prod}"},
      {kGood, "operator: In", "operator: in"},
      {kGood, "operator: In", "operator: Exists"},
      {kGood, "values: [a, b]", "values: []"},
      {kGood, "values: [a, b]", "values: [1]"},
      {kGood, "values: [a, b]", "values: [a b]"},
      {kGood, "name: release-key", "name: Release Key"},
      {kGood, "name: release-key", "name: blocked"},
      {kGood, "hashAlgorithm: sha256", "hashAlgorithm: sha1"},
      {kGood, "hashAlgorithm: sha256", "hashAlgoritm: sha256"},
      {kGood, "hashAlgorithm: sha256", "rsaPadding: pss"},
      {with_key(kRsaPem), "hashAlgorithm: sha256", "rsaPadding: oaep"},
      {with_key(kEd25519Pem), "", ""},
      {kGood, "annotations: {env: prod}", "annotations: {env: true}"},
      {kGood, "    - name: blocked\n", "    - name: blocked\n      annotations: {a: b}\n"},
      {kGood, "      static: {action: fail, message: not this one}\n", ""},
      {kGood, "      annotations: {env: prod}\n", "      static: {action: pass}\n"},
      {kGood, "action: fail", "action: pass"},
      {kGood, "action: fail", "action: deny"},
      {kGood, "require: any", "require: both"},
      {kGood, "require: any", "require: 2"},
      {kGood, "require: any", "require: {atLeast: 3}"},
      {kGood, "require: any", "require: {atLeast: 0}"},
      {kGood, "require: any", "require: {}"},
      {kGood, "mode: enforce", "mode: dryrun"},
      {kGood, "mode: enforce", "mode: null"},
      {kGood, "onUnavailable: deny", "onUnavailable: ignore"},
      {kGood, "  require: any",
       "    - name: again\n      key:\n        data: |\n" + Indented(kP256Pem, 10) + "  require: any"},
  };
}

std::vector<Mistake> MistakesOfOtherKinds() {
  const std::string kGood = NodePolicyYaml() + "---\n" + TrustRootYaml();
  const std::string kValue = std::string(62, '0') + "a0";
  return {
      {kGood, "glob: worker-*", "glob: Worker-*"},
      {kGood, "glob: worker-*", "glob: worker-[12]"},
      {kGood, "  mode: enforce\n", "  mode: enforce\n  onUnavailable: allow\n"},
      {kGood, "  mode: enforce\n", "  mode: enforce\n  podSelector: {}\n"},
      {kGood, "validity: 10m", "validity: 5s"},
      {kGood, "validity: 10m", "validity: 600"},
      {kGood, "[vendors]", "[vendors, vendors]"},
      {kGood, "[vendors]", "[vendors, others]"},
      {kGood, "[vendors]", "[]"},
      {kGood, "bank: sha256", "bank: sha1"},
      {kGood, "bank: sha256", "bank: sm3"},
      {kGood, "bank: sha256", "bank: sha384"},
      {kGood, "\"0\": ", "\"16\": "},
      {kGood, "\"0\": ", "\"23\": "},
      {kGood, "\"0\": ", "\"24\": "},
      {kGood, "[" + kValue + "]", "[0123]"},
      {kGood, "[" + kValue + "]", "[\"0123\"]"},
      {kGood, "[" + kValue + "]", "[" + kValue + ", " + kValue + "]"},
      {kGood, "[" + kValue + "]", "[]"},
      {kGood, "name: workers\nspec", "name: workers\nsepc"},
      {TrustRootYaml(VendorCa().Leaf(fakes::LeafSpec("node-1")).pem), "", ""},
      {TrustRootYaml() + "---\n" + TrustRootYaml(), "---\n", "---\n"},
      {"apiVersion: v1\nkind: List\nitems: []\n", "", ""},
      {"apiVersion: v1\nkind: NamespaceList\nitems: []\n", "", ""},
      {"apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n", "", ""},
      {"apiVersion: apps/v1\nkind: Namespace\nmetadata: {name: p}\n", "", ""},
      {"- a\n- b\n", "", ""},
      {"text\n", "", ""},
      {"kind: ImagePolicy\n", "", ""},
      {"a: 1\na: 2\n", "", ""},
  };
}

std::vector<Mistake> MistakesOfIdentities() {
  const std::string kGood = KeylessPolicyYaml() + "---\n" + SigstoreRootYaml();
  const std::string kIssuer =
      "          - issuer: https://token.actions.githubusercontent.com\n            subjectGlob";
  const std::string kNotation = NotationPolicyYaml() + "---\n" + NotationRootYaml();
  return {
      {kGood, kIssuer, "          - subjectGlob"},
      {kGood, "subjectGlob: https", "subjectRegExp: (https"},
      {kGood, "subjectGlob: https://github.com/", "subjectGlob: https://github.com*/"},
      {kGood, "sourceRepositoryURI", "sourceRepository"},
      {kGood, "{regExp: push|release}", "{regExp: \"push|(release\"}"},
      {kGood, "trustRoots: [public]", "trustRoots: [privat]"},
      {kGood, "      trustRoots: [public]\n", ""},
      {kGood, "{transparencyLogs: 2,", "{transparencyLogs: 0,"},
      {kGood, "predicateType: slsaprovenance1", "predicateType: slsa"},
      {kGood, "builderID", "builder"},
      {kGood, "path: /scanner/uri", "path: scanner.uri"},
      {kGood, "olderThan: 720h", "olderThan: 30d"},
      {kGood, "equals: CRITICAL", "equals: CRITICAL, glob: C*"},
      {kGood, "subject: Both", "subject: Index"},
      {KeylessPolicyYaml() + "---\n" + NotationRootYaml(), "[public]", "[acme]"},
      {kNotation, "trustRoots: [acme]", "trustRoots: [public]"},
      {kNotation, "ca:acme", "ca:other"},
      {kNotation, "level: strict", "level: stric"},
      {kNotation, "      trustRoots: [acme]\n", "      trustRoots: [acme]\n      unsafeIgnoreSCT: true\n"},
      {SigstoreRootYaml(), "url: https://rekor.example", "url: rekor.example"},
      {TufRootYaml(), "https://tuf.example", "http://tuf.example"},
  };
}

std::vector<Mistake> MistakesOfReferences() {
  const std::string kNode = NodePolicyByReferenceYaml() + "---\n" + ReferenceValuesYaml() + "---\n" + TrustRootYaml();
  return {
      {NamespacedImagePolicyYaml(), "  namespace: team-a\n", ""},
      {NamespacedImagePolicyYaml(), "spec:\n", "spec:\n  namespaceSelector: {}\n"},
      {TrustRootYaml(), "metadata:\n", "metadata:\n  namespace: a\n"},
      {kNode, "    referenceValues: [linux]\n", ""},
      {kNode, "[linux]", "[windows]"},
      {kNode, "[linux]", "[linux, linux]"},
      {kNode, "name: kernel-2", "name: kernel-1"},
      {kNode, "2027-06-01", "2026-06-01"},
      {kNode, "\"2027-06-01T00:00:00Z\"", "2027-06-01"},
      {kNode, "    taint: NoExecute\n", ""},
      {kNode, "NoExecute", "NoSchedule"},
      {kNode, "grace: 2m", "grace: 2d"},
      {kNode, "nodes: 3", "nodes: 0"},
  };
}

// Each is told before anything that depends on how long the certificates in the document are.
std::vector<Mistake> MistakesOfMeasurements() {
  const std::string kHead =
      "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: m}\nspec:\n"
      "  nodes: [{glob: worker-*}]\n  tpm:\n    trustRoots: [vendors]\n";
  const std::string kBoot =
      kHead + "    boot:\n      secureBoot: required\n      accept: {firmware: {exact: [\"1.0\"]}}\n";
  const std::string kIma = kHead + "    ima:\n      exclude: [\"/var/log/.*\"]\n";
  const std::string kValues = MeasuredValuesYaml();
  return {
      {kBoot, "    trustRoots: [vendors]\n", ""},
      {kBoot, "    boot:", "    identity: {requireEkHash: {csv: \"host,hash\\nworker-1,0a\\n\"}}\n    boot:"},
      {kBoot, "    boot:", "    identity: {revocation: false}\n    boot:"},
      {kBoot, "    boot:", "    identity: {firmwareVersions: [\"7.2\"]}\n    boot:"},
      {kBoot, "      secureBoot: required\n", ""},
      {kBoot, "      accept: {firmware: {exact: [\"1.0\"]}}\n", ""},
      {kBoot, "{firmware: {exact: [\"1.0\"]}}", "{firmware: {}}"},
      {kBoot, "{exact: [\"1.0\"]}", "{globs: [\"**\"]}"},
      {kBoot, "{exact: [\"1.0\"]}", "{digests: [" + Hex("a", 20) + "]}"},
      {kBoot, "firmware: {exact", "applications: {exact"},
      {kBoot, "firmware: {exact", "phases: {exact"},
      {kBoot, "firmware: {exact", "authorities: {exact"},
      {kBoot, "      accept", "      pcrs: [0, 10]\n      accept"},
      {kBoot, "required\n", "notRequired\n      signers: [" + Print("b1") + "]\n"},
      {kBoot, "      accept", "      signers: [microsoft]\n      accept"},
      {kBoot, "      accept", "      commandLine: {required: [\"ro quiet\"]}\n      accept"},
      {kBoot, "      accept", "      ignore: [{pcr: 5, type: EV_GPT}]\n      accept"},
      {kIma, "/var/log/.*", ".*"},
      {kIma, "/var/log/.*", "/var/(log"},
      {kIma, "exclude", "excludes"},
      {kIma, "      exclude: [\"/var/log/.*\"]\n", "      matchPaths: true\n"},
      {kIma, "      exclude", "      buffers: [{name: \".*\", any: true}]\n      exclude"},
      {kIma, "      exclude", "      containers: {entries: any}\n      exclude"},
      {kValues, "  /usr/bin/true", " /usr/bin/true"},
      {kValues, "name: debian-12.ghds", "name: /srv/debian-12.ghds"},
      {kValues, "firmware: {digests", "firmware: {any: true, digests"},
  };
}

// The line of a TrustRoot's later documents depends on how long its certificate is; the golden file does not show it.
std::string WithoutVendorLines(std::string message) {
  auto at = message.find("p.yaml:");
  auto end = message.find(' ', at);
  bool second = message.find("another TrustRoot") != std::string::npos;
  return second && at != std::string::npos ? message.replace(at, end - at, "p.yaml:N") : message;
}

TEST(Messages, SayWhereWhatAndWhatToWriteInstead) {
  std::string text;
  for (const auto& mistakes : {MistakesOfImagePolicies(), MistakesOfOtherKinds(), MistakesOfReferences(),
                               MistakesOfIdentities(), MistakesOfMeasurements()}) {
    for (const Mistake& mistake : mistakes)
      text += WithoutVendorLines(Refusal(Edited(mistake.document, mistake.from, mistake.to)).ToString()) + "\n";
  }
  ExpectGolden("messages.golden", text);
}

}  // namespace
}  // namespace gatehouse::policy
