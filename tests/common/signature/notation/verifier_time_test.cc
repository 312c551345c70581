// Expiry, timestamps, signing authorities and revocation.
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

}  // namespace
}  // namespace gatehouse::signature::notation
