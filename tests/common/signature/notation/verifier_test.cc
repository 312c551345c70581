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

const char* const kAuthority = "notary.x509.signingAuthority";
const char* const kStrict = R"({"level": "strict"})";
const char* const kPermissive = R"({"level": "permissive"})";
const char* const kAudit = R"({"level": "audit"})";

Scenario At(const std::string& verification) {
  Scenario scenario;
  scenario.verification = verification;
  return scenario;
}
Scenario Stamped(const std::string& verification = kStrict) {
  return Scenario().WithStamps(verification);
}
Scenario OfAuthority(const std::string& verification = kStrict) {
  Scenario scenario = At(verification);
  scenario.stores = R"(["signingAuthority:sa"])";
  scenario.trust = {{"signingAuthority:sa", {Notary().root().certificate()}}};
  return scenario;
}
NotationOptions WithStamp(bool cose, WallTime at = kNow) {
  NotationOptions options{.cose = cose, .timestamp_authority = &StampAuthority()};
  options.stamp.at = at;
  return options;
}
Error RevokedError() {
  return {Reason::kCertificateRevoked, "", "revoked"};
}
Digest LeafFingerprint() {
  return Notary().leaf().certificate.Fingerprint();
}

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

TEST(Adversarial_V6, TheSignatureHasExpired) {
  for (const bool cose : {false, true}) {
    const NotationOptions options{.cose = cose, .signing_time = kNow - kDay, .expiry = kNow};
    Scenario strict;
    EXPECT_EQ(Outcome(strict.Verify(options)), "signature-expired");
    strict.now = kNow - std::chrono::milliseconds(1);
    EXPECT_EQ(Explain(strict.Verify(options)), "ok");
    EXPECT_THAT(LoggedTexts(At(kPermissive).Verify(options)), ElementsAre("expiry: signature-expired"));
    EXPECT_THAT(LoggedTexts(At(R"({"level": "strict", "override": {"expiry": "log"}})").Verify(options)),
                ElementsAre("expiry: signature-expired"));
    EXPECT_EQ(Outcome(At(R"({"level": "permissive", "override": {"expiry": "enforce"}})").Verify(options)),
              "signature-expired");
  }
}

TEST(Adversarial_V6, TheCertificateHasExpiredAndNothingStampedIt) {
  for (const bool cose : {false, true}) {
    Scenario strict;
    strict.now = kAfterExpiry;
    EXPECT_EQ(Outcome(strict.Verify({.cose = cose})), "certificate-expired");
    // A timestamp is nothing where the statement names no authority for it.
    EXPECT_EQ(Outcome(strict.Verify(WithStamp(cose))), "certificate-expired");
    strict.now = fakes::kPkiNotBefore - std::chrono::seconds(1);
    EXPECT_EQ(Outcome(strict.Verify({.cose = cose, .signing_time = fakes::kPkiNotBefore})), "certificate-expired");
    Scenario permissive = At(kPermissive);
    permissive.now = kAfterExpiry;
    EXPECT_THAT(LoggedTexts(permissive.Verify({.cose = cose})), ElementsAre("authenticTimestamp: certificate-expired"));
    Scenario stamped = Stamped();
    stamped.now = kAfterExpiry;
    EXPECT_EQ(Outcome(stamped.Verify({.cose = cose})), "timestamp-missing");
  }
}

TEST(Adversarial_V6, TheCertificateHasExpiredAndATimestampSavesIt) {
  for (const bool cose : {false, true}) {
    for (const char* const verification : {kStrict, R"({"level": "strict", "verifyTimestamp": "always"})",
                                           R"({"level": "strict", "verifyTimestamp": "afterCertExpiry"})"}) {
      Scenario scenario = Stamped(verification);
      scenario.now = kAfterExpiry;
      const auto verified = scenario.Verify(WithStamp(cose));
      ASSERT_EQ(Explain(verified), "ok") << verification;
      ASSERT_EQ(verified->signature.times().size(), 1U);
      EXPECT_EQ(verified->signature.times()[0].at, kNow);
      EXPECT_EQ(verified->signature.times()[0].authority, "tsa:stamps");
      EXPECT_EQ(verified->signature.times()[0].source, claims::TrustedTime::Source::kTimestampAuthority);
    }
  }
}

TEST(Adversarial_V6, StampedWhenTheCertificateWasNotValid) {
  // Its authority is older and younger than the notary.
  const WallTime early = fakes::kPkiNotBefore - 365 * kDay;
  const WallTime late = fakes::kPkiNotAfter + 365 * kDay;
  const fakes::FakeTimestampAuthority authority(
      {.signer = fakes::LeafSpec("stamps").Valid(early, late), .not_before = early, .not_after = late});
  Scenario scenario = Stamped();
  scenario.trust["tsa:stamps"] = {authority.root().certificate()};
  const auto outcome = [&](WallTime at, std::optional<int> accuracy) {
    NotationOptions options = WithStamp(false, at);
    options.timestamp_authority = &authority;
    options.stamp.accuracy_seconds = accuracy;
    return Outcome(scenario.Verify(options));
  };
  const std::chrono::seconds second{1};
  EXPECT_EQ(outcome(kNow, {}), "ok");
  EXPECT_EQ(outcome(fakes::kPkiNotBefore, {}), "ok");
  EXPECT_EQ(outcome(fakes::kPkiNotAfter, {}), "ok");
  EXPECT_EQ(outcome(fakes::kPkiNotBefore - second, {}), "certificate-expired");
  EXPECT_EQ(outcome(fakes::kPkiNotAfter + second, {}), "certificate-expired");
  // The whole range that the accuracy leaves open must be within.
  EXPECT_EQ(outcome(fakes::kPkiNotBefore + second, 1), "ok");
  EXPECT_EQ(outcome(fakes::kPkiNotBefore, 1), "certificate-expired");
  EXPECT_EQ(outcome(fakes::kPkiNotAfter, 1), "certificate-expired");
}

TEST(NotationVerifier, AlwaysWantsATimestampWhereAStoreIsNamed) {
  for (const bool cose : {false, true}) {
    EXPECT_EQ(Outcome(Stamped().Verify({.cose = cose})), "timestamp-missing");
    EXPECT_THAT(LoggedTexts(Stamped(kPermissive).Verify({.cose = cose})),
                ElementsAre("authenticTimestamp: timestamp-missing"));
    EXPECT_EQ(Explain(Stamped().Verify(WithStamp(cose))), "ok");
  }
}

TEST(NotationVerifier, AfterCertExpiryLooksAtTimestampsOnlyThen) {
  const char* const verification = R"({"level": "strict", "verifyTimestamp": "afterCertExpiry"})";
  for (const bool cose : {false, true}) {
    EXPECT_EQ(Explain(Stamped(verification).Verify({.cose = cose})), "ok");
    // What was not looked at is no time.
    const auto verified = Stamped(verification).Verify(WithStamp(cose));
    ASSERT_EQ(Explain(verified), "ok");
    EXPECT_THAT(verified->signature.times(), IsEmpty());
    Scenario expired = Stamped(verification);
    expired.now = kAfterExpiry;
    EXPECT_EQ(Outcome(expired.Verify({.cose = cose})), "timestamp-missing");
    Scenario early = Stamped(verification);
    early.now = fakes::kPkiNotBefore - kDay;
    EXPECT_EQ(Outcome(early.Verify(WithStamp(cose))), "certificate-expired");
  }
}

TEST(NotationVerifier, TimestampsThatProveNothing) {
  const fakes::FakeTimestampAuthority stranger;
  for (const bool cose : {false, true}) {
    NotationOptions by_stranger = WithStamp(cose);
    by_stranger.timestamp_authority = &stranger;
    EXPECT_EQ(Outcome(Stamped().Verify(by_stranger)), "timestamp-invalid");
    NotationOptions of_other = WithStamp(cose);
    of_other.stamp.imprint_instead = Bytes(32, 1);
    EXPECT_EQ(Outcome(Stamped().Verify(of_other)), "timestamp-invalid");
    NotationOptions sha1 = WithStamp(cose);
    sha1.stamp.imprint = HashAlgorithm::kSha1;
    EXPECT_EQ(Outcome(Stamped().Verify(sha1)), "timestamp-invalid");
    NotationOptions torn = {.cose = cose};
    torn.edit_envelope = [](fakes::JsonValue& envelope) {
      envelope.Member("header").Member("io.cncf.notary.timestampSignature") = fakes::JsonValue::String("AAAA");
    };
    torn.edit_cose_unprotected = [](fakes::cbor::Members& header) {
      header.emplace_back(fakes::cbor::Text("io.cncf.notary.timestampSignature"), fakes::cbor::ByteString(Bytes(3, 0)));
    };
    EXPECT_EQ(Outcome(Stamped().Verify(torn)), "timestamp-malformed");
    EXPECT_THAT(LoggedTexts(Stamped(kPermissive).Verify(by_stranger)),
                ElementsAre("authenticTimestamp: timestamp-invalid"));
  }
}

TEST(NotationVerifier, ATimestampIsOverTheSignatureOfThisEnvelope) {
  // A genuine token for another signature by the same leaf.
  const auto other = fakes::JsonValue::Parse(Notary().Sign(Target(), WithStamp(false)).envelope);
  const std::string token = other->TextAt({"header", "io.cncf.notary.timestampSignature"});
  ASSERT_FALSE(token.empty());
  const NotationOptions options{.edit_envelope = [&](fakes::JsonValue& envelope) {
    envelope.Member("header").Member("io.cncf.notary.timestampSignature") = fakes::JsonValue::String(token);
  }};
  EXPECT_EQ(Outcome(Stamped().Verify(options)), "timestamp-invalid");
}

TEST(NotationVerifier, TsaStoresThatAreMissingOrSeveral) {
  Scenario scenario = Stamped();
  scenario.trust.erase("tsa:stamps");
  EXPECT_EQ(Outcome(scenario.Verify(WithStamp(false))), "timestamp-invalid");
  scenario.trust["tsa:stamps"] = {};
  EXPECT_EQ(Outcome(scenario.Verify(WithStamp(false))), "timestamp-invalid");
  // The CA's store does not vouch for time.
  scenario.trust["ca:acme"].push_back(StampAuthority().root().certificate());
  EXPECT_EQ(Outcome(scenario.Verify(WithStamp(false))), "timestamp-invalid");
  scenario.stores = R"(["ca:acme", "tsa:other", "tsa:stamps"])";
  scenario.trust["tsa:other"] = {fakes::FakeTimestampAuthority().root().certificate()};
  scenario.trust["tsa:stamps"] = {StampAuthority().root().certificate()};
  const auto verified = scenario.Verify(WithStamp(false));
  ASSERT_EQ(Explain(verified), "ok");
  EXPECT_EQ(verified->signature.times()[0].authority, "tsa:stamps");
}

TEST(NotationVerifier, CertificatesOfATimestampAuthorityKeepTheRulesToo) {
  // Its root is in the store, but issued by another and so no root.
  Scenario scenario = Stamped();
  scenario.trust["tsa:stamps"] = {StampAuthority().intermediate().certificate()};
  EXPECT_EQ(Outcome(scenario.Verify(WithStamp(false))), "timestamp-invalid");
  // A signer that may also encrypt.
  const fakes::FakeTimestampAuthority odd(
      {.signer = fakes::LeafSpec("odd").With("keyUsage", "critical,digitalSignature,keyEncipherment")});
  scenario.trust["tsa:stamps"] = {odd.root().certificate()};
  NotationOptions options = WithStamp(false);
  options.timestamp_authority = &odd;
  EXPECT_EQ(Outcome(scenario.Verify(options)), "timestamp-invalid");
}

TEST(NotationVerifier, ASigningAuthoritysTime) {
  for (const bool cose : {false, true}) {
    Scenario scenario = OfAuthority();
    scenario.now = kAfterExpiry;
    const auto verified = scenario.Verify({.cose = cose, .scheme = kAuthority});
    ASSERT_EQ(Explain(verified), "ok");
    ASSERT_EQ(verified->signature.times().size(), 1U);
    EXPECT_EQ(verified->signature.times()[0].at, kNow);
    EXPECT_EQ(verified->signature.times()[0].authority, "signingAuthority:sa");
    ASSERT_EQ(scenario.asked.size(), 1U);
    EXPECT_EQ(scenario.asked[0].signed_at, kNow);
    EXPECT_EQ(Outcome(scenario.Verify({.cose = cose, .scheme = kAuthority, .signing_time = kAfterExpiry})),
              "certificate-expired");
    EXPECT_EQ(
        Outcome(scenario.Verify(
            {.cose = cose, .scheme = kAuthority, .signing_time = fakes::kPkiNotBefore - std::chrono::seconds(1)})),
        "certificate-expired");
  }
}

TEST(NotationVerifier, AStrangersTimeIsNotTrusted) {
  Scenario scenario = OfAuthority(kAudit);
  scenario.trust.clear();
  const auto verified = scenario.Verify({.scheme = kAuthority});
  EXPECT_THAT(LoggedTexts(verified),
              ElementsAre("authenticity: certificate-untrusted", "revocation: certificate-untrusted"));
  EXPECT_THAT(verified->signature.times(), IsEmpty());
}

TEST(Adversarial_V6, TheCertificateWasRevoked) {
  for (const bool cose : {false, true}) {
    Scenario strict;
    strict.revocation = {{LeafFingerprint(), RevokedError()}};
    EXPECT_EQ(Outcome(strict.Verify({.cose = cose})), "certificate-revoked");
    ASSERT_EQ(strict.asked.size(), 1U);
    ASSERT_EQ(strict.asked[0].path.size(), 3U);
    EXPECT_EQ(strict.asked[0].path[0].Fingerprint(), LeafFingerprint());
    EXPECT_EQ(strict.asked[0].path[2].Fingerprint(), Notary().root().certificate().Fingerprint());
    EXPECT_EQ(strict.asked[0].signed_at, std::nullopt);
    Scenario permissive = strict;
    permissive.verification = kPermissive;
    EXPECT_THAT(LoggedTexts(permissive.Verify({.cose = cose})), ElementsAre("revocation: certificate-revoked"));
    Scenario skipped = strict;
    skipped.verification = R"({"level": "strict", "override": {"revocation": "skip"}})";
    skipped.asked.clear();
    EXPECT_EQ(Explain(skipped.Verify({.cose = cose})), "ok");
    EXPECT_THAT(skipped.asked, IsEmpty());
  }
}

// OCSP unknown, CRL unreachable: what RevocationCheck could not find out.
TEST(Adversarial_V6, RevocationCannotBeFoundOut) {
  for (const Reason reason : {Reason::kRevocationUnavailable, Reason::kRevocationMalformed}) {
    Scenario strict;
    strict.revocation = {{LeafFingerprint(), Error{reason, "", ""}}};
    EXPECT_EQ(Outcome(strict.Verify()), Token(reason));
    Scenario permissive = strict;
    permissive.verification = kPermissive;
    EXPECT_THAT(LoggedTexts(permissive.Verify()), ElementsAre("revocation: " + std::string(Token(reason))));
  }
}

TEST(NotationVerifier, NobodyToAskIsNotGood) {
  const auto signature = Notary().Sign(Target());
  const Scenario scenario;
  const TrustPolicyStatement statement = scenario.Statement();
  const RevocationCheck nobody;
  EXPECT_EQ(Outcome(Verifier::Verify(signature.media_type, signature.envelope, scenario.Manifest(signature), Image(),
                                     {statement, scenario.trust, nobody, kNow})),
            "revocation-unavailable");
}

TEST(NotationVerifier, RevocationIsJudgedAtTheTimeThatIsProven) {
  Scenario scenario = Stamped();
  NotationOptions options = WithStamp(false, kNow - kDay);
  options.stamp.accuracy_seconds = 2;
  ASSERT_EQ(Explain(scenario.Verify(options)), "ok");
  // First the authority's own path, as it stands now; then the signer's, at the latest time that the stamp leaves open.
  ASSERT_EQ(scenario.asked.size(), 2U);
  EXPECT_EQ(scenario.asked[0].path.front().Fingerprint(), StampAuthority().signer().certificate.Fingerprint());
  EXPECT_EQ(scenario.asked[0].path.back().Fingerprint(), StampAuthority().root().certificate().Fingerprint());
  EXPECT_EQ(scenario.asked[0].path.size(), 3U);
  EXPECT_EQ(scenario.asked[0].signed_at, std::nullopt);
  EXPECT_EQ(scenario.asked[1].signed_at, kNow - kDay + std::chrono::seconds(2));
}

TEST(Adversarial_V6, TheTimestampAuthorityWasRevoked) {
  Scenario scenario = Stamped();
  scenario.revocation = {{StampAuthority().signer().certificate.Fingerprint(), RevokedError()}};
  EXPECT_EQ(Outcome(scenario.Verify(WithStamp(false))), "certificate-revoked");
  Scenario permissive = scenario;
  permissive.verification = kPermissive;
  permissive.asked.clear();
  const auto verified = permissive.Verify(WithStamp(false));
  EXPECT_THAT(LoggedTexts(verified), ElementsAre("authenticTimestamp: certificate-revoked"));
  // Its time is none, neither in the claim nor for the signer's revocation.
  EXPECT_THAT(verified->signature.times(), IsEmpty());
  ASSERT_EQ(permissive.asked.size(), 2U);
  EXPECT_EQ(permissive.asked[1].signed_at, std::nullopt);
  Scenario skipped = scenario;
  skipped.verification = R"({"level": "strict", "override": {"revocation": "skip"}})";
  EXPECT_EQ(Explain(skipped.Verify(WithStamp(false))), "ok");
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
