// What becomes of a node's identity over time: cleared and cloned TPMs, new firmware, suspended machines, TPMs without
// certificates, and one TPM that plays two nodes.
#include "tests/webhook/attest/cluster_fixture.h"

namespace gatehouse::webhook {
namespace {

using gate::NodeState;

template <typename R>
Reason ReasonOf(const R& result) {
  return result.ok() ? Reason::kUsage : result.error().reason;
}

class Lifecycle : public ClusterFixture {
 protected:
  void LoadWithIdentity(const std::string& identity) {
    std::string yaml = PolicyYaml("workers", "", "600s");
    const std::string at = "    trustRoots: [vendor]\n";
    yaml.insert(yaml.find(at) + at.size(), "    identity: " + identity + "\n");
    Load(yaml);
  }
  // TPM2_Clear, and the key that the agent makes afterwards.
  static void Clear(TestNode& as) {
    as.tpm.clock = {5'000, 0, 0, true};
    as.ak = as.tpm.CreateAk();
  }
  // The finding of the node's last result.
  static Reason Found(const gate::NodeTrust& trust) {
    return trust.findings.empty() ? Reason::kUsage : trust.findings.front().reason;
  }
};

TEST_F(Lifecycle, ClearedTpmIsToldFromARewindUntilTheBindingIsReleased) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  Clear(node);
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_EQ(ReasonOf(a->Attest("worker-1", node)), Reason::kTpmCleared);
  EXPECT_NE(a->State("worker-1"), NodeState::kTrusted);
  kube.Remove(kube::kNodeAttestations, "worker-1");  // what an admin does
  ASSERT_TRUE(Eventually([&] { return !a->bindings->Find("worker-1").ok(); }));
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  EXPECT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_TRUE(a->Becomes("worker-1", NodeState::kTrusted));
}

TEST_F(Lifecycle, ClearedTpmIsToldByAReplicaThatHeardOfTheClockOnly) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  auto b = Start();
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  Clear(node);
  ASSERT_TRUE(b->Enrol("worker-1", node).ok());
  EXPECT_EQ(ReasonOf(b->Attest("worker-1", node)), Reason::kTpmCleared);
  // A new replica reads it of the binding.
  auto c = Start();
  ASSERT_TRUE(c->Knows("worker-1"));
  EXPECT_EQ(ReasonOf(c->Attest("worker-1", node)), Reason::kTpmCleared);
}

TEST_F(Lifecycle, Adversarial_Q9_FirmwareThatChangesWhileTheTpmRuns) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  auto b = Start();
  ASSERT_TRUE(b->Becomes("worker-1", NodeState::kTrusted));
  node.tpm.firmware_version += 1;
  EXPECT_EQ(ReasonOf(b->Attest("worker-1", node)), Reason::kFirmwareChanged) << "by what the other replica wrote down";
  EXPECT_EQ(b->State("worker-1"), NodeState::kUntrusted);
  node.tpm.Reset();
  EXPECT_TRUE(b->Attest("worker-1", node).ok());
}

TEST_F(Lifecycle, Adversarial_Q9_CloneAndOriginalInTurns) {
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  TestNode clone = node;
  clone.tpm.clock.clock_ms += 60'000;
  ASSERT_TRUE(a->Attest("worker-1", clone).ok());
  EXPECT_EQ(ReasonOf(a->Attest("worker-1", node)), Reason::kClockRewound);
  EXPECT_EQ(a->State("worker-1"), NodeState::kUntrusted);
  node.tpm.clock.clock_ms += 120'000;
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(ReasonOf(a->Attest("worker-1", clone)), Reason::kClockRewound);
  EXPECT_EQ(a->State("worker-1"), NodeState::kUntrusted);
}

TEST_F(Lifecycle, Adversarial_Q9_MachineThatStoodStill) {
  LoadWithIdentity("{maxClockLag: 5m}");
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  ASSERT_EQ(a->State("worker-1"), NodeState::kTrusted);
  clock.Advance(std::chrono::minutes(9));  // of which the TPM knows nothing
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kUntrusted);
  EXPECT_EQ(Found(a->Trust("worker-1")), Reason::kClockStalled);
  node.tpm.Reset();
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
}

TEST_F(Lifecycle, FirmwareThatThePolicyDoesNotList) {
  LoadWithIdentity("{firmwareVersions: [\"0x1\"]}");
  auto a = Start();
  ASSERT_TRUE(a->Enrol("worker-1", node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kUntrusted);
  EXPECT_EQ(Found(a->Trust("worker-1")), Reason::kFirmwareChanged);
}

TEST_F(Lifecycle, TpmOfTheInventoryNeedsNoCertificate) {
  auto a = Start();
  const auto enroll = [&](const TestNode& as) -> Status {
    session::EnrollRequest request = as.EnrollRequest("worker-1");
    request.ek_certificate.clear();
    ASSIGN_OR_RETURN(auto challenge, a->service.Enroll(Node("worker-1"), request));
    ASSIGN_OR_RETURN(Bytes secret,
                     as.tpm.ActivateCredential(as.ak.name(), challenge.id_object, challenge.encrypted_secret));
    auto activated = a->service.Activate(Node("worker-1"),
                                         {.node = "worker-1", .ticket = challenge.ticket, .secret = std::move(secret)});
    return activated.ok() ? Ok() : Status(activated.error());
  };
  EXPECT_EQ(ReasonOf(enroll(node)), Reason::kCertificateUntrusted);
  LoadWithIdentity("{requireEkHash: {hashes: [\"" + vendor.certificate().Fingerprint().text() + "\"]}}");
  EXPECT_EQ(ReasonOf(enroll(node)), Reason::kEkUnlisted);
  LoadWithIdentity("{requireEkHash: {hashes: [\"" + node.tpm.ek().key().Public().Fingerprint().text() + "\"]}}");
  ASSERT_TRUE(enroll(node).ok());
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
}

// A cloud's certificate of the attestation key, and an endorsement key that its presenter made up.
TEST_F(Lifecycle, Adversarial_Q6_OneCertifiedAttestationKeyForTwoNodes) {
  LoadWithIdentity("{akCertificates: true}");
  auto a = Start();
  auto b = Start();
  fakes::CertificateSpec spec = fakes::LeafSpec("instance-1");
  spec.public_key = node.ak.key().Public();
  const Bytes certificate = vendor.Leaf(spec.With("extendedKeyUsage", "2.23.133.8.3")).der;
  const auto enroll = [&](Replica& at, const std::string& name, const fakes::SoftwareTpm& made_up) -> Status {
    session::EnrollRequest request = node.EnrollRequest(name);
    request.ek_public = made_up.ek().area().bytes;
    request.ek_certificate.clear();
    request.ak_certificate = certificate;
    ASSIGN_OR_RETURN(auto challenge, at.service.Enroll(Node(name), request));
    ASSIGN_OR_RETURN(Bytes secret,
                     made_up.ActivateCredential(node.ak.name(), challenge.id_object, challenge.encrypted_secret));
    auto activated =
        at.service.Activate(Node(name), {.node = name, .ticket = challenge.ticket, .secret = std::move(secret)});
    return activated.ok() ? Ok() : Status(activated.error());
  };
  ASSERT_TRUE(enroll(*a, "worker-1", node.tpm).ok());
  ASSERT_TRUE(b->Knows("worker-1"));
  const fakes::SoftwareTpm made_up;
  EXPECT_EQ(ReasonOf(enroll(*a, "worker-2", made_up)), Reason::kTpmInUse);
  EXPECT_EQ(ReasonOf(enroll(*b, "worker-2", made_up)), Reason::kTpmInUse);
  EXPECT_EQ(ReasonOf(enroll(*a, "worker-1", made_up)), Reason::kNodeConflict);
  ASSERT_TRUE(a->Attest("worker-1", node).ok());
  EXPECT_EQ(a->State("worker-1"), NodeState::kTrusted);
}

}  // namespace
}  // namespace gatehouse::webhook
