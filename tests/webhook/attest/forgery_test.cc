// Somebody who may write NodeAttestations cannot make trust.
#include "tests/webhook/attest/cluster_fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

Reason ReasonOf(const auto& result) {
  return result.ok() ? Reason::kUsage : result.error().reason;  // which nothing here fails with
}

class ForgeryFixture : public ClusterFixture {
 protected:
  // Both nodes attested; the second one, which an attacker owns, is untrusted since.
  void SetUp() override {
    replica = Start();
    ASSERT_TRUE(replica->Enrol("worker-1", node).ok());
    ASSERT_TRUE(replica->Enrol("worker-2", bad).ok());
    ASSERT_TRUE(replica->Attest("worker-1", node).ok());
    bad.tpm.SetPcr(HashAlgorithm::kSha256, 0, node.tpm.Pcr(HashAlgorithm::kSha256, 0));
    ASSERT_TRUE(replica->Attest("worker-2", bad).ok());
    ASSERT_TRUE(Says("worker-1", "Trusted"));
    ASSERT_TRUE(Says("worker-2", "Trusted"));
    was_good = Object("worker-2");
    clock.Advance(std::chrono::seconds(2));
    bad.tpm.Extend(HashAlgorithm::kSha256, 7, Bytes(32, 9));
    ASSERT_TRUE(replica->Attest("worker-2", bad).ok());
    ASSERT_TRUE(Says("worker-2", "Untrusted"));
  }
  // At the replica that was there, and at one that starts now.
  void ExpectNeverTrusted(const std::string& name) {
    Settle(*replica);
    EXPECT_NE(replica->State(name), NodeState::kTrusted);
    auto fresh = Start();
    EXPECT_NE(fresh->State(name), NodeState::kTrusted);
  }

  std::unique_ptr<Replica> replica;
  TestNode bad{vendor};
  std::optional<fakes::JsonValue> was_good;
};

TEST_F(ForgeryFixture, Adversarial_A5_ResultSignedByAnotherKey) {
  auto other = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto good = ear::Verify(was_good->TextAt({"status", "ear"}), Keys(), clock.Wall());
  ASSERT_TRUE(good.ok());
  ear::AttestationResult result = good->result();
  result.clock->clock_ms += 1'000'000;
  result.issued = std::chrono::floor<std::chrono::seconds>(clock.Wall());
  Change("worker-2", [&](fakes::JsonValue& object) {
    object.Member("status").Member("ear") = fakes::JsonValue::String(*ear::Encode(result, other));
    object.Member("status").Member("verdict") = fakes::JsonValue::String("Trusted");
  });
  ExpectNeverTrusted("worker-2");
}

TEST_F(ForgeryFixture, Adversarial_A5_AnotherNodesResultPasted) {
  const std::string theirs = ObjectText("worker-1", {"status", "ear"});
  Change("worker-2",
         [&](fakes::JsonValue& object) { object.Member("status").Member("ear") = fakes::JsonValue::String(theirs); });
  ExpectNeverTrusted("worker-2");
}

TEST_F(ForgeryFixture, Adversarial_A5_AnotherNodesObjectUnderThisName) {
  auto theirs = *Object("worker-1");
  theirs.Member("metadata").Member("name") = fakes::JsonValue::String("worker-2");
  theirs.Member("metadata").Member("uid") = fakes::JsonValue::String(ObjectText("worker-2", {"metadata", "uid"}));
  kube.Put(theirs.Write());
  ExpectNeverTrusted("worker-2");
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-2")), Reason::kNodeConflict);
}

TEST_F(ForgeryFixture, Adversarial_G12_OlderResultWrittenBack) {
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUntrusted);
  // And this replica, whose result is the later one, puts it right.
  EXPECT_TRUE(Says("worker-2", "Untrusted"));
  auto fresh = Start();
  EXPECT_TRUE(fresh->Becomes("worker-2", NodeState::kUntrusted));
}

TEST_F(ForgeryFixture, Adversarial_G12_OlderResultReplayedAfterAFailureThatWasTakenAway) {
  EXPECT_EQ(replica->AttestForged("worker-2", bad), Reason::kSignatureInvalid);
  ASSERT_TRUE(Eventually([&] {
    return ObjectText("worker-2", {"status", "failure", "reason"}) == "signature-invalid";
  }));
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUntrusted);
  EXPECT_TRUE(Eventually([&] {
    return ObjectText("worker-2", {"status", "failure", "reason"}) == "signature-invalid";
  }));
}

TEST_F(ForgeryFixture, Adversarial_G12_FailureTakenAway) {
  EXPECT_EQ(replica->AttestForged("worker-1", node), Reason::kSignatureInvalid);
  ASSERT_TRUE(Says("worker-1", "Untrusted"));
  Change("worker-1", [](fakes::JsonValue& object) { object.Member("status").Erase("failure"); });
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-1"), NodeState::kUntrusted);
  EXPECT_TRUE(Eventually([&] {
    return ObjectText("worker-1", {"status", "failure", "reason"}) == "signature-invalid";
  }));
}

TEST_F(ForgeryFixture, Adversarial_G12_ObjectDeletedAndMadeAgainFromAnOlderOne) {
  kube.Remove(kube::kNodeAttestations, "worker-2");
  ASSERT_TRUE(replica->Becomes("worker-2", NodeState::kUnknown));
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUnknown);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-2")), Reason::kAkUnbound);  // that binding was released
  // Who enrols now gets the name, as after any release.
  TestNode another(vendor);
  EXPECT_TRUE(replica->Enrol("worker-2", another).ok());
}

TEST_F(ForgeryFixture, Adversarial_G6_BindingSwapped) {
  const std::string theirs = ObjectText("worker-1", {"spec", "binding"});
  Change("worker-2",
         [&](fakes::JsonValue& object) { object.Member("spec").Member("binding") = fakes::JsonValue::String(theirs); });
  Settle(*replica);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-2")), Reason::kNodeConflict);
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUnknown);
  EXPECT_EQ(replica->State("worker-1"), NodeState::kTrusted);
}

TEST_F(ForgeryFixture, Adversarial_G12_OlderResultWrittenBackAfterABindingThatWasBroken) {
  Change("worker-2",
         [&](fakes::JsonValue& object) { object.Member("spec").Member("binding") = fakes::JsonValue::String("x"); });
  Settle(*replica);
  auto written = *was_good;
  kube.Put(written.Write());
  Settle(*replica);
  EXPECT_TRUE(replica->bindings->Find("worker-2").ok());
  EXPECT_EQ(replica->State("worker-2"), NodeState::kUnknown);
}

TEST_F(ForgeryFixture, Adversarial_Q5_OlderBindingWrittenBackAfterABindingThatWasBroken) {
  auto old = *Object("worker-1");
  clock.Advance(Duration(5));
  node.ak = node.tpm.CreateAk();
  ASSERT_TRUE(replica->Enrol("worker-1", node).ok());
  auto right = *Object("worker-1");
  Change("worker-1",
         [&](fakes::JsonValue& object) { object.Member("spec").Member("binding") = fakes::JsonValue::String("x"); });
  Settle(*replica);
  kube.Put(old.Write());
  Settle(*replica);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-1")), Reason::kAkUnbound);
  kube.Put(right.Write());
  Settle(*replica);
  ASSERT_TRUE(replica->bindings->Find("worker-1").ok());
  EXPECT_EQ(replica->bindings->Find("worker-1")->ak_name, node.AkName());
}

// A binding that nobody else claims any more.
TEST_F(ForgeryFixture, Adversarial_G6_ReleasedBindingOfAnotherNodeUnderThisName) {
  auto theirs = *Object("worker-1");
  kube.Remove(kube::kNodeAttestations, "worker-1");
  ASSERT_TRUE(replica->Becomes("worker-1", NodeState::kUnknown));
  AddNode("worker-3", "uid-3");
  theirs.Member("metadata") = fakes::JsonValue::Object();
  theirs.Member("metadata").Member("name") = fakes::JsonValue::String("worker-3");
  kube.Put(theirs.Write());
  Settle(*replica);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-3")), Reason::kNodeConflict);
  auto fresh = Start();
  EXPECT_EQ(ReasonOf(fresh->bindings->Find("worker-3")), Reason::kNodeConflict);
}

// The same machine, released and bound under another name, where no UID tells the two apart.
TEST_F(ClusterFixture, Adversarial_G19_ResultOfTheSameTpmUnderItsEarlierName) {
  ClusterNodes::Options options = Quick();
  options.before_node = true;
  auto a = Start(options);
  ASSERT_TRUE(a->Enrol("worker-8", node).ok());
  ASSERT_TRUE(a->Attest("worker-8", node).ok());
  ASSERT_TRUE(Eventually([&] { return ObjectText("worker-8", {"status", "ear"}) != ""; }));
  const std::string earlier = ObjectText("worker-8", {"status", "ear"});
  kube.Remove(kube::kNodeAttestations, "worker-8");
  ASSERT_TRUE(Eventually([&] { return ReasonOf(a->bindings->Find("worker-8")) == Reason::kAkUnbound; }));
  ASSERT_TRUE(a->Enrol("worker-9", node).ok());
  Change("worker-9",
         [&](fakes::JsonValue& object) { object.Member("status").Member("ear") = fakes::JsonValue::String(earlier); });
  Settle(*a);
  EXPECT_FALSE(a->nodes.TrustedMachine("worker-9", *set));
  ASSERT_TRUE(a->Attest("worker-9", node).ok());
  EXPECT_TRUE(a->nodes.TrustedMachine("worker-9", *set));
}

TEST_F(ForgeryFixture, Adversarial_G6_BindingSignedByAnotherKey) {
  auto other = *crypto::PrivateKey::Generate(crypto::KeyType::kEcP256);
  auto mine = replica->bindings->Find("worker-1");
  ASSERT_TRUE(mine.ok());
  mine->enrolled += std::chrono::hours(1);
  auto forged = SignBinding(*mine, other, clock.Wall());
  Change("worker-1", [&](fakes::JsonValue& object) {
    object.Member("spec").Member("binding") = fakes::JsonValue::String(*forged);
  });
  Settle(*replica);
  EXPECT_EQ(ReasonOf(replica->bindings->Find("worker-1")), Reason::kNodeConflict);
}

TEST_F(ForgeryFixture, Adversarial_Q5_OlderBindingOfAKeyThatWasReplacedWrittenBack) {
  auto old = *Object("worker-1");
  const std::string old_ak = node.AkName();
  clock.Advance(Duration(5));
  const fakes::TpmKey lost = std::exchange(node.ak, node.tpm.CreateAk());
  ASSERT_TRUE(replica->Enrol("worker-1", node).ok());
  kube.Put(old.Write());
  Settle(*replica);
  EXPECT_EQ(replica->bindings->Find("worker-1")->ak_name, node.AkName());
  EXPECT_EQ(replica->State("worker-1"), NodeState::kUnknown);
  // The next result puts the right one back.
  ASSERT_TRUE(replica->Attest("worker-1", node).ok());
  EXPECT_TRUE(Eventually([&] { return ObjectText("worker-1", {"spec", "ak"}) == node.AkName(); }));
  auto read = VerifyBinding(ObjectText("worker-1", {"spec", "binding"}), Keys(), clock.Wall());
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->ak_name, node.AkName());
  // The old key again, by enrolling: its results from before are still over.
  node.ak = lost;
  ASSERT_TRUE(replica->Enrol("worker-1", node).ok());
  ASSERT_EQ(node.AkName(), old_ak);
  const std::string old_ear = old.TextAt({"status", "ear"});
  Change("worker-1",
         [&](fakes::JsonValue& object) { object.Member("status").Member("ear") = fakes::JsonValue::String(old_ear); });
  Settle(*replica);
  EXPECT_EQ(replica->State("worker-1"), NodeState::kUnknown);
}

TEST_F(ForgeryFixture, FailureFromTheEndOfTimeLastsUntilTheNextResult) {
  Change("worker-1", [](fakes::JsonValue& object) {
    auto& failure = object.Member("status").Member("failure");
    failure = fakes::JsonValue::Object();
    failure.Member("reason") = fakes::JsonValue::String("signature-invalid");
    failure.Member("where") = fakes::JsonValue::String("");
    failure.Member("detail") = fakes::JsonValue::String("x");
    failure.Member("time") = fakes::JsonValue::String("9999-01-01T00:00:00Z");
  });
  EXPECT_TRUE(replica->Becomes("worker-1", NodeState::kUntrusted));
  clock.Advance(std::chrono::seconds(31));
  ASSERT_TRUE(replica->Attest("worker-1", node).ok());
  EXPECT_EQ(replica->State("worker-1"), NodeState::kTrusted);
  EXPECT_TRUE(Says("worker-1", "Trusted"));
}

}  // namespace
}  // namespace gatehouse::webhook
