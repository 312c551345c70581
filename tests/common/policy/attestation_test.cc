// What attestations must say: kinds, SLSA provenance, conditions, on verified claims.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "common/codec/time.h"
#include "common/policy/slsa.h"
#include "common/signature/sigstore/verifier.h"
#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::HasSubstr;

const WallTime kNow = codec::ParseTime("2026-11-22T12:00:00Z").value();
const std::string kImage = std::string(64, 'a');

// GitHub's attest action, in v1; only what matters here.
std::string ProvenanceV1() {
  return R"({"buildDefinition":{"buildType":"https://actions.github.io/buildtypes/workflow/v1",
"externalParameters":{"workflow":{"ref":"refs/heads/main","repository":"https://github.com/org/app","path":".github/workflows/release.yml"}},
"internalParameters":{"github":{"event_name":"push"}},
"resolvedDependencies":[{"uri":"git+https://github.com/org/app@refs/heads/main","digest":{"gitCommit":"c0ffee"}}]},
"runDetails":{"builder":{"id":"https://github.com/actions/runner/github-hosted"},"metadata":{"invocationId":"x"}}})";
}

std::string ProvenanceV02() {
  return R"({"builder":{"id":"https://github.com/slsa/generator@refs/tags/v1"},"buildType":"https://github.com/slsa/container@v1",
"invocation":{"configSource":{"uri":"git+https://github.com/org/app@refs/heads/main","digest":{"sha1":"c0ffee"},"entryPoint":"x.yml"}},
"materials":[{"uri":"git+https://github.com/org/app@refs/heads/main","digest":{"sha1":"c0ffee"}},{"uri":"pkg:docker/base@1?platform=linux"}]})";
}

crypto::PrivateKey Key() {
  static const auto* const kKey =
      new crypto::PrivateKey(crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value());
  return *kKey;
}

// A real claim: an envelope signed by a key, verified.
Result<claims::VerifiedAttestation> Attestation(const std::string& type, const std::string& predicate) {
  namespace sigstore = signature::sigstore;
  const std::string statement =
      R"({"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":")" + kImage +
      R"("}}],"predicateType":")" + type + "\"" + (predicate.empty() ? "" : ",\"predicate\":" + predicate) + "}";
  std::string pae = sigstore::PreAuthenticationEncoding(sigstore::kInTotoPayloadType, statement);
  Bytes signature = Key().Sign(crypto::Scheme::kEcdsaDer, HashAlgorithm::kSha256, AsBytes(pae)).value();
  ASSIGN_OR_RETURN(auto bundle, sigstore::ParseBundle(
                                    R"({"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",)"
                                    R"("verificationMaterial":{"publicKey":{"hint":""}},"dsseEnvelope":{"payload":")" +
                                    EncodeBase64(AsBytes(statement)) + R"(","payloadType":")" +
                                    std::string(sigstore::kInTotoPayloadType) + R"(","signatures":[{"sig":")" +
                                    EncodeBase64(signature) + "\"}]}}"));
  return sigstore::ImageClaims::Attestation(
      bundle, Digest::Parse("sha256:" + kImage).value(),
      {.key = signature::keyed::Verifier{.key = Key().Public()}, .logs = 0, .scts = 0, .times = 0});
}

// The first attestation of the policy, in place of whose rules (slsa, where) are others.
AttestationRequirement Requirement(const std::string& rules, const std::string& type = "slsaprovenance1") {
  std::string policy = KeylessPolicyYaml();
  auto begin = policy.find("        - name: provenance");
  auto end = policy.find("  subject: Both");
  policy = policy.replace(begin, end - begin,
                          "        - name: it\n          predicateType: " + type + "\n          " + rules + "\n");
  PolicySet set = Loaded({policy, SigstoreRootYaml()});
  if (set.image_policies.size() != 1) return {};
  return set.image_policies[0].authorities.at(0).attestations.at(0);
}

// "" if it is met.
std::string Refusal(const AttestationRequirement& requirement, const std::string& type, const std::string& predicate) {
  auto attestation = Attestation(type, predicate);
  EXPECT_TRUE(attestation.ok()) << (attestation.ok() ? "" : attestation.error().ToString());
  if (!attestation.ok()) return "no attestation";
  EXPECT_TRUE(IsOfKind(requirement, attestation->predicate_type()));
  Status status = CheckAttestation(requirement, *attestation, kNow);
  if (status.ok()) return "";
  EXPECT_EQ(status.error().reason, Reason::kPredicateMismatch);
  return status.error().detail;
}

std::string RefusalV1(const std::string& rules, const std::string& from = "", const std::string& to = "") {
  return Refusal(Requirement(rules), std::string(kSlsaProvenance1), Edited(ProvenanceV1(), from, to));
}

std::string RefusalV02(const std::string& rules, const std::string& from = "", const std::string& to = "") {
  return Refusal(Requirement(rules, "slsaprovenance"), std::string(kSlsaProvenance02),
                 Edited(ProvenanceV02(), from, to));
}

TEST(Attestations, KindsAreToldByTheirWholeType) {
  AttestationRequirement requirement = Requirement("where: [{path: /a, exists: true}]", "slsaprovenance1");
  EXPECT_TRUE(IsOfKind(requirement, "https://slsa.dev/provenance/v1"));
  EXPECT_FALSE(IsOfKind(requirement, "https://slsa.dev/provenance/v1.1"));
  EXPECT_FALSE(IsOfKind(requirement, "https://slsa.dev/provenance/v0.2"));
  EXPECT_FALSE(IsOfKind(requirement, "https://spdx.dev/Document"));
  EXPECT_FALSE(IsOfKind(requirement, ""));
}

TEST(Attestations, AliasesAreSpeltOut) {
  const std::pair<std::string, std::string> kAliases[] = {
      {"slsaprovenance", "https://slsa.dev/provenance/v0.2"},
      {"slsaprovenance02", "https://slsa.dev/provenance/v0.2"},
      {"slsaprovenance1", "https://slsa.dev/provenance/v1"},
      {"spdx", "https://spdx.dev/Document"},
      {"spdxjson", "https://spdx.dev/Document"},
      {"cyclonedx", "https://cyclonedx.org/bom"},
      {"openvex", "https://openvex.dev/ns"},
      {"vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"},
      {"link", "https://in-toto.io/Link/v1"},
      {"custom", "https://cosign.sigstore.dev/attestation/v1"},
      {"https://example.com/a/v1", "https://example.com/a/v1"},
      {"urn:example:a", "urn:example:a"},
  };
  for (const auto& [alias, type] : kAliases) {
    EXPECT_THAT(Requirement("where: [{path: /a, exists: true}]", alias).predicate_types, ::testing::ElementsAre(type));
  }
}

// CVE-2025-29778: each field of slsa decides alone.
TEST(Slsa, EveryFieldIsApplied) {
  EXPECT_EQ(RefusalV1("slsa: {builderID: \"https://github.com/actions/runner/github-hosted\"}"), "");
  EXPECT_THAT(RefusalV1("slsa: {builderID: \"https://github.com/actions/runner/self-hosted\"}"),
              HasSubstr("builder's id 'https://github.com/actions/runner/github-hosted'"));
  EXPECT_EQ(RefusalV1("slsa: {buildType: {glob: \"https://actions.github.io/**\"}}"), "");
  EXPECT_THAT(RefusalV1("slsa: {buildType: {glob: \"https://other/**\"}}"), HasSubstr("build type"));
  EXPECT_EQ(RefusalV1("slsa: {sourceRepository: \"https://github.com/org/app\"}"), "");
  EXPECT_THAT(RefusalV1("slsa: {sourceRepository: \"https://github.com/org/other\"}"), HasSubstr("source repository"));
  EXPECT_EQ(RefusalV1("slsa: {sourceRef: {regExp: refs/heads/.*}}"), "");
  EXPECT_THAT(RefusalV1("slsa: {sourceRef: {regExp: refs/tags/.*}}"), HasSubstr("source ref"));
  EXPECT_EQ(RefusalV1("slsa: {materials: [{glob: \"git+https://github.com/org/app@**\"}]}"), "");
  EXPECT_THAT(RefusalV1("slsa: {materials: [{glob: \"git+https://github.com/org/app@**\"}, \"pkg:docker/base\"]}"),
              HasSubstr("none of the provenance's 1 materials is 'pkg:docker/base'"));
  EXPECT_EQ(RefusalV02("slsa: {builderID: {glob: \"https://github.com/slsa/*@refs/tags/v1\"}}"), "");
  EXPECT_NE(RefusalV02("slsa: {builderID: {glob: \"https://github.com/slsa/*@refs/tags/v2\"}}"), "");
  EXPECT_EQ(RefusalV02("slsa: {buildType: \"https://github.com/slsa/container@v1\"}"), "");
  EXPECT_NE(RefusalV02("slsa: {buildType: \"https://github.com/slsa/container@v2\"}"), "");
  EXPECT_EQ(RefusalV02("slsa: {sourceRepository: \"https://github.com/org/app\", sourceRef: refs/heads/main}"), "");
  EXPECT_NE(RefusalV02("slsa: {sourceRepository: \"https://github.com/org/app2\"}"), "");
  EXPECT_NE(RefusalV02("slsa: {sourceRef: refs/heads/maintenance}"), "");
  EXPECT_EQ(RefusalV02("slsa: {materials: [{regExp: \"pkg:docker/base@1[?].*\"}]}"), "");
  EXPECT_NE(RefusalV02("slsa: {materials: [{regExp: \"pkg:docker/base@2.*\"}]}"), "");
}

TEST(Adversarial_K3, ProvenanceThatDoesNotSayIsNeverAMatch) {
  const std::string kAny = "{regExp: \".*\"}";
  struct Case {
    std::string field;
    std::string from;
    std::string to;
  };
  const Case kV1[] = {
      {"builderID", "\"id\"", "\"ID\""},
      {"builderID", "\"https://github.com/actions/runner/github-hosted\"", "[\"https://github.com/actions/runner\"]"},
      {"builderID", "\"runDetails\"", "\"rundetails\""},
      {"buildType", "\"buildType\"", "\"buildtype\""},
      {"sourceRepository", "\"repository\"", "\"repo\""},
      {"sourceRepository", "\"https://github.com/org/app\",\"path\"", "7,\"path\""},
      {"sourceRepository", "\"workflow\":", "\"workflows\":"},
      {"sourceRef", "\"ref\"", "\"Ref\""},
      {"materials", "\"uri\"", "\"url\""},
      {"materials", "\"resolvedDependencies\"", "\"dependencies\""},
  };
  for (const Case& c : kV1) {
    std::string rule = c.field == "materials" ? "[" + kAny + "]" : kAny;
    EXPECT_EQ(RefusalV1("slsa: {" + c.field + ": " + rule + "}"), "");
    EXPECT_NE(RefusalV1("slsa: {" + c.field + ": " + rule + "}", c.from, c.to), "") << c.field << " " << c.to;
  }
  const Case kV02[] = {
      {"builderID", "\"builder\"", "\"Builder\""},
      {"buildType", "\"buildType\"", "\"type\""},
      {"sourceRepository", "\"configSource\"", "\"source\""},
      {"sourceRef", "app@refs/heads/main\",\"digest\":{\"sha1\":\"c0ffee\"},\"entryPoint\"", "app\",\"entryPoint\""},
      {"materials", "\"materials\"", "\"material\""},
  };
  for (const Case& c : kV02) {
    std::string rule = c.field == "materials" ? "[" + kAny + "]" : kAny;
    EXPECT_EQ(RefusalV02("slsa: {" + c.field + ": " + rule + "}"), "");
    EXPECT_NE(RefusalV02("slsa: {" + c.field + ": " + rule + "}", c.from, c.to), "") << c.field << " " << c.to;
  }
}

// What a build uses is not what it builds: anybody can depend on somebody else's repository.
TEST(Slsa, TheSourceIsNotWhatTheBuildMerelyUsed) {
  const std::string kWanted = "slsa: {sourceRepository: \"https://github.com/org/app\"}";
  const std::string kOther = "\"https://github.com/evil/app\"";
  EXPECT_NE(RefusalV1(kWanted, "\"repository\":\"https://github.com/org/app\"", "\"repository\":" + kOther), "");
  EXPECT_NE(
      RefusalV02(
          kWanted,
          "\"uri\":\"git+https://github.com/org/app@refs/heads/main\",\"digest\":{\"sha1\":\"c0ffee\"},\"entryPoint\"",
          "\"uri\":\"git+https://github.com/evil/app@refs/heads/main\",\"entryPoint\""),
      "");
  // Of a build type that does not say: the only repository there is, or none.
  const std::string kType = "https://actions.github.io/buildtypes/workflow/v1";
  EXPECT_EQ(RefusalV1(kWanted, kType, "https://example.com/other"), "");
  std::string two = Edited(ProvenanceV1(), kType, "https://example.com/other");
  two = Edited(two, "\"resolvedDependencies\":[",
               "\"resolvedDependencies\":[{\"uri\":\"git+https://github.com/evil/app\"},");
  EXPECT_THAT(Refusal(Requirement(kWanted), std::string(kSlsaProvenance1), two), HasSubstr("does not say its source"));
  // What whoever asked for the build wrote into the parameters of such a type is not believed.
  EXPECT_NE(RefusalV1("slsa: {sourceRepository: \"https://github.com/org/wanted\"}",
                      "\"buildType\":\"" + kType +
                          "\",\n\"externalParameters\":{\"workflow\":{\"ref\":\"refs/heads/main\","
                          "\"repository\":\"https://github.com/org/app\"",
                      "\"buildType\":\"x:y\",\"externalParameters\":{\"workflow\":{\"ref\":\"refs/heads/main\","
                      "\"repository\":\"https://github.com/org/wanted\""),
            "");
}

TEST(Slsa, BothVersionsWhereTheTypeIsLeftOut) {
  std::string policy = Edited(KeylessPolicyYaml(), "          predicateType: slsaprovenance1\n", "");
  PolicySet set = Loaded({policy, SigstoreRootYaml()});
  EXPECT_THAT(set.image_policies.at(0).authorities.at(0).attestations.at(0).predicate_types,
              ::testing::ElementsAre(std::string(kSlsaProvenance1), std::string(kSlsaProvenance02)));
  // By the layout of its own version only: fields of the other one are not looked for.
  AttestationRequirement requirement = Requirement("slsa: {builderID: {regExp: .+}}");
  EXPECT_NE(Refusal(requirement, std::string(kSlsaProvenance1), ProvenanceV02()), "");
}

TEST(Slsa, SplitSource) {
  struct Case {
    std::string uri;
    std::string repository;
    std::string ref;
  };
  const Case kCases[] = {
      {"git+https://github.com/org/app@refs/heads/main", "https://github.com/org/app", "refs/heads/main"},
      {"https://github.com/org/app@refs/heads/main", "https://github.com/org/app", "refs/heads/main"},
      {"git+https://github.com/org/app", "https://github.com/org/app", ""},
      {"git+https://github.com/org/app@refs/heads/a@b", "https://github.com/org/app", "refs/heads/a@b"},
      {"git+ssh://git@github.com/org/app@v1", "ssh://git@github.com/org/app", "v1"},
      {"git+https://user@host", "https://user@host", ""},
      {"", "", ""},
      {"@", "@", ""},
  };
  for (const Case& c : kCases) {
    SlsaSource source = SplitSource(c.uri);
    EXPECT_EQ(source.repository, c.repository) << c.uri;
    EXPECT_EQ(source.ref, c.ref) << c.uri;
  }
}

TEST(Attestations, ConditionsAreOfThePredicate) {
  const std::string kType = "https://cosign.sigstore.dev/attestation/vuln/v1";
  const std::string kRules =
      "where: [{path: /findings, none: [{path: /severity, equals: CRITICAL}, {path: /published, olderThan: 720h}]}]";
  auto finding = [](const std::string& severity, const std::string& published) {
    return R"({"findings":[{"severity":")" + severity + R"(","published":")" + published + R"("}]})";
  };
  AttestationRequirement requirement = Requirement(kRules, "vuln");
  EXPECT_EQ(Refusal(requirement, kType, finding("LOW", "2020-01-01T00:00:00Z")), "");
  EXPECT_EQ(Refusal(requirement, kType, finding("CRITICAL", "2026-11-01T00:00:00Z")), "");
  EXPECT_THAT(Refusal(requirement, kType, finding("CRITICAL", "2020-01-01T00:00:00Z")),
              HasSubstr("/findings/0 is what must not be"));
  EXPECT_THAT(Refusal(requirement, kType, "{}"), HasSubstr("/findings does not exist"));
  EXPECT_THAT(Refusal(requirement, kType, "null"), HasSubstr("/findings does not exist"));
  EXPECT_THAT(Refusal(requirement, kType, "[]"), HasSubstr("/findings leads through"));
}

// The example of docs/policies.md, of what Trivy and cosign make of a scan.
TEST(Attestations, NoCriticalFindingThatIsOlderThanThirtyDays) {
  const std::string kType = "https://cosign.sigstore.dev/attestation/vuln/v1";
  const std::string kRules = R"(where:
            - {path: /metadata/scanFinishedOn, newerThan: 24h}
            - path: /scanner/result/Results
              none:
                - {path: /Vulnerabilities, exists: true}
                - path: /Vulnerabilities
                  any: [{path: /Severity, equals: CRITICAL}, {path: /PublishedDate, olderThan: 720h}])";
  AttestationRequirement requirement = Requirement(kRules, "vuln");
  auto scan = [](const std::string& results, const std::string& when = "2026-11-22T06:00:00Z") {
    return R"({"scanner":{"uri":"pkg:github/aquasecurity/trivy@1","result":{"SchemaVersion":2,"Results":)" + results +
           R"(}},"metadata":{"scanStartedOn":"2026-11-22T05:00:00Z","scanFinishedOn":")" + when + "\"}}";
  };
  const std::string kOld = R"({"Severity":"CRITICAL","PublishedDate":"2026-01-01T00:00:00Z"})";
  const std::string kNew = R"({"Severity":"CRITICAL","PublishedDate":"2026-11-20T00:00:00Z"})";
  const std::string kMinor = R"({"Severity":"LOW","PublishedDate":"2020-01-01T00:00:00Z"})";
  const std::string kClean = R"({"Target":"go.mod"})";
  auto result = [](const std::string& findings) {
    return R"({"Target":"debian","Vulnerabilities":[)" + findings + "]}";
  };
  EXPECT_EQ(Refusal(requirement, kType, scan("[" + kClean + "," + result(kMinor + "," + kNew) + "]")), "");
  EXPECT_EQ(Refusal(requirement, kType, scan("[]")), "");
  EXPECT_THAT(Refusal(requirement, kType, scan("[" + kClean + "," + result(kMinor + "," + kOld) + "]")),
              HasSubstr("/scanner/result/Results/1 is what must not be"));
  EXPECT_NE(Refusal(requirement, kType, scan("[" + kClean + "]", "2026-11-20T00:00:00Z")), "") << "an old scan";
  EXPECT_NE(Refusal(requirement, kType, scan("[" + result(R"({"Severity":"CRITICAL"})") + "]")), "") << "no date";
  EXPECT_NE(Refusal(requirement, kType, scan("null")), "");
}

}  // namespace
}  // namespace gatehouse::policy
