// What counts as proven, and what that means under the policies in force.
#include "webhook/control/standing.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "tests/webhook/control/evidence.h"

namespace gatehouse::webhook {
namespace {

using kube::Verdict;
using policy::Mode;
using std::chrono::minutes;
using std::chrono::seconds;

const WallTime kNow{Duration(1'795'262'400'000)};

std::vector<crypto::PublicKey> Keys() {
  return {SigningKey().Public()};
}
void Observe(NodeEvidence& evidence, const kube::NodeAttestation& attestation, WallTime now = kNow) {
  evidence.Observe(attestation, Keys(), "k", now);
}
policy::PolicySet SetOf(std::vector<policy::NodePolicy> policies) {
  policy::PolicySet set;
  set.node_policies = std::move(policies);
  return set;
}

TEST(NodeEvidence, AResultOfThisNodeCounts) {
  NodeEvidence evidence;
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow)));
  auto result = evidence.ResultFor("u1");
  ASSERT_TRUE(result.has_value()) << evidence.problem();
  EXPECT_EQ(result->node, "n1");
  EXPECT_EQ(evidence.problem(), "");
}

TEST(NodeEvidence, AnExpiredResultIsKnownAsOne) {
  NodeEvidence evidence;
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow)), kNow + std::chrono::hours(5));
  auto result = evidence.ResultFor("u1");
  ASSERT_TRUE(result.has_value()) << evidence.problem();
  auto standing = StandingOf("n1", SetOf({PolicyNamed("workers")}), result, std::nullopt, kNow + std::chrono::hours(5));
  EXPECT_EQ(standing.overall.verdict, Verdict::kExpired);
}

TEST(NodeEvidence, WhatDoesNotCount) {
  struct Row {
    const char* name;
    std::function<void(kube::NodeAttestation&)> defect;
    bool problem;  // it says why; else it is of another Node than asked for
  };
  const Row rows[] = {
      {"signed by another key",
       [](auto& a) {
         a.ear = *ear::Encode(ResultOf("n1", "u1", kNow), *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256));
       },
       true},
      {"of another node", [](auto& a) { a.ear = *ear::Encode(ResultOf("n2", "u1", kNow), SigningKey()); }, true},
      {"of another Node of that name", [](auto& a) { a.ear = *ear::Encode(ResultOf("n1", "u0", kNow), SigningKey()); },
       false},
      {"of the future", [](auto& a) { a.ear = *ear::Encode(ResultOf("n1", "u1", kNow + minutes(2)), SigningKey()); },
       true},
      {"no token", [](auto& a) { a.ear = "a.b.c"; }, true},
      {"no result", [](auto& a) { a.ear = ""; }, false},
      {"of another endorsement key than is bound", [](auto& a) { a.ek = "sha256:" + std::string(64, 'f'); }, false},
      {"of another attestation key than is bound", [](auto& a) { a.ak = std::string(68, 'b'); }, false},
  };
  for (const Row& row : rows) {
    kube::NodeAttestation attestation = AttestationOf(ResultOf("n1", "u1", kNow));
    row.defect(attestation);
    NodeEvidence evidence;
    Observe(evidence, attestation);
    EXPECT_FALSE(evidence.ResultFor("u1").has_value()) << row.name;
    EXPECT_EQ(!evidence.problem().empty(), row.problem) << row.name << ": " << evidence.problem();
  }
}

TEST(Adversarial_G6, ANodeRegisteredAgainUnderTheSameNameIsNotTrustedByWhatWasProvenBefore) {
  NodeEvidence evidence;
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow)));
  EXPECT_TRUE(evidence.ResultFor("u1").has_value());
  EXPECT_FALSE(evidence.ResultFor("u2").has_value());
}

TEST(NodeEvidence, AnOlderResultInThePlaceOfANewerOneChangesNothing) {
  NodeEvidence evidence;
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow, false)));
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow - minutes(1), true)));
  EXPECT_EQ(evidence.ResultFor("u1")->tier(), ear::Tier::kContraindicated);
  EXPECT_NE(evidence.problem(), "");
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow + seconds(1), true)));
  EXPECT_EQ(evidence.ResultFor("u1")->tier(), ear::Tier::kAffirming);
  EXPECT_EQ(evidence.problem(), "");
}

TEST(NodeEvidence, AFailureThatIsTakenAwayStaysUntilALaterResult) {
  NodeEvidence evidence;
  kube::NodeAttestation attestation = AttestationOf(ResultOf("n1", "u1", kNow - minutes(1)));
  attestation.failure = kube::Failure{Reason::kNonceMismatch, "pcr 7", "", kNow - seconds(30)};
  Observe(evidence, attestation);
  attestation.failure.reset();
  Observe(evidence, attestation);
  auto set = SetOf({PolicyNamed("workers")});
  auto standing = StandingOf("n1", set, evidence.ResultFor("u1"), evidence.failure(), kNow);
  EXPECT_EQ(standing.overall.verdict, Verdict::kUntrusted);
  ASSERT_FALSE(standing.overall.findings.empty());
  EXPECT_EQ(standing.overall.findings[0].reason, Reason::kNonceMismatch);
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow)));
  standing = StandingOf("n1", set, evidence.ResultFor("u1"), evidence.failure(), kNow);
  EXPECT_EQ(standing.overall.verdict, Verdict::kTrusted);
}

TEST(NodeEvidence, AFailureOfTheFutureDoesNotOutliveResultsToCome) {
  NodeEvidence evidence;
  kube::NodeAttestation attestation = AttestationOf(ResultOf("n1", "u1", kNow));
  attestation.failure = kube::Failure{Reason::kNonceMismatch, "", "", kNow + std::chrono::hours(1000)};
  Observe(evidence, attestation);
  auto set = SetOf({PolicyNamed("workers")});
  EXPECT_EQ(StandingOf("n1", set, evidence.ResultFor("u1"), evidence.failure(), kNow).overall.verdict,
            Verdict::kUntrusted);
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow + minutes(1))), kNow + minutes(1));
  EXPECT_EQ(StandingOf("n1", set, evidence.ResultFor("u1"), evidence.failure(), kNow + minutes(1)).overall.verdict,
            Verdict::kTrusted);
}

TEST(NodeEvidence, AnotherObjectOrOtherKeysBeginAnew) {
  NodeEvidence evidence;
  Observe(evidence, AttestationOf(ResultOf("n1", "u1", kNow)));
  kube::NodeAttestation released = AttestationOf(ResultOf("n1", "u1", kNow - minutes(1)));
  released.uid = "object-2";
  Observe(evidence, released);
  EXPECT_EQ(evidence.ResultFor("u1")->issued, kNow - minutes(1));
  evidence.Observe(released, {crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public()}, "other", kNow);
  EXPECT_FALSE(evidence.ResultFor("u1").has_value()) << "a key that is trusted no more";
}

TEST(StandingOf, PoliciesByModeAndName) {
  struct Row {
    const char* name;
    std::vector<policy::NodePolicy> policies;
    Verdict overall;
    bool reasons;
    std::size_t enforced;
  };
  const auto with_taint = [](policy::NodePolicy policy) {
    policy.untrusted = policy::UntrustedTaint{.effect = policy::UntrustedTaint::Effect::kNoSchedule};
    return policy;
  };
  auto other_generation = PolicyNamed("workers");
  other_generation.generation = "g2";
  // The node's result is affirming under workers@g1 and says nothing else.
  const Row rows[] = {
      {"no policy", {}, Verdict::kUnknown, false, 0},
      {"a policy for other nodes", {with_taint(PolicyNamed("workers", "x-*"))}, Verdict::kUnknown, false, 0},
      {"met", {with_taint(PolicyNamed("workers"))}, Verdict::kTrusted, false, 1},
      {"met, no taint asked for", {PolicyNamed("workers")}, Verdict::kTrusted, false, 0},
      {"of another generation", {with_taint(other_generation)}, Verdict::kUnknown, true, 1},
      {"another one is not met",
       {PolicyNamed("workers"), with_taint(PolicyNamed("strict"))},
       Verdict::kUnknown,
       true,
       1},
      {"one that warns counts",
       {PolicyNamed("workers"), with_taint(PolicyNamed("strict", "*", Mode::kWarn))},
       Verdict::kUnknown,
       true,
       0},
      {"one on trial takes nothing away",
       {PolicyNamed("workers"), with_taint(PolicyNamed("strict", "*", Mode::kAudit))},
       Verdict::kTrusted,
       false,
       0},
      {"trials alone show what they would say",
       {with_taint(PolicyNamed("strict", "*", Mode::kAudit))},
       Verdict::kUnknown,
       true,
       0},
  };
  auto result = ResultOf("n1", "u1", kNow);
  for (const Row& row : rows) {
    auto standing = StandingOf("n1", SetOf(row.policies), result, std::nullopt, kNow);
    EXPECT_EQ(standing.overall.verdict, row.overall) << row.name;
    EXPECT_EQ(!standing.overall.findings.empty(), row.reasons) << row.name;
    EXPECT_EQ(standing.enforced.size(), row.enforced) << row.name;
  }
}

TEST(StandingOf, WhatTheGateDoesNotTrustIsUnknown) {
  auto result = ResultOf("n1", "u1", kNow);
  auto set = SetOf({PolicyNamed("workers")});
  set.node_policies[0].untrusted = policy::UntrustedTaint{.effect = policy::UntrustedTaint::Effect::kNoSchedule};
  for (bool believed : {true, false}) {
    std::vector<std::string> asked;
    auto standing = StandingOf("n1", set, result, std::nullopt, kNow,
                               [&](const std::string& node, const policy::NodePolicy& policy) {
                                 asked.push_back(node + "/" + policy.name);
                                 return believed;
                               });
    EXPECT_EQ(standing.overall.verdict, believed ? Verdict::kTrusted : Verdict::kUnknown);
    EXPECT_EQ(standing.enforced.at(0).first.verdict, standing.overall.verdict);
    EXPECT_EQ(standing.disbelieved, !believed);
    EXPECT_EQ(standing.overall.findings.empty(), believed);
    ASSERT_FALSE(asked.empty());
    EXPECT_EQ(asked[0], "n1/workers");
  }
}

TEST(StandingOf, WhoIsAskedCannotMakeTrust) {
  auto standing = StandingOf("n1", SetOf({PolicyNamed("workers")}), std::nullopt, std::nullopt, kNow,
                             [](const std::string&, const policy::NodePolicy&) { return true; });
  EXPECT_EQ(standing.overall.verdict, Verdict::kUnknown);
  EXPECT_FALSE(standing.disbelieved);
}

TEST(NodeEvidence, AFailureEarlierInTheSecondOfAResultDoesNotOutliveIt) {
  NodeEvidence evidence;
  auto result = ResultOf("n1", "u1", kNow);  // at a whole second, as results are; its nonce has the milliseconds
  Bytes nonce(48, 7);
  const auto challenged = static_cast<std::uint64_t>((kNow + Duration(700)).time_since_epoch().count());
  for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(challenged >> (56 - 8 * i));
  result.nonce = EncodeBase64Url(nonce);
  kube::NodeAttestation attestation = AttestationOf(result);
  attestation.failure = kube::Failure{Reason::kNonceMismatch, "", "", kNow + Duration(100)};
  Observe(evidence, attestation, kNow + Duration(800));
  auto set = SetOf({PolicyNamed("workers")});
  EXPECT_EQ(StandingOf("n1", set, evidence.ResultFor("u1"), evidence.failure(), kNow).overall.verdict,
            Verdict::kTrusted);
  attestation.failure->time = kNow + Duration(701);
  Observe(evidence, attestation, kNow + seconds(2));
  EXPECT_EQ(StandingOf("n1", set, evidence.ResultFor("u1"), evidence.failure(), kNow).overall.verdict,
            Verdict::kUntrusted);
}

TEST(StandingOf, UnknownUnderAPolicyAlwaysHasAReason) {
  auto standing = StandingOf("n1", SetOf({PolicyNamed("workers")}), std::nullopt, std::nullopt, kNow);
  EXPECT_EQ(standing.overall.verdict, Verdict::kUnknown);
  ASSERT_FALSE(standing.overall.findings.empty());
  EXPECT_EQ(standing.overall.findings[0].reason, Reason::kNodeUnknown);
}

TEST(Adversarial_G20, WithoutAResultThatVerifiesANodeIsUnknownAndNeverTrusted) {
  kube::NodeAttestation attestation = AttestationOf(ResultOf("n1", "u1", kNow));
  attestation.verdict = Verdict::kTrusted;  // what people read
  attestation.ear.clear();
  NodeEvidence evidence;
  Observe(evidence, attestation);
  auto standing = StandingOf("n1", SetOf({PolicyNamed("workers")}), evidence.ResultFor("u1"), evidence.failure(), kNow);
  EXPECT_EQ(standing.overall.verdict, Verdict::kUnknown);
}

}  // namespace
}  // namespace gatehouse::webhook
