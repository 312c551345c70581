// The attestation session against the verifier: enrolment, evidence, states, and the attacks on them.
#include <filesystem>
#include <fstream>

#include "tests/webhook/attest/fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kUsage : result.error().reason;  // which nothing here fails with
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
  auto challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
  ASSERT_TRUE(challenge.ok());
  EXPECT_EQ(challenge->selection, (evidence::tpm::PcrSelections{{HashAlgorithm::kSha256, (1U << 0) | (1U << 7)}}));
}

// A policy for another bank than the TPM has must not cost the node its trust by the policy that it meets.
TEST_F(AttestFixture, PolicyForABankThatTheTpmLacksFailsAlone) {
  std::string other = PolicyYaml("audited");
  other.replace(other.find("bank: sha256"), 12, "bank: sha384");
  for (unsigned pcr : {0U, 7U}) {
    std::string value = EncodeHex(node.tpm.Pcr(HashAlgorithm::kSha256, pcr));
    other.replace(other.find(value), value.size(), std::string(96, 'a'));
  }
  other.resize(other.find("---\n"));  // its trust root is the other policy's
  Load(PolicyYaml() + other);
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto answer = Attest("worker-1", node);
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  EXPECT_EQ(Trust("worker-1").state, gate::NodeState::kTrusted);
  EXPECT_EQ(Trust("worker-1", "audited").state, gate::NodeState::kUntrusted);
  bool said = std::any_of(answer->findings.begin(), answer->findings.end(), [](const std::string& finding) {
    return finding.find("sha384") != std::string::npos && finding.find("[pcr-missing]") != std::string::npos;
  });
  EXPECT_TRUE(said);
}

TEST_F(AttestFixture, NoneOfTheBanksThatPoliciesAskForIsThere) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  session::ChallengeRequest request = node.ChallengeRequest("worker-1");
  request.banks = {HashAlgorithm::kSha1, HashAlgorithm::kSha384};
  auto challenge = service.Challenge(Node("worker-1"), request);
  ASSERT_FALSE(challenge.ok());
  EXPECT_EQ(challenge.error().reason, Reason::kPcrMissing);
  EXPECT_NE(challenge.error().ToString().find("sha256"), std::string::npos);
}

TEST_F(AttestFixture, NodeWithoutAPolicyIsAskedForABankThatItHas) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  Load("");
  session::ChallengeRequest request = node.ChallengeRequest("worker-1");
  EXPECT_EQ(service.Challenge(Node("worker-1"), request)->selection,
            (evidence::tpm::PcrSelections{{HashAlgorithm::kSha256, 0xFF}}));
  request.banks = {HashAlgorithm::kSha384};
  EXPECT_EQ(service.Challenge(Node("worker-1"), request)->selection,
            (evidence::tpm::PcrSelections{{HashAlgorithm::kSha384, 0xFF}}));
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
  EXPECT_EQ(ReasonOf(Enrol("worker-2", node)), Reason::kTpmInUse);
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
  auto challenge = service.Challenge(Node("worker-2"), second.ChallengeRequest("worker-2"));
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

// --- what a TPM with a certificate chain in its NV brings

fakes::CertificateSpec Padded(const std::string& name, std::size_t size) {
  return fakes::CaSpec(name).With("1.2.3.4", "ASN1:UTF8String:" + std::string(size, 'x'));
}

TEST_F(AttestFixture, TpmWithACertificateChainEnrols) {
  fakes::TestCa first = vendor.Intermediate(Padded("first", 900));
  fakes::TestCa second = first.Intermediate(Padded("second", 900));
  EXPECT_GE(first.der().size(), 1'300U);
  node.certificate = node.tpm.IssueEkCertificate(second);
  auto request = node.EnrollRequest("worker-1");
  request.ek_intermediates = {first.der(), second.der()};
  auto challenge = service.Enroll(Node("worker-1"), request);
  ASSERT_TRUE(challenge.ok()) << challenge.error().ToString();
  auto read = session::DecodeEnrollResponse(session::Encode(*challenge));  // as the agent gets it
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  auto secret = node.tpm.ActivateCredential(node.ak.name(), read->id_object, read->encrypted_secret);
  auto answer = session::DecodeActivateRequest(
      session::Encode(session::ActivateRequest{.node = "worker-1", .ticket = read->ticket, .secret = *secret}));
  ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  ASSERT_TRUE(service.Activate(Node("worker-1"), *answer).ok());
  EXPECT_EQ(enrolments->Find("worker-1")->ek_intermediates, request.ek_intermediates);
  ASSERT_TRUE(Attest("worker-1", node).ok());
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
}

TEST_F(AttestFixture, EnrolmentLargerThanATicketIsRefused) {
  auto request = node.EnrollRequest("worker-1");
  fakes::TestCa large = vendor.Intermediate(Padded("large", 50'000));
  request.ek_intermediates = {large.der()};  // more than a 16-bit size can tell
  EXPECT_TRUE(service.Enroll(Node("worker-1"), request).ok());
  request.ek_intermediates = {large.der(), large.der()};
  EXPECT_EQ(ReasonOf(service.Enroll(Node("worker-1"), request)), Reason::kLimitExceeded);
}

// --- validity

TEST_F(AttestFixture, ValidityLongerThanTheIntervalIsApplied) {
  Load(PolicyYaml("workers", "", "10m"));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto response = Attest("worker-1", node);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->next_ms, 60'000);  // the interval
  clock.Advance(Duration(599'999));
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  clock.Advance(Duration(1));
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);
}

TEST_F(AttestFixture, EachPolicyHasItsOwnValidity) {
  Load(PolicyAlone("trial", "", "10s") + PolicyYaml("workers", "", "5m"));
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto response = Attest("worker-1", node);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->next_ms, 5'000);  // half of the shortest
  auto ear = ear::Verify(response->ear, {signing_key.Public()}, clock.Wall());
  ASSERT_TRUE(ear.ok());
  EXPECT_EQ(ear->result().expires, clock.Wall() + std::chrono::minutes(5));
  clock.Advance(Duration(10'000));
  EXPECT_EQ(Trust("worker-1", "trial").state, NodeState::kExpired);
  EXPECT_EQ(Trust("worker-1", "workers").state, NodeState::kTrusted);
  EXPECT_EQ(nodes.Count(), (std::map<NodeState, std::size_t>{{NodeState::kExpired, 1}}));
  service.Reappraise();  // makes nothing younger
  EXPECT_EQ(Trust("worker-1", "trial").state, NodeState::kExpired);
  clock.Advance(Duration(290'000));
  EXPECT_EQ(Trust("worker-1", "workers").state, NodeState::kExpired);
}

TEST_F(AttestFixture, WithoutAPolicyAResultLastsTwoIntervals) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  set = std::make_shared<policy::PolicySet>();
  auto response = service.Evidence(Node("worker-1"), *evidence);
  ASSERT_TRUE(response.ok()) << response.error().ToString();
  EXPECT_EQ(response->status, "none");
  auto ear = ear::Verify(response->ear, {signing_key.Public()}, clock.Wall());
  ASSERT_TRUE(ear.ok());
  EXPECT_EQ(ear->result().expires - ear->result().issued, std::chrono::minutes(2));
}

// --- faults of ours, and evidence that comes late

TEST_F(AttestFixture, AppraisalThatFailsTakesTheTrustAway) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  AttestationService broken({.clock = clock,
                             .random = random,
                             .challenger = challenger,
                             .enrolments = *enrolments,
                             .nodes = nodes,
                             .endorsements = endorsements,
                             .reference_files = reference_files,
                             .signing_key = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP384),  // cannot sign
                             .policies = [this] { return set; },
                             .log = log},
                            {});
  auto evidence = Collect("worker-1", node);
  EXPECT_EQ(broken.Evidence(Node("worker-1"), *evidence).error().reason, Reason::kInternal);
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_EQ(trust.findings.size(), 1U);
  EXPECT_EQ(trust.findings[0].reason, Reason::kInternal);
}

TEST_F(AttestFixture, FindingsAreBounded) {
  std::string yaml = PolicyYaml();
  std::string values;
  for (unsigned pcr : {0U, 1U, 2U, 3U, 4U, 5U, 6U, 7U})
    values += (pcr == 0 ? "\"" : ", \"") + std::to_string(pcr) + "\": [\"" + std::string(64, 'a') + "\"]";
  std::size_t from = yaml.find("values: {") + 9;
  yaml.replace(from, yaml.find('}', from) - from, values);
  std::string policies;
  for (int i = 0; i < 8; ++i) {
    std::string each = yaml.substr(0, yaml.find("---\n") + 4);
    policies += each.replace(each.find("name: workers"), 13, "name: trial-" + std::to_string(i));
  }
  Load(policies + yaml);
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  auto trust = Trust("worker-1");
  EXPECT_EQ(trust.state, NodeState::kUntrusted);
  ASSERT_EQ(trust.findings.size(), 3U);  // 32 among nine policies, of which the last counts the rest
  EXPECT_EQ(trust.findings[2].detail, "and 6 more");
  EXPECT_EQ(trust.findings[2].reason, Reason::kPcrMismatch);
}

TEST_F(AttestFixture, OvertakenEvidenceDoesNotRevokeTheNewerResult) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto early = Collect("worker-1", node);
  auto late = Collect("worker-1", node);
  clock.Advance(Duration(1));
  ASSERT_TRUE(service.Evidence(Node("worker-1"), *late).ok());
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *early)), Reason::kClockRewound);
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  // A challenge that went out after the result was in cannot have been answered before it.
  clock.Advance(Duration(1));
  auto rewound = Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 500'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
  EXPECT_NE(rewound.error().detail.find("an admin must release"), std::string::npos);
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(AttestFixture, OvertakenEvidenceThatIsForgedStillCounts) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto early = Collect("worker-1", node);
  auto late = Collect("worker-1", node);
  clock.Advance(Duration(1));
  ASSERT_TRUE(service.Evidence(Node("worker-1"), *late).ok());
  early->quote.signature.back() ^= 1;
  EXPECT_EQ(ReasonOf(service.Evidence(Node("worker-1"), *early)), Reason::kSignatureInvalid);
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(AttestFixture, FreshKeyOfTheSameTpmDoesNotHideARewind) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  node.ak = node.tpm.CreateAk();
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto rewound = Attest("worker-1", node, [](auto& attest) { attest.clock.clock_ms -= 500'000; });
  EXPECT_EQ(ReasonOf(rewound), Reason::kClockRewound);
}

// --- policies that change while evidence is judged

TEST_F(AttestFixture, PolicyThatChangesUnderTheAppraisalIsAppliedAsWell) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  auto evidence = Collect("worker-1", node);
  auto before = set;
  Load(PolicyYaml("workers", std::string(64, 'a')));
  int asked = 0;
  AttestationService racing({.clock = clock,
                             .random = random,
                             .challenger = challenger,
                             .enrolments = *enrolments,
                             .nodes = nodes,
                             .endorsements = endorsements,
                             .reference_files = reference_files,
                             .signing_key = signing_key,
                             .policies = [&] { return asked++ == 0 ? before : set; },
                             .log = log},
                            {});
  auto response = racing.Evidence(Node("worker-1"), *evidence);
  ASSERT_TRUE(response.ok());
  EXPECT_EQ(response->status, "contraindicated");
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

// --- bindings on disk

std::string CleanFolder() {
  std::string folder = ::testing::TempDir() + "/attest-on-disk-" + std::to_string(::getpid());
  std::filesystem::remove_all(folder);
  return folder;
}

class AttestOnDisk : public AttestFixture {
 protected:
  AttestOnDisk() : AttestFixture(CleanFolder()) {}
  ~AttestOnDisk() override { (void)CleanFolder(); }
  std::string folder = ::testing::TempDir() + "/attest-on-disk-" + std::to_string(::getpid());
};

TEST_F(AttestOnDisk, DiskErrorDoesNotCountAgainstTheNode) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  std::filesystem::create_directories(folder + "/worker-1.json.new/in-the-way");
  EXPECT_EQ(ReasonOf(Attest("worker-1", node)), Reason::kInternal);
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
}

TEST_F(AttestOnDisk, TrustEndsWithTheBinding) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  service.ForgetReleased();
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  std::filesystem::remove(folder + "/worker-1.json");
  service.ForgetReleased();
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);
}

TEST_F(AttestOnDisk, TrustEndsWhenAnotherNodeTakesTheReleasedTpm) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  std::filesystem::remove(folder + "/worker-1.json");
  ASSERT_TRUE(Enrol("worker-2", node).ok());
  service.ForgetReleased();
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);
}

TEST_F(AttestOnDisk, TrustEndsAtTheFirstCallAfterTheRelease) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  std::filesystem::remove(folder + "/worker-1.json");
  EXPECT_EQ(ReasonOf(Attest("worker-1", node)), Reason::kAkUnbound);
  EXPECT_EQ(State("worker-1"), NodeState::kUnknown);
}

TEST_F(AttestOnDisk, AVolumeThatWentAwayDoesNotEndTrustNorCountAgainstTheNode) {
  ASSERT_TRUE(Enrol("worker-1", node).ok());
  ASSERT_TRUE(Attest("worker-1", node).ok());
  std::filesystem::remove_all(folder);
  service.ForgetReleased();
  EXPECT_EQ(ReasonOf(Attest("worker-1", node)), Reason::kInternal);
  EXPECT_EQ(State("worker-1"), NodeState::kTrusted);
  EXPECT_EQ(ReasonOf(Enrol("worker-1", TestNode(vendor))), Reason::kInternal);
}

TEST_F(AttestOnDisk, BlockedNodesAreLogged) {
  enrolments.reset();
  std::ofstream(folder + "/worker-1.json") << "{";
  enrolments = *EnrolmentStore::Open(folder);
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  telemetry::Logger logger(pipe_ends[1], telemetry::Level::kInfo, clock);
  AttestationService restarted({.clock = clock,
                                .random = random,
                                .challenger = challenger,
                                .enrolments = *enrolments,
                                .nodes = nodes,
                                .endorsements = endorsements,
                                .reference_files = reference_files,
                                .signing_key = signing_key,
                                .policies = [this] { return set; },
                                .log = logger},
                               {});
  ::close(pipe_ends[1]);
  std::string line(4'096, '\0');
  line.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::read(pipe_ends[0], line.data(), line.size()))));
  ::close(pipe_ends[0]);
  EXPECT_NE(line.find("node blocked by its binding's file"), std::string::npos) << line;
  EXPECT_NE(line.find("worker-1.json"), std::string::npos) << line;
  EXPECT_EQ(ReasonOf(restarted.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"))), Reason::kNodeConflict);
}

}  // namespace
}  // namespace gatehouse::webhook
