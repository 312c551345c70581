// G16: the agent itself was replaced. What it says can be anything; trust comes of what the TPM signed alone.
#include "tests/webhook/attest/fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

class Adversarial_G16 : public AttestFixture {
 protected:
  Adversarial_G16() {
    EXPECT_TRUE(Enrol("worker-1", node).ok());
    honest_ = node.tpm.Quote(node.ak, Bytes(48, 1), {{HashAlgorithm::kSha256, 0x81}}).pcrs;
  }
  // The machine runs something else than the policy lists.
  void Compromise() { node.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 0xEE)); }
  // The reason by which evidence is refused; "" where it is taken.
  std::string Send(const session::EvidenceRequest& evidence) {
    auto answer = service.Evidence(Node("worker-1"), evidence);
    return answer.ok() ? "" : std::string(Token(answer.error().reason));
  }

  evidence::tpm::PcrValues honest_;
};

TEST_F(Adversarial_G16, ValuesThatThePolicyWouldLike) {
  Compromise();
  auto evidence = Collect("worker-1", node);
  ASSERT_TRUE(evidence.ok());
  evidence->quote.pcrs = honest_;
  EXPECT_EQ(Send(*evidence), "pcr-digest-mismatch");
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(Adversarial_G16, QuoteOfBeforeTheCompromise) {
  auto before = Collect("worker-1", node);
  ASSERT_TRUE(before.ok());
  ASSERT_EQ(Send(*before), "");
  ASSERT_EQ(State("worker-1"), NodeState::kTrusted);
  Compromise();
  EXPECT_EQ(Send(*before), "nonce-reused");
  auto after = Collect("worker-1", node);
  ASSERT_TRUE(after.ok());
  session::EvidenceRequest replayed = *after;
  replayed.quote = before->quote;  // the old quote, for the new challenge
  EXPECT_EQ(Send(replayed), "nonce-mismatch");
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(Adversarial_G16, QuoteOfPcrsThatWereNotAskedFor) {
  Compromise();
  auto challenge = service.Challenge(Node("worker-1"), node.ChallengeRequest("worker-1"));
  ASSERT_TRUE(challenge.ok());
  auto evidence = Collect("worker-1", node);
  ASSERT_TRUE(evidence.ok());
  // PCR 0 alone, which is as the policy wants it.
  auto quote = node.tpm.Quote(node.ak, challenge->nonce, {{HashAlgorithm::kSha256, 0x01}});
  evidence->nonce = challenge->nonce;
  evidence->quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs};
  EXPECT_EQ(Send(*evidence), "nonce-mismatch") << "the challenge was for another selection";
  EXPECT_NE(State("worker-1"), NodeState::kTrusted);
}

TEST_F(Adversarial_G16, QuoteByAKeyOfItsOwn) {
  Compromise();
  fakes::SoftwareTpm own;
  auto evidence = Collect("worker-1", node);
  ASSERT_TRUE(evidence.ok());
  auto quote = own.Quote(own.CreateAk(), evidence->nonce, {{HashAlgorithm::kSha256, 0x81}});
  evidence->quote = {.attest = quote.attest, .signature = quote.signature, .pcrs = quote.pcrs};
  EXPECT_EQ(Send(*evidence), "signature-invalid");
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

TEST_F(Adversarial_G16, AnAgentThatSaysNothingIsNotTrustedForLong) {
  ASSERT_TRUE(Attest("worker-1", node).ok());
  ASSERT_EQ(State("worker-1"), NodeState::kTrusted);
  Compromise();
  clock.Advance(std::chrono::seconds(60));  // the policy's validity
  EXPECT_EQ(State("worker-1"), NodeState::kExpired);
}

TEST_F(Adversarial_G16, TheHonestAgentOnTheSameMachineFindsTheSame) {
  Compromise();
  auto answer = Attest("worker-1", node);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->status, "contraindicated");
  EXPECT_EQ(State("worker-1"), NodeState::kUntrusted);
}

}  // namespace
}  // namespace gatehouse::webhook
