#include "common/session/nonce.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::session {
namespace {

using std::chrono::seconds;

class FakeClock final : public Clock {
 public:
  [[nodiscard]] WallTime Wall() const override { return wall; }
  [[nodiscard]] MonoTime Mono() const override { return mono; }
  void Advance(Duration by) {
    wall += by;
    mono += by;
  }
  WallTime wall{Duration(1'800'000'000'000)};
  MonoTime mono{seconds(1000)};
};

NodeName Node(std::string_view name) {
  return *NodeName::Parse(name);
}

class NonceTest : public testing::Test {
 protected:
  FakeClock clock_;
  NodeName node_ = Node("node-a");
  Bytes ak_ = Bytes(34, 0xA);
};

TEST_F(NonceTest, OfOneReplicaIsRedeemedByAnother) {
  Challenger issuer(Bytes(32, 1), clock_, crypto::SystemRandom());
  Challenger redeemer(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = issuer.IssueNonce(node_, ak_);
  EXPECT_EQ(nonce.size(), 48U);
  EXPECT_TRUE(redeemer.RedeemNonce(node_, ak_, nonce).ok());
}

TEST_F(NonceTest, UnderAnotherKeyIsRefused) {
  Challenger issuer(Bytes(32, 1), clock_, crypto::SystemRandom());
  Challenger other(Bytes(32, 2), clock_, crypto::SystemRandom());
  EXPECT_EQ(other.RedeemNonce(node_, ak_, issuer.IssueNonce(node_, ak_)).error().reason, Reason::kNonceMismatch);
}

// A key that is replaced while agents are under way.
TEST_F(NonceTest, OfTheKeyBeforeIsGoodForTheLifetimeOfANonce) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  const Digest ek = crypto::Sha256Digest(AsBytes("ek"));
  const Bytes first = challenger.IssueNonce(node_, ak_);
  const auto ticket = challenger.IssueTicket(node_, ek, ak_);
  ASSERT_TRUE(ticket.ok());
  challenger.ReplaceKey(Bytes(32, 2));
  challenger.ReplaceKey(Bytes(32, 2));  // the same again is no other
  const Bytes second = challenger.IssueNonce(node_, ak_);
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, first).ok());
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, second).ok());
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, first).error().reason, Reason::kNonceReused);
  EXPECT_TRUE(challenger.RedeemTicket(node_, ticket->text, ticket->secret).ok());
  EXPECT_EQ(challenger.RedeemTicket(node_, ticket->text, Bytes(32, 0)).error().reason, Reason::kCredentialUnanswered);
  // New ones are under the new key, which is another replica's by then.
  Challenger other(Bytes(32, 2), clock_, crypto::SystemRandom());
  EXPECT_TRUE(other.RedeemNonce(node_, ak_, second).ok());
  EXPECT_EQ(other.RedeemNonce(node_, ak_, first).error().reason, Reason::kNonceMismatch);
  // Whoever has the old key cannot go on with it: its time is that of the replacement.
  clock_.Advance(limits::kNonceLifetime);
  Challenger thief(Bytes(32, 1), clock_, crypto::SystemRandom());
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, thief.IssueNonce(node_, ak_)).error().reason, Reason::kNonceMismatch);
}

TEST_F(NonceTest, ExpiresAfterItsLifetime) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes in_time = challenger.IssueNonce(node_, ak_);
  Bytes late = challenger.IssueNonce(node_, ak_);
  clock_.Advance(limits::kNonceLifetime);
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, in_time).ok());
  clock_.Advance(Duration(1));
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, late).error().reason, Reason::kNonceExpired);
}

TEST_F(NonceTest, OfAReplicaWithAFastClock) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes a_little = challenger.IssueNonce(node_, ak_);
  Bytes too_much = challenger.IssueNonce(node_, ak_);
  clock_.wall -= limits::kReplicaClockSkew;
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, a_little).ok());
  clock_.wall -= Duration(1);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, too_much).error().reason, Reason::kNonceExpired);
}

// The wall clock set back must not revive a nonce whose redemption was forgotten.
TEST_F(NonceTest, IsRememberedLongerThanItLives) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  ASSERT_TRUE(challenger.RedeemNonce(node_, ak_, nonce).ok());
  clock_.Advance(limits::kNonceLifetime + seconds(1));
  clock_.wall -= seconds(30);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, nonce).error().reason, Reason::kNonceReused);
}

TEST_F(NonceTest, MemoryOfANodeIsBoundedAndSwept) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  for (std::size_t i = 0; i < limits::kNoncesPerNode; ++i) {
    ASSERT_TRUE(challenger.RedeemNonce(node_, ak_, challenger.IssueNonce(node_, ak_)).ok());
  }
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, challenger.IssueNonce(node_, ak_)).error().reason, Reason::kOverloaded);
  // A node that floods us shuts out itself only, and not for good.
  EXPECT_TRUE(challenger.RedeemNonce(Node("node-b"), ak_, challenger.IssueNonce(Node("node-b"), ak_)).ok());
  clock_.Advance(2 * limits::kNonceLifetime);
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, challenger.IssueNonce(node_, ak_)).ok());
}

TEST_F(NonceTest, MemoryOfAllNodesIsBoundedAndSwept) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  auto redeem = [&](const std::string& name) {
    NodeName node = Node(name);
    return challenger.RedeemNonce(node, ak_, challenger.IssueNonce(node, ak_));
  };
  for (std::size_t i = 0; i < limits::kNodes; ++i) {
    if (auto status = redeem("n" + std::to_string(i)); !status.ok()) FAIL() << i << status.error().ToString();
  }
  EXPECT_EQ(redeem("one-too-many").error().reason, Reason::kOverloaded);
  EXPECT_TRUE(redeem("n0").ok());
  clock_.Advance(2 * limits::kNonceLifetime);
  EXPECT_TRUE(redeem("one-too-many").ok());
}

TEST_F(NonceTest, ShortKeyEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(Challenger(Bytes(31, 1), clock_, crypto::SystemRandom()), "");
}

// --- Q4: a nonce is fresh, unique, bound and single-use

using Adversarial_Q4 = NonceTest;

TEST_F(Adversarial_Q4, TenThousandNoncesAreUnique) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  std::set<Bytes> seen;
  for (int i = 0; i < 10'000; ++i) {  // within one millisecond of the clock
    ASSERT_TRUE(seen.insert(challenger.IssueNonce(node_, ak_)).second) << i;
  }
}

TEST_F(Adversarial_Q4, EachNonceIsAcceptedOnce) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, nonce).ok());
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, nonce).error().reason, Reason::kNonceReused);
  clock_.Advance(limits::kNonceLifetime);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, nonce).error().reason, Reason::kNonceReused);
}

TEST_F(Adversarial_Q4, NonceOfAnotherAkIsRefused) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  Bytes other = ak_;
  other.back() ^= 1;
  EXPECT_EQ(challenger.RedeemNonce(node_, other, nonce).error().reason, Reason::kNonceMismatch);
  EXPECT_EQ(challenger.RedeemNonce(node_, {}, nonce).error().reason, Reason::kNonceMismatch);
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, nonce).ok());  // a refused attempt does not use it up
}

// The parts are delimited: the last letter of a node cannot move into the AK's name.
TEST_F(Adversarial_Q4, PartsDoNotRunIntoEachOther) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(Node("ab"), ToBytes("c"));
  EXPECT_EQ(challenger.RedeemNonce(Node("a"), ToBytes("bc"), nonce).error().reason, Reason::kNonceMismatch);
}

TEST_F(Adversarial_Q4, EveryPrefixIsRefused) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  for (std::size_t size = 0; size < nonce.size(); ++size) {
    auto status = challenger.RedeemNonce(node_, ak_, BytesView(nonce).first(size));
    ASSERT_FALSE(status.ok()) << size;
    ASSERT_EQ(status.error().reason, Reason::kNonceMismatch) << size;
  }
  EXPECT_TRUE(challenger.RedeemNonce(node_, ak_, nonce).ok());
}

TEST_F(Adversarial_Q4, PaddedNonceIsRefused) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  Bytes after = nonce;
  after.push_back(0);
  Bytes before = nonce;
  before.insert(before.begin(), 0);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, after).error().reason, Reason::kNonceMismatch);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, before).error().reason, Reason::kNonceMismatch);
}

TEST_F(Adversarial_Q4, EveryChangedByteIsRefused) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  for (std::size_t i = 0; i < nonce.size(); ++i) {
    Bytes changed = nonce;
    changed[i] ^= 0x80;
    auto status = challenger.RedeemNonce(node_, ak_, changed);
    ASSERT_FALSE(status.ok()) << i;
    ASSERT_EQ(status.error().reason, Reason::kNonceMismatch) << i;
  }
}

TEST_F(Adversarial_Q4, EncodedNonceIsNotTheNonce) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, AsBytes(EncodeBase64(nonce))).error().reason, Reason::kNonceMismatch);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, AsBytes(EncodeHex(nonce))).error().reason, Reason::kNonceMismatch);
}

// --- G19: what one node was asked, another cannot answer

TEST(Adversarial_G19, NonceForNodeAIsRefusedForNodeB) {
  FakeClock clock;
  Challenger challenger(Bytes(32, 1), clock, crypto::SystemRandom());
  Bytes ak(34, 0xA);
  Bytes nonce = challenger.IssueNonce(Node("node-a"), ak);
  EXPECT_EQ(challenger.RedeemNonce(Node("node-b"), ak, nonce).error().reason, Reason::kNonceMismatch);
  EXPECT_TRUE(challenger.RedeemNonce(Node("node-a"), ak, nonce).ok());
}

TEST(Adversarial_G19, TicketForNodeAIsRefusedForNodeB) {
  FakeClock clock;
  Challenger challenger(Bytes(32, 1), clock, crypto::SystemRandom());
  auto ticket = *challenger.IssueTicket(Node("node-a"), crypto::Sha256Digest(AsBytes("ek")), Bytes{1});
  EXPECT_EQ(challenger.RedeemTicket(Node("node-b"), ticket.text, ticket.secret).error().reason, Reason::kNonceMismatch);
}

TEST_F(NonceTest, SaysWhenItWasIssued) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  EXPECT_EQ(Challenger::IssuedAt(challenger.IssueNonce(node_, ak_)), clock_.Wall());
  EXPECT_EQ(Challenger::IssuedAt(Bytes(7)), std::nullopt);
}

// --- tickets

using TicketTest = NonceTest;

TEST_F(TicketTest, GivesBackWhatItBinds) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Challenger replica(Bytes(32, 1), clock_, crypto::SystemRandom());
  Digest ek = crypto::Sha256Digest(AsBytes("ek"));
  auto ticket = *challenger.IssueTicket(node_, ek, Bytes{1, 2, 3});
  EXPECT_EQ(ticket.secret.size(), 32U);
  auto redeemed = replica.RedeemTicket(node_, ticket.text, ticket.secret);
  ASSERT_TRUE(redeemed.ok()) << redeemed.error().ToString();
  EXPECT_EQ(redeemed->ek, ek);
  EXPECT_EQ(redeemed->context, (Bytes{1, 2, 3}));
}

TEST_F(TicketTest, ContextMayBeLargeButNotLargerThanAMessageCarries) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Digest ek = crypto::Sha256Digest(AsBytes("ek"));
  Bytes context(limits::kTicketContextBytes, 5);
  auto ticket = *challenger.IssueTicket(node_, ek, context);
  EXPECT_LE(ticket.text.size(), limits::kTicketBytes);
  auto redeemed = challenger.RedeemTicket(node_, ticket.text, ticket.secret);
  ASSERT_TRUE(redeemed.ok()) << redeemed.error().ToString();
  EXPECT_EQ(redeemed->context, context);
  context.push_back(5);
  EXPECT_EQ(challenger.IssueTicket(node_, ek, context).error().reason, Reason::kLimitExceeded);
}

TEST_F(TicketTest, WrongSecretIsUnanswered) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Digest ek = crypto::Sha256Digest(AsBytes("ek"));
  auto ticket = *challenger.IssueTicket(node_, ek, Bytes{1, 2, 3});
  auto other = *challenger.IssueTicket(node_, ek, Bytes{1, 2, 3});
  ASSERT_NE(ticket.secret, other.secret);
  Bytes prefix(ticket.secret.begin(), ticket.secret.end() - 1);
  for (const Bytes& secret : {other.secret, prefix, Bytes(), Bytes(32, 0)}) {
    EXPECT_EQ(challenger.RedeemTicket(node_, ticket.text, secret).error().reason, Reason::kCredentialUnanswered);
  }
}

TEST_F(TicketTest, DoesNotHoldItsSecret) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  auto ticket = *challenger.IssueTicket(node_, crypto::Sha256Digest(AsBytes("ek")), Bytes{1});
  Bytes text = *DecodeBase64Url(ticket.text);
  EXPECT_EQ(std::search(text.begin(), text.end(), ticket.secret.begin(), ticket.secret.end()), text.end());
}

TEST_F(TicketTest, Expires) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  auto ticket = *challenger.IssueTicket(node_, crypto::Sha256Digest(AsBytes("ek")), Bytes{1});
  clock_.Advance(limits::kNonceLifetime);
  EXPECT_TRUE(challenger.RedeemTicket(node_, ticket.text, ticket.secret).ok());
  clock_.Advance(Duration(1));
  EXPECT_EQ(challenger.RedeemTicket(node_, ticket.text, ticket.secret).error().reason, Reason::kNonceExpired);
}

TEST_F(TicketTest, EveryPrefixAndEveryChangedByteIsRefused) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  auto ticket = *challenger.IssueTicket(node_, crypto::Sha256Digest(AsBytes("ek")), Bytes{1, 2});
  for (std::size_t size = 0; size < ticket.text.size(); ++size) {
    auto result = challenger.RedeemTicket(node_, ticket.text.substr(0, size), ticket.secret);
    ASSERT_FALSE(result.ok()) << size;
    ASSERT_EQ(result.error().reason, Reason::kNonceMismatch) << size;
  }
  Bytes bytes = *DecodeBase64Url(ticket.text);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 1;
    auto result = challenger.RedeemTicket(node_, EncodeBase64Url(changed), ticket.secret);
    ASSERT_FALSE(result.ok()) << i;
    ASSERT_EQ(result.error().reason, Reason::kNonceMismatch) << i;
  }
}

TEST_F(TicketTest, ANonceIsNoTicket) {
  Challenger challenger(Bytes(32, 1), clock_, crypto::SystemRandom());
  Bytes nonce = challenger.IssueNonce(node_, ak_);
  EXPECT_EQ(challenger.RedeemTicket(node_, EncodeBase64Url(nonce), Bytes(32)).error().reason, Reason::kNonceMismatch);
  auto ticket = *challenger.IssueTicket(node_, crypto::Sha256Digest(AsBytes("ek")), ak_);
  EXPECT_EQ(challenger.RedeemNonce(node_, ak_, *DecodeBase64Url(ticket.text)).error().reason, Reason::kNonceMismatch);
}

// Q5: the ticket binds the AK's whole public area, so that the secret of one key does not activate another.
TEST(Adversarial_Q5, SecretOfOneKeyDoesNotActivateAnother) {
  FakeClock clock;
  Challenger challenger(Bytes(32, 1), clock, crypto::SystemRandom());
  NodeName node = Node("node-a");
  Digest ek = crypto::Sha256Digest(AsBytes("ek"));
  auto a = *challenger.IssueTicket(node, ek, Bytes{1});
  auto b = *challenger.IssueTicket(node, ek, Bytes{2});
  EXPECT_EQ(challenger.RedeemTicket(node, b.text, a.secret).error().reason, Reason::kCredentialUnanswered);
}

}  // namespace
}  // namespace gatehouse::session
