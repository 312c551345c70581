// Adversarial V5 and the rest of signature-specification.md, "Certificate Requirements".
#include "common/signature/notation/certificates.h"

#include <gtest/gtest.h>

#include "common/signature/notation/envelope.h"
#include "tests/common/base/outcome.h"
#include "tests/common/crypto/testdata.h"
#include "tests/common/signature/notation/scenario.h"

namespace gatehouse::signature::notation {
namespace {

using crypto::Certificate;
using fakes::CaSpec;
using fakes::CertificateSpec;
using fakes::LeafSpec;
using fakes::TestCa;
using fakes::TestCertificate;

const TestCa& Root() {
  static const TestCa root = TestCa::Root(CaSpec("root"));
  return root;
}
const TestCa& Intermediate() {
  static const TestCa intermediate = Root().Intermediate(CaSpec("intermediate"));
  return intermediate;
}
TestCertificate Self(const TestCa& ca) {
  return {ca.certificate(), ca.key(), ca.pem(), ca.der()};
}

using Chain = std::vector<Certificate>;
std::string OutcomeOf(const Chain& chain, Purpose purpose = Purpose::kCodeSigning) {
  return Outcome(CheckCertificates(chain, purpose));
}
Chain WithLeaf(const CertificateSpec& spec) {
  return {Intermediate().Leaf(spec).certificate, Intermediate().certificate(), Root().certificate()};
}
Chain WithRoot(const CertificateSpec& spec) {
  const TestCa root = TestCa::Root(spec);
  return {root.Leaf(LeafSpec("leaf")).certificate, root.certificate()};
}
Chain WithIntermediate(const CertificateSpec& spec) {
  const TestCa intermediate = Root().Intermediate(spec);
  return {intermediate.Leaf(LeafSpec("leaf")).certificate, intermediate.certificate(), Root().certificate()};
}
CertificateSpec Stamper() {
  return LeafSpec("stamps").With("extendedKeyUsage", "critical,timeStamping");
}

TEST(NotationCertificates, WhatIsAccepted) {
  EXPECT_EQ(OutcomeOf(WithLeaf(LeafSpec("leaf"))), "ok");
  EXPECT_EQ(OutcomeOf(WithRoot(CaSpec("root"))), "ok");
  // "The basicConstraints extension is OPTIONAL" in a leaf; so are extended key usages.
  EXPECT_EQ(OutcomeOf(WithLeaf(LeafSpec("leaf").Without("basicConstraints"))), "ok");
  EXPECT_EQ(OutcomeOf(WithLeaf(LeafSpec("leaf").With("extendedKeyUsage", "codeSigning"))), "ok");
  EXPECT_EQ(OutcomeOf(WithLeaf(LeafSpec("leaf").With("extendedKeyUsage", "1.2.3.4"))), "ok");
  // nonRepudiation is not among the bits that must not be set.
  EXPECT_EQ(OutcomeOf(WithLeaf(LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,nonRepudiation"))), "ok");
  EXPECT_EQ(OutcomeOf(WithIntermediate(CaSpec("ca").With("basicConstraints", "critical,CA:TRUE,pathlen:0"))), "ok");
  EXPECT_EQ(OutcomeOf({TestCa::SelfSignedLeaf(LeafSpec("alone")).certificate}), "ok");
  // "rest of the extensions MUST NOT be evaluated or honored".
  EXPECT_EQ(OutcomeOf(WithLeaf(LeafSpec("leaf").With("1.2.3.4", "critical,DER:0500"))), "ok");
  EXPECT_EQ(OutcomeOf(WithLeaf(Stamper()), Purpose::kTimestamping), "ok");
}

TEST(Adversarial_V5, AnIncompleteOrDisorderedChain) {
  const Certificate leaf = Intermediate().Leaf(LeafSpec("leaf")).certificate;
  const Certificate ca = Intermediate().certificate();
  const Certificate root = Root().certificate();
  const Certificate stranger = TestCa::Root(CaSpec("root")).certificate();
  const std::vector<Chain> chains = {
      {},
      {leaf},
      {leaf, ca},
      {leaf, root},
      {ca, root},
      {root},
      {leaf, root, ca},
      {root, ca, leaf},
      {leaf, ca, root, root},
      {leaf, leaf, ca, root},
      {leaf, ca, stranger},
      {leaf, ca, root, stranger},
      {TestCa::SelfSignedLeaf(LeafSpec("alone")).certificate, root},
  };
  for (std::size_t i = 0; i < chains.size(); ++i) EXPECT_EQ(OutcomeOf(chains[i]), "certificate-untrusted") << i;
  EXPECT_EQ(OutcomeOf({leaf, ca, root}), "ok");
}

TEST(Adversarial_V5, LeavesThatMayNotSign) {
  const std::vector<CertificateSpec> specs = {
      LeafSpec("leaf").Without("keyUsage"),
      LeafSpec("leaf").With("keyUsage", "digitalSignature"),  // not critical
      LeafSpec("leaf").With("keyUsage", "critical,nonRepudiation"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,keyCertSign"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,cRLSign"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,keyEncipherment"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,dataEncipherment"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,keyAgreement"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,encipherOnly"),
      LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,decipherOnly"),
      LeafSpec("leaf").With("basicConstraints", "critical,CA:TRUE"),
      LeafSpec("leaf").With("extendedKeyUsage", "anyExtendedKeyUsage"),
      LeafSpec("leaf").With("extendedKeyUsage", "codeSigning,anyExtendedKeyUsage"),
      LeafSpec("leaf").With("extendedKeyUsage", "codeSigning,serverAuth"),
      LeafSpec("leaf").With("extendedKeyUsage", "clientAuth"),
      LeafSpec("leaf").With("extendedKeyUsage", "codeSigning,emailProtection"),
      LeafSpec("leaf").With("extendedKeyUsage", "timeStamping"),
      LeafSpec("leaf").With("extendedKeyUsage", "OCSPSigning"),
  };
  for (const CertificateSpec& spec : specs) {
    std::string shown;
    for (const auto& [name, value] : spec.extensions) shown += name + "=" + value + " ";
    EXPECT_EQ(OutcomeOf(WithLeaf(spec)), "certificate-untrusted") << shown;
  }
  CertificateSpec odd = LeafSpec("leaf");
  odd.key_type = crypto::KeyType::kRsa;
  odd.rsa_bits = 2560;
  EXPECT_EQ(OutcomeOf(WithLeaf(odd)), "certificate-untrusted");
  odd.key_type = crypto::KeyType::kEd25519;
  EXPECT_EQ(OutcomeOf(WithLeaf(odd)), "certificate-untrusted");
}

TEST(Adversarial_V5, CasThatMayNotIssue) {
  const std::vector<CertificateSpec> specs = {
      CaSpec("ca").Without("basicConstraints"),
      CaSpec("ca").With("basicConstraints", "CA:TRUE"),  // not critical
      CaSpec("ca").With("basicConstraints", "critical,CA:FALSE"),
      CaSpec("ca").Without("keyUsage"),
      CaSpec("ca").With("keyUsage", "keyCertSign"),  // not critical
      CaSpec("ca").With("keyUsage", "critical,cRLSign,digitalSignature"),
  };
  for (const CertificateSpec& spec : specs) {
    EXPECT_EQ(OutcomeOf(WithRoot(spec)), "certificate-untrusted");
    EXPECT_EQ(OutcomeOf(WithIntermediate(spec)), "certificate-untrusted");
  }
}

TEST(Adversarial_V5, ThePathIsLongerThanARootAllows) {
  const TestCa root = TestCa::Root(CaSpec("root").With("basicConstraints", "critical,CA:TRUE,pathlen:0"));
  const TestCa intermediate = root.Intermediate(CaSpec("intermediate"));
  EXPECT_EQ(OutcomeOf({root.Leaf(LeafSpec("leaf")).certificate, root.certificate()}), "ok");
  EXPECT_EQ(
      OutcomeOf({intermediate.Leaf(LeafSpec("leaf")).certificate, intermediate.certificate(), root.certificate()}),
      "certificate-untrusted");
}

TEST(Adversarial_V5, Sha1AnywhereInTheChain) {
  const auto sha1 = [](CertificateSpec spec) {
    spec.hash = HashAlgorithm::kSha1;
    return spec;
  };
  EXPECT_EQ(OutcomeOf(WithLeaf(sha1(LeafSpec("leaf")))), "certificate-untrusted");
  EXPECT_EQ(OutcomeOf(WithIntermediate(sha1(CaSpec("ca")))), "certificate-untrusted");
  EXPECT_EQ(OutcomeOf(WithRoot(sha1(CaSpec("root")))), "certificate-untrusted");
}

// In the envelope, at every level that verifies anything.
TEST(Adversarial_V5, TheWholeVerificationRefusesSuchAChain) {
  const TestCertificate ca_leaf =
      Notary().IssueLeaf(LeafSpec("leaf").With("keyUsage", "critical,digitalSignature,keyCertSign"));
  const std::vector<std::vector<TestCertificate>> chains = {{Notary().leaf(), Self(Notary().issuer())},
                                                            {ca_leaf, Self(Notary().issuer()), Self(Notary().root())}};
  for (const auto& chain : chains) {
    for (const bool cose : {false, true}) {
      for (const char* const level : {"strict", "permissive", "audit"}) {
        Scenario scenario;
        scenario.verification = std::string(R"({"level": ")") + level + R"("})";
        EXPECT_EQ(Outcome(scenario.Verify({.cose = cose, .chain = chain})), "certificate-untrusted") << level;
      }
    }
  }
}

TEST(NotationCertificates, OfTimestampAuthorities) {
  const auto outcome = [](const CertificateSpec& spec) { return OutcomeOf(WithLeaf(spec), Purpose::kTimestamping); };
  EXPECT_EQ(outcome(LeafSpec("leaf")), "certificate-untrusted");
  EXPECT_EQ(outcome(LeafSpec("leaf").With("extendedKeyUsage", "timeStamping")), "certificate-untrusted");
  EXPECT_EQ(outcome(Stamper().With("extendedKeyUsage", "critical,timeStamping,codeSigning")), "certificate-untrusted");
  EXPECT_EQ(outcome(Stamper().With("extendedKeyUsage", "critical,anyExtendedKeyUsage")), "certificate-untrusted");
  EXPECT_EQ(outcome(Stamper().Without("keyUsage")), "certificate-untrusted");
  EXPECT_EQ(outcome(Stamper().With("keyUsage", "critical,digitalSignature,keyCertSign")), "certificate-untrusted");
  // Only for a timestamp a key usage need not be critical.
  EXPECT_EQ(outcome(Stamper().With("keyUsage", "digitalSignature")), "ok");
}

TEST(NotationCertificates, ValidityIncludesBothEnds) {
  const WallTime from = kNow - kDay;
  const WallTime until = kNow + kDay;
  const Chain chain = {Intermediate().Leaf(LeafSpec("leaf").Valid(from, until)).certificate,
                       Intermediate().certificate(), Root().certificate()};
  const std::chrono::milliseconds tick{1};
  const std::chrono::seconds second{1};
  EXPECT_EQ(Outcome(CheckValidity(chain, kNow, kNow)), "ok");
  EXPECT_EQ(Outcome(CheckValidity(chain, from, until)), "ok");
  EXPECT_EQ(Outcome(CheckValidity(chain, from, until + second - tick)), "ok");
  EXPECT_EQ(Outcome(CheckValidity(chain, from - tick, kNow)), "certificate-expired");
  EXPECT_EQ(Outcome(CheckValidity(chain, kNow, until + second)), "certificate-expired");
  // A CA counts as the leaf does.
  EXPECT_EQ(Outcome(CheckValidity({chain[1], chain[2]}, kAfterExpiry, kAfterExpiry)), "certificate-expired");
}

TEST(NotationCertificates, KeysOfTheTable) {
  const auto read = [](const char* name) {
    return AlgorithmOf(crypto::PublicKey::FromPem(crypto::TestText(std::string("signatures/") + name)).value());
  };
  EXPECT_EQ(read("rsa2048.pem"), SigningAlgorithm::kPs256);
  EXPECT_EQ(read("rsa3072.pem"), SigningAlgorithm::kPs384);
  EXPECT_EQ(read("rsa4096.pem"), SigningAlgorithm::kPs512);
}

}  // namespace
}  // namespace gatehouse::signature::notation
