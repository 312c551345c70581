// The EAR token: what is written is read again, and everything that is not quite it is refused.
#include "common/ear/ear.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/ear/trustworthiness.h"
#include "common/jose/jws.h"

namespace gatehouse::ear {
namespace {

using appraisal::Finding;

constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2027} / 1 / 1}};

const crypto::PrivateKey& Key() {
  static const crypto::PrivateKey key = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  return key;
}

AttestationResult Sample() {
  AttestationResult result;
  result.node = "worker-1";
  result.node_uid = "0c0ffee0-0000-4000-8000-000000000001";
  result.ak_name = "000b" + std::string(64, 'a');
  result.ek = "sha256:" + std::string(64, 'b');
  result.appraisals = {{"workers@3fa9", Tier::kAffirming, {}, kNow + std::chrono::minutes{10}},
                       {"trial@77",
                        Tier::kContraindicated,
                        {{Reason::kPcrMismatch, "pcr 7 (sha256)", "found aa, expected bb"}},
                        kNow + std::chrono::minutes{1}}};
  result.nonce = EncodeBase64Url(Bytes(48, 0xA5));
  result.clock = claims::TpmClock{.clock_ms = 86'400'000,
                                  .reset_count = 7,
                                  .restart_count = 3,
                                  .safe = true,
                                  .firmware_version = 0x2020'2020'2020'2020};
  result.issued = kNow;
  result.expires = kNow + std::chrono::minutes{10};
  return result;
}

void ExpectReason(const Result<VerifiedEar>& ear, Reason reason) {
  ASSERT_FALSE(ear.ok());
  EXPECT_EQ(Token(ear.error().reason), Token(reason)) << ear.error().ToString();
}

std::string ClaimsOf(const std::string& token) {
  const auto first = token.find('.');
  return std::string(AsText(*DecodeBase64Url(std::string_view(token).substr(first + 1, token.rfind('.') - first - 1))));
}

TEST(Ear, WhatIsWrittenIsReadAgain) {
  const AttestationResult sample = Sample();
  auto token = Encode(sample, Key());
  ASSERT_TRUE(token.ok()) << token.error().ToString();
  auto ear = Verify(*token, {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
  const AttestationResult& read = ear->result();
  EXPECT_EQ(read.node, sample.node);
  EXPECT_EQ(read.node_uid, sample.node_uid);
  EXPECT_EQ(read.ak_name, sample.ak_name);
  EXPECT_EQ(read.ek, sample.ek);
  EXPECT_EQ(read.nonce, sample.nonce);
  EXPECT_EQ(read.clock, sample.clock);
  EXPECT_EQ(read.issued, sample.issued);
  EXPECT_EQ(read.expires, sample.expires);
  ASSERT_EQ(read.appraisals.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.appraisals[i].policy, sample.appraisals[i].policy);
    EXPECT_EQ(read.appraisals[i].tier, sample.appraisals[i].tier);
    EXPECT_EQ(read.appraisals[i].findings, sample.appraisals[i].findings);
    EXPECT_EQ(read.appraisals[i].expires, sample.appraisals[i].expires);
  }
  EXPECT_EQ(read.tier(), Tier::kContraindicated);
}

TEST(Ear, TimesAreCutToSeconds) {
  AttestationResult sample = Sample();
  sample.issued += std::chrono::milliseconds{999};
  sample.expires += std::chrono::milliseconds{999};
  auto ear = Verify(*Encode(sample, Key()), {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok());
  EXPECT_EQ(ear->result().issued, kNow);
  EXPECT_EQ(ear->result().expires, kNow + std::chrono::minutes{10});
}

// Its nonce says when the challenge was issued, to the millisecond; unless it is of another time than the token.
TEST(Ear, IssuedWithTheChallenge) {
  struct Case {
    Duration challenged;
    Duration expected;
  };
  for (const Case& c :
       {Case{Duration(0), Duration(0)}, Case{Duration(1), Duration(1)}, Case{Duration(999), Duration(999)},
        Case{Duration(1000), Duration(0)}, Case{Duration(-1), Duration(0)}, Case{Duration(600'000), Duration(0)}}) {
    AttestationResult result = Sample();
    Bytes nonce(48, 0xA5);
    auto milliseconds = static_cast<std::uint64_t>((kNow + c.challenged).time_since_epoch().count());
    for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(milliseconds >> (56 - 8 * i));
    result.nonce = EncodeBase64Url(nonce);
    EXPECT_EQ(IssuedOf(result), kNow + c.expected) << c.challenged.count();
  }
  AttestationResult result = Sample();
  for (const char* nonce : {"", "AAAA", "no base64 !", "////////////"}) {
    result.nonce = nonce;
    EXPECT_EQ(IssuedOf(result), kNow) << nonce;
  }
}

TEST(Ear, NoPolicyIsNoVerdict) {
  AttestationResult sample = Sample();
  sample.appraisals.clear();
  auto ear = Verify(*Encode(sample, Key()), {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
  EXPECT_TRUE(ear->result().appraisals.empty());
  EXPECT_EQ(ear->result().tier(), Tier::kNone);
}

TEST(Ear, OutsideOfKubernetesThereIsNoUid) {
  AttestationResult sample = Sample();
  sample.node_uid.clear();
  auto ear = Verify(*Encode(sample, Key()), {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
  EXPECT_EQ(ear->result().node_uid, "");
}

TEST(Ear, AResultOfAnotherReleaseHasNoClock) {
  AttestationResult sample = Sample();
  sample.clock.reset();
  auto ear = Verify(*Encode(sample, Key()), {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
  EXPECT_FALSE(ear->result().clock.has_value());
}

TEST(Ear, AClockOfAnotherReleaseHasNoFirmware) {
  AttestationResult sample = Sample();
  sample.clock->firmware_version = 0;
  const std::string token = *Encode(sample, Key());
  EXPECT_EQ(ClaimsOf(token).find("firmware"), std::string::npos);
  auto ear = Verify(token, {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
  EXPECT_EQ(ear->result().clock, sample.clock);
}

TEST(Ear, EveryClockThatATpmCanHave) {
  constexpr std::uint32_t kMost = std::numeric_limits<std::uint32_t>::max();
  for (const claims::TpmClock& clock : {claims::TpmClock{0, 0, 0, false}, claims::TpmClock{1, kMost, kMost, true},
                                        claims::TpmClock{std::numeric_limits<std::uint64_t>::max(), 1, 2, false,
                                                         std::numeric_limits<std::uint64_t>::max()}}) {
    AttestationResult sample = Sample();
    sample.clock = clock;
    auto ear = Verify(*Encode(sample, Key()), {Key().Public()}, kNow);
    ASSERT_TRUE(ear.ok()) << ear.error().ToString();
    EXPECT_EQ(ear->result().clock, clock);
  }
}

TEST(Ear, WhatHasExpiredIsReadByWhoAsksForIt) {
  const AttestationResult sample = Sample();
  const std::string token = *Encode(sample, Key());
  for (Duration after : {Duration{0}, Duration{std::chrono::hours{24 * 365}}}) {
    ExpectReason(Verify(token, {Key().Public()}, sample.expires + after), Reason::kTokenExpired);
    auto ear = VerifyPossiblyExpired(token, {Key().Public()}, sample.expires + after);
    ASSERT_TRUE(ear.ok()) << ear.error().ToString();
    EXPECT_EQ(ear->result().expires, sample.expires);
  }
}

// Nothing else is forgiven.
TEST(Adversarial_K1, ExpiredIsAllThatMayBeWrong) {
  const AttestationResult sample = Sample();
  const std::string token = *Encode(sample, Key());
  const WallTime later = sample.expires + std::chrono::hours{1};
  const auto other = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  ExpectReason(VerifyPossiblyExpired(token, {other.Public()}, later), Reason::kTokenUntrusted);
  ExpectReason(VerifyPossiblyExpired(token.substr(0, token.rfind('.') + 1), {Key().Public()}, later),
               Reason::kTokenUntrusted);
  ExpectReason(VerifyPossiblyExpired(token, {Key().Public()}, sample.issued - std::chrono::hours{1}),
               Reason::kTokenExpired);
}

// The claims as any other reader of EARs sees them.
TEST(Ear, ClaimsAreThoseOfTheStandard) {
  const std::string token = *Encode(Sample(), Key());
  const auto first = token.find('.');
  const auto payload = *DecodeBase64Url(std::string_view(token).substr(first + 1, token.rfind('.') - first - 1));
  // Without the quotes, so that it can be read.
  const std::string expected =
      "{eat_profile:tag:github.com,2023:veraison/ear,iat:1798761600,exp:1798762200,"
      "ear.verifier-id:{build:gatehouse " GATEHOUSE_VERSION
      ",developer:gatehouse.dev},"
      "eat_nonce:paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl,"
      "submods:{tpm:workers@3fa9:{ear.status:affirming,ear.trustworthiness-vector:{instance-identity:2,configuration:2,"
      "executables:3,hardware:2},ear.appraisal-policy-id:workers@3fa9,gatehouse.findings:[],"
      "gatehouse.expires:1798762200},"
      "tpm:trial@77:{ear.status:contraindicated,ear.trustworthiness-vector:{instance-identity:2,configuration:0,"
      "executables:96,hardware:2},ear.appraisal-policy-id:trial@77,"
      "gatehouse.findings:[{reason:pcr-mismatch,where:pcr 7 (sha256),detail:found aa, expected "
      "bb}],gatehouse.expires:1798761660}},"
      "gatehouse.node:{name:worker-1,uid:0c0ffee0-0000-4000-8000-000000000001,ak-name:000b" +
      std::string(64, 'a') + ",ek:sha256:" + std::string(64, 'b') +
      ",clock:{milliseconds:86400000,resets:7,restarts:3,safe:true,firmware:2314885530818453536}}}";
  std::string seen(AsText(payload));
  std::erase(seen, '"');
  EXPECT_EQ(seen, expected);
}

TEST(Ear, TierNames) {
  EXPECT_EQ(Name(Tier::kNone), "none");
  EXPECT_EQ(Name(Tier::kAffirming), "affirming");
  EXPECT_EQ(Name(Tier::kWarning), "warning");
  EXPECT_EQ(Name(Tier::kContraindicated), "contraindicated");
}

TEST(Ear, TheWorstAppraisalIsTheTier) {
  AttestationResult result = Sample();
  EXPECT_EQ(result.tier(), Tier::kContraindicated);
  result.appraisals[1].tier = Tier::kWarning;
  EXPECT_EQ(result.tier(), Tier::kWarning);
  result.appraisals.pop_back();
  EXPECT_EQ(result.tier(), Tier::kAffirming);
}

TEST(Ear, TiersHaveTheBoundsOfAr4si) {
  const std::pair<std::int64_t, Tier> cases[] = {{-128, Tier::kContraindicated},
                                                 {-97, Tier::kContraindicated},
                                                 {-96, Tier::kWarning},
                                                 {-33, Tier::kWarning},
                                                 {-32, Tier::kAffirming},
                                                 {-2, Tier::kAffirming},
                                                 {-1, Tier::kNone},
                                                 {0, Tier::kNone},
                                                 {1, Tier::kNone},
                                                 {2, Tier::kAffirming},
                                                 {31, Tier::kAffirming},
                                                 {32, Tier::kWarning},
                                                 {95, Tier::kWarning},
                                                 {96, Tier::kContraindicated},
                                                 {127, Tier::kContraindicated}};
  for (const auto& [claim, tier] : cases) EXPECT_EQ(TierOf(claim), tier) << claim;
}

// The property that Verify relies on: what VectorOf writes for any tier and finding has that tier as its status.
TEST(Ear, EveryVectorAgreesWithItsStatus) {
  for (Tier tier : {Tier::kWarning, Tier::kContraindicated}) {
    for (const ReasonInfo& first : AllReasons()) {
      for (const ReasonInfo& second : AllReasons()) {
        const PolicyAppraisal appraisal{"p", tier, {{first.reason, "", ""}, {second.reason, "", ""}}};
        EXPECT_EQ(StatusOf(VectorOf(appraisal)), tier) << first.token << " " << second.token;
      }
    }
  }
  EXPECT_EQ(StatusOf(VectorOf({"p", Tier::kAffirming, {}})), Tier::kAffirming);
  EXPECT_EQ(StatusOf(VectorOf({"p", Tier::kNone, {}})), Tier::kNone);
}

TEST(Ear, AFindingAboutTheEndorsementSpeaksOfTheInstance) {
  const TrustworthinessVector vector =
      VectorOf({"p", Tier::kContraindicated, {{Reason::kCertificateUntrusted, "endorsement key", ""}}});
  EXPECT_EQ(vector.instance_identity, 97);
  EXPECT_EQ(vector.hardware, 0);
  EXPECT_EQ(vector.executables, 0);
}

struct Spoken {
  Reason reason;
  std::int64_t instance, configuration, executables;
};

TEST(Ear, EachFindingSpeaksOfItsClaim) {
  const std::vector<Spoken> table = {
      {Reason::kSecureBootOff, 2, 96, 0},
      {Reason::kSecureBootKeysMismatch, 2, 96, 0},
      {Reason::kDebugModeOn, 2, 96, 0},
      {Reason::kCommandLineRefused, 2, 96, 0},
      {Reason::kBootComponentUnlisted, 2, 0, 96},
      {Reason::kFirmwareUnlisted, 2, 0, 96},
      {Reason::kPcrMismatch, 2, 0, 96},
      {Reason::kImaFileUnlisted, 2, 0, 96},
      {Reason::kImaViolation, 2, 0, 96},
      {Reason::kImaLogMismatch, 2, 0, 96},
      {Reason::kImaLogRewritten, 2, 0, 96},
      {Reason::kImaTemplateMismatch, 2, 0, 96},
      {Reason::kBootAggregateMismatch, 2, 0, 96},
      {Reason::kEventLogMismatch, 2, 0, 96},
      {Reason::kEkUnlisted, 97, 0, 0},
      {Reason::kCertificateRevoked, 97, 0, 0},
      {Reason::kFirmwareChanged, 97, 0, 0},
      {Reason::kClockStalled, 97, 0, 0},
      {Reason::kTpmCleared, 97, 0, 0},
  };
  for (const Spoken& expected : table) {
    const TrustworthinessVector vector = VectorOf({"p", Tier::kContraindicated, {{expected.reason, "", ""}}});
    EXPECT_EQ(vector.instance_identity, expected.instance) << Token(expected.reason);
    EXPECT_EQ(vector.configuration, expected.configuration) << Token(expected.reason);
    EXPECT_EQ(vector.executables, expected.executables) << Token(expected.reason);
    EXPECT_EQ(vector.hardware, expected.instance == 2 ? 2 : 0) << Token(expected.reason);
  }
  const TrustworthinessVector all = VectorOf(
      {"p",
       Tier::kWarning,
       {{Reason::kSecureBootOff, "", ""}, {Reason::kImaFileUnlisted, "", ""}, {Reason::kCertificateExpired, "", ""}}});
  EXPECT_EQ(all.configuration, 32);
  EXPECT_EQ(all.executables, 33);
  EXPECT_EQ(all.instance_identity, 32);
}

TEST(Ear, LongFindingsAreCutAndTheTokenStillVerifies) {
  AttestationResult sample = Sample();
  sample.appraisals[1].findings.assign(24, Finding{Reason::kPcrMismatch, "pcr", std::string(100'000, 'x')});
  auto token = Encode(sample, Key());
  ASSERT_TRUE(token.ok()) << token.error().ToString();
  auto ear = Verify(*token, {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok());
  EXPECT_TRUE(ear->result().appraisals[1].findings[0].detail.ends_with("x..."));
  EXPECT_LT(ear->result().appraisals[1].findings[0].detail.size(), 600U);
}

TEST(Ear, MoreFindingsThanATokenHolds) {
  AttestationResult sample = Sample();
  sample.appraisals[1].findings.assign(1000, Finding{Reason::kPcrMismatch, "pcr", std::string(500, 'x')});
  auto token = Encode(sample, Key());
  ASSERT_FALSE(token.ok());
  EXPECT_EQ(token.error().reason, Reason::kLimitExceeded);
}

TEST(Ear, ATextThatIsNotUtf8IsStillWrittenAndRead) {
  AttestationResult sample = Sample();
  sample.appraisals[1].findings[0].detail = "\xFF\x01\"quoted\"";
  auto ear = Verify(*Encode(sample, Key()), {Key().Public()}, kNow);
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
}

// --- what Encode refuses to sign

struct ResultDefect {
  const char* name;
  std::function<void(AttestationResult&)> apply;
};
class Adversarial_K1_Inconsistent : public testing::TestWithParam<ResultDefect> {};

TEST_P(Adversarial_K1_Inconsistent, IsNotSigned) {
  AttestationResult sample = Sample();
  GetParam().apply(sample);
  auto token = Encode(sample, Key());
  ASSERT_FALSE(token.ok());
  EXPECT_EQ(token.error().reason, Reason::kInternal);
}

INSTANTIATE_TEST_SUITE_P(
    , Adversarial_K1_Inconsistent,
    testing::Values(
        ResultDefect{"NoNode", [](AttestationResult& r) { r.node.clear(); }},
        ResultDefect{"NoAk", [](AttestationResult& r) { r.ak_name.clear(); }},
        ResultDefect{"NoEk", [](AttestationResult& r) { r.ek.clear(); }},
        ResultDefect{"NoNonce", [](AttestationResult& r) { r.nonce.clear(); }},
        ResultDefect{"NonceNotBase64Url", [](AttestationResult& r) { r.nonce = "+/+/"; }},
        ResultDefect{"PolicyTwice", [](AttestationResult& r) { r.appraisals[1].policy = r.appraisals[0].policy; }},
        ResultDefect{"PolicyWithoutName", [](AttestationResult& r) { r.appraisals[0].policy.clear(); }},
        ResultDefect{"AffirmingWithFindings",
                     [](AttestationResult& r) { r.appraisals[0].findings = r.appraisals[1].findings; }},
        ResultDefect{"ContraindicatedWithoutFindings", [](AttestationResult& r) { r.appraisals[1].findings.clear(); }},
        ResultDefect{"AppraisalOutlivesResult",
                     [](AttestationResult& r) { r.appraisals[0].expires = r.expires + std::chrono::milliseconds{1}; }},
        ResultDefect{"AppraisedWithoutVerdict", [](AttestationResult& r) { r.appraisals[0].tier = Tier::kNone; }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Ear, OnlyAP256KeySigns) {
  const auto rsa = crypto::PrivateKey::Generate(crypto::KeyType::kEcP384).value();
  auto token = Encode(Sample(), rsa);
  ASSERT_FALSE(token.ok());
  EXPECT_EQ(token.error().reason, Reason::kKeyMalformed);
}

// --- K1: tokens that are not ours, or not quite

struct ClaimsDefect {
  const char* name;
  const char* from;  // in the claims; each occurrence is replaced
  const char* to;
  Reason reason = Reason::kTokenMalformed;
};
class Adversarial_K1_Claims : public testing::TestWithParam<ClaimsDefect> {};

// Signed by the right key: only the claims are wrong.
TEST_P(Adversarial_K1_Claims, AreRefused) {
  std::string claims = ClaimsOf(*Encode(Sample(), Key()));
  ASSERT_TRUE(Verify(*jose::SignEs256(Key(), "eat+jwt", claims), {Key().Public()}, kNow).ok());
  const std::string from = GetParam().from;
  auto at = claims.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  for (; at != std::string::npos; at = claims.find(from, at + std::string(GetParam().to).size())) {
    claims.replace(at, from.size(), GetParam().to);
  }
  ExpectReason(Verify(*jose::SignEs256(Key(), "eat+jwt", claims), {Key().Public()}, kNow), GetParam().reason);
}

constexpr const char* kNonceMember =
    R"("eat_nonce":"paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl",)";

INSTANTIATE_TEST_SUITE_P(
    Adversarial_K1, Adversarial_K1_Claims,
    testing::Values(
        ClaimsDefect{"AffirmingWhileTheVectorIsContraindicated", R"("ear.status":"contraindicated")",
                     R"("ear.status":"affirming")"},
        ClaimsDefect{"ContraindicatedWhileTheVectorAffirms", R"("executables":96)", R"("executables":3)"},
        ClaimsDefect{"AffirmingWithAWarningInTheVector", R"("executables":3)", R"("executables":33)"},
        ClaimsDefect{"StatusUnknown", R"("ear.status":"affirming")", R"("ear.status":"Affirming")"},
        ClaimsDefect{"StatusMissing", R"("ear.status":"affirming",)", ""},
        ClaimsDefect{"StatusANumber", R"("ear.status":"affirming")", R"("ear.status":2)"},
        ClaimsDefect{
            "VectorMissing",
            R"("ear.trustworthiness-vector":{"instance-identity":2,"configuration":2,"executables":3,"hardware":2},)",
            ""},
        ClaimsDefect{"VectorWithoutExecutables", R"("executables":96,)", ""},
        ClaimsDefect{"VectorOutOfRange", R"("hardware":2)", R"("hardware":258)"},
        ClaimsDefect{"VectorOfText", R"("hardware":2)", R"("hardware":"2")"},
        ClaimsDefect{"VectorWithAnUnknownClaim", R"("hardware":2)", R"("hardware":2,"sourced-data":2)"},
        ClaimsDefect{"PolicyIdMissing", R"("ear.appraisal-policy-id":"workers@3fa9",)", ""},
        ClaimsDefect{"PolicyIdOfAnotherSubmodule", R"("ear.appraisal-policy-id":"workers@3fa9")",
                     R"("ear.appraisal-policy-id":"workers@3faa")"},
        ClaimsDefect{"AffirmingWithFindings", R"("gatehouse.findings":[])",
                     R"("gatehouse.findings":[{"reason":"pcr-mismatch","where":"","detail":""}])"},
        ClaimsDefect{"ContraindicatedWithoutFindings",
                     R"j([{"reason":"pcr-mismatch","where":"pcr 7 (sha256)","detail":"found aa, expected bb"}])j",
                     "[]"},
        ClaimsDefect{"FindingsMissing", R"(,"gatehouse.findings":[])", ""},
        ClaimsDefect{"AppraisalExpiryMissing", R"(,"gatehouse.expires":1798761660)", ""},
        ClaimsDefect{"AppraisalExpiryAfterTheResult", R"("gatehouse.expires":1798761660)",
                     R"("gatehouse.expires":1798762201)"},
        ClaimsDefect{"AppraisalExpiryOfText", R"("gatehouse.expires":1798761660)", R"("gatehouse.expires":"never")"},
        ClaimsDefect{"FindingOfUnknownReason", "pcr-mismatch", "pcr-mismatched"},
        ClaimsDefect{"ProfileMissing", R"("eat_profile":"tag:github.com,2023:veraison/ear",)", ""},
        ClaimsDefect{"ProfileOfAnotherVerifier", "2023:veraison/ear", "2024:confidential-containers/Trustee"},
        ClaimsDefect{"NonceMissing", kNonceMember, ""}, ClaimsDefect{"NonceEmpty", kNonceMember, R"("eat_nonce":"",)"},
        ClaimsDefect{"NonceNotBase64Url", kNonceMember, R"("eat_nonce":"pa==",)"},
        ClaimsDefect{"NonceAnArray", kNonceMember, R"("eat_nonce":["paWl"],)"},
        ClaimsDefect{"SubmodulesMissing", "\"submods\"", "\"submodules\""},
        ClaimsDefect{"VerifierMissing", "\"ear.verifier-id\"", "\"ear.verifier\""},
        ClaimsDefect{"NodeMissing", "\"gatehouse.node\"", "\"gatehouse.knot\""},
        ClaimsDefect{"NodeWithoutName", R"("name":"worker-1",)", ""},
        ClaimsDefect{"NodeWithoutAk", "\"ak-name\"", "\"name-ak\""},
        ClaimsDefect{"ClockWithoutMilliseconds", R"("milliseconds":86400000,)", ""},
        ClaimsDefect{"ClockNegative", R"("milliseconds":86400000)", R"("milliseconds":-1)"},
        ClaimsDefect{"ClockAFraction", R"("milliseconds":86400000)", R"("milliseconds":86400000.0)"},
        ClaimsDefect{"ClockOfText", R"("milliseconds":86400000)", R"("milliseconds":"86400000")"},
        ClaimsDefect{"ClockWithoutResets", R"("resets":7,)", ""},
        ClaimsDefect{"ClockWithMoreResetsThanATpmCounts", R"("resets":7)", R"("resets":4294967296)"},
        ClaimsDefect{"ClockWithoutRestarts", R"("restarts":3,)", ""},
        ClaimsDefect{"ClockWithoutSafe", R"(,"safe":true)", ""},
        ClaimsDefect{"ClockSafeANumber", R"("safe":true)", R"("safe":1)"},
        ClaimsDefect{"ClockWithAnUnknownMember", R"("safe":true)", R"("safe":true,"hardware":1)"},
        ClaimsDefect{"ClockFirmwareOfText", R"("firmware":2314885530818453536)", R"("firmware":"2314885530818453536")"},
        ClaimsDefect{"ClockFirmwareNegative", R"("firmware":2314885530818453536)", R"("firmware":-1)"},
        ClaimsDefect{"ClockFirmwareZero", R"("firmware":2314885530818453536)", R"("firmware":0)"},
        ClaimsDefect{"ClockNull",
                     R"({"milliseconds":86400000,"resets":7,"restarts":3,"safe":true,"firmware":2314885530818453536})",
                     "null"},
        ClaimsDefect{"UnknownClaim", R"("eat_profile")", R"("trusted":true,"eat_profile")"},
        ClaimsDefect{"SubmoduleTwice", "tpm:trial@77", "tpm:workers@3fa9"},
        ClaimsDefect{"IssuedMissing", R"("iat":1798761600,)", ""},
        ClaimsDefect{"IssuedBeyondTheSkewOfReplicas", R"("iat":1798761600)", R"("iat":1798761631)",
                     Reason::kTokenExpired},
        ClaimsDefect{"ExpiryMissing", R"("exp":1798762200,)", ""},
        ClaimsDefect{"Expired", R"("exp":1798762200)", R"("exp":1798761600)", Reason::kTokenExpired}),
    [](const auto& test) { return std::string(test.param.name); });

Result<VerifiedEar> VerifySubmodules(const std::string& submodules) {
  AttestationResult sample = Sample();
  sample.appraisals.clear();
  std::string claims = ClaimsOf(*Encode(sample, Key()));
  const std::string none = R"({"tpm":{"ear.status":"none"}})";
  claims.replace(claims.find(none), none.size(), submodules);
  return Verify(*jose::SignEs256(Key(), "eat+jwt", claims), {Key().Public()}, kNow);
}

TEST(Adversarial_K1, SubmodulesThatSayNothing) {
  ASSERT_TRUE(VerifySubmodules(R"({"tpm":{"ear.status":"none"}})").ok());
  for (const char* submodules :
       {"{}", "[]", "null", R"({"tpm":null})", R"({"tpm":{}})", R"({"cpu0":{"ear.status":"none"}})",
        R"({"tpm":{"ear.status":"affirming"}})", R"({"tpm:":{"ear.status":"none"}})"}) {
    ExpectReason(VerifySubmodules(submodules), Reason::kTokenMalformed);
  }
}

TEST(Adversarial_K1, NoVerdictBesideAVerdict) {
  const std::string affirming =
      R"("tpm:p":{"ear.status":"affirming","ear.trustworthiness-vector":{"instance-identity":2,"configuration":2,"executables":3,)"
      R"("hardware":2},"ear.appraisal-policy-id":"p","gatehouse.findings":[],"gatehouse.expires":1798761660})";
  ASSERT_TRUE(VerifySubmodules("{" + affirming + "}").ok());
  ExpectReason(VerifySubmodules("{" + affirming + R"(,"tpm":{"ear.status":"none"}})"), Reason::kTokenMalformed);
}

TEST(Adversarial_K1, AlgorithmNone) {
  const std::string header = EncodeBase64Url(AsBytes(R"({"alg":"none","typ":"eat+jwt"})"));
  const std::string payload = EncodeBase64Url(AsBytes(ClaimsOf(*Encode(Sample(), Key()))));
  ExpectReason(Verify(header + "." + payload + ".", {Key().Public()}, kNow), Reason::kTokenMalformed);
}

TEST(Adversarial_K1, SignatureRemoved) {
  const std::string token = *Encode(Sample(), Key());
  ExpectReason(Verify(token.substr(0, token.rfind('.') + 1), {Key().Public()}, kNow), Reason::kTokenUntrusted);
}

TEST(Adversarial_K1, SignedByAnotherKey) {
  const auto other = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256).value();
  ExpectReason(Verify(*Encode(Sample(), other), {Key().Public()}, kNow), Reason::kTokenUntrusted);
  ExpectReason(Verify(*Encode(Sample(), Key()), {}, kNow), Reason::kTokenUntrusted);
}

TEST(Adversarial_K1, ClaimsOfOneTokenWithTheSignatureOfAnother) {
  AttestationResult good = Sample();
  good.appraisals.pop_back();
  const std::string affirming = *Encode(good, Key());
  const std::string bad = *Encode(Sample(), Key());
  ExpectReason(Verify(affirming.substr(0, affirming.rfind('.')) + bad.substr(bad.rfind('.')), {Key().Public()}, kNow),
               Reason::kTokenUntrusted);
}

TEST(Adversarial_K1, AnotherKindOfTokenOfTheSameKey) {
  const std::string claims = ClaimsOf(*Encode(Sample(), Key()));
  ExpectReason(Verify(*jose::SignEs256(Key(), "JWT", claims), {Key().Public()}, kNow), Reason::kTokenUntrusted);
}

TEST(Adversarial_K1, ExpiresAtTheMomentAndNotBefore) {
  const AttestationResult sample = Sample();
  const std::string token = *Encode(sample, Key());
  EXPECT_TRUE(Verify(token, {Key().Public()}, sample.expires - Duration{1}).ok());
  ExpectReason(Verify(token, {Key().Public()}, sample.expires), Reason::kTokenExpired);
}

TEST(Adversarial_K1, IssuedInTheFutureByMoreThanReplicasMayDiffer) {
  const AttestationResult sample = Sample();
  const std::string token = *Encode(sample, Key());
  EXPECT_TRUE(Verify(token, {Key().Public()}, sample.issued - limits::kReplicaClockSkew).ok());
  ExpectReason(Verify(token, {Key().Public()}, sample.issued - limits::kReplicaClockSkew - Duration{1}),
               Reason::kTokenExpired);
}

TEST(Ear, TruncatedAtEveryByteOffset) {
  const std::string token = *Encode(Sample(), Key());
  for (std::size_t size = 0; size < token.size(); ++size) {
    auto ear = Verify(token.substr(0, size), {Key().Public()}, kNow);
    ASSERT_FALSE(ear.ok()) << size;
    EXPECT_TRUE(ear.error().reason == Reason::kTokenMalformed || ear.error().reason == Reason::kTokenUntrusted) << size;
  }
}

}  // namespace
}  // namespace gatehouse::ear
