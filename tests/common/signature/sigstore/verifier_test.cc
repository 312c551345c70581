#include "common/signature/sigstore/verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/base/encoding.h"
#include "tests/common/signature/sigstore/bundle_support.h"

namespace gatehouse::signature::sigstore {
namespace {

using claims::TrustedTime;
using crypto::KeyType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

FakeSigstore& Sigstore() {
  static auto* const kSigstore = new FakeSigstore();
  return *kSigstore;
}

const TrustMaterial& Material() {
  static const auto* const kMaterial = new TrustMaterial(Sigstore().Trust());
  return *kMaterial;
}

Requirements ByCertificate() {
  return {.material = &Material(), .key = {}};
}

Requirements ByKey(const crypto::PrivateKey& key, HashAlgorithm hash = HashAlgorithm::kSha256) {
  return {.material = &Material(),
          .key = keyed::Verifier{.key = key.Public(), .hash = hash},
          .logs = 1,
          .scts = 0,
          .times = 0};
}

crypto::PrivateKey NewKey(KeyType type) {
  return crypto::PrivateKey::Generate(type).value();
}

// --- what verifies

TEST(VerifyBundle, AMessageInEveryVersion) {
  for (const std::string version : {"0.1", "0.2", "0.3", "0.3+json;version"}) {
    auto verified = Verify(Sigstore(), Sigstore().SignMessage(kArtefact, {.version = version}));
    ASSERT_TRUE(verified.ok()) << version << ": " << Shown(verified);
    EXPECT_EQ(SignerOf(*verified).issuer, "https://issuer.example");
    EXPECT_THAT(SignerOf(*verified).names,
                ElementsAre(claims::SubjectName{claims::SubjectName::Kind::kEmail, "dev@example.com"}));
    EXPECT_THAT(verified->times, ElementsAre(TrustedTime{TrustedTime::Source::kTransparencyLog, fakes::kPkiNow,
                                                         Sigstore().rekor_v1().options().url}));
  }
}

TEST(VerifyBundle, AnEntryOfTheSecondVersionWithATimestamp) {
  auto verified = Verify(Sigstore(), Sigstore().SignMessage(kArtefact, {.logs = {{&Sigstore().rekor_v2()}}}));
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  EXPECT_THAT(verified->times, ElementsAre(TrustedTime{TrustedTime::Source::kTimestampAuthority, fakes::kPkiNow,
                                                       Sigstore().timestamp_authority().options().url}));
}

TEST(VerifyBundle, AnEnvelopeByEveryKindOfEntry) {
  const Digest digest = crypto::Sha256Digest(AsBytes(kArtefact));
  struct Case {
    fakes::FakeRekor* log;
    std::string kind;
  };
  for (const Case& c : {Case{&Sigstore().rekor_v1(), "dsse"}, Case{&Sigstore().rekor_v1(), "intoto"},
                        Case{&Sigstore().rekor_v2(), "hashedrekord"}, Case{&Sigstore().rekor_v2(), "dsse"}}) {
    const SignedBundle bundle = Sigstore().Attest(digest, {}, {.logs = {{c.log}}, .entry_kind = c.kind});
    auto by_bytes = Verify(Sigstore(), bundle);
    EXPECT_TRUE(by_bytes.ok()) << c.kind << ": " << Shown(by_bytes);
    auto by_digest = Verify(Sigstore(), bundle, {.bytes = {}, .digest = digest});
    EXPECT_TRUE(by_digest.ok()) << c.kind << ": " << Shown(by_digest);
  }
}

TEST(VerifyBundle, SubjectsByEveryDigest) {
  for (const HashAlgorithm hash : {HashAlgorithm::kSha256, HashAlgorithm::kSha384, HashAlgorithm::kSha512}) {
    const Digest digest = Digest::Make(hash, crypto::Hash(hash, AsBytes(kArtefact))).value();
    const SignedBundle bundle = Sigstore().Attest(digest);
    for (const Artifact& artifact : {TheArtefact(), Artifact{.bytes = {}, .digest = digest},
                                     Artifact{.bytes = AsBytes(kArtefact), .digest = digest}}) {
      auto verified = Verify(Sigstore(), bundle, artifact);
      EXPECT_TRUE(verified.ok()) << Name(hash) << ": " << Shown(verified);
    }
  }
}

TEST(VerifyBundle, ADigestInPlaceOfTheMessage) {
  const SignedBundle bundle = Sigstore().SignMessage(kArtefact);
  auto verified = Verify(Sigstore(), bundle, {.bytes = {}, .digest = crypto::Sha256Digest(AsBytes(kArtefact))});
  EXPECT_TRUE(verified.ok()) << Shown(verified);
}

TEST(VerifyBundle, CertificatesOfEveryKindOfKey) {
  struct Case {
    KeyType type;
    HashAlgorithm hash;
  };
  for (const Case& c : {Case{KeyType::kEcP256, HashAlgorithm::kSha256}, Case{KeyType::kEcP384, HashAlgorithm::kSha384},
                        Case{KeyType::kEcP384, HashAlgorithm::kSha256}, Case{KeyType::kEcP521, HashAlgorithm::kSha512},
                        Case{KeyType::kRsa, HashAlgorithm::kSha256}}) {
    SCOPED_TRACE(static_cast<int>(c.type));
    auto verified =
        Verify(Sigstore(), Sigstore().SignMessage(kArtefact, {.leaf = {.key_type = c.type}, .hash = c.hash}));
    EXPECT_TRUE(verified.ok()) << Shown(verified);
  }
  auto ed25519 = Verify(Sigstore(), Sigstore().Attest(crypto::Sha256Digest(AsBytes(kArtefact)), {},
                                                      {.leaf = {.key_type = KeyType::kEd25519}}));
  EXPECT_TRUE(ed25519.ok()) << Shown(ed25519);
}

TEST(VerifyBundle, EveryKindOfKeyThatTheTrustDocumentNames) {
  struct Case {
    KeyType type;
    HashAlgorithm hash;
  };
  for (const Case& c : {Case{KeyType::kEcP256, HashAlgorithm::kSha256}, Case{KeyType::kEcP384, HashAlgorithm::kSha384},
                        Case{KeyType::kEcP521, HashAlgorithm::kSha512}, Case{KeyType::kRsa, HashAlgorithm::kSha256}}) {
    SCOPED_TRACE(static_cast<int>(c.type));
    const crypto::PrivateKey key = NewKey(c.type);
    const SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.key = key, .hash = c.hash});
    auto verified = Verify(bundle.Text(), TheArtefact(), ByKey(key, c.hash));
    ASSERT_TRUE(verified.ok()) << Shown(verified);
    EXPECT_EQ(verified->signer, claims::Signer(claims::KeySigner{key.Public().Fingerprint()}));
    EXPECT_THAT(verified->times, SizeIs(1));
  }
}

TEST(VerifyBundle, AKeyAloneVouchesWithoutTrustMaterial) {
  const crypto::PrivateKey key = NewKey(KeyType::kEcP256);
  Requirements requirements = ByKey(key);
  requirements.material = nullptr;
  const SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.key = key});
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), requirements)), Token(Reason::kLogEntryMissing));
  requirements.logs = 0;
  auto verified = Verify(bundle.Text(), TheArtefact(), requirements);
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  EXPECT_THAT(verified->times, IsEmpty());
}

TEST(VerifyBundle, APrivateAuthorityWithIntermediatesInTheBundle) {
  FakeSigstore sigstore({.private_ca = true});
  TrustMaterial material = sigstore.Trust();
  material.authorities.front().chain = {sigstore.root().certificate()};
  SignedBundle bundle = sigstore.SignMessage(kArtefact, {.version = "0.2", .leaf = {.issuer = ""}});
  const Requirements requirements{.material = &material, .key = {}, .logs = 1, .scts = 0};
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), requirements)), Token(Reason::kCertificateUntrusted));
  At(bundle.json, "/verificationMaterial/x509CertificateChain/certificates/1/rawBytes") =
      JsonValue::String(EncodeBase64(sigstore.intermediate().certificate().Der()));
  auto verified = Verify(bundle.Text(), TheArtefact(), requirements);
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  EXPECT_EQ(SignerOf(*verified).issuer, "");
}

// --- what does not

struct Defect {
  std::string name;
  std::function<void(JsonValue&)> edit;
  Reason reason;
};

TEST(VerifyBundle, OneThingBroken) {
  const std::string entry = "/verificationMaterial/tlogEntries/0";
  const SignedBundle good = Sigstore().SignMessage(kArtefact, {.authorities = {{&Sigstore().timestamp_authority()}}});
  const SignedBundle other = Sigstore().SignMessage("another artefact");
  const auto copy = [&](const std::string& pointer) {
    return [&, pointer](JsonValue& json) {
      JsonValue from = other.json;
      At(json, pointer) = At(from, pointer);
    };
  };
  const Defect kDefects[] = {
      {"a signature over another artefact", copy("/messageSignature"), Reason::kSignatureInvalid},
      {"another's certificate", copy("/verificationMaterial/certificate"), Reason::kSignatureInvalid},
      {"another's log entry", copy(entry), Reason::kLogEntryMismatch},
      {"another's body", copy(entry + "/canonicalizedBody"), Reason::kLogProofInvalid},
      {"another's promise", copy(entry + "/inclusionPromise"), Reason::kLogProofInvalid},
      {"another's proof", copy(entry + "/inclusionProof"), Reason::kLogProofInvalid},
      {"another's checkpoint", copy(entry + "/inclusionProof/checkpoint"), Reason::kLogProofInvalid},
      {"another time than was promised",
       [&](JsonValue& json) { At(json, entry + "/integratedTime") = JsonValue::String("1798761601"); },
       Reason::kLogProofInvalid},
      {"no log entry", [](JsonValue& json) { Remove(json, "/verificationMaterial/tlogEntries"); },
       Reason::kLogEntryMissing},
      {"another digest", copy("/messageSignature/messageDigest"), Reason::kPayloadDigestMismatch},
      {"a timestamp that is none",
       [](JsonValue& json) {
         At(json, "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp") =
             JsonValue::String("MAA=");
       },
       Reason::kTimestampMalformed},
  };
  ASSERT_TRUE(Verify(Sigstore(), good).ok()) << Shown(Verify(Sigstore(), good));
  for (const Defect& defect : kDefects) {
    JsonValue json = good.json;
    defect.edit(json);
    auto verified = Verify(json.Write(), TheArtefact(), ByCertificate());
    EXPECT_EQ(TokenOf(verified), Token(defect.reason)) << defect.name << ": " << Shown(verified);
  }
}

TEST(VerifyBundle, AnotherArtefact) {
  const SignedBundle message = Sigstore().SignMessage(kArtefact);
  const SignedBundle envelope = Sigstore().Attest(crypto::Sha256Digest(AsBytes(kArtefact)));
  const Artifact bytes{.bytes = AsBytes("another"), .digest = {}};
  const Artifact digest{.bytes = {}, .digest = crypto::Sha256Digest(AsBytes("another"))};
  EXPECT_EQ(TokenOf(Verify(Sigstore(), message, bytes)), Token(Reason::kSignatureInvalid));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), message, digest)), Token(Reason::kSignatureInvalid));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), envelope, bytes)), Token(Reason::kPayloadDigestMismatch));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), envelope, digest)), Token(Reason::kPayloadDigestMismatch));
  const Artifact contradiction{.bytes = AsBytes(kArtefact), .digest = digest.digest};
  EXPECT_EQ(TokenOf(Verify(Sigstore(), message, contradiction)), Token(Reason::kPayloadDigestMismatch));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), message, {})), Token(Reason::kInternal));
}

TEST(VerifyBundle, ADigestThatTheKeyDoesNotSignOver) {
  const SignedBundle message = Sigstore().SignMessage(kArtefact);
  const Digest sha512 =
      Digest::Make(HashAlgorithm::kSha512, crypto::Hash(HashAlgorithm::kSha512, AsBytes(kArtefact))).value();
  auto refused = Verify(Sigstore(), message, {.bytes = {}, .digest = sha512});
  ASSERT_EQ(TokenOf(refused), Token(Reason::kSignatureInvalid));
  EXPECT_THAT(refused.error().detail, HasSubstr("only the sha512 digest is given"));

  const crypto::PrivateKey key = NewKey(KeyType::kEd25519);
  Requirements requirements = ByKey(key);
  requirements.logs = 0;
  const SignedBundle by_ed25519 = Sigstore().SignMessage(kArtefact, {.key = key, .logs = {{}}, .authorities = {{}}});
  EXPECT_TRUE(Verify(by_ed25519.Text(), TheArtefact(), requirements).ok());
  refused = Verify(by_ed25519.Text(), {.bytes = {}, .digest = crypto::Sha256Digest(AsBytes(kArtefact))}, requirements);
  ASSERT_EQ(TokenOf(refused), Token(Reason::kSignatureInvalid));
  EXPECT_THAT(refused.error().detail, HasSubstr("Ed25519"));
}

TEST(VerifyBundle, NobodyToBelieve) {
  const SignedBundle bundle = Sigstore().SignMessage(kArtefact);
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), {})), Token(Reason::kCertificateUntrusted));
  const TrustMaterial empty;
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), {.material = &empty, .key = {}})),
            Token(Reason::kLogUntrusted));
  TrustMaterial only_log;
  only_log.logs = Material().logs;
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), {.material = &only_log, .key = {}})),
            Token(Reason::kCertificateUntrusted));
  const FakeSigstore stranger;
  EXPECT_EQ(TokenOf(Verify(stranger, bundle)), Token(Reason::kLogUntrusted));
}

// --- counts

TEST(VerifyBundle, ThresholdsAreOfOperators) {
  fakes::FakeRekor second({.url = "https://rekor.second", .tree_id = "1"});
  const fakes::FakeTimestampAuthority other_authority({.url = "https://tsa.second"});
  TrustMaterial material = Sigstore().Trust();
  material.logs.push_back(second.Trust());
  material.timestamp_authorities.push_back(
      {.chain = {other_authority.signer().certificate, other_authority.intermediate().certificate(),
                 other_authority.root().certificate()},
       .valid = {},
       .uri = "https://tsa.second",
       .operator_name = "second"});
  const SignedBundle two =
      Sigstore().SignMessage(kArtefact, {.logs = {{&Sigstore().rekor_v1(), &second}},
                                         .authorities = {{&Sigstore().timestamp_authority(), &other_authority}}});
  Requirements requirements{.material = &material, .key = {}, .logs = 2, .scts = 1, .times = 4, .timestamps = 2};
  auto verified = Verify(two.Text(), TheArtefact(), requirements);
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  EXPECT_THAT(verified->times, SizeIs(4));
  requirements.times = 5;
  EXPECT_EQ(TokenOf(Verify(two.Text(), TheArtefact(), requirements)), Token(Reason::kTimestampMissing));
  requirements.times = 4;
  requirements.timestamps = 3;
  EXPECT_EQ(TokenOf(Verify(two.Text(), TheArtefact(), requirements)), Token(Reason::kTimestampMissing));
  requirements.timestamps = 2;
  requirements.logs = 3;
  EXPECT_EQ(TokenOf(Verify(two.Text(), TheArtefact(), requirements)), Token(Reason::kLogEntryMissing));

  // The second of each is by the operator of the first.
  requirements.logs = 2;
  material.logs.back().operator_name = material.logs.front().operator_name;
  EXPECT_EQ(TokenOf(Verify(two.Text(), TheArtefact(), requirements)), Token(Reason::kLogEntryMissing));
  requirements.logs = 1;
  requirements.times = 3;
  EXPECT_TRUE(Verify(two.Text(), TheArtefact(), requirements).ok());
  material.timestamp_authorities.back().operator_name = material.timestamp_authorities.front().operator_name;
  EXPECT_EQ(TokenOf(Verify(two.Text(), TheArtefact(), requirements)), Token(Reason::kTimestampMissing));
  requirements.timestamps = 1;
  EXPECT_EQ(TokenOf(Verify(two.Text(), TheArtefact(), requirements)), Token(Reason::kTimestampMissing));
  requirements.times = 2;
  EXPECT_TRUE(Verify(two.Text(), TheArtefact(), requirements).ok());
}

TEST(VerifyBundle, ACertificateAlwaysNeedsATime) {
  Requirements requirements = ByCertificate();
  requirements.logs = 0;
  requirements.times = 0;
  const SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.logs = {{}}, .authorities = {{}}});
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), requirements)), Token(Reason::kTimestampMissing));
  const SignedBundle stamped = Sigstore().SignMessage(kArtefact, {.logs = {{}}});
  auto verified = Verify(stamped.Text(), TheArtefact(), requirements);
  EXPECT_TRUE(verified.ok()) << Shown(verified);
}

TEST(VerifyBundle, StrangersDoNotCountAndDoNoHarm) {
  fakes::FakeRekor unknown_log({.url = "https://rekor.unknown", .tree_id = "7"});
  const fakes::FakeTimestampAuthority unknown_authority({.url = "https://tsa.unknown"});
  const SignedBundle both =
      Sigstore().SignMessage(kArtefact, {.logs = {{&unknown_log, &Sigstore().rekor_v1()}},
                                         .authorities = {{&unknown_authority, &Sigstore().timestamp_authority()}}});
  Requirements requirements = ByCertificate();
  requirements.timestamps = 1;
  auto verified = Verify(both.Text(), TheArtefact(), requirements);
  ASSERT_TRUE(verified.ok()) << Shown(verified);
  EXPECT_THAT(verified->times, SizeIs(2));
  const SignedBundle only_unknown_log = Sigstore().SignMessage(kArtefact, {.logs = {{&unknown_log}}});
  EXPECT_EQ(TokenOf(Verify(Sigstore(), only_unknown_log)), Token(Reason::kLogUntrusted));
  const SignedBundle only_unknown_time =
      Sigstore().SignMessage(kArtefact, {.logs = {{&Sigstore().rekor_v2()}}, .authorities = {{&unknown_authority}}});
  EXPECT_EQ(TokenOf(Verify(Sigstore(), only_unknown_time)), Token(Reason::kTimestampInvalid));
}

// --- time

TEST(VerifyBundle, TheCertificateMustBeValidAtEveryTime) {
  const WallTime issued = fakes::kPkiNow;
  struct Case {
    std::string name;
    Duration log;
    Duration stamp;
    std::string token;
  };
  using std::chrono::minutes;
  using std::chrono::seconds;
  for (const Case& c : {
           Case{"both within", seconds(1), seconds(1), "ok"},
           Case{"at the first second", seconds(0), seconds(0), "ok"},
           Case{"at the last second", minutes(10), minutes(10), "ok"},
           Case{"the log a second late", minutes(10) + seconds(1), seconds(1), "certificate-expired"},
           Case{"the log a second early", seconds(-1), seconds(1), "certificate-expired"},
           Case{"the timestamp a second late", seconds(1), minutes(10) + seconds(1), "certificate-expired"},
           Case{"the timestamp a second early", seconds(1), seconds(-1), "certificate-expired"},
       }) {
    const SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.leaf = {.at = issued},
                                                                   .entry_at = issued + c.log,
                                                                   .authorities = {{&Sigstore().timestamp_authority()}},
                                                                   .stamp_at = issued + c.stamp});
    auto verified = Verify(Sigstore(), bundle);
    EXPECT_EQ(TokenOf(verified), c.token) << c.name << ": " << Shown(verified);
  }
}

TEST(VerifyBundle, EveryWindowOfTheTrustMaterialIsClosed) {
  const WallTime now = fakes::kPkiNow;
  const Duration step = std::chrono::milliseconds(1);
  const SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.authorities = {{&Sigstore().timestamp_authority()}}});
  struct Case {
    std::string name;
    std::function<Validity&(TrustMaterial&)> window;
    std::string token;
  };
  const Case kCases[] = {
      {"log", [](TrustMaterial& m) -> Validity& { return m.logs.front().valid; }, "log-untrusted"},
      {"CT log", [](TrustMaterial& m) -> Validity& { return m.ct_logs.front().valid; }, "sct-missing"},
      {"authority", [](TrustMaterial& m) -> Validity& { return m.authorities.front().valid; }, "certificate-untrusted"},
      {"TSA", [](TrustMaterial& m) -> Validity& { return m.timestamp_authorities.front().valid; }, "timestamp-invalid"},
  };
  for (const Case& c : kCases) {
    const auto with = [&](const Validity& window) {
      TrustMaterial material = Sigstore().Trust();
      c.window(material) = window;
      Requirements requirements{.material = &material, .key = {}};
      requirements.timestamps = 1;
      return TokenOf(Verify(bundle.Text(), TheArtefact(), requirements));
    };
    EXPECT_EQ(with({.from = now, .until = now}), "ok") << c.name;
    EXPECT_EQ(with({.from = now + step, .until = {}}), c.token) << c.name;
    EXPECT_EQ(with({.from = {}, .until = now - step}), c.token) << c.name;
  }
}

TEST(VerifyBundle, AnAuthorityThatWasRotatedBetweenTwoTimes) {
  // The same certificates, once until the time of the log and once from that of the timestamp on.
  const SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.authorities = {{&Sigstore().timestamp_authority()}},
                                                                 .stamp_at = fakes::kPkiNow + std::chrono::minutes(1)});
  TrustMaterial material = Sigstore().Trust();
  material.authorities.push_back(material.authorities.front());
  material.authorities.front().valid.until = fakes::kPkiNow;
  material.authorities.back().valid.from = fakes::kPkiNow + std::chrono::minutes(1);
  auto verified = Verify(bundle.Text(), TheArtefact(), {.material = &material, .key = {}});
  EXPECT_TRUE(verified.ok()) << Shown(verified);
  material.authorities.back().valid.from = fakes::kPkiNow + std::chrono::minutes(2);
  EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), {.material = &material, .key = {}})),
            Token(Reason::kCertificateUntrusted));
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
