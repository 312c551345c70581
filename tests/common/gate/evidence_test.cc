// What somebody may put beside an image, or a registry say of it, to be believed, or to be in the way.
#include "common/gate/evidence.h"

#include <stdexcept>

#include "common/base/limits.h"
#include "tests/common/gate/signers_fixture.h"

namespace gatehouse::gate {
namespace {

class EvidenceGate : public SignersGate {
 protected:
  void SetUp() override { LoadFor(KeyAuthority("release", key.Public())); }
  const std::string kAllowed = "allowed by release (" + Shown(key) + ")";

  // A bundle that says nothing, and is another one for each number.
  Digest PutJunk(int number) { return PutBundle("{\"n\":" + std::to_string(number) + "}"); }
};

TEST_F(EvidenceGate, Adversarial_R11_AReferrerOfAnotherImage) {
  Digest other = registry.PutImage("app", "2", "second");
  fakes::SignedBundle bundle = SignWithKey(key);
  Digest manifest =
      fakes::Store(registry, "app", fakes::BundleManifest(registry.Describe("app", other), {bundle.Text()}));
  const auto stored = registry.Describe("app", manifest);
  registry.OverrideReferrers(
      "app", image,
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":")" +
          stored.media_type + R"(","digest":")" + manifest.text() + R"(","size":)" + std::to_string(stored.size) +
          R"(,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}]})");
  // The bundle in it would do: what it is attached to is for its manifest to say.
  EXPECT_EQ(Outcome(), "denied: registry-protocol");
}

TEST_F(EvidenceGate, Adversarial_R11_AnArtifactTypeThatTheManifestDoesNotHave) {
  auto manifest = fakes::BundleManifest(Image(), {SignWithKey(key).Text()}, {.artifact_type = "application/x-other"});
  Digest digest = fakes::Store(registry, "app", manifest);
  std::string index = registry.ReferrersIndex("app", image);
  const std::string other = "application/x-other";
  index.replace(index.find(other), other.size(), "application/vnd.dev.sigstore.bundle.v0.3+json");
  EXPECT_EQ(Outcome(), "denied: image-unsigned");  // what says that it is something else is not looked at
  registry.OverrideReferrers("app", image, index);
  clock.Advance(Duration(4000));
  EXPECT_EQ(Outcome(), "denied: registry-protocol");
  EXPECT_EQ(Asked("/manifests/" + digest.text()), 1U);
}

TEST_F(EvidenceGate, Adversarial_R11_AReferrerThatIsListedTwiceIsFetchedOnce) {
  Digest digest = PutBundle(SignWithKey(other_key).Text());
  std::string index = registry.ReferrersIndex("app", image);
  const auto begin = index.find("[") + 1;
  const std::string descriptor = index.substr(begin, index.rfind("]") - begin);
  index.insert(begin, descriptor + ",");
  registry.OverrideReferrers("app", image, index);
  EXPECT_EQ(Outcome(), "denied: signature-invalid");
  EXPECT_EQ(Asked("/manifests/" + digest.text()), 1U);
}

TEST_F(EvidenceGate, ABundleManifestHasOneLayer) {
  fakes::Store(registry, "app",
               fakes::BundleManifest(Image(), {SignWithKey(key).Text(), SignWithKey(other_key).Text()}));
  EXPECT_EQ(Outcome(), "denied: manifest-malformed");
}

TEST_F(EvidenceGate, ALayerOfAnotherTypeIsNoBundle) {
  PutBundle(SignWithKey(key).Text(), {.layer_media_type = "application/json"});
  EXPECT_EQ(Outcome(), "denied: manifest-malformed");
}

TEST_F(EvidenceGate, AReferrerThatIsAnIndex) {
  const std::string index =
      R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","manifests":[],"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
      image.text() + R"(","size":1}})";
  registry.PutManifest("app", "", index, std::string(image::kOciIndex));
  EXPECT_EQ(Outcome(), "denied: manifest-malformed");
}

TEST_F(EvidenceGate, WhatOthersLeaveIsNotInTheWay) {
  PutJunk(1);
  fakes::Store(registry, "app", fakes::BundleManifest(Image(), {"a", "b"}));
  PutBundle(SignWithKey(key).Text());
  PutJunk(2);
  EXPECT_EQ(Outcome(), kAllowed);
}

// CVE-2023-46737, CVE-2023-33957: whoever may push to a repository may attach what has no end.
TEST_F(EvidenceGate, Adversarial_C10_ABundleBehindTheLimitIsNotFoundAndSaysSo) {
  for (std::size_t i = 0; i < limits::kSignaturesPerImage; ++i) PutJunk(static_cast<int>(i));
  PutBundle(SignWithKey(key).Text());
  EXPECT_EQ(Outcome(), "denied: limit-exceeded");
}

TEST_F(EvidenceGate, Adversarial_C10_WhatSaysThatItIsSomethingElseDoesNotUseUpTheNumber) {
  for (std::size_t i = 0; i < limits::kSignaturesPerImage; ++i) {
    PutBundle("{\"n\":" + std::to_string(i) + "}", {.predicate_type = "https://spdx.dev/Document"});
  }
  PutBundle(SignWithKey(key).Text(), {.predicate_type = std::string(signature::sigstore::kCosignSignPredicate)});
  EXPECT_EQ(Outcome(), kAllowed);
  EXPECT_LE(registry.requests(), 6U);
}

TEST_F(EvidenceGate, Adversarial_C10_MoreReferrersThanAreLookedAt) {
  const std::string descriptor =
      R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","size":2,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","annotations":{"dev.sigstore.bundle.predicateType":"x"},"digest":"sha256:)";
  std::string index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
  for (std::size_t i = 0; i <= limits::kReferrers; ++i) {
    std::string hex = std::to_string(i);
    index += (i == 0 ? "" : ",") + descriptor + std::string(64 - hex.size(), '0') + hex + "\"}";
  }
  registry.OverrideReferrers("app", image, index + "]}");
  EXPECT_EQ(Outcome(), "denied: limit-exceeded");
}

TEST_F(EvidenceGate, ManyAttestationsOfTheLegacyLayout) {
  LoadFor(KeyAuthority("release", key.Public(), Attestations()));
  std::vector<fakes::LegacyLayer> layers(
      limits::kAttestationsPerImage + 1,
      {.media_type = "application/vnd.dsse.envelope.v1+json", .payload = "{}", .annotations = {}});
  PutLegacy(layers, ".att");
  EXPECT_EQ(Outcome(), "denied: limit-exceeded");
}

TEST_F(EvidenceGate, Adversarial_R8_ReferrersThatCannotBeHadAreNotNone) {
  for (int status : {400, 401, 403, 429, 500, 503}) {
    registry.SetReferrers({.status = status});
    const std::string outcome = Outcome();
    EXPECT_NE(outcome, "denied: image-unsigned") << status;
    EXPECT_EQ(outcome.substr(0, 8), "denied: ") << status;
    clock.Advance(Duration(4000));
  }
}

TEST_F(EvidenceGate, ASignatureThatVerifiesNeedsNoReferrers) {
  fakes::Sign(registry, "app", image, key);
  registry.SetReferrers({.status = 500});
  EXPECT_EQ(Outcome(), kAllowed);
}

// An outage of what might have been good is an outage, whatever else was bad.
TEST_F(EvidenceGate, AnOutageBeatsABadSignature) {
  fakes::Sign(registry, "app", image, other_key);
  registry.SetReferrers({.status = 500});
  EXPECT_EQ(Outcome(), "denied: registry-unavailable");
}

// What is asked for beside it and is missing for certain is a definite no, which nothing relaxes.
TEST_F(EvidenceGate, AnOutageOfOnePartIsNoExcuseForAnother) {
  LoadFor(KeyAuthority("release", key.Public()) + KeylessAuthority("ci", kDeveloper, Attestations()),
          "  require: all\n  onUnavailable: allow\n");
  fakes::Sign(registry, "app", image, key);
  EXPECT_EQ(Outcome(), "denied: not-enough-authorities");
}

TEST_F(EvidenceGate, Adversarial_R10_ABlobThatIsLargerThanItsDescriptorSays) {
  fakes::SignedBundle bundle = SignWithKey(key);
  auto manifest = fakes::BundleManifest(Image(), {bundle.Text()});
  fakes::At(manifest.json, "/layers/0/size") = fakes::JsonValue::Number(10);
  fakes::Store(registry, "app", manifest);
  EXPECT_EQ(Outcome(), "denied: content-mismatch");
}

TEST_F(EvidenceGate, Adversarial_R10_ADescriptorOfMoreBytesThanAreRead) {
  auto manifest = fakes::BundleManifest(Image(), {SignWithKey(key).Text()});
  fakes::At(manifest.json, "/layers/0/size") = fakes::JsonValue::Number(limits::kBundleBytes + 1);
  fakes::Store(registry, "app", manifest);
  EXPECT_EQ(Outcome(), "denied: limit-exceeded");
  EXPECT_EQ(Asked("/blobs/"), 0U);
}

TEST_F(EvidenceGate, Adversarial_R2_ABundleThatIsNotWhatItsDigestSays) {
  fakes::SignedBundle bundle = SignWithKey(other_key);
  auto manifest = fakes::BundleManifest(Image(), {bundle.Text()});
  fakes::Store(registry, "app", manifest);
  auto digest = Digest::Parse(fakes::At(manifest.json, "/layers/0/digest").text);
  ASSERT_TRUE(digest.ok());
  registry.Corrupt("app", *digest, SignWithKey(key).Text());
  EXPECT_EQ(Outcome(), "denied: content-mismatch");
}

TEST_F(EvidenceGate, CosignsReferrersOfTheLegacyFormat) {
  fakes::SignedPayload signature = fakes::SignPayload(key, image);
  auto manifest = fakes::LegacyManifest(
      image, {{.media_type = std::string(signature::keyed::kSimpleSigningMediaType),
               .payload = signature.payload,
               .annotations = {{std::string(signature::keyed::kSignatureAnnotation), signature.signature}}}});
  manifest.tag = "";
  manifest.json.Member("artifactType") = fakes::JsonValue::String("application/vnd.dev.cosign.artifact.sig.v1+json");
  auto bundle = fakes::BundleManifest(Image(), {});
  manifest.json.Member("subject") = bundle.json.Member("subject");
  fakes::Store(registry, "app", manifest);
  EXPECT_EQ(Outcome(), kAllowed);
}

// --- bounds of memory

TEST(ArtefactBudgetTest, GivesNoMoreThanItHas) {
  ArtefactBudget budget(100);
  EXPECT_TRUE(budget.Take(60));
  EXPECT_FALSE(budget.Take(41));
  EXPECT_TRUE(budget.Take(40));
  EXPECT_FALSE(budget.Take(1));
  budget.Give(60);
  EXPECT_TRUE(budget.Take(60));
}

// The genuine bundle, listed by a stranger's manifest that lies about it.
TEST_F(EvidenceGate, AManifestThatLiesAboutABlobIsNotInTheWayOfAnother) {
  const std::string bundle = SignWithKey(key).Text();
  for (std::uint64_t size = 1; size <= 5; ++size) {
    auto lie = fakes::BundleManifest(Image(), {bundle});
    fakes::At(lie.json, "/layers/0/size") = fakes::JsonValue::Number(size);
    fakes::Store(registry, "app", lie);
  }
  EXPECT_EQ(Outcome(), "denied: content-mismatch");
  clock.Advance(Duration(4000));
  PutBundle(bundle);
  EXPECT_EQ(Outcome(), kAllowed);
}

// CVE-2024-29903: what is attached to one image is bounded together.
TEST_F(EvidenceGate, AttachmentsOfOneImageAreBoundedTogether) {
  for (int i = 0; i < 8; ++i) {
    auto manifest = fakes::BundleManifest(Image(), {"{\"n\":" + std::to_string(i) + "}"});
    fakes::At(manifest.json, "/layers/0/size") = fakes::JsonValue::Number(limits::kBundleBytes);
    fakes::Store(registry, "app", manifest);
  }
  EXPECT_EQ(Outcome().substr(0, 8), "denied: ");
  EXPECT_EQ(Asked("/blobs/"), limits::kArtefactBytes / limits::kBundleBytes);
}

TEST_F(EvidenceGate, BytesOfLargeOnesAreCountedAndGivenBack) {
  PutBundle(SignWithKey(key, {{"large", std::string(100'000, 'x')}}).Text());
  auto reference = image::Reference::Parse("registry.example/app@" + image.text());
  const registry::Credentials nobody;
  const Deadline deadline(clock, Duration(5000));
  Helpers helpers(2);
  auto fetched = [&](ArtefactBudget& budget, const std::function<void(SigstoreArtefact&)>& look) {
    const Access access{client, *reference, nobody, deadline, helpers, budget};
    Evidence evidence(access, image, std::nullopt, {.signatures = true});
    while (evidence.Fetch()) continue;
    ASSERT_FALSE(evidence.sigstore().empty());
    look(evidence.sigstore()[0]);
  };
  const SigstoreArtefact::Requirements by_key{
      .key = signature::keyed::Verifier{.key = key.Public()}, .logs = 0, .scts = 0, .times = 0};
  ArtefactBudget none(10);
  fetched(none, [&](SigstoreArtefact& artefact) {
    auto verified = artefact.Signature(image, by_key);
    ASSERT_FALSE(verified.ok());
    EXPECT_EQ(verified.error().reason, Reason::kOverloaded);
  });
  ArtefactBudget enough(1'000'000);
  fetched(enough, [&](SigstoreArtefact& artefact) {
    EXPECT_TRUE(artefact.Signature(image, by_key).ok());
    EXPECT_FALSE(enough.Take(1'000'000));
  });
  EXPECT_TRUE(enough.Take(1'000'000));
}

TEST_F(EvidenceGate, SmallOnesAreInNobodysWay) {
  PutBundle(SignWithKey(key).Text());
  auto reference = image::Reference::Parse("registry.example/app@" + image.text());
  const registry::Credentials nobody;
  const Deadline deadline(clock, Duration(5000));
  Helpers helpers(0);
  ArtefactBudget none(0);
  const Access access{client, *reference, nobody, deadline, helpers, none};
  Evidence evidence(access, image, std::nullopt, {.signatures = true});
  while (evidence.Fetch()) continue;
  ASSERT_EQ(evidence.sigstore().size(), 1U);
  EXPECT_TRUE(
      evidence.sigstore()[0]
          .Signature(image, {.key = signature::keyed::Verifier{.key = key.Public()}, .logs = 0, .scts = 0, .times = 0})
          .ok());
}

// Time that goes into what somebody put there is no outage, which a policy might relax.
TEST_F(EvidenceGate, MuchToFetchIsNoOutageOfTheRegistry) {
  LoadFor(KeyAuthority("release", key.Public()), "  onUnavailable: allow\n");
  PutBundle("{\"x\":\"" + std::string(2'000'000, 'x') + "\"}");
  registry.OnRequest([&](const net::HttpRequest& request) {
    if (request.url.target.find("/blobs/") != std::string::npos) clock.Advance(Duration(3500));
  });
  EXPECT_EQ(Outcome(), "denied: limit-exceeded");
}

TEST_F(EvidenceGate, LittleThatComesLateIsOne) {
  LoadFor(KeyAuthority("release", key.Public()), "  onUnavailable: allow\n");
  PutBundle(SignWithKey(key).Text());
  registry.OnRequest([&](const net::HttpRequest& request) {
    if (request.url.target.find("/blobs/") != std::string::npos) clock.Advance(Duration(3500));
  });
  EXPECT_EQ(Outcome(), "warned: registry-unavailable");
}

// A hundred signatures under a hundred keys, as somebody may have them who may write policies of a namespace: minutes
// of work, of which nobody would see the end.
TEST_F(EvidenceGate, NothingIsVerifiedForWhichNobodyWaits) {
  const std::string payload = fakes::SimpleSigning(image);
  PutLegacy({sigstore.LegacySignature(payload, {.key = other_key}), sigstore.LegacySignature(payload, {.key = key})});
  const policy::Authority authority{
      "release", policy::KeyAuthority{signature::keyed::Verifier{.key = key.Public()}, {}}, {}, {}};
  const std::function<Status(const std::vector<crypto::Certificate>&, const std::optional<WallTime>&)> none;
  const Circumstances circumstances{&image, "registry.example/app", clock.Wall(), none};
  auto reference = image::Reference::Parse("registry.example/app@" + image.text());
  const registry::Credentials nobody;
  Helpers helpers(0);
  ArtefactBudget budget(limits::kArtefactBytes);
  for (const bool late : {false, true}) {
    const Deadline deadline(clock, Duration(5000));
    const Access access{client, *reference, nobody, deadline, helpers, budget};
    Evidence evidence(access, image, std::nullopt, {.signatures = true});
    while (evidence.Fetch()) continue;
    ASSERT_EQ(evidence.sigstore().size(), 2U);
    if (late) clock.Advance(Duration(5001));
    AuthorityRun run(authority, circumstances);
    run.Look(evidence);
    EXPECT_EQ(run.vouches(), !late);
    const AuthorityVerdict verdict = run.Conclude(&evidence);
    if (late) {
      ASSERT_FALSE(verdict.status.ok());
      EXPECT_EQ(verdict.status.error().reason, Reason::kLimitExceeded) << "no outage";
    }
  }
}

TEST(HelpersTest, EachTaskRunsOnceAndWhatOneThrowsComesOutAfterAll) {
  for (std::size_t most : {0U, 1U, 4U}) {
    Helpers helpers(most);
    std::vector<std::atomic<int>> runs(20);
    std::vector<std::function<void()>> tasks;
    for (auto& run : runs) tasks.emplace_back([&run] { ++run; });
    helpers.RunAll(tasks);
    for (auto& run : runs) EXPECT_EQ(run, 1);
    tasks.emplace_back([] { throw std::runtime_error("fault"); });
    EXPECT_THROW(helpers.RunAll(tasks), std::runtime_error);
    tasks.pop_back();
    helpers.RunAll(tasks);  // its helpers are free again
    for (auto& run : runs) EXPECT_EQ(run, 3);
  }
}

}  // namespace
}  // namespace gatehouse::gate
