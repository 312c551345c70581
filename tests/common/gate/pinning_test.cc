// Which images are named by their digests, and how.
#include "common/gate/pinning.h"

#include "tests/common/gate/fixture.h"

namespace gatehouse::gate {
namespace {

const std::string kHex(64, 'a');

struct NameCase {
  const char* text;
  std::optional<std::string> pinned;  // before the digest; nothing: not pinned
};

class PinnedNames : public ::testing::TestWithParam<NameCase> {};

// As it is spelt, with the tag; and the same image for whoever reads it again.
TEST_P(PinnedNames, Table) {
  auto reference = image::Reference::Parse(GetParam().text);
  ASSERT_TRUE(reference.ok());
  Digest digest = *Digest::Parse("sha256:" + kHex);
  auto pinned = PinnedName(GetParam().text, *reference, digest);
  ASSERT_EQ(pinned.has_value(), GetParam().pinned.has_value());
  if (!pinned.has_value()) return;
  EXPECT_EQ(*pinned, *GetParam().pinned + "@sha256:" + kHex);
  auto again = image::Reference::Parse(*pinned);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->Name(), reference->Name());
  EXPECT_EQ(again->tag(), reference->tag());
  EXPECT_EQ(again->WithDigest(digest), reference->WithDigest(digest));
  EXPECT_FALSE(PinnedName(*pinned, *again, digest).has_value());  // once is enough
}

INSTANTIATE_TEST_SUITE_P(
    Table, PinnedNames,
    ::testing::Values(
        NameCase{"registry.example/app:1", "registry.example/app:1"},
        NameCase{"registry.example:5000/app:1", "registry.example:5000/app:1"},
        // The tag that goes without saying is said, since a glob may name it.
        NameCase{"registry.example:5000/app", "registry.example:5000/app:latest"}, NameCase{"nginx", "nginx:latest"},
        NameCase{"nginx:1.2", "nginx:1.2"},
        NameCase{"index.docker.io/library/nginx", "index.docker.io/library/nginx:latest"},
        NameCase{"localhost/a/b", "localhost/a/b:latest"}, NameCase{"[::1]:5000/x", "[::1]:5000/x:latest"},
        NameCase{"a/b@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", std::nullopt},
        NameCase{"a/b:1@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", std::nullopt}));

class Pinner : public GateFixture {
 protected:
  void SetUp() override { Load(SignedPolicy()); }
  [[nodiscard]] std::string SignedPolicy(const std::string& more = "") const {
    return ImagePolicyYaml("signed", "registry.example/**", KeyAuthority("release", key.Public()), more);
  }
  Pinning Pin(const admission::ReviewRequest& request, Duration budget = Duration(5000)) {
    Gate gate(
        verifier, nodes, [this] { return set; }, SameForAll([this] { return credentials; }), options);
    return gate.Pin(request, Deadline(clock, budget));
  }
  // How many of one image are pinned, unchanged and unverified.
  static std::vector<std::size_t> Counts(const Pinning& pinning) {
    return {pinning.pins.size(), pinning.unchanged, pinning.unverified};
  }
  const std::vector<std::size_t> kPinned = {1, 0, 0};
  const std::vector<std::size_t> kUnchanged = {0, 1, 0};
  const std::vector<std::size_t> kUnverified = {0, 0, 1};

  Digest image = registry.PutImage("app", "1", "first");
};

TEST_F(Pinner, AVerifiedTagIsPinnedInEachOfItsContainers) {
  fakes::Sign(registry, "app", image, key);
  Pinning pinning = Pin(Pod({"registry.example/app:1", "elsewhere.example/x:1", "registry.example/app:1"}));
  EXPECT_EQ(Counts(pinning), (std::vector<std::size_t>{2, 0, 1}));
  EXPECT_EQ(pinning.pins[0].image, 0U);
  EXPECT_EQ(pinning.pins[1].image, 2U);
  EXPECT_EQ(pinning.pins[0].pinned, "registry.example/app:1@" + image.text());
}

TEST_F(Pinner, WhatIsNotVerifiedStays) {
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}))), kUnverified);  // unsigned
  clock.Advance(Duration(4000));
  fakes::Sign(registry, "app", image, other_key);
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}))), kUnverified);
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/none:1"}))), kUnverified);
  EXPECT_EQ(Counts(Pin(Pod({"NOT A REFERENCE"}))), kUnverified);
}

TEST_F(Pinner, AnOutageThatAPolicyRelaxesIsNoVerification) {
  Load(SignedPolicy("  onUnavailable: allow\n"));
  registry.FailWith(-1);
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}))), kUnverified);
}

TEST_F(Pinner, NeitherIsAPolicyOnTrialThatIsNotContent) {
  Load(SignedPolicy("  mode: warn\n"));
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}))), kUnverified);
}

TEST_F(Pinner, NorAStaticRule) {
  Load(ImagePolicyYaml("open", "registry.example/**", "    - name: all\n      static: {action: pass}\n"));
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}))), kUnverified);
  EXPECT_EQ(registry.requests(), 0U);
}

TEST_F(Pinner, WhatAnotherPolicyDeniesStays) {
  fakes::Sign(registry, "app", image, key);
  Load(SignedPolicy() + ImagePolicyYaml("stricter", "registry.example/app", KeyAuthority("qa", other_key.Public())));
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}))), kUnverified);
}

TEST_F(Pinner, ADigestIsNotAskedAbout) {
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app@" + image.text()}))), kUnchanged);
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1@" + image.text()}))), kUnchanged);
  EXPECT_EQ(registry.requests(), 0U);
}

// A new name for what runs would make the kubelet start it again.
TEST_F(Pinner, WhatWasThereBeforeStays) {
  fakes::Sign(registry, "app", image, key);
  auto request = Pod({"registry.example/app:1", "registry.example/app:1"});
  request.operation = "UPDATE";
  request.images[0].unchanged = true;
  request.old_labels = policy::Labels{{"tier", "db"}};
  Pinning pinning = Pin(request);
  EXPECT_EQ(Counts(pinning), (std::vector<std::size_t>{1, 1, 0}));
  EXPECT_EQ(pinning.pins[0].image, 1U);
}

TEST_F(Pinner, PodsOnly) {
  fakes::Sign(registry, "app", image, key);
  auto request = Pod({"registry.example/app:1"});
  for (auto subject : {admission::Subject::kWorkload, admission::Subject::kOther, admission::Subject::kPolicy,
                       admission::Subject::kBinding}) {
    request.subject = subject;
    EXPECT_EQ(Counts(Pin(request)), (std::vector<std::size_t>{0, 0, 0})) << Name(subject);
  }
  request.subject = admission::Subject::kEphemeral;
  EXPECT_EQ(Counts(Pin(request)), kPinned);
}

TEST_F(Pinner, Adversarial_A14_TheRecordOfAStaticPodGoesOnToSayWhatRuns) {
  fakes::Sign(registry, "app", image, key);
  auto request = Pod({"registry.example/app:1"});
  request.mirror = true;
  EXPECT_EQ(Counts(Pin(request)), kUnchanged);
  EXPECT_TRUE(Decide(request).allowed());  // and is judged like any pod
}

TEST_F(Pinner, TheDecisionAfterwardsNeedsNoRegistry) {
  fakes::Sign(registry, "app", image, key);
  Pinning pinning = Pin(Pod({"registry.example/app:1"}));
  ASSERT_EQ(Counts(pinning), kPinned);
  registry.FailWith(-1);
  EXPECT_TRUE(Decide(Pod({pinning.pins[0].pinned})).allowed());
}

// R1: the tag moves between the two phases. What runs is what was verified.
TEST_F(Pinner, Adversarial_R1_ATagThatMovesAfterItWasPinned) {
  fakes::Sign(registry, "app", image, key);
  Pinning pinning = Pin(Pod({"registry.example/app:1"}));
  registry.PutImage("app", "1", "evil");
  ASSERT_EQ(Counts(pinning), kPinned);
  EXPECT_TRUE(Decide(Pod({pinning.pins[0].pinned})).allowed());
  EXPECT_EQ(pinning.pins[0].pinned, "registry.example/app:1@" + image.text());
}

// A policy whose glob names the tag covers the pinned image, too: pinning is no way out of it.
TEST_F(Pinner, Adversarial_N3_PinningDoesNotLeaveTheGlobOfATag) {
  Digest latest = registry.PutImage("app", "latest", "second");
  fakes::Sign(registry, "app", latest, key);
  Load(SignedPolicy() + ImagePolicyYaml("no-latest", "registry.example/app:latest",
                                        "    - name: none\n      static: {action: fail, message: name a version}\n",
                                        "  mode: warn\n"));
  EXPECT_EQ(Decide(Pod({"registry.example/app"})).outcome(), "warned");
  Pinning pinning = Pin(Pod({"registry.example/app"}));
  ASSERT_EQ(Counts(pinning), kPinned);
  EXPECT_EQ(Decide(Pod({pinning.pins[0].pinned})).outcome(), "warned");
}

TEST_F(Pinner, Adversarial_A11_WhatIsNotVerifiedInTimeStays) {
  fakes::Sign(registry, "app", image, key);
  registry.OnRequest([&](const net::HttpRequest&) { clock.Advance(Duration(3000)); });
  EXPECT_EQ(Counts(Pin(Pod({"registry.example/app:1"}), Duration(2000))), kUnverified);
}

TEST_F(Pinner, ThePatchTestsAndReplaces) {
  fakes::Sign(registry, "app", image, key);
  auto request = Pod({"registry.example/app:1"});
  request.images[0].pointer = "/spec/containers/0/image";
  EXPECT_EQ(PatchOf(request, Pin(request)),
            R"([{"op":"test","path":"/spec/containers/0/image","value":"registry.example/app:1"},)"
            R"({"op":"replace","path":"/spec/containers/0/image","value":"registry.example/app:1@)" +
                image.text() + R"("}])");
  EXPECT_EQ(PatchOf(request, {}), "[]");
}

}  // namespace
}  // namespace gatehouse::gate
