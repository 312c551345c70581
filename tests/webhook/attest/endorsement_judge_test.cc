// Judging TPMs: what is fetched for it, what is remembered, and what becomes of revoked ones.
#include "webhook/attest/endorsement_judge.h"

#include <gtest/gtest.h>

#include "common/base/encoding.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/revocation.h"
#include "tests/fakes/software_tpm.h"
#include "webhook/attest/issuer_fetcher.h"

namespace gatehouse::webhook {
namespace {

using fakes::CaSpec;
using fakes::CertificateSpec;
using fakes::kPkiNow;
using fakes::SoftwareTpm;
using fakes::TestCa;
using fakes::TestCertificate;
using Revocation = policy::TpmIdentityRules::Revocation;
using verify::tpm::VerifiedEndorsement;

// Servers by URL; a URL that is not there cannot be reached.
class Servers final : public net::HttpTransport {
 public:
  std::map<std::string, std::string> answers;
  std::vector<std::string> asked;
  Result<net::HttpResponse> Send(const net::HttpRequest& request, const Deadline& deadline) override {
    EXPECT_FALSE(deadline.Passed());
    asked.push_back(request.url.ToString());
    auto found = answers.find(request.url.ToString());
    if (found == answers.end()) return Error{Reason::kNetworkUnavailable, request.url.host, "nobody answers"};
    if (found->second.size() > request.max_response_bytes) return Error{Reason::kLimitExceeded, "", ""};
    return net::HttpResponse{.status = 200, .headers = {}, .body = found->second};
  }
};

std::string Text(const Bytes& bytes) {
  return std::string(AsText(bytes));
}

class EndorsementJudgeTest : public testing::Test {
 protected:
  static constexpr const char* kIssuerUrl = "http://ca.vendor.example/issuer.cer";
  static constexpr const char* kCrlUrl = "http://crl.vendor.example/list.crl";

  EndorsementJudgeTest() {
    policy_.name = "workers";
    policy_.generation = "1";
    policy_.trust_roots = {"vendor"};
    policy::TrustRoot root;
    root.name = "vendor";
    root.generation = "1";
    root.tpm = {root_.certificate()};
    set_.trust_roots = {root};
    set_.trust_generation = "1";
    Certify(tpm_.EkCertificateSpec());
    presented_.ek_intermediates = {issuer_.certificate().Der()};
    presented_.ek_public = tpm_.ek().area().bytes;
    presented_.ak_public = ak_.area().bytes;
  }
  void Certify(const CertificateSpec& spec) {
    leaf_ = issuer_.Leaf(spec);
    presented_.ek_certificate = leaf_->der;
  }
  // Another content, another generation.
  void Changed() {
    policy_.generation += "+";
    set_.trust_generation += "+";
    set_.trust_roots[0].generation += "+";
  }
  std::string_view Judge(EndorsementJudge& judge) {
    auto judged = judge.Judge(presented_, policy_, set_);
    if (judged.ok()) {
      EXPECT_EQ(judged->fingerprint(), tpm_.ek().key().Public().Fingerprint());
    }
    return judged.ok() ? "good" : Token(judged.error().reason);
  }
  std::string_view Judge() { return Judge(judge_); }
  [[nodiscard]] Bytes Crl(bool revoked, const fakes::CrlOptions& options = {}) const {
    std::vector<fakes::RevokedCertificate> list;
    if (revoked) list.push_back({.certificate = leaf_->certificate, .reason = "keyCompromise"});
    return fakes::MakeCrl(issuer_, list, options);
  }

  fakes::FakeClock clock_{kPkiNow};
  const SoftwareTpm tpm_;
  const fakes::TpmKey ak_ = tpm_.CreateAk();
  const TestCa root_ = TestCa::Root(CaSpec("TPM vendor root"));
  const TestCa issuer_ = root_.Intermediate(CaSpec("TPM vendor issuer"));
  std::optional<TestCertificate> leaf_;
  policy::NodePolicy policy_;
  policy::PolicySet set_;
  Enrolment presented_{.node = "worker-1",
                       .ek = tpm_.ek().key().Public().Fingerprint(),
                       .ek_public = {},
                       .ek_certificate = {},
                       .ek_intermediates = {},
                       .ak_public = {},
                       .ak_name = EncodeHex(ak_.name()),
                       .enrolled = kPkiNow,
                       .last_clock = std::nullopt};
  Servers servers_;
  revocation::Checker checker_{servers_, clock_, {.cache_bytes = 1 << 20}};
  EndorsementJudge judge_{{.clock = clock_, .transport = &servers_, .revocations = &checker_}};
  EndorsementJudge offline_{{.clock = clock_}};
};

TEST_F(EndorsementJudgeTest, GoodWithoutAskingAnybody) {
  EXPECT_EQ(Judge(), "good");
  EXPECT_EQ(Judge(offline_), "good");
  EXPECT_TRUE(servers_.asked.empty());
}

TEST_F(EndorsementJudgeTest, WhatIsPresentedMustBeReadable) {
  presented_.ek_certificate = {1, 2, 3};
  EXPECT_EQ(Judge(), "certificate-malformed");
  presented_.ek_certificate = leaf_->der;
  presented_.ek_public.push_back(0);
  EXPECT_EQ(Judge(), "evidence-malformed");
  presented_.ek_public.pop_back();
  presented_.ek_intermediates.assign(11, issuer_.certificate().Der());
  EXPECT_EQ(Judge(), "limit-exceeded");
}

TEST_F(EndorsementJudgeTest, Adversarial_K4_APolicyThatChangesIsAppliedAtOnce) {
  EXPECT_EQ(Judge(), "good");
  policy_.identity.ek_hashes = std::set<Digest>{root_.certificate().Fingerprint()};
  Changed();
  EXPECT_EQ(Judge(), "ek-unlisted");
  policy_.identity.ek_hashes = std::set<Digest>{tpm_.ek().key().Public().Fingerprint()};
  Changed();
  EXPECT_EQ(Judge(), "good");
  set_.trust_roots[0].tpm = {TestCa::Root(CaSpec("TPM vendor root")).certificate()};
  Changed();
  EXPECT_EQ(Judge(), "certificate-untrusted");
  set_.trust_roots[0].tpm.clear();
  set_.trust_roots[0].tpm_pinned = {issuer_.certificate().Fingerprint()};
  Changed();
  EXPECT_EQ(Judge(), "good");
}

TEST_F(EndorsementJudgeTest, APolicyThatNamesNoTrustRootTrustsItsInventoryOnly) {
  policy_.trust_roots.clear();
  EXPECT_EQ(Judge(), "certificate-untrusted");
  policy_.identity.ek_hashes = std::set<Digest>{tpm_.ek().key().Public().Fingerprint()};
  Changed();
  EXPECT_EQ(Judge(), "good");
}

TEST_F(EndorsementJudgeTest, WhatIsRememberedExpiresToTheSecond) {
  Certify(tpm_.EkCertificateSpec().Valid(fakes::kPkiNotBefore, kPkiNow + std::chrono::seconds(10)));
  EXPECT_EQ(Judge(), "good");
  clock_.Advance(std::chrono::seconds(10));
  EXPECT_EQ(Judge(), "good");
  clock_.Advance(std::chrono::seconds(1));
  EXPECT_EQ(Judge(), "certificate-expired");
}

TEST_F(EndorsementJudgeTest, CertificateOfTheAttestationKey) {
  CertificateSpec spec = fakes::LeafSpec("instance-1");
  spec.public_key = ak_.key().Public();
  presented_.ek_certificate.clear();
  presented_.ak_certificate = issuer_.Leaf(spec.With("extendedKeyUsage", "2.23.133.8.3")).der;
  EXPECT_EQ(Judge(), "certificate-untrusted");
  policy_.identity.ak_certificates = true;
  Changed();
  EXPECT_EQ(Judge(), "good");
  presented_.ak_public = tpm_.CreateAk().area().bytes;  // another key, with that certificate
  EXPECT_EQ(Judge(), "ak-unsuitable");
}

// --- revocation

TEST_F(EndorsementJudgeTest, CrlOfATrustRoot) {
  EXPECT_EQ(Judge(), "good");
  set_.trust_roots[0].tpm_crls = {Crl(true)};
  Changed();
  EXPECT_EQ(Judge(), "certificate-revoked");
  EXPECT_EQ(Judge(offline_), "certificate-revoked");
  policy_.identity.revocation = Revocation::kOff;
  Changed();
  EXPECT_EQ(Judge(), "good");
}

TEST_F(EndorsementJudgeTest, WhatAnOldCrlRevokedStaysRevoked) {
  set_.trust_roots[0].tpm_crls = {Crl(true)};
  clock_.Advance(std::chrono::hours(24 * 30));
  EXPECT_EQ(Judge(), "certificate-revoked");
}

TEST_F(EndorsementJudgeTest, CrlThatTheIssuerDidNotSignSaysNothing) {
  const TestCa somebody = TestCa::Root(CaSpec("somebody"));
  set_.trust_roots[0].tpm_crls = {Crl(true, {.signed_by = &somebody}), {1, 2, 3}};
  EXPECT_EQ(Judge(), "good");
  policy_.identity.revocation = Revocation::kRequired;
  Changed();
  EXPECT_EQ(Judge(), "revocation-unavailable");
}

TEST_F(EndorsementJudgeTest, RequiredMeansAnAnswerForEachCertificate) {
  policy_.identity.revocation = Revocation::kRequired;
  EXPECT_EQ(Judge(), "revocation-unavailable");
  set_.trust_roots[0].tpm_crls = {Crl(false)};
  Changed();
  EXPECT_EQ(Judge(), "revocation-unavailable") << "nobody spoke of the issuer";
  set_.trust_roots[0].tpm_crls.push_back(fakes::MakeCrl(root_, {}));
  Changed();
  EXPECT_EQ(Judge(), "good");
  EXPECT_EQ(Judge(offline_), "good");
  EXPECT_TRUE(servers_.asked.empty());
  clock_.Advance(std::chrono::hours(48));  // the CRLs' time is over
  EXPECT_EQ(Judge(), "revocation-unavailable");
}

TEST_F(EndorsementJudgeTest, RevokedIssuer) {
  set_.trust_roots[0].tpm_crls = {
      Crl(false), fakes::MakeCrl(root_, {{.certificate = issuer_.certificate(), .reason = "cACompromise"}})};
  EXPECT_EQ(Judge(), "certificate-revoked");
}

TEST_F(EndorsementJudgeTest, CrlFromWhereTheCertificateSays) {
  Certify(tpm_.EkCertificateSpec().With("crlDistributionPoints", std::string("URI:") + kCrlUrl));
  EXPECT_EQ(Judge(), "good") << "whereKnown: nobody could be asked";
  policy_.identity.revocation = Revocation::kRequired;
  set_.trust_roots[0].tpm_crls = {fakes::MakeCrl(root_, {})};
  Changed();
  EXPECT_EQ(Judge(), "revocation-unavailable");
  EXPECT_EQ(Judge(offline_), "revocation-unavailable");
  servers_.answers[kCrlUrl] = Text(Crl(false));
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(Judge(), "good");
  const std::size_t before = servers_.asked.size();
  clock_.Advance(std::chrono::hours(12));
  EXPECT_EQ(Judge(), "good");
  EXPECT_EQ(servers_.asked.size(), before) << "a CRL in its time is not asked for again";
}

TEST_F(EndorsementJudgeTest, ARevokedTpmIsRefusedThoughItWasGoodBefore) {
  Certify(tpm_.EkCertificateSpec().With("crlDistributionPoints", std::string("URI:") + kCrlUrl));
  servers_.answers[kCrlUrl] = Text(Crl(false));
  EXPECT_EQ(Judge(), "good");
  clock_.Advance(std::chrono::hours(25));
  servers_.answers[kCrlUrl] = Text(Crl(true, {.next_update = kPkiNow + std::chrono::hours(48)}));
  EXPECT_EQ(Judge(), "certificate-revoked");
}

// --- issuers

class IssuersTest : public EndorsementJudgeTest {
 protected:
  IssuersTest() {
    Certify(tpm_.EkCertificateSpec().With("authorityInfoAccess", std::string("caIssuers;URI:") + kIssuerUrl));
    presented_.ek_intermediates.clear();
    policy_.identity.fetch_issuers = true;
    policy_.identity.revocation = Revocation::kOff;
    servers_.answers[kIssuerUrl] = Text(issuer_.certificate().Der());
  }
};

TEST_F(IssuersTest, MissingIssuerIsFetchedOnce) {
  EXPECT_EQ(Judge(), "good");
  EXPECT_EQ(servers_.asked, std::vector<std::string>{kIssuerUrl});
  for (int i = 0; i < 3; ++i) {
    Changed();  // what was verified is forgotten, what was fetched is not
    EXPECT_EQ(Judge(), "good");
  }
  EXPECT_EQ(servers_.asked.size(), 1U);
}

TEST_F(IssuersTest, NothingIsFetchedUnlessThePolicyWantsIt) {
  policy_.identity.fetch_issuers = false;
  EXPECT_EQ(Judge(), "certificate-untrusted");
  policy_.identity.fetch_issuers = true;
  EXPECT_EQ(Judge(offline_), "certificate-untrusted");
  EXPECT_TRUE(servers_.asked.empty());
}

TEST_F(IssuersTest, WhatIsThereIsNotFetched) {
  presented_.ek_intermediates = {issuer_.certificate().Der()};
  EXPECT_EQ(Judge(), "good");
  EXPECT_TRUE(servers_.asked.empty());
}

TEST_F(IssuersTest, AFailureIsRememberedForAnHour) {
  servers_.answers.clear();
  EXPECT_EQ(Judge(), "certificate-untrusted");
  EXPECT_EQ(Judge(), "certificate-untrusted");
  clock_.Advance(std::chrono::minutes(59));
  EXPECT_EQ(Judge(), "certificate-untrusted");
  EXPECT_EQ(servers_.asked.size(), 1U);
  servers_.answers[kIssuerUrl] = Text(issuer_.certificate().Der());
  clock_.Advance(std::chrono::minutes(1));
  EXPECT_EQ(Judge(), "good");
  EXPECT_EQ(servers_.asked.size(), 2U);
}

TEST_F(IssuersTest, WhatIsFetchedIsNoAnchor) {
  const TestCa own = TestCa::Root(CaSpec("TPM vendor root"));
  leaf_ = own.Leaf(tpm_.EkCertificateSpec().With("authorityInfoAccess", std::string("caIssuers;URI:") + kIssuerUrl));
  presented_.ek_certificate = leaf_->der;
  servers_.answers[kIssuerUrl] = Text(own.certificate().Der());
  EXPECT_EQ(Judge(), "certificate-untrusted");
}

TEST_F(IssuersTest, AnswersThatAreNoIssuer) {
  for (const std::string& answer : {std::string(), std::string("junk"), Text(root_.certificate().Der()),
                                    std::string(1 << 20, 'x'), Text(leaf_->der)}) {
    servers_.answers[kIssuerUrl] = answer;
    EXPECT_EQ(Judge(), "certificate-untrusted");
    clock_.Advance(std::chrono::hours(1));
  }
}

TEST_F(IssuersTest, AChainOfIssuersIsFollowedSoFar) {
  std::vector<TestCa> chain = {root_};
  for (int i = 0; i < 6; ++i) {
    const std::string above = "caIssuers;URI:http://ca.vendor.example/" + std::to_string(i);
    chain.push_back(
        chain.back().Intermediate(CaSpec("issuer " + std::to_string(i)).With("authorityInfoAccess", above)));
    servers_.answers["http://ca.vendor.example/" + std::to_string(i)] =
        Text(chain[static_cast<std::size_t>(i)].certificate().Der());
  }
  servers_.answers[kIssuerUrl] = Text(chain.back().certificate().Der());
  leaf_ = chain.back().Leaf(
      tpm_.EkCertificateSpec().With("authorityInfoAccess", std::string("caIssuers;URI:") + kIssuerUrl));
  presented_.ek_certificate = leaf_->der;
  EXPECT_EQ(Judge(), "certificate-untrusted");
  EXPECT_EQ(servers_.asked.size(), 4U);
}

// An endorsement certificate is read before it is believed: it must not make us call whom it likes.
TEST_F(IssuersTest, AddressesThatNoCertificateMayName) {
  for (const char* url :
       {"http://127.0.0.1/a", "http://169.254.169.254/latest", "http://10.0.0.1/a", "http://[::1]/a",
        "http://[fe80::1]/a", "http://localhost/a", "http://kubernetes.default.svc/a", "http://a.svc.cluster.local/a",
        "http://metadata.google.internal/a", "http://etcd/a", "http://2130706433/a", "http://0x7f.0x1/a",
        "http://127.1/a", "http://ca.vendor.example:2379/a", "http://localhost./a", "http://ca.vendor.example.local./a",
        "https://ca.vendor.example/a", "ftp://ca.vendor.example/a", "http://user@ca.vendor.example/a"}) {
    Certify(tpm_.EkCertificateSpec().With("authorityInfoAccess", std::string("caIssuers;URI:") + url));
    EXPECT_EQ(Judge(), "certificate-untrusted") << url;
    EXPECT_TRUE(servers_.asked.empty()) << url;
    auto parsed = net::Url::Parse(url, Reason::kUsage);
    if (parsed.ok()) {
      EXPECT_EQ(IssuerFetcher::MayFetch(*parsed).error().reason, Reason::kAddressRefused) << url;
    }
  }
}

}  // namespace
}  // namespace gatehouse::webhook
