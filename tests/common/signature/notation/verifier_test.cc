#include "common/signature/notation/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/common/base/outcome.h"
#include "tests/common/signature/notation/scenario.h"

namespace gatehouse::signature::notation {
namespace {

using fakes::NotationOptions;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(NotationVerifier, GivesTheClaim) {
  for (const bool cose : {false, true}) {
    const auto verified = Scenario().Verify({.cose = cose, .expiry = kNow + kDay});
    ASSERT_EQ(Explain(verified), "ok");
    const claims::VerifiedImageSignature& claim = verified->signature;
    EXPECT_EQ(claim.image(), Image().digest);
    EXPECT_EQ(claim.annotations(), (std::map<std::string, std::string>{{"stage", "tested"}}));
    EXPECT_EQ(claim.docker_reference(), "");
    EXPECT_THAT(claim.times(), IsEmpty());
    const auto* signer = std::get_if<claims::CertificateSigner>(&claim.signer());
    ASSERT_NE(signer, nullptr);
    EXPECT_EQ(signer->fingerprint, LeafFingerprint());
    EXPECT_EQ(signer->subject, Notary().leaf().certificate.Subject());
    EXPECT_EQ(signer->issuer, "");
    EXPECT_THAT(signer->extensions, testing::IsEmpty());
    EXPECT_THAT(verified->logged, IsEmpty());
  }
}

TEST(NotationVerifier, NamesOfTheSigner) {
  const auto leaf = Notary().IssueLeaf(fakes::LeafSpec("signer").With(
      "subjectAltName", "email:a@example.com,URI:https://example.com/x,DNS:example.com"));
  std::vector<fakes::TestCertificate> chain = Notary().Chain();
  chain.front() = leaf;
  const auto verified = Scenario().Verify({.chain = chain});
  ASSERT_EQ(Explain(verified), "ok");
  using Kind = claims::SubjectName::Kind;
  EXPECT_THAT(std::get<claims::CertificateSigner>(verified->signature.signer()).names,
              ElementsAre(claims::SubjectName{Kind::kEmail, "a@example.com"},
                          claims::SubjectName{Kind::kUri, "https://example.com/x"},
                          claims::SubjectName{Kind::kDns, "example.com"}));
}

// The whole descriptor is what was signed.
TEST(Adversarial_V3, ThePayloadIsOfAnotherImage) {
  for (const bool cose : {false, true}) {
    for (const char* const level : {kStrict, kAudit}) {
      Scenario digest = At(level);
      digest.target.digest = "sha256:" + std::string(64, 'b');
      EXPECT_EQ(Outcome(digest.Verify({.cose = cose})), "payload-digest-mismatch");
      Scenario size = At(level);
      size.target.size = 418;
      EXPECT_EQ(Outcome(size.Verify({.cose = cose})), "payload-digest-mismatch");
      Scenario media_type = At(level);
      media_type.target.media_type = "application/vnd.oci.image.index.v1+json";
      EXPECT_EQ(Outcome(media_type.Verify({.cose = cose})), "payload-digest-mismatch");
      Scenario upper = At(level);
      upper.target.digest = "sha256:" + std::string(64, 'A');
      EXPECT_EQ(Outcome(upper.Verify({.cose = cose})), "payload-digest-mismatch");
    }
  }
}

TEST(NotationVerifier, PayloadsThatAreMalformed) {
  const std::string digest = R"("digest":")" + Image().digest.text() + R"(")";
  const std::string type = R"("mediaType":"application/vnd.oci.image.manifest.v1+json")";
  const std::vector<std::string> payloads = {
      "{}",
      "[]",
      "null",
      "x",
      R"({"targetArtifact":null})",
      R"({"targetArtifact":{}})",
      R"({"targetArtifact":{)" + digest + "," + type + "}}",
      R"({"targetArtifact":{)" + digest + R"(,"size":417}})",
      R"({"targetArtifact":{)" + type + R"(,"size":417}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":"417"}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":417.0}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":-1}})",
      R"({"targetArtifact":{)" + digest + "," + digest + "," + type + R"(,"size":417}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":417,"annotations":[]}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":417,"annotations":{"a":1}}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":417,"Digest":"x"}})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":417},"more":1})",
      R"({"targetArtifact":{)" + digest + "," + type + R"(,"size":417}}{})",
  };
  for (const std::string& payload : payloads) {
    EXPECT_EQ(Outcome(Scenario().Verify({.payload_instead = payload})), "payload-malformed") << payload;
  }
  // What an OCI descriptor may hold besides.
  EXPECT_EQ(Explain(Scenario().Verify({.payload_instead = R"({"targetArtifact":{)" + digest + "," + type +
                                                          R"(,"size":417,"artifactType":"a/b","urls":[]}})"})),
            "ok");
  EXPECT_EQ(Outcome(Scenario().Verify({.payload_instead = std::string(70'000, ' ')})), "limit-exceeded");
}

TEST(Adversarial_V4, TheThumbprintsAreNotThoseOfTheChain) {
  const std::vector<std::string> chain = Notary().Sign(Target()).thumbprints;
  const auto list = [](const std::vector<std::string>& items) {
    std::string text = "[";
    for (const std::string& item : items) text += (text.size() == 1 ? "\"" : ",\"") + item + "\"";
    return text + "]";
  };
  const std::vector<std::string> wrong = {
      "",
      "[]",
      "null",
      "{}",
      chain[0],
      "\"" + chain[0] + "\"",
      list({chain[0]}),
      list({chain[0], chain[1]}),
      list({chain[1], chain[0], chain[2]}),
      list({chain[0], chain[1], chain[2], chain[2]}),
      list({chain[0], chain[1], std::string(64, '0')}),
      list({chain[0], chain[1], chain[2].substr(1)}),
      list({chain[0], chain[1], chain[2]}) + " x",
      "[1,2,3]",
  };
  for (const std::string& text : wrong) {
    Scenario scenario;
    scenario.thumbprints = text;
    EXPECT_EQ(Outcome(scenario.Verify()), "envelope-malformed") << text;
  }
  Scenario upper;
  std::vector<std::string> shouted = chain;
  for (std::string& item : shouted) {
    for (char& c : item) c = c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  upper.thumbprints = list(shouted);
  EXPECT_EQ(Explain(upper.Verify()), "ok");
}

TEST(Adversarial_V4, TheManifestHasNoThumbprints) {
  const auto signature = Notary().Sign(Target());
  const Scenario scenario;
  image::Manifest manifest = scenario.Manifest(signature);
  manifest.annotations.clear();
  const TrustPolicyStatement statement = scenario.Statement();
  const RevocationCheck check = [](const auto&, const auto&) { return Ok(); };
  EXPECT_EQ(Outcome(Verifier::Verify(signature.media_type, signature.envelope, manifest, Image(),
                                     {statement, scenario.trust, check, kNow})),
            "envelope-malformed");
}

TEST(NotationVerifier, ChainsOfStrangers) {
  const fakes::FakeNotary stranger({.intermediate = true});
  for (const bool cose : {false, true}) {
    Scenario scenario;
    scenario.notary = &stranger;
    EXPECT_EQ(Outcome(scenario.Verify({.cose = cose})), "certificate-untrusted");
    scenario.verification = kPermissive;
    EXPECT_EQ(Outcome(scenario.Verify({.cose = cose})), "certificate-untrusted");
    EXPECT_THAT(scenario.asked, IsEmpty());
  }
}

// At the level audit a stranger's signature is logged. The addresses in its certificates are the stranger's: nobody
// goes there.
TEST(NotationVerifier, AuditDoesNotAskWhereAStrangerSays) {
  const fakes::FakeNotary stranger;
  Scenario scenario = At(kAudit);
  scenario.notary = &stranger;
  EXPECT_THAT(LoggedTexts(scenario.Verify()),
              ElementsAre("authenticity: certificate-untrusted", "revocation: certificate-untrusted"));
  EXPECT_THAT(scenario.asked, IsEmpty());
  scenario.verification = R"({"level": "audit", "override": {"revocation": "enforce"}})";
  EXPECT_EQ(Outcome(scenario.Verify()), "certificate-untrusted");
  EXPECT_THAT(scenario.asked, IsEmpty());
}

TEST(NotationVerifier, StoresOfTheStatementOnly) {
  Scenario scenario;
  scenario.trust = {{"ca:other", {Notary().root().certificate()}}};
  EXPECT_EQ(Outcome(scenario.Verify()), "certificate-untrusted");
  scenario.stores = R"(["ca:acme", "ca:other"])";
  EXPECT_EQ(Explain(scenario.Verify()), "ok");
  scenario.trust = {{"ca:acme", {}}};
  EXPECT_EQ(Outcome(scenario.Verify()), "certificate-untrusted");
  scenario.trust = {};
  EXPECT_EQ(Outcome(scenario.Verify()), "certificate-untrusted");
}

TEST(NotationVerifier, AnchorsAreCasOrLeavesThatSignedThemselves) {
  Scenario scenario;
  scenario.trust["ca:acme"] = {Notary().issuer().certificate()};
  EXPECT_EQ(Explain(scenario.Verify()), "ok");
  scenario.trust["ca:acme"] = {Notary().leaf().certificate};
  EXPECT_EQ(Outcome(scenario.Verify()), "certificate-untrusted");

  fakes::CertificateSpec spec = fakes::LeafSpec("alone");
  spec.organization = "acme";
  spec.subject = {{"C", "US"}, {"ST", "WA"}};
  const fakes::TestCertificate alone = fakes::TestCa::SelfSignedLeaf(spec);
  const NotationOptions options{.chain = std::vector<fakes::TestCertificate>{alone}};
  EXPECT_EQ(Outcome(scenario.Verify(options)), "certificate-untrusted");
  scenario.trust["ca:acme"] = {alone.certificate};
  EXPECT_EQ(Explain(scenario.Verify(options)), "ok");
}

// signing-scheme.md: "an end user with CA issued certificate can masquerade themselves as an SA".
TEST(NotationVerifier, EachSchemeHasItsOwnStores) {
  for (const bool cose : {false, true}) {
    EXPECT_EQ(Outcome(Scenario().Verify({.cose = cose, .scheme = kAuthority})), "certificate-untrusted");
    EXPECT_EQ(Outcome(OfAuthority().Verify({.cose = cose})), "certificate-untrusted");
    EXPECT_EQ(Explain(OfAuthority().Verify({.cose = cose, .scheme = kAuthority})), "ok");
  }
}

TEST(NotationVerifier, Identities) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"*", "ok"},
      {"x509.subject: C=US, ST=WA, O=acme", "ok"},
      {"x509.subject: O=acme, CN=signer, S=WA, C=US", "ok"},
      {"x509.subject: C=US, ST=WA, O=acme, CN=other", "signer-mismatch"},
      {"x509.subject: C=US, ST=WA, O=acme, OU=build", "signer-mismatch"},
      {"x509.subject: C=US, ST=WA, O=Acme", "signer-mismatch"},
      {"x509.subject: C=US, ST=WA, O=acm", "signer-mismatch"},
      {"x509.subject: C=DE, ST=WA, O=acme", "signer-mismatch"},
      {"x509.subject: C=US, ST=WA, O=acme, L=US", "signer-mismatch"},
  };
  for (const auto& [identity, outcome] : cases) {
    Scenario scenario;
    scenario.identities = "[\"" + identity + "\"]";
    EXPECT_EQ(Outcome(scenario.Verify()), outcome) << identity;
  }
  Scenario several;
  several.identities = R"(["x509.subject: C=US, ST=WA, O=other", "x509.subject: C=US, ST=WA, O=acme"])";
  EXPECT_EQ(Outcome(several.Verify()), "ok");
}

TEST(NotationVerifier, AnAttributeTwiceInTheSubjectSaysNothing) {
  fakes::CertificateSpec spec = fakes::LeafSpec("signer");
  spec.subject = {{"C", "US"}, {"ST", "WA"}, {"O", "evil"}};
  spec.organization = "acme";
  std::vector<fakes::TestCertificate> chain = Notary().Chain();
  chain.front() = Notary().IssueLeaf(spec);
  ASSERT_EQ(chain.front().certificate.Organizations().size(), 2U);
  EXPECT_EQ(Outcome(Scenario().Verify({.chain = chain})), "signer-mismatch");
}

TEST(NotationVerifier, AuditLogsTheWrongIdentityAndStillAsks) {
  Scenario scenario = At(kAudit);
  scenario.identities = R"(["x509.subject: C=US, ST=WA, O=other"])";
  EXPECT_THAT(LoggedTexts(scenario.Verify()), ElementsAre("authenticity: signer-mismatch"));
  EXPECT_EQ(scenario.asked.size(), 1U);
}

TEST(NotationVerifier, EverythingThatIsOnlyLoggedIsSaid) {
  Scenario scenario = At(kAudit);
  scenario.identities = R"(["x509.subject: C=US, ST=WA, O=other"])";
  scenario.now = kAfterExpiry;
  scenario.revocation = {{LeafFingerprint(), RevokedError()}};
  EXPECT_THAT(LoggedTexts(scenario.Verify({.expiry = kNow + kDay})),
              ElementsAre("authenticity: signer-mismatch", "authenticTimestamp: certificate-expired",
                          "expiry: signature-expired", "revocation: certificate-revoked"));
}

TEST(NotationVerifier, IntegrityIsEnforcedAtEveryLevel) {
  const crypto::PrivateKey other = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  for (const char* const level : {kStrict, kPermissive, kAudit}) {
    EXPECT_EQ(Outcome(At(level).Verify({.sign_with = other})), "signature-invalid") << level;
    EXPECT_EQ(Outcome(At(level).Verify({.critical = std::vector<std::string>{}})), "envelope-malformed") << level;
  }
}

TEST(Adversarial_V8, NothingIsVerifiedWhereTheStatementSkips) {
  const auto signature = Notary().Sign(Target());
  const Scenario scenario;
  TrustPolicyStatement statement = scenario.Statement();
  statement.skip = true;
  const RevocationCheck check = [](const auto&, const auto&) { return Ok(); };
  EXPECT_EQ(Outcome(Verifier::Verify(signature.media_type, signature.envelope, scenario.Manifest(signature), Image(),
                                     {statement, scenario.trust, check, kNow})),
            "internal");
}

// No bit of the envelope that anything depends on may change. JWS: the text of the certificates' base64 is not signed,
// but the certificates are what the thumbprints and the store name.
TEST(NotationVerifier, EveryByteOfTheEnvelopeCounts) {
  for (const bool cose : {false, true}) {
    fakes::NotationSignature signature = Notary().Sign(Target(), {.cose = cose});
    const std::string whole = signature.envelope;
    const std::size_t agent = whole.find("io.cncf.notary.signingAgent");
    ASSERT_NE(agent, std::string::npos);
    // The signing agent is a name, a kind and a text that nobody looks at.
    const std::size_t agent_end = whole.find("gatehouse-tests/1.0") + std::string("gatehouse-tests/1.0").size();
    std::size_t accepted = 0;
    Scenario scenario;
    for (std::size_t i = 0; i < whole.size(); i += i % 7 == 0 ? 3 : 1) {
      if (i + 2 >= agent && i <= agent_end) continue;
      signature.envelope = whole;
      signature.envelope[i] = static_cast<char>(signature.envelope[i] ^ 0x01);
      if (scenario.VerifySignature(signature).ok()) ++accepted;
    }
    EXPECT_EQ(accepted, 0U) << (cose ? "cose" : "jws");
  }
}

}  // namespace
}  // namespace gatehouse::signature::notation
