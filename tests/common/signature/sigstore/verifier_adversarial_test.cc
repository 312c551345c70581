// Attacks on bundles (B1, B5 to B8, B11 to B14 of our list, and published advisories): each from a bundle that is good
// but for one thing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "tests/common/signature/sigstore/bundle_support.h"

namespace gatehouse::signature::sigstore {
namespace {

using crypto::KeyType;
using fakes::CertificateSpec;
using fakes::FakeCtLog;
using fakes::FakeTimestampAuthority;
using fakes::LeafOptions;
using fakes::SctOptions;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

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

// What becomes of a message signed so.
Result<VerifiedContent> Message(const BundleOptions& options, const Requirements& requirements = ByCertificate()) {
  return Verify(Sigstore().SignMessage(kArtefact, options).Text(), TheArtefact(), requirements);
}

// --- logs and times

TEST(Adversarial_B1, OneLogTwiceIsOneVoice) {  // also CVE-2026-49834
  Requirements requirements = ByCertificate();
  requirements.logs = 2;
  fakes::FakeRekor* const log = &Sigstore().rekor_v1();
  EXPECT_EQ(TokenOf(Message({.logs = {{log, log}}}, requirements)), Token(Reason::kLogEntryMissing));
  requirements.logs = 1;
  requirements.times = 2;
  EXPECT_EQ(TokenOf(Message({.logs = {{log, log}}}, requirements)), Token(Reason::kTimestampMissing));
}

TEST(Adversarial_CVE_2026_49834, OneTimestampAuthorityTwiceIsOneVoice) {
  Requirements requirements = ByCertificate();
  requirements.timestamps = 2;
  const FakeTimestampAuthority* const authority = &Sigstore().timestamp_authority();
  EXPECT_EQ(TokenOf(Message({.authorities = {{authority, authority}}}, requirements)),
            Token(Reason::kTimestampMissing));
}

// CVE-2022-23649, CVE-2026-22703: any valid entry for any signature.
TEST(Adversarial_B2, AValidEntryOfAnotherSignatureOverTheSameArtefact) {
  SignedBundle first = Sigstore().SignMessage(kArtefact);
  SignedBundle second = Sigstore().SignMessage(kArtefact);
  At(first.json, "/verificationMaterial/tlogEntries") = At(second.json, "/verificationMaterial/tlogEntries");
  EXPECT_EQ(TokenOf(Verify(Sigstore(), first)), Token(Reason::kLogEntryMismatch));
}

TEST(Adversarial_B5, AnIntegratedTimeWithoutAPromiseIsNoTime) {
  const BundleOptions unpromised{.entry = {.promise = false}, .authorities = {{}}};
  auto refused = Message(unpromised);
  EXPECT_EQ(TokenOf(refused), Token(Reason::kTimestampMissing)) << Shown(refused);
  // Neither is one that the bundle claims of an entry of version 2.
  SignedBundle second = Sigstore().SignMessage(kArtefact, {.logs = {{&Sigstore().rekor_v2()}}, .authorities = {{}}});
  EXPECT_EQ(TokenOf(Verify(Sigstore(), second)), Token(Reason::kTimestampMissing));
  At(second.json, "/verificationMaterial/tlogEntries/0/integratedTime") = JsonValue::String("1798761600");
  EXPECT_EQ(TokenOf(Verify(Sigstore(), second)), Token(Reason::kTimestampMissing));
}

TEST(Adversarial_B5, AnIntegratedTimeThatNobodySignedMustNotContradictTheCertificate) {
  for (fakes::FakeRekor* const log : {&Sigstore().rekor_v1(), &Sigstore().rekor_v2()}) {
    SignedBundle bundle = Sigstore().SignMessage(
        kArtefact,
        {.logs = {{log}}, .entry = {.promise = false}, .authorities = {{&Sigstore().timestamp_authority()}}});
    EXPECT_EQ(TokenOf(Verify(Sigstore(), bundle)), "ok");
    At(bundle.json, "/verificationMaterial/tlogEntries/0/integratedTime") = JsonValue::String("1");
    EXPECT_EQ(TokenOf(Verify(Sigstore(), bundle)), Token(Reason::kCertificateExpired));
  }
}

// CVE-2026-54787: a key's window ignored. Of logs without a time of their own, too.
TEST(Adversarial_CVE_2026_54787, ALogThatWasRetired) {
  TrustMaterial material = Sigstore().Trust();
  for (Log& log : material.logs) log.valid.until = fakes::kPkiNow - std::chrono::seconds(1);
  const Requirements requirements{.material = &material, .key = {}};
  for (fakes::FakeRekor* const log : {&Sigstore().rekor_v1(), &Sigstore().rekor_v2()}) {
    auto refused = Message({.logs = {{log}}}, requirements);
    EXPECT_EQ(TokenOf(refused), Token(Reason::kLogUntrusted)) << Shown(refused);
  }
  material.logs[0].valid.until = fakes::kPkiNow;
  material.logs[1].valid.until = fakes::kPkiNow;
  for (fakes::FakeRekor* const log : {&Sigstore().rekor_v1(), &Sigstore().rekor_v2()}) {
    auto verified = Message({.logs = {{log}}}, requirements);
    EXPECT_TRUE(verified.ok()) << Shown(verified);
  }
}

TEST(Adversarial_B6, Timestamps) {
  const SignedBundle other = Sigstore().SignMessage("another artefact", {.logs = {{}}});
  const std::string token = "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
  SignedBundle swapped = Sigstore().SignMessage(kArtefact, {.logs = {{&Sigstore().rekor_v2()}}});
  JsonValue from = other.json;
  At(swapped.json, token) = At(from, token);
  EXPECT_EQ(TokenOf(Verify(Sigstore(), swapped)), Token(Reason::kTimestampInvalid));

  const auto stamped = [&](const fakes::StampOptions& stamp) {
    return Message({.logs = {{&Sigstore().rekor_v2()}}, .stamp = stamp});
  };
  EXPECT_EQ(TokenOf(stamped({})), "ok");
  EXPECT_EQ(TokenOf(stamped({.nonce = 7, .accuracy_seconds = 1})), "ok");
  EXPECT_EQ(TokenOf(stamped({.imprint = HashAlgorithm::kSha1})), Token(Reason::kTimestampInvalid));
  EXPECT_EQ(TokenOf(stamped({.imprint_instead = Bytes(32, 0)})), Token(Reason::kTimestampInvalid));
  EXPECT_EQ(TokenOf(stamped({.status = 2})), Token(Reason::kTimestampInvalid));

  for (const std::string usage : {"timeStamping", "critical,codeSigning", "critical,timeStamping,codeSigning", ""}) {
    FakeSigstore sigstore({.timestamp_authority = {.extended_key_usage = usage}});
    auto refused = Verify(sigstore, sigstore.SignMessage(kArtefact, {.logs = {{&sigstore.rekor_v2()}}}));
    EXPECT_EQ(TokenOf(refused), Token(Reason::kTimestampInvalid)) << usage << ": " << Shown(refused);
  }
}

TEST(Adversarial_B6, ACertificateThatTheTokenBringsAlongIsNotTrusted) {
  const FakeTimestampAuthority stranger;
  auto refused = Message({.logs = {{&Sigstore().rekor_v2()}},
                          .authorities = {{&stranger}},
                          .stamp = {.more_certificates = {stranger.root().der()}}});
  EXPECT_EQ(TokenOf(refused), Token(Reason::kTimestampInvalid)) << Shown(refused);
}

// --- the chain

// An authority whose intermediate, or leaf, is not as it must be.
Result<VerifiedContent> WithChain(const FakeSigstore::Options& options, const LeafOptions& leaf = {},
                                  std::size_t logs = 1) {
  FakeSigstore sigstore(options);
  const TrustMaterial material = sigstore.Trust();
  const SignedBundle bundle =
      sigstore.SignMessage(kArtefact, {.leaf = leaf, .authorities = {{&sigstore.timestamp_authority()}}});
  return Verify(bundle.Text(), TheArtefact(), {.material = &material, .key = {}, .logs = logs});
}

CertificateSpec Intermediate(const std::string& name = "sigstore-intermediate") {
  CertificateSpec spec = fakes::CaSpec(name);
  spec.key_type = KeyType::kEcP384;
  spec.hash = HashAlgorithm::kSha384;
  return spec;
}

TEST(Adversarial_B7, ChainsThatAreNotAsTheyMustBe) {
  const WallTime now = fakes::kPkiNow;
  const Duration day = std::chrono::hours(24);
  struct Case {
    std::string name;
    FakeSigstore::Options options;
    LeafOptions leaf;
    Reason reason;
  };
  const Case kCases[] = {
      {"an intermediate that had expired",
       {.intermediate = Intermediate().Valid(fakes::kPkiNotBefore, now - day)},
       {},
       Reason::kCertificateExpired},
      {"an intermediate of later",
       {.intermediate = Intermediate().Valid(now + day, now + 2 * day)},
       {},
       Reason::kCertificateExpired},
      {"a root that had expired",
       {.not_after = now - day, .intermediate = Intermediate()},
       {},
       Reason::kCertificateExpired},
      {"an intermediate that is no authority",
       {.intermediate = Intermediate().With("basicConstraints", "critical,CA:FALSE")},
       {},
       Reason::kCertificateUntrusted},
      {"an intermediate that may not sign certificates",
       {.intermediate = Intermediate().With("keyUsage", "critical,digitalSignature")},
       {},
       Reason::kCertificateUntrusted},
      {"an intermediate for servers",
       {.intermediate = Intermediate().With("extendedKeyUsage", "serverAuth")},
       {},
       Reason::kCertificateUntrusted},
      {"an intermediate for other names",
       {.intermediate = Intermediate().With("nameConstraints", "critical,permitted;email:other.example")},
       {},
       Reason::kCertificateUntrusted},
      {"a path that is too long",
       {.root = Intermediate("sigstore").With("basicConstraints", "critical,CA:TRUE,pathlen:0"),
        .intermediate = Intermediate()},
       {},
       Reason::kCertificateUntrusted},
      {"a leaf for servers", {}, {.extended_key_usage = "serverAuth"}, Reason::kCertificateUntrusted},
      {"a leaf for nothing", {}, {.extended_key_usage = ""}, Reason::kCertificateUntrusted},
      {"a leaf for everything", {}, {.extended_key_usage = "anyExtendedKeyUsage"}, Reason::kCertificateUntrusted},
      {"a leaf that is an authority",
       {},
       {.extensions = {{"basicConstraints", "critical,CA:TRUE"},
                       {"keyUsage", "critical,digitalSignature,keyCertSign"}}},
       Reason::kCertificateUntrusted},
      {"a leaf with a critical extension that nobody knows",
       {},
       {.extensions = {{"1.2.3.4", "critical,DER:0500"}}},
       Reason::kCertificateUntrusted},
  };
  ASSERT_EQ(TokenOf(WithChain({.intermediate = Intermediate()})), "ok");
  for (const Case& c : kCases) {
    auto verified = WithChain(c.options, c.leaf);
    EXPECT_EQ(TokenOf(verified), Token(c.reason)) << c.name << ": " << Shown(verified);
  }
}

// CVE-2026-24122: the chain was judged by the log's time only, so without a log not at all.
TEST(Adversarial_CVE_2026_24122, AnExpiredIntermediateWhenTheLogIsNotAskedFor) {
  const FakeSigstore::Options expired{
      .intermediate = Intermediate().Valid(fakes::kPkiNotBefore, fakes::kPkiNow - std::chrono::hours(24))};
  EXPECT_EQ(TokenOf(WithChain(expired, {}, 0)), Token(Reason::kCertificateExpired));
  FakeSigstore sigstore(expired);
  const TrustMaterial material = sigstore.Trust();
  for (const bool stamped : {true, false}) {
    BundleOptions options{.logs = {{}}};
    if (!stamped) options.authorities.emplace();
    const SignedBundle bundle = sigstore.SignMessage(kArtefact, options);
    const Requirements requirements{.material = &material, .key = {}, .logs = 0, .scts = 1, .times = 0};
    EXPECT_EQ(TokenOf(Verify(bundle.Text(), TheArtefact(), requirements)),
              Token(stamped ? Reason::kCertificateExpired : Reason::kTimestampMissing));
  }
}

TEST(Adversarial_B7, ACertificateOfAnotherAuthorityOfTheSameName) {
  FakeSigstore twin;
  const auto leaf = twin.Issue({.scts = {{{.log = &Sigstore().ct_log()}}}});
  EXPECT_EQ(TokenOf(Message({.certificate = leaf})), Token(Reason::kCertificateUntrusted));
  // Nor does its own intermediate help, brought along.
  SignedBundle bundle = Sigstore().SignMessage(kArtefact, {.version = "0.2", .certificate = leaf});
  At(bundle.json, "/verificationMaterial/x509CertificateChain/certificates/1/rawBytes") =
      JsonValue::String(EncodeBase64(twin.intermediate().certificate().Der()));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), bundle)), Token(Reason::kCertificateUntrusted));
}

// The trust document closed the window of an intermediate and has opened one for its successor, under the same root.
TEST(Adversarial_B7, AnIntermediateThatWasRetiredIsNotBroughtBackByTheBundle) {
  FakeSigstore sigstore;
  const fakes::TestCa successor = sigstore.root().Intermediate(fakes::CaSpec("successor"));
  TrustMaterial material = sigstore.Trust();
  CertificateAuthority renewed = material.authorities.front();
  renewed.chain.front() = successor.certificate();
  renewed.valid.from = fakes::kPkiNow - std::chrono::hours(1);
  material.authorities.front().valid.until = renewed.valid.from;
  material.authorities.push_back(std::move(renewed));
  const auto with = [&](const fakes::TestCa& issuer) {
    SignedBundle bundle = sigstore.SignMessage(kArtefact, {.version = "0.2", .leaf = {.issuer_ca = &issuer}});
    At(bundle.json, "/verificationMaterial/x509CertificateChain/certificates/1/rawBytes") =
        JsonValue::String(EncodeBase64(issuer.certificate().Der()));
    return TokenOf(Verify(bundle.Text(), TheArtefact(), {.material = &material, .key = {}}));
  };
  EXPECT_EQ(with(successor), "ok");
  EXPECT_EQ(with(sigstore.intermediate()), Token(Reason::kCertificateUntrusted));
}

// --- certificate transparency

TEST(Adversarial_B8, TimestampsOfTheCertificate) {
  const FakeCtLog unknown({.url = "https://ct.unknown"});
  const WallTime early = fakes::kPkiNotBefore - std::chrono::hours(1);
  struct Case {
    std::string name;
    std::vector<SctOptions> scts;
    std::string token;
  };
  const Case kCases[] = {
      {"one", {{}}, "ok"},
      {"none", {}, "sct-missing"},
      {"one over another issuer", {{.wrong_issuer = true}}, "sct-invalid"},
      {"one over another certificate", {{.wrong_tbs = true}}, "sct-invalid"},
      {"one by an unknown log", {{.log = &unknown}}, "sct-missing"},
      {"one from before the log was to be believed", {{.at = early}}, "sct-missing"},
      {"one good, and one by an unknown log", {{.log = &unknown}, {}}, "ok"},
      {"one good, and one that does not verify", {{}, {.wrong_tbs = true}}, "sct-invalid"},
      {"one whose time was changed", {{.edit = [](Bytes& sct) { sct.at(40) ^= 1U; }}}, "sct-invalid"},
      {"one of version 2", {{.edit = [](Bytes& sct) { sct.at(0) = 1; }}}, "sct-invalid"},
      {"one with something after it", {{.edit = [](Bytes& sct) { sct.push_back(0); }}}, "sct-invalid"},
  };
  for (const Case& c : kCases) {
    auto verified = Message({.leaf = {.scts = c.scts}});
    EXPECT_EQ(TokenOf(verified), c.token) << c.name << ": " << Shown(verified);
  }
}

TEST(Adversarial_B8, TwoTimestampsOfOneLogAreOneVoice) {
  const FakeCtLog second({.url = "https://ct.second"});
  TrustMaterial material = Sigstore().Trust();
  material.ct_logs.push_back(second.Trust());
  Requirements requirements{.material = &material, .key = {}};
  requirements.scts = 2;
  const auto later = fakes::kPkiNow + std::chrono::seconds(1);
  EXPECT_EQ(TokenOf(Message({.leaf = {.scts = {{{}, {.at = later}}}}}, requirements)), Token(Reason::kSctMissing));
  EXPECT_EQ(TokenOf(Message({.leaf = {.scts = {{{}, {.log = &second}}}}}, requirements)), "ok");
  material.ct_logs[1].operator_name = material.ct_logs[0].operator_name;
  EXPECT_EQ(TokenOf(Message({.leaf = {.scts = {{{}, {.log = &second}}}}}, requirements)), Token(Reason::kSctMissing));
  requirements.scts = 0;
  EXPECT_EQ(TokenOf(Message({.leaf = {.scts = {{{.wrong_tbs = true}}}}}, requirements)), "ok");
}

// --- what is signed

// CVE-2022-35929, CVE-2022-35930: an attestation of another type, taken for a signature; and a signature for one.
TEST(Adversarial_B11, PredicateTypesAreNotTakenForEachOther) {
  const std::string kSbom = "https://spdx.dev/Document";
  const auto signature = [](const SignedBundle& made) {
    return ImageClaims::Signature(ParseBundle(made.Text()).value(), "", ImageDigest(), ByCertificate());
  };
  const auto attestation = [](const SignedBundle& made) {
    return ImageClaims::Attestation(ParseBundle(made.Text()).value(), ImageDigest(), ByCertificate());
  };
  const SignedBundle signed_image = Sigstore().SignImage(ImageDigest(), {}, {{"env", "prod"}});
  const SignedBundle sbom = Sigstore().Attest(ImageDigest(), {.predicate_type = kSbom});
  auto claim = signature(signed_image);
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  EXPECT_EQ(claim->annotations(), (std::map<std::string, std::string>{{"env", "prod"}}));
  auto attested = attestation(sbom);
  ASSERT_TRUE(attested.ok()) << Shown(attested);
  EXPECT_EQ(attested->predicate_type(), kSbom);
  EXPECT_EQ(TokenOf(signature(sbom)), Token(Reason::kPayloadTypeMismatch));
  EXPECT_EQ(TokenOf(attestation(signed_image)), Token(Reason::kPayloadTypeMismatch));
  EXPECT_EQ(ClaimedPredicateType(ParseBundle(sbom.Text()).value()), kSbom);
  EXPECT_EQ(ClaimedPredicateType(ParseBundle(signed_image.Text()).value()), kCosignSignPredicate);
  const std::string respelt = "https://sigstore.dev/cosign/sign/v1/";
  EXPECT_EQ(TokenOf(signature(Sigstore().Attest(ImageDigest(), {.predicate_type = respelt}))),
            Token(Reason::kPayloadTypeMismatch));
}

TEST(Adversarial_B11, AMessageSignatureOverTheManifestIsNoAttestation) {
  const std::string manifest = R"({"schemaVersion":2})";
  const Digest image = crypto::Sha256Digest(AsBytes(manifest));
  const Bundle bundle = ParseBundle(Sigstore().SignMessage(manifest).Text()).value();
  auto claim = ImageClaims::Signature(bundle, "", image, ByCertificate());
  ASSERT_TRUE(claim.ok()) << Shown(claim);
  EXPECT_THAT(claim->annotations(), IsEmpty());
  EXPECT_EQ(TokenOf(ImageClaims::Signature(bundle, "", ImageDigest(), ByCertificate())),
            Token(Reason::kSignatureInvalid));
  EXPECT_EQ(TokenOf(ImageClaims::Attestation(bundle, image, ByCertificate())), Token(Reason::kPayloadTypeMismatch));
  EXPECT_EQ(ClaimedPredicateType(bundle), std::nullopt);
}

// CVE-2026-39395: a payload that could not be parsed was taken for one without complaints. All are well signed.
TEST(Adversarial_CVE_2026_39395, PayloadsThatAreNoStatementsAboutTheArtefact) {
  const Digest digest = crypto::Sha256Digest(AsBytes(kArtefact));
  const std::string good = fakes::Statement(digest);
  const auto with = [&](const std::string& pointer, const std::string& json) {
    JsonValue value = JsonValue::Parse(good).value();
    At(value, pointer) = JsonValue::Parse("[" + json + "]")->elements.front();
    return value.Write();
  };
  std::string many = "[";
  for (std::size_t i = 0; i <= limits::kSubjects; ++i) many += R"({"digest":{"sha1":"00"}},)";
  many.back() = ']';
  const std::string hex(digest.hex());
  const std::tuple<std::string, std::string, Reason> kCases[] = {
      {"nothing", "", Reason::kStatementMalformed},
      {"no JSON", "hello", Reason::kStatementMalformed},
      {"no object", "[]", Reason::kStatementMalformed},
      {"cut off", good.substr(0, good.size() - 1), Reason::kStatementMalformed},
      {"null subjects", with("/subject", "null"), Reason::kStatementMalformed},
      {"no subjects", with("/subject", "[]"), Reason::kStatementMalformed},
      {"a null subject", with("/subject/0", "null"), Reason::kStatementMalformed},
      {"a subject without a digest", with("/subject/0/digest", "{}"), Reason::kStatementMalformed},
      {"another type", with("/_type", R"("https://in-toto.io/Statement/v9")"), Reason::kStatementMalformed},
      {"no predicate type", with("/predicateType", R"("")"), Reason::kStatementMalformed},
      {"too many subjects", with("/subject", many), Reason::kLimitExceeded},
      {"the digest by the name of another hash", with("/subject/0/digest", R"({"sha3_256":")" + hex + "\"}"),
       Reason::kPayloadDigestMismatch},
      {"the digest by the name of a longer one", with("/subject/0/digest", R"({"sha512":")" + hex + "\"}"),
       Reason::kPayloadDigestMismatch},
      {"the digest in the name", with("/subject/0", R"({"name":")" + hex + R"(","digest":{"sha1":"00"}})"),
       Reason::kPayloadDigestMismatch},
      {"a beginning of the digest", with("/subject/0/digest/sha256", "\"" + hex.substr(0, 32) + "\""),
       Reason::kPayloadDigestMismatch},
  };
  ASSERT_EQ(TokenOf(Verify(Sigstore(), Sigstore().SignEnvelope(good))), "ok");
  for (const auto& [name, payload, reason] : kCases) {
    auto verified = Verify(Sigstore(), Sigstore().SignEnvelope(payload), {.bytes = {}, .digest = digest});
    EXPECT_EQ(TokenOf(verified), Token(reason)) << name << ": " << Shown(verified);
  }
}

TEST(Adversarial_B12, EnvelopesOfOtherTypes) {
  const std::string statement = fakes::Statement(crypto::Sha256Digest(AsBytes(kArtefact)));
  for (const std::string type : {"application/json", "application/vnd.in-toto+JSON", "text/plain"}) {
    auto verified = Verify(Sigstore(), Sigstore().SignEnvelope(statement, {.payload_type = type}));
    EXPECT_EQ(TokenOf(verified), Token(Reason::kStatementMalformed)) << type << ": " << Shown(verified);
  }
  // A type that was changed afterwards is not what was signed.
  SignedBundle relabelled = Sigstore().SignEnvelope(statement, {.payload_type = "text/plain"});
  At(relabelled.json, "/dsseEnvelope/payloadType") = JsonValue::String(kInTotoPayloadType);
  EXPECT_EQ(TokenOf(Verify(Sigstore(), relabelled)), Token(Reason::kSignatureInvalid));
}

TEST(Adversarial_B12, ThePayloadInOtherSpellings) {
  const std::string statement =
      fakes::Statement(crypto::Sha256Digest(AsBytes(kArtefact)), {.name = "\xC3\xBF\xC3\xBE?>"});
  const SignedBundle good = Sigstore().SignEnvelope(statement);
  // protocol.md: verifiers must accept the URL-safe alphabet too; the bytes are the same.
  JsonValue url_safe = good.json;
  std::string& payload = At(url_safe, "/dsseEnvelope/payload").text;
  payload = EncodeBase64Url(AsBytes(statement));
  ASSERT_THAT(payload, testing::AnyOf(HasSubstr("-"), HasSubstr("_")));
  auto verified = Verify(url_safe.Write(), TheArtefact(), ByCertificate());
  EXPECT_EQ(TokenOf(verified), "ok") << Shown(verified);
  // The same JSON, written otherwise, is other bytes.
  JsonValue respelt = good.json;
  At(respelt, "/dsseEnvelope/payload").text = EncodeBase64(AsBytes(statement + " "));
  EXPECT_EQ(TokenOf(Verify(respelt.Write(), TheArtefact(), ByCertificate())), Token(Reason::kSignatureInvalid));
}

TEST(Adversarial_B12, AnEnvelopeThatWasNotParsedHasOneSignatureToo) {
  Bundle bundle = ParseBundle(Sigstore().SignImage(ImageDigest()).Text()).value();
  auto& signatures = std::get<Envelope>(bundle.content).signatures;
  signatures.push_back(signatures.front());
  const Artifact artifact{.bytes = {}, .digest = ImageDigest()};
  EXPECT_EQ(TokenOf(VerifyBundle(bundle, artifact, ByCertificate())), Token(Reason::kEnvelopeMalformed));
  signatures.clear();
  EXPECT_EQ(TokenOf(VerifyBundle(bundle, artifact, ByCertificate())), Token(Reason::kEnvelopeMalformed));
}

// --- keys

TEST(Adversarial_B13, KeysAndCertificatesAreNotTakenForEachOther) {
  const auto key = crypto::PrivateKey::Generate(KeyType::kEcP256).value();
  const Requirements by_key{
      .material = &Material(), .key = keyed::Verifier{.key = key.Public()}, .logs = 1, .scts = 0, .times = 0};
  // The hint says nothing: whatever it is, the key that was given decides.
  for (const std::string& hint : {std::string("hint"), key.Public().Fingerprint().text(), std::string("another's")}) {
    EXPECT_EQ(TokenOf(Message({.key = key, .key_hint = hint}, by_key)), "ok") << hint;
    EXPECT_EQ(TokenOf(Message({.key = key, .key_hint = hint})), Token(Reason::kCertificateUntrusted)) << hint;
  }
  const auto other = crypto::PrivateKey::Generate(KeyType::kEcP256).value();
  EXPECT_EQ(TokenOf(Message({.key = other, .key_hint = key.Public().Fingerprint().text()}, by_key)),
            Token(Reason::kSignatureInvalid));
  // A certificate of the very key is not the key.
  EXPECT_EQ(TokenOf(Message({.leaf = {.key = key}}, by_key)), Token(Reason::kSignatureInvalid));
  // An entry that names the certificate is not of the key's signature, and the other way round.
  SignedBundle with_key = Sigstore().SignMessage(kArtefact, {.key = key});
  SignedBundle with_certificate = Sigstore().SignMessage(kArtefact, {.leaf = {.key = key}});
  At(with_key.json, "/verificationMaterial/tlogEntries") =
      At(with_certificate.json, "/verificationMaterial/tlogEntries");
  At(with_key.json, "/messageSignature") = At(with_certificate.json, "/messageSignature");
  EXPECT_EQ(TokenOf(Verify(with_key.Text(), TheArtefact(), by_key)), Token(Reason::kLogEntryMismatch));
}

// s ↦ n - s, of a canonical DER signature over P-256.
Bytes HighS(const Bytes& signature) {
  static const Bytes kOrder = DecodeHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").value();
  const std::size_t r_size = signature.at(3);
  const BytesView r = BytesView(signature).subspan(4, r_size);
  const BytesView s = BytesView(signature).subspan(6 + r_size);
  Bytes padded(32, 0);
  const BytesView digits = s.size() > 32 ? s.last(32) : s;
  std::copy(digits.begin(), digits.end(), padded.end() - static_cast<std::ptrdiff_t>(digits.size()));
  Bytes other(32, 0);
  int borrow = 0;
  for (std::size_t i = 32; i-- > 0;) {
    const int difference = kOrder[i] - padded[i] - borrow;
    borrow = difference < 0 ? 1 : 0;
    other[i] = static_cast<std::uint8_t>(difference & 0xFF);
  }
  return crypto::EcdsaDer(r.size() > 32 ? r.last(32) : r, other, 32).value();
}

TEST(Adversarial_B14, SignaturesInOtherForms) {
  const auto key = crypto::PrivateKey::Generate(KeyType::kEcP256).value();
  const Requirements alone{
      .material = nullptr, .key = keyed::Verifier{.key = key.Public()}, .logs = 0, .scts = 0, .times = 0};
  const SignedBundle good = Sigstore().SignMessage(kArtefact, {.key = key, .logs = {{}}, .authorities = {{}}});
  const auto with = [&](const Bytes& signature, const Requirements& requirements) {
    JsonValue json = good.json;
    At(json, "/messageSignature/signature") = JsonValue::String(EncodeBase64(signature));
    return TokenOf(Verify(json.Write(), TheArtefact(), requirements));
  };
  EXPECT_EQ(with(good.signature, alone), "ok");
  // No difference is made between s and n - s (see common/crypto/key.h): but to a log it is another signature.
  EXPECT_EQ(with(HighS(good.signature), alone), "ok");
  SignedBundle logged = Sigstore().SignMessage(kArtefact);
  At(logged.json, "/messageSignature/signature") = JsonValue::String(EncodeBase64(HighS(logged.signature)));
  EXPECT_EQ(TokenOf(Verify(Sigstore(), logged)), Token(Reason::kLogEntryMismatch));

  const Bytes raw = key.Sign(crypto::Scheme::kEcdsaRaw, HashAlgorithm::kSha256, AsBytes(kArtefact)).value();
  EXPECT_EQ(with(raw, alone), Token(Reason::kSignatureInvalid));
  Bytes longer = good.signature;
  longer.push_back(0);
  EXPECT_EQ(with(longer, alone), Token(Reason::kSignatureInvalid));
  EXPECT_EQ(with(Bytes(limits::kSignatureBytes + 1, 1), alone), Token(Reason::kSignatureMalformed));
  for (std::size_t size = 1; size < good.signature.size(); ++size) {
    EXPECT_EQ(with(ToBytes(BytesView(good.signature).first(size)), alone), Token(Reason::kSignatureInvalid)) << size;
  }
}

TEST(Adversarial_B14, HashesThatTheKeyDoesNotHave) {
  // Of a certificate: what its key's curve has, or SHA-256, and nothing else.
  EXPECT_EQ(TokenOf(Message({.leaf = {.key_type = KeyType::kEcP384}, .hash = HashAlgorithm::kSha512})),
            Token(Reason::kSignatureInvalid));
  EXPECT_EQ(TokenOf(Message({.leaf = {.key_type = KeyType::kEcP256}, .hash = HashAlgorithm::kSha384})),
            Token(Reason::kSignatureInvalid));
  EXPECT_EQ(TokenOf(Message({.leaf = {.key_type = KeyType::kRsa}, .scheme = crypto::Scheme::kRsaPss})),
            Token(Reason::kSignatureInvalid));
  // Of a key: what the trust document says, and nothing else.
  const auto key = crypto::PrivateKey::Generate(KeyType::kEcP384).value();
  const Requirements sha384{.material = &Material(),
                            .key = keyed::Verifier{.key = key.Public(), .hash = HashAlgorithm::kSha384},
                            .logs = 1,
                            .scts = 0,
                            .times = 0};
  EXPECT_EQ(TokenOf(Message({.key = key, .hash = HashAlgorithm::kSha384}, sha384)), "ok");
  EXPECT_EQ(TokenOf(Message({.key = key, .hash = HashAlgorithm::kSha256}, sha384)), Token(Reason::kSignatureInvalid));
}

TEST(Adversarial_B14, Ed25519phIsRefusedByName) {
  // A prehashed signature is over another message; a pure one over the digest stands for it here.
  const auto key = crypto::PrivateKey::Generate(KeyType::kEd25519).value();
  const Bytes digest = crypto::Hash(HashAlgorithm::kSha512, AsBytes(kArtefact));
  SignedBundle bundle = Sigstore().SignMessage(AsText(digest), {.key = key, .logs = {{}}, .authorities = {{}}});
  Remove(bundle.json, "/messageSignature/messageDigest");
  const Requirements alone{
      .material = nullptr, .key = keyed::Verifier{.key = key.Public()}, .logs = 0, .scts = 0, .times = 0};
  auto refused = Verify(bundle.Text(), TheArtefact(), alone);
  ASSERT_EQ(TokenOf(refused), Token(Reason::kSignatureInvalid));
  EXPECT_THAT(refused.error().detail, HasSubstr("Ed25519ph"));
}

}  // namespace
}  // namespace gatehouse::signature::sigstore
