// VerifyChain: a good chain, then one thing broken at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <atomic>
#include <thread>

#include "common/base/limits.h"
#include "common/crypto/x509.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/pki.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::CertificateSpec;
using fakes::kPkiNotAfter;
using fakes::kPkiNotBefore;
using fakes::kPkiNow;
using fakes::LeafSpec;
using fakes::TestCa;
using fakes::TestCertificate;
using testing::HasSubstr;

using Path = std::vector<Certificate>;

constexpr std::chrono::hours kHour{1};
constexpr const char* kCodeSigning = "1.3.6.1.5.5.7.3.3";
constexpr const char* kEkCertificate = "2.23.133.8.1";

ChainOptions At(WallTime at) {
  return {.at = at, .required_eku = "", .tolerated_critical_oids = {}};
}

Reason ReasonOf(const Result<Path>& result) {
  EXPECT_FALSE(result.ok()) << "a chain that must be refused was accepted";
  EXPECT_EQ(ERR_peek_error(), 0UL) << "OpenSSL's error queue is not empty";
  return result.ok() ? Reason::kInternal : result.error().reason;
}

class ChainTest : public testing::Test {
 protected:
  [[nodiscard]] Result<Path> Verify(const TestCertificate& leaf) const {
    return VerifyChain(leaf.certificate, {intermediate_.certificate()}, {root_.certificate()}, At(kPkiNow));
  }
  // leaf ← a CA of this spec ← root
  [[nodiscard]] Result<Path> VerifyThrough(const CertificateSpec& ca,
                                           const CertificateSpec& leaf = LeafSpec("leaf")) const {
    const TestCa through = root_.Intermediate(ca);
    return VerifyChain(through.Leaf(leaf).certificate, {through.certificate()}, {root_.certificate()}, At(kPkiNow));
  }

  const TestCa root_ = TestCa::Root(CaSpec("root"));
  const TestCa intermediate_ = root_.Intermediate(CaSpec("intermediate"));
  const TestCertificate leaf_ = intermediate_.Leaf(LeafSpec("leaf"));
};

TEST_F(ChainTest, GoodChainIsReturnedLeafFirst) {
  const Result<Path> path = Verify(leaf_);
  ASSERT_TRUE(path.ok()) << path.error().ToString();
  ASSERT_EQ(path->size(), 3U);
  EXPECT_EQ((*path)[0].Der(), leaf_.der);
  EXPECT_EQ((*path)[1].Der(), intermediate_.der());
  EXPECT_EQ((*path)[2].Der(), root_.der());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(ChainTest, EveryKindOfKeyMaySign) {
  for (const KeyType type : {KeyType::kEcP384, KeyType::kEcP521, KeyType::kRsa, KeyType::kEd25519}) {
    const TestCa ca = TestCa::Root({.common_name = "ca", .key_type = type, .hash = HashAlgorithm::kSha384});
    EXPECT_TRUE(VerifyChain(ca.Leaf(LeafSpec("leaf")).certificate, {}, {ca.certificate()}, At(kPkiNow)).ok());
  }
  const TestCa rsa = TestCa::Root({.common_name = "ca", .key_type = KeyType::kRsa, .rsa_pss = true});
  EXPECT_TRUE(
      VerifyChain(rsa.Leaf({.common_name = "leaf", .rsa_pss = true}).certificate, {}, {rsa.certificate()}, At(kPkiNow))
          .ok());
}

TEST_F(ChainTest, IntermediatesMayComeInAnyOrderWithStrangersAmongThem) {
  const TestCa second = intermediate_.Intermediate(CaSpec("second"));
  const TestCa stranger = TestCa::Root(CaSpec("stranger"));
  const TestCertificate leaf = second.Leaf(LeafSpec("leaf"));
  for (const Path& intermediates : {Path{intermediate_.certificate(), stranger.certificate(), second.certificate()},
                                    Path{second.certificate(), root_.certificate(), intermediate_.certificate()}}) {
    const Result<Path> path =
        VerifyChain(leaf.certificate, intermediates, {stranger.certificate(), root_.certificate()}, At(kPkiNow));
    ASSERT_TRUE(path.ok()) << path.error().ToString();
    EXPECT_EQ(path->size(), 4U);
  }
}

// --- trust

TEST_F(ChainTest, SelfSignedUnknownRootIsRefused) {
  const TestCa other = TestCa::Root(CaSpec("other"));
  const TestCertificate leaf = other.Leaf(LeafSpec("leaf"));
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, {other.certificate()}, {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, SelfSignedLeafIsRefused) {
  EXPECT_EQ(ReasonOf(Verify(TestCa::SelfSignedLeaf(LeafSpec("leaf")))), Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, NoRootsMeansNoTrustAndNeverThoseOfTheMachine) {
  EXPECT_EQ(ReasonOf(VerifyChain(leaf_.certificate, {intermediate_.certificate()}, {}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
  // OpenSSL's default store reads these; VerifyChain has no store.
  const std::string file = testing::TempDir() + "/gatehouse-roots.pem";
  std::ofstream(file) << root_.pem();
  ASSERT_EQ(setenv("SSL_CERT_FILE", file.c_str(), 1), 0);
  const TestCa other = TestCa::Root(CaSpec("other"));
  EXPECT_EQ(ReasonOf(VerifyChain(leaf_.certificate, {intermediate_.certificate()}, {other.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
  unsetenv("SSL_CERT_FILE");
}

TEST_F(ChainTest, MissingIntermediateIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyChain(leaf_.certificate, {}, {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, SameNameDifferentKeyRootIsRefused) {
  const TestCa namesake = TestCa::Root(CaSpec("root"));
  EXPECT_EQ(
      ReasonOf(VerifyChain(leaf_.certificate, {intermediate_.certificate()}, {namesake.certificate()}, At(kPkiNow))),
      Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, SameNameAndKeyIdentifierDifferentKeyRootIsRefused) {
  const TestCa root = TestCa::Root(CaSpec("plain").Without("subjectKeyIdentifier"));
  const TestCa namesake = TestCa::Root(CaSpec("plain").Without("subjectKeyIdentifier"));
  const TestCertificate leaf = root.Leaf(LeafSpec("leaf").Without("authorityKeyIdentifier"));
  ASSERT_TRUE(VerifyChain(leaf.certificate, {}, {root.certificate()}, At(kPkiNow)).ok());
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, {}, {namesake.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

// Trap of OpenSSL: it takes the first issuer that fits by name, and does not try the second.
TEST_F(ChainTest, ANamesakeDoesNotHideTheTrueIssuer) {
  const CertificateSpec spec = CaSpec("plain").Without("subjectKeyIdentifier");
  const TestCa namesake = TestCa::Root(spec);
  const TestCa root = TestCa::Root(spec);
  const TestCertificate leaf = root.Leaf(LeafSpec("leaf").Without("authorityKeyIdentifier"));
  for (const Path& roots :
       {Path{namesake.certificate(), root.certificate()}, Path{root.certificate(), namesake.certificate()}}) {
    EXPECT_TRUE(VerifyChain(leaf.certificate, {}, roots, At(kPkiNow)).ok());
  }
  const TestCa fake = root_.Intermediate(spec);
  const TestCa real = root_.Intermediate(spec);
  const TestCertificate under = real.Leaf(LeafSpec("leaf").Without("authorityKeyIdentifier"));
  for (const Path& cas : {Path{fake.certificate(), real.certificate()}, Path{real.certificate(), fake.certificate()}}) {
    EXPECT_TRUE(VerifyChain(under.certificate, cas, {root_.certificate()}, At(kPkiNow)).ok());
  }
}

TEST_F(ChainTest, BrokenSignaturesAreRefused) {
  Bytes leaf = leaf_.der;
  leaf.back() ^= 1;
  EXPECT_EQ(ReasonOf(VerifyChain(Certificate::FromDer(leaf).value(), {intermediate_.certificate()},
                                 {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
  Bytes ca = intermediate_.der();
  ca.back() ^= 1;
  EXPECT_EQ(
      ReasonOf(VerifyChain(leaf_.certificate, {Certificate::FromDer(ca).value()}, {root_.certificate()}, At(kPkiNow))),
      Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, AnIntermediateGivenAsRootEndsThePath) {
  const Result<Path> path = VerifyChain(leaf_.certificate, {}, {intermediate_.certificate()}, At(kPkiNow));
  ASSERT_TRUE(path.ok()) << path.error().ToString();
  ASSERT_EQ(path->size(), 2U);
  EXPECT_EQ(path->back().Der(), intermediate_.der());
}

TEST_F(ChainTest, ALeafThatIsARootItselfIsAccepted) {
  for (const TestCertificate& leaf : {leaf_, TestCa::SelfSignedLeaf(LeafSpec("self"))}) {
    const Result<Path> path = VerifyChain(leaf.certificate, {}, {leaf.certificate}, At(kPkiNow));
    ASSERT_TRUE(path.ok()) << path.error().ToString();
    ASSERT_EQ(path->size(), 1U);
    EXPECT_EQ(path->front().Der(), leaf.der);
  }
}

TEST_F(ChainTest, ALeafThatIsARootItselfMustBeValidNow) {
  const TestCertificate expired = intermediate_.Leaf(LeafSpec("leaf").Valid(kPkiNotBefore, kPkiNow - kHour));
  EXPECT_EQ(ReasonOf(VerifyChain(expired.certificate, {}, {expired.certificate}, At(kPkiNow))),
            Reason::kCertificateExpired);
}

TEST_F(ChainTest, CaCertificateAsLeafIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyChain(intermediate_.certificate(), {}, {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
  EXPECT_EQ(ReasonOf(VerifyChain(root_.certificate(), {}, {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

// --- time

TEST_F(ChainTest, ExpiredLeafIsRefused) {
  EXPECT_EQ(ReasonOf(Verify(intermediate_.Leaf(LeafSpec("leaf").Valid(kPkiNotBefore, kPkiNow - kHour)))),
            Reason::kCertificateExpired);
}

TEST_F(ChainTest, NotYetValidLeafIsRefused) {
  EXPECT_EQ(ReasonOf(Verify(intermediate_.Leaf(LeafSpec("leaf").Valid(kPkiNow + kHour, kPkiNotAfter)))),
            Reason::kCertificateExpired);
}

TEST_F(ChainTest, ExpiredIntermediateIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyThrough(CaSpec("ca").Valid(kPkiNotBefore, kPkiNow - kHour))), Reason::kCertificateExpired);
}

TEST_F(ChainTest, NotYetValidIntermediateIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyThrough(CaSpec("ca").Valid(kPkiNow + kHour, kPkiNotAfter))), Reason::kCertificateExpired);
}

TEST_F(ChainTest, ExpiredRootIsRefused) {
  const TestCa root = TestCa::Root(CaSpec("old").Valid(kPkiNotBefore, kPkiNow - kHour));
  EXPECT_EQ(ReasonOf(VerifyChain(root.Leaf(LeafSpec("leaf")).certificate, {}, {root.certificate()}, At(kPkiNow))),
            Reason::kCertificateExpired);
}

TEST_F(ChainTest, AnExpiredForgeryIsUntrustedAndNotMerelyExpired) {
  const TestCa other = TestCa::Root(CaSpec("root"));
  const TestCertificate leaf = other.Leaf(LeafSpec("leaf").Valid(kPkiNotBefore, kPkiNow - kHour));
  EXPECT_EQ(ReasonOf(Verify(leaf)), Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, ARenewedCaIsPreferredToTheExpiredOne) {
  const TestCa old = root_.Intermediate(CaSpec("ca").Valid(kPkiNotBefore, kPkiNow - kHour));
  CertificateSpec again = CaSpec("ca");
  again.key = old.key();
  const TestCa renewed = root_.Intermediate(again);
  const TestCertificate leaf = old.Leaf(LeafSpec("leaf"));
  for (const Path& cas :
       {Path{old.certificate(), renewed.certificate()}, Path{renewed.certificate(), old.certificate()}}) {
    EXPECT_TRUE(VerifyChain(leaf.certificate, cas, {root_.certificate()}, At(kPkiNow)).ok());
  }
}

// RFC 5280 section 4.1.2.5: both ends are included. Trap of OpenSSL: it excludes the last second.
TEST_F(ChainTest, ValidityIncludesBothItsEnds) {
  const auto at = [&](WallTime time) {
    return VerifyChain(leaf_.certificate, {intermediate_.certificate()}, {root_.certificate()}, At(time));
  };
  constexpr std::chrono::milliseconds kInstant{1};
  EXPECT_EQ(ReasonOf(at(kPkiNotBefore - kInstant)), Reason::kCertificateExpired);
  EXPECT_TRUE(at(kPkiNotBefore).ok());
  EXPECT_TRUE(at(kPkiNotAfter).ok());
  EXPECT_TRUE(at(kPkiNotAfter + std::chrono::milliseconds(999)).ok()) << "the last second";
  EXPECT_EQ(ReasonOf(at(kPkiNotAfter + std::chrono::seconds(1))), Reason::kCertificateExpired);
}

// --- what a CA may do

TEST_F(ChainTest, IntermediateWithoutKeyCertSignIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyThrough(CaSpec("ca").With("keyUsage", "critical,digitalSignature"))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, IntermediateThatIsNoCaIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyThrough(CaSpec("ca").With("basicConstraints", "critical,CA:FALSE"))),
            Reason::kCertificateUntrusted);
}

// RFC 5280 section 6.1.4 (k). OpenSSL 1 took keyCertSign alone for a CA, and OpenSSL 3 still does so for a root.
TEST_F(ChainTest, IntermediateWithoutBasicConstraintsIsRefused) {
  EXPECT_EQ(ReasonOf(VerifyThrough(CaSpec("ca").Without("basicConstraints"))), Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, ALeafDoesNotIssue) {
  const TestCa impostor = TestCa::From(leaf_);
  const TestCertificate leaf = impostor.Leaf(LeafSpec("victim"));
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, {leaf_.certificate, intermediate_.certificate()},
                                 {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, PathLengthIsEnforced) {
  const TestCa limited = root_.Intermediate(CaSpec("limited").With("basicConstraints", "critical,CA:TRUE,pathlen:0"));
  EXPECT_TRUE(VerifyChain(limited.Leaf(LeafSpec("leaf")).certificate, {limited.certificate()}, {root_.certificate()},
                          At(kPkiNow))
                  .ok());
  const TestCa below = limited.Intermediate(CaSpec("below"));
  EXPECT_EQ(ReasonOf(VerifyChain(below.Leaf(LeafSpec("leaf")).certificate, {below.certificate(), limited.certificate()},
                                 {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, PathLengthOfTheRootIsEnforced) {
  const TestCa root = TestCa::Root(CaSpec("short").With("basicConstraints", "critical,CA:TRUE,pathlen:0"));
  const TestCa below = root.Intermediate(CaSpec("below"));
  EXPECT_EQ(ReasonOf(VerifyChain(below.Leaf(LeafSpec("leaf")).certificate, {below.certificate()}, {root.certificate()},
                                 At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, NameConstraintsAreEnforced) {
  const CertificateSpec ca =
      CaSpec("ca").With("nameConstraints", "critical,permitted;DNS:example.com,excluded;DNS:evil.example.com");
  EXPECT_TRUE(VerifyThrough(ca, LeafSpec("").With("subjectAltName", "critical,DNS:node.example.com")).ok());
  EXPECT_EQ(ReasonOf(VerifyThrough(ca, LeafSpec("").With("subjectAltName", "critical,DNS:node.example.org"))),
            Reason::kCertificateUntrusted);
  EXPECT_EQ(ReasonOf(VerifyThrough(ca, LeafSpec("").With("subjectAltName", "critical,DNS:a.evil.example.com"))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, PolicyConstraintsAreEnforced) {
  const CertificateSpec ca =
      CaSpec("ca").With("policyConstraints", "critical,requireExplicitPolicy:0").With("certificatePolicies", "1.2.3.4");
  const Result<Path> good = VerifyThrough(ca, LeafSpec("leaf").With("certificatePolicies", "1.2.3.4"));
  EXPECT_TRUE(good.ok()) << good.error().ToString();
  EXPECT_EQ(ReasonOf(VerifyThrough(ca, LeafSpec("leaf"))), Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, UnknownCriticalExtensionOfAnIntermediateIsRefused) {
  const TestCa ca = root_.Intermediate(CaSpec("ca").With("1.2.3.4", "critical,DER:0500"));
  const TestCertificate leaf = ca.Leaf(LeafSpec("leaf"));
  ChainOptions options = At(kPkiNow);
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, {ca.certificate()}, {root_.certificate()}, options)),
            Reason::kCertificateUntrusted);
  options.tolerated_critical_oids = {"1.2.3.4"};
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, {ca.certificate()}, {root_.certificate()}, options)),
            Reason::kCertificateUntrusted)
      << "the caller has checked those of the leaf only";
}

TEST_F(ChainTest, UnknownCriticalExtensionOfTheLeafIsRefusedUnlessTolerated) {
  const TestCertificate leaf =
      intermediate_.Leaf(LeafSpec("leaf").With("1.2.3.4", "critical,DER:0500").With("1.2.3.5", "critical,DER:0500"));
  const auto tolerating = [&](std::vector<std::string> oids) {
    ChainOptions options = At(kPkiNow);
    options.tolerated_critical_oids = std::move(oids);
    return VerifyChain(leaf.certificate, {intermediate_.certificate()}, {root_.certificate()}, options);
  };
  EXPECT_EQ(ReasonOf(tolerating({})), Reason::kCertificateUntrusted);
  EXPECT_EQ(ReasonOf(tolerating({"1.2.3.4"})), Reason::kCertificateUntrusted) << "one of two";
  EXPECT_TRUE(tolerating({"1.2.3.5", "1.2.3.4"}).ok());
}

TEST_F(ChainTest, TolerationDoesNotExcuseAnythingElse) {
  const TestCertificate leaf =
      intermediate_.Leaf(LeafSpec("leaf").With("1.2.3.4", "critical,DER:0500").Valid(kPkiNotBefore, kPkiNow - kHour));
  ChainOptions options = At(kPkiNow);
  options.tolerated_critical_oids = {"1.2.3.4"};
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, {intermediate_.certificate()}, {root_.certificate()}, options)),
            Reason::kCertificateExpired);
}

// --- extended key usage

TEST_F(ChainTest, WrongOrMissingExtendedKeyUsageIsRefused) {
  ChainOptions options = At(kPkiNow);
  options.required_eku = kCodeSigning;
  const auto verify = [&](const CertificateSpec& leaf) {
    return VerifyChain(intermediate_.Leaf(leaf).certificate, {intermediate_.certificate()}, {root_.certificate()},
                       options);
  };
  EXPECT_TRUE(verify(LeafSpec("leaf").With("extendedKeyUsage", "codeSigning")).ok());
  EXPECT_TRUE(verify(LeafSpec("leaf").With("extendedKeyUsage", "clientAuth,codeSigning")).ok());
  EXPECT_EQ(ReasonOf(verify(LeafSpec("leaf").With("extendedKeyUsage", "clientAuth"))), Reason::kCertificateUntrusted);
  EXPECT_EQ(ReasonOf(verify(LeafSpec("leaf").With("extendedKeyUsage", "anyExtendedKeyUsage"))),
            Reason::kCertificateUntrusted);
  EXPECT_EQ(ReasonOf(verify(LeafSpec("leaf"))), Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, ExtendedKeyUsageOfAnIntermediateLimitsWhatItIssues) {
  ChainOptions options = At(kPkiNow);
  options.required_eku = kCodeSigning;
  const auto through = [&](const std::string& usages) {
    const TestCa ca = root_.Intermediate(CaSpec("ca").With("extendedKeyUsage", usages));
    const TestCertificate leaf = ca.Leaf(LeafSpec("leaf").With("extendedKeyUsage", "codeSigning"));
    return VerifyChain(leaf.certificate, {ca.certificate()}, {root_.certificate()}, options);
  };
  EXPECT_TRUE(through("").ok());
  EXPECT_TRUE(through("codeSigning,emailProtection").ok());
  EXPECT_TRUE(through("anyExtendedKeyUsage").ok());
  EXPECT_EQ(ReasonOf(through("emailProtection")), Reason::kCertificateUntrusted);
}

// --- strength and cost

TEST_F(ChainTest, Sha1SignatureIsRefused) {
  CertificateSpec spec = LeafSpec("leaf");
  spec.hash = HashAlgorithm::kSha1;
  const TestCa rsa = TestCa::Root({.common_name = "rsa", .key_type = KeyType::kRsa});
  EXPECT_EQ(ReasonOf(VerifyChain(rsa.Leaf(spec).certificate, {}, {rsa.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

TEST_F(ChainTest, Sha1OfARootOverItselfDoesNotMatter) {
  CertificateSpec spec = CaSpec("old root");
  spec.hash = HashAlgorithm::kSha1;
  const TestCa root = TestCa::Root(spec);
  EXPECT_TRUE(VerifyChain(root.Leaf(LeafSpec("leaf")).certificate, {}, {root.certificate()}, At(kPkiNow)).ok());
}

TEST_F(ChainTest, ARootOfRsa1024IsRefused) {
  const std::vector<Certificate> weak = Certificate::ListFromPem(TestText("keys/rsa1024-ca.crt.pem")).value();
  const std::vector<Certificate> leaf = Certificate::ListFromPem(TestText("keys/rsa1024-ca-leaf.crt.pem")).value();
  const Result<Path> path = VerifyChain(leaf.front(), {}, weak, At(leaf.front().NotBefore()));
  EXPECT_EQ(ReasonOf(path), Reason::kCertificateUntrusted);
  EXPECT_THAT(path.error().detail, HasSubstr("too weak"));
}

// OpenSSL verifies with keys of up to 16384 bits, which whoever sends the intermediate may choose.
TEST_F(ChainTest, AnIntermediateOfRsa8192IsRefused) {
  const Path chain = Certificate::ListFromPem(TestText("keys/rsa8192-chain.crt.pem")).value();
  ASSERT_EQ(chain.size(), 3U);
  const ChainOptions options = At(chain[0].NotBefore());
  EXPECT_EQ(ReasonOf(VerifyChain(chain[0], {chain[1]}, {chain[2]}, options)), Reason::kCertificateUntrusted);
  EXPECT_TRUE(VerifyChain(chain[0], {}, {chain[1]}, options).ok()) << "an operator may trust it";
}

TEST_F(ChainTest, CertificatesMayBeSharedByThreads) {
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) good += Verify(leaf_).ok() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 80);
}

TEST_F(ChainTest, ElevenIntermediatesAreTooMany) {
  std::vector<TestCa> cas{root_};
  Path certificates;
  for (std::size_t i = 0; i < limits::kChainCertificates; ++i) {
    cas.push_back(cas.back().Intermediate(CaSpec("ca " + std::to_string(i))));
    certificates.push_back(cas.back().certificate());
  }
  const TestCertificate leaf = cas.back().Leaf(LeafSpec("leaf"));
  const Result<Path> longest = VerifyChain(leaf.certificate, certificates, {root_.certificate()}, At(kPkiNow));
  ASSERT_TRUE(longest.ok()) << longest.error().ToString();
  EXPECT_EQ(longest->size(), limits::kChainCertificates + 2);
  certificates.push_back(intermediate_.certificate());
  EXPECT_EQ(ReasonOf(VerifyChain(leaf.certificate, certificates, {root_.certificate()}, At(kPkiNow))),
            Reason::kLimitExceeded);
}

TEST_F(ChainTest, TwoCasThatIssuedEachOtherEnd) {
  const TestCa a = TestCa::Root(CaSpec("a"));
  const TestCa b = TestCa::Root(CaSpec("b"));
  CertificateSpec a_again = CaSpec("a");
  a_again.key = a.key();
  CertificateSpec b_again = CaSpec("b");
  b_again.key = b.key();
  const Path cas{b.Intermediate(a_again).certificate(), a.Intermediate(b_again).certificate()};
  EXPECT_EQ(ReasonOf(VerifyChain(a.Leaf(LeafSpec("leaf")).certificate, cas, {root_.certificate()}, At(kPkiNow))),
            Reason::kCertificateUntrusted);
}

// --- certificates of real tools

TEST(SwtpmChain, EndorsementKeyChainsToItsRoot) {
  // Critical subjectAltName with a directoryName only, notAfter 9999-12-31, CAs without extended key usage, a root
  // without authorityKeyIdentifier.
  const Path issuer = Certificate::ListFromPem(TestText("swtpm/issuer.pem")).value();
  const Path root = Certificate::ListFromPem(TestText("swtpm/root.pem")).value();
  for (const char* file : {"swtpm/ek-rsa2048.der", "swtpm/ek-ecc384.der"}) {
    const Certificate ek = Certificate::FromDer(TestBytes(file)).value();
    ChainOptions options = At(ek.NotBefore() + kHour);
    options.required_eku = kEkCertificate;
    const Result<Path> path = VerifyChain(ek, issuer, root, options);
    ASSERT_TRUE(path.ok()) << file << path.error().ToString();
    EXPECT_EQ(path->size(), 3U);
    EXPECT_TRUE(VerifyChain(ek, {}, issuer, options).ok()) << "the issuer as the trust root";
    EXPECT_EQ(ReasonOf(VerifyChain(ek, {}, root, options)), Reason::kCertificateUntrusted);
    options.required_eku = "2.23.133.8.2";
    EXPECT_EQ(ReasonOf(VerifyChain(ek, issuer, root, options)), Reason::kCertificateUntrusted);
    options = At(ek.NotBefore() - kHour);
    EXPECT_EQ(ReasonOf(VerifyChain(ek, issuer, root, options)), Reason::kCertificateExpired);
  }
}

TEST(SwtpmChain, EmptySubjectIsAccepted) {
  // TCG EK Credential Profile section 3.2.8: the subject "may be ... empty", the critical subjectAltName says which TPM
  // it is.
  const TestCa ca = TestCa::Root(CaSpec("tpm vendor"));
  CertificateSpec spec = LeafSpec("")
                             .With("subjectAltName", "critical,dirName:tpm")
                             .With("extendedKeyUsage", kEkCertificate)
                             .With("keyUsage", "critical,keyEncipherment");
  spec.sections = "[tpm]\n1.2.23.133.2.1=id:00001014\n2.2.23.133.2.2=swtpm\n3.2.23.133.2.3=id:20191023\n";
  const TestCertificate ek = ca.Leaf(spec);
  ASSERT_EQ(ek.certificate.Subject(), "");
  ChainOptions options = At(kPkiNow);
  options.required_eku = kEkCertificate;
  const Result<Path> path = VerifyChain(ek.certificate, {}, {ca.certificate()}, options);
  EXPECT_TRUE(path.ok()) << path.error().ToString();
}

}  // namespace
}  // namespace gatehouse::crypto
