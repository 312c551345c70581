// The image half from a reference to a decision, over a registry in memory.
#include <atomic>
#include <thread>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/common/gate/fixture.h"

namespace gatehouse::gate {
namespace {

class ImageGate : public GateFixture {
 protected:
  void SetUp() override {
    Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public())));
  }

  Digest image = registry.PutImage("app", "1", "first");
};

TEST_F(ImageGate, SignedImageIsAdmittedWithTheAuthorityThatVouches) {
  fakes::Sign(registry, "app", image, key);
  Decision decision = Decide(Pod({"registry.example/app:1"}));
  EXPECT_TRUE(decision.allowed());
  EXPECT_TRUE(decision.findings().empty());
  ASSERT_EQ(decision.approvals().size(), 1U);
  EXPECT_EQ(decision.approvals()[0].by,
            "release (key " + std::string(key.Public().Fingerprint().hex().substr(0, 16)) + ")");
  EXPECT_EQ(decision.approvals()[0].subject, "registry.example/app@" + image.text());
}

TEST_F(ImageGate, UnsignedImageIsRefused) {
  Decision decision = Decide(Pod({"registry.example/app:1"}));
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(OnlyReason(decision), Reason::kImageUnsigned);
}

TEST_F(ImageGate, SignatureByAnotherKeyIsRefused) {
  fakes::Sign(registry, "app", image, other_key);
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kSignatureInvalid);
}

TEST_F(ImageGate, ImageThatTheRegistryDoesNotHaveIsRefused) {
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:none"}))), Reason::kImageNotFound);
}

TEST_F(ImageGate, ReferenceThatIsNoReferenceIsRefused) {
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/APP:1"}))), Reason::kImageReferenceMalformed);
}

TEST_F(ImageGate, ImageThatNoPolicyCoversFollowsTheSetting) {
  EXPECT_EQ(OnlyReason(Decide(Pod({"elsewhere.example/app:1"}))), Reason::kNoPolicyMatches);
  options.unmatched_images = Unmatched::kWarn;
  Decision warned = Decide(Pod({"elsewhere.example/app:1"}));
  EXPECT_TRUE(warned.allowed());
  EXPECT_EQ(warned.outcome(), "warned");
  options.unmatched_images = Unmatched::kAllow;
  EXPECT_EQ(Decide(Pod({"elsewhere.example/app:1"})).outcome(), "allowed");
}

TEST_F(ImageGate, EveryProblemIsInOneAnswer) {
  Digest second = registry.PutImage("other", "1", "second");
  fakes::Sign(registry, "other", second, other_key);
  Decision decision = Decide(Pod({"registry.example/app:1", "registry.example/other:1", "elsewhere.example/x"}));
  ASSERT_EQ(decision.findings().size(), 3U);
  EXPECT_EQ(decision.findings()[0].error.reason, Reason::kImageUnsigned);
  EXPECT_EQ(decision.findings()[1].error.reason, Reason::kSignatureInvalid);
  EXPECT_EQ(decision.findings()[2].error.reason, Reason::kNoPolicyMatches);
}

TEST_F(ImageGate, AnImageIsVerifiedOnceWhateverTheNumberOfContainers) {
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1", "registry.example/app:1", "registry.example/app:1"})).allowed());
  // The tag; the signature manifest beside the referrers and their fallback tag; the payload.
  EXPECT_EQ(registry.requests(), 5U);
}

TEST_F(ImageGate, OneFindingNamesAllContainersOfTheImage) {
  Decision decision = Decide(Pod({"registry.example/app:1", "registry.example/app:1"}));
  ASSERT_EQ(decision.findings().size(), 1U);
  EXPECT_EQ(decision.findings()[0].subject,
            "image registry.example/app:1 in spec.containers[0] (c), spec.containers[1] (c)");
}

TEST_F(ImageGate, ImagesThatAnUpdateDoesNotChangeAreNotJudged) {
  auto request = Pod({"registry.example/app:1"});
  request.operation = "UPDATE";
  request.images[0].unchanged = true;
  request.old_labels = request.labels;
  EXPECT_TRUE(Decide(request).allowed());
  EXPECT_EQ(registry.requests(), 0U);
}

TEST_F(ImageGate, TheSameImageInAnotherContainerIsJudged) {
  auto request = Pod({"registry.example/app:1", "registry.example/app:1"});
  request.operation = "UPDATE";
  request.images[0].unchanged = true;
  request.old_labels = request.labels;
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kImageUnsigned);
}

TEST_F(ImageGate, ChangedLabelsBringUnchangedImagesUnderThePoliciesThatTheyNewlyMeet) {
  Load(ImagePolicyYaml("web", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  podSelector: {matchLabels: {tier: web}}\n"));
  auto request = Pod({"registry.example/app:1"});
  request.operation = "UPDATE";
  request.images[0].unchanged = true;
  request.old_labels = policy::Labels{{"tier", "web"}};
  request.labels = policy::Labels{{"tier", "web"}, {"role", "primary"}};
  EXPECT_TRUE(Decide(request).allowed());  // a leader is marked, also while its registry is down
  EXPECT_EQ(registry.requests(), 0U);
  request.old_labels = policy::Labels{{"tier", "db"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kImageUnsigned);
}

TEST_F(ImageGate, RequestsOfOtherKindsAreAllowed) {
  auto request = Pod({"registry.example/app:1"});
  request.subject = admission::Subject::kOther;
  EXPECT_EQ(Decide(request).outcome(), "allowed");
}

TEST_F(ImageGate, AllAndAtLeastCountAuthorities) {
  std::string authorities = KeyAuthority("release", key.Public()) + KeyAuthority("qa", other_key.Public());
  fakes::PutSignatures(registry, "app", image, {fakes::SignPayload(key, image)});
  Load(ImagePolicyYaml("signed", "registry.example/**", authorities, "  require: any\n"));
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
  Load(ImagePolicyYaml("signed", "registry.example/**", authorities, "  require: all\n"));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kNotEnoughAuthorities);
  Load(ImagePolicyYaml("signed", "registry.example/**", authorities, "  require: {atLeast: 2}\n"));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kNotEnoughAuthorities);
  fakes::PutSignatures(registry, "app", image, {fakes::SignPayload(key, image), fakes::SignPayload(other_key, image)});
  clock.Advance(Duration(4000));  // failures are remembered for seconds only
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
}

TEST_F(ImageGate, StaticAuthoritiesNeedNoRegistry) {
  registry.FailWith(-1);
  Load(ImagePolicyYaml("open", "registry.example/**", "    - name: all\n      static: {action: pass}\n"));
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
  Load(ImagePolicyYaml("closed", "registry.example/**",
                       "    - name: none\n      static: {action: fail, message: \"use the mirror\"}\n"));
  Decision decision = Decide(Pod({"registry.example/app:1"}));
  EXPECT_EQ(OnlyReason(decision), Reason::kDeniedByPolicy);
  EXPECT_EQ(decision.findings()[0].error.detail, "use the mirror");
  EXPECT_EQ(registry.requests(), 0U);
}

TEST_F(ImageGate, EveryPolicyThatCoversAnImageMustPass) {
  fakes::Sign(registry, "app", image, key);
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public())) +
       ImagePolicyYaml("stricter", "registry.example/app", KeyAuthority("qa", other_key.Public())));
  Decision decision = Decide(Pod({"registry.example/app:1"}));
  EXPECT_EQ(OnlyReason(decision), Reason::kSignatureInvalid);
  EXPECT_EQ(decision.findings()[0].policy, "stricter");
  EXPECT_EQ(decision.approvals().size(), 1U);
}

TEST_F(ImageGate, ModesWarnAndAuditAdmit) {
  auto with_mode = [&](const char* mode) {
    Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                         std::string("  mode: ") + mode + "\n"));
    return Decide(Pod({"registry.example/app:1"}));
  };
  EXPECT_EQ(with_mode("enforce").outcome(), "denied");
  EXPECT_EQ(with_mode("warn").outcome(), "warned");
  Decision audited = with_mode("audit");
  EXPECT_EQ(audited.outcome(), "allowed");
  ASSERT_EQ(audited.findings().size(), 1U);  // A15: still there as evidence
  EXPECT_EQ(audited.findings()[0].effect, policy::Effect::kAudit);
}

// What was proven, and what was not, is said also where nothing is refused.
TEST_F(ImageGate, Adversarial_A15_AModeOnTrialShowsEvidence) {
  fakes::Sign(registry, "app", image, key);
  for (const char* mode : {"warn", "audit"}) {
    Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                         std::string("  mode: ") + mode + "\n") +
         ImagePolicyYaml("stricter", "registry.example/**", KeyAuthority("qa", other_key.Public()),
                         std::string("  mode: ") + mode + "\n"));
    Decision decision = Decide(Pod({"registry.example/app:1"}));
    EXPECT_TRUE(decision.allowed());
    ASSERT_EQ(decision.approvals().size(), 1U);
    EXPECT_EQ(decision.approvals()[0].by.substr(0, 13), "release (key ");
    ASSERT_EQ(decision.findings().size(), 1U);
    EXPECT_EQ(decision.findings()[0].error.reason, Reason::kSignatureInvalid);
    const auto response = ToResponse(Pod({"registry.example/app:1"}), decision);
    EXPECT_NE(response.audit_annotations.at("proven").find("release (key "), std::string::npos);
    EXPECT_NE(response.audit_annotations.at("reasons").find("signature-invalid"), std::string::npos);
    EXPECT_EQ(response.warnings.size(), std::string(mode) == "warn" ? 1U : 0U);
  }
}

TEST_F(ImageGate, SelectorsApply) {
  std::string more = "  namespaceSelector: {matchLabels: {env: prod}}\n  podSelector: {matchLabels: {tier: web}}\n";
  std::string spaces = "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, labels: {env: prod}}\n---\n";
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()), more) + spaces);
  auto request = Pod({"registry.example/app:1"});
  request.labels = policy::Labels{{"tier", "web"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kImageUnsigned);
  request.labels = policy::Labels{{"tier", "db"}};
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kNoPolicyMatches);
  request.labels = std::nullopt;  // kind EphemeralContainers
  Decision unknown = Decide(request);
  ASSERT_FALSE(unknown.findings().empty());
  EXPECT_EQ(unknown.findings()[0].error.reason, Reason::kLabelsUnknown);
  EXPECT_FALSE(unknown.allowed());
}

TEST_F(ImageGate, NamespaceThatIsNotKnownIsNeitherMatchNorNoMatch) {
  std::string more = "  namespaceSelector: {matchLabels: {env: prod}}\n";
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()), more));
  Decision decision = Decide(Pod({"registry.example/app:1"}));
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(OnlyReason(decision), Reason::kLabelsUnknown);
  // On trial, the unknown does not admit what nothing else covers.
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       more + "  mode: audit\n"));
  EXPECT_FALSE(Decide(Pod({"registry.example/app:1"})).allowed());
}

TEST_F(ImageGate, NamespaceNameIsAlwaysKnown) {
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}\n"));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kImageUnsigned);
}

// CVE-2025-29778: a field that is read but never applied. Those not named by a test above:

TEST_F(ImageGate, HashAlgorithmOfTheKeyIsApplied) {
  std::string authority = KeyAuthority("release", key.Public());
  auto at = authority.find("        data:");
  Load(ImagePolicyYaml("signed", "registry.example/**", authority.insert(at, "        hashAlgorithm: sha512\n")));
  fakes::Sign(registry, "app", image, key);  // over SHA-256
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kSignatureInvalid);
}

TEST_F(ImageGate, RsaPaddingOfTheKeyIsApplied) {
  auto rsa = *crypto::PrivateKey::Generate(crypto::KeyType::kRsa);
  fakes::Sign(registry, "app", image, rsa);  // PKCS#1 v1.5
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", rsa.Public())));
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
  std::string authority = KeyAuthority("release", rsa.Public());
  auto at = authority.find("        data:");
  Load(ImagePolicyYaml("signed", "registry.example/**", authority.insert(at, "        rsaPadding: pss\n")));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kSignatureInvalid);
}

// --- attacks

TEST_F(ImageGate, Adversarial_R1_TagIsResolvedOncePerDecision) {
  fakes::Sign(registry, "app", image, key);
  Digest evil = registry.PutImage("app", "", "evil");
  std::atomic<int> tag_reads = 0;
  registry.OnRequest([&](const net::HttpRequest& request) {
    if (request.url.target == "/v2/app/manifests/1" && ++tag_reads == 1) return;
    registry.Tag("app", "1", evil);  // moves as soon as it was read
  });
  Decision decision = Decide(Pod({"registry.example/app:1", "registry.example/app:1"}));
  EXPECT_TRUE(decision.allowed());
  EXPECT_EQ(tag_reads, 1);
  EXPECT_EQ(decision.approvals()[0].subject, "registry.example/app@" + image.text());
}

TEST_F(ImageGate, Adversarial_R1_TagMovedToAnUnsignedImageIsRefusedAlthoughTheOldOneIsCached) {
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
  registry.PutImage("app", "1", "evil");
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kImageUnsigned);
}

TEST_F(ImageGate, Adversarial_R8_AFailingRegistryNeverMeansNoSignatures) {
  for (int status : {400, 401, 403, 429, 500, 502, 503, -1}) {
    registry.FailWith(status);
    Decision decision = Decide(Pod({"registry.example/app@" + image.text()}), Duration(50));
    EXPECT_FALSE(decision.allowed()) << status;
    EXPECT_NE(OnlyReason(decision), Reason::kImageUnsigned) << status;
    clock.Advance(Duration(4000));
  }
}

TEST_F(ImageGate, StaticRulesHoldWhereTheRegistryIsDown) {
  std::string key_policy =
      ImagePolicyYaml("trial", "registry.example/**", KeyAuthority("release", key.Public()), "  mode: audit\n");
  registry.FailWith(-1);
  Load(ImagePolicyYaml("ban", "registry.example/**", "    - name: no\n      static: {action: fail, message: banned}\n",
                       "  onUnavailable: allow\n") +
       key_policy);
  EXPECT_FALSE(Decide(Pod({"registry.example/app:1"})).allowed());
  Load(ImagePolicyYaml("open", "registry.example/**", "    - name: yes\n      static: {action: pass}\n") + key_policy);
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
}

TEST_F(ImageGate, OthersUsingUpTheTimeIsNoOutage) {
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  onUnavailable: allow\n") +
       ImagePolicyYaml("slow", "slow.example/**", KeyAuthority("release", key.Public()), "  mode: warn\n"));
  registry.OnRequest([&](const net::HttpRequest& request) {
    if (request.url.host == "slow.example") clock.Advance(Duration(5000));
  });
  std::vector<std::string> images(8, "");
  for (std::size_t i = 0; i < images.size(); ++i) images[i] = "slow.example/app" + std::to_string(i);
  images.push_back("registry.example/app:1");  // unsigned
  Decision decision = Decide(Pod(images), Duration(3000));
  EXPECT_FALSE(decision.allowed());
}

TEST_F(ImageGate, ARegistryThatIsTooSlowForItsShareIsAnOutage) {
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  onUnavailable: allow\n"));
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(3500)); });
  Decision decision = Decide(Pod({"registry.example/app:1"}), Duration(5000));
  EXPECT_EQ(OnlyReason(decision), Reason::kRegistryUnavailable);
  EXPECT_EQ(decision.outcome(), "warned");
}

TEST_F(ImageGate, ManySignaturesThatUseUpTheTimeAreNoOutage) {
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  onUnavailable: allow\n"));
  std::vector<fakes::SignedPayload> junk;
  for (int i = 0; i < 50; ++i) {
    junk.push_back(fakes::SignPayload(other_key, image, {.annotations = {{"n", std::to_string(i)}}}));
  }
  fakes::PutSignatures(registry, "app", image, junk);
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(100)); });
  Decision decision = Decide(Pod({"registry.example/app@" + image.text()}), Duration(5000));
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(OnlyReason(decision), Reason::kLimitExceeded);
}

TEST_F(ImageGate, WhatCouldNotBeEvaluatedIsNotRemembered) {
  fakes::Sign(registry, "app", image, key);
  registry.FailWith(-1);
  EXPECT_FALSE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  registry.FailWith(0);
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
}

TEST_F(ImageGate, APayloadThatManySignaturesShareIsFetchedOnce) {
  fakes::SignedPayload bad = fakes::SignPayload(other_key, image);
  fakes::PutSignatures(registry, "app", image, std::vector<fakes::SignedPayload>(50, bad));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app@" + image.text()}))), Reason::kSignatureInvalid);
  EXPECT_EQ(registry.requests(), 4U);
}

TEST_F(ImageGate, OnlyAnOutageIsRelaxedByOnUnavailable) {
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()),
                       "  onUnavailable: allow\n"));
  registry.FailWith(-1);
  EXPECT_EQ(Decide(Pod({"registry.example/app@" + image.text()})).outcome(), "warned");
  clock.Advance(Duration(4000));
  registry.FailWith(403);
  EXPECT_EQ(Decide(Pod({"registry.example/app@" + image.text()})).outcome(), "denied");
  clock.Advance(Duration(4000));
  registry.FailWith(0);
  EXPECT_EQ(Decide(Pod({"registry.example/app@" + image.text()})).outcome(), "denied");
}

TEST_F(ImageGate, Adversarial_N3_TheTagBesideADigestDoesNotChooseTheImage) {
  fakes::Sign(registry, "app", image, key);
  Digest evil = registry.PutImage("app", "2", "evil");
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1@" + evil.text()}))), Reason::kImageUnsigned);
  EXPECT_TRUE(Decide(Pod({"registry.example/app:2@" + image.text()})).allowed());
}

TEST_F(ImageGate, Adversarial_C2_SignatureOfAnotherImageMovedToThisOne) {
  Digest good = registry.PutImage("good", "1", "good");
  fakes::PutSignatures(registry, "app", image, {fakes::SignPayload(key, good)});
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kPayloadDigestMismatch);
}

TEST_F(ImageGate, Adversarial_C4_AnotherTypeOfPayload) {
  fakes::Sign(registry, "app", image, key, {.type = "attestation"});
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kPayloadTypeMismatch);
}

TEST_F(ImageGate, Adversarial_C5_SignatureOfAnotherLayer) {
  fakes::SignedPayload mine = fakes::SignPayload(key, image);
  fakes::SignedPayload other = fakes::SignPayload(other_key, image, {.annotations = {{"env", "prod"}}});
  std::swap(mine.signature, other.signature);
  fakes::PutSignatures(registry, "app", image, {mine, other});
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kSignatureInvalid);
}

TEST_F(ImageGate, Adversarial_C7_UnsignedAnnotationsDoNotSatisfyAPolicy) {
  Load(ImagePolicyYaml("signed", "registry.example/**",
                       KeyAuthority("release", key.Public(), "      annotations: {env: prod}\n")));
  fakes::Sign(registry, "app", image, key, {.annotations = {}, .unsigned_annotations = {{"env", "prod"}}});
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kAnnotationMismatch);
  fakes::Sign(registry, "app", image, key, {.annotations = {{"env", "test"}}});
  clock.Advance(Duration(4000));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kAnnotationMismatch);
  fakes::Sign(registry, "app", image, key, {.annotations = {{"env", "prod"}}});
  clock.Advance(Duration(4000));
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
}

TEST_F(ImageGate, Adversarial_C8_PayloadThatIsNotWhatItsLayerSays) {
  fakes::SignedPayload good = fakes::SignPayload(key, image);
  fakes::PutSignatures(registry, "app", image, {good});
  registry.Corrupt("app", crypto::Sha256Digest(AsBytes(good.payload)), good.payload + " ");
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kContentMismatch);
}

TEST_F(ImageGate, Adversarial_A8_WhatAMutatingWebhookChangedIsJudgedAsItArrives) {
  fakes::Sign(registry, "app", image, key);
  registry.PutImage("sidecar", "1", "injected");
  auto request = Pod({"registry.example/app:1"});
  EXPECT_TRUE(Decide(request).allowed());
  request.images.push_back(
      {"spec.containers[1] (injected)", "registry.example/sidecar:1"});  // the same uid, called again
  EXPECT_EQ(OnlyReason(Decide(request)), Reason::kImageUnsigned);
}

TEST_F(ImageGate, Adversarial_C9_TheSameSignerTwiceCountsOnce) {
  std::string authorities = KeyAuthority("release", key.Public()) + KeyAuthority("qa", other_key.Public());
  Load(ImagePolicyYaml("signed", "registry.example/**", authorities, "  require: {atLeast: 2}\n"));
  fakes::PutSignatures(registry, "app", image,
                       {fakes::SignPayload(key, image), fakes::SignPayload(key, image, {.annotations = {{"a", "b"}}})});
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kNotEnoughAuthorities);
}

// CVE-2024-29902, CVE-2023-33958: signatures are tried up to a number.
TEST_F(ImageGate, Adversarial_C10_AValidSignatureBehindTheLimitIsNotFoundAndSaysSo) {
  std::vector<fakes::SignedPayload> many(limits::kSignaturesPerImage, fakes::SignPayload(other_key, image));
  many.push_back(fakes::SignPayload(key, image));
  fakes::PutSignatures(registry, "app", image, many);
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kLimitExceeded);
  many.erase(many.begin());  // now it is within
  fakes::PutSignatures(registry, "app", image, many);
  clock.Advance(Duration(4000));
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
}

TEST_F(ImageGate, Adversarial_R9_SignatureTagThatHoldsAnIndex) {
  std::string index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]})";
  registry.PutManifest("app", signature::keyed::SignatureTag(image), index, std::string(image::kOciIndex));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kManifestMalformed);
}

TEST_F(ImageGate, SignatureWhosePayloadIsMissingIsNoSignature) {
  fakes::SignedPayload signature = fakes::SignPayload(key, image);
  fakes::MemoryRegistry scratch;
  fakes::PutSignatures(scratch, "app", image, {signature});
  Deadline deadline(clock, Duration(1000));
  auto url = net::Url::Parse("https://registry.example/v2/app/manifests/" + signature::keyed::SignatureTag(image),
                             Reason::kInternal);
  auto manifest = scratch.Send(
      {.url = *url, .headers = {}, .body = "", .content_type = "", .max_response_bytes = 1 << 20}, deadline);
  registry.PutManifest("app", signature::keyed::SignatureTag(image), manifest->body, std::string(image::kOciManifest));
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app:1"}))), Reason::kRegistryProtocol);
}

TEST_F(ImageGate, Adversarial_A11_WhatIsNotDecidedInTimeIsDenied) {
  fakes::Sign(registry, "app", image, key);
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(3000)); });
  Decision decision = Decide(Pod({"registry.example/app:1"}), Duration(2000));
  EXPECT_FALSE(decision.allowed());
  EXPECT_EQ(OnlyReason(decision), Reason::kDeadlineExceeded);
}

TEST_F(ImageGate, Adversarial_A16_FailureIsForgottenSoonAfterSigning) {
  EXPECT_FALSE(Decide(Pod({"registry.example/app:1"})).allowed());
  fakes::Sign(registry, "app", image, key);
  clock.Advance(Duration(3001));
  EXPECT_TRUE(Decide(Pod({"registry.example/app:1"})).allowed());
}

TEST_F(ImageGate, Adversarial_A16_PolicyChangeInvalidates) {
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  Load(ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", other_key.Public())));  // key rotation
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app@" + image.text()}))), Reason::kSignatureInvalid);
}

TEST_F(ImageGate, Adversarial_A16_TrustChangeInvalidates) {
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  auto changed = std::make_shared<policy::PolicySet>(*set);
  changed->trust_generation = "another";
  set = changed;
  std::size_t before = registry.requests();
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  EXPECT_GT(registry.requests(), before);
}

TEST_F(ImageGate, Adversarial_A16_OneTenantsPullSecretAdmitsNothingForAnother) {
  fakes::Sign(registry, "app", image, key);
  registry.Require("app", "a:secret");
  std::string config = R"({"auths":{"registry.example":{"username":"a","password":"secret"}}})";
  credentials = std::make_shared<registry::Credentials>(*registry::Credentials::FromDockerConfig(config, "a.json"));
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  credentials = std::make_shared<registry::Credentials>();
  EXPECT_EQ(OnlyReason(Decide(Pod({"registry.example/app@" + image.text()}))), Reason::kRegistryDenied);
}

TEST_F(ImageGate, CachedImageIsAdmittedWhileTheRegistryIsDown) {
  fakes::Sign(registry, "app", image, key);
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  registry.FailWith(-1);
  EXPECT_TRUE(Decide(Pod({"registry.example/app@" + image.text()})).allowed());
  Decision by_tag = Decide(Pod({"registry.example/app:1"}));  // which image that is cannot be known now
  EXPECT_EQ(ClassOf(OnlyReason(by_tag)), ReasonClass::kUnavailable);
}

TEST_F(ImageGate, ManyRequestsForOneImageAreOneVerification) {
  fakes::Sign(registry, "app", image, key);
  std::atomic<int> waiting = 0;
  registry.OnRequest([&](const net::HttpRequest&) {
    while (waiting < 8) std::this_thread::yield();
  });
  std::vector<std::thread> threads;
  std::atomic<int> allowed = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ++waiting;
      if (Decide(Pod({"registry.example/app@" + image.text()})).allowed()) ++allowed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed, 8);
  // The signature manifest beside the referrers and their fallback tag; the payload.
  EXPECT_EQ(registry.requests(), 4U);
}

}  // namespace
}  // namespace gatehouse::gate
