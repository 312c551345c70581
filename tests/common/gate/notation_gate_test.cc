// What notation leaves, under trust policies as its users write them.
#include "tests/common/gate/signers_fixture.h"

namespace gatehouse::gate {
namespace {

class NotationGate : public SignersGate {
 protected:
  NotationGate() {
    image_verifier.emplace(
        client, cache, clock,
        ImageVerifier::Options{.revocation = [this](const auto&, const auto&, const Deadline&) -> Status {
          ++revocation_asked;
          if (revocation.has_value()) return *revocation;
          return Ok();
        }});
  }
  void SetUp() override { LoadFor(NotationAuthority("notary", "level: strict")); }
  Decision Judge() {
    Gate gate(
        *image_verifier, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
    return gate.Decide(Pod({"registry.example/app:1"}), Deadline(clock, Duration(5000)));
  }
  std::string Outcome() {
    Decision decision = Judge();
    if (decision.allowed() && !decision.approvals().empty())
      return std::string(decision.outcome()) + " by " + decision.approvals()[0].by;
    if (decision.findings().empty()) return std::string(decision.outcome());
    return std::string(decision.outcome()) + ": " + std::string(Token(decision.findings()[0].error.reason));
  }

  const std::string kAllowed = "allowed by notary (" + notary.leaf().certificate.Subject() + ")";
  std::optional<Error> revocation;
  int revocation_asked = 0;
  std::optional<ImageVerifier> image_verifier;
};

TEST_F(NotationGate, BothEnvelopes) {
  PutNotation();
  EXPECT_EQ(Outcome(), kAllowed);
  EXPECT_GT(revocation_asked, 0);
  image = registry.PutImage("app", "1", "another");
  PutNotation({.cose = true});
  EXPECT_EQ(Outcome(), kAllowed);
}

TEST_F(NotationGate, ArtifactTypeInTheConfig) {
  PutNotation({}, true);
  EXPECT_EQ(Outcome(), kAllowed);
}

TEST_F(NotationGate, ByDigestTheManifestIsFetchedForItsSize) {
  PutNotation();
  Gate gate(
      *image_verifier, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
  EXPECT_TRUE(gate.Decide(Pod({"registry.example/app@" + image.text()}), Deadline(clock, Duration(5000))).allowed());
  EXPECT_EQ(Asked("/manifests/" + image.text()), 1U);
}

TEST_F(NotationGate, ADigestThatTheRegistryDoesNotHave) {
  PutNotation();
  registry.OnRequest([](const net::HttpRequest&) {});
  Digest gone = *Digest::Parse("sha256:" + std::string(64, 'a'));
  Gate gate(
      *image_verifier, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
  Decision decision = gate.Decide(Pod({"registry.example/app@" + gone.text()}), Deadline(clock, Duration(5000)));
  EXPECT_EQ(OnlyReason(decision), Reason::kImageUnsigned);
}

TEST_F(NotationGate, NobodySigned) {
  fakes::Sign(registry, "app", image, key);
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
  EXPECT_EQ(Asked(std::string(image.hex()) + "."), 0U);  // the tags .sig and .att: nobody asked for cosign's
}

TEST_F(NotationGate, OnlyKeysNoEnvelopes) {
  LoadFor(KeyAuthority("release", key.Public()));
  fakes::Sign(registry, "app", image, key);
  Digest manifest = PutNotation();
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
  EXPECT_EQ(Asked(manifest.text()), 0U);
}

TEST_F(NotationGate, SignedByAnAuthorityOfSomebodyElse) {
  notary = fakes::FakeNotary();  // another root of the same name
  PutNotation();
  EXPECT_EQ(Outcome(), "denied: certificate-untrusted");
}

TEST_F(NotationGate, IdentityThatIsNotWelcome) {
  LoadFor(NotationAuthority("notary", "level: strict", "", "*", "x509.subject: C=US,ST=WA,O=other"));
  PutNotation();
  EXPECT_EQ(Outcome(), "denied: signer-mismatch");
}

TEST_F(NotationGate, OfAnotherImage) {
  auto target = registry.Describe("app", registry.PutImage("app", "2", "second"));
  auto signature = notary.Sign({.media_type = target.media_type, .digest = target.digest.text(), .size = target.size});
  fakes::Store(registry, "app", fakes::NotationManifest(Image(), signature));
  EXPECT_EQ(Outcome(), "denied: payload-digest-mismatch");
}

TEST_F(NotationGate, NoStatementForTheRepositoryIsARefusal) {
  PutNotation();
  LoadFor(NotationAuthority("notary", "level: strict", "", "registry.example/other"));
  EXPECT_EQ(Outcome(), "denied: no-policy-matches");
  LoadFor(NotationAuthority("notary", "level: strict", "", "registry.example/app"));
  EXPECT_EQ(Outcome(), kAllowed);
}

TEST_F(NotationGate, SkipVouchesAndSaysThatNothingWasVerified) {
  const std::string skip =
      "    - name: notary\n      notation:\n        trustPolicy: {version: \"1.0\", trustPolicies: [{name: none, "
      "registryScopes: [\"registry.example/app\"], signatureVerification: {level: skip}}]}\n      trustRoots: [acme]\n";
  LoadFor(skip);
  EXPECT_EQ(Outcome(), "allowed by notary (not verified: level skip of the trust policy 'none')");
  EXPECT_EQ(registry.requests(), 0U);
  auto changed = std::make_shared<policy::PolicySet>(*set);
  changed->image_policies[0].authorities[0].annotations = {{"stage", "tested"}};
  set = changed;
  EXPECT_EQ(Outcome(), "denied: annotation-mismatch");  // CVE-2025-29778
}

TEST_F(NotationGate, WhatIsOnlyLoggedIsAWarning) {
  LoadFor(NotationAuthority("notary", "level: permissive"));
  revocation = Error{Reason::kCertificateRevoked, "", "by the test"};
  PutNotation();
  Decision decision = Judge();
  EXPECT_EQ(decision.outcome(), "warned");
  ASSERT_EQ(decision.findings().size(), 1U);
  EXPECT_EQ(decision.findings()[0].error.reason, Reason::kCertificateRevoked);
  EXPECT_EQ(decision.findings()[0].effect, policy::Effect::kWarn);
  EXPECT_NE(decision.findings()[0].error.detail.find("revocation is only logged"), std::string::npos);
  ASSERT_EQ(decision.approvals().size(), 1U);
  LoadFor(NotationAuthority("notary", "level: permissive"), "  mode: audit\n");
  decision = Judge();
  EXPECT_EQ(decision.outcome(), "allowed");
  EXPECT_EQ(decision.findings()[0].effect, policy::Effect::kAudit);
}

TEST_F(NotationGate, RevokedCertificate) {
  revocation = Error{Reason::kCertificateRevoked, "", "by the test"};
  PutNotation();
  EXPECT_EQ(Outcome(), "denied: certificate-revoked");
}

TEST_F(NotationGate, WithoutAnybodyToAskRevocationCannotBeFoundOut) {
  image_verifier.emplace(client, cache, clock, ImageVerifier::Options{});
  PutNotation();
  EXPECT_EQ(Outcome(), "denied: revocation-unavailable");
}

TEST_F(NotationGate, UserMetadataAreTheAnnotationsThatAreAskedFor) {
  LoadFor(NotationAuthority("notary", "level: strict", "      annotations: {stage: tested}\n"));
  PutNotation();
  EXPECT_EQ(Outcome(), "denied: annotation-mismatch");
  const fakes::StoredDescriptor target = Image();
  auto signature = notary.Sign({.media_type = target.media_type,
                                .digest = target.digest.text(),
                                .size = target.size,
                                .annotations = {{"stage", "tested"}}});
  fakes::Store(registry, "app", fakes::NotationManifest(target, signature));
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), kAllowed);
}

TEST_F(NotationGate, TrustStoreThatDoesNotExist) {
  PutNotation();
  auto changed = std::make_shared<policy::PolicySet>(*set);
  auto& rule = std::get<policy::NotationAuthority>(changed->image_policies[0].authorities[0].rule);
  rule.missing = "there is no store 'ca:acme'";
  rule.missing_reason = Reason::kTrustRootMalformed;
  set = changed;
  EXPECT_EQ(Outcome(), "denied: trust-root-malformed");
  EXPECT_EQ(registry.requests(), 0U);
}

TEST_F(NotationGate, AManifestOfSeveralEnvelopesIsRefused) {
  const fakes::StoredDescriptor target = Image();
  auto signature = notary.Sign({.media_type = target.media_type, .digest = target.digest.text(), .size = target.size});
  auto manifest = fakes::NotationManifest(target, signature);
  auto& layers = manifest.json.Member("layers").elements;
  layers.push_back(layers.front());
  fakes::Store(registry, "app", manifest);
  EXPECT_EQ(Outcome(), "denied: manifest-malformed");
}

}  // namespace
}  // namespace gatehouse::gate
