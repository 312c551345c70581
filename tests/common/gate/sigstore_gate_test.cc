// What cosign 2 and 3 leave, from the reference to the decision.
#include "common/base/limits.h"
#include "tests/common/gate/signers_fixture.h"

namespace gatehouse::gate {
namespace {

class SigstoreGate : public SignersGate {
 protected:
  void SetUp() override { LoadFor(KeylessAuthority("ci", kDeveloper)); }
  const std::string kAllowedByCi = std::string("allowed by ci (") + kDeveloperShown + ")";
  const fakes::BundleOptions kStranger = {.leaf = {.names = "email:mallory@example.com"}};
};

TEST_F(SigstoreGate, KeylessSignatureOfTheLegacyLayout) {
  PutLegacy({sigstore.LegacySignature(fakes::SimpleSigning(image))});
  EXPECT_EQ(Outcome(), kAllowedByCi);
}

TEST_F(SigstoreGate, KeylessBundleAmongTheReferrers) {
  PutBundle(sigstore.SignImage(image).Text());
  EXPECT_EQ(Outcome(), kAllowedByCi);
}

TEST_F(SigstoreGate, KeylessBundleUnderTheFallbackTag) {
  registry.SetReferrers({.api = false});
  PutBundle(sigstore.SignImage(image).Text());
  registry.PutFallbackTag("app", image);
  EXPECT_EQ(Outcome(), kAllowedByCi);
}

// go-containerregistry, which cosign uses, writes the config's media type there.
TEST_F(SigstoreGate, AFallbackIndexThatDoesNotSayTheArtifactType) {
  registry.SetReferrers({.api = false});
  PutBundle(sigstore.SignImage(image).Text());
  std::string index = registry.ReferrersIndex("app", image);
  const std::string type = "\"artifactType\":\"application/vnd.dev.sigstore.bundle.v0.3+json\"";
  ASSERT_NE(index.find(type), std::string::npos) << index;
  index.replace(index.find(type), type.size(), R"("artifactType":"application/vnd.oci.empty.v1+json")");
  registry.PutManifest("app", "sha256-" + std::string(image.hex()), index, std::string(image::kOciIndex));
  EXPECT_EQ(Outcome(), kAllowedByCi);
}

TEST_F(SigstoreGate, NobodySigned) {
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
}

TEST_F(SigstoreGate, SomebodyElseSigned) {
  PutBundle(sigstore.SignImage(image, kStranger).Text());
  EXPECT_EQ(Outcome(), "denied: signer-mismatch");
}

TEST_F(SigstoreGate, SomebodyElseSignedToo) {
  PutBundle(sigstore.SignImage(image, kStranger).Text());
  PutBundle(sigstore.SignImage(image).Text());
  EXPECT_EQ(Outcome(), kAllowedByCi);
}

TEST_F(SigstoreGate, CertificateOfAnotherAuthority) {
  fakes::FakeSigstore other;
  PutBundle(other.SignImage(image).Text());
  EXPECT_EQ(Outcome().substr(0, 8), "denied: ");
}

TEST_F(SigstoreGate, BundleOfAnotherImage) {
  Digest other = registry.PutImage("app", "2", "second");
  PutBundle(sigstore.SignImage(other).Text());
  EXPECT_EQ(Outcome(), "denied: payload-digest-mismatch");
}

TEST_F(SigstoreGate, KeyedBundleNeedsNoLogIfNoTrustRootIsNamed) {
  LoadFor(KeyAuthority("release", key.Public()));
  PutBundle(SignWithKey(key).Text());
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
}

TEST_F(SigstoreGate, KeyedBundleByAnotherKey) {
  LoadFor(KeyAuthority("release", key.Public()));
  PutBundle(SignWithKey(other_key).Text());
  EXPECT_EQ(Outcome(), "denied: signature-invalid");
}

TEST_F(SigstoreGate, KeyWithATrustRootNeedsItsLog) {
  LoadFor(KeyAuthority("release", key.Public(), "      trustRoots: [public]\n"));
  PutBundle(SignWithKey(key).Text());
  EXPECT_EQ(Outcome(), "denied: log-entry-missing");
  PutBundle(sigstore.SignImage(image, {.key = key}).Text());
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
}

TEST_F(SigstoreGate, KeyWithATrustRootAndItsMinimum) {
  struct Case {
    const char* minimum;
    const char* outcome;
  } const cases[] = {{"{transparencyLogs: 1}", "allowed"},
                     {"{transparencyLogs: 1, trustedTimes: 2}", "denied: timestamp-missing"},
                     {"{transparencyLogs: 1, timestamps: 1}", "denied: timestamp-missing"},
                     {"{transparencyLogs: 2}", "denied: log-entry-missing"}};
  PutBundle(sigstore.SignImage(image, {.key = key}).Text());
  for (const Case& c : cases) {
    LoadFor(KeyAuthority("release", key.Public(),
                         std::string("      trustRoots: [public]\n      minimum: ") + c.minimum + "\n"));
    EXPECT_EQ(Outcome().substr(0, std::string(c.outcome).size()), c.outcome) << c.minimum;
  }
}

TEST_F(SigstoreGate, LegacyKeyedSignatureWithATrustRootNeedsItsLogToo) {
  LoadFor(KeyAuthority("release", key.Public(), "      trustRoots: [public]\n"));
  PutLegacy({sigstore.LegacySignature(fakes::SimpleSigning(image),
                                      {.key = key, .logs = std::vector<fakes::FakeRekor*>(), .authorities = {{}}})});
  EXPECT_EQ(Outcome(), "denied: log-entry-missing");
  PutLegacy({sigstore.LegacySignature(fakes::SimpleSigning(image), {.key = key})});
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
}

TEST_F(SigstoreGate, WhatIsAttachedToAKeysSignatureMattersOnlyToWhoAsks) {
  LoadFor(KeyAuthority("release", key.Public()));
  fakes::LegacyLayer layer = sigstore.LegacySignature(fakes::SimpleSigning(image), {.key = key});
  layer.annotations["dev.sigstore.cosign/bundle"] = "{}";
  PutLegacy({layer});
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
  LoadFor(KeyAuthority("release", key.Public(), "      trustRoots: [public]\n"));
  EXPECT_EQ(Outcome(), "denied: log-entry-malformed");
}

TEST_F(SigstoreGate, TrustRootThatDoesNotExistMakesNothingTrusted) {
  PutBundle(sigstore.SignImage(image).Text());
  auto changed = std::make_shared<policy::PolicySet>(*set);
  auto& rule = std::get<policy::KeylessAuthority>(changed->image_policies[0].authorities[0].rule);
  rule.vouching.missing = "there is no TrustRoot 'public'";
  rule.vouching.missing_reason = Reason::kTrustUnavailable;
  changed->image_policies[0].generation += "x";
  set = changed;
  EXPECT_EQ(Outcome(), "denied: trust-unavailable");
  EXPECT_EQ(Asked("/referrers/"), 0U);  // nothing could help
}

TEST_F(SigstoreGate, SignedAnnotationsOfABundle) {
  LoadFor(KeyAuthority("release", key.Public(), "      annotations: {stage: tested}\n"));
  PutBundle(SignWithKey(key).Text());
  EXPECT_EQ(Outcome(), "denied: annotation-mismatch");
  PutBundle(SignWithKey(key, {{"stage", "tested"}}).Text());
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
}

TEST_F(SigstoreGate, Adversarial_C7_AnnotationsOfAManifestThatNobodySignsSatisfyNothing) {
  LoadFor(KeyAuthority("release", key.Public(), "      annotations: {stage: tested}\n"));
  auto manifest = fakes::BundleManifest(Image(), {SignWithKey(key).Text()});
  manifest.json.Member("annotations").Member("stage") = fakes::JsonValue::String("tested");
  fakes::Store(registry, "app", manifest);
  EXPECT_EQ(Outcome(), "denied: annotation-mismatch");
}

TEST_F(SigstoreGate, EveryAuthorityAndPolicySharesOneBundle) {
  Load(ImagePolicyYaml("signed", "registry.example/**", KeylessAuthority("ci", kDeveloper)) +
       ImagePolicyYaml("again", "registry.example/app", KeylessAuthority("other", kDeveloper)) + roots);
  PutBundle(sigstore.SignImage(image).Text());
  EXPECT_TRUE(Judge().allowed());
  EXPECT_EQ(registry.requests(), 6U);  // tag; .sig beside referrers and their fallback tag; manifest; bundle
}

// --- attestations

class Attested : public SigstoreGate {
 protected:
  void SetUp() override { LoadFor(KeylessAuthority("ci", kDeveloper, Attestations())); }
  const std::string kAllowed = std::string("allowed by ci (") + kDeveloperShown + ", attested provenance)";
};

TEST_F(Attested, InABundle) {
  PutAttestation(sigstore.Attest(image));
  EXPECT_EQ(Outcome(), kAllowed);
  EXPECT_EQ(Asked(".sig"), 0U);  // nobody asked for a signature
}

TEST_F(Attested, InTheLegacyLayout) {
  PutLegacy({sigstore.LegacyAttestation(fakes::Statement(image))}, ".att");
  EXPECT_EQ(Outcome(), kAllowed);
}

TEST_F(Attested, ASignatureIsNoAttestation) {
  PutBundle(sigstore.SignImage(image).Text());
  PutLegacy({sigstore.LegacySignature(fakes::SimpleSigning(image))});
  EXPECT_EQ(Outcome(), "denied: attestation-missing");
}

TEST_F(Attested, Adversarial_B11_AnSbomIsNoProvenance) {
  PutAttestation(sigstore.Attest(image, {.predicate_type = "https://spdx.dev/Document"}), "https://spdx.dev/Document");
  Decision decision = Judge();
  EXPECT_EQ(OnlyReason(decision), Reason::kAttestationMissing);
  EXPECT_NE(decision.findings()[0].error.detail.find("https://spdx.dev/Document"), std::string::npos);
}

// CVE-2022-35929: what the registry says of the predicate's type is said by nobody who signs.
TEST_F(Attested, Adversarial_B11_TheListMayCallItWhatItLikes) {
  PutAttestation(sigstore.Attest(image, {.predicate_type = "https://spdx.dev/Document"}), kSlsa);
  EXPECT_EQ(Outcome(), "denied: attestation-missing");
}

TEST_F(Attested, Adversarial_B11_AnAttestationIsNoSignature) {
  LoadFor(KeylessAuthority("ci", kDeveloper));
  PutAttestation(sigstore.Attest(image));
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
}

TEST_F(Attested, Adversarial_B11_ASignatureStatementIsNoAttestationOfThatType) {
  const std::string sign = std::string(signature::sigstore::kCosignSignPredicate);
  LoadFor(KeylessAuthority("ci", kDeveloper,
                           "      attestations:\n        - {name: x, predicateType: \"" + sign + "\"}\n"));
  PutBundle(sigstore.SignImage(image).Text());
  EXPECT_EQ(Outcome(), "denied: attestation-missing");
}

TEST_F(Attested, BySomebodyElse) {
  PutAttestation(sigstore.Attest(image, {}, kStranger));
  EXPECT_EQ(Outcome(), "denied: signer-mismatch");
}

TEST_F(Attested, OfAnotherImage) {
  Digest other = registry.PutImage("app", "2", "second");
  PutAttestation(sigstore.Attest(other));
  EXPECT_EQ(Outcome(), "denied: payload-digest-mismatch");
}

TEST_F(Attested, ThatSaysSomethingElse) {
  LoadFor(KeylessAuthority("ci", kDeveloper, Attestations("          where: [{path: /builder, equals: good}]\n")));
  PutAttestation(sigstore.Attest(image, {.predicate = R"({"builder":"bad"})"}));
  EXPECT_EQ(Outcome(), "denied: predicate-mismatch");
  PutAttestation(sigstore.Attest(image, {.predicate = R"({"builder":"good"})"}));
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), kAllowed);
}

TEST_F(Attested, TimesAreCountedFromTheGatesClock) {
  LoadFor(KeylessAuthority("ci", kDeveloper, Attestations("          where: [{path: /at, newerThan: 24h}]\n")));
  PutAttestation(sigstore.Attest(image, {.predicate = R"({"at":"2026-12-31T12:00:00Z"})"}));
  EXPECT_EQ(Outcome(), kAllowed);
  clock.Advance(std::chrono::hours(24));  // and the memory of it has ended long since
  EXPECT_EQ(Outcome(), "denied: predicate-mismatch");
}

TEST_F(Attested, EachThatIsAskedForMustBeThere) {
  LoadFor(KeylessAuthority("ci", kDeveloper, Attestations("        - {name: bom, predicateType: spdx}\n")));
  PutAttestation(sigstore.Attest(image));
  Decision decision = Judge();
  EXPECT_EQ(OnlyReason(decision), Reason::kAttestationMissing);
  EXPECT_EQ(decision.findings()[0].error.where, "attestation 'bom'");
  PutAttestation(sigstore.Attest(image, {.predicate_type = "https://spdx.dev/Document"}), "https://spdx.dev/Document");
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), std::string("allowed by ci (") + kDeveloperShown + ", attested provenance, bom)");
}

// CVE-2025-29778: no field of an authority is read and then forgotten. An attestation carries no annotations, so that
// whoever asks for both gets a signature looked for, too; no document can ask for both today.
TEST_F(Attested, AnnotationsBesideAttestationsAreAskedOfASignature) {
  LoadFor(KeyAuthority("release", key.Public(), Attestations()));
  auto changed = std::make_shared<policy::PolicySet>(*set);
  changed->image_policies[0].authorities[0].annotations = {{"stage", "tested"}};
  set = changed;
  const fakes::BundleOptions keyed{.key = key, .logs = std::vector<fakes::FakeRekor*>(), .authorities = {{}}};
  PutAttestation(sigstore.Attest(image, {}, keyed));
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
  PutBundle(SignWithKey(key, {{"stage", "tested"}}).Text());
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ", attested provenance)");
}

// --- identities

TEST_F(SigstoreGate, Adversarial_B10_APatternIsForTheWholeName) {
  LoadFor(
      KeylessAuthority("ci", "issuer: \"https://issuer.example\", subjectRegExp: \"https://github\\\\.com/org/.*\""));
  for (const auto& [name, outcome] : std::map<std::string, std::string>{
           {"https://github.com/org/app/.github/workflows/ci.yml@refs/heads/main", "allowed"},
           {"https://github.com/org-evil/app", "denied: signer-mismatch"},
           {"https://evil.example/?https://github.com/org/app", "denied: signer-mismatch"}}) {
    registry.SetReferrers({});
    Digest fresh = registry.PutImage("app", "1", name);
    image = fresh;
    PutBundle(sigstore.SignImage(image, {.leaf = {.names = "URI:" + name}}).Text());
    EXPECT_EQ(Outcome().substr(0, outcome.size()), outcome) << name;
  }
}

TEST_F(SigstoreGate, Adversarial_B10_AGlobOfOneSegmentEndsThere) {
  LoadFor(KeylessAuthority("ci", "issuer: \"https://issuer.example\", subjectGlob: \"https://github.com/org/*\""));
  PutBundle(sigstore.SignImage(image, {.leaf = {.names = "URI:https://github.com/org-evil/app"}}).Text());
  EXPECT_EQ(Outcome(), "denied: signer-mismatch");
}

TEST_F(SigstoreGate, ClaimsOfTheCertificateAreApplied) {
  LoadFor(KeylessAuthority(
      "ci", std::string(kDeveloper) + ", claims: {sourceRepositoryURI: \"https://github.com/org/app\"}"));
  PutBundle(sigstore.SignImage(image).Text());
  EXPECT_EQ(Outcome(), "denied: signer-mismatch");
  PutBundle(sigstore.SignImage(image, {.leaf = {.claims = {{12, "https://github.com/org/app"}}}}).Text());
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), kAllowedByCi);
}

// CVE-2025-29778, of what a keyless authority asks for beside identities.
TEST_F(SigstoreGate, MinimumOfLogsTimestampsAndSctsIsApplied) {
  struct Case {
    const char* more;
    fakes::BundleOptions options;
    const char* outcome;
  };
  const fakes::LeafOptions no_sct{.scts = std::vector<fakes::SctOptions>()};
  const Case cases[] = {
      {"      minimum: {transparencyLogs: 2}\n", {}, "denied: log-entry-missing"},
      {"      minimum: {timestamps: 1}\n", {}, "denied: timestamp-missing"},
      {"      minimum: {certificateLogs: 2}\n", {}, "denied: sct-missing"},
      {"", {.leaf = no_sct}, "denied: sct-missing"},
      {"      unsafeIgnoreSCT: true\n", {.leaf = no_sct}, "allowed"},
      {"", {.logs = std::vector<fakes::FakeRekor*>()}, "denied: log-entry-missing"},
      {"      unsafeIgnoreTransparencyLog: true\n", {.logs = std::vector<fakes::FakeRekor*>()}, "allowed"},
  };
  int n = 0;
  for (const Case& c : cases) {
    image = registry.PutImage("app", "1", "case " + std::to_string(n++));
    LoadFor(KeylessAuthority("ci", kDeveloper, c.more));
    PutBundle(sigstore.SignImage(image, c.options).Text());
    EXPECT_EQ(Outcome().substr(0, std::string(c.outcome).size()), c.outcome) << c.more;
  }
}

}  // namespace
}  // namespace gatehouse::gate
