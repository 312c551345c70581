// Indexes: what of an image has to be signed.
#include "common/gate/subjects.h"

#include "common/base/limits.h"
#include "tests/common/gate/signers_fixture.h"

namespace gatehouse::gate {
namespace {

struct Entry {
  Digest digest;
  std::string platform;  // the JSON of it; empty: none
  std::string media_type = std::string(image::kOciManifest);
};

std::string Platform(const std::string& os, const std::string& architecture) {
  return R"({"os":")" + os + R"(","architecture":")" + architecture + "\"}";
}

std::string IndexJson(const std::vector<Entry>& entries) {
  std::string json = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
  for (const Entry& entry : entries) {
    json += (json.ends_with("[") ? "" : ",") + (R"({"mediaType":")" + entry.media_type) + R"(","size":400,"digest":")" +
            entry.digest.text() + "\"" + (entry.platform.empty() ? "" : R"(,"platform":)" + entry.platform) + "}";
  }
  return json + "]}";
}

class SubjectsGate : public SignersGate {
 protected:
  void LoadSubject(const std::string& subject) {
    LoadFor(KeyAuthority("release", key.Public()), "  subject: " + subject + "\n");
  }
  Digest PutIndex(const std::vector<Entry>& entries) {
    return registry.PutManifest("app", "1", IndexJson(entries), std::string(image::kOciIndex));
  }
  void SignIt(const Digest& digest) {
    fakes::Sign(registry, "app", digest, key);
    clock.Advance(Duration(4000));
  }

  Digest amd = registry.PutImage("app", "", "amd64");
  Digest arm = registry.PutImage("app", "", "arm64");
  Digest buildkit = registry.PutImage("app", "", "attestation");
  std::vector<Entry> usual = {
      {amd, Platform("linux", "amd64")}, {arm, Platform("linux", "arm64")}, {buildkit, Platform("unknown", "unknown")}};
  Digest index = PutIndex(usual);
};

TEST_F(SubjectsGate, ReferenceIsTheIndexAlone) {
  LoadSubject("Reference");
  SignIt(amd);
  SignIt(arm);
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
  SignIt(index);
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")");
}

TEST_F(SubjectsGate, PlatformsAreEachImageThatCanBeRun) {
  LoadSubject("Platforms");
  SignIt(index);
  SignIt(amd);
  Decision decision = Judge();
  EXPECT_EQ(OnlyReason(decision), Reason::kImageUnsigned);
  EXPECT_EQ(decision.findings()[0].error.where, "platform linux/arm64");
  SignIt(arm);
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + "), for 2 manifests of it");
}

TEST_F(SubjectsGate, BothIsBoth) {
  LoadSubject("Both");
  SignIt(amd);
  SignIt(arm);
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
  SignIt(index);
  EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + "), for 3 manifests of it");
}

TEST_F(SubjectsGate, ASingleImageIsItsOwnPlatform) {
  image = registry.PutImage("app", "1", "single");
  for (const char* subject : {"Reference", "Platforms", "Both"}) {
    LoadSubject(subject);
    EXPECT_EQ(Outcome(), "denied: image-unsigned") << subject;
  }
  SignIt(image);
  for (const char* subject : {"Reference", "Platforms", "Both"}) {
    LoadSubject(subject);
    EXPECT_EQ(Outcome(), "allowed by release (" + Shown(key) + ")") << subject;
  }
}

TEST_F(SubjectsGate, AnIndexIsLookedIntoOnlyIfSomebodyAsks) {
  SignIt(index);
  const auto by_digest = Pod({"registry.example/app@" + index.text()});
  LoadSubject("Reference");
  EXPECT_TRUE(Decide(by_digest).allowed());
  EXPECT_EQ(Asked("/manifests/" + index.text()), 0U);
  LoadSubject("Both");
  EXPECT_FALSE(Decide(by_digest).allowed());
  EXPECT_EQ(Asked("/manifests/" + index.text()), 1U);
}

TEST_F(SubjectsGate, ByTagTheIndexIsThereAlready) {
  LoadSubject("Both");
  (void)Judge();
  EXPECT_EQ(Asked("/manifests/" + index.text()), 0U);
}

TEST_F(SubjectsGate, WhatHasNoPlatformMayBeRun) {
  LoadSubject("Platforms");
  SignIt(amd);
  PutIndex({{amd, Platform("linux", "amd64")}, {arm, ""}});
  EXPECT_EQ(Outcome(), "denied: image-unsigned");
}

TEST_F(SubjectsGate, Shapes) {
  LoadSubject("Platforms");
  SignIt(amd);
  std::vector<Entry> many;
  for (std::size_t i = 0; i <= limits::kPlatforms; ++i) {
    std::string hex = std::to_string(i);
    many.push_back({*Digest::Parse("sha256:" + std::string(64 - hex.size(), '0') + hex), Platform("linux", "amd64")});
  }
  struct Case {
    std::vector<Entry> entries;
    const char* outcome;
  } const cases[] = {
      {{}, "denied: manifest-malformed"},
      {{{buildkit, Platform("unknown", "unknown")}}, "denied: manifest-malformed"},
      {{{amd, Platform("linux", "amd64")}, {arm, Platform("linux", "arm64"), std::string(image::kOciIndex)}},
       "denied: content-unsupported"},
      {many, "denied: limit-exceeded"},
      {{{amd, Platform("linux", "amd64")}, {amd, Platform("linux", "386")}}, "allowed by "},  // the same once
  };
  for (const Case& c : cases) {
    PutIndex(c.entries);
    EXPECT_EQ(Outcome().substr(0, std::string(c.outcome).size()), c.outcome);
  }
}

TEST_F(SubjectsGate, PoliciesMayAskForDifferentSubjects) {
  Load(ImagePolicyYaml("index", "registry.example/**", KeyAuthority("release", key.Public())) +
       ImagePolicyYaml("platforms", "registry.example/**", KeyAuthority("build", other_key.Public()),
                       "  subject: Platforms\n"));
  SignIt(index);
  Decision decision = Judge();
  EXPECT_EQ(decision.approvals().size(), 1U);
  ASSERT_EQ(decision.findings().size(), 1U);
  EXPECT_EQ(decision.findings()[0].policy, "platforms");
  fakes::Sign(registry, "app", amd, other_key);
  fakes::Sign(registry, "app", arm, other_key);
  clock.Advance(Duration(4000));
  EXPECT_TRUE(Judge().allowed());
}

TEST_F(SubjectsGate, AnOutageOfOnePlatformIsNoExcuseForAnother) {
  LoadFor(KeyAuthority("release", key.Public()), "  subject: Platforms\n  onUnavailable: allow\n");
  fakes::Sign(registry, "app", amd, key);
  registry.PutManifest("app", signature::keyed::SignatureTag(arm), "{}", std::string(image::kOciManifest));
  EXPECT_EQ(Outcome(), "denied: manifest-malformed");
}

// CVE-2022-47633: the tag is asked once, and what it stood for then is what is judged.
TEST_F(SubjectsGate, CVE_2022_47633_TheIndexIsTheOneThatWasResolved) {
  LoadSubject("Both");
  SignIt(index);
  SignIt(amd);
  SignIt(arm);
  const Digest good = index;
  registry.OnRequest([&](const net::HttpRequest& request) {
    if (request.url.target.find("/referrers/") == std::string::npos) return;
    PutIndex({{buildkit, Platform("linux", "amd64")}});
  });
  Decision decision = Judge();
  EXPECT_TRUE(decision.allowed());
  EXPECT_EQ(decision.approvals()[0].subject, "registry.example/app@" + good.text());
  EXPECT_EQ(Asked("/manifests/1"), 1U);
}

}  // namespace
}  // namespace gatehouse::gate
