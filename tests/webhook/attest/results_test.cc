// Results: by reference sets, from the time of their challenge, and who is told of them.
#include "common/codec/time.h"
#include "tests/webhook/attest/fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kUsage : result.error().reason;  // which nothing here fails with
}

// --- reference sets

class AttestBySets : public AttestFixture {
 protected:
  // The base asks for PCR 0; a set for 7, with its end; another for 9, which is not met.
  void LoadSets(const std::string& not_after, const std::string& seven = "") {
    const auto value = [&](unsigned pcr) { return EncodeHex(node.tpm.Pcr(HashAlgorithm::kSha256, pcr)); };
    Load(
        "apiVersion: gatehouse.dev/v1alpha1\nkind: NodePolicy\nmetadata: {name: workers}\nspec:\n"
        "  nodes: [{glob: \"worker-*\"}]\n  validity: 60s\n  tpm:\n    trustRoots: [vendor]\n"
        "    referenceValues: [fleet]\n    pcrs:\n      bank: sha256\n      values: {\"0\": [\"" +
        value(0) +
        "\"]}\n---\napiVersion: gatehouse.dev/v1alpha1\nkind: ReferenceValues\nmetadata: {name: fleet}\nspec:\n"
        "  sets:\n    - name: spring\n      notAfter: \"" +
        not_after + "\"\n      tpm: {pcrs: {bank: sha256, values: {\"7\": [\"" + (seven.empty() ? value(7) : seven) +
        "\"]}}}\n    - name: other\n      tpm: {pcrs: {bank: sha256, values: {\"9\": [\"" + std::string(64, 'a') +
        "\"]}}}\n---\n" + TrustRootYaml(vendor));
  }
  [[nodiscard]] std::string In(Duration time) const { return codec::FormatTime(clock.Wall() + time); }
};

TEST_F(AttestBySets, ChallengeAsksForWhatAnyOfThemNeeds) {
  LoadSets(In(std::chrono::hours(1)));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
  ASSERT_TRUE(challenge.ok());
  EXPECT_EQ(challenge->selection,
            (evidence::tpm::PcrSelections{{HashAlgorithm::kSha256, (1U << 0) | (1U << 7) | (1U << 9)}}));
}

TEST_F(AttestBySets, Adversarial_K2_ResultHoldsNoLongerThanTheSetThatIsMet) {
  LoadSets(In(std::chrono::seconds(20)));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto answer = Attest("worker-1", node);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  EXPECT_EQ(answer->next_ms, 10'000);
  clock.Advance(std::chrono::seconds(20));
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);  // of those in their time none is met
}

TEST_F(AttestBySets, SetThatIsNotMetIsNamed) {
  LoadSets(In(std::chrono::hours(1)), std::string(64, 'a'));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_FALSE(trust.findings.empty());
  EXPECT_EQ(trust.findings[0].reason, Reason::kPcrMismatch);
  EXPECT_NE(trust.findings[0].where.find("fleet/spring"), std::string::npos) << trust.findings[0].where;
}

TEST_F(AttestBySets, Adversarial_K2_PolicyWhoseReferenceValuesAreNotThereTrustsNobody) {
  policy::PolicySet changed = *set;
  changed.node_policies.at(0).reference_values = {"gone"};
  set = std::make_shared<policy::PolicySet>(std::move(changed));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_FALSE(trust.findings.empty());
  EXPECT_EQ(trust.findings[0].reason, Reason::kReferenceExpired);
}

// --- the time of a result is that of its challenge

TEST_F(AttestFixture, EvidenceThatComesLateIsNoFresherForThat) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  clock.Advance(std::chrono::seconds(40));
  auto answer = service.Evidence(Node("worker-1"), *evidence);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(answer->next_ms, 10'000);
  clock.Advance(std::chrono::seconds(20));
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);
}

TEST_F(AttestFixture, EvidenceThatComesLaterThanResultsAreValidIsStaleAndNoFailure) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  clock.Advance(std::chrono::seconds(59));
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto late = Collect("worker-1", node);
  clock.Advance(std::chrono::seconds(61));
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *late)), Reason::kNonceExpired);
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);  // as it was
}

// --- what the other replicas are told

TEST_F(AttestFixture, OthersAreToldOfEveryResultAndOfFailuresThatCount) {
  std::vector<std::string> told;
  AttestationService telling(
      {.clock = clock,
       .random = random,
       .challenger = challenger,
       .enrolments = *enrolments,
       .nodes = nodes,
       .endorsements = endorsements,
       .reference_files = reference_files,
       .signing_key = signing_key,
       .policies = [this] { return set; },
       .log = log,
       .on_result =
           [&](const NodeName& name, const ear::VerifiedEar& result, const std::string& token) {
             EXPECT_TRUE(ear::Verify(token, {signing_key.Public()}, clock.Wall()).ok());
             told.push_back(name.text() + " " + std::string(ear::Name(result.result().tier())));
           },
       .on_failure = [&](const NodeName& name,
                         const Error& error) { told.push_back(name.text() + " " + std::string(Token(error.reason))); }},
      {});
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto good = Collect("worker-1", node);
  ASSERT_TRUE(telling.Evidence(Node("worker-1"), *good).ok());
  EXPECT_EQ(told, std::vector<std::string>{"worker-1 affirming"});
  told.clear();
  EXPECT_EQ(ReasonOf(telling.Evidence(Node("worker-1"), *good)), Reason::kNonceReused);
  EXPECT_TRUE(told.empty());
  auto broken = Collect("worker-1", node);
  auto overtaken = Collect("worker-1", node);
  broken->quote.signature.back() ^= 1;
  EXPECT_EQ(ReasonOf(telling.Evidence(Node("worker-1"), *broken)), Reason::kSignatureInvalid);
  EXPECT_EQ(told, std::vector<std::string>{"worker-1 signature-invalid"});
  told.clear();
  clock.Advance(Duration(1));
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(ReasonOf(telling.Evidence(Node("worker-1"), *overtaken)), Reason::kClockRewound);
  EXPECT_TRUE(told.empty());
  Load(PolicyYaml("workers", std::string(64, 'a')));
  telling.Reappraise();
  EXPECT_EQ(told, std::vector<std::string>{"worker-1 contraindicated"});
}

TEST_F(AttestFixture, AKeyThatIsReplacedSignsFromThenOn) {
  auto next = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  AttestationService service_of_now({.clock = clock,
                                     .random = random,
                                     .challenger = challenger,
                                     .enrolments = *enrolments,
                                     .nodes = nodes,
                                     .endorsements = endorsements,
                                     .reference_files = reference_files,
                                     .signing_key = signing_key,
                                     .policies = [this] { return set; },
                                     .log = log,
                                     .current_signing_key = [&] { return next; }},
                                    {});
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto answer = service_of_now.Evidence(Node("worker-1"), *Collect("worker-1", node));
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(ear::Verify(answer->ear, {next.Public()}, clock.Wall()).ok());
}

// G12: between the attestation and the binding of a pod the machine is started with another system. Its first evidence
// takes the trust away; the evidence of before does not bring it back; and silence has the validity as its end.
TEST_F(AttestFixture, Adversarial_G12_RebootIntoAnotherSystemAfterTheAttestation) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  const auto before = Collect("worker-1", node);
  ASSERT_TRUE(before.ok());
  node.tpm.Reset();
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  auto other = Attest("worker-1", node);
  ASSERT_TRUE(other.ok()) << other.error().ToString();
  EXPECT_EQ(other->status, "contraindicated");
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
  EXPECT_FALSE(service.Evidence(Node("worker-1"), *before).ok());  // kept back until now: older by the reset counter
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(AttestFixture, Adversarial_G12_AfterARebootThatNobodyReportsTrustEndsWithTheValidity) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  node.tpm.Reset();
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  clock.Advance(Duration(60'000));
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);
}

}  // namespace
}  // namespace gatehouse::webhook
