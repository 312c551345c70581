// The attestation session against the verifier: enrolment, evidence, states, and the attacks on them.
#include "tests/webhook/attest/fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kInternal : result.error().reason;
}

TEST_F(AttestFixture, NodeThatEnrolsAndAttestsIsTrustedUntilItsResultExpires) {
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);
  auto response = Attest("worker-1", node);
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->status, "affirming");
  EXPECT_EQ(response->next_ms, 30'000);  // half of the validity
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  clock.Advance(Duration(59'999));
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  clock.Advance(Duration(1));
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
}

TEST_F(AttestFixture, TheResultIsAnEarThatOthersCanVerify) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto response = Attest("worker-1", node);
  ASSERT_TRUE(response.ok());
  auto ear = ear::Verify(response->ear, {signing_key.Public()}, clock.Wall());
  ASSERT_TRUE(ear.ok()) << ear.error().ToString();
  EXPECT_EQ(ear->result().node, "worker-1");
  EXPECT_EQ(ear->result().ak_name, node.AkName());
  EXPECT_EQ(ear->result().tier(), ear::Tier::kAffirming);
}

TEST_F(AttestFixture, AnExtendedPcrMakesTheNodeUntrustedAndTheFindingNamesIt) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  auto response = Attest("worker-1", node);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, "contraindicated");
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_EQ(trust.findings.size(), 1U);
  EXPECT_EQ(trust.findings[0].reason, Reason::kPcrMismatch);
  EXPECT_EQ(trust.findings[0].where, "pcr 7 (sha256)");
}

TEST_F(AttestFixture, EachPolicyHasItsOwnVerdict) {
  Load(PolicyYaml() +
       PolicyYaml("trial", std::string(64, '0')).substr(0, PolicyYaml("trial", std::string(64, '0')).find("---\n")));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  node.tpm.Extend(HashAlgorithm::kSha256, 23, Bytes(32, 1));  // no policy looks there
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(Trust("worker-1", "workers").state, NodeState::kTrusted);
  node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 1));
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(Trust("worker-1", "trial").state, NodeState::kUntrusted);
}

TEST_F(AttestFixture, PolicyChangeIsAppliedToTheEvidenceThatIsHeld) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  Load(PolicyYaml("workers", std::string(64, 'a')));
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);  // K4: a verdict by the old policy is none by the new
  service.Reappraise();
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
  Load(PolicyYaml());
  service.Reappraise();
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
}

TEST_F(AttestFixture, TrustRootThatIsWithdrawnTakesTheTrustWithIt) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  fakes::TestCa another = fakes::TestCa::Root(fakes::CaSpec("another vendor"));
  std::string yaml = PolicyYaml();
  Load(yaml.substr(0, yaml.find("apiVersion", 1)) + TrustRootYaml(another));
  service.Reappraise();
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_FALSE(trust.findings.empty());
  EXPECT_EQ(trust.findings[0].reason, Reason::kCertificateUntrusted);
}

TEST_F(AttestFixture, ReappraisalDoesNotForgetAFailure) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto broken = Collect("worker-1", node);
  ASSERT_TRUE(broken.ok());
  broken->quote.signature.back() ^= 1;
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *broken)), Reason::kSignatureInvalid);
  service.Reappraise();
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(AttestFixture, ChallengeAsksForThePcrsOfThePolicies) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto challenge = service.Challenge(Node("worker-1"), {.node = "worker-1", .ak_name = node.AkName()});
  ASSERT_TRUE(challenge.ok());
  EXPECT_EQ(challenge->selection, (evidence::tpm::PcrSelections{{HashAlgorithm::kSha256, (1U << 0) | (1U << 7)}}));
}

TEST_F(AttestFixture, PolicyThatAsksForAnotherPcrIsNotMetByOlderEvidence) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  std::string yaml = PolicyYaml();
  Load(yaml.replace(yaml.find("\"7\""), 3, "\"9\""));
  auto response = service.Evidence(Node("worker-1"), *evidence);
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_FALSE(trust.findings.empty());
  EXPECT_EQ(trust.findings[0].reason, Reason::kPcrMissing);
}

TEST_F(AttestFixture, NodeThatNoPolicyCoversCannotEnrol) {
  EXPECT_EQ(ReasonOf(service.Enroll(Node("other"), node.EnrollRequest("other"))), Reason::kNoPolicyMatches);
}

TEST_F(AttestFixture, EndorsementOfAnUnknownVendorIsRefused) {
  fakes::TestCa unknown = fakes::TestCa::Root(fakes::CaSpec("unknown"));
  TestNode stranger(unknown);
  EXPECT_EQ(ReasonOf(service.Enroll(Node("worker-1"), stranger.EnrollRequest("worker-1"))),
            Reason::kCertificateUntrusted);
}

TEST_F(AttestFixture, Adversarial_Q4_NonceIsForOneNodeOneKeyOneSelectionAndOnce) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  ASSERT_TRUE(evidence.ok());
  ASSERT_TRUE(service.Evidence(Node("worker-1"), *evidence).ok());
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *evidence)), Reason::kNonceReused);
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);  // a replay says nothing about the node

  auto other_selection = Collect("worker-1", node);
  auto quote = node.tpm.Quote(node.ak, other_selection->nonce, {{HashAlgorithm::kSha256, 1U}});
  other_selection->quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs};
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *other_selection)), Reason::kNonceMismatch);

  auto late = Collect("worker-1", node);
  clock.Advance(Duration(121'000));
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *late)), Reason::kNonceExpired);
}

TEST_F(AttestFixture, Adversarial_Q5_KeyThatWasNotActivatedIsNotBound) {
  EXPECT_EQ(ReasonOf(Attest("worker-1", node)), Reason::kAkUnbound);
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  TestNode same_machine_other_key = node;
  same_machine_other_key.ak = node.tpm.CreateAk();
  EXPECT_EQ(ReasonOf(Attest("worker-1", same_machine_other_key)), Reason::kAkUnbound);
}

TEST_F(AttestFixture, Adversarial_Q5_UnrestrictedKeyIsRefusedAtTheDoor) {
  node.ak = node.tpm.CreateAk({.attributes = 0x00040072});
  EXPECT_EQ(ReasonOf(service.Enroll(Node("worker-1"), node.EnrollRequest("worker-1"))), Reason::kAkUnsuitable);
}

TEST_F(AttestFixture, Adversarial_Q5_CredentialForOneNameIsNotAnsweredByAnother) {
  auto challenge = service.Enroll(Node("worker-1"), node.EnrollRequest("worker-1"));
  ASSERT_TRUE(challenge.ok());
  fakes::TpmKey other = node.tpm.CreateAk();
  EXPECT_FALSE(node.tpm.ActivateCredential(other.name(), challenge->id_object, challenge->encrypted_secret).ok());
  EXPECT_EQ(ReasonOf(service.Activate(Node("worker-1"),
                                      {.node = "worker-1", .ticket = challenge->ticket, .secret = Bytes(32, 0)})),
            Reason::kCredentialUnanswered);
}

TEST_F(AttestFixture, Adversarial_Q6_AnotherTpmForAKnownNode) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  TestNode another(vendor);
  EXPECT_EQ(ReasonOf(Enrol("worker-1", another)), Reason::kNodeConflict);
}

TEST_F(AttestFixture, Adversarial_Q6_OneTpmForTwoNodes) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  EXPECT_EQ(ReasonOf(Enrol("worker-2", node)), Reason::kNodeConflict);
}

TEST_F(AttestFixture, SameTpmMayBringANewKeyAndStartsUnknown) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  node.ak = node.tpm.CreateAk();
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
}

TEST_F(AttestFixture, Adversarial_Q9_ClockThatGoesBackIsARewindAndCounts) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto rewound = Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 500'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
}

TEST_F(AttestFixture, ARebootIsNoRewind) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  node.tpm.Reset();
  EXPECT_TRUE(Attest("worker-1", node).ok());
}

TEST_F(AttestFixture, Adversarial_G3_FailedEvidenceTakesTheTrustAway) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  evidence->quote.pcrs.at(HashAlgorithm::kSha256).at(7)[0] ^= 1;
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *evidence)), Reason::kPcrDigestMismatch);
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_EQ(trust.findings.size(), 1U);
  EXPECT_EQ(trust.findings[0].reason, Reason::kPcrDigestMismatch);
}

TEST_F(AttestFixture, Adversarial_G19_QuoteRelayedForAnotherNode) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  TestNode second(vendor);
  ASSERT_TRUE(Enrol("worker-2", second).ok());
  auto evidence = Collect("worker-1", node);
  evidence->node = "worker-2";
  evidence->ak_name = second.AkName();
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-2"), *evidence)), Reason::kNonceMismatch);
  auto challenge = service.Challenge(Node("worker-2"), {.node = "worker-2", .ak_name = second.AkName()});
  auto quote =
      node.tpm.Quote(node.ak, challenge->nonce, challenge->selection);  // the good machine quotes for the bad one
  evidence->nonce = challenge->nonce;
  evidence->quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs};
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-2"), *evidence)), Reason::kSignatureInvalid);
}

TEST_F(AttestFixture, Adversarial_G20_ARestartedVerifierTrustsNobody) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  NodeStore restarted(clock);
  EXPECT_EQ(restarted.Lookup(Node("worker-1"), "workers", set->node_policies[0].generation).state, NodeState::kUnknown);
}

TEST_F(AttestFixture, Adversarial_Q7_NamesOfEveryLengthWork) {
  node.ak = node.tpm.CreateAk({.type = crypto::KeyType::kEcP384,
                               .scheme_hash = HashAlgorithm::kSha384,
                               .name_algorithm = HashAlgorithm::kSha384});
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto response = Attest("worker-1", node);
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(node.AkName().size(), 100U);
}

TEST_F(AttestFixture, CountsNodesByState) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(nodes.Count(), (std::map<NodeState, std::size_t>{{NodeState::kTrusted, 1}}));
  clock.Advance(Duration(60'000));
  EXPECT_EQ(nodes.Count(), (std::map<NodeState, std::size_t>{{NodeState::kExpired, 1}}));
}

}  // namespace
}  // namespace gatehouse::webhook
