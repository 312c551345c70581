// Timestamps as a real authority (OpenSSL's CMS) makes them, and who may make them.
#include "common/crypto/timestamp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/crypto/hash.h"
#include "tests/common/crypto/testdata.h"
#include "tests/fakes/timestamp_authority.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::FakeTimestampAuthority;
using fakes::kPkiNotAfter;
using fakes::kPkiNotBefore;
using fakes::kPkiNow;
using fakes::LeafSpec;
using fakes::StampOptions;
using fakes::TestCa;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

const Bytes kMessage = ToBytes("the bytes of a signature");

void ExpectError(const Result<VerifiedTimestamp>& result, Reason reason, std::string_view detail) {
  ASSERT_FALSE(result.ok()) << detail;
  EXPECT_EQ(result.error().reason, reason) << result.error().ToString();
  EXPECT_THAT(result.error().detail, HasSubstr(detail));
}

void ExpectInvalid(const Result<VerifiedTimestamp>& result, std::string_view detail) {
  ExpectError(result, Reason::kTimestampInvalid, detail);
}

// By another authority than the one that was asked for.
void ExpectUnknown(const Result<VerifiedTimestamp>& result, std::string_view detail) {
  ExpectError(result, Reason::kCertificateUntrusted, detail);
}

class TimestampTest : public testing::Test {
 protected:
  [[nodiscard]] Result<VerifiedTimestamp> Verify(const StampOptions& options) const {
    return VerifyTimestamp(authority_.Stamp(kMessage, options), kMessage, authority_.Trust());
  }
  const FakeTimestampAuthority authority_;
};

TEST_F(TimestampTest, SaysWhenAndByWhom) {
  const auto stamp = Verify({.at = kPkiNow + milliseconds(120), .accuracy_seconds = 3});
  ASSERT_TRUE(stamp.ok()) << stamp.error().ToString();
  EXPECT_EQ(stamp->at, kPkiNow + milliseconds(120));
  EXPECT_EQ(stamp->accuracy, seconds(3));
  EXPECT_EQ(stamp->signer.Der(), authority_.signer().der);
  EXPECT_EQ(Verify({})->accuracy, Duration::zero());
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(TimestampTest, BareOrInAResponse) {
  EXPECT_TRUE(Verify({.bare = true}).ok());
  EXPECT_TRUE(Verify({.status = 1}).ok()) << "granted with modifications";
  ExpectInvalid(Verify({.status = 2}), "refused: status 2");
  ExpectInvalid(Verify({.status = 5}), "refused: status 5");
}

TEST_F(TimestampTest, EveryHashAndKey) {
  for (const HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    EXPECT_TRUE(Verify({.imprint = hash}).ok());
    EXPECT_TRUE(Verify({.hash = hash}).ok());
  }
  for (const KeyType type : {KeyType::kEcP384, KeyType::kEcP521, KeyType::kRsa}) {
    const FakeTimestampAuthority authority({.key_type = type});
    const Bytes token = authority.Stamp(kMessage, {.hash = HashAlgorithm::kSha384});
    const auto stamp = VerifyTimestamp(token, kMessage, authority.Trust());
    EXPECT_TRUE(stamp.ok()) << stamp.error().ToString();
  }
}

TEST_F(TimestampTest, Sha1IsNoImprintAndNoDigest) {
  ExpectInvalid(Verify({.imprint = HashAlgorithm::kSha1}), "imprint is not by");
  ExpectInvalid(Verify({.hash = HashAlgorithm::kSha1}), "message digest is not by");
}

TEST_F(TimestampTest, TheSigningCertificateAttribute) {
  using Attribute = StampOptions::SigningCertificate;
  EXPECT_TRUE(Verify({.signing_certificate = Attribute::kV1}).ok()) << "SHA-1 names a certificate there";
  ExpectInvalid(Verify({.signing_certificate = Attribute::kNone}), "no signing certificate");
  ExpectInvalid(Verify({.signing_certificate = Attribute::kOfAnother}), "names another certificate");
}

TEST_F(TimestampTest, Adversarial_B6_ATokenForAnotherSignature) {
  const Bytes token = authority_.Stamp(ToBytes("the bytes of another signature"));
  ExpectInvalid(VerifyTimestamp(token, kMessage, authority_.Trust()), "for other bytes");
  ExpectInvalid(VerifyTimestamp(authority_.Stamp(kMessage), {}, authority_.Trust()), "for other bytes");
  ExpectInvalid(Verify({.imprint_instead = Bytes(32)}), "for other bytes");
  ExpectInvalid(Verify({.imprint_instead = Bytes()}), "for other bytes");
  Bytes longer = Hash(HashAlgorithm::kSha256, kMessage);
  ExpectInvalid(Verify({.imprint_instead = ToBytes(BytesView(longer).first(16))}), "for other bytes");
  longer.push_back(0);
  ExpectInvalid(Verify({.imprint_instead = longer}), "for other bytes");
}

TEST_F(TimestampTest, Adversarial_B6_NonceAndAccuracyAreFine) {
  EXPECT_TRUE(Verify({.nonce = 0x1234567890ABCDEF, .accuracy_seconds = 1}).ok());
}

TEST_F(TimestampTest, Adversarial_B6_WrongExtendedKeyUsage) {
  const auto with = [](const char* usage) {
    const FakeTimestampAuthority authority({.extended_key_usage = usage});
    return VerifyTimestamp(authority.Stamp(kMessage), kMessage, authority.Trust());
  };
  EXPECT_TRUE(with("critical,timeStamping").ok());
  ExpectInvalid(with("critical,codeSigning"), "not for timestamps alone");
  ExpectInvalid(with("critical,timeStamping,codeSigning"), "not for timestamps alone");
  ExpectInvalid(with("critical,codeSigning,timeStamping"), "not for timestamps alone");
  ExpectInvalid(with("critical,anyExtendedKeyUsage"), "not for timestamps alone");
  ExpectInvalid(with("critical,timeStamping,timeStamping"), "not for timestamps alone");
  ExpectInvalid(with(""), "not for timestamps alone");
}

TEST_F(TimestampTest, Adversarial_B6_ExtendedKeyUsageThatIsNotCritical) {
  const FakeTimestampAuthority authority({.extended_key_usage = "timeStamping"});
  ExpectInvalid(VerifyTimestamp(authority.Stamp(kMessage), kMessage, authority.Trust()), "not critical");
}

TEST_F(TimestampTest, AKeyUsageWithoutSignatures) {
  const auto with = [](const fakes::CertificateSpec& signer) {
    const FakeTimestampAuthority authority({.signer = signer});
    return VerifyTimestamp(authority.Stamp(kMessage), kMessage, authority.Trust());
  };
  ExpectInvalid(with(LeafSpec("signer").With("keyUsage", "critical,keyAgreement")), "does not allow signatures");
  EXPECT_TRUE(with(LeafSpec("signer").With("keyUsage", "critical,nonRepudiation")).ok());
  EXPECT_TRUE(with(LeafSpec("signer").Without("keyUsage")).ok());
}

TEST_F(TimestampTest, Adversarial_B6_EmbeddedCertificatesAreNotTrusted) {
  // Everything is right, but by an authority of the attacker's, who embeds all of the chain.
  const FakeTimestampAuthority mallory;
  const Bytes token = mallory.Stamp(kMessage, {.more_certificates = {mallory.root().der()}});
  EXPECT_TRUE(VerifyTimestamp(token, kMessage, mallory.Trust()).ok());
  ExpectUnknown(VerifyTimestamp(token, kMessage, authority_.Trust()), "does not chain");
  ExpectUnknown(VerifyTimestamp(token, kMessage, {.roots = {}}), "does not chain");
  ExpectUnknown(VerifyTimestamp(token, kMessage, authority_.Trust(true)), "another certificate than that of");
}

TEST_F(TimestampTest, EmbeddedCertificatesBuildThePath) {
  // The trust document has the root only.
  const TimestampAuthority root_only{.roots = {authority_.root().certificate()}};
  EXPECT_TRUE(VerifyTimestamp(authority_.Stamp(kMessage), kMessage, root_only).ok());
  const Bytes bare = authority_.Stamp(kMessage, {.embed_certificates = false});
  ExpectUnknown(VerifyTimestamp(bare, kMessage, root_only), "neither the token nor the trust document");
}

TEST_F(TimestampTest, Adversarial_B6_AnIntermediateThatIsNotNamedAnyMore) {
  // Another intermediate of the same root is named: that of the token does not come back by being embedded.
  const TestCa successor = authority_.root().Intermediate(CaSpec("successor"));
  const TimestampAuthority renewed{.roots = {authority_.root().certificate()},
                                   .intermediates = {successor.certificate()}};
  ExpectUnknown(VerifyTimestamp(authority_.Stamp(kMessage), kMessage, renewed), "does not chain");
}

TEST_F(TimestampTest, ATokenWithoutCertificatesNeedsAPinnedLeaf) {
  const Bytes token = authority_.Stamp(kMessage, {.embed_certificates = false});
  ExpectUnknown(VerifyTimestamp(token, kMessage, authority_.Trust()), "neither the token nor the trust document");
  EXPECT_TRUE(VerifyTimestamp(token, kMessage, authority_.Trust(true)).ok());
}

TEST_F(TimestampTest, APinnedLeafIsTheOnlyOne) {
  EXPECT_TRUE(VerifyTimestamp(authority_.Stamp(kMessage), kMessage, authority_.Trust(true)).ok());
  TimestampAuthority other = authority_.Trust();
  other.leaf = authority_.intermediate()
                   .Leaf(LeafSpec("another signer").With("extendedKeyUsage", "critical,timeStamping"))
                   .certificate;
  ExpectUnknown(VerifyTimestamp(authority_.Stamp(kMessage), kMessage, other), "another certificate than that of");
}

TEST_F(TimestampTest, ASignerThatIsItselfTheRoot) {
  const TimestampAuthority trust{.roots = {authority_.signer().certificate}};
  EXPECT_TRUE(VerifyTimestamp(authority_.Stamp(kMessage), kMessage, trust).ok());
}

TEST_F(TimestampTest, SeveralRootsAreTried) {
  const FakeTimestampAuthority other;
  TimestampAuthority trust = authority_.Trust();
  trust.roots.insert(trust.roots.begin(), other.root().certificate());
  EXPECT_TRUE(VerifyTimestamp(authority_.Stamp(kMessage), kMessage, trust).ok());
}

// RFC 3161 section 4.3: a token outlives its authority's certificates.
TEST_F(TimestampTest, TheChainIsJudgedAtTheTimeThatTheTokenStates) {
  const WallTime until = kPkiNow + std::chrono::hours(1);
  const FakeTimestampAuthority authority({.signer = LeafSpec("signer").Valid(kPkiNow, until)});
  const auto at = [&](WallTime time) {
    return VerifyTimestamp(authority.Stamp(kMessage, {.at = time}), kMessage, authority.Trust());
  };
  EXPECT_TRUE(at(kPkiNow).ok());
  EXPECT_TRUE(at(until).ok());
  ExpectInvalid(at(kPkiNow - milliseconds(1)), "does not chain");
  ExpectInvalid(at(until + seconds(1)), "does not chain");
}

TEST_F(TimestampTest, EveryCertificateOfTheChainMustBeValidThen) {
  const FakeTimestampAuthority authority(
      {.signer = LeafSpec("signer").Valid(kPkiNotBefore, kPkiNotAfter), .not_after = kPkiNow});
  EXPECT_TRUE(VerifyTimestamp(authority.Stamp(kMessage), kMessage, authority.Trust()).ok());
  const Bytes late = authority.Stamp(kMessage, {.at = kPkiNow + seconds(1)});
  ExpectInvalid(VerifyTimestamp(late, kMessage, authority.Trust()), "does not chain");
}

TEST_F(TimestampTest, TwoSignersOrAnotherContentAreNoToken) {
  for (const StampOptions& options :
       {StampOptions{.two_signers = true}, StampOptions{.content_type = "1.2.840.113549.1.7.1"},
        StampOptions{.version = 2}}) {
    const auto stamp = Verify(options);
    ASSERT_FALSE(stamp.ok());
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << stamp.error().ToString();
  }
}

TEST_F(TimestampTest, EveryTruncationIsRefused) {
  const Bytes token = authority_.Stamp(kMessage);
  for (std::size_t size = 0; size < token.size(); ++size) {
    const auto stamp = VerifyTimestamp(BytesView(token).first(size), kMessage, authority_.Trust());
    ASSERT_FALSE(stamp.ok()) << size;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << size;
  }
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST_F(TimestampTest, NothingMayFollow) {
  for (const bool bare : {true, false}) {
    Bytes token = authority_.Stamp(kMessage, {.bare = bare});
    token.push_back(0);
    const auto stamp = VerifyTimestamp(token, kMessage, authority_.Trust());
    ASSERT_FALSE(stamp.ok()) << bare;
    EXPECT_EQ(stamp.error().reason, Reason::kTimestampMalformed) << bare;
  }
}

// Whatever byte is changed, the time and the signer that come out are the true ones, or nothing does.
TEST_F(TimestampTest, AChangedByteNeverChangesTheTime) {
  const Bytes token = authority_.Stamp(kMessage, {.nonce = 7});
  int refused = 0;
  for (std::size_t at = 0; at < token.size(); ++at) {
    Bytes changed = token;
    changed[at] ^= 0x01;
    const auto stamp = VerifyTimestamp(changed, kMessage, authority_.Trust());
    if (!stamp.ok()) {
      ++refused;
      continue;
    }
    EXPECT_EQ(stamp->at, kPkiNow) << at;
    EXPECT_EQ(stamp->signer.Der(), authority_.signer().der) << at;
  }
  EXPECT_GT(refused, static_cast<int>(token.size()) / 3) << "the embedded intermediate alone is not signed by it";
}

TEST_F(TimestampTest, SizeAndCertificatesAreBounded) {
  const auto reason = [&](BytesView token) {
    return VerifyTimestamp(token, kMessage, authority_.Trust()).error().reason;
  };
  EXPECT_EQ(reason(Bytes(limits::kTimestampTokenBytes + 1, 0x30)), Reason::kLimitExceeded);
  EXPECT_EQ(reason(Bytes(limits::kTimestampTokenBytes, 0x30)), Reason::kTimestampMalformed);
  std::vector<Bytes> many;
  for (std::size_t i = 0; i < limits::kChainCertificates - 1; ++i) {
    many.push_back(TestCa::Root(CaSpec("ca " + std::to_string(i))).der());
  }
  EXPECT_EQ(reason(authority_.Stamp(kMessage, {.more_certificates = many})), Reason::kLimitExceeded);
}

// --- tokens of the OpenSSL command line

class OpensslTimestamp : public testing::Test {
 protected:
  static Certificate One(const char* name) {
    return Certificate::ListFromPem(TestText("timestamp/" + std::string(name))).value().front();
  }
  static Result<VerifiedTimestamp> Verify(const char* name, const TimestampAuthority& authority) {
    return VerifyTimestamp(TestBytes("timestamp/" + std::string(name)), TestBytes("timestamp/message.txt"), authority);
  }
  const Certificate root_ = One("root.pem");
  const Certificate signer_ = One("signer.pem");
};

TEST_F(OpensslTimestamp, AResponseWithEverythingInIt) {
  const auto stamp = Verify("full.tsr", {.roots = {root_}});
  ASSERT_TRUE(stamp.ok()) << stamp.error().ToString();
  // As `openssl ts -reply -text` shows it: "Nov 22 03:24:25.882 2026 GMT".
  EXPECT_EQ(stamp->at, std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + std::chrono::hours(3) +
                           std::chrono::minutes(24) + milliseconds(25'882));
  EXPECT_EQ(stamp->accuracy, milliseconds(1501));
  EXPECT_EQ(stamp->signer.Der(), signer_.Der());
}

TEST_F(OpensslTimestamp, ABareTokenWithoutCertificates) {
  EXPECT_TRUE(Verify("bare-v1.tst", {.roots = {root_}, .leaf = signer_}).ok());
  EXPECT_TRUE(Verify("bare-v1.tst", {.roots = {root_}, .intermediates = {signer_}}).ok());
  ExpectUnknown(Verify("bare-v1.tst", {.roots = {root_}}), "neither the token nor the trust document");
}

TEST_F(OpensslTimestamp, ARefusal) {
  ExpectInvalid(Verify("refused.tsr", {.roots = {root_}}), "refused: status 2");
}

// What is asked of a signer holds for the authority of Sigstore's public good instance.
TEST(RealWorldTimestamp, TheAuthorityOfSigstore) {
  const std::filesystem::path file = Vectors() / "public/sigstore/trusted_root.public-good.json";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no samples";
  const auto trust = codec::JsonDocument::Parse(ReadFile(file), {.max_bytes = 1 << 20}).value();
  const codec::JsonView chain =
      *trust.root().Find("timestampAuthorities")->at(0).Find("certChain")->Find("certificates");
  ASSERT_EQ(chain.size(), 2U);
  const auto certificate = [&](std::size_t index) {
    return Certificate::FromDer(DecodeBase64(chain.at(index).Find("rawBytes")->AsString().value()).value()).value();
  };
  const Certificate leaf = certificate(0);
  EXPECT_THAT(leaf.ExtendedKeyUsages(), testing::ElementsAre("1.3.6.1.5.5.7.3.8"));
  EXPECT_TRUE(leaf.HasCriticalExtendedKeyUsage());
  EXPECT_TRUE(leaf.IsSignedBy(certificate(1)));
  const auto path =
      VerifyChain(leaf, {}, {certificate(1)},
                  {.at = leaf.NotBefore(), .required_eku = "1.3.6.1.5.5.7.3.8", .tolerated_critical_oids = {}});
  EXPECT_TRUE(path.ok()) << path.error().ToString();
}

}  // namespace
}  // namespace gatehouse::crypto
